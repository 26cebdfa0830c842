"""Which tokens lie in the KV cache, sequence by sequence, so that no prompt is read twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Protocol


class Memory(Protocol):
    """What is asked of the KV cache."""

    def remove(self, sequence: int, start: int = 0) -> bool:
        """Forget a sequence from ``start`` on; False when this memory cannot forget a part."""
        ...

    def copy(self, source: int, target: int, end: int) -> None:
        """Share the first ``end`` positions."""
        ...


class Resident:
    """One sequence of the cache.

    Attributes:
        id: Its number in the cache.
        tokens: What has been decoded into it.
        cells: The cells that hold them; shared ones are in several residents.
        busy: A job works on it.
        kept_for_chat: Ended as an interactive job: the last to be forgotten.
        used: Grows with each use.
    """

    __slots__ = ("busy", "cells", "id", "kept_for_chat", "tokens", "used")

    def __init__(self, number: int) -> None:
        self.id = number
        self.tokens: list[int] = []
        self.cells: list[int] = []
        self.busy = False
        self.kept_for_chat = False
        self.used = 0


class Sequences:
    """The sequences of one context.

    Args:
        memory: The KV cache.
        count: How many sequences it has.
        forgets: It can only drop whole sequences, and copies are whole (recurrent and hybrid models).
    """

    def __init__(self, memory: Memory, count: int, forgets: bool) -> None:
        self._memory = memory
        self._forgets = forgets
        self._all = [Resident(number) for number in range(count)]
        self._cell_numbers = itertools.count()
        self._clock = itertools.count(1)

    def cells_used(self) -> int:
        """Return how many cells of the cache are taken."""
        return len(set().union(*(resident.cells for resident in self._all)))

    def best_prefix(self, tokens: Sequence[int]) -> tuple[Resident | None, int]:
        """Return the sequence that holds the longest start of ``tokens``, and how long that is.

        At least one token is left to decode: its logits are needed.
        """
        best: Resident | None = None
        longest = 0
        for resident in self._all:
            length = min(common_length(resident.tokens, tokens), len(tokens) - 1)
            if self._forgets and length < len(resident.tokens):
                continue
            if length > longest:
                best, longest = resident, length
        return best, longest

    def take(self, tokens: Sequence[int]) -> tuple[Resident, int] | None:
        """Return a busy sequence that holds a start of ``tokens``, and how long that start is.

        An idle sequence is continued when little of it is lost by that; else its start is shared into a
        fresh one. None when all are busy.
        """
        source, length = self.best_prefix(tokens)
        if source is not None and not source.busy and length * 5 >= len(source.tokens) * 4:
            self._cut(source, length)
            length = len(source.tokens)
            return self._claim(source), length
        target = self._vacant(spare=source)
        if target is None:
            if source is None or source.busy:
                return None
            self._cut(source, length)
            return self._claim(source), len(source.tokens)
        if source is None:
            return self._claim(target), 0
        self._memory.copy(source.id, target.id, length)
        target.tokens = list(source.tokens[:length])
        target.cells = list(source.cells[:length])
        return self._claim(target), length

    def take_fresh(self) -> Resident | None:
        """Return a busy sequence that holds nothing; None when all are busy."""
        vacant = self._vacant(spare=None)
        return self._claim(vacant) if vacant is not None else None

    def append(self, resident: Resident, tokens: Iterable[int]) -> None:
        """Note that ``tokens`` have been decoded into ``resident``."""
        before = len(resident.tokens)
        resident.tokens.extend(tokens)
        resident.cells.extend(itertools.islice(self._cell_numbers, len(resident.tokens) - before))

    def release(self, resident: Resident, *, chat: bool) -> None:
        """Give a sequence back; it stays in the cache until its cells are wanted.

        Of background jobs only the last is kept, for the instructions that the next may share.
        """
        resident.busy = False
        resident.kept_for_chat = chat
        resident.used = next(self._clock)
        if not chat:
            for other in self._all:
                if other is not resident and not other.busy and not other.kept_for_chat:
                    self.drop(other)

    def drop(self, resident: Resident) -> None:
        """Forget a sequence."""
        if resident.tokens:
            self._memory.remove(resident.id)
        resident.tokens, resident.cells = [], []
        resident.busy = False

    def rewind(self, resident: Resident, length: int) -> None:
        """Make the cache hold exactly what ``resident`` notes, or its first ``length`` tokens.

        After a failed or aborted batch the cache may hold more than was noted.
        """
        if self._memory.remove(resident.id, length):
            del resident.tokens[length:], resident.cells[length:]
        else:
            self._memory.remove(resident.id)
            resident.tokens, resident.cells = [], []

    def evict(self, spare: Resident | None = None) -> bool:
        """Forget the least useful idle sequence but ``spare``; False when there is none."""
        idle = [r for r in self._all if not r.busy and r.tokens and r is not spare]
        if not idle:
            return False
        self.drop(min(idle, key=lambda r: (r.kept_for_chat, r.used)))
        return True

    def _claim(self, resident: Resident) -> Resident:
        resident.busy = True
        resident.used = next(self._clock)
        return resident

    def _vacant(self, spare: Resident | None) -> Resident | None:
        for resident in self._all:
            if not resident.busy and not resident.tokens:
                return resident
        if self.evict(spare):
            return self._vacant(spare)
        return None

    def _cut(self, resident: Resident, length: int) -> None:
        if length < len(resident.tokens):
            self.rewind(resident, length)


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common start, by halving: slices compare at the speed of C."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low
