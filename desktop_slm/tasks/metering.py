"""Time and tokens of a task: one `Usage` over many jobs, and an honest guess at the time left."""

from __future__ import annotations

import time

from desktop_slm.engine.api import Usage

_MIN_ELAPSED_S = 1.0
_MIN_FRACTION = 0.02


class Meter:
    """Adds up what the jobs of one task cost."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._usage = Usage()

    def add(self, usage: Usage) -> None:
        """Count a finished job. The first job's time to the first token stays the task's."""
        total = self._usage
        self._usage = Usage(
            prompt_tokens=total.prompt_tokens + usage.prompt_tokens,
            reused_tokens=total.reused_tokens + usage.reused_tokens,
            completion_tokens=total.completion_tokens + usage.completion_tokens,
            first_token_s=total.first_token_s or usage.first_token_s,
            decode_s=total.decode_s + usage.decode_s,
        )

    @property
    def usage(self) -> Usage:
        """What all jobs cost so far."""
        return self._usage

    @property
    def seconds(self) -> float:
        """Seconds since the task began, to the millisecond."""
        return round(time.monotonic() - self._began, 3)


class Clock:
    """Estimates the time left of a stage, and says when the next progress event is due.

    Args:
        total: Work in any unit.
        interval_s: Least time between two events.
    """

    def __init__(self, total: float, interval_s: float = 0.2) -> None:
        self._total = max(total, 1e-9)
        self._interval_s = interval_s
        self._began = time.monotonic()
        self._last = 0.0

    def due(self) -> bool:
        """Tell whether an event may be sent now, and take the turn."""
        now = time.monotonic()
        if now - self._last < self._interval_s:
            return False
        self._last = now
        return True

    def left_s(self, done: float) -> float:
        """Return the seconds left, rounded, or -1 while too little is known."""
        elapsed = time.monotonic() - self._began
        fraction = done / self._total
        if elapsed < _MIN_ELAPSED_S or fraction < _MIN_FRACTION:
            return -1.0
        return round(max(0.0, elapsed / fraction * (1.0 - fraction)), 1)
