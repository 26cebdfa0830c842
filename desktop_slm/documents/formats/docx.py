"""Word documents (.docx) read straight from their XML, without building an object model.

Format: ECMA-376 part 1, WordprocessingML. External entities and document types are refused, sizes are checked
before anything is unpacked.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from desktop_slm.documents import limits
from desktop_slm.documents.formats import build
from desktop_slm.documents.formats.content import Content
from desktop_slm.errors import DocumentDamaged, DocumentEmpty, DocumentTooLarge, DocumentUnsupported

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_HEADING_STYLE = re.compile(
    r"(?i)^(?:heading|überschrift|titre|título|titolo|kop|rubrik|nagłówek|заголовок)\s*(\d)$"
)


def read(data: bytes, name: str) -> Content:
    """Read a Word document.

    Raises:
        DocumentDamaged, DocumentEmpty, DocumentTooLarge, DocumentUnsupported: As they say.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _Word(_Package(archive), name).content()
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ParseError,
        KeyError,
        NotImplementedError,
        UnicodeError,
    ) as error:
        raise _damaged() from error
    except (OSError, ValueError, RuntimeError) as error:  # zipfile: bad offsets, encrypted members
        if isinstance(error, DefusedXmlException):
            raise DocumentUnsupported(
                "The Word document contains XML that no word processor writes",
                "It was not read, for your safety.",
            ) from error
        raise _damaged() from error


def _damaged() -> DocumentDamaged:
    return DocumentDamaged(
        "The Word document is damaged and cannot be read", "Get the file again from where it came from."
    )


