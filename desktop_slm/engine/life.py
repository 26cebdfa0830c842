"""One life of the worker process, and the jobs that it owns.

Pending jobs live here, not in the client: what a dead worker's reader thread still delivers can then never
reach a job of its successor.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from desktop_slm.engine import protocol as p
from desktop_slm.engine.api import EngineEvent, Finished, Loaded, Text
from desktop_slm.errors import (
    ContextExceeded,
    DesktopSlmError,
    EngineCrashed,
    EngineError,
    EngineUnresponsive,
    InvalidRequest,
    LoadFailed,
    ModelInvalid,
    ModelUnsupported,
)
from desktop_slm.processes.child import Child, ChildGone, Death
from desktop_slm.processes.sandbox import SandboxLevel
from desktop_slm.processes.wire import FrameError

WORKER = "desktop_slm.engine.worker"
_TICK_S = 0.25
# What can hang within C, beyond the reach of a cancel.
_LIMITS = {"template": (2.0, "The model's chat template"), "grammar": (10.0, "The form of the answer")}
_START_LIMIT_S = 30.0
# Keeps drivers from being touched; Metal has no such thing.
_HIDDEN_GPUS = {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1", "GGML_VK_VISIBLE_DEVICES": ""}
_ERRORS: dict[str, type[DesktopSlmError]] = {
    error.code: error for error in (LoadFailed, ModelInvalid, ModelUnsupported, InvalidRequest, EngineError)
}
WITHOUT_GPU = "Try again: this model will run without the GPU until the application is started anew."
TRY_AGAIN = "Try again. If it happens once more, choose a smaller model or a shorter context."


class Ticket:
    """Where the answers to one order go.

    Items are events, the final answer, or an error; ``index`` tells the jobs of one call apart.
    """

    def __init__(self, number: int, index: int, box: queue.SimpleQueue[tuple[int, Any]]) -> None:
        self.id = number
        self.index = index
        self._box = box
        self.cancelled_at = 0.0

    def put(self, item: Any) -> None:
        """Deliver."""
        self._box.put((self.index, item))


class Life:
    """A worker process from start to death.

    Args:
        opening: What it may read and write.
        silence_limit_s: Without a sign of life for so long while jobs are open, it is ended.
        cancel_limit_s: So long may a cancelled job go on.
        on_death: Called once, after every open job has got its error.
    """

    def __init__(
        self,
        opening: p.Open,
        *,
        silence_limit_s: float,
        cancel_limit_s: float,
        on_death: Callable[[Life, Death], None],
    ) -> None:
        self.opening = opening
        self.loaded: Loaded | None = None
        self.model = ""  # the one that is loaded, or being loaded
        self.level: SandboxLevel | None = None
        self.retired = False
        self.gpu_trial = ""  # the model that has been put on the GPU and has not computed yet
        self.unresponsive = ""
        self._silence_limit_s = silence_limit_s
        self._cancel_limit_s = cancel_limit_s
        self._on_death = on_death
        self._lock = threading.Lock()
        self._open: dict[int, Ticket] = {}
        self._dead: EngineError | None = None
        self._heard_at = time.monotonic()
        self._over = threading.Event()
        self.child: Child[p.AnyAnswer] = Child(
            WORKER,
            name="inference worker",
            receives=p.AnyAnswer,
            on_message=self._receive,
            on_death=self._die,
            variables=_HIDDEN_GPUS if opening.no_gpu else None,
            frame_limit_bytes=p.FRAME_LIMIT_BYTES,
        )
        with contextlib.suppress(ChildGone):
            self.child.send(opening)
        threading.Thread(target=self._watch, name="inference worker monitor", daemon=True).start()

    @property
    def usable(self) -> bool:
        """Whether new orders may go to it."""
        return self._dead is None and not self.retired and self.child.alive

    def submit(self, order: p.Order, ticket: Ticket) -> bool:
        """Send an order; whatever happens then, its ticket gets an answer or an error.

        Returns:
            Whether it was taken; not by a worker that has been retired and has nothing left to do.
        """
        with self._lock:
            if self.retired and not self._open:
                return False
            if self._dead is not None:
                ticket.put(self._dead)
                return True
            if not self._open:
                self._heard_at = time.monotonic()
            self._open[ticket.id] = ticket
        try:
            self.child.send(order)
        except ChildGone:
            pass  # its death delivers the error
        except FrameError:
            error = InvalidRequest("The text is too long to be handed over", "Take a part of it.")
            self._deliver(ticket.id, error, final=True)
        return True

    def cancel(self, number: int) -> None:
        """Ask the worker to give up an order; after the limit the monitor ends the worker."""
        with self._lock:
            ticket = self._open.get(number)
            if ticket is None or ticket.cancelled_at:
                return
            ticket.cancelled_at = time.monotonic()
        # Not on the caller's thread: the pipe of a hung worker may be full.
        threading.Thread(target=self._send_cancel, args=(number,), daemon=True).start()

    def _send_cancel(self, number: int) -> None:
        with contextlib.suppress(ChildGone):
            self.child.send(p.Cancel(id=number))

    def retire(self) -> None:
        """Take no more orders; end when the open ones are done."""
        with self._lock:
            self.retired = True
            done = not self._open
        if done:
            threading.Thread(target=self.stop, name="retire worker", daemon=True).start()

    def stop(self) -> None:
        """End the worker; open orders get `EngineCrashed`."""
        self.child.stop(grace_s=1.0)

    # On the child's reader thread

    def _receive(self, message: p.AnyAnswer) -> None:
        self._heard_at = time.monotonic()
        match message:
            case p.Beat(stage, stage_s):
                limit_s, what = _LIMITS.get(stage, (math.inf, ""))
                if stage_s > limit_s:
                    self._end(f"{what} did not finish in {limit_s:g} seconds")
            case p.Opened(level):
                self.level = level
            case p.Events(items):
                if any(isinstance(event, Text) for _, event in items):
                    self.gpu_trial = ""
                for number, event in items:
                    self._deliver(number, event, final=isinstance(event, Finished))
            case p.Failed():
                self._deliver(message.id, _error(message), final=True)
            case p.Loading(path):
                self.loaded, self.model = None, path
            case p.Trying(path):
                self.gpu_trial = path
            case p.Ready(id=0):  # the model that writes has changed
                self.loaded, self.model = message.loaded, message.loaded.path
            case p.Vectors() | p.Scores() | p.Measured():
                self.gpu_trial = ""
                self._deliver(message.id, message, final=True)
            case _:
                self._deliver(message.id, message, final=True)

    def _deliver(self, number: int, item: EngineEvent | p.Answer | DesktopSlmError, *, final: bool) -> None:
        with self._lock:
            ticket = self._open.pop(number, None) if final else self._open.get(number)
            done = final and self.retired and not self._open
        if ticket is not None:
            ticket.put(item)
        if done:
            threading.Thread(target=self.stop, name="retire worker", daemon=True).start()

    def _die(self, death: Death) -> None:
        error: EngineError
        if self.unresponsive:
            error = EngineUnresponsive(self.unresponsive, TRY_AGAIN)
        else:
            title = f"The model's process {death.reason}"
            again = WITHOUT_GPU if self.gpu_trial else TRY_AGAIN
            error = EngineCrashed(title, again, signal=death.signal, log=death.log)
        with self._lock:
            self._dead = error
            tickets = list(self._open.values())
            self._open.clear()
        self._over.set()
        self._on_death(self, death)
        for ticket in tickets:
            ticket.put(error)

    # On the monitor's thread

    def _watch(self) -> None:
        """End a worker that is silent while it has work, or that does not give up a cancelled job."""
        last = time.monotonic()
        while not self._over.wait(_TICK_S):
            now = time.monotonic()
            if now - last > 4 * _TICK_S:  # we slept (suspend, or a starved computer): so did the worker
                self._heard_at = now
            last = now
            with self._lock:
                cancelled = [t.cancelled_at for t in self._open.values() if t.cancelled_at]
                waiting = bool(self._open)
            limit = self._silence_limit_s if self.level else max(_START_LIMIT_S, self._silence_limit_s)
            if cancelled and now - min(cancelled) > self._cancel_limit_s:
                self._end("The model did not stop when asked and was ended")
            elif waiting and now - self._heard_at > limit:
                self._end(f"The model's process gave no sign of life for {limit:g} seconds and was ended")

    def _end(self, why: str) -> None:
        self.unresponsive = self.unresponsive or why
        self.child.kill(why)


def _error(failed: p.Failed) -> DesktopSlmError:
    if failed.code == ContextExceeded.code:
        error = ContextExceeded(failed.needed, failed.available)
        error.title = failed.title
        return error
    return _ERRORS.get(failed.code, EngineError)(failed.title, failed.message)
