"""Who asks for something while a document is read does not wait for a whole batch of it."""

import pytest
from in_process import load
from tiny_models import tiny_model

from desktop_slm.engine import chain
from desktop_slm.engine.api import Finished, GenerateRequest, ModelSpec, Sampling
from desktop_slm.engine.context import Context
from desktop_slm.engine.job import Job
from desktop_slm.engine.scheduler import BATCH_TOKENS, Scheduler
from desktop_slm.engine.text import TextStream

pytestmark = pytest.mark.model


class Bench:
    """A scheduler over a real context whose batches are noted."""

    def __init__(self, path, architecture):
        self.model = load(tiny_model(path, architecture))
        self.context = Context(self.model, n_ctx=2048, n_seq=4, n_threads=1, n_batch=BATCH_TOKENS)
        self.events = []
        self.scheduler = Scheduler(
            self.context, self.model, forgets=self.model.forgets, emit=self.events.extend, n_seq=4
        )
        self.sizes = []
        self.meanwhile = lambda: None
        decode = self.context.decode

        def noted():
            self.sizes.append(self.context._batch.n_tokens)
            self.meanwhile()
            return decode()

        self.context.decode = noted

    def submit(self, number, n_tokens, priority):
        request = GenerateRequest(
            model=ModelSpec(path=""), messages=(), max_tokens=3, priority=priority, sampling=Sampling()
        )
        sampler = chain.Sampler(self.model, Sampling(temperature=0), 1)
        self.scheduler.submit(Job(number, request, [5 + number] * n_tokens, sampler, TextStream(), 0.0))

    def ends(self):
        return {number: event for number, event in self.events if isinstance(event, Finished)}

    def close(self):
        self.scheduler.close()
        self.context.close()
        self.model.close()


@pytest.fixture(params=["llama", "lfm2"])
def bench(request, tmp_path):
    made = Bench(tmp_path / "m.gguf", request.param)
    yield made
    made.close()


def test_a_batch_of_a_document_is_given_up_for_somebody_who_asks(bench):
    bench.submit(1, 1500, "background")
    bench.scheduler.step()
    bench.scheduler.step()
    asked = []

    def ask():
        asked.append(bench.scheduler.hurry())
        if asked[-1]:
            bench.context.abort()

    bench.meanwhile = ask
    bench.scheduler.step()
    bench.meanwhile = lambda: None
    job = bench.scheduler.find(1)
    read = len(job.resident.tokens)
    assert asked == [bench.context.rolls_back]  # what cannot be cut would be lost whole
    assert bench.sizes[-1] > 64
    assert not bench.scheduler.hurry()  # the next order ends nothing: batches are short already
    bench.scheduler.step()
    assert bench.sizes[-1] <= 64
    assert read < len(job.resident.tokens) <= read + 64
    bench.submit(2, 40, "interactive")
    while not bench.scheduler.idle:
        bench.scheduler.step()
    assert list(bench.ends()) == [2, 1]
    assert bench.ends()[1].usage.prompt_tokens == 1500
    assert bench.ends()[1].usage.completion_tokens == 3


def test_nothing_is_given_up_where_somebody_is_served_already(bench):
    bench.submit(1, 1000, "interactive")
    bench.scheduler.step()
    assert not bench.scheduler.hurry()
