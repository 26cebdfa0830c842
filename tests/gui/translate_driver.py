"""Drives a Translate page as the main window and a person do; shared by its tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop_slm.gui.pages.translate import TranslatePage
from desktop_slm.store.records import TranslationRecord
from desktop_slm.tasks.events import TranslationDone

LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier


class Window:
    """Stands for the main window: keeps what the page wishes for."""

    def __init__(self, page: TranslatePage) -> None:
        self.requests: list[Any] = []
        self.kept: list[tuple[str, TranslationDone]] = []
        self.stops = 0
        self.favorites: list[tuple[str, bool]] = []
        self.deleted: list[str] = []
        page.request_made.connect(self.requests.append)
        page.keep_requested.connect(lambda text, done: self.kept.append((text, done)))
        page.favorite_changed.connect(lambda *args: self.favorites.append(args))
        page.translation_delete_requested.connect(self.deleted.append)
        page.stop_requested.connect(self._on_stop)

    def _on_stop(self) -> None:
        self.stops += 1


@contextmanager
def shown_page(qtbot: QtBot) -> Iterator[TranslatePage]:
    """Show a page with short pauses, and delete it afterwards."""
    made = TranslatePage()
    made._typing.setInterval(30)
    made._draft.timer.setInterval(60)
    made.resize(1216, 772)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    yield made
    made.close()
    made.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def record(
    identifier: str, source: str = "Guten Tag", target: str = "Good day", **changes: Any
) -> TranslationRecord:
    values = {"source_language": "de", "target_language": "en", "created": time.time(), **changes}
    return TranslationRecord(id=identifier, source=source, target=target, **values)


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, LEFT)


def translate(page: TranslatePage, text: str = "Guten Tag") -> None:
    page.source.editor.setFocus()
    QTest.keyClicks(page.source.editor, text)
    QTest.keyClick(page.source.editor, Qt.Key.Key_Return, CTRL)
