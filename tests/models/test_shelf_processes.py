"""Several processes at one shelf, and processes that die in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_slm.models import files
from desktop_slm.models.shelf import Shelf

_IMPORT = """
import sys, time
from pathlib import Path
from desktop_slm.models.shelf import Shelf
def progress(done, total):
    print("at work", flush=True)
    time.sleep(float(sys.argv[3]))
print(Shelf(Path(sys.argv[1])).import_file(sys.argv[2], "copy", progress).id, flush=True)
"""

_PREPARE = """
import shutil, sys, time
from pathlib import Path
from desktop_slm.models.shelf import Shelf
def quantize(source, target, file_type, tick):
    Path(target).write_bytes(Path(source).read_bytes()[:100])
    print("at work", flush=True)
    time.sleep(float(sys.argv[3]))
    shutil.copy(source, target)
print(Path(Shelf(Path(sys.argv[1]), quantize=quantize).prepare(sys.argv[2]).path).name, flush=True)
"""


def _start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _last_line(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output.splitlines()[-1]


def _kill_at_work(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)


def _visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_four_processes_import_the_same_file(tmp_path, tiny):
    source, folder = tiny("same.gguf", n_vocab=50_000), tmp_path / "shelf"
    processes = [_start(_IMPORT, folder, source, 0.01) for _ in range(4)]
    assert {_last_line(process) for process in processes} == {"same"}
    (model,) = Shelf(folder).list()
    assert model.problem == ""
    assert _visible(folder) == [model.sha256[:16]]
    assert Shelf(folder).verify("same").sha256 == model.sha256


def test_two_processes_import_two_files_of_one_name(tmp_path, tiny):
    folder = tmp_path / "shelf"
    for number in range(2):
        (tmp_path / str(number)).mkdir()
    sources = [tiny(f"{number}/model.gguf", seed=number) for number in range(2)]
    processes = [_start(_IMPORT, folder, source, 0.01) for source in sources]
    assert {_last_line(process) for process in processes} == {"model", "model-2"}


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_kill_during_import_leaves_nothing(tmp_path, tiny):
    source, folder = tiny(n_vocab=50_000), tmp_path / "shelf"
    for _ in range(3):
        _kill_at_work(_start(_IMPORT, folder, source, 30))
        assert Shelf(folder).list() == []
    assert any(name.startswith(".staging-") for name in _visible(folder))
    model = Shelf(folder).import_file(source)
    assert _visible(folder) == [model.sha256[:16]]
    assert not list(folder.glob(".staging-*"))


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_sweeping_spares_what_is_being_installed(tmp_path, tiny):
    source, folder = tiny(n_vocab=50_000), tmp_path / "shelf"
    process = _start(_IMPORT, folder, source, 0.3)
    assert process.stdout
    process.stdout.readline()
    assert files.sweep(folder) == 0
    assert _last_line(process) == "tiny"


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_kill_during_prepare_keeps_the_original(tmp_path, tiny):
    folder = tmp_path / "shelf"
    model = Shelf(folder).import_file(tiny("m.gguf"))
    _kill_at_work(_start(_PREPARE, folder, model.id, 30))
    assert Shelf(folder).list() == [model]
    assert _last_line(_start(_PREPARE, folder, model.id, 0)) == "m-Q8_0.gguf"
    assert Shelf(folder).find(model.id).prepared_from == model.path


def test_two_processes_prepare_once(tmp_path, tiny):
    folder = tmp_path / "shelf"
    model = Shelf(folder).import_file(tiny("m.gguf"))
    processes = [_start(_PREPARE, folder, model.id, 0.3) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [output.splitlines()[-1] for output in outputs] == ["m-Q8_0.gguf"] * 2
    assert "".join(outputs).count("at work") == 1


def test_a_lock_waits_and_can_be_given_up(tmp_path):
    def give_up(done, total):
        return False

    with (
        files.locked(tmp_path / "lock"),
        pytest.raises(files.Stopped),
        files.locked(tmp_path / "lock", give_up),
    ):
        pytest.fail("both hold it")
    with files.locked(tmp_path / "lock"):
        pass
