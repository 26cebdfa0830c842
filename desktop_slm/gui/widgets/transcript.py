"""The scrolling column of messages. Only those in sight exist as widgets.

Heights of the others are remembered or estimated. What the reader sees stays where it is while heights above
become known; the view follows the end only when it already was there.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.assistant_message import AssistantMessage
from desktop_slm.gui.widgets.message_view import MessageView, UserMessage
from desktop_slm.gui.widgets.transcript_rows import TOP_PX, Row, Rows, guess_height_px
from desktop_slm.store.records import MessageRecord
from desktop_slm.tasks.events import Cited

REPAINT_MS = 66
"""Time between two looks at a streaming answer: 15 per second."""

SIDE_PX = 24
KEEP_PX = 1_200
BUILD_PX = 240
_AT_END_PX = 4
_TICK_S = 0.010


class Transcript(QAbstractScrollArea):
    """A conversation.

    Signals:
        regenerate_requested, continue_requested, edit_requested, branch_requested, resend_requested,
        link_chosen, citation_chosen: As those of `MessageView`.
        follows_changed: Whether the view stays at the end when text arrives.
        column_changed: `column` is another one now.
    """

    regenerate_requested = Signal(str)
    continue_requested = Signal(str)
    edit_requested = Signal(str)
    branch_requested = Signal(str, int)
    resend_requested = Signal(str, str)
    link_chosen = Signal(str)
    citation_chosen = Signal(object)
    follows_changed = Signal(bool)
    column_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Conversation")
        self.viewport().setAutoFillBackground(False)
        self.verticalScrollBar().setSingleStep(40)
        self._rows = Rows()
        self._placing = False
        self._follows = True
        self._enabled = True
        self._width_px = 0
        self._names: Mapping[str, str] = {}
        self._tab_stops: list[QWidget] = []
        self._repaint = QTimer(self)
        self._repaint.setInterval(REPAINT_MS)
        self._repaint.timeout.connect(self._on_repaint_timeout)
        self._fill = QTimer(self)
        self._fill.setInterval(0)
        self._fill.timeout.connect(self._on_fill_timeout)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        theme.signals.changed.connect(self._on_theme_changed)

    def show_messages(self, records: Sequence[MessageRecord], *, keep_place: bool = False) -> None:
        """Replace all messages; widgets of unchanged ones stay. Without ``keep_place`` the end is shown."""
        shown = list(self._rows)  # several may have no id yet: a question and its answer before they are kept
        old = {row.record.id: row for row in shown}
        self._rows = Rows([self._reuse(old, record) for record in records])
        kept = {id(row) for row in self._rows}
        for row in shown:
            if id(row) not in kept:
                self._drop(row)
        self._follow(self._follows if keep_place else True)
        self._width_px = self._column_px()
        self._mark_last()
        self._place()

    def append(self, record: MessageRecord, *, live: bool = False, names: Sequence[str] = ()) -> None:
        """Add a message at the end and show it.

        Args:
            record: The message; ``live`` ones get their text by `feed`.
            live: An answer that is being written.
            names: Of its documents.
        """
        row = Row(record, guess_height_px(record, self._column_px()), names=tuple(names))
        self._rows.append(row)
        self._follow(True)
        if live:
            row.view = AssistantMessage(record, self.viewport(), live=True)
            self._connect(row.view)
            row.view.prepare(self._width_px)
            self._repaint.start()
        self._mark_last()
        self._place()

    def name_last(self, conversation: str, user_message: str, message: str) -> None:
        """Give the live answer, and the question before it, the ids under which they are kept."""
        ids = ((-1, message), (-2, user_message))
        for place, id_ in ids:
            if id_ and len(self._rows) >= -place:
                row = self._rows[place]
                row.record = replace(row.record, id=id_, conversation=conversation)
                if row.view is not None:
                    row.view.record = row.record

    def record_of(self, message_id: str) -> MessageRecord | None:
        """Return a message that is shown."""
        index = self._rows.named(message_id)
        return self._rows[index].record if index >= 0 else None

    def records(self) -> list[MessageRecord]:
        """Return the records of all messages."""
        return [row.record for row in self._rows]

    def live_view(self) -> AssistantMessage | None:
        """Return the answer that is being written."""
        view = self._rows[-1].view if self._rows else None
        return view if isinstance(view, AssistantMessage) and view.live else None

    def feed(self, text: str, *, reasoning: bool = False) -> None:
        """Append a piece to the live answer; it is shown with the next repaint."""
        view = self.live_view()
        if view is not None:
            view.feed(text, reasoning=reasoning)

    def advance_live(self) -> None:
        """Show what has arrived now instead of at the next repaint."""
        self._on_repaint_timeout()

    def finish(self, record: MessageRecord, *, thought_s: float = 0.0) -> None:
        """End the live answer."""
        view = self.live_view()
        if view is None:
            return
        row = self._rows[-1]
        row.record, row.thought_s = record, thought_s
        view.show_thought_time(thought_s)
        view.finish(record)
        self._repaint.stop()
        self._repaint.setInterval(REPAINT_MS)
        self._mark_last()
        self._place()
        self._fill.start()

    def show_error(self, error: DesktopSlmError) -> None:
        """End the live answer with the reason why it failed."""
        view = self.live_view()
        if view is not None:
            self._rows[-1].error = error
            view.show_error(error)
            self._repaint.stop()
            self._place()

    def show_citations(self, citations: Sequence[Cited]) -> None:
        """Show what the last answer rests on."""
        if self._rows:
            self._rows[-1].citations = tuple(citations)
            view = self._rows[-1].view
            if isinstance(view, AssistantMessage):
                view.show_citations(citations)
                self._place()

    def show_enabled(self, enabled: bool) -> None:
        """Allow or forbid what would start another request."""
        self._enabled = enabled
        for row in self._rows:
            if row.view is not None:
                row.view.show_enabled(enabled)

    def show_names(self, names: Mapping[str, str]) -> None:
        """Tell the names of documents by library id, for messages that are built from now on."""
        self._names = names

    def start_editing(self, message_id: str) -> None:
        """Open the editor of a user message."""
        index = self._rows.named(message_id)
        if index < 0:
            return
        self._ensure(index)
        self._place()
        view = self._rows[index].view
        if isinstance(view, UserMessage):
            view.start_editing()
            self._scroll_into_view(index)

    def scroll_to_end(self) -> None:
        """Show the end and follow it."""
        self._follow(True)
        self._place()

    def column(self) -> tuple[int, int]:
        """Return where the column of text begins and how wide it is, in pixels."""
        return self._left_px(), self._column_px()

    def built(self) -> int:
        """Return how many messages exist as widgets."""
        return sum(row.view is not None for row in self._rows)

    def follows(self) -> bool:
        """Whether the view stays at the end when text arrives."""
        return self._follows

    def settle(self) -> None:
        """Bring in all text of all existing messages at once, for pictures and tests."""
        for row in self._rows:
            while row.view is not None and row.view.pending:
                row.view.advance()
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out for the new width, keeping the place."""
        super().resizeEvent(event)
        if self._column_px() != self._width_px:
            self._width_px = self._column_px()
            for row in self._rows:
                if row.view is None:
                    row.height_px = guess_height_px(row.record, self._width_px)
        self._place()
        self.column_changed.emit()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Nothing moves by itself: `_place` puts every message where it belongs."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Add Home and End to the keys of a scroll area."""
        bar = self.verticalScrollBar()
        if event.key() == Qt.Key.Key_Home:
            bar.setValue(bar.minimum())
        elif event.key() == Qt.Key.Key_End:
            bar.setValue(bar.maximum())
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Scroll to what receives the keyboard focus by Tab."""
        by_keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        if isinstance(event, QFocusEvent) and isinstance(watched, QWidget) and event.reason() in by_keys:
            self._reveal(watched)
        return super().eventFilter(watched, event)

    def _reuse(self, old: dict[str, Row], record: MessageRecord) -> Row:
        row = old.get(record.id)
        if row is None or not record.id:
            return Row(record, guess_height_px(record, self._column_px()))
        same_text = row.record.text == record.text and row.record.reasoning == record.reasoning
        if same_text and not self._is_live(row):
            del old[record.id]
            if row.record != record:
                row.record = record
                if row.view is not None:
                    row.view.show_record(record)
            return row
        return Row(record, row.height_px, None, row.thought_s, row.citations, row.names, row.error)

    def _column_px(self) -> int:
        return max(120, min(theme.READING_WIDTH_PX, self.viewport().width() - 2 * SIDE_PX))

    def _left_px(self) -> int:
        column = self._column_px()
        room = self.viewport().width() - column - SIDE_PX // 2
        return max(SIDE_PX, min(room, (self.width() - column) // 2))

    def _mark_last(self) -> None:
        for index in range(max(0, len(self._rows) - 3), len(self._rows)):
            view = self._rows[index].view
            if isinstance(view, AssistantMessage):
                view.show_last(index == len(self._rows) - 1)

    def _connect(self, view: MessageView) -> None:
        view.regenerate_requested.connect(self.regenerate_requested)
        view.continue_requested.connect(self.continue_requested)
        view.edit_requested.connect(self.edit_requested)
        view.branch_requested.connect(self.branch_requested)
        view.resend_requested.connect(self.resend_requested)
        view.link_chosen.connect(self.link_chosen)
        view.citation_chosen.connect(self.citation_chosen)
        view.height_changed.connect(self._on_height_changed)
        view.show_enabled(self._enabled)
        for child in view.findChildren(QWidget):
            if child.focusPolicy() & Qt.FocusPolicy.TabFocus:
                child.installEventFilter(self)

    def _ensure(self, index: int) -> bool:
        """Make the widget of a message; tell whether its height changed."""
        row = self._rows[index]
        if row.view is None:
            if row.record.role == "user":
                names = row.names or tuple(self._names.get(id_, "document") for id_ in row.record.documents)
                row.view = UserMessage(row.record, names, self.viewport())
            else:
                row.view = AssistantMessage(row.record, self.viewport(), thought_s=row.thought_s)
                row.view.show_last(index == len(self._rows) - 1)
                if row.citations:
                    row.view.show_citations(row.citations)
                if row.error is not None:
                    row.view.show_error(row.error)
            self._connect(row.view)
            row.view.prepare(self._width_px)
            row.view.advance()
            if row.view.pending:
                self._fill.start()
        height = float(row.view.arrange(self._width_px))
        changed = height != row.height_px
        row.height_px = height
        return changed

    def _drop(self, row: Row) -> None:
        if row.view is not None:
            row.view.hide()
            row.view.setParent(None)
            row.view.deleteLater()
            row.view = None

    def _place(self) -> None:
        """Build what is in sight, put everything in its place and let go of what is far away."""
        if self._placing:
            return
        self._placing = True
        try:
            anchor, inset = self._anchor()
            for _ in range(6):
                if not self._build_around(anchor, inset):
                    break
            self._set_range(anchor, inset)
            self._move_views()
        finally:
            self._placing = False

    def _anchor(self) -> tuple[int, float]:
        """Return the first message in sight and how far its top is above the view's."""
        if not self._rows:
            return -1, 0.0
        value = self.verticalScrollBar().value()
        index = self._rows.at(value)
        return index, value - self._rows.top(index)

    def _build_around(self, anchor: int, inset: float) -> bool:
        """Build the messages in sight; tell whether heights changed so that others may be in sight now."""
        if anchor < 0:
            return False
        height = self.viewport().height()
        top = self._rows.total_px() - height if self._follows else self._rows.top(anchor) + inset
        changed = False
        for index in reversed(self._rows.between(top - BUILD_PX, top + height + BUILD_PX)):
            changed = self._ensure(index) or changed
        if changed:
            self._rows.measure()
        return changed

    def _set_range(self, anchor: int, inset: float) -> None:
        bar = self.verticalScrollBar()
        bar.setPageStep(self.viewport().height())
        bar.setRange(0, max(0, self._rows.total_px() - self.viewport().height()))
        if self._follows:
            bar.setValue(bar.maximum())
        elif anchor >= 0:
            bar.setValue(round(self._rows.top(anchor) + inset))

    def _move_views(self) -> None:
        value, left = self.verticalScrollBar().value(), self._left_px()
        bottom = value + self.viewport().height()
        built: list[MessageView] = []
        for row, top in self._rows.placed():
            view = row.view
            if view is None:
                continue
            far = top + row.height_px < value - KEEP_PX or top > bottom + KEEP_PX
            if far and not view.busy_with_user and not self._is_live(row):
                self._drop(row)
                continue
            built.append(view)
            view.setGeometry(left, round(top) - value, self._width_px, math.ceil(row.height_px))
            if view.isHidden():
                view.show()
        self._order_tabs(built)

    def _order_tabs(self, built: list[MessageView]) -> None:
        """Let Tab go through the messages from top to bottom, although they were made in another order."""
        stops: list[QWidget] = [self]
        for view in built:
            stops += view.tab_stops()
        if stops != self._tab_stops:
            self._tab_stops = stops
            for before, after in itertools.pairwise(stops):
                QWidget.setTabOrder(before, after)

    def _is_at_end(self) -> bool:
        bar = self.verticalScrollBar()
        return bar.value() >= bar.maximum() - _AT_END_PX

    def _follow(self, follows: bool) -> None:
        if follows != self._follows:
            self._follows = follows
            self.follows_changed.emit(follows)

    def _is_live(self, row: Row) -> bool:
        return isinstance(row.view, AssistantMessage) and row.view.live

    def _reveal(self, widget: QWidget) -> None:
        top = widget.mapTo(self.viewport(), widget.rect().topLeft()).y()
        height = min(widget.height(), self.viewport().height() // 2)
        bar = self.verticalScrollBar()
        if top < 0:
            bar.setValue(bar.value() + top - 12)
        elif top + height > self.viewport().height():
            bar.setValue(bar.value() + top + height - self.viewport().height() + 12)

    def _scroll_into_view(self, index: int) -> None:
        bar = self.verticalScrollBar()
        if not bar.value() <= self._rows.top(index) <= bar.value() + self.viewport().height() - 160:
            bar.setValue(round(self._rows.top(index)) - TOP_PX)

    @Slot(int)
    def _on_scrolled(self, value: int) -> None:
        if not self._placing:
            self._follow(self._is_at_end())
            self._place()

    @Slot()
    def _on_height_changed(self) -> None:
        """What was opened grows downwards; only a live answer keeps the view at its end."""
        view = self.sender()
        follows = self._follows
        for index, row in enumerate(self._rows):
            if row.view is view and self._ensure(index):
                self._follows = follows and self._is_live(row)
                self._rows.measure()
        self._place()
        at_end = self._follows or self._is_at_end()
        self._follows = follows
        self._follow(at_end)

    @Slot()
    def _on_theme_changed(self) -> None:
        """Lay out again once every view has taken the new font."""
        self._fill.start()

    @Slot()
    def _on_repaint_timeout(self) -> None:
        """Show what has arrived; when that takes long, look less often."""
        view = self.live_view()
        if view is None:
            self._repaint.stop()
            return
        started = time.perf_counter()
        if view.advance():
            if self._ensure(len(self._rows) - 1):
                self._rows.measure()
            self._place()
        cost_ms = (time.perf_counter() - started) * 1000
        self._repaint.setInterval(max(REPAINT_MS, min(500, int(cost_ms * 8))))

    @Slot()
    def _on_fill_timeout(self) -> None:
        """Bring in the rest of long messages, a little at a time, those in sight first."""
        deadline = time.perf_counter() + _TICK_S
        pending = [index for index, row in enumerate(self._rows) if row.view is not None and row.view.pending]
        for index in reversed(pending):
            view = self._rows[index].view
            if view is not None and view.advance() and self._ensure(index):
                self._rows.measure()
            if time.perf_counter() > deadline:
                break
        if not pending:
            self._fill.stop()
        self._place()
