"""What a page shows while it has nothing: an icon, one sentence, one button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from desktop_slm.gui import theme


class EmptyState(QWidget):
    """An icon above a sentence above a button (no button without text)."""

    button_pressed = Signal()

    def __init__(self, icon: str, sentence: str, button: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon_name = icon
        layout = QVBoxLayout(self)
        layout.setSpacing(16)
        layout.addStretch(2)
        self._icon = QLabel(self)
        self._icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self._icon)
        self.sentence = QLabel(sentence, self)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sentence.setWordWrap(True)
        theme.set_kind(self.sentence, "muted")
        layout.addWidget(self.sentence)
        self.button = QPushButton(button, self)
        theme.set_kind(self.button, "primary")
        self.button.setVisible(bool(button))
        self.button.clicked.connect(self._on_button_clicked)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    @Slot()
    def _on_theme_changed(self) -> None:
        ratio = self.devicePixelRatioF()
        self._icon.setPixmap(theme.pixmap(self._icon_name, theme.current().muted, 36, ratio))

    @Slot()
    def _on_button_clicked(self) -> None:
        self.button_pressed.emit()
