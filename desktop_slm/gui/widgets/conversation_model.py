"""The rows of the conversation list: headings of days, conversations below them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.store.records import ConversationRecord

_Index = QModelIndex | QPersistentModelIndex
RECORD_ROLE = Qt.ItemDataRole.UserRole + 1
HEADING_ROLE = Qt.ItemDataRole.UserRole + 2
UNTITLED = "New chat"
_NO_PARENT = QModelIndex()


def day_heading(updated_s: float, today: date) -> str:
    """Return under which heading a conversation of that time stands."""
    day = datetime.fromtimestamp(updated_s).date() if updated_s > 0 else date.min
    days = (today - day).days
    if days <= 0:
        return "Today"
    if days == 1:
        return "Yesterday"
    if days <= 7:
        return "Previous 7 days"
    if days <= 30:
        return "Previous 30 days"
    if day.year == today.year:
        return day.strftime("%B")
    return str(day.year) if day != date.min else "Older"


def in_groups(
    records: Sequence[ConversationRecord], today: date
) -> Iterator[tuple[str, list[ConversationRecord]]]:
    """Yield (heading, conversations): the pinned ones, then by day, each in the given order."""
    pinned = [record for record in records if record.pinned]
    if pinned:
        yield "Pinned", pinned
    groups: dict[str, list[ConversationRecord]] = {}
    for record in records:
        if not record.pinned:
            groups.setdefault(day_heading(record.updated, today), []).append(record)
    yield from groups.items()


class ConversationModel(QAbstractListModel):
    """Conversations in groups, filtered by a text in their titles.

    Signals:
        renamed: Id and the new title, after editing in place.
    """

    renamed = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._records: list[ConversationRecord] = []
        self._titles: list[str] = []
        self._rows: list[str | ConversationRecord] = []
        self._filter = ""

    def show_records(self, records: Sequence[ConversationRecord]) -> None:
        """Replace all conversations, the latest first."""
        self._records = list(records)
        self._titles = [record.title.casefold() for record in records]
        self._regroup()

    def show_matching(self, text: str) -> None:
        """Keep only titles that hold all words of ``text``."""
        self._filter = text.casefold().strip()
        self._regroup()

    def row_of(self, conversation: str) -> int:
        """Return the row of a conversation, -1 when it is not shown."""
        for row, item in enumerate(self._rows):
            if isinstance(item, ConversationRecord) and item.id == conversation:
                return row
        return -1

    def record(self, row: int) -> ConversationRecord | None:
        """Return the conversation of a row, None for a heading."""
        item = self._rows[row] if 0 <= row < len(self._rows) else None
        return item if isinstance(item, ConversationRecord) else None

    def _regroup(self) -> None:
        words = self._filter.split()
        shown = [
            record
            for record, title in zip(self._records, self._titles, strict=True)
            if all(word in title for word in words)
        ]
        self.beginResetModel()
        self._rows = []
        for heading, records in in_groups(shown, datetime.fromtimestamp(time.time()).date()):
            self._rows.append(heading)
            self._rows.extend(records)
        self.endResetModel()

    def rowCount(self, parent: _Index = _NO_PARENT) -> int:
        """Return the number of headings and conversations."""
        return 0 if parent.isValid() else len(self._rows)

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Headings cannot be chosen."""
        if self.record(index.row()) is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title, the record or the heading."""
        if not 0 <= index.row() < len(self._rows):
            return None
        item = self._rows[index.row()]
        if isinstance(item, str):
            return item if role in (Qt.ItemDataRole.DisplayRole, HEADING_ROLE) else None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return one_line(item.title) or UNTITLED
        if role == Qt.ItemDataRole.AccessibleTextRole:
            title = one_line(item.title) or UNTITLED
            return f"{title}, pinned" if item.pinned else title
        return item if role == RECORD_ROLE else None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tell a new title; the list changes when the store has it."""
        record = self.record(index.row())
        title = one_line(str(value))
        if record is None or role != Qt.ItemDataRole.EditRole or not title or title == record.title:
            return False
        self.renamed.emit(record.id, title)
        return True
