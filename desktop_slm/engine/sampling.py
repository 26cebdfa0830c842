"""Sampling settings: what a model recommends, and which values make no sense."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import msgspec

from desktop_slm.engine.api import GenerateRequest, Sampling
from desktop_slm.errors import InvalidRequest

_LARGEST_SEED = 2**32 - 2  # the next one means "random" to llama.cpp
_MOST_BIASES = 1000
_LARGEST_TOP_K = 2**31 - 1

# What each setting may be, both ends included.
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_k": (0, _LARGEST_TOP_K),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "repeat_penalty": (0.01, 100),
    "dry_multiplier": (0, 100),
    "dry_base": (1, 100),
    "dry_allowed_length": (1, 1000),
}

# The settings that a model file can carry, by llama.cpp's names (`general.sampling.*`, since its PR 17120).
_CARRIED = {
    "temp": ("temperature", 0, 5),
    "top_k": ("top_k", 0, 1_000_000),
    "top_p": ("top_p", 0, 1),
    "min_p": ("min_p", 0, 1),
    "penalty_repeat": ("repeat_penalty", 0.5, 3),
    "penalty_last_n": ("repeat_last_n", 0, 4096),
}


def check_sampling(sampling: Sampling) -> None:
    """Refuse settings that no model can be asked for.

    Raises:
        InvalidRequest: A value that is not a number or out of its range, named.
    """
    for name, (low, high) in _RANGES.items():
        value = getattr(sampling, name)
        if not low <= value <= high:  # false for NaN, too
            raise InvalidRequest(
                f"The sampling setting {name} is out of range", f"Choose one from {low:g} to {high:g}."
            )
    if not 0 <= sampling.repeat_last_n <= 4096:
        raise InvalidRequest("The sampling setting repeat_last_n is out of range", "Choose 0 to 4,096.")
    if sampling.seed is not None and not 0 <= sampling.seed <= _LARGEST_SEED:
        raise InvalidRequest("The seed is out of range", f"Choose one from 0 to {_LARGEST_SEED:,}.")
    if len(sampling.logit_bias) > _MOST_BIASES:
        raise InvalidRequest(f"More than {_MOST_BIASES:,} texts are biased", "Bias fewer texts.")
    for text, bias in sampling.logit_bias:
        if not text or math.isnan(bias) or bias == math.inf:
            raise InvalidRequest(
                "A logit bias is no pair of a text and a number", "Give numbers, or -inf to forbid a text."
            )


def sampling_of(request: GenerateRequest, metadata: Callable[[str], str]) -> Sampling:
    """Return how to sample for ``request`` from a model with this header."""
    chosen = request.sampling or model_sampling(metadata, request.recommended)
    wished = {"temperature": request.temperature, "seed": request.seed}
    return msgspec.structs.replace(
        chosen, **{name: value for name, value in wished.items() if value is not None}
    )


def model_sampling(metadata: Callable[[str], str], otherwise: Sampling | None = None) -> Sampling:
    """Return the sampling that the GGUF recommends; what it does not say is taken from ``otherwise``."""
    values: dict[str, float] = {}
    for key, (name, low, high) in _CARRIED.items():
        value = _number(metadata(f"general.sampling.{key}"))
        if value is not None and low <= value <= high:
            values[name] = int(value) if name in ("top_k", "repeat_last_n") else value
    return msgspec.structs.replace(otherwise or Sampling(), **values)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def random_seed() -> int:
    """Return a seed that nobody chose."""
    return int.from_bytes(os.urandom(4), "little") & 0x7FFFFFFF
