"""Cyclic garbage is collected on the GUI thread alone, at quiet moments.

Python collects on whichever thread happens to allocate. When that is a worker's, widgets in a cycle are
destroyed there, which Qt answers with a crash. And a full collection would stop a streaming answer for 40 to
60 ms, so what stays as long as the window is left out of it.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer, Slot

_EVERY_MS = 1_000
_SETTLED_MS = 4_000
_YOUNG, _OLDER, _OLD = 700, 10, 10
"""How many objects, young collections and older collections may add up; the numbers are Python's own."""


class Collector(QObject):
    """Takes the place of Python's automatic collection until `close`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._was_enabled = gc.isenabled()
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.collect_due)
        self._timer.start()

    @Slot()
    def settle_later(self) -> None:
        """The window and its pages are there in a moment, and stay: never look through them again."""
        QTimer.singleShot(_SETTLED_MS, self._on_settled)

    def close(self) -> None:
        """Give collecting back to Python."""
        self._timer.stop()
        if self._was_enabled:
            gc.enable()

    @Slot()
    def _on_settled(self) -> None:
        gc.collect(1)
        gc.freeze()

    @Slot()
    def collect_due(self) -> None:
        """Collect as much as Python would by now."""
        young, older, old = gc.get_count()
        if old > _OLD and older > _OLDER:
            gc.collect()
        elif older > _OLDER:
            gc.collect(1)
        elif young > _YOUNG:
            gc.collect(0)
