"""From the parser's tokens to leaves: lists, quotes, code, tables, each piece with the runs of its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from markdown_it.token import Token

from desktop_slm.gui.leaves import LINE_BREAK, Align, Cell, Leaf, Run
from desktop_slm.gui.markdown.parser import MAX_NESTING, is_allowed_link

MAX_COLUMNS = 16
MAX_CELLS = 320
"""Cells that are shown as such; further rows (of tables inside lists) become plain lines."""

MAX_INDENT = 8
MAX_LINE_CHARS = 2_000

_TASK = re.compile(r"\[([ xX])\](?:[ \t]|$)")


class Walk:
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
        return 0 <= line < len(self._lines) and is_blank(self._lines[line])


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


def is_blank(line: str) -> bool:
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
