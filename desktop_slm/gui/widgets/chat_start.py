"""What the chat page shows before the first message: one sentence and a few ways to begin."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel

ATTACH = "Ask about a document"
STARTS = {
    "Rewrite a text": "Rewrite this in plain, friendly words:\n\n",
    "Explain something": "Explain in a few sentences: ",
}
_KEPT = "What you write stays on this computer."
_NOT_KEPT = "What you write stays on this computer. Nothing is saved: it is gone when you close the window."


class ChatStart(QWidget):
    """A sentence above a row of buttons.

    Signals:
        start_chosen: Text to begin with.
        attach_requested: Choose a document.
    """

    start_chosen = Signal(str)
    attach_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = PlainLabel("What can I help with?", parent=self)
        theme.set_kind(self.heading, "display")
        self.sentence = PlainLabel(_KEPT, wrap=True, parent=self)
        theme.set_kind(self.sentence, "muted")
        for label in (self.heading, self.sentence):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        self.buttons = [self._button(name) for name in (ATTACH, *STARTS)]
        for button in self.buttons:
            row.addWidget(button)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 24)
        layout.setSpacing(8)
        layout.addStretch(2)
        layout.addWidget(self.heading)
        layout.addWidget(self.sentence)
        layout.addSpacing(12)
        layout.addLayout(row)
        layout.addStretch(3)

    def show_saving(self, saving: bool) -> None:
        """Tell whether conversations are kept."""
        self.sentence.setText(_KEPT if saving else _NOT_KEPT)

    def _button(self, name: str) -> QPushButton:
        button = QPushButton(name, self)
        theme.set_kind(button, "outlined")
        button.clicked.connect(self._on_button_clicked)
        return button

    @Slot()
    def _on_button_clicked(self) -> None:
        button = self.sender()
        if isinstance(button, QPushButton):
            if button.text() == ATTACH:
                self.attach_requested.emit()
            else:
                self.start_chosen.emit(STARTS[button.text()])
