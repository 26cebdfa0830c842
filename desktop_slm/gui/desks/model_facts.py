"""What the models page says of a model: its card, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from desktop_slm.gui.items import bytes_in_words
from desktop_slm.gui.widgets.model_card import ModelFacts

if TYPE_CHECKING:
    from desktop_slm.engine.speeds import Speed
    from desktop_slm.models.fit import Fit
    from desktop_slm.models.records import InstalledModel
    from desktop_slm.tasks.preparation import Offer

_PARTS = {"weights": "weights", "kv": "context", "compute": "buffers", "app": "the application"}


def told_apart(models: list[InstalledModel]) -> list[InstalledModel]:
    """Return the models with their id after a name that several have: one model in two layouts, say."""
    names = Counter(model.name.casefold() for model in models)
    return [
        msgspec.structs.replace(model, name=f"{model.name} ({model.id})")
        if names[model.name.casefold()] > 1
        else model
        for model in models
    ]


def facts_of(
    model: InstalledModel, *, fit: Fit | None, speed: Speed | None, offer: Offer | None, in_use: bool
) -> ModelFacts:
    """Return what the card of ``model`` shows.

    Args:
        model: On the shelf, or in a folder of another application.
        fit: Whether it runs here; None as long as nobody has looked at the computer.
        speed: What was measured of it here.
        offer: What preparing it promises.
        in_use: It is the one that answers now.
    """
    from desktop_slm.models.layouts import PREPARE_TO

    return ModelFacts(
        id=model.id,
        name=model.name,
        sentence=model.problem or _sentence(model, fit, speed),
        chips=_chips(model),
        tasks=model.tasks,
        fit_word=fit.word if fit else "",
        fit_sum=_sum_in_words(fit) if fit else "",
        problem=bool(model.problem),
        in_use=in_use,
        offer=offer.sentence if offer else "",
        can_prepare=model.quantization in PREPARE_TO and not model.prepared_from,
        prepared=bool(model.prepared_from),
        on_shelf=bool(model.sha256),
        details=_details(model, speed),
    )


def _sentence(model: InstalledModel, fit: Fit | None, speed: Speed | None) -> str:
    words = model.note.rstrip(".")
    if fit is not None and fit.word == "Won't fit":
        return f"Needs {bytes_in_words(fit.need_bytes)}, {bytes_in_words(fit.free_bytes)} are free."
    pace = ""
    if speed is not None:
        pace = speed_in_words(speed)
    elif fit is not None:
        pace = f"Should write about {_rounded(fit.tokens_per_s)} tokens per second here"
    return ". ".join(part for part in (words, pace) if part) + "." if words or pace else ""


def speed_in_words(speed: Speed) -> str:
    """Return how fast a model was measured to be."""
    reads, writes = speed.probe.prompt_tokens_per_s, speed.probe.decode_tokens_per_s
    return f"Reads {_rounded(reads)} and writes {_rounded(writes)} tokens per second here, as measured"


def _rounded(tokens_per_s: float) -> str:
    if tokens_per_s >= 20:
        return f"{round(tokens_per_s, -1):.0f}"
    return f"{tokens_per_s:.0f}" if tokens_per_s >= 2 else f"{tokens_per_s:.1f}"


def _chips(model: InstalledModel) -> tuple[str, ...]:
    verified = f"verified {model.verified_at[:10]}" if model.verified_at else ""
    place = "used in place" if model.in_place else ""
    return tuple(
        chip
        for chip in (bytes_in_words(model.bytes), model.quantization, model.licence, verified, place)
        if chip
    )


def _sum_in_words(fit: Fit) -> str:
    parts = " + ".join(f"{bytes_in_words(size)} {_PARTS.get(part, part)}" for part, size in fit.parts.items())
    source = "as it was when last loaded" if fit.allocated else "as expected"
    return (
        f"{parts} = {bytes_in_words(fit.need_bytes)} {source}, with {fit.n_ctx:,} tokens of context; "
        f"{bytes_in_words(fit.free_bytes)} are free"
    )


def _details(model: InstalledModel, speed: Speed | None) -> tuple[tuple[str, str], ...]:
    from desktop_slm.tasks.preparation import gain_in_words

    context = f"trained for {model.n_ctx_train:,} tokens" if model.n_ctx_train else ""
    made = " ".join(part for part in (model.architecture, model.size_label, model.quantization) if part)
    rows = (
        ("File", model.path),
        ("Prepared from", model.prepared_from),
        ("Preparing made it", gain_in_words(speed.gain) if speed and speed.gain else ""),
        ("Kind", made),
        ("Context", context),
        ("Good for", ", ".join(model.tasks)),
        ("Languages", ", ".join(model.languages)),
        ("License", model.licence),
        ("Came from", model.source),
        ("SHA-256", model.sha256),
    )
    return tuple((name, value) for name, value in rows if value)
