"""Summaries: what the model says is checked, what it spoils is replaced, what was read is told."""

from __future__ import annotations

import msgspec
import pytest
from task_desk import TINY, Desk, make_document

from desktop_slm.documents.keysentences import key_sentences
from desktop_slm.documents.model import Document
from desktop_slm.engine.api import GenerateRequest
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.errors import EngineCrashed, InvalidRequest, StorageFailed
from desktop_slm.tasks import sources
from desktop_slm.tasks.events import (
    KeySentences,
    Piece,
    Progress,
    SentenceReady,
    SummaryDone,
    TaskEvent,
    Warned,
)
from desktop_slm.tasks.metering import Clock
from desktop_slm.tasks.requests import FileSource, StoredSource, Summarize

NOTES = """1. The harbor handled 412 ships in 2025, 31 more than the year before.
2. Fees brought in 7.4 million dollars, while dredging costs rose to 2.1 million dollars.
3. The breakwater will be finished in October 2026 if the storms allow it.
4. The harbor plans to buy 17 submarines from Atlantis."""
SUMMARY = (
    "In 2025 the harbor handled 412 ships, 31 more than the year before. "
    "Fees brought in 7.4 million dollars. "
    "The surplus of 900,000 dollars went into the fund for the breakwater. "
    "The harbor has won the Nobel Prize."
)


def is_merge(request: GenerateRequest) -> bool:
    return "Notes of the document" in request.messages[-1].content


def script(request: GenerateRequest) -> str:
    return SUMMARY if is_merge(request) else NOTES


def last(events: list[TaskEvent]) -> SummaryDone:
    assert isinstance(events[-1], SummaryDone)
    return events[-1]


def assert_cited(done: SummaryDone, document: Document) -> None:
    sentences = [*done.sentences, *(note for section in done.outline for note in section.notes)]
    assert sentences
    for sentence in sentences:
        assert sentence.supported
        assert sentence.citations
        for cited in sentence.citations:
            assert cited.quote in document.pages[cited.page - 1].text


@pytest.mark.parametrize("size_bytes", [TINY, 2_000_000_000])
def test_a_summary_is_cited_and_free_of_inventions(desk: Desk, harbor: Document, size_bytes: int) -> None:
    events = desk.run(Summarize(sources=(desk.add(harbor),)), FakeEngine(script), size_bytes=size_bytes)
    done = last(events)
    assert_cited(done, harbor)
    text = " ".join(sentence.text for sentence in done.sentences)
    assert "412 ships" in text
    assert "submarines" not in text
    assert "Nobel" not in text
    assert done.coverage.read == (1, 2, 4)
    assert [(item.page, item.reason) for item in done.coverage.skipped] == [(3, "a scan without text")]
    assert [section.title for section in done.outline] == ["Traffic", "Money", "Plans"]


def test_events_come_in_the_order_of_the_contract(desk: Desk, harbor: Document) -> None:
    events = desk.run(Summarize(sources=(desk.add(harbor),)), FakeEngine(script))
    kinds = [type(event) for event in events]
    assert kinds.index(KeySentences) < kinds.index(Progress) < kinds.index(Piece)
    shown = [event.sentence for event in events if isinstance(event, SentenceReady)]
    assert tuple(shown) == last(events).sentences
    totals = {event.total for event in events if isinstance(event, Progress)}
    assert len(totals) == 1
    dones = [event.done for event in events if isinstance(event, Progress) and event.stage == "reading"]
    assert dones == sorted(dones)


@pytest.mark.parametrize(
    "nonsense",
    [
        "the same words the same words " * 40,
        "Le port a reçu beaucoup de navires cette année et tout le monde est content.",
        "Write the four most important points of this text as a numbered list.",
        "",
    ],
)
def test_key_sentences_stand_in_for_a_model_that_degenerates(
    desk: Desk, harbor: Document, nonsense: str
) -> None:
    events = desk.run(Summarize(sources=(desk.add(harbor),)), FakeEngine((nonsense,)))
    done = last(events)
    assert_cited(done, harbor)
    assert all(sentence.quoted for sentence in done.sentences)
    assert any(isinstance(event, Warned) and "stand in" in event.text for event in events)


