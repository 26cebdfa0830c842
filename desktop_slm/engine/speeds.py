"""What was measured of models on this computer: kept in a small file, and compared two by two.

The file holds hashes of models, the name of the processor and speeds: no names, no paths, no text of anyone.
What belongs to another computer, engine build or setting is not found; it does no harm and is forgotten last.
"""

from __future__ import annotations

import importlib.metadata
import math
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from desktop_slm.engine.api import Engine, Hardware, ModelSpec, Probe, Tick, nothing
from desktop_slm.paths import private_folder

_FORMAT = 1
_KEPT = 200
_MAX_BYTES = 1 << 20
_ROUNDS = 2
_MORE_ROUNDS = 4
_APART = 1.25  # ratios of one comparison that differ by more want more rounds
FASTER = 1.1  # a smaller gain is nothing a person would notice, and within what comes and goes
SLOWER = 0.95
_READ_PER_WRITTEN = 4.0


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """How a prepared copy compares with its original, both measured in turns.

    Attributes:
        reading, writing: Tokens per second after divided by before.
        before, after: The middle of what was measured of each.
        rounds: How often each was measured.
        steady: The rounds agreed with each other, and all ran on the same number of threads.
    """

    reading: float
    writing: float
    before: Probe
    after: Probe
    rounds: int
    steady: bool

    @property
    def faster(self) -> bool:
        """Something became faster, and nothing slower."""
        return max(self.reading, self.writing) >= FASTER and min(self.reading, self.writing) >= SLOWER

    @property
    def mixed(self) -> bool:
        """One of the two became faster and the other slower."""
        return max(self.reading, self.writing) >= FASTER and not self.faster

    @property
    def worthwhile(self) -> bool:
        """Answers that come after four times as much reading, as in chats and documents, come sooner."""
        before, after = (
            _READ_PER_WRITTEN / probe.prompt_tokens_per_s + 1 / probe.decode_tokens_per_s
            for probe in (self.before, self.after)
        )
        return before >= FASTER * after


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one model.

    Attributes:
        model: Its hash.
        machine: See `machine_name`.
        probe: The speeds.
        token_bytes: Bytes of weights and cache read to write one token, on average while measuring.
        gain: Against the original, for a prepared copy.
        seconds: What making that copy and measuring it took.
    """

    model: str
    machine: str
    probe: Probe
    token_bytes: int
    gain: Gain | None = None
    seconds: float = 0.0

    @property
    def bytes_per_s(self) -> float:
        """Memory bandwidth while writing."""
        return self.probe.decode_tokens_per_s * self.token_bytes


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a model took when it was last loaded here, as llama.cpp reported it.

    Attributes:
        model: See `Speed`.
        load: What of the way of loading matters: see `load_name`.
        n_ctx: Context in tokens, as allocated.
        weights_bytes, kv_bytes, compute_bytes: See `api.Loaded`.
    """

    model: str
    load: str
    n_ctx: int
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: int = _FORMAT
    speeds: tuple[Speed, ...] = ()
    footprints: tuple[Footprint, ...] = ()


