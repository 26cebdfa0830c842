"""What the Documents page has been asked to do: one `Work` per request, done one after the other."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from desktop_slm.documents.model import Document, KeySentence
from desktop_slm.gui.widgets.citation_view import Origin
from desktop_slm.gui.widgets.library_view import SUFFIXES
from desktop_slm.tasks.events import SentenceReady
from desktop_slm.tasks.requests import Ask, FileSource, ReadDocument, Source, StoredSource, Summarize

DropAction = Literal["summarize", "ask", "translate", "add"]
Outcome = Literal["", "done", "failed", "stopped", "password"]
MAX_FILES = 200


@dataclass(eq=False)
class Work:
    """A request with what is known about it so far.

    Attributes:
        number: Unique in the page.
        name: File name, for the user.
        request: What is emitted.
        action: What the user wanted with the file; empty for work on a document already read.
        document_id, document: Known once it has been read.
        queued: It has a line in the list of files.
        origin: How the document is called, once it has been read.
        origins: The documents that one summary is made of, by id; empty for work on one document.
        sentences: Those received, to show them again when the user comes back to the document.
        outcome: Empty while it waits or runs.
    """

    number: int
    name: str
    request: Summarize | Ask | ReadDocument
    action: DropAction | Literal[""] = ""
    document_id: str = ""
    document: Document | None = None
    key_sentences: tuple[KeySentence, ...] = ()
    queued: bool = False
    origin: Origin | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    sentences: list[SentenceReady] = field(default_factory=list)
    outcome: Outcome = ""

    @property
    def source(self) -> Source:
        """Where a further request finds the document: the library once it is there."""
        if self.document_id:
            return StoredSource(self.document_id)
        return self.request.source if isinstance(self.request, ReadDocument) else self.request.sources[0]

    @property
    def doing(self) -> str:
        """What it is, in one word or two."""
        if isinstance(self.request, Ask):
            return "Looking for an answer"
        return "Summarizing" if isinstance(self.request, Summarize) else "Reading"

    @property
    def result(self) -> str:
        """What has been done with a finished file, in words; empty for the usual ones."""
        if self.outcome != "done" or self.document is None:
            return ""
        count = len(self.document.pages)
        pages = f"{count:,} {self.document.page_unit}{'' if count == 1 else 's'}"
        return f"summarized, {pages}" if isinstance(self.request, Summarize) else f"read, {pages}"

    def unlock(self, password: str) -> None:
        """Try again with a password."""
        source = self.source
        if isinstance(source, FileSource):
            self._replace_source(FileSource(source.path, password))

    def forget_password(self) -> None:
        """Let go of a password once it has been used."""
        if not self.document_id:
            return
        self._replace_source(StoredSource(self.document_id))

    def again(self) -> None:
        """Make it ready to be emitted once more."""
        self.outcome = ""
        self.sentences.clear()

    def _replace_source(self, source: Source) -> None:
        if isinstance(self.request, ReadDocument):
            self.request = msgspec.structs.replace(self.request, source=source)
        else:
            self.request = msgspec.structs.replace(self.request, sources=(source,))


class WorkLine:
    """Runs one `Work` at a time; the others wait in order."""

    def __init__(self) -> None:
        self.running: Work | None = None
        self._waiting: deque[Work] = deque()
        self._count = 0

    def number(self) -> int:
        """Return a new number."""
        self._count += 1
        return self._count

    @property
    def waiting(self) -> tuple[Work, ...]:
        """Those that have not been emitted, next one first."""
        return tuple(self._waiting)

    def put(self, work: Work, *, first: bool = False) -> None:
        """Let a work wait for its turn."""
        if first:
            self._waiting.appendleft(work)
        else:
            self._waiting.append(work)

    def take(self) -> Work | None:
        """Make the next work the running one and return it; None when one runs or none waits."""
        if self.running is not None or not self._waiting:
            return None
        self.running = self._waiting.popleft()
        return self.running

    def end(self) -> Work | None:
        """Let go of the running work and return it."""
        work, self.running = self.running, None
        return work

    def drop(self, work: Work) -> bool:
        """Take a waiting work out of the line; tell whether it was there."""
        if work in self._waiting:
            self._waiting.remove(work)
            return True
        return False

    def of_document(self, document_id: str) -> list[Work]:
        """Return the running and waiting works of a document."""
        works = [self.running, *self._waiting]
        return [work for work in works if work and document_id and work.document_id == document_id]


def expand(paths: Sequence[str | Path]) -> list[Path]:
    """Return the files named, and for each folder the readable files directly in it, at most 200 in all."""
    files: list[Path] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files += sorted(_readable(path))
        else:
            files.append(path)
    return files[:MAX_FILES]


def _readable(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.name.lower().endswith(SUFFIXES) and entry.is_file()
            ]
    except OSError:
        return []
