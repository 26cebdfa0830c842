"""How many threads to compute with, adapted while running.

llama.cpp's threads wait for each other by spinning, several hundred times per token. When another program
takes a core away, all of them wait for the one that was put aside: two threads on two busy cores ran at 4
tokens per second where one thread ran at 82. So: take what is free, and notice when it is not.

Two measures are taken of every computation. Processor time against wall time: threads that spin use all the
time they get; if n threads got less than n times the wall time, somebody else had the rest, and it is left to
him at once. And the time of a step: another number of threads is tried for a moment now and then, and kept
only if steps became shorter. That sees what processor time does not: hardware threads that share a core,
memory that is the bottleneck. A try that failed is repeated ever more rarely, so nothing oscillates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_WINDOW_S = 0.04
_TRIAL_S = 0.1
_MISSING_CORES = 0.3
_FIRST_RETRY_S = 0.3
_LAST_RETRY_S = 16.0
_STABLE_S = 2.0  # a number that lasted so long was no failure
_EXPLORE_S = 30.0  # with all threads in use: so often is one fewer tried
_GAIN_UP = 0.98  # of the time of a step before
_GAIN_DOWN = 0.93


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
        self._window = _Window()
        self._before = _Window()  # what a try is compared with
        self._trial = 0  # +1 or -1 while another number is tried
        self._raised_at = -math.inf
        self._retry_s = _FIRST_RETRY_S
        self._next_trial_at = clock() + (_EXPLORE_S if self.threads == most else _FIRST_RETRY_S)
        apply(self.threads)

    def note(self, wall_s: float, cpu_s: float, size: int = 1) -> None:
        """Take note of a computation of ``size`` tokens: wall time, processor time of the whole process."""
        if self.most == 1:
            return
        window = self._window
        window.add(wall_s, cpu_s, size)
        if window.wall_s < _WINDOW_S:
            return
        missing = self.threads - window.cpu_s / window.wall_s
        if self.threads > 1 and missing > _MISSING_CORES:
            self._window = _Window()
            self._leave(missing)
            return
        if self._trial and window.wall_s < _TRIAL_S:
            return
        self._window = _Window()
        if self._trial:
            self._judge(window)
        elif self._clock() >= self._next_trial_at:
            self._before = window
            self._trial = 1 if self.threads < self.most else -1
            self._use(self.threads + self._trial)

    def _leave(self, missing: float) -> None:
        """Give up the cores that others have taken."""
        self._use(max(1, self.threads - max(1, round(missing))))
        self._settle(failed=self._clock() - self._raised_at < _STABLE_S)

    def _judge(self, window: _Window) -> None:
        """Keep the number that was tried if it made steps shorter; else go back."""
        direction = self._trial
        if window.size and window.size == self._before.size:
            better = window.step_s < self._before.step_s * (_GAIN_UP if direction > 0 else _GAIN_DOWN)
        else:  # not to be compared: the core is free, that is all we know
            better = direction > 0
        if not better:
            self._use(self.threads - direction)
        self._settle(failed=direction > 0 and not better)
        if better and direction < 0:
            self._retry_s = _LAST_RETRY_S
            self._next_trial_at = self._clock() + _LAST_RETRY_S

    def _settle(self, *, failed: bool) -> None:
        """End a try, if there was one, and set the time of the next."""
        self._trial = 0
        self._retry_s = min(4 * self._retry_s, _LAST_RETRY_S) if failed else _FIRST_RETRY_S
        self._next_trial_at = self._clock() + (_EXPLORE_S if self.threads == self.most else self._retry_s)

    def _use(self, threads: int) -> None:
        if threads > self.threads:
            self._raised_at = self._clock()
        self.threads = threads
        self._apply(threads)


class _Window:
    """Computations one after another: wall and processor seconds, and their common size in tokens, or 0."""

    __slots__ = ("_steps", "cpu_s", "size", "wall_s")

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0
        self.size = self._steps = 0

    def add(self, wall_s: float, cpu_s: float, size: int) -> None:
        """Take in one computation."""
        self.size = size if not self._steps or self.size == size else 0
        self.wall_s += wall_s
        self.cpu_s += cpu_s
        self._steps += 1

    @property
    def step_s(self) -> float:
        """Mean wall time of a computation."""
        return self.wall_s / max(1, self._steps)
