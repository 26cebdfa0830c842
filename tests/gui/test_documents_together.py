"""One summary across several documents by clicks: made, stopped, led from to a citation and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from document_samples import SENTENCES, SUMMARY, document, stored
from documents_driver import Window, click, read, shown_page
from msgspec.structs import replace
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from desktop_slm.errors import EngineCrashed
from desktop_slm.gui.pages.documents import DocumentsPage
from desktop_slm.gui.widgets.citation_view import Origin
from desktop_slm.gui.widgets.together_view import TogetherView
from desktop_slm.tasks.events import (
    Cited,
    Coverage,
    DocumentRead,
    Section,
    Sentence,
    SentenceReady,
    SummaryDone,
)
from desktop_slm.tasks.requests import StoredSource, Summarize

FIRST = Sentence(text="Revenue rose.", citations=(Cited(page=2, quote="Page 2 begins here.", document="d1"),))
SECOND = Sentence(text="Costs fell.", citations=(Cited(page=3, quote="Page 3 begins here.", document="d2"),))
ACROSS: SummaryDone = replace(
    SUMMARY,
    sentences=(FIRST, SECOND),
    outline=(
        Section(title="Report", page=1, notes=(FIRST,)),
        Section(title="Letter", page=1, notes=(SECOND,)),
    ),
    coverage=Coverage(pages=10, read=tuple(range(1, 11))),
    documents=("d1", "d2"),
)


@pytest.fixture
def page(qtbot: QtBot) -> Iterator[DocumentsPage]:
    with shown_page(qtbot) as made:
        yield made


@pytest.fixture
def window(page: DocumentsPage) -> Window:
    return Window(page)


def two_files(page: DocumentsPage) -> None:
    page.open_paths(["/tmp/report.pdf", "/tmp/letter.docx"])
    page.on_event(DocumentRead(id="d2", document=document(name="letter.docx", images=False)), "read")
    page.job_finished("read")
    for identifier, name, images in (("d1", "report.pdf", True), ("d2", "letter.docx", False)):
        read(page, identifier, name=name, images=images)
        page.on_event(SUMMARY)
        page.job_finished()


def view(page: DocumentsPage) -> TogetherView:
    found = page.findChild(TogetherView)
    assert found is not None
    assert found.isVisible()
    return found


def together(page: DocumentsPage) -> TogetherView:
    two_files(page)
    click(page.library.queue.together_button)
    read(page, "d1")
    read(page, "d2")
    page.on_event(SentenceReady(sentence=SENTENCES[0]))
    page.on_event(ACROSS)
    page.job_finished()
    return view(page)


def test_it_is_offered_once_two_files_are_done(page: DocumentsPage, window: Window) -> None:
    page.open_paths(["/tmp/a.pdf", "/tmp/b.pdf"])
    assert page.library.queue.together_button.isHidden()
    read(page, "d1")
    page.on_event(DocumentRead(id="d2", document=document()), "read")
    page.job_finished("read")
    page.on_event(SUMMARY)
    page.job_finished()
    assert page.library.queue.together_button.isHidden()
    page.show_error(EngineCrashed("The model stopped", "Try again."))
    page.job_finished()
    assert page.library.queue.together_button.isHidden()
    click(page.library.queue.rows[1].button)
    read(page, "d2")
    page.on_event(SUMMARY)
    page.job_finished()
    assert page.library.queue.together_button.isVisible()


def test_one_summary_of_all_names_the_document_of_each_place(page: DocumentsPage, window: Window) -> None:
    shown = together(page)
    assert window.requests[-1] == Summarize(sources=(StoredSource("d1"), StoredSource("d2")))
    pills = [pill.text() for sentence in shown.summary.sentence_views for pill in sentence.pills]
    assert pills == ["report.pdf, p. 2", "letter.docx, part 3"]
    assert [row.button.text() for row in shown.summary.section_rows] == ["report.pdf", "letter.docx"]
    assert shown.names_line.text() == "report.pdf · letter.docx"
    assert shown.coverage.text() == "10 of 10 pages read"
    assert shown.job.isHidden()
    click(shown.copy_button)
    assert QGuiApplication.clipboard().text().splitlines()[1] == "Costs fell. (letter.docx, part 3)"


def test_a_citation_opens_its_document_there_and_back_returns(page: DocumentsPage, window: Window) -> None:
    shown = together(page)
    click(shown.summary.section_rows[0].button)
    assert window.selected == []
    click(shown.summary.sentence_views[0].pills[0])
    assert window.selected == ["d1"]
    page.show_document(stored("d1"))
    page.show_summary(SUMMARY)
    assert page.view.isVisible()
    assert page.view.pages.number == 2
    assert window.images[-1][:2] == ("d1", 2)
    assert window.images[-1][3] == ("Page 2 begins here.",)
    click(page.view.bar.back_button)
    assert view(page) is shown
    assert window.closed == ["d1"]
    click(shown.back_button)
    assert page.shows_library
    page.show_document(stored("d1"))
    assert page.view.pages.number == 1
    click(page.view.bar.back_button)
    assert page.shows_library


def test_pressing_again_shows_what_has_been_made(page: DocumentsPage, window: Window) -> None:
    shown = together(page)
    click(shown.back_button)
    made = len(window.requests)
    click(page.library.queue.together_button)
    assert len(window.requests) == made
    assert len(view(page).summary.sentence_views) == 2


def test_stopping_offers_to_go_on(page: DocumentsPage, window: Window) -> None:
    two_files(page)
    click(page.library.queue.together_button)
    click(view(page).job.stop_button)
    assert window.stops == 1
    page.job_finished()
    click(view(page).summary.invitation_button)
    assert window.requests[-1] == window.requests[-2]
    page.on_event(ACROSS)
    page.job_finished()
    assert len(view(page).summary.sentence_views) == 2


def test_a_failure_is_said_here_and_can_be_tried_again(page: DocumentsPage, window: Window) -> None:
    two_files(page)
    click(page.library.queue.together_button)
    page.show_error(EngineCrashed("The model stopped", "Try again."))
    page.job_finished()
    assert "The model stopped" in view(page).error.text()
    made = len(window.requests)
    click(view(page).error.first_button)
    assert len(window.requests) == made + 1
    assert view(page).error.isHidden()


def test_its_events_do_not_reach_a_document_on_screen(page: DocumentsPage, window: Window) -> None:
    two_files(page)
    click(page.library.queue.together_button)
    click(view(page).back_button)
    page.show_document(stored("d1"))
    read(page, "d1")
    page.on_event(SentenceReady(sentence=SENTENCES[0]))
    page.on_event(ACROSS)
    page.job_finished()
    assert page.view.summary.sentence_views == ()


def test_a_kept_one_comes_back_from_the_history(page: DocumentsPage, window: Window) -> None:
    origins: dict[str, Any] = {"d1": Origin("report.pdf"), "d2": Origin("letter.docx", "part")}
    page.show_together(ACROSS, origins)
    assert [s.sentence for s in view(page).summary.sentence_views] == [FIRST, SECOND]
    click(view(page).summary.sentence_views[1])
    assert window.selected == ["d2"]
