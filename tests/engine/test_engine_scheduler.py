"""The scheduler against a context that computes nothing but checks everything.

Its "model" draws the next token as a hash of the sequence so far, so an answer is right only if exactly the
right tokens lay in the cache at the right positions, however requests were batched, shared or preempted.
"""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_slm.engine.api import (
    Finished,
    GenerateRequest,
    Message,
    ModelSpec,
    PromptProgress,
    Sampling,
    Text,
)
from desktop_slm.engine.job import Job
from desktop_slm.engine.scheduler import BATCH_TOKENS, RUNNING_MAX, SEQUENCES, Scheduler
from desktop_slm.engine.sequences import common_length
from desktop_slm.engine.text import TextStream

END = 999


def next_token(tokens):
    value = zlib.crc32(repr(tokens).encode())
    return END if value % 40 == 0 else value % 900


class CheckingContext:
    """A KV cache of cells: (position, token, set of sequences)."""

    def __init__(self, n_ctx, forgets=False, abort_every=0):
        self.n_ctx = n_ctx
        self.forgets = forgets
        self.abort_every = abort_every
        self.cells = []
        self.batch = []
        self.outputs = {}
        self.decoded = 0
        self.calls = 0

    def clear_batch(self):
        self.batch = []

    def add(self, token, position, sequence, logits):
        self.batch.append((token, position, sequence, logits))
        return len(self.batch) - 1

    def held(self, sequence):
        cells = sorted((c[0], c[1]) for c in self.cells if sequence in c[2])
        assert [p for p, _ in cells] == list(range(len(cells))), "holes or doubles in a sequence"
        return [t for _, t in cells]

    def decode(self):
        self.calls += 1
        assert 0 < len(self.batch) <= BATCH_TOKENS
        if len(self.cells) + len(self.batch) > self.n_ctx:
            return 1
        aborts = self.abort_every and self.calls % self.abort_every == 0
        for token, position, sequence, _ in self.batch[: len(self.batch) // 2 if aborts else None]:
            assert position == len(self.held(sequence)), "a token at the wrong position"
            self.cells.append((position, token, {sequence}))
        if aborts:
            return 2
        self.decoded += len(self.batch)
        self.outputs = {
            index: next_token(self.held(sequence)[: position + 1])
            for index, (_, position, sequence, logits) in enumerate(self.batch)
            if logits
        }
        return 0

    def remove(self, sequence, start=0):
        mine = [c for c in self.cells if sequence in c[2]]
        if self.forgets and start and any(c[0] >= start for c in mine):
            return False
        for cell in mine:
            if cell[0] >= start:
                cell[2].discard(sequence)
        self.cells = [c for c in self.cells if c[2]]
        return True

    def copy(self, source, target, end):
        assert not self.held(target)
        assert not (self.forgets and end != len(self.held(source)))
        for cell in self.cells:
            if source in cell[2] and cell[0] < end:
                cell[2].add(target)

    def clear(self):
        self.cells = []


class Drawer:
    def __init__(self):
        self.closed = False

    def sample(self, context, index):
        return context.outputs[index]

    def close(self):
        assert not self.closed
        self.closed = True


class Words:
    def ends(self, token):
        return token == END

    def piece(self, token):
        return b"%d," % token


def job(number, tokens, *, background=False, max_tokens=30, stops=(), seed=None):
    request = GenerateRequest(
        model=ModelSpec(path="x"),
        messages=(Message("user", "x"),),
        max_tokens=max_tokens,
        sampling=Sampling(seed=seed),
        priority="background" if background else "interactive",
    )
    return Job(number, request, list(tokens), Drawer(), TextStream(stops), 0.0)


def expected(tokens, max_tokens, n_ctx):
    tokens, answer = list(tokens), []
    while True:
        token = next_token(tokens)
        if token == END:
            return answer, "stop"
        tokens.append(token)
        answer.append(token)
        if max_tokens and len(answer) >= max_tokens:
            return answer, "length"
        if len(tokens) >= n_ctx:
            return answer, "context"


class Run:
    """A scheduler with what came out of it."""

    def __init__(self, n_ctx=600, **options):
        self.context = CheckingContext(n_ctx, **options)
        self.events = []
        self.scheduler = Scheduler(
            self.context, Words(), forgets=self.context.forgets, emit=self.events.extend
        )

    def finish(self, limit=4000):
        for _ in range(limit):
            if self.scheduler.idle:
                return
            self.scheduler.step()
        raise AssertionError("the scheduler does not come to an end")

    def result(self, number):
        text = "".join(e.text for i, e in self.events if i == number and isinstance(e, Text))
        ends = [e for i, e in self.events if i == number and isinstance(e, Finished)]
        assert len(ends) == 1
        return [int(t) for t in text.split(",") if t], ends[0]


def test_one_job():
    run = Run()
    run.scheduler.submit(job(1, range(50)))
    run.finish()
    answer, end = run.result(1)
    assert (answer, end.reason) == expected(range(50), 30, 600)
    assert end.usage.prompt_tokens == 50
    assert end.usage.completion_tokens == len(answer)
    assert end.usage.reused_tokens == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_mix_of_jobs_gives_each_its_own_answer(data):
    n_ctx = data.draw(st.sampled_from([120, 300, 2000]))
    forgets = data.draw(st.booleans())
    run = Run(n_ctx, forgets=forgets, abort_every=data.draw(st.sampled_from([0, 3, 7])))
    shared = [list(range(100, 100 + data.draw(st.integers(0, 60)))) for _ in range(2)]
    jobs = []
    for number in range(data.draw(st.integers(1, 14))):
        own = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=40))
        tokens = data.draw(st.sampled_from(shared)) + own
        limit = data.draw(st.integers(0, 40))
        seed = data.draw(st.sampled_from([None, None, 1]))
        background = data.draw(st.booleans())
        made = job(number, tokens, background=background, max_tokens=limit, seed=seed)
        jobs.append((made, tokens, limit))
    cancelled = set()
    for made, _, _ in jobs:
        run.scheduler.submit(made)
        for _ in range(data.draw(st.integers(0, 6))):
            run.scheduler.step()
        if data.draw(st.integers(0, 9)) == 0:
            made.cancelled = True
            cancelled.add(made.id)
    run.finish()
    for made, tokens, limit in jobs:
        answer, end = run.result(made.id)
        assert made.sampler.closed
        whole, reason = expected(tokens, limit, n_ctx)
        if end.reason == "cancelled":
            assert made.id in cancelled
            assert whole[: len(answer)] == answer
        elif end.reason == "repetition":
            assert whole[: len(answer)] == answer
        else:
            assert (answer, end.reason) == (whole, reason)


