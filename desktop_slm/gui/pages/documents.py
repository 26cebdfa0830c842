"""The Documents page: the library, and one document with its summary beside its pages.

The page turns what a person does into requests, runs them one at a time, and gives each event to the view of
the document it belongs to; work goes on while another document, or the library, is on screen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QStackedWidget, QVBoxLayout, QWidget

from desktop_slm.documents.model import Document, KeySentence, PageImage
from desktop_slm.errors import DesktopSlmError, DocumentEncrypted
from desktop_slm.gui import theme
from desktop_slm.gui.pages.document_work import SUFFIXES, DropAction, Work, WorkLine, expand
from desktop_slm.gui.widgets.document_view import DocumentView
from desktop_slm.gui.widgets.library_view import LibraryView
from desktop_slm.gui.widgets.notice_bar import NoticeBar
from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.gui.widgets.summary_view import coverage_text
from desktop_slm.paths import resource
from desktop_slm.store.records import DocumentRecord, StoredDocument
from desktop_slm.tasks.events import (
    AnswerDone,
    DocumentRead,
    KeySentences,
    Piece,
    Progress,
    ReadDone,
    SentenceReady,
    SummaryDone,
    TaskEvent,
    Warned,
)
from desktop_slm.tasks.requests import Ask, FileSource, ReadDocument, StoredSource, Summarize

NO_SUMMARY = "No summary yet. The key sentences below are the document's own."
STOPPED = "Stopped. What was written is kept; going on uses the notes already taken."


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

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._line = WorkLine()
        self._works: dict[int, Work] = {}
        self._screen: Work | None = None
        self._screen_id = ""
        self._asking: Work | None = None
        self._summary: SummaryDone | None = None
        self.library = LibraryView()
        self.view = DocumentView()
        self._stack = QStackedWidget()
        self._stack.addWidget(self.library)
        self._stack.addWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        self._connect_library()
        self._connect_view()
        self._open_shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Open), self)
        self._open_shortcut.activated.connect(self._on_open_pressed)
        self._stop_shortcut = QShortcut(QKeySequence("Esc"), self)
        self._stop_shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._stop_shortcut.activated.connect(self._on_stop_pressed)

    def _connect_library(self) -> None:
        library = self.library
        library.open_pressed.connect(self._on_open_pressed)
        library.sample_pressed.connect(self._on_sample_pressed)
        library.document_opened.connect(self.document_selected)
        library.document_delete_confirmed.connect(self.document_delete_requested)
        library.job.stop_pressed.connect(self._on_stop_pressed)
        library.queue.row_pressed.connect(self._on_queue_row_pressed)
        library.password.password_given.connect(self._on_password_given)
        library.password.skipped.connect(self._on_password_skipped)
        library.error.first_pressed.connect(self._on_error_first_pressed)
        library.error.second_pressed.connect(self._on_error_second_pressed)

    def _connect_view(self) -> None:
        view = self.view
        view.bar.back_pressed.connect(self.show_library_again)
        view.bar.length_chosen.connect(self._on_choice_changed)
        view.bar.style_chosen.connect(self._on_choice_changed)
        view.bar.translate_pressed.connect(self._on_translate_pressed)
        view.bar.export_chosen.connect(self._on_export_chosen)
        view.job.stop_pressed.connect(self._on_stop_pressed)
        view.summary.summarize_pressed.connect(self._on_summarize_pressed)
        view.answers.question_asked.connect(self._on_question_asked)
        view.pages.image_wanted.connect(self._on_image_wanted)
        view.password.password_given.connect(self._on_password_given)
        view.password.skipped.connect(self._on_password_skipped)
        view.error.first_pressed.connect(self._on_error_first_pressed)
        view.error.second_pressed.connect(self._on_error_second_pressed)

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
                self._show_work(work)
            else:
                self.library.queue.add(work.number, work.name)
            self._begin(work)

    def show_library(self, records: Sequence[DocumentRecord], summarized: Collection[str] = ()) -> None:
        """Show the documents kept; ``summarized`` holds the ids of those with a summary."""
        self.library.show_records(records, summarized)
        known = {record.id for record in records}
        if self._screen_id and self._screen_id not in known and self._screen is None:
            self.show_library_again()

    def show_document(self, stored: StoredDocument) -> None:
        """Show one document with its key sentences."""
        self._leave_document()
        self._screen_id = stored.record.id
        self._show_read(stored.document, stored.key_sentences)
        self._stack.setCurrentWidget(self.view)
        self.view.pages.take_focus()
        self._resume(stored.record.id)

    def show_summary(self, done: SummaryDone, request: Summarize | None = None) -> None:
        """Show a finished or kept summary of the document on screen."""
        if any(
            isinstance(work.request, Summarize) and work.outcome != "done"
            for work in self._line.of_document(self._screen_id)
        ):
            return  # a newer one is being written
        self._summary = done
        if request is not None:
            self.view.bar.choose(request.length, request.style)
            self.view.summary.set_style(request.style)
        self.view.summary.show_summary(done)
        unit = self.view.document.page_unit if self.view.document is not None else "page"
        self.view.coverage.set_name(coverage_text(done.coverage, unit))
        self.view.bar.set_ready(True, bool(done.sentences))

    def on_event(self, event: TaskEvent) -> None:
        """Take an event of the request that runs."""
        work = self._line.running
        if work is None:
            return
        match event:
            case DocumentRead():
                self._on_document_read(work, event)
            case KeySentences():
                work.key_sentences = event.sentences
                if self._on_screen(work):
                    self.view.summary.show_key_sentences(event.sentences)
            case Progress():
                self._on_progress(work, event)
            case SentenceReady():
                work.sentences.append(event)
                if self._on_screen(work):
                    self._show_sentence(work, event)
            case Piece() if event.kind == "answer" and self._on_screen(work):
                draft = self.view.answers if isinstance(work.request, Ask) else self.view.summary
                draft.add_draft(event.text)
            case Warned():
                if self._on_screen(work):
                    self.view.warning.say(event.text, tone="warning")
            case SummaryDone() | AnswerDone() | ReadDone():
                self._on_done(work, event)
            case _:
                pass

    def job_finished(self) -> None:
        """The request has ended (done, stopped or failed); the next one may be emitted."""
        work = self._line.end()
        if work is not None:
            work.outcome = work.outcome or "stopped"
            work.forget_password()
            self._show_ended(work)
            self._let_go(work)
        self.library.job.finish()
        self._start_next()

    def show_error(self, error: DesktopSlmError) -> None:
        """Show why the request failed; an encrypted document asks for its password."""
        work = self._line.running
        if work is None:
            self._notice().say_error(error)
            return
        if isinstance(error, DocumentEncrypted):
            work.outcome = "password"
            self._asking = work if not work.queued else self._asking
            if not work.queued:
                self.ask_password(work.name, error.wrong_password)
            elif error.wrong_password and self._asking is work:
                self.library.password.ask(work.name, True)
            return
        work.outcome = "failed"
        if work.queued:
            self.library.queue.show_state(work.number, "failed", error.title)
        if self._on_screen(work) or not work.queued:
            self._asking = work
            back = "" if work.document is not None or work.document_id else "Back"
            notice = self.view.error if self._on_screen(work) else self.library.error
            notice.say_error(error, first="Try again", second=back or "Close")
        if isinstance(work.request, Ask) and self._on_screen(work):
            self.view.answers.show_ended(f"{error.title}.")

    def show_page_image(self, image: PageImage, document_id: str = "") -> None:
        """Show a page image asked for; late ones of another page or document are dropped."""
        if not document_id or document_id == self._screen_id:
            self.view.pages.show_image(image)

    def show_page_error(self, error: DesktopSlmError, document_id: str = "") -> None:
        """The page could not be drawn: its text is shown instead."""
        if not document_id or document_id == self._screen_id:
            self.view.pages.show_text_instead()
            self.view.warning.say(f"{error.title}. The text of the page is shown instead.", tone="warning")

    def ask_password(self, name: str, wrong: bool = False) -> None:
        """Ask for the password of the file that is being opened."""
        self._asking = self._asking or self._line.running
        panel = self.view.password if self._stack.currentWidget() is self.view else self.library.password
        panel.ask(name, wrong)

    def show_model_note(self, text: str) -> None:
        """Show a plain sentence about the model above the page; empty hides it."""
        self.library.note.say(text)
        self.view.note.say(text)

    @Slot()
    def show_library_again(self) -> None:
        """Leave the document; its work goes on."""
        self._leave_document()
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

    def _summarize(self, sources: tuple[FileSource | StoredSource, ...]) -> Summarize:
        bar = self.view.bar
        return Summarize(sources=sources, length=bar.length, style=bar.style_name)

    def _begin(self, work: Work, *, first: bool = False) -> None:
        self._line.put(work, first=first)
        self._start_next()
        if self._line.running is not work and self._on_screen(work):
            self._show_waiting(work)

    def _start_next(self) -> None:
        work = self._line.take()
        if work is None:
            return
        if work.queued:
            self.library.queue.show_state(work.number, "working")
        if self._on_screen(work):
            self._show_started(work)
        self._show_library_job()
        self.request_made.emit(work.request)

    def _show_started(self, work: Work) -> None:
        self.view.error.say("")
        if isinstance(work.request, Summarize):
            self.view.summary.clear_summary()
            self.view.summary.hide_invitation()
            self.view.summary.set_style(work.request.style)
            self.view.coverage.set_name("")
            self._summary = None
        elif isinstance(work.request, Ask):
            self.view.answers.begin()
        self.view.job.start(_doing(work))

    def _show_waiting(self, work: Work) -> None:
        running = self._line.running
        name = f" “{one_line(running.name, 60)}”" if running is not None else " the work before it"
        self.view.job.start(f"Waits for{name}")
        self.view.summary.hide_invitation()

    def _show_library_job(self) -> None:
        running = self._line.running
        if running is None:
            self.library.job.finish()
        else:
            self.library.job.start(f"{_doing(running)} {one_line(running.name, 80)}".strip())

    def _on_screen(self, work: Work) -> bool:
        if self._stack.currentWidget() is not self.view:
            return False
        return self._screen is work or bool(work.document_id and work.document_id == self._screen_id)

    # events

    def _on_document_read(self, work: Work, event: DocumentRead) -> None:
        work.document_id, work.document = event.id, event.document
        if not self._on_screen(work):
            return
        if self.view.document is None or self._screen_id != event.id:
            self._screen_id = event.id
            self._show_read(event.document, ())
            self.view.summary.hide_invitation()
            if isinstance(work.request, Summarize):
                self.view.summary.set_style(work.request.style)
            if self.view.hasFocus():
                self.view.pages.take_focus()
            self.view.job.start(_doing(work))

    def _on_progress(self, work: Work, event: Progress) -> None:
        self.library.job.show_progress(event)
        if self._on_screen(work):
            self.view.job.show_progress(event)

    def _show_sentence(self, work: Work, event: SentenceReady) -> None:
        if isinstance(work.request, Ask):
            self.view.answers.add_sentence(event.sentence)
        else:
            self.view.summary.add_sentence(event.sentence, event.section)

    def _on_done(self, work: Work, event: SummaryDone | AnswerDone | ReadDone) -> None:
        work.outcome = "done"
        if self._on_screen(work):
            match event:
                case SummaryDone():
                    self.show_summary(event)
                case AnswerDone():
                    self.view.answers.show_done(event)
                case ReadDone():
                    self.view.summary.show_invitation(NO_SUMMARY, "Summarize")
                    if work.action == "ask":
                        self.view.show_questions()
        if work.action == "translate" and work.document is not None:
            self.translate_requested.emit(work.document.text, work.document.language)

    def _show_ended(self, work: Work) -> None:
        """Show how a work ended, in the list of files and in its document."""
        if work.queued and work.outcome in ("done", "stopped", "password"):
            self.library.queue.show_state(work.number, work.outcome, _ended(work))
        if work.outcome == "done":
            self.library_requested.emit()
        if not self._on_screen(work):
            return
        self.view.job.finish()
        if work.outcome in ("stopped", "failed") and isinstance(work.request, Ask):
            self.view.answers.show_ended("Stopped.")
        elif work.outcome == "stopped" and work.document is None and self.view.document is None:
            self._asking = work
            self.view.error.say("Stopped before the file was read.", first="Try again", second="Back")
        elif work.outcome in ("stopped", "failed") and isinstance(work.request, Summarize):
            self.view.summary.clear_draft()
            self._invite_after(work)

    def _invite_after(self, work: Work) -> None:
        """Offer to go on where a summary has been stopped, or to make one where it failed."""
        if self.view.summary.sentence_views:
            self.view.summary.show_invitation(STOPPED, "Go on")
        elif self.view.document is not None:
            self.view.summary.show_invitation(NO_SUMMARY, "Summarize")

    # what is on screen

    def _show_work(self, work: Work) -> None:
        """Show a file that is about to be read."""
        self._leave_document()
        self._screen = work
        self.view.show_file(work.name)
        self._stack.setCurrentWidget(self.view)
        self.view.setFocus()

    def _show_read(self, document: Document, key_sentences: Sequence[KeySentence]) -> None:
        self._summary = None
        self.view.show_document(document)
        self.view.summary.show_key_sentences(key_sentences)
        self.view.summary.show_invitation(NO_SUMMARY, "Summarize")

    def _resume(self, document_id: str) -> None:
        """Show again what a work in progress has told so far."""
        for work in self._line.of_document(document_id):
            if work is not self._line.running:
                if isinstance(work.request, Ask):
                    self.view.answers.add_question(work.request.question, waiting=True)
                self._show_waiting(work)
                continue
            if isinstance(work.request, Ask):
                self.view.answers.add_question(work.request.question)
            self._show_started(work)
            for event in work.sentences:
                self._show_sentence(work, event)

    def _leave_document(self) -> None:
        left, self._screen_id, self._screen = self._screen_id, "", None
        self._summary = None
        if left:
            self.document_closed.emit(left)

    def _notice(self) -> NoticeBar:
        return self.library.error if self.shows_library else self.view.error

    def _on_screen_work(self) -> Work | None:
        """The work of the document on screen that runs or waits."""
        if self._screen is not None and self._screen.outcome == "":
            return self._screen
        works = self._line.of_document(self._screen_id)
        return works[0] if works else None

    # what a person does

    @Slot()
    def _on_open_pressed(self) -> None:
        dialog = QFileDialog(self, "Open documents")
        dialog.setObjectName("open-documents")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        dialog.setNameFilters([f"Documents ({patterns})", "All files (*)"])
        dialog.filesSelected.connect(self._on_files_selected)
        dialog.open()

    @Slot(list)
    def _on_files_selected(self, paths: list[str]) -> None:
        self.open_paths(paths, "summarize")

    @Slot()
    def _on_sample_pressed(self) -> None:
        try:
            samples = sorted(resource("samples").glob("*.pdf"))
        except FileNotFoundError:
            samples = []
        if samples:
            self.open_paths(samples[:1], "summarize")
        else:
            self.library.error.say("The sample report is not part of this installation.", tone="warning")

    @Slot()
    def _on_stop_pressed(self) -> None:
        shown = None if self.shows_library else self._on_screen_work()
        if shown is not None and self._line.drop(shown):
            shown.outcome = "stopped"
            self._show_ended(shown)
            return
        if self._line.running is not None and (self.shows_library or self._on_screen(self._line.running)):
            self.stop_requested.emit()

    @Slot()
    def _on_summarize_pressed(self) -> None:
        work = self._document_work(self._summarize(self._sources()))
        if work is not None:
            self._begin(work)

    @Slot(str)
    def _on_choice_changed(self, _choice: str) -> None:
        """Write the summary anew when there is one, or one is being written."""
        busy = [
            work for work in self._line.of_document(self._screen_id) if isinstance(work.request, Summarize)
        ]
        if self._summary is None and not busy:
            return
        for work in busy:
            if not self._line.drop(work):
                self.stop_requested.emit()
        self._on_summarize_pressed()

    @Slot(str, bool)
    def _on_question_asked(self, question: str, everything: bool) -> None:
        request = Ask(sources=self._sources(), question=question, read_everything=everything)
        work = self._document_work(request)
        if work is not None:
            self.view.answers.add_question(question, waiting=self._line.running is not None)
            self._begin(work)

    def _sources(self) -> tuple[FileSource | StoredSource, ...]:
        if self._screen_id:
            return (StoredSource(self._screen_id),)
        return (self._screen.source,) if self._screen is not None else ()

    def _document_work(self, request: Summarize | Ask) -> Work | None:
        """Return new work on the document on screen."""
        document = self.view.document
        if document is None or not request.sources:
            return None
        name = one_line(document.name)
        work = Work(self._line.number(), name, request, "", self._screen_id, document)
        return self._remember(work)

    @Slot()
    def _on_translate_pressed(self) -> None:
        if self.view.document is not None:
            self.translate_requested.emit(self.view.document.text, self.view.document.language)

    @Slot(str)
    def _on_export_chosen(self, kind: str) -> None:
        if kind == "copy":
            QGuiApplication.clipboard().setText(self.view.summary.plain_text())
            return
        if self._summary is None or self.view.document is None:
            return
        dialog = QFileDialog(self, "Export the summary")
        dialog.setObjectName("export-summary")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(kind)
        stem = one_line(Path(self.view.document.name).stem, 80).replace("/", "-") or "document"
        dialog.selectFile(f"{stem}-summary.{kind}")
        dialog.fileSelected.connect(self._on_export_path_selected)
        dialog.setProperty("export", kind)
        dialog.open()

    @Slot(str)
    def _on_export_path_selected(self, path: str) -> None:
        dialog = self.sender()
        if self._summary is not None:
            self.export_requested.emit(self._summary, str(dialog.property("export")), path)

    @Slot(int, int, object)
    def _on_image_wanted(self, number: int, width_px: int, quotes: tuple[str, ...]) -> None:
        if self._screen_id:
            self.page_image_requested.emit(self._screen_id, number, width_px, quotes)

    @Slot(int)
    def _on_queue_row_pressed(self, number: int) -> None:
        work = self._works.get(number)
        if work is None:
            return
        if work.outcome == "done" and work.document_id:
            self.document_selected.emit(work.document_id)
        elif work.outcome == "password":
            self._asking = work
            self.library.password.ask(work.name)
        elif work.outcome in ("failed", "stopped"):
            self._retry(work)

    def _retry(self, work: Work) -> None:
        work.again()
        if work.queued:
            self.library.queue.show_state(work.number, "waiting")
        if self._on_screen(work) and isinstance(work.request, Ask):
            self.view.answers.add_question(work.request.question)
        self._begin(work, first=True)

    @Slot(str)
    def _on_password_given(self, password: str) -> None:
        work, self._asking = self._asking, None
        if work is not None:
            work.unlock(password)
            self._asking = work if work.queued else None
            self._retry(work)

    @Slot()
    def _on_password_skipped(self) -> None:
        self._asking = None
        if not self.shows_library:
            self.show_library_again()

    @Slot()
    def _on_error_first_pressed(self) -> None:
        work, self._asking = self._asking, None
        self._notice().say("")
        if work is not None:
            self._retry(work)

    @Slot()
    def _on_error_second_pressed(self) -> None:
        """Go back where nothing could be read, else close the notice."""
        self._asking = None
        self._notice().say("")
        if not self.shows_library and self.view.document is None:
            self.show_library_again()


def _doing(work: Work) -> str:
    """Say what a work is, in one word or two."""
    if isinstance(work.request, Ask):
        return "Looking for an answer"
    if isinstance(work.request, Summarize):
        return "Summarizing"
    return "Reading"


def _ended(work: Work) -> str:
    """Say more about a finished file than "done"."""
    if work.outcome != "done" or work.document is None:
        return ""
    count = len(work.document.pages)
    pages = f"{count:,} {work.document.page_unit}{'' if count == 1 else 's'}"
    return f"summarized, {pages}" if isinstance(work.request, Summarize) else f"read, {pages}"
