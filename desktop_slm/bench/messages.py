"""What the benchmark and the processes it measures with say to each other."""

from __future__ import annotations

import msgspec

Turns = tuple[tuple[str, str], ...]
"""A conversation: (role, content) of each message."""


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Load a model; ``niceness`` is the worker's, so that the system favors neither of the two."""

    path: str
    n_ctx: int
    niceness: int = 0


class Run(msgspec.Struct, frozen=True, kw_only=True, tag="run"):
    """Read a prompt in each of several sequences, then draw tokens in all of them together.

    Attributes:
        prompts: One conversation per sequence.
        lengths: Tokens of each prompt as the engine counted them; a prompt that is not as long (a template
            that llama.cpp's own code does not know) is cut or repeated to be so. Empty: as they are.
        n_decode: Tokens to draw in each sequence.
        n_threads: Fixed for the whole run.
        seeds: Of the samplers, one per sequence.
        unified: One KV cache for all sequences instead of one part for each.
        limit_s: Draw no longer than this many seconds, 0 for no limit.
    """

    prompts: tuple[Turns, ...]
    lengths: tuple[int, ...] = ()
    n_decode: int
    n_threads: int
    seeds: tuple[int, ...]
    unified: bool = False
    limit_s: float = 0.0


class Times(msgspec.Struct, frozen=True, kw_only=True, tag="times"):
    """Seconds of reading all prompts and of drawing ``n_decoded`` tokens in each sequence.

    The first token of each sequence belongs to the reading. ``same_prompt`` tells whether the prompts had the
    lengths the engine counted without being cut or repeated.
    """

    prefill_s: float
    decode_s: float
    n_decoded: int
    same_prompt: bool


class OpenWindow(msgspec.Struct, frozen=True, tag="open_window"):
    """Open the window on an installation below ``home``, keeping nothing."""

    home: str


class Write(msgspec.Struct, frozen=True, tag="write"):
    """Ask ``text`` in a new conversation and let the answer be written."""

    text: str
    n_tokens: int
    seed: int


class Weigh(msgspec.Struct, frozen=True, tag="weigh"):
    """Tell the memory of the window and of its worker."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """What was opened can be used."""


class Written(msgspec.Struct, frozen=True, kw_only=True, tag="written"):
    """An answer that is on screen.

    Attributes:
        n_tokens: Tokens of the answer.
        decode_s: Seconds between the first and the last, as the worker measured them.
        lag_s: Seconds from the arrival of the last one to all of the text being shown.
    """

    n_tokens: int
    decode_s: float
    lag_s: float


class Weight(msgspec.Struct, frozen=True, kw_only=True, tag="weight"):
    """Resident bytes of both processes; weights, KV cache and compute buffer as llama.cpp reports them."""

    window_bytes: int
    worker_bytes: int
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int


class Trouble(msgspec.Struct, frozen=True, tag="trouble"):
    """What was asked for could not be done, in a sentence."""

    reason: str


LoopOrder = Open | Run
LoopAnswer = Ready | Times
WindowOrder = Write | Weigh
WindowAnswer = Ready | Written | Weight | Trouble
