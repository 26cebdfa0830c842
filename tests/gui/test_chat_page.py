from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from desktop_slm.documents.model import Document
from desktop_slm.engine.api import Usage
from desktop_slm.errors import ContextExceeded, EngineCrashed
from desktop_slm.gui.pages.chat import ChatPage
from desktop_slm.gui.widgets import link_dialog
from desktop_slm.gui.widgets.assistant_message import AssistantMessage
from desktop_slm.gui.widgets.chat_export import conversation_markdown, file_name
from desktop_slm.gui.widgets.link_dialog import LinkDialog, confirm_link, host_in_ascii
from desktop_slm.gui.widgets.message_view import UserMessage
from desktop_slm.store.records import ConversationRecord, MessageRecord
from desktop_slm.tasks.events import ChatDone, DocumentRead, Piece, Progress, Started, Warned
from desktop_slm.tasks.requests import Chat, FileSource, StoredSource

LEASE = ConversationRecord(id="c1", title="Notice periods", updated=1e9)
OTHER = ConversationRecord(id="c2", title="Reply", updated=1e9)
QUESTION = MessageRecord(
    id="m1", conversation="c1", parent="", role="user", text="How long?", documents=("d1",)
)
ANSWER = MessageRecord(
    id="m2",
    conversation="c1",
    parent="m1",
    role="assistant",
    text="Three months.",
    state="stopped",
    reason="length",
)


@pytest.fixture
def page(qtbot: QtBot) -> Iterator[ChatPage]:
    made = ChatPage()
    qtbot.addWidget(made)
    made.resize(1_000, 700)
    made.show_conversations([LEASE, OTHER])
    made.show_models([("tiny", "Tiny model"), ("big", "Big model")], "tiny")
    made.show()
    QApplication.processEvents()
    return made


@pytest.fixture
def asked(page: ChatPage) -> list[Chat]:
    """The requests that the page has made."""
    made: list[Chat] = []
    page.request_made.connect(made.append)
    return made


def _send(page: ChatPage, text: str) -> None:
    page.composer.text.setPlainText(text)
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)


def _start(page: ChatPage, conversation: str = "c1") -> None:
    page.on_event(Started(conversation=conversation, user_message="m3", message="m4"))


def _done(text: str, **changes: object) -> ChatDone:
    values: dict[str, object] = {
        "text": text, "reason": "stop", "conversation": "c1", "message": "m4", "model": "tiny",
        "seconds": 1.0,
        "usage": Usage(prompt_tokens=100, completion_tokens=20, decode_s=1.0, first_token_s=0.1),
    }  # fmt: skip
    return ChatDone(**(values | changes))  # type: ignore[arg-type]


def _last(page: ChatPage) -> AssistantMessage:
    page.transcript.settle()
    found = [view for view in page.findChildren(AssistantMessage) if view.record.id in ("m2", "m4", "")]
    return max(found, key=lambda view: view.y())


def test_enter_sends_and_shift_enter_makes_a_line(page: ChatPage, asked: list[Chat]) -> None:
    QTest.keyClicks(page.composer.text, "Hello")
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(page.composer.text, "there")
    assert not asked
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)
    assert asked == [Chat(text="Hello\nthere")]
    assert page.composer.written() == ""
    assert page.is_busy()


def test_an_answer_streams_in(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "And in writing?")
    assert asked[0].conversation == "c1"
    page.on_event(Progress(done=50, total=100, unit="tokens", stage="reading"))
    assert _last(page).notice.text() == "Reading · 50 %"
    _start(page)
    for piece in ("Yes, ", "in **wri", "ting**."):
        page.on_event(Piece(text=piece))
    page.transcript.advance_live()
    assert _last(page).body.toPlainText().strip() == "Yes, in writing."
    assert _last(page).notice.isHidden(), "the first word replaces the progress"
    page.on_event(_done("Yes, in **writing**."))
    page.show_finished()
    assert not page.is_busy()
    view = _last(page)
    assert view.record.id == "m4"
    assert not view.live
    assert view.actions_row.cost.text() == "20 tok/s · first word after 0.1 s"
    assert [record.id for record in page.transcript.records()] == ["m1", "m2", "m3", "m4"]


