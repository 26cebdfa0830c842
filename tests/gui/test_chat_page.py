"""The Chat page by clicks and keys: writing, files, title, export, links, names, reach."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
from chat_driver import ANSWER, LEASE, OTHER, QUESTION, send, shown_page, start
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from desktop_slm.documents.model import Document
from desktop_slm.engine.api import Usage
from desktop_slm.gui.pages.chat import ChatPage
from desktop_slm.gui.widgets import link_dialog
from desktop_slm.gui.widgets.chat_export import conversation_markdown, file_name
from desktop_slm.gui.widgets.link_dialog import LinkDialog, confirm_link, host_in_ascii
from desktop_slm.gui.widgets.message_view import UserMessage
from desktop_slm.store.records import MessageRecord
from desktop_slm.tasks.events import DocumentRead, Piece, Started
from desktop_slm.tasks.requests import Chat, FileSource, StoredSource


@pytest.fixture
def page(qtbot: QtBot) -> ChatPage:
    return shown_page(qtbot)


@pytest.fixture
def asked(page: ChatPage) -> list[Chat]:
    """The requests that the page has made."""
    made: list[Chat] = []
    page.request_made.connect(made.append)
    return made


def test_enter_sends_and_shift_enter_makes_a_line(page: ChatPage, asked: list[Chat]) -> None:
    QTest.keyClicks(page.composer.text, "Hello")
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(page.composer.text, "there")
    assert not asked
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)
    assert asked == [Chat(text="Hello\nthere")]
    assert page.composer.written() == ""
    assert page.is_busy()


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


def test_writing_begins_at_the_side_of_its_script(page: ChatPage) -> None:
    text = page.composer.text
    edges = []
    for words in ("Good morning", "صباح الخير", "早上好", ""):
        text.setPlainText(words)
        QApplication.processEvents()
        line = text.document().firstBlock().layout().lineAt(0)
        edges.append(line.naturalTextRect().left() > text.viewport().width() / 2)
    assert edges == [False, True, False, False]


def test_a_new_chat_brings_its_draft_back(qtbot: QtBot, page: ChatPage) -> None:
    page.show_conversation(LEASE, [QUESTION, ANSWER], draft="of the lease")
    with qtbot.waitSignal(page.new_requested):
        QTest.keyClick(page, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    page.show_new_draft("begun yesterday")
    assert page.composer.written() == "begun yesterday"
    QTest.keyClick(page, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    assert page.composer.written() == "begun yesterday", "it is a new chat already"
    page.composer.text.setPlainText("typed faster than the draft came")
    page.show_new_draft("begun yesterday")
    assert page.composer.written() == "typed faster than the draft came"


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
    send(page, "Sum it up")
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
    send(page, "x")
    start(page)
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
