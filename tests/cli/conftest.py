"""Runs commands, in this process or in one of their own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_result import Result

from desktop_slm.paths import Paths

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "a quiet harbor"


@pytest.fixture
def command(
    home: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run a command in this process; keys are derived as cheaply as a vault allows."""
    from desktop_slm.cli.main import main
    from desktop_slm.store import keyfile, slots

    cheap = functools.partial(keyfile.KdfParameters, memory_kib=keyfile.KDF_MIN_KIB, iterations=1)
    monkeypatch.setattr(slots, "KdfParameters", cheap)

    def run(*arguments: object) -> Result:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def program(home: Paths) -> Callable[..., subprocess.Popen[str]]:
    """Start a command in a process of its own, with a passphrase."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "desktop_slm", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "DESKTOP_SLM_PASSPHRASE": PASSPHRASE},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    return start


@pytest.fixture
def finished(program: Callable[..., subprocess.Popen[str]]) -> Callable[..., Result]:
    """Run a command in a process of its own to its end."""

    def run(*arguments: object) -> Result:
        process = program(*arguments)
        out, err = process.communicate(timeout=380)
        return Result(process.returncode, out, err)

    return run


@pytest.fixture
def sample() -> Path:
    return ROOT / "resources" / "samples" / "riverside-annual-report-2025.pdf"
