"""Setting or changing the passphrase, inside the settings page."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel
from desktop_slm.gui.widgets.secret_field import SecretField

SHORTEST_PASSPHRASE = 8


class PassphrasePanel(QWidget):
    """Two or three fields and a button.

    Signals:
        passphrase_entered: The old passphrase (empty when there was none) and the new one.
        canceled: The user does not want to after all.
    """

    passphrase_entered = Signal(str, str)
    canceled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._old = SecretField("Passphrase now", self)
        self._first = SecretField("New passphrase", self)
        self._second = SecretField("The new one again", self)
        self._hint = PlainLabel(wrap=True, parent=self)
        theme.set_kind(self._hint, "meta")
        self._save = QPushButton("Set passphrase", self)
        theme.set_kind(self._save, "primary")
        self._cancel = QPushButton("Cancel", self)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self._save)
        buttons.addWidget(self._cancel)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 12)
        layout.setSpacing(8)
        for widget in (self._old, self._first, self._second, self._hint):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        for field in (self._old, self._first, self._second):
            field.textEdited.connect(self._refresh)
            field.returnPressed.connect(self._save.click)
        self._save.clicked.connect(self._on_save_clicked)
        self._cancel.clicked.connect(self._on_cancel_clicked)
        self._refresh()

    def ask(self, *, old: bool) -> None:
        """Start over; ``old`` asks for the passphrase in force first."""
        self.wipe()
        self._old.setVisible(old)
        (self._old if old else self._first).setFocus()

    def show_problem(self, sentence: str) -> None:
        """Say why it was not set."""
        self._hint.setText(sentence)
        theme.set_kind(self._hint, "danger")

    def wipe(self) -> None:
        """Forget what was typed."""
        for field in (self._old, self._first, self._second):
            field.wipe()
        self._refresh()

    @Slot()
    def _refresh(self) -> None:
        first, second = self._first.text(), self._second.text()
        theme.set_kind(self._hint, "meta")
        if len(first) < SHORTEST_PASSPHRASE:
            self._hint.setText(
                f"At least {SHORTEST_PASSPHRASE} characters; four or five words are easy to remember. "
                "Without it nobody can open your data."
            )
        elif second and first != second:
            self._hint.setText("The two are not the same yet.")
        else:
            self._hint.setText("Write it down somewhere safe.")
        complete = len(first) >= SHORTEST_PASSPHRASE and first == second
        self._save.setEnabled(complete and (self._old.isHidden() or bool(self._old.text())))

    @Slot()
    def _on_save_clicked(self) -> None:
        old = "" if self._old.isHidden() else self._old.text()
        self.passphrase_entered.emit(old, self._first.text())

    @Slot()
    def _on_cancel_clicked(self) -> None:
        self.wipe()
        self.canceled.emit()