def test_a_new_conversation_gets_its_id_and_title(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(None)
    _send(page, "What is a lease?")
    assert asked[0].conversation == ""
    _start(page, "c9")
    assert page.open_conversation_id() == "c9"
    assert page.bar.title.text() == "What is a lease?"
    page.on_event(_done("A contract.", conversation="c9"))
    page.show_finished()
    _send(page, "And more?")
    assert asked[1].conversation == "c9"


def test_escape_and_the_stop_button_stop(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "Go on")
    _start(page)
    page.on_event(Piece(text="Half an answer"))
    assert page.composer.send.text() == "Stop"
    with qtbot.waitSignal(page.stop_requested):
        QTest.keyClick(page.composer.text, Qt.Key.Key_Escape)
    with qtbot.waitSignal(page.stop_requested):
        qtbot.mouseClick(page.composer.send, Qt.MouseButton.LeftButton)
    page.show_finished()
    view = _last(page)
    assert view.body.toPlainText().strip() == "Half an answer"
    assert view.notice.text() == "Stopped."
    assert page.composer.send.text() == "Send"


def test_escape_does_nothing_while_nothing_runs(qtbot: QtBot, page: ChatPage) -> None:
    with qtbot.assertNotEmitted(page.stop_requested):
        QTest.keyClick(page.composer.text, Qt.Key.Key_Escape)


def test_writing_goes_on_while_an_answer_streams(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "First")
    _start(page)
    QTest.keyClicks(page.composer.text, "Second")
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)
    assert len(asked) == 1
    assert page.composer.written() == "Second"
    page.on_event(_done("Answer"))
    page.show_finished()
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)
    assert asked[1].text == "Second"


