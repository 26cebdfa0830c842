"""What the worker decides without a model: the ladder, spans, grammars, defaults, cores."""

import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_slm.engine import hardware, llama, loading
from desktop_slm.engine.api import ModelSpec
from desktop_slm.engine.spans import span_ends
from desktop_slm.errors import LoadFailed, ModelInvalid, ModelUnsupported

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(texts, st.lists(st.integers(0, 200)), st.booleans())
def test_spans_cover_the_text_however_tokens_cut_it(text, cuts, blank_in_front):
    data = b" " * blank_in_front + text.encode()
    borders = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(borders)]
    ends = span_ends(text, pieces)
    assert len(ends) == len(pieces)
    assert ends == sorted(ends)
    assert ends[-1] == len(text)
    whole = {len(text[:n].encode()): n for n in range(len(text) + 1)}
    for border, end in zip(borders[1:], ends, strict=True):
        at = max(0, border - blank_in_front)
        if at in whole:
            assert end == whole[at]


@given(texts.filter(bool), st.lists(st.binary(max_size=5), min_size=1, max_size=20))
def test_spans_of_a_tokenizer_that_changes_the_text_still_cover_it(text, pieces):
    ends = span_ends(text, pieces)
    assert ends == sorted(ends)
    assert ends[-1] == len(text)
    assert all(0 <= end <= len(text) for end in ends)


class Ladder:
    """A loader whose models and contexts fail as told."""

    def __init__(self, monkeypatch, *, gpu, model_fails=(), context_over=10**9):
        log = type("Log", (), {"mebibytes": lambda self, pattern: 0})()
        self.loader = loading.Loader(log, 1, emit=list, template_runs=bool)
        self.rungs = []
        self.closed = 0
        ladder = self

        class Model:
            n_ctx_train, n_layers, size_bytes, template, forgets = 32768, 30, 7, "", False

            def __init__(self, path, n_gpu_layers, log, keep_on):
                self.n_gpu_layers = n_gpu_layers
                if n_gpu_layers in model_fails:
                    ladder.rungs.append((n_gpu_layers, None))
                    raise LoadFailed("no memory")

            def close(self):
                ladder.closed += 1

            def metadata(self, key):
                return ""

        class Context:
            def __init__(self, model, *, n_ctx, **_):
                ladder.rungs.append((model.n_gpu_layers, n_ctx))
                if n_ctx > context_over:
                    raise LoadFailed("no memory for the context")
                self.n_ctx = n_ctx

            def adapt_threads(self, most, start):
                return None

        monkeypatch.setattr(llama, "Model", Model)
        monkeypatch.setattr(loading, "Context", Context)
        monkeypatch.setattr(llama, "supports_gpu", lambda: gpu)
        monkeypatch.setattr(loading, "ChatTemplate", lambda *_: None)

    def load(self, **options):
        return self.loader.load(ModelSpec(path="x", **options), lambda: True).loaded


def test_the_first_rung_is_everything_on_the_gpu(monkeypatch):
    ladder = Ladder(monkeypatch, gpu=True)
    assert ladder.load().n_gpu_layers == 31
    assert ladder.rungs == [(-1, 8192)]


def test_fewer_layers_then_the_cpu(monkeypatch):
    ladder = Ladder(monkeypatch, gpu=True, model_fails=(-1, 16))
    loaded = ladder.load()
    assert (loaded.n_gpu_layers, loaded.device) == (0, "CPU")
    assert [rung[0] for rung in ladder.rungs] == [-1, 16, 0]


def test_then_a_smaller_context(monkeypatch):
    ladder = Ladder(monkeypatch, gpu=False, context_over=2500)
    assert ladder.load(n_ctx=8192).n_ctx == 2048
    assert [rung[1] for rung in ladder.rungs] == [8192, 4096, 2048]


def test_then_every_rung_is_named(monkeypatch):
    ladder = Ladder(monkeypatch, gpu=True, model_fails=(-1,), context_over=10)
    with pytest.raises(LoadFailed) as caught:
        ladder.load()
    for rung in ("GPU, all layers", "GPU, 16 layers", "CPU, 8,192 tokens", "CPU, 1,024 tokens"):
        assert rung in caught.value.message
    assert ladder.closed == 2


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("unknown model architecture: 'zzz'", ModelUnsupported),
        ("tensor 'x' data is not within the file bounds, model is corrupted or incomplete", ModelInvalid),
        ("missing tensor 'output.weight'", ModelInvalid),
        ("unable to allocate CPU buffer", LoadFailed),
        ("", LoadFailed),
    ],
)
def test_reasons_of_llama_cpp_become_errors(reason, error):
    assert type(llama._load_error(reason)) is error


def test_log_lines_lose_their_paths():
    line = "llama_model_load: error loading model: failed to open '/home/ada/models/x.gguf'"
    assert "ada" not in llama._without_paths(line)
    assert "ada" not in llama._without_paths(r"failed to open C:\Users\ada\x.gguf")


def test_cores_and_memory():
    assert 1 <= hardware.physical_cores() <= (os.cpu_count() or 1)
    total, free = hardware.memory()
    assert 0 < free <= total
