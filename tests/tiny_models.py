"""Tiny GGUF models of many architectures that llama.cpp really loads and computes, written in milliseconds.

They say nothing sensible: the weights are random. What is real are the shapes, so that memory, batching,
states, adapters, embeddings and rankings are those of the architecture. Tensor names and metadata are those
of the GGUF specification (``gguf.constants``); which of them llama.cpp asks for, its ``src/models`` say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tiny_vocabularies import Metadata, bpe, enlarged, spm, wpm

Shapes = dict[str, tuple[int, ...]]
"""Tensors by name; the dimensions as numpy has them, the reverse of ggml's."""

POOLING_MEAN, POOLING_CLS, POOLING_LAST, POOLING_RANK = 1, 2, 3, 4


@dataclass(frozen=True)
class Size:
    """Dimensions; those an architecture does not have are ignored.

    Attributes:
        n_head_kv: Heads of the KV cache, or one number per layer (0: the layer is recurrent).
        window: Tokens a windowed layer looks back.
        q_lora_rank, kv_lora_rank, rope_dim: Of multi-head latent attention, where ``head_dim`` is the part
            of a head that is not rotated.
        d_conv, d_inner, d_state, n_group, n_ssm_head: Of state-space layers.
        n_vocab: Tokens at least.
    """

    n_layer: int = 2
    n_embd: int = 64
    n_head: int = 4
    n_head_kv: int | tuple[int, ...] = 2
    head_dim: int = 16
    n_ff: int = 128
    n_ctx: int = 2048
    window: int = 32
    q_lora_rank: int = 32
    kv_lora_rank: int = 32
    rope_dim: int = 16
    d_conv: int = 4
    d_inner: int = 128
    d_state: int = 16
    n_group: int = 1
    n_ssm_head: int = 4
    n_vocab: int = 0

    def kv_heads(self, layer: int) -> int:
        """Return the heads of the KV cache in one layer."""
        return self.n_head_kv[layer] if isinstance(self.n_head_kv, tuple) else self.n_head_kv


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
        **size: See `Size`.
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


# What each architecture consists of


def _common(s: Size) -> Metadata:
    return {
        "context_length": s.n_ctx,
        "embedding_length": s.n_embd,
        "block_count": s.n_layer,
        "feed_forward_length": s.n_ff,
        "attention.head_count": s.n_head,
        "attention.head_count_kv": list(s.n_head_kv) if isinstance(s.n_head_kv, tuple) else s.n_head_kv,
        "attention.key_length": s.head_dim,
        "attention.value_length": s.head_dim,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": s.head_dim,
        "rope.freq_base": 10000.0,
    }


def _attention(s: Size, n_kv: int, *, head_norms: bool = False) -> Shapes:
    shapes = {
        "attn_q.weight": (s.n_head * s.head_dim, s.n_embd),
        "attn_k.weight": (n_kv * s.head_dim, s.n_embd),
        "attn_v.weight": (n_kv * s.head_dim, s.n_embd),
        "attn_output.weight": (s.n_embd, s.n_head * s.head_dim),
    }
    norms = {"attn_q_norm.weight": (s.head_dim,), "attn_k_norm.weight": (s.head_dim,)}
    return {**shapes, **(norms if head_norms else {})}


def _feed_forward(s: Size) -> Shapes:
    return {
        "ffn_norm.weight": (s.n_embd,),
        "ffn_gate.weight": (s.n_ff, s.n_embd),
        "ffn_up.weight": (s.n_ff, s.n_embd),
        "ffn_down.weight": (s.n_embd, s.n_ff),
    }


def _stack(s: Size, layer: Callable[[int], Shapes], last_norm: str = "output_norm.weight") -> Shapes:
    shapes: Shapes = {last_norm: (s.n_embd,)}
    for index in range(s.n_layer):
        shapes |= {f"blk.{index}.{name}": shape for name, shape in layer(index).items()}
    return shapes


def _llama(s: Size, *, head_norms: bool = False) -> tuple[Metadata, Shapes]:
    def layer(index: int) -> Shapes:
        attention = _attention(s, s.kv_heads(index), head_norms=head_norms)
        return {"attn_norm.weight": (s.n_embd,), **attention, **_feed_forward(s)}

    return _common(s), _stack(s, layer)


def _qwen3(s: Size) -> tuple[Metadata, Shapes]:
    return _llama(s, head_norms=True)


def _gemma(s: Size, *, head_norms: bool) -> tuple[Metadata, Shapes]:
    about, shapes = _llama(s, head_norms=head_norms)
    for index in range(s.n_layer):
        shapes[f"blk.{index}.post_attention_norm.weight"] = (s.n_embd,)
        shapes[f"blk.{index}.post_ffw_norm.weight"] = (s.n_embd,)
    return {**about, "attention.sliding_window": s.window}, shapes


