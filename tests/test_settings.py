"""Settings survive damage, newer versions and full disks."""

from __future__ import annotations

import msgspec
import pytest

from desktop_slm import settings
from desktop_slm.settings import Settings


def test_missing_gives_defaults(tmp_path):
    assert settings.load(tmp_path / "none" / "settings.json") == Settings()


def test_round_trip(tmp_path):
    path = tmp_path / "config" / "settings.json"
    changed = Settings(theme="dark", font_size_pt=14, model_folders=("/models",), default_model="starter")
    settings.save(path, changed)
    assert settings.load(path) == changed
    assert path.stat().st_mode & 0o077 == 0
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"[]", b"null", b"\xff", b'{"theme": '])
def test_damaged_gives_defaults(tmp_path, data):
    (tmp_path / "settings.json").write_bytes(data)
    assert settings.load(tmp_path / "settings.json") == Settings()


def test_one_damaged_value_costs_only_itself(tmp_path):
    (tmp_path / "settings.json").write_bytes(b'{"theme": "purple", "font_size_pt": 12, "n_ctx": "many"}')
    assert settings.load(tmp_path / "settings.json") == Settings(font_size_pt=12)


def test_keys_of_a_newer_version_are_kept(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(b'{"theme": "light", "from_the_future": [1, 2]}')
    loaded = settings.load(path)
    settings.save(path, msgspec.structs.replace(loaded, theme="dark"))
    assert msgspec.json.decode(path.read_bytes())["from_the_future"] == [1, 2]
    assert settings.load(path).theme == "dark"


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "settings.json"
    settings.save(path, Settings(theme="dark"))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        settings.save(path, Settings(theme="light"))
    assert settings.load(path).theme == "dark"
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]
