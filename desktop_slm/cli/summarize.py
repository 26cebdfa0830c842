"""``desktop-slm summarize``: whole documents, every sentence with its page."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from desktop_slm.cli import numbers
from desktop_slm.cli.secrets_given import add_password

if TYPE_CHECKING:
    from desktop_slm.cli.output import Output
    from desktop_slm.cli.session import Session
    from desktop_slm.documents.model import Document
    from desktop_slm.tasks.events import Sentence, SummaryDone, TaskEvent

_FORMATS = ("md", "html", "pdf", "docx")


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    command = commands.add_parser(
        "summarize",
        parents=[common],
        help="summarize whole documents with page citations",
        allow_abbrev=False,
    )
    command.add_argument("files", nargs="+", metavar="FILE")
    command.add_argument("--length", choices=("short", "medium", "long"), default="medium")
    command.add_argument("--style", choices=("paragraph", "bullets", "sections"), default="paragraph")
    command.add_argument("--focus", metavar="TEXT", default="", help="a question or subject to look for")
    command.add_argument("--pages", type=page_range, metavar="3-10", help="only these pages")
    command.add_argument("--seed", type=numbers.seed, metavar="N")
    add_password(command)
    command.add_argument("--output", metavar="FILE", help="write it as .md, .html, .pdf or .docx")
    command.set_defaults(run=run)


def page_range(text: str) -> tuple[int, int]:
    """Parse ``3-10`` or ``3``."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6}))?\s*", text)
    if match is None:
        raise argparse.ArgumentTypeError("give pages as 3-10")
    first = int(match[1])
    last = int(match[2] or match[1])
    if not 1 <= first <= last:
        raise argparse.ArgumentTypeError("give pages as 3-10, the lower number first")
    return first, last


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Summarize."""
    from desktop_slm.cli.events import follow
    from desktop_slm.cli.target import output_path, write_file
    from desktop_slm.tasks.events import DocumentRead, SummaryDone
    from desktop_slm.tasks.requests import FileSource, Summarize

    target = output_path(arguments.output, _FORMATS, arguments.files) if arguments.output else None
    session.open()
    documents: list[Document] = []
    names: dict[str, str] = {}
    request = Summarize(
        sources=tuple(FileSource(path, session.document_password) for path in arguments.files),
        length=arguments.length,
        style=arguments.style,
        focus=arguments.focus,
        pages=arguments.pages,
        model=arguments.model,
        seed=arguments.seed,
    )

    def on_event(event: TaskEvent) -> None:
        if isinstance(event, DocumentRead):
            documents.append(event.document)
            names[event.id] = event.document.name

    def on_done(done: SummaryDone) -> None:
        if target is not None:
            write_file(target, _as_file(done, documents, names, target.suffix[1:], arguments.style))

    done = follow(session, request, SummaryDone, on_event, on_done)
    if done is not None:
        _print(session.out, done, documents, names, arguments.style)
        if target is not None:
            session.out.message(f"Written to {target}")
    return 0


def _as_file(
    done: SummaryDone, documents: Sequence[Document], names: Mapping[str, str], fmt: str, style: str
) -> bytes:
    from desktop_slm.documents.writers.summary import SummaryFormat, write_summary
    from desktop_slm.processes.printing import print_in_child

    title = documents[0].title if len(documents) == 1 else f"{len(documents)} documents"
    unit = documents[0].page_unit if documents else "page"
    wanted = cast("SummaryFormat", "html" if fmt == "pdf" else fmt)
    data = write_summary(done, wanted, title=title, style=style, unit=unit, names=names)
    return print_in_child(data) if fmt == "pdf" else data


# The human form


def _print(
    out: Output, done: SummaryDone, documents: Sequence[Document], names: Mapping[str, str], style: str
) -> None:
    if out.as_json:
        return
    from desktop_slm.documents.writers.summary import coverage_sentence

    several = len(documents) > 1
    place = places(several, names)
    title = f"{len(documents)} documents" if several else (documents[0].title if documents else "Summary")
    out.heading(title)
    out.text()
    if several:
        _print_groups(out, [(section.title, section.notes) for section in done.outline], style, place)
        _print_groups(out, [("Across all documents", done.sentences)], style, place)
    elif style == "sections":
        _print_groups(out, [(section.title, section.notes) for section in done.outline], "bullets", place)
    else:
        print_sentences(out, done.sentences, style, place)
        out.text()
        _print_outline(out, done, place)
    if done.key_sentences and not several:  # they do not tell which document they are of
        out.heading("Key sentences")
        for key in done.key_sentences:
            out.paragraph(f"{key.text} {out.dim(f'[p. {key.page}]')}", indent="  ", first="• ")
        out.text()
    unit = documents[0].page_unit if documents else "page"
    out.text(out.dim(coverage_sentence(done.coverage, unit)))
    stopped = "stopped early, " if done.reason == "cancelled" else ""
    out.text(out.dim(f"{stopped}{done.model}, {done.seconds:.1f} s"))


def _print_groups(
    out: Output,
    groups: Sequence[tuple[str, Sequence[Sentence]]],
    style: str,
    place: Callable[[Any], str],
) -> None:
    """Write sentences under headings; groups without any are left out."""
    for title, sentences in groups:
        if sentences:
            out.heading(title)
            print_sentences(out, sentences, style, place)
            out.text()


def _print_outline(out: Output, done: SummaryDone, place: Callable[[Any], str]) -> None:
    if not done.outline:
        return
    out.heading("Outline")
    for section in done.outline:
        out.paragraph(f"{section.title} {out.dim(f'[p. {section.page}]')}")
        for note in section.notes[:3]:
            out.paragraph(with_places(out, note, place), indent="    ", first="  - ")
    out.text()


def places(several: bool, names: Mapping[str, str]) -> Callable[[Any], str]:
    """Return how a citation is written: ``p. 7``, with the file's name where there are several.

    Args:
        several: There is more than one document.
        names: The names of files by the ids that citations have.
    """
    if not several:
        return lambda cited: f"p. {cited.page}"
    return lambda cited: f"{names.get(cited.document, cited.document)}, p. {cited.page}"


def with_places(out: Output, sentence: Sentence, place: Callable[[Any], str]) -> str:
    """Return a sentence followed by where it stands."""
    text = f"“{sentence.text}”" if sentence.quoted else sentence.text
    if not sentence.supported:
        text += " (the document does not say this)"
    shown = dict.fromkeys(f"[{place(cited)}]" for cited in sentence.citations)
    return " ".join([text, *(out.dim(mark.replace(" ", "\u00a0")) for mark in shown)])


def print_sentences(
    out: Output, sentences: Sequence[Sentence], style: str, place: Callable[[Any], str]
) -> None:
    """Write sentences as a paragraph or as bullets."""
    if style == "paragraph":
        out.paragraph(" ".join(with_places(out, sentence, place) for sentence in sentences))
        return
    for sentence in sentences:
        out.paragraph(with_places(out, sentence, place), indent="  ", first="• ")
