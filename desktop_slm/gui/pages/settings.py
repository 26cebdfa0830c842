"""The Settings page: a list of sections at the left, the chosen one beside it. Changes work at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QCheckBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.pages.vault_facts import (
    NOT_PROMISED,
    PROMISED,
    VaultFacts,
    states_in_words,
    vault_in_words,
)
from desktop_slm.gui.widgets.passphrase_panel import PassphrasePanel
from desktop_slm.gui.widgets.plain_label import NameLabel, PlainLabel
from desktop_slm.gui.widgets.setting_rows import Choice, Section
from desktop_slm.gui.widgets.top_bar import TopBar
from desktop_slm.settings import Settings

SECTIONS = ("General", "Appearance", "Models and folders", "Privacy", "Advanced", "About")
_SPIN_MARGIN_PX = 6
_SIZES = ((0, "Normal"), (9, "Smaller"), (12, "Larger"), (14, "Large"), (17, "Very large"))
_CONTEXTS = (
    (0, "Automatic"),
    (2048, "2,048 tokens"),
    (4096, "4,096 tokens"),
    (8192, "8,192 tokens"),
    (16384, "16,384 tokens"),
    (32768, "32,768 tokens"),
)
_LOCK_AFTER = ((0, "Never"), (1, "1 minute"), (5, "5 minutes"), (15, "15 minutes"), (60, "1 hour"))
_PRESETS = (("precise", "Precise"), ("balanced", "Balanced"), ("creative", "Creative"))


class SettingsPage(QWidget):
    """All settings.

    Signals:
        setting_changed: Name of a field of `Settings` and its new value.
        section_shown: Title of the section on screen; facts for Privacy and About are asked for by it.
        lock_requested: Lock the vault now.
        passphrase_requested: The passphrase in force (empty when there is none) and the new one; answered by
            `show_vault` or `show_passphrase_error`.
        keychain_requested: Make a vault whose key the system keychain keeps; answered likewise.
        folder_requested: A folder to show in the file manager.
        states_clear_requested: Forget what is saved for reopened chats; answered by `show_vault`.
        licences_requested: Show the licences of the parts.
    """

    setting_changed = Signal(str, object)
    section_shown = Signal(str)
    lock_requested = Signal()
    passphrase_requested = Signal(str, str)
    keychain_requested = Signal()
    folder_requested = Signal(str)
    states_clear_requested = Signal()
    licences_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._settings = Settings()
        self._vault: VaultFacts | None = None
        self._list = QListWidget(self)
        for title in SECTIONS:
            item = QListWidgetItem(title, self._list)
            item.setSizeHint(QSize(160, 36))
        self._list.setAccessibleName("Sections")
        self._list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._stack = QStackedWidget(self)
        self._choices: dict[str, Choice] = {}
        self._make_general()
        self._make_appearance()
        self._make_models()
        self._make_privacy()
        self._make_advanced()
        self._make_about()
        self._lay_out()
        self._connect_signals()
        self.show_settings(self._settings)
        self._list.setCurrentRow(0)

    # Building

    def _section(self, title: str) -> Section:
        section = Section(title, self._stack)
        self._stack.addWidget(section)
        return section

    def _choice(self, name: str, entries: Sequence[tuple[object, str]]) -> Choice:
        choice = Choice(entries, self)
        choice.setObjectName(name)
        choice.activated.connect(self._on_choice_activated)
        self._choices[name] = choice
        return choice

    def _make_general(self) -> None:
        card = self._section("General").add_card()
        card.add_row(
            "Answers",
            "Precise keeps to the most likely words, creative takes more freedom. Each chat can differ.",
            self._choice("sampling", _PRESETS),
        )
        card.add_row(
            "Language", "The window speaks English. Chats and translations speak what the model speaks."
        )

    def _make_appearance(self) -> None:
        card = self._section("Appearance").add_card()
        holder = QWidget(self)
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self._themes = QButtonGroup(self)
        for name, words, icon in (
            ("system", "System", ""),
            ("light", "Light", "sun"),
            ("dark", "Dark", "moon"),
        ):
            button = QPushButton(words, holder)
            button.setObjectName(name)
            button.setProperty("icon_name", icon)
            button.setCheckable(True)
            theme.set_kind(button, "segment")
            self._themes.addButton(button)
            row.addWidget(button)
        card.add_row("Theme", "System follows your desktop, also while the window is open.", holder)
        card.add_row("Text size", "", self._choice("font_size_pt", _SIZES))
        self._motion = QCheckBox(self)
        card.add_row("Reduced motion", "Messages appear and go without fading.", self._motion)

    def _make_models(self) -> None:
        section = self._section("Models and folders")
        card = section.add_card()
        card.add_row(
            "Model",
            "Used for every task. Automatic takes the best installed one.",
            self._choice("default_model", (("", "Automatic"),)),
        )
        card.add_row(
            "Context",
            "How much text the model sees at once. More takes more memory.",
            self._choice("n_ctx", _CONTEXTS),
        )
        folders = section.add_card("FOLDERS OF OTHER APPLICATIONS")
        folders.add_sentence("GGUF files in these folders are listed and used where they are.")
        self._folders = QVBoxLayout()
        self._folders.setContentsMargins(0, 0, 0, 0)
        self._folders.setSpacing(4)
        holder = QWidget(folders)
        holder.setLayout(self._folders)
        folders.add_plain(holder)
        self._add_folder = QPushButton("Add a folder…", folders)
        folders.add_widget(self._add_folder)

    def _make_privacy(self) -> None:
        section = self._section("Privacy")
        card = section.add_card()
        self._lock = QPushButton("Lock now", self)
        self._vault_sentence = card.add_row("Vault", "…", self._lock)
        self._passphrase = QPushButton("Set a passphrase…", self)
        self._passphrase_sentence = card.add_row("Passphrase", "…", self._passphrase)
        self._panel = PassphrasePanel(self)
        self._panel.hide()
        card.add_plain(self._panel)
        self._keychain = QPushButton("Use the keychain", self)
        self._keychain_sentence = card.add_row("System keychain", "…", self._keychain)
        card.add_row(
            "Lock by itself",
            "After this time without a key or the mouse. Needs a passphrase.",
            self._choice("lock_after_min", _LOCK_AFTER),
        )
        facts = section.add_card("WHERE IT LIES")
        self._vault_path = facts.add_fact("Folder")
        self._vault_size = facts.add_fact("Size")
        self._vault_cipher = facts.add_fact("Encryption")
        self._clear = QPushButton("Clear", self)
        self._states_sentence = facts.add_row("Saved for reopened chats", "…", self._clear)
        self._folder = QPushButton("Open the folder", self)
        facts.add_widget(self._folder)
        words = section.add_card("WHAT THIS MEANS")
        words.add_sentence(PROMISED)
        theme.set_kind(words.add_sentence(NOT_PROMISED), "muted")
        sandbox = section.add_card("HOW FAR THE PARTS ARE SHUT IN")
        self._sandbox_model = sandbox.add_fact("Model process")
        self._sandbox_reader = sandbox.add_fact("Document reader")
        self._network = sandbox.add_fact("Network")

    def _make_advanced(self) -> None:
        card = self._section("Advanced").add_card()
        self._threads = self._spin("n_threads", 0, 256, "Automatic")
        card.add_row(
            "Threads", "Of the processor, for the model. Takes effect with the next load.", self._threads
        )
        self._layers = self._spin("n_gpu_layers", -1, 999, "As many as fit")
        card.add_row("Layers on the GPU", "0 keeps the model on the processor.", self._layers)

    def _make_about(self) -> None:
        section = self._section("About")
        card = section.add_card()
        self._about = {
            name: card.add_fact(title)
            for name, title in (
                ("version", "Desktop SLM"),
                ("engine", "Engine"),
                ("device", "Runs on"),
                ("cpu", "Processor"),
                ("python", "Python, Qt"),
                ("database", "Database"),
            )
        }
        licences = QPushButton("Licenses", self)
        licences.setObjectName("licences")
        self._licences = licences
        card.add_row(
            "Open source", "Apache License 2.0. The parts it is made of have licenses of their own.", licences
        )
        self._problems = section.add_card("NEEDS A LOOK").add_sentence("")

    def _spin(self, name: str, least: int, most: int, special: str) -> QSpinBox:
        spin = QSpinBox(self)
        spin.lineEdit().setTextMargins(
            _SPIN_MARGIN_PX, 0, 0, 0
        )  # the style sheet's padding does not reach it
        spin.setObjectName(name)
        spin.setRange(least, most)
        spin.setSpecialValueText(special)
        spin.setMinimumWidth(168)
        spin.setKeyboardTracking(False)
        spin.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        spin.valueChanged.connect(self._on_spin_changed)
        return spin

    def _lay_out(self) -> None:
        left = QFrame(self)
        theme.set_kind(left, "column")
        left.setFixedWidth(208)
        column = QVBoxLayout(left)
        column.setContentsMargins(8, 8, 8, 8)
        column.addWidget(self._list)
        below = QHBoxLayout()
        below.setSpacing(0)
        below.addWidget(left)
        below.addWidget(self._stack, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(TopBar("Settings", self))
        layout.addLayout(below, 1)

    def _connect_signals(self) -> None:
        self._list.currentRowChanged.connect(self._on_list_row_changed)
        self._themes.buttonClicked.connect(self._on_themes_clicked)
        self._motion.clicked.connect(self._on_motion_clicked)
        self._add_folder.clicked.connect(self._on_add_folder_clicked)
        self._lock.clicked.connect(self._on_lock_clicked)
        self._passphrase.clicked.connect(self._on_passphrase_clicked)
        self._keychain.clicked.connect(self._on_keychain_clicked)
        self._folder.clicked.connect(self._on_folder_clicked)
        self._clear.clicked.connect(self._on_clear_clicked)
        self._panel.passphrase_entered.connect(self._on_panel_entered)
        self._panel.canceled.connect(self._panel.hide)
        self._licences.clicked.connect(self._on_licences_clicked)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    # What the window tells

    def show_section(self, title: str) -> None:
        """Go to a section."""
        self._list.setCurrentRow(SECTIONS.index(title))

    def show_settings(self, settings: Settings) -> None:
        """Show the settings in force."""
        self._settings = settings
        for name, choice in self._choices.items():
            choice.show_value(getattr(settings, name))
        for spin in (self._threads, self._layers):
            spin.blockSignals(True)
            spin.setValue(getattr(settings, spin.objectName()))
            spin.blockSignals(False)
        for button in self._themes.buttons():
            button.setChecked(button.objectName() == settings.theme)
        self._motion.setChecked(settings.reduced_motion)
        self._show_folders(settings.model_folders)

    def show_models(self, models: Sequence[tuple[str, str]]) -> None:
        """Offer (id, name) pairs as the model for every task."""
        self._choices["default_model"].set_entries([("", "Automatic"), *models])
        self._choices["default_model"].show_value(self._settings.default_model)

    def show_vault(self, facts: VaultFacts) -> None:
        """Show what the vault is and what opens it."""
        with_passphrase = "passphrase" in facts.slots
        with_keychain = "keyring" in facts.slots
        self._vault_sentence.setText(vault_in_words(facts))
        self._vault_sentence.show()
        self._lock.setVisible(facts.saving)
        self._lock.setEnabled(with_passphrase)
        self._lock.setToolTip(
            "" if with_passphrase else "Set a passphrase first: the keychain would open it again."
        )
        self._passphrase.setText("Change…" if with_passphrase else "Set a passphrase…")
        self._passphrase.setProperty("asks_old", with_passphrase)
        self._passphrase_sentence.setText(
            "Asked for at every start."
            if with_passphrase
            else "None is set. With one, nobody opens your data without it."
        )
        self._keychain_sentence.setText(
            f"Keeps the key: {facts.keychain}"
            if with_keychain
            else f"Does not keep the key. {facts.keychain}"
        )
        for label in (self._passphrase_sentence, self._keychain_sentence):
            label.show()
        self._keychain.setVisible(facts.state == "none" and facts.keychain_usable)
        self._passphrase.setVisible(facts.saving or facts.state == "none")
        self._vault_path.setText(facts.path)
        self._vault_size.setText(facts.size or "nothing is kept yet")
        self._states_sentence.setText(states_in_words(facts))
        self._states_sentence.show()
        self._clear.setVisible(bool(facts.states) and facts.saving)
        self._vault_cipher.setText(facts.cipher or "known once something is kept")
        if _opened_by(facts) != _opened_by(self._vault):  # a half-typed passphrase is of no use any more
            self._panel.wipe()
            self._panel.hide()
        self._vault = facts

    def show_passphrase_error(self, error: DesktopSlmError) -> None:
        """Say why the passphrase was not set."""
        self._panel.show_problem(str(error))

    def show_facts(self, facts: Mapping[str, str], problems: Sequence[str] = ()) -> None:
        """Show versions and levels: ``version``, ``engine``, ``device``, ``cpu``, ``python``, ``database``,
        ``sandbox_model``, ``sandbox_reader``, ``network``; those left out stay as they are."""
        labels = {
            **self._about,
            "sandbox_model": self._sandbox_model,
            "sandbox_reader": self._sandbox_reader,
            "network": self._network,
        }
        for name, label in labels.items():
            if name in facts:
                label.setText(facts[name])
        self._problems.setText("\n".join(problems) or "Nothing.")

    def wipe(self) -> None:
        """Forget a passphrase that is being typed."""
        self._panel.wipe()
        self._panel.hide()

    # Showing

    def _show_folders(self, folders: Sequence[str]) -> None:
        while (item := self._folders.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for folder in folders:
            row = QWidget(self)
            line = QHBoxLayout(row)
            line.setContentsMargins(0, 0, 0, 0)
            line.addWidget(NameLabel(folder, parent=row), 1)
            remove = QPushButton("Remove", row)
            remove.setObjectName(folder)
            remove.setAccessibleName(f"Remove {folder}")
            theme.set_kind(remove, "text")
            remove.clicked.connect(self._on_remove_folder_clicked)
            line.addWidget(remove)
            self._folders.addWidget(row)
        if not folders:
            nothing = PlainLabel("None.", parent=self)
            theme.set_kind(nothing, "meta")
            self._folders.addWidget(nothing)

    # What the user does

    @Slot(int)
    def _on_list_row_changed(self, row: int) -> None:
        self._stack.setCurrentIndex(row)
        self.section_shown.emit(SECTIONS[row])

    @Slot()
    def _on_choice_activated(self) -> None:
        choice = self.sender()
        if isinstance(choice, Choice):
            self.setting_changed.emit(choice.objectName(), choice.value())

    @Slot(int)
    def _on_spin_changed(self, value: int) -> None:
        self.setting_changed.emit(self.sender().objectName(), value)

    @Slot(QAbstractButton)
    def _on_themes_clicked(self, button: QAbstractButton) -> None:
        self.setting_changed.emit("theme", button.objectName())

    @Slot(bool)
    def _on_motion_clicked(self, checked: bool) -> None:
        self.setting_changed.emit("reduced_motion", checked)

    @Slot()
    def _on_add_folder_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder with GGUF files")
        if folder and folder not in self._settings.model_folders:
            self.setting_changed.emit("model_folders", (*self._settings.model_folders, folder))

    @Slot()
    def _on_remove_folder_clicked(self) -> None:
        gone = self.sender().objectName()
        kept = tuple(folder for folder in self._settings.model_folders if folder != gone)
        self.setting_changed.emit("model_folders", kept)

    @Slot()
    def _on_lock_clicked(self) -> None:
        self.lock_requested.emit()

    @Slot()
    def _on_passphrase_clicked(self) -> None:
        self._panel.show()
        self._panel.ask(old=bool(self._passphrase.property("asks_old")))

    @Slot(str, str)
    def _on_panel_entered(self, old: str, new: str) -> None:
        self.passphrase_requested.emit(old, new)

    @Slot()
    def _on_keychain_clicked(self) -> None:
        self.keychain_requested.emit()

    @Slot()
    def _on_folder_clicked(self) -> None:
        self.folder_requested.emit(self._vault_path.text())

    @Slot()
    def _on_clear_clicked(self) -> None:
        self.states_clear_requested.emit()

    @Slot()
    def _on_licences_clicked(self) -> None:
        self.licences_requested.emit()

    @Slot()
    def _on_theme_changed(self) -> None:
        for button in self._themes.buttons():
            name = str(button.property("icon_name"))
            if name:
                checked = button.objectName() == self._settings.theme
                button.setIcon(theme.icon(name, "on_accent" if checked else "muted"))


def _opened_by(facts: VaultFacts | None) -> tuple[object, ...]:
    return (facts.state, facts.slots, facts.saving) if facts else ()
