"""The window as an instrument of the benchmark: a child process that writes answers on its chat page.

Everything between the engine and the screen is real: the engine's client, the chat task, the job's thread,
the page, the transcript, Qt's painting (on the offscreen platform). Only the length and the seed of an answer
are set, so that the same one can be written without a window.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace
from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from desktop_slm.app import App
from desktop_slm.bench import messages as m
from desktop_slm.engine.api import Engine, EngineEvent, Finished, GenerateRequest, Sampling, Usage
from desktop_slm.engine.client import EngineClient
from desktop_slm.gui import run, theme
from desktop_slm.gui.collector import Collector
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.gui.widgets.assistant_message import AssistantMessage
from desktop_slm.paths import Paths
from desktop_slm.processes import usage
from desktop_slm.processes.child import Channel

_SIZE = (1280, 800)
_POLL_MS = 2
_RETRY_MS = 50
_SETTLE_MS = 5_000
"""The window finishes its own start (the other pages, the garbage) before anything is measured."""


class MeasuredEngine:
    """An engine whose answers have the length and the seed that the benchmark wants."""

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine
        self.n_tokens, self.seed = 1, 0
        self.usage = Usage()
        self.ended_at = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(self, request: GenerateRequest) -> Generator[EngineEvent, None, None]:
        """Answer, and note what it cost."""
        wanted = replace(request, max_tokens=self.n_tokens, sampling=Sampling(seed=self.seed))
        with contextlib.closing(self._engine.generate(wanted)) as events:
            for event in events:
                if isinstance(event, Finished):
                    self.usage, self.ended_at = event.usage, time.perf_counter()
                yield event


class WindowBench(QObject):
    """Takes orders from the channel's thread and answers them from the window's.

    Args:
        channel: Where answers go.
        paths: The installation.
        client: The engine.

    Signals:
        order_arrived: An order of the benchmark.
    """

    order_arrived = Signal(object)

    def __init__(self, channel: Channel, paths: Paths, client: EngineClient) -> None:
        super().__init__()
        self._channel = channel
        self._client = client
        self._engine = MeasuredEngine(client)
        engine = cast(Engine, self._engine)
        self.window = MainWindow(partial(App, paths, engine=engine, incognito=True))
        self.window.resize(*_SIZE)
        self._collector = Collector(self.window)
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self._on_poll)
        self.window.ready.connect(self._collector.settle_later)
        self.window.ready.connect(self._on_ready)
        self.order_arrived.connect(self._on_order_arrived, Qt.ConnectionType.QueuedConnection)

    @Slot()
    def _on_ready(self) -> None:
        self.window.chat.model_used.connect(self._poll.start)
        QTimer.singleShot(_SETTLE_MS, self._on_settled)

    @Slot()
    def _on_settled(self) -> None:
        if self.window.models.shown is None:  # a message would wait until the models are listed
            QTimer.singleShot(_RETRY_MS, self._on_settled)
            return
        self._channel.send(m.Ready())

    @Slot(object)
    def _on_order_arrived(self, order: m.WindowOrder) -> None:
        match order:
            case m.Write():
                self._write(order)
            case m.Weigh():
                self._channel.send(self._weight())

    def _write(self, order: m.Write) -> None:
        self._engine.n_tokens, self._engine.seed = order.n_tokens, order.seed
        self._engine.ended_at = 0.0
        page = self.window.chat.page
        page.show_conversation(None)
        page.compose(order.text)
        page.composer.send.click()

    @Slot()
    def _on_poll(self) -> None:
        """The task is over: wait until all of the text is on the page."""
        page = self.window.chat.page
        if page.is_busy() or any(view.pending for view in page.findChildren(AssistantMessage)):
            return
        self._poll.stop()
        if not self._engine.ended_at:
            self._channel.send(m.Trouble("The window gave no answer"))
            return
        self._channel.send(
            m.Written(
                n_tokens=self._engine.usage.completion_tokens,
                decode_s=self._engine.usage.decode_s,
                lag_s=time.perf_counter() - self._engine.ended_at,
            )
        )

    def _weight(self) -> m.Weight:
        own, worker = usage.of_process(os.getpid()), usage.of_process(self._client.worker_pid())
        loaded = self._client.loaded()
        return m.Weight(
            window_bytes=own.rss_bytes if own else 0,
            worker_bytes=worker.rss_bytes if worker else 0,
            weights_bytes=loaded.weights_bytes if loaded else 0,
            kv_bytes=loaded.kv_bytes if loaded else 0,
            compute_bytes=loaded.compute_bytes if loaded else 0,
        )


def main(channel: Channel) -> None:
    """Show the window until the benchmark goes away."""
    opening: m.OpenWindow = channel.receive(m.OpenWindow)
    qt = run.make_application(["desktop-slm"])
    theme.apply(qt, "light")
    paths = Paths.under(Path(opening.home))
    bench = WindowBench(channel, paths, EngineClient(model_folders=(paths.models,)))
    channel.subscribe(m.WindowOrder, bench.order_arrived.emit)
    bench.window.show()
    qt.exec()
