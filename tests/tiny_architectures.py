"""What llama.cpp wants in a file of each architecture: metadata and the shapes of tensors.

Tensor names and metadata are those of the GGUF specification (``gguf.constants``); which of them llama.cpp
asks for, its ``src/models`` say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tiny_vocabularies import Metadata, bpe, spm, wpm

Shapes = dict[str, tuple[int, ...]]
"""Tensors by name; the dimensions as numpy has them, the reverse of ggml's."""

POOLING_MEAN, POOLING_CLS, POOLING_LAST, POOLING_RANK = 1, 2, 3, 4


@dataclass(frozen=True)
class Size:
    """Dimensions; those an architecture does not have are ignored.

    Attributes:
        n_head_kv: Heads of the KV cache, or one number per layer (0: the layer is recurrent).
        n_expert, n_expert_used: Of a mixture of experts, each ``n_ff`` wide.
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
    n_expert: int = 4
    n_expert_used: int = 2
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


def _qwen3_moe(s: Size) -> tuple[Metadata, Shapes]:
    def layer(index: int) -> Shapes:
        experts: Shapes = {
            "ffn_norm.weight": (s.n_embd,),
            "ffn_gate_inp.weight": (s.n_expert, s.n_embd),
            "ffn_gate_exps.weight": (s.n_expert, s.n_ff, s.n_embd),
            "ffn_up_exps.weight": (s.n_expert, s.n_ff, s.n_embd),
            "ffn_down_exps.weight": (s.n_expert, s.n_embd, s.n_ff),
        }
        attention = _attention(s, s.kv_heads(index), head_norms=True)
        return {"attn_norm.weight": (s.n_embd,), **attention, **experts}

    experts = {
        "expert_count": s.n_expert,
        "expert_used_count": s.n_expert_used,
        "expert_feed_forward_length": s.n_ff,
    }
    return {**_common(s), **experts}, _stack(s, layer)


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


def _qwen35(s: Size) -> tuple[Metadata, Shapes]:
    """Three layers of four are gated delta nets, whose state is ``d_state`` squared per head."""
    keys, values = s.n_group * s.d_state, s.n_ssm_head * s.d_state

    def delta_net() -> Shapes:
        return {
            "attn_qkv.weight": (2 * keys + values, s.n_embd),
            "attn_gate.weight": (values, s.n_embd),
            "ssm_conv1d.weight": (2 * keys + values, s.d_conv),
            "ssm_dt.bias": (s.n_ssm_head,),
            "ssm_a": (s.n_ssm_head,),
            "ssm_beta.weight": (s.n_ssm_head, s.n_embd),
            "ssm_alpha.weight": (s.n_ssm_head, s.n_embd),
            "ssm_norm.weight": (s.d_state,),
            "ssm_out.weight": (s.n_embd, values),
        }

    def layer(index: int) -> Shapes:
        if (index + 1) % 4 == 0:
            mixer = _attention(s, s.kv_heads(index), head_norms=True)
            mixer["attn_q.weight"] = (2 * s.n_head * s.head_dim, s.n_embd)  # with a gate for each value
        else:
            mixer = delta_net()
        shapes = {"attn_norm.weight": (s.n_embd,), **mixer, **_feed_forward(s)}
        shapes["post_attention_norm.weight"] = shapes.pop("ffn_norm.weight")
        return shapes

    about = {**_common(s), **_ssm(s), "ssm.inner_size": values, "full_attention_interval": 4}
    return {**about, "rope.dimension_sections": [s.head_dim // 2, 0, 0, 0]}, _stack(s, layer)


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
    "qwen3moe": Build(_qwen3_moe),
    "gemma2": Build(_gemma2, Size(n_layer=2), spm, unties=False),
    "gemma3": Build(_gemma3, Size(n_layer=6), spm),
    "lfm2": Build(_lfm2, Size(n_layer=3, n_head_kv=(0, 2, 0), d_conv=3)),
    "granitehybrid": Build(_granite_hybrid, Size(n_layer=3, n_head_kv=(0, 2, 0))),
    "falcon-h1": Build(_falcon_h1),
    "qwen35": Build(_qwen35, Size(n_layer=4)),
    "mamba": Build(_mamba),
    "deepseek2": Build(_deepseek2, Size(n_head_kv=1, head_dim=32)),
    "bert": Build(_bert, Size(n_ctx=512), wpm, unties=False),
    "bert-rank": Build(_bert_rank, Size(n_ctx=512), wpm, unties=False),
}
