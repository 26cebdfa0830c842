"""Installing, finding, checking and removing models."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from desktop_slm.errors import DesktopSlmError, ModelError, ModelInvalid, ModelNotFound, ModelUnsupported
from desktop_slm.models import installing
from desktop_slm.models.records import SIDECAR_NAME, read_sidecar, write_sidecar
from desktop_slm.models.shelf import Shelf, Stopped


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "shelf"


@pytest.fixture
def shelf(folder) -> Shelf:
    return Shelf(folder)


def _sha256(path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


@pytest.mark.parametrize("how", ["copy", "link", "use"])
def test_import(shelf, folder, tiny, how):
    source = tiny("My Model.Q8_0.gguf")
    model = shelf.import_file(source, how)
    assert model.id == "my-model.q8-0"
    assert model.name == "Tiny llama"
    assert model.sha256 == _sha256(source)
    assert model.bytes == source.stat().st_size
    assert model.verified_at
    assert model.installed
    assert model.licence == "apache-2.0"
    assert model.in_place == (how == "use")
    assert Path(model.path).samefile(source) == (how != "copy")
    assert (Path(model.path) == source) == (how == "use")
    assert _visible(folder) == [model.sha256[:16]]
    assert shelf.list() == [model]
    assert Shelf(folder).list() == [model]


def test_importing_twice_gives_the_same_entry(shelf, tiny):
    first = shelf.import_file(tiny("a.gguf"))
    assert shelf.import_file(tiny("b.gguf")) == first
    assert shelf.import_file(first.path) == first
    assert len(shelf.list()) == 1


def test_same_name_different_content(shelf, tiny, tmp_path):
    first = shelf.import_file(tiny("a.gguf", seed=1), "copy")
    (tmp_path / "a.gguf").unlink()
    second = shelf.import_file(tiny("a.gguf", seed=2), "copy")
    assert (first.id, second.id) == ("a", "a-2")
    assert shelf.find("a") == first
    assert shelf.find("a-2") == second


def test_names_from_strangers_become_ours(shelf, tiny):
    for name, kept in [
        ("con.gguf", "model-con.gguf"),
        ("ünï (1).GGUF", "uni-1.gguf"),
        ("模型.gguf", "model.gguf"),
    ]:
        assert Path(shelf.import_file(tiny(name, seed=len(name)), "copy").path).name == kept


def test_find(shelf, tiny, tmp_path):
    a = shelf.import_file(tiny("alpha-one.gguf", seed=1))
    b = shelf.import_file(tiny("alpha-two.gguf", "qwen2", seed=2))
    assert shelf.find("alpha-one") == a
    assert shelf.find("alpha-t") == b
    assert shelf.find("tiny QWEN2") == b
    assert shelf.find(a.sha256[:12]) == a
    assert shelf.find(a.path) == a
    for several in ("alpha", "tiny"):
        with pytest.raises(ModelNotFound, match="several"):
            shelf.find(several)
    with pytest.raises(ModelNotFound, match="No model 'beta' is installed"):
        shelf.find("beta")
    with pytest.raises(ModelNotFound, match="installed"):
        shelf.find("")
    outside = tiny("outside.gguf", seed=3)
    assert shelf.find(outside).path == str(outside)
    assert shelf.find(str(outside)).in_place
    with pytest.raises(ModelNotFound, match="no file"):
        shelf.find(str(tmp_path / "none.gguf"))


def test_default(shelf, tiny):
    with pytest.raises(ModelNotFound, match="'chat'"):
        shelf.default()
    small = shelf.import_file(tiny("small.gguf"))
    large = shelf.import_file(tiny("large.gguf", n_layer=8))
    embedder = shelf.import_file(tiny("embedder.gguf", "bert", n_layer=4))
    assert shelf.default() == large
    assert shelf.default("embed") == embedder
    assert shelf.default(free_bytes=1) == small
    Path(large.path).unlink()
    assert shelf.default() == small


def test_progress_and_stop(shelf, folder, tiny):
    source = tiny(n_vocab=20_000)
    seen: list[tuple[int, int]] = []
    with pytest.raises(Stopped):
        shelf.import_file(source, "copy", lambda done, total: seen.append((done, total)) or done < 2_000_000)
    assert _visible(folder) == []
    assert shelf.list() == []
    seen.clear()
    shelf.import_file(source, "copy", lambda done, total: seen.append((done, total)))
    size = source.stat().st_size
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"just text", b"<html>"])
def test_nothing_is_installed_from_a_bad_file(shelf, folder, tmp_path, content):
    (tmp_path / "bad.gguf").write_bytes(content)
    with pytest.raises(ModelInvalid):
        shelf.import_file(tmp_path / "bad.gguf")
    assert not folder.exists()


def test_split_models(shelf, tmp_path, split):
    split(tmp_path)
    model = shelf.import_file(tmp_path / "big-00001-of-00002.gguf", "copy")
    assert model.id == "big"
    names = sorted(p.name for p in Path(model.path).parent.glob("*.gguf"))
    assert names == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]
    assert shelf.verify("big").verified_at
    (Path(model.path).parent / names[1]).unlink()
    assert "gone" in shelf.list()[0].problem


def test_damage_is_listed_not_raised(shelf, folder, tiny):
    gone = shelf.import_file(tiny("gone.gguf", seed=1))
    cut = shelf.import_file(tiny("cut.gguf", seed=2), "copy")
    blind = shelf.import_file(tiny("blind.gguf", seed=3))
    Path(gone.path).unlink()
    os.truncate(cut.path, 100)
    (Path(blind.path).parent / SIDECAR_NAME).write_bytes(b"{ nonsense")
    (folder / "empty").mkdir()
    models = {model.id: model for model in shelf.list()}
    assert "gone from the models folder" in models["gone"].problem
    assert "changed its size" in models["cut"].problem
    assert "record is damaged" in models[blind.sha256[:16]].problem
    assert "record is damaged" in models["empty"].problem
    for model in models.values():
        with pytest.raises(ModelInvalid):
            shelf.find(model.id)
        shelf.remove(model.id)
    assert shelf.list() == []


def test_a_damaged_entry_is_healed_by_importing_again(shelf, folder, tiny):
    source = tiny()
    model = shelf.import_file(source, "copy")
    os.truncate(model.path, 100)
    healed = shelf.import_file(source, "copy")
    assert healed.problem == ""
    assert healed.id == model.id
    assert _sha256(healed.path) == model.sha256
    assert _visible(folder) == [model.sha256[:16]]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"id":"x","name":"x","files":[],"sha256":"x"}',
        b'{"id":"x","name":"x","files":[{"name":"../../x","bytes":1,"sha256":"","mtime_ns":0}],"sha256":"x"}',
        b"[" * 100_000,
    ],
)
def test_hostile_sidecars(shelf, tiny, bad):
    model = shelf.import_file(tiny())
    (Path(model.path).parent / SIDECAR_NAME).write_bytes(bad)
    assert "record is damaged" in shelf.list()[0].problem


def test_verify_finds_flipped_bits_and_they_stay_found(shelf, tiny):
    model = shelf.import_file(tiny(), "copy")
    status = Path(model.path).stat()
    with Path(model.path).open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)
        file.seek(-100, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(model.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert shelf.find(model.id).verified_at  # same size and time: nothing to see yet
    with pytest.raises(ModelInvalid, match="changed or damaged"):
        shelf.verify(model.id)
    assert shelf.list()[0].verified_at == ""
    with pytest.raises(ModelInvalid):
        shelf.find(model.id)


def test_a_new_time_stamp_is_checked_at_use(shelf, tiny):
    model = shelf.import_file(tiny(), "copy")
    os.utime(model.path, (1, 1))
    assert shelf.list()[0].verified_at == ""
    assert shelf.find(model.id).verified_at
    assert shelf.list()[0].verified_at
    with Path(model.path).open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\x55\xaa")
    os.utime(model.path, (2, 2))
    with pytest.raises(ModelInvalid):
        shelf.find(model.id)


def test_remove(shelf, folder, tiny):
    copied, linked = tiny("a.gguf", seed=1), tiny("b.gguf", seed=2)
    used = tiny("c.gguf", seed=3)
    assert shelf.remove(shelf.import_file(copied, "copy").id) >= copied.stat().st_size
    assert shelf.remove(shelf.import_file(linked, "link").id) < 5000  # the first name still holds the bytes
    assert shelf.remove(shelf.import_file(used, "use").id) < 5000
    assert copied.exists()
    assert linked.exists()
    assert used.exists()
    assert _visible(folder) == []
    with pytest.raises(ModelNotFound):
        shelf.remove("a")


def test_extra_folders(folder, tiny, tmp_path):
    (tmp_path / "other").mkdir()
    tiny("other/found.gguf", seed=1)
    tiny("other/vision.gguf", "clip")
    (tmp_path / "other" / "broken.gguf").write_bytes(b"GGUF")
    shelf = Shelf(folder, [tmp_path / "other", tmp_path / "none"])
    models = {model.id: model for model in shelf.list()}
    assert set(models) == {"found", "broken"}
    assert models["found"].in_place
    assert models["found"].sha256 == ""
    assert "incomplete" in models["broken"].problem or "damaged" in models["broken"].problem
    assert shelf.find("found").path == str(tmp_path / "other" / "found.gguf")
    assert shelf.default().id == "found"
    with pytest.raises(ModelError, match="only listed"):
        shelf.remove("found")
    with pytest.raises(ModelError, match="only listed"):
        shelf.verify("found")
    imported = shelf.import_file(tmp_path / "other" / "found.gguf", "use")
    assert imported.sha256
    assert {model.id for model in shelf.list()} == {"found", "broken"}
    assert (tmp_path / "other" / "found.gguf").exists()


# Preparing


def _requantize(source: str, target: str, file_type: str, tick: Callable[[], None]) -> None:
    """Stand in for the engine: the same tensors, as F32 anew."""
    assert file_type == "Q8_0"
    shutil.copy(source, target)


def test_prepare(folder, tiny):
    import gguf

    calls = []

    def quantize(source, target, file_type, tick):
        calls.append(file_type)
        _requantize(source, target, file_type, tick)

    shelf = Shelf(folder, quantize=quantize)
    source = tiny("m.Q4_1.gguf", quantization=gguf.GGMLQuantizationType.Q4_1, file_type=3)
    original = shelf.import_file(source)
    model = shelf.prepare(original.id)
    assert Path(model.path).name == "m-Q8_0.gguf"
    assert model.prepared_from == original.path
    assert model.sha256 == _sha256(model.path)
    assert model.id == original.id
    assert shelf.prepare(original.id) == model
    assert calls == ["Q8_0"]
    assert shelf.verify(original.id).prepared_from
    Path(original.path).unlink()
    assert shelf.find(original.id).path == model.path
    assert shelf.verify(original.id).path == model.path


def test_a_lost_prepared_copy_falls_back_to_the_original(folder, tiny):
    shelf = Shelf(folder, quantize=_requantize)
    original = shelf.import_file(tiny())
    model = shelf.prepare(original.id)
    Path(model.path).unlink()
    assert shelf.find(original.id).path == original.path
    assert shelf.prepare(original.id).path == model.path


def test_nothing_to_prepare(folder, tiny):
    import gguf

    shelf = Shelf(folder, quantize=pytest.fail)
    model = shelf.import_file(tiny(quantization=gguf.GGMLQuantizationType.Q8_0, file_type=7))
    assert shelf.prepare(model.id) == model


def test_prepare_that_fails_changes_nothing(folder, tiny):
    def broken(source, target, file_type, tick):
        Path(target).write_bytes(b"half a mod")
        raise DesktopSlmError("The engine stopped")

    for quantize, words in [(broken, "engine stopped"), (None, "without the engine")]:
        shelf = Shelf(folder, quantize=quantize)
        model = shelf.import_file(tiny())
        with pytest.raises(DesktopSlmError, match=words):
            shelf.prepare(model.id)
        assert shelf.list() == [model]
        assert _visible(folder) == [model.sha256[:16]]
        assert sorted(p.suffix for p in Path(model.path).parent.iterdir()) == [".gguf", ".json"]


def test_prepare_that_makes_something_else_is_refused(folder, tiny):
    other = tiny("other.gguf", "qwen2")
    shelf = Shelf(folder, quantize=lambda source, target, file_type, tick: shutil.copy(other, target))
    model = shelf.import_file(tiny())
    with pytest.raises(ModelError, match="another model"):
        shelf.prepare(model.id)
    assert shelf.find(model.id) == model


# Disks


def test_a_full_disk_is_a_sentence(shelf, folder, tiny, monkeypatch):
    source = tiny()
    usage = shutil.disk_usage(folder.parent)
    monkeypatch.setattr(installing.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(ModelError, match=r"0\.0 GB free"):
        shelf.import_file(source, "copy")
    monkeypatch.undo()

    def full(path, out, meter):
        out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("desktop_slm.models.files._stream", full)
    with pytest.raises(ModelError, match="The disk is full"):
        shelf.import_file(source, "copy")
    assert _visible(folder) == []


def test_no_permission_is_a_sentence(shelf, tiny, monkeypatch):
    source = tiny()

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(ModelError, match="You may not install"):
        shelf.import_file(source)


def test_a_disk_without_locks_works(shelf, folder, tiny, monkeypatch):
    def refuse(file):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("desktop_slm.models.files._lock", refuse)
    model = shelf.import_file(tiny("a.gguf", seed=1))
    shelf.import_file(tiny("b.gguf", seed=2))
    assert len(shelf.list()) == 2
    assert shelf.find(model.id) == model
    assert len(_visible(folder)) == 2


def test_a_shelf_that_is_no_folder(folder, tiny):
    folder.write_bytes(b"")
    shelf = Shelf(folder)
    assert shelf.list() == []
    with pytest.raises(ModelError):
        shelf.import_file(tiny())


def test_unsupported_is_not_installed(shelf, folder, tiny):
    with pytest.raises(ModelUnsupported):
        shelf.import_file(tiny(architecture="clip"))
    assert not folder.exists()


def test_sidecar_keeps_unknown_keys_out_and_round_trips(shelf, tiny):
    entry = Path(shelf.import_file(tiny()).path).parent
    sidecar = read_sidecar(entry)
    write_sidecar(entry, sidecar)
    assert read_sidecar(entry) == sidecar
    data = msgspec.json.decode((entry / SIDECAR_NAME).read_bytes())
    (entry / SIDECAR_NAME).write_bytes(msgspec.json.encode({**data, "of_the_future": 1}))
    assert read_sidecar(entry) == sidecar
