"""Will a model run on this computer, and how fast: a sum the user can look at.

    need = weights + KV cache(context) + compute buffer + application

``KV = sum over layers of n_kv_heads * (key + value) * bytes * min(n_ctx, window)``, as the header says, plus
a state per sequence of recurrent layers; latent attention keeps one compressed key and no value. Rules of
thumb from parameter counts are off by up to 18 times on sliding-window and hybrid models. Weights that
llama.cpp repacks for the processor count once: the system takes back the pages of the file they came from.
What the engine parks of conversations that do not run comes out of what is free then, and is not in the sum.

The words, decided in this order:

- ``Won't fit``: need is more than what is free after keeping 20 % of it, at most 2 GB, for everything else;
- ``Slow``: fewer than 5 tokens per second, slower than most people read;
- ``Comfortable``: fewer than 15;
- ``Fast``: the rest.

A CPU writes a token by reading all active weights and the whole KV cache once, so tokens per second are
memory bandwidth over those bytes. Until a machine was measured, 10 GB/s is assumed: the lower end of laptops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from desktop_slm.errors import ModelTooLarge
from desktop_slm.models import architectures
from desktop_slm.models.gguf import Header, read_header
from desktop_slm.models.header import Layer

Word = Literal["Fast", "Comfortable", "Slow", "Won't fit"]

APP_BYTES = 250_000_000
KEEP_SHARE = 0.2
KEEP_AT_MOST_BYTES = 2_000_000_000
SLOW_BELOW = 5.0
FAST_FROM = 15.0
ASSUMED_BYTES_PER_S = 10e9
DEFAULT_N_CTX = 8192
KV_BYTES = 2.0
LEAST_N_CTX = 1024
"""The engine takes a shorter context where memory is short, down to this."""
ENGINE_SEQUENCES = 16
"""Sequences the engine keeps room for at once (``engine.scheduler.SEQUENCES``)."""
ENGINE_RECURRENT_SEQUENCES = 8
"""The same for models with a recurrent state, which has its full size from the start."""
ENGINE_FULL_WINDOWS = True
"""The engine keeps windowed layers at full size, as llama.cpp does by default, to roll a prefix back."""
_N_UBATCH = 512
_KV_PAD = 256


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, with the sum behind it.

    Attributes:
        word: One of four.
        need_bytes: The sum of ``parts``.
        free_bytes: Free memory it was compared with.
        parts: Bytes of ``weights``, ``kv``, ``compute`` and ``app``.
        n_ctx: Context in tokens the sum holds for.
        tokens_per_s: Expected speed of writing.
        measured: The speed comes from a measured bandwidth, not from the assumed one.
        allocated: The parts are what the engine took when it last loaded the model, not what is expected.
    """

    word: Word
    need_bytes: int
    free_bytes: int
    parts: dict[str, int]
    n_ctx: int
    tokens_per_s: float
    measured: bool = False
    allocated: bool = False

    @property
    def model_bytes(self) -> int:
        """What the model takes: the application runs already."""
        return self.need_bytes - self.parts["app"]

    @property
    def suffices(self) -> bool:
        """Whether there is room at all, with nothing kept free: without it, the computer would swap.

        A person who was told ``Won't fit`` may know better; one whose memory does not suffice does not.
        """
        return self.model_bytes <= self.free_bytes


class Allocated(Protocol):
    """What the engine took for a model: one that is loaded, or a record of it."""

    @property
    def n_ctx(self) -> int:
        """Context in tokens."""
        ...

    @property
    def weights_bytes(self) -> int:
        """Bytes of the weights."""
        ...

    @property
    def kv_bytes(self) -> int:
        """Bytes of the KV cache and the recurrent states."""
        ...

    @property
    def compute_bytes(self) -> int:
        """Bytes of the buffers of one step."""
        ...


class HasPath(Protocol):
    """An installed model, or anything else that knows its file."""

    @property
    def path(self) -> str:
        """The .gguf file."""
        ...


