"""How reasoning models mark what is thought and what is answer, by family.

Two kinds. Most models put a thought between two marks at the very start of an answer: `Marks.thoughts`.
Others send every part of an answer through a channel: a header says for whom the part is (`Channels`).

The marks are those of the templates that llama.cpp bundles and of its parsers (common/parsers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Pair = tuple[str, str]

# At the start of an answer nobody writes these by chance: every model may use them.
_THOUGHTS: tuple[Pair, ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    ("<mm:think>", "</mm:think>"),  # MiniMax M3
    ("<think:opensource>", "</think:opensource>"),  # Hunyuan 3
    ("[THINK]", "[/THINK]"),  # Magistral, Ministral 3
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command R7B and later
    ("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    ("<|channel>thought", "<channel|>"),  # Gemma 4
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),  # Kimi-VL
)
# Only where the template has the closing mark: the opening is a sentence.
_SPOKEN_THOUGHTS: tuple[Pair, ...] = (("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),)  # Apriel
# Around the answer, where the template has them.
_WRAPS: tuple[Pair, ...] = (
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),  # Command R7B
    ("<|START_TEXT|>", "<|END_TEXT|>"),  # Command A
    ("<response>", "</response>"),  # Granite 3.3
    ("<answer>", "</answer>"),  # Hunyuan
    ("[BEGIN FINAL RESPONSE]", "[END FINAL RESPONSE]"),  # Apriel
)


@dataclass(frozen=True)
class Channels:
    """Answers in parts: header, one of ``heads``, text, one of ``starts``, header, ...

    Attributes:
        needs: A template that has all of these texts belongs to the family.
        starts: End a part; what follows is the header of the next one.
        heads: End a header.
        thoughts: One of these in a header, or as its end, makes the part a thought.
    """

    needs: tuple[str, ...]
    starts: tuple[str, ...]
    heads: tuple[str, ...]
    thoughts: tuple[str, ...]

    def header(self, prompt_tail: str) -> str | None:
        """Return what the end of a prompt has after the last start of a part; None when it has no such."""
        ends = [prompt_tail.rfind(start) + len(start) for start in self.starts if start in prompt_tail]
        return prompt_tail[max(ends) :] if ends else None


_CHANNELS = (
    Channels(  # gpt-oss ("harmony"); a part for a tool nobody has is no answer either
        needs=("<|channel|>", "<|message|>"),
        starts=("<|end|>", "<|start|>", "<|channel|>"),
        heads=("<|message|>",),
        thoughts=("analysis", " to="),
    ),
    Channels(  # Muse
        needs=("<|eom|>", "<|message|>", "to=self"),
        starts=("<|eom|>", "<|start|>"),
        heads=("<|message|>",),
        thoughts=("to=self",),
    ),
    Channels(  # Solar Open
        needs=("<|begin|>", "<|think|>", "<|content|>"),
        starts=("<|end|>", "<|begin|>"),
        heads=("<|think|>", "<|content|>"),
        thoughts=("<|think|>",),
    ),
    Channels(  # Kimi K3; a closing tag reads as the header of an empty part
        needs=("<|open|>", "<|close|>", "<|sep|>"),
        starts=("<|open|>", "<|close|>"),
        heads=("<|sep|>",),
        thoughts=("think",),
    ),
)


@dataclass(frozen=True)
class Marks:
    """The marks of one model.

    Attributes:
        thoughts: Openings and closings of thoughts at the start of an answer.
        wraps: Openings and closings of the answer itself.
        channels: The model's channels, in place of the others.
    """

    thoughts: tuple[Pair, ...] = _THOUGHTS
    wraps: tuple[Pair, ...] = ()
    channels: Channels | None = None

    @classmethod
    def of(cls, template: str) -> Marks:
        """Return the marks of the model that has this chat template."""
        for channels in _CHANNELS:
            if all(text in template for text in channels.needs):
                return cls((), (), channels)
        spoken = tuple(pair for pair in _SPOKEN_THOUGHTS if pair[1] in template)
        return cls((*_THOUGHTS, *spoken), tuple(pair for pair in _WRAPS if pair[0] in template))

    def texts(self) -> tuple[str, ...]:
        """Return every mark."""
        texts = [text for pair in (*self.thoughts, *self.wraps) for text in pair]
        if self.channels:
            texts += [*self.channels.starts, *self.channels.heads]
        return tuple(texts)

    def opened(self, prompt_tail: str) -> str:
        """Return the closing mark when the end of a prompt opens a thought, else an empty text."""
        return _closing(self.thoughts, prompt_tail)

    def wrapped(self, prompt_tail: str) -> str:
        """Return the closing mark when the end of a prompt opens the answer itself, else an empty text."""
        return _closing(self.wraps, prompt_tail)

    def answering(self, prompt_tail: str, head: str) -> str:
        """Return the end of a prompt so that the answer comes next, without a thought.

        Args:
            prompt_tail: What the template wrote after the last message.
            head: What it writes between a question and an answer that has been given already.
        """
        if head.startswith(prompt_tail) and head[len(prompt_tail) :].strip():
            return head
        closing = self.opened(prompt_tail)
        if closing:
            lines = prompt_tail.endswith("\n")
            prompt_tail += f"\n{closing}\n\n" if lines else closing
        for opening, _ in self.wraps:
            if head.rstrip().endswith(opening) and not self.wrapped(prompt_tail):
                prompt_tail += opening
        return prompt_tail

    def without_thought(self, answer: str) -> str:
        """Return an answer from the past without the thought that it begins with, as templates show it."""
        start = answer.lstrip()
        for opening, closing in self.thoughts:
            if start.startswith(opening) and closing in start:
                return start.partition(closing)[2].lstrip("\n")
        return answer


def _closing(pairs: Sequence[Pair], tail: str) -> str:
    tail = tail.rstrip()
    return next((closing for opening, closing in pairs if tail.endswith(opening)), "")
