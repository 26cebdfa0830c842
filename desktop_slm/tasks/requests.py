"""What can be asked of the assistant: frozen values that window and command line emit alike."""

from __future__ import annotations

from typing import Literal

import msgspec

from desktop_slm.engine.api import Sampling

Length = Literal["short", "medium", "long"]
Style = Literal["paragraph", "bullets", "sections"]


class FileSource(msgspec.Struct, frozen=True, tag="file"):
    """A document on disk."""

    path: str
    password: str = ""


class StoredSource(msgspec.Struct, frozen=True, tag="stored"):
    """A document in the library, by id (``d12``)."""

    id: str


Source = FileSource | StoredSource


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """Answer in a conversation.

    Attributes:
        text: What the user says. Ignored when regenerating or continuing.
        conversation: Id (``c12``) of the conversation, empty for a new one.
        parent: Id of the message this one follows; empty for the end of the active branch, the conversation's
            own id for its very beginning (an edit of the first message). An edit or a regeneration is a new
            child of the old message's parent.
        action: ``send`` a new user message; ``regenerate`` another answer to the user message ``parent``;
            ``continue`` the interrupted or too short answer ``parent``.
        system: Instructions; None keeps those of the conversation.
        attachments: Documents the model shall see, in full or by retrieval when they do not fit.
        model: Shelf id or path, empty for the default.
        max_tokens: 0 for what the context leaves.
        sampling: None for the preset of the settings.
        temperature, seed: In place of those of the sampling; None leaves them.
        save: Keep it in the vault when that is open.
    """

    text: str = ""
    conversation: str = ""
    parent: str = ""
    action: Literal["send", "regenerate", "continue"] = "send"
    system: str | None = None
    attachments: tuple[Source, ...] = ()
    model: str = ""
    max_tokens: int = 0
    sampling: Sampling | None = None
    temperature: float | None = None
    seed: int | None = None
    save: bool = True


class Summarize(msgspec.Struct, frozen=True, kw_only=True):
    """Summarize whole documents, with citations.

    ``pages`` is a pair of first and last page, both included; None for all. ``focus`` is a question or a
    subject to look for, empty for none.
    """

    sources: tuple[Source, ...]
    length: Length = "medium"
    style: Style = "paragraph"
    focus: str = ""
    pages: tuple[int, int] | None = None
    model: str = ""
    seed: int | None = None
    save: bool = True


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Answer a question from documents, or say that they do not tell."""

    sources: tuple[Source, ...]
    question: str
    read_everything: bool = False
    model: str = ""
    seed: int | None = None
    save: bool = True


class Translate(msgspec.Struct, frozen=True, kw_only=True):
    """Translate plain text. ``source`` is a language code, empty to detect it."""

    text: str
    target: str
    source: str = ""
    model: str = ""
    seed: int | None = None
    save: bool = True


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Sort documents, or texts, under labels: each gets exactly one. Nothing of it is kept.

    Attributes:
        sources: Documents; they come before ``texts``.
        texts: Plain texts.
        labels: 2 to 50 different ones, as the answer shall name them.
        question: What the labels are about, such as "Who should answer this?"; empty for a general one.
        model: Shelf id or path, empty for the default.
    """

    sources: tuple[Source, ...] = ()
    texts: tuple[str, ...] = ()
    labels: tuple[str, ...]
    question: str = ""
    model: str = ""
    seed: int | None = None
    save: bool = False


class ReadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Read a document and find its key sentences; no model needed."""

    source: Source
    save: bool = True


Request = Chat | Summarize | Ask | Translate | Choice | ReadDocument
