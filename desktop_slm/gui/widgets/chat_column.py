"""The right side of the chat page: bar, transcript or ways to begin, notice and composer in one column."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.chat_bar import ChatBar
from desktop_slm.gui.widgets.chat_start import ChatStart
from desktop_slm.gui.widgets.composer import Composer
from desktop_slm.gui.widgets.context_meter import ContextUse, estimate_tokens
from desktop_slm.gui.widgets.jump_button import JumpButton
from desktop_slm.gui.widgets.notice_bar import NoticeBar
from desktop_slm.gui.widgets.transcript import SIDE_PX, Transcript
from desktop_slm.store.records import MessageRecord

BOTTOM_PX = 12
METER_MS = 120
_TOKENS_PER_WORD = 1.35
_PASSAGES_SHARE = 0.35  # of the context, for passages of documents that are too long for it


class ChatColumn(QWidget):
    """Holds the parts, keeps text and composer in line, and the context meter up to date.

    Attributes:
        bar, transcript, start, notice, composer: The parts; the page connects them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._n_ctx = 0
        self._used_tokens = 0
        self._system_tokens = 0
        self.bar = ChatBar(self)
        self.transcript = Transcript(self)
        self.start = ChatStart(self)
        self.notice = NoticeBar(self)
        self.composer = Composer(self)
        self._to_end = JumpButton(self.transcript)
        self._to_end.clicked.connect(self.transcript.scroll_to_end)
        self._meter_due = QTimer(self)
        self._meter_due.setSingleShot(True)
        self._meter_due.setInterval(METER_MS)
        self._meter_due.timeout.connect(self._show_context)
        self.composer.changed.connect(self._on_composer_changed)
        self.transcript.column_changed.connect(self._place_column)
        self.transcript.follows_changed.connect(self._on_follows_changed)
        self._lay_out()

    def _lay_out(self) -> None:
        ground = QWidget(self)
        self._middle = QStackedLayout(ground)
        self._middle.addWidget(self.start)
        self._middle.addWidget(self.transcript)
        self._foot = QVBoxLayout()
        self._foot.setSpacing(8)
        self._foot.addWidget(self.notice)
        self._foot.addWidget(self.composer)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.bar)
        layout.addWidget(ground, 1)
        layout.addLayout(self._foot)

    def show_middle(self) -> None:
        """Show the messages, or ways to begin where there are none."""
        self._middle.setCurrentWidget(self.transcript if self.transcript.records() else self.start)
        self._place_column()

    def show_context_size(self, n_ctx: int) -> None:
        """Tell how many tokens the model sees at once."""
        self._n_ctx = n_ctx
        self._show_context()

    def show_conversation_tokens(self, messages: Sequence[MessageRecord], system: str = "") -> None:
        """Take the tokens of the conversation from its last answer, and guess those of what came after."""
        self._used_tokens, self._system_tokens = 0, estimate_tokens(system)
        for message in reversed(messages):
            if message.usage is not None and message.usage.prompt_tokens:
                self._used_tokens += message.usage.prompt_tokens + message.usage.completion_tokens
                self._system_tokens = 0  # the prompt held them
                break
            self._used_tokens += estimate_tokens(message.text)
        self._show_context()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep composer and text in one column."""
        super().resizeEvent(event)
        self._place_column()

    @Slot()
    def _place_column(self) -> None:
        whole = self.width()
        if self._middle.currentWidget() is self.start:
            width = min(theme.READING_WIDTH_PX, whole - 2 * SIDE_PX)
            left = (whole - width) // 2
        else:
            left, width = self.transcript.column()
        self._foot.setContentsMargins(left, 0, max(SIDE_PX, whole - left - width), BOTTOM_PX)
        self._to_end.move((whole - self._to_end.width()) // 2, self.transcript.height() - 44)

    @Slot()
    def _show_context(self) -> None:
        words = sum(attachment.words for attachment in self.composer.attachments)
        documents = round(words * _TOKENS_PER_WORD)
        if documents > self._n_ctx - self._used_tokens:
            documents = round(self._n_ctx * _PASSAGES_SHARE)
        self.composer.meter.show_use(
            ContextUse(
                instructions=self._system_tokens,
                documents=documents,
                history=self._used_tokens,
                new_text=estimate_tokens(self.composer.written()),
                n_ctx=self._n_ctx,
            )
        )

    @Slot()
    def _on_composer_changed(self) -> None:
        self._meter_due.start()

    @Slot(bool)
    def _on_follows_changed(self, follows: bool) -> None:
        self._to_end.setVisible(not follows)
        self._to_end.raise_()
        self._place_column()
