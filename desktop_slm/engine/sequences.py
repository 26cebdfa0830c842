"""Which tokens lie in the KV cache, sequence by sequence, so that no prompt is read twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from desktop_slm.engine.prefix import common_length
from desktop_slm.engine.states import Adapters, Checkpoint, Held, Parked, Parking

_CHECKPOINTS = 4  # of one sequence: this turn, and some to go back to
_PARKED_GAIN = 16  # loading n parked tokens costs less than reading n / 16


class Memory(Protocol):
    """What is asked of the KV cache.

    Attributes:
        n_ctx: Its cells.
        rolls_back: Any end of a sequence can be forgotten. Not so in recurrent layers, which hold one state
            per sequence, and not always in sliding windows.
    """

    n_ctx: int
    rolls_back: bool

    def remove(self, sequence: int, start: int = 0) -> bool:
        """Forget a sequence from ``start`` on; False when this memory cannot forget that part."""
        ...

    def reaches(self, sequence: int, length: int) -> bool:
        """Tell whether a sequence can go on from its first ``length`` tokens."""
        ...

    def copy(self, source: int, target: int, end: int) -> None:
        """Share the first ``end`` positions; a recurrent state is shared as it is now."""
        ...

    def state_bytes(self, sequence: int) -> int:
        """Return the size of what `save` gives."""
        ...

    def save(self, sequence: int, *, partial: bool = False) -> bytearray:
        """Return a sequence's state; ``partial``: only what cannot be cut. Empty when it cannot be had."""
        ...

    def load(self, sequence: int, data: bytes | bytearray, length: int, *, partial: bool = False) -> bool:
        """Replace a sequence's state by a saved one of ``length`` tokens; False, and empty, on failure."""
        ...

    def clear(self) -> None:
        """Forget everything, and begin with the first cell again."""
        ...


@dataclass(eq=False)
class Resident(Held):
    """One sequence of the cache.

    Attributes:
        id: Its number in the cache.
        cells: The cells that hold its tokens; shared ones are in several residents.
        busy: A job works on it.
        scattered: It was read beside others, so its cells may lie far up, and whoever walks over them walks
            over all below.
    """

    id: int = 0
    cells: list[int] = field(default_factory=list)
    busy: bool = False
    scattered: bool = False


