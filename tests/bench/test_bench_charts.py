"""The pictures hold every value of the line of JSON they are drawn from, at its place."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from desktop_slm.bench.charts import Chart, charts, svg
from desktop_slm.bench.figures import BARS, Figures

_SVG = "{http://www.w3.org/2000/svg}"


def fields() -> dict[str, Any]:
    figures = Figures()
    for count in range(4):
        figures.add(f"load_{count}_tokens_per_s", 150 - 20 * count)
        figures.add(f"bare_load_{count}_threads_1_tokens_per_s", 100 - count)
        if count < 3:
            figures.add(f"bare_load_{count}_threads_2_tokens_per_s", 150 / 4**count)
    for count in (1, 2, 4, 8, 16):
        figures.add(f"sequences_{count}_tokens_per_s", 100 + 10 * count)
        figures.add(f"bare_sequences_{count}_tokens_per_s", 105 + 10 * count)
    figures.add("decode_ratio", 0.98)
    return figures.as_fields(list(BARS))


def lines(picture: str) -> dict[str, list[tuple[float, float]]]:
    """Return the points of each named line."""
    found = {}
    for group in ElementTree.fromstring(picture).iter(f"{_SVG}g"):
        name = group.findtext(f"{_SVG}text") or ""
        path = group.find(f"{_SVG}path")
        assert path is not None
        points = [tuple(map(float, point.split())) for point in path.attrib["d"][1:].split("L")]
        found[name] = points
    return found


def test_every_curve_is_drawn() -> None:
    pictures = charts(fields())
    assert set(pictures) == {"speed-against-load.svg", "speed-against-sequences.svg"}
    load = lines(pictures["speed-against-load.svg"])
    assert {name: len(points) for name, points in load.items()} == {
        "Desktop SLM": 4,
        "bare, 1 thread": 4,
        "bare, 2 threads": 3,
    }
    assert load["Desktop SLM"][0] == load["bare, 2 threads"][0]  # both 150
    assert [y for _, y in load["bare, 2 threads"]] == sorted(y for _, y in load["bare, 2 threads"])
    together = lines(pictures["speed-against-sequences.svg"])
    assert all(
        bare[1] < ours[1]  # higher up
        for ours, bare in zip(together["Desktop SLM"], together["bare llama.cpp"], strict=True)
    )


def test_without_curves_there_is_no_picture() -> None:
    assert charts(Figures().as_fields(list(BARS))) == {}


@pytest.mark.parametrize("most", [0.4, 3, 9.9, 62, 150, 999, 12_345])
def test_everything_stays_within_the_frame(most: float) -> None:
    points = lines(svg(Chart("A", "b", ["0", "1"], {"x < y": [0.0, most]})))["x < y"]
    assert all(0 < x < 720 and 50 < y < 360 for x, y in points)
