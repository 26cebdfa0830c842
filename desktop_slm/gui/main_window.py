"""The window: rail, pages, status bar. The only place where pages meet each other and the application.

Pages are made when they are first shown (`workspace`), each with a desk that takes its wishes to the
application; whatever concerns two of them is wired on one page below, "Connect signals".
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QCloseEvent, QDesktopServices, QShowEvent
from PySide6.QtWidgets import QApplication

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import error_dialog, theme
from desktop_slm.gui.doorway import Doorway
from desktop_slm.gui.job import run_call, wait_for_calls
from desktop_slm.gui.workspace import DEFAULT_N_CTX, Workspace

if TYPE_CHECKING:
    from desktop_slm.app import App
    from desktop_slm.gui.desks.chat import ChatDesk
    from desktop_slm.gui.desks.computer import ComputerDesk
    from desktop_slm.gui.desks.desk import Desk
    from desktop_slm.gui.desks.documents import DocumentsDesk
    from desktop_slm.gui.desks.history import HistoryDesk
    from desktop_slm.gui.desks.models import ModelsDesk, Shown
    from desktop_slm.gui.desks.settings import SettingsDesk
    from desktop_slm.settings import Settings
    from desktop_slm.tasks.events import Cited

_WARM_UP_MS = 1500
_IDLE_CHECK_MS = 15_000
_CLOSING_S = 6.0


class MainWindow(Workspace):
    """The window.

    Args:
        make_app: Builds the application on a thread, after the window is on screen.

    Signals:
        ready: The pages may be used.
        restart_requested: The vault has been locked and everything is closed: start anew, so that nothing of
            it stays in memory.
    """

    ready = Signal()
    restart_requested = Signal()

    def __init__(self, make_app: Callable[[], App]) -> None:
        super().__init__()
        self._begun = False
        self._closing = False
        self._doorway = Doorway(make_app, self)
        self._idle = QTimer(self)
        self._idle.setInterval(_IDLE_CHECK_MS)
        self._connect_signals()

    # Connect signals

    def _connect_signals(self) -> None:
        self._doorway.screen_changed.connect(self._show_screen)
        self._doorway.entered.connect(self._on_doorway_entered)
        self._rail.page_chosen.connect(self.show_page)
        self._rail.lock_requested.connect(self.lock)
        self._status.stop_requested.connect(self._on_status_stop_requested)
        self._status.saving_pressed.connect(self._show_privacy)
        self._overlay.files_dropped.connect(self.take_files)
        self._idle.timeout.connect(self._on_idle_timeout)

    def _connect_chat(self, desk: ChatDesk) -> None:
        desk.page.models_requested.connect(self._show_models)
        desk.page.model_chosen.connect(self._use_model)
        desk.page.preset_chosen.connect(self._on_chat_preset_chosen)
        desk.page.list_width_changed.connect(self._on_chat_list_width_changed)
        desk.page.link_confirmed.connect(self._on_link_confirmed)
        desk.page.citation_chosen.connect(self._on_chat_citation_chosen)
        desk.deleted.connect(self._on_chat_deleted)
        self._connect_desk(desk)

    def _connect_documents(self, desk: DocumentsDesk) -> None:
        desk.page.translate_requested.connect(self._on_documents_translate_requested)
        desk.deleted.connect(self._on_document_deleted)
        desk.exported.connect(self._on_document_exported)
        self._connect_desk(desk)

    def _connect_desk(self, desk: Desk) -> None:
        desk.activity_changed.connect(self._show_activity)
        desk.model_used.connect(self.computer.refresh)
        desk.kept.connect(self._on_kept)
        desk.trouble.connect(self._on_trouble)

    def _connect_computer(self, desk: ComputerDesk) -> None:
        desk.context_known.connect(self._on_context_known)

    def _connect_models(self, desk: ModelsDesk) -> None:
        desk.listed.connect(self._on_models_listed)
        desk.use_requested.connect(self._use_model)
        desk.imported.connect(self._on_model_imported)
        desk.remove_asked.connect(self._on_model_remove_asked)

    def _connect_history(self, desk: HistoryDesk) -> None:
        desk.page.open_requested.connect(self._on_history_open_requested)
        desk.deleted.connect(self._on_history_deleted)
        desk.kept.connect(self._on_history_kept)

    def _connect_settings(self, desk: SettingsDesk) -> None:
        desk.page.lock_requested.connect(self.lock)
        desk.page.folder_requested.connect(self._on_folder_requested)
        desk.page.licences_requested.connect(self._on_licences_requested)
        desk.changed.connect(self._on_settings_changed)
        desk.vault_made.connect(self._on_vault_made)
        desk.passphrase_set.connect(self._on_passphrase_set)
        desk.trouble.connect(self._on_trouble)

    # Beginning

    @property
    def app(self) -> App:
        """The application, once the vault has been opened."""
        return self._doorway.app

    def showEvent(self, event: QShowEvent) -> None:
        """Begin opening the vault as soon as the window is on screen."""
        super().showEvent(event)
        if not self._begun:
            self._begun = True
            QTimer.singleShot(0, self._doorway.begin)
            self.watch_input()

    @Slot(str)
    def _on_doorway_entered(self, sentence: str) -> None:
        self._rail.setEnabled(True)
        self._screens.setCurrentWidget(self._workspace)
        self._apply_settings(self.app.settings)
        self._open_pages()
        if sentence:
            self._toast.show_message(sentence)
        QTimer.singleShot(_WARM_UP_MS, self._warm_up)
        self.ready.emit()

    def _open_pages(self) -> None:
        self._status.show_saving("encrypted" if self.app.saving else "not saved")
        run_call(self._slots, self._on_slots, self._on_trouble)
        self.show_page("chat")
        self.chat.refresh()
        self.chat.open_new()
        self.models.list_shelf()

    def _slots(self) -> tuple[str, ...]:
        return tuple(self.app.vault.slots()) if self.app.saving else ()

    @Slot(object)
    def _on_slots(self, slots: tuple[str, ...]) -> None:
        if "passphrase" in slots:
            self._rail.show_lock(True)
        elif slots:
            self._rail.show_lock(False, "Locking needs a passphrase: set one in Settings > Privacy")
        else:
            self._rail.show_lock(False, "There is nothing to lock: nothing is saved")
        minutes = self.app.settings.lock_after_min
        if minutes and "passphrase" in slots:
            self._idle.start()
        else:
            self._idle.stop()

    @Slot()
    def _warm_up(self) -> None:
        """Start the engine's worker while the user reads: the first answer comes sooner."""
        if not self._closing:
            self.computer.refresh()
            run_call(_import_pages)

    # Pages

    @Slot()
    def _show_models(self) -> None:
        self.show_page("models")

    @Slot()
    def _show_privacy(self) -> None:
        self.show_page("settings")
        self.settings.page.show_section("Privacy")

    # Files

    @Slot(list, str)
    def take_files(self, paths: list[str], action: str) -> None:
        """Do ``action`` with files that were dropped; models go to the shelf whatever the action."""
        if not self._rail.isEnabled():
            if self._doorway.welcome is not None and paths and paths[0].lower().endswith(".gguf"):
                self._doorway.welcome.choose_model_file(paths[0])
            return
        models = [path for path in paths if path.lower().endswith(".gguf")]
        others = [path for path in paths if path not in models]
        if models:
            self.show_page("models")
            self.models.page.add_file(models[0])
        if not others:
            return
        if action == "translate":
            self.show_page("translate")
            self.translate.page.open_paths(others)
        elif action == "ask" and self._current == "chat":
            self.chat.page.compose("", others)
        else:
            self._open_documents(others, action)

    def _open_documents(self, paths: list[str], action: str) -> None:
        self.show_page("documents")
        wish: Literal["ask", "add", "summarize"] = "summarize"
        if action in ("ask", "add"):
            wish = "ask" if action == "ask" else "add"
        self.documents.page.open_paths(paths, wish)

    @Slot(str, str)
    def _on_documents_translate_requested(self, text: str, language: str) -> None:
        self.show_page("translate")
        self.translate.page.show_source(text, language)

    @Slot(object)
    def _on_chat_citation_chosen(self, cited: Cited) -> None:
        self.show_page("documents")
        self.documents.open_at(cited)

    @Slot(str, str)
    def _on_history_open_requested(self, item: str, kind: str) -> None:
        match kind:
            case "conversation":
                self.show_page("chat")
                self.chat.open(item)
            case "document":
                self.show_page("documents")
                self.documents.open(item)
            case "summary":
                self.show_page("documents")
                self.documents.open_summary(item)
            case _:
                self.show_page("translate")
                self.translate.open(item)

    # Models and the engine

    @Slot(object)
    def _on_models_listed(self, shown: Shown) -> None:
        if shown.names and shown.current:
            self.chat.page.show_models(shown.names, shown.current)
            note = ""
        else:
            note = "No model is installed yet. The Models page has one to start with."
            self.chat.page.show_no_model(note)
        if self._made("documents"):
            self.documents.page.show_model_note(note)
        if self._made("translate"):
            self.translate.page.show_model_note(note)
        if self._made("settings"):
            self.settings.page.show_models(shown.names)
        self._status.show_model(dict(shown.names).get(shown.current, ""))
        if shown.hardware is not None:
            self.computer.show_hardware(shown.hardware)

    @Slot(int)
    def _on_context_known(self, n_ctx: int) -> None:
        self.chat.page.show_context_size(n_ctx)

    @Slot(str)
    def _use_model(self, model: str) -> None:
        self.settings.change("default_model", model)

    @Slot(str)
    def _on_model_imported(self, model: str) -> None:
        names = dict(self.models.shown.names) if self.models.shown else {}
        self._undo = partial(self._use_model, model)
        self._toast.show_message(f"{names.get(model, 'The model')} is on the shelf.", "Use it")

    @Slot(str, str)
    def _on_model_remove_asked(self, model: str, name: str) -> None:
        title = f"Remove {name}?"
        if error_dialog.ask(
            title, "Its file is deleted; chats and documents stay.", "Remove", self, danger=True
        ):
            self.models.remove(model)

    # Running work

    @Slot()
    def _show_activity(self) -> None:
        busy = next((desk for desk in self._desks() if desk.busy), None)
        self.computer.watch(busy is not None)
        if busy is None:
            self._status.show_job("")
        else:
            self._status.show_job(busy.activity, busy.fraction, busy.left_s)

    @Slot()
    def _on_status_stop_requested(self) -> None:
        for desk in self._desks():
            if desk.busy:
                desk.stop()
                return

    @Slot()
    def _on_kept(self) -> None:
        if self._current == "history":
            self.history.page.refresh()

    @Slot()
    def _on_history_kept(self) -> None:
        self.chat.refresh()
        if self._made("documents"):
            self.documents.refresh()
        if self._made("translate"):
            self.translate.refresh()

    # Deleting and taking back

    @Slot(str, str)
    def _on_chat_deleted(self, _title: str, conversation: str) -> None:
        self._offer_undo("Chat moved to the trash.", partial(self.chat.restore, conversation))

    @Slot(str, str)
    def _on_document_deleted(self, _name: str, document: str) -> None:
        self._offer_undo("Document moved to the trash.", partial(self.documents.restore, document))

    @Slot(str, str)
    def _on_history_deleted(self, _title: str, item: str) -> None:
        if item == self.chat.page.open_conversation_id():
            self.chat.open_new()
        self._offer_undo("Moved to the trash.", partial(self.history.restore, item))

    @Slot(str)
    def _on_document_exported(self, path: str) -> None:
        self._undo = partial(self._on_folder_requested, str(Path(path).parent))
        self._toast.show_message(f"Written: {Path(path).name}", "Show")

    # Settings

    @Slot(object)
    def _on_settings_changed(self, settings: Settings) -> None:
        self._apply_settings(settings)
        self.models.list_shelf()
        run_call(self._slots, self._on_slots, self._on_trouble)
        self.chat.page.show_preset(settings.sampling)
        self.chat.page.show_context_size(settings.n_ctx or DEFAULT_N_CTX)

    def _apply_settings(self, settings: Settings) -> None:
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme.apply(app, settings.theme, settings.font_size_pt)
        self._toast.reduced_motion = settings.reduced_motion
        self._overlay.set_reduced_motion(settings.reduced_motion)

    @Slot(str)
    def _on_chat_preset_chosen(self, preset: str) -> None:
        self.settings.change("sampling", preset)

    @Slot(int)
    def _on_chat_list_width_changed(self, width_px: int) -> None:
        self.app.change_settings(list_width_px=width_px)

    @Slot(str)
    def _on_folder_requested(self, folder: str) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(folder))

    @Slot()
    def _on_licences_requested(self) -> None:
        from desktop_slm.gui.licences import LicencesDialog

        LicencesDialog(self).exec()

    @Slot(str)
    def _on_link_confirmed(self, address: str) -> None:
        QDesktopServices.openUrl(QUrl(address))

    # The vault

    @Slot()
    def _on_vault_made(self) -> None:
        """Say that what was in memory is kept now; it is the same on all pages, and stays on screen."""
        self._status.show_saving("encrypted")
        self._toast.show_message("Kept, encrypted: what is here already, and everything from now on.")
        self.chat.page.show_saving(True)
        self._on_history_kept()
        self._on_passphrase_set()

    @Slot()
    def _on_passphrase_set(self) -> None:
        run_call(self._slots, self._on_slots, self._on_trouble)

    @Slot()
    def lock(self) -> None:
        """Close everything and ask for a new start: key and texts leave the memory with this process."""
        if not self._closing:
            self.close()
            self.restart_requested.emit()

    @Slot()
    def _on_idle_timeout(self) -> None:
        busy = any(desk.busy for desk in self._desks())
        limit_s = self.app.settings.lock_after_min * 60
        if limit_s and not busy and self.untouched_s() >= limit_s:
            self.lock()

    # Trouble

    @Slot(object)
    def _on_trouble(self, error: DesktopSlmError) -> None:
        if not self._closing:
            error_dialog.show_error(error, self)

    # The end

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs, keep what it has, and close the application."""
        if self._closing:
            event.accept()
            return
        self._closing = True
        place = self.place()
        self.hide()
        self._idle.stop()
        for desk in self._desks():  # all are told first: they wind up together
            desk.close()
        if self._made("models"):
            self.models.close()
        until = time.monotonic() + _CLOSING_S
        for desk in self._desks():
            desk.wait(until - time.monotonic())
        wait_for_calls(until - time.monotonic())
        if (app := self._doorway.made) is not None:
            if self._rail.isEnabled():
                self._keep_place(app, place)
            app.close()
        event.accept()

    def _keep_place(self, app: App, place: list[int]) -> None:
        if app.settings.extra.get("window") != place:
            with contextlib.suppress(DesktopSlmError):  # not worth a message while closing
                app.change_settings(extra={**app.settings.extra, "window": place})


def _import_pages() -> None:
    """Import what the other pages need, off the GUI thread: the first click on them finds it there."""
    for name in ("documents", "translate", "history", "settings"):
        importlib.import_module(f"desktop_slm.gui.pages.{name}")
        importlib.import_module(f"desktop_slm.gui.desks.{name}")