def test_regenerate_and_continue(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    row = _last(page).actions_row
    qtbot.mouseClick(row.regenerate, Qt.MouseButton.LeftButton)
    assert asked == [Chat(conversation="c1", parent="m1", action="regenerate")]
    assert [record.role for record in page.transcript.records()] == ["user", "assistant"]
    assert _last(page).record.siblings == 2
    page.on_event(Started(conversation="c1", user_message="m1", message="m4"))
    page.on_event(_done("Another."))
    page.show_finished()
    page.show_messages([QUESTION, ANSWER])
    qtbot.mouseClick(_last(page).actions_row.go_on, Qt.MouseButton.LeftButton)
    assert asked[1] == Chat(conversation="c1", parent="m2", action="continue")
    page.on_event(Started(conversation="c1", message="m2"))
    page.on_event(Piece(text=" In writing."))
    page.on_event(_done("Three months. In writing.", message="m2"))
    page.show_finished()
    assert _last(page).body.toPlainText().strip() == "Three months. In writing."


def test_editing_the_first_question_branches_at_the_beginning(
    qtbot: QtBot, page: ChatPage, asked: list[Chat]
) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    qtbot.mouseClick(_last(page).actions_row.edit, Qt.MouseButton.LeftButton)
    user = page.findChildren(UserMessage)[0]
    editor = user._editor
    assert editor is not None
    assert editor.text.toPlainText() == "How long?"
    editor.text.setPlainText("How short?")
    qtbot.mouseClick(editor.send, Qt.MouseButton.LeftButton)
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
    _send(page, "Go on")
    _start(page)
    first = next(view for view in page.findChildren(AssistantMessage) if view.record.id == "m2")
    assert not first.actions_row.regenerate.isEnabled()
    assert not first.actions_row.edit.isEnabled()
    QTest.keyClick(page, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert len(asked) == 1


def test_an_error_before_the_start_gives_the_words_back(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "A very long text")
    page.show_error(ContextExceeded(9_000, 8_192))
    page.show_finished()
    assert page.composer.written() == "A very long text"
    assert [record.id for record in page.transcript.records()] == ["m1", "m2"]
    assert "9,000 tokens" in page.notice.text()
    assert not page.is_busy()


def test_stopping_before_the_start_gives_the_words_back(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "Never mind")
    page.show_finished()
    assert page.composer.written() == "Never mind"
    assert [record.id for record in page.transcript.records()] == ["m1", "m2"]


def test_an_error_in_the_middle_keeps_the_text(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "Go on")
    _start(page)
    page.on_event(Piece(text="Half of"))
    page.show_error(EngineCrashed("The model stopped working", "Send it again."))
    page.show_finished()
    view = _last(page)
    assert view.body.toPlainText().strip() == "Half of"
    assert view.notice.text() == "The model stopped working. Send it again."
    _send(page, "Again")
    assert len(asked) == 2


def test_without_a_model_a_message_waits(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_no_model()
    assert page.composer.text.isEnabled()
    with qtbot.waitSignal(page.models_requested):
        qtbot.mouseClick(page.notice.first_button, Qt.MouseButton.LeftButton)
    _send(page, "Hello")
    assert not asked
    assert "as soon as a model is ready" in page.notice.text()
    page.show_models([("tiny", "Tiny")], "tiny")
    assert asked == [Chat(text="Hello")]
    assert page.notice.isHidden()


def test_a_waiting_message_can_be_taken_back(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_no_model()
    _send(page, "Hello")
    qtbot.mouseClick(page.notice.second_button, Qt.MouseButton.LeftButton)
    assert page.composer.written() == "Hello"
    page.show_models([("tiny", "Tiny")], "tiny")
    assert not asked


def test_the_answer_goes_on_while_another_chat_is_read(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "Go on")
    _start(page)
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
    assert _last(page).body.toPlainText().strip() == "One two three"
    assert page.composer.send.text() == "Stop"
    page.on_event(_done("One two three"))
    page.show_finished()
    assert _last(page).body.toPlainText().strip() == "One two three"


def test_a_message_in_another_chat_waits_for_the_answer(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "Go on")
    _start(page)
    page.show_conversation(OTHER, [])
    _send(page, "Something else")
    assert len(asked) == 1
    assert "when the answer in the other chat is done" in page.notice.text()
    page.on_event(_done("Done."))
    page.show_finished()
    assert asked[1] == Chat(text="Something else", conversation="c2")


def test_warnings_are_shown_under_the_answer(page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "Go on")
    _start(page)
    page.on_event(Warned(text="It sees passages only."))
    assert not _last(page).sources.isHidden()


def test_drafts_are_told_per_conversation(qtbot: QtBot, page: ChatPage) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER], draft="half a thou")
    assert page.composer.written() == "half a thou"
    with qtbot.assertNotEmitted(page.draft_changed, wait=50):
        pass
    with qtbot.waitSignal(page.draft_changed, timeout=3_000) as told:
        QTest.keyClicks(page.composer.text, "ght")
    assert told.args == ["c1", "half a thought"]
    QTest.keyClicks(page.composer.text, "!")
    with qtbot.waitSignal(page.draft_changed) as told:
        page.show_conversation(OTHER, [], draft="other")
    assert told.args == ["c1", "half a thought!"], "leaving does not lose the last letters"
    assert page.composer.written() == "other"


def test_files_become_chips_and_go_with_the_message(
    qtbot: QtBot, page: ChatPage, asked: list[Chat], tmp_path: Path
) -> None:
    pdf, txt = tmp_path / "lease.pdf", tmp_path / "notes.txt"
    pdf.write_bytes(b"x")
    txt.write_bytes(b"x")
    added: list[str] = []
    page.attachment_added.connect(added.append)
    pasted = QMimeData()
    pasted.setUrls(
        [QUrl.fromLocalFile(str(pdf)), QUrl("https://example.com/x.pdf"), QUrl("file://host/share/x")]
    )
    page.composer.text.insertFromMimeData(pasted)
    page.compose("", [str(txt)])
    assert added == [str(pdf), str(txt)]
    page.show_attachment(str(pdf), 31, "d7", 9_000)
    assert [chip.text() for chip in page.composer._chips] == ["lease.pdf · 31 pages", "notes.txt"]
    _send(page, "Sum it up")
    assert asked[0].attachments == (StoredSource("d7"), FileSource(str(txt)))
    assert not page.composer.attachments
    page.on_event(Started(conversation="c9", user_message="m3", message="m4"))
    page.on_event(
        DocumentRead(
            id="d8", document=Document(title="", name="notes.txt", format="txt", language="", pages=())
        )
    )
    user = page.findChildren(UserMessage)[0]
    assert user._names.text() == "lease.pdf · notes.txt"


def test_an_unreadable_file_is_named_and_left_out(page: ChatPage, asked: list[Chat], tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(b"")
    page.compose("Read this", [str(path)])
    page.show_attachment(str(path), problem="The file is empty.")
    assert "The file is empty." in page.notice.text()
    assert page.composer._chips[0].text() == "scan.pdf · cannot be read"
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)
    assert asked[0].attachments == ()


def test_a_chip_is_removed_by_key(page: ChatPage, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")
    page.compose("", [str(path)])
    QTest.keyClick(page.composer._chips[0], Qt.Key.Key_Delete)
    assert not page.composer.attachments
    assert not page.composer._chips


def test_the_meter_tells_what_the_model_sees(qtbot: QtBot, page: ChatPage) -> None:
    page.show_context_size(8_192)
    usage = Usage(prompt_tokens=4_000, completion_tokens=900)
    page.show_conversation(LEASE, [QUESTION, MessageRecord(
        id="m2", conversation="c1", parent="m1", role="assistant", text="x", usage=usage)])  # fmt: skip
    meter = page.composer.meter
    stopped = MessageRecord(
        id="m4",
        conversation="c1",
        parent="m1",
        role="assistant",
        text="x" * 40,
        usage=Usage(),
        state="stopped",
    )
    before = page.transcript.records()
    page.show_messages([*before, stopped])
    assert meter.figures() == "~4,910 of 8,192", "a stopped answer tells no usage: its text is estimated"
    page.show_messages(before)
    assert meter.figures() == "~4,900 of 8,192"
    page.composer.text.setPlainText("word " * 400)
    qtbot.waitUntil(lambda: meter.use.new_text == 500, timeout=3_000)
    assert "history: 4,900, new text: 500, room for the answer: 2,792" in meter.accessibleDescription()


def test_the_title_is_edited_in_place(qtbot: QtBot, page: ChatPage) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    title = page.bar.title
    title.setFocus()
    title.selectAll()
    QTest.keyClicks(title, "Lease")
    with qtbot.waitSignal(page.rename_requested) as told:
        QTest.keyClick(title, Qt.Key.Key_Return)
    assert told.args == ["c1", "Lease"]
    title.setFocus()
    QTest.keyClicks(title, "nonsense")
    with qtbot.assertNotEmitted(page.rename_requested):
        QTest.keyClick(title, Qt.Key.Key_Escape)
    assert title.text() == "Lease"


def test_models_and_presets_are_chosen(qtbot: QtBot, page: ChatPage) -> None:
    with qtbot.waitSignal(page.model_chosen) as told:
        page.bar.model_menu().actions()[1].trigger()
    assert told.args == ["big"]
    assert page.bar.model.text() == "Big model"
    with qtbot.waitSignal(page.preset_chosen) as told:
        page.bar.preset_menu().actions()[0].trigger()
    assert told.args == ["precise"]
    assert page.bar.preset.text() == "Precise"
    with qtbot.waitSignal(page.models_requested):
        page.bar.model_menu().actions()[-1].trigger()


def test_export_is_markdown(page: ChatPage, tmp_path: Path) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    page.bar.copy_requested.emit()
    expected = "# Notice periods\n\n## You\n\nHow long?\n\n## Assistant\n\nThree months.\n"
    assert QGuiApplication.clipboard().text() == expected
    page.save_markdown(str(tmp_path / "chat.md"))
    assert (tmp_path / "chat.md").read_text("utf-8") == expected
    page.save_markdown(str(tmp_path / "no" / "chat.md"))
    assert "was not saved" in page.notice.text()
    assert conversation_markdown("a\nb", []) == "# a b\n"
    assert file_name('a/b:c"?') == "a b c.md"
    assert file_name("...") == "chat.md"


def test_an_empty_chat_offers_ways_to_begin(qtbot: QtBot, page: ChatPage) -> None:
    page.show_conversation(None)
    assert page.start.isVisible()
    qtbot.mouseClick(page.start.buttons[1], Qt.MouseButton.LeftButton)
    assert page.composer.written().startswith("Rewrite this")
    page.show_saving(False)
    assert "Nothing is saved" in page.start.sentence.text()
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    assert not page.start.isVisible()


def test_keys(qtbot: QtBot, page: ChatPage, asked: list[Chat]) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    control = Qt.KeyboardModifier.ControlModifier
    with qtbot.waitSignal(page.list_width_changed) as told:
        QTest.keyClick(page.composer.text, Qt.Key.Key_B, control)
    assert told.args == [0]
    assert page.conversations.isHidden()
    assert not page.bar.list.isHidden()
    QTest.keyClick(page.composer.text, Qt.Key.Key_F, control)
    assert not page.conversations.isHidden()
    QTest.keyClick(page.composer.text, Qt.Key.Key_C, control | Qt.KeyboardModifier.ShiftModifier)
    assert QGuiApplication.clipboard().text() == "Three months."
    QTest.keyClick(page.composer.text, Qt.Key.Key_R, control)
    assert asked[0].action == "regenerate"
    page.show_finished()
    with qtbot.waitSignal(page.new_requested):
        QTest.keyClick(page.composer.text, Qt.Key.Key_N, control)
    assert page.open_conversation_id() == ""


def test_links_leave_only_after_a_question(
    qtbot: QtBot, page: ChatPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([0, 1])
    monkeypatch.setattr(LinkDialog, "exec", lambda _dialog: next(answers))
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    with qtbot.assertNotEmitted(page.link_confirmed):
        page.transcript.link_chosen.emit("https://example.com/a")
    with qtbot.waitSignal(page.link_confirmed) as told:
        page.transcript.link_chosen.emit("https://example.com/a")
    assert told.args == ["https://example.com/a"]


def test_the_link_dialog_names_the_host_in_ascii_and_defaults_to_cancel(qtbot: QtBot) -> None:
    dialog = LinkDialog("https://xn--e1awd7f.com/аpple.com")
    qtbot.addWidget(dialog)
    assert host_in_ascii("https://еxample.com@evil.test/") == "evil.test"
    assert host_in_ascii("https://аpple.com/x") == "xn--pple-43d.com"
    assert host_in_ascii("mailto:someone@example.com") == "someone@example.com"
    default = [button for button in dialog.findChildren(QPushButton) if button.isDefault()]
    assert [button.text() for button in default] == ["Cancel"]
    assert not dialog.action_button.isDefault()


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "file:///etc/passwd", "//host/x", "data:,x", "http://"]
)
def test_other_addresses_are_not_even_asked_about(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_dialog, "LinkDialog", None)
    assert not confirm_link(address, None)


def test_every_control_has_a_name_for_screen_readers(page: ChatPage) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    for button in page.findChildren(QAbstractButton):
        if not button.isVisible() or button.parent() in page.findChildren(QLineEdit):
            continue
        assert button.accessibleName() or button.text(), button
    for name in (page.composer.text, page.conversations.search, page.conversations.view, page.bar.title):
        assert name.accessibleName()


def test_the_page_fits_the_smallest_window(page: ChatPage) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    assert page.minimumSizeHint().width() <= 836
    assert page.minimumSizeHint().height() <= 572


def test_nothing_is_left_behind(qtbot: QtBot, qapp: QApplication) -> None:
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    before = set(map(id, qapp.topLevelWidgets()))
    page = ChatPage()
    page.show()
    page.show_conversation(LEASE, [QUESTION, ANSWER])
    _send(page, "x")
    _start(page)
    page.on_event(Piece(text="words"))
    gone = weakref.ref(page)
    page.close()
    page.deleteLater()
    del page
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    qapp.processEvents()
    gc.collect()
    assert set(map(id, qapp.topLevelWidgets())) <= before
    assert gone() is None
