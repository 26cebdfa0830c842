"""What comes back into llama.cpp's memory is what was there: logits after it equal those of reading anew."""

import numpy as np
import pytest
from in_process import load
from tiny_models import tiny_model

from desktop_slm.engine.context import Context
from desktop_slm.engine.llama import C
from desktop_slm.engine.sequences import Resident, Sequences

pytestmark = pytest.mark.model

KINDS = ["llama", "gemma3", "gemma2", "lfm2", "granitehybrid", "falcon-h1", "mamba", "deepseek2"]
N_CTX = 1024


class Reader:
    """A context with its sequences, read from without a scheduler."""

    def __init__(self, model, parking_bytes=1 << 30):
        self.model = model
        self.context = Context(model, n_ctx=N_CTX, n_seq=8, n_threads=1, n_batch=512)
        self.sequences = Sequences(self.context, 8, parking_bytes)

    def read(self, resident, tokens):
        """Decode ``tokens`` into ``resident``; return the logits after them."""
        self.context.clear_batch()
        start = len(resident.tokens)
        for place, token in enumerate(tokens):
            last = place + 1 == len(tokens)
            index = self.context.add(token, start + place, resident.id, last)
        assert self.context.decode() == 0
        self.sequences.append(resident, tokens)
        return np.array(C.llama_get_logits_ith(self.context.pointer, index)[: self.model.n_vocab])

    def go_on(self, tokens, conversation=""):
        """Take what is known of ``tokens`` and read the rest; return who, how much was known, logits."""
        resident, length = self.sequences.take(tokens, (), conversation)
        return resident, length, self.read(resident, tokens[length:])


@pytest.fixture(scope="module", params=KINDS)
def reader(request, tmp_path_factory):
    path = tiny_model(tmp_path_factory.mktemp("tiny") / "model.gguf", request.param)
    model = load(path)
    made = Reader(model)
    yield made
    made.context.close()
    model.close()


@pytest.fixture
def fresh(reader):
    """Return what tells the logits after tokens that nothing is known of."""
    for resident in reader.sequences._all:
        reader.sequences.drop(resident)
    reader.sequences._parking.__init__(1 << 30)

    def read(tokens):
        other = reader.sequences.take_fresh()
        logits = reader.read(other, tokens)
        reader.sequences.drop(other)
        return logits

    return read


def text(seed, length):
    return [int(token) for token in np.random.default_rng(seed).integers(10, 250, length)]


def same(one, other):
    """Tell whether logits are equal but for rounding, which differs with the shape of a batch."""
    return np.abs(one - other).max() < 0.012 * np.abs(other).max()


def begun(reader, settled, rest, conversation="a"):
    """Read ``settled`` and ``rest`` as the scheduler does: with a checkpoint between, where one is needed."""
    resident, length = reader.sequences.take([*settled, *rest], (), conversation)
    assert length == 0
    reader.read(resident, settled)
    if not reader.context.rolls_back:
        reader.sequences.checkpoint(resident)
    reader.read(resident, rest)
    lasting = reader.context.rolls_back
    reader.sequences.release(resident, chat=True, settled=len(settled), lasting=lasting)
    return resident


def test_a_wrong_state_would_be_seen(reader, fresh):
    wanted = fresh([*text(1, 280), *text(2, 20)])
    assert same(wanted, fresh([*text(1, 280), *text(2, 20)]))
    assert not same(wanted, fresh([*text(9, 280), *text(2, 20)]))
    assert not same(wanted, fresh([*text(1, 270), *text(9, 10), *text(2, 20)]))


def test_going_on_at_the_end(reader, fresh):
    wanted = fresh([*text(1, 300), *text(2, 20)])
    begun(reader, text(1, 280), text(1, 300)[280:])
    resident, length, logits = reader.go_on([*text(1, 300), *text(2, 20)], "a")
    assert length == 300
    assert same(logits, wanted)
    assert isinstance(resident, Resident)


def test_going_back_to_before_the_answer(reader, fresh):
    wanted = fresh([*text(1, 280), *text(2, 20)])
    begun(reader, text(1, 280), text(3, 60))
    _, length, logits = reader.go_on([*text(1, 280), *text(2, 20)], "a")
    assert length == 280
    assert same(logits, wanted)


