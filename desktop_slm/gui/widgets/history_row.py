"""How a row of the history is painted: icon, title, time, and the passage that was found."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop_slm.gui import theme
from desktop_slm.gui.items import ITEM_ROLE, KIND_ICONS, KIND_WORDS, date_in_words
from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.store.records import HistoryItem

HIT_START, HIT_END = "\x02", "\x03"
_HEIGHT_PX = 58
_MARGIN_PX = 12


class HistoryRowDelegate(QStyledItemDelegate):
    """Paints `HistoryItem` rows of two lines."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """All rows are of one height."""
        return QSize(200, _HEIGHT_PX)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Paint the ground, then the two lines."""
        item = index.data(ITEM_ROLE)
        if not isinstance(item, HistoryItem):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = option.rect.adjusted(0, 1, 0, -1)
        self._paint_ground(painter, option, area)
        colors = theme.current()
        icon = theme.pixmap(KIND_ICONS[item.kind], colors.muted, 18, painter.device().devicePixelRatioF())
        painter.drawPixmap(area.left() + _MARGIN_PX, area.top() + 10, icon)
        self._paint_lines(painter, option.font, item, area.adjusted(40, 8, -_MARGIN_PX, -8))
        painter.restore()

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, area: QRect) -> None:
        colors = theme.current()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        under_mouse = bool(option.state & QStyle.StateFlag.State_MouseOver)
        if not (chosen or under_mouse):
            return
        painter.setPen(QColor(colors.accent if focused and chosen else colors.line))
        painter.setBrush(QColor(colors.panel if chosen else colors.hover))
        painter.drawRoundedRect(area.adjusted(4, 0, -4, 0).toRectF().adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)

    def _paint_lines(self, painter: QPainter, font: QFont, item: HistoryItem, area: QRect) -> None:
        colors = theme.current()
        small = QFont(font)
        small.setPixelSize(theme.text_px() - 2)
        when = date_in_words(item.updated)
        when_width = QFontMetrics(small).horizontalAdvance(when)
        line = QRect(area.left(), area.top(), area.width(), 20)
        painter.setFont(small)
        painter.setPen(QColor(colors.muted))
        painter.drawText(line, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), when)
        painter.setFont(font)
        painter.setPen(QColor(colors.ink))
        title = painter.fontMetrics().elidedText(
            one_line(item.title) or KIND_WORDS[item.kind],
            Qt.TextElideMode.ElideRight,
            line.width() - when_width - 12,
        )
        painter.drawText(line, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), title)
        self._paint_snippet(painter, small, item.snippet, line.translated(0, 22))

    def _paint_snippet(self, painter: QPainter, font: QFont, snippet: str, line: QRect) -> None:
        """Paint ``snippet`` piece by piece, hits bold in the accent color, as far as there is room."""
        colors = theme.current()
        bold = QFont(font)
        bold.setBold(True)
        left = line.left()
        for text, hit in pieces(snippet):
            painter.setFont(bold if hit else font)
            painter.setPen(QColor(colors.accent if hit else colors.muted))
            room = line.right() - left
            shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
            painter.drawText(
                QRect(left, line.top(), room, line.height()), int(Qt.AlignmentFlag.AlignVCenter), shown
            )
            left += painter.fontMetrics().horizontalAdvance(shown)
            if shown != text or left >= line.right():
                return


def pieces(snippet: str) -> list[tuple[str, bool]]:
    """Split a snippet at its hit marks; returns (text, whether it is a hit)."""
    result: list[tuple[str, bool]] = []
    for part in snippet.split(HIT_START):
        hit, end, rest = part.partition(HIT_END)
        if not end:
            hit, rest = "", part
        if hit:
            result.append((_visible(hit), True))
        if rest:
            result.append((_visible(rest), False))
    return result


def _visible(text: str) -> str:
    """Clean ``text`` and keep the spaces at its ends."""
    clean = one_line(text, 400)
    before = " " if text[:1].isspace() else ""
    after = " " if clean and text[-1:].isspace() else ""
    return before + clean + after
