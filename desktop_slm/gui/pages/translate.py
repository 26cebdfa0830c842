"""The Translate page: text on the left, its translation streaming in on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.store.records import TranslationRecord
from desktop_slm.tasks.events import TaskEvent


class TranslatePage(QWidget):
    """Two panes with language pickers, and the recent translations in a column.

    One request runs at a time: the page emits the next one only after `job_finished`. Translations made
    while typing are requested with ``save=False`` and offered by `keep_requested` once they have settled.
    """

    request_made = Signal(object)
    """A `Translate`, or a `ReadDocument` of a dropped text file; its events go to `on_event`."""
    stop_requested = Signal()
    """Stop the running request."""
    keep_requested = Signal(str, object)
    """Source text and `TranslationDone` to keep (``library.add_translation``), then `show_translations`."""
    favorite_changed = Signal(str, bool)
    """Id of a translation and whether it is a favorite now."""
    translation_delete_requested = Signal(str)
    """Id of a translation to delete."""
    history_requested = Signal()
    """The history is on screen and may be stale; answered by `show_translations`."""

    def open_paths(self, paths: Sequence[str | Path]) -> None:
        """Load the text of the first file."""

    def show_source(self, text: str, language: str = "") -> None:
        """Put ``text`` into the source pane and translate it."""

    def show_translation(self, record: TranslationRecord) -> None:
        """Put a kept translation into both panes."""

    def show_translations(self, records: Sequence[TranslationRecord]) -> None:
        """Fill the history column."""

    def on_event(self, event: TaskEvent) -> None:
        """Take an event of the request that runs."""

    def job_finished(self) -> None:
        """The request has ended (done, stopped or failed)."""

    def show_error(self, error: DesktopSlmError) -> None:
        """Show why the request failed."""

    def show_model_note(self, text: str) -> None:
        """Show a plain sentence about the model above the panes; empty hides it."""