def fit(
    model: Header | HasPath,
    n_ctx: int = 0,
    free_bytes: int = 0,
    *,
    kv_bytes: float = KV_BYTES,
    bytes_per_s: float = 0.0,
    n_seq: int = 0,
    full_windows: bool = ENGINE_FULL_WINDOWS,
    allocated: Allocated | None = None,
) -> Fit:
    """Compare what ``model`` needs with what is free.

    Args:
        model: A header, or an installed model, whose header is then read.
        n_ctx: Context in tokens, 0 for 8,192; never more than the model was trained for, as in the engine.
        free_bytes: Memory that can be taken without swapping.
        kv_bytes: Bytes per value of the KV cache: 2 for F16, 34 / 32 for Q8_0.
        bytes_per_s: Measured memory bandwidth, 0 when it is not known.
        n_seq: Sequences kept at once, each with a recurrent state and a window of its own; 0 for as many as
            the engine keeps.
        full_windows: Windowed layers are cached like the others.
        allocated: What it took when it was last loaded with this context: counts instead of the estimate.

    Raises:
        ModelError: The file of an installed model cannot be read.
    """
    header = model if isinstance(model, Header) else read_header(model.path)
    n_ctx = max(1, min(n_ctx or DEFAULT_N_CTX, header.n_ctx_train or n_ctx or DEFAULT_N_CTX))
    n_seq = n_seq or (ENGINE_RECURRENT_SEQUENCES if any(header.recurrent) else ENGINE_SEQUENCES)
    if allocated:
        n_ctx = allocated.n_ctx
        parts = {
            "weights": allocated.weights_bytes,
            "kv": allocated.kv_bytes,
            "compute": allocated.compute_bytes,
        }
    else:
        parts = {
            "weights": header.weights_bytes,
            "kv": cache_bytes(header.layers, n_ctx, kv_bytes, n_seq=n_seq, full_windows=full_windows),
            "compute": compute_bytes(header, n_ctx, n_seq),
        }
    parts["app"] = APP_BYTES
    half_full = cache_bytes(header.layers, n_ctx // 2, kv_bytes, n_seq=1, full_windows=False)
    read_per_token = header.active_bytes + half_full
    tokens_per_s = (bytes_per_s or ASSUMED_BYTES_PER_S) / max(1, read_per_token)
    need_bytes = sum(parts.values())
    return Fit(
        word=_word(need_bytes, free_bytes, tokens_per_s),
        need_bytes=need_bytes,
        free_bytes=free_bytes,
        parts=parts,
        n_ctx=n_ctx,
        tokens_per_s=round(tokens_per_s, 1),
        measured=bool(bytes_per_s),
        allocated=allocated is not None,
    )


def too_large(name: str, found: Fit) -> ModelTooLarge:
    """Return what to say of a model that needs more than all that is free, with the sum."""
    weights, context, buffers = (_gigabytes(found.parts[part]) for part in ("weights", "kv", "compute"))
    needed, free = _gigabytes(found.model_bytes), _gigabytes(found.free_bytes)
    return ModelTooLarge(
        f"{name} needs {needed} of memory, and {free} are free",
        f"Weights take {weights}, a context of {found.n_ctx:,} tokens {context}, computing {buffers}. "
        "Close other programs, or choose a smaller model.",
    )


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 99_500_000 else f"{size_bytes / 1e6:.0f} MB"


def usable_bytes(free_bytes: int) -> int:
    """Return what a model may take of ``free_bytes``."""
    return free_bytes - min(int(free_bytes * KEEP_SHARE), KEEP_AT_MOST_BYTES)


def cache_bytes(
    layers: Sequence[Layer], n_ctx: int, kv_bytes: float, *, n_seq: int, full_windows: bool
) -> int:
    """Return the bytes of the KV cache for ``n_ctx`` tokens plus the recurrent states (always 32-bit).

    llama.cpp rounds up to 256 cells, and a windowed layer also holds the sub-batch being read.
    """
    cells = _padded(n_ctx)
    cached = 0
    for layer in layers:
        windowed = layer.window and not full_windows
        within = _padded(layer.window * n_seq + (_N_UBATCH if n_seq > 1 else 0))
        cached += layer.kv_values * (min(cells, within) if windowed else cells)
    return int(cached * kv_bytes) + 4 * n_seq * sum(layer.state_values for layer in layers)


def _padded(n_cells: int) -> int:
    return -(-n_cells // _KV_PAD) * _KV_PAD


def compute_bytes(header: Header, n_ctx: int, n_seq: int) -> int:
    """Estimate the buffers of one step of 512 tokens: activations, attention masks, logits of each sequence.

    llama.cpp reuses the memory of a layer for the next one, so the widest moment counts. Which tensors live
    then was found by comparing with what it reports for 20 published shapes; the estimate lies within 12 %,
    mostly within 5 %. With flash attention scores are never stored whole: the context enters by the masks.
    """
    rows = min(_N_UBATCH, max(1, n_ctx))
    widest = max(_feed_forward_bytes(header, rows), _attention_bytes(header, rows))
    if any(header.recurrent):
        widest = max(widest, _recurrent_bytes(header, rows, n_seq))
    n_masks = len({layer.window > 0 for layer in header.layers if layer.kv_values})
    logits = 4 * n_seq * header.n_vocab  # once as the result of the step, once in the buffer it is copied to
    return max(widest, logits) + n_masks * 2 * rows * _padded(n_ctx) + logits


def _feed_forward_bytes(header: Header, rows: int) -> int:
    """Gate, up and their product are held; of a mixture of experts also what each expert answers, twice."""
    experts = header.count("expert_used_count") * header.n_embd
    return 4 * rows * (max(3 * header.n_ff, 2 * experts) + 4 * header.n_embd)


def _attention_bytes(header: Header, rows: int) -> int:
    """Queries and answers of all heads, keys and values of one layer."""
    queries = max(header.n_head, default=0) * header.head_dim[0]
    keys = max((layer.kv_values for layer in header.layers), default=0)
    return 4 * rows * (2 * queries + keys + 4 * header.n_embd)


def _recurrent_bytes(header: Header, rows: int, n_seq: int) -> int:
    """A state per sequence beside the mixer's activations; a gated delta net copies the states first."""
    states = 4 * n_seq * max(layer.state_values for layer in header.layers)
    inner, convolved = header.count("ssm.inner_size"), header.convolved
    if header.architecture in architectures.DELTA:
        return 2 * states + 4 * rows * 2 * (inner + convolved + header.n_embd)
    return states + 4 * rows * (2 * inner + 3 * convolved + 4 * header.n_embd)


def _word(need_bytes: int, free_bytes: int, tokens_per_s: float) -> Word:
    if need_bytes > usable_bytes(free_bytes):
        return "Won't fit"
    if tokens_per_s < SLOW_BELOW:
        return "Slow"
    return "Comfortable" if tokens_per_s < FAST_FROM else "Fast"
