"""The instruments give figures; how good they are is the benchmark's business, on a quiet computer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from desktop_slm.bench.figures import BARS
from desktop_slm.bench.instruments import Limit, hogs
from desktop_slm.bench.messages import Run
from desktop_slm.bench.run import measure
from desktop_slm.bench.stand import as_turns
from desktop_slm.engine.api import ModelSpec
from desktop_slm.errors import EngineCrashed
from desktop_slm.processes import child

pytestmark = [pytest.mark.model]


def test_engine_and_bare_loop_are_given_the_same_prompt(starter_path: Path) -> None:
    spec = ModelSpec(path=str(starter_path))
    fields = measure(spec, only=["decode_ratio"], rounds=1, n_decode=8)
    assert fields["same_prompt"] == 1.0
    assert fields["decode_ratio"] > 0
    assert fields["bare_decode_tokens_per_s"] > 0
    assert fields["not_measured"] == {}


def test_the_bare_loop_draws_in_several_sequences_and_stops_at_its_limit(starter_path: Path) -> None:
    limit = Limit(str(starter_path), 1024, 0)
    try:
        prompts = (as_turns("Hello."), as_turns("Who are you?"))
        run = Run(prompts=prompts, n_decode=4, n_threads=1, seeds=(1, 2), unified=True)
        assert limit.run(run).n_decoded == 3
        shared = Run(prompts=prompts[:1] * 3, n_decode=4, n_threads=1, seeds=(1, 2, 3))
        assert limit.run(shared).n_decoded == 3
        run = Run(prompts=prompts[:1], lengths=(40,), n_decode=500, n_threads=1, seeds=(1,), limit_s=0.05)
        times = limit.run(run)
        assert 1 <= times.n_decoded < 499
        assert not times.same_prompt
        with pytest.raises(EngineCrashed):  # more tokens than the context holds: its end is an error, no wait
            limit.run(Run(prompts=prompts[:1], lengths=(2000,), n_decode=2, n_threads=1, seeds=(1,)))
    finally:
        limit.close()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
def test_hogs_go_when_they_are_done() -> None:
    def running() -> set[str]:
        mark = b"desktop_slm.bench.hog"
        return {
            folder.name
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit()
            and f"PPid:\t{os.getpid()}\n" in _read(folder / "status").decode()
            and mark in _read(folder / "cmdline")
        }

    with hogs(2):
        assert len(running()) == 2
    assert not running()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_figure_is_measured(starter_path: Path, starter_source: Path) -> None:
    spec = ModelSpec(path=str(starter_path))
    fields = measure(spec, str(starter_source), rounds=1, n_decode=16, curves=True)
    assert fields["not_measured"] == {}
    assert fields["cut_short"] == {}
    assert all(fields[name] > 0 for name in BARS)
    assert fields["turn2_reused_tokens"] > 1000
    assert fields["restore_reused_tokens"] > 1000
    assert fields["not_restored_reused_tokens"] < 100
    assert {"load_0_tokens_per_s", "load_3_tokens_per_s", "bare_sequences_16_tokens_per_s"} <= fields.keys()


def test_the_entries_are_children() -> None:
    """A frozen application starts only what is on this list."""
    assert {
        "desktop_slm.bench.bare_loop",
        "desktop_slm.bench.hog",
        "desktop_slm.gui.bench_window",
    } <= child.ENTRIES
