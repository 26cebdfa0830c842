"""The trash: what is deleted vanishes from lists and search at once and can be restored for 30 days.

Things deleted together (a document and the summaries of it) share a number and come back together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from desktop_slm.store import index
from desktop_slm.store.content import indexed_texts
from desktop_slm.store.ids import item_id, next_sequence, unknown
from desktop_slm.store.records import HistoryItem, ItemKind
from desktop_slm.store.states import States

if TYPE_CHECKING:
    from desktop_slm.store.database import Database

KEPT_S = 30 * 24 * 3600.0
KINDS: tuple[ItemKind, ...] = ("conversation", "document", "summary", "translation")

_TITLES = {"translation": "source", "conversation": "title", "document": "title", "summary": "title"}


Forgotten = Callable[[Sequence[str]], object]
"""Told of the conversations of which nothing shall be kept any more."""


def nobody(conversations: Sequence[str]) -> None:
    """Tell nobody of them: what keeps no model in memory has nothing more to forget."""


def delete(database: Database, kind: ItemKind, number: int) -> tuple[str, ...]:
    """Move an item to the trash, a document with the summaries made of it.

    What the model has read of it does not wait in the trash: it can be computed anew.

    Returns:
        The conversations whose states were forgotten: it, or those that the document is attached to.

    Raises:
        InvalidRequest: There is no such item, or it is in the trash already.
    """
    with database.transaction():
        if not database.value(f"SELECT 1 FROM {kind} WHERE id = ? AND deleted_at IS NULL", (number,)):  # noqa: S608
            raise unknown(item_id(kind, number))
        deletion = next_sequence(database)
        _mark(database, kind, number, deletion)
        forgotten = _forget_states(database, kind, number)
        if kind == "document":
            for (summary,) in database.rows(
                "SELECT id FROM summary WHERE deleted_at IS NULL"
                " AND id IN (SELECT summary FROM summary_document WHERE document = ?)",
                (number,),
            ):
                _mark(database, "summary", summary, deletion)
    return forgotten


def restore(database: Database, kind: ItemKind, number: int) -> None:
    """Take an item out of the trash, with everything that was deleted together with it.

    Raises:
        InvalidRequest: There is no such item in the trash.
    """
    with database.transaction():
        deletion = database.value(f"SELECT deletion FROM {kind} WHERE id = ?", (number,))  # noqa: S608
        if deletion is None:
            raise unknown(item_id(kind, number))
        for other in KINDS:
            for (row,) in database.rows(f"SELECT id FROM {other} WHERE deletion = ?", (deletion,)):  # noqa: S608
                database.rows(
                    f"UPDATE {other} SET deleted_at = NULL, deletion = NULL WHERE id = ?",  # noqa: S608
                    (row,),
                )
                for part, title, body in indexed_texts(database, other, row):
                    index.put(database, other, row, part, title=title, body=body)


def items(database: Database, limit: int = 200) -> list[HistoryItem]:
    """List what is in the trash, the last deleted first; ``updated`` is when that was."""
    found: list[tuple[int, HistoryItem]] = []
    for kind in KINDS:
        for row in database.rows(
            f"SELECT deletion, id, {_TITLES[kind]}, deleted_at FROM {kind}"  # noqa: S608
            " WHERE deleted_at IS NOT NULL ORDER BY deletion DESC LIMIT ?",
            (limit,),
        ):
            item = HistoryItem(id=item_id(kind, row[1]), kind=kind, title=row[2][:200], updated=row[3])
            found.append((row[0], item))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [item for _, item in found[:limit]]


def empty(database: Database, older_than_s: float = KEPT_S) -> int:
    """Remove for good what has been in the trash for longer than ``older_than_s`` and return how much."""
    before = time.time() - older_than_s
    removed = 0
    with database.transaction():
        for kind in KINDS:
            rows = database.rows(f"SELECT id FROM {kind} WHERE deleted_at <= ?", (before,))  # noqa: S608
            for (number,) in rows:
                _forget_states(database, kind, number)
            database.many(f"DELETE FROM {kind} WHERE id = ?", rows)  # noqa: S608
            database.many("DELETE FROM draft WHERE key = ?", [(item_id(kind, row[0]),) for row in rows])
            removed += len(rows)
    return removed


def _forget_states(database: Database, kind: ItemKind, number: int) -> tuple[str, ...]:
    """Remove what is saved of all conversations that hold an item's text; return them."""
    found = [(number,)] if kind == "conversation" else []
    if kind == "document":
        name = msgspec.json.encode(item_id(kind, number))  # as it stands in the list of a message
        found = database.rows(
            "SELECT DISTINCT conversation FROM message WHERE instr(documents, ?) > 0", (name,)
        )
    conversations = tuple(item_id("conversation", row[0]) for row in found)
    for conversation in conversations:
        States(database).forget(conversation)
    return conversations


def _mark(database: Database, kind: ItemKind, number: int, deletion: int) -> None:
    database.rows(
        f"UPDATE {kind} SET deleted_at = ?, deletion = ? WHERE id = ?",  # noqa: S608
        (time.time(), deletion, number),
    )
    index.drop(database, kind, number)
