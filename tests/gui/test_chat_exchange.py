"""A question and its answer on the Chat page: sending, streaming, branches, errors, waiting."""

from __future__ import annotations

import pytest
from chat_driver import ANSWER, LEASE, OTHER, QUESTION, done, last, send, shown_page, start
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from desktop_slm.errors import ContextExceeded, EngineCrashed
from desktop_slm.gui.pages.chat import ChatPage
from desktop_slm.gui.widgets.assistant_message import AssistantMessage
from desktop_slm.gui.widgets.message_view import UserMessage
from desktop_slm.store.records import MessageRecord
from desktop_slm.tasks.events import Piece, Progress, Started, Warned
from desktop_slm.tasks.requests import Chat, StoredSource


@pytest.fixture
def page(qtbot: QtBot) -> ChatPage:
    return shown_page(qtbot)


@pytest.fixture
def asked(page: ChatPage) -> list[Chat]:
    """The requests that the page has made."""
    made: list[Chat] = []
    page.request_made.connect(made.append)
    return made


def test_an_answer_streams_in(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "And in writing?")
    assert asked[0].conversation == "c1"
    page.on_event(Progress(done=50, total=100, unit="tokens", stage="reading"))
    assert last(page).notice.text() == "Reading · 50 %"
    start(page)
    for piece in ("Yes, ", "in **wri", "ting**."):
        page.on_event(Piece(text=piece))
    page.transcript.advance_live()
    assert last(page).body.toPlainText().strip() == "Yes, in writing."
    assert last(page).notice.isHidden(), "the first word replaces the progress"
    page.on_event(done("Yes, in **writing**."))
    page.show_finished()
    assert not page.is_busy()
    view = last(page)
    assert view.record.id == "m4"
    assert not view.live
    assert view.actions_row.cost.text() == "20 tok/s · first word after 0.1 s"
    assert [record.id for record in page.transcript.records()] == ["m1", "m2", "m3", "m4"]


def test_a_new_conversation_gets_its_id_and_title(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(None)
    send(page, "What is a lease?")
    assert asked[0].conversation == ""
    start(page, "c9")
    assert page.open_conversation_id() == "c9"
    assert page.bar.title.text() == "What is a lease?"
    page.on_event(done("A contract.", conversation="c9"))
    page.show_finished()
    send(page, "And more?")
    assert asked[1].conversation == "c9"


def test_escape_and_the_stop_button_stop(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "Go on")
    start(page)
    page.on_event(Piece(text="Half an answer"))
    assert page.composer.send.text() == "Stop"
    with qtbot.waitSignal(page.stop_requested):
        QTest.keyClick(page.composer.text, Qt.Key.Key_Escape)
    with qtbot.waitSignal(page.stop_requested):
        qtbot.mouseClick(page.composer.send, Qt.MouseButton.LeftButton)
    page.show_finished()
    view = last(page)
    assert view.body.toPlainText().strip() == "Half an answer"
    assert view.notice.text() == "Stopped."
    assert page.composer.send.text() == "Send"


def test_escape_does_nothing_while_nothing_runs(qtbot: QtBot, page: ChatPage) -> None:
    with qtbot.assertNotEmitted(page.stop_requested):
        QTest.keyClick(page.composer.text, Qt.Key.Key_Escape)


def test_writing_goes_on_while_an_answer_streams(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "First")
    start(page)
    QTest.keyClicks(page.composer.text, "Second")
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)
    assert len(asked) == 1
    assert page.composer.written() == "Second"
    page.on_event(done("Answer"))
    page.show_finished()
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)
    assert asked[1].text == "Second"


