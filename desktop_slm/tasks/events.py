"""What a task tells while it works. Encoded as JSON these are the lines of ``--json`` (see docs/cli.md)."""

from __future__ import annotations

from typing import Literal

import msgspec

from desktop_slm.documents.model import Document, KeySentence
from desktop_slm.engine.api import FinishReason, PieceKind, Usage


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a document. ``quote`` is literally on page ``page`` of ``document`` (an id or name)."""

    page: int
    quote: str
    document: str = ""


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of a result. Not ``supported``: the document does not say it; shown muted, with a warning.

    ``quoted`` marks a sentence of the document itself that stands in for the model's words.
    """

    text: str
    citations: tuple[Cited, ...] = ()
    supported: bool = True
    quoted: bool = False


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A section of the outline, with the notes taken of it."""

    title: str
    page: int
    notes: tuple[Sentence, ...] = ()


class Skipped(msgspec.Struct, frozen=True):
    """A page that was not read, and why."""

    page: int
    reason: str


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: ``pages`` in all, the numbers of those read, and the others with the reason."""

    pages: int
    read: tuple[int, ...]
    skipped: tuple[Skipped, ...] = ()


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that a person should look at, and why."""

    id: int
    source: str
    target: str
    reasons: tuple[str, ...]


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage the answer was looked for in."""

    document: str
    page: int
    text: str
    score: float


class Labeled(msgspec.Struct, frozen=True, kw_only=True):
    """The label of a text.

    Attributes:
        number: Of the text, from 1.
        source: Name of its document, else empty.
        label: Empty for a text without words.
        parts: In how many parts it was read; 1 for a text that was read whole.
        agreeing: So many of the parts were given this label.
    """

    number: int
    source: str
    label: str
    parts: int
    agreeing: int


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of all events."""


class Started(Event, frozen=True, kw_only=True, tag="started"):
    """The task has been stored and begins. Ids are empty where nothing is kept."""

    conversation: str = ""
    user_message: str = ""
    message: str = ""


class DocumentRead(Event, frozen=True, kw_only=True, tag="document"):
    """A document was read. ``id`` is empty where nothing is kept; ``document`` stays in this process."""

    id: str
    document: Document


class KeySentences(Event, frozen=True, kw_only=True, tag="key_sentences"):
    """The sentences that carry the document, in its order."""

    sentences: tuple[KeySentence, ...]


class Progress(Event, frozen=True, kw_only=True, tag="progress"):
    """Work done of work known; ``left_s`` is -1 while there is no estimate."""

    done: float
    total: float
    unit: Literal["tokens", "chunks", "pages", "bytes"]
    left_s: float = -1.0
    stage: str = ""


class Piece(Event, frozen=True, kw_only=True, tag="piece"):
    """Text as the model writes it."""

    text: str
    kind: PieceKind = "answer"


class SentenceReady(Event, frozen=True, kw_only=True, tag="sentence"):
    """A sentence of a summary or an answer, checked against the document, in reading order."""

    sentence: Sentence
    section: str = ""


class TextLabeled(Event, frozen=True, kw_only=True, tag="label"):
    """A text has its label; they come in the order of the texts."""

    labeled: Labeled


class Warned(Event, frozen=True, kw_only=True, tag="warning"):
    """Something the user should know that does not stop the task."""

    text: str


class ChatDone(Event, frozen=True, kw_only=True, tag="done"):
    """A finished answer."""

    text: str
    reason: FinishReason
    conversation: str
    message: str = ""
    model: str
    seconds: float
    usage: Usage


class SummaryDone(Event, frozen=True, kw_only=True, tag="done"):
    """A finished summary."""

    sentences: tuple[Sentence, ...]
    key_sentences: tuple[KeySentence, ...]
    outline: tuple[Section, ...]
    coverage: Coverage
    reason: FinishReason = "stop"
    summary: str = ""
    documents: tuple[str, ...] = ()
    model: str
    seconds: float
    usage: Usage


class AnswerDone(Event, frozen=True, kw_only=True, tag="done"):
    """A finished answer to a question about documents."""

    sentences: tuple[Sentence, ...]
    answered: bool
    route: Literal["whole", "retrieval", "read-everything"]
    passages: tuple[Passage, ...]
    reason: FinishReason = "stop"
    model: str
    seconds: float
    usage: Usage


class TranslationDone(Event, frozen=True, kw_only=True, tag="done"):
    """A finished translation. ``needs_review`` holds segments whose checks failed."""

    text: str
    source_language: str
    target_language: str
    segments: int
    translated: int
    from_memory: int = 0
    needs_review: tuple[Review, ...] = ()
    reason: FinishReason = "stop"
    translation: str = ""
    model: str
    seconds: float
    usage: Usage


class ChoiceDone(Event, frozen=True, kw_only=True, tag="done"):
    """Texts that were sorted, in their order; fewer than were given when it was stopped."""

    labels: tuple[Labeled, ...]
    reason: FinishReason = "stop"
    model: str
    seconds: float
    usage: Usage


class ReadDone(Event, frozen=True, kw_only=True, tag="done"):
    """A document was read and its key sentences found."""

    id: str
    seconds: float


TaskEvent = (
    Started
    | DocumentRead
    | KeySentences
    | Progress
    | Piece
    | SentenceReady
    | TextLabeled
    | Warned
    | ChatDone
    | SummaryDone
    | AnswerDone
    | TranslationDone
    | ChoiceDone
    | ReadDone
)
