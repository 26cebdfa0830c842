"""The memory sum, by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from desktop_slm.models import fit as fit_module
from desktop_slm.models.fit import APP_BYTES, fit, usable_bytes
from desktop_slm.models.gguf import read_header

GB = 10**9


def test_full_attention(tiny):
    header = read_header(tiny(n_layer=3, n_ctx=4096))
    result = fit(header, 2048, 4 * GB)
    assert result.parts["kv"] == 3 * 2 * (16 + 16) * 2 * 2048
    assert result.parts["weights"] == sum(tensor.size_bytes for tensor in header.tensors)
    assert result.parts["app"] == APP_BYTES
    assert result.need_bytes == sum(result.parts.values())
    assert result.free_bytes == 4 * GB
    assert result.word == "Fast"


def test_a_window_caps_the_cache(tiny):
    header = read_header(
        tiny(architecture="gemma3", n_layer=6, n_ctx=32768, extra={"attention.sliding_window": 512})
    )
    per_token = 2 * 32 * 2
    alone = {"n_seq": 1, "full_windows": False}
    assert fit(header, 8192, GB, **alone).parts["kv"] == per_token * (5 * 512 + 8192)
    assert fit(header, 256, GB, **alone).parts["kv"] == per_token * 6 * 256
    together = fit(header, 8192, GB, n_seq=4, full_windows=False)
    assert together.parts["kv"] == per_token * (5 * (4 * 512 + 512) + 8192)
    assert fit(header, 8192, GB, full_windows=True).parts["kv"] == per_token * 6 * 8192


def test_recurrent_layers_do_not_grow(tiny):
    extra = {"ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.group_count": 2}
    header = read_header(
        tiny(architecture="granitehybrid", n_layer=4, n_ctx=4096, kv_heads=[0, 0, 0, 2], extra=extra)
    )
    state = 3 * 4 * (3 * (128 + 64) + 128 * 16)
    assert fit(header, 1024, GB, n_seq=1).parts["kv"] == 2 * 32 * 2 * 1024 + state
    assert fit(header, 2048, GB, n_seq=1).parts["kv"] == 2 * 32 * 2 * 2048 + state
    assert fit(header, 2048, GB, n_seq=3).parts["kv"] == 2 * 32 * 2 * 2048 + 3 * state


def test_the_engine_is_what_the_sum_assumes():
    scheduler = (Path(fit_module.__file__).parents[1] / "engine" / "scheduler.py").read_text()
    assert re.search(rf"^SEQUENCES = {fit_module.ENGINE_SEQUENCES}\b", scheduler, re.MULTILINE)
    recurrent = fit_module.ENGINE_RECURRENT_SEQUENCES
    assert re.search(rf"^RECURRENT_SEQUENCES = {recurrent}\b", scheduler, re.MULTILINE)
    context = (Path(fit_module.__file__).parents[1] / "engine" / "context.py").read_text()
    assert ("swa_full = False" in context) != fit_module.ENGINE_FULL_WINDOWS
    loading = (Path(fit_module.__file__).parents[1] / "engine" / "loading.py").read_text()
    assert f"\n_SMALLEST_N_CTX = {fit_module.LEAST_N_CTX}\n" in loading


def test_shared_layers_and_quantized_cache(tiny):
    shared = read_header(
        tiny("a.gguf", "gemma4", n_layer=4, n_ctx=4096, extra={"attention.shared_kv_layers": 3})
    )
    assert fit(shared, 1024, GB).parts["kv"] == 2 * 32 * 2 * 1024
    header = read_header(tiny("b.gguf", n_ctx=4096))
    assert fit(header, 1024, GB, kv_bytes=34 / 32).parts["kv"] == int(2 * 2 * 32 * 1024 * 34 / 32)


def test_context_defaults_as_the_engine_does(tiny):
    assert fit(read_header(tiny("a.gguf", n_ctx=512)), 0, GB).n_ctx == 512
    assert fit(read_header(tiny("b.gguf", n_ctx=131072)), 0, GB).n_ctx == 8192
    assert fit(read_header(tiny("c.gguf", n_ctx=512)), 10**9, GB).n_ctx == 512
    nonsense = fit(read_header(tiny("d.gguf", n_ctx=512)), -5, GB)
    assert nonsense.n_ctx == 1
    assert min(nonsense.parts.values()) > 0


def test_layers_that_predict_ahead_are_left_out(tiny):
    whole = read_header(tiny("a.gguf", n_layer=3))
    ahead = read_header(tiny("b.gguf", n_layer=3, extra={"nextn_predict_layers": 1}))
    of_the_last = sum(tensor.size_bytes for tensor in whole.tensors if tensor.name.startswith("blk.2."))
    assert ahead.weights_bytes == whole.weights_bytes - of_the_last
    assert ahead.n_layer == 2
    assert fit(ahead, 512, GB).parts["kv"] * 3 == fit(whole, 512, GB).parts["kv"] * 2


@pytest.mark.parametrize(
    ("bytes_per_s", "word"), [(4.9, "Slow"), (5.1, "Comfortable"), (14.9, "Comfortable"), (15.1, "Fast")]
)
def test_words_by_speed(tiny, bytes_per_s, word):
    header = read_header(tiny())
    one_token = header.active_bytes + 2 * 2 * 32 * 2 * 256
    result = fit(header, 512, 4 * GB, bytes_per_s=bytes_per_s * one_token)
    assert result.word == word
    assert result.measured


def test_what_is_kept_free(tiny):
    assert usable_bytes(5 * GB) == 4 * GB
    assert usable_bytes(100 * GB) == 98 * GB
    header = read_header(tiny())
    need = fit(header, 512, GB).need_bytes
    assert fit(header, 512, int(need / 0.8) + 10).word != "Won't fit"
    assert fit(header, 512, int(need / 0.8) - 10).word == "Won't fit"
    assert fit(header, 512, 0).word == "Won't fit"


def test_experts_that_are_not_chosen_are_not_read(tiny, monkeypatch):
    header = read_header(tiny(extra={"expert_count": 8, "expert_used_count": 2}))
    tensors = tuple(t._replace(name=t.name.replace("ffn_up", "ffn_up_exps")) for t in header.tensors)
    whole = header.active_bytes
    header = read_header(tiny(extra={"expert_count": 8, "expert_used_count": 2}))
    header.tensors = tensors
    experts = sum(t.size_bytes for t in tensors if "_exps" in t.name)
    assert header.active_bytes == whole - experts * 3 // 4


def test_an_encoder_keeps_nothing(tiny):
    header = read_header(tiny(architecture="bert", extra={"pooling_type": 1}))
    parts = fit(header, 512, GB).parts
    assert parts["kv"] == 0
    assert parts["weights"] == header.weights_bytes > 0
