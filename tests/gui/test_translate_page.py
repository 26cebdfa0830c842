"""The Translate page by typing and clicking: what it wishes for, and what it makes of what it is told."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import shiboken6
from document_samples import HOSTILE, document, translation
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QLabel
from pytestqt.qtbot import QtBot
from translate_driver import CTRL, Window, click, record, shown_page, translate

from desktop_slm.errors import EngineCrashed
from desktop_slm.gui import theme
from desktop_slm.gui.pages.translate import AS_TYPED_LIMIT, TranslatePage
from desktop_slm.tasks.events import DocumentRead, Piece, Progress, ReadDone, Review, Warned
from desktop_slm.tasks.requests import FileSource, ReadDocument, Translate

opens_a_popup = pytest.mark.qt_log_ignore(
    "This plugin does not support", extend=True
)  # offscreen cannot grab


@pytest.fixture
def page(qtbot: QtBot) -> Iterator[TranslatePage]:
    with shown_page(qtbot) as made:
        yield made


@pytest.fixture
def window(page: TranslatePage) -> Window:
    return Window(page)


def test_it_translates_as_one_types_once_one_pauses(
    page: TranslatePage, window: Window, qtbot: QtBot
) -> None:
    page.source.editor.setFocus()
    QTest.keyClicks(page.source.editor, "Guten Tag")
    assert window.requests == []
    qtbot.waitUntil(lambda: bool(window.requests), timeout=2000)
    assert window.requests == [Translate(text="Guten Tag", target="en", save=False)]
    page.on_event(Piece(text="Good "))
    assert page.target.text() == "Good "
    page.on_event(Progress(done=1, total=2, unit="chunks", left_s=3, stage="translating"))
    assert page.job.text() == "Translating · 50 % · 3 s left"
    page.on_event(Piece(text="day"))
    page.on_event(translation("Good day"))
    page.job_finished()
    assert page.target.text() == "Good day"
    assert page.source_picker.text() == "Detect (German)"
    assert page.job.isHidden()
    assert page.source.counter.text() == "9 characters · 2 words"


def test_ctrl_enter_translates_at_once_and_keeps(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    translate(page)
    assert window.requests == [Translate(text="Guten Tag", target="en", save=True)]
    page.on_event(translation("Good day"))
    page.job_finished()
    qtbot.wait(150)
    assert len(window.requests) == 1
    assert window.kept == []


def test_typing_on_replaces_what_runs(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    translate(page, "Guten")
    QTest.keyClicks(page.source.editor, " Tag")
    qtbot.waitUntil(lambda: window.stops == 1, timeout=2000)
    assert len(window.requests) == 1
    page.on_event(Piece(text="stale"))
    assert "stale" not in page.target.text()
    page.job_finished()
    assert window.requests[-1] == Translate(text="Guten Tag", target="en", save=False)
    page.on_event(Piece(text="Good day"))
    assert page.target.text() == "Good day"


def test_the_old_translation_stays_until_the_new_one_begins(page: TranslatePage, window: Window) -> None:
    translate(page)
    page.on_event(translation("Good day"))
    page.job_finished()
    QTest.keyClicks(page.source.editor, "!")
    click(page.translate_button)
    assert page.target.text() == "Good day"
    page.on_event(Piece(text="Hello"))
    assert page.target.text() == "Hello"


def test_a_settled_draft_is_offered_once(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    QTest.keyClicks(page.source.editor, "Guten Tag")
    qtbot.waitUntil(lambda: bool(window.requests), timeout=2000)
    done = translation("Good day")
    page.on_event(done)
    page.job_finished()
    qtbot.waitUntil(lambda: bool(window.kept), timeout=2000)
    click(page.copy_button)
    page.hide()
    assert window.kept == [("Guten Tag", done)]


def test_a_draft_that_is_typed_over_is_not_kept(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    QTest.keyClicks(page.source.editor, "Guten Tag")
    qtbot.waitUntil(lambda: bool(window.requests), timeout=2000)
    page.on_event(translation("Good day"))
    page.job_finished()
    QTest.keyClicks(page.source.editor, " Anna")
    qtbot.wait(150)
    assert window.kept == []


def test_copy_takes_the_translation_and_keeps_it(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    assert not page.copy_button.isEnabled()
    QTest.keyClicks(page.source.editor, "Guten Tag")
    qtbot.waitUntil(lambda: bool(window.requests), timeout=2000)
    page.on_event(translation("Good day"))
    page.job_finished()
    click(page.copy_button)
    assert QGuiApplication.clipboard().text() == "Good day"
    assert len(window.kept) == 1


def test_stop_and_escape_keep_what_has_come(page: TranslatePage, window: Window) -> None:
    translate(page)
    page.on_event(Piece(text="Good "))
    click(page.job.stop_button)
    assert window.stops == 1
    page.on_event(Piece(text="da"))
    page.job_finished()
    assert page.target.text() == "Good da"
    click(page.translate_button)
    QTest.keyClick(page.source.editor, Qt.Key.Key_Escape)
    assert window.stops == 2


def test_emptying_the_source_empties_all(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    translate(page)
    page.on_event(Piece(text="Good "))
    click(page.clear_button)
    page.on_event(Piece(text="day"))
    page.job_finished()
    assert (page.source.text(), page.target.text()) == ("", "")
    assert not page.translate_button.isEnabled()
    qtbot.wait(80)
    assert len(window.requests) == 1


def test_a_long_text_waits_for_the_button(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    page.show_source("Wort " * AS_TYPED_LIMIT, "de")
    qtbot.wait(80)
    assert window.requests == []
    assert "press Translate" in page.source.counter.text()
    click(page.translate_button)
    assert len(window.requests) == 1


def test_blank_text_asks_for_nothing(page: TranslatePage, window: Window, qtbot: QtBot) -> None:
    QTest.keyClicks(page.source.editor, "  ")
    QTest.keyClick(page.source.editor, Qt.Key.Key_Return, CTRL)
    qtbot.wait(80)
    assert window.requests == []


# languages


@opens_a_popup
def test_a_language_is_found_by_typing(page: TranslatePage, window: Window) -> None:
    picker = page.target_picker
    click(picker)
    assert picker.popup.isVisible()
    QTest.keyClicks(picker.popup.search, "span")
    assert picker.popup.shown_names() == ["Spanish"]
    QTest.keyClick(picker.popup.search, Qt.Key.Key_Return)
    assert picker.popup.isHidden()
    assert (picker.code, picker.text()) == ("es", "Spanish")
    assert picker.accessibleName() == "Translate into: Spanish"


@opens_a_popup
def test_arrows_move_and_escape_changes_nothing(page: TranslatePage, window: Window) -> None:
    picker = page.target_picker
    picker.setFocus()
    QTest.keyClick(picker, Qt.Key.Key_Down)
    assert picker.popup.isVisible()
    QTest.keyClick(picker.popup.search, Qt.Key.Key_Down)
    QTest.keyClick(picker.popup.search, Qt.Key.Key_Escape)
    assert picker.popup.isHidden()
    assert picker.code == "en"
    QTest.keyClick(picker, Qt.Key.Key_Down)
    QTest.keyClick(picker.popup.search, Qt.Key.Key_Down)
    QTest.keyClick(picker.popup.search, Qt.Key.Key_Return)
    assert picker.code not in ("en", "")


@opens_a_popup
def test_only_the_source_can_be_detected(page: TranslatePage, window: Window) -> None:
    click(page.source_picker)
    assert page.source_picker.popup.shown_names()[0] == "Detect language"
    page.source_picker.popup.hide()
    click(page.target_picker)
    assert "Detect language" not in page.target_picker.popup.shown_names()
    page.target_picker.popup.hide()


def test_another_language_translates_again(page: TranslatePage, window: Window) -> None:
    translate(page)
    page.on_event(translation("Good day"))
    page.job_finished()
    page.target_picker.choose("fr")
    assert window.requests[-1] == Translate(text="Guten Tag", target="fr", save=False)


def test_swap_turns_languages_and_texts_round(page: TranslatePage, window: Window) -> None:
    assert not page.swap_button.isEnabled()
    translate(page)
    page.on_event(translation("Good day"))
    page.job_finished()
    click(page.swap_button)
    assert (page.source_picker.code, page.target_picker.code) == ("en", "de")
    assert page.source.text() == "Good day"
    assert window.requests[-1] == Translate(text="Good day", target="de", source="en", save=False)


def test_right_to_left_goes_by_paragraph_and_by_language(page: TranslatePage, window: Window) -> None:
    page.target_picker.set_code("ar")
    page.show_translation(record("t1", "Hello", "مرحبا بالعالم\nHello world", target_language="ar"))
    assert page.target.editor.layoutDirection() == Qt.LayoutDirection.RightToLeft
    assert page.source.editor.layoutDirection() == Qt.LayoutDirection.LeftToRight
    layout = page.target.editor.document()
    arabic, english = layout.firstBlock(), layout.firstBlock().next()
    assert arabic.textDirection() == Qt.LayoutDirection.RightToLeft
    assert english.textDirection() == Qt.LayoutDirection.LeftToRight
    right = arabic.layout().lineAt(0).naturalTextRect().left()
    left = english.layout().lineAt(0).naturalTextRect().left()
    assert right > left + 100


# files, errors, notes


def test_a_dropped_file_is_read_and_translated(page: TranslatePage, window: Window) -> None:
    page.open_paths(["/tmp/brief.txt", "/tmp/other.txt"])
    assert window.requests == [ReadDocument(source=FileSource("/tmp/brief.txt"), save=False)]
    page.on_event(DocumentRead(id="", document=document(2, name="brief.txt")))
    page.on_event(ReadDone(id="", seconds=0.1))
    page.job_finished()
    assert page.source.text() == document(2).text
    assert page.source_picker.text() == "Detect (English)"
    assert window.requests[-1] == Translate(text=document(2).text, target="en", save=False)


def test_a_file_is_chosen_in_a_dialog(page: TranslatePage, window: Window) -> None:
    click(page.open_button)
    dialog = page.findChild(QFileDialog, "open-text")
    assert dialog is not None
    dialog.filesSelected.emit(["/tmp/brief.txt"])
    dialog.reject()
    assert window.requests == [ReadDocument(source=FileSource("/tmp/brief.txt"), save=False)]


def test_an_error_is_said_here_and_can_be_tried_again(page: TranslatePage, window: Window) -> None:
    translate(page)
    page.on_event(Piece(text="Good"))
    page.show_error(EngineCrashed("The model stopped", "Try again."))
    page.job_finished()
    assert page.error.text() == "The model stopped. Try again."
    assert page.target.text() == "Good"
    click(page.error.first_button)
    assert len(window.requests) == 2
    assert page.error.isHidden()


def test_what_the_task_warns_of_stays_on_screen(page: TranslatePage, window: Window) -> None:
    translate(page)
    page.on_event(Warned(text="The text is already English."))
    page.on_event(translation("Good day"))
    page.job_finished()
    assert page.error.isVisible()
    assert page.error.text() == "The text is already English."


def test_the_model_note_is_said_plainly(page: TranslatePage, window: Window) -> None:
    page.show_model_note("The starter model knows English only.")
    assert page.note.isVisible()
    page.show_model_note("")
    assert page.note.isHidden()


def test_a_language_that_the_model_does_not_write_is_said(page: TranslatePage, window: Window) -> None:
    page.show_model_languages("Starter", ("en",))
    assert page.note.isHidden()
    page.target_picker.choose("de")
    assert page.note.text() == "Starter writes English only. For German, choose a larger model under Models."
    page.show_model_note("No model is installed yet.")
    assert page.note.text() == "No model is installed yet."
    page.show_model_note("")
    assert "writes English only" in page.note.text()
    page.show_model_languages("Larger", ("en", "fr"))
    assert "does not name German" in page.note.text()
    page.show_model_languages("Unknown", ())
    assert page.note.isHidden()
    page.show_model_languages("Larger", ("de", "en"))
    assert page.note.isHidden()


def test_hostile_text_is_plain_everywhere(page: TranslatePage, window: Window) -> None:
    page.show_translations([record("t1", HOSTILE, HOSTILE)])
    page.show_translation(record("t1", HOSTILE, HOSTILE))
    assert "<b>x</b>" in page.source.text()
    assert "\u202e" not in page.source.text() + page.target.text()
    page.source.editor.clear()
    QGuiApplication.clipboard().setText("<b>bold</b>")
    page.source.editor.setFocus()
    page.source.editor.paste()
    assert page.source.text() == "<b>bold</b>"
    translate(page, " x")
    review = Review(id=1, source=HOSTILE, target="x", reasons=(HOSTILE,))
    page.on_event(translation("x", needs_review=(review,)))
    for label in page.findChildren(QLabel):
        assert label.textFormat() == Qt.TextFormat.PlainText or not label.text()
    assert "\u202e" not in page.review.buttons[0].line


def test_every_control_has_a_name_and_can_be_reached(page: TranslatePage, window: Window) -> None:
    for control in page.findChildren(QAbstractButton):
        if control.isVisible() and "scroll" not in type(control).__name__.lower():
            assert control.accessibleName() or control.text()
            assert control.focusPolicy() & Qt.FocusPolicy.TabFocus
    for editor in (page.source.editor, page.target.editor):
        assert editor.accessibleName()
        assert not editor.acceptDrops()
        assert editor.tabChangesFocus()
    page.source.editor.setFocus()
    ring = page.source.grab().toImage()
    assert ring.pixelColor(1, ring.height() // 2) == QColor(theme.current().accent)


def test_it_fits_a_small_window(page: TranslatePage, window: Window) -> None:
    page.resize(836, 572)
    QApplication.processEvents()
    assert page.width() == 836
    assert page.source.width() > 180
    assert page.target.width() > 180


def test_it_leaves_nothing_behind(qtbot: QtBot, qapp: QApplication) -> None:
    made = TranslatePage()
    Window(made)
    made.show()
    made.show_source("Guten Tag", "de")
    made.close()
    watched = weakref.ref(made)
    made.deleteLater()
    del made
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    left = watched()
    assert left is None or not shiboken6.isValid(left)
    theme.apply(qapp, "dark")
