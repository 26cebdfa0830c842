"""Broken, truncated, hostile headers and other files: one sentence each, never another exception."""

from __future__ import annotations

import os
import random
import struct

import pytest

from desktop_slm.errors import ModelError, ModelInvalid, ModelNotFound, ModelUnsupported
from desktop_slm.models.fit import fit
from desktop_slm.models.gguf import read_header


def _touch_everything(header) -> None:
    """Ask a header for everything it can tell."""
    for name in dir(type(header)):
        if not name.startswith("_") and not callable(getattr(type(header), name)):
            getattr(header, name)
    fit(header, 4096, 10**10)


def _fails(path, kind, words):
    with pytest.raises(kind) as caught:
        read_header(path)
    text = str(caught.value)
    assert words in text
    assert caught.value.message
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"GG", "is not a model"),
        (b"GGUF", "incomplete"),
        (b"Dear diary, today I wrote a text.\n", "text file"),
        ("Grüße aus Köln\n".encode(), "text file"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\xef\xbb\xbf\n <html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (struct.pack("<Q", 80) + b'{"__metadata__":{}}', "safetensors"),
        (b"\0" * 4096, "only zeros"),
        (b"tjgg\3\0\0\0", "older than GGUF"),
        (bytes(range(128, 256)) * 4, "another format"),
    ],
)
def test_other_files_are_named(tmp_path, content, words):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    _fails(path, ModelInvalid, words)


@pytest.mark.parametrize(
    ("version", "kind", "words"),
    [
        (0, ModelUnsupported, "version 0"),
        (1, ModelUnsupported, "version 1"),
        (4, ModelUnsupported, "version 4"),
        (3 << 24, ModelUnsupported, "big-endian"),
    ],
)
def test_versions(tiny, version, kind, words):
    path = tiny()
    data = bytearray(path.read_bytes())
    data[4:8] = struct.pack("<I", version)
    path.write_bytes(data)
    _fails(path, kind, words)


@pytest.mark.parametrize("at", [8, 16])
@pytest.mark.parametrize("count", [1 << 16, 1 << 20, (1 << 63) - 1, (1 << 64) - 1])
def test_absurd_counts(tiny, at, count):
    path = tiny()
    data = bytearray(path.read_bytes())
    data[at : at + 8] = struct.pack("<Q", count)
    path.write_bytes(data)
    _fails(path, ModelInvalid, "damaged")


def test_truncated_everywhere(tiny):
    path = tiny()
    data = path.read_bytes()
    header_end = read_header(path).tensors[0].offset
    for length in [*range(0, header_end, 37), header_end, header_end + 1, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelInvalid):
            read_header(path)


def test_truncated_data_says_how_much_is_there(tiny):
    path = tiny()
    data = path.read_bytes()
    path.write_bytes(data[:-10_000])
    text = _fails(path, ModelInvalid, "is incomplete")
    assert f"{len(data) - 10_000:,} bytes of" in text


def test_mutated_headers_fail_cleanly_or_read(tiny):
    path = tiny(n_vocab=60)
    good = path.read_bytes()
    header_end = read_header(path).tensors[0].offset
    generator = random.Random(20260)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(400):
        data = bytearray(good)
        for _ in range(generator.randint(1, 6)):
            at = generator.randrange(header_end)
            width = generator.choice([1, 1, 4, 8])
            special = [
                0,
                1,
                (1 << (8 * width)) - 1,
                (1 << (8 * width - 1)) - 1,
                generator.randrange(1 << (8 * width)),
            ]
            data[at : at + width] = generator.choice(special).to_bytes(width, "little")
        path.write_bytes(data)
        try:
            _touch_everything(read_header(path))
            outcomes["read"] += 1
        except ModelError as error:
            outcomes["refused"] += bool(error.title and error.message)
    assert sum(outcomes.values()) == 400
    assert min(outcomes.values()) > 20, outcomes


@pytest.mark.parametrize("value", [-1, 0, 1 << 31, 1e30, float("nan"), True, [3, 0, 1], [1.5], ["x"]])
@pytest.mark.parametrize(
    "key",
    [
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "context_length",
        "attention.sliding_window_pattern",
        "expert_count",
    ],
)
def test_nonsense_numbers_do_not_raise_later(tmp_path, key, value):
    import gguf
    import numpy as np

    path = tmp_path / "odd.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_block_count(4)
    writer.add_uint32("gemma3.attention.sliding_window", 16)
    writer.add_uint32("gemma3.expert_used_count", 2)
    if isinstance(value, list):
        writer.add_array(f"gemma3.{key}", value)
    elif isinstance(value, bool):
        writer.add_bool(f"gemma3.{key}", value)
    elif isinstance(value, float):
        writer.add_float64(f"gemma3.{key}", value)
    else:
        writer.add_int64(f"gemma3.{key}", value)
    writer.add_tensor("blk.0.x", np.zeros((2, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    _touch_everything(read_header(path))


@pytest.mark.parametrize("n_layer", [0, 1025, 4_000_000_000])
def test_impossible_layers(tmp_path, n_layer):
    import gguf
    import numpy as np

    path = tmp_path / "deep.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(n_layer)
    writer.add_tensor("x", np.zeros(4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    _fails(path, ModelInvalid, "layers")


def _pair(key: bytes, kind: int, payload: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + payload


@pytest.mark.parametrize(
    "payload",
    [
        _pair(b"k", 13, b""),  # unknown type
        _pair(b"k", 9, struct.pack("<IQ", 9, 1) + b"\0" * 64),  # list of lists
        _pair(b"k", 9, struct.pack("<IQ", 8, 1 << 60) + b"\0" * 64),  # endless list
        _pair(b"k", 9, struct.pack("<IQ", 0, 1 << 22) + b"\0" * 64),  # a list longer than the file
        _pair(b"k", 8, struct.pack("<Q", 1 << 62) + b"\0" * 64),  # endless string
        _pair(b"", 4, b"\0" * 64),  # no key
        _pair(b"k" * 2000, 4, b"\0" * 64),
    ],
)
def test_hostile_values(tmp_path, payload):
    path = tmp_path / "hostile.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + payload + b"\0" * 64)
    _fails(path, ModelInvalid, "damaged")


def test_a_sparse_file_of_empty_strings_is_refused(tmp_path):
    path = tmp_path / "sparse.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 64))
        file.write(_pair(b"a", 9, struct.pack("<IQ", 8, (1 << 23) - 1)))
        file.truncate(1 << 33)
    _fails(path, ModelInvalid, "damaged")


def test_what_is_no_file(tmp_path):
    _fails(tmp_path / "none.gguf", ModelNotFound, "no file")
    (tmp_path / "folder.gguf").mkdir()
    _fails(tmp_path / "folder.gguf", ModelInvalid, "is a folder")
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    _fails(tmp_path / "loop.gguf", ModelError, "circle")
    os.mkfifo(tmp_path / "pipe.gguf")
    _fails(tmp_path / "pipe.gguf", ModelInvalid, "not an ordinary file")
    _fails(tmp_path / ("x" * 300 + ".gguf"), ModelError, "too long")
    _fails(tmp_path / "a\0b.gguf", ModelNotFound, "no file")
    _fails("/dev/zero", ModelInvalid, "not an ordinary file")
    (tmp_path / "file").write_bytes(b"x")
    _fails(tmp_path / "file" / "below.gguf", ModelNotFound, "no file")


def test_permission_denied(tiny, monkeypatch):
    path = tiny()
    if os.geteuid():
        path.chmod(0)
    else:  # root reads everything: let the system call say no

        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pathlib.Path.open", refuse)
    _fails(path, ModelError, "You may not read")
