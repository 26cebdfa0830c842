"""The Documents page by clicks and keys: several files, the library, names, looks and reach."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from document_samples import HOSTILE, KEYS, SENTENCES, SUMMARY, document, record, stored
from documents_driver import LEFT, Window, click, read, shown_page
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QLabel, QWidget
from pytestqt.qtbot import QtBot

from desktop_slm.documents.model import Document, KeySentence, Page
from desktop_slm.errors import DocumentDamaged, DocumentEmpty, DocumentEncrypted
from desktop_slm.gui import theme
from desktop_slm.gui.pages.documents import DocumentsPage
from desktop_slm.gui.widgets.document_list import facts
from desktop_slm.tasks.events import (
    DocumentRead,
    KeySentences,
    Piece,
    Progress,
    ReadDone,
    SentenceReady,
    Warned,
)
from desktop_slm.tasks.requests import FileSource, ReadDocument, StoredSource, Summarize


@pytest.fixture
def page(qtbot: QtBot) -> Iterator[DocumentsPage]:
    with shown_page(qtbot) as made:
        yield made


@pytest.fixture
def window(page: DocumentsPage) -> Window:
    return Window(page)


# several files


def test_several_files_are_done_one_after_the_other(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/a.pdf", "/tmp/b.pdf", "/tmp/c.pdf", "/tmp/d.pdf"])
    states = [row.state for row in page.library.queue.rows]
    assert states == ["working", "working", "waiting", "waiting"]
    read(page, "d1", name="a.pdf")
    assert window.requests[1:] == [ReadDocument(source=FileSource("/tmp/b.pdf"))]
    page.show_error(DocumentDamaged("b.pdf is damaged"), "read")
    page.job_finished("read")
    page.show_error(DocumentEncrypted("c.pdf is encrypted"), "read")
    page.job_finished("read")
    assert window.requests[-1] == ReadDocument(source=FileSource("/tmp/d.pdf"))
    page.on_event(DocumentRead(id="d4", document=document(name="d.pdf")), "read")
    page.job_finished("read")
    assert "waits for its summary" in page.library.queue.rows[3].text()
    page.on_event(SUMMARY)
    page.job_finished()
    assert window.requests[-1].sources == (StoredSource("d4"),)
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
    assert window.requests[-1] == ReadDocument(source=FileSource("/tmp/c.pdf", "pw"))
    page.show_error(DocumentEncrypted("c.pdf is encrypted", wrong_password=True), "read")
    page.job_finished("read")
    assert page.library.password.isVisible()
    assert page.library.password.says_wrong
    page.on_event(SUMMARY)
    page.job_finished()
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
    assert page.view.job.text() == "Reading"
    page.on_event(DocumentRead(id="d2", document=document(name="b.pdf")), "read")
    page.job_finished("read")
    assert page.view.job.text() == "Waits for “a.pdf”"
    made = len(window.requests)
    click(page.view.job.stop_button)
    assert window.stops == 0
    page.job_finished()
    assert len(window.requests) == made
    assert page.view.summary.invitation_button.text() == "Summarize"


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
    monkeypatch.setattr("desktop_slm.gui.widgets.library_view.resource", lambda name: tmp_path)
    click(page.library.target.sample_button)
    assert window.requests == [Summarize(sources=(FileSource(str(tmp_path / "report.pdf")),))]


def test_a_deleted_document_leaves_the_screen(page: DocumentsPage, window: Window) -> None:
    page.show_document(stored("d1"))
    page.show_library([record("d2")])
    assert page.shows_library


def test_ten_thousand_documents_cost_no_widget_each(page: DocumentsPage, window: Window) -> None:
    records = [record(f"d{n}", f"file {n}.pdf") for n in range(10_000)]
    before = len(page.library.findChildren(QWidget))
    page.show_library(records)
    page.library.search.setText("file 9999")
    QApplication.processEvents()
    assert len(page.library.findChildren(QWidget)) < before + 100
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


# scans


def scan(name: str = "scan.pdf") -> Document:
    return Document(
        title="", name=name, format="pdf", language="", pages=(Page(number=1, blocks=(), is_image=True),)
    )


def test_a_scan_is_called_a_scan_and_offers_no_summary(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/scan.pdf"])
    page.on_event(DocumentRead(id="d1", document=scan()))
    page.show_error(DocumentEmpty("The document is a scan without text: there is nothing to summarize"))
    page.job_finished()
    summary = page.view.summary
    assert not summary.invitation_button.isVisible()
    assert any("a scan without text" in label.text() for label in summary.findChildren(QLabel))
    assert page.view.error.isHidden()
    page.show_document(stored("d1"))
    assert summary.invitation_button.isVisible()


def test_a_scan_in_a_list_of_files_is_named_in_its_row(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/a.pdf", "/tmp/scan.pdf"])
    page.on_event(DocumentRead(id="d2", document=scan()), "read")
    page.on_event(ReadDone(id="d2", seconds=0.1), "read")
    page.job_finished("read")
    assert page.library.queue.rows[1].text() == "scan.pdf: a scan without text, 1 page"
    read(page, "d1")
    page.on_event(SUMMARY)
    made = len(window.requests)
    page.job_finished()
    assert len(window.requests) == made
    assert facts(record("d2", "scan.pdf", words=0, language="")) == "5 pages · a scan without text"
