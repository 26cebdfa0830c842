"""LoRA adapters of one model: checked against it before llama.cpp sees them, and kept in memory with it.

llama.cpp refuses most misfits itself, but some only when it computes, by ending the process; so the shapes
are looked at here. What fits, by ``llama-adapter.cpp``, fastest dimension first: ``X.lora_a`` is (inputs of
X, rank), ``X.lora_b`` is (rank, outputs of X); of the word table the two are (rank, words) and (rank, width).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from desktop_slm.engine.api import Adapter
from desktop_slm.engine.header import Header, TensorInfo
from desktop_slm.engine.llama import C, Model
from desktop_slm.errors import InvalidRequest, ModelInvalid, ModelNotFound, ModelUnsupported

_A, _B = ".lora_a", ".lora_b"
_TABLE = "token_embd.weight"
_AGAIN = "Download or copy it again."
_OTHER = "Choose an adapter that was made for this model."


class LoraAdapters:
    """The adapters of one model that are in memory. They are freed with the model.

    Args:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._header: Header | None = None
        self._pointers: dict[str, Any] = {}
        self._stamps: dict[str, tuple[int, ...]] = {}

    def ready(self, adapters: Sequence[Adapter]) -> tuple[Adapter, ...]:
        """Bring adapters into memory; return them in one order, without those of scale 0.

        Raises:
            InvalidRequest: A scale that is no number, or one adapter twice.
            ModelNotFound, ModelInvalid: No file, a damaged one, or something else than an adapter.
            ModelUnsupported: It was made for another model, or is of a kind that cannot be used.
        """
        if len({adapter.path for adapter in adapters}) < len(adapters):
            raise InvalidRequest("An adapter is named twice", "Name each adapter once.")
        if not all(math.isfinite(adapter.scale) for adapter in adapters):
            raise InvalidRequest("The scale of an adapter is not a number", "Give a number such as 1.")
        wanted = sorted((a for a in adapters if a.scale), key=lambda adapter: adapter.path)
        for adapter in wanted:
            if adapter.path not in self._pointers:
                self._load(adapter.path)
        return tuple(wanted)

    def changed(self) -> bool:
        """Tell whether a file has been replaced since it was read; one that is gone stays in use."""
        return any(stamp(path) not in (known, ()) for path, known in list(self._stamps.items()))

    def apply(self, context: Any, adapters: Sequence[Adapter]) -> None:
        """Let ``context`` compute with exactly these, which must be `ready`."""
        count = len(adapters)
        pointers = (C.llama_adapter_lora_p_ctypes * count)(*(self._pointers[a.path] for a in adapters))
        scales = (ctypes.c_float * count)(*(a.scale for a in adapters))
        if C.llama_set_adapters_lora(context, pointers, count, scales) != 0:
            raise RuntimeError("llama_set_adapters_lora failed")

    def _load(self, path: str) -> None:
        if not Path(path).is_file():
            raise ModelNotFound("The adapter's file is not there", "Choose another adapter, or add it again.")
        known = stamp(path)
        try:
            header = Header(path)
        except ModelInvalid as error:
            raise ModelInvalid("The adapter's file is damaged", _AGAIN) from error
        if self._header is None:
            self._header = Header(self._model.path)
        check(header, self._header)
        pointer = C.llama_adapter_lora_init(self._model.pointer, path.encode())
        if not pointer:
            raise ModelInvalid("The adapter could not be loaded", _AGAIN)
        if C.llama_adapter_get_alora_n_invocation_tokens(pointer):
            C.llama_adapter_lora_free(pointer)
            raise ModelUnsupported("Adapters that wait for a phrase (aLoRA) cannot be used", _OTHER)
        self._pointers[path] = pointer
        self._stamps[path] = known


def stamp(path: str) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written to; empty when it is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check(adapter: Header, model: Header) -> None:
    """Refuse an adapter that is none, is damaged, or was made for another model.

    Raises:
        ModelInvalid, ModelUnsupported: With what is wrong.
    """
    if adapter.text("general.type") != "adapter":
        raise ModelInvalid("The file is not an adapter", "Choose a LoRA adapter (.gguf).")
    if (kind := adapter.text("adapter.type")) != "lora":
        raise ModelUnsupported(f"Adapters of the kind {kind or 'unknown'!r} cannot be used", _OTHER)
    if adapter.architecture != model.architecture:
        raise ModelUnsupported(
            f"The adapter was made for another model (of the {adapter.architecture or 'unknown'} family; "
            f"this one is {model.architecture})",
            _OTHER,
        )
    if adapter.cut_off:
        raise ModelInvalid("The adapter's file is cut off", _AGAIN)
    names = {name.removesuffix(_A).removesuffix(_B) for name in adapter.tensors if name.endswith((_A, _B))}
    if not names:
        raise ModelInvalid("The adapter is empty", _AGAIN)
    for name in names:
        _check_pair(name, adapter, model)


def _check_pair(name: str, adapter: Header, model: Header) -> None:
    a, b = adapter.tensors.get(name + _A), adapter.tensors.get(name + _B)
    if a is None or b is None:
        raise ModelInvalid("The adapter's file is damaged: half of a matrix is missing", _AGAIN)
    base = model.tensors.get(name)
    if base is None:
        if (model.number("split.count") or 1) > 1:
            return  # the part of the model that has it is not the one we look at: llama.cpp decides
        raise ModelUnsupported(f"The adapter was made for another model ({name} is not in this one)", _OTHER)
    if name == _TABLE and "output.weight" not in model.tensors:
        # The table is the output as well, and llama.cpp would end the process when it multiplies by it.
        raise ModelUnsupported("The adapter changes the words of the model, which this engine cannot", _OTHER)
    inputs, outputs, rank_a, rank_b = _sides(name, a, b)
    if rank_a != rank_b or not rank_a:
        raise ModelInvalid(f"The adapter's file is damaged: ranks {rank_a} and {rank_b} in {name}", _AGAIN)
    if (inputs, outputs) != base.shape[:2] or a.shape[2:] != base.shape[2:] or b.shape[2:] != base.shape[2:]:
        raise ModelUnsupported("The adapter was made for another model of another size", _OTHER)


def _sides(name: str, a: TensorInfo, b: TensorInfo) -> tuple[int, int, int, int]:
    """Return inputs, outputs and the two ranks of a pair of matrices."""
    if name == _TABLE:
        return b.shape[1], a.shape[1], a.shape[0], b.shape[0]
    return a.shape[0], b.shape[1], a.shape[1], b.shape[0]