def test_the_merge_is_given_sources_and_never_the_inventions(desk: Desk, harbor: Document) -> None:
    engine = FakeEngine(script)
    desk.run(Summarize(sources=(desk.add(harbor),)), engine)
    (merge,) = [request for request in engine.requests if is_merge(request)]
    content = merge.messages[-1].content
    assert "[source:" in content
    assert "submarines" not in content


def test_many_notes_are_merged_level_by_level(desk: Desk) -> None:
    def fact(number: int) -> str:
        return f"Station number{number} of the line to Alder{number} counted {number}17 travelers in spring."

    pages = [[fact(10 * page + place) for place in range(10)] for page in range(1, 21)]
    document = make_document(pages, name="stations.pdf")

    def answer(request: GenerateRequest) -> str:
        text = request.messages[-1].content
        known = [fact(n) for n in range(10, 210) if f"number{n} " in text]
        return "\n".join(
            f"{i}. {line}" for i, line in enumerate(known[:4] if not is_merge(request) else known[::3], 1)
        )

    engine = FakeEngine(answer, n_ctx=4096)
    done = last(desk.run(Summarize(sources=(desk.add(document),)), engine))
    assert_cited(done, document)
    assert len(done.sentences) == 7
    assert done.coverage.read == tuple(range(1, 21))
    assert sum(is_merge(request) for request in engine.requests) > 1


def test_another_length_uses_the_notes_again(desk: Desk, harbor: Document) -> None:
    source = desk.add(harbor)
    first = FakeEngine(script)
    desk.run(Summarize(sources=(source,)), first)
    second = FakeEngine(script)
    done = last(desk.run(Summarize(sources=(source,), length="short"), second))
    assert any(not is_merge(request) for request in first.requests)
    assert all(is_merge(request) for request in second.requests)
    assert len(done.sentences) == 3


def test_pages_and_focus_restrict_it(desk: Desk, harbor: Document) -> None:
    done = last(desk.run(Summarize(sources=(desk.add(harbor),), pages=(2, 3)), FakeEngine(script)))
    assert done.coverage.read == (2,)
    assert {item.page: item.reason for item in done.coverage.skipped} == {
        1: "not asked for",
        3: "a scan without text",
        4: "not asked for",
    }
    assert {cited.page for sentence in done.sentences for cited in sentence.citations} == {2}
    assert all(sentence.page == 2 for sentence in done.key_sentences)
    with pytest.raises(InvalidRequest):
        desk.run(Summarize(sources=(desk.add(harbor),), pages=(9, 12)), FakeEngine(script))
    events = desk.run(Summarize(sources=(desk.add(harbor),), focus="penguins"), FakeEngine(script))
    assert last(events).sentences == ()
    assert any(isinstance(event, Warned) and "penguins" in event.text for event in events)


def test_by_section_every_sentence_stands_under_its_heading(desk: Desk, harbor: Document) -> None:
    events = desk.run(Summarize(sources=(desk.add(harbor),), style="sections"), FakeEngine(script))
    shown = [(event.section, event.sentence) for event in events if isinstance(event, SentenceReady)]
    assert [section for section, _ in shown] == sorted(
        (section for section, _ in shown), key=["Traffic", "Money", "Plans"].index
    )
    page_of = {"Traffic": 1, "Money": 2, "Plans": 4}
    assert all(sentence.citations[0].page == page_of[section] for section, sentence in shown)


def test_it_is_kept_and_read_back(desk: Desk, harbor: Document) -> None:
    source = desk.add(harbor)
    done = last(desk.run(Summarize(sources=(source,)), FakeEngine(script)))
    record = desk.library.summary(done.summary)
    assert msgspec.json.decode(record.result, type=SummaryDone).sentences == done.sentences
    assert msgspec.json.decode(record.request, type=Summarize) == Summarize(sources=(source,))
    nothing = last(desk.run(Summarize(sources=(source,), save=False), FakeEngine(script)))
    assert nothing.summary == ""
    assert len(desk.library.summaries(source.id)) == 1


@pytest.fixture
def file_source(monkeypatch: pytest.MonkeyPatch, harbor: Document) -> FileSource:
    """Return a file that gives the harbor report, without a reader process."""

    def read(source: FileSource, *_: object) -> sources.ReadSource:
        return sources.ReadSource("", harbor, tuple(key_sentences(harbor)), b"data")

    monkeypatch.setattr(sources, "read", read)
    return FileSource("/home/me/harbor.pdf", "the password")


