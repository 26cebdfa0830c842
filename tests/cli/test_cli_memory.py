"""What commands say of memory: too little of it, and what a model took."""

from __future__ import annotations

import json

import pytest
from tiny_models import tiny_model

TEMPLATE = "{% for message in messages %}{{ message.content }}\n{% endfor %}"


@pytest.mark.parametrize("words", [("chat", "-p", "Hello"), ("summarize",), ("translate", "--to", "de")])
def test_a_model_beyond_memory_is_refused_with_the_sum(command, tmp_path, words):
    wide = {"n_layer": 60, "n_embd": 16384, "n_head": 128, "n_head_kv": 8, "head_dim": 128, "n_ff": 53248}
    path = tiny_model(tmp_path / "giant.gguf", layout="F16", hollow=True, n_ctx=131072, **wide)
    text = tmp_path / "text.txt"
    text.write_text("The heating is switched on in October. Tenants were told by letter.")
    name, *rest = words
    file = [] if name == "chat" else [text]
    result = command(name, "--incognito", "--model", path, *rest, *file)
    assert result.code == 1
    assert "Tiny llama needs 385.0 GB of memory, and " in result.err
    assert "choose a smaller model" in result.err


@pytest.mark.model
def test_the_list_tells_what_a_model_took(command, tmp_path, monkeypatch):
    monkeypatch.setenv("DESKTOP_SLM_PASSPHRASE", "a quiet harbor")
    path = tiny_model(tmp_path / "model.gguf", chat_template=TEMPLATE, n_ctx=2048, n_vocab=2000)
    assert command("models", "import", path).code == 0

    def fit():
        models = json.loads(command("models", "list", "--json").out.splitlines()[-1])["models"]
        return next(model["fit"] for model in models if model["name"] == "Tiny llama")

    before = fit()
    assert not before["measured"]
    assert command("chat", "--model", "Tiny llama", "-p", "Hello", "--max-tokens", 4).code == 0
    after = fit()
    assert after["measured"]
    assert after["n_ctx"] == before["n_ctx"] == 2048
    for part, size_bytes in before["parts"].items():
        assert after["parts"][part] == pytest.approx(size_bytes, rel=0.25), part  # the tiniest of widths
    assert "took" in command("models", "show", "Tiny llama").out
