"""An answer in the transcript: thoughts, text, how it ended, sources, and the quiet row under it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QPushButton, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.answer_view import AnswerView
from desktop_slm.gui.widgets.message_actions import ROW_HEIGHT_PX
from desktop_slm.gui.widgets.message_view import MessageView
from desktop_slm.gui.widgets.plain_label import PlainLabel
from desktop_slm.gui.widgets.source_row import SourceRow
from desktop_slm.store.records import MessageRecord
from desktop_slm.tasks.events import Cited

GAP_PX = 8
_ENDS = {
    "length": "The answer reached its length limit.",
    "repetition": "Stopped: it had begun to repeat itself.",
    "context": "Stopped: the model cannot see more text than this. Start a new chat or shorten this one.",
    "cancelled": "Stopped.",
}


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
        self.sources = SourceRow(self)
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
