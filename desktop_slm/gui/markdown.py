"""Markdown of model answers, turned into flat leaves that a text document can show piece by piece.

The only file that knows markdown-it-py. Answers are hostile input: raw HTML stays text, images become their
description, only web and mail addresses become links, and every step of the work is bounded, whatever the
text. An answer becomes a sequence of leaves (a paragraph, a line of code, a table, ...), so that a growing
answer changes only its last few leaves; nothing is ever handed to an HTML parser.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin

from desktop_slm.gui.leaves import (
    LINE_BREAK,
    WINDOW_CHARS,
    WINDOW_LINES,
    Align,
    Cell,
    Leaf,
    Run,
    clean,
    first_lines,
    line_offset,
)

MAX_NESTING = 40
"""Levels of nesting (a list takes two); text that goes deeper is shown as it is."""

LIST_CUT_CHARS = 1_500
"""A growing list longer than this gives up its finished items."""

MAX_OPENERS = 200
"""Most ``[`` in one paragraph; the link rule is quadratic in them."""

MAX_DELIMITERS = 1_200
"""Most emphasis, code and angle marks in one paragraph."""

MAX_COLUMNS = 16
CELLS_PER_TABLE = 160
"""A longer table goes on under a repeated header, as on paper."""

MAX_CELLS = 320
"""Cells that are shown as such; further rows (of tables inside lists) become plain lines."""

MAX_INDENT = 8
MAX_LINE_CHARS = 2_000
ALLOWED_SCHEMES = frozenset({"http", "https", "mailto"})

_REFERENCE = re.compile(r"^ {0,3}\[[^\]\n]{1,200}\]:[ \t]*\S+", re.MULTILINE)
_UNDECIDED = re.compile(r"[\s\-=*+#>`~|:_\d.)\[\]]*")
_TASK = re.compile(r"\[([ xX])\](?:[ \t]|$)")


def is_allowed_link(address: str) -> bool:
    """Tell whether an address may become a link: http, https and mailto with something behind it."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return False
    if parts.scheme.lower() not in ALLOWED_SCHEMES:
        return False
    if parts.scheme.lower() == "mailto":
        return bool(parts.path)
    return bool(parts.hostname) and "%" not in str(parts.hostname)


def is_tangled(text: str) -> bool:
    """Tell whether a paragraph has so many marks that parsing it could take long; it is shown as it is."""
    return text.count("[") > MAX_OPENERS or sum(map(text.count, "*_`<~&")) > MAX_DELIMITERS


def to_leaves(text: str) -> list[Leaf]:
    """Return all leaves of a finished text."""
    stream = MarkdownStream(references_in(text))
    stream.feed(text)
    leaves: list[Leaf] = []
    while stream.pending:
        leaves += stream.advance()
    return [*leaves, *stream.tail()]


def references_in(text: str) -> dict[str, object]:
    """Return the link definitions of a text (``[1]: https://...``) for a stream of the same text."""
    found = "\n".join(match.group(0) for match in _REFERENCE.finditer(text))[:WINDOW_CHARS]
    environment: dict[str, object] = {}
    if found:
        _parser().parse(found, environment)
    return environment


class MarkdownStream:
    """Turns a growing text into leaves: finished ones that never change, and an open tail.

    What comes out does not depend on the pieces in which the text came in. Call `feed` with new text,
    `advance` until nothing is `pending`, and `tail` for the leaves after the finished ones.
    """

    def __init__(self, references: dict[str, object] | None = None) -> None:
        self._markdown = _parser()
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
        self._loose = len(lines) > 1 and _is_blank(lines[-2])
        self._number = number if in_list else None
        self._text = self._text[cut:]
        self._prefix = prefix
        self._settled = 0
        return leaves

    def _parse(self, text: str, *, inline: bool = True) -> list[Token]:
        self._markdown.options["inline_wanted"] = inline
        return self._markdown.parse(self._prefix + text, self._environment)

    def _leaves(self, text: str) -> tuple[list[Leaf], int | None]:
        walk = _Walk(
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


class _Walk:
    """One pass over the tokens of a window."""

    def __init__(self, lines: Sequence[str], *, number: int | None, loose: bool, prefix_lines: int) -> None:
        self.next_number: int | None = None
        self._lines = lines
        self._carried_number = number
        self._carried_loose = loose
        self._prefix_lines = prefix_lines
        self._out: list[Leaf] = []
        self._lists: list[int | None] = []
        self._marker = ""
        self._quote = 0
        self._heading = 0
        self._start_line = 0

    def leaves(self, tokens: Sequence[Token]) -> list[Leaf]:
        """Return the leaves of the tokens."""
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.level == 0 and token.nesting > 0 and _is_too_deep(tokens, index):
                index = self._as_it_is(tokens, index)
            elif token.type == "table_open":
                index = self._table(tokens, index)
            else:
                self._token(token)
            index += 1
        return self._out

    def _as_it_is(self, tokens: Sequence[Token], index: int) -> int:
        """Put the lines of a block that is nested too deep and return the index of its last token."""
        first, end = tokens[index].map or [0, 0]
        self._start_line = first
        self._put(Leaf("paragraph", (Run(LINE_BREAK.join(self._lines[first:end])),)))
        return _end_of_block(tokens, index)

    def _token(self, token: Token) -> None:
        if token.map:
            self._start_line = token.map[0]
        match token.type:
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(self._list_start(token))
            case "bullet_list_close" | "ordered_list_close":
                self._close_list()
            case "list_item_open":
                self._open_item()
            case "list_item_close":
                self._put_marker_alone()
            case "blockquote_open":
                self._quote += 1
            case "blockquote_close":
                self._quote -= 1
            case "heading_open":
                self._heading = int(token.tag[1])
            case "heading_close":
                self._heading = 0
            case "inline":
                self._inline(token)
            case "fence" | "code_block":
                self._code(token)
            case "hr":
                self._put(Leaf("rule"))
            case _:
                pass

    def _list_start(self, token: Token) -> int:
        if not self._lists and not self._out and self._carried_number is not None:
            return self._carried_number
        return int(token.attrs.get("start", 1))

    def _close_list(self) -> None:
        number = self._lists.pop()
        if not self._lists:
            self.next_number = number

    def _open_item(self) -> None:
        number = self._lists[-1]
        if number is None:
            self._marker = "•"
        else:
            self._marker = f"{number}."
            self._lists[-1] = number + 1

    def _put_marker_alone(self) -> None:
        if self._marker:
            self._put(Leaf("paragraph"))

    def _inline(self, token: Token) -> None:
        children = list(token.children or ())
        runs = _runs(children, token.content)
        task = _TASK.match(runs[0].text) if self._marker and runs and not runs[0].code else None
        if task:
            self._marker = "☐" if task.group(1) == " " else "☑"
            runs = (replace(runs[0], text=runs[0].text[task.end() :]), *runs[1:])
        if self._heading:
            self._put(Leaf("heading", runs, level=self._heading))
        else:
            self._put(Leaf("paragraph", runs))

    def _code(self, token: Token) -> None:
        self._put_marker_alone()
        content = token.content.removesuffix("\n")
        opens = not (self._prefix_lines and not self._out)
        if not opens and not token.content:
            return
        language = token.info.split(maxsplit=1)[0][:40] if token.info.strip() else ""
        for line in content.split("\n"):
            for start in range(0, max(1, len(line)), MAX_LINE_CHARS):
                run = Run(line[start : start + MAX_LINE_CHARS], code=True)
                self._put(Leaf("code", (run,), language=language, opens=opens))
                opens = False

    def _table(self, tokens: Sequence[Token], index: int) -> int:
        """Put a table and return the index of its last token; cells beyond the limits become plain lines."""
        self._start_line = (tokens[index].map or [0])[0]
        self._put_marker_alone()
        rows: list[tuple[Cell, ...]] = []
        aligns: list[Align] = []
        row: list[Cell] = []
        while tokens[index].type != "table_close":
            token = tokens[index]
            if token.type == "tr_open":
                row = []
            elif token.type == "th_open":
                aligns.append(_align(token))
            elif token.type == "inline":
                row.append(_runs(token.children or (), token.content))
            elif token.type == "tr_close":
                rows.append(tuple(row[: len(aligns)]))
            index += 1
        self._put_table(rows, aligns)
        return index

    def _put_table(self, rows: Sequence[tuple[Cell, ...]], aligns: Sequence[Align]) -> None:
        columns = len(aligns)
        shown = 0 if columns > MAX_COLUMNS else max(1, MAX_CELLS // max(1, columns))
        if shown:
            self._put(Leaf("table", rows=tuple(rows[:shown]), aligns=tuple(aligns)))
        for number, row in enumerate(rows[shown:]):
            text = " | ".join("".join(run.text for run in cell) for cell in row)
            for start in range(0, max(1, len(text)), MAX_LINE_CHARS):
                run = Run(text[start : start + MAX_LINE_CHARS], code=True)
                self._put(Leaf("code", (run,), opens=number == 0 and start == 0))

    def _put(self, leaf: Leaf) -> None:
        if leaf.kind == "code" and not leaf.opens:
            loose = False
        elif not self._out and self._start_line <= self._prefix_lines:
            loose = self._carried_loose
        else:
            loose = self._blank_before()
        self._out.append(
            replace(
                leaf,
                indent=min(MAX_INDENT, len(self._lists)),
                quote=min(MAX_INDENT, self._quote),
                marker=self._marker,
                loose=loose,
            )
        )
        self._marker = ""

    def _blank_before(self) -> bool:
        line = self._start_line - 1
        return 0 <= line < len(self._lines) and _is_blank(self._lines[line])


def _runs(children: Sequence[Token], content: str) -> tuple[Run, ...]:
    """Turn inline tokens into runs of equal style."""
    out: list[Run] = []
    depth = {"strong": 0, "em": 0, "s": 0}
    href = ""
    for token in children:
        name = token.type.removesuffix("_open").removesuffix("_close")
        if name in depth:
            depth[name] += token.nesting
            continue
        if name == "link":
            address = str(token.attrs.get("href", "")) if token.nesting > 0 else ""
            href = address if is_allowed_link(address) else ""
            continue
        text = LINE_BREAK if token.type in ("softbreak", "hardbreak") else token.content
        run = Run(
            text,
            bold=depth["strong"] > 0,
            italic=depth["em"] > 0,
            strike=depth["s"] > 0,
            code=token.type == "code_inline",
            href=href,
        )
        _append(out, run)
    return tuple(out)


def _append(out: list[Run], run: Run) -> None:
    if not run.text:
        return
    if out and replace(out[-1], text="") == replace(run, text=""):
        out[-1] = replace(run, text=out[-1].text + run.text)
    else:
        out.append(run)


def _align(token: Token) -> Align:
    style = str(token.attrs.get("style", ""))
    aligns: tuple[Align, ...] = ("left", "center", "right")
    for align in aligns:
        if style.endswith(align):
            return align
    return ""


def _columns(tokens: Sequence[Token], index: int) -> int:
    """Return the number of columns of the table that ``index`` opens."""
    count = 0
    while tokens[index].type not in ("thead_close", "table_close"):
        count += tokens[index].type == "th_open"
        index += 1
    return max(1, count)


def _is_blank(line: str) -> bool:
    """Tell whether a line is empty but for the marks of block quotes."""
    return not line.strip(" \t>")


def _end_of_block(tokens: Sequence[Token], index: int) -> int:
    """Return the index of the token that closes the top-level block which ``index`` opens."""
    while tokens[index].level > 0 or tokens[index].nesting >= 0:
        index += 1
    return index


def _is_too_deep(tokens: Sequence[Token], index: int) -> bool:
    """Tell whether the parser gave up inside a block: it drops what is nested deeper than it may look."""
    end = _end_of_block(tokens, index)
    return any(token.level >= MAX_NESTING - 1 for token in tokens[index:end])


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


def _inline_within_limits(state: StateCore) -> None:
    """Parse the inline text of all blocks, leaving tangled ones as they are (a core rule)."""
    if not state.md.options.get("inline_wanted", True):
        return
    for token in state.tokens:
        if token.type != "inline":
            continue
        if is_tangled(token.content):
            token.children = [Token("text", "", 0, content=token.content.replace("\n", LINE_BREAK))]
        else:
            token.children = []
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _images_as_text(state: StateCore) -> None:
    """Put the description in the place of every image (a core rule)."""
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "image":
                child.type, child.tag, child.attrs = "text", "", {}
                child.children = None


def _parser() -> MarkdownIt:
    """Return a parser that says nothing about the text, not even to a debug log."""
    logging.getLogger("markdown_it").setLevel(logging.CRITICAL)
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
    markdown.enable(["table", "strikethrough"]).use(gfm_autolink_plugin)
    markdown.validateLink = is_allowed_link  # type: ignore[assignment,method-assign]
    markdown.core.ruler.at("inline", _inline_within_limits)
    markdown.core.ruler.after("inline", "images_as_text", _images_as_text)
    return markdown
