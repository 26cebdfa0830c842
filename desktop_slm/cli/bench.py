"""``desktop-slm bench`` and ``desktop-slm eval``: how fast and how good it is."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop_slm.cli.numbers import positive
from desktop_slm.cli.target import output_path, write_file
from desktop_slm.errors import InvalidRequest, ModelNotFound, NotYet

if TYPE_CHECKING:
    from desktop_slm.cli.session import Session

RESULT_NAME = "bench.json"


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the commands."""
    bench = commands.add_parser(
        "bench", parents=[common], help="measure against bare llama.cpp", allow_abbrev=False
    )
    bench.add_argument("--quick", action="store_true", help="two rounds of short answers")
    bench.add_argument("--rounds", type=positive, metavar="N", help="how often each value is taken")
    bench.add_argument("--only", nargs="+", metavar="FIGURE", default=[], help="measure these alone")
    bench.add_argument(
        "--plot", metavar="FOLDER", help=f"measure two curves too; write {RESULT_NAME} and their pictures"
    )
    bench.add_argument(
        "--redraw", metavar="FOLDER", help=f"draw {RESULT_NAME} in FOLDER again, measuring nothing"
    )
    bench.set_defaults(run=run)
    quality = commands.add_parser(
        "eval", parents=[common], help="measure the quality of results (not yet)", allow_abbrev=False
    )
    quality.add_argument("--task", choices=("summarize", "ask", "translate", "classify"))
    quality.set_defaults(run=run_eval)


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Measure."""
    from desktop_slm.bench import run as bench
    from desktop_slm.bench.figures import BARS

    if arguments.redraw:
        return _redraw(arguments.redraw, session)
    if unknown := [name for name in arguments.only if name not in BARS]:
        raise InvalidRequest(f"There is no figure {unknown[0]}", f"Choose from {', '.join(BARS)}.")
    result = output_path(str(Path(arguments.plot) / RESULT_NAME), ["json"]) if arguments.plot else None
    began = time.monotonic()
    model = session.choose_model(arguments.model, "chat")
    fields = bench.measure(
        model.spec,
        _original(session, model.id),
        only=arguments.only,
        rounds=arguments.rounds or (bench.QUICK_ROUNDS if arguments.quick else bench.ROUNDS),
        n_decode=bench.QUICK_TOKENS if arguments.quick else bench.TOKENS,
        curves=result is not None,
        progress=session.out.message,
    )
    hardware = session.app.hardware()
    fields |= {
        "machine": f"{hardware.cpu_name}, {hardware.physical_cores} cores",
        "device": hardware.device,
        "build": hardware.engine_version,
        "model": model.id,
        "seconds": round(time.monotonic() - began, 3),
    }
    if result is not None:
        write_file(result, (json.dumps(fields, indent=2) + "\n").encode())
        _draw(result.parent, fields)
    session.out.event("done", fields)
    session.out.table(_rows(fields))
    return 0


def _original(session: Session, model_id: str) -> str:
    """Return the path of the model before it was prepared, empty where it was not."""
    try:
        return session.app.shelf.find(model_id).prepared_from
    except ModelNotFound:
        return ""


def _redraw(folder: str, session: Session) -> int:
    path = Path(folder) / RESULT_NAME
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"There is no usable {RESULT_NAME} in that folder", "Make one with bench --plot FOLDER."
        ) from error
    session.out.event("done", fields)
    session.out.table(_rows(fields))
    _draw(path.parent, fields)
    return 0


def _draw(folder: Path, fields: Mapping[str, Any]) -> None:
    from desktop_slm.bench.charts import charts

    for name, picture in charts(fields).items():
        write_file(folder / name, picture.encode())


def _rows(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the table for people: first what has a bar, with it, then the rest."""
    from desktop_slm.bench.figures import BARS
    from desktop_slm.bench.machine import load_in_words

    rows = []
    for name in (name for name in BARS if name in fields):
        bar = fields["bars"].get(name)
        words = [f"{fields[name]:g}" if fields[name] is not None else "not measured"]
        if bar:
            words.append(f"wanted {bar['wanted']}")
        if bar and bar["met"] is not None:
            words.append("met" if bar["met"] else "NOT MET")
        if reason := fields["not_measured"].get(name) or fields["cut_short"].get(name):
            words.append(reason)
        rows.append((name, ", ".join(words)))
    rows += [
        (name, str(value))
        for name, value in fields.items()
        if name not in BARS and not isinstance(value, dict)
    ]
    rows.append(("others", load_in_words(fields["others_use_cores"])))
    return rows


def run_eval(arguments: argparse.Namespace, session: Session) -> int:
    """Say that it is not there yet."""
    raise NotYet("eval is not there yet", "It comes with a later version.")
