"""``desktop-slm doctor``: what this program finds on this computer."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from desktop_slm.cli.output import moment, size

if TYPE_CHECKING:
    from desktop_slm.cli.session import Session


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    command = commands.add_parser(
        "doctor", parents=[common], help="versions, sandbox, keychain, problems", allow_abbrev=False
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Examine."""
    began = time.monotonic()
    report = session.app.doctor()
    session.out.event("done", {**report, "model": "", "seconds": round(time.monotonic() - began, 3)})
    session.out.table([(name, _line(value)) for name, value in report.items() if name != "problems"])
    session.out.text()
    if not report["problems"]:
        session.out.text("No problems found.")
    for problem in report["problems"]:
        session.out.paragraph(problem, indent="  ", first="• ")
    return 0


def _fact(name: str, value: Any) -> str:
    """Return a fact in words: sizes and times are numbers in the report."""
    if name.endswith("bytes"):
        return size(value)
    if name == "last_backup":
        return moment(value)
    return _line(value)


def _line(value: Any) -> str:
    if isinstance(value, dict):
        shown = {name: _fact(name, part) for name, part in value.items() if part not in ("", None, [], ())}
        return "; ".join(f"{name.replace('_', ' ')} {part}" for name, part in shown.items())
    if isinstance(value, list | tuple):
        return " ".join(str(part) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
