"""What this computer makes of a model: measures it, prepares a faster copy, and says what that brings.

A model whose weights lie in a layout that llama.cpp does not rearrange for the processor is written anew in
one that it does. What that is worth depends on the processor and on the memory, so it is measured here, in
turns with the original, and told as it is.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec

from desktop_slm.engine import hardware as computer
from desktop_slm.engine.api import Engine, Hardware, ModelSpec
from desktop_slm.engine.speeds import (
    FASTER,
    SLOWER,
    Footprint,
    Gain,
    Speed,
    Speeds,
    compare,
    load_name,
    machine_name,
)
from desktop_slm.errors import LoadFailed, ModelError
from desktop_slm.models.files import Stopped
from desktop_slm.models.fit import KV_BYTES, LEAST_N_CTX, Fit, cache_bytes, fit, too_large, usable_bytes
from desktop_slm.models.gguf import Header, read_header
from desktop_slm.models.installing import prepared_bytes
from desktop_slm.models.layouts import EXPECTED
from desktop_slm.models.records import InstalledModel, identity
from desktop_slm.models.shelf import Shelf

Report = Callable[[str, int, int], object]
"""Called with what is being done ("preparing": bytes, "measuring": measurements), how much of it is done, and
how much there is. Returning False stops it."""

Verdict = Literal["faster", "mixed", "same", "unclear", "alone", "needless"]

_PROBED_TOKENS = 536  # in the cache, on average, while writing is measured
_WRITTEN_BYTES_PER_S = 150e6  # converting, flushing and hashing, on two cores
_LOADED_BYTES_PER_S = 700e6
_PROBE_S = 1.4
_GROWN = 1.3
_IN_CACHE_BYTES = 300e6  # smaller models are not bound by the memory when they write
_PROBES = 4


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


class Calibration:
    """Measures and prepares the models of a shelf.

    Args:
        shelf: The models.
        engine: Measures.
        speeds: What was measured so far.
        spec: How the settings want a model to be loaded.
    """

    def __init__(
        self, shelf: Shelf, engine: Engine, speeds: Speeds, spec: Callable[[InstalledModel], ModelSpec]
    ) -> None:
        self._shelf = shelf
        self._engine = engine
        self._speeds = speeds
        self._spec = spec

    # What is known

    def speed(self, model: InstalledModel, hardware: Hardware) -> Speed | None:
        """Return what was measured of a model on this computer."""
        return self._speeds.find(identity(model), machine_name(hardware, self._spec(model)))

    def bytes_per_s(self, model: InstalledModel, hardware: Hardware) -> float:
        """Return the memory bandwidth measured with this model, else with the one nearest in size; else 0."""
        known = self.speed(model, hardware)
        if known is None:
            try:
                size = _token_bytes(read_header(model.path))
            except ModelError:
                return 0.0
            known = self._speeds.nearest(size, machine_name(hardware, self._spec(model)))
        return known.bytes_per_s if known else 0.0

    def offer(self, model: InstalledModel, hardware: Hardware) -> Offer | None:
        """Return what preparing ``model`` promises; None when it is done, not wanted, of no use or too large.

        On a GPU the layout does not matter.
        """
        settled = model.prepared_from or model.keeps_original or model.problem
        if settled or model.quantization not in EXPECTED or hardware.device != "CPU":
            return None
        try:
            header = read_header(model.path)
        except ModelError:
            return None
        size_bytes = prepared_bytes(header)
        too_large = hardware.ram_free_bytes and size_bytes > usable_bytes(hardware.ram_free_bytes)
        if not header.prepare_to or too_large:
            return None
        seconds = _expected_s(header, size_bytes)
        slower = size_bytes > max(_IN_CACHE_BYTES, _GROWN * header.size_bytes)
        expected = EXPECTED[model.quantization] + (", perhaps slower at writing" if slower else "")
        return Offer(
            sentence=(
                f"Stored in a layout that is slow on this processor ({model.quantization}). A prepared copy "
                f"should be {expected}; it takes about {_seconds(seconds)} and "
                f"{_size(size_bytes)} of disk space. The original stays."
            ),
            copy_bytes=size_bytes,
            seconds=seconds,
        )

    # Memory

    def fit(self, model: InstalledModel, free_bytes: int, hardware: Hardware | None = None) -> Fit:
        """Return whether a model runs here, from what was measured as far as it was.

        Args:
            model: The model.
            free_bytes: Memory that can be taken without swapping. What the model that is loaded now gives
                back is added, and the memory of GPUs where layers go there.
            hardware: To find measured speeds and GPUs; without it there are none.

        Raises:
            ModelError: Its file cannot be read.
        """
        spec = self._spec(model)
        if hardware and spec.n_gpu_layers:
            free_bytes += _graphics_bytes(hardware)
        return fit(
            model,
            spec.n_ctx,
            free_bytes + self._given_back(model),
            bytes_per_s=self.bytes_per_s(model, hardware) if hardware else 0.0,
            allocated=self._speeds.footprint(identity(model), load_name(spec)),
        )

    def _given_back(self, model: InstalledModel) -> int:
        """Return the memory that gets free for ``model``; mapped weights of another one are free already."""
        loaded = self._engine.loaded()
        if loaded is None:
            return 0
        if _same_file(loaded.path, model.path):
            return self._engine.memory_bytes()
        return loaded.kv_bytes + loaded.compute_bytes

    def require_memory(self, model: InstalledModel) -> None:
        """Refuse a model for which there is no room, before it is loaded.

        The memory of the model that is loaded now counts as free, and that of GPUs where layers go there.
        Where only the context is too long, the engine takes a shorter one.

        Raises:
            ModelTooLarge: With the sum.
            ModelError: Its file cannot be read.
        """
        loaded = self._engine.loaded()
        if loaded is not None and _same_file(loaded.path, model.path):
            return
        free_bytes = computer.memory()[1] or self._engine.hardware().ram_free_bytes
        if loaded is not None:  # more than is given back: only what is sure is refused
            free_bytes += self._engine.memory_bytes()
        found = self.fit(model, free_bytes)
        if not free_bytes or found.suffices:
            return
        if self._spec(model).n_gpu_layers:
            free_bytes += _graphics_bytes(self._engine.hardware())
        least = min(LEAST_N_CTX, found.n_ctx)
        if not fit(model, least, free_bytes).suffices:
            raise too_large(model.name, found)

    def note_memory(self, model: InstalledModel) -> None:
        """Keep what a model took, if it is the one that is loaded."""
        loaded = self._engine.loaded()
        if loaded is None or not loaded.kv_bytes or not _same_file(loaded.path, model.path):
            return
        self._speeds.keep_footprint(
            Footprint(
                model=identity(model),
                load=load_name(self._spec(model)),
                n_ctx=loaded.n_ctx,
                weights_bytes=loaded.weights_bytes,
                kv_bytes=loaded.kv_bytes,
                compute_bytes=loaded.compute_bytes,
            )
        )

    # Work

    def measure(self, model: InstalledModel, keep_on: Callable[[], bool]) -> Speed:
        """Measure how fast a model reads and writes here, and keep that.

        Raises:
            ModelError, EngineError: It cannot be measured.
            Stopped: ``keep_on`` said no.
        """

        def tick() -> None:
            if not keep_on():
                raise Stopped

        header = read_header(model.path)
        probe = self._engine.probe(self._spec(model), tick)
        hardware = self._engine.hardware()
        known = self.speed(model, hardware)
        speed = Speed(
            model=identity(model),
            machine=machine_name(hardware, self._spec(model)),
            probe=probe,
            token_bytes=_token_bytes(header),
            gain=known.gain if known else None,
            seconds=known.seconds if known else 0.0,
        )
        self._speeds.keep(speed)
        return speed

    def prepare(self, model_id: str, report: Report, *, again: bool = False) -> Preparation:
        """Make a faster copy of a model, use it from now on, and measure what it gains; the original stays.

        A copy that is there already is only measured, unless that was done with a clear result, too. A file
        in a folder of another application is put on the shelf where it lies.

        Args:
            model_id: Of the model.
            report: Told how far it is.
            again: Measure in any case.

        Raises:
            ModelError, EngineError: It cannot be prepared or measured. Everything is as before.
            Stopped: ``report`` returned False. Everything is as before.
        """
        began = time.monotonic()
        model = self._shelf.find(model_id)
        known = self.speed(model, self._engine.hardware()) if model.prepared_from else None
        if known is not None and known.gain is not None and known.gain.steady and not again:
            return _told(model, known, made=False)
        made = not model.prepared_from
        with contextlib.ExitStack() as undoing:
            if made:
                if not read_header(model.path).prepare_to:
                    return _needless(model)
                if not model.sha256:
                    model = self._shelf.import_file(model.path, "use", partial(report, "checking"))
                    undoing.callback(self._shelf.remove, model.id)
                model = self._shelf.prepare(model.id, partial(report, "preparing"))
                undoing.callback(self._shelf.use_original, model.id, for_good=False)
            speed = self._compare(model, report)
            undoing.pop_all()
        took_s = max(0.01, round(time.monotonic() - began, 2)) if made else known.seconds if known else 0.0
        speed = msgspec.structs.replace(speed, seconds=took_s)
        self._speeds.keep(speed)
        return _told(model, speed, made=made)

    def keep_original(self, model_id: str) -> InstalledModel:
        """Use the original of a prepared model again and delete the copy.

        Raises:
            ModelError: The original is gone.
        """
        return self._shelf.use_original(model_id)

    def _compare(self, model: InstalledModel, report: Report) -> Speed:
        done, planned = 0, _PROBES

        def tick() -> None:
            if report("measuring", done, planned) is False:
                raise Stopped

        def on_probe(done_now: int, planned_now: int) -> None:
            nonlocal done, planned
            done, planned = done_now, planned_now
            tick()

        after = self._spec(model)
        before = msgspec.structs.replace(after, path=model.prepared_from)
        gain = None
        if self._fits(model.prepared_from):
            with contextlib.suppress(LoadFailed):
                gain = compare(self._engine, before, after, tick=tick, on_probe=on_probe)
        return Speed(
            model=identity(model),
            machine=machine_name(self._engine.hardware(), after),
            probe=gain.after if gain else self._engine.probe(after, tick),
            token_bytes=_token_bytes(read_header(model.path)),
            gain=gain,
        )

    def _fits(self, path: str) -> bool:
        """Tell whether the original can be loaded; if it is gone, or larger than memory, it cannot."""
        free_bytes = self._engine.hardware().ram_free_bytes
        try:
            return not free_bytes or fit(read_header(path), 0, free_bytes).word != "Won't fit"
        except ModelError:
            return False


def _graphics_bytes(hardware: Hardware) -> int:
    """Return the free memory of GPUs that have their own; Macs count theirs as RAM."""
    if sys.platform == "darwin":
        return 0
    return sum(device.free_bytes for device in hardware.devices if device.kind == "gpu")


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _token_bytes(header: Header) -> int:
    """Return the bytes read to write one token, as the measurement writes them."""
    cached = cache_bytes(header.layers, _PROBED_TOKENS, KV_BYTES, n_seq=1, full_windows=False)
    return header.active_bytes + cached


def _expected_s(header: Header, copy_bytes: int) -> float:
    loads = _PROBES / 2 * (header.size_bytes + copy_bytes) / _LOADED_BYTES_PER_S
    return copy_bytes / _WRITTEN_BYTES_PER_S + loads + _PROBES * _PROBE_S


# In words


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


def _told(model: InstalledModel, speed: Speed, *, made: bool) -> Preparation:
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


def _needless(model: InstalledModel) -> Preparation:
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
