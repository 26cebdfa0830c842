"""Small bordered buttons: the sampling preset in the title bar, attached files in the composer."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import one_line

_SIDE_PX = 8
_CROSS_PX = 16
_HEIGHT_PX = 22


class Chip(QAbstractButton):
    """A word in a thin frame; the whole chip is the button.

    Args:
        text: What it says.
        parent: Owner.
        removable: With a cross at its end; pressing the cross, Delete or Backspace asks for its removal.
    """

    removal_requested = Signal()

    def __init__(self, text: str, parent: QWidget | None = None, *, removable: bool = False) -> None:
        super().__init__(parent)
        self._removable = removable
        self._warns = False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.set_words(text)
        theme.signals.changed.connect(self._on_theme_changed)

    def set_words(self, text: str, *, warns: bool = False) -> None:
        """Say something else; ``warns`` shows it in the color of warnings."""
        self.setText(one_line(text, 80))
        self._warns = warns
        name = f"{self.text()}, press Delete to remove" if self._removable else self.text()
        self.setAccessibleName(name)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Text and its frame."""
        width = self._metrics_width(self.text()) + 2 * _SIDE_PX + (_CROSS_PX if self._removable else 0)
        return QSize(min(260, width), _HEIGHT_PX)

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        return QSize(48, _HEIGHT_PX)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete and Backspace remove a removable chip."""
        if self._removable and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removal_requested.emit()
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The cross removes."""
        if self._removable and event.position().x() > self.width() - _CROSS_PX - _SIDE_PX / 2:
            self.setDown(False)
            self.removal_requested.emit()
        else:
            super().mouseReleaseEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Frame, text, cross."""
        colors = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = self.hasFocus()
        painter.setPen(QPen(QColor(colors.accent if focused else colors.line), 2 if focused else 1))
        painter.setBrush(QColor(colors.hover if self.underMouse() else colors.panel))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.setFont(self._small_font())
        painter.setPen(QColor(colors.warning if self._warns else colors.muted))
        room = self.width() - 2 * _SIDE_PX - (_CROSS_PX if self._removable else 0)
        text = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, room)
        area = QRectF(_SIDE_PX, 0, room, self.height())
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        if self._removable:
            painter.setPen(QPen(QColor(colors.muted), 1.3))
            center = QPointF(self.width() - _SIDE_PX - 4, self.height() / 2)
            for step in (-1, 1):
                painter.drawLine(center + QPointF(-3, -3 * step), center + QPointF(3, 3 * step))

    def _small_font(self) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(theme.text_px() - 2)
        return font

    def _metrics_width(self, text: str) -> int:
        return QFontMetrics(self._small_font()).horizontalAdvance(text) + 2

    @Slot()
    def _on_theme_changed(self) -> None:
        self.updateGeometry()
        self.update()