def _gemma2(s: Size) -> tuple[Metadata, Shapes]:
    about, shapes = _gemma(s, head_norms=False)
    return {**about, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}, shapes


def _gemma3(s: Size) -> tuple[Metadata, Shapes]:
    return _gemma(s, head_norms=True)


def _lfm2(s: Size) -> tuple[Metadata, Shapes]:
    def layer(index: int) -> Shapes:
        n_kv = s.kv_heads(index)
        convolution = {
            "shortconv.conv.weight": (s.n_embd, s.d_conv),
            "shortconv.in_proj.weight": (3 * s.n_embd, s.n_embd),
            "shortconv.out_proj.weight": (s.n_embd, s.n_embd),
        }
        mixer = _attention(s, n_kv, head_norms=True) if n_kv else convolution
        return {"attn_norm.weight": (s.n_embd,), **mixer, **_feed_forward(s)}

    return {**_common(s), "shortconv.l_cache": s.d_conv}, _stack(s, layer, "token_embd_norm.weight")


def _ssm(s: Size) -> Metadata:
    return {
        "ssm.conv_kernel": s.d_conv,
        "ssm.inner_size": s.d_inner,
        "ssm.state_size": s.d_state,
        "ssm.time_step_rank": s.n_ssm_head,
        "ssm.group_count": s.n_group,
    }


def _mamba(s: Size) -> tuple[Metadata, Shapes]:
    rank = s.n_ssm_head

    def layer(_: int) -> Shapes:
        return {
            "attn_norm.weight": (s.n_embd,),
            "ssm_in.weight": (2 * s.d_inner, s.n_embd),
            "ssm_conv1d.weight": (s.d_inner, s.d_conv),
            "ssm_conv1d.bias": (s.d_inner,),
            "ssm_x.weight": (rank + 2 * s.d_state, s.d_inner),
            "ssm_dt.weight": (s.d_inner, rank),
            "ssm_dt.bias": (s.d_inner,),
            "ssm_a": (s.d_inner, s.d_state),
            "ssm_d": (s.d_inner,),
            "ssm_out.weight": (s.n_embd, s.d_inner),
        }

    about = {
        "context_length": s.n_ctx,
        "embedding_length": s.n_embd,
        "block_count": s.n_layer,
        "feed_forward_length": 0,
        "attention.head_count": 0,
        "attention.layer_norm_rms_epsilon": 1e-5,
        **_ssm(s),
    }
    return about, _stack(s, layer)


