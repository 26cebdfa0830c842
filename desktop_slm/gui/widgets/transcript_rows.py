"""The messages of a transcript from top to bottom: how high each is or is guessed to be, and where it lies.

Nothing here is a widget's work: of most messages there is only a number.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui.widgets.message_view import MessageView
from desktop_slm.store.records import MessageRecord
from desktop_slm.tasks.events import Cited

TOP_PX = 24
BOTTOM_PX = 28
GAP_PX = 24


@dataclass
class Row:
    """One message: its record, the height it has or is guessed to have, and its widget when it exists."""

    record: MessageRecord
    height_px: float
    view: MessageView | None = None
    thought_s: float = 0.0
    citations: tuple[Cited, ...] = ()
    names: tuple[str, ...] = ()
    error: DesktopSlmError | None = None


class Rows:
    """All messages; `measure` after heights or the messages themselves have changed."""

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self._rows = list(rows)
        self._tops: list[float] = []
        self.measure()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]

    def append(self, row: Row) -> None:
        """Add a message at the end."""
        self._rows.append(row)
        self.measure()

    def named(self, message_id: str) -> int:
        """Return the place of a message, -1 when it is not there."""
        found = (index for index, row in enumerate(self._rows) if row.record.id == message_id)
        return next(found, -1)

    def measure(self) -> None:
        """Take in the heights as they are now."""
        heights = (row.height_px + GAP_PX for row in self._rows)
        self._tops = list(itertools.accumulate(heights, initial=float(TOP_PX)))

    def top(self, index: int) -> float:
        """Return where a message begins."""
        return self._tops[index]

    def placed(self) -> Iterator[tuple[Row, float]]:
        """Yield every message and where it begins."""
        return zip(self._rows, self._tops, strict=False)

    def total_px(self) -> int:
        """Return the height of all of them with their margins."""
        return math.ceil(self._tops[-1] - GAP_PX + BOTTOM_PX) if self._rows else 0

    def at(self, y: float) -> int:
        """Return the message at a height, or the nearest one; there must be one."""
        return max(0, min(len(self._rows) - 1, bisect.bisect_right(self._tops, y) - 1))

    def between(self, top: float, bottom: float) -> range:
        """Return the messages that a strip from ``top`` to ``bottom`` touches."""
        first = max(0, bisect.bisect_right(self._tops, top) - 1)
        return range(first, bisect.bisect_left(self._tops, bottom, hi=len(self._rows)))


def guess_height_px(record: MessageRecord, column_px: int) -> float:
    """Guess a height: about seven pixels per letter and 21 per line."""
    text = record.text
    per_line = max(20, column_px / 7)
    lines = len(text) / per_line + text.count("\n", 0, 20_000) * 0.6
    return 21 * max(1.0, math.ceil(lines)) + (20 if record.role == "user" else 40)
