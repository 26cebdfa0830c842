"""The Documents page with more than one thing going on: reading, summaries and questions side by side."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from document_samples import KEYS, SENTENCES, SUMMARY, document, stored
from documents_driver import Window, choose, click, read, shown_page
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_slm.errors import DocumentEncrypted, EngineCrashed
from desktop_slm.gui.pages.documents import DocumentsPage
from desktop_slm.tasks.events import (
    DocumentRead,
    KeySentences,
    ReadDone,
    SentenceReady,
)
from desktop_slm.tasks.requests import FileSource, ReadDocument, StoredSource, Summarize


@pytest.fixture
def page(qtbot: QtBot) -> Iterator[DocumentsPage]:
    with shown_page(qtbot) as made:
        yield made


@pytest.fixture
def window(page: DocumentsPage) -> Window:
    return Window(page)


def test_a_second_file_is_read_while_the_first_is_summarized(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/first.pdf"])
    read(page)
    page.open_paths(["/tmp/second.pdf"])
    assert window.requests[-1] == ReadDocument(source=FileSource("/tmp/second.pdf"))
    page.on_event(DocumentRead(id="d2", document=document(name="second.pdf")), "read")
    page.on_event(KeySentences(sentences=KEYS), "read")
    page.on_event(ReadDone(id="d2", seconds=0.1), "read")
    page.job_finished("read")
    assert len(page.view.summary.key_views) == len(KEYS)
    assert page.view.pages.number == 1
    assert page.view.job.text() == "Waits for “first.pdf”"
    assert not page.view.summary.invitation_button.isVisible()
    page.on_event(SUMMARY, "summary")
    page.job_finished("summary")
    assert window.requests[-1] == Summarize(sources=(StoredSource("d2"),))
    assert page.view.job.text() == "Summarizing"


def test_the_password_of_a_second_file_is_asked_for_at_once(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/first.pdf"])
    page.open_paths(["/tmp/secret.pdf"])
    page.show_error(DocumentEncrypted("secret.pdf is encrypted"), "read")
    page.job_finished("read")
    assert page.view.password.isVisible()
    QTest.keyClicks(page.view.password.field, "right")
    click(page.view.password.open_button)
    assert window.requests[-1] == ReadDocument(source=FileSource("/tmp/secret.pdf", "right"))
    page.on_event(DocumentRead(id="d2", document=document(name="secret.pdf")), "read")
    page.job_finished("read")
    page.job_finished("summary")
    assert window.requests[-1] == Summarize(sources=(StoredSource("d2"),))


def test_stop_ends_what_the_tab_in_front_is_about(page: DocumentsPage, window: Window) -> None:
    stopped: list[str] = []
    page.stop_requested.connect(stopped.append)
    page.open_paths(["/tmp/report.pdf"])
    read(page)
    page.view.show_questions()
    QTest.keyClicks(page.view.answers.field, "First?")
    click(page.view.answers.ask_button)
    click(page.view.job.stop_button)
    page.job_finished("question")
    assert "Stopped" in page.view.answers.cards[0].text()
    click(page.view.job.stop_button)
    assert stopped == ["question", "summary"]


@pytest.mark.parametrize("end", ["crash", "stop"])
def test_a_kept_summary_stays_when_a_newer_one_does_not_come_about(
    page: DocumentsPage, window: Window, end: str
) -> None:
    page.show_document(stored())
    page.show_summary(SUMMARY, Summarize(sources=(StoredSource("d1"),)))
    choose(page, page.view.bar.length_button, "Long")
    assert page.view.summary.sentence_views == ()
    page.on_event(SentenceReady(sentence=SENTENCES[1]))
    if end == "crash":
        page.show_error(EngineCrashed("The model stopped", "Try again."))
    else:
        page.on_event(msgspec.structs.replace(SUMMARY, sentences=(SENTENCES[1],), reason="cancelled"))
    page.job_finished()
    assert tuple(view.sentence for view in page.view.summary.sentence_views) == SUMMARY.sentences
    assert page.view.bar.length_button.text() == "Summary: medium"
    assert page.view.bar.export_button.isEnabled()
    assert window.requests[-1].length == "long"
    assert len(window.requests) == 1
