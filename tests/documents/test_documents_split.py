"""Sentences and chunks: nothing lost, nothing cut where it must not be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_slm.documents.model import Block, Document, Page
from desktop_slm.documents.split import chunks, reading_text, sentences


def split(text: str) -> list[str]:
    return [text[a:b] for a, b in sentences(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["Dr. Smith met Mrs. Jones at 5 p.m. on Main St. near the river.", "They talked."],
        ["The U.S. economy grew by 2.5 percent.", "Prices fell."],
        ["J. R. Smith wrote it.", "It sold well."],
        ["See Fig. 3 and No. 12 for details.", "All is well."],
        ["It cost $3.8 million.", "1,140 people came."],
        ["“Is it true?” she asked.", "“Yes!”", "He left."],
        ["He said (quietly.)", "Nobody heard."],
        ["Apples, pears, etc. are fruit.", "So are plums."],
        ["He works at Acme Inc. and likes it.", "The pay is good."],
        ["It closed at 6 p.m. The staff went home."][:1] and ["It closed at 6 p.m.", "The staff went home."],
        ["1. The first point is this.", "It matters."],
        ["Wait... what happened?", "Nothing."],
        ["13,260 patients.¹", "Nobody was turned away."],
        ["As others found.[12]", "We agree."],
        ["Das Treffen ist am 3. März in Bonn.", "Es gibt z.B. Kaffee."],
        ["Er kam am 5. Januar an.", "Die Sonne schien."],
        ["Visit www.example.com for more.", "Version 2.0.1 is out."],
        ["今天天气很好。", "我们去公园吧！", "你来吗？", "好的。"],
        ["「行きましょう。」", "彼は言った。"],
        ["هل أنت بخير؟", "نعم، أنا بخير."],
        ["यह एक वाक्य है।", "यह दूसरा है।"],
        ["Привет, г-н Иванов!", "Как дела?"],
    ],
)
def test_sentences(parts: list[str]) -> None:
    joiner = "" if ord(parts[0][0]) > 0x2E7F and ord(parts[0][0]) < 0xFB00 else " "
    assert split(joiner.join(parts)) == parts


def test_lines_end_sentences_unless_they_are_wrapped() -> None:
    assert split("A heading\n\nThe text follows here.\nAnother line") == [
        "A heading",
        "The text follows here.",
        "Another line",
    ]
    wrapped = "This is a long line of a letter that was wrapped at\nseventy characters by a program."
    assert split(wrapped) == [wrapped]


@given(st.text(alphabet=st.sampled_from("aB .!?。…\n\"')1Dr،؟é\u3000"), max_size=200))
def test_spans_cover_the_text(text: str) -> None:
    spans = sentences(text)
    position = 0
    for start, end in spans:
        assert start >= position
        assert end > start
        assert text[position:start].strip() == ""
        assert text[start:end] == text[start:end].strip()
        position = end
    assert text[position:].strip() == ""


KINDS = st.sampled_from(["paragraph", "heading", "list_item", "table", "header", "code"])
BLOCKS = st.lists(
    st.tuples(KINDS, st.text(alphabet=st.sampled_from("abcde fg. hij!\nkl 。中文"), max_size=120)),
    max_size=14,
)


def count(texts: list[str]) -> list[int]:
    return [(len(text) + 3) // 4 for text in texts]


def document_of(pages: list[list[tuple[str, str]]]) -> Document:
    identity = 0
    made = []
    for number, blocks in enumerate(pages, 1):
        page = []
        for kind, text in blocks:
            page.append(Block(id=identity, kind=kind, text=text))
            identity += 1
        made.append(Page(number=number, blocks=tuple(page)))
    return Document(title="t", name="t", format="txt", language="en", pages=tuple(made))


@settings(deadline=None)
@given(st.lists(BLOCKS, min_size=1, max_size=4), st.integers(min_value=1, max_value=60))
def test_joined_chunks_give_back_the_text(pages: list[list[tuple[str, str]]], budget: int) -> None:
    document = document_of(pages)
    cut = chunks(document, budget_tokens=budget, count_tokens=count)
    assert "".join(chunk.text for chunk in cut) == reading_text(document)
    assert [chunk.index for chunk in cut] == list(range(len(cut)))
    for chunk in cut:
        assert chunk.text
        assert chunk.tokens <= budget
        assert list(chunk.blocks) == sorted(chunk.blocks)


def test_chunks_do_not_part_a_heading_from_its_text() -> None:
    pages = [[("heading", "One"), ("paragraph", "a " * 60), ("heading", "Two"), ("paragraph", "b " * 60)]]
    cut = chunks(document_of(pages), budget_tokens=34, count_tokens=count)
    assert [chunk.section for chunk in cut] == ["One", "Two"]
    assert cut[0].text.rstrip().endswith("a")


def test_chunks_of_a_range_of_pages() -> None:
    document = document_of(
        [[("paragraph", "one")], [("paragraph", "two")], [("header", "x"), ("paragraph", "three")]]
    )
    cut = chunks(document, budget_tokens=100, count_tokens=count, pages=(2, 3))
    assert [(c.text, c.pages) for c in cut] == [("two\n\nthree", (2, 3))]
    assert chunks(document_of([[]]), budget_tokens=5, count_tokens=count) == []
