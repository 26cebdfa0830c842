"""The Translate page by clicks: what needs a look, and the translations kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from document_samples import translation
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot
from translate_driver import LEFT, Window, click, record, shown_page, translate

from desktop_slm.gui import theme
from desktop_slm.gui.pages.translate import TranslatePage
from desktop_slm.tasks.events import Piece, Review


@pytest.fixture
def page(qtbot: QtBot) -> Iterator[TranslatePage]:
    with shown_page(qtbot) as made:
        yield made


@pytest.fixture
def window(page: TranslatePage) -> Window:
    return Window(page)


# reviews


def test_parts_that_need_a_look_are_marked_with_reasons(page: TranslatePage, window: Window) -> None:
    translate(page, "Eins. Zwei 5. Zwei 5.")
    reviews = (
        Review(id=2, source="Zwei 5.", target="Two 6.", reasons=("a number was changed",)),
        Review(id=3, source="Zwei 5.", target="Two 6.", reasons=("a number was changed", "too long")),
    )
    page.on_event(translation("One. 🌍 Two 6. Two 6.", needs_review=reviews))
    page.job_finished()
    assert page.marks.texts() == ["Two 6.", "Two 6."]
    assert page.review.title() == "2 parts need a look"
    assert page.review.buttons[1].line == "“Zwei 5.”: a number was changed; too long"
    click(page.review.buttons[0])
    assert page.target.editor.textCursor().selectedText() == "Two 6."
    assert page.source.editor.textCursor().selectedText() == "Zwei 5."
    colors = _colors(page.target.editor)
    assert theme.current().warning_ground.lower() in colors
    page.show_source("neu")
    assert page.marks.texts() == []
    assert page.review.isHidden()


def test_a_long_review_keeps_its_reasons_in_a_narrow_window(page: TranslatePage, window: Window) -> None:
    page.resize(836, 572)
    translate(page, "x")
    source = "The board proposes to close the site by the end of the month."
    page.on_event(
        translation("y", needs_review=(Review(id=1, source=source, target="y", reasons=("long",)),))
    )
    page.job_finished()
    QApplication.processEvents()
    assert page.review.buttons[0].line == f"“{source[:59].rstrip()}…”: long"
    page.review.buttons[0].resize(200, 24)
    shown = page.review.buttons[0].text()
    assert shown.startswith("“The board")
    assert shown.endswith("…”: long")


def _colors(widget: QWidget) -> set[str]:
    image = widget.grab().toImage()
    return {image.pixelColor(x, y).name() for x in range(0, image.width(), 2) for y in range(60)}


# history


def test_a_click_brings_a_translation_back(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    page.show_translations([record("t1"), record("t2", "年度报告", "Annual report", source_language="zh")])
    rows = page.history.list
    QApplication.processEvents()
    QTest.mouseClick(rows.viewport(), LEFT, pos=rows.visualRect(rows.model().index(1, 0)).center())
    assert (page.source.text(), page.target.text()) == ("年度报告", "Annual report")
    assert (page.source_picker.code, page.target_picker.code) == ("zh", "en")
    qtbot.wait(80)
    assert window.requests == []


def test_restoring_while_another_runs_is_not_written_over(page: TranslatePage, window: Window) -> None:
    translate(page)
    page.show_translation(record("t2", "Danke", "Thanks"))
    page.on_event(Piece(text="Good"))
    page.on_event(translation("Good day"))
    page.job_finished()
    assert page.target.text() == "Thanks"


def test_stars_and_deleting_work_by_keyboard_and_mouse(page: TranslatePage, window: Window) -> None:
    page.show_translations([record("t1"), record("t2", favorite=True)])
    rows = page.history.list
    rows.setCurrentIndex(rows.model().index(0, 0))
    click(page.history.star_button)
    assert window.favorites == [("t1", True)]
    rows.setCurrentIndex(rows.model().index(1, 0))
    assert page.history.star_button.text() == "Remove from favorites"
    QTest.keyClick(rows, Qt.Key.Key_Delete)
    assert window.deleted == ["t2"]
    click(page.history.favorites)
    assert [shown.id for shown in page.history.visible_records()] == ["t2"]


def test_the_column_can_be_put_away(page: TranslatePage, window: Window) -> None:
    click(page.history_button)
    assert page.history.isHidden()
    click(page.history_button)
    assert page.history.isVisible()


def test_the_selection_survives_a_new_list(page: TranslatePage, window: Window) -> None:
    page.show_translations([record("t1"), record("t2")])
    page.history.list.setCurrentIndex(page.history.list.model().index(1, 0))
    page.show_translations([record("t3"), record("t1"), record("t2")])
    current = page.history.list.current_record()
    assert current is not None
    assert current.id == "t2"
