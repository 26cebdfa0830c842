"""``desktop-slm models``: what is on the shelf."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from desktop_slm.errors import ModelError, NotYet

if TYPE_CHECKING:
    from desktop_slm.cli.output import Output
    from desktop_slm.cli.session import Session
    from desktop_slm.models.records import InstalledModel
    from desktop_slm.tasks.calibration import Calibration
    from desktop_slm.tasks.preparation import Preparation

_LATER = ("search", "recommend", "download")


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    """Add the command."""
    topic = commands.add_parser("models", parents=[common], help="what is installed", allow_abbrev=False)
    topic.set_defaults(run=run, action="list")
    actions = topic.add_subparsers(metavar="ACTION")
    parsers = {
        name: actions.add_parser(name, parents=[common], help=text, allow_abbrev=False)
        for name, text in {
            "list": "what is installed",
            "show": "all about one model",
            "import": "put a .gguf file on the shelf",
            "verify": "compare the files with their hashes",
            "prepare": "make a faster copy for this computer",
            "remove": "take a model off the shelf",
            "search": "find models on the hub (not yet)",
            "recommend": "what suits this computer (not yet)",
            "download": "get a model (not yet)",
        }.items()
    }
    for name, parser in parsers.items():
        parser.set_defaults(run=run, action=name)
    for name in ("show", "prepare", "remove"):
        parsers[name].add_argument("id", metavar="ID")
    parsers["prepare"].add_argument(
        "--undo", action="store_true", help="use the original again and delete the copy"
    )
    parsers["verify"].add_argument("id", metavar="ID", nargs="?", default="")
    parsers["import"].add_argument("path", metavar="PATH")
    how = parsers["import"].add_mutually_exclusive_group()
    how.add_argument("--copy", dest="how", action="store_const", const="copy", default="copy")
    how.add_argument("--link", dest="how", action="store_const", const="link")
    parsers["search"].add_argument("words", metavar="TEXT", nargs="+")
    parsers["recommend"].add_argument("--task", metavar="T")
    parsers["download"].add_argument("words", metavar="ID | REPO FILE", nargs="+")
    parsers["download"].add_argument("--mirror", metavar="URL")
    parsers["download"].add_argument("--limit-rate", metavar="BYTES")


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Do what the action says."""
    from desktop_slm.models.files import Stopped

    if arguments.action in _LATER:
        raise NotYet(
            f"models {arguments.action} is not there yet",
            "Put a .gguf file on the shelf with models import PATH.",
        )
    began = time.monotonic()
    more: dict[str, Any] = {}
    try:
        with session.stoppable():
            if arguments.action == "prepare" and not arguments.undo:
                prepared = _prepare(arguments.id, session)
                models: Sequence[InstalledModel] = [prepared.model]
                more = _preparation_shape(prepared)
            else:
                models = _act(arguments, session)
    except Stopped:
        session.out.event(
            "done", {"models": [], "reason": "cancelled", "model": "", "seconds": _since(began)}
        )
        return 0
    session.out.clear()
    from desktop_slm.engine.hardware import memory

    free_bytes = memory()[1]
    shapes = [_shape(model, session.app.calibration, free_bytes) for model in models]
    if arguments.action == "show":
        shapes = [
            {**shape, "speed": _speed(model, session)} for shape, model in zip(shapes, models, strict=True)
        ]
    session.out.event("done", {"models": shapes, **more, "model": "", "seconds": _since(began)})
    if more:
        _print_preparation(session.out, prepared)
    elif arguments.action == "list":
        _print_list(session.out, shapes)
    elif arguments.action == "verify":
        for model in models:
            session.out.text(f"{model.id}: unchanged, verified now")
        if not models:
            session.out.text("There is no model to verify.")
    elif arguments.action != "remove":  # what was removed and freed has been said
        for shape in shapes:
            _print_one(session.out, shape)
    return 0


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _act(arguments: argparse.Namespace, session: Session) -> Sequence[InstalledModel]:
    from desktop_slm.cli.output import size

    shelf = session.app.shelf

    def progress(done_bytes: int, total_bytes: int) -> bool:
        session.out.event("progress", {"done_bytes": done_bytes, "total_bytes": total_bytes})
        session.out.progress("reading", done_bytes, total_bytes)
        return not session.winds_up()

    match arguments.action:
        case "import":
            return [shelf.import_file(arguments.path, arguments.how, progress)]
        case "list":
            return session.app.model_list()
        case _:
            pass
    session.app.model_list()
    match arguments.action:
        case "show":
            return [shelf.find(arguments.id)]
        case "verify" if arguments.id:
            return [shelf.verify(shelf.find(arguments.id).id, progress)]
        case "verify":
            return [
                shelf.verify(model.id, progress)
                for model in shelf.list()
                if not model.in_place or model.sha256
            ]
        case "prepare":
            return [session.app.calibration.keep_original(shelf.find(arguments.id).id)]
        case _:
            model = shelf.find(arguments.id)
            freed = shelf.remove(model.id)
            session.out.text(f"{model.id}: removed, {size(freed)} freed")
            return [msgspec.structs.replace(model, installed=False)]


