"""The Documents page: the library, and one document with its summary beside its pages.

The page turns what a person does into requests, runs one per lane at a time, and gives each event to the view
of the document it belongs to; work goes on while another document, or the library, is on screen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from desktop_slm.documents.model import PageImage
from desktop_slm.errors import DesktopSlmError, DocumentEmpty, DocumentEncrypted
from desktop_slm.gui import theme
from desktop_slm.gui.pages.document_screen import DocumentScreen
from desktop_slm.gui.pages.document_work import DropAction, Lane, Work, WorkLine, expand
from desktop_slm.gui.pages.obstacles import Obstacles
from desktop_slm.gui.pages.together_screen import TogetherScreen
from desktop_slm.gui.widgets.citation_view import Origin
from desktop_slm.gui.widgets.document_view import DocumentView
from desktop_slm.gui.widgets.file_dialogs import choose_target
from desktop_slm.gui.widgets.library_view import SUFFIXES, LibraryView
from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.store.records import DocumentRecord, StoredDocument
from desktop_slm.tasks.events import (
    AnswerDone,
    DocumentRead,
    KeySentences,
    Progress,
    ReadDone,
    SentenceReady,
    SummaryDone,
    TaskEvent,
)
from desktop_slm.tasks.requests import Ask, FileSource, ReadDocument, Source, StoredSource, Summarize


class DocumentsPage(QWidget):
    """Library and document view; emits wishes, is told facts.

    One request runs per lane, told apart by its class: `Summarize`, `Ask`, `ReadDocument`. The page emits the
    next one of a lane only after its `job_finished`. Where it is told something of a lane, an empty one
    stands for that in which something runs.
    """

    request_made = Signal(object)
    """A `Summarize`, `Ask` or `ReadDocument` to run; its events go to `on_event`."""
    stop_requested = Signal(str)
    """Stop the request that runs in this lane: ``summary``, ``question`` or ``read``."""
    page_image_requested = Signal(str, int, int, object)
    """Document id, page from 1, width in pixels, tuple of quotes; answered by `show_page_image`."""
    document_selected = Signal(str)
    """Id of a document to open; answered by `show_document`, then `show_summary` when one is kept."""
    page_password_given = Signal(str, str)
    """Id of a document and the password that its pages need; the page image is asked for again after it."""
    document_closed = Signal(str)
    """Id of the document no longer shown: its reader may end."""
    document_delete_requested = Signal(str)
    """Id of a document to delete; confirmed already. Answered by `show_library`."""
    export_requested = Signal(object, str, str)
    """`SummaryDone`, format (``md``, ``html``, ``docx``, ``pdf``) and the path chosen."""
    language_corrected = Signal(str, str)
    """Id of a document and the code of the language it is really in; answered by `show_library`."""
    translate_requested = Signal(str, str)
    """Text and language code of the document to open on the Translate page."""
    library_requested = Signal()
    """The library is on screen and may be stale; answered by `show_library`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._line = WorkLine()
        self._works: dict[int, Work] = {}
        self._library_said = ""
        self.library = LibraryView()
        self.view = DocumentView()
        self._screen = DocumentScreen(self.view, self._line)
        self._stack = QStackedWidget()
        self._together = TogetherScreen(self._stack, self)
        self._together.again_wanted.connect(self._retry)
        self._together.document_wanted.connect(self.document_selected)
        self._together.library_wanted.connect(self.show_library_again)
        self._together.stop_wanted.connect(self._on_stop_pressed)
        self._obstacles = Obstacles(self.library, self.view, self)
        self._obstacles.again_wanted.connect(self._retry)
        self._obstacles.back_wanted.connect(self.show_library_again)
        self._obstacles.page_password_given.connect(self._on_page_password_given)
        self._stack.addWidget(self.library)
        self._stack.addWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        self._connect_library()
        self._connect_view()
        self._open_shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Open), self)
        self._open_shortcut.activated.connect(self.library.choose_files)
        self._stop_shortcut = QShortcut(QKeySequence("Esc"), self)
        self._stop_shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._stop_shortcut.activated.connect(self._on_stop_pressed)

    def _connect_library(self) -> None:
        library = self.library
        library.files_chosen.connect(self._on_files_chosen)
        library.document_opened.connect(self.document_selected)
        library.document_delete_confirmed.connect(self.document_delete_requested)
        library.job.stop_pressed.connect(self._on_stop_pressed)
        library.queue.row_pressed.connect(self._on_queue_row_pressed)
        library.queue.together_pressed.connect(self._on_together_pressed)

    def _connect_view(self) -> None:
        view = self.view
        view.bar.back_pressed.connect(self._on_back_pressed)
        view.bar.length_chosen.connect(self._on_choice_changed)
        view.bar.style_chosen.connect(self._on_choice_changed)
        view.bar.language_chosen.connect(self._on_language_chosen)
        view.bar.translate_pressed.connect(self._on_translate_pressed)
        view.bar.export_chosen.connect(self._on_export_chosen)
        view.job.stop_pressed.connect(self._on_stop_pressed)
        view.summary.summarize_pressed.connect(self._on_summarize_pressed)
        view.answers.question_asked.connect(self._on_question_asked)
        view.pages.image_wanted.connect(self._on_image_wanted)

    # told by the window

    def open_paths(self, paths: Sequence[str | Path], action: DropAction = "summarize") -> None:
        """Read files (dropped or chosen) one after the other and do ``action`` with each."""
        files = expand(paths)
        if not files:
            self.show_library_again()
            kinds = ", ".join(suffix[1:].upper() for suffix in SUFFIXES[:4])
            said = f"Nothing in there can be read. Drop files: {kinds} or HTML."
            self.library.error.say(said, tone="warning")
            return
        alone = len(files) == 1 and action in ("summarize", "ask")
        if not alone:
            self.show_library_again()
        for path in files:
            work = self._file_work(path, action)
            work.queued = not alone
            if alone:
                self._leave_document()
                self._stack.setCurrentWidget(self.view)
                self._screen.show_file(work)
            else:
                self.library.queue.add(work.number, work.name)
            self._begin(work)

    def show_library(self, records: Sequence[DocumentRecord], summarized: Collection[str] = ()) -> None:
        """Show the documents kept; ``summarized`` holds the ids of those with a summary."""
        self.library.show_records(records, summarized)
        known = {record.id for record in records}
        shown = self._screen.document_id
        if shown and shown not in known and not self._screen.shows_file:
            self.show_library_again()

    def show_document(self, stored: StoredDocument) -> None:
        """Show one document with its key sentences."""
        self._leave_document()
        self._stack.setCurrentWidget(self.view)
        self._screen.show_stored(stored)
        self._together.show_place_in(self.view, stored.record.id)

    def show_summary(self, done: SummaryDone, request: Summarize | None = None) -> None:
        """Show a finished or kept summary of the document on screen."""
        self._screen.show_summary(done, request)

    def show_together(self, done: SummaryDone, origins: Mapping[str, Origin]) -> None:
        """Show a kept summary across several documents; ``origins`` names them by their ids."""
        self._leave_document()
        self._together.show_kept(done, origins)

    def on_event(self, event: TaskEvent, lane: Lane | Literal[""] = "") -> None:
        """Take an event of the request that runs in ``lane``."""
        work = self._running_in(lane)
        if work is None:
            return
        match event:
            case DocumentRead() if not work.origins:
                work.take_document(event.id, event.document)
            case KeySentences():
                work.key_sentences = event.sentences
            case Progress():
                if work is self._library_work:
                    self.library.job.show_progress(event)
            case SentenceReady():
                work.sentences.append(event)
            case SummaryDone() if event.reason == "cancelled":
                work.outcome = "stopped"
            case ReadDone() if self._line.waits(work):
                pass  # its summary is still to come
            case SummaryDone() | AnswerDone() | ReadDone():
                work.outcome = "done"
            case _:
                pass
        self._screen.show_event(work, event)
        self._together.show_event(work, event)
        if work.outcome == "done" and work.action == "translate" and work.document is not None:
            self.translate_requested.emit(work.document.text, work.document.language)

    def job_finished(self, lane: Lane | Literal[""] = "") -> None:
        """The request of ``lane`` has ended (done, stopped or failed); the next one may be emitted."""
        work = self._running_in(lane)
        ended = self._line.lane_of(work) if work is not None else None
        if work is not None and ended is not None:
            self._line.end(ended)
            if work.textless and not work.outcome:
                work.outcome = "done"  # there is nothing to summarize
            if work.document_id and not work.textless and ended == "read" and self._line.waits(work):
                self._show_read_ahead(work)
            else:
                self._line.drop(work)
                work.outcome = work.outcome or "stopped"
                work.forget_password()
                self._show_ended(work)
                self._let_go(work)
        self._start_next()
        self._show_library_job()
        self._screen.show_job()

    def show_error(self, error: DesktopSlmError, lane: Lane | Literal[""] = "") -> None:
        """Show why the request of ``lane`` failed; an encrypted document asks for its password."""
        work = self._running_in(lane)
        if work is None:
            self._obstacles.say(error)
        elif work.origins:
            self._together.show_error(work, error)
        elif isinstance(error, DocumentEmpty) and work.textless:
            work.outcome = "done"  # it has been read, and is named for what it is
        else:
            self._obstacles.show_failed(work, error, self._screen.shows(work))

    def show_page_image(self, image: PageImage, document_id: str = "") -> None:
        """Show a page image asked for; late ones of another page or document are dropped."""
        if not document_id or document_id == self._screen.document_id:
            if self._obstacles.take_back_question(document_id):
                self.view.pages.try_images_again()
            self.view.pages.show_image(image)

    def show_page_error(self, error: DesktopSlmError, document_id: str = "") -> None:
        """The page could not be drawn: its text is shown instead, and a missing password asked for."""
        if not document_id or document_id == self._screen.document_id:
            self.view.pages.show_text_instead()
            if isinstance(error, DocumentEncrypted) and document_id and self.view.document is not None:
                self._obstacles.ask_for_pages(document_id, self.view.document.name, error.wrong_password)
                return
            self.view.warning.say(f"{error.title}. The text of the page is shown instead.", tone="warning")

    def show_model_note(self, text: str) -> None:
        """Show a plain sentence about the model above the page; empty hides it."""
        self.library.note.say(text)
        self.view.note.say(text)

    @Slot()
    def show_library_again(self) -> None:
        """Leave the document; its work goes on."""
        self._leave_document()
        self._together.leave()
        self._stack.setCurrentWidget(self.library)
        self.library.setFocus()
        self._show_library_job()
        self.library_requested.emit()

    @property
    def shows_library(self) -> bool:
        """Whether the library is on screen."""
        return self._stack.currentWidget() is self.library

    # work

    def _file_work(self, path: Path, action: DropAction) -> Work:
        source = FileSource(str(path))
        request: Summarize | ReadDocument = ReadDocument(source=source)
        if action == "summarize":
            request = self._summarize((source,))
        return self._remember(Work(self._line.number(), one_line(path.name), request, action))

    def _remember(self, work: Work) -> Work:
        self._works[work.number] = work
        return work

    def _let_go(self, work: Work) -> None:
        """Do not hold the text of every document ever opened."""
        if work.outcome == "done":
            work.document = None
            work.sentences.clear()
            if not work.queued:
                self._works.pop(work.number, None)

    def _summarize(self, sources: tuple[Source, ...]) -> Summarize:
        bar = self.view.bar
        return Summarize(sources=sources, length=bar.length, style=bar.style_name)

    def _running_in(self, lane: Lane | Literal[""]) -> Work | None:
        return self._line.running_in(lane) if lane else next(iter(self._line.running), None)

    def _begin(self, work: Work, *, first: bool = False) -> None:
        self._line.put(work, first=first)
        self._start_next()
        if not self._line.runs(work):
            self._screen.show_waiting(work)

    def _start_next(self) -> None:
        while (taken := self._line.take()) is not None:
            lane, work = taken
            ahead = lane != work.lane
            if work.queued:
                self.library.queue.show_state(work.number, "working", "reading…" if ahead else "")
            if not ahead:
                self._screen.show_started(work)
                self._together.show_started(work)
            self._show_library_job()
            self.request_made.emit(work.request_for(lane))

    def _show_read_ahead(self, work: Work) -> None:
        """A file has been read while its summary waits."""
        work.forget_password()
        work.document = None  # the summary brings it again: two hundred files are not held meanwhile
        if work.queued:
            self.library.queue.show_state(work.number, "waiting", "read, waits for its summary")
        self.library_requested.emit()

    @property
    def _library_work(self) -> Work | None:
        """What the library's line speaks of."""
        return next(iter(self._line.running), None)

    def _show_library_job(self) -> None:
        work = self._library_work
        if work is None:
            self._library_said = ""
            self.library.job.finish()
            return
        doing = work.doing if self._line.runs(work) else "Reading"
        said = f"{doing} {one_line(work.name, 80)}".strip()
        if said != self._library_said or self.library.job.isHidden():
            self._library_said = said
            self.library.job.start(said)

    def _show_ended(self, work: Work) -> None:
        """Show how a work ended, in the list of files and in its document."""
        if work.queued and work.outcome in ("done", "stopped", "password"):
            self.library.queue.show_state(work.number, work.outcome, work.result)
        if work.outcome == "done" or work.document_id:
            self.library_requested.emit()
        self._together.show_ended(work)
        if self._screen.show_ended(work):
            self._obstacles.offer_again(work)

    def _leave_document(self) -> None:
        left = self._screen.leave()
        if left:
            self.document_closed.emit(left)

    # what a person does

    @Slot(list)
    def _on_files_chosen(self, paths: list[str]) -> None:
        self.open_paths(paths, "summarize")

    @Slot()
    def _on_stop_pressed(self) -> None:
        shown = self._together.work if self._together.on_screen else self._screen.leading
        if self.shows_library:
            shown = self._library_work
        if shown is None:
            return
        lane = self._line.lane_of(shown)
        if self._line.drop(shown) and lane is None:
            shown.outcome = "stopped"
            self._show_ended(shown)
        elif lane is not None:
            self.stop_requested.emit(lane)

    @Slot()
    def _on_together_pressed(self) -> None:
        """Make one summary of the documents in the list, or show again the one that was made of them."""
        rows = (self._works.get(row.number) for row in self.library.queue.rows)
        done = [work for work in rows if work is not None and work.document_id and work.origin is not None]
        origins = {work.document_id: work.origin for work in done if work.origin is not None}
        last = self._together.work
        if last is not None and last.origins == origins:
            self._together.come_back()
        elif len(origins) > 1:
            request = self._summarize(tuple(StoredSource(document_id) for document_id in origins))
            name = f"{len(origins)} documents together"
            work = self._remember(Work(self._line.number(), name, request, origins=origins))
            self._together.begin(work)
            self._begin(work)

    @Slot()
    def _on_back_pressed(self) -> None:
        if self._together.leads_back:
            self._leave_document()
            self._together.come_back()
        else:
            self.show_library_again()

    @Slot()
    def _on_summarize_pressed(self) -> None:
        work = self._document_work(self._summarize(self._screen.sources))
        if work is not None:
            self._begin(work)

    @Slot(str)
    def _on_choice_changed(self, _choice: str) -> None:
        """Write the summary anew when there is one, or one is being written."""
        busy = self._screen.summarizing
        if self._screen.summary is None and not busy:
            return
        for work in busy:
            if not self._line.drop(work):
                self.stop_requested.emit("summary")
        self._on_summarize_pressed()

    @Slot(str, bool)
    def _on_question_asked(self, question: str, everything: bool) -> None:
        request = Ask(sources=self._screen.sources, question=question, read_everything=everything)
        work = self._document_work(request)
        if work is not None:
            self.view.answers.add_question(question, waiting=self._line.running_in("question") is not None)
            self._begin(work)

    def _document_work(self, request: Summarize | Ask) -> Work | None:
        """Return new work on the document on screen."""
        document = self.view.document
        if document is None or not request.sources:
            return None
        name = one_line(document.name)
        work = Work(self._line.number(), name, request, "", self._screen.document_id, document)
        return self._remember(work)

    @Slot(str)
    def _on_language_chosen(self, code: str) -> None:
        self._screen.set_language(code)
        if self._screen.document_id:
            self.language_corrected.emit(self._screen.document_id, code)

    @Slot()
    def _on_translate_pressed(self) -> None:
        if self.view.document is not None:
            self.translate_requested.emit(self.view.document.text, self.view.document.language)

    @Slot(str)
    def _on_export_chosen(self, kind: str) -> None:
        if kind == "copy":
            QGuiApplication.clipboard().setText(self.view.summary.plain_text())
            return
        if self._screen.summary is None or self.view.document is None:
            return
        stem = one_line(Path(self.view.document.name).stem, 80).replace("/", "-") or "document"
        chosen = partial(self.export_requested.emit, self._screen.summary, kind)
        choose_target(self, "export-summary", "Export the summary", f"{stem}-summary.{kind}", chosen)

    @Slot(int, int, object)
    def _on_image_wanted(self, number: int, width_px: int, quotes: tuple[str, ...]) -> None:
        if self._screen.document_id:
            self.page_image_requested.emit(self._screen.document_id, number, width_px, quotes)

    @Slot(str, str)
    def _on_page_password_given(self, document_id: str, password: str) -> None:
        if document_id == self._screen.document_id:
            self.page_password_given.emit(document_id, password)
            self.view.pages.try_images_again()

    @Slot(int)
    def _on_queue_row_pressed(self, number: int) -> None:
        work = self._works.get(number)
        if work is None:
            return
        if work.outcome == "done" and work.document_id:
            self.document_selected.emit(work.document_id)
        elif work.outcome == "password":
            self._obstacles.ask_password(work)
        elif work.outcome in ("failed", "stopped"):
            self._retry(work)

    @Slot(object)
    def _retry(self, work: Work) -> None:
        work.again()
        if work.queued:
            self.library.queue.show_state(work.number, "waiting")
        if self._screen.shows(work) and isinstance(work.request, Ask):
            self.view.answers.add_question(work.request.question)
        self._begin(work, first=True)
