"""Ids as the rest of the program sees them: a letter for the kind and the row's number (``c12``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_slm.errors import InvalidRequest
from desktop_slm.store.records import ItemKind

if TYPE_CHECKING:
    from desktop_slm.store.database import Database

_LETTERS: dict[ItemKind, str] = {
    "conversation": "c",
    "document": "d",
    "summary": "s",
    "translation": "t",
}
_KINDS: dict[str, ItemKind] = {letter: kind for kind, letter in _LETTERS.items()}
_MAX_DIGITS = 18


def item_id(kind: ItemKind, number: int) -> str:
    """Return the id of row ``number`` of a kind."""
    return f"{_LETTERS[kind]}{number}"


def item_row(id_: str, *kinds: ItemKind) -> tuple[ItemKind, int]:
    """Return the kind and the row's number of an id.

    Raises:
        InvalidRequest: It is not an id, or not of one of ``kinds`` (when some are given).
    """
    kind = _KINDS.get(id_[:1])
    if kind is None or (kinds and kind not in kinds):
        raise unknown(id_)
    return kind, _number(id_)


def message_id(number: int) -> str:
    """Return the id of a message."""
    return f"m{number}"


def message_row(id_: str) -> int:
    """Return the row's number of a message's id, or raise `InvalidRequest`."""
    if not id_.startswith("m"):
        raise unknown(id_)
    return _number(id_)


def unknown(id_: str) -> InvalidRequest:
    """Return the error for an id that nothing has."""
    return InvalidRequest(f"There is nothing with the id {id_[:20]!r}", "It may have been deleted.")


def next_sequence(database: Database) -> int:
    """Return a number larger than every one before: what items are ordered by, as clocks jump."""
    return int(database.value("UPDATE counter SET value = value + 1 WHERE name = 'sequence' RETURNING value"))


def storable(text: str) -> str:
    """Return ``text`` with what cannot be written as UTF-8 (lone surrogates) replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _number(id_: str) -> int:
    digits = id_[1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        raise unknown(id_)
    return int(digits)
