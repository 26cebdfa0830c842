"""The worker dies or freezes at every moment: the window lives, words stay, the next message is answered."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import (
    PASSPHRASE,
    answer_on_screen,
    children,
    click,
    drop,
    end_of_reading,
    press,
    send,
    text_of_answer,
    wait_until,
    wait_until_idle,
)
from PySide6.QtTest import QTest

from desktop_slm.app import App
from desktop_slm.engine import client
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.tasks import events as ev

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

SIGNALS = {"abort": 6, "kill": 9, "segv": 11, "stop": int(getattr(signal, "SIGSTOP", 0))}
STORY = "Tell a very long story about a lighthouse and its keeper."
LONG = "Count the words in this: " + "one two three four five six seven eight " * 160


@pytest.fixture(scope="module")
def window(module_windows) -> Iterator[MainWindow]:  # type: ignore[no-untyped-def]
    """One window goes through all of it, with little patience for a frozen worker."""
    return module_windows.enter(silence_limit_s=2.5, cancel_limit_s=1.0)


@pytest.fixture(autouse=True)
def no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many deaths within minutes; the refusal after two of them is tested in the engine's room."""
    monkeypatch.setattr(client, "CRASH_LIMIT", 100)


def worker_in(window: MainWindow, stage: str) -> int:
    """Bring the worker to a moment of its work and return its process id."""
    engine = window.app.engine
    if stage == "load":
        engine.unload()
        send(window, STORY)
        # Confined, its libraries in place, the model not yet: now it reads the file.
        wait_until(lambda: engine.worker_pid() and engine.sandbox_level(), "a confined worker", 30)
        assert engine.loaded() is None
        return int(engine.worker_pid())
    engine.load(window.app.spec(window.app.shelf.default()))
    told: list[ev.TaskEvent] = []
    send(window, LONG if stage == "prompt" else STORY)
    window.chat._job.yielded.connect(told.append)
    if stage == "prompt":
        wait_until(lambda: any(isinstance(e, ev.Progress) and 0 < e.done < e.total for e in told), "reading")
        assert not any(isinstance(e, ev.Piece) for e in told)
    else:
        wait_until(lambda: len(text_of_answer(window)) > 30, "the first words")
    return int(engine.worker_pid())


EVERY = [(name, stage) for stage in ("load", "prompt", "stream") for name in SIGNALS]
LONGER = {(name, stage) for name in ("abort", "segv") for stage in ("load", "prompt")}
"""Left to the long run: for the app these deaths are those of "kill" with another number."""


@pytest.mark.parametrize(
    ("name", "stage"),
    [pytest.param(*case, marks=[pytest.mark.slow] if case in LONGER else []) for case in EVERY],
)
def test_death_of_the_worker(window: MainWindow, name: str, stage: str) -> None:
    press(window, "New")
    pid = worker_in(window, stage)
    before = text_of_answer(window)
    os.kill(pid, SIGNALS[name])
    wait_until_idle(window)

    # In words, where the answer would have been or above the composer, and no dialog
    page = window.chat.page
    view = answer_on_screen(window)
    said = page.notice.text() if page.notice.isVisible() else view.notice.text()
    wanted = "no sign of life" if name == "stop" else f"signal {SIGNALS[name]}"
    assert wanted in said
    assert "ry again" in said
    assert window.isVisible()
    if stage == "stream":
        assert text_of_answer(window).startswith(before.rstrip())
        wait_until(lambda: kept(window)[-1].state == "interrupted", "the interrupted answer in the vault")
        answer = kept(window)[-1]
        assert answer.text.startswith(before.split("\n")[0][:25])
    elif stage == "prompt":
        assert kept(window)[0].text == LONG.strip()
    else:  # nothing had been stored yet: the words are back where they were typed
        assert page.composer.written() == STORY
        assert not page.transcript.records()
        assert not page.open_conversation_id()
    assert page.composer.send.text() == "Send"

    # The next message starts a new worker by itself
    page.composer.text.clear()
    press(window, "New")
    send(window, "Say yes.")
    wait_until(lambda: text_of_answer(window), "the next answer", 90)
    if page.composer.send.text() == "Stop":
        click(page.composer.send)
    wait_until_idle(window)
    following = kept(window)[-1]
    assert following.state in ("complete", "stopped")
    assert following.text.strip()
    assert "signal" not in answer_on_screen(window).notice.text()
    assert window.app.engine.worker_pid() not in (0, pid)
    assert pid not in children(os.getpid())


