"""The figures of a benchmark: what each is called, what is wanted of it, and what was measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Bar:
    """A bound that a figure has to keep."""

    sign: Literal[">=", "<="]
    value: float

    def met(self, figure: float) -> bool:
        """Tell whether ``figure`` keeps it."""
        return figure >= self.value if self.sign == ">=" else figure <= self.value

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g}"


BARS: dict[str, Bar | None] = {
    "decode_ratio": Bar(">=", 0.97),
    "prefill_ratio": Bar(">=", 0.97),
    "batch8_ratio": Bar(">=", 0.95),
    "ui_decode_ratio": Bar(">=", 0.95),
    "ttft_turn2_ratio": Bar("<=", 0.10),
    "ttft_restore_ratio": Bar("<=", 0.15),
    "busy_ratio_1": Bar(">=", 0.90),
    "busy_ratio_2": Bar(">=", 0.90),
    "background_share": Bar(">=", 0.50),
    "prepare_gain": Bar(">=", 1.9),
    "worker_start_ms": None,
    "load_ms": None,
    "rss_overhead_mb": Bar("<=", 300),
}
"""The figures that every run prints, in this order; None where nothing is wanted."""


class Figures:
    """Collects the values of each round, and why some could not be measured."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._missing: dict[str, str] = {}

    def add(self, name: str, value: float) -> None:
        """Note the value of one round."""
        self._values.setdefault(name, []).append(value)

    def miss(self, name: str, reason: str) -> None:
        """Note why ``name`` was not measured, or not in all rounds."""
        self._missing[name] = reason

    def median(self, name: str) -> float | None:
        """Return the middle one of the rounds; None when there is none."""
        values = self._values.get(name)
        return round(statistics.median(values), 3) if values else None

    def as_fields(self, names: list[str]) -> dict[str, Any]:
        """Return everything for a line of JSON.

        Args:
            names: The figures that were asked for; those without a value are null, with the reason in
                ``not_measured``; those that broke off after some rounds stand in ``cut_short``.
        """
        fields: dict[str, Any] = {name: self.median(name) for name in names}
        fields |= {name: self.median(name) for name in self._values if name not in BARS}
        fields["bars"] = {
            name: {
                "wanted": str(bar),
                "met": None if (value := self.median(name)) is None else bar.met(value),
            }
            for name in names
            if (bar := BARS[name]) is not None
        }
        fields["spread"] = {
            name: [round(min(values), 3), round(max(values), 3)]
            for name in names
            if (values := self._values.get(name))
        }
        fields["not_measured"] = {
            name: reason for name, reason in self._missing.items() if name not in self._values
        }
        fields["cut_short"] = {name: reason for name, reason in self._missing.items() if name in self._values}
        return fields
