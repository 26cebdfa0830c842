"""``desktop-slm history``: what is kept."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from desktop_slm.cli import numbers
from desktop_slm.errors import InvalidRequest, NotYet

if TYPE_CHECKING:
    from desktop_slm.cli.output import Output
    from desktop_slm.cli.session import Session
    from desktop_slm.store.records import HistoryItem

_LATER = ("export", "import")
_KINDS = {"c": "conversation", "d": "document", "s": "summary", "t": "translation"}


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    topic = commands.add_parser("history", parents=[common], help="what is kept", allow_abbrev=False)
    topic.set_defaults(run=run, action="list", limit=50)
    actions = topic.add_subparsers(metavar="ACTION")
    parsers = {
        name: actions.add_parser(name, parents=[common], help=text, allow_abbrev=False)
        for name, text in {
            "list": "the newest first",
            "search": "find words in everything that is kept",
            "show": "one conversation, document, summary or translation",
            "delete": "move one to the trash",
            "export": "write it to files (not yet)",
            "import": "take over conversations of other programs (not yet)",
        }.items()
    }
    for name, parser in parsers.items():
        parser.set_defaults(run=run, action=name)
    for name in ("list", "search"):
        parsers[name].add_argument("--limit", type=numbers.positive, default=50, metavar="N")
    parsers["search"].add_argument("words", nargs="+", metavar="TEXT")
    for name in ("show", "delete"):
        parsers[name].add_argument("id", metavar="ID")
    parsers["export"].add_argument("id", nargs="?", metavar="ID")
    parsers["export"].add_argument("--all", action="store_true")
    parsers["export"].add_argument("--format", choices=("md", "json", "html", "pdf"), default="md")
    parsers["export"].add_argument("--output", metavar="PATH")
    parsers["import"].add_argument("file", metavar="FILE")


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Do what the action says."""
    if arguments.action in _LATER:
        raise NotYet(f"history {arguments.action} is not there yet", "Use history show ID for now.")
    began = time.monotonic()
    session.open(required=True)
    search = session.app.search
    fields: dict[str, Any] = {}
    match arguments.action:
        case "search":
            items = search.search(" ".join(arguments.words), limit=arguments.limit)
        case "show":
            items, fields = _show(session, arguments.id)
        case "delete":
            items = _delete(session, arguments.id)
        case _:
            items = search.recent(limit=arguments.limit)
    shapes = [_shape(item) for item in items]
    session.out.event(
        "done", {"items": shapes, **fields, "model": "", "seconds": round(time.monotonic() - began, 3)}
    )
    if arguments.action != "show":
        _print(session.out, shapes, deleted=arguments.action == "delete")
    return 0


def _kind(identifier: str) -> str:
    kind = _KINDS.get(identifier[:1], "")
    if not kind or not identifier[1:].isdigit():
        raise InvalidRequest(
            f"{identifier!r} is no id", "Ids look like c12, d3, s5 or t7; history list shows them."
        )
    return kind


def _shape(item: HistoryItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind,
        "title": item.title,
        "updated": item.updated,
        "snippet": item.snippet.replace("\x02", "").replace("\x03", ""),
    }


def _item(identifier: str, kind: str, title: str, updated: float) -> HistoryItem:
    from desktop_slm.store.records import HistoryItem

    return msgspec.convert({"id": identifier, "kind": kind, "title": title, "updated": updated}, HistoryItem)


def _show(session: Session, identifier: str) -> tuple[list[HistoryItem], dict[str, Any]]:
    """Print one item and return it, with its content for ``--json``."""
    from desktop_slm.cli import shapes
    from desktop_slm.cli.summarize import places, print_sentences
    from desktop_slm.tasks.events import SummaryDone

    out, app = session.out, session.app
    kind = _kind(identifier)
    if kind == "conversation":
        record = app.history.conversation(identifier)
        messages = app.history.messages(identifier)
        out.heading(record.title)
        for message in messages:
            out.text()
            out.text(out.bold("You" if message.role == "user" else message.model or "Assistant"))
            out.text(message.text)
        shown = [{"id": m.id, "role": m.role, "text": m.text, "state": m.state} for m in messages]
        return [_item(identifier, kind, record.title, record.updated)], {"messages": shown}
    if kind == "document":
        stored = app.library.get(identifier)
        out.heading(stored.record.title)
        out.text()
        out.text(stored.document.text)
        item = _item(identifier, kind, stored.record.title, stored.record.added)
        return [item], {"text": stored.document.text}
    if kind == "summary":
        summary = app.library.summary(identifier)
        done = msgspec.json.decode(summary.result, type=SummaryDone)
        out.heading(summary.title)
        out.text()
        names = {one: app.library.get(one).record.name for one in summary.documents}
        print_sentences(out, done.sentences, "bullets", places(len(names) > 1, names))
        item = _item(identifier, kind, summary.title, summary.created)
        return [item], {"sentences": [shapes.sentence(one) for one in done.sentences]}
    translation = app.library.translation(identifier)
    out.text(translation.source)
    out.text()
    out.text(translation.target)
    item = _item(identifier, kind, translation.source[:60], translation.created)
    return [item], {"source": translation.source, "text": translation.target}


def _delete(session: Session, identifier: str) -> list[HistoryItem]:
    app = session.app
    kind = _kind(identifier)
    title = ""
    match kind:
        case "conversation":
            title = app.history.conversation(identifier).title
            app.history.delete(identifier)
        case "document":
            title = app.library.get(identifier).record.title
            app.library.delete(identifier)
        case "summary":
            title = app.library.summary(identifier).title
            app.library.delete(identifier)
        case _:
            title = app.library.translation(identifier).source[:60]
            app.library.delete_translation(identifier)
    return [_item(identifier, kind, title, time.time())]


def _print(out: Output, items: Sequence[dict[str, Any]], *, deleted: bool) -> None:
    if deleted:
        for item in items:
            out.text(f"{item['id']} is in the trash for 30 days: {item['title']}")
        return
    if not items:
        out.text("Nothing found.")
    for item in items:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(item["updated"]))
        out.text(f"{out.bold(item['id']):<6} {day}  {item['kind']:<12}  {item['title']}")
        if item["snippet"]:
            out.paragraph(out.dim(item["snippet"]), indent="       ")
