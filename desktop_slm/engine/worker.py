"""The inference worker: the child process that holds the model.

Order of its life: receive `Open`, load the libraries, confine itself (from then on it can open no socket,
start no program, write nothing, and read only code and model folders), listen, work. Orders arrive on the
channel's thread; counting tokens and cancelling happen there, at once; everything else on the main thread,
between two steps of the scheduler.
"""

from __future__ import annotations

import glob
import queue
import sys
import threading
import time
from collections.abc import Collection

from desktop_slm.engine import calibrate, chain, forms, hardware, llama, sampling
from desktop_slm.engine import protocol as p
from desktop_slm.engine.api import EngineEvent, GenerateRequest, Hardware, Message, ModelSpec
from desktop_slm.engine.encoding import Encoding
from desktop_slm.engine.job import Job
from desktop_slm.engine.ladder import Ladder
from desktop_slm.engine.loading import LoadedModel, Loader
from desktop_slm.engine.prefix import common_length
from desktop_slm.engine.spans import about_text
from desktop_slm.errors import (
    ContextExceeded,
    DesktopSlmError,
    InvalidRequest,
    ModelUnsupported,
)
from desktop_slm.processes import priority, sandbox, selftest
from desktop_slm.processes.child import Channel

_BEAT_S = 1.0
_GPU_DEVICES = ("/dev/nvidia*", "/dev/dri", "/dev/kfd")
_GPU_FILES = ("/usr/share", "/usr/local/cuda", "/etc", "/opt/rocm", "/sys", "/proc")


def main(channel: Channel) -> None:
    """Serve until the app goes away."""
    priority.lower()
    opening: p.Open = channel.receive(p.Open)
    gpu = llama.supports_gpu()
    level = sandbox.restrict(
        [*opening.read_paths, *(_GPU_FILES if gpu else ())],
        opening.write_paths,
        device_paths=[path for pattern in _GPU_DEVICES for path in glob.glob(pattern)] if gpu else (),  # noqa: PTH207
        allow_unix_sockets=gpu,
    )
    channel.frame_limit_bytes = p.FRAME_LIMIT_BYTES
    worker = Worker(channel, opening.n_threads, opening.without_gpu)
    channel.subscribe(p.AnyOrder, worker.receive)
    worker.start(opening.no_gpu)
    channel.send(p.Opened(level))
    worker.serve()


