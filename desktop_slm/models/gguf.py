"""Read the header of a GGUF file in plain Python, before anything written in C touches the file.

llama.cpp ends its process on some damaged headers, so every file is looked at here first, with limits.
Weights are never read. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; the checks follow
``ggml/src/gguf.cpp``.

    GGUF | version u32 | tensors u64 | pairs u64 | pairs: key, type, value ... |
    tensors: name, dimensions u32, shape u64 ..., type u32, offset u64 ... | padding | data
"""

from __future__ import annotations

import re
import stat
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from desktop_slm.errors import ModelInvalid, ModelUnsupported
from desktop_slm.models import architectures
from desktop_slm.models.header import MAX_LAYERS, Header, Skipped, Tensor, Value
from desktop_slm.models.layouts import TENSOR_TYPES
from desktop_slm.models.trouble import disk_trouble

__all__ = ["Header", "is_later_part", "read_header"]

MAX_PAIRS = 1 << 16
MAX_TENSORS = 1 << 16
MAX_PARTS = 1 << 10
MAX_KEY_BYTES = 1 << 10
MAX_STRING_BYTES = 1 << 26
MAX_ARRAY = 1 << 23
MAX_HEADER_BYTES = 3 << 25
MAX_KEPT_STRING_BYTES = 1 << 20
MAX_KEPT_BYTES = 1 << 24
MAX_KEPT_ARRAY = 1 << 12
MAX_TENSOR_NAME_BYTES = 63
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 1 << 20
_READ_BYTES = 1 << 18
_MAX_INT64 = (1 << 63) - 1

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_STRING = 8
_ARRAY = 9
_NUMBERS = {
    0: ("u8", struct.Struct("<B")),
    1: ("i8", struct.Struct("<b")),
    2: ("u16", struct.Struct("<H")),
    3: ("i16", struct.Struct("<h")),
    4: ("u32", struct.Struct("<I")),
    5: ("i32", struct.Struct("<i")),
    6: ("f32", struct.Struct("<f")),
    7: ("bool", struct.Struct("<?")),
    10: ("u64", struct.Struct("<Q")),
    11: ("i64", struct.Struct("<q")),
    12: ("f64", struct.Struct("<d")),
}
_PART_NAME = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf", re.IGNORECASE)
_AGAIN = "Copy or download it again."


class _DamageError(Exception):
    """The header breaks the format; the text ends a sentence about the file."""


