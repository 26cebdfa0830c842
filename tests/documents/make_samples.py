"""Write the sample report as PDF and DOCX into ``resources/samples``; the same bytes every time.

Run by hand after a change of `sample_report`: ``python tests/documents/make_samples.py``.
"""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from pathlib import Path

import docx
from docx.enum.text import WD_TAB_ALIGNMENT, WD_TAB_LEADER
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt
from reportlab import rl_config
from reportlab.graphics.shapes import Drawing, Rect, String
from reportlab.lib import colors
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import letter
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import inch
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents
from sample_report import ORGANIZATION, REPORT, SUBTITLE, TITLE

SAMPLES = Path(__file__).resolve().parents[2] / "resources" / "samples"
NAME = "riverside-annual-report-2025"
ACCENT = colors.HexColor("#1f5f5b")

BODY = ParagraphStyle(
    "body", fontName="Times-Roman", fontSize=12, leading=17.5, spaceAfter=9, alignment=TA_JUSTIFY
)
BOLD = ParagraphStyle("bold", fontName="Helvetica-Bold", keepWithNext=1)
H1 = ParagraphStyle("h1", BOLD, fontSize=19, leading=24, spaceBefore=16, spaceAfter=10, textColor=ACCENT)
H2 = ParagraphStyle("h2", BOLD, fontSize=13, leading=17, spaceBefore=9, spaceAfter=6)
ITEM = ParagraphStyle("item", parent=BODY, leftIndent=16, bulletIndent=4, spaceAfter=5)
CAPTION = ParagraphStyle("caption", fontName="Helvetica-Oblique", fontSize=9, leading=12, spaceAfter=12)
COVER = ParagraphStyle("cover", fontName="Helvetica-Bold", fontSize=30, leading=37, textColor=ACCENT)
UNDER = ParagraphStyle("under", fontName="Helvetica", fontSize=14, leading=20, spaceBefore=14)
CELL = ParagraphStyle("cell", fontName="Helvetica", fontSize=9.5, leading=12)


