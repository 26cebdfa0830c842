"""The prompt of a conversation: its turns with the documents attached to them, fitted into the context.

Documents stand before the question they came with, so that follow-ups find the prefix in the KV cache. One
that does not fit is shown by the passages nearest to the newest question, and the user is told; nothing else
is ever left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from desktop_slm.documents.model import Document
from desktop_slm.documents.retrieve import retrieve
from desktop_slm.engine.api import Message, Role
from desktop_slm.errors import ContextExceeded
from desktop_slm.tasks import prompts

_PASSAGES = 12
_PASSAGES_SHARE = 0.35

Count = Callable[[Sequence[Message]], int]


@dataclass(frozen=True)
class Turn:
    """One message and the labels of the documents that came with it."""

    role: Role
    text: str
    documents: tuple[str, ...] = ()


@dataclass
class Conversation:
    """What the model is to see.

    Attributes:
        system: Instructions, may be empty.
        turns: From the first to the newest.
        documents: All attached documents by label.
        by_passages: Labels of the documents that did not fit, filled by `fit`.
        unseen: Those of them that have no passage near the question, or none that fits.
    """

    system: str
    turns: list[Turn]
    documents: dict[str, Document]
    by_passages: list[str] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)

    def fit(
        self, count: Count, count_texts: Callable[[Sequence[str]], list[int]], room: int, full_limit: int
    ) -> tuple[Message, ...]:
        """Return the prompt, at most ``room`` tokens long.

        Args:
            count: Counts the tokens of a prompt.
            count_texts: Counts the tokens of plain texts.
            room: Tokens of the context without those kept for the answer.
            full_limit: Tokens of documents this model can make use of in full.

        Raises:
            ContextExceeded: The conversation is too long even with passages only.
        """
        labels = list(self.documents)
        sizes = dict(
            zip(labels, count_texts([full_text(self.documents[label]) for label in labels]), strict=True)
        )
        self.by_passages = []
        for label in sorted(labels, key=lambda label: -sizes[label]):
            left = sum(size for other, size in sizes.items() if other not in self.by_passages)
            if left <= full_limit and count(self.messages()) <= room:
                break
            self.by_passages.append(label)
        passages: list[tuple[str, str]] = []
        if self.by_passages:
            passages = self._passages()
            while passages and count(self.messages(passages)) > min(room, self._passage_room(count, room)):
                passages.pop()
        self.unseen = set(self.by_passages) - {label for label, _ in passages}
        messages = self.messages(passages)
        needed = count(messages)
        if needed > room:
            raise ContextExceeded(needed, room)
        return messages

    def _passage_room(self, count: Count, room: int) -> int:
        return count(self.messages()) + int(room * _PASSAGES_SHARE)

    def _passages(self) -> list[tuple[str, str]]:
        question = next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")
        found = retrieve(
            question, [(label, self.documents[label]) for label in self.by_passages], limit=_PASSAGES
        )
        return [(passage.document, f"[Page {passage.page}] {passage.text}") for passage in found]

    def messages(self, passages: Sequence[tuple[str, str]] = ()) -> tuple[Message, ...]:
        """Return the prompt with ``passages`` (label, text) before the newest question, best first."""
        found: list[Message] = [Message("system", prompts.seen(self.system))] if self.system else []
        newest = max((i for i, turn in enumerate(self.turns) if turn.role == "user"), default=-1)
        for index, turn in enumerate(self.turns):
            parts = [self._attached(label) for label in turn.documents if label not in self.by_passages]
            if index == newest:
                parts += self._found(passages)
            parts.append(turn.text)
            text = prompts.seen("\n\n".join(part for part in parts if part))
            if not text:
                continue
            if found and found[-1].role == turn.role:
                found[-1] = Message(turn.role, f"{found[-1].content}\n\n{text}")
            else:
                found.append(Message(turn.role, text))
        return tuple(found)

    def _attached(self, label: str) -> str:
        document = self.documents.get(label)
        if document is None:
            return ""
        return prompts.fill("chat", "document", name=document.name, text=full_text(document))

    def _found(self, passages: Sequence[tuple[str, str]]) -> list[str]:
        return [
            prompts.fill(
                "chat",
                "passages",
                name=self.documents[label].name,
                text="\n".join(text for owner, text in passages if owner == label),
            )
            for label in self.by_passages
            if any(owner == label for owner, _ in passages)
        ]


def full_text(document: Document) -> str:
    """Return the text of a document with its page numbers."""
    return "\n\n".join(f"[Page {page.number}]\n{page.text}" for page in document.pages if page.blocks)


def title_of(text: str, limit: int = 48) -> str:
    """Return the beginning of a message as a title: one line, cut between words."""
    line = " ".join(text.strip().lstrip("#>*-` ").split("\n", 1)[0].split()).rstrip(" .,:;")
    if len(line) <= limit:
        return line
    cut = line[: limit + 1].rsplit(" ", 1)[0] if " " in line[: limit + 1] else line[:limit]
    return cut[:limit].rstrip(" .,:;-") + "…"
