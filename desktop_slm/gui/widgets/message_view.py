"""One message of the transcript: the user's words in a bubble, the assistant's on the ground.

Messages are stacked by hand and not by layouts: the transcript asks each for its height at a width, and only
those in sight exist.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtGui import QAction, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPlainTextEdit, QPushButton, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.answer_view import AnswerView
from desktop_slm.gui.widgets.citation_view import places
from desktop_slm.gui.widgets.message_actions import ROW_HEIGHT_PX, MessageActions
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line
from desktop_slm.store.records import MessageRecord
from desktop_slm.tasks.events import Cited

BUBBLE_SIDE_PX = 14
BUBBLE_TOP_PX = 10
GAP_PX = 8
_ENDS = {
    "length": "The answer reached its length limit.",
    "repetition": "Stopped: it had begun to repeat itself.",
    "context": "Stopped: the model cannot see more text than this. Start a new chat or shorten this one.",
    "cancelled": "Stopped.",
}


class MessageView(QWidget):
    """What both kinds of messages have.

    Signals:
        regenerate_requested, continue_requested, edit_requested: Id of this message.
        branch_requested: Its id and -1 or +1.
        resend_requested: Its id and the edited text.
        link_chosen: Address.
        citation_chosen: A `Cited`.
        height_changed: `arrange` would give another height now.
    """

    regenerate_requested = Signal(str)
    continue_requested = Signal(str)
    edit_requested = Signal(str)
    branch_requested = Signal(str, int)
    resend_requested = Signal(str, str)
    link_chosen = Signal(str)
    citation_chosen = Signal(object)
    height_changed = Signal()

    def __init__(self, record: MessageRecord, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.record = record
        self.body = AnswerView(self, plain=record.role == "user")
        self.body.link_chosen.connect(self.link_chosen)
        self.actions_row = MessageActions(self)
        self.actions_row.copy_pressed.connect(self._on_copy_pressed)
        self.actions_row.regenerate_pressed.connect(self._on_regenerate_pressed)
        self.actions_row.edit_pressed.connect(self._on_edit_pressed)
        self.actions_row.continue_pressed.connect(self._on_continue_pressed)
        self.actions_row.branch_pressed.connect(self._on_branch_pressed)

    @property
    def pending(self) -> bool:
        """Whether text waits to be brought in by `advance`."""
        return self.body.pending

    @property
    def busy_with_user(self) -> bool:
        """Whether the user has selected, focused or opened something here, so that it must stay."""
        focused = QGuiApplication.focusObject()
        inside = isinstance(focused, QWidget) and self.isAncestorOf(focused)
        return inside or self.body.textCursor().hasSelection()

    def tab_stops(self) -> list[QWidget]:
        """Return what Tab visits, in order."""
        row = self.actions_row
        buttons = (row.copy, row.regenerate, row.edit, row.go_on, row.before, row.after)
        return [self.body, *self.body.copy_buttons(), *buttons]

    def advance(self) -> bool:
        """Bring in some text; tell whether the height may have changed."""
        return self.body.advance()

    def prepare(self, width_px: int) -> None:
        """Set the width before the first text comes in, so that it is laid out once."""
        self.body.fit(width_px)

    def arrange(self, width_px: int) -> int:
        """Lay out everything for a width and return the height."""
        raise NotImplementedError

    def show_record(self, record: MessageRecord) -> None:
        """Take what changed about a message whose text is the same: its state and its branches."""
        self.record = record
        self.actions_row.show_branches(record.position, record.siblings)

    def show_enabled(self, enabled: bool) -> None:
        """Allow or forbid what would start another request."""
        for button in (self.actions_row.regenerate, self.actions_row.edit, self.actions_row.go_on):
            button.setEnabled(enabled)
        if enabled:
            self.actions_row.show_branches(self.record.position, self.record.siblings)
        else:
            self.actions_row.before.setEnabled(False)
            self.actions_row.after.setEnabled(False)

    @Slot()
    def _on_copy_pressed(self) -> None:
        QGuiApplication.clipboard().setText(self.body.given_text)

    @Slot()
    def _on_regenerate_pressed(self) -> None:
        self.regenerate_requested.emit(self.record.id)

    @Slot()
    def _on_edit_pressed(self) -> None:
        self.edit_requested.emit(self.record.id)

    @Slot()
    def _on_continue_pressed(self) -> None:
        self.continue_requested.emit(self.record.id)

    @Slot(int)
    def _on_branch_pressed(self, step: int) -> None:
        self.branch_requested.emit(self.record.id, step)


class UserMessage(MessageView):
    """The user's words at the right, with the names of attached documents; can become an editor.

    Args:
        record: The message.
        names: Names of its documents.
        parent: Owner.
    """

    def __init__(
        self, record: MessageRecord, names: Sequence[str] = (), parent: QWidget | None = None
    ) -> None:
        super().__init__(record, parent)
        self._bubble = QFrame(self)
        theme.set_kind(self._bubble, "bubble")
        self._bubble.lower()
        self.body.setAccessibleName("Your message")
        self.body.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.body.customContextMenuRequested.connect(self._on_menu_requested)
        self.body.set_text(record.text)
        self._names = PlainLabel(" · ".join(one_line(name, 60) for name in names), parent=self)
        theme.set_kind(self._names, "meta")
        self._names.setVisible(bool(names))
        row = self.actions_row
        for button in (row.copy, row.regenerate, row.edit, row.go_on, row.cost):
            button.hide()
        row.show_branches(record.position, record.siblings)
        self._editor: _EditBox | None = None
        self._fitted = (0, -1, 0)

    @property
    def busy_with_user(self) -> bool:
        """An open editor must stay."""
        return self._editor is not None or super().busy_with_user

    def arrange(self, width_px: int) -> int:
        """Lay out: names, bubble, branch arrows, all at the right."""
        y = 0
        if not self._names.isHidden():
            hint = self._names.sizeHint()
            width = min(hint.width(), width_px)
            self._names.setGeometry(width_px - width, 0, width, hint.height())
            y = hint.height() + 4
        if self._editor is not None:
            self._editor.setGeometry(0, y, width_px, self._editor.height_px)
            return y + self._editor.height_px
        room = max(80, int(width_px * 0.8)) - 2 * BUBBLE_SIDE_PX
        if self.body.pending:
            self._fitted = (width_px, -1, room)  # all of the room until everything is there
        elif self._fitted[:2] != (width_px, self.body.version):
            self.body.fit(room)
            ideal = min(room, int(self.body.document().idealWidth()) + 2)
            self._fitted = (width_px, self.body.version, ideal)
        width = self._fitted[2]
        height = self.body.fit(width)
        left = width_px - width - BUBBLE_SIDE_PX
        self.body.setGeometry(left, y + BUBBLE_TOP_PX, width, height)
        self._bubble.setGeometry(
            left - BUBBLE_SIDE_PX, y, width + 2 * BUBBLE_SIDE_PX, height + 2 * BUBBLE_TOP_PX
        )
        y += height + 2 * BUBBLE_TOP_PX
        shown = self.record.siblings > 1
        self.actions_row.setVisible(shown)
        if shown:
            hint_px = self.actions_row.sizeHint().width()
            self.actions_row.setGeometry(width_px - hint_px, y + 2, hint_px, ROW_HEIGHT_PX)
            y += ROW_HEIGHT_PX + 2
        return y

    def prepare(self, width_px: int) -> None:
        """Leave the margin at the left."""
        self.body.fit(max(80, int(width_px * 0.8)) - 2 * BUBBLE_SIDE_PX)

    def start_editing(self) -> None:
        """Put an editor in the place of the bubble."""
        if self._editor is None:
            self._editor = _EditBox(self.record.text, self)
            self._editor.sent.connect(self._on_editor_sent)
            self._editor.cancelled.connect(self._on_editor_cancelled)
            self._show_bubble(False)
            self._editor.show()
            self.height_changed.emit()
        self._editor.text.setFocus()

    def _show_bubble(self, shown: bool) -> None:
        for widget in (self.body, self._bubble, self.actions_row):
            widget.setVisible(shown)

    def _close_editor(self) -> None:
        if self._editor is not None:
            self._editor.hide()
            self._editor.deleteLater()
            self._editor = None
            self._show_bubble(True)
            self.height_changed.emit()

    @Slot(str)
    def _on_editor_sent(self, text: str) -> None:
        self._close_editor()
        self.resend_requested.emit(self.record.id, text)

    @Slot()
    def _on_editor_cancelled(self) -> None:
        self._close_editor()
        self.body.setFocus()

    @Slot(QPoint)
    def _on_menu_requested(self, place: QPoint) -> None:
        menu = self.body.createStandardContextMenu(place)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        edit = QAction("Edit and send again", menu)
        edit.setEnabled(self.actions_row.edit.isEnabled())
        edit.triggered.connect(self._on_edit_pressed)
        menu.addSeparator()
        menu.addAction(edit)
        _popup(menu, self.body, place)


class AssistantMessage(MessageView):
    """An answer: thoughts folded away, text, how it ended, sources, and the quiet row."""

    def __init__(
        self,
        record: MessageRecord,
        parent: QWidget | None = None,
        *,
        live: bool = False,
        thought_s: float = 0.0,
    ) -> None:
        super().__init__(record, parent)
        self._thought_s = thought_s
        self._thinking = False
        self._is_last = False
        self._failed = False
        self._status = ""
        self.thoughts_toggle = QPushButton(self)
        theme.set_kind(self.thoughts_toggle, "text")
        self.thoughts_toggle.setCheckable(True)
        self.thoughts_toggle.toggled.connect(self._on_thoughts_toggled)
        self.thoughts = AnswerView(self, muted=True)
        self.thoughts.setAccessibleName("Thoughts")
        self.thoughts.link_chosen.connect(self.link_chosen)
        self.thoughts.set_text(record.reasoning, growing=live)
        self.thoughts.hide()
        self.notice = PlainLabel(wrap=True, parent=self)
        self.notice.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.sources = _SourceRow(self)
        self.sources.chosen.connect(self.citation_chosen)
        self.body.set_text(record.text, growing=live)
        self._show_thoughts_label()
        self._show_end()

    @property
    def pending(self) -> bool:
        """Whether text waits in the answer or in opened thoughts."""
        return self.body.pending or (self.thoughts_toggle.isChecked() and self.thoughts.pending)

    @property
    def live(self) -> bool:
        """Whether the answer is being written."""
        return self.body.growing

    def tab_stops(self) -> list[QWidget]:
        """Thoughts come before the answer."""
        return [self.thoughts_toggle, self.thoughts, *super().tab_stops()]

    def feed(self, text: str, *, reasoning: bool = False) -> None:
        """Append a piece; `advance` shows it."""
        if reasoning:
            self.thoughts.feed(text)
            self._thinking = True
        else:
            self._thinking = False
            self._status = ""
            self.body.feed(text)

    def advance(self) -> bool:
        """Bring in what has arrived, within the budget."""
        changed = self.body.advance()
        if self.thoughts_toggle.isChecked() or not self.thoughts.pending:
            changed = self.thoughts.advance() or changed
        self._show_thoughts_label()
        return changed

    def show_thought_time(self, seconds: float) -> None:
        """Tell how long it thought before it spoke."""
        self._thought_s = seconds
        self._show_thoughts_label()

    def show_status(self, text: str) -> None:
        """Show what happens before the first word; empty takes it away."""
        if text != self._status:
            self._status = text
            self._show_end()
            self.height_changed.emit()

    def show_warning(self, text: str) -> None:
        """Add a sentence that the user should see."""
        self.sources.warn(text)
        self.height_changed.emit()

    def show_citations(self, citations: Sequence[Cited]) -> None:
        """Show one pill per page."""
        self.sources.show_citations(citations)

    def show_error(self, error: DesktopSlmError) -> None:
        """Say why it failed; the text so far stays."""
        self.body.finish()
        self._status = ""
        self._show_end()
        self._failed = True
        self.notice.setText(f"{error.title}. {error.message}".strip())
        theme.set_kind(self.notice, "danger")
        self.notice.show()

    def finish(self, record: MessageRecord) -> None:
        """The answer is complete, or stopped: ``record`` tells how."""
        self.record = record
        self._thinking = False
        self._status = ""
        self.thoughts.finish()
        self.body.finish()
        if record.text and record.text.strip() != self.body.given_text.strip():
            self.body.set_text(record.text)
        self._show_thoughts_label()
        self._show_end()

    def show_record(self, record: MessageRecord) -> None:
        """Take over how it ended, too."""
        super().show_record(record)
        if not self._failed:
            self._show_end()

    def show_last(self, last: bool) -> None:
        """Tell whether it is the end of the conversation: only there it can be continued."""
        if last != self._is_last:
            self._is_last = last
            self.show_record(self.record)

    def arrange(self, width_px: int) -> int:
        """Lay out from top to bottom."""
        y = 0
        if not self.thoughts_toggle.isHidden():
            hint = self.thoughts_toggle.sizeHint()
            self.thoughts_toggle.setGeometry(-5, 0, hint.width(), hint.height())
            y = hint.height() + 4
        if not self.thoughts.isHidden():
            height = self.thoughts.fit(width_px - 16)
            self.thoughts.setGeometry(16, y, width_px - 16, height)
            self.thoughts.place_buttons()
            y += height + 12
        height = self.body.fit(width_px)
        self.body.setGeometry(0, y, width_px, height)
        self.body.place_buttons()
        y += height
        for widget in (self.notice, self.sources):
            if not widget.isHidden():
                height = max(0, widget.heightForWidth(width_px)) or widget.sizeHint().height()
                widget.setGeometry(0, y + GAP_PX, width_px, height)
                y += height + GAP_PX
        if not self.actions_row.isHidden():
            self.actions_row.setGeometry(-5, y + 6, width_px + 5, ROW_HEIGHT_PX)
            y += ROW_HEIGHT_PX + 6
        elif self.live:
            y += ROW_HEIGHT_PX + 6  # the row's place, so that nothing moves when it appears
        return y

    def _show_thoughts_label(self) -> None:
        has_thoughts = bool(self.thoughts.given_text)
        self.thoughts_toggle.setVisible(has_thoughts)
        arrow = "▾" if self.thoughts_toggle.isChecked() else "▸"
        if self._thinking:
            words = "Thinking…"
        elif self._thought_s >= 0.5:
            words = f"Thought for {self._thought_s:.0f} s" if self._thought_s >= 1 else "Thought for a moment"
        else:
            words = "Thoughts"
        self.thoughts_toggle.setText(f"{arrow} {words}")
        self.thoughts_toggle.setAccessibleName(words)

    def _show_end(self) -> None:
        row, record = self.actions_row, self.record
        row.setVisible(not self.live)
        row.show_branches(record.position, record.siblings)
        row.show_cost(record.usage)
        ended = self._end_in_words() if not self.live else self._status
        theme.set_kind(self.notice, "meta")
        self.notice.setText(ended)
        self.notice.setVisible(bool(ended))
        unfinished = record.state in ("stopped", "interrupted") or record.reason == "length"
        row.go_on.setVisible(self._is_last and unfinished and bool(record.text))

    def _end_in_words(self) -> str:
        if self.record.state == "interrupted":
            return "Interrupted. What had been written is kept."
        if self.record.reason in _ENDS:
            return _ENDS[self.record.reason]
        return "Stopped." if self.record.state == "stopped" else ""

    @Slot(bool)
    def _on_thoughts_toggled(self, shown: bool) -> None:
        self.thoughts.setVisible(shown)
        self._show_thoughts_label()
        if shown:
            self.thoughts.advance()
        self.height_changed.emit()


class _SourceRow(QWidget):
    """Pills of the pages an answer rests on, and warnings about it."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        self._pills: dict[QPushButton, Cited] = {}
        self._warning = PlainLabel(parent=self)
        theme.set_kind(self._warning, "warning")
        self._layout.addStretch(1)
        self.hide()

    def show_citations(self, citations: Sequence[Cited]) -> None:
        """Show one pill per page and document."""
        for pill in self._pills:
            pill.hide()
            pill.deleteLater()
        self._pills.clear()
        for place in places(citations)[:12]:
            pill = QPushButton(f"p. {place.page}", self)
            theme.set_kind(pill, "pill")
            pill.setAccessibleName(f"Page {place.page}: show the passage")
            pill.clicked.connect(self._on_pill_clicked)
            self._layout.insertWidget(len(self._pills), pill)
            self._pills[pill] = Cited(page=place.page, quote=place.quotes[0], document=place.document)
        self.setVisible(bool(self._pills))

    def warn(self, text: str) -> None:
        """Show a warning after the pills."""
        self._warning.setText(one_line(text))
        self._layout.insertWidget(self._layout.count() - 1, self._warning)
        self.show()

    @Slot()
    def _on_pill_clicked(self) -> None:
        pill = self.sender()
        if isinstance(pill, QPushButton) and pill in self._pills:
            self.chosen.emit(self._pills[pill])


