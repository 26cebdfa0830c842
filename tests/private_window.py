"""The window of the privacy proof, killed by its parent: ``private_window.py MARKER FOLDER HOW``.

It does with the marker everything that the window can do, telling each step on stdout as a line of JSON; the
last thing it does is to stream an answer, and to tell all of it that is on screen, until it is killed. With
``--once`` behind, it closes the window instead.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path

import driving as d
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from desktop_slm.gui import run, theme
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.gui.pages.welcome import WelcomePage


def tell(step: str, **values: object) -> None:
    """Tell the parent, by a pipe: nothing of it reaches a disk."""
    print(json.dumps({"step": step, "at": time.monotonic(), **values}), flush=True)


def fail(*error: object) -> None:
    """End at once, loudly."""
    traceback.print_exception(*error)  # type: ignore[arg-type]
    os._exit(70)


def enter(window: MainWindow, how: str) -> None:
    """Go in with a passphrase, or without saving."""
    if how == "passphrase":
        d.first_run(window)
        return
    d.wait_until(lambda: d.shown(window, WelcomePage), "the welcome")
    d.press(window, "Continue")
    window.findChild(WelcomePage)._memory.radio.setChecked(True)
    d.press(window, "Continue")
    d.press(window, "Start")
    d.wait_until_open(window)


def use_everything(window: MainWindow, marker: str, folder: Path, *, summarize: bool) -> None:
    """Type, draft, drop, ask, open by the file dialog, translate, search."""
    d.write(window, f"A draft about {marker}")
    QTest.qWait(700)
    window.chat.page.composer.text.clear()
    d.say(window, f"What is {marker}? Say it in five words.")
    tell("chatted")

    window.show_page("documents")
    d.drop(window, [folder / f"{marker}.txt"], "summarize" if summarize else "ask")
    page = window.documents.page
    d.wait_until(lambda: page.view.summary.key_views, "the key sentences")
    d.end_of_reading(window)
    assert bool(page.view.summary.sentence_views) == summarize
    d.press(window, "Ask")
    QTest.keyClicks(page.view.answers._field, f"Who guards {marker}?")
    QTest.keyClick(page.view.answers._field, Qt.Key.Key_Return)
    d.end_of_reading(window)
    tell("summarized")

    page.show_library_again()
    d.press(window, "Open file…")
    dialog = d.wait_until(lambda: window.findChild(QFileDialog), "the file dialog")
    dialog.setDirectory(str(folder / f"folder of {marker}"))
    dialog.selectFile(str(folder / f"folder of {marker}" / f"second {marker}.md"))
    dialog.accept()
    d.wait_until(lambda: page.view.document is not None and not page.shows_library, "the second document")
    d.end_of_reading(window)
    d.wait_until(lambda: not window.findChildren(QFileDialog), "the end of the dialog")
    tell("opened")

    assert d.translated(window, f"Good morning, {marker}.", "de")
    d.wait_until(lambda: window.translate.page.history.visible_records(), "the kept translation")
    found = d.find(window, marker)
    kinds = sorted({window.history.page._model.item(row).kind for row in range(len(found))})
    tell("found", kinds=kinds)
    window.show_page("settings")
    window.settings.change("font_size_pt", 12)
    d.wait_until(lambda: window.app.settings.font_size_pt == 12, "the settings")


def stream(window: MainWindow, marker: str) -> None:
    """Stream one answer after the other, telling what is on screen, until the end by force."""
    window.show_page("chat")
    while True:
        d.press(window, "New")
        d.send(window, f"Tell a very long story about {marker} and the sea.")
        d.wait_until(lambda: d.text_of_answer(window), "the first words")
        d.write(window, f"Unsent {marker}")
        QTest.qWait(550)
        d.wait_until(lambda: window.chat.page.open_conversation_id(), "the conversation")
        conversation = window.chat.page.open_conversation_id()
        draft = window.chat.page.composer.written()
        while window.chat.busy:
            tell("streaming", shown=d.text_of_answer(window), conversation=conversation, draft=draft)
            QTest.qWait(100)
        tell("ended")
        window.chat.page.composer.text.clear()


def main() -> None:
    """Be the window."""
    marker, folder, how = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    qt = run.make_application(["desktop-slm"])
    theme.apply(qt, "light")
    sys.excepthook = fail
    window = MainWindow(run._make_app)
    window.show()
    enter(window, how)
    tell("entered", saving=window.app.saving)
    use_everything(window, marker, folder, summarize=how == "passphrase")
    if sys.argv[4:] == ["--once"]:
        window.close()
        return
    stream(window, marker)


main()
