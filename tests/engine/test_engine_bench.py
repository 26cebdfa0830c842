"""The yardstick gives figures for engine and bare loop; how good they are is the benchmark's business.

Slow: the bare loop keeps its threads whatever else runs, and collapses beside other tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_slm.engine.bench import measure

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(600)]


def test_every_figure_is_measured(starter_path: Path) -> None:
    told: list[str] = []
    figures = measure(str(starter_path), rounds=1, n_decode=8, progress=told.append)
    assert figures.keys() == {
        *("decode_ratio", "prefill_ratio", "batch8_ratio", "worker_start_ms", "load_ms"),
        *("decode_tokens_per_s", "prefill_tokens_per_s", "batch8_tokens_per_s"),
        *("bare_decode_tokens_per_s", "bare_prefill_tokens_per_s", "bare_batch8_tokens_per_s"),
    }
    assert all(value > 0 for value in figures.values())
    assert told == ["starting the worker", "writing, round 1 of 1", "reading and batches, round 1 of 1"]
