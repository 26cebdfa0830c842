"""The first run: what this is and where data lies, the key, this computer and its first model."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.choice_card import ChoiceCard
from desktop_slm.gui.widgets.plain_label import PlainLabel
from desktop_slm.gui.widgets.secret_field import SecretField

SHORTEST_PASSPHRASE = 8
_STEPS = 3


class WelcomePage(QWidget):
    """Three short pages, then `finished`.

    Signals:
        key_chosen: ``keyring``, ``passphrase`` or ``memory``, and the passphrase (empty for the others).
            Answered by `show_key_ready` or `show_error`.
        starter_requested: Put the tiny starter on the shelf. Answered by `show_model_ready` or `show_error`.
        model_file_chosen: Path of a GGUF file to use. Answered in the same way.
        finished: The user goes on to the window.
    """

    key_chosen = Signal(str, str)
    starter_requested = Signal()
    model_file_chosen = Signal(str)
    finished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._steps = QStackedWidget(self)
        self._count = PlainLabel("", parent=self)
        theme.set_kind(self._count, "meta")
        self._problem = PlainLabel("", wrap=True, parent=self)
        theme.set_kind(self._problem, "danger")
        self._back = QPushButton("Back", self)
        self._next = QPushButton("Continue", self)
        theme.set_kind(self._next, "primary")
        self._keys = QButtonGroup(self)
        self._models = QButtonGroup(self)
        self._make_about()
        self._make_key()
        self._make_model()
        self._lay_out()
        self._connect_signals()
        self._show_step(0)

    # Building

    def _make_about(self) -> None:
        body = self._add_step(
            "Private assistants on your own computer",
            "Chat, summarize whole documents and translate with small language models that run right here.",
        )
        self._points: list[tuple[QLabel, str]] = []
        self._add_point(
            body,
            "shield",
            "Nothing leaves this computer",
            "There is no account and no cloud. "
            "The parts that read your files and run the model have no way to the network.",
        )
        self._add_point(
            body,
            "lock",
            "What is kept is encrypted",
            "Chats, documents, summaries and "
            "translations lie in one encrypted file that only your key opens.",
        )
        self._add_point(
            body,
            "page",
            "Every sentence shows its page",
            "A summary reads the whole document, and marks whatever it cannot find in it.",
        )
        self._where = PlainLabel("", wrap=True, parent=self)
        self._where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        theme.set_kind(self._where, "meta")
        body.addWidget(self._where)
        body.addStretch(1)

    def _make_key(self) -> None:
        body = self._add_step(
            "Who keeps the key?",
            "Everything that is kept is encrypted with a key made for this computer.",
        )
        self._keyring = ChoiceCard(
            "shield",
            "Keep the key in the system keychain",
            "Opens by itself when you are logged in. The key lies where your browser keeps its passwords.",
            self._keys,
            self,
        )
        self._phrase = ChoiceCard(
            "key",
            "Set a passphrase",
            "Asked for at every start. There is no other way in: without it nobody can open your data.",
            self._keys,
            self,
        )
        fields = QVBoxLayout(self._phrase.details)
        fields.setContentsMargins(0, 0, 0, 0)
        fields.setSpacing(8)
        self._first = SecretField("Passphrase", self._phrase)
        self._second = SecretField("The same again", self._phrase)
        self._hint = PlainLabel("", wrap=True, parent=self._phrase)
        theme.set_kind(self._hint, "meta")
        for widget in (self._first, self._second, self._hint):
            fields.addWidget(widget)
        self._memory = ChoiceCard(
            "shield-off",
            "Use without saving",
            "Nothing is kept when the window closes. You can set a key later in Settings > Privacy.",
            self._keys,
            self,
        )
        for card in (self._keyring, self._phrase, self._memory):
            body.addWidget(card)
        body.addStretch(1)

    def _make_model(self) -> None:
        body = self._add_step("A model to start with", "")
        self._computer = PlainLabel("Looking at this computer…", wrap=True, parent=self)
        theme.set_kind(self._computer, "muted")
        body.addWidget(self._computer)
        self._starter = ChoiceCard(
            "sparkle",
            "Start with the tiny starter",
            "Comes with the application: 135 million parameters, English, for trying things out. Fast on any "
            "computer; for serious work use a larger model.",
            self._models,
            self,
        )
        self._file = ChoiceCard(
            "folder",
            "Use a model file",
            "A GGUF file on this computer or a USB stick. It is checked first and copied next to your data.",
            self._models,
            self,
        )
        row = QHBoxLayout(self._file.details)
        row.setContentsMargins(0, 0, 0, 0)
        self._choose = QPushButton("Choose a file…", self._file)
        self._chosen = PlainLabel("", parent=self._file)
        theme.set_kind(self._chosen, "meta")
        row.addWidget(self._choose)
        row.addWidget(self._chosen, 1)
        for card in (self._starter, self._file):
            body.addWidget(card)
        body.addStretch(1)
        self._path = ""

    def _add_step(self, title: str, sentence: str) -> QVBoxLayout:
        page = QWidget(self._steps)
        body = QVBoxLayout(page)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(12)
        heading = PlainLabel(title, wrap=True, parent=page)
        theme.set_kind(heading, "display")
        body.addWidget(heading)
        if sentence:
            below = PlainLabel(sentence, wrap=True, parent=page)
            theme.set_kind(below, "muted")
            body.addWidget(below)
        body.addSpacing(8)
        self._steps.addWidget(page)
        return body

    def _add_point(self, body: QVBoxLayout, icon: str, title: str, sentence: str) -> None:
        picture = QLabel(self)
        self._points.append((picture, icon))
        heading = PlainLabel(title, parent=self)
        theme.set_kind(heading, "heading")
        below = PlainLabel(sentence, wrap=True, parent=self)
        theme.set_kind(below, "muted")
        text = QVBoxLayout()
        text.setSpacing(2)
        text.addWidget(heading)
        text.addWidget(below)
        row = QHBoxLayout()
        row.setSpacing(16)
        row.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(text, 1)
        body.addLayout(row)
        body.addSpacing(8)

    def _lay_out(self) -> None:
        inner = QFrame(self)
        inner.setFixedWidth(600)
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 24, 0, 24)
        column.setSpacing(12)
        column.addStretch(1)
        column.addWidget(self._count)
        column.addWidget(self._steps, 12)
        column.addWidget(self._problem)
        buttons = QHBoxLayout()
        buttons.addWidget(self._back)
        buttons.addStretch(1)
        buttons.addWidget(self._next)
        column.addLayout(buttons)
        column.addStretch(1)
        layout = QHBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(inner)
        layout.addStretch(1)

    def _connect_signals(self) -> None:
        self._back.clicked.connect(self._on_back_clicked)
        self._next.clicked.connect(self._on_next_clicked)
        for button in (self._back, self._next, self._choose):
            button.setAutoDefault(True)  # Enter presses it, as in a dialog
        for field in (self._first, self._second):
            field.textEdited.connect(self._refresh)
            field.returnPressed.connect(self._on_field_return_pressed)
        for card in (self._keyring, self._phrase, self._memory, self._starter, self._file):
            card.chosen.connect(self._refresh)
        self._choose.clicked.connect(self._on_choose_clicked)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    # What the window tells

    def show_folder(self, folder: str) -> None:
        """Tell where the data will lie."""
        self._where.setText(f"Your data will lie in {folder}")

    def show_keyring(self, usable: bool, backend: str = "", reason: str = "") -> None:
        """Tell whether a keychain can be used, and which."""
        self._keyring.set_possible(usable)
        if usable:
            self._keyring.set_sentence(
                "Opens by itself when you are logged in. The key lies where other applications keep their "
                f"passwords{f' ({backend})' if backend else ''}."
            )
        else:
            self._keyring.set_sentence(f"Not possible here: {reason or 'no keychain was found'}.")
        if self._keys.checkedButton() is None:
            (self._keyring if usable else self._phrase).radio.setChecked(True)
            if self._steps.currentIndex() == 1:
                self._take_focus()

    def show_computer(self, sentence: str) -> None:
        """Say what this computer is."""
        self._computer.setText(sentence)

    def show_starter(self, available: bool) -> None:
        """Tell whether the starter came with this installation."""
        self._starter.set_possible(available)
        (self._starter if available else self._file).radio.setChecked(True)
        if self._steps.currentIndex() == 2:
            self._take_focus()

    def show_key_ready(self) -> None:
        """The vault is open (or memory is used): go on to the model."""
        self._first.wipe()
        self._second.wipe()
        self._show_busy("")
        self._show_step(2)

    def show_model_ready(self) -> None:
        """A model is on the shelf: go on to the window."""
        self._show_busy("")
        self.finished.emit()

    def show_progress(self, text: str) -> None:
        """Say what takes a moment."""
        self._show_busy(text)

    def show_error(self, error: DesktopSlmError) -> None:
        """Say why the last choice did not work."""
        self._show_busy("")
        self._problem.setText(str(error))
        self._problem.show()
        self._take_focus()

    def show_step(self, step: int) -> None:
        """Go to a page, counted from 0."""
        self._show_step(step)

    # What the user does

    def _show_step(self, step: int) -> None:
        self._steps.setCurrentIndex(step)
        self._count.setText(f"{step + 1} of {_STEPS}")
        self._back.setVisible(step == 1)
        self._problem.hide()
        self._refresh()
        self._take_focus()

    def _take_focus(self) -> None:
        """Put the cursor where the next key belongs: into an empty passphrase, else on Continue."""
        wants_phrase = self._steps.currentIndex() == 1 and self._phrase.radio.isChecked()
        place: QWidget = self._next
        if wants_phrase and not self._key_complete():
            place = self._first
        elif not self._next.isEnabled():
            place = self._choose if self._steps.currentIndex() == 2 else self._phrase.radio
        place.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter on a choice go on, as in a dialog; a field has said so itself."""
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and not isinstance(self.focusWidget(), QLineEdit):
            self._next.click()
            return
        super().keyPressEvent(event)

    @Slot()
    def _on_field_return_pressed(self) -> None:
        if self.sender() is self._first and not self._second.text():
            self._second.setFocus(Qt.FocusReason.TabFocusReason)
        else:
            self._next.click()

    def _show_busy(self, text: str) -> None:
        self._steps.setEnabled(not text)
        self._back.setEnabled(not text)
        self._next.setEnabled(not text)
        self._next.setText(text or ("Start" if self._steps.currentIndex() == 2 else "Continue"))
        if not text:
            self._refresh()

    @Slot()
    def _refresh(self) -> None:
        """Tell what is still missing, and let go on when nothing is."""
        step = self._steps.currentIndex()
        self._next.setText("Start" if step == 2 else "Continue")
        self._problem.hide()
        if step == 1:
            self._next.setEnabled(self._key_complete())
        elif step == 2:
            self._next.setEnabled(self._starter.radio.isChecked() or bool(self._path))
        else:
            self._next.setEnabled(True)

    def _key_complete(self) -> bool:
        if not self._phrase.radio.isChecked():
            return self._keys.checkedButton() is not None
        first, second = self._first.text(), self._second.text()
        if len(first) < SHORTEST_PASSPHRASE:
            self._hint.setText(
                f"At least {SHORTEST_PASSPHRASE} characters; four or five words are easy to remember."
            )
        elif second and first != second:
            self._hint.setText("The two are not the same yet.")
        else:
            self._hint.setText("Write it down somewhere safe.")
        return len(first) >= SHORTEST_PASSPHRASE and first == second

    @Slot()
    def _on_back_clicked(self) -> None:
        self._show_step(self._steps.currentIndex() - 1)

    @Slot()
    def _on_next_clicked(self) -> None:
        step = self._steps.currentIndex()
        if step == 0:
            self._show_step(1)
        elif step == 1:
            self._emit_key()
        elif self._starter.radio.isChecked():
            self._show_busy("Preparing…")
            self.starter_requested.emit()
        else:
            self._show_busy("Checking the file…")
            self.model_file_chosen.emit(self._path)

    def _emit_key(self) -> None:
        if not self._key_complete():
            return
        self._show_busy("Making the key…" if not self._memory.radio.isChecked() else "…")
        if self._phrase.radio.isChecked():
            self.key_chosen.emit("passphrase", self._first.text())
        else:
            self.key_chosen.emit("keyring" if self._keyring.radio.isChecked() else "memory", "")

    @Slot()
    def _on_choose_clicked(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Choose a model file", "", "Models (*.gguf);;All files (*)"
        )
        if path:
            self.choose_model_file(path)

    def choose_model_file(self, path: str) -> None:
        """Take ``path`` as the model file (chosen, or dropped on the window)."""
        self._path = path
        self._file.radio.setChecked(True)
        self._chosen.setText(path.replace("\\", "/").rsplit("/", 1)[-1])
        self._refresh()

    @Slot()
    def _on_theme_changed(self) -> None:
        for label, icon in self._points:
            label.setPixmap(theme.pixmap(icon, theme.current().accent, 24, self.devicePixelRatioF()))
