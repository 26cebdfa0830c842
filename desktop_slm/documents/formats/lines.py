"""The lines of a page and the blocks they become, before these have ids."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from desktop_slm.documents.model import BlockKind


@dataclass(slots=True)
class Line:
    """A line, or the part of one up to a wide gap. Points, origin at the top left of the page.

    Attributes:
        text: As written.
        left, top, right, bottom: Its box.
        baseline: Where the letters stand.
        size: Of the letters.
        bold, mono: Of the font.
        hyphen: It ends within a word; the hyphen is not in ``text``.
        start, count: Place among the page's characters.
        row: Parts of the same line share it.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    baseline: float
    size: float
    bold: bool = False
    mono: bool = False
    hyphen: bool = False
    start: int = 0
    count: int = 0
    row: int = 0


@dataclass(slots=True)
class PageLines:
    """The lines of one page as written."""

    lines: list[Line]
    width: float
    height: float


@dataclass(slots=True)
class Draft:
    """A block before it has an id: its kind, text and the lines it came from."""

    kind: BlockKind
    text: str
    lines: list[Line]
    level: int = 0

    @property
    def size(self) -> float:
        """Size of its letters: the median over its lines."""
        return statistics.median(line.size for line in self.lines)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return (
            min(line.left for line in self.lines),
            min(line.top for line in self.lines),
            max(line.right for line in self.lines),
            max(line.bottom for line in self.lines),
        )
