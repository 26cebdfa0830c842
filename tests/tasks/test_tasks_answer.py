"""Questions about documents: an answer with its pages, or none."""

from __future__ import annotations

import pytest
from task_desk import TINY, Desk, make_document

from desktop_slm.documents.model import Document
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.errors import InvalidRequest
from desktop_slm.tasks.events import AnswerDone, SentenceReady, TaskEvent
from desktop_slm.tasks.requests import Ask


def last(events: list[TaskEvent]) -> AnswerDone:
    assert isinstance(events[-1], AnswerDone)
    return events[-1]


@pytest.fixture
def cellar() -> Document:
    pages = [
        [f"Shelf number{n} holds {n}3 jars of honey from the village of Elm{n}. " * 8] for n in range(80)
    ]
    return make_document(pages, name="cellar.pdf")


def test_a_short_document_is_given_whole(desk: Desk, harbor: Document) -> None:
    engine = FakeEngine(("Fees brought in 7.4 million dollars. The mayor was very happy about it.",))
    events = desk.run(Ask(sources=(desk.add(harbor),), question="How much did the fees bring in?"), engine)
    done = last(events)
    assert (done.answered, done.route) == (True, "whole")
    assert [sentence.text for sentence in done.sentences] == ["Fees brought in 7.4 million dollars."]
    assert done.sentences[0].citations[0].page == 2
    assert "north quay" in engine.requests[0].messages[-1].content
    shown = [event.sentence for event in events if isinstance(event, SentenceReady)]
    assert tuple(shown) == done.sentences


def test_a_long_document_is_answered_from_passages(desk: Desk, cellar: Document) -> None:
    engine = FakeEngine(("Shelf number42 holds 423 jars of honey.",), n_ctx=2048)
    done = last(
        desk.run(Ask(sources=(desk.add(cellar),), question="How many jars are on shelf number42?"), engine)
    )
    assert (done.answered, done.route) == (True, "retrieval")
    assert done.sentences[0].citations[0].page == 43
    assert done.passages[0].page == 43
    assert "number77" not in engine.requests[0].messages[-1].content


@pytest.mark.parametrize("size_bytes", [TINY, 4_000_000_000])
@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Who won the football cup in 1998?", "Brazil won the football cup in 1998."),
        ("What color is the mayor's boat?", "The document does not say."),
    ],
)
def test_what_the_document_does_not_say_is_not_invented(
    desk: Desk, harbor: Document, question: str, reply: str, size_bytes: int
) -> None:
    request = Ask(sources=(desk.add(harbor),), question=question)
    done = last(desk.run(request, FakeEngine((reply,)), size_bytes=size_bytes))
    assert not done.answered
    assert [sentence.text for sentence in done.sentences] == ["The document does not say."]


@pytest.mark.parametrize("size_bytes", [TINY, 4_000_000_000])
@pytest.mark.parametrize(
    ("text", "question", "language"),
    [
        ("She received amoxicillin 500 mg.", "What drug did the patient receive?", "en"),
        ("患者接受了阿莫西林治疗。", "病人用了什么药物治疗？", "zh"),
        ("她服用了阿莫西林药片。", "她吃什么药？", "zh"),
        ("تلقت المريضة أموكسيسيلين.", "ما الدواء الذي أخذته المريضة؟", "ar"),
    ],
)
def test_near_sentences_are_quoted_where_no_answer_is_proven(
    desk: Desk, text: str, question: str, language: str, size_bytes: int
) -> None:
    document = make_document([[text]], name="letter.pdf", language=language)
    request = Ask(sources=(desk.add(document),), question=question)
    events = desk.run(request, FakeEngine(("bla bla bla",)), size_bytes=size_bytes)
    done = last(events)
    said = [sentence.text for sentence in done.sentences]
    assert text in said
    if not done.answered:
        assert said[0].startswith("This model found no answer it can prove.")
    quote = done.sentences[-1]
    assert quote.quoted
    assert (quote.citations[0].page, quote.citations[0].quote) == (1, text)
    assert tuple(event.sentence for event in events if isinstance(event, SentenceReady)) == done.sentences


def test_a_number_the_document_lacks_is_no_answer(desk: Desk, harbor: Document) -> None:
    request = Ask(sources=(desk.add(harbor),), question="How many ships came in 1987?")
    done = last(desk.run(request, FakeEngine(("The harbor handled 412 ships in 2025.",))))
    assert not done.answered
    assert len(done.sentences) <= 4
    assert all(sentence.quoted for sentence in done.sentences[1:])
    _, answer = desk.history.messages(desk.history.conversations()[0].id)
    assert "“The harbor handled 412 ships" in answer.text


def test_an_answer_holds_the_rare_word_of_the_question(desk: Desk) -> None:
    stay = ["The patient was admitted on 3 March 2024.", "The patient was discharged on 9 March 2024."]
    document = make_document([[*stay, "The patient slept well and ate little."]], name="stay.pdf")
    request = Ask(sources=(desk.add(document),), question="When was the patient discharged?")
    done = last(desk.run(request, FakeEngine((stay[0],))))
    assert done.answered
    assert [sentence.text for sentence in done.sentences] == [stay[1]]


def test_a_quote_stands_in_when_the_model_fails(desk: Desk, harbor: Document) -> None:
    request = Ask(sources=(desk.add(harbor),), question="When will the breakwater be finished?")
    done = last(desk.run(request, FakeEngine(("bla bla bla",)), size_bytes=TINY))
    (sentence,) = done.sentences
    assert sentence.quoted
    assert "October 2026" in sentence.text
    assert sentence.citations[0].quote in harbor.pages[sentence.citations[0].page - 1].text


def test_everything_is_read_when_asked(desk: Desk, cellar: Document) -> None:
    def answer(request: object) -> str:
        text = request.messages[-1].content  # type: ignore[attr-defined]
        return "1. Shelf number66 holds 663 jars of honey." if "number66 " in text else "none"

    engine = FakeEngine(answer)
    request = Ask(
        sources=(desk.add(cellar),), question="How many jars are on shelf number66?", read_everything=True
    )
    done = last(desk.run(request, engine))
    assert (done.answered, done.route) == (True, "read-everything")
    assert done.sentences[0].citations[0].page == 67
    assert len(engine.requests) > 10


def test_several_documents_are_told_apart(desk: Desk, harbor: Document, cellar: Document) -> None:
    sources = (desk.add(harbor), desk.add(cellar))
    done = last(
        desk.run(
            Ask(sources=sources, question="How many jars are on shelf number42?"),
            FakeEngine(("Shelf number42 holds 423 jars of honey.",)),
        )
    )
    assert {cited.document for cited in done.sentences[0].citations} == {sources[1].id}
    assert done.passages[0].document == sources[1].id


def test_question_and_answer_are_found_in_the_history(desk: Desk, harbor: Document) -> None:
    source = desk.add(harbor)
    desk.run(
        Ask(sources=(source,), question="How much did the fees bring in?"),
        FakeEngine(("Fees brought in 7.4 million dollars.",)),
    )
    (item,) = desk.history.conversations()
    question, answer = desk.history.messages(item.id)
    assert question.documents == (source.id,)
    assert answer.text == "Fees brought in 7.4 million dollars. [p. 2]"


def test_no_question_is_refused(desk: Desk, harbor: Document) -> None:
    with pytest.raises(InvalidRequest):
        desk.run(Ask(sources=(desk.add(harbor),), question=" "), FakeEngine())
    with pytest.raises(InvalidRequest):
        desk.run(Ask(sources=(), question="What?"), FakeEngine())
