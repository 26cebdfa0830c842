"""The pages of an open window, each with its desk, made when they are first shown."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from desktop_slm.gui.shell import Shell

if TYPE_CHECKING:
    from desktop_slm.app import App
    from desktop_slm.gui.desks.chat import ChatDesk
    from desktop_slm.gui.desks.computer import ComputerDesk
    from desktop_slm.gui.desks.desk import Desk
    from desktop_slm.gui.desks.documents import DocumentsDesk
    from desktop_slm.gui.desks.history import HistoryDesk
    from desktop_slm.gui.desks.models import ModelsDesk
    from desktop_slm.gui.desks.settings import SettingsDesk
    from desktop_slm.gui.desks.translate import TranslateDesk

DEFAULT_N_CTX = 8192
_DROP_ACTIONS = {"chat": "ask", "translate": "translate"}


class Workspace(Shell):
    """The frame with pages in it; `main_window` wires them on its page "Connect signals"."""

    def __init__(self) -> None:
        super().__init__()
        self._current = "chat"

    @property
    def app(self) -> App:
        """The application, once the vault has been opened."""
        raise NotImplementedError

    def _connect_chat(self, desk: ChatDesk) -> None:
        raise NotImplementedError

    def _connect_documents(self, desk: DocumentsDesk) -> None:
        raise NotImplementedError

    def _connect_desk(self, desk: Desk) -> None:
        raise NotImplementedError

    def _connect_models(self, desk: ModelsDesk) -> None:
        raise NotImplementedError

    def _connect_history(self, desk: HistoryDesk) -> None:
        raise NotImplementedError

    def _connect_settings(self, desk: SettingsDesk) -> None:
        raise NotImplementedError

    def _connect_computer(self, desk: ComputerDesk) -> None:
        raise NotImplementedError

    # Pages

    @Slot(str)
    def show_page(self, name: str) -> None:
        """Show a page, making it the first time."""
        self._current = name
        self._rail.show_page(name)
        page: QWidget = getattr(self, name).page
        if self._stack.indexOf(page) < 0:
            self._stack.addWidget(page)
        self._stack.setCurrentWidget(page)
        self._overlay.set_default_action(_DROP_ACTIONS.get(name, "summarize"))
        match name:
            case "documents":
                self.documents.refresh()
            case "translate":
                self.translate.refresh()
                self.translate.page.take_cursor()
            case "models":
                self.models.refresh()
            case "history":
                self.history.page.refresh()
            case "settings":
                self.settings.refresh()
            case _:
                pass

    @property
    def page_name(self) -> str:
        """Name of the page on screen."""
        return self._current

    # Each desk holds its page as ``page``; both are made when first asked for.

    @cached_property
    def chat(self) -> ChatDesk:
        """Conversations."""
        from desktop_slm.gui.desks.chat import ChatDesk
        from desktop_slm.gui.pages.chat import ChatPage

        desk = ChatDesk(self.app, ChatPage(self), self)
        self._connect_chat(desk)
        settings = self.app.settings
        desk.page.show_preset(settings.sampling)
        desk.page.show_list_width(settings.list_width_px)
        desk.page.show_saving(self.app.saving)
        desk.page.show_context_size(settings.n_ctx or DEFAULT_N_CTX)
        return desk

    @cached_property
    def documents(self) -> DocumentsDesk:
        """The library and its summaries."""
        from desktop_slm.gui.desks.documents import DocumentsDesk
        from desktop_slm.gui.pages.documents import DocumentsPage

        desk = DocumentsDesk(self.app, DocumentsPage(self), self)
        self._connect_documents(desk)
        return desk

    @cached_property
    def translate(self) -> TranslateDesk:
        """Translations."""
        from desktop_slm.gui.desks.translate import TranslateDesk
        from desktop_slm.gui.pages.translate import TranslatePage

        desk = TranslateDesk(self.app, TranslatePage(self), self)
        self._connect_desk(desk)
        return desk

    @cached_property
    def models(self) -> ModelsDesk:
        """The shelf and this computer."""
        from desktop_slm.gui.desks.models import ModelsDesk
        from desktop_slm.gui.pages.models import ModelsPage

        page = ModelsPage(self)
        page.hide()
        desk = ModelsDesk(self.app, page, self)
        self._connect_models(desk)
        return desk

    @cached_property
    def history(self) -> HistoryDesk:
        """Everything that is kept."""
        from desktop_slm.gui.desks.history import HistoryDesk
        from desktop_slm.gui.pages.history import HistoryPage

        desk = HistoryDesk(self.app, HistoryPage(self), self)
        self._connect_history(desk)
        return desk

    @cached_property
    def settings(self) -> SettingsDesk:
        """Settings and the vault's key."""
        from desktop_slm.gui.desks.settings import SettingsDesk
        from desktop_slm.gui.pages.settings import SettingsPage

        page = SettingsPage(self)
        page.hide()
        desk = SettingsDesk(self.app, page, self)
        self._connect_settings(desk)
        if self.models.shown is not None:
            page.show_models(self.models.shown.names)
        return desk

    @cached_property
    def computer(self) -> ComputerDesk:
        """What the status bar says of the engine."""
        from desktop_slm.gui.desks.computer import ComputerDesk

        desk = ComputerDesk(self.app, self._status, self)
        self._connect_computer(desk)
        return desk

    def _made(self, name: str) -> bool:
        """Tell whether a desk has been made."""
        return name in self.__dict__

    def _desks(self) -> list[Desk]:
        """Those desks that run requests, the slowest work first."""
        return [self.__dict__[name] for name in ("documents", "translate", "chat") if self._made(name)]
