"""Facts in words, the same everywhere in the window, and the list model of the history."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from desktop_slm.engine.api import Hardware
from desktop_slm.store.records import HistoryItem

_Index = QModelIndex | QPersistentModelIndex
ITEM_ROLE = Qt.ItemDataRole.UserRole + 1
_NO_GPU = "no GPU found"
KIND_WORDS = {
    "conversation": "chat",
    "document": "document",
    "summary": "summary",
    "translation": "translation",
}
KIND_ICONS = {
    "conversation": "chat",
    "document": "documents",
    "summary": "list",
    "translation": "translate",
}


def bytes_in_words(size_bytes: int) -> str:
    """Return a size as people read it: ``98 MB``, ``1.1 GB``."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    size = float(size_bytes)
    for unit in ("KB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.5 or unit == "TB":
            return (
                f"{size:.1f} {unit}"
                if size < 9.95 or (unit in ("GB", "TB") and size < 99)
                else f"{size:.0f} {unit}"
            )
    raise AssertionError


def time_left_in_words(left_s: float) -> str:
    """Return an estimate as people say it: ``20 s left``, ``4 min left``."""
    if left_s < 1:
        return "almost done"
    if left_s < 55:
        return f"{max(5, round(left_s / 5) * 5) if left_s >= 10 else round(left_s)} s left"
    minutes = max(1, round(left_s / 60))
    return f"{minutes} min left" if minutes < 90 else f"{minutes / 60:.1f} h left"


def date_in_words(when_s: float, now_s: float | None = None) -> str:
    """Return a time as the history shows it: the hour today, the day before that."""
    now = datetime.fromtimestamp(time.time() if now_s is None else now_s)
    then = datetime.fromtimestamp(when_s)
    days = (now.date() - then.date()).days
    if days == 0:
        return then.strftime("%H:%M")
    if days == 1:
        return "yesterday"
    if 1 < days < 7:
        return then.strftime("%A")
    return then.strftime("%b %d").replace(" 0", " ") + (f", {then.year}" if then.year != now.year else "")


def computer_in_words(hardware: Hardware) -> str:
    """Return what this computer is, in one line."""
    cores = f"{hardware.physical_cores} {'core' if hardware.physical_cores == 1 else 'cores'}"
    total, free = bytes_in_words(hardware.ram_total_bytes), bytes_in_words(hardware.ram_free_bytes)
    if hardware.device != "CPU":
        gpu = f"the GPU is used: {hardware.device}"
    elif hardware.reason in ("", _NO_GPU):
        gpu = _NO_GPU
    else:
        gpu = f"no GPU used: {hardware.reason}"
    return f"This computer: {cores}, {total} of memory ({free} free); {gpu}."


class HistoryModel(QAbstractListModel):
    """Rows of the history. `ITEM_ROLE` gives the `HistoryItem`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: list[HistoryItem] = []

    def show_items(self, items: Sequence[HistoryItem]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._items = list(items)
        self.endResetModel()

    def item(self, row: int) -> HistoryItem | None:
        """Return the record of a row, None outside."""
        return self._items[row] if 0 <= row < len(self._items) else None

    def take(self, item_id: str) -> None:
        """Remove the row of ``item_id`` where there is one."""
        for row, item in enumerate(self._items):
            if item.id == item_id:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._items[row]
                self.endRemoveRows()
                return

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  Qt's own signature
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._items)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title, the record, or what a screen reader says."""
        item = self.item(index.row())
        if item is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return item.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{KIND_WORDS[item.kind]}: {item.title}, {date_in_words(item.updated)}"
        return item if role == ITEM_ROLE else None
