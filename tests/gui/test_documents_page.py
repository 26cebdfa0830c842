"""The Documents page by clicks and keys: one document, from the drop to its citations and questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from document_samples import ANSWER, KEYS, QUOTE, SENTENCES, SUMMARY, document, image, stored
from documents_driver import Window, choose, click, read, shown_page, summarized
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QLineEdit
from pytestqt.qtbot import QtBot

from desktop_slm.documents.model import Box
from desktop_slm.engine.api import Usage
from desktop_slm.errors import DocumentDamaged, DocumentEncrypted, EngineCrashed
from desktop_slm.gui import theme
from desktop_slm.gui.pages.documents import DocumentsPage
from desktop_slm.tasks.events import (
    AnswerDone,
    Cited,
    Passage,
    Piece,
    Progress,
    ReadDone,
    Sentence,
    SentenceReady,
)
from desktop_slm.tasks.requests import Ask, FileSource, ReadDocument, StoredSource, Summarize


@pytest.fixture
def page(qtbot: QtBot) -> Iterator[DocumentsPage]:
    with shown_page(qtbot) as made:
        yield made


@pytest.fixture
def window(page: DocumentsPage) -> Window:
    return Window(page)


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


def test_the_nearest_sentences_stand_where_no_answer_was_proven(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    page.view.show_questions()
    QTest.keyClicks(page.view.answers.field, "Who is mayor?")
    click(page.view.answers.ask_button)
    near = Sentence(text=QUOTE, citations=(Cited(page=2, quote=QUOTE),), quoted=True)
    said = Sentence(text="No answer was proven. The nearest sentences:")
    for sentence in (said, near):
        page.on_event(SentenceReady(sentence=sentence))
    page.on_event(
        AnswerDone(
            sentences=(said, near),
            answered=False,
            route="whole",
            passages=(Passage(document="d1", page=2, text="A whole passage.", score=0.2),),
            model="",
            seconds=1,
            usage=Usage(),
        )
    )
    page.job_finished()
    card = page.view.answers.cards[0]
    assert said.text in card.text()
    assert "does not say" not in card.text()
    assert "A whole passage." not in card.text()
    assert [view.sentence for view in card.sentence_views] == [near]


def test_a_question_runs_beside_the_summary_and_a_second_one_waits(
    page: DocumentsPage, window: Window
) -> None:
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    page.view.show_questions()
    for question in ("First?", "Second?"):
        QTest.keyClicks(page.view.answers.field, question)
        click(page.view.answers.ask_button)
    assert [type(request).__name__ for request in window.requests] == ["Summarize", "Ask"]
    assert window.requests[-1].question == "First?"
    assert "Waits" in page.view.answers.cards[0].text()
    assert page.view.job.text() == "Looking for an answer"
    page.view.tabs.setCurrentIndex(0)
    assert page.view.job.text() == "Summarizing"
    page.on_event(SentenceReady(sentence=SENTENCES[0]), "summary")
    page.on_event(SentenceReady(sentence=SENTENCES[1]), "question")
    page.on_event(ANSWER, "question")
    page.job_finished("question")
    assert window.requests[-1].question == "Second?"
    assert page.view.job.isVisible()
    page.on_event(SUMMARY, "summary")
    page.job_finished("summary")
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


def test_a_wrong_language_is_corrected_in_the_bar(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    assert page.view.bar.language.text() == "English"
    page.view.bar.language.choose("nl")
    assert window.languages == [("d1", "nl")]
    click(page.view.bar.translate_button)
    assert window.translations == [(document().text, "nl")]
    page.show_document(stored("d2"))
    assert page.view.bar.language.text() == "English"
    assert window.languages == [("d1", "nl")]


def test_translate_hands_the_text_over(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored())
    click(page.view.bar.translate_button)
    assert window.translations == [(document().text, "en")]


# lanes