def test_neither_path_nor_password_is_kept(desk: Desk, file_source: FileSource) -> None:
    done = last(desk.run(Summarize(sources=(file_source,)), FakeEngine(script)))
    kept = desk.library.summary(done.summary).request
    assert msgspec.json.decode(kept, type=Summarize) == Summarize(sources=(StoredSource(done.documents[0]),))


def test_a_full_disk_does_not_end_the_summary(
    desk: Desk, file_source: FileSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageFailed("The disk is full", "Free some space.")

    monkeypatch.setattr(desk.library, "add", full)
    events = desk.run(Summarize(sources=(file_source,)), FakeEngine(script))
    assert last(events).sentences
    assert last(events) is events[-1]  # the last event is the result, the warning comes before
    assert sum(isinstance(event, Warned) and "disk is full" in event.text for event in events) == 1


def test_stopping_keeps_what_is_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "due", lambda self: True)
    fact = "Lighthouse number{0} was painted with {0}5 liters of white paint in May."
    pages = [[" ".join(fact.format(10 * page + n) for n in range(9))] * 4 for page in range(1, 9)]
    document = make_document(pages, name="lighthouses.pdf")

    def answer(request: GenerateRequest) -> str:
        number = next(n for n in range(10, 100) if f"number{n} " in request.messages[-1].content)
        return f"1. {fact.format(number)}\n" * (1 if number < 20 else 20)

    source = desk.add(document)
    engine = FakeEngine(answer)
    steps = desk.start(Summarize(sources=(source,)), engine)
    turns = 0
    for event in steps:
        turns += isinstance(event, Progress)
        if turns > 60 * (1 + len(engine.requests)):  # the first chunk is through, the others are not
            break
    steps.close()
    (record,) = desk.library.summaries(source.id)
    kept = msgspec.json.decode(record.result, type=SummaryDone)
    assert kept.reason == "cancelled"
    assert_cited(kept, document)
    assert kept.coverage.read
    assert any(item.reason == "not reached" for item in kept.coverage.skipped)

    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 60

    done = last(desk.run(Summarize(sources=(source,)), FakeEngine(answer), stopped=stopped))
    assert done.reason == "cancelled"


def test_a_crash_leaves_no_summary(desk: Desk, harbor: Document) -> None:
    engine = FakeEngine((Reply("1. The harbor", error=EngineCrashed("The worker died", "Try again.")),))
    source = desk.add(harbor)
    with pytest.raises(EngineCrashed):
        desk.run(Summarize(sources=(source,)), engine)
    assert desk.library.summaries(source.id) == []


def test_several_documents_have_one_summary_each_and_one_across(desk: Desk, harbor: Document) -> None:
    other = make_document(
        [["The museum of Fenwick welcomed 8,400 visitors, most of them school classes from the county."]],
        name="museum.pdf",
    )

    def answer(request: GenerateRequest) -> str:
        text = request.messages[-1].content
        if "2 documents" in text:
            return "The harbor handled 412 ships in 2025, 31 more than the year before."
        return "1. The museum of Fenwick welcomed 8,400 visitors." if "museum" in text else script(request)

    two = (desk.add(harbor), desk.add(other))
    done = last(desk.run(Summarize(sources=two), FakeEngine(answer)))
    assert {cited.document for sentence in done.sentences for cited in sentence.citations} == {
        two[0].id,
        two[1].id,
    }
    assert done.coverage.pages == 5
    assert done.coverage.read == (1, 2, 4, 5)
    assert "harbor.pdf, page 3" in done.coverage.skipped[0].reason
    assert [section.title for section in done.outline] == ["Harbor", "Museum"]
    assert len(desk.library.summaries(two[1].id)) == 2


@pytest.mark.parametrize("when", ["before the notes", "before the summary"])
def test_a_document_deleted_meanwhile_does_not_end_its_summary(
    desk: Desk, harbor: Document, when: str
) -> None:
    source = desk.add(harbor)

    def delete_and_answer(request: GenerateRequest) -> str:
        if is_merge(request) == (when == "before the summary"):
            desk.library.delete(source.id)
        return script(request)

    events = desk.run(Summarize(sources=(source,)), FakeEngine(delete_and_answer))
    assert last(events).sentences
    assert last(events).summary == ""
    (told,) = [event.text for event in events if isinstance(event, Warned) and "deleted" in event.text]
    assert told.endswith("The summary is not kept.")
