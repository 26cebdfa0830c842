"""Reading and asking beside a summary, in a real window on a slow engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytestqt.qtbot import QtBot

from desktop_slm.engine.fake import FakeEngine

WAIT_MS = 20_000
TEXT = " ".join(
    f"The harbor opens at six for boat {number}. Pier {number} has {number * 7} lamps and two watchmen."
    for number in range(1, 60)
)


def slow_engine() -> FakeEngine:
    return FakeEngine(("The harbor opens at six. Boats leave at seven. " * 40,), delay_s=0.05)


def two_notes(folder: Path) -> list[str]:
    paths = []
    for name in ("first.txt", "second.txt"):
        path = folder / name
        path.write_text(f"This is {name}.\n\n{TEXT}")
        paths.append(str(path))
    return paths


def test_a_second_file_is_read_and_a_question_answered_beside_a_summary(
    windows: Any, qtbot: QtBot, tmp_path: Path
) -> None:
    window = windows.enter(slow_engine())
    first, second = two_notes(tmp_path)
    window.take_files([first], "summarize")
    qtbot.waitUntil(lambda: bool(windows.engine.requests), timeout=WAIT_MS)
    window.take_files([second], "summarize")
    view = window.documents.page.view
    qtbot.waitUntil(lambda: len(view.summary.key_views) > 0, timeout=WAIT_MS)
    assert view.document is not None
    assert view.document.name == "second.txt"
    qtbot.waitUntil(lambda: view.job.text() == "Waits for “first.txt”", timeout=WAIT_MS)
    asked = len(windows.engine.requests)
    view.show_questions()
    qtbot.keyClicks(view.answers.field, "When does the harbor open?")
    view.answers.ask_button.click()
    qtbot.waitUntil(lambda: len(windows.engine.requests) > asked, timeout=WAIT_MS)
    assert any("When does the harbor open?" in str(request) for request in windows.engine.requests)


def test_what_was_opened_is_in_the_library_after_locking(windows: Any, qtbot: QtBot, tmp_path: Path) -> None:
    window = windows.enter(slow_engine())
    window.take_files(two_notes(tmp_path), "summarize")
    qtbot.waitUntil(lambda: len(window.app.library.documents()) == 2, timeout=WAIT_MS)
    assert window.documents.busy
    window.lock()
    again = windows.enter(FakeEngine())
    assert {record.name for record in again.app.library.documents()} == {"first.txt", "second.txt"}
