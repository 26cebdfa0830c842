"""The window as the benchmark's instrument: an order goes in, the answer is shown, times come out."""

from __future__ import annotations

from typing import Any, cast

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_slm.bench import messages as m
from desktop_slm.engine.api import GenerateRequest
from desktop_slm.engine.client import EngineClient
from desktop_slm.engine.fake import FakeEngine, Reply
from desktop_slm.errors import EngineError
from desktop_slm.gui import bench_window
from desktop_slm.gui.widgets.assistant_message import AssistantMessage
from desktop_slm.paths import Paths


class Channel:
    """Keeps what is answered."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, message: Any) -> None:
        self.sent.append(message)


def test_an_answer_is_written_on_the_page_and_timed(
    stocked_home: Paths, qtbot: QtBot, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_window, "_SETTLE_MS", 0)
    fails: list[bool] = []

    def reply(request: GenerateRequest) -> Reply:
        error = EngineError("The model broke") if fails else None
        return Reply("Once upon a time there was a cat. " * 20, error=error)

    engine = FakeEngine(reply)
    channel = Channel()
    bench = bench_window.WindowBench(cast(Any, channel), stocked_home, cast(EngineClient, engine))
    try:
        bench.window.show()
        qtbot.waitUntil(lambda: channel.sent == [m.Ready()], timeout=20_000)
        for seed in (5, 6):
            channel.sent.clear()
            bench.order_arrived.emit(m.Write("Tell me a story.", 12, seed))
            qtbot.waitUntil(lambda: bool(channel.sent), timeout=20_000)
            (written,) = channel.sent
            assert written.n_tokens == 12
            assert written.lag_s > 0
            request = engine.requests[-1]
            assert request.sampling is not None
            assert (request.max_tokens, request.sampling.seed) == (12, seed)
            assert [message.role for message in request.messages] == ["user"]  # a new conversation each time
            (shown,) = bench.window.chat.page.findChildren(AssistantMessage)
            assert shown.record.text.startswith("Once upon")
        channel.sent.clear()
        fails.append(True)
        bench.order_arrived.emit(m.Write("Tell me another.", 500, 7))
        qtbot.waitUntil(lambda: bool(channel.sent), timeout=20_000)
        assert isinstance(channel.sent[0], m.Trouble)
    finally:
        bench.window.close()
        bench.window.deleteLater()
