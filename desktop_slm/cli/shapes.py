"""Task events as the JSON objects of docs/cli.md: fixed names, nothing that only the window needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

import msgspec

from desktop_slm.documents.model import KeySentence
from desktop_slm.tasks.events import (
    AnswerDone,
    ChatDone,
    ChoiceDone,
    Coverage,
    DocumentRead,
    KeySentences,
    Piece,
    Progress,
    ReadDone,
    Section,
    Sentence,
    SentenceReady,
    Started,
    SummaryDone,
    TaskEvent,
    TextLabeled,
    TranslationDone,
    Warned,
)


def shape(event: TaskEvent) -> tuple[str, dict[str, Any]]:
    """Return the name and the fields of an event."""
    match event:
        case DocumentRead():
            return "document", _document(event)
        case KeySentences():
            return "key_sentences", {"key_sentences": key_sentences(event.sentences)}
        case SentenceReady():
            return "sentence", {**sentence(event.sentence), "section": event.section}
        case Progress():
            fields = {"done": event.done, "total": event.total, "unit": event.unit}
            return "progress", {**fields, "left_s": event.left_s, "stage": event.stage}
        case Piece():
            return "piece", {"text": event.text, "kind": event.kind}
        case Warned():
            return "warning", {"text": event.text}
        case Started():
            return "started", _plain(event)
        case SummaryDone():
            return "done", _summary(event)
        case AnswerDone():
            return "done", {**_plain(event), "sentences": [sentence(one) for one in event.sentences]}
        case TextLabeled():
            return "label", msgspec.to_builtins(event.labeled)
        case ChatDone() | TranslationDone() | ChoiceDone() | ReadDone():
            return "done", _plain(event)
        case _:
            assert_never(event)


def sentence(value: Sentence) -> dict[str, Any]:
    """Return a sentence; citations name the document only where there are several."""
    citations = [
        {"page": cited.page, "quote": cited.quote, **({"document": cited.document} if cited.document else {})}
        for cited in value.citations
    ]
    return {
        "text": value.text,
        "citations": citations,
        "supported": value.supported,
        "quoted": value.quoted,
    }


def key_sentences(values: Iterable[KeySentence]) -> list[dict[str, Any]]:
    """Return key sentences."""
    return [{"text": value.text, "page": value.page} for value in values]


def coverage(value: Coverage) -> dict[str, Any]:
    """Return what was read."""
    skipped = [{"page": item.page, "reason": item.reason} for item in value.skipped]
    return {"pages": value.pages, "read": list(value.read), "skipped": skipped}


def _section(value: Section) -> dict[str, Any]:
    return {"title": value.title, "page": value.page, "notes": [sentence(note) for note in value.notes]}


def _document(event: DocumentRead) -> dict[str, Any]:
    document = event.document
    return {
        "id": event.id,
        "name": document.name,
        "title": document.title,
        "format": document.format,
        "language": document.language,
        "pages": len(document.pages),
        "words": document.words,
        "bytes": document.size_bytes,
        "warnings": list(document.warnings),
    }


def _summary(event: SummaryDone) -> dict[str, Any]:
    return {
        **_plain(event),
        "sentences": [sentence(one) for one in event.sentences],
        "key_sentences": key_sentences(event.key_sentences),
        "outline": [_section(section) for section in event.outline],
        "coverage": coverage(event.coverage),
    }


def _plain(event: msgspec.Struct) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(event)
    fields.pop("event", None)
    return fields
