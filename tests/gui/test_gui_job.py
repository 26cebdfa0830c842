"""Work off the GUI thread ends in exactly one way, and tells it on the GUI thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QObject, Slot
from pytestqt.qtbot import QtBot

from desktop_slm.errors import DocumentEmpty
from desktop_slm.gui.job import Job, run_call


class Listener(QObject):
    """Writes down what arrives, and on which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []
        self.threads: set[int] = set()

    @Slot(object)
    def on_value(self, value: object) -> None:
        self.seen.append(value)
        self.threads.add(threading.get_ident())


def test_events_come_in_order_on_this_thread_then_finished(qtbot: QtBot) -> None:
    job, listener = Job(lambda stopped: iter(range(50))), Listener()
    job.yielded.connect(listener.on_value)
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.start()
    assert listener.seen == list(range(50))
    assert listener.threads == {threading.get_ident()}
    assert not job.running
    assert job.wait(5)


def test_stop_lets_the_task_wind_up(qtbot: QtBot) -> None:
    def counting(stopped: Callable[[], bool]) -> Iterator[object]:
        number = 0
        while not stopped():
            time.sleep(0.001)
            number += 1
            yield number
        yield "done"

    job, listener = Job(counting), Listener()
    job.yielded.connect(listener.on_value)
    with qtbot.waitSignal(job.yielded, timeout=5000):
        job.start()
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.stop()
    assert listener.seen[-1] == "done"


def test_a_task_that_does_not_wind_up_is_closed(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop_slm.gui.job.WIND_UP_S", 0.05)
    closed = threading.Event()

    def endless(stopped: Callable[[], bool]) -> Iterator[int]:
        try:
            number = 0
            while True:
                time.sleep(0.001)
                number += 1
                yield number
        finally:
            closed.set()

    job, listener = Job(endless), Listener()
    job.yielded.connect(listener.on_value)
    with qtbot.waitSignal(job.yielded, timeout=5000):
        job.start()
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.stop()
    assert closed.is_set()
    assert listener.seen == list(range(1, len(listener.seen) + 1))


def test_an_expected_error_is_told_before_finished(qtbot: QtBot) -> None:
    def fails(stopped: Callable[[], bool]) -> Iterator[int]:
        yield 1
        raise DocumentEmpty("The file is empty", "Choose another file.")

    job, listener = Job(fails), Listener()
    job.failed.connect(listener.on_value)
    with qtbot.waitSignals([job.failed, job.finished], order="strict", timeout=5000):
        job.start()
    (error,) = listener.seen
    assert isinstance(error, DocumentEmpty)


def test_a_bug_reaches_the_exception_hook_and_the_job_still_finishes(qtbot: QtBot) -> None:
    def breaks(stopped: Callable[[], bool]) -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    job = Job(breaks)
    with qtbot.captureExceptions() as caught, qtbot.waitSignal(job.finished, timeout=5000):
        job.start()
    assert [kind for kind, _, _ in caught] == [ZeroDivisionError]


def test_call_gives_its_result_here(qtbot: QtBot) -> None:
    listener = Listener()
    call = run_call(lambda: threading.get_ident(), listener.on_value)
    qtbot.waitUntil(lambda: bool(listener.seen), timeout=5000)
    assert listener.seen != [threading.get_ident()]
    assert listener.threads == {threading.get_ident()}
    assert call.wait(5)


def test_call_errors_go_to_their_slot_or_the_hook(qtbot: QtBot) -> None:
    def fails() -> None:
        raise DocumentEmpty("The file is empty")

    listener = Listener()
    run_call(fails, None, listener.on_value)
    qtbot.waitUntil(lambda: bool(listener.seen), timeout=5000)
    with qtbot.captureExceptions() as caught:
        run_call(fails)
        qtbot.waitUntil(lambda: bool(caught), timeout=5000)
    assert caught[0][0] is DocumentEmpty


def test_a_canceled_call_tells_nobody(qtbot: QtBot) -> None:
    listener, go = Listener(), threading.Event()
    call = run_call(go.wait, listener.on_value)
    call.cancel()
    go.set()
    assert call.wait(5)
    qtbot.wait(20)
    assert listener.seen == []


def test_a_gone_listener_is_no_fault(qtbot: QtBot) -> None:
    listener, go = Listener(), threading.Event()
    call = run_call(go.wait, listener.on_value)
    listener.deleteLater()
    qtbot.wait(10)
    go.set()
    assert call.wait(5)
    qtbot.wait(20)
    with pytest.raises(RuntimeError):
        listener.objectName()
