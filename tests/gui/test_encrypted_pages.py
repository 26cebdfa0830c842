"""Pages of an encrypted document: its password is asked for once in a session, and never stored."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from desktop_slm.documents.reader import open_document
from desktop_slm.gui.main_window import MainWindow

WAIT_MS = 20_000
PASSWORD = "open sesame"


@pytest.fixture(scope="module")
def lease() -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, encrypt=StandardEncryption(PASSWORD, canPrint=1))
    canvas.drawString(72, 720, "The tenant gives notice of three months before the first of July.")
    canvas.save()
    return target.getvalue()


@pytest.fixture
def shown(windows, qtbot: QtBot, lease: bytes) -> MainWindow:  # type: ignore[no-untyped-def]
    """Return a window in which the encrypted document of an earlier session has been opened."""
    window: MainWindow = windows.enter()
    session = open_document("lease.pdf", lease, password=PASSWORD)
    session.close()
    record = window.app.library.add(session.document, lease, session.key_sentences)
    window.show_page("documents")
    window.documents.open(record.id)
    qtbot.waitUntil(window.documents.page.view.password.isVisible, timeout=WAIT_MS)
    return window


def enter(window: MainWindow, password: str) -> None:
    field = window.documents.page.view.password.field
    QTest.keyClicks(field, password)
    QTest.keyClick(field, Qt.Key.Key_Return)


def has_image(window: MainWindow) -> Callable[[], bool]:
    pages = window.documents.page.view.pages
    return lambda: pages.canvas.has_image and not pages.shows_text


def test_the_text_is_shown_until_the_right_password_is_given(shown: MainWindow, qtbot: QtBot) -> None:
    view = shown.documents.page.view
    assert view.pages.shows_text
    assert "three months" in view.pages.text.toPlainText()
    assert not view.password.says_wrong
    enter(shown, "open barley")
    qtbot.waitUntil(lambda: view.password.isVisible() and view.password.says_wrong, timeout=WAIT_MS)
    enter(shown, PASSWORD)
    qtbot.waitUntil(has_image(shown), timeout=WAIT_MS)
    assert view.password.isHidden()


def test_it_is_asked_for_once_in_a_session(shown: MainWindow, qtbot: QtBot) -> None:
    enter(shown, PASSWORD)
    qtbot.waitUntil(has_image(shown), timeout=WAIT_MS)
    (record,) = shown.app.library.documents()
    shown.documents.page.show_library_again()
    shown.documents.open(record.id)
    qtbot.waitUntil(has_image(shown), timeout=WAIT_MS)
    assert shown.documents.page.view.password.isHidden()


def test_the_text_will_do(shown: MainWindow) -> None:
    view = shown.documents.page.view
    skip = next(b for b in view.password.findChildren(QAbstractButton) if b.text() == "Show the text")
    QTest.mouseClick(skip, Qt.MouseButton.LeftButton)
    assert view.password.isHidden()
    assert view.pages.shows_text
    assert not shown.documents.page.shows_library


def test_a_file_that_has_just_been_opened_is_not_asked_again(
    windows, qtbot: QtBot, lease: bytes, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "lease.pdf"
    path.write_bytes(lease)
    window = windows.enter()
    window.show_page("documents")
    page = window.documents.page
    page.open_paths([path], "ask")
    qtbot.waitUntil(page.view.password.isVisible, timeout=WAIT_MS)
    enter(window, PASSWORD)
    qtbot.waitUntil(has_image(window), timeout=WAIT_MS)
    assert page.view.password.isHidden()
