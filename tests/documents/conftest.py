"""Reading in this process, without the child: what parsers do; the child has tests of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_slm.documents.model import Block, Document, Page
from desktop_slm.documents.reader_main import read

SAMPLES = Path(__file__).resolve().parents[2] / "resources" / "samples"


@pytest.fixture(scope="session")
def sample_pdf() -> bytes:
    return (SAMPLES / "riverside-annual-report-2025.pdf").read_bytes()


@pytest.fixture(scope="session")
def sample_docx() -> bytes:
    return (SAMPLES / "riverside-annual-report-2025.docx").read_bytes()


@pytest.fixture(scope="session")
def sample(sample_pdf: bytes) -> Document:
    return read("riverside-annual-report-2025.pdf", sample_pdf)[0]


@pytest.fixture(scope="session")
def make_document() -> Callable[..., Document]:
    """Return a function that makes a document of (kind, text) pairs, all on one page or a page per list."""

    def make(*pages: list[tuple[str, str]], language: str = "en") -> Document:
        made = []
        identity = 0
        for number, blocks in enumerate(pages, 1):
            page = []
            for kind, text in blocks:
                page.append(Block(id=identity, kind=kind, text=text, level=1 if kind == "heading" else 0))
                identity += 1
            made.append(Page(number=number, blocks=tuple(page)))
        return Document(title="T", name="t.txt", format="txt", language=language, pages=tuple(made))

    return make
