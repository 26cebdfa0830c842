"""Markdown through markdown-it's tokens."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from desktop_slm.documents.formats import build, html

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S)
_TITLE = re.compile(r"(?m)^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$")
_LONGEST_BLOCK = 200_000  # markdown-it is slower than linear on some long blocks


def add_blocks(text: str, flow: build.Flow) -> str:
    """Append the blocks of Markdown ``text``; returns the title of its front matter, if it has one."""
    title = ""
    front = _FRONT_MATTER.match(text)
    if front:
        found = _TITLE.search(front.group(1))
        title = found.group(1) if found else ""
        text = text[front.end() :]
    parser = MarkdownIt("commonmark", {"maxNesting": 40}).enable("table")
    for part in _bounded(text):
        _Walk(flow).run(parser.parse(part))
    return title


def _bounded(text: str) -> list[str]:
    """Cut overlong input between blank lines; ordinary documents stay whole."""
    if len(text) <= _LONGEST_BLOCK:
        return [text]
    parts: list[str] = []
    start = 0
    while len(text) - start > _LONGEST_BLOCK:
        cut = text.rfind("\n\n", start, start + _LONGEST_BLOCK)
        cut = cut if cut > start else start + _LONGEST_BLOCK
        parts.append(text[start:cut])
        start = cut
    return [*parts, text[start:]]


class _Walk:
    """Goes through the tokens once and appends blocks."""

    def __init__(self, flow: build.Flow) -> None:
        self._flow = flow
        self._lists: list[int] = []  # next number of each open list, 0 for bullets
        self._new_item = False
        self._rows: list[list[str]] | None = None

    def run(self, tokens: list[Token]) -> None:
        """Append the blocks of ``tokens``."""
        heading = 0
        for token in tokens:
            kind = token.type
            if kind == "heading_open":
                heading = int(token.tag[1])
            elif kind == "heading_close":
                heading = 0
            elif kind in ("fence", "code_block"):
                self._flow.add("code", token.content)
            elif kind == "html_block":
                html.add_blocks(token.content, self._flow)
            elif kind == "inline":
                self._inline(_plain(token), heading)
            else:
                self._structure(token)

    def _structure(self, token: Token) -> None:
        kind = token.type
        if kind == "bullet_list_open":
            self._lists.append(0)
        elif kind == "ordered_list_open":
            self._lists.append(int(token.attrGet("start") or 1))
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
        elif kind == "list_item_open":
            self._new_item = True
        elif kind == "list_item_close" and self._lists and self._lists[-1]:
            self._lists[-1] += 1
        elif kind == "table_open":
            self._rows = []
        elif kind == "tr_open" and self._rows is not None:
            self._rows.append([])
        elif kind == "table_close" and self._rows is not None:
            self._flow.add("table", build.table_text(self._rows))
            self._rows = None

    def _inline(self, text: str, heading: int) -> None:
        if self._rows is not None:
            self._rows[-1].append(text)
        elif heading:
            self._flow.add("heading", text, level=heading)
        elif self._lists:
            number = self._lists[-1]
            label = f"{number}. " if number and self._new_item else ""
            self._flow.add("list_item", label + text, level=len(self._lists))
            self._new_item = False
        else:
            self._flow.add("paragraph", text)


def _plain(token: Token) -> str:
    """Return inline content as plain text: no emphasis marks, link targets or HTML tags."""
    parts: list[str] = []
    for child in token.children or ():
        if child.type in ("text", "code_inline", "text_special"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "image":
            parts.append(child.content)
    return "".join(parts)
