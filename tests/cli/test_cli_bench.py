"""``bench`` on the command line, without measuring anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from desktop_slm.bench.charts import charts
from desktop_slm.bench.figures import BARS, Figures


def fields() -> dict[str, Any]:
    figures = Figures()
    for count in (0, 1):
        figures.add(f"load_{count}_tokens_per_s", 150 - 20 * count)
        figures.add(f"bare_load_{count}_threads_1_tokens_per_s", 100 - count)
    figures.add("decode_ratio", 0.98)
    figures.miss("prepare_gain", "There is nothing to compare it with.")
    return {**figures.as_fields(list(BARS)), "others_use_cores": 0.0}


def test_a_picture_is_drawn_again_from_its_file(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(fields()))
    result = command("bench", "--redraw", tmp_path)
    assert result.code == 0
    assert (tmp_path / "speed-against-load.svg").read_text() == charts(fields())["speed-against-load.svg"]
    rows = {line.split()[0]: line for line in result.out.splitlines()}
    assert "0.98, wanted >= 0.97, met" in rows["decode_ratio"]
    assert "not measured, wanted >= 1.9, There is" in rows["prepare_gain"]
    assert "quiet" in rows["others"]


def test_nothing_to_draw_and_nothing_to_measure_are_errors(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "bench.json").write_text("not json")
    assert command("bench", "--redraw", tmp_path).code == 1
    assert command("bench", "--redraw", tmp_path / "nowhere").code == 1
    unknown = command("bench", "--only", "speed")
    assert unknown.code == 1
    assert "There is no figure speed" in unknown.err
    assert command("bench", "--plot", tmp_path / "nowhere").code == 1
