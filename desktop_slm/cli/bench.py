"""``desktop-slm bench`` and ``desktop-slm eval``: how fast and how good it is."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from desktop_slm.errors import NotYet

if TYPE_CHECKING:
    from desktop_slm.cli.session import Session

_ROUNDS = 5
_QUICK_ROUNDS = 2


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the commands."""
    bench = commands.add_parser(
        "bench", parents=[common], help="measure against bare llama.cpp", allow_abbrev=False
    )
    bench.add_argument("--quick", action="store_true")
    bench.set_defaults(run=run)
    quality = commands.add_parser(
        "eval", parents=[common], help="measure the quality of results (not yet)", allow_abbrev=False
    )
    quality.add_argument("--task", choices=("summarize", "ask", "translate", "classify"))
    quality.set_defaults(run=run_eval)


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Measure."""
    from desktop_slm.engine.bench import measure

    began = time.monotonic()
    model = session.choose_model(arguments.model, "chat")
    figures = measure(
        model.spec.path, rounds=_QUICK_ROUNDS if arguments.quick else _ROUNDS, progress=session.out.message
    )
    hardware = session.app.hardware()
    fields = {
        **figures,
        "machine": f"{hardware.cpu_name}, {hardware.physical_cores} cores",
        "build": hardware.engine_version,
    }
    session.out.event("done", {**fields, "model": model.id, "seconds": round(time.monotonic() - began, 3)})
    session.out.table([(name, str(value)) for name, value in fields.items()])
    return 0


def run_eval(arguments: argparse.Namespace, session: Session) -> int:
    """Say that it is not there yet."""
    raise NotYet("eval is not there yet", "It comes with a later version.")
