"""The native sampler chain of one job: how its next token is drawn, freely or within a grammar."""

from __future__ import annotations

import ctypes
import math
from typing import Any

from desktop_slm.engine.api import Sampling
from desktop_slm.engine.context import Context
from desktop_slm.engine.llama import C, Model
from desktop_slm.errors import InvalidRequest


class Sampler:
    """Draws tokens: penalties, top-k, top-p, min-p, temperature; greedy at 0; optionally within a grammar.

    Raises:
        InvalidRequest: The grammar cannot be parsed.
    """

    def __init__(self, model: Model, sampling: Sampling, seed: int, grammar: str = "") -> None:
        self._chain = sampler_chain(model, sampling, seed)
        self._grammar: Any = None
        if grammar:
            # Null: not a grammar. llama.cpp would quote it in its log, which keeps nothing now.
            self._grammar = C.llama_sampler_init_grammar(model.vocabulary, grammar.encode(), b"root")
            if not self._grammar:
                C.llama_sampler_free(self._chain)
                self._chain = None
                raise InvalidRequest("The form of the answer is not a grammar", "Report this as a bug.")
            self._one = (C.llama_token_data * 1)()
            self._whole = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
            C.llama_sampler_chain_add(self._whole, self._grammar)

    def sample(self, context: Context, index: int) -> int:
        """Draw the token that follows batch index ``index``."""
        if self._grammar is None:
            token: int = C.llama_sampler_sample(self._chain, context.pointer, index)
            return token
        return self._sample_in_grammar(context, index)

    def _sample_in_grammar(self, context: Context, index: int) -> int:
        """Draw freely first: checking one token against the grammar is far cheaper than all of them."""
        trial = C.llama_sampler_clone(self._chain)
        token: int = C.llama_sampler_sample(trial, context.pointer, index)
        if self._allows(token):
            C.llama_sampler_free(self._chain)
            self._chain = trial
            C.llama_sampler_accept(self._grammar, token)
            return token
        C.llama_sampler_free(trial)
        C.llama_sampler_chain_add(self._whole, self._chain)
        token = C.llama_sampler_sample(self._whole, context.pointer, index)
        C.llama_sampler_chain_remove(self._whole, 1)
        return token

    def _allows(self, token: int) -> bool:
        self._one[0].id = token
        self._one[0].logit = 1.0
        self._one[0].p = 0.0
        candidates = C.llama_token_data_array(self._one, 1, -1, False)
        C.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        return not math.isinf(self._one[0].logit)

    def close(self) -> None:
        """Free the memory."""
        if self._grammar is not None:
            C.llama_sampler_free(self._whole)  # and the grammar in it
            self._grammar = None
        if self._chain is not None:
            C.llama_sampler_free(self._chain)
            self._chain = None


def sampler_chain(model: Model, sampling: Sampling, seed: int) -> Any:
    """Return the native chain for these settings, in the order llama.cpp recommends; the caller frees it."""
    chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())

    def add(sampler: Any) -> None:
        C.llama_sampler_chain_add(chain, sampler)

    if sampling.repeat_penalty != 1.0:
        add(C.llama_sampler_init_penalties(model.n_vocab, 64, sampling.repeat_penalty, 0.0, 0.0))
    if sampling.temperature <= 0:
        add(C.llama_sampler_init_greedy())
        return chain
    if sampling.top_k > 0:
        add(C.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        add(C.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        add(C.llama_sampler_init_min_p(sampling.min_p, 1))
    add(C.llama_sampler_init_temp(sampling.temperature))
    add(C.llama_sampler_init_dist(seed))
    return chain
