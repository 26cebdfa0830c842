"""The Translate page in a real window: what it is told about the model at hand."""

from __future__ import annotations

from pytestqt.qtbot import QtBot


def test_the_starter_is_said_to_write_english_only(windows, qtbot: QtBot) -> None:  # type: ignore[no-untyped-def]
    window = windows.enter()
    window.show_page("translate")
    page = window.translate.page
    page.target_picker.choose("de")
    qtbot.waitUntil(lambda: "writes English only. For German" in page.note.text(), timeout=5000)
    assert page.note.isVisible()
    page.target_picker.choose("en")
    assert page.note.isHidden()