def _mamba2_mixer(s: Size) -> Shapes:
    convolved = s.d_inner + 2 * s.n_group * s.d_state
    return {
        "ssm_in.weight": (2 * s.d_inner + 2 * s.n_group * s.d_state + s.n_ssm_head, s.n_embd),
        "ssm_conv1d.weight": (convolved, s.d_conv),
        "ssm_conv1d.bias": (convolved,),
        "ssm_dt.bias": (s.n_ssm_head,),
        "ssm_a": (s.n_ssm_head, 1),
        "ssm_d": (s.n_ssm_head, 1),
        "ssm_norm.weight": (s.n_group, s.d_inner // s.n_group),
        "ssm_out.weight": (s.n_embd, s.d_inner),
    }


def _granite_hybrid(s: Size) -> tuple[Metadata, Shapes]:
    def layer(index: int) -> Shapes:
        n_kv = s.kv_heads(index)
        mixer = _attention(s, n_kv) if n_kv else _mamba2_mixer(s)
        return {"attn_norm.weight": (s.n_embd,), **mixer, **_feed_forward(s)}

    scales = {"embedding_scale": 1.0, "residual_scale": 1.0, "attention.scale": 0.25, "logit_scale": 1.0}
    return {**_common(s), **_ssm(s), **scales}, _stack(s, layer)


def _falcon_h1(s: Size) -> tuple[Metadata, Shapes]:
    def layer(index: int) -> Shapes:
        shapes = {**_attention(s, s.kv_heads(index)), **_mamba2_mixer(s), **_feed_forward(s)}
        shapes["ffn_norm"] = shapes.pop("ffn_norm.weight")  # without an ending in this architecture alone
        return {"attn_norm.weight": (s.n_embd,), **shapes}

    return {**_common(s), **_ssm(s)}, _stack(s, layer)


def _deepseek2(s: Size) -> tuple[Metadata, Shapes]:
    key, value = s.head_dim + s.rope_dim, s.head_dim

    def layer(_: int) -> Shapes:
        return {
            "attn_norm.weight": (s.n_embd,),
            "attn_q_a.weight": (s.q_lora_rank, s.n_embd),
            "attn_q_a_norm.weight": (s.q_lora_rank,),
            "attn_q_b.weight": (s.n_head * key, s.q_lora_rank),
            "attn_kv_a_mqa.weight": (s.kv_lora_rank + s.rope_dim, s.n_embd),
            "attn_kv_a_norm.weight": (s.kv_lora_rank,),
            "attn_k_b.weight": (s.n_head, s.kv_lora_rank, s.head_dim),
            "attn_v_b.weight": (s.n_head, value, s.kv_lora_rank),
            "attn_output.weight": (s.n_embd, s.n_head * value),
            **_feed_forward(s),
        }

    about = {
        **_common(s),
        "attention.head_count_kv": 1,
        "attention.key_length": s.kv_lora_rank + s.rope_dim,
        "attention.value_length": s.kv_lora_rank,
        "attention.key_length_mla": key,
        "attention.value_length_mla": value,
        "attention.q_lora_rank": s.q_lora_rank,
        "attention.kv_lora_rank": s.kv_lora_rank,
        "rope.dimension_count": s.rope_dim,
        "leading_dense_block_count": s.n_layer,
        "expert_count": 0,
        "expert_used_count": 0,
        "expert_shared_count": 0,
        "expert_feed_forward_length": s.n_ff,
    }
    return about, _stack(s, layer)


def _bert(s: Size, pooling: int = POOLING_MEAN) -> tuple[Metadata, Shapes]:
    def layer(_: int) -> Shapes:
        width = (s.n_embd,)
        biased = {"attn_q": width, "attn_k": width, "attn_v": width, "attn_output": width}
        shapes: Shapes = {f"{name}.weight": (s.n_embd, s.n_embd) for name in biased}
        shapes |= {"ffn_up.weight": (s.n_ff, s.n_embd), "ffn_down.weight": (s.n_embd, s.n_ff)}
        shapes |= {f"{name}.bias": shape for name, shape in biased.items()}
        shapes |= {"ffn_up.bias": (s.n_ff,), "ffn_down.bias": width}
        for norm in ("attn_output_norm", "layer_output_norm"):
            shapes |= {f"{norm}.weight": width, f"{norm}.bias": width}
        return shapes

    about = {
        "context_length": s.n_ctx,
        "embedding_length": s.n_embd,
        "block_count": s.n_layer,
        "feed_forward_length": s.n_ff,
        "attention.head_count": s.n_head,
        "attention.layer_norm_epsilon": 1e-12,
        "attention.causal": False,
        "pooling_type": pooling,
        "tokenizer.ggml.token_type_count": 2,
    }
    shapes = _stack(s, layer, "token_embd_norm.weight")
    shapes["token_embd_norm.bias"] = (s.n_embd,)
    shapes["token_types.weight"] = (2, s.n_embd)
    shapes["position_embd.weight"] = (s.n_ctx, s.n_embd)
    return about, shapes


def _bert_rank(s: Size) -> tuple[Metadata, Shapes]:
    about, shapes = _bert(s, POOLING_RANK)
    classifier: Shapes = {
        "cls.weight": (s.n_embd, s.n_embd),
        "cls.bias": (s.n_embd,),
        "cls.output.weight": (1, s.n_embd),
        "cls.output.bias": (1,),
    }
    return about, {**shapes, **classifier}


@dataclass(frozen=True)
class Build:
    """How one architecture is written; ``unties``: it may have an output matrix of its own."""

    make: Callable[[Size], tuple[Metadata, Shapes]]
    size: Size = Size()
    vocabulary: Callable[[tuple[str, ...]], Metadata] = bpe
    unties: bool = True


ARCHITECTURES: dict[str, Build] = {
    "llama": Build(_llama),
    "qwen3": Build(_qwen3),
    "gemma2": Build(_gemma2, Size(n_layer=2), spm, unties=False),
    "gemma3": Build(_gemma3, Size(n_layer=6), spm),
    "lfm2": Build(_lfm2, Size(n_layer=3, n_head_kv=(0, 2, 0), d_conv=3)),
    "granitehybrid": Build(_granite_hybrid, Size(n_layer=3, n_head_kv=(0, 2, 0))),
    "falcon-h1": Build(_falcon_h1),
    "mamba": Build(_mamba),
    "deepseek2": Build(_deepseek2, Size(n_head_kv=1, head_dim=32)),
    "bert": Build(_bert, Size(n_ctx=512), wpm, unties=False),
    "bert-rank": Build(_bert_rank, Size(n_ctx=512), wpm, unties=False),
}


# Writing


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
