"""What the program's arguments lead to: a command, or the window."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from desktop_slm import __main__ as entry
from desktop_slm.paths import HOME_VARIABLE


@pytest.mark.parametrize("arguments", [[], ["--home"]])
def test_without_a_command_the_window_opens(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "elsewhere")
    given = [*arguments, str(tmp_path)] if arguments else []
    monkeypatch.setattr(sys, "argv", ["desktop-slm", *given])
    homes: list[str] = []
    monkeypatch.setattr(entry, "window", lambda: homes.append(os.environ[HOME_VARIABLE]) or 7)
    assert entry.main() == 7
    assert homes == [str(tmp_path) if arguments else "elsewhere"]
