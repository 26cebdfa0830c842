"""The Documents page by clicks and keys: what it wishes for, and what it makes of what it is told."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from document_samples import ANSWER, HOSTILE, KEYS, QUOTE, SENTENCES, SUMMARY, document, image, record, stored
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QLabel, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from desktop_slm.documents.model import Box, KeySentence
from desktop_slm.engine.api import Usage
from desktop_slm.errors import DocumentDamaged, DocumentEncrypted, EngineCrashed
from desktop_slm.gui import theme
from desktop_slm.gui.pages.documents import DocumentsPage
from desktop_slm.tasks.events import (
    AnswerDone,
    DocumentRead,
    KeySentences,
    Passage,
    Piece,
    Progress,
    ReadDone,
    SentenceReady,
    Warned,
)
from desktop_slm.tasks.requests import Ask, FileSource, ReadDocument, StoredSource, Summarize

LEFT = Qt.MouseButton.LeftButton


class Window:
    """Stands for the main window: keeps what the page wishes for."""

    def __init__(self, page: DocumentsPage) -> None:
        self.requests: list[Any] = []
        self.images: list[tuple[Any, ...]] = []
        self.stops = 0
        self.selected: list[str] = []
        self.closed: list[str] = []
        self.deleted: list[str] = []
        self.exports: list[tuple[Any, ...]] = []
        self.translations: list[tuple[str, str]] = []
        page.request_made.connect(self.requests.append)
        page.page_image_requested.connect(lambda *args: self.images.append(args))
        page.stop_requested.connect(self._on_stop)
        page.document_selected.connect(self.selected.append)
        page.document_closed.connect(self.closed.append)
        page.document_delete_requested.connect(self.deleted.append)
        page.export_requested.connect(lambda *args: self.exports.append(args))
        page.translate_requested.connect(lambda *args: self.translations.append(args))

    def _on_stop(self) -> None:
        self.stops += 1


@pytest.fixture
def page(qtbot: QtBot) -> Iterator[DocumentsPage]:
    made = DocumentsPage()
    made.resize(1216, 772)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()
    made.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def window(page: DocumentsPage) -> Window:
    return Window(page)


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, LEFT)


def choose(page: DocumentsPage, button: QAbstractButton, text: str) -> None:
    """Choose from a button's menu as the keyboard does."""
    action = next(action for action in button.menu().actions() if action.text() == text)  # type: ignore[attr-defined]
    action.trigger()


def read(page: DocumentsPage, identifier: str = "d1", **changes: Any) -> None:
    page.on_event(DocumentRead(id=identifier, document=document(**changes)))
    page.on_event(KeySentences(sentences=KEYS))


def summarized(page: DocumentsPage) -> None:
    """Drop one file and let it be summarized to the end."""
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    for sentence in SENTENCES:
        page.on_event(SentenceReady(sentence=sentence))
    page.on_event(SUMMARY)
    page.job_finished()


# one file, from drop to citation


