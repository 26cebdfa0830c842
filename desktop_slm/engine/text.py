"""From token bytes to text: whole characters, stop texts, reasoning apart from the answer, loops."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Literal

from desktop_slm.engine.api import PieceKind
from desktop_slm.engine.thoughts import Marks

_LONGEST_HEADER = 100

Piece = tuple[PieceKind, str]


class TextStream:
    """Turns the bytes of an answer's tokens into pieces that may be shown at once.

    Args:
        stops: Texts that end the answer; `stopped` tells that one came. They may lie across tokens.
        marks: How the model marks its thoughts.
        tail: The end of the prompt: it may have opened a thought, or the header of a channel.
        answering: The answer has been begun already, so that no thought can come.
    """

    def __init__(
        self,
        stops: Sequence[str] = (),
        marks: Marks | None = None,
        tail: str = "",
        *,
        answering: bool = False,
    ) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._marks = marks or Marks()
        self._channels = self._marks.channels
        self._state: Literal["start", "header", "reasoning", "answer"] = "answer" if answering else "start"
        self._thought = False  # a thought has been: another one would be answer
        self._parts = 0
        self._held = ""
        self._strip = False
        self.stopped = False
        header = self._channels.header(tail) if self._channels else None
        self._close = self._marks.opened(tail)
        self._wrap = self._marks.wrapped(tail)
        self._prompted = 0  # characters of the header that the prompt had already
        if header is not None:
            self._state, self._held, self._prompted = "header", header, len(header)
            self._advance(final=False)
        else:
            self._channels = None
        if self._close:
            self._state = "reasoning"
        self._strip = self._strip and not answering

    def feed(self, data: bytes) -> list[Piece]:
        """Take the bytes of one token and return what can be shown."""
        text = self._decoder.decode(data)
        if not text or self.stopped:
            return []
        if self._state == "answer" and not (self._stops or self._wrap or self._channels or self._strip):
            return [("answer", text)]
        self._held += text
        return self._advance(final=False)

    def finish(self) -> list[Piece]:
        """Return what was held back. A character that never became whole is left out."""
        return [] if self.stopped else self._advance(final=True)

    def _advance(self, final: bool) -> list[Piece]:
        """Go from state to state until more text is needed."""
        pieces: list[Piece] = []
        steps = {
            "start": self._recognize,
            "header": self._read_header,
            "reasoning": self._think,
            "answer": self._answer,
        }
        while steps[self._state](pieces, final):
            pass
        return pieces

    def _recognize(self, _pieces: list[Piece], final: bool) -> bool:
        """Decide from the first characters whether the model thinks; they stay held while that is open."""
        start = self._held.lstrip()
        waiting = False
        for opening, closing, state in self._openings():
            if start.startswith(opening):
                self._held, self._strip, self._state = start[len(opening) :], True, state
                if state == "reasoning":
                    self._close = closing
                if state == "answer":
                    self._wrap = closing
                return True
            waiting = waiting or opening.startswith(start)
        if final or not waiting:
            self._state = "answer"
            return True
        return False

    def _openings(self) -> list[tuple[str, str, Literal["start", "reasoning", "answer"]]]:
        """Return what may stand before an answer: a thought, marks around it, a closing too many."""
        marks = self._marks
        found: list[tuple[str, str, Literal["start", "reasoning", "answer"]]] = []
        if not self._thought:
            found += [(opening, closing, "reasoning") for opening, closing in marks.thoughts]
        # In plain letters a mark is one only after a thought: somebody may have asked for such an answer.
        found += [(o, c, "answer") for o, c in marks.wraps if self._thought or o.startswith("<|")]
        return [*found, *((closing, "", "start") for _, closing in marks.thoughts)]

    def _read_header(self, _pieces: list[Piece], final: bool) -> bool:
        """Read up to where a part of the answer begins, and tell by its header what it is."""
        channels = self._channels
        if channels is None:
            return False
        header, head, rest = _cut(self._held, channels.heads)
        size = len(header) - self._prompted - (0 if head else _partial_match(header, channels.heads))
        if head and size <= _LONGEST_HEADER:
            thinks = any(text in header + head for text in channels.thoughts)
            self._state = "reasoning" if thinks else "answer"
            self._held, self._strip, self._prompted = rest, True, 0
            self._parts += 1
            return True
        if size > _LONGEST_HEADER or (final and self._held[self._prompted :] and not self._parts):
            self._state, self._held = "answer", self._held[self._prompted :]  # it does without channels
            self._prompted = 0
            return True
        return False

    def _think(self, pieces: list[Piece], final: bool) -> bool:
        mark = self._give(
            pieces, "reasoning", self._channels.starts if self._channels else (self._close,), final
        )
        if mark:
            self._state, self._strip, self._thought = "header" if self._channels else "start", True, True
            self._wrap = self._marks.wrapped(mark)  # where the end of the thought begins the answer
        return bool(mark)

    def _answer(self, pieces: list[Piece], final: bool) -> bool:
        starts = self._channels.starts if self._channels else ()
        ends = (*self._stops, *([self._wrap] if self._wrap else []))
        mark = self._give(pieces, "answer", (*ends, *starts), final)
        if mark in ends:
            self.stopped, self._held = True, ""
        elif mark:
            self._state = "header"
            return True
        return False

    def _give(self, pieces: list[Piece], kind: PieceKind, ends: Sequence[str], final: bool) -> str:
        """Release what comes before the first of ``ends``, which is returned, or what cannot begin one."""
        if self._strip:  # the newlines that models put after a mark
            self._held = self._held.lstrip("\n")
            self._strip = not self._held
        text, mark, rest = _cut(self._held, ends)
        if not mark:
            keep = 0 if final else _partial_match(text, ends)
            text, rest = text[: len(text) - keep], text[len(text) - keep :]
        self._held = rest
        if text:
            pieces.append((kind, text))
        return mark


def _cut(text: str, marks: Sequence[str]) -> tuple[str, str, str]:
    """Part ``text`` at the first of ``marks``; the mark is empty when there is none."""
    found = [(at, -len(mark), mark) for mark in marks if (at := text.find(mark)) >= 0]
    if not found:
        return text, "", ""
    at, _, mark = min(found)
    return text[:at], mark, text[at + len(mark) :]


def _partial_match(text: str, ends: Sequence[str]) -> int:
    """Return the length of the longest end of ``text`` that begins one of ``ends``."""
    longest = 0
    for end in ends:
        for size in range(min(len(end) - 1, len(text)), longest, -1):
            if text.endswith(end[:size]):
                longest = size
                break
    return longest


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
