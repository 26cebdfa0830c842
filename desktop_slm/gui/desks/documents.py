"""The documents page's desk: the library, readers for page images, summaries, exports."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
from PySide6.QtCore import QObject, Signal, Slot

from desktop_slm.documents.model import PageImage
from desktop_slm.errors import DesktopSlmError, DocumentEncrypted, StorageFailed
from desktop_slm.gui.desks.desk import Desk
from desktop_slm.gui.job import run_call
from desktop_slm.gui.pages.document_work import LANES, Lane
from desktop_slm.gui.pages.documents import DocumentsPage
from desktop_slm.gui.widgets.citation_view import Origin, Place
from desktop_slm.store.records import DocumentRecord, StoredDocument
from desktop_slm.tasks import events as ev
from desktop_slm.tasks.requests import Ask, FileSource, ReadDocument, Request, Summarize

if TYPE_CHECKING:
    from desktop_slm.app import App
    from desktop_slm.documents.reader import DocumentSession

LISTED = 2_000


class Readers:
    """The one document reader that is open, for page images; calls may come from any thread.

    The passwords of encrypted documents stay in memory, as long as the window lives, and nowhere else.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._passwords: dict[str, str] = {}
        self._lock = threading.Lock()
        self._id = ""
        self._session: DocumentSession | None = None

    def render(self, document: str, page: int, width_px: int, quotes: Sequence[str]) -> tuple[PageImage, str]:
        """Draw a page, starting a reader for ``document`` where none is open."""
        with self._lock:
            if self._id != document or self._session is None:
                self._close()
                self._session, self._id = self._open(document), document
            try:
                return self._session.render_page(page, width_px=width_px, quotes=tuple(quotes)), document
            except DesktopSlmError:
                self._close()
                raise

    def _open(self, document: str) -> DocumentSession:
        while True:
            password = self._passwords.get(document, "")
            try:
                return self._app.open_stored(document, password)
            except DocumentEncrypted:
                if self._passwords.get(document, "") == password:  # none was given meanwhile
                    self._passwords.pop(document, None)
                    raise

    def remember(self, document: str, password: str) -> None:
        """Open ``document`` with ``password`` from now on."""
        self._passwords[document] = password

    def close(self, document: str = "") -> None:
        """End the reader of ``document``, or whichever is open."""
        with self._lock:
            if not document or document == self._id:
                self._close()

    def end(self) -> None:
        """End the reader at once, even while it draws."""
        if (session := self._session) is not None:
            session.close()

    def _close(self) -> None:
        session, self._session, self._id = self._session, None, ""
        if session is not None:
            session.close()


class LaneDesk(Desk):
    """Runs what the page has asked for in one of its lanes."""

    def __init__(self, app: App, page: DocumentsPage, lane: Lane, readers: Readers, parent: QObject) -> None:
        super().__init__(app, parent)
        self._page = page
        self._lane: Lane = lane
        self._readers = readers
        self._password = ""

    def run(self, request: Request) -> None:
        """Start ``request``, and remember what its file is opened with."""
        self._password = _password_of(request)
        super().run(request)

    def _take(self, event: ev.TaskEvent) -> None:
        if isinstance(event, ev.DocumentRead) and event.id and self._password:
            self._readers.remember(event.id, self._password)  # its pages are encrypted as well
        self._page.on_event(event, self._lane)

    def _fail(self, error: DesktopSlmError) -> None:
        self._page.show_error(error, self._lane)

    def _finish(self) -> None:
        self._password = ""
        self._page.job_finished(self._lane)


