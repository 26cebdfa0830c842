"""Frames between the app and its children: a length, then msgpack of a typed struct; never pickle.

A child that works on hostile bytes must not be able to run code in the app, so everything that arrives is
length-limited before it is read and type-checked while it is decoded.

Format: 4 bytes big-endian length of the payload, then the payload: one msgpack map or array as `msgspec`
writes a tagged struct.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Generic, TypeVar

import msgspec

if sys.platform == "linux":
    import fcntl

MAX_FRAME_BYTES = 192 * 1024 * 1024
_HEADER_BYTES = 4
_READ_BYTES = 1024 * 1024

Message = TypeVar("Message")


class FrameError(Exception):
    """What arrived is not a frame, or not a message of the expected types."""


_encoder = msgspec.msgpack.Encoder()


def encode(message: msgspec.Struct, limit_bytes: int = 0) -> bytes | bytearray:
    """Return ``message`` as one frame.

    Args:
        message: A tagged struct.
        limit_bytes: Of the payload; 0 for `MAX_FRAME_BYTES`.

    Text that is no Unicode (lone surrogates, of a file name or a terminal that is not UTF-8) goes with
    U+FFFD in its place.

    Raises:
        FrameError: Longer than the limit.
    """
    frame = bytearray(_HEADER_BYTES)
    try:
        _encoder.encode_into(message, frame, _HEADER_BYTES)
    except UnicodeEncodeError:
        readable = _readable(msgspec.to_builtins(message, builtin_types=(bytes, bytearray)))
        _encoder.encode_into(readable, frame, _HEADER_BYTES)
    size_bytes, limit_bytes = len(frame) - _HEADER_BYTES, limit_bytes or MAX_FRAME_BYTES
    if size_bytes > limit_bytes:
        raise FrameError(f"a message of {size_bytes} bytes is over the limit of {limit_bytes}")
    frame[:_HEADER_BYTES] = size_bytes.to_bytes(_HEADER_BYTES, "big")
    return frame


def _readable(value: Any) -> Any:
    """Return plain values with every text made encodable."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list() | tuple():
            return [_readable(item) for item in value]
        case dict():
            return {_readable(name): _readable(item) for name, item in value.items()}
        case _:
            return value


class Decoder(Generic[Message]):
    """Decodes payloads into one type or a tagged union of types."""

    def __init__(self, types: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(types)

    def decode(self, payload: bytes | bytearray) -> Message:
        """Return the message in ``payload``.

        Raises:
            FrameError: Not msgpack, or none of the types.
        """
        try:
            return self._decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # The text of the error may quote the payload, which may be a user's: name the kind only.
            raise FrameError(f"not a message of the expected types ({type(error).__name__})") from None


def read_frame(descriptor: int, limit_bytes: int = 0) -> bytes | bytearray | None:
    """Read one payload from a file descriptor; None at the end of the stream.

    Args:
        descriptor: To read from.
        limit_bytes: Of the payload; 0 for `MAX_FRAME_BYTES`.

    Raises:
        FrameError: The length is 0 or over the limit, or the stream ends within a frame.
    """
    header = _read_exactly(descriptor, _HEADER_BYTES)
    if not header:
        return None
    if len(header) < _HEADER_BYTES:
        raise FrameError("the stream ended within a length")
    size_bytes = int.from_bytes(header, "big")
    if not 0 < size_bytes <= (limit_bytes or MAX_FRAME_BYTES):
        raise FrameError(f"a frame of {size_bytes} bytes is not allowed")
    payload = _read_exactly(descriptor, size_bytes)
    if len(payload) < size_bytes:
        raise FrameError("the stream ended within a frame")
    return payload


def _read_exactly(descriptor: int, size_bytes: int) -> bytes | bytearray:
    """Read ``size_bytes``, or less when the stream ends; memory grows with what really arrives."""
    first = _read(descriptor, min(size_bytes, _READ_BYTES))
    if len(first) in (0, size_bytes):
        return first
    data = bytearray(first)
    while len(data) < size_bytes:
        part = _read(descriptor, min(size_bytes - len(data), _READ_BYTES))
        if not part:
            break
        data += part
    return data


def _read(descriptor: int, size_bytes: int) -> bytes:
    try:
        return os.read(descriptor, size_bytes)
    except OSError:  # the other side is gone, or we closed ours
        return b""


def widen(descriptor: int) -> None:
    """Let a pipe hold a mebibyte where the system can (Linux): large frames pass in fewer turns."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _READ_BYTES)


def write_all(descriptor: int, frame: bytes | bytearray) -> None:
    """Write a whole frame to a file descriptor.

    Raises:
        OSError: The other side is gone.
    """
    view = memoryview(frame)
    while view:
        view = view[os.write(descriptor, view) :]
