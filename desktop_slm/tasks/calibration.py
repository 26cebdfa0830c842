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

import msgspec

from desktop_slm.engine import hardware as computer
from desktop_slm.engine.api import Engine, Hardware, ModelSpec
from desktop_slm.engine.speeds import (
    Footprint,
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
from desktop_slm.tasks.preparation import PROBES, Offer, Preparation, needless, offered, told

Report = Callable[[str, int, int], object]
"""Called with what is being done ("preparing": bytes, "measuring": measurements), how much of it is done, and
how much there is. Returning False stops it."""

_PROBED_TOKENS = 536  # in the cache, on average, while writing is measured


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
        copy_bytes = prepared_bytes(header)
        over = hardware.ram_free_bytes and copy_bytes > usable_bytes(hardware.ram_free_bytes)
        return None if over or not header.prepare_to else offered(model.quantization, header, copy_bytes)

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
            return told(model, known, made=False)
        made = not model.prepared_from
        with contextlib.ExitStack() as undoing:
            if made:
                if not read_header(model.path).prepare_to:
                    return needless(model)
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
        return told(model, speed, made=made)

    def keep_original(self, model_id: str) -> InstalledModel:
        """Use the original of a prepared model again and delete the copy.

        Raises:
            ModelError: The original is gone.
        """
        return self._shelf.use_original(model_id)

    def _compare(self, model: InstalledModel, report: Report) -> Speed:
        done, planned = 0, PROBES

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
