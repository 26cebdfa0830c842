"""Bringing a model into memory: the rungs of the ladder, and what it runs on in the end and why."""

from __future__ import annotations

import time
from collections.abc import Callable

from desktop_slm.engine import hardware, llama, sampling
from desktop_slm.engine.api import EngineEvent, Loaded, ModelSpec
from desktop_slm.engine.context import Context
from desktop_slm.engine.scheduler import BATCH_TOKENS, SEQUENCES, Scheduler
from desktop_slm.engine.template import ChatTemplate
from desktop_slm.engine.threads import ThreadTuner
from desktop_slm.errors import LoadFailed

DEFAULT_N_CTX = 8192
_SMALLEST_N_CTX = 1024
_GPU_BACKENDS = ("cuda", "vulkan", "metal", "hip", "sycl", "opencl", "musa", "cann")


class LoadedModel:
    """A model, its context and what runs on them.

    Args:
        emit: Takes pairs of job id and event.
        template_runs: Told when foreign template code begins and ends.
    """

    def __init__(
        self,
        spec: ModelSpec,
        model: llama.Model,
        context: Context,
        loaded: Loaded,
        tuner: ThreadTuner | None,
        *,
        emit: Callable[[list[tuple[int, EngineEvent]]], None],
        template_runs: Callable[[bool], None],
    ) -> None:
        self.spec = spec
        self.model = model
        self.context = context
        self.loaded = loaded
        self.tuner = tuner
        self.template = ChatTemplate(model.template, model, template_runs)
        model.shown = self.template.shown()
        self.sampling = sampling.model_sampling(model.metadata)
        self.scheduler = Scheduler(context, model, forgets=model.forgets, emit=emit)

    def close(self) -> None:
        """Free the memory."""
        self.scheduler.close()
        self.context.close()
        self.model.close()


class Loader:
    """Loads models, rung by rung.

    Args:
        log: Keeps what llama.cpp says meanwhile.
        n_threads: Threads when nothing else runs.
        emit, template_runs: See `LoadedModel`.
    """

    def __init__(
        self,
        log: llama.Log,
        n_threads: int,
        *,
        emit: Callable[[list[tuple[int, EngineEvent]]], None],
        template_runs: Callable[[bool], None],
    ) -> None:
        self._log = log
        self._n_threads = n_threads
        self._emit = emit
        self._template_runs = template_runs
        self._started = 0.0
        self._others = 0

    def load(self, spec: ModelSpec, keep_on: Callable[[], bool]) -> LoadedModel:
        """Try the rungs: all layers on the GPU, half of them, the CPU; then smaller contexts.

        Raises:
            LoadFailed: With every rung and why it broke.
            InterruptedError: ``keep_on`` said no.
        """
        tried: list[str] = []
        wanted = [spec.n_gpu_layers]
        if llama.supports_gpu():
            half = 16 if spec.n_gpu_layers < 0 else spec.n_gpu_layers // 2
            wanted = list(dict.fromkeys([spec.n_gpu_layers, half, 0]))
        for n_gpu_layers in wanted:
            n_ctx = spec.n_ctx or DEFAULT_N_CTX
            self._started = time.perf_counter()
            self._others = hardware.running_elsewhere()
            try:
                model = llama.Model(spec.path, n_gpu_layers, self._log, keep_on)
            except LoadFailed as error:
                tried.append(f"{_place(n_gpu_layers)}: {error.title}")
                continue
            while True:
                try:
                    return self._finish(spec, model, n_gpu_layers, n_ctx)
                except LoadFailed as error:
                    tried.append(f"{_place(n_gpu_layers)}, {n_ctx:,} tokens: {error.title}")
                    n_ctx //= 2
                if n_ctx < _SMALLEST_N_CTX or n_gpu_layers != wanted[-1]:
                    model.close()
                    break
        raise LoadFailed(
            "The model could not be loaded", f"Tried: {'; '.join(tried)}. Choose a smaller model or context."
        )

    def _finish(self, spec: ModelSpec, model: llama.Model, n_gpu_layers: int, n_ctx: int) -> LoadedModel:
        context = Context(
            model,
            n_ctx=min(n_ctx, model.n_ctx_train or n_ctx),
            n_seq=SEQUENCES,
            n_threads=spec.n_threads or self._n_threads,
            n_batch=BATCH_TOKENS,
        )
        on_gpu = llama.supports_gpu() and n_gpu_layers != 0
        tuner = None
        if not on_gpu and not spec.n_threads:
            tuner = context.adapt_threads(self._n_threads, self._threads_to_begin())
        device, reason = device_in_use(on_gpu)
        loaded = Loaded(
            path=spec.path,
            n_ctx=context.n_ctx,
            n_ctx_train=model.n_ctx_train,
            device=device,
            reason=reason,
            n_gpu_layers=(model.n_layers + 1 if n_gpu_layers < 0 else n_gpu_layers) if on_gpu else 0,
            weights_bytes=self._log.mebibytes(r"(?<!KV)(?<!compute)(?<!output) buffer size")
            or model.size_bytes,
            kv_bytes=self._log.mebibytes(r"(?:KV|RS) buffer size"),
            compute_bytes=self._log.mebibytes(r"compute buffer size"),
            load_s=time.perf_counter() - self._started,
            has_template=bool(model.template),
        )
        return LoadedModel(
            spec, model, context, loaded, tuner, emit=self._emit, template_runs=self._template_runs
        )

    def _threads_to_begin(self) -> int:
        """Leave alone the cores that others used both before and after the model was read."""
        others = min(self._others, hardware.running_elsewhere())
        return max(1, self._n_threads - others)


def _place(n_gpu_layers: int) -> str:
    if not llama.supports_gpu() or n_gpu_layers == 0:
        return "CPU"
    return "GPU, all layers" if n_gpu_layers < 0 else f"GPU, {n_gpu_layers} layers"


def device_in_use(on_gpu: bool) -> tuple[str, str]:
    """Return what inference runs on, and why."""
    gpus = [device for device in llama.devices() if device.kind in ("gpu", "igpu")]
    if on_gpu and gpus:
        return gpus[0].description or gpus[0].name, ""
    if gpus:
        return "CPU", "chosen in the settings, or the graphics memory is too small"
    libraries = " ".join(path.name for path in llama.LIBRARY_FOLDER.iterdir())
    has_gpu_code = any(f"ggml-{name}" in libraries for name in _GPU_BACKENDS)
    return "CPU", "no GPU found" if has_gpu_code else "this build has no GPU support"
