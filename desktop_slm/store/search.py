"""Find anything that is kept: full-text search over all kinds, and the list of what was used last."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from desktop_slm.store.content import summary_text, text_of
from desktop_slm.store.ids import item_id
from desktop_slm.store.records import HistoryItem, ItemKind
from desktop_slm.store.trash import KINDS
from desktop_slm.store.words import Term, snippet, terms

if TYPE_CHECKING:
    from desktop_slm.store.database import Database, Row

CANDIDATES = 1_000
"""Ranking looks at this many of the newest hits: a word that is everywhere stays fast to search."""

TITLE_WEIGHT = 4.0
_TITLE_CHARACTERS = 120
_PREVIEW_CHARACTERS = 160

# Title, time and a preview of one item.
_ITEMS: dict[ItemKind, str] = {
    "conversation": (
        "SELECT title, updated, (SELECT substr(text, 1, 400) FROM message WHERE conversation = c.id"
        " ORDER BY id DESC LIMIT 1) FROM conversation AS c WHERE id = ?"
    ),
    "document": "SELECT title, added, name FROM document WHERE id = ?",
    "summary": "SELECT title, created, result FROM summary WHERE id = ?",
    "translation": (
        "SELECT substr(source, 1, 400), created, substr(target, 1, 400) FROM translation WHERE id = ?"
    ),
}


class Search:
    """Search one open database. All methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def search(
        self, text: str, kinds: Collection[ItemKind] | None = None, limit: int = 50
    ) -> list[HistoryItem]:
        """Find items in which every word of ``text`` stands together in a title, message, page or result.

        The last word may be unfinished. Any text may be given and none raises: it is words to look for,
        never a query language. What is in the trash is not found.

        Args:
            text: As typed. Empty gives `recent`.
            kinds: Only these kinds; None for all.
            limit: At most so many items.

        Returns:
            The best first, each item once, with a snippet of the place that fits best.
        """
        if not text.strip():
            return self.recent(kinds, limit)
        wanted = terms(text)
        if not wanted:
            return []
        best: dict[tuple[ItemKind, int], int] = {}
        for kind, item, part in self._ranked(wanted, kinds):
            best.setdefault((kind, item), part)
            if len(best) >= limit:
                break
        found = [self._hit(kind, item, part, wanted) for (kind, item), part in best.items()]
        return [item for item in found if item is not None]

    def recent(
        self, kinds: Collection[ItemKind] | None = None, limit: int = 50, offset: int = 0
    ) -> list[HistoryItem]:
        """List items of all kinds, the last used first; the snippet is the beginning of the newest text."""
        wanted = [kind for kind in KINDS if kinds is None or kind in kinds]
        if not wanted:
            return []
        parts = [
            f"SELECT * FROM (SELECT '{kind}' AS kind, id, sequence FROM {kind} WHERE deleted_at IS NULL"  # noqa: S608
            " ORDER BY sequence DESC LIMIT ?1)"
            for kind in wanted
        ]
        rows = self._database.rows(
            " UNION ALL ".join(parts) + " ORDER BY sequence DESC LIMIT ?2 OFFSET ?3",
            (limit + offset, limit, offset),
        )
        found = [self._item(kind, number) for kind, number, _ in rows]
        return [item for item in found if item is not None]

    def _ranked(self, wanted: tuple[Term, ...], kinds: Collection[ItemKind] | None) -> list[Row]:
        """Return kind, item and part of the hits, the best first."""
        condition = "" if kinds is None else f" AND e.kind IN ({','.join('?' * len(kinds))})"
        sql = f"""
            SELECT kind, item, part FROM (
                SELECT e.kind, e.item, e.part, e.id, bm25(word_index, {TITLE_WEIGHT}, 1.0) AS score
                FROM word_index CROSS JOIN entry AS e ON e.id = word_index.rowid
                WHERE word_index MATCH ?{condition} ORDER BY word_index.rowid DESC LIMIT ?
            ) ORDER BY score, id DESC
        """  # noqa: S608 - fixed parts
        match = " AND ".join(term.match for term in wanted)
        return self._database.rows(sql, (match, *(kinds or ()), CANDIDATES))

    def _hit(self, kind: ItemKind, number: int, part: int, wanted: tuple[Term, ...]) -> HistoryItem | None:
        item = self._item(kind, number)
        text = text_of(self._database, kind, number, part)
        if item is None or not text:
            return item
        return HistoryItem(
            id=item.id, kind=kind, title=item.title, updated=item.updated, snippet=snippet(text, wanted)
        )

    def _item(self, kind: ItemKind, number: int) -> HistoryItem | None:
        row = self._database.row(_ITEMS[kind], (number,))
        if row is None:  # deleted by another thread since
            return None
        title, updated, preview = row
        if kind == "summary":
            preview = summary_text(preview)
        return HistoryItem(
            id=item_id(kind, number),
            kind=kind,
            title=_line(title, _TITLE_CHARACTERS),
            updated=updated,
            snippet=_line(preview or "", _PREVIEW_CHARACTERS),
        )


def _line(text: str, length: int) -> str:
    line = snippet(text[: 4 * length], ())
    return line if len(line) <= length else f"{line[: length - 1]}…"
