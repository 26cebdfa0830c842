"""What a task keeps, and the one place of this room that talks to the store.

Made by `tasks.run`. Without a store every call is a no-op that returns empty ids. A store that fails in
the middle (disk full) does not end a task: it goes on in memory, says so once, and saving resumes by itself.
Nor does a document that is deleted while it is being summarized: the summary is given, and not kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from desktop_slm.documents.model import Document, KeySentence
from desktop_slm.engine.api import Role, Usage
from desktop_slm.errors import InvalidRequest, StorageFailed
from desktop_slm.store.records import ConversationRecord, MessageRecord, MessageState, StoredDocument

if TYPE_CHECKING:
    from desktop_slm.store.history import History
    from desktop_slm.store.library import Library

T = TypeVar("T")


class Keeper:
    """Keeps the results of one task.

    Args:
        history: None where nothing is kept.
        library: None where nothing is kept.
        save: Whether the request wants to be kept; documents and conversations can be read all the same.
    """

    def __init__(self, history: History | None, library: Library | None, save: bool) -> None:
        self._history = history
        self._library = library
        self._save = save and history is not None and library is not None
        self._trouble = ""
        self._told = False

    @property
    def saves(self) -> bool:
        """Whether results are kept."""
        return self._save

    def take_trouble(self) -> str:
        """Return, once, the sentence that tells why saving failed; empty when it did not."""
        if self._told or not self._trouble:
            return ""
        self._told = True
        return self._trouble

    def _try(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            result = action()
        except StorageFailed as error:
            self._trouble = f"{error} The result is not saved yet."
            return otherwise
        return result

    # Documents

    def stored_document(self, identifier: str) -> StoredDocument:
        """Return a document of the library.

        Raises:
            InvalidRequest: No such document, or no library.
        """
        if self._library is None:
            raise InvalidRequest(
                f"There is no document {identifier}",
                "Nothing is kept at the moment, so give the file itself.",
            )
        return self._library.get(identifier)

    def add_document(self, document: Document, data: bytes, sentences: Sequence[KeySentence]) -> str:
        """Keep a document and return its id, empty when it is not kept."""
        library = self._library
        if not self._save or library is None:
            return ""
        return self._try(lambda: library.add(document, data, tuple(sentences)).id, "")

    def notes(self, key: str) -> bytes | None:
        """Return cached notes of a chunk."""
        with contextlib.suppress(StorageFailed):  # then the chunk is read once more
            return self._library.notes(key) if self._save and self._library is not None else None
        return None

    def put_notes(self, key: str, document: str, data: bytes) -> None:
        """Cache the notes of a chunk of a kept document; what is not cached costs time and no result."""
        library = self._library
        if self._save and library is not None and document:
            with contextlib.suppress(StorageFailed, InvalidRequest):  # full, or the document is gone
                library.put_notes(key, document, data)

    def add_summary(self, documents: Sequence[str], title: str, request: bytes, result: bytes) -> str:
        """Keep a summary of kept documents and return its id, empty when one was deleted meanwhile."""
        library = self._library
        kept = tuple(document for document in documents if document)
        if not self._save or library is None or not kept:
            return ""
        try:
            return self._try(lambda: library.add_summary(kept, title, request, result).id, "")
        except InvalidRequest:
            what = "The document" if len(kept) == 1 else "One of the documents"
            self._trouble = f"{what} was deleted while it was being summarized. The summary is not kept."
            return ""

    def add_translation(
        self, *, source_language: str, target_language: str, source: str, target: str, model: str
    ) -> str:
        """Keep a translation and return its id."""
        library = self._library
        if not self._save or library is None:
            return ""
        return self._try(
            lambda: (
                library.add_translation(
                    source_language=source_language,
                    target_language=target_language,
                    source=source,
                    target=target,
                    model=model,
                ).id
            ),
            "",
        )

    # Conversations

    def conversation(self, identifier: str) -> ConversationRecord:
        """Return a conversation.

        Raises:
            InvalidRequest: No such conversation, or nothing is kept.
        """
        return self._conversations(identifier).conversation(identifier)

    def branch(self, conversation: str, end: str = "") -> list[MessageRecord]:
        """Return the messages from the first to ``end``; those of the active branch when it is empty.

        Raises:
            InvalidRequest: No such conversation or message.
        """
        history = self._conversations(conversation)
        if not end:
            return history.messages(conversation)
        message = history.message(end)
        if message.conversation != conversation:
            raise InvalidRequest(
                "The message belongs to another conversation", "Open the conversation again."
            )
        path = [message]
        while path[-1].parent:
            path.append(history.message(path[-1].parent))
        return path[::-1]

    def _conversations(self, identifier: str) -> History:
        if self._history is None:
            raise InvalidRequest(
                f"There is no conversation {identifier}", "Nothing is kept at the moment, so start a new one."
            )
        return self._history

    def create_conversation(self, title: str, system: str, model: str) -> str:
        """Start a conversation and return its id."""
        history = self._history
        if not self._save or history is None:
            return ""
        return self._try(lambda: history.create(title=title, system=system, model=model).id, "")

    def set_system(self, conversation: str, system: str) -> None:
        """Change the instructions of a conversation."""
        history = self._history
        if self._save and history is not None and conversation:
            self._try(lambda: history.set_system(conversation, system), None)

    def add_message(
        self,
        conversation: str,
        *,
        parent: str | None,
        role: Role,
        text: str,
        state: MessageState = "complete",
        model: str = "",
        documents: Sequence[str] = (),
    ) -> str:
        """Add a message and return its id."""
        history = self._history
        if not self._save or history is None or not conversation:
            return ""
        return self._try(
            lambda: (
                history.add_message(
                    conversation,
                    parent=parent,
                    role=role,
                    text=text,
                    state=state,
                    model=model,
                    documents=tuple(document for document in documents if document),
                ).id
            ),
            "",
        )

    def update_message(
        self,
        message: str,
        *,
        text: str,
        reasoning: str,
        state: MessageState,
        reason: str = "",
        usage: Usage | None = None,
    ) -> None:
        """Save the present state of an answer."""
        history = self._history
        if self._save and history is not None and message:
            self._try(
                lambda: history.update_message(
                    message, text=text, reasoning=reasoning, state=state, reason=reason, usage=usage
                ),
                None,
            )
