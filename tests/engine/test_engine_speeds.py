"""Speeds that were measured: kept in a file, found again, and compared in turns."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest

from desktop_slm.engine.api import ModelSpec, Probe, Tick, nothing
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.engine.speeds import Speed, Speeds, compare, machine_name, prepare_gain

BEFORE, AFTER = ModelSpec(path="before.gguf"), ModelSpec(path="after.gguf")


def probe(reading: float, writing: float = 100.0, threads: int = 2) -> Probe:
    return Probe(prompt_tokens_per_s=reading, decode_tokens_per_s=writing, threads=threads)


def speed(model: str, reading: float = 1.0, token_bytes: int = 100, machine: str = "m") -> Speed:
    return Speed(model=model, machine=machine, probe=probe(reading), token_bytes=token_bytes)


class Measured(FakeEngine):
    """Answers with these probes, in turns from the first and the second list."""

    def __init__(self, before: Iterable[Probe], after: Iterable[Probe]) -> None:
        super().__init__()
        self._next = {BEFORE.path: iter(before), AFTER.path: iter(after)}
        self.order: list[str] = []

    def probe(self, model: ModelSpec, tick: Tick = nothing) -> Probe:
        self.order.append(model.path)
        return next(self._next[model.path])


def test_what_was_kept_is_found_by_model_and_machine(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "speeds.json"
    speeds = Speeds(path)
    assert speeds.find("a", "m") is None
    speeds.keep(speed("a", 1.0))
    speeds.keep(speed("b", 2.0))
    speeds.keep(speed("a", 3.0))
    speeds.keep(speed("a", 4.0, machine="other"))
    assert Speeds(path).find("a", "m") == speed("a", 3.0)
    assert Speeds(path).find("a", "other") == speed("a", 4.0, machine="other")
    assert Speeds(path).find("a", "third") is None
    assert Speeds(path).find("", "m") is None
    assert path.stat().st_mode & 0o077 == 0


def test_the_nearest_in_size_speaks_for_another_model(tmp_path: Path) -> None:
    speeds = Speeds(tmp_path / "speeds.json")
    assert speeds.nearest(100, "m") is None
    speeds.keep(speed("small", token_bytes=100))
    speeds.keep(speed("large", token_bytes=4_000))
    speeds.keep(speed("elsewhere", token_bytes=1_000, machine="other"))
    for size, model in ((150, "small"), (1_000, "large"), (10**12, "large"), (0, "small")):
        near = speeds.nearest(size, "m")
        assert near is not None
        assert near.model == model


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format":99,"speeds":[]}', b"[" * 100_000, b"\xff"])
def test_a_damaged_file_counts_as_empty_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "speeds.json"
    path.write_bytes(content)
    speeds = Speeds(path)
    assert speeds.find("a", "m") is None
    speeds.keep(speed("a"))
    assert Speeds(path).find("a", "m") == speed("a")


def test_what_cannot_be_written_is_known_until_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    speeds = Speeds(tmp_path / "file" / "speeds.json")  # a file is where the folder should be
    speeds.keep(speed("a"))
    speeds.keep(speed("b"))
    assert speeds.find("a", "m") == speed("a")
    assert speeds.find("b", "m") == speed("b")


def test_the_file_stays_small(tmp_path: Path) -> None:
    speeds = Speeds(tmp_path / "speeds.json")
    for number in range(210):
        speeds.keep(speed(f"model {number}"))
    assert speeds.find("model 209", "m")
    assert speeds.find("model 0", "m") is None


def test_a_machine_is_its_processors_engine_and_settings() -> None:
    hardware = FakeEngine().hardware()
    names = {
        machine_name(hardware, spec)
        for spec in (
            BEFORE,
            AFTER,
            ModelSpec(path="x", n_ctx=512),
            ModelSpec(path="x", n_threads=1),
            ModelSpec(path="x", n_gpu_layers=0),
        )
    }
    assert len(names) == 3
    assert all("Scripted processor; 2 cores" in name for name in names)


def test_models_are_measured_in_turns() -> None:
    engine = Measured([probe(100, 50), probe(110, 55)], [probe(200, 50), probe(220, 55)])
    told: list[tuple[int, int]] = []
    gain = compare(engine, BEFORE, AFTER, on_probe=lambda done, total: told.append((done, total)))
    assert engine.order == [BEFORE.path, AFTER.path] * 2
    assert (gain.reading, gain.writing, gain.rounds, gain.steady) == (2.0, 1.0, 2, True)
    assert gain.before.prompt_tokens_per_s == pytest.approx(104.9, abs=0.1)
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert gain.faster
    assert not gain.mixed


def test_rounds_that_disagree_want_more_and_the_middle_counts() -> None:
    after = [probe(200), probe(40), probe(200), probe(210)]
    gain = compare(Measured([probe(100)] * 4, after), BEFORE, AFTER)
    assert (gain.rounds, gain.steady) == (4, True)
    assert gain.reading == 2.0


def test_rounds_that_never_agree_are_not_steady() -> None:
    wild = (probe(reading) for reading in itertools.cycle((50, 400, 90, 900)))
    gain = compare(Measured(itertools.repeat(probe(100)), wild), BEFORE, AFTER)
    assert (gain.rounds, gain.steady) == (4, False)


def test_prepare_gain_is_the_gain_in_reading() -> None:
    engine = Measured(itertools.repeat(probe(100)), itertools.repeat(probe(230, 10)))
    assert prepare_gain(engine, BEFORE, AFTER) == 2.3
    assert len(engine.order) == 6
