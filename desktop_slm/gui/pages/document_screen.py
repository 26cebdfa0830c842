"""What of a document is on screen: whose work is shown, and where each of its events goes in the view."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from desktop_slm.documents.model import Document, KeySentence
from desktop_slm.gui.pages.document_work import Work, WorkLine
from desktop_slm.gui.widgets.document_view import DocumentView
from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.gui.widgets.summary_view import coverage_text
from desktop_slm.store.records import StoredDocument
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
from desktop_slm.tasks.requests import Ask, Source, StoredSource, Summarize

NO_SUMMARY = "No summary yet. The key sentences below are the document's own."
STOPPED = "Stopped. What was written is kept; going on uses the notes already taken."


class DocumentScreen:
    """Shows one document at a time, read or being read, in a `DocumentView`.

    Attributes:
        document_id: Library id of the document on screen; empty while there is none, or none yet.
        summary: The finished summary on screen.
    """

    def __init__(self, view: DocumentView, line: WorkLine) -> None:
        self.view = view
        self._line = line
        self._file: Work | None = None
        self.document_id = ""
        self.summary: SummaryDone | None = None

    # which document

    def shows(self, work: Work) -> bool:
        """Tell whether ``work`` is about the document on screen."""
        return self._file is work or bool(work.document_id and work.document_id == self.document_id)

    @property
    def shows_file(self) -> bool:
        """Whether the document came from a file that has been opened just now."""
        return self._file is not None

    @property
    def works(self) -> list[Work]:
        """What runs or waits for the document on screen, the running one first."""
        if self._file is not None and self._file.outcome == "":
            return [self._file]
        return self._line.of_document(self.document_id)

    @property
    def summarizing(self) -> list[Work]:
        """The summaries of the document on screen that run or wait."""
        works = self._line.of_document(self.document_id)
        return [work for work in works if isinstance(work.request, Summarize)]

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where a further request finds the document on screen."""
        if self.document_id:
            return (StoredSource(self.document_id),)
        return (self._file.source,) if self._file is not None else ()

    def leave(self) -> str:
        """Show no document any more; return the id of the one that was shown."""
        left, self.document_id, self._file = self.document_id, "", None
        self.summary = None
        return left

    def show_file(self, work: Work) -> None:
        """Show a file that is about to be read."""
        self._file = work
        self.view.show_file(work.name)
        self.view.setFocus()

    def show_stored(self, stored: StoredDocument) -> None:
        """Show a document of the library, and again what a work on it has told so far."""
        self.document_id = stored.record.id
        self._show_read(stored.document, stored.key_sentences)
        self.view.pages.take_focus()
        for work in self._line.of_document(self.document_id):
            self._show_again(work)

    def set_language(self, code: str) -> None:
        """The language found was wrong; what is asked for from now on goes by the right one."""
        if self.view.document is not None:
            self.view.document = msgspec.structs.replace(self.view.document, language=code)

    def show_summary(self, done: SummaryDone, request: Summarize | None) -> None:
        """Show a finished or kept summary, and with ``request`` the choices it was made with."""
        if any(work.outcome != "done" for work in self.summarizing):
            return  # a newer one is being written
        self.summary = done
        view = self.view
        if request is not None:
            view.bar.choose(request.length, request.style)
            view.summary.set_style(request.style)
        view.summary.show_summary(done)
        unit = view.document.page_unit if view.document is not None else "page"
        view.coverage.set_name(coverage_text(done.coverage, unit))
        view.bar.set_ready(True, bool(done.sentences))

    def _show_read(self, document: Document, key_sentences: Sequence[KeySentence]) -> None:
        self.summary = None
        self.view.show_document(document)
        self.view.summary.show_key_sentences(key_sentences)
        self.view.summary.show_invitation(NO_SUMMARY, "Summarize")

    def _show_again(self, work: Work) -> None:
        running = work is self._line.running
        if isinstance(work.request, Ask):
            self.view.answers.add_question(work.request.question, waiting=not running)
        if not running:
            self.show_waiting(work)
            return
        self.show_started(work)
        for event in work.sentences:
            self._show_sentence(work, event)

    # a work from its start to its end

    def show_waiting(self, work: Work) -> None:
        """Say what a work waits for."""
        if not self.shows(work):
            return
        running = self._line.running
        name = f" “{one_line(running.name, 60)}”" if running is not None else " the work before it"
        self.view.job.start(f"Waits for{name}")
        self.view.summary.hide_invitation()

    def show_started(self, work: Work) -> None:
        """Make room for what a work will tell."""
        if not self.shows(work):
            return
        view = self.view
        view.error.say("")
        if isinstance(work.request, Summarize):
            view.summary.clear_summary()
            view.summary.hide_invitation()
            view.summary.set_style(work.request.style)
            view.coverage.set_name("")
            self.summary = None
        elif isinstance(work.request, Ask):
            view.answers.begin()
        view.job.start(work.doing)

    def show_event(self, work: Work, event: TaskEvent) -> None:
        """Show what a work tells, when it is about the document on screen."""
        if not self.shows(work):
            return
        view = self.view
        match event:
            case DocumentRead():
                self._show_document_read(work, event)
            case KeySentences():
                view.summary.show_key_sentences(event.sentences)
            case Progress():
                view.job.show_progress(event)
            case SentenceReady():
                self._show_sentence(work, event)
            case Piece() if event.kind == "answer":
                draft = view.answers if isinstance(work.request, Ask) else view.summary
                draft.add_draft(event.text)
            case Warned():
                view.warning.say(event.text, tone="note" if isinstance(work.request, Ask) else "warning")
            case SummaryDone():
                self.show_summary(event, None)
            case AnswerDone():
                view.answers.show_done(event)
            case ReadDone():
                view.summary.show_invitation(NO_SUMMARY, "Summarize")
                if work.action == "ask":
                    view.show_questions()
            case _:
                pass

    def show_ended(self, work: Work) -> bool:
        """Show how a work ended; tell whether the view asks to try it again."""
        if not self.shows(work):
            return False
        self.view.job.finish()
        if work.outcome not in ("stopped", "failed"):
            return False
        if isinstance(work.request, Ask):
            self.view.answers.show_ended("Stopped.")
        elif work.outcome == "stopped" and work.document is None and self.view.document is None:
            self.view.error.say("Stopped before the file was read.", first="Try again", second="Back")
            return True
        elif isinstance(work.request, Summarize):
            self.view.summary.clear_draft()
            self._invite_after()
        return False

    def _show_document_read(self, work: Work, event: DocumentRead) -> None:
        if self.view.document is not None and self.document_id == event.id:
            return
        self.document_id = event.id
        self._show_read(event.document, ())
        self.view.summary.hide_invitation()
        if isinstance(work.request, Summarize):
            self.view.summary.set_style(work.request.style)
        if self.view.hasFocus():
            self.view.pages.take_focus()
        self.view.job.start(work.doing)

    def _show_sentence(self, work: Work, event: SentenceReady) -> None:
        if isinstance(work.request, Ask):
            self.view.answers.add_sentence(event.sentence)
        else:
            self.view.summary.add_sentence(event.sentence, event.section)

    def _invite_after(self) -> None:
        """Offer to go on where a summary has been stopped, or to make one where it failed."""
        if self.view.summary.sentence_views:
            self.view.summary.show_invitation(STOPPED, "Go on")
        elif self.view.document is not None:
            self.view.summary.show_invitation(NO_SUMMARY, "Summarize")