def test_the_second_turn_reads_only_what_is_new():
    run = Run()
    first = list(range(200))
    run.scheduler.submit(job(1, first))
    run.finish()
    answer, _ = run.result(1)
    before = run.context.decoded
    second = [*first, *answer, 1, 2, 3]
    run.scheduler.submit(job(2, second, max_tokens=1))
    run.finish()
    _, end = run.result(2)
    assert end.usage.reused_tokens >= 200 + len(answer) - 1
    assert run.context.decoded - before == len(second) - end.usage.reused_tokens


def test_a_shared_prefix_is_read_once():
    run = Run(n_ctx=2000)
    shared = list(range(300))
    for number in range(8):
        run.scheduler.submit(job(number, [*shared, 500 + number], background=True, max_tokens=1))
    run.finish()
    assert run.context.decoded < 300 + 8 * 3
    assert sum(run.result(number)[1].usage.reused_tokens >= 299 for number in range(8)) == 7


def test_a_memory_that_cannot_forget_reads_again_instead():
    run = Run(forgets=True)
    run.scheduler.submit(job(1, range(100)))
    run.finish()
    run.scheduler.submit(job(2, [*range(50), 7, 8]))
    run.finish()
    answer, end = run.result(2)
    assert (answer, end.reason) == expected([*range(50), 7, 8], 30, 600)
    assert end.usage.reused_tokens == 0


