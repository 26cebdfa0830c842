"""``desktop-slm classify``: documents, or the rows of a table, each under one of some labels."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_slm.cli import numbers
from desktop_slm.cli.secrets_given import add_password
from desktop_slm.errors import InvalidRequest

if TYPE_CHECKING:
    from desktop_slm.cli.session import Session
    from desktop_slm.tasks.events import TaskEvent

_LONGEST_CELL = 16 * 1024 * 1024


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    command = commands.add_parser(
        "classify", parents=[common], help="sort documents or texts under labels", allow_abbrev=False
    )
    command.add_argument("files", nargs="+", metavar="FILE")
    command.add_argument("--labels", required=True, metavar="A,B,C", help="2 to 50, separated by commas")
    command.add_argument("-q", "--question", default="", metavar="TEXT", help="what the labels are about")
    command.add_argument(
        "--column", default="", metavar="NAME", help="the files are CSV tables; sort this column of each row"
    )
    add_password(command)
    command.add_argument("--seed", type=numbers.seed, metavar="N")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Sort."""
    from desktop_slm.cli.events import follow
    from desktop_slm.cli.output import visible
    from desktop_slm.tasks.events import ChoiceDone, TextLabeled
    from desktop_slm.tasks.requests import Choice, FileSource

    texts: list[str] = []
    sources: list[FileSource] = []
    for file in arguments.files:
        if arguments.column:
            texts += _column(file, arguments.column)
        else:
            sources.append(FileSource(file, session.document_password))
    out = session.out

    def on_event(event: TaskEvent) -> None:
        if isinstance(event, TextLabeled):
            found = event.labeled
            parts = out.dim(f" ({found.agreeing} of {found.parts} parts)") if found.parts > 1 else ""
            name = visible(found.source) or str(found.number)
            out.text(f"{name}: {visible(found.label) or '-'}{parts}")

    request = Choice(
        sources=tuple(sources),
        texts=tuple(texts),
        labels=tuple(label.strip() for label in arguments.labels.split(",")),
        question=arguments.question,
        model=arguments.model,
        seed=arguments.seed,
    )
    done = follow(session, request, ChoiceDone, on_event)
    if done is not None and not out.as_json:
        out.message(f"{len(done.labels):,} sorted, {done.model}, {done.seconds:.1f} s")
    return 0


def _column(file: str, column: str) -> list[str]:
    """Return one column of a CSV table with a line of names.

    Raises:
        DocumentError: It cannot be read.
        InvalidRequest: It is no such table.
    """
    from desktop_slm.cli.translate import decoded
    from desktop_slm.documents.reader import read_file

    _, data = read_file(Path(file))
    text = decoded(data)
    csv.field_size_limit(_LONGEST_CELL)
    try:
        dialect = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel
    try:
        table = csv.DictReader(io.StringIO(text, newline=""), dialect=dialect)
        names = list(table.fieldnames or ())
        rows = [row.get(column) or "" for row in table]
    except csv.Error as error:
        raise InvalidRequest("The file is not a CSV table", "Save it as CSV with a line of names.") from error
    if column not in names:
        shown = ", ".join(names[:10]) or "none"
        raise InvalidRequest(f"The table has no column {column}", f"Its columns: {shown}.")
    return rows
