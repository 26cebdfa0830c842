"""A finished summary as a file: Markdown, HTML or Word, with its citations and what was read.

The result comes as plain data (the fields of `tasks.events.SummaryDone`); this room does not know tasks.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

from desktop_slm.errors import InvalidRequest

SummaryFormat = Literal["md", "html", "docx"]
_QUOTED = "Quoted from the document"
_ACROSS = "Across all documents"
_XML_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class CitedLike(Protocol):
    """A place in a document."""

    @property
    def page(self) -> int: ...  # noqa: D102
    @property
    def quote(self) -> str: ...  # noqa: D102
    @property
    def document(self) -> str: ...  # noqa: D102


class SentenceLike(Protocol):
    """A sentence of a summary."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def citations(self) -> Sequence[CitedLike]: ...  # noqa: D102
    @property
    def supported(self) -> bool: ...  # noqa: D102
    @property
    def quoted(self) -> bool: ...  # noqa: D102


class SectionLike(Protocol):
    """A section of the outline."""

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def page(self) -> int: ...  # noqa: D102
    @property
    def notes(self) -> Sequence[SentenceLike]: ...  # noqa: D102


class SkippedLike(Protocol):
    """A page that was not read."""

    @property
    def page(self) -> int: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102


class CoverageLike(Protocol):
    """What was read."""

    @property
    def pages(self) -> int: ...  # noqa: D102
    @property
    def read(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def skipped(self) -> Sequence[SkippedLike]: ...  # noqa: D102


class SummaryLike(Protocol):
    """A finished summary."""

    @property
    def sentences(self) -> Sequence[SentenceLike]: ...  # noqa: D102
    @property
    def outline(self) -> Sequence[SectionLike]: ...  # noqa: D102
    @property
    def coverage(self) -> CoverageLike: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102


def write_summary(
    result: SummaryLike,
    fmt: SummaryFormat,
    *,
    title: str = "",
    style: str = "paragraph",
    unit: str = "page",
    names: Mapping[str, str] | None = None,
) -> bytes:
    """Return a summary as a file.

    Args:
        result: The summary.
        fmt: ``md``, ``html`` or ``docx``.
        title: Of the document, for the heading.
        style: ``paragraph``, ``bullets`` or ``sections``.
        unit: What page numbers count: ``page`` or ``part``.
        names: The file names of documents, by what citations call them.

    Raises:
        InvalidRequest: Another format.
    """
    sheet = _Sheet(result, title or "Summary", style, unit, names or {})
    match fmt:
        case "md":
            return sheet.markdown().encode()
        case "html":
            return sheet.html().encode()
        case "docx":
            return sheet.docx()
    raise InvalidRequest(f"There is no export format {fmt}", "Choose md, html or docx.")


def coverage_sentence(coverage: CoverageLike, unit: str = "page") -> str:
    """Return what was read in one sentence: ``Pages 1-212 read; 9 and 77 skipped: scans without text.``"""
    name = unit.capitalize()
    read = f"{name}s {_ranges(coverage.read)} read" if coverage.read else f"No {unit} was read"
    if len(coverage.read) == 1:
        read = f"{name} {coverage.read[0]} read"
    skipped: dict[str, list[int]] = {}
    for page in coverage.skipped:
        skipped.setdefault(page.reason, []).append(page.page)
    parts = [f"{_ranges(pages)} skipped: {reason.rstrip('.')}" for reason, pages in skipped.items()]
    return "; ".join([read, *parts]) + "."


def _ranges(numbers: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [str(a) if a == b else f"{a}-{b}" for a, b in runs]
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + f" and {texts[-1]}"


class _Sheet:
    """The parts of the file, put together once per format."""

    def __init__(
        self, result: SummaryLike, title: str, style: str, unit: str, names: Mapping[str, str]
    ) -> None:
        self._result = result
        self._title = _XML_FORBIDDEN.sub("", title)
        self._style = style
        self._unit = unit
        self._coverage = coverage_sentence(result.coverage, unit)
        self._names = names
        shown = [*result.sentences, *(note for section in result.outline for note in section.notes)]
        self._several = len({c.document for sentence in shown for c in sentence.citations}) > 1

    def _name(self, cited: CitedLike) -> str:
        return _clean(self._names.get(cited.document, cited.document))

    def _places(self, sentence: SentenceLike) -> str:
        """Return the citations in brackets: ``(pages 3, 12)``, with names if of several documents."""
        if not sentence.supported:
            return "(not found in the document)"
        if not sentence.citations:
            return ""
        if self._several:
            names = dict.fromkeys(f"{self._name(c)}, {self._unit} {c.page}" for c in sentence.citations)
            place = "; ".join(names)
        else:
            pages = sorted({c.page for c in sentence.citations})
            place = f"{self._unit}{'s' if len(pages) > 1 else ''} {', '.join(map(str, pages))}"
        return f"({_QUOTED}, {place})" if sentence.quoted else f"({place})"

    def _body(self) -> list[tuple[str, Sequence[SentenceLike]]]:
        """Return (heading, sentences): one group, or one per section, or across and one per document."""
        outline = [(section.title, section.notes) for section in self._result.outline if section.notes]
        if self._several and outline:
            across = [(_ACROSS, self._result.sentences)] if self._result.sentences else []
            return [*across, *outline]
        if self._style == "sections" and outline:
            return list(outline)
        return [("", self._result.sentences)]

    def _groups(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return (heading, [(text, places)]) of the body; quotes in quotation marks."""
        return [
            (
                heading,
                [(f"“{_clean(s.text)}”" if s.quoted else _clean(s.text), self._places(s)) for s in sentences],
            )
            for heading, sentences in self._body()
        ]

    def _quotes(self) -> list[tuple[str, str]]:
        """Return (place, quote) of all citations of the body, in the order of pages."""
        found: dict[tuple[str, int, str], None] = {}
        for _, sentences in self._body():
            for cited in (cited for sentence in sentences for cited in sentence.citations):
                found[(self._name(cited) if self._several else "", cited.page, _clean(cited.quote))] = None
        return [
            (f"{name}, {self._unit} {page}" if name else f"{self._unit.capitalize()} {page}", quote)
            for name, page, quote in sorted(found)
        ]

    def _made_by(self) -> str:
        return f"Written by the model {self._result.model} on this computer." if self._result.model else ""

    def markdown(self) -> str:
        """Return Markdown."""
        lines = [f"# {_escaped(self._title)}", ""]
        for heading, items in self._groups():
            if heading:
                lines += [f"## {_escaped(heading)}", ""]
            texts = [f"{_escaped(text)} {places}".strip() for text, places in items]
            if self._style == "paragraph":
                lines += [" ".join(texts), ""]
            else:
                lines += [*(f"- {text}" for text in texts), ""]
        if self._quotes():
            lines += ["## Sources", ""]
            lines += [f"- {_escaped(place)}: “{_escaped(quote)}”" for place, quote in self._quotes()]
            lines.append("")
        lines += [f"*{part}*" for part in (self._coverage, self._made_by()) if part]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """Return a page without scripts, images or links."""
        body = [f"<h1>{html.escape(self._title)}</h1>"]
        for heading, items in self._groups():
            if heading:
                body.append(f"<h2>{html.escape(heading)}</h2>")
            texts = [f"{html.escape(text)} <small>{html.escape(places)}</small>" for text, places in items]
            if self._style == "paragraph":
                body.append(f"<p>{' '.join(texts)}</p>")
            else:
                body.append("<ul>" + "".join(f"<li>{text}</li>" for text in texts) + "</ul>")
        if self._quotes():
            body.append("<h2>Sources</h2><ul>")
            # Quotation marks as text: those of <q> are made by browsers, and not by what prints the PDF.
            body += [f"<li>{html.escape(p)}: “{html.escape(q)}”</li>" for p, q in self._quotes()]
            body.append("</ul>")
        body.append(f"<p><small>{html.escape(self._coverage)} {html.escape(self._made_by())}</small></p>")
        style = (
            "body{font:16px/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}small{color:#666}"
        )
        return (
            '<!doctype html>\n<html>\n<head>\n<meta charset="utf-8">\n'
            f"<title>{html.escape(self._title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
            + "\n".join(body)
            + "\n</body>\n</html>\n"
        )

    def docx(self) -> bytes:
        """Return a Word document."""
        import docx  # half a second; only when asked for

        document = docx.Document()
        document.core_properties.title = self._title[:250]
        document.core_properties.author = ""
        document.core_properties.comments = ""
        document.add_heading(self._title, 0)
        for heading, items in self._groups():
            if heading:
                document.add_heading(_clean(heading), 1)
            paragraph = document.add_paragraph() if self._style == "paragraph" else None
            for text, places in items:
                target = paragraph if paragraph is not None else document.add_paragraph(style="List Bullet")
                target.add_run(f"{text} ")
                target.add_run(f"{places} " if places else "").italic = True
        if self._quotes():
            document.add_heading("Sources", 1)
            for place, quote in self._quotes():
                document.add_paragraph(f"{place}: “{quote}”", style="List Bullet")
        document.add_paragraph(f"{self._coverage} {self._made_by()}".strip())
        target_file = io.BytesIO()
        document.save(target_file)
        return target_file.getvalue()


def _clean(text: str) -> str:
    """Return ``text`` on one line and without characters that XML forbids."""
    return " ".join(_XML_FORBIDDEN.sub("", text).split())


def _escaped(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", text)
