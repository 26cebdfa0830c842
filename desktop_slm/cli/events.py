"""Runs a request and shows its events; the commands only decide how the result looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from desktop_slm.cli.session import Session
from desktop_slm.cli.shapes import shape
from desktop_slm.errors import DocumentEncrypted
from desktop_slm.tasks.events import (
    AnswerDone,
    ChatDone,
    ChoiceDone,
    DocumentRead,
    Progress,
    ReadDone,
    SummaryDone,
    TaskEvent,
    TranslationDone,
    Warned,
)
from desktop_slm.tasks.requests import Request

Done = TypeVar("Done", ChatDone, SummaryDone, AnswerDone, TranslationDone, ChoiceDone, ReadDone)


def follow(
    session: Session,
    request: Request,
    done: type[Done],
    on_event: Callable[[TaskEvent], None] | None = None,
    on_done: Callable[[Done], None] | None = None,
) -> Done | None:
    """Run ``request`` to its end.

    Args:
        session: The run.
        request: What to do.
        done: Type of the last event.
        on_event: Called with every event, for the human form.
        on_done: Called with the last one before it is written: what it does belongs to the command, so that
            ``done`` comes after it.

    Returns:
        The last event, None when it was stopped before there was anything to give.
    """
    last: Done | None = None
    with session.stoppable():
        for event in _run(session, request):
            if isinstance(event, done):
                last = event
                if on_done is not None:
                    on_done(event)
            _show(session, event)
            if on_event is not None:
                on_event(event)
    session.out.clear()
    if last is None:
        session.out.event("done", {"reason": "cancelled", "model": "", "seconds": 0.0})
    return last


def _run(session: Session, request: Request) -> Iterator[TaskEvent]:
    """Run a request; that a document wants a password is told in the words of the command line."""
    try:
        yield from session.run(request)
    except DocumentEncrypted as error:
        if error.wrong_password:
            message = "Check what the file given with --password-file holds."
        elif "PDF" in error.title:
            message = "Use --password-file FILE, or open it in the window, which asks for the password."
        else:
            raise
        raise DocumentEncrypted(error.title, message, wrong_password=error.wrong_password) from error


def _show(session: Session, event: TaskEvent) -> None:
    out = session.out
    out.event(*shape(event))
    match event:
        case Progress():
            out.progress(event.stage, event.done, event.total, event.left_s)
        case Warned() if not out.as_json:
            out.message(event.text)
        case DocumentRead() if not out.as_json:
            document = event.document
            unit = document.page_unit if len(document.pages) == 1 else f"{document.page_unit}s"
            out.message(f"{document.name}: {len(document.pages):,} {unit}, {document.words:,} words")
        case _:
            pass