def test_a_dropped_file_is_summarized_with_key_sentences_at_once(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"])
    assert window.requests == [Summarize(sources=(FileSource("/tmp/report.pdf"),))]
    assert not page.shows_library
    read(page)
    assert [view.sentence.text for view in page.view.summary.key_views] == [key.text for key in KEYS]
    assert page.view.bar.chips() == ["5 pages", "84,120 words", "English"]
    assert "scans without text" in page.view.warning.text()
    assert page.view.job.isVisible()
    page.on_event(Piece(text="Revenue ro"))
    assert page.view.summary._draft.text() == "Revenue ro"
    page.on_event(SentenceReady(sentence=SENTENCES[0]))
    assert page.view.summary._draft.isHidden()
    assert len(page.view.summary.sentence_views) == 1
    page.on_event(Progress(done=1, total=4, unit="chunks", left_s=61, stage="writing"))
    assert page.view.job.text() == "Writing · 25 % · 1 min left"
    first = page.view.summary.sentence_views[0]
    page.on_event(SentenceReady(sentence=SENTENCES[1]))
    page.on_event(SUMMARY)
    page.job_finished()
    assert [view.sentence for view in page.view.summary.sentence_views] == list(SENTENCES)
    assert page.view.coverage.text() == "3 of 5 pages read · 2 are images"
    assert [row.button.text() for row in page.view.summary.section_rows] == ["1 Letter", "2 Business"]
    assert page.view.job.isHidden()
    assert first is not None


def test_sentences_already_shown_stay_when_the_summary_is_done(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    for sentence in SENTENCES:
        page.on_event(SentenceReady(sentence=sentence))
    before = page.view.summary.sentence_views
    page.on_event(SUMMARY)
    assert page.view.summary.sentence_views == before


def test_choosing_a_citation_draws_its_page_with_the_passage_marked(
    page: DocumentsPage, window: Window
) -> None:
    summarized(page)
    window.images.clear()
    click(page.view.summary.sentence_views[1].pills[0])
    identifier, number, width, quotes = window.images[-1]
    assert (identifier, number, tuple(quotes)) == ("d1", 3, (QUOTE, "And so on."))
    mark = Box(0.2, 0.1, 0.8, 0.14)
    page.show_page_image(image(3, width, ((mark,), ())), "d1")
    drawn = page.view.pages.canvas.grab().toImage()
    at = drawn.pixelColor(drawn.width() // 2, round(drawn.height() * 0.12))
    assert at == QColor(theme.LIGHT.passage_mark)
    views = page.view.summary.sentence_views
    assert [view.selected for view in views] == [False, True, False, False]
    assert [pill.active for pill in views[1].pills] == [True, False]
    click(views[0])
    assert [view.selected for view in views] == [True, False, False, False]
    assert page.view.pages.number == 2


def test_a_key_sentence_leads_to_its_page_too(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    click(page.view.summary.key_views[1].pills[0])
    assert window.images[-1][:2] == ("d1", 4)
    assert window.images[-1][3] == (KEYS[1].text,)


def test_a_section_leads_to_its_page_and_unfolds_its_notes(page: DocumentsPage, window: Window) -> None:
    summarized(page)
    QApplication.processEvents()
    row = page.view.summary.section_rows[1]
    click(row.button)
    assert page.view.pages.number == 2
    assert row._notes is not None
    assert row._notes.isVisible()
    QTest.keyClick(row.button, Qt.Key.Key_Space)
    assert not row._notes.isVisible()


def test_images_of_another_document_are_dropped(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.show_page_image(image(1), "d2")
    assert not page.view.pages.canvas.has_image
    page.show_page_image(image(1), "d1")
    assert page.view.pages.canvas.has_image


def test_a_page_that_cannot_be_drawn_becomes_text(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.show_page_error(DocumentDamaged("The page is damaged"), "d1")
    assert page.view.pages.shows_text
    assert "text of the page" in page.view.warning.text()


def test_formats_without_pages_show_text_and_count_parts(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored(images=False))
    page.show_summary(SUMMARY)
    assert page.view.summary.sentence_views[0].pills[0].text() == "part 2"
    assert page.view.coverage.text().startswith("3 of 5 parts read")
    click(page.view.summary.sentence_views[1].pills[0])
    assert page.view.pages.text.marked_text() == [QUOTE, "And so on."]
    assert window.images == []


# stop, failure, password


def test_stop_keeps_what_is_written_and_offers_to_go_on(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    page.on_event(SentenceReady(sentence=SENTENCES[0]))
    click(page.view.job.stop_button)
    assert window.stops == 1
    page.job_finished()
    assert len(page.view.summary.sentence_views) == 1
    assert page.view.summary.invitation_button.text() == "Go on"
    click(page.view.summary.invitation_button)
    assert window.requests[-1] == Summarize(sources=(StoredSource("d1"),))


def test_escape_stops(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"])
    page.activateWindow()
    QTest.keyClick(page.view, Qt.Key.Key_Escape)
    assert window.stops == 1


def test_a_damaged_file_says_what_to_do_and_can_be_tried_again(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"])
    page.show_error(DocumentDamaged("report.pdf ends in the middle", "Get the file again."))
    page.job_finished()
    assert page.view.error.text() == "report.pdf ends in the middle. Get the file again."
    assert page.view.error.first_button.text() == "Try again"
    click(page.view.error.first_button)
    assert len(window.requests) == 2
    assert page.view.error.isHidden()
    page.show_error(DocumentDamaged("report.pdf ends in the middle", "Get the file again."))
    page.job_finished()
    click(page.view.error.second_button)
    assert page.shows_library


def test_a_crash_keeps_the_sentences(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    page.on_event(SentenceReady(sentence=SENTENCES[0]))
    page.show_error(EngineCrashed("The model stopped", "Try again."))
    page.job_finished()
    assert len(page.view.summary.sentence_views) == 1
    assert "The model stopped" in page.view.error.text()
    assert not page.shows_library


def test_an_encrypted_file_asks_for_its_password_here(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/secret.pdf"])
    page.show_error(DocumentEncrypted("secret.pdf is encrypted"))
    page.job_finished()
    panel = page.view.password
    assert panel.isVisible()
    assert not panel.says_wrong
    assert panel.field.echoMode() == QLineEdit.EchoMode.Password
    QTest.keyClicks(panel.field, "wrong")
    QTest.keyClick(panel.field, Qt.Key.Key_Return)
    assert window.requests[-1] == Summarize(sources=(FileSource("/tmp/secret.pdf", "wrong"),))
    page.show_error(DocumentEncrypted("secret.pdf is encrypted", wrong_password=True))
    page.job_finished()
    assert panel.says_wrong
    assert panel.field.text() == ""
    QTest.keyClicks(panel.field, "right")
    click(panel.open_button)
    assert window.requests[-1].sources == (FileSource("/tmp/secret.pdf", "right"),)
    read(page)
    assert panel.isHidden()
    page.on_event(SUMMARY)
    page.job_finished()
    assert page._screen._file is not None
    assert "right" not in str(page._screen._file.request)
    assert page._works == {}


def test_skipping_the_password_goes_back(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/secret.pdf"])
    page.show_error(DocumentEncrypted("secret.pdf is encrypted"))
    page.job_finished()
    skip = next(b for b in page.view.password.findChildren(QAbstractButton) if b.text().startswith("Skip"))
    click(skip)
    assert page.shows_library
    assert len(window.requests) == 1


# questions


def test_questions_are_asked_and_answered_with_places(page: DocumentsPage, window: Window) -> None:
    summarized(page)
    click(page.view.bar.ask_button)
    assert QApplication.focusWidget() is page.view.answers.field
    QTest.keyClicks(page.view.answers.field, "When does Porto close?")
    QTest.keyClick(page.view.answers.field, Qt.Key.Key_Return)
    asked = Ask(sources=(StoredSource("d1"),), question="When does Porto close?")
    assert window.requests[-1] == asked
    page.on_event(SentenceReady(sentence=SENTENCES[1]))
    page.on_event(ANSWER)
    page.job_finished()
    card = page.view.answers.cards[0]
    assert [view.sentence for view in card.sentence_views] == [SENTENCES[1]]
    click(card.sentence_views[0].pills[1])
    assert window.images[-1][1] == 4
    assert len(page.view.summary.sentence_views) == len(SENTENCES)


def test_what_the_document_does_not_say_is_said_so(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.view.show_questions()
    QTest.keyClicks(page.view.answers.field, "Who is mayor?")
    click(page.view.answers.ask_button)
    page.on_event(Piece(text="The mayor is"))
    nearest = Passage(document="d1", page=2, text=QUOTE, score=0.2)
    page.on_event(
        AnswerDone(
            sentences=(),
            answered=False,
            route="whole",
            passages=(nearest,),
            model="",
            seconds=1,
            usage=Usage(),
        )
    )
    page.job_finished()
    text = page.view.answers.cards[0].text()
    assert "The document does not say." in text
    assert "mayor is" not in text
    assert QUOTE in text


def test_a_question_waits_for_the_summary_and_then_runs(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    page.view.show_questions()
    for question in ("First?", "Second?"):
        QTest.keyClicks(page.view.answers.field, question)
        click(page.view.answers.ask_button)
    assert len(window.requests) == 1
    assert "Waits" in page.view.answers.cards[0].text()
    page.on_event(SentenceReady(sentence=SENTENCES[0]))
    page.on_event(SUMMARY)
    page.job_finished()
    assert window.requests[-1].question == "First?"
    page.on_event(SentenceReady(sentence=SENTENCES[1]))
    page.on_event(ANSWER)
    page.job_finished()
    assert window.requests[-1].question == "Second?"
    newest, oldest = page.view.answers.cards
    assert [view.sentence for view in oldest.sentence_views] == [SENTENCES[1]]
    assert newest.sentence_views == ()
    assert len(page.view.summary.sentence_views) == len(SENTENCES)


def test_read_everything_is_passed_on(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.view.show_questions()
    QTest.keyClick(page.view.answers._everything, Qt.Key.Key_Space)
    QTest.keyClicks(page.view.answers.field, "All?")
    click(page.view.answers.ask_button)
    assert window.requests[-1].read_everything


def test_dropping_to_ask_reads_and_brings_the_box_forward(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"], "ask")
    assert window.requests == [ReadDocument(source=FileSource("/tmp/report.pdf"))]
    read(page)
    page.on_event(ReadDone(id="d1", seconds=0.5))
    page.job_finished()
    assert QApplication.focusWidget() is page.view.answers.field


# length, style, export, translate


def test_another_length_or_style_writes_the_summary_anew(page: DocumentsPage, window: Window) -> None:
    summarized(page)
    choose(page, page.view.bar.length_button, "Short")
    assert window.requests[-1] == Summarize(sources=(StoredSource("d1"),), length="short")
    assert page.view.summary.sentence_views == ()
    page.on_event(SUMMARY)
    page.job_finished()
    choose(page, page.view.bar.style_button, "Bullets")
    assert window.requests[-1] == Summarize(sources=(StoredSource("d1"),), length="short", style="bullets")
    assert page.view.bar.length_button.text() == "Summary: short"


def test_a_choice_without_a_summary_asks_for_nothing_yet(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    choose(page, page.view.bar.length_button, "Long")
    assert window.requests == []
    click(page.view.summary.invitation_button)
    assert window.requests == [Summarize(sources=(StoredSource("d1"),), length="long")]


def test_a_kept_summary_shows_the_choices_it_was_made_with(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.show_summary(SUMMARY, Summarize(sources=(StoredSource("d1"),), length="long", style="bullets"))
    assert page.view.bar.length_button.text() == "Summary: long"
    assert page.view.bar.style_button.text() == "Bullets"
    assert window.requests == []


def test_export_asks_where_and_tells_what(page: DocumentsPage, window: Window, tmp_path: Path) -> None:
    page.show_document(stored())
    assert not page.view.bar.export_button.isEnabled()
    page.show_summary(SUMMARY)
    choose(page, page.view.bar.export_button, "Word…")
    dialog = page.findChild(QFileDialog, "export-summary")
    assert dialog is not None
    dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)
    dialog.fileSelected.emit(str(tmp_path / "s.docx"))
    dialog.reject()
    assert window.exports == [(SUMMARY, "docx", str(tmp_path / "s.docx"))]


def test_copying_gives_plain_text_with_pages(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.show_summary(SUMMARY)
    choose(page, page.view.bar.export_button, "Copy to clipboard")
    copied = QGuiApplication.clipboard().text()
    assert copied.splitlines()[0] == "Revenue rose to 4.2 million. (p. 2)"
    assert "please check" in copied


def test_translate_hands_the_text_over(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    click(page.view.bar.translate_button)
    assert window.translations == [(document().text, "en")]


# several files


def test_several_files_are_done_one_after_the_other(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/a.pdf", "/tmp/b.pdf", "/tmp/c.pdf", "/tmp/d.pdf"])
    states = [row.state for row in page.library.queue.rows]
    assert states == ["working", "waiting", "waiting", "waiting"]
    assert len(window.requests) == 1
    read(page, "d1", name="a.pdf")
    page.on_event(SUMMARY)
    page.job_finished()
    assert window.requests[-1].sources == (FileSource("/tmp/b.pdf"),)
    page.show_error(DocumentDamaged("b.pdf is damaged"))
    page.job_finished()
    page.show_error(DocumentEncrypted("c.pdf is encrypted"))
    page.job_finished()
    assert window.requests[-1].sources == (FileSource("/tmp/d.pdf"),)
    rows = page.library.queue.rows
    assert [row.state for row in rows] == ["done", "failed", "password", "working"]
    assert "b.pdf is damaged" in rows[1].text()
    assert page.shows_library
    click(rows[0].button)
    assert window.selected == ["d1"]
    click(rows[2].button)
    assert page.library.password.isVisible()
    QTest.keyClicks(page.library.password.field, "pw")
    QTest.keyClick(page.library.password.field, Qt.Key.Key_Return)
    page.on_event(SUMMARY)
    page.job_finished()
    assert window.requests[-1].sources == (FileSource("/tmp/c.pdf", "pw"),)
    page.show_error(DocumentEncrypted("c.pdf is encrypted", wrong_password=True))
    page.job_finished()
    assert page.library.password.isVisible()
    assert page.library.password.says_wrong
    click(rows[1].button)
    assert window.requests[-1].sources == (FileSource("/tmp/b.pdf"),)


def test_a_folder_stands_for_its_readable_files(page: DocumentsPage, window: Window, tmp_path: Path) -> None:
    for name in ("b.pdf", "a.TXT", "c.exe", ".hidden"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub").mkdir()
    page.open_paths([str(tmp_path)], "add")
    assert [row.text().split(":")[0] for row in page.library.queue.rows] == ["a.TXT", "b.pdf"]
    assert window.requests == [ReadDocument(source=FileSource(str(tmp_path / "a.TXT")))]


def test_an_empty_folder_is_said(page: DocumentsPage, window: Window, tmp_path: Path) -> None:
    page.open_paths([str(tmp_path)])
    assert "Nothing in there can be read" in page.library.error.text()
    assert window.requests == []


def test_a_file_added_stays_in_the_library(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/a.pdf"], "add")
    assert page.shows_library
    assert window.requests == [ReadDocument(source=FileSource("/tmp/a.pdf"))]
    read(page)
    page.on_event(ReadDone(id="d1", seconds=0.1))
    page.job_finished()
    assert page.library.queue.rows[0].state == "done"
    click(page.library.queue.clear_button)
    assert page.library.queue.isHidden()


def test_work_goes_on_while_the_library_is_shown_and_is_there_again(
    page: DocumentsPage, window: Window
) -> None:
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    page.on_event(SentenceReady(sentence=SENTENCES[0]))
    click(page.view.bar.back_button)
    assert page.shows_library
    assert window.closed == ["d1"]
    page.on_event(SentenceReady(sentence=SENTENCES[1]))
    page.on_event(Progress(done=2, total=4, unit="chunks"))
    assert page.library.job.isVisible()
    page.show_document(stored())
    assert [view.sentence for view in page.view.summary.sentence_views] == list(SENTENCES[:2])
    page.on_event(SUMMARY)
    page.job_finished()
    assert len(page.view.summary.sentence_views) == len(SENTENCES)


def test_events_of_one_document_do_not_reach_another(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    page.show_document(stored("d7"))
    page.on_event(SentenceReady(sentence=SENTENCES[0]))
    page.on_event(Piece(text="x"))
    page.on_event(Warned(text="Something about the other one"))
    page.on_event(SUMMARY)
    page.job_finished()
    assert page.view.summary.sentence_views == ()
    assert "other one" not in page.view.warning.text()
    assert page.view.summary.invitation_button.text() == "Summarize"


def test_a_second_drop_waits_and_stop_takes_it_out_of_the_line(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/a.pdf"])
    page.open_paths(["/tmp/b.pdf"])
    assert page.view.job.text().startswith("Waits for “a.pdf”")
    click(page.view.job.stop_button)
    assert window.stops == 0
    page.job_finished()
    assert len(window.requests) == 1
    assert "Stopped" in page.view.error.text()


# library


def test_the_library_lists_filters_and_opens(page: DocumentsPage, window: Window) -> None:
    records = [record("d1", "lease.pdf"), record("d2", "年度报告.docx", title="x"), record("d3", "ملخص.pdf")]
    page.show_library(records, {"d1"})
    assert [r.id for r in page.library.visible_records()] == ["d1", "d2", "d3"]
    QTest.keyClicks(page.library.search, "LEASE annual")
    assert [r.id for r in page.library.visible_records()] == ["d1"]
    rect = page.library.list.visualRect(page.library.list.model().index(0, 0))
    QTest.mouseClick(page.library.list.viewport(), LEFT, pos=rect.center())
    assert window.selected == ["d1"]
    page.library.search.setText("报告")
    assert [r.id for r in page.library.visible_records()] == ["d2"]
    page.library.search.setText("[(*")
    assert page.library.visible_records() == []


def test_the_library_works_by_keyboard(page: DocumentsPage, window: Window) -> None:
    page.show_library([record("d1"), record("d2", "b.pdf")])
    rows = page.library.list
    rows.setFocus()
    rows.setCurrentIndex(rows.model().index(0, 0))
    QTest.keyClick(rows, Qt.Key.Key_Down)
    QTest.keyClick(rows, Qt.Key.Key_Return)
    assert window.selected == ["d2"]
    QTest.keyClick(rows, Qt.Key.Key_Delete)
    assert "b.pdf" in page.library.delete_notice.text()
    click(page.library.delete_notice.second_button)
    assert window.deleted == []
    QTest.keyClick(rows, Qt.Key.Key_Delete)
    click(page.library.delete_notice.first_button)
    assert window.deleted == ["d2"]


def test_an_empty_library_invites_to_drop(page: DocumentsPage, window: Window, qtbot: QtBot) -> None:
    page.show_library([])
    assert page.library.is_empty
    click(page.library.target.open_button)
    dialog = page.findChild(QFileDialog, "open-documents")
    assert dialog is not None
    dialog.filesSelected.emit(["/tmp/a.pdf"])
    dialog.reject()
    assert window.requests == [Summarize(sources=(FileSource("/tmp/a.pdf"),))]


def test_the_sample_is_one_press_away(
    page: DocumentsPage, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    monkeypatch.setattr("desktop_slm.gui.pages.documents.resource", lambda name: tmp_path)
    click(page.library.target.sample_button)
    assert window.requests == [Summarize(sources=(FileSource(str(tmp_path / "report.pdf")),))]


def test_a_deleted_document_leaves_the_screen(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored("d1"))
    page.show_library([record("d2")])
    assert page.shows_library


def test_ten_thousand_documents_list_quickly(page: DocumentsPage, window: Window) -> None:
    import time

    records = [record(f"d{n}", f"file {n}.pdf") for n in range(10_000)]
    page.show_library(records)
    started = time.perf_counter()
    page.show_library(records)
    page.library.search.setText("file 9999")
    QApplication.processEvents()
    assert time.perf_counter() - started < 2.0
    assert [r.id for r in page.library.visible_records()] == ["d9999"]


# names, scripts, looks


def test_hostile_names_are_plain_and_clean_everywhere(page: DocumentsPage, window: Window) -> None:
    page.show_library([record("d1", HOSTILE, title=HOSTILE)])
    page.open_paths(["/tmp/" + HOSTILE.replace("/", "_")])
    page.show_error(DocumentEncrypted(HOSTILE))
    page.job_finished()
    page.show_document(stored())
    for label in page.findChildren(QLabel):
        assert label.textFormat() == Qt.TextFormat.PlainText or not label.text(), label.text()
        assert "\u202e" not in label.text()


def test_arabic_and_chinese_sentences_arrive_whole(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    keys = tuple(
        KeySentence(text=text, page=1, block=1) for text in ("يقترح المجلس إغلاق الموقع.", "董事会提议关闭。")
    )
    page.view.summary.show_key_sentences(keys)
    assert [view.sentence.text for view in page.view.summary.key_views] == [key.text for key in keys]
    assert not page.grab().isNull()


def test_nothing_moves_while_key_sentences_are_read(
    page: DocumentsPage, window: Window, qtbot: QtBot
) -> None:
    page.resize(900, 400)
    page.open_paths(["/tmp/report.pdf"])
    page.on_event(DocumentRead(id="d1", document=document()))
    page.on_event(KeySentences(sentences=KEYS * 12))
    for _ in range(12):
        page.on_event(SentenceReady(sentence=SENTENCES[1]))
    bar = page.view.summary.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 1200)
    bar.setValue(bar.maximum() - 50)
    qtbot.wait(20)
    watched = page.view.summary.key_views[-1]
    before = watched.mapTo(page, QPoint(0, 0)).y()
    for _ in range(3):
        page.on_event(SentenceReady(sentence=SENTENCES[1]))
        QApplication.processEvents()
    assert abs(watched.mapTo(page, QPoint(0, 0)).y() - before) <= 2


def test_a_small_window_stays_usable(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.show_summary(SUMMARY)
    page.resize(836, 572)
    QApplication.processEvents()
    assert page.width() == 836
    for button in (page.view.bar.length_button, page.view.bar.export_button, page.view.bar.pages_button):
        assert page.view.bar.rect().contains(button.geometry())
    click(page.view.bar.pages_button)
    assert page.view.pages.isHidden()
    click(page.view.summary.sentence_views[0].pills[0])
    assert page.view.pages.isVisible()


@pytest.mark.parametrize("look", ["light", "dark"])
def test_both_palettes_draw_every_state(page: DocumentsPage, qapp: QApplication, look: Any) -> None:
    theme.apply(qapp, look)
    page.show_library([record()], {"d1"})
    ground = page.grab().toImage().pixelColor(5, 400)
    assert ground == QColor(theme.current().window)
    page.show_document(stored())
    page.show_summary(SUMMARY)
    assert page.grab().toImage().pixelColor(5, 700) == QColor(theme.current().window)


def test_every_control_has_a_name_and_can_be_reached_by_tab(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.show_summary(SUMMARY)
    for control in page.findChildren(QAbstractButton):
        if control.isVisible() and "scroll" not in type(control).__name__.lower():
            assert control.accessibleName() or control.text(), control
            assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, control.text()
    QApplication.processEvents()
    page.activateWindow()
    page.view.bar.back_button.setFocus()
    order: list[QWidget] = []
    while (focused := QApplication.focusWidget()) is not None and focused not in order:
        order.append(focused)
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    sentences = page.view.summary.sentence_views
    wanted = [
        page.view.bar.length_button,
        page.view.bar.export_button,
        page.view.tabs,
        sentences[0],
        sentences[1].pills[0],
        sentences[1].pills[1],
        page.view.summary.section_rows[0].button,
        page.view.summary.key_views[0],
        page.view.pages._field,
    ]
    assert [widget for widget in order if widget in wanted] == wanted


def test_the_model_note_is_a_plain_sentence(page: DocumentsPage, window: Window) -> None:
    page.show_model_note("<i>The starter model is small.</i>")
    assert page.library.note.text() == "<i>The starter model is small.</i>"
    page.show_model_note("")
    assert page.library.note.isHidden()


def test_it_leaves_nothing_behind(qtbot: QtBot, qapp: QApplication) -> None:
    made = DocumentsPage()
    Window(made)
    made.show()
    made.show_document(stored())
    made.show_summary(SUMMARY)
    made.close()
    watched = weakref.ref(made)
    made.deleteLater()
    del made
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert watched() is None or not _alive(watched())
    theme.apply(qapp, "dark")


def _alive(widget: object) -> bool:
    import shiboken6

    return bool(shiboken6.isValid(widget))
