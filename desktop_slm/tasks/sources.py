"""Reads what a request names: files through the reader process, stored documents from the library."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from desktop_slm.documents.keysentences import key_sentences
from desktop_slm.documents.model import Document, KeySentence
from desktop_slm.documents.reader import open_document, read_file
from desktop_slm.documents.split import reading_blocks
from desktop_slm.errors import DocumentEmpty, InvalidRequest
from desktop_slm.tasks.events import DocumentRead, TaskEvent, Warned
from desktop_slm.tasks.keeping import Keeper
from desktop_slm.tasks.requests import FileSource, Source

KEY_SENTENCES = 8


@dataclass(frozen=True)
class ReadSource:
    """A document that has been read.

    Attributes:
        id: Library id, empty where it is not kept.
        document: Its pages.
        sentences: Those that carry it, in its order.
        data: The file's bytes; empty for a document of the library.
    """

    id: str
    document: Document
    sentences: tuple[KeySentence, ...]
    data: bytes = b""

    @property
    def label(self) -> str:
        """What citations name it by: the library id, else the file name."""
        return self.id or self.document.name


def read(source: Source, keeper: Keeper, stopped: Callable[[], bool]) -> ReadSource:
    """Read one document without keeping it.

    Raises:
        DocumentError: It cannot be read.
        InvalidRequest: No such document in the library.
    """
    if not isinstance(source, FileSource):
        stored = keeper.stored_document(source.id)
        sentences = stored.key_sentences or tuple(key_sentences(stored.document, KEY_SENTENCES))
        return ReadSource(stored.record.id, stored.document, sentences)
    name, data = read_file(Path(source.path))
    session = open_document(name, data, password=source.password, stop=stopped)
    try:
        return ReadSource("", session.document, tuple(session.key_sentences), data)
    finally:
        session.close()


def keep(source: ReadSource, keeper: Keeper) -> ReadSource:
    """Keep a document that was read from a file."""
    if source.id or not source.data:
        return source
    identifier = keeper.add_document(source.document, source.data, source.sentences)
    return ReadSource(identifier, source.document, source.sentences)


def read_all(
    sources: Sequence[Source], keeper: Keeper, stopped: Callable[[], bool]
) -> Generator[TaskEvent, None, list[ReadSource]]:
    """Read every document before keeping any: a bad one among them leaves nothing behind.

    Yields:
        Warnings of the reader, then `DocumentRead` for each.
    """
    if not sources:
        raise InvalidRequest("No document was given", "Name at least one file.")
    unread = [read(source, keeper, stopped) for source in sources]
    kept = [keep(source, keeper) for source in unread]
    for source in kept:
        yield DocumentRead(id=source.id, document=source.document)
        for warning in source.document.warnings:
            yield Warned(text=warning)
    return kept


def check_pages(document: Document, pages: tuple[int, int] | None) -> None:
    """Refuse a range of pages that the document does not have.

    Raises:
        InvalidRequest: It does not have them.
    """
    if pages is None:
        return
    first, last = pages
    count = len(document.pages)
    if not 1 <= first <= last or first > count:
        asked = str(first) if first == last else f"{first}-{last}"
        raise InvalidRequest(f"The document has no pages {asked}", f"Choose pages between 1 and {count}.")


def check_text(documents: Sequence[Document], pages: tuple[int, int] | None) -> None:
    """Refuse documents of which not one has text on the pages asked for.

    Raises:
        DocumentEmpty: There is nothing to read.
    """
    if any(reading_blocks(document, pages) for document in documents):
        return
    first, last = pages or (1, max(len(document.pages) for document in documents))
    asked = [page for document in documents for page in document.pages[first - 1 : last]]
    what = "a scan without text" if any(page.is_image for page in asked) else "without text"
    subject = "The document is" if len(documents) == 1 else "Each of the documents is"
    if pages is not None and any(reading_blocks(document) for document in documents):
        subject = "What was asked for is"
    raise DocumentEmpty(
        f"{subject} {what}: there is nothing to summarize", "Choose pages or a document with text."
    )


def sentences_of_pages(source: ReadSource, pages: tuple[int, int] | None) -> tuple[KeySentence, ...]:
    """Return the key sentences of a range of pages, in order; those of the document for None."""
    if pages is None:
        return source.sentences
    first, last = pages
    many = key_sentences(source.document, KEY_SENTENCES * max(4, len(source.document.pages)))
    inside = [sentence for sentence in many if first <= sentence.page <= last]
    best = sorted(inside, key=lambda sentence: -sentence.score)[:KEY_SENTENCES]
    return tuple(sentence for sentence in inside if sentence in best)
