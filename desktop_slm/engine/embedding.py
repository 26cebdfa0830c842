"""Texts as vectors: a context of its own for each call, pooled by llama.cpp, normalized here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from desktop_slm.engine.api import Pooling
from desktop_slm.engine.llama import C, Model
from desktop_slm.errors import LoadFailed

_POOLING = {
    "model": C.LLAMA_POOLING_TYPE_UNSPECIFIED,
    "mean": C.LLAMA_POOLING_TYPE_MEAN,
    "cls": C.LLAMA_POOLING_TYPE_CLS,
    "last": C.LLAMA_POOLING_TYPE_LAST,
}


def embed(
    model: Model, prompts: Sequence[Sequence[int]], pooling: Pooling, *, n_ctx: int, n_threads: int
) -> list[tuple[float, ...]]:
    """Return one L2-normalized vector for each token list; none may be longer than ``n_ctx``."""
    params = C.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = n_ctx
    params.n_threads = params.n_threads_batch = n_threads
    params.embeddings = True
    params.pooling_type = _POOLING[pooling]
    params.n_outputs_max_per_seq = n_ctx
    pointer = C.llama_init_from_model(model.pointer, params)
    if not pointer:
        raise LoadFailed("There is not enough memory to embed", "Close other programs and try again.")
    batch = C.llama_batch_init(n_ctx, 0, 1)
    try:
        return [_embed_one(pointer, batch, model.n_embd, tokens) for tokens in prompts]
    finally:
        C.llama_batch_free(batch)
        C.llama_free(pointer)


def _embed_one(pointer: Any, batch: Any, n_embd: int, tokens: Sequence[int]) -> tuple[float, ...]:
    memory = C.llama_get_memory(pointer)
    if memory:
        C.llama_memory_clear(memory, False)
    batch.n_tokens = len(tokens)
    for index, token in enumerate(tokens):
        batch.token[index] = token
        batch.pos[index] = index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = True
    if C.llama_decode(pointer, batch) != 0:
        raise LoadFailed("The text could not be embedded", "Choose another model.")
    values = C.llama_get_embeddings_seq(pointer, 0)[:n_embd]
    norm = math.sqrt(sum(value * value for value in values)) or 1.0
    return tuple(value / norm for value in values)
