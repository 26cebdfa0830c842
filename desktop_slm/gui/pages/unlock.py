"""The lock screen: the passphrase, and a way to work without the vault."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel
from desktop_slm.gui.widgets.secret_field import SecretField


class UnlockPage(QWidget):
    """Asks for the passphrase; with a keychain key only, offers to ask the keychain again.

    Signals:
        unlock_requested: The passphrase; empty to ask the keychain.
        memory_requested: Work without the vault, keep nothing.
    """

    unlock_requested = Signal(str)
    memory_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._icon = QLabel(self)
        self._title = PlainLabel("Locked", parent=self)
        theme.set_kind(self._title, "display")
        self._sentence = PlainLabel("", wrap=True, parent=self)
        theme.set_kind(self._sentence, "muted")
        self._passphrase = SecretField("Passphrase", self)
        self._problem = PlainLabel("", wrap=True, parent=self)
        theme.set_kind(self._problem, "danger")
        self._problem.hide()
        self._unlock = QPushButton("Unlock", self)
        theme.set_kind(self._unlock, "primary")
        self._memory = QPushButton("Use without saving", self)
        theme.set_kind(self._memory, "text")
        self._memory.setToolTip("Opens an empty window; nothing in it is kept. The vault stays as it is.")
        self._lay_out()
        self._connect_signals()
        self.show_lock(("passphrase",))
        self._on_theme_changed()

    def _lay_out(self) -> None:
        card = QFrame(self)
        theme.set_kind(card, "card")
        card.setFixedWidth(400)
        inner = QVBoxLayout(card)
        inner.setContentsMargins(32, 28, 32, 20)
        inner.setSpacing(12)
        inner.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignLeft)
        inner.addWidget(self._title)
        inner.addWidget(self._sentence)
        inner.addWidget(self._passphrase)
        inner.addWidget(self._problem)
        inner.addWidget(self._unlock)
        inner.addWidget(self._memory, 0, Qt.AlignmentFlag.AlignHCenter)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(card)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addStretch(2)
        layout.addLayout(row)
        layout.addStretch(3)

    def _connect_signals(self) -> None:
        self._passphrase.returnPressed.connect(self._on_unlock_clicked)
        self._passphrase.textEdited.connect(self._on_passphrase_edited)
        self._unlock.clicked.connect(self._on_unlock_clicked)
        self._memory.clicked.connect(self._on_memory_clicked)
        theme.signals.changed.connect(self._on_theme_changed)

    def show_lock(self, slots: Collection[str], sentence: str = "") -> None:
        """Ask for what opens this vault.

        Args:
            slots: What it may be opened with: ``passphrase``, ``keyring``.
            sentence: Why it is not open already, empty for the usual words.
        """
        with_passphrase = "passphrase" in slots
        self._passphrase.setVisible(with_passphrase)
        self._unlock.setText("Unlock" if with_passphrase else "Ask the keychain again")
        usual = "Your chats, documents and translations are encrypted. Type the passphrase to open them."
        self._sentence.setText(sentence or usual)
        self._problem.hide()
        self.show_busy(False)

    def show_error(self, error: DesktopSlmError) -> None:
        """Say why it did not open, and let the user try again."""
        self.show_busy(False)
        self._problem.setText(str(error))
        self._problem.show()
        self._passphrase.selectAll()
        self._passphrase.setFocus()

    def show_busy(self, busy: bool) -> None:
        """Wait for the key: it takes up to a second to compute."""
        for widget in (self._passphrase, self._unlock, self._memory):
            widget.setEnabled(not busy)
        if busy:
            self._unlock.setText("Opening…")
        elif self._unlock.text() == "Opening…":
            self._unlock.setText("Unlock" if not self._passphrase.isHidden() else "Ask the keychain again")

    def wipe(self) -> None:
        """Forget what was typed."""
        self._passphrase.wipe()
        self._problem.hide()
        self.show_busy(False)

    def showEvent(self, event: QShowEvent) -> None:
        """Be ready for typing."""
        super().showEvent(event)
        target = self._unlock if self._passphrase.isHidden() else self._passphrase
        target.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _on_unlock_clicked(self) -> None:
        if self._passphrase.isHidden():
            self.unlock_requested.emit("")
        elif self._passphrase.text():
            self.unlock_requested.emit(self._passphrase.text())

    @Slot()
    def _on_passphrase_edited(self) -> None:
        self._problem.hide()

    @Slot()
    def _on_memory_clicked(self) -> None:
        self.memory_requested.emit()

    @Slot()
    def _on_theme_changed(self) -> None:
        self._icon.setPixmap(theme.pixmap("lock", theme.current().accent, 32, self.devicePixelRatioF()))