class Speeds:
    """The file; a damaged one counts as empty, one that cannot be written is kept in memory.

    Args:
        path: Made when something is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._unwritten: _File | None = None

    def find(self, model: str, machine: str) -> Speed | None:
        """Return what was measured of the model with this hash."""
        for speed in self._read().speeds:
            if model and (speed.model, speed.machine) == (model, machine):
                return speed
        return None

    def nearest(self, token_bytes: int, machine: str) -> Speed | None:
        """Return what was measured of the model that is nearest in size: it tells most about another one."""
        known = [speed for speed in self._read().speeds if speed.machine == machine and speed.token_bytes > 0]
        return min(
            known, key=lambda speed: abs(math.log(speed.token_bytes / max(1, token_bytes))), default=None
        )

    def keep(self, speed: Speed) -> None:
        """Take in what was measured, in place of what was known of that model."""
        with self._lock:
            known = self._read()
            key = (speed.model, speed.machine)
            others = [other for other in known.speeds if (other.model, other.machine) != key]
            self._keep(msgspec.structs.replace(known, speeds=(speed, *others[: _KEPT - 1])))

    def footprint(self, model: str, load: str) -> Footprint | None:
        """Return what the model with this hash took when it was loaded that way."""
        for footprint in self._read().footprints:
            if model and (footprint.model, footprint.load) == (model, load):
                return footprint
        return None

    def keep_footprint(self, footprint: Footprint) -> None:
        """Take in what a model took, in place of what was known; the same as before is not written again."""
        with self._lock:
            known = self._read()
            if footprint in known.footprints:
                return
            key = (footprint.model, footprint.load)
            others = [other for other in known.footprints if (other.model, other.load) != key]
            self._keep(msgspec.structs.replace(known, footprints=(footprint, *others[: _KEPT - 1])))

    def _keep(self, content: _File) -> None:
        try:
            self._write(content)
            self._unwritten = None
        except OSError:  # a full or read-only disk: it is known until the application ends
            self._unwritten = content

    def _read(self) -> _File:
        if self._unwritten is not None:
            return self._unwritten
        try:
            with self._path.open("rb") as file:
                found = msgspec.json.decode(file.read(_MAX_BYTES), type=_File)
        except (OSError, ValueError, RecursionError):
            return _File()
        return found if found.format == _FORMAT else _File()

    def _write(self, content: _File) -> None:
        private_folder(self._path.parent)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".speeds-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(content))
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def machine_name(hardware: Hardware, spec: ModelSpec) -> str:
    """Return what speeds depend on besides the model: processors, engine build, threads and GPU layers."""
    devices = [device.description or device.name for device in hardware.devices] or [hardware.cpu_name]
    return "; ".join(
        [
            *devices,
            f"{hardware.physical_cores} cores",
            hardware.engine_version,
            f"{spec.n_threads or 'adapted'} threads",
            f"{'all' if spec.n_gpu_layers < 0 else spec.n_gpu_layers} GPU layers",
        ]
    )


def load_name(spec: ModelSpec) -> str:
    """Return what the memory of a model depends on besides its file: engine build, context, GPU layers.

    The app asks without a worker, so the build is that of the installed package.
    """
    try:
        build = importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        build = "unknown"
    return f"{build}; {spec.n_ctx} tokens; {spec.n_gpu_layers} GPU layers"


def compare(
    engine: Engine,
    before: ModelSpec,
    after: ModelSpec,
    *,
    rounds: int = _ROUNDS,
    tick: Tick = nothing,
    on_probe: Callable[[int, int], object] = lambda _done, _total: None,
) -> Gain:
    """Measure two models in turns (A B A B) and return how much faster the second is.

    Where the rounds do not agree there are more of them: another program came or went.

    Args:
        engine: Measures.
        before, after: The models.
        rounds: How often each is measured at least.
        tick: See `Engine.probe`.
        on_probe: Called with the number of measurements done and planned.
    """
    taken: list[tuple[Probe, Probe]] = []
    planned = rounds
    while len(taken) < planned:
        on_probe(2 * len(taken), 2 * planned)
        first = engine.probe(before, tick)
        on_probe(2 * len(taken) + 1, 2 * planned)
        taken.append((first, engine.probe(after, tick)))
        if len(taken) == rounds and not _agree(taken):
            planned = max(rounds, _MORE_ROUNDS)
    on_probe(2 * planned, 2 * planned)
    reading, writing = (sorted(ratios) for ratios in _ratios(taken))
    return Gain(
        reading=round(_middle(reading), 3),
        writing=round(_middle(writing), 3),
        before=_middle_probe([pair[0] for pair in taken]),
        after=_middle_probe([pair[1] for pair in taken]),
        rounds=len(taken),
        steady=_agree(taken) or (len(taken) > rounds and _middle_agrees(reading, writing)),
    )


def prepare_gain(engine: Engine, original: ModelSpec, prepared: ModelSpec, *, rounds: int = 3) -> float:
    """Return tokens per second of reading with the prepared model over those with the original."""
    return compare(engine, original, prepared, rounds=rounds).reading


def _ratios(taken: list[tuple[Probe, Probe]]) -> tuple[list[float], list[float]]:
    reading = [after.prompt_tokens_per_s / max(1e-9, before.prompt_tokens_per_s) for before, after in taken]
    writing = [after.decode_tokens_per_s / max(1e-9, before.decode_tokens_per_s) for before, after in taken]
    return reading, writing


def _agree(taken: list[tuple[Probe, Probe]]) -> bool:
    threads = {probe.threads for pair in taken for probe in pair}
    return len(threads) == 1 and all(max(ratios) <= _APART * min(ratios) for ratios in _ratios(taken))


def _middle_agrees(*sorted_ratios: list[float]) -> bool:
    """Tell whether the inner half of the ratios agree, the outer ones being disturbances."""
    inner = [ratios[len(ratios) // 4 : len(ratios) - len(ratios) // 4] for ratios in sorted_ratios]
    return all(ratios[-1] <= _APART * ratios[0] for ratios in inner)


def _middle(values: list[float]) -> float:
    """Return the median; of two middle ones their geometric mean, as fits ratios and rates."""
    values = sorted(values)
    return math.sqrt(values[(len(values) - 1) // 2] * values[len(values) // 2])


def _middle_probe(probes: list[Probe]) -> Probe:
    return Probe(
        prompt_tokens_per_s=round(_middle([probe.prompt_tokens_per_s for probe in probes]), 1),
        decode_tokens_per_s=round(_middle([probe.decode_tokens_per_s for probe in probes]), 1),
        threads=probes[-1].threads,
    )
