"""Conversations: branches, saving while streaming, attachments, the edge of the context."""

from __future__ import annotations

import time

import pytest
from task_desk import TINY, Desk, make_document

from desktop_slm.documents.model import Document
from desktop_slm.engine.api import Loaded, ModelSpec
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.errors import ContextExceeded, EngineCrashed, InvalidRequest, StorageFailed
from desktop_slm.models import catalog
from desktop_slm.tasks import chat
from desktop_slm.tasks.events import ChatDone, Piece, Started, TaskEvent, Warned
from desktop_slm.tasks.requests import Chat
from desktop_slm.tasks.turns import title_of


def last(events: list[TaskEvent]) -> ChatDone:
    assert isinstance(events[-1], ChatDone)
    return events[-1]


def test_an_answer_is_streamed_and_kept(desk: Desk) -> None:
    events = desk.run(Chat(text="What is a quay?", system="Be short."), FakeEngine(("A place for ships.",)))
    done = last(events)
    assert "".join(event.text for event in events if isinstance(event, Piece)) == "A place for ships."
    question, answer = desk.history.messages(done.conversation)
    assert (question.role, question.text) == ("user", "What is a quay?")
    assert (answer.id, answer.text, answer.state) == (done.message, "A place for ships.", "complete")
    record = desk.history.conversation(done.conversation)
    assert (record.title, record.system) == ("What is a quay?", "Be short.")


def test_the_conversation_goes_on(desk: Desk) -> None:
    first = last(desk.run(Chat(text="Hello", system="Be kind."), FakeEngine(("Hi.",))))
    engine = FakeEngine(("Fine.",))
    desk.run(Chat(text="How are you?", conversation=first.conversation), engine)
    assert [(m.role, m.content) for m in engine.requests[0].messages] == [
        ("system", "Be kind."),
        ("user", "Hello"),
        ("assistant", "Hi."),
        ("user", "How are you?"),
    ]


def test_regenerate_edit_and_continue_are_branches(desk: Desk) -> None:
    first = last(desk.run(Chat(text="One"), FakeEngine(("A",))))
    question = desk.history.messages(first.conversation)[0]
    again = Chat(conversation=first.conversation, parent=question.id, action="regenerate")
    desk.run(again, FakeEngine(("B",)))
    shown = desk.history.messages(first.conversation)
    assert [(m.text, m.position, m.siblings) for m in shown] == [("One", 1, 1), ("B", 2, 2)]

    more = Chat(conversation=first.conversation, parent=shown[1].id, action="continue")
    engine = FakeEngine((" and C",))
    done = last(desk.run(more, engine))
    assert engine.requests[0].prefill == "B"
    assert done.text == "B and C"
    assert [m.text for m in desk.history.messages(first.conversation)] == ["One", "B and C"]

    edited = Chat(text="Two", conversation=first.conversation, parent=first.conversation)
    desk.run(edited, FakeEngine(("D",)))
    shown = desk.history.messages(first.conversation)
    assert [(m.text, m.position, m.siblings) for m in shown] == [("Two", 2, 2), ("D", 1, 1)]


def test_stopping_keeps_the_part_that_arrived(desk: Desk) -> None:
    steps = desk.start(Chat(text="Tell me"), FakeEngine(("one two three four five",)))
    for event in steps:
        if isinstance(event, Piece) and event.text == "two":
            break
    steps.close()
    (item,) = desk.history.conversations()
    answer = desk.history.messages(item.id)[-1]
    assert (answer.text, answer.state, answer.reason) == ("one two", "stopped", "cancelled")


def test_closing_before_the_first_word_leaves_nothing_streaming(desk: Desk) -> None:
    steps = desk.start(Chat(text="Tell me"), FakeEngine(("one",)))
    while not isinstance(next(steps), Started):
        pass
    steps.close()
    (item,) = desk.history.conversations()
    assert desk.history.messages(item.id)[-1].state == "stopped"


def test_asked_to_stop_it_still_gives_its_last_event(desk: Desk) -> None:
    asked = iter([False] * 3 + [True] * 100)
    events = desk.run(Chat(text="Go"), FakeEngine(("a b c d e f",)), stopped=lambda: next(asked))
    assert last(events).reason == "cancelled"
    assert desk.history.messages(last(events).conversation)[-1].state == "stopped"


def test_a_crash_keeps_the_part_and_says_interrupted(desk: Desk) -> None:
    engine = FakeEngine((Reply("half an answer", error=EngineCrashed("The worker died", "Try again.")),))
    with pytest.raises(EngineCrashed):
        desk.run(Chat(text="Go"), engine)
    (item,) = desk.history.conversations()
    answer = desk.history.messages(item.id)[-1]
    assert (answer.text, answer.state) == ("half an answer", "interrupted")


def test_it_is_saved_while_it_streams(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "SAVE_EVERY_S", 0.0)
    steps = desk.start(Chat(text="Go"), FakeEngine(("one two three",)))
    seen = 0
    for event in steps:
        if isinstance(event, Piece):
            seen += 1
            if seen == 3:
                (item,) = desk.history.conversations()
                answer = desk.history.messages(item.id)[-1]
                assert answer.state == "streaming"
                assert answer.text.startswith("one")
    assert seen > 3