def test_a_chat_starts_within_one_slice_while_a_document_is_read():
    run = Run(n_ctx=20_000)
    for number in range(3):
        run.scheduler.submit(job(number, [number] * 1100, background=True, max_tokens=20))
    for _ in range(3):
        run.scheduler.step()
    run.scheduler.submit(job(100, range(50), max_tokens=10))
    run.scheduler.step()
    run.scheduler.flush(force=True)
    assert any(i == 100 and isinstance(e, Text) for i, e in run.events)
    run.finish()


def test_the_conversation_survives_a_summary_in_the_cache():
    run = Run(n_ctx=2000)
    run.scheduler.submit(job(1, range(200)))
    run.finish()
    for number in range(10, 30):
        run.scheduler.submit(job(number, [number] * 100, background=True))
    run.finish()
    run.scheduler.submit(job(2, [*range(200), 5]))
    run.finish()
    assert run.result(2)[1].usage.reused_tokens == 200


def test_progress_of_a_long_prompt_is_told():
    run = Run(n_ctx=4000)
    run.scheduler.submit(job(1, [5] * 1500, max_tokens=1))
    run.finish()
    progress = [e for _, e in run.events if isinstance(e, PromptProgress)]
    assert [e.done for e in progress] == [128, 640, 1152, 1500]
    assert {e.total for e in progress} == {1500}


def test_a_seeded_prompt_is_read_alone_from_its_beginning_in_equal_slices():
    run = Run(n_ctx=6000)
    shapes = []
    plain = run.context.decode

    def decode():
        shapes.append([(position, sequence) for _, position, sequence, _ in run.context.batch])
        return plain()

    run.context.decode = decode
    run.scheduler.submit(job(1, range(600), max_tokens=3))
    run.finish()
    run.scheduler.submit(job(2, range(10), background=True, max_tokens=40))
    run.scheduler.step()
    shapes.clear()
    run.scheduler.submit(job(3, range(600), max_tokens=2, seed=7))
    run.finish()
    assert [len(shape) for shape in shapes[:2]] == [512, 88]
    assert [position for shape in shapes[:2] for position, _ in shape] == list(range(600))
    assert run.result(3)[1].usage.reused_tokens == 0


def test_stop_texts_end_a_job():
    run = Run()
    whole, _ = expected(range(50), 30, 600)
    stop = f",{whole[2]},"
    run.scheduler.submit(job(1, range(50), stops=[stop]))
    run.finish()
    answer, end = run.result(1)
    assert (answer, end.reason) == (whole[:2], "stop")


def test_cancelled_before_it_starts():
    run = Run()
    made = job(1, range(50))
    run.scheduler.submit(made)
    made.cancelled = True
    run.finish()
    assert run.result(1)[1].reason == "cancelled"
    assert run.context.calls == 0


@pytest.mark.parametrize("forgets", [False, True])
def test_a_cancel_ends_the_step_under_way_unless_others_would_lose_what_they_read(forgets):
    run = Run(forgets=forgets)
    run.scheduler.submit(job(1, range(50)))
    run.scheduler.step()
    assert run.scheduler.worth_aborting() is not forgets  # a single token
    run.scheduler.submit(job(2, range(400, 800)))
    run.scheduler.step()
    assert run.scheduler.worth_aborting()  # a slice of a prompt


def test_close_finishes_everything():
    run = Run()
    for number in range(RUNNING_MAX + 4):
        run.scheduler.submit(job(number, [number] * 20))
    run.scheduler.step()
    run.scheduler.close()
    assert {run.result(number)[1].reason for number in range(RUNNING_MAX + 4)} == {"cancelled"}
    assert run.scheduler.idle


def test_a_failed_decode_is_not_hidden():
    run = Run()
    run.context.decode = lambda: -3
    run.scheduler.submit(job(1, range(5)))
    with pytest.raises(RuntimeError, match="-3"):
        run.scheduler.step()


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_common_length(one, other):
    length = common_length(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]


def test_there_are_sequences_for_chats_beside_the_running_jobs():
    assert SEQUENCES >= RUNNING_MAX + 4
