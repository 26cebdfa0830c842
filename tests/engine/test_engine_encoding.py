"""Vectors and rankings of tiny models, by the real worker: batches, poolings, limits, and beside a chat."""

import itertools
import math
import threading

import pytest
from engine_asking import ask
from tiny_models import tiny_model

from desktop_slm.engine.api import Finished, ModelSpec, Text
from desktop_slm.engine.client import EngineClient
from desktop_slm.errors import ContextExceeded, InvalidRequest, ModelUnsupported

pytestmark = pytest.mark.model

TEXTS = ["a cat sleeps", "tax law", "", "a cat sleeps on the warm stove " * 3, "x", "tax law"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture(scope="module")
def tiny(folder):
    """Return a function that writes a tiny model once."""
    made = {}

    def write(name, architecture, **options):
        if name not in made:
            made[name] = ModelSpec(path=str(tiny_model(folder / f"{name}.gguf", architecture, **options)))
        return made[name]

    return write


@pytest.fixture(scope="module")
def engine(folder):
    made = EngineClient(model_folders=[folder])
    yield made
    made.close()


def far(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("pooling", ["model", "mean", "cls", "last"])
@pytest.mark.parametrize("architecture", ["llama", "bert", "gemma3", "qwen3", "mamba"])
def test_a_batch_gives_the_vectors_of_single_texts(engine, tiny, architecture, pooling):
    model = tiny(architecture, architecture)
    together = engine.embed(model, TEXTS, pooling)
    alone = [engine.embed(model, [text], pooling)[0] for text in TEXTS]
    for one, other in zip(together, alone, strict=True):
        assert math.isclose(sum(value * value for value in one), 1, abs_tol=1e-5)
        assert far(one, other) < 1e-3
    assert far(together[1], together[5]) < 1e-3
    if pooling != "cls" or architecture == "bert":  # the first token of a causal model knows no other
        assert far(together[0], together[1]) > 1e-2


def test_more_texts_than_a_batch_holds(engine, tiny):
    texts = [f"text number {number} " * (number % 7) for number in range(150)]
    model = tiny("bert", "bert")
    vectors = engine.embed(model, texts)
    assert len(vectors) == 150
    for number in (0, 31, 32, 77, 149):
        assert far(vectors[number], engine.embed(model, [texts[number]])[0]) < 1e-3
    assert engine.embed(model, []) == []


def test_the_file_says_how_it_pools(engine, tiny):
    for number, pooling in ((1, "mean"), (2, "cls"), (3, "last")):
        model = tiny(f"pools-{number}", "bert", metadata={"pooling_type": number})
        assert (
            far(engine.embed(model, ["a cat sleeps"])[0], engine.embed(model, ["a cat sleeps"], pooling)[0])
            < 1e-6
        )


@pytest.mark.parametrize("architecture", ["llama", "bert"])
def test_the_text_that_is_too_long_is_named(engine, tiny, architecture):
    model = tiny(f"short-{architecture}", architecture, n_ctx=64)
    with pytest.raises(ContextExceeded, match="Text 2 of 3") as caught:
        engine.embed(model, ["a", "a b c d e " * 40, "b"])
    assert caught.value.available == 64
    assert caught.value.needed > 64
    with pytest.raises(ContextExceeded, match="The text needs"):
        engine.embed(model, ["a b c d e " * 40])
    assert len(engine.embed(model, ["a"])) == 1


def test_a_reranker_scores_each_text_by_itself(engine, tiny):
    model = tiny("rank", "bert-rank")
    texts = ["a cat sleeps", "tax law of 1986", "a cat sleeps"]
    scores = engine.rerank(model, "where is the cat?", texts)
    assert len(scores) == 3
    assert scores[0] == pytest.approx(scores[2], abs=1e-3)
    assert scores[0] != pytest.approx(scores[1], abs=1e-4)
    assert engine.rerank(model, "where is the cat?", texts[1:2]) == pytest.approx([scores[1]], abs=1e-3)
    assert engine.rerank(model, "tax?", texts)[0] != pytest.approx(scores[0], abs=1e-6)
    with pytest.raises(ModelUnsupported, match="ranks texts"):
        engine.embed(model, ["a"])


@pytest.mark.parametrize("architecture", ["llama", "bert"])
def test_what_does_not_rank_is_refused(engine, tiny, architecture):
    with pytest.raises(ModelUnsupported, match="does not rank"):
        engine.rerank(tiny(architecture, architecture), "q", ["a"])
    assert len(engine.embed(tiny(architecture, architecture), ["a"])) == 1


def test_an_encoder_loads_beside_the_chat_model(engine, tiny):
    chat, encoder = tiny("llama", "llama"), tiny("bert", "bert")
    assert engine.load(chat).path == chat.path
    pid = engine.worker_pid()
    assert engine.load(encoder).path == encoder.path
    assert engine.count_tokens(encoder, ["a cat"])[0] > 0
    assert engine.tokenize_spans(encoder, "a cat")[-1][1] == 5
    assert engine.loaded().path == chat.path
    assert engine.worker_pid() == pid


def test_a_chat_goes_on_while_texts_are_embedded(engine, tiny):
    chat, encoder = tiny("llama", "llama"), tiny("bert", "bert")
    engine.load(chat)
    texts = [f"text number {number} " * 9 for number in range(300)]
    alone = [
        event.text for event in engine.generate(ask(chat, "Hi", max_tokens=400)) if isinstance(event, Text)
    ]
    got = []
    thread = threading.Thread(target=lambda: got.append(engine.embed(encoder, texts)))
    events = engine.generate(ask(chat, "Hi", max_tokens=400))
    first = next(events)
    thread.start()
    beside = list(itertools.chain([first], events))
    thread.join()
    assert isinstance(beside[-1], Finished)
    assert "".join(event.text for event in beside if isinstance(event, Text)) == "".join(alone)
    assert len(got[0]) == 300
    assert engine.loaded().path == chat.path


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_ctx": -1},
        {"n_ctx": 1},
        {"n_ctx": 2**40},
        {"n_threads": -1},
        {"n_threads": 10**6},
        {"n_gpu_layers": -2},
    ],
)
def test_absurd_numbers_are_refused(engine, tiny, wrong):
    model = ModelSpec(path=tiny("llama", "llama").path, **wrong)
    with pytest.raises(InvalidRequest, match="not possible"):
        engine.load(model)