class _EditBox(QFrame):
    """The user's words as an editor with Send and Cancel."""

    sent = Signal(str)
    cancelled = Signal()
    height_px = 150

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        theme.set_kind(self, "card")
        self.text = QPlainTextEdit(text, self)
        theme.set_kind(self.text, "bare")
        self.text.setAccessibleName("Edit the message")
        self.text.setTabChangesFocus(True)
        self.text.setGeometry(14, 12, 100, 84)
        self.send = QPushButton("Send", self)
        theme.set_kind(self.send, "primary")
        self.send.clicked.connect(self._on_send_clicked)
        self.cancel = QPushButton("Cancel", self)
        self.cancel.clicked.connect(self.cancelled)
        self.text.textChanged.connect(self._on_text_changed)

    def resizeEvent(self, event: object) -> None:
        """Text above, buttons below at the right."""
        self.text.setGeometry(14, 12, self.width() - 28, self.height() - 66)
        send, cancel = self.send.sizeHint(), self.cancel.sizeHint()
        y = self.height() - send.height() - 12
        self.send.setGeometry(self.width() - send.width() - 14, y, send.width(), send.height())
        left = self.width() - send.width() - cancel.width() - 22
        self.cancel.setGeometry(left, y, cancel.width(), cancel.height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Enter sends, Esc gives up."""
        if event.key() == Qt.Key.Key_Escape:
            self.cancelled.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and event.modifiers():
            self._on_send_clicked()
        else:
            super().keyPressEvent(event)

    @Slot()
    def _on_send_clicked(self) -> None:
        text = self.text.toPlainText().strip()
        if text:
            self.sent.emit(text)

    @Slot()
    def _on_text_changed(self) -> None:
        self.send.setEnabled(bool(self.text.toPlainText().strip()))


def _popup(menu: QMenu, over: QWidget, place: QPoint) -> None:
    menu.popup(over.mapToGlobal(place))
