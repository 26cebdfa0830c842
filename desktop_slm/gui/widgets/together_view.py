"""One summary across several documents: its sentences, each with the document and page it stands on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import msgspec
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.citation_view import Origin
from desktop_slm.gui.widgets.icon_button import IconButton
from desktop_slm.gui.widgets.job_bar import JobBar
from desktop_slm.gui.widgets.notice_bar import NoticeBar
from desktop_slm.gui.widgets.plain_label import NameLabel, one_line
from desktop_slm.gui.widgets.summary_view import SummaryView, coverage_text
from desktop_slm.gui.widgets.top_bar import TopBar
from desktop_slm.tasks.events import Progress, SummaryDone, TaskEvent, Warned

COLUMN_PX = 760
AGAIN = "Not finished. What was read is kept; going on uses the notes already taken."


class TogetherView(QWidget):
    """Shows a summary of several documents; a citation leads to its document."""

    back_pressed = Signal()
    stop_pressed = Signal()
    again_pressed = Signal()
    """Make the summary once more."""
    place_chosen = Signal(object)
    """The `Place` whose document shall be opened."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._origins: Mapping[str, Origin] = {}
        self.error = NoticeBar()
        self.warning = NoticeBar()
        self.job = JobBar()
        self.job.stop_pressed.connect(self.stop_pressed)
        self.error.first_pressed.connect(self.again_pressed)
        self.summary = SummaryView()
        self.summary.place_chosen.connect(self.place_chosen)
        self.summary.summarize_pressed.connect(self.again_pressed)
        self.names_line = NameLabel(elide=Qt.TextElideMode.ElideRight)
        self.coverage = NameLabel(elide=Qt.TextElideMode.ElideRight)
        for label in (self.names_line, self.coverage):
            theme.set_kind(label, "meta")
        self.back_button = IconButton("chevron-left", "Back to the library", "Alt+Left", self)
        self.back_button.clicked.connect(self.back_pressed)
        self._bar = TopBar()
        self._bar.put_first(self.back_button)
        self.copy_button = self._bar.add_button("Copy")
        self.copy_button.setToolTip("Copy the summary with its sources")
        self.copy_button.clicked.connect(self._on_copy_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(self._make_column(), 1)
        parts: list[QWidget] = [self.back_button, self.copy_button, self.job.stop_button]
        for part in (self.error, self.summary):
            parts += part.tab_order()
        for before, after in itertools.pairwise(parts):
            QWidget.setTabOrder(before, after)

    def begin(self, origins: Mapping[str, Origin]) -> None:
        """Make room for a summary of the documents ``origins``, by their ids."""
        self._bar.set_title(f"Summary of {len(origins)} documents")
        self.names_line.set_name(" · ".join(one_line(origin.name, 60) for origin in origins.values()))
        self.coverage.set_name("")
        self.error.say("")
        self.warning.say("")
        self.summary.clear()
        self._origins = dict(origins)
        self.summary.set_origins(origins)
        self.copy_button.setEnabled(False)

    def show_waiting(self, text: str) -> None:
        """Say what it is doing, or what it waits for."""
        self.error.say("")
        self.summary.hide_invitation()
        self.job.start(text)

    def show_event(self, event: TaskEvent) -> None:
        """Show what the work tells."""
        match event:
            case Progress():
                self.job.show_progress(event)
            case Warned():
                self.warning.say(event.text, tone="warning")
            case SummaryDone():
                self.show_done(event)
            case _:
                pass  # sentences about one document only: they come again in its part of the outline

    def show_done(self, done: SummaryDone) -> None:
        """Show a finished summary."""
        outline = tuple(
            msgspec.structs.replace(section, title=self._origins[document].name)
            for section, document in zip(done.outline, done.documents, strict=False)
            if document in self._origins
        )
        self.summary.show_summary(msgspec.structs.replace(done, key_sentences=(), outline=outline))
        self.coverage.set_name(coverage_text(done.coverage))
        self.copy_button.setEnabled(bool(done.sentences))

    def show_ended(self) -> None:
        """The work has ended; where it has not come to a summary, offer to go on."""
        self.job.finish()
        if not self.summary.sentence_views and self.error.isHidden():
            self.summary.show_invitation(AGAIN, "Go on")

    def show_error(self, error: DesktopSlmError) -> None:
        """Say why there is no summary."""
        self.error.say_error(error, first="Try again")

    def _make_column(self) -> QWidget:
        notices = QVBoxLayout()
        notices.setContentsMargins(24, 12, 24, 0)
        notices.setSpacing(8)
        facts = QHBoxLayout()
        facts.addWidget(self.names_line, 1)
        facts.addWidget(self.coverage)
        notices.addLayout(facts)
        for widget in (self.job, self.error, self.warning):
            notices.addWidget(widget)
        column = QFrame()
        column.setMaximumWidth(COLUMN_PX)
        inner = QVBoxLayout(column)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addLayout(notices)
        inner.addWidget(self.summary, 1)
        frame = QWidget()
        outer = QHBoxLayout(frame)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addStretch(1)
        outer.addWidget(column, 1000)
        outer.addStretch(1)
        return frame

    @Slot()
    def _on_copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText(self.summary.plain_text())
