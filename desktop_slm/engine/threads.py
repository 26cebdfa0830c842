"""How many threads to compute with, adapted while running.

llama.cpp's threads wait for each other by spinning, several hundred times per token. When another program
takes a core away, all of them wait for the one that was put aside: two threads on two busy cores ran at 4
tokens per second where one thread ran at 82. So: take what is free, and notice when it is not.

The measure is processor time against wall time. Threads that spin use all the time they get; if n threads got
less than n times the wall time, somebody else had the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_WINDOW_S = 0.04
_MISSING_CORES = 0.3
_FIRST_RETRY_S = 2.0
_LAST_RETRY_S = 16.0


class ThreadTuner:
    """Chooses between 1 and ``most`` threads.

    Args:
        most: Threads when nothing else runs.
        apply: Called with the number to use from now on.
        start: Threads to begin with, 0 for ``most``.
        clock: Seconds.
    """

    def __init__(
        self,
        most: int,
        apply: Callable[[int], None],
        *,
        start: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.most = most
        self.threads = start or most
        self._apply = apply
        self._clock = clock
        self._wall_s = self._cpu_s = 0.0
        self._retry_s = _FIRST_RETRY_S
        self._retry_at = 0.0
        self._trying = False
        apply(self.threads)

    def note(self, wall_s: float, cpu_s: float) -> None:
        """Take note of a computation: its wall time and the processor time of the whole process."""
        if self.most == 1:
            return
        self._wall_s += wall_s
        self._cpu_s += cpu_s
        if self._wall_s < _WINDOW_S:
            return
        missing = self.threads - self._cpu_s / self._wall_s
        self._wall_s = self._cpu_s = 0.0
        if self.threads > 1 and missing > _MISSING_CORES:
            self._fewer(missing)
        elif self._trying:
            self._trying, self._retry_s = False, _FIRST_RETRY_S
            self._retry_at = self._clock() + self._retry_s
        elif self.threads < self.most and self._clock() >= self._retry_at:
            self._trying = True
            self._use(self.threads + 1)

    def _fewer(self, missing: float) -> None:
        if self._trying:  # the core is still taken: ask less often
            self._retry_s = min(2 * self._retry_s, _LAST_RETRY_S)
        self._trying = False
        self._retry_at = self._clock() + self._retry_s
        self._use(max(1, self.threads - max(1, round(missing))))

    def _use(self, threads: int) -> None:
        self.threads = threads
        self._apply(threads)
