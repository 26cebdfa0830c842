"""The documents of the library as a list: a model over records, a filter, and how a row is drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop_slm.documents.language import LANGUAGES
from desktop_slm.gui import theme
from desktop_slm.gui.items import date_in_words
from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.store.records import DocumentRecord

RECORD_ROLE = int(Qt.ItemDataRole.UserRole)
SUMMARIZED_ROLE = RECORD_ROLE + 1
ROW_PX = 60
_Index = QModelIndex | QPersistentModelIndex


def language_name(code: str) -> str:
    """Return the English name of a language code, the code itself when unknown."""
    return LANGUAGES.get(code, code)


def facts(record: DocumentRecord) -> str:
    """Return ``212 pages · 84,120 words · English``."""
    pages = "1 page" if record.pages == 1 else f"{record.pages:,} pages"
    words = f"{record.words:,} words" if record.words else _without_words(record)
    return " · ".join(part for part in (pages, words, language_name(record.language)) if part)


def _without_words(record: DocumentRecord) -> str:
    return "a scan without text" if record.format == "pdf" else "no text"


class DocumentListModel(QAbstractListModel):
    """Rows of `DocumentRecord`."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[DocumentRecord] = []
        self._summarized: frozenset[str] = frozenset()

    def show(self, records: Sequence[DocumentRecord], summarized: Collection[str]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._records, self._summarized = list(records), frozenset(summarized)
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of documents."""
        return 0 if parent.isValid() else len(self._records)

    def data(self, index: _Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> object:
        """Return the record, the text to filter by, or the text to read aloud."""
        if not 0 <= index.row() < len(self._records):
            return None
        record = self._records[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{record.name} {record.title}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            summary = ", has a summary" if record.id in self._summarized else ""
            return f"{one_line(record.name)}, {facts(record)}{summary}"
        if role == RECORD_ROLE:
            return record
        if role == SUMMARIZED_ROLE:
            return record.id in self._summarized
        return None


class DocumentFilter(QSortFilterProxyModel):
    """Shows the rows that contain every word typed."""

    def __init__(self) -> None:
        super().__init__()
        self._words: tuple[str, ...] = ()

    def set_text(self, text: str) -> None:
        """Filter anew."""
        self._words = tuple(text.casefold().split())
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: _Index) -> bool:
        """Tell whether name and title hold all words."""
        if not self._words:
            return True
        index = self.sourceModel().index(source_row, 0, source_parent)
        text = str(index.data() or "").casefold()
        return all(word in text for word in self._words)


class DocumentDelegate(QStyledItemDelegate):
    """Draws icon, name, facts, date and whether there is a summary."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Two lines and air."""
        return QSize(200, max(ROW_PX, 2 * theme.text_px() + 32))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw one row."""
        record = index.data(RECORD_ROLE)
        if not isinstance(record, DocumentRecord):
            return
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_ground(painter, rect, state)
        self._draw_words(painter, rect.adjusted(16, 0, -16, 0), record, bool(index.data(SUMMARIZED_ROLE)))
        painter.restore()

    def _draw_ground(self, painter: QPainter, rect: QRect, state: QStyle.StateFlag) -> None:
        palette = theme.current()
        body = QRectF(rect).adjusted(1, 1, -1, -1)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        if selected or hovered:
            focused = selected and bool(state & QStyle.StateFlag.State_HasFocus)
            painter.setPen(QPen(QColor(palette.accent), 2) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent_ground if selected else palette.hover))
            painter.drawRoundedRect(body, 6, 6)
        if not selected:
            painter.fillRect(rect.left() + 12, rect.bottom(), rect.width() - 24, 1, QColor(palette.line))

    def _draw_words(self, painter: QPainter, rect: QRect, record: DocumentRecord, summarized: bool) -> None:
        palette = theme.current()
        icon = theme.pixmap("documents", palette.muted, 20, painter.device().devicePixelRatioF())
        painter.drawPixmap(rect.left(), rect.center().y() - 10, icon)
        painter.save()
        right = self._draw_end(painter, rect, record, summarized)
        painter.restore()
        name_font, small = QFont(painter.font()), QFont(painter.font())
        name_font.setPixelSize(theme.text_px())
        name_font.setWeight(QFont.Weight.Medium)
        small.setPixelSize(theme.text_px() - 2)
        left = rect.left() + 34
        name, facts_line = QFontMetrics(name_font), QFontMetrics(small)
        room = right - left - 16
        top = rect.top() + (rect.height() - name.height() - facts_line.height() - 3) // 2
        painter.setFont(name_font)
        painter.setPen(QColor(palette.ink))
        shown = name.elidedText(one_line(record.name), Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(QRect(left, top, room, name.height()), _leading(), shown)
        painter.setFont(small)
        painter.setPen(QColor(palette.muted))
        below = facts_line.elidedText(_second_line(record), Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRect(left, top + name.height() + 3, room, facts_line.height()), _leading(), below)

    def _draw_end(self, painter: QPainter, rect: QRect, record: DocumentRecord, summarized: bool) -> int:
        """Draw date and summary mark at the end; return where they begin."""
        palette = theme.current()
        small = QFont(painter.font())
        small.setPixelSize(theme.text_px() - 2)
        painter.setFont(small)
        painter.setPen(QColor(palette.muted))
        date_width = 96
        box = QRect(rect.right() - date_width, rect.top(), date_width, rect.height())
        painter.drawText(
            box, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight), date_in_words(record.added)
        )
        if not summarized:
            return box.left()
        pill_font = QFont(small)
        pill_font.setPixelSize(theme.text_px() - 3)
        pill_font.setWeight(QFont.Weight.DemiBold)
        metrics = QFontMetrics(pill_font)
        width, height = metrics.horizontalAdvance("summary") + 14, metrics.height() + 3
        pill = QRectF(box.left() - width, rect.center().y() - height / 2 + 1, width, height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.accent_ground))
        painter.drawRoundedRect(pill, height / 2, height / 2)
        painter.setFont(pill_font)
        painter.setPen(QColor(palette.accent))
        painter.drawText(pill, int(Qt.AlignmentFlag.AlignCenter), "summary")
        return round(pill.left())


def _leading() -> int:
    return int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)


def _second_line(record: DocumentRecord) -> str:
    """Facts, after the title where that says more than the name."""
    title = one_line(record.title, 90)
    stem = record.name.rsplit(".", 1)[0]
    return f"{facts(record)} · {title}" if title and title not in (record.name, stem) else facts(record)
