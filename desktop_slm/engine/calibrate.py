"""Measures how fast a model reads and writes on this computer: a second or two, in the worker.

It computes in a context of its own, so what is kept of conversations stays as it is. A model that is not the
one in memory is loaded beside it and freed again. The threads are those that a `ThreadTuner` chooses, as for
any other work.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

from desktop_slm.engine import hardware, llama
from desktop_slm.engine.api import ModelSpec, Probe
from desktop_slm.engine.context import Context
from desktop_slm.engine.llama import C
from desktop_slm.engine.loading import LoadedModel, Loader
from desktop_slm.engine.threads import ThreadTuner
from desktop_slm.errors import LoadFailed, ModelUnsupported

_READ_TOKENS = 512
_WRITE_TOKENS = 48
_N_CTX = 1024
_WARM_TOKENS = 8  # read to bring the weights into memory
_FIRST_SLICE = 32  # read to learn how much fits into a second
_READ_S = 1.0
_WRITE_S = 0.8
_READS = 3
_FEWEST_WRITTEN = 4
_ROOM = 1.2  # memory a model takes beside another one, in sizes of its file
_TEXT = (
    "The harbor master wrote down every ship that came in with the tide: its name, where it had been, what "
    "it carried, and how long it meant to stay. On quiet days he read the old lists from the beginning. "
)


class Calibrator:
    """Measures models, one at a time.

    Args:
        loader: Loads those that are not in memory.
        log: Keeps what llama.cpp says while loading.
        n_threads: Threads when nothing else runs.
    """

    def __init__(self, loader: Loader, log: llama.Log, n_threads: int) -> None:
        self._loader = loader
        self._log = log
        self._n_threads = n_threads
        self._context: Context | None = None

    def abort(self) -> None:
        """Stop the computation that runs now; any thread may call it."""
        if (context := self._context) is not None:
            context.abort()

    def measure(self, spec: ModelSpec, resident: LoadedModel | None, keep_on: Callable[[], bool]) -> Probe:
        """Measure the model ``spec``, which may be the ``resident`` one.

        Raises:
            ModelUnsupported: It does not write text.
            LoadFailed: It cannot be loaded, or not measured.
            InterruptedError: ``keep_on`` said no.
        """
        threads = spec.n_threads or self._n_threads
        if resident is None or resident.spec != spec:
            self._log.start()
            try:
                loaded = self._loader.load(msgspec.structs.replace(spec, n_ctx=_N_CTX), keep_on)
            finally:
                self._log.stop()
            try:
                return self._run(loaded.model, loaded.context, loaded.tuner, threads, keep_on)
            finally:
                loaded.close()
        context = Context(
            resident.model,
            n_ctx=min(_N_CTX, resident.context.n_ctx),
            n_seq=1,
            n_threads=threads,
            n_batch=_READ_TOKENS,
        )
        try:
            tuner = resident.tuner and context.adapt_threads(resident.tuner.most, resident.tuner.threads)
            return self._run(resident.model, context, tuner, threads, keep_on)
        finally:
            context.close()

    def _run(
        self,
        model: llama.Model,
        context: Context,
        tuner: ThreadTuner | None,
        threads: int,
        keep_on: Callable[[], bool],
    ) -> Probe:
        if not context.writes:
            raise ModelUnsupported("This model cannot write text", "Only its size can be compared.")
        self._context = context
        try:
            tokens = model.tokenize(_TEXT) or [0]
            most = min(_READ_TOKENS, context.n_batch, context.n_ctx - _WRITE_TOKENS)
            text = list(itertools.islice(itertools.cycle(tokens), most))
            watch = _Stopwatch(context, keep_on)
            read_tokens_per_s = _read(watch, text)
            token_s = _write(watch, text)
        finally:
            self._context = None
        return Probe(
            prompt_tokens_per_s=round(read_tokens_per_s, 2),
            decode_tokens_per_s=round(1 / token_s, 2),
            threads=tuner.threads if tuner is not None else threads,
        )


def fits_beside(spec: ModelSpec) -> bool:
    """Tell whether the model ``spec`` can be loaded without anything else being freed; True when unknown."""
    free_bytes = hardware.memory()[1]
    try:
        return not free_bytes or os.stat(spec.path).st_size * _ROOM < free_bytes  # noqa: PTH116
    except OSError:
        return True


class _Stopwatch:
    """Times batches of one sequence."""

    def __init__(self, context: Context, keep_on: Callable[[], bool]) -> None:
        self._context = context
        self._keep_on = keep_on
        self._length = 0

    def forget(self) -> None:
        """Begin the sequence anew."""
        self._context.clear()
        self._length = 0

    def decode(self, tokens: Sequence[int]) -> float:
        """Append ``tokens`` to the sequence in one batch; return the seconds that took."""
        if not self._keep_on():
            raise InterruptedError
        context = self._context
        context.clear_batch()
        for place, token in enumerate(tokens):
            context.add(token, self._length + place, 0, place + 1 == len(tokens))
        started = time.perf_counter()
        result = context.decode()
        C.llama_synchronize(context.pointer)  # a GPU works on after the call
        seconds = time.perf_counter() - started
        if result == 2 or not self._keep_on():
            raise InterruptedError
        if result != 0:
            raise LoadFailed("The model could not be measured", "Use it as it is.")
        self._length += len(tokens)
        return max(seconds, 1e-6)


def _read(watch: _Stopwatch, text: Sequence[int]) -> float:
    """Return tokens per second of reading ``text``, or as much of it as takes about a second."""
    first = text[:_FIRST_SLICE]
    watch.decode(first[:_WARM_TOKENS])
    watch.forget()
    seconds = watch.decode(first)
    n_tokens = max(len(first), min(len(text), int(len(first) / seconds * _READ_S)))
    taken: list[float] = []
    while not taken or (len(taken) < _READS and sum(taken) + min(taken) < _READ_S):
        watch.forget()
        taken.append(watch.decode(text[:n_tokens]))
    return n_tokens / statistics.median(taken)


def _write(watch: _Stopwatch, text: Sequence[int]) -> float:
    """Return seconds per token, after what has been read: the middle one, so that one hiccup does not count.

    What is written is not drawn from the logits: the same text serves, and the work is the same.
    """
    watch.decode(text[:1])
    taken: list[float] = []
    for token in text[1:_WRITE_TOKENS]:
        if sum(taken) > _WRITE_S and len(taken) >= _FEWEST_WRITTEN:
            break
        taken.append(watch.decode([token]))
    return statistics.median(taken)
