"""A field for a passphrase with an eye to look at it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLineEdit, QWidget

from desktop_slm.gui import theme


class SecretField(QLineEdit):
    """Shows dots, or letters while the eye is pressed in; no dictionary and no history sees them."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setEchoMode(QLineEdit.EchoMode.Password)
        self.setPlaceholderText(name)
        self.setAccessibleName(name)
        self.setInputMethodHints(
            Qt.InputMethodHint.ImhSensitiveData
            | Qt.InputMethodHint.ImhNoPredictiveText
            | Qt.InputMethodHint.ImhNoAutoUppercase
        )
        self._eye = QAction(self)
        self._eye.setCheckable(True)
        self.addAction(self._eye, QLineEdit.ActionPosition.TrailingPosition)
        self._eye.toggled.connect(self._on_eye_toggled)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    @Slot(bool)
    def _on_eye_toggled(self, shown: bool) -> None:
        self.setEchoMode(QLineEdit.EchoMode.Normal if shown else QLineEdit.EchoMode.Password)
        self._on_theme_changed()

    @Slot()
    def _on_theme_changed(self) -> None:
        shown = self._eye.isChecked()
        self._eye.setIcon(theme.icon("eye-off" if shown else "eye"))
        self._eye.setText("Hide the passphrase" if shown else "Show the passphrase")

    def wipe(self) -> None:
        """Forget what was typed, also for undo, and hide again."""
        self.clear()
        self._eye.setChecked(False)
