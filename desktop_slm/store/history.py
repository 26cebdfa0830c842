"""Conversations: their messages as a tree, the branch that is shown, drafts.

An edited question or a second answer never overwrites the first: it is another child of the same parent.
Each message remembers which of its children is shown (the conversation remembers its first message), so
switching a branch back shows what was shown there before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from desktop_slm.engine.api import Role, Usage
from desktop_slm.errors import InvalidRequest
from desktop_slm.store import index, trash
from desktop_slm.store.ids import item_id, item_row, message_id, message_row, next_sequence, storable, unknown
from desktop_slm.store.records import ConversationRecord, MessageRecord, MessageState

if TYPE_CHECKING:
    from desktop_slm.store.database import Database, Row

_CONVERSATION = "id, title, system, model, pinned, created, updated"
_MESSAGE = "id, conversation, parent, role, text, reasoning, state, reason, model, usage, documents, created"
_CHUNK = 500


class History:
    """Conversations of one open database. All methods may be called from any thread.

    Args:
        database: Where they are.
        forgotten: Told of conversations whose saved states a deletion has removed.

    Raises (from every method that takes an id):
        InvalidRequest: Nothing has that id, or it is in the trash.
    """

    def __init__(self, database: Database, forgotten: trash.Forgotten = trash.nobody) -> None:
        self._database = database
        self._forgotten = forgotten

    # conversations

    def create(self, title: str = "", system: str = "", model: str = "") -> ConversationRecord:
        """Start an empty conversation."""
        now = time.time()
        with self._database.transaction() as database:
            number = database.insert(
                "INSERT INTO conversation (sequence, title, system, model, created, updated)"
                " VALUES (?,?,?,?,?,?)",
                (next_sequence(database), storable(title), storable(system), model, now, now),
            )
            index.put(database, "conversation", number, index.TITLE_PART, title=storable(title))
            return self._conversation(number)

    def conversations(self, limit: int = 200, offset: int = 0) -> list[ConversationRecord]:
        """List conversations: pinned ones first, then by last use."""
        rows = self._database.rows(
            f"SELECT {_CONVERSATION} FROM conversation WHERE deleted_at IS NULL"  # noqa: S608 - fixed column names
            " ORDER BY pinned DESC, sequence DESC LIMIT ? OFFSET ?",
            (limit, offset),
        )
        return [_conversation_record(row) for row in rows]

    def conversation(self, id_: str) -> ConversationRecord:
        """Return one conversation."""
        return self._conversation(_conversation_row(id_))

    def rename(self, id_: str, title: str) -> ConversationRecord:
        """Give a conversation another title; its place in the list stays."""
        number = _conversation_row(id_)
        with self._database.transaction() as database:
            self._conversation(number)
            database.rows("UPDATE conversation SET title = ? WHERE id = ?", (storable(title), number))
            index.put(database, "conversation", number, index.TITLE_PART, title=storable(title))
            return self._conversation(number)

    def pin(self, id_: str, pinned: bool = True) -> ConversationRecord:
        """Keep a conversation at the top of the list, or no longer."""
        return self._change_conversation(id_, "pinned", int(pinned))

    def set_system(self, id_: str, system: str) -> ConversationRecord:
        """Change the instructions of a conversation."""
        return self._change_conversation(id_, "system", storable(system))

    def set_model(self, id_: str, model: str) -> ConversationRecord:
        """Change the model of a conversation."""
        return self._change_conversation(id_, "model", model)

    def delete(self, id_: str) -> None:
        """Move a conversation to the trash; it can be restored until that is emptied."""
        self._forgotten(trash.delete(self._database, "conversation", _conversation_row(id_)))

    def restore(self, id_: str) -> ConversationRecord:
        """Take a conversation out of the trash."""
        number = _conversation_row(id_)
        trash.restore(self._database, "conversation", number)
        return self._conversation(number)

    # messages

    def add_message(
        self,
        conversation: str,
        *,
        parent: str | None = None,
        role: Role,
        text: str,
        reasoning: str = "",
        state: MessageState = "complete",
        model: str = "",
        documents: Sequence[str] = (),
    ) -> MessageRecord:
        """Add a message and show the branch it ends.

        Args:
            conversation: Id of the conversation.
            parent: Id of the message that this one follows. Another child of the same parent is another
                branch. Empty for a first message, None for the end of the branch that is shown.
            role: Who says it.
            text: What is said.
            reasoning: What the model thought before.
            state: ``streaming`` for an answer that `update_message` will go on with.
            model: Shelf id of the model that writes it.
            documents: Library ids of the attached documents.
        """
        owner = _conversation_row(conversation)
        now = time.time()
        with self._database.transaction() as database:
            self._conversation(owner)
            before = self._end_of_branch(owner) if parent is None else self._parent(owner, parent)
            number = database.insert(
                "INSERT INTO message"
                " (conversation, parent, role, state, model, created, documents, text, reasoning)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    owner, before, role, state, model, now, _encode(tuple(documents)),
                    storable(text), storable(reasoning),
                ),
            )  # fmt: skip
            self._select(owner, before, number)
            database.rows(
                "UPDATE conversation SET sequence = ?, updated = ? WHERE id = ?",
                (next_sequence(database), now, owner),
            )
            if state != "streaming":
                index.put(database, "conversation", owner, number, body=storable(text))
            return self.message(message_id(number))

    def update_message(
        self,
        id_: str,
        *,
        text: str | None = None,
        reasoning: str | None = None,
        state: MessageState | None = None,
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> MessageRecord:
        """Change the given fields of a message, as an answer grows and ends."""
        number = message_row(id_)
        changes: dict[str, Any] = {
            "text": None if text is None else storable(text),
            "reasoning": None if reasoning is None else storable(reasoning),
            "state": state,
            "reason": reason,
            "usage": None if usage is None else msgspec.json.encode(usage),
        }
        changes = {column: value for column, value in changes.items() if value is not None}
        with self._database.transaction() as database:
            before = self.message(id_)
            if changes:
                assignments = ", ".join(f"{column} = ?" for column in changes)
                database.rows(
                    f"UPDATE message SET {assignments} WHERE id = ?",  # noqa: S608 - fixed column names
                    (*changes.values(), number),
                )
            after = self.message(id_)
            ended = before.state == "streaming" or after.text != before.text
            if after.state != "streaming" and ended:
                self._index(number, after.conversation, after.text)
            return after

    def message(self, id_: str) -> MessageRecord:
        """Return one message with its place among its siblings."""
        records = self._load([message_row(id_)])
        if not records:
            raise unknown(id_)
        return records[0]

    def messages(self, conversation: str) -> list[MessageRecord]:
        """Return the branch that is shown, from its first message to its last."""
        number = _conversation_row(conversation)
        self._conversation(number)
        return self._load(self._branch(number))

    def branch(self, message: str, step: int) -> MessageRecord:
        """Show another sibling of ``message``: ``step`` places further, stopping at the first and last.

        Returns:
            The sibling that is shown now; what follows it is what was last shown there.
        """
        row = self._place(message)
        owner, parent, number = row
        siblings = self._siblings(owner, parent)
        place = min(max(siblings.index(number) + step, 0), len(siblings) - 1)
        self._select(owner, parent, siblings[place])
        return self.message(message_id(siblings[place]))

    def show(self, message: str) -> None:
        """Show the branch that ``message`` is on, as when a search has found it."""
        with self._database.transaction():
            owner, parent, number = self._place(message)
            self._select(owner, parent, number)
            while parent is not None:
                number = parent
                parent = self._database.value("SELECT parent FROM message WHERE id = ?", (number,))
                self._select(owner, parent, number)

    def mark_interrupted(self) -> int:
        """Mark answers that were being written when the program ended; call it once after opening.

        Returns:
            How many there were.
        """
        with self._database.transaction() as database:
            rows = database.rows("SELECT id, conversation, text FROM message WHERE state = 'streaming'")
            for number, owner, text in rows:
                database.rows("UPDATE message SET state = 'interrupted' WHERE id = ?", (number,))
                self._index(number, item_id("conversation", owner), text)
        return len(rows)

    # drafts

    def draft(self, key: str) -> str:
        """Return the text that was being typed at ``key`` (a conversation's id, a page), or nothing."""
        return str(self._database.value("SELECT text FROM draft WHERE key = ?", (key,)) or "")

    def set_draft(self, key: str, text: str) -> None:
        """Keep the text being typed at ``key``; an empty one is forgotten."""
        if text:
            self._database.rows(
                "INSERT INTO draft (key, text) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET text = excluded.text",
                (key, storable(text)),
            )
        else:
            self._database.rows("DELETE FROM draft WHERE key = ?", (key,))

    # the tree

    def _conversation(self, number: int) -> ConversationRecord:
        row = self._database.row(
            f"SELECT {_CONVERSATION} FROM conversation WHERE id = ? AND deleted_at IS NULL",  # noqa: S608
            (number,),
        )
        if row is None:
            raise unknown(item_id("conversation", number))
        return _conversation_record(row)

    def _change_conversation(self, id_: str, column: str, value: object) -> ConversationRecord:
        number = _conversation_row(id_)
        with self._database.transaction() as database:
            self._conversation(number)
            database.rows(f"UPDATE conversation SET {column} = ? WHERE id = ?", (value, number))  # noqa: S608
            return self._conversation(number)

    def _place(self, message: str) -> tuple[int, int | None, int]:
        """Return conversation, parent and number of a message."""
        row = self._database.row(
            "SELECT m.conversation, m.parent, m.id FROM message AS m JOIN conversation AS c"
            " ON c.id = m.conversation WHERE m.id = ? AND c.deleted_at IS NULL",
            (message_row(message),),
        )
        if row is None:
            raise unknown(message)
        return row[0], row[1], row[2]

    def _parent(self, owner: int, parent: str) -> int | None:
        if not parent:
            return None
        parents_owner, _, number = self._place(parent)
        if parents_owner != owner:
            raise InvalidRequest("The message belongs to another conversation")
        return number

    def _siblings(self, owner: int, parent: int | None) -> list[int]:
        rows = self._database.rows(
            "SELECT id FROM message WHERE conversation = ? AND parent IS ? ORDER BY id", (owner, parent)
        )
        return [row[0] for row in rows]

    def _select(self, owner: int, parent: int | None, child: int) -> None:
        """Remember ``child`` as the one shown after ``parent``."""
        if parent is None:
            self._database.rows("UPDATE conversation SET active_root = ? WHERE id = ?", (child, owner))
        else:
            self._database.rows("UPDATE message SET active_child = ? WHERE id = ?", (child, parent))

    def _branch(self, owner: int) -> list[int]:
        """Return the numbers of the messages shown, in order."""
        root = self._database.value("SELECT active_root FROM conversation WHERE id = ?", (owner,))
        rows = self._database.rows("SELECT id, active_child FROM message WHERE conversation = ?", (owner,))
        following: dict[int, int | None] = dict(rows)
        branch = []
        while root is not None:
            branch.append(root)
            root = following[root]
        return branch

    def _end_of_branch(self, owner: int) -> int | None:
        branch = self._branch(owner)
        return branch[-1] if branch else None

    def _load(self, numbers: list[int]) -> list[MessageRecord]:
        """Return the messages of these rows, in this order, each with its place among its siblings."""
        found: dict[int, MessageRecord] = {}
        for start in range(0, len(numbers), _CHUNK):
            some = numbers[start : start + _CHUNK]
            marks = ",".join("?" * len(some))
            rows = self._database.rows(
                f"SELECT {_MESSAGE},"  # noqa: S608 - fixed column names
                " (SELECT count(*) FROM message AS s WHERE s.conversation = m.conversation"
                "   AND s.parent IS m.parent AND s.id <= m.id),"
                " (SELECT count(*) FROM message AS s WHERE s.conversation = m.conversation"
                "   AND s.parent IS m.parent)"
                f" FROM message AS m WHERE id IN ({marks})",
                some,
            )
            found |= {row[0]: _message_record(row) for row in rows}
        return [found[number] for number in numbers if number in found]

    def _index(self, number: int, conversation: str, text: str) -> None:
        """Index a message, unless its conversation is in the trash."""
        owner = _conversation_row(conversation)
        live = self._database.value("SELECT deleted_at IS NULL FROM conversation WHERE id = ?", (owner,))
        if live:
            index.put(self._database, "conversation", owner, number, body=text)


def _conversation_row(id_: str) -> int:
    return item_row(id_, "conversation")[1]


def _conversation_record(row: Row) -> ConversationRecord:
    number, title, system, model, pinned, created, updated = row
    return ConversationRecord(
        id=item_id("conversation", number),
        title=title,
        system=system,
        model=model,
        pinned=bool(pinned),
        created=created,
        updated=updated,
    )


def _message_record(row: Row) -> MessageRecord:
    return MessageRecord(
        id=message_id(row[0]),
        conversation=item_id("conversation", row[1]),
        parent="" if row[2] is None else message_id(row[2]),
        role=row[3],
        text=row[4],
        reasoning=row[5],
        state=row[6],
        reason=row[7],
        model=row[8],
        usage=None if row[9] is None else msgspec.json.decode(row[9], type=Usage),
        documents=() if row[10] is None else msgspec.json.decode(row[10], type=tuple[str, ...]),
        created=row[11],
        position=row[12],
        siblings=row[13],
    )


def _encode(documents: tuple[str, ...]) -> bytes | None:
    return msgspec.json.encode(documents) if documents else None
