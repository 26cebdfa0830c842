"""What the Documents page has been asked to do: one `Work` per request, in three lanes.

Reading a file needs no model, and a question is short: neither waits for a summary that takes minutes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import msgspec

from desktop_slm.documents.model import Document, KeySentence
from desktop_slm.gui.widgets.citation_view import Origin
from desktop_slm.gui.widgets.library_view import SUFFIXES
from desktop_slm.tasks.events import SentenceReady
from desktop_slm.tasks.requests import Ask, FileSource, ReadDocument, Source, StoredSource, Summarize

DropAction = Literal["summarize", "ask", "translate", "add"]
Outcome = Literal["", "done", "failed", "stopped", "password"]
Lane = Literal["summary", "question", "read"]
LANES: tuple[Lane, ...] = get_args(Lane)
"""In the order in which they are spoken of where there is room for one."""
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
        pages: How long the document is, once it has been read.
        textless: What it is when there is nothing in it to read; empty for all others.
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
    pages: str = ""
    textless: str = ""
    outcome: Outcome = ""

    @property
    def source(self) -> Source:
        """Where a further request finds the document: the library once it is there."""
        if self.document_id:
            return StoredSource(self.document_id)
        return self.request.source if isinstance(self.request, ReadDocument) else self.request.sources[0]

    @property
    def lane(self) -> Lane:
        """Where it waits for its turn."""
        if isinstance(self.request, Ask):
            return "question"
        return "summary" if isinstance(self.request, Summarize) else "read"

    @property
    def unread(self) -> bool:
        """Whether it begins with reading a file."""
        return isinstance(self.source, FileSource)

    def request_for(self, lane: Lane) -> Summarize | Ask | ReadDocument:
        """Return what is to be emitted; a summary that waits has its file read in the meantime."""
        if lane == "read" and not isinstance(self.request, ReadDocument):
            return ReadDocument(source=self.source)
        return self.request

    @property
    def doing(self) -> str:
        """What it is, in one word or two."""
        if isinstance(self.request, Ask):
            return "Looking for an answer"
        return "Summarizing" if isinstance(self.request, Summarize) else "Reading"

    @property
    def result(self) -> str:
        """What has been done with a finished file, in words; empty for the usual ones."""
        if self.outcome != "done" or not self.pages:
            return ""
        if self.textless:
            return f"{self.textless}, {self.pages}"
        return f"summarized, {self.pages}" if isinstance(self.request, Summarize) else f"read, {self.pages}"

    def take_document(self, document_id: str, document: Document) -> None:
        """Remember what has been read."""
        count = len(document.pages)
        self.document_id, self.document = document_id, document
        self.origin = Origin(document.name, document.page_unit)
        self.pages = f"{count:,} {document.page_unit}{'' if count == 1 else 's'}"
        self.textless = textless(document)

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
    """Runs one `Work` per lane at a time; the others wait in order.

    A summary of a file that has to wait stands in the lane for reading too: what can be shown without the
    model is there at once.
    """

    def __init__(self) -> None:
        self._running: dict[Lane, Work] = {}
        self._waiting: dict[Lane, deque[Work]] = {lane: deque() for lane in LANES}
        self._count = 0

    def number(self) -> int:
        """Return a new number."""
        self._count += 1
        return self._count

    @property
    def running(self) -> tuple[Work, ...]:
        """Those that have been emitted, in the order of `LANES`."""
        return tuple(self._running[lane] for lane in LANES if lane in self._running)

    def running_in(self, lane: Lane) -> Work | None:
        """Return what runs in a lane."""
        return self._running.get(lane)

    def runs(self, work: Work) -> bool:
        """Tell whether a work does what it is for: a file read ahead still waits for its summary."""
        return self._running.get(work.lane) is work

    def lane_of(self, work: Work) -> Lane | None:
        """Return where a work runs."""
        return next((lane for lane, other in self._running.items() if other is work), None)

    def put(self, work: Work, *, first: bool = False) -> None:
        """Let a work wait for its turn."""
        lanes = {work.lane}
        if work.lane == "summary" and work.unread and not work.origins:
            lanes.add("read")
        for lane in lanes:
            if first:
                self._waiting[lane].appendleft(work)
            else:
                self._waiting[lane].append(work)

    def take(self) -> tuple[Lane, Work] | None:
        """Make a work that can begin now a running one, and return it with its lane."""
        for lane in LANES:
            waiting = self._waiting[lane]
            if lane in self._running or not waiting:
                continue
            work = waiting[0]
            if self._running.get("read") is work:
                continue  # its summary begins as soon as it has been read
            self.drop(work, keep="summary" if lane == "read" else None)
            self._running[lane] = work
            return lane, work
        return None

    def end(self, lane: Lane) -> Work | None:
        """Let go of what runs in a lane and return it."""
        return self._running.pop(lane, None)

    def drop(self, work: Work, *, keep: Lane | None = None) -> bool:
        """Take a waiting work out of the lanes but ``keep``; tell whether it was there."""
        found = False
        for lane, waiting in self._waiting.items():
            if lane != keep and work in waiting:
                waiting.remove(work)
                found = True
        return found

    def waits(self, work: Work) -> bool:
        """Tell whether a work has yet to begin with what it is for."""
        return work in self._waiting[work.lane]

    def of_document(self, document_id: str) -> list[Work]:
        """Return the running and waiting works of a document."""
        works = dict.fromkeys(self.running)
        for lane in LANES:
            works.update(dict.fromkeys(self._waiting[lane]))
        return [work for work in works if document_id and work.document_id == document_id]


def textless(document: Document) -> str:
    """Say what a document is that has no text to summarize; empty for all others."""
    if document.text.strip():
        return ""
    return "a scan without text" if any(page.is_image for page in document.pages) else "no text in it"


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