class DocumentsDesk(Desk):
    """Serves one `DocumentsPage`.

    Signals:
        deleted: Name and id of a document that went to the trash.
        exported: Path of a written file.
    """

    deleted = Signal(str, str)
    exported = Signal(str)

    def __init__(self, app: App, page: DocumentsPage, parent: QObject | None = None) -> None:
        super().__init__(app, parent)
        self.page = page
        self._readers = Readers(app)
        self._wanted: Place | None = None
        self._lanes = {lane: LaneDesk(app, page, lane, self._readers, self) for lane in LANES}
        for desk in self._lanes.values():
            desk.activity_changed.connect(self._on_lane_activity_changed)
            desk.kept.connect(self._on_lane_kept)
            desk.model_used.connect(self.model_used)
        page.request_made.connect(self._on_page_request_made)
        page.stop_requested.connect(self._on_page_stop_requested)
        page.page_image_requested.connect(self._on_page_image_requested)
        page.page_password_given.connect(self._on_page_password_given)
        page.document_selected.connect(self.open)
        page.document_closed.connect(self._on_page_document_closed)
        page.document_delete_requested.connect(self.delete)
        page.language_corrected.connect(self._on_page_language_corrected)
        page.export_requested.connect(self._on_page_export_requested)
        page.library_requested.connect(self.refresh)

    # What the window asks for

    @Slot()
    def refresh(self) -> None:
        """List the library anew."""
        run_call(self._list, self._on_library, self._on_error)

    @Slot(str)
    def open(self, document: str) -> None:
        """Show a kept document, with its newest whole summary."""
        run_call(partial(self._load, document), self._on_loaded, self._on_error)

    def open_at(self, cited: ev.Cited) -> None:
        """Show a kept document at a passage."""
        self._wanted = Place(cited.page, (cited.quote,), cited.document)
        self.open(cited.document)

    def open_summary(self, summary: str) -> None:
        """Show a kept summary with its document."""
        run_call(partial(self._load_summary, summary), self._on_summary_loaded, self._on_error)

    @Slot(str)
    def delete(self, document: str) -> None:
        """Put a document in the trash."""
        run_call(partial(self._delete, document), self._on_deleted, self._on_error)

    def restore(self, document: str) -> None:
        """Take a document back from the trash."""
        run_call(partial(self._app.library.restore, document), self._on_restored, self._on_error)

    @property
    def busy(self) -> bool:
        """Whether a request runs in any lane."""
        return any(desk.busy for desk in self._lanes.values())

    @Slot()
    def stop(self) -> None:
        """Ask what the status bar speaks of to end and keep what it has."""
        for desk in self._lanes.values():
            if desk.busy:
                desk.stop()
                return

    def wait(self, timeout_s: float) -> None:
        """Wait until the worker threads of all lanes have let go."""
        until = time.monotonic() + timeout_s
        for desk in self._lanes.values():
            desk.wait(until - time.monotonic())

    def close(self) -> None:
        """Stop all requests and end the reader."""
        super().close()
        for desk in self._lanes.values():
            desk.close()
        self._readers.end()

    # Work off the GUI thread

    def _list(self) -> tuple[list[DocumentRecord], set[str]]:
        records = list(self._app.library.documents(limit=LISTED))
        summarized = {
            record.id
            for record in records
            if any(len(made.documents) == 1 for made in self._app.library.summaries(record.id))
        }
        return records, summarized

    def _load(self, document: str) -> tuple[StoredDocument, ev.SummaryDone | None, Summarize | None]:
        stored = self._app.library.get(document)
        summaries = [made for made in self._app.library.summaries(document) if len(made.documents) == 1]
        shown: tuple[ev.SummaryDone | None, Summarize | None] = (None, None)
        for made in sorted(summaries, key=_created, reverse=True):
            done, request = _decode(made.result, made.request)
            if done is not None and done.reason != "cancelled":
                return stored, done, request
            shown = shown if shown[0] is not None else (done, request)
        return stored, *shown

    def _load_summary(
        self, summary: str
    ) -> tuple[list[StoredDocument], ev.SummaryDone | None, Summarize | None]:
        record = self._app.library.summary(summary)
        done, request = _decode(record.result, record.request)
        return [self._app.library.get(document) for document in record.documents], done, request

    def _delete(self, document: str) -> tuple[str, str]:
        self._readers.close(document)
        name = self._app.library.get(document).record.name
        self._app.library.delete(document)
        return name, document

    def _export(self, done: ev.SummaryDone, form: str, path: str) -> str:
        from desktop_slm.documents.writers.summary import SummaryFormat, write_summary

        title, style, unit = self._heading(done)
        names = {}
        if len(done.documents) > 1:
            names = {document: self._app.library.record(document).name for document in done.documents}
        wanted = cast("SummaryFormat", "html" if form == "pdf" else form)
        data = write_summary(done, wanted, title=title, style=style, unit=unit, names=names)
        if form == "pdf":
            from desktop_slm.processes.printing import print_in_child

            data = print_in_child(data)
        try:
            Path(path).write_bytes(data)
        except OSError as error:
            raise StorageFailed(
                "The file could not be written", "Choose another folder, or free some space."
            ) from error
        return path

    def _heading(self, done: ev.SummaryDone) -> tuple[str, str, str]:
        """Return title, style and page unit of a summary to be written."""
        style = "paragraph"
        if done.summary:
            request = _decode(b"", self._app.library.summary(done.summary).request)[1]
            style = request.style if request else style
        if not done.documents:
            return "", style, "page"
        document = self._app.library.get(done.documents[0]).document
        return document.title, style, document.page_unit

    # Requests

    @Slot(object)
    def _on_page_request_made(self, request: Request) -> None:
        lane: Lane = "read"
        if isinstance(request, Summarize | Ask):
            lane = "summary" if isinstance(request, Summarize) else "question"
        self._lanes[lane].run(request)

    @Slot(str)
    def _on_page_stop_requested(self, lane: Lane) -> None:
        self._lanes[lane].stop()

    @Slot()
    def _on_lane_activity_changed(self) -> None:
        """Say what the first busy lane does: there is room for one."""
        for desk in self._lanes.values():
            if desk.busy and desk.activity:
                self._say(desk.activity, desk.fraction, desk.left_s)
                return
        self._say("")

    @Slot()
    def _on_lane_kept(self) -> None:
        self.refresh()
        self.kept.emit()

    # Answers

    @Slot(object)
    def _on_library(self, found: tuple[list[DocumentRecord], set[str]]) -> None:
        self.page.show_library(*found)

    @Slot(object)
    def _on_loaded(self, found: tuple[StoredDocument, ev.SummaryDone | None, Summarize | None]) -> None:
        stored, done, request = found
        self.page.show_document(stored)
        if done is not None:
            self.page.show_summary(done, request)
        wanted, self._wanted = self._wanted, None
        if wanted is not None and wanted.document == stored.record.id:
            self.page.view.show_place(wanted)

    @Slot(object)
    def _on_summary_loaded(
        self, found: tuple[list[StoredDocument], ev.SummaryDone | None, Summarize | None]
    ) -> None:
        documents, done, request = found
        if len(documents) > 1 and done is not None:
            origins = {
                stored.record.id: Origin(stored.document.name, stored.document.page_unit)
                for stored in documents
            }
            self.page.show_together(done, origins)
        else:
            self._on_loaded((documents[0], done, request))

    @Slot(object)
    def _on_deleted(self, found: tuple[str, str]) -> None:
        self.refresh()
        self.kept.emit()
        self.deleted.emit(*found)

    @Slot(object)
    def _on_restored(self, _nothing: object) -> None:
        self.refresh()
        self.kept.emit()

    @Slot(object)
    def _on_language_set(self, _record: object) -> None:
        self.refresh()
        self.kept.emit()

    @Slot(object)
    def _on_exported(self, path: str) -> None:
        self.exported.emit(path)

    @Slot(object)
    def _on_error(self, error: DesktopSlmError) -> None:
        self.trouble.emit(error)

    # Wishes

    @Slot(str, int, int, object)
    def _on_page_image_requested(
        self, document: str, page: int, width_px: int, quotes: Sequence[str]
    ) -> None:
        answer = PageAnswer(self.page, document, self)
        run_call(
            partial(self._readers.render, document, page, width_px, quotes), answer.on_image, answer.on_error
        )

    @Slot(str, str)
    def _on_page_password_given(self, document: str, password: str) -> None:
        self._readers.remember(document, password)

    @Slot(str)
    def _on_page_document_closed(self, document: str) -> None:
        run_call(partial(self._readers.close, document))

    @Slot(str, str)
    def _on_page_language_corrected(self, document: str, code: str) -> None:
        run_call(
            partial(self._app.library.set_language, document, code), self._on_language_set, self._on_error
        )

    @Slot(object, str, str)
    def _on_page_export_requested(self, done: ev.SummaryDone, form: str, path: str) -> None:
        run_call(partial(self._export, done, form, path), self._on_exported, self._on_error)


