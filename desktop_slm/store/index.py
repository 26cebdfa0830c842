"""Keep the full-text index in step with the tables: every write of searchable text goes through here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_slm.store.records import ItemKind
from desktop_slm.store.words import indexable

if TYPE_CHECKING:
    from desktop_slm.store.database import Database

TITLE_PART = 0
"""The part that stands for the item itself; a conversation's messages and a document's pages have others."""


def put(database: Database, kind: ItemKind, item: int, part: int, *, title: str = "", body: str = "") -> None:
    """Index a text of an item in place of the one indexed before; an empty one is not indexed."""
    drop_part(database, kind, item, part)
    if not title and not body:
        return
    number = database.insert("INSERT INTO entry (kind, item, part) VALUES (?, ?, ?)", (kind, item, part))
    database.insert(
        "INSERT INTO word_index (rowid, title, body) VALUES (?, ?, ?)",
        (number, indexable(title), indexable(body)),
    )


def drop_part(database: Database, kind: ItemKind, item: int, part: int) -> None:
    """Take one text of an item out of the index."""
    number = database.value(
        "DELETE FROM entry WHERE kind = ? AND item = ? AND part = ? RETURNING id", (kind, item, part)
    )
    if number is not None:
        database.rows("DELETE FROM word_index WHERE rowid = ?", (number,))


def drop(database: Database, kind: ItemKind, item: int) -> None:
    """Take all texts of an item out of the index."""
    numbers = database.rows("DELETE FROM entry WHERE kind = ? AND item = ? RETURNING id", (kind, item))
    database.many("DELETE FROM word_index WHERE rowid = ?", numbers)
