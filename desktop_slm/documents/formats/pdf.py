"""PDF through PDFium: the one file that knows pypdfium2.

Text is taken line by line in few calls per line; asking PDFium for every character's place would cost several
times the time of reading itself.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from desktop_slm.documents import limits
from desktop_slm.documents.formats import build, layout, notemarks
from desktop_slm.documents.formats.content import Content
from desktop_slm.documents.formats.lines import Draft, Line, PageLines
from desktop_slm.documents.formats.quotes import Marks, fraction
from desktop_slm.documents.model import Block, Page, PageImage
from desktop_slm.errors import (
    DocumentDamaged,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentUnsupported,
    InvalidRequest,
)

_SEGMENT = re.compile("[^\r\n\ufffe\x02]+|[\ufffe\x02]")
_MARK = re.compile(r"(?<=[^\s\d])\d{1,3}(?=[\s.,;:]|$)")
_BOLD_NAME = re.compile(r"(?i)bold|black|heavy|semibold|demi(?!-?light)|[-_,]bd\b|cmbx")
_MONO_NAME = re.compile(r"(?i)courier|mono|consol|menlo|typewriter|cmtt|fixedsys|inconsolata|source ?code")
_WIDE_GAP = 1.0  # in letter sizes: a cell or column begins after it
_OUTLINE_ENTRIES = 5_000
_SCAN_TEXT = 25  # letters and digits; a page with fewer and a large image is a scan


def read(data: bytes, name: str, password: str = "") -> Content:
    """Read a PDF.

    Raises:
        DocumentEncrypted: It needs a password, or another one.
        DocumentDamaged, DocumentEmpty, DocumentUnsupported, DocumentTooLarge: As they say.
    """
    _check_end(data)
    document = _open(data, password)
    count = len(document)
    if count == 0:
        raise DocumentEmpty("The PDF has no pages", "Check the file in another program.")
    if count > limits.PAGES:
        raise build.too_many_pages()
    return _Reading(document, name).content()


def _check_end(data: bytes) -> None:
    """Refuse a file that was cut: PDFium repairs it silently, and pages would be missing without a word."""
    tail = data[-4096:].rstrip(b"\0\r\n\t ")
    if b"%%EOF" not in tail and b"startxref" not in tail:
        raise _damaged("The PDF is cut off: its end is missing")


def _damaged(title: str = "The PDF is damaged and cannot be read") -> DocumentDamaged:
    return DocumentDamaged(title, "Get the file again from where it came from.")


def _open(data: bytes, password: str) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(data, password=password or None)
    except pdfium.PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            if password:
                raise DocumentEncrypted(
                    "The password does not open this PDF", "Check it and try again.", wrong_password=True
                ) from error
            raise DocumentEncrypted(
                "The PDF is protected with a password", "Enter the password to read it."
            ) from error
        if error.err_code == raw.FPDF_ERR_SECURITY:
            raise DocumentUnsupported(
                "The PDF is protected in a way that cannot be read here", "Save a copy without protection."
            ) from error
        raise _damaged() from error


class _Reading:
    """One pass over a PDF, and afterwards the artist of its pages."""

    def __init__(self, document: pdfium.PdfDocument, name: str) -> None:
        self._document = document
        self._name = name
        self._lines: dict[int, tuple[Line, ...]] = {}  # by page number, in reading order
        self._unreadable: list[int] = []

    def content(self) -> Content:
        """Read all pages."""
        raws: list[PageLines] = []
        images: list[bool] = []
        for index in range(len(self._document)):
            lines, is_image = self._page_lines(index)
            raws.append(lines)
            images.append(is_image)
        look = layout.look_of(raws, self._outline())
        drafts = [layout.drafts(page, index, look) for index, page in enumerate(raws)]
        layout.settle_levels(drafts, look)
        blocks = build.Blocks()
        pages = []
        for index, (page, found) in enumerate(zip(raws, drafts, strict=True)):
            pages.append(_page(index + 1, page, found, blocks, images[index]))
            self._lines[index + 1] = tuple(line for draft in found for line in draft.lines)
        return Content(
            title=build.choose_title(self._metadata_title(), pages, self._name),
            pages=tuple(pages),
            page_unit="page",
            warnings=self._warnings(pages),
            artist=self,
        )

    def _page_lines(self, index: int) -> tuple[PageLines, bool]:
        try:
            with _text_page(self._document, index) as (page, text_page):
                width, height = page.get_size()
                lines = _Extraction(page, text_page).lines()
                return PageLines(lines, width, height), _is_scan(page, lines, width * height)
        except pdfium.PdfiumError:
            self._unreadable.append(index + 1)
            return PageLines([], 0.0, 0.0), False

    def _outline(self) -> dict[int, dict[str, int]]:
        """Return the bookmarks: by page index, the comparable title and its level from 1."""
        found: dict[int, dict[str, int]] = {}
        try:
            for number, bookmark in enumerate(self._document.get_toc(max_depth=6)):
                if number >= _OUTLINE_ENTRIES:
                    break
                target = bookmark.get_dest()
                page = target.get_index() if target else None
                key = layout.outline_key(bookmark.get_title())
                if page is not None and key:
                    found.setdefault(page, {}).setdefault(key, bookmark.level + 1)
        except pdfium.PdfiumError:
            return found
        return found

    def _metadata_title(self) -> str:
        try:
            return str(self._document.get_metadata_value("Title"))
        except (pdfium.PdfiumError, UnicodeError):
            return ""

    def _warnings(self, pages: Sequence[Page]) -> tuple[str, ...]:
        warnings = []
        total = len(pages)
        scans = sum(page.is_image for page in pages)
        if scans == total:
            warnings.append(
                "This page is a scan without text."
                if total == 1
                else f"All {total} pages are scans without text."
            )
        elif scans:
            warnings.append(
                f"{scans} of {total} pages {'is a scan' if scans == 1 else 'are scans'} without text."
            )
        if self._unreadable:
            numbers = ", ".join(map(str, self._unreadable[:10]))
            more = " and more" if len(self._unreadable) > 10 else ""
            plural = "Pages" if len(self._unreadable) > 1 else "Page"
            warnings.append(f"{plural} {numbers}{more} could not be read.")
        return tuple(warnings)

    def draw(self, number: int, width_px: int, quotes: Sequence[str]) -> PageImage:
        """Draw page ``number``, ``width_px`` wide, and find ``quotes`` on it."""
        if not 1 <= number <= len(self._document):
            raise InvalidRequest(
                f"There is no page {number}", f"The document has {len(self._document)} pages."
            )
        try:
            with _text_page(self._document, number - 1) as (page, text_page):
                width, height = page.get_size()
                scale = max(16, width_px) / max(width, 1.0)
                scale = min(scale, math.sqrt(limits.PAGE_PIXELS / max(width * height, 1.0)))
                bitmap = page.render(scale=scale, prefer_bgrx=True, force_bitmap_format=raw.FPDFBitmap_BGRx)
                marks = Marks(_Characters(page, text_page), page.get_size(), self._lines[number]).find(quotes)
                image = PageImage(
                    number=number,
                    width=bitmap.width,
                    height=bitmap.height,
                    stride=bitmap.stride,
                    pixels=bytes(bitmap.buffer),
                    marks=marks,
                )
                bitmap.close()
                return image
        except pdfium.PdfiumError as error:
            raise _damaged(f"Page {number} cannot be drawn") from error


def _page(
    number: int, lines: PageLines, drafts: Sequence[Draft], blocks: build.Blocks, is_image: bool
) -> Page:
    made: list[Block] = []
    for draft in drafts:
        boxes = tuple(
            fraction(line.left, line.top, line.right, line.bottom, lines.width, lines.height)
            for line in draft.lines
        )
        block = blocks.make(draft.kind, draft.text, level=draft.level, boxes=boxes)
        if block is not None:
            made.append(block)
    return Page(
        number=number,
        blocks=tuple(made),
        width=round(lines.width, 2),
        height=round(lines.height, 2),
        is_image=is_image,
    )


@contextmanager
def _text_page(
    document: pdfium.PdfDocument, index: int
) -> Iterator[tuple[pdfium.PdfPage, pdfium.PdfTextPage]]:
    page = document[index]
    try:
        text_page = page.get_textpage()
        try:
            yield page, text_page
        finally:
            text_page.close()
    finally:
        page.close()


def _is_scan(page: pdfium.PdfPage, lines: Sequence[Line], area: float) -> bool:
    """Tell whether there is something to see on the page and next to nothing to read."""
    letters = 0
    for line in lines:
        letters += sum(c.isalnum() for c in line.text)
        if letters >= _SCAN_TEXT:
            return False
    count = raw.FPDFPage_CountObjects(page.raw)
    if letters == 0:
        return bool(count > 0)
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    for index in range(min(count, 500)):
        item = raw.FPDFPage_GetObject(page.raw, index)
        if raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_IMAGE:
            raw.FPDFPageObj_GetBounds(item, left, bottom, right, top)
            if (right.value - left.value) * (top.value - bottom.value) > 0.4 * area:
                return True
    return False


class _Geometry:
    """From PDF coordinates to points from the top left of the page as shown (crop box, rotation)."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        width, height = page.get_size()
        size = (max(1, round(width * 100)), max(1, round(height * 100)))
        x, y = ctypes.c_int(), ctypes.c_int()

        def shown(px: float, py: float) -> tuple[float, float]:
            raw.FPDF_PageToDevice(page.raw, 0, 0, *size, 0, px, py, x, y)
            return x.value / 100, y.value / 100

        self._x0, self._y0 = shown(0, 0)
        x1, y1 = shown(1000, 0)
        x2, y2 = shown(0, 1000)
        self._xx, self._xy = (x1 - self._x0) / 1000, (x2 - self._x0) / 1000
        self._yx, self._yy = (y1 - self._y0) / 1000, (y2 - self._y0) / 1000

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return where (x, y) is shown."""
        return self._x0 + self._xx * x + self._xy * y, self._y0 + self._yx * x + self._yy * y

    def box(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom of a rectangle as shown."""
        x1, y1 = self.point(left, bottom)
        x2, y2 = self.point(right, top)
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)

    def upright(self, matrix: raw.FS_MATRIX) -> bool:
        """Tell whether letters under ``matrix`` stand upright as shown."""
        dx = self._xx * matrix.a + self._xy * matrix.b
        dy = self._yx * matrix.a + self._yy * matrix.b
        return bool(dx > 0 and abs(dy) < 0.1 * dx)


