"""A translation made while typing: kept once it has settled, or when it is used, and only once."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from desktop_slm.tasks.events import TranslationDone
from desktop_slm.tasks.requests import Translate

SETTLED_MS = 4000


class TranslationDraft(QObject):
    """The last translation, and whether it has been kept."""

    settled = Signal()
    """Nobody has typed for a while: the owner may `offer` it."""
    keep_requested = Signal(str, object)
    """Source text and `TranslationDone` to keep."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._done: TranslationDone | None = None
        self._source = ""
        self._kept = True
        self.timer = QTimer(self)
        self.timer.setSingleShot(True)
        self.timer.setInterval(SETTLED_MS)
        self.timer.timeout.connect(self.settled)

    def set(self, request: Translate, done: TranslationDone) -> None:
        """Take a finished translation; one that was asked to be saved is kept already."""
        self._done, self._source = done, request.text
        self._kept = bool(request.save or done.reason == "cancelled")
        if not self._kept:
            self.timer.start()

    def touch(self) -> None:
        """The text is being changed: wait anew."""
        self.timer.stop()

    def forget(self) -> None:
        """The text is another one now."""
        self._done, self._kept = None, True

    def offer(self, source: str) -> None:
        """Offer it to be kept, once, if ``source`` is still the text it was made of."""
        self.timer.stop()
        if self._done is None or self._kept or self._source != source:
            return
        self._kept = True
        self.keep_requested.emit(self._source, self._done)
