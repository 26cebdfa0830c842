"""Work off the GUI thread: `Job` runs a task's generator, `run_call` one function.

Results come back as signals on the thread that made the object. A stopped job lets its task wind up and tell
what it has; one that does not is closed. Here is one of the two places that catch every exception: an
unknown one must reach the crash dialog of the window instead of dying silently in a thread.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from desktop_slm.errors import DesktopSlmError

_QUEUED = Qt.ConnectionType.QueuedConnection
WIND_UP_S = 5.0

Make = Callable[[Callable[[], bool]], Iterator[Any]]
"""Makes the generator of a job; it is given a function that says whether it should wind up."""


class _Work(QObject):
    """A daemon thread whose outcome arrives as queued signals of this object."""

    _error_ready = Signal(object)

    def __init__(self, name: str, parent: QObject | None) -> None:
        super().__init__(parent)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._error_ready.connect(self._on_error_ready, _QUEUED)

    def _work(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        with contextlib.suppress(RuntimeError):  # the object is gone: nobody waits for the outcome
            try:
                self._work()
            except Exception as error:  # noqa: BLE001  any bug must reach the window's crash dialog
                self._error_ready.emit(error)
            finally:
                self._end()

    def _end(self) -> None:
        """Tell that the thread is done; runs on the thread."""

    @Slot(object)
    def _on_error_ready(self, error: Exception) -> None:
        if isinstance(error, DesktopSlmError):
            self._fail(error)
        else:
            sys.excepthook(type(error), error, error.__traceback__)

    def _fail(self, error: DesktopSlmError) -> None:
        raise NotImplementedError

    def wait(self, timeout_s: float) -> bool:
        """Wait for the thread; tell whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()


class Job(_Work):
    """Runs the generator of ``make`` on its own thread and emits what it yields.

    Exactly one `finished` comes last, also after a failure or a stop. Keep a reference until then.

    Args:
        make: Called on the worker thread.
        parent: Owner.
    """

    yielded = Signal(object)
    failed = Signal(object)
    finished = Signal()
    _event_ready = Signal(object)
    _finished_ready = Signal()

    def __init__(self, make: Make, parent: QObject | None = None) -> None:
        super().__init__("job", parent)
        self._make = make
        self._stopping = threading.Event()
        self._stopped_at_s = 0.0
        self.running = False
        self._event_ready.connect(self.yielded, _QUEUED)
        self._finished_ready.connect(self._on_finished_ready, _QUEUED)

    def start(self) -> None:
        """Begin. A job runs once."""
        self.running = True
        self._thread.start()

    def stop(self) -> None:
        """Ask it to wind up; what it yields still arrives, then `finished`."""
        self._stopped_at_s = time.monotonic()
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def _work(self) -> None:
        if self._stopping.is_set():
            return
        events = self._make(self._stopping.is_set)
        try:
            for event in events:
                self._event_ready.emit(event)
                if self._stopping.is_set() and time.monotonic() - self._stopped_at_s > WIND_UP_S:
                    break
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()

    def _end(self) -> None:
        self._finished_ready.emit()

    def _fail(self, error: DesktopSlmError) -> None:
        self.failed.emit(error)

    @Slot()
    def _on_finished_ready(self) -> None:
        self.running = False
        self.finished.emit()


class Call(_Work):
    """One function on its own thread; made by `run_call`."""

    result = Signal(object)
    failed = Signal(object)
    _result_ready = Signal(object)
    _finished_ready = Signal()

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__("call", None)
        self._function = function
        self._wanted = True
        self._result_ready.connect(self._on_result_ready, _QUEUED)
        self._finished_ready.connect(self._on_finished_ready, _QUEUED)

    def start(self) -> None:
        """Begin, and stay alive until the outcome has been told."""
        _live.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Let the function run out, and tell nobody."""
        self._wanted = False

    def _work(self) -> None:
        self._result_ready.emit(self._function())

    def _end(self) -> None:
        self._finished_ready.emit()

    @Slot(object)
    def _on_result_ready(self, value: object) -> None:
        if self._wanted:
            self.result.emit(value)

    def _fail(self, error: DesktopSlmError) -> None:
        if self._wanted:
            self.failed.emit(error)

    @Slot()
    def _on_finished_ready(self) -> None:
        _live.discard(self)


_live: set[Call] = set()
"""Calls under way: nothing else needs to hold on to them."""


def run_call(
    function: Callable[[], Any],
    on_result: Callable[[Any], object] | None = None,
    on_error: Callable[[DesktopSlmError], object] | None = None,
) -> Call:
    """Run ``function`` off the GUI thread.

    Args:
        function: The work; takes no arguments (`functools.partial` gives it some).
        on_result: Slot of a living object, called on this thread with what it returned.
        on_error: The same for an expected error; without it the error goes to ``sys.excepthook`` like a bug.

    Returns:
        The call, of use only to cancel it or to wait for it.
    """
    call = Call(function)
    if on_result is not None:
        call.result.connect(on_result)
    call.failed.connect(on_error if on_error is not None else _raise)
    call.start()
    return call


def _raise(error: DesktopSlmError) -> None:
    sys.excepthook(type(error), error, error.__traceback__)


def wait_for_calls(timeout_s: float) -> bool:
    """Wait until no call runs any more; tell whether that came true. For closing down."""
    until = time.monotonic() + timeout_s
    return all(call.wait(until - time.monotonic()) for call in list(_live))
