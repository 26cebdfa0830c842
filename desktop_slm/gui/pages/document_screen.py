"""What of a document is on screen: whose work is shown, and where each of its events goes in the view."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from desktop_slm.documents.model import Document, KeySentence
from desktop_slm.gui.pages.document_work import Work, WorkLine, textless
from desktop_slm.gui.widgets.document_view import QUESTIONS_TAB, DocumentView
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
NO_TEXT = "There is nothing here to summarize or to search: this document is {}."
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
        self._request: Summarize | None = None
        self._earlier: tuple[SummaryDone, Summarize | None] | None = None
        self._said: tuple[Work, str] | None = None
        view.tabs.currentChanged.connect(self.show_job)

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
        of_file = [self._file] if self._file is not None and self._file.outcome == "" else []
        return list(dict.fromkeys([*of_file, *self._line.of_document(self.document_id)]))

    @property
    def leading(self) -> Work | None:
        """The work that the line above the document speaks of and Stop ends: that of the tab in front."""
        works = self.works
        wants_question = self.view.tabs.currentIndex() == QUESTIONS_TAB
        matching = (work for work in works if isinstance(work.request, Ask) is wants_question)
        return next(matching, next(iter(works), None))

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
        self.summary = self._request = self._earlier = self._said = None
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
            self._earlier = (done, request)  # a newer one is being written
            return
        self.summary, self._request, self._earlier = done, request, None
        view = self.view
        if request is not None:
            view.bar.choose(request.length, request.style)
            view.summary.set_style(request.style)
        view.summary.show_summary(done)
        unit = view.document.page_unit if view.document is not None else "page"
        view.coverage.set_name(coverage_text(done.coverage, unit))
        view.bar.set_ready(True, bool(done.sentences))

    def _show_read(self, document: Document, key_sentences: Sequence[KeySentence]) -> None:
        self.summary = self._request = self._earlier = self._said = None
        self.view.show_document(document)
        self.view.summary.show_key_sentences(key_sentences)
        self._invite()

    def _show_again(self, work: Work) -> None:
        running = self._line.runs(work)
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
        self.show_job()
        if isinstance(work.request, Summarize):
            self.view.summary.hide_invitation()

    def show_job(self) -> None:
        """Say above the document what is being done with it, or what that waits for."""
        work = self.leading
        if work is None:
            self._said = None
            self.view.job.finish()
            return
        running = self._line.running_in(work.lane)
        if running is work:
            said = work.doing
        elif self._line.lane_of(work) is not None:
            said = "Reading"
        else:
            name = f" “{one_line(running.name, 60)}”" if running is not None else " the work before it"
            said = f"Waits for{name}"
        if self._said != (work, said):
            self._said = (work, said)
            self.view.job.start(said)

    def show_started(self, work: Work) -> None:
        """Make room for what a work will tell."""
        if not self.shows(work):
            return
        view = self.view
        view.error.say("")
        if isinstance(work.request, Summarize):
            if self.summary is not None:
                self._earlier = (self.summary, self._request)
            view.summary.clear_summary()
            view.summary.hide_invitation()
            view.summary.set_style(work.request.style)
            view.coverage.set_name("")
            self.summary = None
        elif isinstance(work.request, Ask):
            view.answers.begin()
        self._said = None
        self.show_job()

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
                if work is self.leading:
                    view.job.show_progress(event)
            case SentenceReady():
                self._show_sentence(work, event)
            case Piece() if event.kind == "answer":
                draft = view.answers if isinstance(work.request, Ask) else view.summary
                draft.add_draft(event.text)
            case Warned():
                view.warning.say(event.text, tone="note" if isinstance(work.request, Ask) else "warning")
            case SummaryDone():
                if event.reason != "cancelled" or (event.sentences and self._earlier is None):
                    self.show_summary_of(work, event)
            case AnswerDone():
                view.answers.show_done(event)
            case ReadDone() if not self._line.waits(work):
                self._invite()
                if work.action == "ask":
                    view.show_questions()
            case _:
                pass

    def show_ended(self, work: Work) -> bool:
        """Show how a work ended; tell whether the view asks to try it again."""
        if not self.shows(work):
            return False
        self.show_job()
        if work.outcome not in ("stopped", "failed"):
            if work.textless:
                self._invite()
            return False
        if isinstance(work.request, Ask):
            self.view.answers.show_ended("Stopped.")
        elif work.outcome == "stopped" and work.document is None and self.view.document is None:
            self.view.error.say("Stopped before the file was read.", first="Try again", second="Back")
            return True
        elif isinstance(work.request, Summarize):
            self.view.summary.clear_draft()
            if self._earlier is not None:
                self._show_earlier()
            else:
                self._invite_after()
        return False

    def _show_earlier(self) -> None:
        """A newer summary did not come about: show the one there was."""
        if self._earlier is None or any(self._line.waits(work) for work in self.summarizing):
            return
        done, request = self._earlier
        self.view.summary.clear_summary()
        self.show_summary(done, request)

    def show_summary_of(self, work: Work, done: SummaryDone) -> None:
        """Show the summary that ``work`` has made; the choices in the bar are its own."""
        request = work.request if isinstance(work.request, Summarize) else None
        self.show_summary(done, None)
        self._request = request

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
        self._said = None
        self.show_job()

    def _show_sentence(self, work: Work, event: SentenceReady) -> None:
        if isinstance(work.request, Ask):
            self.view.answers.add_sentence(event.sentence)
        else:
            self.view.summary.add_sentence(event.sentence, event.section)

    def _invite_after(self) -> None:
        """Offer to go on where a summary has been stopped, or to make one where it failed."""
        if self.view.summary.sentence_views:
            self.view.summary.show_invitation(STOPPED, "Go on")
        else:
            self._invite()

    def _invite(self) -> None:
        """Offer to summarize what has text, and say of the rest what it is."""
        if self.view.document is None:
            return
        without = textless(self.view.document)
        said = NO_TEXT.format(without) if without else NO_SUMMARY
        self.view.summary.show_invitation(said, "" if without else "Summarize")
