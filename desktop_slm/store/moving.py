"""Moving everything from one database into another: from memory into a vault that has just been made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_slm.store import index
from desktop_slm.store.content import indexed_texts
from desktop_slm.store.trash import KINDS

if TYPE_CHECKING:
    from desktop_slm.store.database import Database

_INDEX = ("entry", "word_index")


def fill(target: Database, source: Database) -> None:
    """Copy all rows of ``source`` into the new, empty ``target`` in one transaction, ids included.

    Both have the same schema. (SQLCipher refuses a page copy between a plain and an encrypted database.) The
    full-text index is not copied, which would go behind its back, but written anew.

    Raises:
        StorageFailed: The disk is full or failing; ``target`` is as empty as before.
    """
    with source.transaction(), target.transaction():
        target.rows("PRAGMA defer_foreign_keys=ON")
        for (table,) in source.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"):
            if not table.startswith(("sqlite_", *_INDEX)):
                _copy(table, target, source)
        for kind in KINDS:
            for (number,) in target.rows(f"SELECT id FROM {kind} WHERE deleted_at IS NULL"):  # noqa: S608
                for part, title, body in indexed_texts(target, kind, number):
                    index.put(target, kind, number, part, title=title, body=body)


def _copy(table: str, target: Database, source: Database) -> None:
    columns = [row[1] for row in source.rows(f'PRAGMA table_info("{table}")')]
    places = ", ".join("?" * len(columns))
    names = ", ".join(f'"{column}"' for column in columns)
    target.many(
        f'INSERT OR REPLACE INTO "{table}" ({names}) VALUES ({places})',  # noqa: S608
        source.each(f'SELECT {names} FROM "{table}"'),  # noqa: S608
    )
