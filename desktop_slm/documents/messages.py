"""What the app and the document reader say to each other."""

from __future__ import annotations

import msgspec

from desktop_slm.documents.model import Document, KeySentence, PageImage


class Open(msgspec.Struct, frozen=True, tag="open"):
    """A document comes: ``size_bytes`` in `Bytes` messages, then `Read`."""

    name: str
    size_bytes: int
    password: str = ""


class Bytes(msgspec.Struct, frozen=True, tag="bytes"):
    """The next bytes of the document."""

    data: bytes


class Read(msgspec.Struct, frozen=True, tag="read"):
    """All bytes are there: read them."""


class Draw(msgspec.Struct, frozen=True, tag="draw"):
    """Draw a page, and find quotes on it."""

    number: int
    width_px: int
    quotes: tuple[str, ...] = ()


class Confined(msgspec.Struct, frozen=True, tag="confined"):
    """The reader is in its sandbox; sent before it has seen a byte of the document."""

    sandbox: str


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The document was read."""

    document: Document
    key_sentences: tuple[KeySentence, ...]


class Drawn(msgspec.Struct, frozen=True, tag="drawn"):
    """A page was drawn."""

    image: PageImage


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """An expected failure: code, title and message of a `DesktopSlmError`."""

    code: str
    title: str
    message: str
    wrong_password: bool = False


FromReader = Confined | Opened | Drawn | Failed