def test_regenerate_and_continue(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    row = last(page).actions_row
    qtbot.mouseClick(row.regenerate, Qt.MouseButton.LeftButton)
    assert asked == [Chat(conversation="c1", parent="m1", action="regenerate")]
    assert [record.role for record in page.transcript.records()] == ["user", "assistant"]
    assert last(page).record.siblings == 2
    page.on_event(Started(conversation="c1", user_message="m1", message="m4"))
    page.on_event(done("Another."))
    page.show_finished()
    page.show_messages([QUESTION, ANSWER])
    qtbot.mouseClick(last(page).actions_row.go_on, Qt.MouseButton.LeftButton)
    assert asked[1] == Chat(conversation="c1", parent="m2", action="continue")
    page.on_event(Started(conversation="c1", message="m2"))
    page.on_event(Piece(text=" In writing."))
    page.on_event(done("Three months. In writing.", message="m2"))
    page.show_finished()
    assert last(page).body.toPlainText().strip() == "Three months. In writing."


def test_editing_the_first_question_branches_at_the_beginning(
    qtbot: QtBot, page: ChatPage, asked: list[Chat]
) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    qtbot.mouseClick(last(page).actions_row.edit, Qt.MouseButton.LeftButton)
    user = page.findChildren(UserMessage)[0]
    editor = user._editor
    assert editor is not None
    assert editor.text.toPlainText() == "How long?"
    editor.text.setPlainText("How short?")
    QTest.keyClick(editor.text, Qt.Key.Key_Return)
    assert asked == [
        Chat(text="How short?", conversation="c1", parent="c1", attachments=(StoredSource("d1"),))
    ]
    assert [record.text for record in page.transcript.records()] == ["How short?", ""]


def test_escape_leaves_the_editor(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    page.transcript.start_editing("m1")
    user = page.findChildren(UserMessage)[0]
    assert user._editor is not None
    QTest.keyClick(user._editor.text, Qt.Key.Key_Escape)
    assert user._editor is None
    assert not user.body.isHidden()
    assert not asked


def test_nothing_else_starts_while_an_answer_streams(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "Go on")
    start(page)
    first = next(view for view in page.findChildren(AssistantMessage) if view.record.id == "m2")
    assert not first.actions_row.regenerate.isEnabled()
    assert not first.actions_row.edit.isEnabled()
    QTest.keyClick(page, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert len(asked) == 1


def test_an_error_before_the_start_gives_the_words_back(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "A very long text")
    page.show_error(ContextExceeded(9_000, 8_192))
    page.show_finished()
    assert page.composer.written() == "A very long text"
    assert [record.id for record in page.transcript.records()] == ["m1", "m2"]
    assert "9,000 tokens" in page.notice.text()
    assert not page.is_busy()


def test_stopping_before_the_start_gives_the_words_back(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "Never mind")
    page.show_finished()
    assert page.composer.written() == "Never mind"
    assert [record.id for record in page.transcript.records()] == ["m1", "m2"]


def test_an_error_in_the_middle_keeps_the_text(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "Go on")
    start(page)
    page.on_event(Piece(text="Half of"))
    page.show_error(EngineCrashed("The model stopped working", "Send it again."))
    page.show_finished()
    view = last(page)
    assert view.body.toPlainText().strip() == "Half of"
    assert view.notice.text() == "The model stopped working. Send it again."
    send(page, "Again")
    assert len(asked) == 2


def test_without_a_model_a_message_waits(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_no_model()
    assert page.composer.text.isEnabled()
    with qtbot.waitSignal(page.models_requested):
        qtbot.mouseClick(page.notice.first_button, Qt.MouseButton.LeftButton)
    send(page, "Hello")
    assert not asked
    assert "as soon as a model is ready" in page.notice.text()
    page.show_models([("tiny", "Tiny")], "tiny")
    assert asked == [Chat(text="Hello")]
    assert page.notice.isHidden()


def test_a_waiting_message_can_be_taken_back(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_no_model()
    send(page, "Hello")
    qtbot.mouseClick(page.notice.second_button, Qt.MouseButton.LeftButton)
    assert page.composer.written() == "Hello"
    page.show_models([("tiny", "Tiny")], "tiny")
    assert not asked


def test_the_answer_goes_on_while_another_chat_is_read(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "Go on")
    start(page)
    page.on_event(Piece(text="One "))
    page.show_conversation(OTHER, [])
    page.on_event(Piece(text="two "))
    assert page.is_busy()
    assert page.composer.send.text() == "Send", "this chat has nothing to stop"
    assert page.transcript.records() == []
    asked_again = MessageRecord(id="m3", conversation="c1", parent="m2", role="user", text="Go on")
    half = MessageRecord(
        id="m4", conversation="c1", parent="m3", role="assistant", text="One ", state="streaming"
    )
    page.show_conversation(LEASE, [QUESTION, ANSWER, asked_again, half])
    page.on_event(Piece(text="three"))
    page.transcript.advance_live()
    assert last(page).body.toPlainText().strip() == "One two three"
    assert page.composer.send.text() == "Stop"
    page.on_event(done("One two three"))
    page.show_finished()
    assert last(page).body.toPlainText().strip() == "One two three"


def test_a_message_in_another_chat_waits_for_the_answer(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "Go on")
    start(page)
    page.show_conversation(OTHER, [])
    send(page, "Something else")
    assert len(asked) == 1
    assert "when the answer in the other chat is done" in page.notice.text()
    page.on_event(done("Done."))
    page.show_finished()
    assert asked[1] == Chat(text="Something else", conversation="c2")


def test_warnings_are_shown_under_the_answer(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    send(page, "Go on")
    start(page)
    page.on_event(Warned(text="It sees passages only."))
    assert not last(page).sources.isHidden()
