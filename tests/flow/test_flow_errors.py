"""What goes wrong in front of the person: one sentence in the page, nothing stored, the window as before."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from driving import (
    answer_on_screen,
    click,
    drop,
    end_of_reading,
    find,
    send,
    text_of_answer,
    wait_until,
    wait_until_idle,
)
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
SENTENCES = (
    "The ferry leaves the north pier at seven in the morning.",
    "It carries ninety passengers and eleven cars across the sound.",
    "In winter the crossing is closed when the ice is thicker than a hand.",
    "The council pays two thirds of the cost from the harbor fund.",
)


def pdf(password: str = "") -> bytes:
    """Return a page with four sentences, encrypted where a password is given."""
    target = io.BytesIO()
    encryption = StandardEncryption(password, canPrint=1) if password else None
    canvas = Canvas(target, encrypt=encryption)
    for row, sentence in enumerate(SENTENCES):
        canvas.drawString(60, 720 - 20 * row, sentence)
    canvas.showPage()
    canvas.save()
    return target.getvalue()


@pytest.fixture(scope="module")
def window(module_windows):  # type: ignore[no-untyped-def]
    return module_windows.enter()


def test_an_encrypted_document_asks_for_its_password_and_opens(window, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "lease.pdf"
    path.write_bytes(pdf("open sesame"))
    before = {record.id for record in window.app.library.documents()}
    drop(window, [path], "summarize")
    panel = window.documents.page.view.password
    wait_until(panel.isVisible, "the question for the password")
    assert not panel.says_wrong
    assert {record.id for record in window.app.library.documents()} == before

    QTest.keyClicks(panel.field, "open barley")
    QTest.keyClick(panel.field, Qt.Key.Key_Return)
    wait_until(lambda: panel.isVisible() and panel.says_wrong, "the question once more")
    assert {record.id for record in window.app.library.documents()} == before

    QTest.keyClicks(panel.field, "open sesame")
    QTest.keyClick(panel.field, Qt.Key.Key_Return)
    view = window.documents.page.view
    wait_until(lambda: view.summary.key_views, "the key sentences")
    assert view.summary.key_views[0].sentence.text in SENTENCES
    end_of_reading(window)
    assert view.summary.sentence_views
    (record,) = [record for record in window.app.library.documents() if record.id not in before]
    assert record.name == "lease.pdf"

    # Its pages are drawn too: the original is in the vault, and still encrypted with its own password
    click(view.summary.key_views[0].pills[0])
    wait_until(lambda: view.pages.canvas.has_image or view.pages.shows_text, "the page")


BROKEN = {
    "truncated.pdf": lambda: pdf()[:700],
    "picture.pdf": lambda: PNG,
    "empty.pdf": lambda: b"",
    "broken.docx": lambda: b"PK\x03\x04" + b"\0" * 400,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_told_in_one_sentence(window, name: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    before = [record.id for record in window.app.library.documents()]
    path = tmp_path / name
    path.write_bytes(BROKEN[name]())
    drop(window, [path], "summarize")
    page = window.documents.page
    notice = page.view.error
    wait_until(notice.isVisible, "the reason")
    end_of_reading(window)
    said = notice.text()
    assert 10 < len(said) < 200, said
    assert "Traceback" not in said
    assert "went wrong" not in said
    assert notice.second_button.text() == "Back"
    click(notice.second_button)
    assert page.shows_library
    assert [record.id for record in window.app.library.documents()] == before
    assert find(window, name.split(".")[0]) == []


def test_a_file_that_has_gone_meanwhile(window, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    drop(window, [tmp_path / "gone.pdf"], "summarize")
    page = window.documents.page
    wait_until(page.view.error.isVisible, "the reason")
    end_of_reading(window)
    assert "no such file" in page.view.error.text()
    click(page.view.error.second_button)
    assert page.shows_library


@pytest.mark.parametrize("how", ["double click", "double Enter"])
def test_sending_twice_sends_once(window, how: str) -> None:  # type: ignore[no-untyped-def]
    window.show_page("chat")
    page = window.chat.page
    click(page.conversations.new)
    wait_until(lambda: not page.transcript.records(), "an empty page")
    before = len(window.app.history.conversations())
    composer = page.composer
    composer.text.setFocus()
    QTest.keyClicks(composer.text, f"Say yes, {how}.")
    if how == "double click":
        left = Qt.MouseButton.LeftButton
        QTest.mouseClick(composer.send, left)
        QTest.mouseDClick(composer.send, left)  # the second press alone, as the platform tells it
        QTest.mouseRelease(composer.send, left)
    else:
        QTest.keyClick(composer.text, Qt.Key.Key_Return)
        QTest.keyClick(composer.text, Qt.Key.Key_Return)
    wait_until(lambda: text_of_answer(window), "the answer: the second click must not stop it")
    wait_until_idle(window)
    messages = window.app.history.messages(page.open_conversation_id())
    assert [message.role for message in messages] == ["user", "assistant"]
    assert messages[1].state == "complete"
    assert len(window.app.history.conversations()) == before + 1
    assert composer.written() == ""


def test_a_message_too_long_for_the_context_is_given_back(window) -> None:  # type: ignore[no-untyped-def]
    window.show_page("chat")
    page = window.chat.page
    click(page.conversations.new)
    before = len(window.app.history.conversations())
    text = "one two three four five six seven eight " * 400
    send(window, text.strip())
    wait_until(page.notice.isVisible, "the reason")
    wait_until_idle(window)
    assert "token" in page.notice.text().lower() or "long" in page.notice.text().lower()
    assert page.composer.written().strip() == text.strip()
    assert len(window.app.history.conversations()) == before
    page.composer.text.clear()
    send(window, "Say yes.")
    wait_until(lambda: text_of_answer(window), "the next answer", 30)
    click(page.composer.send)
    wait_until_idle(window)
    assert answer_on_screen(window).record.text.strip()
