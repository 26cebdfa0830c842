"""What a GGUF file says of itself, read by ggml without a weight: enough to place it and to refuse a misfit.

The app reads headers in plain Python (`models.gguf`) before a file gets here; this is what the worker, which
may not import that room, asks of adapters and of the model they are for.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from desktop_slm.engine.llama import library
from desktop_slm.errors import ModelInvalid

_STRING = 8
_READERS = {
    0: ("u8", ctypes.c_uint8),
    1: ("i8", ctypes.c_int8),
    2: ("u16", ctypes.c_uint16),
    3: ("i16", ctypes.c_int16),
    4: ("u32", ctypes.c_uint32),
    5: ("i32", ctypes.c_int32),
    10: ("u64", ctypes.c_uint64),
    11: ("i64", ctypes.c_int64),
}


class _InitParams(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


class TensorInfo(NamedTuple):
    """Shape in ggml's order (the fastest dimension first, always four), and bytes."""

    shape: tuple[int, int, int, int]
    size_bytes: int


class Header:
    """The description at the beginning of a GGUF file.

    Attributes:
        architecture: Such as ``llama``.
        tensors: By name.
        cut_off: The file ends before its last tensor does.

    Raises:
        ModelInvalid: The description cannot be read.
    """

    def __init__(self, path: str) -> None:
        gguf = _gguf()
        pointer = gguf.gguf_init_from_file(path.encode(), _InitParams(True, None))
        if not pointer:
            raise ModelInvalid("The file's description is damaged", "Download or copy it again.")
        try:
            self._values = _values(gguf, pointer)
            ends = [0]
            self.tensors: dict[str, TensorInfo] = {}
            for index in range(gguf.gguf_get_n_tensors(pointer)):
                name = gguf.gguf_get_tensor_name(pointer, index).decode("utf-8", "replace")
                shape = tuple(gguf.gguf_get_tensor_ne(pointer, index)[:4])
                size_bytes = gguf.gguf_get_tensor_size(pointer, index)
                ends.append(gguf.gguf_get_tensor_offset(pointer, index) + size_bytes)
                self.tensors[name] = TensorInfo(shape, size_bytes)
            self.cut_off: bool = gguf.gguf_get_data_offset(pointer) + max(ends) > Path(path).stat().st_size
        finally:
            gguf.gguf_free(pointer)
        self.architecture = self.text("general.architecture")

    def text(self, key: str) -> str:
        """Return a text, empty when there is none."""
        value = self._values.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        """Return a whole number, None when there is none; ``{arch}.`` stands for the architecture."""
        value = self._values.get(key.replace("{arch}", self.architecture))
        return value if isinstance(value, int) else None


def _values(gguf: Any, pointer: int) -> dict[str, str | int]:
    """Return texts and whole numbers; ggml ends the process when a value is asked for as another type."""
    found: dict[str, str | int] = {}
    for index in range(gguf.gguf_get_n_kv(pointer)):
        key = gguf.gguf_get_key(pointer, index).decode("utf-8", "replace")
        kind = gguf.gguf_get_kv_type(pointer, index)
        if kind == _STRING:
            found[key] = gguf.gguf_get_val_str(pointer, index).decode("utf-8", "replace")
        elif kind in _READERS:
            found[key] = getattr(gguf, f"gguf_get_val_{_READERS[kind][0]}")(pointer, index)
    return found


@cache
def _gguf() -> Any:
    base = library("ggml-base")
    handle, index = ctypes.c_void_p, ctypes.c_int64
    base.gguf_init_from_file.argtypes = [ctypes.c_char_p, _InitParams]
    base.gguf_init_from_file.restype = ctypes.c_void_p
    base.gguf_free.argtypes, base.gguf_free.restype = [handle], None
    for name in ("gguf_get_n_kv", "gguf_get_n_tensors"):
        function = getattr(base, name)
        function.argtypes, function.restype = [handle], ctypes.c_int64
    base.gguf_get_data_offset.argtypes, base.gguf_get_data_offset.restype = [handle], ctypes.c_size_t
    results: dict[str, Any] = {
        "key": ctypes.c_char_p,
        "kv_type": ctypes.c_int,
        "val_str": ctypes.c_char_p,
        "tensor_name": ctypes.c_char_p,
        "tensor_ne": ctypes.POINTER(ctypes.c_int64),
        "tensor_size": ctypes.c_size_t,
        "tensor_offset": ctypes.c_size_t,
        **{f"val_{name}": kind for name, kind in _READERS.values()},
    }
    for name, result in results.items():
        function = getattr(base, f"gguf_get_{name}")
        function.argtypes, function.restype = [handle, index], result
    return base
