"""What all desks share: running one request at a time, and saying what is being done."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui.job import Job
from desktop_slm.tasks import events as ev
from desktop_slm.tasks import requests as rq

if TYPE_CHECKING:
    from desktop_slm.app import App


class Desk(QObject):
    """Runs the requests of one page.

    Signals:
        activity_changed: What `activity`, `fraction` and `left_s` say has changed.
        kept: Something has been stored, changed or deleted.
        model_used: Inference has run: what the status bar says of memory is old.
        trouble: An error that belongs to no page.
    """

    activity_changed = Signal()
    kept = Signal()
    model_used = Signal()
    trouble = Signal(object)

    def __init__(self, app: App, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self._job: Job | None = None
        self._closed = False
        self.activity = ""
        self.fraction = -1.0
        self.left_s = -1.0

    @property
    def busy(self) -> bool:
        """Whether a request runs."""
        return self._job is not None

    def run(self, request: rq.Request) -> None:
        """Start ``request``; an older one is asked to stop first."""
        if self._job is not None:
            self._job.stop()
        job = Job(partial(self._app.run, request), self)
        job.yielded.connect(self._on_job_yielded)
        job.failed.connect(self._on_job_failed)
        job.finished.connect(self._on_job_finished)
        self._job = job
        self._say(activity_in_words(request))
        job.start()

    @Slot()
    def stop(self) -> None:
        """Ask the running request to end and keep what it has."""
        if self._job is not None:
            self._job.stop()
            self._say("Stopping")

    def close(self) -> None:
        """Stop, and tell the page nothing more; `wait` for the end once all desks have been told."""
        self._closed = True
        if self._job is not None:
            self._job.stop()

    def wait(self, timeout_s: float) -> None:
        """Wait until the worker thread has let go."""
        if self._job is not None:
            self._job.wait(timeout_s)

    def _say(self, activity: str, fraction: float = -1.0, left_s: float = -1.0) -> None:
        self.activity, self.fraction, self.left_s = activity, fraction, left_s
        self.activity_changed.emit()

    # What a page of this desk is told; overridden

    def _take(self, event: ev.TaskEvent) -> None:
        raise NotImplementedError

    def _fail(self, error: DesktopSlmError) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        raise NotImplementedError

    # Jobs

    @Slot(object)
    def _on_job_yielded(self, event: ev.TaskEvent) -> None:
        if self._closed or self.sender() is not self._job:
            return
        if isinstance(event, ev.Progress) and event.total > 0:
            self._say(self.activity, event.done / event.total, event.left_s)
        self._take(event)

    @Slot(object)
    def _on_job_failed(self, error: DesktopSlmError) -> None:
        if not self._closed and self.sender() is self._job:
            self._fail(error)

    @Slot()
    def _on_job_finished(self) -> None:
        job = self.sender()
        if job is self._job and not self._closed:
            self._job = None
            self._say("")
            self._finish()
            self.kept.emit()
            self.model_used.emit()
        job.deleteLater()


def activity_in_words(request: rq.Request) -> str:
    """Return what the status bar says while ``request`` runs."""
    match request:
        case rq.Chat():
            return "Answering"
        case rq.Summarize(sources=sources):
            return _with_name("Summarizing", sources)
        case rq.Ask(sources=sources):
            return _with_name("Looking through", sources)
        case rq.Translate():
            return "Translating"
        case rq.Choice():
            return "Sorting"
        case rq.ReadDocument(source=source):
            return _with_name("Reading", (source,))


def _with_name(doing: str, sources: tuple[rq.Source, ...]) -> str:
    if len(sources) == 1 and isinstance(sources[0], rq.FileSource):
        return f"{doing} {Path(sources[0].path).name}"
    return f"{doing} {'the document' if len(sources) == 1 else f'{len(sources)} documents'}"
