"""Measuring real models: beside what serves, after what runs, given up when asked."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import msgspec
import pytest
from engine_asking import answer, ask

from desktop_slm.engine.api import Message, ModelSpec, Probe
from desktop_slm.engine.client import EngineClient
from desktop_slm.errors import EngineCrashed, ModelUnsupported
from desktop_slm.models.shelf import Shelf

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]


class GaveUp(Exception):
    """Raised by a tick."""


@pytest.fixture(scope="module")
def engine(spec, raw_starter):
    """Return an engine whose one worker may read both files of the starter."""
    made = EngineClient(model_folders=(Path(spec.path).parent, raw_starter.parent))
    made.load(spec)
    yield made
    made.close()


def is_measured(probe: Probe) -> bool:
    return probe.prompt_tokens_per_s > 0 and probe.decode_tokens_per_s > 0 and probe.threads > 0


def test_both_are_measured_and_what_is_kept_stays(engine, spec, raw_starter):
    """The loaded model and another one; the conversation goes on without being read again."""
    pid = engine.worker_pid()
    first = ask(spec, "Name a color.", conversation="c1", max_tokens=8)
    said, end = answer(engine.generate(first))
    assert is_measured(engine.probe(ModelSpec(path=str(raw_starter))))
    assert is_measured(engine.probe(spec))
    assert engine.loaded().path == os.path.realpath(spec.path)
    turns = (*first.messages, Message("assistant", said), Message("user", "Another one."))
    _, again = answer(engine.generate(msgspec.structs.replace(first, messages=turns)))
    assert again.usage.reused_tokens >= end.usage.prompt_tokens
    assert engine.worker_pid() == pid


def test_a_measurement_waits_for_what_runs_and_lets_it_go_first(engine, spec):
    order = []

    def measure():
        assert is_measured(engine.probe(spec))
        order.append("measured")

    thread = threading.Thread(target=measure)
    events = engine.generate(ask(spec, "Tell a long story about a lighthouse.", max_tokens=150))
    next(events)
    thread.start()
    _, end = answer(events)
    order.append("answered")
    thread.join(120)
    assert order == ["answered", "measured"]
    assert end.usage.completion_tokens > 1


def test_a_request_that_comes_meanwhile_is_not_kept_waiting(engine, spec):
    started = threading.Event()
    probes = []

    def measure():
        probes.append(engine.probe(spec, started.set))

    thread = threading.Thread(target=measure)
    thread.start()
    assert started.wait(60)
    _, end = answer(engine.generate(ask(spec, "Say yes.", max_tokens=4)))
    assert end.reason in ("stop", "length")
    thread.join(120)
    assert is_measured(probes[0])


def test_giving_up_leaves_the_worker_as_it_was(engine, spec):
    pid = engine.worker_pid()

    def give_up():
        raise GaveUp

    with pytest.raises(GaveUp):
        engine.probe(spec, give_up)
    _, end = answer(engine.generate(ask(spec, "Say yes.", max_tokens=2)))
    assert end.usage.completion_tokens > 0
    assert engine.worker_pid() == pid


def test_what_does_not_write_is_refused(engine, tmp_path):
    from tiny_models import tiny_model

    encoder = tiny_model(tmp_path / "bert.gguf", "bert")
    with pytest.raises(ModelUnsupported, match="cannot write"):
        engine.probe(ModelSpec(path=str(encoder)))


def test_stopping_or_killing_the_conversion_leaves_nothing(raw_starter, tmp_path):
    engine = EngineClient()
    seen: list[int] = []

    def quantize(source, target, file_type, tick):
        def kill_then_tick():
            if Path(target).exists() and not seen:
                (life,) = engine._lives
                seen.append(life.child.pid)
                if kill:
                    os.kill(life.child.pid, signal.SIGKILL)
            tick()

        engine.quantize(source, target, file_type, kill_then_tick)

    shelf = Shelf(tmp_path / "shelf", quantize=quantize)
    model = shelf.import_file(raw_starter)
    before = sorted(tmp_path.rglob("*.gguf"))
    try:
        kill = True
        with pytest.raises(EngineCrashed):
            shelf.prepare(model.id)
        assert len(seen) == 1
        assert sorted(tmp_path.rglob("*.gguf")) == before
        assert shelf.list() == [model]
        kill = False
        prepared = shelf.prepare(model.id)
        assert prepared.quantization == "Q8_0"
        assert prepared.prepared_from == model.path
        assert not engine._lives
    finally:
        engine.close()