def kept(window: MainWindow) -> list:
    """Return the messages of the open conversation as the vault has them."""
    return window.app.history.messages(window.chat.page.open_conversation_id())


def test_closing_during_an_answer_ends_all_children_and_keeps_the_words(windows) -> None:  # type: ignore[no-untyped-def]
    before = children(os.getpid())
    window = windows.enter()
    send(window, STORY)
    wait_until(lambda: len(text_of_answer(window)) > 40, "the first words")
    seen = text_of_answer(window)
    assert children(os.getpid()) - before
    window.close()
    wait_until(lambda: not children(os.getpid()) - before, "the end of all children", 30)
    app = App(windows.paths, passphrase=PASSPHRASE)
    assert app.open().kind == "open"
    (conversation,) = app.history.conversations()
    answer = app.history.messages(conversation.id)[-1]
    assert answer.state == "stopped"
    assert answer.text.startswith(seen.split("\n")[0][:40])
    app.close()


def test_closing_while_the_model_loads_ends_all_children(windows) -> None:  # type: ignore[no-untyped-def]
    before = children(os.getpid())
    window = windows.enter()
    send(window, STORY)
    wait_until(lambda: window.app.engine.worker_pid(), "a worker")
    window.close()
    wait_until(lambda: not children(os.getpid()) - before, "the end of all children", 30)


def test_a_frozen_worker_does_not_hold_up_closing(windows) -> None:  # type: ignore[no-untyped-def]
    before = children(os.getpid())
    window = windows.enter(silence_limit_s=30.0)
    send(window, STORY)
    wait_until(lambda: text_of_answer(window), "the first words")
    os.kill(window.app.engine.worker_pid(), signal.SIGSTOP)
    QTest.qWait(100)
    began = time.monotonic()
    window.close()
    assert time.monotonic() - began < 25  # it did not wait for a sign of life
    wait_until(lambda: not children(os.getpid()) - before, "the end of all children", 30)


CHAPTERS = "\n\n".join(
    f"# Chapter {number}\n\n"
    + " ".join(
        f"In {1900 + 10 * number + row} the keeper of light {number} counted {row * 7 + number} ships."
        for row in range(14)
    )
    for number in range(1, 4)
)


def test_the_worker_dies_during_a_summary(windows, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    others = children(os.getpid())
    window = windows.enter()
    path = tmp_path / "lights.md"
    path.write_text(CHAPTERS)
    drop(window, [path], "summarize")
    view = window.documents.page.view
    wait_until(lambda: view.summary.key_views, "the key sentences")
    engine = window.app.engine
    wait_until(lambda: engine.loaded() and window.documents.fraction > 0, "the first notes")
    os.kill(engine.worker_pid(), signal.SIGKILL)
    wait_until(view.error.isVisible, "the reason", 10)
    end_of_reading(window)
    assert "signal 9" in view.error.text()
    assert view.summary.key_views  # what was there stays
    assert len(window.app.library.documents()) == 1
    click(view.error.first_button)  # Try again
    wait_until(lambda: engine.worker_pid() and window.documents.fraction > 0, "notes again")
    assert not view.error.isVisible()
    assert view.job.isVisible()

    # Closing in the middle of it ends reader and worker, and keeps the document
    assert children(os.getpid()) - others
    window.close()
    wait_until(lambda: not children(os.getpid()) - others, "the end of all children", 6)
    app = App(windows.paths, passphrase=PASSPHRASE)
    app.open()
    assert [record.name for record in app.library.documents()] == ["lights.md"]
    app.close()
