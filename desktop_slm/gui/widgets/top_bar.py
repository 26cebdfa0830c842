"""The 52-px bar on top of every page: title and chips left, buttons right."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from desktop_slm.gui import theme


class TopBar(QFrame):
    """Title, chips, a stretch, then buttons in the order they are added."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "bar")
        self.setFixedHeight(theme.TOP_BAR_PX)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(20, 0, 20, 0)
        self._layout.setSpacing(10)
        self.title = QLabel(title, self)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        theme.set_kind(self.title, "title")
        self._layout.addWidget(self.title)
        self._chips = QHBoxLayout()
        self._chips.setSpacing(8)
        self._layout.addLayout(self._chips)
        self._layout.addStretch(1)

    def set_title(self, text: str) -> None:
        """Show ``text``, cut in the middle where it is too long."""
        self.title.setText(self.title.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, 420))
        self.title.setToolTip(text if self.title.text() != text else "")

    def set_chips(self, texts: list[str]) -> None:
        """Replace the chips after the title."""
        while (item := self._chips.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        for text in texts:
            chip = QLabel(text, self)
            chip.setTextFormat(Qt.TextFormat.PlainText)
            theme.set_kind(chip, "chip")
            self._chips.addWidget(chip, 0, Qt.AlignmentFlag.AlignVCenter)

    def put_first(self, button: QWidget) -> None:
        """Put a button that leads back before the title."""
        self._layout.insertWidget(0, button)
        self._layout.setContentsMargins(12, 0, 20, 0)

    def add_button(self, text: str, kind: str = "outlined") -> QPushButton:
        """Append a button and return it."""
        button = QPushButton(text, self)
        theme.set_kind(button, kind)
        self._layout.addWidget(button)
        return button

    def add_widget(self, widget: QWidget) -> None:
        """Append any other control."""
        self._layout.addWidget(widget)