@pytest.mark.parametrize("answer", [20, 100])
def test_parked_and_brought_back(reader, fresh, answer):
    ending = text(3, answer)
    wanted = fresh([*text(1, 280), *ending, *text(2, 20)])
    back = fresh([*text(1, 280), *text(4, 20)])
    begun(reader, text(1, 280), ending)
    begun(reader, text(5, 400), text(6, 30), "b")
    assert not any(resident.tokens and resident.conversation != "b" for resident in reader.sequences._all)
    resident, length, logits = reader.go_on([*text(1, 280), *ending, *text(2, 20)], "a")
    assert length == 280 + answer
    assert same(logits, wanted)
    reader.sequences.release(resident, chat=True, settled=280)
    begun(reader, text(7, 300), text(8, 30), "c")
    _, length, logits = reader.go_on([*text(1, 280), *text(4, 20)], "a")
    assert length == 280
    assert same(logits, back)


def test_a_start_shared_with_one_that_runs(reader, fresh):
    wanted = fresh([*text(1, 280), *text(2, 20)])
    first, _ = reader.sequences.take([*text(1, 280), *text(3, 60)])
    reader.read(first, text(1, 280))
    if not reader.context.rolls_back:
        reader.sequences.checkpoint(first)
    reader.read(first, text(3, 60))
    second, length, logits = reader.go_on([*text(1, 280), *text(2, 20)])
    assert second is not first
    assert length == 280
    assert same(logits, wanted)
    # And the first goes on undisturbed.
    after = reader.read(first, text(4, 10))
    assert same(after, fresh([*text(1, 280), *text(3, 60), *text(4, 10)]))


def test_moved_to_the_front(reader, fresh):
    wanted = fresh([*text(1, 280), *text(3, 60), *text(2, 20)])
    other, _ = reader.sequences.take(text(5, 400))
    reader.read(other, text(5, 400))
    begun(reader, text(1, 280), text(3, 60))
    reader.sequences.drop(other)
    resident, length, logits = reader.go_on([*text(1, 280), *text(3, 60), *text(2, 20)], "a")
    assert not resident.scattered
    assert length == 340
    assert same(logits, wanted)


def test_saved_and_restored(reader, fresh):
    wanted = fresh([*text(1, 280), *text(2, 20)])
    begun(reader, text(1, 280), text(3, 60))
    tokens, data = reader.sequences.save("a", 1 << 30)
    assert reader.sequences.save("a", len(data) - 1) is None
    other = Reader(reader.model)
    assert other.sequences.restore("a", tokens, bytes(data)) == len(tokens)
    _, length, logits = other.go_on([*text(1, 280), *text(2, 20)], "a")
    assert length == 280
    assert same(logits, wanted)
    other.context.close()
    # What was saved is still there as well.
    _, length, _ = reader.go_on([*text(1, 280), *text(3, 60), 5], "a")
    assert length == 340


def test_a_window_whose_beginning_is_gone_is_not_gone_back_into(tmp_path):
    """Cells that left a sequence's window are given to others: cutting back would attend to holes."""
    model = load(tiny_model(tmp_path / "model.gguf", "gemma3"))
    reader = Reader(model)
    first, _ = reader.sequences.take(text(1, 500))
    reader.read(first, text(1, 500))
    second = reader.sequences._vacant(None)
    reader.sequences._claim(second, "", ())
    for part in range(6):  # more than there are free cells: it gets those that left the first one's window
        reader.read(second, text(20 + part, 100))
        reader.sequences.rewind(second, 0)
    reader.sequences.rewind(first, 300)
    assert len(first.tokens) in (0, 300)
    logits = reader.read(first, [*text(1, 500)[len(first.tokens) : 300], *text(2, 20)])
    fresh = Reader(model)
    other, _ = fresh.sequences.take([*text(1, 300), *text(2, 20)])
    assert same(logits, fresh.read(other, [*text(1, 300), *text(2, 20)]))
    for made in (reader, fresh):
        made.context.close()
    model.close()
