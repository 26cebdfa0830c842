"""The processes that the benchmark measures with, and measures beside."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from desktop_slm.bench import messages as m
from desktop_slm.engine.api import Engine, GenerateRequest
from desktop_slm.errors import EngineCrashed, EngineError, EngineUnresponsive
from desktop_slm.processes.child import Child, ChildGone, Death

_LIMIT_S = 120.0
_HOGS_BEGIN_S = 0.5

Answer = TypeVar("Answer")


class Instrument(Generic[Answer]):
    """A child that answers one order at a time.

    Args:
        entry: Its module.
        name: For messages.
        receives: What it answers.
        opening: The first order; what fails with it is raised, and leaves no process.
        variables: Of its environment.
    """

    def __init__(
        self,
        entry: str,
        name: str,
        receives: Any,
        opening: msgspec.Struct,
        variables: dict[str, str] | None = None,
    ) -> None:
        self._answers: queue.SimpleQueue[Answer | Death] = queue.SimpleQueue()
        self._name = name
        self._child: Child[Answer] = Child(
            entry,
            name=name,
            receives=receives,
            on_message=self._answers.put,
            on_death=self._answers.put,
            variables=variables,
        )
        try:
            self.ask(opening)
        except BaseException:
            self.close()
            raise

    def ask(self, message: msgspec.Struct) -> Answer:
        """Send an order and return the answer.

        Raises:
            EngineCrashed, EngineUnresponsive: It ended, or did not answer within two minutes.
        """
        with contextlib.suppress(ChildGone):  # its death is in the queue
            self._child.send(message)
        try:
            answer = self._answers.get(timeout=_LIMIT_S)
        except queue.Empty:
            self._child.kill()
            raise EngineUnresponsive(f"The {self._name} did not answer") from None
        if isinstance(answer, Death):
            raise EngineCrashed(f"The {self._name} {answer.reason}", log=answer.log)
        return answer

    def close(self) -> None:
        """End the process."""
        self._child.stop()


class Limit(Instrument[m.LoopAnswer]):
    """The bare loop."""

    def __init__(self, path: str, n_ctx: int, niceness: int) -> None:
        super().__init__(
            "desktop_slm.bench.bare_loop", "bare loop", m.LoopAnswer, m.Open(path, n_ctx, niceness)
        )

    def run(self, run: m.Run) -> m.Times:
        """Measure; see `messages.Run`."""
        times = self.ask(run)
        assert isinstance(times, m.Times)  # noqa: S101 - the only answer to a run
        return times


class Window(Instrument[m.WindowAnswer]):
    """The real window, drawn where nobody sees it, on an installation below ``home``."""

    def __init__(self, home: str) -> None:
        variables = {"QT_QPA_PLATFORM": "offscreen"}
        super().__init__(
            "desktop_slm.gui.bench_window", "window", m.WindowAnswer, m.OpenWindow(home), variables
        )

    def ask(self, message: msgspec.Struct) -> m.WindowAnswer:
        """Send an order and return the answer.

        Raises:
            EngineError: It says that something went wrong.
        """
        answer = super().ask(message)
        if isinstance(answer, m.Trouble):
            raise EngineError(answer.reason)
        return answer

    def write(self, text: str, n_tokens: int, seed: int) -> m.Written:
        """Let an answer be written on its chat page."""
        written = self.ask(m.Write(text, n_tokens, seed))
        assert isinstance(written, m.Written)  # noqa: S101 - the only answer
        return written

    def weigh(self) -> m.Weight:
        """Return what it uses."""
        weight = self.ask(m.Weigh())
        assert isinstance(weight, m.Weight)  # noqa: S101 - the only answer
        return weight


@contextlib.contextmanager
def hogs(count: int) -> Iterator[None]:
    """Keep ``count`` processors busy meanwhile."""
    children: list[Child[m.Ready]] = [
        Child(
            "desktop_slm.bench.hog",
            name="hog",
            receives=m.Ready,
            on_message=lambda _: None,
            on_death=lambda _: None,
        )
        for _ in range(count)
    ]
    try:
        if count:
            time.sleep(_HOGS_BEGIN_S)
        yield
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.stop()


class Background:
    """Work of the engine that nobody waits for, consumed on a thread.

    Attributes:
        over: All of it is done, or it failed.
    """

    def __init__(self, engine: Engine, requests: Sequence[GenerateRequest]) -> None:
        self.over = threading.Event()
        self._begun = threading.Event()
        self._stopping = threading.Event()
        self._error: EngineError | None = None
        self._thread = threading.Thread(
            target=self._work, args=(engine, requests), name="background work", daemon=True
        )

    def __enter__(self) -> Background:
        """Start, and return once the first of it has been computed."""
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what is left."""
        self._stopping.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _work(self, engine: Engine, requests: Sequence[GenerateRequest]) -> None:
        try:
            with contextlib.closing(engine.generate_many(requests)) as events:
                for _ in events:
                    self._begun.set()
                    if self._stopping.is_set():
                        return
        except EngineError as error:
            self._error = error
        finally:
            self.over.set()
            self._begun.set()
