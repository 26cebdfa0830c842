"""The second model of the worker: embeddings and rankings, in slices between the steps of the chat.

One encoder is resident beside the model that writes; it shares the weights when it is of the same file.
Work that is watched goes first: while an answer streams, a slice is short and its time is given back.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from desktop_slm.engine import protocol as p
from desktop_slm.engine.adapters import stamp
from desktop_slm.engine.api import Loaded, ModelSpec
from desktop_slm.engine.encoder import BATCH_TOKENS, EncodeJob, Encoder
from desktop_slm.engine.header import Header
from desktop_slm.engine.ladder import Ladder
from desktop_slm.engine.llama import Log, Model
from desktop_slm.engine.loading import LoadedModel
from desktop_slm.engine.placement import Placement
from desktop_slm.engine.spans import about_text
from desktop_slm.errors import DesktopSlmError

_WATCHED_TOKENS = 64  # of a slice, while someone watches an answer appear
_KEPT_S = 300.0  # so long does an encoder stay without work

AboutText = p.Load | p.CountTexts | p.FindSpans
"""What is asked of a model of either kind."""


class Encoding:
    """Takes the orders for encoders, and one step at a time.

    Args:
        ladder: Loads weights.
        log: Keeps what llama.cpp says meanwhile.
        send: Takes answers.
        threads: How many threads are of use at present.
        shared: The model that writes, if there is one.
    """

    def __init__(
        self,
        ladder: Ladder,
        log: Log,
        *,
        send: Callable[[p.AnyAnswer], None],
        threads: Callable[[], int],
        shared: Callable[[], LoadedModel | None],
    ) -> None:
        self._ladder = ladder
        self._log = log
        self._send = send
        self._threads = threads
        self._shared = shared
        self._jobs: list[EncodeJob] = []
        self._encoder: Encoder | None = None
        self._stamp: tuple[int, ...] = ()
        self._at_work: EncodeJob | None = None
        self._owed_s = 0.0
        self._used_at = 0.0
        self._pools: dict[tuple[int, ...], bool] = {}

    @property
    def idle(self) -> bool:
        """Nothing waits."""
        return not self._jobs

    def rest_s(self) -> float | None:
        """Return for how long the encoder stays when nothing comes, None when there is none."""
        if self._encoder is None:
            return None
        return max(0.0, self._used_at + _KEPT_S - time.monotonic())

    def submit(self, order: p.Embed | p.Rerank) -> None:
        """Queue texts."""
        self._jobs.append(EncodeJob(order))

    def cancel(self, number: int) -> None:
        """Give up a job, if it is one of these; any thread may call it."""
        for job in list(self._jobs):
            if job.order.id == number:
                job.cancelled = True
                if job is self._at_work and (encoder := self._encoder) is not None:
                    encoder.abort()

    def serves(self, spec: ModelSpec) -> bool:
        """Tell whether ``spec`` is an encoder by its own file: one that says how it pools."""
        known = stamp(spec.path)
        if known not in self._pools:
            self._pools[known] = bool(Header(spec.path).number("{arch}.pooling_type"))
        return self._pools[known]

    def answer(self, order: AboutText, keep_on: Callable[[], bool]) -> None:
        """Answer at once; the encoder is loaded when it is not there.

        Raises:
            DesktopSlmError, InterruptedError: It cannot be loaded.
        """
        started = time.perf_counter()
        encoder = self._use(order.model, keep_on)
        if isinstance(order, p.Load):
            self._send(p.Ready(id=order.id, loaded=_about(encoder, time.perf_counter() - started)))
        else:
            self._send(about_text(encoder.model, order))

    def step(self, *, watched: bool, elapsed_s: float) -> None:
        """Compute a slice, unless the chat has to be given back its time.

        Args:
            watched: Someone waits for an answer.
            elapsed_s: What the chat has had since the last call.
        """
        self._owed_s = max(0.0, self._owed_s - elapsed_s) if watched else 0.0
        for job in [job for job in self._jobs if job.cancelled]:
            self._jobs.remove(job)
            self._send(p.Dropped(id=job.order.id))
        if not self._jobs or self._owed_s > 0:
            return
        started = time.perf_counter()
        self._at_work = job = self._next()
        try:
            self._advance(job, _WATCHED_TOKENS if watched else BATCH_TOKENS)
        except InterruptedError:
            pass  # dropped by the next step
        except DesktopSlmError as error:
            self._jobs.remove(job)
            self._send(p.failure(job.order.id, error))
        self._at_work = None
        self._owed_s = time.perf_counter() - started
        self._used_at = time.monotonic()

    def let_go(self, model: Model | None = None) -> None:
        """Free the encoder; with ``model``, only if it shares the weights of that one."""
        if self._encoder is not None and (model is None or self._encoder.model is model):
            self._encoder.close()
            self._encoder = None

    def _next(self) -> EncodeJob:
        """Return the job with the fewest texts left (a question before a document) of the model at hand."""
        at_hand = [job for job in self._jobs if self._holds(job.order.model)]
        return min(at_hand or self._jobs[:1], key=lambda job: job.texts_left)

    def _advance(self, job: EncodeJob, limit_tokens: int) -> None:
        encoder = self._use(job.order.model, lambda: not job.cancelled)
        encoder.prepare(job)
        if not job.done:
            encoder.step(job, limit_tokens, self._threads())
        if job.done:
            self._jobs.remove(job)
            self._send(job.answer())

    # The encoder

    def _holds(self, spec: ModelSpec) -> bool:
        encoder = self._encoder
        return encoder is not None and _same(encoder.spec, spec) and self._stamp == stamp(spec.path)

    def _use(self, spec: ModelSpec, keep_on: Callable[[], bool]) -> Encoder:
        self._used_at = time.monotonic()
        if self._encoder is not None and self._holds(spec):
            return self._encoder
        self.let_go()
        self._stamp = stamp(spec.path)
        shared = self._shared()
        if shared is not None and _same(shared.spec, spec):
            place = Placement(shared.loaded.device, shared.loaded.reason, shared.loaded.n_gpu_layers)
            self._encoder = Encoder(spec, shared.model, place, owned=False)
            return self._encoder
        try:
            self._encoder = self._ladder.load(
                spec, keep_on, lambda rung: Encoder(spec, rung.model, rung.place, owned=True)
            )
        finally:
            self._log.stop()
        return self._encoder


def _same(one: ModelSpec, other: ModelSpec) -> bool:
    return one.path == other.path and one.n_gpu_layers == other.n_gpu_layers


def _about(encoder: Encoder, load_s: float) -> Loaded:
    model, place = encoder.model, encoder.place
    return Loaded(
        path=encoder.spec.path,
        n_ctx=model.n_ctx_train,
        n_ctx_train=model.n_ctx_train,
        device=place.device,
        reason=place.reason,
        n_gpu_layers=place.n_gpu_layers,
        weights_bytes=model.size_bytes,
        kv_bytes=0,
        compute_bytes=0,
        load_s=load_s,
        has_template=bool(model.template),
    )