class _Package:
    """The archive, with its sizes checked before anything is unpacked."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        members = archive.infolist()
        packed = sum(max(member.compress_size, 1) for member in members)
        unpacked = sum(member.file_size for member in members)
        worst = max(
            (m.file_size / max(m.compress_size, 1) for m in members if m.file_size > 1 << 20), default=0
        )
        if (
            len(members) > limits.ARCHIVE_MEMBERS
            or worst > limits.ARCHIVE_RATIO
            or (unpacked > 1 << 20 and unpacked > limits.ARCHIVE_RATIO * packed)
        ):
            raise DocumentTooLarge(
                "The Word document unpacks to far more than its size", "It was not read, for your safety."
            )
        self._sizes = {member.filename: member.file_size for member in members}

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def root(self, name: str) -> Element:
        """Parse a member into a tree, depth and entities limited."""
        with self._archive.open(name) as member:
            return _parse(_Bounded(member, self._sizes[name]))

    def first(self, *names: str) -> Element | None:
        """Return the root of the first member there is."""
        for name in names:
            if name in self:
                return self.root(name)
        return None


class _Bounded(io.RawIOBase):
    """A member that may not yield more bytes than the archive's directory says."""

    def __init__(self, member: IO[bytes], size: int) -> None:
        self._member = member
        self._left = size

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes."""
        data = self._member.read(65_536 if size < 0 else size)
        self._left -= len(data)
        if self._left < 0:
            raise _damaged()
        return data


def _parse(source: IO[bytes] | io.RawIOBase) -> Element:
    depth = 0
    root: Element | None = None
    for event, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
        if event == "start":
            depth += 1
            root = element if root is None else root
            if depth > limits.XML_DEPTH:
                raise DocumentTooLarge(
                    "The Word document is nested too deeply to be read safely",
                    "It was not read, for your safety.",
                )
        else:
            depth -= 1
    if root is None:
        raise _damaged()
    return root


class _Word:
    """One pass over a Word document."""

    def __init__(self, package: _Package, name: str) -> None:
        self._package = package
        self._name = name
        self._flow = build.Flow()
        self._main = _main_part(package)
        self._folder = posixpath.dirname(self._main)
        self._w = _W
        self._style_kind: dict[str, tuple[str, int]] = {}
        self._numbered: dict[tuple[str, str], bool] = {}
        self._rendered_breaks = False
        self._notes: list[str] = []

    def content(self) -> Content:
        """Read everything."""
        root = self._package.root(self._main)
        if root.tag.startswith(_STRICT):
            self._w = _STRICT
        body = root.find(f"{self._w}body")
        if body is None:
            raise _damaged()
        self._read_styles()
        self._read_numbering()
        footnotes = {**self._notes_of("footnotes"), **self._notes_of("endnotes")}
        self._rendered_breaks = next(root.iter(f"{self._w}lastRenderedPageBreak"), None) is not None
        self._headers("header")
        self._walk(body, footnotes, 0)
        self._flush_notes()
        self._headers("footer")
        if not any(block.kind != "header" for block in self._flow.blocks):
            raise DocumentEmpty("The Word document has no text", "Choose a file with text in it.")
        pages = self._flow.pages()
        unit = self._flow.has_pages
        return Content(
            build.choose_title(self._title(), pages, self._name), pages, "page" if unit else "part"
        )

    def _part(self, name: str) -> str:
        return posixpath.join(self._folder, name)

    def _title(self) -> str:
        core = self._package.first("docProps/core.xml")
        if core is None:
            return ""
        found = core.find("{http://purl.org/dc/elements/1.1/}title")
        return (found.text or "") if found is not None else ""

    def _read_styles(self) -> None:
        """Learn which styles are headings, titles, lists, captions, contents and code."""
        root = self._package.first(self._part("styles.xml"))
        if root is None:
            return
        w = self._w
        based: dict[str, str] = {}
        for style in root.iter(f"{w}style"):
            identity = style.get(f"{w}styleId", "")
            name_element = style.find(f"{w}name")
            name = (name_element.get(f"{w}val", "") if name_element is not None else "") or identity
            parent = style.find(f"{w}basedOn")
            if parent is not None:
                based[identity] = parent.get(f"{w}val", "")
            outline = style.find(f"{w}pPr/{w}outlineLvl")
            kind = _style_kind(name, outline.get(f"{w}val", "") if outline is not None else "")
            if kind is None and style.find(f"{w}pPr/{w}numPr/{w}numId") is not None:
                kind = ("list_item", 1)
            if kind is not None:
                self._style_kind[identity] = kind
        for identity in list(based):
            seen = {identity}
            parent_id = based[identity]
            while identity not in self._style_kind and parent_id and parent_id not in seen:
                if parent_id in self._style_kind:
                    self._style_kind[identity] = self._style_kind[parent_id]
                seen.add(parent_id)
                parent_id = based.get(parent_id, "")

    def _read_numbering(self) -> None:
        """Learn which lists number their items."""
        root = self._package.first(self._part("numbering.xml"))
        if root is None:
            return
        w = self._w
        formats: dict[tuple[str, str], bool] = {}
        for abstract in root.iter(f"{w}abstractNum"):
            for level in abstract.iter(f"{w}lvl"):
                form = level.find(f"{w}numFmt")
                value = form.get(f"{w}val", "bullet") if form is not None else "bullet"
                key = (abstract.get(f"{w}abstractNumId", ""), level.get(f"{w}ilvl", "0"))
                formats[key] = value not in ("bullet", "none")
        for number in root.iter(f"{w}num"):
            target = number.find(f"{w}abstractNumId")
            abstract_id = target.get(f"{w}val", "") if target is not None else ""
            for (identity, level_id), numbered in formats.items():
                if identity == abstract_id:
                    self._numbered[(number.get(f"{w}numId", ""), level_id)] = numbered

    def _notes_of(self, kind: str) -> dict[tuple[str, str], str]:
        root = self._package.first(self._part(f"{kind}.xml"))
        if root is None:
            return {}
        singular = kind[:-1]
        notes = {}
        for note in root.iter(f"{self._w}{singular}"):
            if note.get(f"{self._w}type") is None:
                text = " ".join(self._text(p) for p in note.iter(f"{self._w}p"))
                notes[(singular, note.get(f"{self._w}id", ""))] = build.clean(text)
        return notes

    def _headers(self, kind: str) -> None:
        """Add the running headers or footers once, labelled as such."""
        seen: set[str] = set()
        for number in range(1, 40):
            name = self._part(f"{kind}{number}.xml")
            if name not in self._package:
                continue
            for paragraph in self._package.root(name).iter(f"{self._w}p"):
                text = build.clean(self._text(paragraph))
                if text and text not in seen and re.search(r"[^\W\d_]{2}", text):
                    seen.add(text)
                    self._flow.add("header", text)

    def _walk(self, parent: Element, footnotes: dict[tuple[str, str], str], depth: int) -> None:
        w = self._w
        for element in parent:
            if element.tag == f"{w}p":
                self._paragraph(element, footnotes)
            elif element.tag == f"{w}tbl":
                self._table(element, footnotes)
            elif element.tag == f"{w}sdt":
                content = element.find(f"{w}sdtContent")
                if content is not None:
                    self._walk(content, footnotes, depth + 1)
            elif element.tag in (f"{w}ins", f"{w}moveTo", f"{w}customXml", f"{w}smartTag"):
                self._walk(element, footnotes, depth + 1)

    def _paragraph(self, paragraph: Element, footnotes: dict[tuple[str, str], str]) -> None:
        """Add a paragraph, cut at the page breaks in it."""
        w = self._w
        properties = paragraph.find(f"{w}pPr")
        if properties is not None and self._is_on(properties.find(f"{w}pageBreakBefore")):
            self._break(explicit=True)
        kind, level = self._kind(properties)
        text: list[str] = []
        for piece in self._pieces(paragraph, footnotes):
            if piece in ("\f", "\v"):
                self._add(kind, level, "".join(text))
                text.clear()
                self._break(explicit=piece == "\f")
            else:
                text.append(piece)
        self._add(kind, level, "".join(text))
        section = properties.find(f"{w}sectPr") if properties is not None else None
        if section is not None:
            form = section.find(f"{w}type")
            if form is None or form.get(f"{w}val") not in ("continuous", "nextColumn"):
                self._break(explicit=True)

    def _is_on(self, switch: Element | None) -> bool:
        """Tell whether a switch is there and not set to off."""
        return switch is not None and switch.get(f"{self._w}val", "1") not in ("0", "false", "off")

    def _break(self, *, explicit: bool) -> None:
        """Begin a page. With breaks as last laid out, an explicit one shows up too: it counts once."""
        if explicit and self._rendered_breaks:
            return
        self._flush_notes()
        self._flow.page_break()

    def _flush_notes(self) -> None:
        """Add the footnotes of the page that ends."""
        for note in self._notes:
            self._flow.add("note", note)
        self._notes.clear()

    def _kind(self, properties: Element | None) -> tuple[str, int]:
        w = self._w
        if properties is None:
            return self._style_kind.get("", ("paragraph", 0))
        style = properties.find(f"{w}pStyle")
        kind = self._style_kind.get(style.get(f"{w}val", "") if style is not None else "", ("paragraph", 0))
        outline = properties.find(f"{w}outlineLvl")
        if kind[0] == "paragraph" and outline is not None and outline.get(f"{w}val", "9").isdigit():
            level = int(outline.get(f"{w}val", "9"))
            if level < 9:
                return "heading", level + 1
        numbering = properties.find(f"{w}numPr")
        if numbering is not None and kind[0] in ("paragraph", "list_item"):
            indent = numbering.find(f"{w}ilvl")
            depth = indent.get(f"{w}val", "0") if indent is not None else "0"
            number = numbering.find(f"{w}numId")
            if number is None or number.get(f"{w}val") != "0":
                return "list_item", int(depth) + 1 if depth.isdigit() and len(depth) < 3 else 1
        return kind

    def _add(self, kind: str, level: int, text: str) -> None:
        if not text.strip():
            return
        match kind:
            case "heading":
                self._flow.add("heading", text, level=level)
            case "list_item":
                self._flow.add("list_item", text, level=level)
            case "caption":
                self._flow.add("caption", text)
            case "code":
                self._flow.add("code", text)
            case "contents":
                self._flow.add("header", text.replace("\t", " "))
            case _:
                self._flow.add("paragraph", text)

    def _table(self, table: Element, footnotes: dict[tuple[str, str], str]) -> None:
        """Add a table; one that only lays out a page becomes its paragraphs."""
        w = self._w
        rows: list[list[str]] = []
        for row in _children(table, f"{w}tr", (f"{w}sdt", f"{w}sdtContent", f"{w}ins")):
            cells = list(_children(row, f"{w}tc", (f"{w}sdt", f"{w}sdtContent")))
            rows.append([" ".join(self._cell(cell, footnotes)) for cell in cells])
        if rows and max(len(row) for row in rows) == 1:
            for line in rows:
                self._flow.add("paragraph", "".join(line))
            return
        self._flow.add("table", build.table_text(rows))

    def _cell(self, cell: Element, footnotes: dict[tuple[str, str], str]) -> Iterator[str]:
        for paragraph in cell.iter(f"{self._w}p"):
            text = "".join(p for p in self._pieces(paragraph, footnotes) if p not in ("\f", "\v"))
            if text.strip():
                yield text.strip()

    def _text(self, paragraph: Element) -> str:
        return "".join(p for p in self._pieces(paragraph, {}) if p not in ("\f", "\v"))

    def _pieces(self, element: Element, footnotes: dict[tuple[str, str], str]) -> Iterator[str]:
        """Yield the text of a paragraph in order; ``\\f`` for a page break and ``\\v`` for a laid-out one."""
        w = self._w
        for child in element:
            tag = child.tag
            if tag == f"{w}t":
                yield child.text or ""
            elif tag in (f"{w}tab", f"{w}ptab"):
                yield "\t"
            elif tag == f"{w}br":
                yield "\f" if child.get(f"{w}type") == "page" else "\n"
            elif tag == f"{w}cr":
                yield "\n"
            elif tag == f"{w}noBreakHyphen":
                yield "-"
            elif tag == f"{w}lastRenderedPageBreak":
                yield "\v"
            elif tag in (f"{w}footnoteReference", f"{w}endnoteReference"):
                note = footnotes.get((tag.removeprefix(w).removesuffix("Reference"), child.get(f"{w}id", "")))
                if note:
                    self._notes.append(note)
            elif tag == f"{_MC}AlternateContent":
                choice = child.find(f"{_MC}Choice")
                if choice is not None:
                    yield from self._pieces(choice, footnotes)
            elif tag not in (
                f"{w}del",
                f"{w}moveFrom",
                f"{w}pPr",
                f"{w}rPr",
                f"{w}instrText",
                f"{w}delText",
                f"{_MC}Fallback",
            ):
                if tag == f"{w}p":
                    yield " "
                yield from self._pieces(child, footnotes)


def _children(parent: Element, tag: str, through: tuple[str, ...]) -> Iterator[Element]:
    """Yield children of ``tag``, looking into the wrappers ``through``."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in through:
            yield from _children(child, tag, through)


def _main_part(package: _Package) -> str:
    """Return the name of the document part, from the package's relationships."""
    relations = package.first("_rels/.rels")
    if relations is not None:
        for relation in relations:
            target = relation.get("Target", "").lstrip("/")
            if relation.get("Type", "").endswith("/officeDocument") and target in package:
                return target
    if "word/document.xml" in package:
        return "word/document.xml"
    raise _damaged()


def _style_kind(name: str, outline: str) -> tuple[str, int] | None:
    lower = name.casefold()
    heading = _HEADING_STYLE.match(name)
    if heading:
        return "heading", max(1, int(heading.group(1)))
    if outline.isdigit() and int(outline) < 9:
        return "heading", int(outline) + 1
    if lower == "title":
        return "heading", 1
    if lower.startswith(("toc", "table of ", "index ")):
        return "contents", 0
    if lower.startswith("list ") and "paragraph" not in lower:
        return "list_item", 1
    if lower == "caption":
        return "caption", 0
    if any(word in lower for word in ("code", "preformatted", "macro text", "html sample")):
        return "code", 0
    return None