def _prepare(model_id: str, session: Session) -> Preparation:
    """Prepare a model, showing how far it is."""
    session.app.model_list()
    told = ("", -1, -1)

    def report(stage: str, done: int, total: int) -> bool:
        nonlocal told
        if told != (stage, done, total):
            told = (stage, done, total)
            counted = ("done_bytes", "total_bytes") if stage != "measuring" else ("done", "total")
            session.out.event("progress", {"stage": stage, counted[0]: done, counted[1]: total})
            session.out.progress(stage, done, total)
        return not session.winds_up()

    return session.app.calibration.prepare(model_id, report)


def _preparation_shape(prepared: Preparation) -> dict[str, Any]:
    """Return what came of preparing in the form of the contract."""
    gain = msgspec.to_builtins(prepared.gain)
    fields = ("verdict", "pays", "sentence", "made", "copy_bytes")
    return {
        "gain": gain,
        **{name: getattr(prepared, name) for name in fields},
        "prepare_seconds": prepared.seconds,
    }


def _print_preparation(out: Output, prepared: Preparation) -> None:
    out.text(f"{prepared.model.id}: {prepared.sentence[0].lower()}{prepared.sentence[1:]}")
    if not prepared.pays:
        out.text(f"The original is kept: models prepare {prepared.model.id} --undo uses it again.")


def _shape(model: InstalledModel, calibration: Calibration, free_bytes: int) -> dict[str, Any]:
    """Return a model in the form of the contract."""
    try:
        found = calibration.fit(model, free_bytes)
        fits: dict[str, Any] | None = {
            "word": found.word,
            "need_bytes": found.need_bytes,
            "free_bytes": found.free_bytes,
            "parts": dict(found.parts),
            "n_ctx": found.n_ctx,
            "measured": found.allocated,
        }
    except ModelError:
        fits = None
    fields: dict[str, Any] = msgspec.to_builtins(model)
    return {**fields, "fit": fits}


def _speed(model: InstalledModel, session: Session) -> dict[str, Any] | None:
    """Return what was measured of a model on this computer, if it was."""
    speed = session.app.calibration.speed(model, session.app.hardware())
    return msgspec.to_builtins(speed.probe) if speed else None


def _print_list(out: Output, models: Sequence[dict[str, Any]]) -> None:
    from desktop_slm.cli.output import size

    if not models:
        out.text("No model is installed.")
    for model in models:
        fits = model["fit"]
        word = model["problem"] or (fits["word"] if fits else "unknown")
        out.text(f"{out.bold(model['id'])}  {model['name']}")
        out.text(
            out.dim(
                f"    {size(model['bytes'])}, {model['quantization']}, {', '.join(model['tasks'])}: {word}"
            )
        )


def _print_one(out: Output, model: dict[str, Any]) -> None:
    from desktop_slm.cli.output import size

    out.heading(model["name"])
    fits = model["fit"]
    need = "unknown"
    if fits:
        verb = "took" if fits["measured"] else "needs"
        need = f"{fits['word']}: {verb} {size(fits['need_bytes'])}, {size(fits['free_bytes'])} free"
    out.table(
        [
            ("id", model["id"]),
            ("file", model["path"]),
            ("size", size(model["bytes"])),
            ("sha256", model["sha256"]),
            ("architecture", f"{model['architecture']} {model['size_label']}".strip()),
            ("quantization", model["quantization"]),
            ("context", f"{model['n_ctx_train']:,} tokens"),
            ("tasks", ", ".join(model["tasks"])),
            ("licence", model["licence"]),
            ("fit", need),
            ("speed", _speed_in_words(model.get("speed"))),
            ("verified", model["verified_at"]),
            ("note", model["problem"] or model["note"]),
        ]
    )


def _speed_in_words(speed: dict[str, Any] | None) -> str:
    if speed is None:
        return "not measured"
    reads, writes = speed["prompt_tokens_per_s"], speed["decode_tokens_per_s"]
    return f"reads {reads:.0f} and writes {writes:.0f} tokens per second here, as measured"
