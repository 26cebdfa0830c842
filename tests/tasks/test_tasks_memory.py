"""What the app does about memory: says that there is too little, and remembers what a model took."""

from __future__ import annotations

import json
import sys

import msgspec
import pytest
from tiny_models import tiny_model

from desktop_slm import settings
from desktop_slm.app import App
from desktop_slm.engine import hardware
from desktop_slm.engine.api import Device
from desktop_slm.errors import ModelTooLarge
from desktop_slm.tasks.requests import Chat

TEMPLATE = "{% for message in messages %}{{ message.content }}\n{% endfor %}"
BIG = {"n_layer": 32, "n_embd": 4096, "n_head": 32, "n_head_kv": 8, "head_dim": 128, "n_ff": 28672}


@pytest.fixture
def app(home):
    """Return an app with a real engine and a vault."""
    settings.save(home.settings, settings.Settings(n_ctx=1024))
    opened = App(home, passphrase="correct horse battery staple")
    opened.open(create=True)
    yield opened
    opened.close()


@pytest.fixture
def big(tmp_path):
    """Return a file that takes nothing on the disk and 25 GB in memory."""
    return tiny_model(tmp_path / "big.gguf", layout="F16", hollow=True, n_ctx=131072, **BIG)


def chosen(app, path):
    """Return the model as tasks get it."""
    steps = app.choose_model(str(path), "chat")
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_a_model_beyond_memory_is_refused_before_it_is_loaded(app, big, monkeypatch):
    monkeypatch.setattr(hardware, "memory", lambda: (16 * 10**9, 8 * 10**9))
    with pytest.raises(ModelTooLarge) as refused:
        list(app.run(Chat(text="Hello", model=str(big))))
    assert "needs 25.6 GB of memory, and 8.0 GB are free" in str(refused.value)
    assert "1,024 tokens" in str(refused.value)
    assert refused.value.message.endswith("or choose a smaller model.")
    assert app.engine.loaded() is None
    assert app.engine.worker_pid() == 0 or app.engine.memory_bytes() < 10**9


def test_where_there_is_memory_it_is_not_refused(app, big, monkeypatch):
    monkeypatch.setattr(hardware, "memory", lambda: (64 * 10**9, 40 * 10**9))
    assert chosen(app, big).spec.path == str(big)


def test_a_long_context_alone_is_no_reason(app, tmp_path, monkeypatch):
    path = tiny_model(tmp_path / "long.gguf", layout="F16", n_ctx=1 << 20, n_head_kv=4, head_dim=64)
    app.change_settings(n_ctx=1 << 20)
    monkeypatch.setattr(hardware, "memory", lambda: (10**9, 5 * 10**8))
    assert app.calibration.fit(app.shelf.find(str(path)), 5 * 10**8).word == "Won't fit"
    assert chosen(app, path).spec.n_ctx == 1 << 20  # the engine takes what it can
    monkeypatch.setattr(hardware, "memory", lambda: (10**9, 10**6))
    with pytest.raises(ModelTooLarge):
        chosen(app, path)


@pytest.mark.skipif(sys.platform == "darwin", reason="Macs have one memory")
def test_graphics_memory_counts_where_layers_go_there(app, big, monkeypatch):
    monkeypatch.setattr(hardware, "memory", lambda: (16 * 10**9, 8 * 10**9))
    gpu = Device(name="CUDA0", description="A GPU", kind="gpu", free_bytes=24 * 10**9, total_bytes=24 * 10**9)
    here = msgspec.structs.replace(app.hardware(), devices=(gpu,))
    monkeypatch.setattr(app.engine, "hardware", lambda: here)
    model = app.shelf.find(str(big))
    assert app.calibration.fit(model, 8 * 10**9, here).word != "Won't fit"
    assert chosen(app, big).spec.path == str(big)
    app.change_settings(n_gpu_layers=0)
    assert app.calibration.fit(model, 8 * 10**9, here).word == "Won't fit"
    with pytest.raises(ModelTooLarge):
        chosen(app, big)


@pytest.mark.model
def test_after_loading_the_sum_is_what_was_taken(app, home, tmp_path):
    path = tiny_model(tmp_path / "model.gguf", chat_template=TEMPLATE, n_ctx=4096, n_vocab=2000)
    model = app.shelf.import_file(path)
    before = app.calibration.fit(model, 10**10)
    assert not before.allocated
    list(app.run(Chat(text="Hello", model=model.id)))
    loaded = app.engine.loaded()
    after = app.calibration.fit(model, 10**10)
    assert after.allocated
    assert after.parts["weights"] == loaded.weights_bytes
    assert after.parts["kv"] == loaded.kv_bytes
    assert after.parts["compute"] == loaded.compute_bytes
    assert after.n_ctx == loaded.n_ctx == 1024
    kept = json.loads(home.speeds.read_text())["footprints"]
    assert [entry["model"] for entry in kept] == [model.sha256]
    app.change_settings(n_ctx=2048)  # nothing is known of that
    assert not app.calibration.fit(model, 10**10).allocated
