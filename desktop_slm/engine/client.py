"""The engine as the app sees it: requests go to a worker process, which is started when it is needed."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import re
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from desktop_slm.engine import protocol as p
from desktop_slm.engine.api import (
    Adapter,
    EngineEvent,
    Finished,
    GenerateRequest,
    Hardware,
    KvState,
    Loaded,
    Message,
    ModelSpec,
    Pooling,
    Probe,
    Tick,
    nothing,
)
from desktop_slm.engine.forms import check_request
from desktop_slm.engine.life import Life, Ticket
from desktop_slm.errors import (
    DesktopSlmError,
    EngineCrashed,
    EngineError,
    InvalidRequest,
    ModelInvalid,
    ModelNotFound,
)
from desktop_slm.processes import usage
from desktop_slm.processes.child import Death
from desktop_slm.processes.sandbox import SandboxLevel

DIED_AT_START = "the engine died when it started, so the graphics driver is left alone"
CRASH_LIMIT = 2
CRASH_WINDOW_S = 600.0
_SMALLEST_GGUF_BYTES = 64
_FEWEST_TOKENS, _MOST_TOKENS = 64, (1 << 31) - 1  # what the model was trained for is the limit
_MOST_THREADS = 1024
_MOST_LAYERS = 100_000
_TICK_S = 0.1
_HALVES = re.compile("[\ud800-\udfff]")

_Answer = TypeVar("_Answer", bound=p.Answer)
_Box = queue.SimpleQueue[tuple[int, Any]]


class EngineClient:
    """Implements `api.Engine` over worker processes; one life at a time serves, old ones end their jobs.

    Args:
        threads: Threads of inference, 0 for one per physical core.
        model_folders: Folders whose models one worker may read; others cost a new worker when changed to.
        silence_limit_s: Seconds without a sign of life after which a working worker is ended.
        cancel_limit_s: Seconds a cancelled job may go on before the worker is ended.
    """

    def __init__(
        self,
        *,
        threads: int = 0,
        model_folders: Sequence[str | Path] = (),
        silence_limit_s: float = 10.0,
        cancel_limit_s: float = 3.0,
    ) -> None:
        self._threads = threads
        self._folders = tuple(os.path.realpath(folder) for folder in model_folders)
        self._silence_limit_s = silence_limit_s
        self._cancel_limit_s = cancel_limit_s
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._life: Life | None = None
        self._lives: set[Life] = set()
        self._crashes: dict[str, list[float]] = defaultdict(list)
        self._users: dict[int, set[str]] = {}  # id of a life -> models asked of it
        self._gpu_crashes: set[str] = set()  # models that ended their worker on the GPU
        self._no_gpu = ""
        self._closed = False

    # The protocol

    def load(self, model: ModelSpec) -> Loaded:
        """Load ``model`` unless it is the one in memory."""
        return self._call(_checked(model), p.Load, p.Ready).loaded

    def loaded(self) -> Loaded | None:
        """Return the model in memory without waiting."""
        life = self._life
        return life.loaded if life is not None and life.usable else None

    def generate(self, request: GenerateRequest) -> Generator[EngineEvent, None, None]:
        """Answer one request; the last event is `Finished`."""
        with contextlib.closing(self.generate_many([request])) as events:
            for _, event in events:
                yield event

    def generate_many(
        self, requests: Sequence[GenerateRequest]
    ) -> Generator[tuple[int, EngineEvent], None, None]:
        """Answer several requests of one model together; yields (index of the request, event).

        Closing the generator cancels what is open. The first failure cancels the rest and is raised.
        """
        if not requests:
            return
        if any(request.model != requests[0].model for request in requests):
            raise InvalidRequest(
                "Requests that are answered together need one model", "Report this as a bug."
            )
        for request in requests:
            check_request(request)
        model = _checked(requests[0].model)
        box = _Box()
        tickets = [Ticket(next(self._numbers), index, box) for index in range(len(requests))]
        lives: list[Life] = []
        left = set(range(len(requests)))
        try:
            for ticket, request in zip(tickets, requests, strict=True):
                order = p.Generate(id=ticket.id, request=_with_files(request, model))
                adapters = [adapter.path for adapter in order.request.adapters]
                lives.append(self._submit(model.path, order, ticket, adapters))
            while left:
                index, item = box.get()
                if isinstance(item, DesktopSlmError):
                    left.discard(index)
                    raise item
                if isinstance(item, Finished | p.Dropped):
                    left.discard(index)
                if not isinstance(item, p.Dropped):
                    yield index, item
        finally:
            for life, ticket in zip(lives, tickets, strict=False):
                if ticket.index in left:
                    life.cancel(ticket.id)

    def count_tokens(self, model: ModelSpec, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, without template or special tokens."""
        return list(self._call(_checked(model), p.CountTexts, p.Counts, texts=tuple(texts)).counts)

    def count_prompt(self, model: ModelSpec, messages: Sequence[Message]) -> int:
        """Count the tokens of a conversation as the chat template renders it."""
        return self._call(_checked(model), p.CountPrompt, p.Counts, messages=tuple(messages)).counts[0]

    def tokenize_spans(self, model: ModelSpec, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) of each token in ``text``, in code points; together they cover it."""
        text = _HALVES.sub("\ufffd", text)  # one for one, so that the numbers are those of the caller's text
        ends = self._call(_checked(model), p.FindSpans, p.Spans, text=text).ends
        return list(zip((0, *ends), ends, strict=False))

    def kept_tokens(self, model: ModelSpec, conversation: str) -> int:
        """Return how many tokens are kept for ``conversation``; 0 when its model is not in memory."""
        if not self._in_memory(model):
            return 0
        return self._call(_checked(model), p.KeptTokens, p.Counts, conversation=conversation).counts[0]

    def save_state(self, model: ModelSpec, conversation: str, limit_bytes: int = 0) -> KvState | None:
        """Return the KV state kept for ``conversation``; None when there is none, or it is over the limit."""
        if not self._in_memory(model):
            return None
        fields = {"conversation": conversation, "limit_bytes": limit_bytes}
        return self._call(_checked(model), p.SaveState, p.Saved, **fields).state

    def restore_state(self, model: ModelSpec, conversation: str, state: KvState) -> int:
        """Take a saved state back into the cache; return its tokens, 0 when it does not fit this model."""
        if len(state.data) > p.STATE_LIMIT_BYTES or len(state.tokens) > p.STATE_LIMIT_BYTES >> 7:
            return 0
        fields = {"conversation": conversation, "state": state}
        return self._call(_checked(model), p.RestoreState, p.Counts, **fields).counts[0]

    def forget(self, conversation: str) -> None:
        """Drop what is kept for ``conversation``: at once, or when its job ends; waits for nothing."""
        life = self._life
        if conversation and life is not None and life.usable:
            order = p.Forget(id=next(self._numbers), conversation=conversation)
            life.submit(order, Ticket(order.id, 0, _Box()))

    def probe(self, model: ModelSpec, tick: Tick = nothing) -> Probe:
        """Measure for a second or two how fast ``model`` reads and writes here, when nothing else runs."""
        model = _checked(model)
        order = p.Measure(id=next(self._numbers), model=model)
        return self._ask(model.path, order, p.Measured, tick).probe

    def rerank(self, model: ModelSpec, query: str, texts: Sequence[str]) -> list[float]:
        """Return how well each text answers ``query``, by a reranking model: higher is better."""
        fields = {"query": query, "texts": tuple(texts)}
        return list(self._call(_checked(model), p.Rerank, p.Scores, **fields).scores)

    def embed(self, model: ModelSpec, texts: Sequence[str], pooling: Pooling = "model") -> list[list[float]]:
        """Return one L2-normalized vector per text."""
        answer = self._call(_checked(model), p.Embed, p.Vectors, texts=tuple(texts), pooling=pooling)
        return [list(vector) for vector in answer.vectors]

    def quantize(self, source: str, target: str, file_type: str, tick: Tick = nothing) -> None:
        """Write ``source`` anew as ``target`` in the layout ``file_type``, in a worker of its own.

        That worker alone may write, and only into the target's folder.
        """
        _check_file(source)
        if _real(source) == _real(target):
            raise InvalidRequest("A model cannot be written over itself", "Choose another file.")
        folder = os.path.realpath(Path(target).parent)
        life = self._start((_folder(source),), (folder,))
        try:
            number = next(self._numbers)
            order = p.Quantize(id=number, source=_real(source), target=_real(target), file_type=file_type)
            box = _Box()
            life.submit(order, Ticket(order.id, 0, box))
            _wait(life, order, box, p.Written, tick)
        finally:
            life.stop()

    def hardware(self) -> Hardware:
        """Tell what this computer is and what inference runs on."""
        return self._ask("", p.Describe(id=next(self._numbers)), p.Described).hardware

    def memory_bytes(self) -> int:
        """Return the resident memory of the worker, 0 when none runs."""
        life = self._life
        used = usage.of_process(life.child.pid) if life is not None and life.usable else None
        return used.rss_bytes if used else 0

    def unload(self) -> None:
        """End the worker and free its memory; the next call starts a new one."""
        with self._lock:
            lives, self._life = list(self._lives), None
        for life in lives:
            life.stop()

    def close(self) -> None:
        """End everything."""
        self._closed = True
        self.unload()

    # For doctor, tests and benchmarks

    def sandbox_level(self) -> SandboxLevel | None:
        """Return how far the worker is confined, None when none runs."""
        return self._life.level if self._life is not None else None

    def prove_walls(self, paths: Sequence[str] = ()) -> p.Walls:
        """Let the worker try what it must not be able to do; see `protocol.Walls`."""
        return self._ask("", p.ProveWalls(id=next(self._numbers), paths=tuple(paths)), p.Walls)

    def worker_pid(self) -> int:
        """Return the process id of the worker, 0 when none runs."""
        life = self._life
        return life.child.pid if life is not None and life.usable else 0

    def _in_memory(self, model: ModelSpec) -> bool:
        """Tell whether asking about ``model`` costs no other worker, nor the one that it needs."""
        loaded = self.loaded()
        return loaded is not None and loaded.path == _real(model.path)

    # Lives

    def _life_for(self, path: str, adapters: Sequence[str] = ()) -> Life:
        """Return a worker that may read the model at ``path``; any will do when that is empty.

        It may also read the ``adapters``.

        Raises:
            EngineCrashed: The model has ended its worker too often; said once, who asks again wants it.
        """
        self._refuse_crash_loop(path)
        with self._lock:
            if self._closed:
                raise EngineError("The engine is closed", "Start the application again.")
            life = self._life
            files = [file for file in (path, *adapters) if file]
            if life is None or not life.usable or not all(_may_read(life, file) for file in files):
                if life is not None and life.usable:
                    life.retire()
                asked = [folder for file in files for folder in (_folder(file), _given_folder(file))]
                # A folder that is not there yet cannot be opened to the worker: it costs a new one.
                folders = dict.fromkeys([*self._folders, *asked])
                there = tuple(folder for folder in folders if Path(folder).is_dir())
                life = self._life = self._start(there)
            if path:
                self._users.setdefault(id(life), set()).add(path)
            return life

    def _start(self, read_paths: tuple[str, ...], write_paths: tuple[str, ...] = ()) -> Life:
        without_gpu = tuple(sorted(self._gpu_crashes))
        life = Life(
            p.Open(read_paths, write_paths, self._threads, without_gpu, self._no_gpu),
            silence_limit_s=self._silence_limit_s,
            cancel_limit_s=self._cancel_limit_s,
            on_death=self._on_death,
        )
        self._lives.add(life)
        return life

    def _on_death(self, life: Life, death: Death) -> None:
        self._lives.discard(life)
        models = self._users.pop(id(life), set())
        if death.reason == "was stopped":
            return
        if life.gpu_trial:
            self._gpu_crashes.add(life.gpu_trial)
            return  # it will be loaded without the GPU: that is not the same thing once more
        if life.level is None:
            self._no_gpu = DIED_AT_START
        for model in {life.model} if life.model else models:
            self._crashes[model].append(time.monotonic())

    def _refuse_crash_loop(self, path: str) -> None:
        now = time.monotonic()
        recent = [at for at in self._crashes.get(path, ()) if now - at < CRASH_WINDOW_S]
        if len(recent) >= CRASH_LIMIT:
            self._crashes.pop(path, None)
            raise EngineCrashed(
                f"The model has crashed {len(recent)} times within 10 minutes",
                "Choose another model, or try this one once more.",
            )

    # Calls with one answer

    def _call(self, model: ModelSpec, order: Any, answer: type[_Answer], **fields: Any) -> _Answer:
        return self._ask(model.path, order(id=next(self._numbers), model=model, **fields), answer)

    def _ask(self, path: str, order: p.Order, answer: type[_Answer], tick: Tick | None = None) -> _Answer:
        box = _Box()
        life = self._submit(path, order, Ticket(order.id, 0, box))
        return _wait(life, order, box, answer, tick)

    def _submit(self, path: str, order: p.Order, ticket: Ticket, adapters: Sequence[str] = ()) -> Life:
        """Hand an order to a worker that may read ``path`` and the ``adapters``.

        Between choosing one and telling it, another thread may retire it for a model in another folder.
        """
        while not (life := self._life_for(path, adapters)).submit(order, ticket):
            pass
        return life


def _wait(life: Life, order: p.Order, box: _Box, answer: type[_Answer], tick: Tick | None = None) -> _Answer:
    try:
        item = _next(box) if tick is None else _next_ticking(box, tick)
    except BaseException:
        life.cancel(order.id)
        raise
    if isinstance(item, DesktopSlmError):
        raise item
    if not isinstance(item, answer):
        raise EngineError("The model's process gave an unexpected answer", "Report this as a bug.")
    return item


def _next(box: _Box) -> Any:
    return box.get()[1]


def _next_ticking(box: _Box, tick: Tick) -> Any:
    while True:
        with contextlib.suppress(queue.Empty):
            return box.get(timeout=_TICK_S)[1]
        tick()


def _real(path: str) -> str:
    return os.path.realpath(path)


def _folder(path: str) -> str:
    return os.path.dirname(_real(path))  # noqa: PTH120 - strings all the way to the worker


def _given_folder(path: str) -> str:
    return os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120


def _may_read(life: Life, path: str) -> bool:
    folder = Path(_folder(path)) if path else None
    return folder is None or any(folder.is_relative_to(allowed) for allowed in life.opening.read_paths)


def _checked(model: ModelSpec) -> ModelSpec:
    """Return the model with its real path, after a look at the file.

    Raises:
        ModelNotFound, ModelInvalid: No file, or surely not a model.
    """
    _check_numbers(model)
    _check_file(model.path)
    return ModelSpec(
        path=_real(model.path),
        n_ctx=model.n_ctx,
        n_gpu_layers=model.n_gpu_layers,
        n_threads=model.n_threads,
    )


def _check_numbers(model: ModelSpec) -> None:
    if model.n_ctx < 0 or model.n_ctx > _MOST_TOKENS or 0 < model.n_ctx < _FEWEST_TOKENS:
        raise InvalidRequest(
            f"A context of {model.n_ctx:,} tokens is not possible",
            f"Choose {_FEWEST_TOKENS} to {_MOST_TOKENS:,}, or 0 for the usual size.",
        )
    if not 0 <= model.n_threads <= _MOST_THREADS:
        raise InvalidRequest(
            f"{model.n_threads:,} threads are not possible",
            f"Choose 1 to {_MOST_THREADS}, or 0 to leave the choice to the application.",
        )
    if not -1 <= model.n_gpu_layers <= _MOST_LAYERS:
        raise InvalidRequest(
            f"{model.n_gpu_layers:,} layers on the GPU are not possible",
            "Choose a number of layers, 0 for none, or -1 for as many as fit.",
        )


def _with_files(request: GenerateRequest, model: ModelSpec) -> GenerateRequest:
    """Return the request with the real paths of all its files."""
    for adapter in request.adapters:
        _check_file(adapter.path, "adapter")
    adapters = tuple(Adapter(_real(adapter.path), adapter.scale) for adapter in request.adapters)
    return msgspec.structs.replace(request, model=model, adapters=adapters)


def _check_file(path: str, kind: str = "model") -> None:
    """Refuse what is surely no model before a worker is started for it: 0 bytes, another kind of file."""
    again = "Download or copy it again."
    try:
        path.encode()  # worker and llama.cpp take text
        with Path(path).open("rb") as file:
            head = file.read(24)
        size_bytes = Path(path).stat().st_size
    except FileNotFoundError as error:
        raise ModelNotFound(
            f"The {kind} file is not there", f"Choose another {kind}, or add it again."
        ) from error
    except ValueError as error:
        raise ModelInvalid(
            f"The path of the {kind} file is no text", "Rename the file or its folder."
        ) from error
    except OSError as error:
        raise ModelInvalid(f"The {kind} file cannot be read", "Check the file's permissions.") from error
    if size_bytes == 0:
        raise ModelInvalid(f"The {kind} file is empty", again)
    if head[:4] != b"GGUF":
        raise ModelInvalid(f"The file is not a GGUF {kind}", "Choose a file that ends in .gguf.")
    if size_bytes < _SMALLEST_GGUF_BYTES:
        raise ModelInvalid(f"The {kind} file is cut off", again)
    version, tensors, keys = struct.unpack_from("<IQQ", head.ljust(24, b"\0"), 4)
    if version not in (2, 3) or tensors > 1_000_000 or keys > 1_000_000:
        raise ModelInvalid(f"The {kind} file is damaged, or of an unknown version", again)
