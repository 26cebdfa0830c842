"""What is shown in place of the window when the vault cannot be opened and a passphrase would not help."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel


class TroublePage(QWidget):
    """An error in full, where things lie, and three ways on.

    Signals:
        retry_requested: Try to open the vault again.
        folder_requested: Show the vault's folder in the file manager.
        memory_requested: Work without the vault, keep nothing.
    """

    retry_requested = Signal()
    folder_requested = Signal()
    memory_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._icon = QLabel(self)
        self._title = PlainLabel("", wrap=True, parent=self)
        theme.set_kind(self._title, "display")
        self._message = PlainLabel("", wrap=True, parent=self)
        self._promise = PlainLabel("", wrap=True, parent=self)
        theme.set_kind(self._promise, "muted")
        self._folder_path = PlainLabel("", wrap=True, parent=self)
        self._folder_path.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_kind(self._folder_path, "meta")
        self._retry = QPushButton("Try again", self)
        theme.set_kind(self._retry, "primary")
        self._folder = QPushButton("Open the folder", self)
        self._memory = QPushButton("Use without saving", self)
        self._lay_out()
        self._retry.clicked.connect(self._on_retry_clicked)
        self._folder.clicked.connect(self._on_folder_clicked)
        self._memory.clicked.connect(self._on_memory_clicked)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    def _lay_out(self) -> None:
        card = QFrame(self)
        theme.set_kind(card, "card")
        card.setFixedWidth(560)
        inner = QVBoxLayout(card)
        inner.setContentsMargins(32, 28, 32, 24)
        inner.setSpacing(12)
        inner.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignLeft)
        for label in (self._title, self._message, self._promise, self._folder_path):
            inner.addWidget(label)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self._retry, self._folder, self._memory):
            buttons.addWidget(button)
        buttons.addStretch(1)
        inner.addSpacing(4)
        inner.addLayout(buttons)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(card)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addStretch(2)
        layout.addLayout(row)
        layout.addStretch(3)

    def show_trouble(self, error: DesktopSlmError, folder: str, promise: str = "") -> None:
        """Show ``error``, a calming ``promise``, and the ``folder`` it is about."""
        self._title.setText(error.title)
        self._message.setText(error.message)
        self._message.setVisible(bool(error.message))
        self._promise.setText(promise)
        self._promise.setVisible(bool(promise))
        self._folder_path.setText(folder)

    @Slot()
    def _on_retry_clicked(self) -> None:
        self.retry_requested.emit()

    @Slot()
    def _on_folder_clicked(self) -> None:
        self.folder_requested.emit()

    @Slot()
    def _on_memory_clicked(self) -> None:
        self.memory_requested.emit()

    @Slot()
    def _on_theme_changed(self) -> None:
        self._icon.setPixmap(theme.pixmap("warning", theme.current().warning, 32, self.devicePixelRatioF()))
