"""Preparing and measuring on the models page: offered, watched, stopped, told, undone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot
from tiny_models import tiny_model

from desktop_slm.engine.api import ModelSpec, Probe, Tick, nothing
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.errors import EngineCrashed
from desktop_slm.gui.widgets.model_card import ModelCard

WAIT_MS = 20_000


class Bench(FakeEngine):
    """Measures Q8_0 files as faster at reading; waits for ``go`` and fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()
        self.writing = 60.0
        self.fails = False
        self.probed = 0

    def probe(self, model: ModelSpec, tick: Tick = nothing) -> Probe:
        while not self.go.wait(0.02):
            tick()
        self.probed += 1
        if self.fails:
            raise EngineCrashed("The model's process was ended by signal 9", "Try again.")
        copy = "Q8_0" in Path(model.path).name
        return Probe(
            prompt_tokens_per_s=880.0 if copy else 400.0,
            decode_tokens_per_s=self.writing if copy else 40.0,
            threads=2,
        )

    def quantize(self, source: str, target: str, file_type: str, tick: Tick = nothing) -> None:
        tick()
        tiny_model(target, layout=file_type)


@pytest.fixture
def bench(windows, tmp_path: Path, qtbot: QtBot):  # type: ignore[no-untyped-def]
    """Return a window at its models page, with a model in Q4_1 on the shelf, and its engine."""
    window = windows.enter(Bench())
    source = tiny_model(tmp_path / "small.Q4_1.gguf", layout="Q4_1", chat_template="{{ messages }}")
    window.app.shelf.import_file(source, "copy")
    window.show_page("models")
    qtbot.waitUntil(lambda: "small.q4-1" in window.models.page._cards, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.models.shown.hardware is not None, timeout=WAIT_MS)
    return window, windows.engine


def card(window) -> ModelCard:  # type: ignore[no-untyped-def]
    made: ModelCard = window.models.page._cards["small.q4-1"]
    return made


def press(window, text: str) -> None:  # type: ignore[no-untyped-def]
    (button,) = [b for b in card(window).findChildren(QPushButton) if b.text() == text and b.isVisible()]
    button.click()


def says(window, text: str) -> bool:  # type: ignore[no-untyped-def]
    return text in card(window)._notice.text() and card(window)._notice.isVisible()


def test_an_offer_an_expectation_then_what_was_measured(bench, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window, engine = bench
    assert says(window, "should be about twice as fast at reading; it takes about ")
    engine.go.clear()
    press(window, "Prepare")
    qtbot.waitUntil(lambda: card(window)._progress_text.text() == "Measuring 1 of 4", timeout=WAIT_MS)
    assert not card(window)._notice.isVisible()
    engine.go.set()
    qtbot.waitUntil(lambda: says(window, "2.2 times faster at reading, 1.5 at writing"), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "Reads 880 and writes 60 tokens" in card(window).facts.sentence, timeout=WAIT_MS)
    assert card(window).facts.prepared
    assert dict(card(window).facts.details)["Preparing made it"].startswith("2.2 times faster")
    press(window, "Close")
    assert not card(window)._notice.isVisible()


def test_stop_leaves_the_original_and_the_offer(bench, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window, engine = bench
    engine.go.clear()
    press(window, "Prepare")
    qtbot.waitUntil(lambda: card(window)._progress_text.text() == "Measuring 1 of 4", timeout=WAIT_MS)
    press(window, "Stop")
    qtbot.waitUntil(lambda: says(window, "should be about twice as fast"), timeout=WAIT_MS)
    assert not window.app.shelf.find("small.q4-1").prepared_from
    assert engine.probed == 0


def test_closing_the_window_while_it_measures_leaves_the_original(bench, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window, engine = bench
    shelf = window.app.shelf
    engine.go.clear()
    press(window, "Prepare")
    qtbot.waitUntil(lambda: card(window)._progress_text.text() == "Measuring 1 of 4", timeout=WAIT_MS)
    window.close()
    qtbot.waitUntil(lambda: not shelf.find("small.q4-1").prepared_from, timeout=WAIT_MS)
    assert engine.probed == 0


def test_no_gain_is_said_and_the_original_can_be_used_again(bench, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window, engine = bench
    engine.writing = 20.0
    press(window, "Prepare")
    qtbot.waitUntil(lambda: says(window, "but slower at writing (0.5 times)"), timeout=WAIT_MS)
    press(window, "Use the original")
    qtbot.waitUntil(lambda: window.app.shelf.find("small.q4-1").keeps_original, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not card(window)._notice.isVisible(), timeout=WAIT_MS)
    assert not card(window).facts.offer


def test_a_failure_is_told_where_it_happened(bench, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window, engine = bench
    engine.fails = True
    press(window, "Prepare")
    qtbot.waitUntil(lambda: says(window, "ended by signal 9"), timeout=WAIT_MS)
    assert not window.app.shelf.find("small.q4-1").prepared_from
    engine.fails = False
    press(window, "Try again")
    qtbot.waitUntil(lambda: says(window, "2.2 times faster"), timeout=WAIT_MS)


def test_a_model_is_measured_when_asked(bench, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window, _ = bench
    card(window).measure_requested.emit("small.q4-1")
    qtbot.waitUntil(lambda: says(window, "Reads 400 and writes 40 tokens per second here"), timeout=WAIT_MS)
    assert not window.app.shelf.find("small.q4-1").prepared_from


def test_the_model_in_use_is_measured_once_it_is_in_memory(bench, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window, engine = bench
    model = window.app.shelf.find(window.models.shown.current)
    assert engine.probed == 0
    engine.load(window.app.spec(model))
    window.models.refresh()
    measured = lambda: any(  # noqa: E731
        "as measured" in facts.sentence for facts in window.models.shown.models if facts.id == model.id
    )
    qtbot.waitUntil(measured, timeout=WAIT_MS)
    window.models.refresh()
    qtbot.waitUntil(measured, timeout=WAIT_MS)
    assert engine.probed == 1


def test_models_of_one_name_are_told_apart(bench, tmp_path: Path, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window, _ = bench
    window.app.shelf.import_file(tiny_model(tmp_path / "other.gguf", chat_template="{{ messages }}"), "copy")
    window.models.refresh()
    qtbot.waitUntil(lambda: "other" in dict(window.models.shown.names), timeout=WAIT_MS)
    names = dict(window.models.shown.names)
    assert names["small.q4-1"] == "Tiny llama (small.q4-1)"
    assert names["other"] == "Tiny llama (other)"
