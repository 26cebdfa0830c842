"""The worker is killed, stopped and frozen at every moment: each job gets its error, the next one works."""

import os
import queue
import signal
import threading
import time
from pathlib import Path

import pytest
from engine_asking import answer, ask
from tiny_models import tiny_model

from desktop_slm.engine import client, life
from desktop_slm.engine.api import ModelSpec, PromptProgress, Text
from desktop_slm.engine.client import EngineClient
from desktop_slm.engine.life import Life
from desktop_slm.errors import EngineCrashed, EngineError, EngineUnresponsive

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(os.name != "posix", reason="signals"),
]


@pytest.fixture
def fragile():
    """An engine with a short patience, so that a frozen worker is noticed soon."""
    made = EngineClient(silence_limit_s=2.5, cancel_limit_s=1.0)
    yield made
    made.close()


def wait_for_worker(engine):
    end = time.monotonic() + 20
    while not engine.worker_pid():
        assert time.monotonic() < end
        time.sleep(0.002)
    return engine.worker_pid()


def moment(engine, spec, stage):
    """Start a request and return its events, the worker being in ``stage``."""
    if stage == "prompt":
        engine.load(spec)
        events = engine.generate(ask(spec, "one two three four " * 900))
        assert isinstance(next(events), PromptProgress)
        return events
    events = engine.generate(ask(spec, "Tell a very long story.", max_tokens=3000))
    for event in events:
        if isinstance(event, Text):
            return events
    raise AssertionError("no text")


@pytest.mark.parametrize("stage", ["load", "prompt", "stream"])
@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_death_at_any_moment(fragile, spec, stage, number):
    failed = queue.SimpleQueue()
    if stage == "load":

        def load():
            try:
                fragile.load(spec)
            except EngineError as error:
                failed.put(error)

        thread = threading.Thread(target=load)
        thread.start()
        os.kill(wait_for_worker(fragile), number)
        if number == signal.SIGSTOP:
            # While it starts the patience is 30 s: an explicit stop must not wait for that.
            fragile.unload()
        thread.join(20)
        error = failed.get(timeout=1)
    else:
        events = moment(fragile, spec, stage)
        os.kill(fragile.worker_pid(), number)
        with pytest.raises(EngineError) as caught:
            list(events)
        error = caught.value
    if number == signal.SIGSTOP:
        assert isinstance(error, EngineUnresponsive if stage != "load" else EngineError)
    else:
        assert isinstance(error, EngineCrashed)
        assert error.signal == number
        assert f"signal {int(number)}" in error.title
    text, end = answer(fragile.generate(ask(spec, "Say hello.", max_tokens=20)))
    assert "ello" in text
    assert end.reason in ("stop", "length")


