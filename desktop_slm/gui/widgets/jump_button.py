"""The round button that leads back to the end of a conversation."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from desktop_slm.gui import theme

SIZE_PX = 32


class JumpButton(QAbstractButton):
    """An arrow down in a circle; hidden until it is needed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedSize(SIZE_PX, SIZE_PX)
        self.setAccessibleName("Go to the end")
        self.setToolTip("Go to the end (End)")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw circle and arrow."""
        colors = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        focused = self.hasFocus()
        painter.setPen(QPen(QColor(colors.accent if focused else colors.line), 2 if focused else 1))
        painter.setBrush(QColor(colors.hover if self.underMouse() else colors.panel))
        painter.drawEllipse(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        ratio = self.devicePixelRatioF()
        painter.drawPixmap(6, 6, theme.pixmap("chevron-down", colors.muted, theme.ICON_PX, ratio))
