"""The chat page's desk: conversations, messages, drafts, attachments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from desktop_slm.errors import DesktopSlmError, DocumentEncrypted, InvalidRequest
from desktop_slm.gui.desks.desk import Desk
from desktop_slm.gui.job import run_call
from desktop_slm.gui.pages.chat import ChatPage
from desktop_slm.store.records import ConversationRecord, MessageRecord
from desktop_slm.tasks import events as ev
from desktop_slm.tasks.requests import Chat, FileSource, ReadDocument

if TYPE_CHECKING:
    from desktop_slm.app import App

LISTED = 10_000
Opened = tuple[ConversationRecord, list[MessageRecord], str, dict[str, str]]
Reloaded = tuple[str, list[MessageRecord], dict[str, str]]
Attached = tuple[str, int, str, int, str]


class ChatDesk(Desk):
    """Serves one `ChatPage`.

    Signals:
        deleted: Title words and id of a conversation that went to the trash, to offer taking it back.
    """

    deleted = Signal(str, str)

    def __init__(self, app: App, page: ChatPage, parent: QObject | None = None) -> None:
        super().__init__(app, parent)
        self.page = page
        self._left = ""
        page.request_made.connect(self._on_page_request_made)
        page.stop_requested.connect(self.stop)
        page.conversation_selected.connect(self.open)
        page.new_requested.connect(self._on_page_new_requested)
        page.rename_requested.connect(self._on_page_rename_requested)
        page.pin_requested.connect(self._on_page_pin_requested)
        page.delete_requested.connect(self.delete)
        page.branch_requested.connect(self._on_page_branch_requested)
        page.draft_changed.connect(self._on_page_draft_changed)
        page.attachment_added.connect(self._on_page_attachment_added)

    # What the window asks for

    def refresh(self) -> None:
        """List the conversations anew."""
        run_call(self._list, self._on_conversations, self._on_error)

    def open_new(self) -> None:
        """Put a new conversation on screen at once; its draft follows unless something is written by then."""
        self.page.show_conversation(None)
        self._on_page_new_requested()

    @Slot(str)
    def open(self, conversation: str) -> None:
        """Open a kept conversation."""
        run_call(partial(self._load, conversation), self._on_opened, self._on_error)

    @Slot(str)
    def delete(self, conversation: str) -> None:
        """Put a conversation in the trash."""
        run_call(partial(self._delete, conversation), self._on_deleted, self._on_error)

    def restore(self, conversation: str) -> None:
        """Take a conversation back from the trash."""
        run_call(partial(self._restore, conversation), self._on_restored, self._on_error)

    # Work off the GUI thread

    def _list(self) -> list[ConversationRecord]:
        return list(self._app.history.conversations(limit=LISTED))

    def _load(self, conversation: str) -> Opened:
        history = self._app.history
        draft = history.draft(conversation)
        messages = history.messages(conversation)
        return history.conversation(conversation), messages, draft, self._names(messages)

    def _names(self, messages: list[MessageRecord]) -> dict[str, str]:
        """Return what the documents are called that messages carry; those in the trash are left out."""
        names: dict[str, str] = {}
        for document in {document for message in messages for document in message.documents}:
            with contextlib.suppress(InvalidRequest):
                names[document] = self._app.library.record(document).name
        return names

    def _delete(self, conversation: str) -> tuple[str, str]:
        record = self._app.history.conversation(conversation)
        self._app.history.delete(conversation)
        return record.title, conversation

    def _restore(self, conversation: str) -> str:
        self._app.history.restore(conversation)
        return conversation

    def _branch(self, message: str, step: int, conversation: str) -> list[MessageRecord]:
        self._app.history.branch(message, step)
        return list(self._app.history.messages(conversation))

    def _attach(self, path: str) -> Attached:
        """Read a file into the library; returns path, pages, id, words, problem."""
        done: Iterator[object] = self._app.run(ReadDocument(source=FileSource(path=path)))
        pages, document, words = 0, "", 0
        try:
            for event in done:
                if isinstance(event, ev.DocumentRead):
                    pages, document, words = len(event.document.pages), event.id, event.document.words
        except DocumentEncrypted:
            return path, 0, "", 0, f"{Path(path).name} needs a password: open it on the Documents page."
        except DesktopSlmError as error:
            return path, 0, "", 0, str(error)
        return path, pages, document, words, ""

    # Requests

    @Slot(object)
    def _on_page_request_made(self, request: Chat) -> None:
        self.run(request)

    def _take(self, event: ev.TaskEvent) -> None:
        self.page.on_event(event)
        if isinstance(event, ev.Piece) and self.fraction >= 0:
            self._say(self.activity)  # only the reading was measured: nobody knows how long an answer gets
        if isinstance(event, ev.Started):
            self.refresh()

    def _fail(self, error: DesktopSlmError) -> None:
        self.page.show_error(error)

    def _finish(self) -> None:
        self.page.show_finished()
        self.refresh()
        conversation = self.page.open_conversation_id()
        self._app.save_states(conversation)
        if conversation:
            run_call(partial(self._messages, conversation), self._on_messages, self._on_error)

    def _messages(self, conversation: str) -> Reloaded:
        messages = list(self._app.history.messages(conversation))
        return conversation, messages, self._names(messages)

    # Answers

    @Slot(object)
    def _on_conversations(self, conversations: list[ConversationRecord]) -> None:
        self.page.show_conversations(conversations)

    @Slot(object)
    def _on_opened(self, opened: Opened) -> None:
        conversation, messages, draft, names = opened
        self._app.save_states(conversation.id)
        self.page.show_document_names(names)
        self.page.show_conversation(conversation, messages, draft)

    @Slot(object)
    def _on_messages(self, found: Reloaded) -> None:
        conversation, messages, names = found
        self.page.show_document_names(names)
        if conversation == self.page.open_conversation_id() and not self.busy:
            self.page.show_messages(messages)

    @Slot(object)
    def _on_branch_messages(self, messages: list[MessageRecord]) -> None:
        self.page.show_messages(messages)

    @Slot(object)
    def _on_deleted(self, found: tuple[str, str]) -> None:
        title, conversation = found
        if conversation == self.page.open_conversation_id():
            self._left = conversation
            self.open_new()
        self.refresh()
        self.kept.emit()
        self.deleted.emit(title, conversation)

    @Slot(object)
    def _on_restored(self, conversation: str) -> None:
        """List it again, and open it again where it was open."""
        self._on_changed(None)
        if conversation == self._left and not self.page.open_conversation_id():
            self.open(conversation)

    @Slot(object)
    def _on_changed(self, _record: object) -> None:
        self.refresh()
        self.kept.emit()

    @Slot(object)
    def _on_error(self, error: DesktopSlmError) -> None:
        if isinstance(error, InvalidRequest):  # gone in the meantime
            self.refresh()
        self.trouble.emit(error)

    # Wishes

    @Slot()
    def _on_page_new_requested(self) -> None:
        self._app.save_states()
        run_call(partial(self._app.history.draft, ""), self._on_new_draft, self._on_error)

    @Slot(object)
    def _on_new_draft(self, draft: str) -> None:
        self.page.show_new_draft(draft)

    @Slot(str, str)
    def _on_page_rename_requested(self, conversation: str, title: str) -> None:
        run_call(partial(self._app.history.rename, conversation, title), self._on_changed, self._on_error)

    @Slot(str, bool)
    def _on_page_pin_requested(self, conversation: str, pinned: bool) -> None:
        run_call(partial(self._app.history.pin, conversation, pinned), self._on_changed, self._on_error)

    @Slot(str, int)
    def _on_page_branch_requested(self, message: str, step: int) -> None:
        work = partial(self._branch, message, step, self.page.open_conversation_id())
        run_call(work, self._on_branch_messages, self._on_error)

    @Slot(str, str)
    def _on_page_draft_changed(self, conversation: str, text: str) -> None:
        run_call(partial(self._app.history.set_draft, conversation, text), None, self._on_error)

    @Slot(str)
    def _on_page_attachment_added(self, path: str) -> None:
        run_call(partial(self._attach, path), self._on_attached, self._on_error)

    @Slot(object)
    def _on_attached(self, attached: Attached) -> None:
        self.page.show_attachment(*attached)
        self.kept.emit()
