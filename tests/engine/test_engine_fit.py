"""The memory sum of `models.fit` against what llama.cpp says it allocated, for models of published shapes.

The files are hollow and have few layers and tokens; heads, widths, windows and states are those of the models
named, and the context is long enough that nothing drowns in rounding.
"""

from __future__ import annotations

import pytest
from tiny_models import tiny_model

from desktop_slm.engine import hardware, ladder, llama, loading
from desktop_slm.engine.api import ModelSpec
from desktop_slm.engine.client import EngineClient
from desktop_slm.errors import InvalidRequest, LoadFailed
from desktop_slm.models.fit import APP_BYTES, fit
from desktop_slm.models.gguf import read_header

pytestmark = pytest.mark.model

SMOLLM2 = {"n_embd": 576, "n_head": 9, "n_head_kv": 3, "head_dim": 64, "n_ff": 1536}
LLAMA_3_2 = {"n_embd": 2048, "n_head": 32, "n_head_kv": 8, "head_dim": 64, "n_ff": 8192}
QWEN3 = {"n_embd": 1024, "n_head": 16, "n_head_kv": 8, "head_dim": 128, "n_ff": 3072}
QWEN3_MOE = {"n_embd": 2048, "n_head": 32, "n_head_kv": 4, "head_dim": 128, "n_ff": 768,
             "n_expert": 8, "n_expert_used": 8}  # fmt: skip
GEMMA2 = {"n_embd": 2304, "n_head": 8, "n_head_kv": 4, "head_dim": 256, "n_ff": 9216, "window": 4096}
GEMMA3 = {"n_embd": 1152, "n_head": 4, "n_head_kv": 1, "head_dim": 256, "n_ff": 6912, "window": 512}
LFM2 = {"n_embd": 1024, "n_head": 16, "n_head_kv": (0, 8, 0), "head_dim": 64, "n_ff": 4608}
GRANITE = {"n_embd": 768, "n_head": 12, "n_head_kv": (0, 4, 0), "head_dim": 64, "n_ff": 2048,
           "d_inner": 1536, "d_state": 128, "n_ssm_head": 48}  # fmt: skip
FALCON = {"n_embd": 1024, "n_head": 8, "n_head_kv": 2, "head_dim": 64, "n_ff": 2048,
          "d_inner": 1536, "d_state": 128, "n_ssm_head": 24}  # fmt: skip
QWEN35 = {"n_embd": 1024, "n_head": 8, "n_head_kv": 2, "head_dim": 256, "n_ff": 3584,
          "d_state": 128, "n_group": 16, "n_ssm_head": 16}  # fmt: skip
MAMBA = {"n_embd": 768, "d_inner": 1536, "d_state": 16, "n_ssm_head": 48}
DEEPSEEK = {"n_embd": 2048, "n_head": 16, "kv_lora_rank": 512, "rope_dim": 64, "head_dim": 128,
            "n_ff": 10944, "q_lora_rank": 512}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("shapes")


@pytest.fixture(scope="module")
def loads(place):
    """Return a function that loads a file in a worker of its own module and says what it took."""
    engine = EngineClient(threads=1, model_folders=(place,))
    yield lambda path, n_ctx: engine.load(ModelSpec(path=str(path), n_ctx=n_ctx))
    engine.close()


def _compare(loaded, header, n_ctx):
    """Check each part; the bar is 10 %, of the buffers of a step 15 %."""
    parts = fit(header, n_ctx, 1 << 40).parts
    assert parts["weights"] == pytest.approx(loaded.weights_bytes, rel=0.01)
    assert parts["kv"] == pytest.approx(loaded.kv_bytes, rel=0.01)
    assert parts["compute"] == pytest.approx(loaded.compute_bytes, rel=0.15)
    total_bytes = loaded.weights_bytes + loaded.kv_bytes + loaded.compute_bytes
    assert sum(parts.values()) - APP_BYTES == pytest.approx(total_bytes, rel=0.05)


@pytest.mark.parametrize(
    ("architecture", "shape", "attention"),
    [
        ("llama", SMOLLM2, "full"),
        ("llama", LLAMA_3_2, "full"),
        ("qwen3", QWEN3, "full"),
        ("qwen3moe", QWEN3_MOE, "full"),
        ("gemma2", GEMMA2, "sliding"),
        ("gemma3", GEMMA3, "sliding"),
        ("lfm2", LFM2, "hybrid"),
        ("granitehybrid", GRANITE, "hybrid"),
        ("falcon-h1", FALCON, "hybrid"),
        ("qwen35", QWEN35, "hybrid"),
        ("mamba", MAMBA, "recurrent"),
        ("deepseek2", DEEPSEEK, "full"),
    ],
)
def test_the_sum_is_what_is_allocated(place, loads, architecture, shape, attention):
    path = tiny_model(
        place / "model.gguf", architecture, layout="Q8_0", hollow=True, n_ctx=32768, n_vocab=8000, **shape
    )
    header = read_header(path)
    assert header.attention == attention
    loaded = loads(path, 8192)
    assert loaded.n_ctx == 8192
    _compare(loaded, header, 8192)


