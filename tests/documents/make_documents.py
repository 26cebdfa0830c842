# ruff: noqa: E501, SIM905
"""Documents for the tests, made on the spot: PDFs with reportlab, Word files with python-docx."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Sequence

import docx
from reportlab.lib.pagesizes import letter
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

PROSE = (
    "The river board met on Tuesday to discuss the new bridge. Members agreed that the cost of $4.2 million is high. "
    "Engineers expect the work to take eighteen months. Traffic will be led through Harbor Street until then. "
    "Shop owners asked for signs and for parking in the evening. The mayor promised an answer by the end of June."
)
SUBJECTS = [
    "bridge",
    "library",
    "harbor",
    "school",
    "clinic",
    "market",
    "museum",
    "station",
    "park",
    "theater",
]


def pdf(*pages: Callable[[Canvas], None], password: str = "", title: str = "") -> bytes:
    """Return a PDF whose pages are drawn by the functions."""
    target = io.BytesIO()
    encryption = StandardEncryption(password, canPrint=1) if password else None
    canvas = Canvas(target, pagesize=letter, encrypt=encryption, invariant=1)
    if title:
        canvas.setTitle(title)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def lines(
    *texts: str, x: float = 72, y: float = 700, size: float = 11, font: str = "Helvetica"
) -> Callable[[Canvas], None]:
    """Return a function that writes lines below one another."""

    def draw(canvas: Canvas) -> None:
        canvas.setFont(font, size)
        for number, text in enumerate(texts):
            canvas.drawString(x, y - number * size * 1.3, text)

    return draw


def both(*draws: Callable[[Canvas], None]) -> Callable[[Canvas], None]:
    """Return a function that draws all of ``draws`` on one page."""

    def draw(canvas: Canvas) -> None:
        for one in draws:
            one(canvas)

    return draw


def scan(canvas: Canvas) -> None:
    """Draw a page that is one gray image."""
    from PIL import Image

    canvas.drawImage(ImageReader(Image.new("L", (60, 80), 200)), 0, 0, *letter)


def report(pages: int, seed: int = 7) -> bytes:
    """Return a PDF of ``pages`` pages of varied prose, a heading each, with running lines and page numbers."""
    chance = random.Random(seed)
    styles = getSampleStyleSheet()
    story = []
    for number in range(1, pages + 1):
        subject = chance.choice(SUBJECTS)
        story.append(Paragraph(f"Chapter {number}: About the {subject}", styles["Heading1"]))
        story += [
            Paragraph(" ".join(sentence(chance) for _ in range(6)), styles["BodyText"]) for _ in range(5)
        ]
        story.append(PageBreak())

    def running(canvas: Canvas, document: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(72, 750, "Yearbook of the town of Harbor")
        canvas.drawCentredString(306, 30, f"Page {document.page}")

    target = io.BytesIO()
    SimpleDocTemplate(target, pagesize=letter, invariant=1).build(
        story, onFirstPage=running, onLaterPages=running
    )
    return target.getvalue()


def sentence(chance: random.Random) -> str:
    """Return an English sentence with a figure in it."""
    who = chance.choice(
        ["The town", "The council", "A group of neighbors", "The owner", "An engineer", "The school board"]
    )
    what = chance.choice(
        ["opened", "closed", "repaired", "painted", "sold", "measured", "visited", "planned", "praised"]
    )
    when = chance.choice(
        ["in the spring", "last year", "after the flood", "on Monday", "before the vote", "in 1998"]
    )
    return (
        f"{who} {what} the {chance.choice(SUBJECTS)} {when}, which took {chance.randint(2, 90)} days and was "
        f"paid for by the {chance.choice(SUBJECTS)} fund."
    )


def two_columns(*, woven: bool) -> bytes:
    """Return a page of two columns under a title; ``woven`` writes it line by line across both."""
    left = [
        f"Left column line {word} goes on with more text"
        for word in "one two three four five six seven eight".split()
    ]
    right = [
        f"Right column line {word} goes on with some text"
        for word in "one two three four five six seven eight".split()
    ]

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(72, 720, "A title over both columns")
        canvas.setFont("Times-Roman", 10)
        cells = [
            (x, 690 - 13 * row, text)
            for x, side in ((72, left), (320, right))
            for row, text in enumerate(side)
        ]
        if woven:
            cells.sort(key=lambda cell: (-cell[1], cell[0]))
        for x, y, text in cells:
            canvas.drawString(x, y, text)

    return pdf(draw)


def arabic_font() -> str:
    """Register an Arabic font and return its name, or an empty string where there is none."""
    for path in (
        "/usr/share/fonts/truetype/noto/NotoNaskhArabic-Regular.ttf",
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    ):
        try:
            pdfmetrics.registerFont(TTFont("Arabic", path))
        except Exception:  # reportlab raises its own kinds
            continue
        return "Arabic"
    return ""


def chinese_font() -> str:
    """Register a Chinese font that readers bring along, and return its name."""
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    return "STSong-Light"


def word(build: Callable[[docx.document.Document], None], *, title: str = "") -> bytes:
    """Return a Word file filled by ``build``."""
    document = docx.Document()
    document.core_properties.title = title
    build(document)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def with_members(data: bytes, members: dict[str, bytes], *, drop: Sequence[str] = ()) -> bytes:
    """Return an archive with members replaced or added."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in members and name not in drop:
                new.writestr(name, old.read(name))
        for name, content in members.items():
            new.writestr(name, content)
    return target.getvalue()


def plain_word() -> bytes:
    """Return a Word file of a heading and a paragraph."""

    def build(document: docx.document.Document) -> None:
        document.add_heading("The bridge", 1)
        document.add_paragraph(PROSE)

    return word(build)
