"""Drives a Documents page as the main window and a person do; shared by its tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from document_samples import KEYS, SENTENCES, SUMMARY, document
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from pytestqt.qtbot import QtBot

from desktop_slm.gui.pages.documents import DocumentsPage
from desktop_slm.tasks.events import DocumentRead, KeySentences, SentenceReady

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
        self.languages: list[tuple[str, str]] = []
        page.request_made.connect(self.requests.append)
        page.page_image_requested.connect(lambda *args: self.images.append(args))
        page.stop_requested.connect(self._on_stop)
        page.document_selected.connect(self.selected.append)
        page.document_closed.connect(self.closed.append)
        page.document_delete_requested.connect(self.deleted.append)
        page.export_requested.connect(lambda *args: self.exports.append(args))
        page.language_corrected.connect(lambda *args: self.languages.append(args))
        page.translate_requested.connect(lambda *args: self.translations.append(args))

    def _on_stop(self) -> None:
        self.stops += 1


@contextmanager
def shown_page(qtbot: QtBot) -> Iterator[DocumentsPage]:
    """Show a page, and delete it afterwards."""
    made = DocumentsPage()
    made.resize(1216, 772)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()
    made.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


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
