"""Draws the figures of a benchmark as SVG, from its line of JSON and from nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 168, 56, 52
_LIGHT = ("#0b6e4f", "#b3541e", "#4f5bd5", "#8a6d00", "#9b3d8f")
_DARK = ("#4cc79a", "#f0955c", "#9aa4ff", "#e3c04f", "#e08ad4")
_DARK_STYLE = (
    "@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .paper {{ fill: #16191d }} {} }}".format(
        " ".join(f".l{n} {{ stroke: {color} }} .d{n} {{ fill: {color} }}" for n, color in enumerate(_DARK))
    )
)
"""Light colors stand in the elements themselves, for viewers that know no style sheets."""


@dataclass(frozen=True)
class Chart:
    """Lines over a few values that stand at equal distances.

    Attributes:
        title, x_label: In words; the other axis is tokens per second.
        places: What stands below the axis.
        lines: Name and value at each place; None where nothing was measured.
    """

    title: str
    x_label: str
    places: Sequence[str]
    lines: Mapping[str, Sequence[float | None]]


def charts(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the pictures (file name, SVG) that the fields of ``bench --plot`` hold; none without a curve."""
    found = {"speed-against-load": _load(fields), "speed-against-sequences": _sequences(fields)}
    return {f"{name}.svg": svg(chart) for name, chart in found.items() if chart.places}


def _load(fields: Mapping[str, Any]) -> Chart:
    counts = _numbers(r"load_(\d+)_tokens_per_s", fields)
    threads = _numbers(r"bare_load_\d+_threads_(\d+)_tokens_per_s", fields)
    lines = {"Desktop SLM": [fields.get(f"load_{count}_tokens_per_s") for count in counts]}
    for n in threads:
        name = f"bare, {n} thread{'s' if n > 1 else ''}"
        lines[name] = [fields.get(f"bare_load_{count}_threads_{n}_tokens_per_s") for count in counts]
    return Chart(
        "Writing speed on a busy computer", "other programs that use a whole processor", _texts(counts), lines
    )


def _sequences(fields: Mapping[str, Any]) -> Chart:
    counts = _numbers(r"sequences_(\d+)_tokens_per_s", fields)
    lines = {
        "Desktop SLM": [fields.get(f"sequences_{count}_tokens_per_s") for count in counts],
        "bare llama.cpp": [fields.get(f"bare_sequences_{count}_tokens_per_s") for count in counts],
    }
    return Chart("Speed of answers written together", "answers at once", _texts(counts), lines)


def _numbers(pattern: str, fields: Mapping[str, Any]) -> list[int]:
    matches = (re.fullmatch(pattern, name) for name in fields)
    return sorted({int(match[1]) for match in matches if match})


def _texts(numbers: Sequence[int]) -> list[str]:
    return [str(number) for number in numbers]


def svg(chart: Chart) -> str:
    """Draw a chart; it follows the light or dark palette of whoever shows it."""
    most = max((value for line in chart.lines.values() for value in line if value), default=1.0)
    step = _step(most)
    ticks = [step * index for index in range(math.ceil(most / step) + 1)]
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(index: int) -> float:
        return round(_LEFT + width * (index + 0.5) / len(chart.places), 1)

    def y(value: float) -> float:
        return round(_TOP + height * (1 - value / ticks[-1]), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(chart.title)}" font-family="sans-serif" font-size="13">',
        f"<style>{_DARK_STYLE}</style>",
        f'<rect class="paper" fill="#ffffff" width="{_WIDTH}" height="{_HEIGHT}"/>',
        _text(_LEFT, 26, chart.title, 'font-size="16" font-weight="600"'),
        _text(_LEFT, 44, "tokens per second"),
        _text(_LEFT + width / 2, _HEIGHT - 12, chart.x_label, anchor="middle"),
    ]
    for tick in ticks:
        parts.append(f'<path stroke="#8c959f" stroke-width="0.4" d="M{_LEFT} {y(tick)}H{_LEFT + width}"/>')
        parts.append(_text(_LEFT - 8, y(tick) + 4, f"{tick:g}", anchor="end"))
    for index, place in enumerate(chart.places):
        parts.append(_text(x(index), _HEIGHT - _BOTTOM + 20, place, anchor="middle"))
    parts.append(f'<path stroke="#8c959f" d="M{_LEFT} {y(0)}H{_LEFT + width}"/>')
    for number, (name, values) in enumerate(chart.lines.items()):
        points = [(x(index), y(value)) for index, value in enumerate(values) if value is not None]
        parts += _line(name, points, number, _LEFT + width + 12)
    return "\n".join([*parts, "</svg>\n"])


def _line(name: str, points: list[tuple[float, float]], number: int, label_x: float) -> list[str]:
    if not points:
        return []
    path = "L".join(f"{px} {py}" for px, py in points)
    label_y = _TOP + 16 + 22 * number
    number %= len(_LIGHT)
    fill = f'class="d{number}" fill="{_LIGHT[number]}"'
    return [
        f'<g><path class="l{number}" stroke="{_LIGHT[number]}" fill="none" stroke-width="2.5" d="M{path}"/>',
        *(f'<circle {fill} cx="{px}" cy="{py}" r="4"/>' for px, py in points),
        f'<circle {fill} cx="{label_x}" cy="{label_y - 4}" r="4"/>',
        _text(label_x + 10, label_y, name) + "</g>",
    ]


def _text(x: float, y: float, text: str, more: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="#24292f" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _step(most: float) -> float:
    """Return the distance of about five grid lines: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** (len(str(max(1, int(most)))) - 2)
    return next(step * power for step in (1, 2, 5, 10, 20, 50) if step * power * 5 >= most)
