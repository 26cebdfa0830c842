"""What `engine.bench` and the bare loop in its child say to each other."""

from __future__ import annotations

import msgspec


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Load a model."""

    path: str
    n_ctx: int
    n_threads: int


class Run(msgspec.Struct, frozen=True, tag="run"):
    """Read a prompt of so many tokens in each of ``n_seq`` sequences, then draw ``n_decode`` in each."""

    n_prompt: int
    n_decode: int
    n_seq: int = 1


class Times(msgspec.Struct, frozen=True, tag="times"):
    """Seconds of reading the prompts and of drawing the tokens."""

    prefill_s: float
    decode_s: float