class PageAnswer(QObject):
    """Brings one page image, or the reason why there is none, back to the page with the document's id."""

    def __init__(self, page: DocumentsPage, document: str, parent: QObject) -> None:
        super().__init__(parent)
        self.page = page
        self._document = document

    @Slot(object)
    def on_image(self, found: tuple[PageImage, str]) -> None:
        """Show the image."""
        self.page.show_page_image(found[0], self._document)
        self.deleteLater()

    @Slot(object)
    def on_error(self, error: DesktopSlmError) -> None:
        """Say why there is none."""
        self.page.show_page_error(error, self._document)
        self.deleteLater()


def _password_of(request: Request) -> str:
    """Return the password that the one file of a request is read with; empty without one."""
    match request:
        case ReadDocument(source=FileSource(password=password)):
            return password
        case (
            Summarize(sources=(FileSource(password=password),))
            | Ask(sources=(FileSource(password=password),))
        ):
            return password
        case _:
            return ""


def _created(summary: object) -> float:
    return float(getattr(summary, "created", 0.0))


def _decode(result: bytes, request: bytes) -> tuple[ev.SummaryDone | None, Summarize | None]:
    """Read a kept summary; what an older version wrote differently is left out."""
    done: ev.SummaryDone | None = None
    wish: Summarize | None = None
    with contextlib.suppress(msgspec.DecodeError):
        done = msgspec.json.decode(result, type=ev.SummaryDone)
    with contextlib.suppress(msgspec.DecodeError):
        wish = msgspec.json.decode(request, type=Summarize)
    return done, wish
