"""Results go to their file whole or not at all, and never over the document they were made of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from desktop_slm.cli.target import output_path, write_file
from desktop_slm.errors import InvalidRequest, StorageFailed


def test_the_document_itself_is_not_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "report.md"
    source.write_text("The tide comes in twice a day.")
    link = tmp_path / "link.md"
    link.symlink_to(source)
    for given in (source, link, tmp_path / "." / "report.MD", tmp_path / "x" / ".." / "report.md"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(InvalidRequest, match="the document itself"):
            output_path(str(given), ("md",), ["-", str(tmp_path / "none"), str(source)])
    other = tmp_path / "summary.md"
    assert output_path(str(other), ("md",), [str(source), "\0"]) == other


@pytest.mark.skipif(os.name != "posix", reason="modes and links")
def test_a_file_is_replaced_in_one_step_and_keeps_mode_and_link(tmp_path: Path) -> None:
    target, link = tmp_path / "summary.md", tmp_path / "link.md"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_file(link, b"new")
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.md", "summary.md"]


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "summary.md"
    target.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFailed):
        write_file(target, b"new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
