"""Bringing a model into memory: the rungs of the ladder, and what it runs on in the end and why."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import cast

from desktop_slm.engine import hardware, llama
from desktop_slm.engine.adapters import stamp
from desktop_slm.engine.api import EngineEvent, KvState, Loaded, ModelSpec
from desktop_slm.engine.context import Context
from desktop_slm.engine.ladder import DEFAULT_N_CTX, Ladder, Rung
from desktop_slm.engine.protocol import STATE_LIMIT_BYTES
from desktop_slm.engine.scheduler import BATCH_TOKENS, RECURRENT_SEQUENCES, SEQUENCES, Scheduler
from desktop_slm.engine.states import fingerprint, fits
from desktop_slm.engine.template import ChatTemplate
from desktop_slm.engine.threads import ThreadTuner
from desktop_slm.errors import LoadFailed

_SMALLEST_N_CTX = 1024
_SMALLEST_CACHE = 256  # cells; llama.cpp rounds up to that
_MOST_KV_VALUES = 2048  # keys, or values, of all heads of a layer where they are wider than the model
_SHARE = 0.9  # of the free memory, at most
_LARGEST_N_CTX = 1 << 20  # of a model that does not say what it was trained for


class LoadedModel:
    """A model, its context and what runs on them.

    Args:
        emit: Takes pairs of job id and event.
        template_runs: Told when foreign template code begins and ends.
    """

    def __init__(
        self,
        spec: ModelSpec,
        model: llama.Model,
        context: Context,
        loaded: Loaded,
        tuner: ThreadTuner | None,
        *,
        emit: Callable[[list[tuple[int, EngineEvent]]], None],
        template_runs: Callable[[bool], None],
    ) -> None:
        self.spec = spec
        self.model = model
        self.context = context
        self.loaded = loaded
        self.tuner = tuner
        self.template = ChatTemplate(model.template, model, template_runs)
        model.shown = self.template.shown()
        self.scheduler = Scheduler(
            context,
            model,
            forgets=model.forgets,
            emit=emit,
            n_seq=context.n_seq,
            parking_bytes=_parking(loaded),
        )
        # What its states belong to: the tokens are compared anyway, the template is for good measure.
        self._stamp = stamp(spec.path)
        self._states_key = fingerprint(spec.path, llama.version(), context.about, model.template)

    def save_state(self, conversation: str, limit_bytes: int) -> KvState | None:
        """Return the state kept for ``conversation``; None when there is none, or it is over the limit."""
        limit_bytes = min(limit_bytes or STATE_LIMIT_BYTES, STATE_LIMIT_BYTES)
        saved = self.scheduler.save_state(conversation, limit_bytes)
        if saved is None:
            return None
        tokens = struct.pack(f"<{len(saved[0])}i", *saved[0])
        data = cast(bytes, saved[1])  # on its way out: no copy of hundreds of megabytes for a type
        return KvState(key=self._states_key, tokens=tokens, data=data)

    def restore_state(self, conversation: str, state: KvState) -> int:
        """Take a saved state back; return its tokens, 0 when it is not of this model or damaged."""
        n_tokens, odd = divmod(len(state.tokens), 4)
        if odd or state.key != self._states_key or n_tokens >= self.context.n_ctx or not conversation:
            return 0
        tokens = struct.unpack(f"<{n_tokens}i", state.tokens)
        known = all(0 <= token < self.model.n_vocab for token in tokens)
        if not known or not fits(state.data, n_tokens, attends=self.model.attends):
            return 0
        return self.scheduler.restore_state(conversation, list(tokens), state.data)

    def changed(self) -> bool:
        """Tell whether the file, or an adapter's, has been replaced since it was read.

        One that is gone stays in use: the system keeps what is mapped.
        """
        return stamp(self.spec.path) not in (self._stamp, ()) or self.context.adapters.changed()

    def close(self) -> None:
        """Free the memory."""
        self.scheduler.close()
        self.context.close()
        self.model.close()


class Loader:
    """Loads models that write: weights, rung by rung, and a context; a smaller one when there is no room.

    Args:
        log: Keeps what llama.cpp says meanwhile.
        n_threads: Threads when nothing else runs.
        ladder: Loads the weights.
        emit, template_runs: See `LoadedModel`.
    """

    def __init__(
        self,
        log: llama.Log,
        n_threads: int,
        ladder: Ladder,
        *,
        emit: Callable[[list[tuple[int, EngineEvent]]], None],
        template_runs: Callable[[bool], None],
    ) -> None:
        self._log = log
        self._n_threads = n_threads
        self._ladder = ladder
        self._emit = emit
        self._template_runs = template_runs
        self._started = 0.0
        self._others = 0

    def load(self, spec: ModelSpec, keep_on: Callable[[], bool]) -> LoadedModel:
        """Load ``spec`` on the first rung that holds.

        Raises:
            LoadFailed: With every rung and why it broke.
            InterruptedError: ``keep_on`` said no.
        """
        self._started = time.perf_counter()
        self._others = hardware.running_elsewhere()
        return self._ladder.load(spec, keep_on, lambda rung: self._with_context(spec, rung, keep_on))

    def _with_context(self, spec: ModelSpec, rung: Rung, keep_on: Callable[[], bool]) -> LoadedModel:
        """Make a context; on the last rung a smaller one when there is no room for it."""
        n_ctx = min(spec.n_ctx or DEFAULT_N_CTX, rung.model.n_ctx_train or _LARGEST_N_CTX)
        about_weights = len(self._log.lines)
        while True:
            if not keep_on():
                raise InterruptedError
            try:
                return self._finish(spec, rung, n_ctx)
            except LoadFailed as error:
                del self._log.lines[about_weights:]  # sizes of what is not there
                rung.tried.append(f"{n_ctx:,} tokens: {error.title}")
                n_ctx //= 2
                if n_ctx < _SMALLEST_N_CTX or not rung.last:
                    raise

    def _require_memory(self, rung: Rung, n_ctx: int, n_seq: int) -> None:
        """Refuse a context that does not fit into memory: asking for it would succeed, using it would not.

        Systems promise more memory than there is, and end the process that takes it. On a GPU asking fails.

        Raises:
            LoadFailed: With what is needed and what is free.
        """
        free_bytes = hardware.memory()[1]
        most_bytes = n_ctx * rung.model.n_layers * max(rung.model.n_embd, _MOST_KV_VALUES) * 4
        if rung.place.n_gpu_layers or not free_bytes or most_bytes < free_bytes // 2:
            return
        about_weights = len(self._log.lines)
        small = Context(rung.model, n_ctx=_SMALLEST_CACHE, n_seq=n_seq, n_threads=1, n_batch=BATCH_TOKENS)
        small.close()
        cache_bytes = self._log.mebibytes(r"KV buffer size") * n_ctx // _SMALLEST_CACHE
        constant = self._log.mebibytes(r"(?:RS|compute|output) buffer size")
        mapped = self._weights_bytes(rung.model) - self._log.mebibytes(r"REPACK model buffer size")
        del self._log.lines[about_weights:]
        needed_bytes = max(0, mapped) + cache_bytes + constant
        if needed_bytes > free_bytes * _SHARE:
            raise LoadFailed(f"{needed_bytes / 1e9:.1f} GB of memory needed, {free_bytes / 1e9:.1f} GB free")

    def _finish(self, spec: ModelSpec, rung: Rung, n_ctx: int) -> LoadedModel:
        model, place = rung.model, rung.place
        n_seq = RECURRENT_SEQUENCES if model.forgets else SEQUENCES
        self._require_memory(rung, n_ctx, n_seq)
        context = Context(
            model,
            n_ctx=n_ctx,
            n_seq=n_seq,
            n_threads=spec.n_threads or self._n_threads,
            n_batch=BATCH_TOKENS,
        )
        tuner = None
        if not place.n_gpu_layers and not spec.n_threads:
            tuner = context.adapt_threads(self._n_threads, self._threads_to_begin())
        loaded = Loaded(
            path=spec.path,
            n_ctx=context.n_ctx,
            n_ctx_train=model.n_ctx_train,
            device=place.device,
            reason=place.reason,
            n_gpu_layers=place.n_gpu_layers,
            weights_bytes=self._weights_bytes(model),
            kv_bytes=self._log.mebibytes(r"(?:KV|RS) buffer size"),
            compute_bytes=self._log.mebibytes(r"(?:compute|output) buffer size"),
            load_s=time.perf_counter() - self._started,
            has_template=bool(model.template),
        )
        try:
            return LoadedModel(
                spec, model, context, loaded, tuner, emit=self._emit, template_runs=self._template_runs
            )
        except BaseException:
            context.close()
            raise

    def _weights_bytes(self, model: llama.Model) -> int:
        """Return the memory that weights need, without the originals of those that were laid out anew.

        llama.cpp repacks some layouts for the processor and goes on mapping the file around them: it reports
        both, but the system takes the pages of the file back when memory gets short.
        """
        reported = self._log.mebibytes(r"model buffer size") or model.size_bytes
        repacked = self._log.mebibytes(r"REPACK model buffer size")
        return reported - min(repacked, max(0, reported - model.size_bytes))

    def _threads_to_begin(self) -> int:
        """Leave alone the cores that others used both before and after the model was read."""
        others = min(self._others, hardware.running_elsewhere())
        return max(1, self._n_threads - others)


def _parking(loaded: Loaded) -> int:
    """Return the memory for what does not run: as much as the cache, at most a quarter of what is left free.

    Weights are pages of their file, and a cache is taken only when it is used: both still count as free.
    """
    _, free_bytes = hardware.memory()
    left_bytes = max(0, free_bytes - loaded.weights_bytes - loaded.kv_bytes) // 4
    return min(loaded.kv_bytes, left_bytes if free_bytes else STATE_LIMIT_BYTES)