class Sequences:
    """The sequences of one context, and those parked outside of it.

    Args:
        memory: The KV cache.
        count: How many sequences it has.
        parking_bytes: Memory for parked ones.
    """

    def __init__(self, memory: Memory, count: int, parking_bytes: int = 0) -> None:
        self._memory = memory
        self._all = [Resident(id=number) for number in range(count)]
        self._parking = Parking(parking_bytes)
        self._cell_numbers = itertools.count()
        self._clock = itertools.count(1)
        self._forgotten: set[str] = set()

    # What is there

    def cells_used(self) -> int:
        """Return how many cells of the cache are taken."""
        return len(set().union(*(resident.cells for resident in self._all)))

    def best_prefix(self, tokens: Sequence[int], adapters: Adapters = ()) -> tuple[Held | None, int]:
        """Return who holds the longest usable start of ``tokens``, and how long that is.

        At least one token is left to decode: its logits are needed.
        """
        best: Held | None = None
        longest = 0
        for held in self._held():
            if held.adapters != adapters:
                continue
            gain = self._usable(held, tokens) - longest
            if gain > 0 and not (isinstance(held, Parked) and gain * _PARKED_GAIN < len(held.tokens)):
                best, longest = held, longest + gain
        return best, longest

    def known(self, conversation: str) -> Held | None:
        """Return what is kept for a conversation."""
        return next((held for held in self._held() if held.conversation == conversation), None)

    def _held(self) -> Iterator[Held]:
        """Return residents before parked ones, idle before busy: of equals, the first is the cheapest."""
        yield from sorted((r for r in self._all if r.tokens or r.busy), key=lambda r: r.busy)
        yield from self._parking

    def _usable(self, held: Held, tokens: Sequence[int]) -> int:
        length = min(common_length(held.tokens, tokens), len(tokens) - 1)
        if length == len(held.tokens) or self._memory.rolls_back:
            return length
        if isinstance(held, Resident) and self._memory.reaches(held.id, length):
            return length
        return max((c.length for c in held.checkpoints if c.length <= length), default=0)

    # Taking and giving back

    def take(
        self, tokens: Sequence[int], adapters: Adapters = (), conversation: str = ""
    ) -> tuple[Resident, int] | None:
        """Return a busy sequence that holds a start of ``tokens``, and how long that start is.

        An idle sequence is continued when little of it is lost by that; else its start is shared into a
        fresh one, or a parked one is loaded. Whatever else is idle is parked. None when all are busy.
        """
        source, length = self.best_prefix(tokens, adapters)
        idle = source if isinstance(source, Resident) and not source.busy else None
        if idle is not None and _goes_on(idle, length, conversation):
            self.park_idle(spare=idle)
            self._cut(idle, length)
            self._gather(idle)
            return self._claim(idle, conversation, adapters)
        self.park_idle(spare=idle)
        target = self._vacant(spare=idle)
        if target is None and idle is not None:
            self._cut(idle, length)
            return self._claim(idle, conversation, adapters)
        if target is None:
            return None
        self._claim(target, conversation, adapters)
        if isinstance(source, Parked):
            self._unpark(source, target, length, conversation)
        elif isinstance(source, Resident):
            self._share(source, target, length)
            if idle is not None and not idle.chat:
                self.drop(idle)  # what others may share of it lies in the new one
            self.park_idle()
        return target, len(target.tokens)

    def take_fresh(self, adapters: Adapters = (), conversation: str = "") -> Resident | None:
        """Return a busy sequence that holds nothing; None when all are busy."""
        self.park_idle()
        vacant = self._vacant(spare=None)
        return self._claim(vacant, conversation, adapters)[0] if vacant is not None else None

    def append(self, resident: Resident, tokens: Iterable[int]) -> None:
        """Note that ``tokens`` have been decoded into ``resident``."""
        before = len(resident.tokens)
        resident.tokens.extend(tokens)
        resident.cells.extend(itertools.islice(self._cell_numbers, len(resident.tokens) - before))
        resident.scattered = resident.scattered or not self._alone(resident)

    def checkpoint(self, resident: Resident) -> None:
        """Make it possible to come back to where ``resident`` is now."""
        data = self._memory.save(resident.id, partial=True)
        if data:
            resident.checkpoints.append(Checkpoint(len(resident.tokens), data))
            del resident.checkpoints[:-_CHECKPOINTS]
        while sum(r.checkpoint_bytes for r in self._all) > self._parking.budget_bytes // _CHECKPOINTS:
            oldest = min((r for r in self._all if r.checkpoints), key=lambda r: r.used)
            del oldest.checkpoints[0]

    def release(self, resident: Resident, *, chat: bool, settled: int = 0, lasting: bool = True) -> None:
        """Give a sequence back; it stays until the next job wants the cache. See `Held` for the rest.

        Of background jobs only the last is kept, for the instructions that the next may share.
        """
        resident.busy = False
        if resident.conversation in self._forgotten:
            self.drop(resident)
            return
        resident.chat = chat
        resident.settled, resident.lasting = min(settled, len(resident.tokens)), lasting
        resident.used = next(self._clock)
        self._rename_others(resident)
        for other in self._all if not chat else ():
            if other is not resident and not other.busy and not other.chat:
                self.drop(other)

    def _rename_others(self, newest: Held) -> None:
        """Let the conversation's name stand for the newest of its turns only."""
        for other in self._held() if newest.conversation else ():
            if other is not newest and other.conversation == newest.conversation:
                other.conversation = ""
                if isinstance(other, Parked) and newest.tokens[: len(other.tokens)] == other.tokens:
                    self._parking.remove(other)

    def drop(self, resident: Resident) -> None:
        """Forget a sequence."""
        if resident.tokens:
            self._memory.remove(resident.id)
        self._empty(resident)
        resident.busy = False
        if self._alone(resident):
            self._memory.clear()  # the next begins at the first cell, not where this one lay

    def forget(self, conversation: str) -> None:
        """Drop a conversation; where a job works on it or waits for it, that is the end of its sequence.

        What is idle and has no name goes with it: it may be an earlier turn or another branch.
        """
        self._forgotten.add(conversation)
        for held in self._held():
            if held.conversation not in (conversation, ""):
                continue
            if isinstance(held, Parked):
                self._parking.remove(held)
            elif isinstance(held, Resident) and not held.busy:
                self.drop(held)

    def rewind(self, resident: Resident, length: int) -> None:
        """Make the cache hold exactly the first ``length`` tokens of ``resident``, or fewer.

        Fewer, down to none, where this memory can only go back to a checkpoint. After a failed or aborted
        batch the cache may hold more than was noted.
        """
        if not self._memory.remove(resident.id, length):
            usable = [c for c in resident.checkpoints if c.length <= length]
            if not usable or not self._go_back(resident, usable[-1]):
                self._memory.remove(resident.id)
                self._empty(resident)
                return
            length = usable[-1].length
        del resident.tokens[length:], resident.cells[length:]
        resident.checkpoints = [c for c in resident.checkpoints if c.length <= length]

    def _go_back(self, resident: Resident, checkpoint: Checkpoint) -> bool:
        loaded = self._memory.load(resident.id, checkpoint.data, checkpoint.length, partial=True)
        return loaded and self._memory.remove(resident.id, checkpoint.length)

    def evict(self, spare: Held | None = None) -> bool:
        """Clear the least useful idle sequence but ``spare`` from the cache; False when there is none."""
        idle = [r for r in self._all if not r.busy and r.tokens and r is not spare]
        if not idle:
            return False
        least = min(idle, key=lambda r: (r.chat, r.used))
        if not self.park(least):
            self.drop(least)
        return True

    # Parking

    def park_idle(self, spare: Held | None = None) -> None:
        """Take what is idle out of the cache, where it slows down what runs; leave what cannot be kept."""
        for resident in self._all:
            if not resident.busy and resident.tokens and resident is not spare:
                self.park(resident)

    def park(self, resident: Resident) -> bool:
        """Move a sequence out of the cache; False when there is no memory for that: it stays."""
        if not 0 < self._memory.state_bytes(resident.id) <= self._parking.budget_bytes:
            return False
        data = self._memory.save(resident.id)
        parked = Parked(
            tokens=list(resident.tokens), adapters=resident.adapters, chat=resident.chat,
            conversation=resident.conversation, settled=resident.settled, lasting=resident.lasting,
            checkpoints=list(resident.checkpoints), used=resident.used, data=data,
        )  # fmt: skip
        if not data or not self._parking.add(parked):
            return False
        self.drop(resident)
        return True

    def _unpark(self, parked: Parked, target: Resident, length: int, conversation: str) -> None:
        """Load the first ``length`` tokens into ``target``; it stays empty when that cannot be done."""
        if not self._memory.load(target.id, parked.data, len(parked.tokens)):
            self._parking.remove(parked)
            return
        self._fill(target, parked)
        if _goes_on(parked, length, conversation):
            self._parking.remove(parked)
        self._cut(target, length)

    def _gather(self, resident: Resident) -> None:
        """Move the only sequence that is left to the beginning of the cache."""
        if not resident.scattered or not self._alone(resident):
            return
        data = self._memory.save(resident.id)
        if data:
            self._memory.clear()
            resident.scattered = False
            if not self._memory.load(resident.id, data, len(resident.tokens)):
                self._empty(resident)

    def _alone(self, resident: Resident) -> bool:
        return not any(other.tokens for other in self._all if other is not resident)

    def _share(self, source: Resident, target: Resident, length: int) -> None:
        self._memory.copy(source.id, target.id, length)
        self._fill(target, source, length)
        target.cells = list(source.cells[:length])
        if not self._memory.rolls_back and length < len(source.tokens):
            self.rewind(target, length)

    def _fill(self, target: Resident, source: Held, length: int | None = None) -> None:
        target.tokens = list(source.tokens[:length])
        target.cells = list(itertools.islice(self._cell_numbers, len(target.tokens)))
        target.checkpoints = [c for c in source.checkpoints if c.length <= len(target.tokens)]
        target.scattered = not self._alone(target)

    # Conversations, kept and given back

    def save(self, conversation: str, limit_bytes: int) -> tuple[list[int], bytes | bytearray] | None:
        """Return the tokens of a conversation, as far as the next turn will share them, and their state.

        None when there is none, a job works on it, it is over the limit, or it depends on an adapter.
        """
        held = self.known(conversation)
        if held is None or not held.tokens or held.adapters or (isinstance(held, Resident) and held.busy):
            return None
        length = len(held.tokens) if held.lasting else held.settled
        if isinstance(held, Parked) and length == len(held.tokens):
            return (list(held.tokens), held.data) if len(held.data) <= limit_bytes else None
        target = self._vacant(spare=held)
        if isinstance(held, Resident) and length == len(held.tokens):
            target = held
        if target is None:
            return None
        if isinstance(held, Resident) and target is not held:
            self._share(held, target, length)
        elif isinstance(held, Parked) and self._memory.load(target.id, held.data, len(held.tokens)):
            self._fill(target, held)
            self._cut(target, length)
        tokens, data = list(target.tokens), bytearray()
        if tokens and self._memory.state_bytes(target.id) <= limit_bytes:
            data = self._memory.save(target.id)
        if target is not held:
            self.drop(target)
        return (tokens, data) if data else None

    def restore(self, conversation: str, tokens: list[int], data: bytes) -> int:
        """Take a saved conversation back; return how many of its tokens are there now.

        A conversation that is known already is newer than what was saved: it stays.
        """
        held = self.known(conversation)
        if held is not None:
            return common_length(held.tokens, tokens)
        busy = any(resident.busy for resident in self._all)
        self.park_idle()
        target = self._vacant(spare=None)
        while self.cells_used() + len(tokens) > self._memory.n_ctx and self.evict(spare=target):
            pass
        if target is None or not self._memory.load(target.id, data, len(tokens)):
            return 0
        self._fill(target, Held(tokens=tokens))
        self._claim(target, conversation, ())
        self.release(target, chat=True)
        if busy:
            self.park(target)
        return len(tokens)

    # Bits

    def _claim(self, resident: Resident, conversation: str, adapters: Adapters) -> tuple[Resident, int]:
        resident.busy = True
        resident.used = next(self._clock)
        resident.conversation = conversation
        resident.adapters = adapters
        return resident, len(resident.tokens)

    def _vacant(self, spare: Held | None) -> Resident | None:
        for resident in self._all:
            if not resident.busy and not resident.tokens:
                return resident
        if self.evict(spare):
            return self._vacant(spare)
        return None

    def _cut(self, resident: Resident, length: int) -> None:
        if length < len(resident.tokens):
            self.rewind(resident, length)

    def _empty(self, resident: Resident) -> None:
        resident.tokens, resident.cells, resident.checkpoints = [], [], []
        resident.settled, resident.lasting, resident.scattered = 0, True, False
        if not resident.busy:
            resident.conversation = ""


def _goes_on(held: Held, length: int, conversation: str) -> bool:
    """Tell whether a job that shares ``length`` tokens may have the sequence: little of it is lost by that.

    In a conversation, what follows the last prompt may go: a thought, or an answer that is wanted anew. What
    another conversation wants to go on with is left to it.
    """
    if held.conversation and held.conversation != conversation:
        return False
    if held.conversation and held.settled and length >= held.settled:
        return True
    return length * 5 >= len(held.tokens) * 4