def test_too_long_a_message_is_an_error_and_nothing_is_stored(desk: Desk) -> None:
    with pytest.raises(ContextExceeded) as caught:
        desk.run(Chat(text="word " * 4000), FakeEngine(n_ctx=1024))
    assert caught.value.needed > caught.value.available == 1024
    assert desk.history.conversations() == []


@pytest.mark.parametrize(
    "request_",
    [
        Chat(text="  "),
        Chat(text="x", conversation="c99"),
        Chat(action="regenerate"),
        Chat(action="continue", conversation="c1", parent="m1"),
    ],
)
def test_impossible_requests_are_refused(desk: Desk, request_: Chat) -> None:
    with pytest.raises(InvalidRequest):
        desk.run(request_, FakeEngine())
    assert desk.history.conversations() == []


def test_a_document_that_fits_is_seen_whole_before_the_question(desk: Desk, harbor: Document) -> None:
    engine = FakeEngine(("412.",))
    done = last(desk.run(Chat(text="How many ships?", attachments=(desk.add(harbor),)), engine))
    content = engine.requests[0].messages[-1].content
    assert content.index("412 ships") < content.index("How many ships?")
    assert "north quay" in content
    again = FakeEngine(("Yes.",))
    desk.run(Chat(text="Sure?", conversation=done.conversation), again)
    before = again.requests[0].messages[0].content
    assert before == content  # the prefix stays as it was, so it stays cached


@pytest.mark.parametrize("size_bytes", [TINY, 4_000_000_000])
def test_a_document_that_does_not_fit_is_seen_by_passages_and_said_so(desk: Desk, size_bytes: int) -> None:
    pages = [
        [f"Shelf number{n} holds {n}3 jars of honey from the village of Elm{n}. " * 6] for n in range(100)
    ]
    document = make_document(pages, name="cellar.pdf")
    engine = FakeEngine(("423 jars.",), n_ctx=4096)
    events = desk.run(
        Chat(text="How many jars are on shelf number42?", attachments=(desk.add(document),)),
        engine,
        size_bytes=size_bytes,
    )
    content = engine.requests[0].messages[-1].content
    assert "number42 holds 423 jars" in content
    assert "number97" not in content
    assert "[Page 43]" in content
    (told,) = [event.text for event in events if isinstance(event, Warned)]
    assert "“cellar.pdf” is longer" in told
    assert "passages nearest to your question, not all of it" in told
    assert last(events).text == "423 jars."


def test_a_long_document_that_is_not_seen_at_all_is_said_so(desk: Desk) -> None:
    pages = [
        [f"Shelf number{n} holds {n}3 jars of honey from the village of Elm{n}. " * 6] for n in range(99)
    ]
    engine = FakeEngine(("I cannot tell.",), n_ctx=4096)
    source = desk.add(make_document(pages, name="cellar.pdf"))
    events = desk.run(Chat(text="What is it about?", attachments=(source,)), engine)
    assert "honey" not in engine.requests[0].messages[-1].content
    (told,) = [event.text for event in events if isinstance(event, Warned)]
    assert "sees nothing of it" in told


def test_without_saving_nothing_is_kept(desk: Desk) -> None:
    done = last(desk.run(Chat(text="Hello", save=False), FakeEngine(("Hi.",))))
    assert (done.conversation, done.message) == ("", "")
    assert desk.history.conversations() == []


def test_a_full_disk_does_not_end_the_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageFailed("The disk is full", "Free some space.")

    monkeypatch.setattr(desk.history, "update_message", full)
    monkeypatch.setattr(chat, "SAVE_EVERY_S", 0.0)
    events = desk.run(Chat(text="Hello"), FakeEngine(("one two three",)))
    assert any(isinstance(event, ChatDone) and event.text == "one two three" for event in events)
    assert sum(isinstance(event, Warned) and "disk is full" in event.text for event in events) == 1


def test_unseen_characters_do_not_reach_the_model(desk: Desk) -> None:
    engine = FakeEngine()
    desk.run(Chat(text="ab\u202ecd\u200be\U000e0041"), engine)
    assert engine.requests[0].messages[-1].content == "abcde"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello there.", "Hello there"),
        ("# A heading\nand more", "A heading"),
        ("word " * 30, "word word word word word word word word word…"),
        ("x" * 80, "x" * 48 + "…"),
        ("   ", ""),
    ],
)
def test_titles(text: str, title: str) -> None:
    assert title_of(text) == title


def test_what_the_catalogue_recommends_reaches_the_engine(desk: Desk) -> None:
    known = next(entry for entry in catalog.load() if entry.sampling.top_k)
    for model in (known.id, "of my own"):
        engine = FakeEngine()
        desk.run(Chat(text="How high is the tide?", model=model, temperature=0.1, seed=4), engine)
        (request,) = engine.requests
        assert (request.temperature, request.seed) == (0.1, 4)
        assert request.sampling is None
        if model == known.id:
            assert request.recommended is not None
            assert request.recommended.top_k == known.sampling.top_k
        else:
            assert request.recommended is None


def test_the_time_to_the_first_word_counts_from_sending(desk: Desk) -> None:
    class Loading(FakeEngine):
        def load(self, model: ModelSpec) -> Loaded:
            time.sleep(0.05)
            return super().load(model)

    assert last(desk.run(Chat(text="Hello"), Loading(("Hi.",)))).usage.first_token_s >= 0.05
