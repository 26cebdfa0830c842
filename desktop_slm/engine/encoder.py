"""A model that makes vectors of texts, or ranks them: batches of whole texts, one sequence each.

A model without causal attention (BERT and its kin) has to see a text whole. Longer texts of a causal model
are read in slices, so that a chat beside it goes on: of its slices the last counts, the first, or their mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from desktop_slm.engine import protocol as p
from desktop_slm.engine.api import ModelSpec, Pooling
from desktop_slm.engine.context import Context
from desktop_slm.engine.header import Header
from desktop_slm.engine.llama import C, Model
from desktop_slm.engine.placement import Placement
from desktop_slm.errors import ContextExceeded, InvalidRequest, LoadFailed, ModelUnsupported

BATCH_TOKENS = 512
_TEXTS = 32  # sequences of a batch
_RECURRENT_TEXTS = 4  # a recurrent state has its full size from the start
_FEWEST_BATCH_TOKENS = 128
# Where a model has logits, llama.cpp computes them of all tokens that it pools.
_LOGIT_BYTES = 128 * 1024 * 1024
_POOLING: dict[Pooling, int] = {
    "mean": C.LLAMA_POOLING_TYPE_MEAN,
    "cls": C.LLAMA_POOLING_TYPE_CLS,
    "last": C.LLAMA_POOLING_TYPE_LAST,
}
_MOST_CLASSES = 2  # "yes" and "no"; more is a classifier of something else


class EncodeJob:
    """Texts on their way to vectors or scores.

    Attributes:
        prompts: Tokens of the first texts; more are made when these are done.
        pooling: One of llama.cpp's, or -1 before the first are `Encoder.prepare`d.
        results: What has been computed, in order.
        read, sum: Of a text that is read in slices: its tokens so far, and their value.
        cancelled: Set by any thread; looked at between batches.
    """

    def __init__(self, order: p.Embed | p.Rerank) -> None:
        self.order = order
        self.prompts: list[list[int]] = []
        self.pooling = -1
        self.results: list[list[float]] = []
        self.cancelled = False
        self.read = 0
        self.sum: list[float] = []

    @property
    def done(self) -> bool:
        """Every text has its result."""
        return self.pooling >= 0 and not self.texts_left

    @property
    def texts_left(self) -> int:
        """Texts without a result."""
        return len(self.order.texts) - len(self.results)

    def answer(self) -> p.Vectors | p.Scores:
        """Return the vectors, of length 1, or the scores."""
        if isinstance(self.order, p.Rerank):
            return p.Scores(id=self.order.id, scores=tuple(values[0] for values in self.results))
        return p.Vectors(id=self.order.id, vectors=tuple(_normalized(values) for values in self.results))


class Encoder:
    """A model and a context that pools. The context stays until a job needs another pooling or a longer one.

    It is made at once, so that weights which leave no room for it fall to the next rung of the ladder.

    Args:
        spec: As it was asked for.
        model: The model.
        place: What its weights lie on.
        owned: Free the model in the end; not so when it is that of the chat.

    Raises:
        ModelUnsupported: It does not make vectors.
        LoadFailed: There is no room for a context.
    """

    def __init__(self, spec: ModelSpec, model: Model, place: Placement, *, owned: bool) -> None:
        self.spec = spec
        self.model = model
        self.place = place
        self._owned = owned
        self._reading: EncodeJob | None = None  # whose slices the context holds
        self._header = Header(spec.path)
        self._context: Context | None = None
        self._whole = not self._causal()
        if C.llama_model_has_encoder(model.pointer) and C.llama_model_has_decoder(model.pointer):
            raise ModelUnsupported("This model cannot make vectors of texts", "Choose an embedding model.")
        ranks = self._header.number("{arch}.pooling_type") == C.LLAMA_POOLING_TYPE_RANK
        self._open(_POOLING["mean"] if ranks else self._pooling_for("model"), BATCH_TOKENS)

    def close(self) -> None:
        """Free the memory."""
        if self._context is not None:
            self._context.close()
            self._context = None
        if self._owned:
            self.model.close()

    def abort(self) -> None:
        """Stop the computation that runs now; any thread may call it."""
        if (context := self._context) is not None:
            context.abort()

    # Before computing

    def prepare(self, job: EncodeJob) -> None:
        """Turn the next texts of a job into tokens, when there are none without a result.

        Raises:
            ModelUnsupported: It does not do what is asked.
            ContextExceeded: A text is too long; which one is in the title.
        """
        order, done = job.order, len(job.prompts)
        if len(job.results) < done:
            return
        texts = order.texts[done : done + _TEXTS]
        if isinstance(order, p.Rerank):
            self._check_ranks()
            job.pooling = C.LLAMA_POOLING_TYPE_RANK
            prompts = [rank_prompt(self.model, order.query, text) for text in texts]
        else:
            job.pooling = self._pooling_for(order.pooling)
            prompts = [self.model.tokenize(text, add_special=True) for text in texts]
        for number, prompt in enumerate(prompts, done + 1):
            if len(prompt) > self.model.n_ctx_train:
                subject = f"Text {number} of {len(order.texts)}" if len(order.texts) > 1 else "The text"
                raise ContextExceeded(len(prompt), self.model.n_ctx_train, subject)
        nothing = [max(0, self.model.bos_token)]
        job.prompts += [prompt or nothing for prompt in prompts]

    def _pooling_for(self, wanted: Pooling) -> int:
        if wanted != "model":
            return _POOLING[wanted]
        own = self._header.number("{arch}.pooling_type")
        if own == C.LLAMA_POOLING_TYPE_RANK:
            raise ModelUnsupported(
                "This model ranks texts and makes no vectors", "Choose an embedding model."
            )
        return own if own is not None and own in _POOLING.values() else _POOLING["mean"]

    def _check_ranks(self) -> None:
        """Refuse a model without a classifier: llama.cpp would end the process."""
        classes = C.llama_model_n_cls_out(self.model.pointer)
        has_classifier = any(name.startswith("cls.") for name in self._header.tensors)
        if not has_classifier or not 1 <= classes <= _MOST_CLASSES:
            raise ModelUnsupported("This model does not rank texts", "Choose a reranking model.")

    # Computing

    def step(self, job: EncodeJob, limit_tokens: int, n_threads: int) -> None:
        """Compute one batch of a prepared job: at least one text, or a slice of one; about so many tokens.

        Raises:
            LoadFailed: Too little memory, or llama.cpp could not compute it.
        """
        at = len(job.results)
        context = self._context_for(job)
        context.set_threads(n_threads)
        if self._reading is not job:
            job.read, self._reading = 0, job
        limit_tokens = min(limit_tokens, context.n_batch)
        first = len(job.prompts[at])
        if job.read or (first > limit_tokens and not self._whole):
            self._read_slice(context, job, limit_tokens)
            return
        count, tokens = 1, first
        while at + count < len(job.prompts) and count < context.n_seq:
            tokens += len(job.prompts[at + count])
            if tokens > limit_tokens:
                break
            count += 1
        context.clear()
        context.clear_batch()
        for sequence in range(count):
            for position, token in enumerate(job.prompts[at + sequence]):
                context.add(token, position, sequence, True)
        if _computed(context):
            size = self._size(job)
            job.results += [context.pooled(sequence, size) for sequence in range(count)]

    def _read_slice(self, context: Context, job: EncodeJob, limit_tokens: int) -> None:
        prompt = job.prompts[len(job.results)]
        if not job.read:
            context.clear()
            job.sum = []
        context.clear_batch()
        end = min(len(prompt), job.read + limit_tokens)
        for position in range(job.read, end):
            context.add(prompt[position], position, 0, True)
        if not _computed(context):
            job.read = 0  # aborted: not every memory can drop what is half done
            return
        values = context.pooled(0, self._size(job))
        job.sum = _joined(job.pooling, job.sum, values, end - job.read)
        job.read = end
        if end == len(prompt):
            job.results.append(job.sum)
            job.read = 0

    def _size(self, job: EncodeJob) -> int:
        return 1 if job.pooling == C.LLAMA_POOLING_TYPE_RANK else self.model.n_embd

    def _context_for(self, job: EncodeJob) -> Context:
        longest = max(map(len, job.prompts[len(job.results) :]))
        context = self._context
        if context is not None and self._pooling == job.pooling and longest <= context.n_ctx:
            return context
        return self._open(job.pooling, longest)

    def _open(self, pooling: int, n_tokens: int) -> Context:
        """Make the context anew, for texts of up to ``n_tokens``."""
        if self._context is not None:
            self._context.close()
            self._context = self._reading = None
        n_ctx = max(BATCH_TOKENS, 1 << (n_tokens - 1).bit_length())
        try:
            self._context = Context(
                self.model,
                n_ctx=n_ctx,
                n_seq=_RECURRENT_TEXTS if self.model.forgets else _TEXTS,
                n_threads=1,
                n_batch=n_ctx if self._whole else _batch_tokens(self.model.n_vocab),
                pooling=pooling,
            )
        except LoadFailed as error:
            raise LoadFailed(
                "There is not enough memory to embed", "Close other programs and try again."
            ) from error
        self._pooling = pooling
        return self._context

    def _causal(self) -> bool:
        """Tell whether a text can be read in slices."""
        if C.llama_model_has_encoder(self.model.pointer):
            return False
        architecture = self._header.architecture
        said = self.model.metadata(f"{architecture}.attention.causal")
        return said != "false" and "bert" not in architecture and architecture != "gemma-embedding"


def _batch_tokens(n_vocab: int) -> int:
    """Return the tokens of a batch of a model that writes: a power of two whose logits take little memory."""
    most = max(1, _LOGIT_BYTES // (4 * n_vocab))
    return max(_FEWEST_BATCH_TOKENS, min(BATCH_TOKENS, 1 << (most.bit_length() - 1)))


def _computed(context: Context) -> bool:
    result = context.decode()
    if result not in (0, 2):
        raise LoadFailed("The text could not be embedded", "Choose another model.")
    return result == 0


def _joined(pooling: int, before: list[float], values: list[float], n_tokens: int) -> list[float]:
    """Join the value of one more slice of ``n_tokens`` to that of the slices before it."""
    if pooling == C.LLAMA_POOLING_TYPE_MEAN:  # a sum, weighted: its length is of no interest
        weighted = [value * n_tokens for value in values]
        return [one + other for one, other in zip(before, weighted, strict=True)] if before else weighted
    if pooling == C.LLAMA_POOLING_TYPE_CLS:
        return before or values
    return values


def _normalized(values: Sequence[float]) -> tuple[float, ...]:
    norm = math.sqrt(sum(value * value for value in values)) or 1.0
    return tuple(value / norm for value in values)


# Ranking


def rank_prompt(model: Model, query: str, text: str) -> list[int]:
    """Return the tokens by which a reranking model compares a text with a query.

    The model's own template, if it has one; else [BOS] query [EOS] [SEP] text [EOS], of which each control
    token is there when the vocabulary asks for it (``format_prompt_rerank`` of llama.cpp's server).
    """
    template = C.llama_model_chat_template(model.pointer, b"rerank")
    if template:
        return _from_template(model, template.decode("utf-8", "replace"), query, text)
    vocabulary = model.vocabulary
    eos, sep = C.llama_vocab_eos(vocabulary), C.llama_vocab_sep(vocabulary)
    end = [eos if eos >= 0 else sep] if C.llama_vocab_get_add_eos(vocabulary) else []
    start = [model.bos_token] if model.adds_bos else []
    between = [sep] if C.llama_vocab_get_add_sep(vocabulary) and sep >= 0 else []
    return [*start, *model.tokenize(query), *end, *between, *model.tokenize(text), *end]


def _from_template(model: Model, template: str, query: str, text: str) -> list[int]:
    """Fill in ``{query}`` and ``{document}``; control tokens are those of the template alone."""
    if "{query}" not in template or "{document}" not in template:
        raise InvalidRequest("The model's ranking template is damaged", "Choose another reranking model.")
    specials = {special.text: special.token for special in model.specials(template)}
    filled = {"query": query, "document": text}
    marks = "|".join(re.escape(mark) for mark in sorted(specials, key=len, reverse=True))
    tokens: list[int] = []
    for part in re.split(f"({marks})", template) if marks else [template]:
        if part in specials:
            tokens.append(specials[part])
        elif part:
            tokens += model.tokenize(re.sub(r"\{(query|document)\}", lambda m: filled[m[1]], part))
    return tokens
