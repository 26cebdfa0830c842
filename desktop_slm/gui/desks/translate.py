"""The translate page's desk: translations and their history."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from desktop_slm.errors import DesktopSlmError, ModelError
from desktop_slm.gui.desks.desk import Desk
from desktop_slm.gui.job import run_call
from desktop_slm.gui.pages.translate import TranslatePage
from desktop_slm.store.records import TranslationRecord
from desktop_slm.tasks import events as ev
from desktop_slm.tasks.requests import Request

if TYPE_CHECKING:
    from desktop_slm.app import App

LISTED = 500


class TranslateDesk(Desk):
    """Serves one `TranslatePage`."""

    def __init__(self, app: App, page: TranslatePage, parent: QObject | None = None) -> None:
        super().__init__(app, parent)
        self.page = page
        page.request_made.connect(self._on_page_request_made)
        page.stop_requested.connect(self.stop)
        page.keep_requested.connect(self._on_page_keep_requested)
        page.favorite_changed.connect(self._on_page_favorite_changed)
        page.translation_delete_requested.connect(self.delete)
        page.history_requested.connect(self.refresh)

    @Slot()
    def refresh(self) -> None:
        """List the translations anew, and see which languages the model writes."""
        run_call(self._list, self._on_translations, self._on_error)
        run_call(self._model, self._on_model, self._on_error)

    def open(self, translation: str) -> None:
        """Put a kept translation into both panes."""
        run_call(partial(self._app.library.translation, translation), self._on_opened, self._on_error)

    @Slot(str)
    def delete(self, translation: str) -> None:
        """Delete a kept translation."""
        run_call(partial(self._app.library.delete, translation), self._on_changed, self._on_error)

    def _list(self) -> list[TranslationRecord]:
        return list(self._app.library.translations(limit=LISTED))

    def _model(self) -> tuple[str, tuple[str, ...]]:
        """Return name and languages of the model that translates, as far as they are known."""
        chosen = self._app.settings.default_model
        try:
            model = self._app.shelf.find(chosen) if chosen else self._app.shelf.default("translate")
        except ModelError:
            return "", ()
        return model.name, model.languages

    def _keep(self, source: str, done: ev.TranslationDone) -> object:
        return self._app.library.add_translation(
            source_language=done.source_language,
            target_language=done.target_language,
            source=source,
            target=done.text,
            model=done.model,
        )

    @Slot(object)
    def _on_page_request_made(self, request: Request) -> None:
        self.run(request)

    def _take(self, event: ev.TaskEvent) -> None:
        self.page.on_event(event)

    def _fail(self, error: DesktopSlmError) -> None:
        self.page.show_error(error)

    def _finish(self) -> None:
        self.page.job_finished()
        self.refresh()

    @Slot(object)
    def _on_translations(self, records: list[TranslationRecord]) -> None:
        self.page.show_translations(records)

    @Slot(object)
    def _on_model(self, found: tuple[str, tuple[str, ...]]) -> None:
        self.page.show_model_languages(*found)

    @Slot(object)
    def _on_opened(self, record: TranslationRecord) -> None:
        self.page.show_translation(record)

    @Slot(object)
    def _on_changed(self, _nothing: object) -> None:
        self.refresh()
        self.kept.emit()

    @Slot(object)
    def _on_error(self, error: DesktopSlmError) -> None:
        self.trouble.emit(error)

    @Slot(str, object)
    def _on_page_keep_requested(self, source: str, done: ev.TranslationDone) -> None:
        run_call(partial(self._keep, source, done), self._on_changed, self._on_error)

    @Slot(str, bool)
    def _on_page_favorite_changed(self, translation: str, favorite: bool) -> None:
        work = partial(self._app.library.set_favorite, translation, favorite)
        run_call(work, self._on_changed, self._on_error)
