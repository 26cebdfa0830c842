"""A growing answer: where it can be cut into leaves that never change, and an open tail."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it.token import Token

from desktop_slm.gui.leaves import WINDOW_CHARS, WINDOW_LINES, Leaf, clean, first_lines, line_offset
from desktop_slm.gui.markdown.parser import parser, references_in
from desktop_slm.gui.markdown.walk import Walk, is_blank

LIST_CUT_CHARS = 1_500
"""A growing list longer than this gives up its finished items."""

CELLS_PER_TABLE = 96
"""A longer table goes on under a repeated header, as on paper.

A growing table is laid out anew with every piece: 160 cells cost 40 ms (p99), 112 cost 13, 80 cost 7.
"""

_UNDECIDED = re.compile(r"[\s\-=*+#>`~|:_\d.)\[\]]*")


def to_leaves(text: str) -> list[Leaf]:
    """Return all leaves of a finished text."""
    stream = MarkdownStream(references_in(text))
    stream.feed(text)
    leaves: list[Leaf] = []
    while stream.pending:
        leaves += stream.advance()
    return [*leaves, *stream.tail()]


class MarkdownStream:
    """Turns a growing text into leaves: finished ones that never change, and an open tail.

    What comes out does not depend on the pieces in which the text came in. Call `feed` with new text,
    `advance` until nothing is `pending`, and `tail` for the leaves after the finished ones.
    """

    def __init__(self, references: dict[str, object] | None = None) -> None:
        self._markdown = parser()
        self._environment: dict[str, object] = references or {}
        self._text = ""
        self._held = ""
        self._prefix = ""
        self._number: int | None = None
        self._loose = False
        self._settled = 0

    @property
    def pending(self) -> bool:
        """Whether `advance` has something left to look at."""
        return self._settled < len(self._text)

    def feed(self, text: str) -> None:
        """Append text."""
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""
        self._text += clean(text.removesuffix("\r") if self._held else text)

    def advance(self) -> list[Leaf]:
        """Look at one window of the tail and return the leaves that are finished now, perhaps none."""
        window = self._window()
        tokens = self._parse(window, inline=False)
        cut, prefix = self._table_cut(tokens, window)
        if cut:
            return self._freeze(cut, prefix)
        cut = self._block_cut(tokens, window)
        item = self._item_cut(tokens, window, after=cut)
        if item:
            return self._freeze(item, in_list=True)
        if cut:
            return self._freeze(cut)
        if len(window) < len(self._text):
            cut, prefix = self._forced_cut(tokens, window)
            return self._freeze(cut, prefix)
        self._settled = len(self._text)
        return []

    def tail(self, *, growing: bool = False) -> list[Leaf]:
        """Return the leaves of the open tail, as far as one window reaches.

        Args:
            growing: More text will come: marks that are still undecided wait, open emphasis is closed.
        """
        text = self._window()
        return self._leaves(_guess_end(text) if growing else text)[0]

    def _window(self) -> str:
        window = self._text[:WINDOW_CHARS]
        if window.count("\n") >= WINDOW_LINES:
            window = first_lines(window, WINDOW_LINES)
        return window

    def _freeze(self, cut: int, prefix: str = "", *, in_list: bool = False) -> list[Leaf]:
        leaves, number = self._leaves(self._text[:cut])
        lines = self._text[:cut].split("\n")
        self._loose = len(lines) > 1 and is_blank(lines[-2])
        self._number = number if in_list else None
        self._text = self._text[cut:]
        self._prefix = prefix
        self._settled = 0
        return leaves

    def _parse(self, text: str, *, inline: bool = True) -> list[Token]:
        self._markdown.options["inline_wanted"] = inline
        return self._markdown.parse(self._prefix + text, self._environment)

    def _leaves(self, text: str) -> tuple[list[Leaf], int | None]:
        walk = Walk(
            (self._prefix + text).split("\n"),
            number=self._number,
            loose=self._loose,
            prefix_lines=self._prefix.count("\n"),
        )
        return walk.leaves(self._parse(text)), walk.next_number

    def _table_cut(self, tokens: Sequence[Token], window: str) -> tuple[int, str]:
        """Find where a long table is to be continued in another one under the same header, else 0.

        Such a table must start the window: what stands before it is cut off first.
        """
        before = self._prefix.count("\n")
        complete = window.count("\n") + before
        for index, token in enumerate(tokens):
            if token.type != "table_open" or token.level > 0 or token.map is None:
                continue
            lines = 2 + max(8, CELLS_PER_TABLE // _columns(tokens, index))
            if token.map[1] - token.map[0] <= lines or token.map[0] + lines >= complete:
                continue
            if token.map[0] > 0:
                return line_offset(window, token.map[0] - before), ""
            return line_offset(window, lines - before), self._prefix or first_lines(window, 2)
        return 0, ""

    def _block_cut(self, tokens: Sequence[Token], window: str) -> int:
        """Find where the last block starts: cutting there changes nothing. 0 if there is no such place.

        The line must be complete: ``***`` may still become ``***bold***``, which is no new block.
        """
        starts = [token.map[0] for token in tokens if token.map and token.level == 0 and token.nesting >= 0]
        return self._last_complete(starts, window)

    def _item_cut(self, tokens: Sequence[Token], window: str, *, after: int) -> int:
        """Find where the last item of a long list starts, 0 if there is none after offset ``after``."""
        if len(window) - after <= LIST_CUT_CHARS:
            return 0
        starts = [
            token.map[0]
            for token in tokens
            if token.type == "list_item_open" and token.level == 1 and token.map
        ]
        cut = self._last_complete(starts, window)
        return cut if cut > after else 0

    def _last_complete(self, starts: Sequence[int], window: str) -> int:
        before = self._prefix.count("\n")
        complete = window.count("\n") + before
        lines = [line for line in starts if line < complete]
        return line_offset(window, lines[-1] - before) if lines else 0

    def _forced_cut(self, tokens: Sequence[Token], window: str) -> tuple[int, str]:
        """Cut inside a block that is longer than the window; the rest continues it as far as possible."""
        kind = tokens[0].type if tokens else ""
        line_end = window.rfind("\n") + 1
        if kind == "fence":
            return line_end or len(window), self._prefix or first_lines(window, 1)
        if kind == "table_open" and line_end > len(first_lines(window, 2)):
            return line_end, self._prefix or first_lines(window, 2)
        if line_end > len(window) // 2:
            return line_end, ""
        return window.rfind(" ", len(window) // 2) + 1 or len(window), ""


def _columns(tokens: Sequence[Token], index: int) -> int:
    """Return the number of columns of the table that ``index`` opens."""
    count = 0
    while tokens[index].type not in ("thead_close", "table_close"):
        count += tokens[index].type == "th_open"
        index += 1
    return max(1, count)


def _guess_end(text: str) -> str:
    """Make the end of a growing text presentable: undecided marks wait, open emphasis and code are closed."""
    start = text.rfind("\n") + 1
    if _UNDECIDED.fullmatch(text, start):
        return text[:start]
    line = text[start:]
    if line.count("`") % 2:
        return text.removesuffix("`") if line.endswith("`") else text + "`"
    if line.count("**") % 2:
        return text.removesuffix("**") if line.endswith("**") else text.rstrip("* ") + "**"
    return text
