"""The common end of all readers: clean text, limits, numbered blocks, parts where no pages are."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from desktop_slm.documents import limits
from desktop_slm.documents.model import Block, BlockKind, Box, Page
from desktop_slm.documents.split import sentences
from desktop_slm.errors import DocumentTooLarge

PART_CHARACTERS = 3_000
_LONG_BLOCK = 4_000

# Controls, soft hyphen, zero-width, bidi and tag characters; joiners stay, some scripts need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_PRESENTATION = re.compile("[\ufb00-\ufb1c\ufb50-\ufdff\ufe70-\ufefc]")  # ligatures and shaped Arabic letters
_SPACE = re.compile(r"\s+")
_LINE_SPACE = re.compile(r"[^\S\n]+")


def visible(text: str) -> str:
    """Return ``text`` in NFC without invisible characters and with shaped letters made plain."""
    if text.isascii() and text.isprintable():
        return text
    text = _PRESENTATION.sub(lambda m: unicodedata.normalize("NFKC", m.group()), text)
    text = _INVISIBLE.sub(
        lambda m: " " if m.group() in "\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\u2028\u2029" else "", text
    )
    return unicodedata.normalize("NFC", text)


def clean(text: str) -> str:
    """Return ``text`` on one line, with single spaces, without invisible characters."""
    return _SPACE.sub(" ", visible(text)).strip()


def clean_lines(text: str, *, keep_indent: bool = False) -> str:
    """Return ``text`` cleaned line by line; leading spaces stay with ``keep_indent``."""
    lines = []
    for line in re.split(r"\r\n|\r|\n", text.expandtabs(4)):
        indent = len(line) - len(line.lstrip(" ")) if keep_indent else 0
        lines.append(
            " " * min(indent, 80) + _LINE_SPACE.sub(" ", visible(line)).strip() if line.strip() else ""
        )
    return "\n".join(lines).strip("\n")


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """Return a table as text: rows on lines, cells separated by `` | ``; empty rows are left out."""
    cleaned = [[clean(cell).replace("|", "/") for cell in row] for row in rows]
    return "\n".join(" | ".join(row).strip() for row in cleaned if any(row))


class Blocks:
    """Collects blocks in reading order and keeps the limits of text and number."""

    def __init__(self) -> None:
        self._next_id = 0
        self._text_bytes = 0

    def make(
        self, kind: BlockKind, text: str, *, level: int = 0, boxes: tuple[Box, ...] = ()
    ) -> Block | None:
        """Return a new block of cleaned ``text``, or None when nothing is left of it.

        Raises:
            DocumentTooLarge: Over the limit of text or blocks.
        """
        text = self._clean(kind, text)
        if not text:
            return None
        self._text_bytes += len(text) if text.isascii() else len(text.encode())
        if self._text_bytes > limits.TEXT_BYTES or self._next_id >= limits.BLOCKS:
            raise DocumentTooLarge(
                f"The document holds more than {limits.TEXT_BYTES >> 20} MB of text",
                "Split it into smaller files and open one of them.",
            )
        block = Block(id=self._next_id, kind=kind, text=text, level=level, boxes=boxes)
        self._next_id += 1
        return block

    @staticmethod
    def _clean(kind: BlockKind, text: str) -> str:
        if kind == "code":
            return clean_lines(text, keep_indent=True)
        if kind == "table" or (kind == "header" and "\n" in text):
            return clean_lines(text)
        return clean(text)


class Flow(Blocks):
    """Collects the blocks of a format without pages, or with page breaks that the format itself marks."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[Block] = []
        self._breaks: list[int] = []

    def add(self, kind: BlockKind, text: str, *, level: int = 0) -> None:
        """Append a block; a paragraph longer than a part is cut between sentences."""
        if kind != "paragraph" or len(text) <= _LONG_BLOCK:
            self._append(self.make(kind, text, level=level))
            return
        for piece in _portions(text, PART_CHARACTERS):
            self._append(self.make(kind, piece, level=level))

    def _append(self, block: Block | None) -> None:
        if block is not None:
            self._blocks.append(block)

    def page_break(self) -> None:
        """Begin a new page with the next block."""
        self._breaks.append(len(self._blocks))
        if len(self._breaks) >= limits.PAGES:
            raise too_many_pages()

    @property
    def blocks(self) -> list[Block]:
        """All blocks so far."""
        return self._blocks

    @property
    def has_pages(self) -> bool:
        """The format marked at least one page break with text before it."""
        return any(0 < position < len(self._blocks) for position in self._breaks)

    def pages(self) -> tuple[Page, ...]:
        """Return pages at the breaks that were marked, or parts when there were none."""
        groups = self._by_breaks() if self.has_pages else _parts(self._blocks)
        return tuple(Page(number=i, blocks=tuple(group)) for i, group in enumerate(groups, 1))

    def _by_breaks(self) -> list[list[Block]]:
        edges = [0, *self._breaks, len(self._blocks)]
        groups = [self._blocks[a:b] for a, b in itertools.pairwise(edges)]
        while groups and not groups[-1]:
            groups.pop()
        return groups


def _parts(blocks: list[Block]) -> list[list[Block]]:
    """Cut into parts of about `PART_CHARACTERS`, between blocks, before top headings by preference."""
    parts: list[list[Block]] = []
    used = 0
    for block in blocks:
        top_heading = block.kind == "heading" and block.level == 1 and used > PART_CHARACTERS // 3
        any_heading = block.kind == "heading" and used > PART_CHARACTERS * 2 // 3
        full = used + len(block.text) > PART_CHARACTERS * 4 // 3 or used >= PART_CHARACTERS
        if not parts or top_heading or any_heading or (full and used):
            parts.append([])
            used = 0
        parts[-1].append(block)
        used += len(block.text)
    if len(parts) > limits.PAGES:
        raise too_many_pages()
    return parts or [[]]


def _portions(text: str, size: int) -> list[str]:
    """Cut ``text`` between sentences into portions of about ``size``, anywhere where it has none."""
    portions: list[str] = []
    start = end = 0
    for sentence_start, sentence_end in sentences(text):
        if end > start and sentence_end - start > size:
            portions.append(text[start:end])
            start = sentence_start
        end = sentence_end
        while end - start > 2 * size:
            cut = text.rfind(" ", start + size // 2, start + size)
            cut = cut if cut > 0 else start + size
            portions.append(text[start:cut])
            start = cut
    return [*portions, text[start:end]] if end > start else portions


def too_many_pages() -> DocumentTooLarge:
    """Return the error for a document over the page limit."""
    return DocumentTooLarge(
        f"The document has more than {limits.PAGES:,} pages",
        "Split it into smaller files and open one of them.",
    )


def choose_title(metadata: str, pages: Iterable[Page], name: str) -> str:
    """Return the title: from meaningful metadata, else the first heading, else the file name."""
    given = clean(metadata)[:200]
    stem = PurePath(name).stem or name
    meaningless = re.match(
        r"(?i)^(\(?anonymous\)?|unspecified|untitled.*|document\d*|microsoft word.*|layout \d+"
        r"|.*\.(docx?|pdf|indd|tex|odt))$",
        given,
    )
    if len(given) >= 3 and not meaningless and any(c.isalpha() for c in given):
        return given
    for page in list(pages)[:3]:
        headings = [b for b in page.blocks if b.kind == "heading"]
        if headings:
            return min(headings, key=lambda b: (b.level, b.id)).text[:200]
    return clean(stem)[:200] or "Document"
