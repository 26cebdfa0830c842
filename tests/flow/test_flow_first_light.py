"""The first day of a person with the window: from the welcome to a summary with its pages, and back again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from driving import (
    click,
    drop,
    end_of_answer,
    end_of_reading,
    find,
    first_run,
    press,
    say,
    send,
    shown,
    text_of_answer,
    translated,
    unlock,
    wait_until,
)
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QTextBrowser

from desktop_slm.documents.model import Document
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.gui.pages.unlock import UnlockPage
from desktop_slm.tasks.events import SummaryDone

SAMPLE = Path(__file__).resolve().parents[2] / "resources" / "samples" / "riverside-annual-report-2025.pdf"


def written(text: str) -> str:
    """Return text with every run of white space as one space: lines of a page are joined in a quote."""
    return " ".join(text.split())


def check_summary(window: MainWindow) -> None:
    """Every page read, every sentence with a place, every quote literally on its page."""
    page = window.documents.page
    document = page.view.document
    assert isinstance(document, Document)
    (record,) = window.app.library.documents()
    (kept,) = window.app.library.summaries(record.id)
    done = msgspec.json.decode(kept.result, type=SummaryDone)
    assert [view.sentence for view in page.view.summary.sentence_views] == list(done.sentences)
    assert done.coverage.pages == len(document.pages) == len(done.coverage.read)
    texts = {part.number: written(part.text) for part in document.pages}
    assert len(done.sentences) >= 3
    for sentence in done.sentences:
        assert sentence.citations, sentence.text
        for cited in sentence.citations:
            assert written(cited.quote) in texts[cited.page], cited
    assert done.key_sentences
    for key in done.key_sentences:
        assert written(key.text) in texts[key.page], key
    assert f"{len(document.pages)} of {len(document.pages)} pages read" in page.view.coverage.text()


def choose_citation(window: MainWindow) -> None:
    """Click the page of a cited sentence: its page is drawn and the passage marked."""
    view = window.documents.page.view
    sentence = next(view_ for view_ in view.summary.sentence_views if view_.pills)
    pill = sentence.pills[0]
    view.summary.ensureWidgetVisible(sentence)
    click(pill)
    wait_until(lambda: view.pages.canvas.has_image and view.pages.canvas.mark_rects(), "the marked page")
    assert view.pages.number == pill.place.page
    assert pill.active
    assert sentence.selected
    for rect in view.pages.canvas.mark_rects():
        assert not rect.isEmpty()
    image = view.pages.canvas.grab().toImage()
    rect = view.pages.canvas.mark_rects()[0]
    ground = image.pixelColor(rect.right() + 1, rect.center().y())
    assert ground.blue() < 250, "the passage is not marked"


def ask_document(window: MainWindow, question: str) -> str:
    """Ask under Questions; return what the card says in the end."""
    view = window.documents.page.view
    press(window, "Ask")
    QTest.keyClicks(view.answers._field, question)
    QTest.keyClick(view.answers._field, Qt.Key.Key_Return)
    end_of_reading(window)
    from desktop_slm.gui.widgets.questions_view import QuestionCard

    (card,) = shown(window, QuestionCard)
    assert card.sentence_views
    return card.text()


@pytest.mark.timeout(300)
def test_from_the_welcome_to_the_lock(windows, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    window = windows.show()
    first_run(window)
    assert window.app.saving

    # Chat
    answer = say(window, "Name one color of the rainbow.")
    assert answer.state == "complete"
    assert answer.text.strip()
    assert text_of_answer(window).split()[0] == answer.text.replace("*", "").split()[0]

    # Drop the report: key sentences at once, then the summary sentence by sentence
    seen: list[str] = []
    drop(window, [SAMPLE], "summarize")
    assert window.page_name == "documents"
    page = window.documents.page
    wait_until(lambda: page.view.summary.key_views, "the key sentences", 20)
    assert page.view.summary.sentence_views == ()
    assert page.view.job.isVisible()
    window.show_page("chat")  # the rest of the window stays usable, and the work goes on
    window.show_page("documents")
    wait_until(lambda: page.view.summary.sentence_views, "the first sentence", 150)
    if window.documents.busy:
        seen = [view.plain_text() for view in page.view.summary.sentence_views]
    end_of_reading(window)
    assert [view.plain_text() for view in page.view.summary.sentence_views][: len(seen)] == seen
    check_summary(window)
    choose_citation(window)
    summary = [view.plain_text() for view in page.view.summary.sentence_views]

    # Ask it, and chat with it as an attachment
    assert "?" in ask_document(window, "Where is the clinic?")
    window.show_page("chat")
    press(window, "New")
    drop(window, [SAMPLE], "ask")
    composer = window.chat.page.composer
    wait_until(lambda: composer.attachments and composer.attachments[0].document, "the attachment")
    send(window, "What is this report about? One sentence.")
    wait_until(lambda: len(text_of_answer(window)) > 40, "what it is about")
    if window.chat.busy:
        click(composer.send)  # it says Stop now
    about = end_of_answer(window)
    assert about.text.strip()
    assert about.state in ("complete", "stopped")
    question = window.chat.page.transcript.records()[0]
    (document,) = window.app.library.documents()
    assert question.documents == (document.id,)
    window.close()

    # Another day
    window = windows.show()
    unlock(window)
    chats = window.chat.page.conversations.model
    wait_until(lambda: chats.rowCount() == 1 + 3, "two chats and a question under a heading")
    found = find(window, "rainbow", "conversation")
    assert len(found) == 1
    press(window, "Open")
    wait_until(lambda: window.chat.page.open_conversation_id() == found[0], "the conversation")
    wait_until(lambda: text_of_answer(window), "the answer of yesterday")
    assert window.chat.page.transcript.records()[-1].text == answer.text

    assert len(find(window, "riverside", "document")) == 1
    (kept,) = find(window, "riverside", "summary")
    row = next(
        row
        for row in range(window.history.page._model.rowCount())
        if window.history.page._model.item(row).id == kept
    )
    window.history.page._list.setCurrentIndex(window.history.page._model.index(row))
    press(window, "Open")
    page = window.documents.page
    wait_until(lambda: page.view.summary.sentence_views, "the summary of yesterday")
    assert [view.plain_text() for view in page.view.summary.sentence_views] == summary
    check_summary(window)
    choose_citation(window)

    # Translate, and lock
    assert translated(window, "Good morning.", "fr")
    history = window.translate.page.history
    wait_until(lambda: len(history.visible_records()) == 1, "the translation in its history")
    assert len(find(window, "good morning", "translation")) == 1
    starts: list[bool] = []
    window.restart_requested.connect(lambda: starts.append(True))
    wait_until(lambda: window._rail._buttons["lock"].isEnabled(), "the lock")
    QTest.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert starts == [True]
    assert not window.isVisible()
    assert window.app.vault.state() == "locked"

    # After the lock nothing is on screen until the passphrase is typed
    window = windows.show()
    wait_until(lambda: shown(window, UnlockPage), "the lock screen")
    for widget in (*shown(window, QTextBrowser), *shown(window, QLineEdit)):
        text = widget.toPlainText() if isinstance(widget, QTextBrowser) else widget.text()
        assert not text
    assert not window._rail.isEnabled()
