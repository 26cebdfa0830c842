"""Summaries of little or nothing: scans, two sentences, a stop before the first page; and short ones."""

from __future__ import annotations

import pytest
from task_desk import TINY, Desk, make_document

from desktop_slm.documents.model import Document
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.errors import DocumentEmpty
from desktop_slm.tasks.events import SentenceReady, SummaryDone, TaskEvent
from desktop_slm.tasks.requests import Length, Summarize


def last(events: list[TaskEvent]) -> SummaryDone:
    assert isinstance(events[-1], SummaryDone)
    return events[-1]


def test_a_scan_is_nothing_to_summarize_and_stays_in_the_library(desk: Desk) -> None:
    source = desk.add(make_document([[], []], name="scan.pdf"))
    with pytest.raises(DocumentEmpty, match="scan without text: there is nothing to summarize"):
        desk.run(Summarize(sources=(source,)), FakeEngine())
    assert desk.library.get(source.id).document.name == "scan.pdf"
    assert desk.library.summaries(source.id) == []


def test_pages_without_text_are_nothing_to_summarize(desk: Desk, harbor: Document) -> None:
    with pytest.raises(DocumentEmpty):
        desk.run(Summarize(sources=(desk.add(harbor),), pages=(3, 3)), FakeEngine())


def test_a_scan_among_others_is_skipped(desk: Desk, harbor: Document) -> None:
    sources = (desk.add(make_document([[]], name="scan.pdf")), desk.add(harbor))
    done = last(desk.run(Summarize(sources=sources), FakeEngine(("bla bla bla",) * 40)))
    assert done.sentences
    assert desk.library.summaries(sources[1].id)


def test_a_summary_of_no_page_is_not_kept(desk: Desk, harbor: Document) -> None:
    source = desk.add(harbor)
    done = last(desk.run(Summarize(sources=(source,)), FakeEngine(), stopped=lambda: True))
    assert (done.reason, done.sentences, done.coverage.read) == ("cancelled", (), ())
    assert (done.summary, desk.library.summaries(source.id)) == ("", [])


@pytest.mark.parametrize("size_bytes", [TINY, 4_000_000_000])
def test_two_sentences_stand_for_themselves(desk: Desk, size_bytes: int) -> None:
    two = ["The boiler was changed.", "It costs 80 euros."]
    source = desk.add(make_document([[" ".join(two)]], name="note.txt"))
    done = last(
        desk.run(Summarize(sources=(source,)), FakeEngine(("bla bla bla",) * 9), size_bytes=size_bytes)
    )
    assert [(sentence.text, sentence.quoted) for sentence in done.sentences] == [(text, True) for text in two]


@pytest.mark.parametrize(("length", "most"), [("short", 10), ("medium", 40), ("long", 160)])
def test_sections_keep_to_the_length_and_are_the_summary(desk: Desk, length: Length, most: int) -> None:
    pages = [
        [
            ("heading", f"Chapter {n}"),
            *(f"Keeper number{n} painted {n}{k} boats with a brush of type{n}x{k} in May." for k in range(6)),
        ]
        for n in range(1, 31)
    ]
    source = desk.add(make_document(pages, name="keepers.pdf"))
    engine = FakeEngine(lambda request: "bla bla bla")
    events = desk.run(Summarize(sources=(source,), length=length, style="sections"), engine)
    done = last(events)
    assert 10 <= len(done.sentences) <= most
    assert [note for section in done.outline for note in section.notes] == list(done.sentences)
    shown = [(event.section, event.sentence) for event in events if isinstance(event, SentenceReady)]
    assert shown == [(section.title, note) for section in done.outline for note in section.notes]
    assert all(cited.quote for sentence in done.sentences for cited in sentence.citations)
