"""Driving a real window as a person does: look at what is on screen, press, type, drop.

No pytest in here: the window of the privacy proof runs in a process of its own, which is then killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from desktop_slm.gui.main_window import MainWindow
from desktop_slm.gui.pages.unlock import UnlockPage
from desktop_slm.gui.pages.welcome import WelcomePage
from desktop_slm.gui.widgets.assistant_message import AssistantMessage
from desktop_slm.gui.widgets.drop_overlay import DropOverlay
from desktop_slm.gui.widgets.secret_field import SecretField
from desktop_slm.store.records import MessageRecord

PASSPHRASE = "four words are enough"
PATIENCE_S = 90.0
_COPY = Qt.DropAction.CopyAction
_LEFT, _PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier

W = TypeVar("W", bound=QWidget)


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """Let the window live until ``condition`` gives something true, and return that."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout_s:g} s in vain: {what}; on screen: {words_on_screen()}")
        QTest.qWait(10)
    return value


def words_on_screen() -> str:
    """Return what labels and buttons say, for the message of a failed wait."""
    seen = []
    for window in QApplication.topLevelWidgets():
        for widget in window.findChildren(QWidget):
            text = getattr(widget, "text", None)
            if widget.isVisible() and callable(text):
                seen.append(str(text())[:80])
    return json.dumps([text for text in dict.fromkeys(seen) if text])


def shown(window: QWidget, kind: type[W]) -> list[W]:
    """Return the visible widgets of a kind."""
    return [widget for widget in window.findChildren(kind) if widget.isVisible()]


def click(widget: QWidget) -> None:
    """Click with the left button."""
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def press(window: QWidget, name: str) -> None:
    """Wait for the button of that name and click it."""

    def found() -> list[QPushButton]:
        return [b for b in shown(window, QPushButton) if b.text() == name and b.isEnabled()]

    click(wait_until(found, f"a button “{name}”")[0])


# The ways in


def first_run(window: MainWindow, passphrase: str = PASSPHRASE) -> None:
    """Go through the welcome: a passphrase, the starter."""
    wait_until(lambda: shown(window, WelcomePage), "the welcome")
    press(window, "Continue")
    fields = wait_until(lambda: two_fields(window), "two fields for the passphrase")
    for field in fields:
        QTest.keyClicks(field, passphrase)
    press(window, "Continue")
    press(window, "Start")
    wait_until_open(window)


def two_fields(window: QWidget) -> list[SecretField]:
    """Return both passphrase fields once they are there."""
    fields = shown(window, SecretField)
    return fields if len(fields) == 2 else []


def unlock(window: MainWindow, passphrase: str = PASSPHRASE) -> None:
    """Type the passphrase into the lock screen."""
    wait_until(lambda: shown(window, UnlockPage), "the lock screen")
    (field,) = shown(window, SecretField)
    QTest.keyClicks(field, passphrase)
    QTest.keyClick(field, Qt.Key.Key_Return)
    wait_until_open(window)


def wait_until_open(window: MainWindow) -> None:
    """Wait for the pages and for the model in the chat's bar."""
    wait_until(lambda: window._rail.isEnabled(), "the pages")
    wait_until(lambda: window.models.shown and window.models.shown.names, "a model on the shelf")
    wait_until(lambda: window.chat.page.isVisible(), "the chat page")


# Chat


def write(window: MainWindow, text: str) -> None:
    """Type into the composer."""
    field = window.chat.page.composer.text
    field.setFocus()
    QTest.keyClicks(field, text)


def say(window: MainWindow, text: str) -> MessageRecord:
    """Type a message, press Enter, and return the answer once it is there."""
    send(window, text)
    return end_of_answer(window)


def send(window: MainWindow, text: str) -> None:
    """Type a message and press Enter. Long ones are pasted."""
    field = window.chat.page.composer.text
    field.setFocus()
    if len(text) > 200:
        field.insertPlainText(text)
    else:
        QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def end_of_answer(window: MainWindow) -> MessageRecord:
    """Wait until the answer has ended in some way, and return it as the page holds it."""
    wait_until_idle(window)
    return window.chat.page.transcript.records()[-1]


def wait_until_idle(window: MainWindow) -> None:
    """Wait until no answer is being written any more."""
    page = window.chat.page
    wait_until(lambda: not window.chat.busy and not page.is_busy(), "the end of the answer")


def answer_on_screen(window: MainWindow) -> AssistantMessage | None:
    """Return the widget of the last answer."""
    views = [v for v in window.chat.page.transcript.findChildren(AssistantMessage) if not v.isHidden()]
    return views[-1] if views else None


def text_of_answer(window: MainWindow) -> str:
    """Return the words of the last answer as they stand on the screen now."""
    view = answer_on_screen(window)
    return view.body.toPlainText() if view else ""


# Files


def drop(window: MainWindow, paths: Sequence[Path], action: str) -> None:
    """Drag files over the window and let them go on a target, as the platform tells it."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    overlay = window.findChild(DropOverlay)
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(5, 5), _COPY, mime, _LEFT, _PLAIN))
    assert overlay.isVisible()
    QApplication.sendEvent(overlay, QDragEnterEvent(QPoint(5, 5), _COPY, mime, _LEFT, _PLAIN))
    QApplication.processEvents()
    spot = next(card.geometry().center() for card in overlay.cards if card.action == action)
    QApplication.sendEvent(overlay, QDragMoveEvent(spot, _COPY, mime, _LEFT, _PLAIN))
    QApplication.sendEvent(overlay, QDropEvent(QPointF(spot), _COPY, mime, _LEFT, _PLAIN))


def end_of_reading(window: MainWindow) -> None:
    """Wait until the documents page has nothing left to do: it has been idle for a moment."""
    page, since = window.documents.page, [time.monotonic()]

    def idle() -> bool:
        if window.documents.busy or page.view.job.isVisible() or page.library.job.isVisible():
            since[0] = time.monotonic()
        return time.monotonic() - since[0] > 0.15

    wait_until(idle, "the end of the work on the document", 180.0)


def translated(window: MainWindow, text: str, language: str) -> str:
    """Type a text into the Translate page, press the button, and return the translation."""
    window.show_page("translate")
    page = window.translate.page
    page.target_picker.set_code(language)
    QTest.keyClicks(page.source.editor, text)
    press(window, "Translate")
    wait_until(lambda: not window.translate.busy and page.target.text().strip(), "the translation")
    return str(page.target.text())


# History


def find(window: MainWindow, words: str, kind: str = "") -> list[str]:
    """Search on the History page; return the ids found, each with its kind as its first letter."""
    window.show_page("history")
    page = window.history.page
    answers: list[str] = []
    original = page.show_items

    def note(items: Any, text: str) -> None:
        original(items, text)
        if text == words:
            answers.append(text)

    page.show_items = note
    try:
        page._search.clear()
        QTest.keyClicks(page._search, words)
        wait_until(lambda: answers, f"what is found for {words!r}")
    finally:
        del page.show_items
    items = [page._model.item(row) for row in range(page._model.rowCount())]
    return [item.id for item in items if not kind or item.kind == kind]


# Processes


def children(pid: int) -> set[int]:
    """Return the ids of the living descendants of a process (Linux)."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] != b"Z":
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    open_ = [pid]
    while open_:
        for child in parents.get(open_.pop(), []):
            found.add(child)
            open_.append(child)
    return found
