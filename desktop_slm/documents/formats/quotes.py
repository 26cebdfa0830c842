"""Where a quote stands on a page: rectangles to mark, in parts of the page's width and height."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Protocol

from desktop_slm.documents.formats.lines import Line
from desktop_slm.documents.model import Box


class Characters(Protocol):
    """The characters of a page by number."""

    text: str

    def rectangles(self, start: int, count: int) -> list[tuple[float, float, float, float]]:
        """Return left, top, right, bottom of each run among ``count`` characters from ``start``."""


class Marks:
    """Finds quotes on a page, whatever spaces, hyphens and line ends the page puts between their letters.

    Args:
        characters: Of the page.
        size: Width and height of the page, in points.
        lines: As they were read off the page.
    """

    def __init__(self, characters: Characters, size: tuple[float, float], lines: Sequence[Line]) -> None:
        self._characters = characters
        self._size = size
        self._lines = lines
        letters: list[str] = []
        self._places: list[tuple[int, int]] = []  # (line, character) of each letter
        for number, line in enumerate(lines):
            for index in range(line.start, line.start + line.count):
                for letter in _letters(self._characters.text[index]):
                    letters.append(letter)
                    self._places.append((number, index))
        self._letters = "".join(letters)

    def find(self, quotes: Sequence[str]) -> tuple[tuple[Box, ...], ...]:
        """Return the rectangles of each quote, one per line it is on; none when it is not on the page."""
        return tuple(self._find(quote) for quote in quotes)

    def _find(self, quote: str) -> tuple[Box, ...]:
        letters = _letters(quote)
        position = self._letters.find(letters) if letters else -1
        if position < 0:
            return ()
        spans: dict[int, list[int]] = {}
        for number, index in self._places[position : position + len(letters)]:
            spans.setdefault(number, [index, index])[1] = index
        return tuple(self._box(self._lines[number], a, b) for number, (a, b) in spans.items())

    def _box(self, line: Line, first: int, last: int) -> Box:
        rectangles = self._characters.rectangles(first, last - first + 1)
        left = min((box[0] for box in rectangles), default=line.left)
        right = max((box[2] for box in rectangles), default=line.right)
        return fraction(left, line.top, right, line.bottom, *self._size)


def fraction(left: float, top: float, right: float, bottom: float, width: float, height: float) -> Box:
    """Return a rectangle in parts of the page, within it."""

    def part(value: float, whole: float) -> float:
        return round(min(max(value / whole, 0.0), 1.0), 5) if whole else 0.0

    return Box(part(left, width), part(top, height), part(right, width), part(bottom, height))


def _letters(text: str) -> str:
    """Return only what both a quote and a page must have: letters and digits, without case and accents."""
    if text.isascii():
        return "".join(c for c in text if c.isalnum()).lower()
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())
