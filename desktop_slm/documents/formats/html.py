"""HTML with the standard library: what a reader of the page would read, in blocks."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from desktop_slm.documents import limits
from desktop_slm.documents.formats import build
from desktop_slm.documents.formats.content import Content
from desktop_slm.documents.formats.text import decode
from desktop_slm.documents.model import BlockKind
from desktop_slm.documents.terms import word_set
from desktop_slm.errors import DocumentEmpty, DocumentTooLarge

_DROPPED = word_set(
    """
    script style noscript template svg math nav iframe object canvas select button textarea head form
    dialog
    """
)
_VOID = word_set(
    """
    area base br col embed hr img input link meta param source track wbr
    """
)
_BLOCKS = word_set(
    """
    address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer
    header html li main ol p pre section summary table tbody thead tfoot tr td th ul h1 h2 h3 h4 h5 h6
    hr br caption
    """
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CHARSET = re.compile(rb"(?i)<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([a-z0-9_\-]{2,30})")


def read(data: bytes, name: str) -> Content:
    """Read an HTML page."""
    flow = build.Flow()
    title = add_blocks(_decoded(data), flow)
    if not flow.blocks:
        raise DocumentEmpty("The web page has no text", "Choose a file with text in it.")
    pages = flow.pages()
    return Content(build.choose_title(title, pages, name), pages, "part")


def _decoded(data: bytes) -> str:
    declared = _CHARSET.search(data[:4096])
    if declared and not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode(declared.group(1).decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            return decode(data)[0]
    return decode(data)[0]


def add_blocks(text: str, flow: build.Flow) -> str:
    """Append the blocks of HTML ``text``; returns the page's title."""
    page = _Page(flow)
    page.feed(text)
    page.close()
    page.flush()
    return page.title


class _Page(HTMLParser):
    """Collects text between block tags. Unclosed and crossed tags are taken as browsers do, roughly."""

    def __init__(self, flow: build.Flow) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self._flow = flow
        self._open: list[str] = []
        self._dropped_at = -1  # depth at which a dropped element began
        self._text: list[str] = []
        self._heading = 0
        self._lists: list[int] = []
        self._label = ""
        self._in_item = False
        self._pre = 0
        self._caption = 0
        self._rows: list[list[str]] = []
        self._tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        if tag in _VOID:
            if tag in ("br", "hr") and self._dropped_at < 0:
                self._text.append("\n") if tag == "br" else self.flush()
            return
        if tag in ("p", "li", "dt", "dd", "tr", "td", "th", "option"):
            self._close_implied(tag)
        if len(self._open) >= limits.XML_DEPTH:
            raise DocumentTooLarge(
                "The web page is nested too deeply to be read safely",
                "Open it in a browser and save its text.",
            )
        self._open.append(tag)
        if self._dropped_at >= 0:
            return
        hidden = any(name == "hidden" or (name == "aria-hidden" and value == "true") for name, value in attrs)
        if tag in _DROPPED or hidden:
            if tag != "head":
                self._dropped_at = len(self._open)
            return
        if tag in _BLOCKS:
            self.flush()
            self._enter(tag, attrs)

    def _close_implied(self, tag: str) -> None:
        """Close an open ``p`` or ``li`` that HTML lets its author leave open."""
        same = {"dt": ("dt", "dd"), "dd": ("dt", "dd"), "td": ("td", "th"), "th": ("td", "th")}.get(
            tag, (tag,)
        )
        barrier = {
            "li": ("ul", "ol"),
            "dt": ("dl",),
            "dd": ("dl",),
            "td": ("tr", "table"),
            "th": ("tr", "table"),
            "tr": ("table",),
        }
        for open_tag in reversed(self._open):
            if open_tag in same:
                self.handle_endtag(open_tag)
                return
            if open_tag in barrier.get(tag, ()) or tag == "p":
                return

    def _enter(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag == "ul":
            self._lists.append(0)
        elif tag == "ol":
            start = dict(attrs).get("start") or "1"
            self._lists.append(int(start) if start.isdecimal() and len(start) < 7 else 1)
        elif tag in ("li", "dd"):
            self._in_item = True
            self._label = ""
            if tag == "li" and self._lists and self._lists[-1]:
                self._label = f"{self._lists[-1]}. "
                self._lists[-1] += 1
        elif tag == "pre":
            self._pre += 1
        elif tag in ("figcaption", "caption"):
            self._caption += 1
        elif tag == "table":
            self._tables += 1
        elif tag == "tr" and self._tables:
            self._rows.append([])
        elif tag in ("td", "th") and self._tables:
            if not self._rows:
                self._rows.append([])
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Close an element and everything left open in it."""
        if tag not in self._open:
            return
        while self._open:
            closed = self._open.pop()
            if self._dropped_at > len(self._open):
                self._dropped_at = -1
            elif self._dropped_at < 0 and closed in _BLOCKS:
                self.flush()
                self._leave(closed)
            if closed == tag:
                return

    def _leave(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._heading = 0
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag in ("li", "dd"):
            self._in_item = False
        elif tag == "pre":
            self._pre -= 1
        elif tag in ("figcaption", "caption"):
            self._caption -= 1
        elif tag == "table" and self._tables:
            self._tables -= 1
            if not self._tables:
                self._end_table()

    def _end_table(self) -> None:
        rows = [row for row in self._rows if any(cell.strip() for cell in row)]
        self._rows = []
        if not rows:
            return
        if max(len(row) for row in rows) == 1:  # a table for layout
            for row in rows:
                self._flow.add("paragraph", row[0])
            return
        self._flow.add("table", build.table_text(rows))

    def handle_data(self, data: str) -> None:
        """Take text."""
        if "title" in self._open and "svg" not in self._open:
            self.title += data
        elif self._dropped_at < 0 and "head" not in self._open:
            self._text.append(data)

    def flush(self) -> None:
        """Make a block of the text collected so far."""
        text = "".join(self._text)
        self._text.clear()
        if not text.strip():
            return
        if self._tables and self._rows and self._rows[-1] and not self._caption:
            self._rows[-1][-1] = f"{self._rows[-1][-1]} {text.strip()}"
            return
        kind: BlockKind
        if self._pre:
            self._flow.add("code", text)
            return
        if self._heading:
            self._flow.add("heading", text, level=self._heading)
            return
        if self._in_item:
            self._flow.add("list_item", self._label + text.strip(), level=max(1, len(self._lists)))
            self._label = ""
            return
        kind = "caption" if self._caption else "paragraph"
        self._flow.add(kind, text)