class Worker:
    """Takes orders and answers them."""

    def __init__(self, channel: Channel, n_threads: int, without_gpu: Collection[str] = ()) -> None:
        self._channel = channel
        self._n_threads = n_threads or hardware.physical_cores()
        self._orders: queue.SimpleQueue[p.Order] = queue.SimpleQueue()
        self._held: list[p.Order] = []  # orders for another model than the one in use
        self._later: list[p.Measure] = []  # done when nothing else is to be done
        self._current: LoadedModel | None = None
        self._model_lock = threading.Lock()  # held while the model changes, and while one is read from
        self._cancelled: set[int] = set()
        self._stage: p.Stage = "starting"
        self._stage_since = time.monotonic()
        self._log = llama.Log()
        self._ladder = Ladder(self._log, self._tell_gpu_trial, without_gpu)
        self._loader = Loader(
            self._log, self._n_threads, self._ladder, emit=self.emit, template_runs=self.template_runs
        )
        self._encoding = Encoding(
            self._ladder,
            self._log,
            send=channel.send,
            threads=self._threads_now,
            shared=lambda: self._current,
        )
        self._calibrator = calibrate.Calibrator(self._loader, self._log, self._n_threads)

    # On the channel's thread

    def receive(self, order: p.Order) -> None:
        """Take an order: answer it at once, or leave it to the main thread."""
        match order:
            case p.Cancel():
                self._cancel(order.id)
            case p.CountTexts() | p.FindSpans():
                if not self._answer_at_once(order):
                    self._queue(order)
            case _:
                self._queue(order)

    def _queue(self, order: p.Order) -> None:
        """Leave an order to the main thread; a measurement gives way to it, and background work soon does."""
        self._orders.put(order)
        self._calibrator.abort()
        current = self._current
        if current and _is_waited_for(order) and current.scheduler.hurry():
            current.context.abort()

    def _cancel(self, number: int) -> None:
        self._cancelled.add(number)
        current = self._current
        job = current.scheduler.find(number) if current else None
        if current and job:
            job.cancelled = True
            if current.scheduler.worth_aborting():
                current.context.abort()
        self._encoding.cancel(number)
        self._queue(p.Cancel(id=number))  # wakes the main thread

    def _answer_at_once(self, order: p.CountTexts | p.FindSpans) -> bool:
        if not self._model_lock.acquire(blocking=False):
            return False
        try:
            if self._current is None or not self._holds(order.model):
                return False
            self._channel.send(about_text(self._current.model, order))
            return True
        finally:
            self._model_lock.release()

    # On the main thread

    def start(self, no_gpu: str = "") -> None:
        """Load the backends and show signs of life; ``no_gpu`` is why no GPU may be used."""
        self._log.start()
        llama.start_backend()
        self._log.stop()
        self._ladder.startup_lines, self._ladder.no_gpu = list(self._log.lines), no_gpu
        self._enter("idle")
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def serve(self) -> None:
        """Work for ever."""
        while True:
            scheduler = self._current.scheduler if self._current else None
            busy = scheduler is not None and not scheduler.idle
            busy = busy or not self._encoding.idle
            self._take_orders(wait=not busy and not self._held and not self._later)
            if self._held and (scheduler is None or scheduler.idle):
                held, self._held = self._held, []
                for order in held:
                    self._carry_out(order)
            if self._step():
                continue
            if self._later:
                self._carry_out(self._later.pop(0))
            else:
                self._enter("idle")

    def _step(self) -> bool:
        """Compute one batch of each resident model; False when there was nothing to do."""
        scheduler = self._current.scheduler if self._current else None
        started = time.perf_counter()
        if writes := scheduler is not None and not scheduler.idle:
            self._enter("decoding")
            scheduler.step()
        if self._encoding.idle:
            return writes
        self._enter("embedding")
        watched = scheduler is not None and scheduler.watched
        self._encoding.step(watched=watched, elapsed_s=time.perf_counter() - started)
        return True

    def emit(self, items: list[tuple[int, EngineEvent]]) -> None:
        """Send events of generate jobs."""
        self._channel.send(p.Events(tuple(items)))

    def _tell_gpu_trial(self, path: str) -> None:
        self._channel.send(p.Trying(path))

    def template_runs(self, running: bool) -> None:
        """Foreign template code begins or ends: the app ends this process when it takes too long."""
        self._enter("template" if running else "tokenizing")

    def _enter(self, stage: p.Stage) -> None:
        self._stage_since = time.monotonic()
        self._stage = stage

    def _beat(self) -> None:
        while True:
            if self._stage != "idle" or not self._orders.empty():
                self._channel.send(p.Beat(self._stage, time.monotonic() - self._stage_since))
            time.sleep(_BEAT_S)

    def _take_orders(self, wait: bool) -> None:
        if wait:
            try:
                self._carry_out(self._orders.get(timeout=self._encoding.rest_s()))
            except queue.Empty:
                self._encoding.let_go()
        while not self._orders.empty():
            self._carry_out(self._orders.get())

    def _carry_out(self, order: p.Order) -> None:
        """Do what an order asks; what it cannot do becomes its answer."""
        if order.id in self._cancelled and not isinstance(order, p.Cancel):
            self._cancelled.discard(order.id)
            self._channel.send(p.Dropped(id=order.id))
            return
        try:
            self._act(order)
        except InterruptedError:
            self._cancelled.discard(order.id)
            self._channel.send(p.Dropped(id=order.id))
        except DesktopSlmError as error:
            self._channel.send(p.failure(order.id, error))

    def _act(self, order: p.Order) -> None:
        match order:
            case p.Cancel():
                self._finish_cancel(order.id)
            case p.Load() | p.CountTexts() | p.FindSpans() if self._for_encoder(order.model):
                self._enter("loading")
                self._encoding.answer(order, lambda: order.id not in self._cancelled)
            case p.Load(model=spec):
                if self._use(spec, order) and self._current:
                    self._channel.send(p.Ready(id=order.id, loaded=self._current.loaded))
            case p.Generate():
                if self._use(order.request.model, order) and self._current:
                    self._submit(order, self._current)
            case p.CountTexts() | p.FindSpans():
                if self._use(order.model, order) and self._current:
                    self._channel.send(about_text(self._current.model, order))
            case p.CountPrompt():
                if self._use(order.model, order) and self._current:
                    prompt = self._current.template.prompt(order.messages)
                    self._channel.send(p.Counts(id=order.id, counts=(len(prompt.tokens),)))
            case p.Embed() | p.Rerank():
                self._encoding.submit(order)
            case p.KeptTokens() | p.SaveState():
                current = self._current if self._current and self._current.spec == order.model else None
                self._channel.send(_about_conversation(current, order))
            case p.RestoreState():
                if self._use(order.model, order) and self._current:
                    count = self._current.restore_state(order.conversation, order.state)
                    self._channel.send(p.Counts(id=order.id, counts=(count,)))
            case p.Forget():
                if self._current:
                    self._current.scheduler.forget(order.conversation)
                self._channel.send(p.Counts(id=order.id, counts=()))
            case p.Measure():
                self._measure(order)
            case p.Quantize():
                self._enter("quantizing")
                llama.quantize(order.source, order.target, order.file_type, self._n_threads, self._log)
                self._channel.send(p.Written(id=order.id))
            case p.Describe():
                self._channel.send(p.Described(id=order.id, hardware=self._describe()))
            case p.ProveWalls():
                walls = p.Walls(
                    id=order.id, attempts=selftest.probe(order.paths), modules=tuple(sorted(sys.modules))
                )
                self._channel.send(walls)
            case _:
                raise InvalidRequest("The worker does not know this order")

    def _finish_cancel(self, number: int) -> None:
        """Answer for an order that waits for its model; a job is ended by the scheduler's next step."""
        job = self._current.scheduler.find(number) if self._current else None
        if job is not None:
            job.cancelled = True
        self._encoding.cancel(number)
        for held in [held for held in self._held if held.id == number]:
            self._held.remove(held)
            self._channel.send(p.Dropped(id=number))
        for later in [later for later in self._later if later.id == number]:
            self._later.remove(later)
            self._channel.send(p.Dropped(id=number))
        self._cancelled.discard(number)

    def _use(self, spec: ModelSpec, order: p.Order) -> bool:
        """Have ``spec`` in memory; False when the order was put back until other jobs are done."""
        if self._holds(spec) and not self._held:
            return True
        if self._current is not None and not self._current.scheduler.idle:
            self._held.append(order)
            return False
        if not self._holds(spec):
            self._load(spec, order.id)
        return True

    def _holds(self, spec: ModelSpec) -> bool:
        """Tell whether ``spec`` is in memory, as its file is now."""
        return self._current is not None and self._current.spec == spec and not self._current.changed()

    def _for_encoder(self, spec: ModelSpec) -> bool:
        """Tell whether an order about a model goes to the encoder beside the one that writes."""
        return not (self._current and self._current.spec == spec) and self._encoding.serves(spec)

    # Loading

    def _load(self, spec: ModelSpec, number: int) -> None:
        self._enter("loading")
        self._free(spec.path)
        if not calibrate.fits_beside(spec):
            self._encoding.let_go()
        with self._model_lock:
            self._log.start()
            try:
                self._current = self._loader.load(spec, lambda: number not in self._cancelled)
                self._channel.send(p.Ready(id=0, loaded=self._current.loaded))
            finally:
                self._log.stop()
                self._enter("idle")

    def _free(self, path: str) -> None:
        """Let the model go, for the one at ``path``."""
        self._channel.send(p.Loading(path))
        with self._model_lock:
            if self._current is not None:
                self._encoding.let_go(self._current.model)
                self._current.close()
                self._current = None

    # Work

    def _submit(self, order: p.Generate, current: LoadedModel) -> None:
        request = order.request
        if not current.context.writes:
            raise ModelUnsupported("This model cannot write text", "Choose a chat model for this.")
        arrived = time.perf_counter()
        adapters = current.context.adapters.ready(request.adapters)
        grammar = forms.grammar_of(request)  # leaves no room for thoughts
        prompt = current.template.prompt(
            request.messages, prefill=request.prefill, reasoning=request.reasoning and not grammar
        )
        tokens = current.scheduler.respelled(request.conversation, prompt.tokens)
        if len(tokens) + 1 > current.context.n_ctx:
            raise ContextExceeded(len(tokens) + 1, current.context.n_ctx)
        if not tokens:
            raise InvalidRequest("There is nothing to answer", "Write a message first.")
        job = Job(
            order.id,
            request,
            tokens,
            self._sampler(request, current, grammar, tokens),
            prompt.stream(request.stop),
            arrived,
            _settled(current, request, prompt.tokens) + len(tokens) - len(prompt.tokens),
            failed=lambda error: self._channel.send(p.failure(order.id, error)),
        )
        job.adapters = adapters
        current.scheduler.submit(job)
        job.cancelled = order.id in self._cancelled

    def _sampler(
        self, request: GenerateRequest, current: LoadedModel, grammar: str, tokens: list[int]
    ) -> chain.Sampler:
        model = current.model
        settings = sampling.sampling_of(request, model.metadata)
        seed = sampling.random_seed() if settings.seed is None else settings.seed
        return chain.Sampler(
            model,
            settings,
            seed,
            grammar,
            history=tokens,
            weighs=bool(request.choices),
            grammar_runs=self._grammar_runs,
        )

    def _grammar_runs(self, running: bool) -> None:
        """Work on a grammar begins or ends: the app ends this process when it takes too long."""
        self._enter("grammar" if running else "decoding")

    def _measure(self, order: p.Measure) -> None:
        """Measure a model when there is nothing else to do; what comes meanwhile is done first."""

        def nothing_came() -> bool:
            return self._orders.empty()

        busy = bool(self._current and not self._current.scheduler.idle) or not self._encoding.idle
        if self._held or busy or not nothing_came():
            self._later.append(order)
            return
        if self._current and self._current.spec != order.model and not calibrate.fits_beside(order.model):
            self._free(order.model.path)
        self._enter("decoding")
        try:
            probe = self._calibrator.measure(order.model, self._current, nothing_came)
        except InterruptedError:
            self._later.append(order)
            return
        self._channel.send(p.Measured(id=order.id, probe=probe))

    def _threads_now(self) -> int:
        """Return how many threads are of use at present, as learned from what has been computed."""
        tuner = self._current.tuner if self._current else None
        return tuner.threads if tuner else self._n_threads

    def _describe(self) -> Hardware:
        total, free = hardware.memory()
        found = llama.devices()
        cpu = next((device for device in found if device.kind == "cpu"), None)
        device, reason = self._ladder.place_without_model()
        if self._current is not None:
            device, reason = self._current.loaded.device, self._current.loaded.reason
        return Hardware(
            cpu_name=cpu.description if cpu else "",
            cpu_features=tuple(llama.cpu_features()),
            physical_cores=hardware.physical_cores(),
            ram_total_bytes=total or (cpu.total_bytes if cpu else 0),
            ram_free_bytes=free or (cpu.free_bytes if cpu else 0),
            devices=tuple(found),
            device=device,
            reason=reason,
            threads=self._threads_now(),
            engine_version=llama.version(),
        )


def _about_conversation(current: LoadedModel | None, order: p.KeptTokens | p.SaveState) -> p.Counts | p.Saved:
    if isinstance(order, p.SaveState):
        state = current.save_state(order.conversation, order.limit_bytes) if current else None
        return p.Saved(id=order.id, state=state)
    count = current.scheduler.kept_tokens(order.conversation) if current else 0
    return p.Counts(id=order.id, counts=(count,))


def _settled(current: LoadedModel, request: GenerateRequest, tokens: list[int]) -> int:
    """Return how much of a prompt its conversation's next one begins with, whatever is answered and asked.

    Thoughts are left out of it, and what a template puts before them.
    """
    if not request.conversation:
        return 0
    following = (*request.messages, Message("assistant", "A"), Message("user", "Q"))
    return common_length(tokens, current.template.prompt(following, reasoning=request.reasoning).tokens)


def _is_waited_for(order: p.Order) -> bool:
    """Tell whether somebody waits for a chat to begin: these orders come before its answer."""
    if isinstance(order, p.Generate):
        return order.request.priority == "interactive"
    return isinstance(order, p.Load | p.CountPrompt | p.KeptTokens | p.RestoreState)
