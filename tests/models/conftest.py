"""Tiny GGUF files of many architectures, written by the reference implementation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

WIDTH = 64
HEADS = 4
VOCABULARY = 300

Write = Callable[..., Path]


def write_gguf(
    path: Path,
    architecture: str = "llama",
    *,
    n_layer: int = 2,
    n_ctx: int = 512,
    kv_heads: int | list[int] = 2,
    extra: dict[str, Any] | None = None,
    quantization: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    file_type: int | None = 0,
    n_vocab: int = VOCABULARY,
    general: dict[str, str] | None = None,
    seed: int = 1,
) -> Path:
    """Write a model with random weights; ``extra`` holds metadata, keys without the architecture."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"Tiny {architecture}")
    writer.add_license("apache-2.0")
    writer.add_languages(["en", "de"])
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(n_layer)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(kv_heads)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"token {n}" for n in range(n_vocab)])
    writer.add_chat_template("{{ messages }}")
    if file_type is not None:
        writer.add_file_type(file_type)
    for key, text in (general or {}).items():
        writer.add_string(key, text)
    for key, value in (extra or {}).items():
        _add(writer, f"{architecture}.{key}", value)
    random = np.random.default_rng(seed)
    _tensor(writer, "token_embd.weight", random, (n_vocab, WIDTH), gguf.GGMLQuantizationType.F32)
    for layer in range(n_layer):
        _tensor(writer, f"blk.{layer}.attn_q.weight", random, (WIDTH, WIDTH), quantization)
        _tensor(writer, f"blk.{layer}.ffn_up.weight", random, (2 * WIDTH, WIDTH), quantization)
        _tensor(writer, f"blk.{layer}.attn_norm.weight", random, (WIDTH,), gguf.GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_array(key, value)


def _tensor(writer: Any, name: str, random: Any, shape: tuple[int, ...], kind: Any) -> None:
    data = random.standard_normal(shape).astype(np.float32)
    if kind != gguf.GGMLQuantizationType.F32:
        data = gguf.quantize(data, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    else:
        writer.add_tensor(name, data)


@pytest.fixture
def tiny(tmp_path: Path) -> Write:
    """Return a function that writes a model below the test's folder: ``tiny("name.gguf", "qwen2", ...)``."""

    def write(name: str = "tiny.gguf", architecture: str = "llama", **options: Any) -> Path:
        return write_gguf(tmp_path / name, architecture, **options)

    return write


def write_split(folder: Path) -> None:
    """Write a model in two files, big-00001-of-00002.gguf and so on."""
    for number in range(2):
        writer = gguf.GGUFWriter(folder / f"big-{number + 1:05d}-of-00002.gguf", "llama")
        if number == 0:
            writer.add_block_count(1)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_tensor(f"blk.0.t{number}", np.ones((2, 32), dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


@pytest.fixture
def split() -> Callable[[Path], None]:
    """Return `write_split`."""
    return write_split
