"""Tasks over a scripted engine and a database in memory: everything real but the model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from desktop_slm.documents.keysentences import key_sentences
from desktop_slm.documents.model import Block, BlockKind, Document, Page
from desktop_slm.engine.api import ModelSpec
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.store.history import History
from desktop_slm.store.library import Library
from desktop_slm.tasks.events import Progress, TaskEvent
from desktop_slm.tasks.requests import Request, StoredSource
from desktop_slm.tasks.run import run
from desktop_slm.tasks.services import ChosenModel, Services, never

LARGE = 4_000_000_000
TINY = 100_000_000


@dataclass
class Desk:
    """Runs requests and shows what they left in the store."""

    history: History
    library: Library

    def services(
        self, engine: FakeEngine, *, size_bytes: int = LARGE, stopped: Callable[[], bool] = never
    ) -> Services:
        def choose(name: str, task: str) -> Generator[Progress, None, ChosenModel]:
            yield from ()
            return ChosenModel(
                id=name or "scripted",
                spec=ModelSpec(path="scripted.gguf"),
                sha256="ab",
                size_bytes=size_bytes,
            )

        return Services(
            engine=engine, choose_model=choose, history=self.history, library=self.library, stopped=stopped
        )

    def run(
        self,
        request: Request,
        engine: FakeEngine,
        *,
        size_bytes: int = LARGE,
        stopped: Callable[[], bool] = never,
    ) -> list[TaskEvent]:
        return list(run(request, self.services(engine, size_bytes=size_bytes, stopped=stopped)))

    def start(
        self, request: Request, engine: FakeEngine, *, size_bytes: int = LARGE
    ) -> Generator[TaskEvent, None, None]:
        return run(request, self.services(engine, size_bytes=size_bytes))

    def add(self, document: Document) -> StoredSource:
        record = self.library.add(document, b"data " + document.name.encode(), tuple(key_sentences(document)))
        return StoredSource(record.id)


def make_document(
    pages: Sequence[Sequence[tuple[BlockKind, str] | str]], *, name: str = "report.pdf", language: str = "en"
) -> Document:
    """Return a document of pages of blocks; a plain text is a paragraph."""
    number = 0
    made = []
    for page_number, blocks in enumerate(pages, 1):
        page_blocks = []
        for block in blocks:
            kind, text = ("paragraph", block) if isinstance(block, str) else block
            level = 1 if kind == "heading" else 0
            page_blocks.append(Block(id=number, kind=kind, text=text, level=level))  # type: ignore[arg-type]
            number += 1
        made.append(Page(number=page_number, blocks=tuple(page_blocks), is_image=not blocks))
    text = repr(pages) + name
    return Document(
        title=name.split(".")[0].title(),
        name=name,
        format="pdf",
        language=language,
        pages=tuple(made),
        words=len(text.split()),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        size_bytes=len(text),
    )
