"""Cyclic garbage is found on the GUI thread, and on no other."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from desktop_slm.gui.collector import Collector


class Knot:
    """A cycle that tells which thread undoes it."""

    undone_on: list[threading.Thread]

    def __init__(self, undone_on: list[threading.Thread]) -> None:
        self.me = self
        self.undone_on = undone_on

    def __del__(self) -> None:
        self.undone_on.append(threading.current_thread())


@pytest.fixture
def own_collector() -> Iterator[Collector]:
    gc.collect()
    gc.enable()
    made = Collector()
    yield made
    made.close()
    assert gc.isenabled()
    gc.disable()  # as everywhere in these tests


def test_a_worker_never_undoes_what_the_window_left(qtbot: QtBot, own_collector: Collector) -> None:
    undone_on: list[threading.Thread] = []
    for _ in range(50):
        Knot(undone_on)
    kept: list[list[int]] = []
    worker = threading.Thread(target=lambda: kept.extend([number] for number in range(200_000)))
    worker.start()
    worker.join()
    assert not undone_on, "the worker allocated, and did not collect"
    qtbot.waitUntil(lambda: len(undone_on) == 50, timeout=5_000)
    assert set(undone_on) == {threading.main_thread()}


def test_all_generations_get_their_turn(own_collector: Collector) -> None:
    undone_on: list[threading.Thread] = []
    Knot(undone_on)
    gc.collect(0)
    gc.collect(1)  # it is old now: only a full collection finds what becomes garbage there
    survivor = Knot(undone_on)
    gc.collect(1)
    del survivor
    kept: list[list[int]] = []
    for number in range(150):
        kept.extend([number] for _ in range(1_000))
        own_collector.collect_due()
    assert len(undone_on) == 2
