"""The status bar's desk: what inference runs on, and the memory it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from desktop_slm.engine.api import Hardware, Loaded
from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui.job import run_call
from desktop_slm.gui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from desktop_slm.app import App

_WATCH_MS = 3_000
EngineFacts = tuple[Hardware, Loaded | None]


class ComputerDesk(QObject):
    """Serves the `StatusBar`.

    Signals:
        context_known: Tokens of the context of the model in memory.
    """

    context_known = Signal(int)

    def __init__(self, app: App, bar: StatusBar, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self._bar = bar
        self._watch = QTimer(self)
        self._watch.setInterval(_WATCH_MS)
        self._watch.timeout.connect(self._on_watch_timeout)

    @Slot()
    def refresh(self) -> None:
        """Ask the engine, which starts its worker where none runs."""
        run_call(self._engine_facts, self._on_engine_facts, self._on_error)

    def watch(self, busy: bool) -> None:
        """Keep what the bar says of memory fresh while something runs."""
        if not busy:
            self._watch.stop()
        elif not self._watch.isActive():
            self._watch.start()

    @Slot()
    def _on_watch_timeout(self) -> None:
        run_call(self._memory_facts, self._on_memory_facts, self._on_error)

    def show_hardware(self, hardware: Hardware) -> None:
        """Show what is known already."""
        self._bar.show_device(hardware.device, hardware.threads, hardware.reason)
        run_call(self._memory_facts, self._on_memory_facts, self._on_error)

    def _engine_facts(self) -> EngineFacts:
        return self._app.hardware(), self._app.engine.loaded()

    def _memory_facts(self) -> tuple[int, int]:
        from desktop_slm.engine.hardware import memory

        return self._app.engine.memory_bytes(), memory()[1]

    @Slot(object)
    def _on_engine_facts(self, facts: EngineFacts) -> None:
        hardware, loaded = facts
        self.show_hardware(hardware)
        if loaded is not None:
            self.context_known.emit(loaded.n_ctx)

    @Slot(object)
    def _on_memory_facts(self, facts: tuple[int, int]) -> None:
        self._bar.show_memory(*facts)

    @Slot(object)
    def _on_error(self, _error: DesktopSlmError) -> None:
        """The bar keeps what it shows; whoever needs the engine is told why it fails."""
