"""Documents, page images and events that the tests of the document and translation pages share."""

from __future__ import annotations

import time

from desktop_slm.documents.model import Block, Box, Document, KeySentence, Page, PageImage
from desktop_slm.engine.api import Usage
from desktop_slm.store.records import DocumentRecord, StoredDocument
from desktop_slm.tasks.events import (
    AnswerDone,
    Cited,
    Coverage,
    Section,
    Sentence,
    Skipped,
    SummaryDone,
    TranslationDone,
)

QUOTE = "The board proposes to close the Porto site by 30 June 2026."
HOSTILE = "<b>x</b><img src='file:///etc/passwd'>\u202egnp.exe\n\x07.pdf"


def document(pages: int = 5, *, images: bool = True, name: str = "report.pdf") -> Document:
    """Return a document whose every page says its number and holds `QUOTE`."""
    made = []
    for number in range(1, pages + 1):
        start = number * 10
        blocks = (
            Block(id=start, kind="heading", text=f"Section {number}", level=1),
            Block(id=start + 1, kind="paragraph", text=f"Page {number} begins here. {QUOTE} And so on."),
            Block(id=start + 2, kind="table", text="Site | Staff\nPorto | 23"),
        )
        size = (595.0, 842.0) if images else (0.0, 0.0)
        made.append(Page(number=number, blocks=blocks, width=size[0], height=size[1]))
    return Document(
        title="Annual report",
        name=name,
        format="pdf" if images else "docx",
        language="en",
        pages=tuple(made),
        page_unit="page" if images else "part",
        has_page_images=images,
        words=84_120,
        warnings=("2 of 5 pages are scans without text.",),
    )


def record(identifier: str = "d1", name: str = "report.pdf", **changes: object) -> DocumentRecord:
    """Return a record of the library."""
    values: dict[str, object] = {
        "title": "Annual report",
        "format": "pdf",
        "language": "en",
        "pages": 5,
        "words": 84_120,
        "size_bytes": 1000,
        "sha256": "0" * 64,
        "added": time.time(),
    }
    return DocumentRecord(id=identifier, name=name, **{**values, **changes})  # type: ignore[arg-type]


def stored(identifier: str = "d1", *, images: bool = True) -> StoredDocument:
    """Return a document as the library gives it."""
    return StoredDocument(record=record(identifier), document=document(images=images), key_sentences=KEYS)


def image(number: int, width: int = 400, marks: tuple[tuple[Box, ...], ...] = ()) -> PageImage:
    """Return a blank white page."""
    height = round(width * 842 / 595)
    return PageImage(
        number=number,
        width=width,
        height=height,
        stride=width * 4,
        pixels=b"\xff" * (width * 4 * height),
        marks=marks,
    )


KEYS = (
    KeySentence(text="Order intake reached a record.", page=2, block=21, score=0.9),
    KeySentence(text="Staff turnover fell.", page=4, block=41, score=0.8),
)
SENTENCES = (
    Sentence(
        text="Revenue rose to **4.2 million**.", citations=(Cited(page=2, quote="Page 2 begins here."),)
    ),
    Sentence(
        text="The board proposes to close the Porto site.",
        citations=(Cited(page=3, quote=QUOTE), Cited(page=4, quote=QUOTE), Cited(page=3, quote="And so on.")),
    ),
    Sentence(text="Energy costs fell by a third.", supported=False),
    Sentence(text=QUOTE, citations=(Cited(page=5, quote=QUOTE),), quoted=True),
)
SUMMARY = SummaryDone(
    sentences=SENTENCES,
    key_sentences=KEYS,
    outline=(
        Section(title="1 Letter", page=1),
        Section(title="2 Business", page=2, notes=(SENTENCES[0],)),
    ),
    coverage=Coverage(pages=5, read=(1, 2, 3), skipped=(Skipped(4, "image"), Skipped(5, "image"))),
    summary="s1",
    documents=("d1",),
    model="starter",
    seconds=3.0,
    usage=Usage(),
)
ANSWER = AnswerDone(
    sentences=(SENTENCES[1],),
    answered=True,
    route="whole",
    passages=(),
    model="starter",
    seconds=1,
    usage=Usage(),
)


def translation(text: str, **changes: object) -> TranslationDone:
    """Return the end of a translation from German into English."""
    values: dict[str, object] = {
        "source_language": "de",
        "target_language": "en",
        "segments": 1,
        "translated": 1,
        "model": "starter",
        "seconds": 1.0,
        "usage": Usage(),
    }
    return TranslationDone(text=text, **{**values, **changes})  # type: ignore[arg-type]
