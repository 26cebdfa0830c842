"""The Documents page: the library, and one document with its summary beside its pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop_slm.documents.model import PageImage
from desktop_slm.errors import DesktopSlmError
from desktop_slm.store.records import DocumentRecord, StoredDocument
from desktop_slm.tasks.events import SummaryDone, TaskEvent
from desktop_slm.tasks.requests import Summarize

DropAction = Literal["summarize", "ask", "translate", "add"]


class DocumentsPage(QWidget):
    """Library and document view; emits wishes, is told facts.

    One request runs at a time: the page emits the next one only after `job_finished`.
    """

    request_made = Signal(object)
    """A `Summarize`, `Ask` or `ReadDocument` to run; its events go to `on_event`."""
    stop_requested = Signal()
    """Stop the running request."""
    page_image_requested = Signal(str, int, int, object)
    """Document id, page from 1, width in pixels, tuple of quotes; answered by `show_page_image`."""
    document_selected = Signal(str)
    """Id of a document to open; answered by `show_document`, then `show_summary` when one is kept."""
    document_closed = Signal(str)
    """Id of the document no longer shown: its reader may end."""
    document_delete_requested = Signal(str)
    """Id of a document to delete; confirmed already. Answered by `show_library`."""
    export_requested = Signal(object, str, str)
    """`SummaryDone`, format (``md``, ``html``, ``docx``, ``pdf``) and the path chosen."""
    translate_requested = Signal(str, str)
    """Text and language code of the document to open on the Translate page."""
    library_requested = Signal()
    """The library is on screen and may be stale; answered by `show_library`."""

    def open_paths(self, paths: Sequence[str | Path], action: DropAction = "summarize") -> None:
        """Read files (dropped or chosen) one after the other and do ``action`` with each."""

    def show_library(self, records: Sequence[DocumentRecord], summarized: Collection[str] = ()) -> None:
        """Show the documents kept; ``summarized`` holds the ids of those with a summary."""

    def show_document(self, stored: StoredDocument) -> None:
        """Show one document with its key sentences."""

    def show_summary(self, done: SummaryDone, request: Summarize | None = None) -> None:
        """Show a finished or kept summary of the document on screen."""

    def on_event(self, event: TaskEvent) -> None:
        """Take an event of the request that runs."""

    def job_finished(self) -> None:
        """The request has ended (done, stopped or failed); the next one may be emitted."""

    def show_error(self, error: DesktopSlmError) -> None:
        """Show why the request failed; an encrypted document asks for its password."""

    def show_page_image(self, image: PageImage, document_id: str = "") -> None:
        """Show a page image asked for; late ones of another page or document are dropped."""

    def show_page_error(self, error: DesktopSlmError, document_id: str = "") -> None:
        """The page could not be drawn: its text is shown instead."""

    def ask_password(self, name: str, wrong: bool = False) -> None:
        """Ask for the password of the file that is being opened."""

    def show_model_note(self, text: str) -> None:
        """Show a plain sentence about the model above the page; empty hides it."""