def test_all_open_jobs_hear_of_a_death(fragile, spec):
    fragile.load(spec)
    errors = queue.SimpleQueue()

    def work():
        try:
            list(fragile.generate(ask(spec, "Tell a very long story.", max_tokens=3000)))
        except EngineCrashed as error:
            errors.put(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    os.kill(fragile.worker_pid(), signal.SIGKILL)
    for thread in threads:
        thread.join(20)
    assert errors.qsize() == 4


def test_two_crashes_stop_the_loop_until_the_user_tries_again(fragile, spec):
    for _ in range(2):
        fragile.count_tokens(spec, ["x"])
        pid = fragile.worker_pid()
        events = fragile.generate(ask(spec, "Tell a story.", max_tokens=3000))
        next(events)
        os.kill(pid, signal.SIGSEGV)
        with pytest.raises(EngineCrashed):
            list(events)
    with pytest.raises(EngineCrashed, match="crashed 2 times"):
        list(fragile.generate(ask(spec, "Tell a story.")))
    assert fragile.worker_pid() == 0  # none was started for it
    assert answer(fragile.generate(ask(spec, "Hi", max_tokens=2)))[1].reason == "length"


def test_a_cancelled_job_of_a_frozen_worker_ends_it(fragile, spec):
    events = moment(fragile, spec, "stream")
    pid = fragile.worker_pid()
    os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    events.close()
    assert fragile.worker_pid() == pid  # closing does not wait for its end
    while fragile.worker_pid() == pid:
        assert time.monotonic() - started < 20
        time.sleep(0.02)
    assert answer(fragile.generate(ask(spec, "Hi", max_tokens=2)))[1].reason == "length"


def test_unload_frees_the_worker_and_the_next_call_starts_one(fragile, spec):
    fragile.load(spec)
    pid = fragile.worker_pid()
    fragile.unload()
    assert fragile.memory_bytes() == 0
    assert fragile.loaded() is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert fragile.count_tokens(spec, ["x"]) == [1]
    assert fragile.worker_pid() != pid


def test_deaths_of_an_old_life_never_reach_a_new_job(fragile, spec, monkeypatch):
    """Kill and ask again at once, several times: only the jobs of the killed worker may fail."""
    monkeypatch.setattr(client, "CRASH_LIMIT", 10)
    for number in range(2):
        events = fragile.generate(ask(spec, "Tell a story.", max_tokens=500))
        next(events)
        os.kill(fragile.worker_pid(), signal.SIGKILL)
        with pytest.raises(EngineCrashed):
            list(events)
        text, _ = answer(fragile.generate(ask(spec, f"Say {number}.", max_tokens=3)))
        assert text


def test_a_template_that_hangs_is_ended_from_outside(fragile, spec, tmp_path):
    """The model's own template, replaced in place by one of the same length that never ends."""
    data = bytearray(Path(spec.path).read_bytes())
    start = data.index(b"{% for message in messages %}{% if loop.first")
    end = data.index(b"assistant\n' }}{% endif %}", start) + len(b"assistant\n' }}{% endif %}")
    loop = b"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    data[start:end] = loop + b" " * (end - start - len(loop))
    path = tmp_path / "hang.gguf"
    path.write_bytes(data)
    with pytest.raises(EngineUnresponsive, match="template"):
        list(fragile.generate(ask(ModelSpec(path=str(path), n_ctx=512), "Hi")))


def test_a_template_that_eats_memory_is_done_without(monkeypatch, tmp_path):
    """Texts that double without end: the worker's memory stays as it was, and the model answers."""
    monkeypatch.setitem(life._LIMITS, "template", (60.0, "The template"))  # on a busy computer
    patient = EngineClient(silence_limit_s=60)
    bomb = "{% set s = namespace(x='x') %}{% for n in range(60) %}{% set s.x = s.x ~ s.x %}{% endfor %}"
    path = tiny_model(tmp_path / "bomb.gguf", chat_template=bomb + "{{ messages[0].content }}")
    tiny = ModelSpec(path=str(path), n_ctx=512)
    patient.load(tiny)
    pid, before = patient.worker_pid(), patient.memory_bytes()
    _, end = answer(patient.generate(ask(tiny, "Hi", max_tokens=3)))
    assert end.reason in ("length", "stop")
    assert patient.worker_pid() == pid
    assert patient.memory_bytes() - before < 64 * 1024 * 1024
    patient.close()


def test_a_worker_retired_between_choice_and_order_is_replaced(fragile, monkeypatch):
    """As when another thread asks for a model in a folder that the worker may not read."""
    fragile.hardware()
    pid = fragile.worker_pid()
    submit, retired = Life.submit, []

    def submit_late(life, order, ticket):
        if not retired:
            retired.append(life)
            life.retire()
        return submit(life, order, ticket)

    monkeypatch.setattr(Life, "submit", submit_late)
    assert fragile.hardware().cpu_name
    assert fragile.worker_pid() != pid


def test_the_worker_gives_way_to_the_window(engine, spec):
    engine.load(spec)
    assert os.getpriority(os.PRIO_PROCESS, engine.worker_pid()) == os.getpriority(os.PRIO_PROCESS, 0) + 1
