"""A page's body: a scrolling column of limited width in the middle, as in a book."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from desktop_slm.gui import theme


class Column(QScrollArea):
    """Scrolls `body`, a vertical layout at most ``width_px`` wide."""

    def __init__(self, width_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        ground = QWidget(self)
        theme.set_kind(ground, "ground")
        inner = QWidget(ground)
        inner.setMaximumWidth(width_px)
        self.body = QVBoxLayout(inner)
        self.body.setContentsMargins(0, 24, 0, 24)
        self.body.setSpacing(12)
        self.body.setAlignment(Qt.AlignmentFlag.AlignTop)
        outer = QHBoxLayout(ground)
        outer.setContentsMargins(24, 0, 24, 0)
        outer.addStretch(1)
        outer.addWidget(inner, 1000)
        outer.addStretch(1)
        self.setWidget(ground)
