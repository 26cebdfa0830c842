"""What preparing a model promises and what came of it, in figures and in words."""

from __future__ import annotations

from typing import Literal

import msgspec

from desktop_slm.engine.speeds import FASTER, SLOWER, Gain, Speed
from desktop_slm.models.header import Header
from desktop_slm.models.layouts import EXPECTED
from desktop_slm.models.records import InstalledModel

PROBES = 4
"""Measurements planned for a comparison: original and copy, twice."""

Verdict = Literal["faster", "mixed", "same", "unclear", "alone", "needless"]

_WRITTEN_BYTES_PER_S = 150e6  # converting, flushing and hashing, on two cores
_LOADED_BYTES_PER_S = 700e6
_PROBE_S = 1.4
_GROWN = 1.3
_IN_CACHE_BYTES = 300e6  # smaller models are not bound by the memory when they write


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What preparing a model would bring, before anything was measured.

    Attributes:
        sentence: For people.
        copy_bytes: Disk space that the copy takes.
        seconds: What it would take, with measuring.
    """

    sentence: str
    copy_bytes: int
    seconds: float


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of preparing a model.

    Attributes:
        model: As it is on the shelf now.
        verdict: ``faster``; ``mixed``: one of reading and writing became slower; ``same``: no gain;
            ``unclear``: the computer was too busy to tell; ``alone``: the original does not fit into memory,
            so there is nothing to compare with; ``needless``: there was nothing to prepare.
        sentence: For people.
        gain: As measured, None when ``alone`` or ``needless``.
        copy_bytes: Size of the copy.
        seconds: What making and measuring it took.
        made: The copy was made now; else it was there already.
    """

    model: InstalledModel
    verdict: Verdict
    sentence: str
    gain: Gain | None = None
    copy_bytes: int = 0
    seconds: float = 0.0
    made: bool = False

    @property
    def pays(self) -> bool:
        """Whether the copy is worth its disk space; of an unclear result nobody can tell."""
        gained = self.gain is None or self.gain.faster or self.gain.worthwhile
        return gained and self.verdict != "unclear"


def offered(layout: str, header: Header, copy_bytes: int) -> Offer:
    """Return the offer to prepare a model stored in ``layout``, whose copy takes so many bytes."""
    seconds = _expected_s(header, copy_bytes)
    slower = copy_bytes > max(_IN_CACHE_BYTES, _GROWN * header.size_bytes)
    expected = EXPECTED[layout] + (", perhaps slower at writing" if slower else "")
    return Offer(
        sentence=(
            f"Stored in a layout that is slow on this processor ({layout}). A prepared copy should be "
            f"{expected}; it takes about {_seconds(seconds)} and {_size(copy_bytes)} of disk space. The "
            "original stays."
        ),
        copy_bytes=copy_bytes,
        seconds=seconds,
    )


def _expected_s(header: Header, copy_bytes: int) -> float:
    loads = PROBES / 2 * (header.size_bytes + copy_bytes) / _LOADED_BYTES_PER_S
    return copy_bytes / _WRITTEN_BYTES_PER_S + loads + PROBES * _PROBE_S


def gain_in_words(gain: Gain) -> str:
    """Return ``2.2 times faster at reading, 1.3 at writing on this computer``, or what is true instead."""
    pairs = sorted((("reading", gain.reading), ("writing", gain.writing)), key=lambda pair: -pair[1])
    if pairs[0][1] < FASTER:
        (first, most), (second, least) = pairs
        return f"no faster on this computer: {most:.1f} times at {first}, {least:.1f} at {second}"
    words = [_part(name, ratio) for name, ratio in pairs]
    if pairs[1][1] >= FASTER:
        words[1] = f"{pairs[1][1]:.1f} at {pairs[1][0]}"
    joint = ", but " if pairs[1][1] < SLOWER else ", "
    return f"{joint.join(words)} on this computer"


def _part(name: str, ratio: float) -> str:
    if ratio >= FASTER:
        return f"{ratio:.1f} times faster at {name}"
    return f"as fast at {name}" if ratio >= SLOWER else f"slower at {name} ({ratio:.1f} times)"


def told(model: InstalledModel, speed: Speed, *, made: bool) -> Preparation:
    """Return what came of preparing ``model``, whose copy was ``made`` now or before."""
    gain, hint = speed.gain, ""
    cost = f"; took {_seconds(speed.seconds)}, {_size(model.bytes)}" if speed.seconds else ""
    if gain is None:
        verdict: Verdict = "alone"
        words = (
            "the original does not fit into the free memory; the copy reads "
            f"{speed.probe.prompt_tokens_per_s:.0f} and writes {speed.probe.decode_tokens_per_s:.0f} tokens "
            "per second on this computer"
        )
    else:
        verdict = "faster" if gain.faster else "mixed" if gain.mixed else "same"
        words = gain_in_words(gain)
        if not gain.steady:
            verdict, words = "unclear", f"about {words}"
            hint = " Something else kept it busy: measure again when it is idle."
    return Preparation(
        model=model,
        verdict=verdict,
        sentence=f"{words[0].upper()}{words[1:]}{cost}.{hint}",
        gain=gain,
        copy_bytes=model.bytes,
        seconds=speed.seconds,
        made=made,
    )


def needless(model: InstalledModel) -> Preparation:
    """Return that there was nothing to prepare."""
    why = f"its weights lie in a layout that suits this computer ({model.quantization})"
    return Preparation(
        model=model, verdict="needless", sentence=f"There is nothing to prepare: {why}.", copy_bytes=0
    )


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes < 999.5e6 else f"{size_bytes / 1e9:.1f} GB"
