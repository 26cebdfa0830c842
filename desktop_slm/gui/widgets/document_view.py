"""One document: what is said about it on the left, its pages on the right."""

from __future__ import annotations

import itertools

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from desktop_slm.documents.model import Document
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.citation_view import Place
from desktop_slm.gui.widgets.document_bar import DocumentBar
from desktop_slm.gui.widgets.job_bar import JobBar
from desktop_slm.gui.widgets.notice_bar import NoticeBar
from desktop_slm.gui.widgets.page_view import PageView
from desktop_slm.gui.widgets.password_panel import PasswordPanel
from desktop_slm.gui.widgets.plain_label import NameLabel
from desktop_slm.gui.widgets.questions_view import QuestionsView
from desktop_slm.gui.widgets.summary_view import SummaryView

LEFT_MIN_PX = 340
RIGHT_MIN_PX = 280
SUMMARY_TAB, QUESTIONS_TAB = 0, 1


class DocumentView(QWidget):
    """Puts the parts together; the page steers them."""

    place_shown = Signal()
    """A passage was chosen on the left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.document: Document | None = None
        self.bar = DocumentBar()
        self.note = NoticeBar()
        self.error = NoticeBar()
        self.warning = NoticeBar()
        self.password = PasswordPanel()
        self.job = JobBar()
        self.summary = SummaryView()
        self.answers = QuestionsView()
        self.pages = PageView()
        self.coverage = NameLabel(elide=Qt.TextElideMode.ElideRight)
        self.coverage.setAlignment(Qt.AlignmentFlag.AlignRight)
        theme.set_kind(self.coverage, "meta")
        self.tabs = QTabBar()
        self.tabs.addTab("Summary")
        self.tabs.addTab("Questions")
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(False)
        self.tabs.setAccessibleName("Summary or questions")
        self._stack = QStackedWidget()
        self._stack.addWidget(self.summary)
        self._stack.addWidget(self.answers)
        self._left = self._make_left()
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self._left)
        self.splitter.addWidget(self.pages)
        self.splitter.setCollapsible(0, False)
        self.splitter.setCollapsible(1, True)
        self.splitter.setStretchFactor(0, 46)
        self.splitter.setStretchFactor(1, 54)
        self.splitter.setSizes([560, 656])
        self._left.setMinimumWidth(LEFT_MIN_PX)
        self.pages.setMinimumWidth(RIGHT_MIN_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.bar)
        layout.addWidget(self.splitter, 1)
        self.tabs.currentChanged.connect(self._on_tabs_current_changed)
        self.bar.ask_pressed.connect(self.show_questions)
        self.bar.pages_toggled.connect(self._on_bar_pages_toggled)
        self.summary.place_chosen.connect(self._on_summary_place_chosen)
        self.answers.place_chosen.connect(self._on_answers_place_chosen)
        self.splitter.splitterMoved.connect(self._on_splitter_moved)
        self._chain_tabs()

    def show_file(self, name: str) -> None:
        """Show a file that is being read."""
        self._forget("page")
        self.bar.show_name(name)
        self.bar.set_ready(False, False)
        self.pages.show_nothing()

    def show_document(self, document: Document) -> None:
        """Show a document that has been read."""
        self._forget(document.page_unit)
        self.document = document
        self.bar.show_document(document)
        self.bar.set_ready(True, False)
        self.warning.say(" ".join(document.warnings), tone="warning")
        self.pages.show_document(document)

    @Slot()
    def show_questions(self) -> None:
        """Bring the ask box forward."""
        self.tabs.setCurrentIndex(QUESTIONS_TAB)
        self.answers.field.setFocus()

    def show_place(self, place: Place) -> None:
        """Show a passage on its page, and the pages if they were hidden."""
        self.bar.pages_button.setChecked(True)
        self.pages.show_passage(place.page, place.quotes)
        self.place_shown.emit()

    def _chain_tabs(self) -> None:
        """Let Tab go from the bar down the left half, then through the right one."""
        order = [*self.bar.tab_order(), self.tabs, self.job.stop_button]
        for part in (
            self.note,
            self.error,
            self.password,
            self.warning,
            self.summary,
            self.answers,
            self.pages,
        ):
            order += part.tab_order()
        for before, after in itertools.pairwise(order):
            QWidget.setTabOrder(before, after)

    def _forget(self, unit: str) -> None:
        self.document = None
        self.summary.clear(unit)
        self.answers.clear(unit)
        self.coverage.set_name("")
        for notice in (self.error, self.warning):
            notice.say("")
        self.password.hide()
        self.job.finish()
        self.tabs.setCurrentIndex(SUMMARY_TAB)

    def _make_left(self) -> QWidget:
        head = QHBoxLayout()
        head.setContentsMargins(12, 8, 24, 0)
        head.addWidget(self.tabs)
        head.addSpacing(12)
        head.addWidget(self.coverage, 1)
        notices = QVBoxLayout()
        notices.setContentsMargins(24, 8, 24, 0)
        notices.setSpacing(8)
        for widget in (self.job, self.note, self.error, self.password, self.warning):
            notices.addWidget(widget)
        left = QWidget()
        layout = QVBoxLayout(left)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addLayout(notices)
        layout.addWidget(self._stack, 1)
        return left

    @Slot(int)
    def _on_tabs_current_changed(self, index: int) -> None:
        self._stack.setCurrentIndex(index)

    @Slot(bool)
    def _on_bar_pages_toggled(self, shown: bool) -> None:
        self.pages.setVisible(shown)
        if shown and not self.splitter.sizes()[1]:
            half = self.splitter.width() // 2
            self.splitter.setSizes([half, half])

    @Slot(int, int)
    def _on_splitter_moved(self, position: int, index: int) -> None:
        if not self.splitter.sizes()[1]:
            self.bar.pages_button.setChecked(False)

    @Slot(object)
    def _on_summary_place_chosen(self, place: Place) -> None:
        self.answers.clear_selection()
        self.show_place(place)

    @Slot(object)
    def _on_answers_place_chosen(self, place: Place) -> None:
        self.summary.clear_selection()
        self.show_place(place)
