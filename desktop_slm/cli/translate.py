"""``desktop-slm translate``: plain text, segment by segment, nothing dropped."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_slm.cli import numbers
from desktop_slm.errors import DocumentEmpty, DocumentUnsupported, NotYet

if TYPE_CHECKING:
    from desktop_slm.cli.session import Session
    from desktop_slm.tasks.events import TaskEvent, TranslationDone

_TEXT_SUFFIXES = ("", ".txt", ".md", ".text", ".markdown", ".log")
_MOST_BYTES = 20_000_000


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    command = commands.add_parser(
        "translate", parents=[common], help="translate plain text (- for standard input)", allow_abbrev=False
    )
    command.add_argument("file", metavar="FILE|-")
    command.add_argument("--to", required=True, metavar="LANG", help="language code, such as de")
    command.add_argument("--from", dest="source", default="", metavar="LANG", help="found out when left away")
    command.add_argument("--glossary", metavar="CSV")
    command.add_argument("--output", metavar="FILE", help="write it to a text file")
    command.add_argument("--resume", action="store_true")
    command.add_argument("--seed", type=numbers.seed, metavar="N")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Translate."""
    from desktop_slm.cli.events import follow
    from desktop_slm.cli.target import output_path, write_file
    from desktop_slm.tasks.events import Piece, TranslationDone
    from desktop_slm.tasks.requests import Translate

    if arguments.glossary or arguments.resume:
        raise NotYet(
            "Glossaries and resuming are not there yet", "Translate without --glossary and --resume."
        )
    target = output_path(arguments.output, ("txt", "md"), [arguments.file]) if arguments.output else None
    text = _read_text(arguments.file)
    session.open()
    out = session.out

    def on_event(event: TaskEvent) -> None:
        if isinstance(event, Piece) and target is None:
            out.text(event.text, end="")

    def on_done(done: TranslationDone) -> None:
        if target is not None:
            write_file(target, done.text.encode("utf-8", "replace"))

    request = Translate(
        text=text,
        target=arguments.to.lower(),
        source=arguments.source.lower(),
        model=arguments.model,
        seed=arguments.seed,
    )
    done = follow(session, request, TranslationDone, on_event, on_done)
    if done is None:
        return 0
    if target is not None:
        out.message(f"Written to {target}")
    elif not done.text.endswith("\n"):
        out.text()
    _tell(session, done)
    return 0


def _tell(session: Session, done: TranslationDone) -> None:
    """Tell on stderr how it went."""
    out = session.out
    if out.as_json:
        return
    for review in done.needs_review:
        out.message(f"Please look at segment {review.id}: {', '.join(review.reasons)}.")
    out.message(
        f"{done.source_language or 'unknown language'} to {done.target_language}: {done.translated} of "
        f"{done.segments} segments, {done.model}, {done.seconds:.1f} s"
    )


def _read_text(name: str) -> str:
    """Return the text of a file or of standard input.

    Raises:
        DocumentError: It cannot be read, is empty or no text.
        NotYet: A document whose form would have to be kept.
    """
    if name == "-":
        data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    else:
        from desktop_slm.documents.reader import read_file

        _, data = read_file(Path(name))
        if Path(name).suffix.lower() not in _TEXT_SUFFIXES:
            raise NotYet(
                "Only plain text can be translated so far", "Save the text as .txt and translate that."
            )
    text = decoded(data)
    if not text.strip():
        raise DocumentEmpty("There is no text to translate", "Give some text.")
    return text


def decoded(data: bytes) -> str:
    """Return the text in a plain text file, whatever its encoding.

    Raises:
        DocumentUnsupported: It is none, or too large.
    """
    if len(data) > _MOST_BYTES or (b"\0" in data and data[:2] not in (b"\xff\xfe", b"\xfe\xff")):
        raise DocumentUnsupported(
            "This is no plain text, or more than 20 MB of it", "Give a smaller text file."
        )
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
