"""Tiny GGUF models of many architectures that llama.cpp really loads and computes, written in milliseconds.

They say nothing sensible: the weights are random. What is real are the shapes, so that memory, batching,
states, adapters, embeddings and rankings are those of the architecture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tiny_architectures import ARCHITECTURES
from tiny_vocabularies import enlarged


def tiny_model(
    path: Path | str,
    architecture: str = "llama",
    *,
    chat_template: str = "",
    user_defined: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    layout: str = "F32",
    tied: bool = True,
    hollow: bool = False,
    split_tensors: int = 0,
    seed: int = 1,
    **size: Any,
) -> Path:
    """Write a model that llama.cpp loads, and return where (of a split model, the first file).

    Args:
        path: Of the file, ``.gguf``; its folder is made.
        architecture: One of `ARCHITECTURES`; ``bert-rank`` is a reranker (a ``bert`` with a classifier).
        chat_template: Jinja; none is written when empty.
        user_defined: Texts that become tokens of their own, of the kind USER_DEFINED.
        metadata: More keys, or others: ``general.x`` and ``tokenizer.x`` in full, the rest below the
            architecture.
        layout: Type of the matrices: ``F32``, ``F16``, ``Q8_0``, ``Q4_0`` and so on; rows must divide by 32.
        tied: The output matrix is that of the embedding, as it always is where `Build.unties` is false.
        hollow: All weights are zero and take no room on the disk: for sizes beyond the tiny.
        split_tensors: Write several files with that many tensors each; 0 for one file.
        seed: Of the weights.
        **size: See `tiny_architectures.Size`.
    """
    build = ARCHITECTURES[architecture]
    name = architecture.partition("-rank")[0]
    dimensions = replace(build.size, **size)
    about, shapes = build.make(dimensions)
    tokens = enlarged(build.vocabulary(tuple(user_defined)), dimensions.n_vocab)
    shapes = {"token_embd.weight": (len(tokens["tokens"]), dimensions.n_embd), **shapes}
    if not tied and build.unties:
        shapes["output.weight"] = shapes["token_embd.weight"]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, name, split_max_tensors=split_tensors)
    writer.add_string("general.name", f"Tiny {architecture}")
    if chat_template:
        writer.add_chat_template(chat_template)
    everything = {f"tokenizer.ggml.{key}": value for key, value in tokens.items()}
    everything |= {_full(name, key): value for key, value in {**about, **(metadata or {})}.items()}
    for key, value in everything.items():
        _add(writer, key, value)
    random = np.random.default_rng(seed)
    for tensor, shape in shapes.items():
        kind = _layout(tensor, shape, layout)
        if hollow:
            size_bytes = math.prod(gguf.quant_shape_to_byte_shape(shape, kind))
            writer.add_tensor_info(tensor, shape, np.dtype(np.float32), size_bytes, raw_dtype=kind)
        else:
            writer.add_tensor(tensor, gguf.quantize(_weights(random, tensor, shape), kind), raw_dtype=kind)
    if hollow:
        _finish_hollow(writer, path)
    else:
        _finish(writer)
    return path if not split_tensors else min(path.parent.glob(f"{path.stem}-00001-of-*.gguf"))


def tiny_adapter(
    path: Path | str,
    architecture: str = "llama",
    *,
    rank: int = 4,
    alpha: float = 8.0,
    targets: Sequence[str] = ("attn_q.weight", "attn_v.weight"),
    strength: float = 1.0,
    seed: int = 2,
    **size: Any,
) -> Path:
    """Write a LoRA adapter for the tiny model of the same ``architecture`` and size, and return where.

    Args:
        path: Of the file.
        architecture: Which model it is for.
        rank: Of the matrices A (rank x in) and B (out x rank).
        alpha: What is added is ``alpha / rank * B A``.
        targets: Tensors of every layer that are changed.
        strength: Size of the values in B; 0 changes nothing.
        seed: Of the values.
        **size: As given to `tiny_model`.
    """
    _, shapes = ARCHITECTURES[architecture].make(replace(ARCHITECTURES[architecture].size, **size))
    path = Path(path)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    random = np.random.default_rng(seed)
    for name, shape in shapes.items():
        if not name.startswith("blk.") or name.split(".", 2)[2] not in targets:
            continue
        n_out, n_in = shape
        a = random.standard_normal((rank, n_in)) / math.sqrt(n_in)
        b = random.standard_normal((n_out, rank)) * strength
        writer.add_tensor(f"{name}.lora_a", a.astype(np.float32))
        writer.add_tensor(f"{name}.lora_b", b.astype(np.float32))
    _finish(writer)
    return path


def _full(architecture: str, key: str) -> str:
    return key if key.startswith(("general.", "tokenizer.")) else f"{architecture}.{key}"


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case _:
            writer.add_array(key, [int(item) if isinstance(item, int) else item for item in value])


def _weights(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return random values: matrices keep the size of what goes through them, norms are one, biases zero."""
    if "norm" in name and not name.endswith("bias"):
        return np.ones(shape, dtype=np.float32)
    if name.endswith("ssm_a"):
        return -np.abs(random.standard_normal(shape)).astype(np.float32) - 0.1
    if len(shape) == 1:
        return np.zeros(shape, dtype=np.float32)
    return (random.standard_normal(shape) / math.sqrt(shape[-1])).astype(np.float32)


def _layout(name: str, shape: tuple[int, ...], layout: str) -> gguf.GGMLQuantizationType:
    """Return how a tensor is stored: the large matrices in ``layout``, what has to be exact in F32."""
    exact = ("norm", "conv", "ssm_a", "ssm_d", "ssm_x", "position", "token_types", "cls.output")
    matrix = len(shape) > 1 and not any(word in name for word in exact)
    return gguf.GGMLQuantizationType[layout if matrix else "F32"]


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _finish_hollow(writer: gguf.GGUFWriter, path: Path) -> None:
    """Write all but the weights, and let the file end where they would."""
    aligned = [writer.ggml_pad(info.nbytes, writer.data_alignment) for info in writer.tensors[0].values()]
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(writer.ggml_pad(path.stat().st_size, writer.data_alignment) + sum(aligned))
