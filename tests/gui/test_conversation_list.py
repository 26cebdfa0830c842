from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, datetime

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from desktop_slm.gui.widgets.conversation_list import ConversationList
from desktop_slm.gui.widgets.conversation_model import HEADING_ROLE, day_heading
from desktop_slm.store.records import ConversationRecord

NOW = time.time()


def _record(number: int, title: str, days: float = 0, pinned: bool = False) -> ConversationRecord:
    return ConversationRecord(id=f"c{number}", title=title, pinned=pinned, updated=NOW - days * 86_400)


RECORDS = [
    _record(1, "Lease", 0),
    _record(2, "Insurer", 1),
    _record(3, "Pinned one", 50, pinned=True),
    _record(4, "ملخص", 4),
    _record(5, "<b>Markup</b>\n\u202eevil", 20),
]


@pytest.fixture
def chats(qtbot: QtBot) -> Iterator[ConversationList]:
    made = ConversationList()
    qtbot.addWidget(made)
    made.resize(256, 600)
    made.show_conversations(RECORDS)
    made.show()
    QApplication.processEvents()
    return made


def _rows(chats: ConversationList) -> list[str]:
    model = chats.model
    return [str(model.data(model.index(row))) for row in range(model.rowCount())]


def _row(chats: ConversationList, conversation: str) -> None:
    chats.view.setCurrentIndex(chats.model.index(chats.model.row_of(conversation)))


def test_conversations_stand_under_their_days(chats: ConversationList) -> None:
    assert _rows(chats) == [
        "Pinned", "Pinned one", "Today", "Lease", "Yesterday", "Insurer",
        "Previous 7 days", "ملخص", "Previous 30 days", "<b>Markup</b> evil",
    ]  # fmt: skip
    heading = chats.model.index(0)
    assert heading.data(HEADING_ROLE) == "Pinned"
    assert not heading.flags() & Qt.ItemFlag.ItemIsSelectable


def test_older_days() -> None:
    today = date(2026, 6, 15)

    def heading(year: int, month: int, day: int) -> str:
        return day_heading(datetime(year, month, day, 12).timestamp(), today)

    assert heading(2026, 6, 15) == "Today"
    assert heading(2026, 6, 16) == "Today", "a clock that jumped back"
    assert heading(2026, 3, 2) == "March"
    assert heading(2025, 6, 2) == "2025"
    assert day_heading(0, today) == "Older"


def test_searching_keeps_titles_with_all_words(chats: ConversationList) -> None:
    chats.search.setText("one pin")
    assert _rows(chats) == ["Pinned", "Pinned one"]
    chats.search.setText("no such title")
    assert _rows(chats) == []
    assert chats.none.isVisible()
    chats.search.setText("")
    assert len(_rows(chats)) == 10


def test_a_click_opens_and_the_open_one_is_marked(qtbot: QtBot, chats: ConversationList) -> None:
    place = chats.view.visualRect(chats.model.index(chats.model.row_of("c2"))).center()
    with qtbot.waitSignal(chats.selected) as told:
        qtbot.mouseClick(chats.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert told.args == ["c2"]
    chats.show_current("c2")
    chats.show_conversations(RECORDS[::-1])
    assert chats.view.currentIndex().row() == chats.model.row_of("c2")
    with qtbot.assertNotEmitted(chats.selected):
        place = chats.view.visualRect(chats.view.currentIndex()).center()
        qtbot.mouseClick(chats.view.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_keys_rename_delete_and_open(qtbot: QtBot, chats: ConversationList) -> None:
    chats.view.setFocus()
    _row(chats, "c1")
    with qtbot.waitSignal(chats.delete_requested) as told:
        QTest.keyClick(chats.view, Qt.Key.Key_Delete)
    assert told.args == ["c1"]
    with qtbot.waitSignal(chats.selected) as told:
        QTest.keyClick(chats.view, Qt.Key.Key_Return)
    assert told.args == ["c1"]
    QTest.keyClick(chats.view, Qt.Key.Key_F2)
    editor = chats.view.findChild(QLineEdit)
    assert isinstance(editor, QLineEdit)
    editor.setText("  A better   title ")
    with qtbot.waitSignal(chats.rename_requested) as told:
        QTest.keyClick(editor, Qt.Key.Key_Return)
    assert told.args == ["c1", "A better title"]


def test_an_empty_or_unchanged_title_is_no_wish(qtbot: QtBot, chats: ConversationList) -> None:
    index = chats.model.index(chats.model.row_of("c1"))
    with qtbot.assertNotEmitted(chats.rename_requested):
        assert not chats.model.setData(index, " ")
        assert not chats.model.setData(index, "Lease")


def test_the_menu_offers_what_can_be_done(qtbot: QtBot, chats: ConversationList) -> None:
    chats.show_current("c2")
    _row(chats, "c1")
    menu = chats.menu_for(RECORDS[0])
    names = [action.text() for action in menu.actions()]
    menu.aboutToHide.emit()
    assert chats.view.currentIndex().row() == chats.model.row_of("c2"), "the open chat is marked again"
    assert names == ["Rename", "Pin", "Delete"]
    menu = chats.menu_for(RECORDS[2])
    assert menu.actions()[1].text() == "Unpin"
    with qtbot.waitSignal(chats.pin_requested) as told:
        menu.actions()[1].trigger()
    assert told.args == ["c3", False]
    with qtbot.waitSignal(chats.delete_requested) as told:
        menu.actions()[2].trigger()
    assert told.args == ["c3"]


def test_ten_thousand_are_only_painted_where_they_are_seen(qtbot: QtBot, chats: ConversationList) -> None:
    chats.show_conversations([_record(number, f"Chat {number}", number / 30) for number in range(10_000)])
    assert chats.model.rowCount() > 10_000
    assert chats.view.uniformItemSizes()
    asked: list[int] = []
    data = chats.model.data

    def counted(index: object, role: int = 0) -> object:
        asked.append(index.row())  # type: ignore[attr-defined]
        return data(index, role)  # type: ignore[arg-type]

    chats.model.data = counted  # type: ignore[method-assign,assignment]
    chats.view.verticalScrollBar().setValue(chats.view.verticalScrollBar().maximum() // 2)
    chats.view.viewport().repaint()
    assert len(set(asked)) < 60


def test_the_list_keeps_its_place_when_it_is_told_again(chats: ConversationList) -> None:
    records = [_record(number, f"Chat {number}", number / 30) for number in range(500)]
    chats.show_conversations(records)
    QApplication.processEvents()
    bar = chats.view.verticalScrollBar()
    bar.setValue(900)
    chats.show_conversations(records)
    assert bar.value() == 900
