"""The scripted engine keeps the promises of the face, so that what is tested on it holds on the real one."""

import inspect

import pytest

from desktop_slm.engine.api import Engine, GenerateRequest, Message, ModelSpec, PromptProgress
from desktop_slm.engine.client import EngineClient
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.errors import ContextExceeded, EngineCrashed, EngineError, LoadFailed

SPEC = ModelSpec(path="fake.gguf")


def request(text="Hello", **options):
    return GenerateRequest(model=SPEC, messages=(Message("user", text),), **options)


def run(engine, **options):
    events = list(engine.generate(request(**options)))
    assert isinstance(events[0], PromptProgress)
    text = "".join(event.text for event in events[1:-1] if event.kind == "answer")
    return text, events[-1]


@pytest.mark.parametrize("made", [FakeEngine, EngineClient])
def test_both_engines_have_the_face_of_the_protocol(made):
    for name, function in inspect.getmembers(Engine, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(made, name)) == inspect.signature(function), name


def test_replies_in_order_and_the_last_again():
    engine = FakeEngine(["one", Reply("two", reasoning="hmm")])
    assert [run(engine)[0] for _ in range(3)] == ["one", "two", "two"]
    assert len(engine.requests) == 3


def test_a_function_answers_by_request():
    engine = FakeEngine(lambda request: request.messages[-1].content.upper())
    assert run(engine)[0] == "HELLO"


def test_limits_stops_and_choices():
    engine = FakeEngine(["one two three STOP four"])
    text, end = run(engine, max_tokens=3)
    assert (text, end.reason, end.usage.completion_tokens) == ("one two", "length", 3)
    assert run(engine, stop=("STOP",))[0] == "one two three "
    assert run(engine, choices=("yes", "no"))[0] == "yes"


def test_errors_after_a_part_of_the_text():
    engine = FakeEngine([Reply("half", error=EngineCrashed("It crashed", signal=9))])
    seen = []
    with pytest.raises(EngineCrashed):
        seen.extend(engine.generate(request()))
    with pytest.raises(LoadFailed):
        list(FakeEngine(load_error=LoadFailed("no")).generate(request()))
    with pytest.raises(ContextExceeded):
        list(FakeEngine(n_ctx=20).generate(request("word " * 30)))


def test_closing_is_counted_once_and_only_when_early():
    engine = FakeEngine(["one two three"], delay_s=0.001)
    events = engine.generate(request())
    next(events)
    next(events)
    events.close()
    run(engine)
    assert engine.cancelled == 1


def test_many_are_interleaved_and_counts_agree():
    engine = FakeEngine(["a b", "c"])
    events = list(engine.generate_many([request(), request()]))
    assert {index for index, _ in events} == {0, 1}
    text = "Grüße, Welt!"
    spans = engine.tokenize_spans(SPEC, text)
    assert len(spans) == engine.count_tokens(SPEC, [text])[0]
    assert "".join(text[a:b] for a, b in spans) == text


def test_closed():
    engine = FakeEngine()
    engine.close()
    with pytest.raises(EngineError):
        engine.load(SPEC)
