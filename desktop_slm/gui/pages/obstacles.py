"""What keeps a file from being read or worked on: a password that is missing, or an error to try again."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from desktop_slm.errors import DesktopSlmError, DocumentEncrypted
from desktop_slm.gui.pages.document_work import Work
from desktop_slm.gui.widgets.document_view import DocumentView
from desktop_slm.gui.widgets.library_view import LibraryView
from desktop_slm.gui.widgets.notice_bar import NoticeBar
from desktop_slm.tasks.requests import Ask


class Obstacles(QObject):
    """Says what is in the way, beside the document or in the library, and takes the answer.

    Only the work asked about last can be answered; a file in the list keeps its button there.
    """

    again_wanted = Signal(object)
    """The `Work` to try once more, with its password where one was given."""
    back_wanted = Signal()
    """The user gives up on the file on screen."""
    page_password_given = Signal(str, str)
    """Id of a document whose pages are to be drawn, and its password."""

    def __init__(self, library: LibraryView, view: DocumentView, parent: QObject) -> None:
        super().__init__(parent)
        self._library = library
        self._view = view
        self._asking: Work | None = None
        self._locked_pages = ""
        for place in (library, view):
            place.password.password_given.connect(self._on_password_given)
            place.password.skipped.connect(self._on_password_skipped)
            place.error.first_pressed.connect(self._on_error_first_pressed)
            place.error.second_pressed.connect(self._on_error_second_pressed)

    def say(self, error: DesktopSlmError) -> None:
        """Say an error that belongs to no work."""
        self._notice().say_error(error)

    def show_failed(self, work: Work, error: DesktopSlmError, on_screen: bool) -> None:
        """Show why ``work`` failed; an encrypted document asks for its password."""
        if isinstance(error, DocumentEncrypted):
            self._show_encrypted(work, error.wrong_password)
            return
        work.outcome = "failed"
        if work.queued:
            self._library.queue.show_state(work.number, "failed", error.title)
        if on_screen or not work.queued:
            self._asking = work
            second = "Close" if work.document is not None or work.document_id else "Back"
            notice = self._view.error if on_screen else self._library.error
            notice.say_error(error, first="Try again", second=second)
        if on_screen and isinstance(work.request, Ask):
            self._view.answers.show_ended(f"{error.title}.")

    def ask_password(self, work: Work) -> None:
        """Ask in the library for the password of a file in the list."""
        self._asking = work
        self._library.password.ask(work.name)

    def ask_for_pages(self, document_id: str, name: str, wrong: bool) -> None:
        """Ask beside the document on screen for the password that its pages need; its text is shown."""
        panel = self._view.password
        if panel.isVisibleTo(self._view) and self._locked_pages == document_id and not wrong:
            return  # several pages were wished for
        self._asking, self._locked_pages = None, document_id
        panel.ask(name, wrong, pages=True)

    def take_back_question(self, document_id: str) -> bool:
        """The pages of a document can be drawn: tell whether their password was still being asked for."""
        if not document_id or self._locked_pages != document_id:
            return False
        self._locked_pages = ""
        self._view.password.hide()
        return True

    def offer_again(self, work: Work) -> None:
        """The view's notice offers to try ``work`` again."""
        self._asking = work

    def _show_encrypted(self, work: Work, wrong: bool) -> None:
        work.outcome = "password"
        if not work.queued:
            self._asking = work
            place = self._library if self._shows_library else self._view
            place.password.ask(work.name, wrong)
        elif wrong and self._asking is work:
            self._library.password.ask(work.name, True)

    @property
    def _shows_library(self) -> bool:
        return not self._library.isHidden()

    def _notice(self) -> NoticeBar:
        return self._library.error if self._shows_library else self._view.error

    @Slot(str)
    def _on_password_given(self, password: str) -> None:
        work, self._asking = self._asking, None
        locked, self._locked_pages = self._locked_pages, ""
        if work is not None:
            work.unlock(password)
            self._asking = work if work.queued else None
            self.again_wanted.emit(work)
        elif locked:
            self.page_password_given.emit(locked, password)

    @Slot()
    def _on_password_skipped(self) -> None:
        self._asking = None
        locked, self._locked_pages = self._locked_pages, ""
        if not self._shows_library and not locked:
            self.back_wanted.emit()

    @Slot()
    def _on_error_first_pressed(self) -> None:
        work, self._asking = self._asking, None
        self._notice().say("")
        if work is not None:
            self.again_wanted.emit(work)

    @Slot()
    def _on_error_second_pressed(self) -> None:
        """Go back where nothing could be read, else close the notice."""
        self._asking = None
        self._notice().say("")
        if not self._shows_library and self._view.document is None:
            self.back_wanted.emit()
