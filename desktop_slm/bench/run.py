"""Runs the parts of the benchmark and gathers their figures."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from desktop_slm.bench import app_parts, engine_parts
from desktop_slm.bench.engine_parts import TUNER_WARM_S
from desktop_slm.bench.figures import BARS, Figures
from desktop_slm.bench.machine import QUIET_CORES, cores_in_use, load_in_words
from desktop_slm.bench.stand import Stand
from desktop_slm.engine.api import ModelSpec
from desktop_slm.errors import DesktopSlmError

ROUNDS, QUICK_ROUNDS = 5, 2
TOKENS, QUICK_TOKENS = 128, 64

_FIRST_LOOK_S, _LOOK_S = 1.0, 0.4
"""How long is looked at what else runs: at the beginning, and between two parts. The highest counts."""

Part = Callable[[Stand], None]

PARTS: list[tuple[tuple[str, ...], Part]] = [
    (("worker_start_ms", "load_ms"), engine_parts.starts),
    (("decode_ratio",), engine_parts.decode),
    (("prefill_ratio",), engine_parts.prefill),
    (("batch8_ratio",), engine_parts.batch),
    (("ttft_turn2_ratio",), engine_parts.second_turn),
    (("background_share",), engine_parts.background),
    (("prepare_gain",), engine_parts.prepare),
    (("ttft_restore_ratio",), app_parts.reopened),
    (("ui_decode_ratio", "rss_overhead_mb"), app_parts.window),
    (("busy_ratio_1",), partial(engine_parts.busy, count=1)),
    (("busy_ratio_2",), partial(engine_parts.busy, count=2)),
]
"""The figures of each part, and what measures them."""

CURVES: list[Part] = [engine_parts.sequences, engine_parts.load_curve]


def measure(
    spec: ModelSpec,
    original: str = "",
    *,
    only: Collection[str] = (),
    rounds: int = ROUNDS,
    n_decode: int = TOKENS,
    curves: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return the figures as the fields of one line of JSON; see `Figures.as_fields`.

    Args:
        spec: The model.
        original: Path of the model before it was prepared, empty where there is none.
        only: Names of figures; empty for all.
        rounds: How often most values are taken; some parts take fewer.
        n_decode: Tokens of an answer.
        curves: Measure also what the plots need.
        progress: Told what is being measured.
    """
    looks = [cores_in_use(_FIRST_LOOK_S)]
    progress(load_in_words(looks[0]))
    figures = Figures()
    stand = Stand(spec, original, figures, rounds=rounds, n_decode=n_decode, progress=progress)
    names = [name for name in BARS if not only or name in only]
    try:
        for covered, part in PARTS:
            if set(covered) & set(names):
                looks.append(cores_in_use(_LOOK_S))
                _try(part, stand, covered)
        for part in CURVES if curves else ():
            _try(part, stand, ("curves",))
        looks.append(cores_in_use(_LOOK_S))
        niceness = stand.niceness()
    finally:
        stand.close()
    others = max((look for look in looks if look is not None), default=None)
    return {
        **figures.as_fields(names),
        "rounds": rounds,
        "answer_tokens": n_decode,
        "busy_warm_up_s": TUNER_WARM_S,
        "worker_niceness": niceness,
        "others_use_cores": others,
        "quiet": None if others is None else others <= QUIET_CORES,
    }


def _try(part: Part, stand: Stand, covered: tuple[str, ...]) -> None:
    """Run a part; when it cannot be measured here, the others are measured all the same."""
    try:
        part(stand)
    except DesktopSlmError as error:
        for name in covered:
            stand.figures.miss(name, str(error))
