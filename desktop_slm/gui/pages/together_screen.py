"""One summary across several documents on screen: its work, and the way to a citation and back."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QStackedWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui.pages.document_work import Work
from desktop_slm.gui.widgets.citation_view import Origin, Place
from desktop_slm.gui.widgets.document_view import DocumentView
from desktop_slm.gui.widgets.together_view import TogetherView
from desktop_slm.tasks.events import SummaryDone, TaskEvent


class TogetherScreen(QObject):
    """Adds its view to the page's stack when it is first needed.

    Attributes:
        work: The last summary asked for; None where a kept one is shown.
        leads_back: The document on screen was opened from a citation here.
    """

    again_wanted = Signal(object)
    """The `Work` to try once more."""
    document_wanted = Signal(str)
    """Id of the document that a citation names."""
    library_wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, stack: QStackedWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._stack = stack
        self._view: TogetherView | None = None
        self._place: Place | None = None
        self.work: Work | None = None
        self.leads_back = False

    @property
    def view(self) -> TogetherView:
        """The view; made now if it has not been needed before."""
        if self._view is None:
            self._view = TogetherView()
            self._stack.addWidget(self._view)
            self._view.back_pressed.connect(self.library_wanted)
            self._view.stop_pressed.connect(self.stop_wanted)
            self._view.again_pressed.connect(self._on_view_again_pressed)
            self._view.place_chosen.connect(self._on_view_place_chosen)
        return self._view

    @property
    def on_screen(self) -> bool:
        """Whether the page shows it."""
        return self._view is not None and self._stack.currentWidget() is self._view

    def begin(self, work: Work) -> None:
        """Show a summary that is about to be made."""
        self.work = work
        self.view.begin(work.origins)
        self.view.show_waiting("Waits for the work before it")
        self.come_back()

    def show_kept(self, done: SummaryDone, origins: Mapping[str, Origin]) -> None:
        """Show a summary of the history."""
        self.work = None
        self.view.begin(origins)
        self.view.job.finish()
        self.view.show_done(done)
        self.come_back()

    def come_back(self) -> None:
        """Bring the view to the front as it is."""
        self._place, self.leads_back = None, False
        self._stack.setCurrentWidget(self.view)
        self.view.back_button.setFocus()

    def leave(self) -> None:
        """Something else is shown: no way leads back here."""
        self._place, self.leads_back = None, False

    def show_started(self, work: Work) -> None:
        """The work's turn has come."""
        if work is self.work:
            self.view.show_waiting(work.doing)

    def show_event(self, work: Work, event: TaskEvent) -> None:
        """Show what the work tells."""
        if work is self.work:
            self.view.show_event(event)

    def show_error(self, work: Work, error: DesktopSlmError) -> None:
        """Show why the work failed."""
        work.outcome = "failed"
        if work is self.work:
            self.view.show_error(error)

    def show_ended(self, work: Work) -> None:
        """Show how the work ended."""
        if work is self.work:
            self.view.show_ended()

    def show_place_in(self, view: DocumentView, document_id: str) -> None:
        """Show the passage chosen here in its document, which is on screen now."""
        place, self._place = self._place, None
        self.leads_back = place is not None and place.document == document_id
        if place is not None and self.leads_back:
            view.show_place(place)

    @Slot()
    def _on_view_again_pressed(self) -> None:
        if self.work is not None:
            self.view.begin(self.work.origins)
            self.again_wanted.emit(self.work)

    @Slot(object)
    def _on_view_place_chosen(self, place: Place) -> None:
        if place.document:
            self._place = place
            self.document_wanted.emit(place.document)
