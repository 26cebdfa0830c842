"""An earlier message as an editor, in the place of its bubble."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QPushButton, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.writing_text import WritingText


class EditBox(QFrame):
    """The user's words with Send and Cancel.

    Signals:
        sent: The new text. cancelled: Nothing is to change.
    """

    sent = Signal(str)
    cancelled = Signal()
    height_px = 150

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        theme.set_kind(self, "card")
        self.text = WritingText(text, self)
        self.text.setAccessibleName("Edit the message")
        self.text.setGeometry(14, 12, 100, 84)
        self.send = QPushButton("Send", self)
        theme.set_kind(self.send, "primary")
        self.send.clicked.connect(self._on_send_clicked)
        self.cancel = QPushButton("Cancel", self)
        self.cancel.clicked.connect(self.cancelled)
        self.text.enter_pressed.connect(self._on_send_clicked)
        self.text.textChanged.connect(self._on_text_changed)

    def resizeEvent(self, event: object) -> None:
        """Text above, buttons below at the right."""
        self.text.setGeometry(14, 12, self.width() - 28, self.height() - 66)
        send, cancel = self.send.sizeHint(), self.cancel.sizeHint()
        y = self.height() - send.height() - 12
        self.send.setGeometry(self.width() - send.width() - 14, y, send.width(), send.height())
        left = self.width() - send.width() - cancel.width() - 22
        self.cancel.setGeometry(left, y, cancel.width(), cancel.height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc gives up."""
        if event.key() == Qt.Key.Key_Escape:
            self.cancelled.emit()
        else:
            super().keyPressEvent(event)

    @Slot()
    def _on_send_clicked(self) -> None:
        text = self.text.toPlainText().strip()
        if text:
            self.sent.emit(text)

    @Slot()
    def _on_text_changed(self) -> None:
        self.send.setEnabled(bool(self.text.toPlainText().strip()))
