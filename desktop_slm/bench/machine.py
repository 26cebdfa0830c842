"""What else the computer does: figures count on a quiet one only."""

from __future__ import annotations

import os
import time
from pathlib import Path

QUIET_CORES = 0.15


def cores_in_use(seconds: float) -> float | None:
    """Return how many processors others use, over so many seconds of doing nothing; None when unknown.

    Elsewhere than on Linux it is the load average of the last minute.
    """
    before = _busy_ticks()
    time.sleep(seconds)
    after = _busy_ticks()
    if before is not None and after is not None:
        return round((after - before) / os.sysconf("SC_CLK_TCK") / seconds, 2)
    if hasattr(os, "getloadavg"):
        return round(os.getloadavg()[0], 2)
    return None


def load_in_words(others: float | None) -> str:
    """Say whether the figures count."""
    if others is None:
        return "This system does not tell what else runs; figures count only when nothing does."
    if others <= QUIET_CORES:
        return "The computer is quiet."
    return f"Other programs use {others:g} processors: these figures do not count."


def _busy_ticks() -> int | None:
    """Return the ticks used since the start (``/proc/stat``, proc_stat(5)): neither idle nor waiting."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    ticks = [int(field) for field in fields[:8]]
    return sum(ticks) - ticks[3] - ticks[4]
