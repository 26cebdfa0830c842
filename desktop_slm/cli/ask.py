"""``desktop-slm ask``: questions about documents, answered with their pages or not at all."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from desktop_slm.cli import numbers
from desktop_slm.cli.secrets_given import add_password
from desktop_slm.errors import InvalidRequest

if TYPE_CHECKING:
    from desktop_slm.cli.session import Session
    from desktop_slm.documents.model import Document
    from desktop_slm.tasks.events import TaskEvent
    from desktop_slm.tasks.requests import Source

_MOST_DOCUMENTS = 200


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    command = commands.add_parser(
        "ask", parents=[common], help="ask documents, or the library", allow_abbrev=False
    )
    command.add_argument("files", nargs="*", metavar="FILE")
    command.add_argument("-q", "--question", required=True, metavar="TEXT")
    command.add_argument("--library", action="store_true", help="ask the documents that are kept")
    command.add_argument(
        "--read-everything", action="store_true", help="read all of the text for this question; takes longer"
    )
    add_password(command)
    command.add_argument("--seed", type=numbers.seed, metavar="N")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Ask."""
    from desktop_slm.cli.events import follow
    from desktop_slm.cli.summarize import places, with_places
    from desktop_slm.tasks.events import AnswerDone, DocumentRead, SentenceReady
    from desktop_slm.tasks.requests import Ask, FileSource

    if bool(arguments.files) == arguments.library:
        raise InvalidRequest("Nothing to ask", "Name at least one file, or use --library alone.")
    session.open(required=arguments.library)
    sources: tuple[Source, ...] = tuple(
        FileSource(path, session.document_password) for path in arguments.files
    )
    if arguments.library:
        sources = _library(session)
    documents: list[Document] = []
    names: dict[str, str] = {}
    out = session.out

    def on_event(event: TaskEvent) -> None:
        if isinstance(event, DocumentRead):
            documents.append(event.document)
            names[event.id] = event.document.name
        elif isinstance(event, SentenceReady):
            out.paragraph(with_places(out, event.sentence, places(len(documents) > 1, names)))

    request = Ask(
        sources=sources,
        question=arguments.question,
        read_everything=arguments.read_everything,
        model=arguments.model,
        seed=arguments.seed,
    )
    done = follow(session, request, AnswerDone, on_event)
    if done is not None:
        out.text()
        out.text(out.dim(f"{done.model}, {done.route}, {done.seconds:.1f} s"))
    return 0


def _library(session: Session) -> tuple[Source, ...]:
    from desktop_slm.tasks.requests import StoredSource

    records = session.app.library.documents(limit=_MOST_DOCUMENTS)
    if not records:
        raise InvalidRequest("The library is empty", "Summarize or ask a file first; it is kept then.")
    return tuple(StoredSource(record.id) for record in records)
