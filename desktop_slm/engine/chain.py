"""The native sampler chain of one job: how its next token is drawn, freely or within a grammar."""

from __future__ import annotations

import array
import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from desktop_slm.engine.api import Sampling
from desktop_slm.engine.context import Context
from desktop_slm.engine.llama import C, Model
from desktop_slm.errors import InvalidRequest

_DRY_LAST_N = 2048
_LEAST_PROBABILITY = 1e-38  # what a 32-bit float holds
_DRY_BREAKERS = (b"\n", b":", b'"', b"*")  # llama.cpp's own: a repetition is not counted across them


class Sampler:
    """Draws tokens: bias, penalties, DRY, top-k, top-p, min-p, temperature; optionally within a grammar.

    Args:
        model: The model.
        sampling: The settings, already checked.
        seed: Of the random numbers.
        grammar: GBNF, empty for none.
        history: The prompt's tokens, which penalties and DRY look at, as in llama.cpp's server.
        weighs: Add up how probable what is drawn within the grammar is to the model, in ``logprob``.
        grammar_runs: Told when work on a grammar begins and ends: one made to be slow can take for ever, so
            somebody outside puts a limit to it.

    Raises:
        InvalidRequest: The grammar cannot be parsed.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        seed: int,
        grammar: str = "",
        *,
        history: Sequence[int] = (),
        weighs: bool = False,
        grammar_runs: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self.logprob = 0.0
        self._weigher = C.llama_sampler_init_dist(0) if weighs else None
        self._grammar: Any = None
        self._spoken: Any = None
        self._grammar_runs = grammar_runs
        self._chain = sampler_chain(model, sampling, seed)
        if grammar:
            self._grammar = self._compiled(model, grammar)
            # llama.cpp matches the names of control tokens, too; in the answer they would be missing.
            self._spoken = _bias(model, dict.fromkeys(model.unspoken, -math.inf))
            self._candidates = _Candidates(model.n_vocab)
        for token in history[-_remembered(sampling) :] if _remembered(sampling) else ():
            C.llama_sampler_accept(self._chain, token)

    def _compiled(self, model: Model, grammar: str) -> Any:
        """Return the sampler of a grammar. llama.cpp would quote a bad one in its log, which is off now."""
        self._grammar_runs(True)
        try:
            made = C.llama_sampler_init_grammar(model.vocabulary, grammar.encode(), b"root")
        finally:
            self._grammar_runs(False)
        if not made:
            self.close()
            raise InvalidRequest(
                "The form of the answer is not a grammar, or one that can never be satisfied",
                "Check it: a rule named root, every rule defined, no rule that begins with itself.",
            )
        return made

    def sample(self, context: Context, index: int) -> int:
        """Draw the token that follows batch index ``index``.

        Raises:
            InvalidRequest: The grammar allows no token at all here.
        """
        if self._grammar is None:
            token: int = C.llama_sampler_sample(self._chain, context.pointer, index)
            return token
        self._grammar_runs(True)
        try:
            return self._sample_in_grammar(context, index)
        finally:
            self._grammar_runs(False)

    def _sample_in_grammar(self, context: Context, index: int) -> int:
        """Draw freely first: checking one token against the grammar is far cheaper than all of them."""
        logits = C.llama_get_logits_ith(context.pointer, index)
        token = self._candidates.draw(logits, (self._spoken, self._chain))
        if token is None or not self._allows(token):
            token = self._candidates.draw(logits, (self._spoken, self._grammar, self._chain))
        if token is None:
            # Were a token accepted all the same, llama.cpp would end the process.
            raise InvalidRequest(
                "The form of the answer cannot be satisfied: nothing can follow what is written so far",
                "Change the grammar or the schema.",
            )
        if self._weigher is not None:
            self.logprob += self._candidates.logprob(logits, token, self._weigher)
        C.llama_sampler_accept(self._grammar, token)
        C.llama_sampler_accept(self._chain, token)
        return token

    def _allows(self, token: int) -> bool:
        one = (C.llama_token_data * 1)()
        one[0].id = token
        one[0].logit = 1.0
        candidates = C.llama_token_data_array(one, 1, -1, False)
        C.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        return not math.isinf(one[0].logit)

    def close(self) -> None:
        """Free the memory."""
        for sampler in (self._grammar, self._spoken, self._weigher, self._chain):
            if sampler is not None:
                C.llama_sampler_free(sampler)
        self._grammar = self._spoken = self._weigher = self._chain = None


class _Candidates:
    """Every token of a vocabulary with its logit, the way llama.cpp's samplers take them."""

    def __init__(self, n_vocab: int) -> None:
        self._n_vocab = n_vocab
        self._data = (C.llama_token_data * n_vocab)()  # pairs of id, logit and probability, 4 bytes each
        raw = memoryview(self._data).cast("B")
        self._ids, self._logits = raw.cast("i")[0::3], raw.cast("f")[1::3]
        self._numbers = memoryview(array.array("i", range(n_vocab)))

    def logprob(self, logits: Any, token: int, softmax: Any) -> float:
        """Return the logarithm of the probability of ``token``; ``softmax`` fills in all probabilities."""
        self._apply(logits, (softmax,))
        return math.log(max(self._data[token].p, _LEAST_PROBABILITY))

    def draw(self, logits: Any, samplers: Sequence[Any]) -> int | None:
        """Return the token that ``samplers`` select, None where they leave none with any probability."""
        chosen = self._apply(logits, samplers)
        if not 0 <= chosen.selected < chosen.size:
            return None
        token = chosen.data[chosen.selected]
        return None if math.isinf(token.logit) or math.isnan(token.logit) else int(token.id)

    def _apply(self, logits: Any, samplers: Sequence[Any]) -> Any:
        source = (ctypes.c_float * self._n_vocab).from_address(ctypes.addressof(logits.contents))
        self._ids[:] = self._numbers
        self._logits[:] = memoryview(source).cast("B").cast("f")
        chosen = C.llama_token_data_array(self._data, self._n_vocab, -1, False)
        for sampler in samplers:
            C.llama_sampler_apply(sampler, ctypes.byref(chosen))
        return chosen


