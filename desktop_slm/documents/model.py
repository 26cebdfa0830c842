"""What a document is once it has been read: pages of blocks, each with anchors back to its place."""

from __future__ import annotations

from typing import Literal

import msgspec

BlockKind = Literal["heading", "paragraph", "list_item", "table", "code", "caption", "note", "header"]
PageUnit = Literal["page", "part"]


class Box(msgspec.Struct, frozen=True, array_like=True):
    """A rectangle on a page, as fractions (0 to 1) of its width and height, origin at the top left."""

    left: float
    top: float
    right: float
    bottom: float


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A paragraph, heading, table, ... in reading order.

    Attributes:
        id: Unique in the document, ascending in reading order.
        kind: What it is; tables are rows on lines, cells separated by `` | ``.
        text: Its text, whitespace normalised to single spaces (newlines between table rows and code lines).
        level: Depth of a heading (1 is the highest) or list item.
        boxes: One rectangle per line, where the format has a page image.
    """

    id: int
    kind: BlockKind
    text: str
    level: int = 0
    boxes: tuple[Box, ...] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page, or one part of a format without pages.

    Attributes:
        number: From 1.
        blocks: In reading order.
        width, height: Points; 0 when there is no page image.
        is_image: There is something to see and no text to read: a scan.
    """

    number: int
    blocks: tuple[Block, ...]
    width: float = 0.0
    height: float = 0.0
    is_image: bool = False

    @property
    def text(self) -> str:
        """The blocks' texts, a blank line between them."""
        return "\n\n".join(block.text for block in self.blocks)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document as read.

    Attributes:
        title: From the metadata, else the first heading, else the file name.
        name: File name, without folders.
        format: ``pdf``, ``docx``, ``txt``, ``md``, ``html``.
        language: ISO 639-1 code, or empty when there is too little text to tell.
        pages: All of them, also the empty ones.
        page_unit: Whether the numbers are the document's own pages or our parts.
        has_page_images: `DocumentSession.render_page` can draw it.
        words: Words (for scripts without spaces: characters divided by two).
        sha256: Of the file's bytes, hexadecimal.
        size_bytes: Of the file.
        warnings: Sentences for the user: "12 of 212 pages are scans without text."
    """

    title: str
    name: str
    format: str
    language: str
    pages: tuple[Page, ...]
    page_unit: PageUnit = "page"
    has_page_images: bool = False
    words: int = 0
    sha256: str = ""
    size_bytes: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All pages' texts, a blank line between blocks."""
        return "\n\n".join(page.text for page in self.pages if page.blocks)


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """Where something stands: ``quote`` is literally in the text of block ``block`` on page ``page``."""

    page: int
    quote: str
    block: int = -1
    document: str = ""


class KeySentence(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of the document that carries much of it; ``score`` 0 to 1."""

    text: str
    page: int
    block: int
    score: float = 0.0


class PageImage(msgspec.Struct, frozen=True, kw_only=True):
    """A page drawn: raw pixels, and where the wanted passages are on it.

    Attributes:
        number: The page, from 1.
        width, height: Pixels.
        stride: Bytes per line.
        pixels: 4 bytes per pixel: blue, green, red, unused (Qt's ``Format_RGB32`` on little-endian machines).
        marks: For each quote asked for, its rectangles; empty when it is not on the page.
    """

    number: int
    width: int
    height: int
    stride: int
    pixels: bytes
    marks: tuple[tuple[Box, ...], ...] = ()
