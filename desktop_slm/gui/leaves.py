"""What an answer is made of once it has been read: leaves, from top to bottom, each in runs of one style.

Views know leaves and nothing of Markdown. Here is also the way of text that is no Markdown into leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LeafKind = Literal["paragraph", "heading", "code", "table", "rule", "plain"]
Align = Literal["", "left", "center", "right"]

WINDOW_CHARS = 4_000
WINDOW_LINES = 120
"""Most text that is parsed at once; a longer block is cut, which only costs formatting across the cut."""

LINE_BREAK = "\u2028"
_UNSHOWABLE = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, 0xFFFC, 0x2029))


@dataclass(frozen=True, slots=True)
class Run:
    """Text in one style; ``href`` is an allowed address or empty."""

    text: str
    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    href: str = ""


Cell = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One piece of an answer, from top to bottom.

    Attributes:
        kind: ``code`` is one line of a code block, ``opens`` marks its first line; ``plain`` is text that is
            no Markdown.
        runs: Its text; line breaks inside are U+2028.
        level: Of a heading, from 1.
        indent: Depth of lists around it.
        quote: Depth of block quotes around it.
        marker: What stands before the first leaf of a list item: ``•``, ``3.``, ``☐``, ``☑``.
        loose: A blank line stands before it.
        language: Of a code block, as the answer names it.
        rows: Of a table, the first one is the header.
        aligns: Of a table, one per column.
    """

    kind: LeafKind
    runs: tuple[Run, ...] = ()
    level: int = 0
    indent: int = 0
    quote: int = 0
    marker: str = ""
    loose: bool = False
    language: str = ""
    opens: bool = False
    rows: tuple[tuple[Cell, ...], ...] = ()
    aligns: tuple[Align, ...] = ()

    @property
    def text(self) -> str:
        """Its text without styles."""
        return "".join(run.text for run in self.runs)


class PlainStream:
    """The same face as `MarkdownStream`, for text that is shown as it is: what the user wrote."""

    def __init__(self) -> None:
        self._text = ""

    @property
    def pending(self) -> bool:
        """Whether there is more than one window of text left."""
        return len(self._window()) < len(self._text)

    def feed(self, text: str) -> None:
        """Append text."""
        self._text += clean(text)

    def advance(self) -> list[Leaf]:
        """Return one window of the text."""
        window = self._window()
        if len(window) == len(self._text):
            return []
        cut = window.rfind("\n") + 1 or window.rfind(" ") + 1 or len(window)
        leaf = _plain_leaf(window[:cut].removesuffix("\n"))
        self._text = self._text[cut:]
        return [leaf]

    def tail(self, *, growing: bool = False) -> list[Leaf]:
        """Return the last window of the text."""
        return [_plain_leaf(self._window())] if self._text else []

    def _window(self) -> str:
        window = self._text[:WINDOW_CHARS]
        return first_lines(window, WINDOW_LINES) if window.count("\n") >= WINDOW_LINES else window


def _plain_leaf(text: str) -> Leaf:
    return Leaf("plain", (Run(text.replace("\n", LINE_BREAK)),))


def line_offset(text: str, line: int) -> int:
    """Return where line number ``line`` starts in ``text``."""
    offset = 0
    for _ in range(line):
        offset = text.find("\n", offset) + 1
    return offset


def first_lines(text: str, count: int) -> str:
    """Return the first ``count`` lines of ``text``, with their ends."""
    return text[: line_offset(text, count)]


def clean(text: str) -> str:
    """Take out characters that cannot be shown or that mean something to a text document."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNSHOWABLE)