def _remembered(sampling: Sampling) -> int:
    """Return how many tokens back the settings look."""
    penalties = sampling.repeat_last_n if sampling.repeat_penalty != 1.0 else 0
    return max(penalties, _DRY_LAST_N if sampling.dry_multiplier > 0 else 0)


def sampler_chain(model: Model, sampling: Sampling, seed: int) -> Any:
    """Return the native chain for these settings, in the order of llama.cpp's common/sampling.cpp.

    The caller frees it.
    """
    biases = _biases(model, sampling)  # may be refused: before anything has to be freed
    chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())

    def add(sampler: Any) -> None:
        C.llama_sampler_chain_add(chain, sampler)

    if biases:
        add(_bias(model, biases))
    if sampling.repeat_penalty != 1.0 and sampling.repeat_last_n:
        penalty = (sampling.repeat_last_n, sampling.repeat_penalty, 0.0, 0.0)
        add(C.llama_sampler_init_penalties(model.n_vocab, *penalty))
    if sampling.dry_multiplier > 0:
        cost = (sampling.dry_multiplier, sampling.dry_base, sampling.dry_allowed_length, _DRY_LAST_N)
        breakers = (ctypes.c_char_p * len(_DRY_BREAKERS))(*_DRY_BREAKERS)
        add(C.llama_sampler_init_dry(model.vocabulary, *cost, breakers, len(_DRY_BREAKERS)))
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


def _bias(model: Model, biases: Mapping[int, float]) -> Any:
    """Return a sampler that adds to the logits of some tokens."""
    table = (C.llama_logit_bias * len(biases))(*(C.llama_logit_bias(*pair) for pair in biases.items()))
    return C.llama_sampler_init_logit_bias(model.n_vocab, len(biases), table)


def _biases(model: Model, sampling: Sampling) -> dict[int, float]:
    """Return what is added to the logits of which tokens."""
    found: dict[int, float] = {}
    for text, bias in sampling.logit_bias:
        for token in set(model.tokenize(text)):
            found[token] = found.get(token, 0.0) + bias
    return found