class _Characters:
    """The characters of a page as PDFium numbers them, and rectangles over runs of them."""

    def __init__(self, page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> None:
        self.raw = text_page.raw
        self.geometry = _Geometry(page)
        self.text = self._text()
        self._doubles = tuple(ctypes.c_double() for _ in range(4))

    def _text(self) -> str:
        """Return one code point per character; PDFium's own text may leave out or insert some."""
        count = raw.FPDFText_CountChars(self.raw)
        if count <= 0:
            return ""
        buffer = (ctypes.c_ushort * (count + 1))()
        written = raw.FPDFText_GetText(self.raw, 0, count, buffer) - 1
        text = bytes(memoryview(buffer)[:written]).decode("utf-16-le", "replace")
        if written == count == len(text):
            return text
        codes = (raw.FPDFText_GetUnicode(self.raw, i) for i in range(count))
        return "".join(
            chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd" for code in codes
        )

    def rectangles(self, start: int, count: int) -> list[tuple[float, float, float, float]]:
        """Return left, top, right, bottom as shown, one per run of text drawn together."""
        left, top, right, bottom = self._doubles
        found = []
        for index in range(raw.FPDFText_CountRects(self.raw, start, count)):
            if raw.FPDFText_GetRect(self.raw, index, left, top, right, bottom):
                found.append(self.geometry.box(left.value, bottom.value, right.value, top.value))
        return found

    def character_box(self, index: int) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom of one character as shown."""
        left, right, bottom, top = self._doubles
        if not raw.FPDFText_GetCharBox(self.raw, index, left, right, bottom, top):
            return 0.0, 0.0, 0.0, 0.0
        return self.geometry.box(left.value, bottom.value, right.value, top.value)

    def origin(self, index: int) -> tuple[float, float]:
        """Return where the character stands, as shown."""
        x, y = self._doubles[:2]
        if not raw.FPDFText_GetCharOrigin(self.raw, index, x, y):
            return 0.0, 0.0
        return self.geometry.point(x.value, y.value)


@dataclass(slots=True)
class _Face:
    size: float
    bold: bool
    mono: bool
    upright: bool


class _Extraction:
    """Takes the lines off one page."""

    def __init__(self, page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> None:
        self._characters = _Characters(page, text_page)
        self._raw = text_page.raw
        self._matrix = raw.FS_MATRIX()
        self._name = ctypes.create_string_buffer(128)
        self._flags = ctypes.c_int()

    def lines(self) -> list[Line]:
        """Return the lines as written."""
        found: list[Line] = []
        for match in _SEGMENT.finditer(self._characters.text):
            if match.group() in "\ufffe\x02":
                if found:
                    found[-1].hyphen = True
                continue
            found.extend(self._parts(match.start(), match.group()))
        return [line for line in found if line.text.strip()]

    def _parts(self, start: int, text: str) -> list[Line]:
        first = len(text) - len(text.lstrip())
        if first == len(text):
            return []
        rectangles = self._characters.rectangles(start, len(text))
        if not rectangles:
            return []
        middle = len(text) // 2
        while text[middle].isspace():
            middle -= 1
        face = self._face(start + max(middle, first))  # the first letter may be a bullet of another size
        height = max(bottom - top for _, top, _, bottom in rectangles)
        if not 0.4 * height <= face.size <= 6 * height:
            face.size = max(height, 1.0)
        last = start + len(text.rstrip()) - 1
        face.bold = face.bold and self._is_bold(last)
        face.mono = (
            face.mono and self._face(start + first).mono and self._face(last).mono
        )  # not code within prose
        gaps = _white_gaps(rectangles, _WIDE_GAP * face.size)
        if not gaps:
            return [self._line(start, text, rectangles, face)]
        return [
            self._line(start + a, text[a:b], self._characters.rectangles(start + a, b - a), face)
            for a, b in self._columns(start, text, gaps)
        ]

    def _columns(self, start: int, text: str, gaps: list[float]) -> list[tuple[int, int]]:
        """Cut a line at its white gaps; returns spans of ``text`` without the spaces between."""
        spans: list[list[int]] = []
        column = -1
        for offset, character in enumerate(text):
            if character.isspace():
                continue
            left, _, right, _ = self._characters.character_box(start + offset)
            at = sum((left + right) / 2 > gap for gap in gaps)
            if at != column or not spans:
                spans.append([offset, offset + 1])
                column = at
            spans[-1][1] = offset + 1
        return [(a, b) for a, b in spans]

    def _line(
        self, start: int, text: str, rectangles: Sequence[tuple[float, float, float, float]], face: _Face
    ) -> Line:
        left = min(box[0] for box in rectangles) if rectangles else 0.0
        right = max(box[2] for box in rectangles) if rectangles else 0.0
        top = min(box[1] for box in rectangles) if rectangles else 0.0
        bottom = max(box[3] for box in rectangles) if rectangles else 0.0
        baseline = bottom
        if face.upright:
            first = len(text) - len(text.lstrip())
            x, baseline = self._characters.origin(start + first)
            if face.mono and first:  # the indent of code, which PDFium gives as one space
                left, text, start = max(left, x), text[first:], start + first
            top, bottom = baseline - 0.80 * face.size, baseline + 0.24 * face.size
            text = self._with_raised_marks(start, text, baseline, face.size)
        return Line(
            text=text.replace("\u00ad", ""),
            left=left,
            top=top,
            right=right,
            bottom=bottom,
            baseline=baseline,
            size=face.size,
            bold=face.bold,
            mono=face.mono,
            hyphen=text.endswith("\u00ad"),
            start=start,
            count=len(text),
        )

    def _with_raised_marks(self, start: int, text: str, baseline: float, size: float) -> str:
        """Write the small raised numbers of footnotes as such (``patients.¹``), not as figures."""

        def raised(match: re.Match[str]) -> str:
            index = start + match.start()
            high = baseline - self._characters.origin(index)[1] > 0.15 * size
            return match.group().translate(notemarks.RAISED) if high else match.group()

        return _MARK.sub(raised, text)

    def _face(self, index: int) -> _Face:
        size = raw.FPDFText_GetFontSize(self._raw, index)
        upright = True
        if raw.FPDFText_GetMatrix(self._raw, index, self._matrix):
            size *= math.hypot(self._matrix.c, self._matrix.d)
            upright = self._characters.geometry.upright(self._matrix)
        bold = self._is_bold(index)
        mono = bool(self._flags.value & 1) or bool(_MONO_NAME.search(self._font_name()))
        return _Face(float(size), bold, mono, upright)

    def _is_bold(self, index: int) -> bool:
        self._name.value = b""
        self._flags.value = 0
        raw.FPDFText_GetFontInfo(self._raw, index, self._name, len(self._name), self._flags)
        if raw.FPDFText_GetFontWeight(self._raw, index) >= 600 or self._flags.value & (1 << 18):
            return True
        return bool(_BOLD_NAME.search(self._font_name()))

    def _font_name(self) -> str:
        return self._name.value.decode("latin-1")


def _white_gaps(rectangles: Sequence[tuple[float, float, float, float]], width: float) -> list[float]:
    """Return the middles of the gaps wider than ``width`` between rectangles of one line."""
    if len(rectangles) < 2:
        return []
    spans = sorted((box[0], box[2]) for box in rectangles)
    gaps = []
    reach = spans[0][1]
    for left, right in spans[1:]:
        if left - reach > width:
            gaps.append((left + reach) / 2)
        reach = max(reach, right)
    return gaps
