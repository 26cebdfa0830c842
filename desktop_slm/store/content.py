"""The texts of an item that are searched, read back from the tables: for re-indexing and for snippets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from desktop_slm.documents.model import Page
from desktop_slm.store.index import TITLE_PART
from desktop_slm.store.records import ItemKind

if TYPE_CHECKING:
    from desktop_slm.store.database import Database

_PAGE = msgspec.msgpack.Decoder(Page)
_TEXT_KEYS = ("sentences", "outline", "sections", "notes", "text", "title")


def indexed_texts(database: Database, kind: ItemKind, number: int) -> Iterator[tuple[int, str, str]]:
    """Yield part, title and body of everything in an item that is searched."""
    if kind == "conversation":
        title = database.value("SELECT title FROM conversation WHERE id = ?", (number,))
        yield TITLE_PART, title, ""
        for part, text in database.rows(
            "SELECT id, text FROM message WHERE conversation = ? AND state != 'streaming' ORDER BY id",
            (number,),
        ):
            yield part, "", text
    elif kind == "document":
        name = document_heading(database, number)
        yield TITLE_PART, name, ""
        for part, page in database.rows(
            "SELECT number, page FROM document_page WHERE document = ? ORDER BY number", (number,)
        ):
            yield part, name, _PAGE.decode(page).text
    elif kind == "summary":
        title, result = database.rows("SELECT title, result FROM summary WHERE id = ?", (number,))[0]
        yield TITLE_PART, title, summary_text(result)
    else:
        yield TITLE_PART, "", text_of(database, kind, number, TITLE_PART)


def text_of(database: Database, kind: ItemKind, number: int, part: int) -> str:
    """Return the body of one part of an item, empty for a part that has none."""
    if kind == "translation":
        row = database.row("SELECT source, target FROM translation WHERE id = ?", (number,))
        return "\n".join(row) if row else ""
    if kind == "summary":
        result = database.value("SELECT result FROM summary WHERE id = ?", (number,))
        return summary_text(result) if result else ""
    if part == TITLE_PART:
        return ""
    if kind == "conversation":
        return str(database.value("SELECT text FROM message WHERE id = ?", (part,)) or "")
    page = database.value("SELECT page FROM document_page WHERE document = ? AND number = ?", (number, part))
    return _PAGE.decode(page).text if page else ""


def document_heading(database: Database, number: int) -> str:
    """Return title and file name of a document, as they are searched."""
    title, name = database.rows("SELECT title, name FROM document WHERE id = ?", (number,))[0]
    return str(title) if title == name else f"{title} {name}"


def summary_text(result: bytes) -> str:
    """Return the sentences of a kept result.

    The store knows no task's event types: it takes what stands under the keys ``sentences``, ``outline``
    and ``text``, and not the quotes of the document, which is searched itself.
    """
    try:
        decoded = msgspec.json.decode(result)
    except msgspec.DecodeError:
        return ""
    return "\n".join(_strings(decoded))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key in _TEXT_KEYS:
            if key in value:
                yield from _strings(value[key])
