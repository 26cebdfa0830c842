"""The answer that is being written, kept apart from what is on screen: the user may look at another chat."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from msgspec.structs import replace

from desktop_slm.store.records import MessageRecord
from desktop_slm.tasks.events import ChatDone, Cited, Progress
from desktop_slm.tasks.requests import Chat

_STAGES = {"loading": "Loading the model", "reading": "Reading"}


@dataclass
class LiveAnswer:
    """One running request.

    Attributes:
        request: What runs.
        record: The answer as it will be kept; its text is what stood there before (when continuing).
        before: The messages that were shown before, to go back to when nothing came of it.
        started: The task has stored the question.
        thought_s: Seconds between the first thought and the first word.
        citations: What the answer rests on.
    """

    request: Chat
    record: MessageRecord
    before: list[MessageRecord] = field(default_factory=list)
    started: bool = False
    thought_s: float = 0.0
    citations: list[Cited] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _thinking_since: float = 0.0

    @property
    def conversation(self) -> str:
        """Id of its conversation, empty until a new one has been stored."""
        return self.record.conversation

    @property
    def text(self) -> str:
        """All of the answer so far."""
        return self.record.text + "".join(self._text)

    @property
    def reasoning(self) -> str:
        """All thoughts so far."""
        return self.record.reasoning + "".join(self._reasoning)

    def take(self, text: str, *, reasoning: bool) -> None:
        """Append a piece, and measure how long it thinks."""
        now = time.monotonic()
        if reasoning:
            self._thinking_since = self._thinking_since or now
            self._reasoning.append(text)
            return
        if self._thinking_since and not self._text:
            self.thought_s = now - self._thinking_since
        self._text.append(text)

    def stopped(self) -> MessageRecord:
        """Return the answer as one that was stopped."""
        return replace(
            self.record, text=self.text, reasoning=self.reasoning, state="stopped", reason="cancelled"
        )

    def done(self, event: ChatDone) -> MessageRecord:
        """Return the finished answer."""
        return replace(
            self.record,
            id=event.message or self.record.id,
            conversation=event.conversation or self.record.conversation,
            text=event.text or self.text,
            reasoning=self.reasoning,
            state="stopped" if event.reason == "cancelled" else "complete",
            reason=event.reason,
            model=event.model,
            usage=event.usage,
        )


def stage_in_words(event: Progress) -> str:
    """Return what happens before the first word: ``Reading · 40 %``."""
    words = _STAGES.get(event.stage, event.stage or "Working")
    if event.total > 1 and event.done < event.total:
        return f"{words} · {100 * event.done / event.total:.0f} %"
    return f"{words}…"
