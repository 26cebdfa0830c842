"""How the benchmark counts: medians, bars, parts that cannot be measured, the better of two limits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from desktop_slm.bench import engine_parts, machine, run
from desktop_slm.bench.figures import BARS, Bar, Figures
from desktop_slm.bench.instruments import Background
from desktop_slm.bench.messages import Times
from desktop_slm.bench.stand import Stand, per_second
from desktop_slm.engine.api import Finished, GenerateRequest, Message, ModelSpec, Usage
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.errors import EngineError, NotYet

SPEC = ModelSpec(path="model.gguf")


class CountedEngine(FakeEngine):
    """A fake whose answers take a tenth of a second a token, and whose prompts a second."""

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self.told = told

    def generate(self, request: GenerateRequest) -> Any:
        self.told.append(f"engine {request.messages[-1].content.rpartition(' about ')[2][:6].strip()}")
        n_tokens = request.max_tokens
        usage = Usage(
            prompt_tokens=50,
            reused_tokens=10,
            completion_tokens=n_tokens,
            first_token_s=1.0,
            decode_s=(n_tokens - 1) / 10,
        )
        yield Finished("length", usage)

    def worker_pid(self) -> int:
        return 0


def stand(told: list[str], rounds: int = 2) -> Stand:
    made = Stand(SPEC, "", Figures(), rounds=rounds, n_decode=32, progress=lambda _: None)
    made.engine = CountedEngine(told)  # type: ignore[assignment]
    made._limit = FakeLimit(told)  # type: ignore[assignment]
    made.cores = 2
    return made


class FakeLimit:
    """A bare loop that writes 20 tokens per second with one thread and 5 with two."""

    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.runs: list[Any] = []

    def run(self, order: Any) -> Times:
        self.told.append(f"bare {order.prompts[0][-1][1].rpartition(' about ')[2][:6].strip()}")
        self.runs.append(order)
        seconds = 20 if order.n_threads == 1 else 5
        return Times(
            prefill_s=0.5,
            decode_s=(order.n_decode - 1) / seconds,
            n_decoded=order.n_decode - 1,
            same_prompt=True,
        )

    def close(self) -> None:
        pass


def test_engine_and_bare_loop_take_turns_on_the_same_prompt_and_seed() -> None:
    told: list[str] = []
    bench = stand(told)
    engine_parts.decode(bench)
    assert told[2:] == ["engine a cat,", "bare a cat,", "engine a ship", "bare a ship"]  # after the warm-up
    first = bench._limit.runs[1]  # type: ignore[union-attr]
    assert first.seeds == (0,)
    assert first.lengths == (50,)
    assert first.n_decode == 32
    assert [role for role, _ in first.prompts[0]] == ["system", "user"]
    assert bench.figures.median("decode_ratio") == 2.0
    assert bench.figures.median("decode_tokens_per_s") == 10.0


def test_a_busy_computer_is_compared_with_the_best_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_parts, "TUNER_WARM_S", 0.0)
    bench = stand([])
    engine_parts.busy(bench, 0)
    assert bench.figures.median("bare_load_0_threads_1_tokens_per_s") == 20.0
    assert bench.figures.median("bare_load_0_threads_2_tokens_per_s") == 5.0
    assert bench.figures.median("load_0_tokens_per_s") == 10.0
    threads = [run.n_threads for run in bench._limit.runs]  # type: ignore[union-attr]
    assert threads == [1, 2, 1]  # two of them are hopeless after the first round


def test_large_computers_are_not_tried_with_every_number_of_threads() -> None:
    assert engine_parts.fixed_threads(2) == [1, 2]
    tried = engine_parts.fixed_threads(32)
    assert {1, 31, 32} <= set(tried)
    assert len(tried) < 8


def test_the_middle_round_counts_and_the_spread_is_told() -> None:
    figures = Figures()
    for value in (0.5, 0.99, 0.98):
        figures.add("decode_ratio", value)
    fields = figures.as_fields(["decode_ratio"])
    assert fields["decode_ratio"] == 0.98
    assert fields["spread"] == {"decode_ratio": [0.5, 0.99]}
    assert fields["bars"] == {"decode_ratio": {"wanted": ">= 0.97", "met": True}}


@pytest.mark.parametrize(
    ("bar", "figure", "met"),
    [(Bar(">=", 0.9), 0.9, True), (Bar(">=", 0.9), 0.89, False), (Bar("<=", 300), 301, False)],
)
def test_bars(bar: Bar, figure: float, met: bool) -> None:
    assert bar.met(figure) is met


def test_a_part_that_cannot_be_measured_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(bench: Stand) -> None:
        raise NotYet("There is nothing to compare")

    def breaks_off(bench: Stand) -> None:
        bench.figures.add("prefill_ratio", 1.0)
        raise EngineError("It ended")

    def works(bench: Stand) -> None:
        bench.figures.add("load_ms", 200.0)
        bench.figures.add("compute_mb", 18.0)

    parts = [(("decode_ratio",), fails), (("prefill_ratio",), breaks_off), (("load_ms",), works)]
    monkeypatch.setattr(run, "PARTS", parts)
    monkeypatch.setattr(run, "cores_in_use", lambda _: 0.0)
    fields = run.measure(SPEC)
    assert list(fields)[: len(BARS)] == list(BARS)
    assert fields["decode_ratio"] is None
    assert fields["bars"]["decode_ratio"] == {"wanted": ">= 0.97", "met": None}
    assert fields["not_measured"] == {"decode_ratio": "There is nothing to compare."}
    assert fields["cut_short"] == {"prefill_ratio": "It ended."}
    assert (fields["load_ms"], fields["compute_mb"]) == (200.0, 18.0)
    assert fields["quiet"] is True


def test_only_what_was_asked_for_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    parts = [((name,), lambda _, name=name: done.append(name)) for name in BARS]
    monkeypatch.setattr(run, "PARTS", parts)
    monkeypatch.setattr(run, "cores_in_use", lambda _: next(looks))
    told: list[str] = []
    looks = iter([0.1, 0.0, 1.5, 0.05])  # at the beginning, before each part, at the end
    fields = run.measure(SPEC, only=["load_ms", "busy_ratio_1"], progress=told.append)
    assert done == ["busy_ratio_1", "load_ms"]
    assert "decode_ratio" not in fields
    assert fields["quiet"] is False
    assert fields["others_use_cores"] == 1.5
    assert told == ["The computer is quiet."]


def test_every_figure_belongs_to_one_part() -> None:
    covered = [name for names, _ in run.PARTS for name in names]
    assert sorted(covered) == sorted(BARS)


def requests(count: int) -> list[GenerateRequest]:
    return [
        GenerateRequest(model=SPEC, messages=(Message("user", f"Sum up {number}."),), max_tokens=400)
        for number in range(count)
    ]


def test_background_work_runs_until_it_is_left() -> None:
    engine = FakeEngine(["word " * 400], delay_s=0.001)
    with Background(engine, requests(3)) as work:
        assert not work.over.is_set()
    assert work.over.is_set()
    assert engine.cancelled


def test_background_work_that_fails_is_told() -> None:
    engine = FakeEngine([Reply("word", error=EngineError("The model broke"))])
    with pytest.raises(EngineError, match="broke"), Background(engine, requests(1)) as work:
        work.over.wait(10)


def test_an_answer_without_tokens_has_no_rate() -> None:
    with pytest.raises(EngineError):
        per_second(0, 1.0)


def test_the_load_of_others_is_read_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1000, 1150])
    monkeypatch.setattr(machine, "_busy_ticks", lambda: next(ticks))
    monkeypatch.setattr(machine, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(machine.os, "sysconf", lambda _: 100)
    assert machine.cores_in_use(1.0) == 1.5
