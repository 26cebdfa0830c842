"""From token bytes to text: whole characters, stop texts, reasoning apart from the answer, loops."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from desktop_slm.engine.api import PieceKind

# How reasoning models mark their thoughts. Only at the very start of an answer: later it is just text.
REASONING_MARKS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"),
)

Piece = tuple[PieceKind, str]


class TextStream:
    """Turns the bytes of an answer's tokens into pieces that may be shown at once.

    Args:
        stops: Texts that end the answer; `stopped` tells that one came. They may lie across tokens.
        opened: The closing mark of a thought that the prompt has opened already, else empty.
    """

    def __init__(self, stops: Sequence[str] = (), opened: str = "") -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._close = opened
        self._kind: PieceKind | None = "reasoning" if opened else None  # None: not known yet
        self._held = ""
        self._strip = False
        self.stopped = False

    def feed(self, data: bytes) -> list[Piece]:
        """Take the bytes of one token and return what can be shown."""
        text = self._decoder.decode(data)
        if not text or self.stopped:
            return []
        if self._kind == "answer" and not self._stops and not self._strip:
            return [("answer", text)]
        self._held += text
        return self._advance(final=False)

    def finish(self) -> list[Piece]:
        """Return what was held back. A character that never became whole is left out."""
        return [] if self.stopped else self._advance(final=True)

    def _advance(self, final: bool) -> list[Piece]:
        pieces: list[Piece] = []
        if self._kind is None and not self._recognize(final):
            return pieces
        if self._kind == "reasoning":
            self._think(pieces, final)
        if self._kind == "answer":
            self._answer(pieces, final)
        return pieces

    def _recognize(self, final: bool) -> bool:
        """Decide from the first characters whether the model thinks; False while that is open."""
        start = self._held.lstrip()
        for opening, closing in REASONING_MARKS:
            if start.startswith(opening):
                self._kind, self._close = "reasoning", closing
                self._held, self._strip = start[len(opening) :], True
                return True
        if not final and any(opening.startswith(start) for opening, _ in REASONING_MARKS):
            return False
        self._kind = "answer"
        return True

    def _think(self, pieces: list[Piece], final: bool) -> None:
        self._strip_newlines()
        thought, mark, rest = self._held.partition(self._close)
        if mark:
            self._kind, self._held, self._strip = "answer", rest, True
        else:
            keep = 0 if final else _partial_match(thought, (self._close,))
            thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        if thought:
            pieces.append(("reasoning", thought))

    def _strip_newlines(self) -> None:
        """Drop the newlines that models put after a mark."""
        if self._strip:
            self._held = self._held.lstrip("\n")
            self._strip = not self._held

    def _answer(self, pieces: list[Piece], final: bool) -> None:
        self._strip_newlines()
        text = self._held
        ends = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if ends:
            self.stopped = True
            text, self._held = text[: min(ends)], ""
        else:
            keep = 0 if final else _partial_match(text, self._stops)
            text, self._held = text[: len(text) - keep], text[len(text) - keep :]
        if text:
            pieces.append(("answer", text))


def _partial_match(text: str, ends: Sequence[str]) -> int:
    """Return the length of the longest end of ``text`` that begins one of ``ends``."""
    longest = 0
    for end in ends:
        for size in range(min(len(end) - 1, len(text)), longest, -1):
            if text.endswith(end[:size]):
                longest = size
                break
    return longest


def opened_thought(prompt_tail: str) -> str:
    """Return the closing mark when the end of a prompt opens a thought (some templates do), else ""."""
    tail = prompt_tail.rstrip()
    for opening, closing in REASONING_MARKS:
        if tail.endswith(opening):
            return closing
    return ""


LOOP_INTERVAL = 16
_LONGEST_PERIOD = 192
_LOOP_TOKENS = 64
_LOOP_TURNS = 4


def is_loop(tokens: Sequence[int], start: int) -> bool:
    """Tell whether the answer ``tokens[start:]`` ends by repeating itself.

    That is: its last tokens are one group of up to 192 tokens, at least 4 times and 64 tokens long in all.
    """
    length = len(tokens)
    last = tokens[-1]
    for period in range(1, _LONGEST_PERIOD + 1):
        size = max(_LOOP_TOKENS, _LOOP_TURNS * period)
        if length - size < start:
            return False
        if tokens[-1 - period] != last:
            continue
        if tokens[length - size + period :] == tokens[length - size : length - period]:
            return True
    return False
