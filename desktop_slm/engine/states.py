"""Sequences outside of the KV cache: parked in memory, or handed out to be kept and taken back.

Cells of idle sequences slow every token that is decoded beside them, because attention walks over them. So
what does not run is parked: llama.cpp's own serialization of the sequence, in the worker's memory, bounded.
Bringing back 2,000 tokens is a copy of some milliseconds where reading them anew takes seconds.
"""

from __future__ import annotations

import array
import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from desktop_slm.engine.api import Adapter

Adapters = tuple[Adapter, ...]

_SAMPLES = 32
_SAMPLE_BYTES = 64 * 1024
_HEAD_BYTES = 1024 * 1024
_MAGIC = 0xAF143CD8  # llama_context::state_seq_get_data
_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


@dataclass(frozen=True)
class Checkpoint:
    """What a memory that cannot be cut anywhere needs to go on from ``length`` tokens."""

    length: int
    data: bytearray


@dataclass(eq=False)
class Held:
    """Tokens whose keys and values are known, in the cache or outside.

    Attributes:
        tokens: What has been decoded.
        adapters: LoRA adapters, on which the values depend as well.
        chat: Ended as an interactive job: the last to be forgotten.
        conversation: Whose turns these are, empty for none.
        settled: So many tokens the next turn's prompt begins with, whatever was answered; 0 is unknown.
        lasting: What follows them will be part of it as well: it held no thought, which templates leave out,
            and can be cut where it differs after all.
        checkpoints: Places to go back to, shortest first.
        used: Grows with each use.
    """

    tokens: list[int] = field(default_factory=list)
    adapters: Adapters = ()
    chat: bool = False
    conversation: str = ""
    settled: int = 0
    lasting: bool = True
    checkpoints: list[Checkpoint] = field(default_factory=list)
    used: int = 0

    @property
    def checkpoint_bytes(self) -> int:
        """Size of the checkpoints."""
        return sum(len(checkpoint.data) for checkpoint in self.checkpoints)


@dataclass(eq=False)
class Parked(Held):
    """A sequence outside of the cache; ``data`` is llama.cpp's serialization of all its tokens."""

    data: bytes | bytearray = b""

    @property
    def size_bytes(self) -> int:
        """Memory it takes, but for the list of tokens."""
        return len(self.data) + self.checkpoint_bytes


class Parking:
    """Parked sequences within a budget; the least useful goes first.

    Args:
        budget_bytes: So much they may take together.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._parked: list[Parked] = []

    def __iter__(self) -> Iterator[Parked]:
        return iter(list(self._parked))

    def add(self, parked: Parked) -> bool:
        """Keep ``parked``, at the cost of less useful ones; False when it alone is over the budget.

        Of background jobs only the last is kept, for the instructions that the next may share.
        """
        if parked.size_bytes > self.budget_bytes:
            return False
        if not parked.chat:
            self._parked = [other for other in self._parked if other.chat]
        self._parked.append(parked)
        while sum(other.size_bytes for other in self._parked) > self.budget_bytes:
            others = [other for other in self._parked if other is not parked]
            self._parked.remove(min(others, key=lambda other: (other.chat, other.used)))
        return True

    def remove(self, parked: Parked) -> None:
        """Forget ``parked``, if it is still there."""
        if parked in self._parked:
            self._parked.remove(parked)


def fingerprint(path: str, *about: object) -> str:
    """Return what a saved state belongs to: the model's file, and whatever ``about`` holds.

    The file is known by its size, its first mebibyte and 32 samples spread over it, of every part of a split
    model: fine-tuned siblings differ everywhere, and reading gigabytes would take longer than the prompt.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256(repr(about).encode())
    for part in _parts(Path(path)):
        size_bytes = part.stat().st_size
        digest.update(struct.pack("<Q", size_bytes))
        with part.open("rb") as file:
            digest.update(file.read(_HEAD_BYTES))
            for number in range(1, _SAMPLES + 1):
                file.seek(max(0, size_bytes * number // _SAMPLES - _SAMPLE_BYTES))
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _parts(path: Path) -> list[Path]:
    match = _SHARD.search(path.name)
    if match is None:
        return [path]
    stem, count = path.name[: match.start()], match[1]
    return [path.with_name(f"{stem}-{number:05}-of-{count}.gguf") for number in range(1, int(count) + 1)]


def fits(data: bytes | bytearray, n_tokens: int, *, attends: bool) -> bool:
    """Tell whether a state has the outline of ``n_tokens`` tokens, before llama.cpp is given it.

    llama.cpp checks lengths, types and sizes itself, but takes positions as they come. Layout
    (``llama_kv_cache::state_write``): magic, sequence, number of streams, number of cells, then for each cell
    its position, a 1, three more numbers in models with two-dimensional positions, and the sequence. A
    recurrent memory has no number of streams, one cell, and a 0.

    Args:
        attends: The model has attention layers: a cell per token.
    """
    if len(data) < 28 or n_tokens < 1 or struct.unpack_from("<I", data)[0] != _MAGIC:
        return False
    if not attends:
        return struct.unpack_from("<IiI", data, 8) == (1, n_tokens - 1, 0)
    if struct.unpack_from("<II", data, 8) != (1, n_tokens):
        return False
    for words in (3, 6):
        size_bytes = 4 * words * n_tokens
        if len(data) >= 16 + size_bytes:
            cells = array.array("i", bytes(memoryview(data)[16 : 16 + size_bytes]))
            if set(cells[1::words]) == {1} and sorted(cells[::words]) == list(range(n_tokens)):
                return True
    return False
