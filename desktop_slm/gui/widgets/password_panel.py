"""Asks for the password of an encrypted document, inside the page."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line


class PasswordPanel(QFrame):
    """A field and two buttons. The password is handed on once and not kept here."""

    password_given = Signal(str)
    skipped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "card")
        self._said = PlainLabel(wrap=True)
        theme.set_kind(self._said, "heading")
        self._wrong = PlainLabel(
            "That password does not open it. Check capital letters and try again.", wrap=True
        )
        theme.set_kind(self._wrong, "danger")
        self._field = QLineEdit()
        self._field.setEchoMode(QLineEdit.EchoMode.Password)
        self._field.setPlaceholderText("Password of the document")
        self._field.setAccessibleName("Password of the document")
        self._field.setAcceptDrops(False)
        self._field.textChanged.connect(self._on_field_text_changed)
        self._field.returnPressed.connect(self._on_open_clicked)
        self._open = QPushButton("Open")
        theme.set_kind(self._open, "primary")
        self._open.clicked.connect(self._on_open_clicked)
        self._skip = skip = QPushButton("Skip this file")
        theme.set_kind(skip, "outlined")
        skip.clicked.connect(self._on_skip_clicked)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._field, 1)
        row.addWidget(self._open)
        row.addWidget(skip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(8)
        for widget in (self._said, self._wrong):
            layout.addWidget(widget)
        layout.addLayout(row)
        self.hide()

    @property
    def field(self) -> QLineEdit:
        """Where the password is typed."""
        return self._field

    @property
    def open_button(self) -> QPushButton:
        """The button that tries it."""
        return self._open

    @property
    def says_wrong(self) -> bool:
        """Whether the last password did not open the document."""
        return self._wrong.isVisibleTo(self)

    def tab_order(self) -> list[QWidget]:
        """Return what comes one after the other with Tab."""
        return [self._field, self._open, self._skip]

    def ask(self, name: str, wrong: bool = False, *, pages: bool = False) -> None:
        """Ask, and say when the last password was wrong.

        Args:
            name: Of the file.
            wrong: A password was tried.
            pages: The text is there already; only its pages cannot be drawn without the password.
        """
        what = "needs its password again, to show its pages" if pages else "needs a password to be read"
        self._said.setText(f"“{one_line(name, 80)}” {what}.")
        self._skip.setText("Show the text" if pages else "Skip this file")
        self._wrong.setVisible(wrong)
        self._field.clear()
        self._open.setEnabled(False)
        self.show()
        if not pages:  # asked beside a document that is being read: the keys stay there
            self._field.setFocus()

    @Slot(str)
    def _on_field_text_changed(self, text: str) -> None:
        self._open.setEnabled(bool(text))

    @Slot()
    def _on_open_clicked(self) -> None:
        password = self._field.text()
        if password:
            self._field.clear()
            self.hide()
            self.password_given.emit(password)

    @Slot()
    def _on_skip_clicked(self) -> None:
        self._field.clear()
        self.hide()
        self.skipped.emit()
