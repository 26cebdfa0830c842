"""A scheduler on a context that computes nothing but checks everything.

Its "model" draws the next token as a hash of the sequence so far, so an answer is right only if exactly the
right tokens lay in the cache at the right positions, however requests were batched, shared, parked, preempted
or brought back.
"""

import array
import zlib

from desktop_slm.engine.api import Finished, GenerateRequest, Message, ModelSpec, Sampling, Text
from desktop_slm.engine.job import Job
from desktop_slm.engine.scheduler import BATCH_TOKENS, SEQUENCES, Scheduler
from desktop_slm.engine.text import TextStream

END = 999
WINDOW = 10


def next_token(tokens):
    value = zlib.crc32(repr(tokens).encode())
    return END if value % 40 == 0 else value % 900


def packed(tokens):
    return bytearray(array.array("i", tokens).tobytes())


class CheckingContext:
    """A KV cache of cells: (position, token, set of sequences).

    Args:
        n_ctx: Cells.
        forgets: Like a hybrid model: beside the cells, one state per sequence, which cannot be cut.
        windowed: Like sliding windows: positions behind the window of a sequence get lost now and then.
        abort_every: Every so many batches are broken off half way.
    """

    def __init__(self, n_ctx, forgets=False, windowed=False, abort_every=0):
        self.n_ctx = n_ctx
        self.forgets = forgets
        self.windowed = windowed
        self.rolls_back = not (forgets or windowed)
        self.abort_every = abort_every
        self.cells = []
        self.states = {}  # of recurrent layers: sequence -> tokens
        self.first = {}  # of windowed layers: sequence -> first position that is still there
        self.batch = []
        self.outputs = {}
        self.decoded = 0
        self.calls = 0
        self.loads = 0

    def clear_batch(self):
        self.batch = []

    def add(self, token, position, sequence, logits):
        self.batch.append((token, position, sequence, logits))
        return len(self.batch) - 1

    def set_adapters(self, adapters):
        self.adapters = adapters

    def held(self, sequence):
        cells = sorted((c[0], c[1]) for c in self.cells if sequence in c[2])
        assert [p for p, _ in cells] == list(range(len(cells))), "holes or doubles in a sequence"
        return [t for _, t in cells]

    def decode(self):
        self.calls += 1
        assert 0 < len(self.batch) <= BATCH_TOKENS
        if len(self.cells) + len(self.batch) > self.n_ctx:
            return 1
        if self.calls % 3 == 0:
            for sequence in {s for c in self.cells for s in c[2]}:
                start = len(self.held(sequence)) - WINDOW + 1
                self.first[sequence] = max(self.first.get(sequence, 0), start)
        aborts = self.abort_every and self.calls % self.abort_every == 0
        for token, position, sequence, _ in self.batch[: len(self.batch) // 2 if aborts else None]:
            assert position == len(self.held(sequence)), "a token at the wrong position"
            assert self.reaches(sequence, position), "a token on a state that is not that of its text"
            self.cells.append((position, token, {sequence}))
            self.states[sequence] = [*self.states.get(sequence, []), token]
        if aborts:
            return 2
        self.decoded += len(self.batch)
        self.outputs = {
            index: next_token(self.held(sequence)[: position + 1])
            for index, (_, position, sequence, logits) in enumerate(self.batch)
            if logits
        }
        return 0

    def reaches(self, sequence, length):
        if self.forgets:
            return self.states.get(sequence, []) == self.held(sequence)[:length]
        return not self.windowed or self.first.get(sequence, 0) <= max(0, length - WINDOW + 1)

    def remove(self, sequence, start=0):
        if start and self.forgets and len(self.states.get(sequence, [])) > start:
            return False
        if start and self.windowed and not self.reaches(sequence, start):
            return False
        for cell in self.cells:
            if cell[0] >= start:
                cell[2].discard(sequence)
        self.cells = [c for c in self.cells if c[2]]
        if not start:
            self.states.pop(sequence, None)
            self.first.pop(sequence, None)
        return True

    def copy(self, source, target, end):
        assert not self.held(target)
        for cell in self.cells:
            if source in cell[2] and cell[0] < end:
                cell[2].add(target)
        self.states[target] = list(self.states.get(source, []))
        self.first[target] = self.first.get(source, 0)

    def state_bytes(self, sequence):
        return 4 * len(self.held(sequence))

    def save(self, sequence, *, partial=False):
        assert not self.forgets or self.reaches(sequence, len(self.held(sequence)))
        return packed(self.held(sequence))

    def load(self, sequence, data, length, *, partial=False):
        self.loads += 1
        tokens = list(array.array("i", bytes(data)))
        if not partial:
            self.remove(sequence)
            if len(tokens) != length or len(self.cells) + length > self.n_ctx:
                return False
            self.cells += [(position, token, {sequence}) for position, token in enumerate(tokens)]
        assert self.held(sequence)[:length] == tokens, "a checkpoint of another text"
        self.states[sequence] = tokens
        self.first[sequence] = max(0, length - WINDOW + 1)
        return True

    def clear(self):
        self.cells, self.states, self.first = [], {}, {}


class Drawer:
    logprob = 0.0

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

    def spelling(self, token):
        return b"%d," % token


def job(number, tokens, *, background=False, max_tokens=30, stops=(), seed=None, conversation="", settled=0):
    request = GenerateRequest(
        model=ModelSpec(path="x"),
        messages=(Message("user", "x"),),
        max_tokens=max_tokens,
        sampling=Sampling(seed=seed),
        priority="background" if background else "interactive",
        conversation=conversation,
    )
    return Job(number, request, list(tokens), Drawer(), TextStream(stops), 0.0, settled)


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
    """A scheduler with what came out of it, and which positions were read for which job."""

    def __init__(self, n_ctx=600, n_seq=SEQUENCES, parking_bytes=1_000_000, **options):
        self.context = CheckingContext(n_ctx, **options)
        self.events = []
        self.read = {}
        self.scheduler = Scheduler(
            self.context,
            Words(),
            forgets=self.context.forgets,
            emit=self.events.extend,
            n_seq=n_seq,
            parking_bytes=parking_bytes,
        )
        self._decode = self.context.decode
        self.context.decode = self._decode_and_note

    def _decode_and_note(self):
        result = self._decode()
        owners = {job.resident.id: job.id for job in self.scheduler._running}
        for _, position, sequence, _ in self.context.batch if result == 0 else ():
            self.read.setdefault(owners[sequence], set()).add(position)
        return result

    def finish(self, limit=4000):
        for _ in range(limit):
            if self.scheduler.idle:
                return
            self.scheduler.step()
        raise AssertionError("the scheduler does not come to an end")

    def ask(self, made):
        """Run one job to its end; return its answer and its usage."""
        self.scheduler.submit(made)
        self.finish()
        answer, end = self.result(made.id)
        return answer, end.usage

    def result(self, number):
        text = "".join(e.text for i, e in self.events if i == number and isinstance(e, Text))
        ends = [e for i, e in self.events if i == number and isinstance(e, Finished)]
        assert len(ends) == 1
        return [int(t) for t in text.split(",") if t], ends[0]

    def check_reuse(self, number, n_prompt):
        """Hold what a job says it reused against the positions that really went through batches for it."""
        usage = self.result(number)[1].usage
        read = {position for position in self.read.get(number, ()) if position < n_prompt}
        assert usage.prompt_tokens == n_prompt
        assert 0 <= usage.reused_tokens < max(1, n_prompt)
        if read:
            assert usage.reused_tokens == min(read)
            assert read == set(range(min(read), max(read) + 1))
        if usage.completion_tokens:
            assert len(read) == n_prompt - usage.reused_tokens
