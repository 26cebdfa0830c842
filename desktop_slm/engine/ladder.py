"""The rungs on which a model's weights are tried: the GPU with all layers, with fewer, the processor."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from desktop_slm.engine import hardware, llama, placement
from desktop_slm.engine.api import ModelSpec
from desktop_slm.engine.header import Header
from desktop_slm.engine.placement import Placement
from desktop_slm.errors import LoadFailed

DEFAULT_N_CTX = 8192
CRASHED = "the engine ended the last time this model was put on the GPU"
_GPU_BACKENDS = ("cuda", "vulkan", "metal", "hip", "sycl", "opencl", "musa", "cann")
_HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES")
_SPLIT = re.compile(r"-00001-of-(\d{5})\.gguf$")

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Rung:
    """Weights in memory.

    Attributes:
        model: The weights.
        place: What they run on.
        last: There is none to fall to.
        tried: What has failed so far, in words; whoever fails on this rung adds to it.
    """

    model: llama.Model
    place: Placement
    last: bool
    tried: list[str]


class Ladder:
    """Loads weights, rung by rung.

    Args:
        log: Keeps what llama.cpp says meanwhile.
        on_gpu_trial: Told which file is about to be loaded on the GPU: that may end the process.
        without_gpu: Files that did so before.
    """

    def __init__(
        self, log: llama.Log, on_gpu_trial: Callable[[str], None], without_gpu: Collection[str] = ()
    ) -> None:
        self._log = log
        self._on_gpu_trial = on_gpu_trial
        self._without_gpu = without_gpu
        self.startup_lines: list[str] = []  # what llama.cpp said when it looked for devices
        self.no_gpu = ""  # why none may be used, if so

    def load(self, spec: ModelSpec, keep_on: Callable[[], bool], finish: Callable[[Rung], _Made]) -> _Made:
        """Return what ``finish`` makes of the first rung that holds.

        Raises:
            LoadFailed: With every rung and why it broke.
            ModelInvalid, ModelUnsupported: The file is damaged or unknown: no rung would help.
            InterruptedError: ``keep_on`` said no.
        """
        tried: list[str] = []
        failures: list[str] = []  # of the GPU
        rungs, total = self._rungs(spec, tried, failures)
        for n_gpu_layers in rungs:
            if not keep_on():
                raise InterruptedError
            name = _name(n_gpu_layers, total)
            try:
                model = self._open(spec.path, n_gpu_layers, keep_on)
            except LoadFailed as error:
                tried.append(f"{name}: {error.title}")
                failures.append(error.title)
                continue
            inner: list[str] = []
            try:
                place = self._place(spec, failures)
                return finish(Rung(model, place, n_gpu_layers == rungs[-1], inner))
            except LoadFailed as error:
                model.close()
                tried += [f"{name}, {line}" for line in inner] or [f"{name}: {error.title}"]
                failures.append(error.title)
            except BaseException:
                model.close()
                raise
        raise LoadFailed(
            "The model could not be loaded", f"Tried: {'; '.join(tried)}. Choose a smaller model or context."
        )

    def place_without_model(self) -> tuple[str, str]:
        """Return what a model would run on, and why."""
        known = placement.gpus(llama.devices())
        if known and not self.no_gpu and llama.supports_gpu():
            return known[0].description or known[0].name, "layers go there as far as they fit"
        return "CPU", self._why_no_gpu()

    def _open(self, path: str, n_gpu_layers: int, keep_on: Callable[[], bool]) -> llama.Model:
        if n_gpu_layers:
            self._on_gpu_trial(path)
        else:
            _require_memory(path)
        self._log.start()
        return llama.Model(path, n_gpu_layers, self._log, keep_on)

    def _rungs(self, spec: ModelSpec, tried: list[str], failures: list[str]) -> tuple[list[int], int]:
        """Return the layers to try, and how many there are; what is sure not to fit is noted as tried."""
        if self.no_gpu or not llama.supports_gpu() or spec.path in self._without_gpu:
            return [0], 0
        wanted = spec.n_gpu_layers
        if not wanted:
            return [0], 0
        header = Header(spec.path)
        sizes = placement.layer_bytes(header, spec.n_ctx or DEFAULT_N_CTX)
        weights = placement.layer_bytes(header, 0)
        free_bytes = sum(device.free_bytes for device in placement.gpus(llama.devices()))
        needed_bytes = sum(weights if wanted < 0 else weights[:wanted])
        hopeless = 0 < free_bytes < needed_bytes
        if hopeless:
            why = f"{_gigabytes(needed_bytes)} of graphics memory needed, {_gigabytes(free_bytes)} free"
            tried.append(f"{_name(wanted, len(sizes))}: {why}")
            failures.append(why)
        return placement.rungs(wanted, sizes, free_bytes, hopeless=hopeless), len(sizes)

    def _place(self, spec: ModelSpec, failures: Sequence[str]) -> Placement:
        if self.no_gpu or not llama.supports_gpu():
            return Placement("CPU", self._why_no_gpu(), 0)
        if spec.path in self._without_gpu:
            return Placement("CPU", CRASHED, 0)
        return placement.placed(self._log.lines, llama.devices(), wanted=spec.n_gpu_layers, failures=failures)

    def _why_no_gpu(self) -> str:
        libraries = " ".join(path.name for path in llama.LIBRARY_FOLDER.iterdir())
        has_gpu_code = any(f"ggml-{name}" in libraries for name in _GPU_BACKENDS)
        if has_gpu_code and self.no_gpu:
            return self.no_gpu
        return placement.no_gpu_reason(
            has_gpu_code=has_gpu_code,
            startup_lines=self.startup_lines,
            hidden_by=[name for name in _HIDING if name in os.environ],
        )


def _require_memory(path: str) -> None:
    """Refuse weights larger than all memory: they would be read from the disk again for every token.

    Raises:
        LoadFailed: With both sizes.
    """
    total_bytes = hardware.memory()[0]
    split = _SPLIT.search(path)  # the other parts are as large as the first
    try:
        size_bytes = Path(path).stat().st_size * (int(split[1]) if split else 1)
    except OSError:  # llama.cpp says what is wrong with it
        return
    if 0 < total_bytes < size_bytes:
        raise LoadFailed(f"{_gigabytes(size_bytes)} of weights, {_gigabytes(total_bytes)} of memory in all")


def _name(n_gpu_layers: int, total: int) -> str:
    if n_gpu_layers == 0:
        return "CPU"
    return "GPU, all layers" if n_gpu_layers < 0 or n_gpu_layers == total else f"GPU, {n_gpu_layers} layers"


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GB"
