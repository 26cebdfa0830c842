"""The text a person writes to the model: Enter sends it, and it starts at the side where its script does."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.leaf_writer import is_right_to_left


class WritingText(QPlainTextEdit):
    """Enter sends, Shift+Enter makes a new line, Esc is for whoever is around it.

    Signals:
        enter_pressed: Send what is written.
    """

    enter_pressed = Signal()

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        theme.set_kind(self, "bare")
        self.setTabChangesFocus(True)
        self.setAcceptDrops(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._right_to_left = False
        self.textChanged.connect(self._on_text_changed)
        self._on_text_changed()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter sends unless Shift, Ctrl or Alt is held."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier):
                self.enter_pressed.emit()
            else:
                self.insertPlainText("\n")
        elif event.key() == Qt.Key.Key_Escape:
            event.ignore()
        else:
            super().keyPressEvent(event)

    @Slot()
    def _on_text_changed(self) -> None:
        """Align the text by its first letter: this widget orders letters by script, but keeps lines left."""
        backwards = is_right_to_left(self.document().firstBlock().text())
        if backwards != self._right_to_left:
            self._right_to_left = backwards
            option = self.document().defaultTextOption()
            option.setAlignment(Qt.AlignmentFlag.AlignRight if backwards else Qt.AlignmentFlag.AlignLeft)
            self.document().setDefaultTextOption(option)
