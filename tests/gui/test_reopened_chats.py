"""The window saves what the model has read of a chat that is left, and a reopened one goes on from there."""

from __future__ import annotations

import threading

import pytest
from chat_driver import send
from pytestqt.qtbot import QtBot

from desktop_slm.engine.api import KvState, ModelSpec
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.tasks.events import ChatDone, Piece, TaskEvent

WAIT_MS = 20_000
LONG = "The quay of Marrowbone is long and wet. " * 40


def say(window: MainWindow, bot: QtBot, text: str) -> str:
    """Say something in the open chat and wait for the end of the answer; return the conversation."""
    said = window.chat.page

    def spoken() -> int:
        conversation = said.open_conversation_id()
        return len(list(window.app.history.messages(conversation))) if conversation else 0

    before = spoken()
    send(said, text)
    bot.waitUntil(lambda: spoken() > before and not window.chat.busy, timeout=WAIT_MS)
    return said.open_conversation_id()


def reopen(window: MainWindow, bot: QtBot, conversation: str) -> None:
    """Open a chat and wait until it is on screen."""
    window.chat.open(conversation)
    bot.waitUntil(lambda: window.chat.page.open_conversation_id() == conversation, timeout=WAIT_MS)


def reused(window: MainWindow, conversation: str) -> int:
    """Return how much of the last answer's prompt had been read before."""
    usage = window.app.history.messages(conversation)[-1].usage
    assert usage is not None
    return usage.reused_tokens


def saved(window: MainWindow) -> int:
    """Return how many chats have a state."""
    count: int = window.app.vault.database().value("SELECT count(*) FROM kv_state")
    return count


def test_left_and_reopened(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    first = say(window, qtbot, LONG)
    assert saved(window) == 0  # it is still open
    window.chat.open_new()
    qtbot.waitUntil(lambda: saved(window) == 1, timeout=WAIT_MS)
    second = say(window, qtbot, LONG + "Another one.")
    reopen(window, qtbot, first)
    qtbot.waitUntil(lambda: saved(window) == 2, timeout=WAIT_MS)
    say(window, qtbot, "And now?")
    went_on = reused(window, first)
    assert went_on > 200
    window.close()

    window = windows.enter(FakeEngine())  # another engine: nothing is in its memory
    reopen(window, qtbot, first)
    say(window, qtbot, "And then?")
    assert reused(window, first) > went_on  # the last turn was saved when the window closed
    reopen(window, qtbot, second)
    say(window, qtbot, "Here too?")
    assert reused(window, second) > 200
    assert saved(window) == 2

    window.show_page("settings")
    window.settings.page.show_section("Privacy")
    page = window.settings.page
    qtbot.waitUntil(page._clear.isVisible, timeout=WAIT_MS)
    page._clear.click()
    qtbot.waitUntil(lambda: not page._clear.isVisible(), timeout=WAIT_MS)
    assert window.app.vault.status().state_bytes == 0
    reopen(window, qtbot, first)  # the second is left: it is saved again
    qtbot.waitUntil(lambda: saved(window) == 1, timeout=WAIT_MS)
    window.chat.delete(second)
    qtbot.waitUntil(lambda: saved(window) == 0, timeout=WAIT_MS)
    window.close()
    assert list((windows.paths.vault / "states").iterdir()) == []


def test_closed_while_it_answers(windows, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter(FakeEngine([Reply("one two three " * 200, delay_s=0.01)]))
    come: list[TaskEvent] = []
    monkeypatch.setattr(window.chat.page, "on_event", come.append)
    send(window.chat.page, LONG)
    qtbot.waitUntil(lambda: any(isinstance(event, Piece) for event in come), timeout=WAIT_MS)
    window.close()
    assert not any(isinstance(event, ChatDone) for event in come)
    window = windows.enter()
    assert saved(window) == 1


class Stuck(FakeEngine):
    """Never hands a state out."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.ended = threading.Event()

    def save_state(self, model: ModelSpec, conversation: str, limit_bytes: int = 0) -> KvState | None:
        self.asked.set()
        self.ended.wait(30)
        return None

    def close(self) -> None:
        super().close()
        self.ended.set()


def test_the_window_closes_although_the_engine_is_stuck(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter(engine := Stuck())
    say(window, qtbot, LONG)
    window.close()
    assert engine.asked.is_set()
    assert engine.ended.is_set()  # it did not wait for the state
    assert window.app.vault.state() == "locked"
