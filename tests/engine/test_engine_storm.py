"""Hundreds of jobs of all kinds overlap, are given up and lose their worker: each ends exactly once."""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest
from tiny_models import tiny_adapter, tiny_model

from desktop_slm.engine import client
from desktop_slm.engine import protocol as p
from desktop_slm.engine.api import (
    Adapter,
    Finished,
    GenerateRequest,
    Message,
    ModelSpec,
    PromptProgress,
    Sampling,
    Text,
)
from desktop_slm.engine.client import EngineClient
from desktop_slm.errors import ContextExceeded, DesktopSlmError, EngineCrashed, InvalidRequest

pytestmark = pytest.mark.model

JOBS, THREADS = 240, 12
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"


class Tickets:
    """Counts what every order got as its end."""

    def __init__(self, monkeypatch):
        self.ends = {}
        lock, ends = threading.Lock(), self.ends

        class Counted(client.Ticket):
            def put(self, item):
                if isinstance(item, Finished | p.Answer | DesktopSlmError):
                    with lock:
                        ends[self.id] += 1
                super().put(item)

        class Life(client.Life):
            def submit(self, order, ticket):
                ends.setdefault(ticket.id, 0)
                return super().submit(order, ticket)

        monkeypatch.setattr(client, "Ticket", Counted)
        monkeypatch.setattr(client, "Life", Life)

    def settled(self, patience_s=30.0):
        """Wait until each has its end, and tell how often that came."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end and any(count == 0 for count in self.ends.values()):
            time.sleep(0.02)
        return Counter(self.ends.values())


class Storm:
    """Threads that ask an engine for one thing after another.

    Attributes:
        ends: How jobs ended, by name.
        surprises: What must not happen.
    """

    def __init__(self, engine, model, folder):
        self.engine, self.model = engine, model
        self.adapter = Adapter(str(tiny_adapter(folder / "adapter.gguf", strength=2)))
        self.encoder = ModelSpec(path=str(tiny_model(folder / "encoder.gguf", "bert")))
        self.ranker = ModelSpec(path=str(tiny_model(folder / "ranker.gguf", "bert-rank")))
        self.ends, self.surprises = Counter(), []
        self._left, self._lock = JOBS, threading.Lock()

    def request(self, chance, *, sound=False):
        options = {"conversation": chance.choice(["", "", "one", "two"])}
        form = chance.randrange(8)
        if form == 1 and not sound:
            options["grammar"] = "root ::= this is no grammar"
        elif form == 0:
            options["choices"] = ("yes", "no", "perhaps")
        elif form == 2:
            options["stop"] = ("a", "e")
        if chance.randrange(4) == 0:
            options["adapters"] = (self.adapter,)
        words = chance.choice([3, 20, 60] if sound else [3, 3, 20, 20, 60, 60, 2000])
        text = f"Story {chance.randrange(3)}. " + "word and <assistant> word " * words
        sampling = Sampling(temperature=1.0, seed=chance.choice([None, None, 7]))
        return GenerateRequest(
            model=self.model,
            messages=(Message("user", text),),
            max_tokens=chance.randrange(1, 30),
            sampling=sampling,
            priority=chance.choice(["interactive", "background"]),
            **options,
        )

    def run(self, seed):
        chance = random.Random(seed)
        while self._next():
            act = chance.choice(
                [self.read_all, self.read_all, self.give_up, self.ask_several, self.ask_small, self.encode]
            )
            try:
                act(chance)
            except (EngineCrashed, ContextExceeded, InvalidRequest) as error:
                self.ends[type(error).__name__] += 1
            except BaseException as error:
                self.surprises.append(error)
                raise

    def _next(self):
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def read_all(self, chance, *, sound=False):
        events = list(self.engine.generate(self.request(chance, sound=sound)))
        assert [isinstance(event, Finished) for event in events].count(True) == 1
        assert isinstance(events[-1], Finished)
        assert all(isinstance(event, Text | PromptProgress) for event in events[:-1])
        self.ends[events[-1].reason] += 1

    def give_up(self, chance):
        with contextlib.closing(self.engine.generate(self.request(chance))) as events:
            for _ in range(chance.randrange(4)):
                next(events, None)
        self.ends["given up"] += 1

    def ask_several(self, chance):
        requests = [self.request(chance, sound=True) for _ in range(chance.randrange(2, 6))]
        ends = Counter(
            index for index, event in self.engine.generate_many(requests) if isinstance(event, Finished)
        )
        assert ends == Counter(range(len(requests)))
        self.ends["several"] += 1

    def ask_small(self, chance):
        assert self.engine.count_tokens(self.model, ["abc", ""])[1] == 0
        self.engine.count_prompt(self.model, [Message("user", "x" * chance.randrange(3000))])
        self.ends["counted"] += 1

    def encode(self, chance):
        texts = ["some words " * chance.randrange(20) for _ in range(chance.randrange(1, 60))]
        encoder = chance.choice([self.encoder, self.encoder, self.model])
        assert len(self.engine.embed(encoder, texts)) == len(texts)
        assert len(self.engine.rerank(self.ranker, "which words?", texts[:5])) == len(texts[:5])
        self.ends["encoded"] += 1


@pytest.fixture
def model(tmp_path):
    return ModelSpec(path=str(tiny_model(tmp_path / "storm.gguf", chat_template=TEMPLATE)), n_ctx=2048)


@pytest.mark.parametrize("kills", [0, 5])
def test_every_job_ends_exactly_once(model, monkeypatch, tmp_path, kills):
    tickets = Tickets(monkeypatch)
    # On a busy computer one token can take seconds: that is no hanging job.
    engine = EngineClient(silence_limit_s=60, cancel_limit_s=60)
    storm = Storm(engine, model, tmp_path)
    chance = random.Random(20)
    threads = [threading.Thread(target=storm.run, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    killed = set()
    while any(thread.is_alive() for thread in threads) and len(killed) < kills:
        time.sleep(chance.uniform(0.1, 0.5))
        pid = engine.worker_pid()
        if pid and pid not in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "a job hangs"
    assert storm.surprises == []
    assert set(tickets.settled()) == {1}
    assert len(tickets.ends) > JOBS
    assert bool(storm.ends["EngineCrashed"]) == bool(killed) == bool(kills)
    for end in ("length", "given up", "several", "counted", "encoded", "InvalidRequest", "ContextExceeded"):
        assert storm.ends[end], (end, storm.ends)
    # And the next job is answered as if nothing had been
    for _ in range(2):
        with contextlib.suppress(EngineCrashed):  # the refusal after two crashes, said once
            storm.read_all(random.Random(1), sound=True)
            break
    engine.close()
