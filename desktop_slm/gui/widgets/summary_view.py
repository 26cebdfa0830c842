"""The left half of a document: its summary as it is written, the outline, and the key sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from desktop_slm.documents.model import KeySentence
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.citation_view import Origin, Place, SentenceView
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line, several_lines
from desktop_slm.gui.widgets.section_row import SectionRow
from desktop_slm.tasks.events import Cited, Coverage, Section, Sentence, SummaryDone

DRAFT_LIMIT = 600
_W = TypeVar("_W", bound=QWidget)


def coverage_text(coverage: Coverage, unit: str = "page") -> str:
    """Return ``212 of 212 pages read · 2 are images``: what was read, and why the rest was not."""
    units = unit if coverage.pages == 1 else f"{unit}s"
    images = sum(1 for skipped in coverage.skipped if "image" in skipped.reason or "scan" in skipped.reason)
    others = len(coverage.skipped) - images
    parts = [f"{len(coverage.read):,} of {coverage.pages:,} {units} read"]
    if images:
        parts.append("1 is an image" if images == 1 else f"{images:,} are images")
    if others:
        parts.append(f"{others:,} skipped")
    return " · ".join(parts)


class SummaryView(QScrollArea):
    """Sentences with their places; every choice is told by `place_chosen`."""

    place_chosen = Signal(object)
    """The `Place` whose passage shall be shown."""
    summarize_pressed = Signal()
    """The button shown while there is no summary, or only a part of one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit = "page"
        self._origins: Mapping[str, Origin] = {}
        self._style = "paragraph"
        self._section = ""
        self._shown: SentenceView | None = None
        self._views: list[SentenceView] = []
        self._draft_text = ""
        self._last: QWidget = self
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Summary")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._content = QWidget()
        theme.set_kind(self._content, "page")
        self._layout = QVBoxLayout(self._content)
        self._layout.setContentsMargins(18, 12, 18, 24)
        self._layout.setSpacing(8)
        self._sentences = _column(6)
        self._draft = PlainLabel(wrap=True)
        self._draft.setContentsMargins(6, 0, 6, 0)
        theme.set_kind(self._draft, "muted")
        self._layout.addLayout(self._sentences)
        self._layout.addWidget(self._draft)
        self._layout.addWidget(self._make_invitation())
        self._outline_title = _heading("By section")
        self._layout.addWidget(self._outline_title)
        self._outline = _column(0)
        self._layout.addLayout(self._outline)
        self._key_title = self._make_key_title()
        self._layout.addWidget(self._key_title)
        self._keys = _column(2)
        self._layout.addLayout(self._keys)
        self._layout.addStretch(1)
        self.setWidget(self._content)
        for anchor in (self._draft, self._outline_title, self._key_title):
            anchor.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # without one it could not be in the tab order
        self.clear()

    # what is shown

    @property
    def sentence_views(self) -> tuple[SentenceView, ...]:
        """The sentences of the summary, in order."""
        return tuple(self._views)

    @property
    def key_views(self) -> tuple[SentenceView, ...]:
        """The key sentences, in order."""
        return tuple(_widgets(self._keys, SentenceView))

    @property
    def section_rows(self) -> tuple[SectionRow, ...]:
        """The lines of the outline."""
        return tuple(_widgets(self._outline, SectionRow))

    @property
    def invitation_button(self) -> QPushButton:
        """The button that asks for a summary."""
        return self._invite_button

    def tab_order(self) -> list[QWidget]:
        """Return what comes one after the other with Tab; sentences go behind their headings."""
        return [self._invite_button, self._draft, self._outline_title, self._key_title]

    def clear(self, unit: str = "page") -> None:
        """Forget everything; pages are called ``unit`` from now on."""
        self._unit = unit
        self.clear_summary()
        _empty(self._outline)
        _empty(self._keys)
        self._outline_title.hide()
        self._key_title.hide()
        self._invitation.hide()
        self.verticalScrollBar().setValue(0)

    def clear_summary(self) -> None:
        """Forget the summary and the outline, keep the key sentences."""
        _empty(self._sentences)
        _empty(self._outline)
        self._outline_title.hide()
        self._views.clear()
        self._last = self._draft
        self._shown = None
        self._section = ""
        self.clear_draft()

    def show_invitation(self, text: str, button: str) -> None:
        """Say why there is no (whole) summary, with the button that makes one."""
        self._invite_text.setText(text)
        self._invite_button.setText(button)
        self._invite_button.setVisible(bool(button))
        self._invitation.show()

    def hide_invitation(self) -> None:
        """A summary is being made."""
        self._invitation.hide()

    def set_style(self, style: str) -> None:
        """Set how the next sentences are set: ``paragraph``, ``bullets`` or ``sections``."""
        self._style = style

    def set_origins(self, origins: Mapping[str, Origin]) -> None:
        """Name the documents of the next citations: for a summary across several."""
        self._origins = dict(origins)
        self._outline_title.setText("By document" if origins else "By section")

    def add_sentence(self, sentence: Sentence, section: str = "") -> SentenceView:
        """Append a sentence to the summary; nothing that is being read moves."""
        self.clear_draft()
        lead = "•" if self._style == "bullets" else ""
        view = SentenceView(sentence, unit=self._unit, lead=lead, origins=self._origins)
        view.place_chosen.connect(self._on_place_chosen)
        before = self._end_of_summary()
        if section and section != self._section:
            self._section = section
            self._sentences.addWidget(_heading(one_line(section)))
        self._sentences.addWidget(view)
        view.show()  # now: the layout leaves out what the event loop has yet to show
        self._views.append(view)
        self._last = view.chain_after(self._last)
        self._hold_still(before)
        return view

    def add_draft(self, text: str) -> None:
        """Show what the model is writing, before it has been checked."""
        self._draft_text = (self._draft_text + text)[-DRAFT_LIMIT:]
        self._draft.setText(several_lines(self._draft_text).strip())
        self._draft.setVisible(bool(self._draft.text()))

    def clear_draft(self) -> None:
        """The text being written has become sentences."""
        self._draft_text = ""
        self._draft.clear()
        self._draft.hide()

    def show_key_sentences(self, sentences: Sequence[KeySentence]) -> None:
        """Show the document's own sentences that carry it."""
        _empty(self._keys)
        last: QWidget = self._key_title
        for key in sentences:
            cited = Cited(page=key.page, quote=key.text)
            view = SentenceView(Sentence(text=key.text, citations=(cited,)), unit=self._unit, quote=True)
            view.place_chosen.connect(self._on_place_chosen)
            self._keys.addWidget(view)
            last = view.chain_after(last)
        self._key_title.setVisible(bool(sentences))

    def show_summary(self, done: SummaryDone) -> None:
        """Show a finished summary with its outline; sentences already shown stay as they are."""
        self.clear_draft()
        self._invitation.hide()
        if tuple(view.sentence for view in self._views) != done.sentences:
            chosen = self._shown.sentence if self._shown is not None else None
            _empty(self._sentences)
            self._views.clear()
            self._last = self._draft
            self._shown, self._section = None, ""
            for sentence in done.sentences:
                view = self.add_sentence(sentence)
                if sentence == chosen:
                    self._shown = view
                    view.set_selected(True)
        if done.key_sentences:
            self.show_key_sentences(done.key_sentences)
        self.show_outline(done.outline)

    def show_outline(self, sections: Sequence[Section]) -> None:
        """Show the sections with their pages."""
        _empty(self._outline)
        last: QWidget = self._outline_title
        for section in sections:
            row = SectionRow(section, self._unit, self._origins)
            row.page_chosen.connect(self._on_section_page_chosen)
            row.place_chosen.connect(self._on_place_chosen)
            self._outline.addWidget(row)
            QWidget.setTabOrder(last, row.button)
            last = row.button
        self._outline_title.setVisible(bool(sections))

    def plain_text(self) -> str:
        """Return the summary as plain text with its pages, for the clipboard."""
        return "\n".join(view.plain_text() for view in self._views)

    # parts

    def _make_invitation(self) -> QWidget:
        self._invitation = QWidget()
        layout = QVBoxLayout(self._invitation)
        layout.setContentsMargins(6, 0, 6, 8)
        layout.setSpacing(12)
        self._invite_text = PlainLabel(wrap=True)
        theme.set_kind(self._invite_text, "muted")
        self._invite_button = QPushButton()
        theme.set_kind(self._invite_button, "primary")
        self._invite_button.clicked.connect(self._on_invite_button_clicked)
        layout.addWidget(self._invite_text)
        layout.addWidget(self._invite_button, 0, Qt.AlignmentFlag.AlignLeft)
        return self._invitation

    def _make_key_title(self) -> QWidget:
        title = QWidget()
        layout = QHBoxLayout(title)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(_heading("Key sentences"))
        note = PlainLabel("quoted, no model")
        note.setContentsMargins(0, 12, 0, 0)
        theme.set_kind(note, "meta")
        layout.addWidget(note)
        layout.addStretch(1)
        return title

    # keeping still

    def _end_of_summary(self) -> int:
        """Return where the part below the summary begins when that is being read, else -1."""
        if not self._key_title.isVisible() or self.verticalScrollBar().value() == 0:
            return -1
        self._lay_out_now()
        top = self._key_title.y()
        return top if self.verticalScrollBar().value() > top - self.viewport().height() // 2 else -1

    def _hold_still(self, before: int) -> None:
        """Scroll by what was inserted above the part that is being read."""
        if before >= 0:
            self._lay_out_now()
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() + self._key_title.y() - before)

    def _lay_out_now(self) -> None:
        width = self.viewport().width()
        self._content.resize(width, max(self.viewport().height(), self._layout.totalHeightForWidth(width)))
        self._layout.activate()

    # choices

    @Slot()
    def _on_invite_button_clicked(self) -> None:
        self.summarize_pressed.emit()

    @Slot(int)
    def _on_section_page_chosen(self, page: int) -> None:
        self._select(None, None)
        self.place_chosen.emit(Place(page, ()))

    @Slot(object, object)
    def _on_place_chosen(self, view: SentenceView, place: Place) -> None:
        self._select(view, place)
        self.place_chosen.emit(place)

    def _select(self, view: SentenceView | None, place: Place | None) -> None:
        if self._shown is not None and self._shown is not view:
            self._shown.set_selected(False)
        self._shown = view
        if view is not None:
            view.set_selected(True, place)

    def clear_selection(self) -> None:
        """Another view's sentence is shown now."""
        self._select(None, None)


def _column(spacing: int) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(spacing)
    return column


def _heading(text: str) -> PlainLabel:
    heading = PlainLabel(text, wrap=False)
    heading.setContentsMargins(6, 12, 6, 0)
    theme.set_kind(heading, "heading")
    return heading


def _empty(layout: QVBoxLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()


def _widgets(layout: QVBoxLayout, kind: type[_W]) -> list[_W]:
    items = (layout.itemAt(index) for index in range(layout.count()))
    widgets = (item.widget() for item in items if item is not None)
    return [widget for widget in widgets if isinstance(widget, kind)]
