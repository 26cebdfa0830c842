"""Questions about one document: the box to ask in, and the answers under it, newest first."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.citation_view import Place, SentenceView
from desktop_slm.gui.widgets.plain_label import PlainLabel, several_lines
from desktop_slm.tasks.events import AnswerDone, Cited, Sentence

NOT_SAID = "The document does not say."
WAITING = "Waits until the work above is done."
LOOKING = "Looking in the document…"
QUESTION_LIMIT = 4000
PASSAGE_LETTERS = 160
PASSAGES_SHOWN = 3


class QuestionCard(QWidget):
    """One question and what the document says to it."""

    place_chosen = Signal(object, object)

    def __init__(self, question: str, unit: str, before: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before = before
        self._last = before
        self.question = question
        self._unit = unit
        self._views: list[SentenceView] = []
        asked = PlainLabel(several_lines(question), wrap=True)
        theme.set_kind(asked, "heading")
        self._draft = PlainLabel(wrap=True)
        theme.set_kind(self._draft, "muted")
        self._nearest = PlainLabel("Nearest passages")
        theme.set_kind(self._nearest, "meta")
        self._nearest.hide()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 16)
        self._layout.setSpacing(4)
        for label in (asked, self._draft, self._nearest):
            label.setContentsMargins(6, 0, 6, 0)
            self._layout.addWidget(label)

    @property
    def sentence_views(self) -> tuple[SentenceView, ...]:
        """The sentences of the answer, or the passages nearest to the question."""
        return tuple(self._views)

    def text(self) -> str:
        """Return question and answer as plain text."""
        said = [self._draft.text()] if self._draft.isVisibleTo(self) else []
        return "\n".join([self.question, *said, *(view.plain_text() for view in self._views)])

    def show_draft(self, text: str) -> None:
        """Show what is being written, or a word about the state; empty hides it."""
        self._draft.setText(several_lines(text).strip())
        self._draft.setVisible(bool(self._draft.text()))

    def add_sentence(self, sentence: Sentence, *, quote: bool = False) -> None:
        """Append a checked sentence."""
        view = SentenceView(sentence, unit=self._unit, quote=quote)
        view.place_chosen.connect(self.place_chosen)
        self._views.append(view)
        self._layout.addWidget(view)
        self._last = view.chain_after(self._last)

    def show_done(self, done: AnswerDone) -> None:
        """Show the finished answer; when there is none, say so and show where it was looked for."""
        said, quotes = done.sentences[:1], done.sentences[1:]
        self.show_draft("" if done.answered else said[0].text if said else NOT_SAID)
        if not done.answered and quotes:
            self._clear()
            for sentence in quotes:
                self.add_sentence(sentence, quote=True)
        elif not done.answered:
            self._clear()
            self._show_nearest(done)
        elif tuple(view.sentence for view in self._views) != done.sentences:
            self._clear()
            for sentence in done.sentences:
                self.add_sentence(sentence)

    def _show_nearest(self, done: AnswerDone) -> None:
        self._nearest.setVisible(bool(done.passages))
        for passage in done.passages[:PASSAGES_SHOWN]:
            cited = Cited(page=passage.page, quote=passage.text, document=passage.document)
            words = " ".join(passage.text.split())
            if len(words) > PASSAGE_LETTERS:
                words = words[: PASSAGE_LETTERS - 1].rstrip() + "…"
            self.add_sentence(Sentence(text=words, citations=(cited,)), quote=True)

    def _clear(self) -> None:
        for view in self._views:
            self._layout.removeWidget(view)
            view.hide()
            view.deleteLater()
        self._views.clear()
        self._last = self._before


class QuestionsView(QWidget):
    """The ask box and the answers. Emits the question; is told sentences and the end."""

    question_asked = Signal(str, bool)
    """The question, and whether to read the whole document for it."""
    place_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unit = "page"
        self._open: list[QuestionCard] = []
        self._written = ""
        self._shown: SentenceView | None = None
        self._field = QLineEdit()
        self._field.setPlaceholderText("Ask this document")
        self._field.setAccessibleName("Question about this document")
        self._field.setMaxLength(QUESTION_LIMIT)
        self._field.setAcceptDrops(False)
        self._field.returnPressed.connect(self._on_ask_clicked)
        self._field.textChanged.connect(self._on_field_text_changed)
        self._ask = QPushButton("Ask")
        theme.set_kind(self._ask, "primary")
        self._ask.setEnabled(False)
        self._ask.clicked.connect(self._on_ask_clicked)
        self._everything = QCheckBox("Read everything for this question (slower)")
        self._everything.setToolTip(
            "Reads the whole document, not only the passages nearest to the question."
        )
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._field, 1)
        row.addWidget(self._ask)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 16, 24, 0)
        layout.setSpacing(8)
        layout.addLayout(row)
        layout.addWidget(self._everything)
        layout.addWidget(self._make_list(), 1)

    @property
    def field(self) -> QLineEdit:
        """The box to ask in."""
        return self._field

    @property
    def ask_button(self) -> QPushButton:
        """The button beside it."""
        return self._ask

    @property
    def cards(self) -> tuple[QuestionCard, ...]:
        """Newest first."""
        items = (self._list.itemAt(index) for index in range(self._list.count()))
        widgets = (item.widget() for item in items if item is not None)
        return tuple(widget for widget in widgets if isinstance(widget, QuestionCard))

    def tab_order(self) -> list[QWidget]:
        """Return what comes one after the other with Tab; answers go behind the last by themselves."""
        return [self._field, self._ask, self._everything, self._hint]

    def clear(self, unit: str = "page") -> None:
        """Forget all questions; pages are called ``unit`` from now on."""
        self._unit = unit
        self._open.clear()
        self._shown, self._written = None, ""
        for card in self.cards:
            self._list.removeWidget(card)
            card.hide()
            card.deleteLater()
        self._field.clear()
        self._hint.show()

    def add_question(self, question: str, *, waiting: bool = False) -> None:
        """Put a new question on top; the oldest open one is the next to be answered."""
        card = QuestionCard(question, self._unit, self._hint)
        card.place_chosen.connect(self._on_place_chosen)
        card.show_draft(WAITING if waiting else LOOKING)
        self._list.insertWidget(0, card)
        self._hint.hide()
        self._open.append(card)

    def begin(self) -> None:
        """The oldest open question is being answered now."""
        self._written = ""
        if self._open:
            self._open[0].show_draft(LOOKING)

    def add_draft(self, text: str) -> None:
        """Show the answer as it is written, before it has been checked."""
        if self._open:
            self._written += text
            self._open[0].show_draft(self._written)

    def add_sentence(self, sentence: Sentence) -> None:
        """Append a checked sentence to the open answer."""
        self._written = ""
        if self._open:
            self._open[0].show_draft("")
            self._open[0].add_sentence(sentence)

    def show_done(self, done: AnswerDone) -> None:
        """Finish the open answer."""
        if self._open:
            self._open.pop(0).show_done(done)

    def show_ended(self, text: str) -> None:
        """The open question has ended without an answer: stopped, or failed."""
        if self._open:
            card = self._open.pop(0)
            card.show_draft("" if card.sentence_views else text)

    def clear_selection(self) -> None:
        """Another view's sentence is shown now."""
        if self._shown is not None:
            self._shown.set_selected(False)
        self._shown = None

    def _make_list(self) -> QScrollArea:
        content = QWidget()
        theme.set_kind(content, "page")
        outer = QVBoxLayout(content)
        outer.setContentsMargins(0, 8, 0, 24)
        self._hint = PlainLabel("Answers come with the pages they stand on.", wrap=True)
        theme.set_kind(self._hint, "muted")
        self._hint.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # without one it could not be in the tab order
        outer.addWidget(self._hint)
        self._list = QVBoxLayout()
        self._list.setSpacing(4)
        outer.addLayout(self._list)
        outer.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setAccessibleName("Answers")
        scroll.setWidget(content)
        return scroll

    @Slot(str)
    def _on_field_text_changed(self, text: str) -> None:
        self._ask.setEnabled(bool(text.strip()))

    @Slot()
    def _on_ask_clicked(self) -> None:
        question = self._field.text().strip()
        if question:
            self._field.clear()
            self.question_asked.emit(question, self._everything.isChecked())

    @Slot(object, object)
    def _on_place_chosen(self, view: SentenceView, place: Place) -> None:
        if self._shown is not view:
            self.clear_selection()
        self._shown = view
        view.set_selected(True, place)
        self.place_chosen.emit(place)