class Note(Flowable):
    """Tells the page that it carries a footnote; takes no room itself."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__()
        self.text, self.number = text, number

    def wrap(self, *_: object) -> tuple[float, float]:
        return 0, 0

    def draw(self) -> None:
        self.canv.notes = [*getattr(self.canv, "notes", []), (self.number, self.text)]


class Report(BaseDocTemplate):
    """Cover, contents, running lines, outline and footnotes."""

    def __init__(self, target: io.BytesIO) -> None:
        super().__init__(
            target, pagesize=letter, title=TITLE, author=ORGANIZATION, subject="Sample document", invariant=1
        )
        width, height = letter
        frame = Frame(1.1 * inch, 1.25 * inch, width - 2.2 * inch, height - 2.3 * inch, id="text")
        self.addPageTemplates(
            [
                PageTemplate("cover", [frame], autoNextPageTemplate="text"),
                PageTemplate("text", [frame], onPage=self.running, onPageEnd=self.footnotes),
            ]
        )
        self.keys = 0

    def running(self, canvas, _) -> None:
        canvas.saveState()
        width, height = letter
        canvas.setFont("Helvetica", 8.5)
        canvas.setFillColor(colors.HexColor("#555555"))
        canvas.drawString(1.1 * inch, height - 0.65 * inch, ORGANIZATION)
        canvas.drawRightString(width - 1.1 * inch, height - 0.65 * inch, "Annual Report 2025")
        canvas.drawCentredString(width / 2, 0.55 * inch, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    def footnotes(self, canvas, _) -> None:
        notes = getattr(canvas, "notes", [])
        y = 1.18 * inch
        style = ParagraphStyle("note", fontName="Times-Roman", fontSize=8.5, leading=10)
        if notes:
            canvas.line(1.1 * inch, y, 2.9 * inch, y)
        for number, text in notes:
            paragraph = Paragraph(f"<super>{number}</super> {text}", style)
            _, used = paragraph.wrap(letter[0] - 2.2 * inch, inch)
            y -= used + 3
            paragraph.drawOn(canvas, 1.1 * inch, y)
        canvas.notes = []

    def afterFlowable(self, flowable) -> None:
        level = {"h1": 0, "h2": 1}.get(getattr(getattr(flowable, "style", None), "name", ""))
        if level is None:
            return
        self.keys += 1
        key = f"k{flowable.getPlainText()}"
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(flowable.getPlainText(), key, level)
        self.notify("TOCEntry", (level, flowable.getPlainText(), self.page, key))


def pdf_table(rows: list[list[str]]) -> Table:
    table = Table(rows, hAlign="LEFT", colWidths=[2.55 * inch] + [1.25 * inch] * (len(rows[0]) - 1))
    bold = [i for i, row in enumerate(rows) if row[0].startswith(("Total", "All", "Surplus"))]
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), "Helvetica", 9.5),
                ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 9.5),
                ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, ACCENT),
                ("LINEBELOW", (0, -1), (-1, -1), 0.8, ACCENT),
                *[("FONT", (0, i), (-1, i), "Helvetica-Bold", 9.5) for i in bold],
            ]
        )
    )
    return table


def chart(bars: list[tuple[str, float]]) -> Drawing:
    drawing = Drawing(430, 130)
    for i, (label, value) in enumerate(bars):
        x, height = 20 + i * 82, value * 4.3
        drawing.add(Rect(x, 18, 46, height, fillColor=ACCENT, strokeColor=None))
        drawing.add(String(x + 23, 4, label, fontName="Helvetica", fontSize=9, textAnchor="middle"))
        drawing.add(
            String(x + 23, 22 + height, f"{value}", fontName="Helvetica", fontSize=9, textAnchor="middle")
        )
    return drawing


def pdf_story() -> list[Flowable]:
    toc = TableOfContents(dotsMinLevel=0)
    toc.levelStyles = [
        ParagraphStyle("toc1", fontName="Helvetica", fontSize=11, leading=17),
        ParagraphStyle("toc2", fontName="Helvetica", fontSize=10, leading=14, leftIndent=16),
    ]
    story: list[Flowable] = [
        Spacer(1, 2.4 * inch),
        Paragraph(TITLE, COVER),
        Paragraph(SUBTITLE, UNDER),
        PageBreak(),
    ]
    story += [Paragraph("Contents", ParagraphStyle("contents", parent=H1)), toc, PageBreak()]
    notes = 0
    for position, (kind, value) in enumerate(REPORT):
        following = REPORT[position + 1][0] if position + 1 < len(REPORT) else ""
        text = str(value).replace("&", "&amp;")
        match kind:
            case "h1" | "h2":
                story.append(Paragraph(text, H1 if kind == "h1" else H2))
            case "p":
                mark = f"<super>{notes + 1}</super>" if following == "note" else ""
                story.append(Paragraph(text + mark, BODY))
            case "li":
                story.append(Paragraph(text, ITEM, bulletText="•"))
            case "note":
                notes += 1
                story.append(Note(text, notes))
            case "table":
                caption = Paragraph(str(REPORT[position + 1][1]), CAPTION)
                story.append(KeepTogether([pdf_table(value), Spacer(1, 5), caption]))
            case "chart":
                caption = Paragraph(str(REPORT[position + 1][1]), CAPTION)
                story.append(KeepTogether([chart(value), Spacer(1, 4), caption]))
    return story


def make_pdf() -> bytes:
    """Return the report as PDF."""
    rl_config.invariant = 1
    target = io.BytesIO()
    Report(target).multiBuild(pdf_story())
    return target.getvalue()


def make_docx() -> bytes:
    """Return the report as a Word document."""
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.comments = TITLE, ORGANIZATION, ""
    properties.created = properties.modified = datetime(2026, 2, 27)
    document.styles["Normal"].font.name, document.styles["Normal"].font.size = "Calibri", Pt(11)
    section = document.sections[0]
    section.header.paragraphs[0].text = f"{ORGANIZATION}\tAnnual Report 2025"
    document.add_paragraph(TITLE, style="Title")
    document.add_paragraph(SUBTITLE, style="Subtitle")
    document.add_page_break()
    contents(document)
    notes: list[str] = []
    paragraph = None
    for kind, value in REPORT:
        match kind:
            case "h1" | "h2":
                heading = document.add_heading(str(value), 1 if kind == "h1" else 2)
                heading.paragraph_format.page_break_before = str(value) in CHAPTERS_ON_NEW_PAGE
            case "p":
                paragraph = document.add_paragraph(str(value))
            case "li":
                document.add_paragraph(str(value), style="List Bullet")
            case "note":
                notes.append(str(value))
                run = paragraph.add_run()._r
                run.append(parse_xml(f'<w:footnoteReference {nsdecls("w")} w:id="{len(notes)}"/>'))
            case "table":
                rows = document.add_table(0, len(value[0]), style="Light List Accent 1")
                for row in value:
                    for cell, text in zip(rows.add_row().cells, row, strict=True):
                        cell.text = text
            case "caption":
                document.add_paragraph(str(value), style="Caption")
    buffer = io.BytesIO()
    document.save(buffer)
    return _with_footnotes(buffer.getvalue(), notes)


CHAPTERS_ON_NEW_PAGE = {
    "A word from the director", "The people we serve", "Primary care", "The Mill Street clinic",
    "Mental health", "Our staff", "Quality and safety", "Buildings and energy", "Finances", "Plans for 2026",
}  # fmt: skip


def contents(document) -> None:
    styles = document.styles
    document.add_paragraph("Contents", style="TOC Heading")
    toc = styles.add_style("TOC 1", 1)
    toc.base_style = styles["Normal"]
    toc.paragraph_format.tab_stops.add_tab_stop(Pt(430), WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS)
    page = 2
    for kind, value in REPORT:
        if kind == "h1":
            page += str(value) in CHAPTERS_ON_NEW_PAGE
            document.add_paragraph(f"{value}\t{page}", style="TOC 1")


def _with_footnotes(data: bytes, notes: list[str]) -> bytes:
    """Add a footnotes part, which python-docx cannot write, and fix all dates in the archive."""
    ns = nsdecls("w")
    body = "".join(
        f'<w:footnote w:id="{i}"><w:p><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p></w:footnote>'
        for i, text in enumerate(notes, 1)
    )
    part = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:footnotes {ns}>{body}</w:footnotes>'
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        members = {
            name: old.read(name) for name in old.namelist() if not name.startswith("docProps/thumbnail")
        }
        types = members["[Content_Types].xml"].decode()
        types = types.replace(
            "</Types>", f'<Override PartName="/word/footnotes.xml" ContentType="{kind}"/></Types>'
        )
        members["[Content_Types].xml"] = types.encode()
        rels = members["word/_rels/document.xml.rels"].decode()
        rels = rels.replace(
            "</Relationships>",
            f'<Relationship Id="rIdNotes" Type="{relation}" Target="footnotes.xml"/></Relationships>',
        )
        members["word/_rels/document.xml.rels"] = rels.encode()
        root = members["_rels/.rels"].decode()
        start = root.find("<Relationship ", max(0, root.rfind("<Relationship ", 0, root.find("thumbnail"))))
        if "thumbnail" in root:
            members["_rels/.rels"] = (root[:start] + root[root.find("/>", start) + 2 :]).encode()
        members["word/footnotes.xml"] = part.encode()
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (2026, 2, 27, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, content)
    return target.getvalue()


def main() -> None:
    """Write both files."""
    SAMPLES.mkdir(parents=True, exist_ok=True)
    for suffix, data in (("pdf", make_pdf()), ("docx", make_docx())):
        (SAMPLES / f"{NAME}.{suffix}").write_bytes(data)
        print(f"{NAME}.{suffix}: {len(data):,} bytes")


if __name__ == "__main__":
    main()