def test_a_published_model(engine, spec):
    _compare(engine.load(spec), read_header(spec.path), spec.n_ctx)


def test_the_cache_grows_with_the_context(place, loads):
    path = tiny_model(place / "long.gguf", "llama", layout="Q8_0", hollow=True, n_ctx=32768, **SMOLLM2)
    for n_ctx in (1000, 32768):
        _compare(loads(path, n_ctx), read_header(path), n_ctx)


def test_weights_laid_out_anew_count_once(place, loads):
    """llama.cpp reports them twice: as pages of the file, and repacked. The pages are given back."""
    path = tiny_model(place / "repacked.gguf", "llama", layout="Q4_0", hollow=True, n_ctx=8192, **QWEN3)
    _compare(loads(path, 8192), read_header(path), 8192)


def test_an_output_matrix_of_its_own_and_several_files(place, loads):
    path = tiny_model(
        place / "split.gguf", "llama", layout="F16", tied=False, split_tensors=7, n_vocab=4000, n_ctx=8192,
        n_embd=512, n_ff=2048, n_head=8, head_dim=64,
    )  # fmt: skip
    header = read_header(path)
    assert len(header.parts) == 3
    _compare(loads(path, 4096), header, 4096)
    tied = read_header(tiny_model(place / "tied.gguf", "llama", layout="F16", n_vocab=4000, n_embd=512))
    untied = sum(tensor.size_bytes for tensor in header.tensors if tensor.name == "output.weight")
    assert untied == 4000 * 512 * 2
    assert all(tensor.name != "output.weight" for tensor in tied.tensors)


def test_a_mixture_of_layouts(place, loads):
    source = tiny_model(
        place / "wide.gguf", "llama", n_embd=512, n_ff=2048, n_head=8, head_dim=64, n_vocab=4096, n_ctx=8192
    )
    engine = EngineClient(threads=1)
    try:
        engine.quantize(str(source), str(place / "mixed.gguf"), "Q4_K_M")
    finally:
        engine.close()
    header = read_header(place / "mixed.gguf")
    assert {"Q4_K", "Q6_K", "F32"} <= header.layouts.keys()
    assert header.quantization == "Q4_K_M"
    _compare(loads(place / "mixed.gguf", 8192), header, 8192)


def test_less_than_a_context_of_training_is_taken(place, loads):
    path = tiny_model(place / "short.gguf", "llama", layout="Q8_0", hollow=True, n_ctx=2048, **SMOLLM2)
    loaded = loads(path, 10**9)
    assert loaded.n_ctx == 2048
    _compare(loaded, read_header(path), 10**9)


@pytest.mark.parametrize("n_ctx", [-1, 1, 63, 1 << 31])
def test_a_context_of_nonsense_is_refused_and_harms_nothing(place, loads, n_ctx):
    path = tiny_model(place / "asked.gguf", "llama", n_ctx=2048)
    with pytest.raises(InvalidRequest, match="is not possible"):
        loads(path, n_ctx)
    assert loads(path, 0).n_ctx == 2048


def test_a_context_beyond_memory_becomes_a_shorter_one(place, monkeypatch):
    """The system would promise the memory, and end the process that fills it."""
    shape = {**QWEN3, "n_embd": 256, "n_ff": 512}
    path = tiny_model(place / "long.gguf", "qwen3", layout="F16", n_ctx=32768, **shape)
    header = read_header(path)
    assert fit(header, 32768, 1).parts["kv"] == 256 << 20
    monkeypatch.setattr(hardware, "memory", lambda: (200_000_000, 150_000_000))
    llama.start_backend()
    log = llama.Log()
    loader = loading.Loader(log, 1, ladder.Ladder(log, bool), emit=bool, template_runs=bool)
    model = loader.load(ModelSpec(path=str(path), n_ctx=32768), lambda: True)
    try:
        assert model.loaded.n_ctx == 8192
        _compare(model.loaded, header, 8192)
    finally:
        model.close()
        log.stop()


def test_weights_beyond_all_memory_are_refused(place):
    total_bytes, _ = hardware.memory()
    layer_bytes = 4 * 16384 * 16384 * 2
    wide = {"n_embd": 16384, "n_head": 64, "n_head_kv": 64, "head_dim": 256, "n_ff": 16384}
    path = tiny_model(
        place / "giant.gguf",
        "llama",
        layout="F16",
        hollow=True,
        n_layer=total_bytes // layer_bytes + 2,
        **wide,
    )
    engine = EngineClient(threads=1)
    try:
        with pytest.raises(LoadFailed, match="of memory in all"):
            engine.load(ModelSpec(path=str(path)))
        small = tiny_model(place / "small.gguf", "llama")
        assert engine.load(ModelSpec(path=str(small))).n_ctx == 2048  # by the same worker
    finally:
        engine.close()
