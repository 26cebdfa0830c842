"""What the store hands out: frozen records. Ids are a letter and a row number: ``c12``, ``m7``, ``d3``."""

from __future__ import annotations

from typing import Literal

import msgspec

from desktop_slm.documents.model import Document, KeySentence
from desktop_slm.engine.api import Role, Usage

MessageState = Literal["complete", "streaming", "stopped", "interrupted"]
ItemKind = Literal["conversation", "document", "summary", "translation"]


class MessageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One message. ``position`` of ``siblings`` (from 1) is its place among the branches of its parent."""

    id: str
    conversation: str
    parent: str
    role: Role
    text: str
    reasoning: str = ""
    state: MessageState = "complete"
    reason: str = ""
    model: str = ""
    usage: Usage | None = None
    documents: tuple[str, ...] = ()
    created: float = 0.0
    position: int = 1
    siblings: int = 1


class ConversationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation without its messages. Times are seconds since the epoch."""

    id: str
    title: str
    system: str = ""
    model: str = ""
    pinned: bool = False
    created: float = 0.0
    updated: float = 0.0


class DocumentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A document of the library without its bytes and text."""

    id: str
    name: str
    title: str
    format: str
    language: str
    pages: int
    words: int
    size_bytes: int
    sha256: str
    added: float = 0.0


class StoredDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document of the library with what was read from it."""

    record: DocumentRecord
    document: Document
    key_sentences: tuple[KeySentence, ...] = ()


class SummaryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A kept summary: the request and the `SummaryDone` event, both as JSON."""

    id: str
    documents: tuple[str, ...]
    title: str
    request: bytes
    result: bytes
    created: float = 0.0


class TranslationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A kept translation of plain text."""

    id: str
    source_language: str
    target_language: str
    source: str
    target: str
    model: str = ""
    favorite: bool = False
    created: float = 0.0


class HistoryItem(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the history. ``snippet`` marks hits with U+0002 (start) and U+0003 (end)."""

    id: str
    kind: ItemKind
    title: str
    updated: float
    snippet: str = ""
