"""Everything lies below one folder when asked to, and shipped files are found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from desktop_slm.paths import HOME_VARIABLE, Paths, private_folder, resource


def test_the_variable_moves_everything(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    paths = Paths.default()
    for path in (paths.data, paths.config, paths.vault, paths.models, paths.settings):
        assert path.is_relative_to(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_relative_home_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Paths.under(Path("here")).data == tmp_path / "here" / "data"


def test_defaults_belong_to_the_user(monkeypatch):
    monkeypatch.delenv(HOME_VARIABLE)
    assert all("desktop-slm" in str(path) for path in (Paths.default().data, Paths.default().config))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_private_folders(tmp_path):
    assert private_folder(tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert private_folder(tmp_path / "a" / "b").is_dir()


def test_resources(tmp_path, monkeypatch):
    assert resource("catalog.json").is_file()
    with pytest.raises(FileNotFoundError):
        resource("no-such-file")
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "catalog.json").write_bytes(b"frozen")
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert resource("catalog.json").read_bytes() == b"frozen"
