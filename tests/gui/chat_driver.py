"""Drives a Chat page as the main window and a person do; shared by its tests."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_slm.engine.api import Usage
from desktop_slm.gui.pages.chat import ChatPage
from desktop_slm.gui.widgets.assistant_message import AssistantMessage
from desktop_slm.store.records import ConversationRecord, MessageRecord
from desktop_slm.tasks.events import ChatDone, Started

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


def shown_page(qtbot: QtBot) -> ChatPage:
    """Return a chat page as the window would show it: two conversations, two models."""
    made = ChatPage()
    qtbot.addWidget(made)
    made.resize(1_000, 700)
    made.show_conversations([LEASE, OTHER])
    made.show_models([("tiny", "Tiny model"), ("big", "Big model")], "tiny")
    made.show()
    QApplication.processEvents()
    return made


def send(page: ChatPage, text: str) -> None:
    """Type a message and send it."""
    page.composer.text.setPlainText(text)
    QTest.keyClick(page.composer.text, Qt.Key.Key_Return)


def start(page: ChatPage, conversation: str = "c1") -> None:
    """Tell the page that its request has been stored."""
    page.on_event(Started(conversation=conversation, user_message="m3", message="m4"))


def done(text: str, **changes: object) -> ChatDone:
    """Return the end of an answer."""
    values: dict[str, object] = {
        "text": text, "reason": "stop", "conversation": "c1", "message": "m4", "model": "tiny",
        "seconds": 1.0,
        "usage": Usage(prompt_tokens=100, completion_tokens=20, decode_s=1.0, first_token_s=0.1),
    }  # fmt: skip
    return ChatDone(**(values | changes))  # type: ignore[arg-type]


def last(page: ChatPage) -> AssistantMessage:
    """Return the lowest answer, with all of its text."""
    page.transcript.settle()
    found = [view for view in page.findChildren(AssistantMessage) if view.record.id in ("m2", "m4", "")]
    return max(found, key=lambda view: view.y())
