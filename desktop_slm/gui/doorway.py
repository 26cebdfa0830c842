"""The way in: makes the application, opens the vault, and shows what is needed before the window can be used.

A person meets at most one of these screens: the welcome on the first run, the lock where a passphrase is
needed, or the trouble screen where the vault cannot be opened. An existing vault is never made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from desktop_slm.errors import (
    DesktopSlmError,
    KeyringUnavailable,
    ModelNotFound,
    VaultDamaged,
    VaultInUse,
    VaultMissing,
    WrongPassphrase,
)
from desktop_slm.gui.items import computer_in_words
from desktop_slm.gui.job import run_call
from desktop_slm.gui.pages.trouble import TroublePage
from desktop_slm.gui.pages.unlock import UnlockPage
from desktop_slm.gui.pages.welcome import WelcomePage

if TYPE_CHECKING:
    from desktop_slm.app import App, OpenState
    from desktop_slm.engine.api import Hardware
    from desktop_slm.models.records import InstalledModel
    from desktop_slm.store.keyring_wall import KeyringState

_PROMISES: dict[type[DesktopSlmError], str] = {
    VaultMissing: "The key is still here, and nothing has been made in its place. Put the database file back "
    "into the folder below, or bring back a copy of the whole folder, and try again.",
    VaultDamaged: "Nothing has been changed. The folder below may hold backups.",
    VaultInUse: "Your data is safe: only one window at a time may write to it.",
}


class Doorway(QObject):
    """Leads to an application whose vault is open, or which works in memory.

    Args:
        make_app: Builds the application; called on a thread, as the imports take time.
        parent: Owner of the screens too.

    Signals:
        screen_changed: The screen (a widget) to show in place of the window.
        entered: `app` may be used; a sentence to show, or empty.
    """

    screen_changed = Signal(object)
    entered = Signal(str)

    def __init__(self, make_app: Callable[[], App], parent: QWidget) -> None:
        super().__init__(parent)
        self._make_app = make_app
        self._parent = parent
        self._app: App | None = None
        self._welcome: WelcomePage | None = None
        self._unlock: UnlockPage | None = None
        self._trouble: TroublePage | None = None
        self._inside = False

    @property
    def app(self) -> App:
        """The application, once it has been made."""
        if self._app is None:
            raise RuntimeError("the application has not been made yet")
        return self._app

    @property
    def made(self) -> App | None:
        """The application, None before it has been made."""
        return self._app

    @property
    def welcome(self) -> WelcomePage | None:
        """The welcome, where that is on screen."""
        return self._welcome if not self._inside else None

    @Slot()
    def begin(self) -> None:
        """Make the application where there is none, and open what there is."""
        run_call(self._open, self._on_opened, self._on_open_failed)

    def _open(self) -> OpenState:
        if self._app is None:
            self._app = self._make_app()
        return self._app.open()

    @Slot(object)
    def _on_opened(self, state: OpenState) -> None:
        match state.kind:
            case "open" | "memory":
                self._enter(state.sentence)
            case "locked":
                self._show_unlock(state.sentence)
            case "none" if self.app.settings.welcome_done:
                self._use_memory()
            case "none":
                self._show_welcome()

    @Slot(object)
    def _on_open_failed(self, error: DesktopSlmError) -> None:
        if isinstance(error, WrongPassphrase):
            self._show_unlock("")
            self._unlock_page().show_error(error)
        elif isinstance(error, KeyringUnavailable):
            self._show_unlock(str(error))
        else:
            self._show_trouble(error)

    def _enter(self, sentence: str = "") -> None:
        if self._inside:
            return
        self._inside = True
        if not self.app.settings.welcome_done:
            run_call(partial(self.app.change_settings, welcome_done=True), None, self._on_ignored)
        self.entered.emit(sentence)

    @Slot(object)
    def _on_ignored(self, _error: DesktopSlmError) -> None:
        """Settings that cannot be written say so when the user changes one."""

    # Memory

    @Slot()
    def _use_memory(self) -> None:
        run_call(self.app.use_memory, self._on_memory, self._on_open_failed)

    @Slot(object)
    def _on_memory(self, _nothing: object) -> None:
        self._enter("Nothing is saved: everything is gone when the window closes.")

    # The lock

    def _unlock_page(self) -> UnlockPage:
        if self._unlock is None:
            self._unlock = UnlockPage(self._parent)
            self._unlock.unlock_requested.connect(self._on_unlock_requested)
            self._unlock.memory_requested.connect(self._use_memory)
        return self._unlock

    def _show_unlock(self, sentence: str) -> None:
        page = self._unlock_page()
        slots = self.app.vault.slots()
        page.show_lock(slots, sentence if slots == ("keyring",) else "")
        self.screen_changed.emit(page)

    @Slot(str)
    def _on_unlock_requested(self, passphrase: str) -> None:
        self._unlock_page().show_busy(True)
        run_call(partial(self.app.unlock, passphrase or None), self._on_unlocked, self._on_unlock_failed)

    @Slot(object)
    def _on_unlocked(self, _nothing: object) -> None:
        self._unlock_page().wipe()
        self._enter()

    @Slot(object)
    def _on_unlock_failed(self, error: DesktopSlmError) -> None:
        if isinstance(error, WrongPassphrase | KeyringUnavailable):
            self._unlock_page().show_error(error)
        else:
            self._unlock_page().wipe()
            self._show_trouble(error)

    # Trouble

    def _show_trouble(self, error: DesktopSlmError) -> None:
        if self._trouble is None:
            self._trouble = TroublePage(self._parent)
            self._trouble.retry_requested.connect(self.begin)
            self._trouble.folder_requested.connect(self._on_folder_requested)
            self._trouble.memory_requested.connect(self._use_memory)
        folder = str(self.app.paths.vault)
        self._trouble.show_trouble(error, folder, _PROMISES.get(type(error), ""))
        self.screen_changed.emit(self._trouble)

    @Slot()
    def _on_folder_requested(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.app.paths.vault)))

    # The first run

    def _welcome_page(self) -> WelcomePage:
        if self._welcome is None:
            page = self._welcome = WelcomePage(self._parent)
            page.key_chosen.connect(self._on_key_chosen)
            page.starter_requested.connect(self._on_starter_requested)
            page.model_file_chosen.connect(self._on_model_file_chosen)
            page.finished.connect(self._on_welcome_finished)
        return self._welcome

    def _show_welcome(self) -> None:
        page = self._welcome_page()
        page.show_folder(str(self.app.paths.data))
        self.screen_changed.emit(page)
        run_call(self.app.keyring.probe, self._on_probed)
        run_call(self._look, self._on_looked, self._on_look_failed)

    def _look(self) -> tuple[bool, Hardware]:
        from desktop_slm.models import starter

        try:
            starter.locate()
            available = True
        except ModelNotFound:
            available = False
        return available, self.app.hardware()

    @Slot(object)
    def _on_probed(self, state: KeyringState) -> None:
        from desktop_slm.store.keyring_wall import ALLOWED

        name = ALLOWED.get(state.backend, "")
        self._welcome_page().show_keyring(state.usable, name, state.reason.rstrip("."))

    @Slot(object)
    def _on_looked(self, found: tuple[bool, Hardware]) -> None:
        self._welcome_page().show_starter(found[0])
        self._welcome_page().show_computer(computer_in_words(found[1]))

    @Slot(object)
    def _on_look_failed(self, error: DesktopSlmError) -> None:
        self._welcome_page().show_computer(str(error))

    @Slot(str, str)
    def _on_key_chosen(self, choice: str, passphrase: str) -> None:
        if choice == "memory":
            work: Callable[[], None] = self.app.use_memory
        else:
            work = partial(self.app.create_vault, passphrase if choice == "passphrase" else None)
        run_call(work, self._on_key_ready, self._on_welcome_failed)

    @Slot(object)
    def _on_key_ready(self, _nothing: object) -> None:
        self._welcome_page().show_key_ready()

    @Slot(object)
    def _on_welcome_failed(self, error: DesktopSlmError) -> None:
        self._welcome_page().show_error(error)

    @Slot()
    def _on_starter_requested(self) -> None:
        run_call(self.app.shelf.ensure_starter, self._on_model_ready, self._on_welcome_failed)

    @Slot(str)
    def _on_model_file_chosen(self, path: str) -> None:
        run_call(partial(self._import, path), self._on_model_ready, self._on_welcome_failed)

    def _import(self, path: str) -> InstalledModel:
        model = self.app.shelf.import_file(Path(path), how="copy")
        self.app.change_settings(default_model=model.id)
        return model

    @Slot(object)
    def _on_model_ready(self, _model: object) -> None:
        self._welcome_page().show_model_ready()

    @Slot()
    def _on_welcome_finished(self) -> None:
        self._enter("" if self.app.saving else "Nothing is saved: everything is gone when the window closes.")
