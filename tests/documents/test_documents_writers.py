"""Summaries written to files: everything is there, nothing in them acts."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from types import SimpleNamespace as Plain

import docx
import pytest

from desktop_slm.documents.writers.summary import coverage_sentence, write_summary
from desktop_slm.errors import InvalidRequest


@pytest.fixture
def summary() -> Plain:
    first = Plain(
        text="The wait fell to 11.4 days.",
        supported=True,
        quoted=False,
        citations=(Plain(page=3, quote="the average wait fell to 11.4 days", document="d1"),),
    )
    second = Plain(
        text="<script>x</script> *bold* \x07[a](http://x)", supported=False, quoted=False, citations=()
    )
    return Plain(
        sentences=(first, second),
        outline=(Plain(title="Primary care", page=4, notes=(first,)),),
        coverage=Plain(pages=12, read=(1, 2, 3, 5), skipped=(Plain(page=4, reason="scans without text"),)),
        model="tiny",
    )


def test_markdown(summary: Plain) -> None:
    text = write_summary(summary, "md", title="A report", style="bullets").decode()
    assert text.startswith("# A report\n")
    assert "- The wait fell to 11.4 days. (page 3)\n" in text
    assert "\\<script\\>x\\</script\\> \\*bold\\* \\[a\\]" in text
    assert "(not found in the document)" in text
    assert "- Page 3: “the average wait fell to 11.4 days”" in text
    assert "Pages 1-3 and 5 read; 4 skipped: scans without text." in text
    assert "tiny" in text


def test_markdown_by_sections(summary: Plain) -> None:
    text = write_summary(summary, "md", style="sections").decode()
    assert "## Primary care\n\n- The wait fell" in text


def test_html_has_no_live_parts(summary: Plain) -> None:
    tags = set()

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs) -> None:
            tags.add(tag)

    page = write_summary(summary, "html", title="A <b>report</b>").decode()
    Tags().feed(page)
    assert tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "ul",
        "li",
        "small",
    }
    assert "&lt;script&gt;" in page
    assert "the average wait fell to 11.4 days" in page


def test_word(summary: Plain) -> None:
    for style in ("paragraph", "bullets", "sections"):
        data = write_summary(summary, "docx", title="A report\x00", style=style)
        text = "\n".join(p.text for p in docx.Document(io.BytesIO(data)).paragraphs)
        assert text.startswith("A report\n")
        assert "The wait fell to 11.4 days. (page 3)" in text
        assert "the average wait fell to 11.4 days" in text


def test_several_documents_are_named(summary: Plain) -> None:
    other = Plain(
        text="B.", supported=True, quoted=False, citations=(Plain(page=1, quote="b", document="d2"),)
    )
    summary.sentences = (*summary.sentences, other)
    text = write_summary(summary, "md").decode()
    assert "(d1, page 3)" in text
    assert "(d2, page 1)" in text
    named = write_summary(summary, "md", names={"d1": "mill.pdf", "d2": "note.txt"}).decode()
    assert "(mill.pdf, page 3)" in named
    assert "- note.txt, page 1: “b”" in named
    assert "## Across all documents\n" in named
    assert "## Primary care\n" in named  # one summary each


@pytest.mark.parametrize("style", ["paragraph", "bullets", "sections"])
def test_quotes_are_told_from_the_words_of_the_model(summary: Plain, style: str) -> None:
    quote = Plain(text="Mill opened.", supported=True, quoted=True, citations=())
    quote.citations = (Plain(page=2, quote="Mill opened.", document="d1"),)
    summary.sentences = (*summary.sentences, quote)
    summary.outline[0].notes = (*summary.outline[0].notes, quote)
    said, source = "“Mill opened.”", "Page 2: “Mill opened.”"
    word = docx.Document(io.BytesIO(write_summary(summary, "docx", style=style)))
    for text in (
        write_summary(summary, "md", style=style).decode(),
        write_summary(summary, "html", style=style).decode().replace("<small>", ""),
        "\n".join(paragraph.text for paragraph in word.paragraphs),
    ):
        assert f"{said} (Quoted from the document, page 2)" in text
        assert source in text
        assert text.count("Quoted from the document") == 1


def test_coverage_and_formats(summary: Plain) -> None:
    assert coverage_sentence(Plain(pages=1, read=(1,), skipped=()), "part") == "Part 1 read."
    assert coverage_sentence(Plain(pages=1, read=(), skipped=())) == "No page was read."
    with pytest.raises(InvalidRequest):
        write_summary(summary, "exe")