class _Cursor:
    """Reads forward through the header, a piece of the file at a time.

    Reading instead of mapping: a mapped file that shrinks meanwhile ends the process with SIGBUS.
    """

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self.may_keep_bytes = MAX_KEPT_BYTES
        self._data = b""
        self._start = 0
        self._at = 0

    @property
    def position(self) -> int:
        """Offset in the file of the next byte."""
        return self._start + self._at

    @property
    def left(self) -> int:
        """Bytes up to the end of the file."""
        return self._size_bytes - self.position

    def _need(self, n_bytes: int) -> None:
        if self._at + n_bytes <= len(self._data):
            return
        if n_bytes > self.left:
            raise _DamageError("it ends in the middle of its description")
        if self.position + n_bytes > MAX_HEADER_BYTES:
            raise _DamageError("its description is larger than any real model's")
        self._start, rest = self.position, self._data[self._at :]
        self._at = 0
        wanted = max(n_bytes - len(rest), _READ_BYTES)
        self._data = rest + self._file.read(wanted)
        if len(self._data) < n_bytes:
            raise _DamageError("it ends in the middle of its description")

    def take(self, n_bytes: int) -> bytes:
        """Return the next ``n_bytes``."""
        self._need(n_bytes)
        self._at += n_bytes
        return self._data[self._at - n_bytes : self._at]

    def skip(self, n_bytes: int) -> None:
        """Go forward without reading."""
        if n_bytes > self.left:
            raise _DamageError("it ends in the middle of its description")
        if self._at + n_bytes <= len(self._data):
            self._at += n_bytes
            return
        self._start, self._at, self._data = self.position + n_bytes, 0, b""
        self._file.seek(self._start)

    def u32(self) -> int:
        """Return the next 32-bit number."""
        return int(_U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        """Return the next 64-bit number."""
        return int(_U64.unpack(self.take(8))[0])

    def text(self, limit_bytes: int) -> str:
        """Return the next string; bytes that are not UTF-8 become U+FFFD."""
        n_bytes = self.u64()
        if n_bytes > limit_bytes:
            raise _DamageError("it holds a text of impossible length")
        return self.take(n_bytes).decode("utf-8", "replace")

    def keeps(self, n_bytes: int) -> bool:
        """Tell whether a value of ``n_bytes`` may stay in memory, and count it if so."""
        if n_bytes > min(MAX_KEPT_STRING_BYTES, self.may_keep_bytes):
            return False
        self.may_keep_bytes -= n_bytes
        return True

    def skip_strings(self, count: int) -> None:
        """Go past ``count`` strings; a tokenizer has 100,000s of them, so this loop is kept tight."""
        unpack = _U64.unpack_from
        while count:
            self._need(8)
            data, at, end = self._data, self._at, len(self._data) - 8
            while count and at <= end:
                n_bytes = unpack(data, at)[0]
                if n_bytes > MAX_STRING_BYTES:
                    raise _DamageError("it holds a text of impossible length")
                at += 8 + n_bytes
                count -= 1
            if at <= len(data):
                self._at = at
            else:
                self._at = len(data)
                self.skip(at - len(data))


class _Part(NamedTuple):
    """One file as read."""

    version: int
    metadata: dict[str, Value]
    tensors: tuple[Tensor, ...]
    size_bytes: int


def read_header(path: Path | str) -> Header:
    """Read and check the header of the model at ``path``, with all parts of a split one.

    Takes about 20 ms for 50,000 tokens of vocabulary and reads no weights.

    Raises:
        ModelNotFound: There is no file.
        ModelInvalid: It is empty, incomplete, damaged, or something else than a GGUF.
        ModelUnsupported: It is a GGUF and not a language or embedding model the engine knows.
        ModelError: The file cannot be read.
    """
    path = Path(path)
    parts = _parts(path)
    read = [_read_part(part, index) for index, part in enumerate(parts)]
    _check_split(path, read)
    header = Header(
        path=path,
        parts=parts,
        size_bytes=sum(part.size_bytes for part in read),
        version=read[0].version,
        metadata=read[0].metadata,
        tensors=tuple(tensor for part in read for tensor in part.tensors),
    )
    _check_usable(header)
    return header


def is_later_part(path: Path) -> bool:
    """Tell whether the name is that of a second or later file of a split model."""
    match = _PART_NAME.fullmatch(path.name)
    return match is not None and int(match["number"]) != 1


def _parts(path: Path) -> tuple[Path, ...]:
    match = _PART_NAME.fullmatch(path.name)
    if not match:
        return (path,)
    count, number = int(match["count"]), int(match["number"])
    if number != 1:
        first = f"{match['stem']}-00001-of-{match['count']}.gguf"
        raise ModelInvalid(
            f"{path.name} is part {number} of {count} of a split model", f"Choose {first} instead."
        )
    if not 1 <= count <= MAX_PARTS:
        raise ModelInvalid(f"{path.name} says that it is one of {count} parts", "Check the name of the file.")
    names = [f"{match['stem']}-{index:05d}-of-{match['count']}.gguf" for index in range(2, count + 1)]
    parts = (path, *(path.with_name(name) for name in names))
    for part in parts[1:]:
        if path.is_file() and not part.is_file():
            raise ModelInvalid(
                f"{part.name} is missing: the model comes in {count} files", "Put all of them in one folder."
            )
    return parts


def _read_part(path: Path, index: int) -> _Part:
    with disk_trouble(path.name, "read"):
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ModelInvalid(f"{path.name} is a folder", "Choose a .gguf file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise ModelInvalid(f"{path.name} is not an ordinary file", "Choose a .gguf file.")
        with path.open("rb") as file:
            try:
                return _parse(file, status.st_size, index, path.name)
            except _DamageError as e:
                raise ModelInvalid(f"{path.name} is damaged: {e}", _AGAIN) from e


def _parse(file: BinaryIO, size_bytes: int, index: int, name: str) -> _Part:
    cursor = _Cursor(file, size_bytes)
    version = _check_start(cursor, name)
    n_tensors, n_pairs = cursor.u64(), cursor.u64()
    if n_tensors > MAX_TENSORS or n_pairs > MAX_PAIRS:
        raise _DamageError("it claims to hold more than any real model")
    metadata = _pairs(cursor, n_pairs)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        raise _DamageError("its alignment is not a power of two")
    tensors = _tensors(cursor, n_tensors, index, alignment)
    data_start = -(-cursor.position // alignment) * alignment
    needed = data_start + max((tensor.offset + tensor.size_bytes for tensor in tensors), default=0)
    if tensors and needed > size_bytes:
        raise ModelInvalid(f"{name} is incomplete: {_mb(size_bytes)} of {_mb(needed)} are there", _AGAIN)
    placed = tuple(tensor._replace(offset=data_start + tensor.offset) for tensor in tensors)
    return _Part(version, metadata, placed, size_bytes)


def _mb(n_bytes: int) -> str:
    return f"{n_bytes:,} bytes" if n_bytes < 10**6 else f"{n_bytes / 10**6:,.1f} MB"


def _check_start(cursor: _Cursor, name: str) -> int:
    """Check magic and version; tell what a file is that is not a GGUF."""
    if cursor.left == 0:
        raise ModelInvalid(f"{name} is empty", _AGAIN)
    start = cursor.take(min(4, cursor.left))
    if start != b"GGUF":
        rest = start + cursor.take(min(508, cursor.left))
        raise ModelInvalid(f"{name} is not a model: {_guess(rest)}", "Choose a file in the GGUF format.")
    if cursor.left < 20:
        raise ModelInvalid(f"{name} is incomplete: only its first {cursor.left + 4} bytes are there", _AGAIN)
    version = cursor.u32()
    if version == 1:
        raise ModelUnsupported(
            f"{name} is in version 1 of the GGUF format", "Look for a newer file of this model."
        )
    if version & 0xFFFF == 0 and version:
        raise ModelUnsupported(
            f"{name} was made for big-endian computers",
            "Look for the usual little-endian file of this model.",
        )
    if version not in {2, 3}:
        raise ModelUnsupported(
            f"{name} is in version {version} of the GGUF format", "This application reads versions 2 and 3."
        )
    return version


_STARTS = (
    (b"<", "it is a web page"),
    (b"version https://git-lfs", "it is only a pointer to the file (Git LFS)"),
    (b"PK", "it is a zip archive"),
    (b"\x1f\x8b", "it is a compressed file"),
    (b"%PDF", "it is a PDF document"),
    (b"\x89PNG", "it is an image"),
    (b"lmgg", "it is in a format older than GGUF"),
    (b"tjgg", "it is in a format older than GGUF"),
    (b"algg", "it is an adapter in a format older than GGUF"),
    (b"FUGG", "its bytes are in the wrong order"),
)


def _guess(start: bytes) -> str:
    """Return what a file that begins with ``start`` seems to be."""
    for magic, words in _STARTS:
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(magic):
            return words
    if len(start) > 9 and start[8:9] == b"{" and start[6:8] == b"\0\0":
        return "it is in the safetensors format"
    if not start.strip(b"\0"):
        return "it holds only zeros"
    text = start.decode("utf-8", "ignore")
    if len(text.encode()) >= len(start) - 3 and all(c.isprintable() or c in "\t\r\n\f" for c in text):
        return "it is a text file"
    return "it is in another format"


def _pairs(cursor: _Cursor, count: int) -> dict[str, Value]:
    if count * 13 > cursor.left:
        raise _DamageError("it ends in the middle of its description")
    metadata: dict[str, Value] = {}
    for _ in range(count):
        key = cursor.text(MAX_KEY_BYTES)
        if not key or key in metadata:
            raise _DamageError("a key of its description is empty or appears twice")
        metadata[key] = _value(cursor, cursor.u32())
    return metadata


def _value(cursor: _Cursor, kind: int) -> Value:
    if kind in _NUMBERS:
        return _number(cursor, kind)
    if kind == _STRING:
        return _string(cursor)
    if kind == _ARRAY:
        return _array(cursor)
    raise _DamageError(f"its description uses an unknown type ({kind})")


def _number(cursor: _Cursor, kind: int) -> int | float | bool:
    shape = _NUMBERS[kind][1]
    value: int | float | bool = shape.unpack(cursor.take(shape.size))[0]
    return value


def _string(cursor: _Cursor) -> Value:
    n_bytes = cursor.u64()
    if n_bytes > MAX_STRING_BYTES:
        raise _DamageError("it holds a text of impossible length")
    if not cursor.keeps(n_bytes):
        cursor.skip(n_bytes)
        return Skipped("str", n_bytes)
    return cursor.take(n_bytes).decode("utf-8", "replace")


def _array(cursor: _Cursor) -> Value:
    kind, count = cursor.u32(), cursor.u64()
    if count > MAX_ARRAY:
        raise _DamageError("it holds a list of impossible length")
    if kind == _STRING:
        if count * 8 > cursor.left:
            raise _DamageError("it ends in the middle of its description")
        if count > MAX_KEPT_ARRAY:
            cursor.skip_strings(count)
            return Skipped("str", count)
        texts = [_string(cursor) for _ in range(count)]
        return tuple(text for text in texts if isinstance(text, str))
    if kind not in _NUMBERS:
        raise _DamageError(f"its description uses an unknown type ({kind})")
    name, shape = _NUMBERS[kind]
    if count > MAX_KEPT_ARRAY or not cursor.keeps(count * 40):
        cursor.skip(count * shape.size)
        return Skipped(name, count)
    data = cursor.take(count * shape.size)
    return tuple(value for (value,) in shape.iter_unpack(data))


def _tensors(cursor: _Cursor, count: int, part: int, alignment: int) -> list[Tensor]:
    if count * 24 > cursor.left:
        raise _DamageError("it ends in the middle of its list of tensors")
    tensors: list[Tensor] = []
    names: set[str] = set()
    expected = 0
    for _ in range(count):
        tensor = _tensor(cursor, part)
        if tensor.name in names:
            raise _DamageError("two of its tensors have the same name")
        if tensor.offset != expected:
            raise _DamageError("its tensors do not lie one after the other")
        names.add(tensor.name)
        tensors.append(tensor)
        expected += -(-tensor.size_bytes // alignment) * alignment
    return tensors


def _tensor(cursor: _Cursor, part: int) -> Tensor:
    name = cursor.text(MAX_TENSOR_NAME_BYTES)
    n_dimensions = cursor.u32()
    if not name or n_dimensions > MAX_DIMENSIONS:
        raise _DamageError("a tensor has no name or too many dimensions")
    shape = tuple(cursor.u64() for _ in range(n_dimensions))
    layout = TENSOR_TYPES.get(cursor.u32())
    if layout is None:
        raise _DamageError("a tensor is in a layout this application does not know")
    n_values = 1
    for size in shape:
        n_values *= size
    if n_values > _MAX_INT64 or any(size == 0 for size in shape):
        raise _DamageError("a tensor has an impossible shape")
    if (shape[0] if shape else 1) % layout.block:
        raise _DamageError(f"a tensor does not fill the blocks of its layout ({layout.name})")
    return Tensor(name, shape, layout.name, cursor.u64(), n_values // layout.block * layout.block_bytes, part)


def _check_split(path: Path, read: list[_Part]) -> None:
    stated = read[0].metadata.get("split.count", 1)
    if not isinstance(stated, int) or stated == len(read) or (stated == 0 and len(read) == 1):
        return
    if len(read) == 1:
        number = read[0].metadata.get("split.no", 0)
        part = number + 1 if isinstance(number, int) else 1
        raise ModelInvalid(
            f"{path.name} is part {part} of {stated} of a split model",
            f"Give the parts their names back: ...-{1:05d}-of-{stated:05d}.gguf and so on.",
        )
    raise ModelInvalid(f"{path.name} belongs to a model of {stated} files, not {len(read)}", _AGAIN)


def _check_usable(header: Header) -> None:
    """Raise `ModelUnsupported` for everything that is no language or embedding model."""
    name, kind, architecture = header.path.name, header.text("general.type"), header.architecture
    if kind == "adapter" or "adapter.type" in header.metadata:
        _refuse(name, "an adapter (LoRA), which changes another model and does not work by itself")
    if kind == "mmproj":
        _refuse(name, architectures.NOT_TEXT["clip"])
    if kind == "imatrix" or "imatrix.chunk_count" in header.metadata:
        _refuse(name, "measurements for quantizing a model (imatrix)")
    if not architecture:
        raise ModelInvalid(
            f"{name} does not say which architecture it is", "Choose another file of this model."
        )
    if architecture in architectures.NOT_TEXT:
        _refuse(name, architectures.NOT_TEXT[architecture])
    if not header.tensors:
        _refuse(name, "only the vocabulary of a model, without its weights")
    if architecture not in architectures.GENERATION | architectures.EMBEDDING:
        raise ModelUnsupported(
            f"{name} is of the architecture {architecture!r}, which this engine does not know",
            "Choose another model, or look for a newer version of Desktop SLM.",
        )
    n_layer = header.metadata.get(f"{architecture}.block_count")
    if not isinstance(n_layer, int) or not 0 < n_layer <= MAX_LAYERS:
        raise ModelInvalid(f"{name} is damaged: its number of layers is impossible", _AGAIN)


def _refuse(name: str, what: str) -> None:
    raise ModelUnsupported(f"{name} holds {what}", "Choose a model that writes text.")
