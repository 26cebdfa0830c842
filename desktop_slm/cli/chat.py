"""``desktop-slm chat``: one question with ``-p``, else a conversation line by line."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from desktop_slm.cli import numbers
from desktop_slm.cli.secrets_given import add_password

if TYPE_CHECKING:
    from desktop_slm.cli.session import Session
    from desktop_slm.tasks.events import ChatDone, TaskEvent
    from desktop_slm.tasks.requests import Chat, Source

_HELP = """\
/attach FILE   let the model see a document with the next message
/system TEXT   change the instructions
/new           start a new conversation
/help          show this
/quit          leave (also Ctrl+D)"""


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    command = commands.add_parser(
        "chat", parents=[common], help="talk to a model; -p for one question", allow_abbrev=False
    )
    command.add_argument("-p", "--prompt", metavar="TEXT", help="say this, print the answer and end")
    command.add_argument("--conversation", metavar="ID", default="", help="go on with a kept conversation")
    command.add_argument("--system", metavar="TEXT", help="instructions for the model")
    command.add_argument("--max-tokens", type=numbers.positive, metavar="N", default=0)
    command.add_argument("--temperature", type=_temperature, metavar="X")
    command.add_argument("--seed", type=numbers.seed, metavar="N")
    command.add_argument("--attach", action="append", default=[], metavar="FILE")
    add_password(command)
    command.set_defaults(run=run)


def _temperature(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 5:
        raise argparse.ArgumentTypeError("give a number from 0 to 5")
    return value


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Chat."""
    from desktop_slm.tasks.requests import Chat, FileSource

    session.open(required=bool(arguments.conversation))
    request = Chat(
        text=arguments.prompt or "",
        conversation=arguments.conversation,
        system=arguments.system,
        attachments=tuple(FileSource(path, session.document_password) for path in arguments.attach),
        model=arguments.model,
        max_tokens=arguments.max_tokens,
        temperature=arguments.temperature,
        seed=arguments.seed,
    )
    if arguments.prompt is not None:
        done = _say(session, request)
        if done is not None and done.conversation and session.app.saving:
            session.out.message(f"Conversation {done.conversation}")
        return 0
    return _talk(session, request)


def _say(session: Session, request: Chat) -> ChatDone | None:
    """Run one request and write its answer as it comes."""
    from desktop_slm.cli.events import follow
    from desktop_slm.tasks.events import ChatDone, Piece

    out = session.out
    kind = "answer"

    def on_event(event: TaskEvent) -> None:
        nonlocal kind
        if isinstance(event, Piece):
            if event.kind != kind and kind == "reasoning":
                out.text("\n")
            kind = event.kind
            out.text(out.dim(event.text) if event.kind == "reasoning" else event.text, end="")

    done = follow(session, request, ChatDone, on_event)
    out.text()
    if done is not None and not out.as_json and done.reason in ("length", "repetition", "context"):
        reasons = {
            "length": "it reached its length",
            "repetition": "it repeated itself",
            "context": "the context is full",
        }
        out.message(f"The answer was ended: {reasons[done.reason]}.")
    return done


def _talk(session: Session, first: Chat) -> int:
    """Read a message per line until the end of the input."""
    from desktop_slm.errors import DesktopSlmError

    out = session.out
    asking = sys.stdin.isatty() and not out.as_json
    if asking:
        _line_editing()
        out.message("Type a message, /help for help. Ctrl+C stops an answer, Ctrl+D leaves.")
    request = first
    waiting: tuple[Source, ...] = first.attachments
    failed = False
    while (line := _read_line(asking)) is not None:
        text = line.strip()
        if not text:
            continue
        if text.startswith("/") and not out.as_json:
            command, _, rest = text.partition(" ")
            if command in ("/quit", "/exit"):
                break
            request, waiting = _command(session, request, waiting, command, rest.strip())
            continue
        request = msgspec.structs.replace(request, text=text, attachments=waiting)
        session.go_on()
        try:
            done = _say(session, request)
        except DesktopSlmError as error:
            out.error(error)
            failed = True
            continue
        waiting = ()
        if done is not None:
            request = msgspec.structs.replace(request, conversation=done.conversation, system=None)
        if session.stopped and not asking:
            return 0
    session.go_on()
    return 1 if failed and not asking else 0


def _command(
    session: Session, request: Chat, waiting: tuple[Source, ...], command: str, rest: str
) -> tuple[Chat, tuple[Source, ...]]:
    from desktop_slm.tasks.requests import FileSource

    match command:
        case "/attach" if rest:
            session.out.message(f"{rest} comes with the next message.")
            return request, (*waiting, FileSource(rest, session.document_password))
        case "/attach":
            session.out.message("Name the file: /attach FILE")
            return request, waiting
        case "/system":
            return msgspec.structs.replace(request, system=rest), waiting
        case "/new":
            session.out.message("A new conversation.")
            session.app.save_states()
            return msgspec.structs.replace(request, conversation=""), ()
        case "/help":
            session.out.message(_HELP)
            return request, waiting
        case _:
            session.out.message(f"There is no command {command}.\n{_HELP}")
            return request, waiting


def _read_line(asking: bool) -> str | None:
    try:
        if asking:
            return input("> ")
        return sys.stdin.readline() or None
    except EOFError:
        return None


def _line_editing() -> None:
    try:
        import readline  # noqa: F401 - arrow keys and a history in memory, by being loaded
    except ImportError:
        return
