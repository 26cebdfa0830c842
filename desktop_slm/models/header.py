"""What a GGUF header says about a model, in the terms the rest of the application asks in.

The metadata comes from strangers: every property here takes any value of any type and falls back to a
default, so that a valid header never raises later.
"""

from __future__ import annotations

import functools
import math
import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeGuard

from desktop_slm.models import architectures
from desktop_slm.models.layouts import FILE_TYPES, PREPARE_TO

MAX_TEXT = 200
MAX_LAYERS = 1024
_MAX_COUNT = 1 << 32
_POOLING_RANK = 4


class Skipped(NamedTuple):
    """A metadata value too long to keep: ``n_values`` (bytes for a string) of type ``kind``."""

    kind: str
    n_values: int


Value = int | float | bool | str | tuple[int | float | bool | str, ...] | Skipped


class Tensor(NamedTuple):
    """One tensor: its ggml type by name, and where its bytes lie in which part of a split file."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size_bytes: int
    part: int

    @property
    def n_values(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


class Layer(NamedTuple):
    """The memory one layer needs.

    Attributes:
        kv_values: Values per token in the KV cache, keys and values together.
        window: Tokens it looks back at most, 0 for all of them.
        state_values: Values of a recurrent state, whatever the number of tokens.
    """

    kv_values: int
    window: int
    state_values: int


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """Return ``text`` fit for a label: no control, bidi or invisible characters, one line, ``limit`` long."""
    kept = "".join(
        " " if character.isspace() else character
        for character in text[: limit * 8]
        if character.isspace() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )
    return " ".join(kept.split())[:limit]


class Header:
    """A GGUF file without its weights.

    Args:
        path: The file, the first part of a split model.
        parts: Every file of the model, in order.
        size_bytes: Size of all parts.
        version: Of the format, 2 or 3.
        metadata: Keys and values of the (first) file.
        tensors: Of all parts, in file order.
    """

    def __init__(
        self,
        path: Path,
        parts: tuple[Path, ...],
        size_bytes: int,
        version: int,
        metadata: Mapping[str, Value],
        tensors: tuple[Tensor, ...],
    ) -> None:
        self.path = path
        self.parts = parts
        self.size_bytes = size_bytes
        self.version = version
        self.metadata = metadata
        self.tensors = tensors

    def text(self, key: str) -> str:
        """Return a string of the metadata, cleaned for display; empty if there is none."""
        value = self.metadata.get(key)
        return plain(value) if isinstance(value, str) else ""

    def count(self, key: str, default: int = 0) -> int:
        """Return a number of the metadata below ``{arch}.`` that counts something, else ``default``.

        A list gives its largest entry.
        """
        value = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(value, tuple):
            value = max((item for item in value if _is_count(item)), default=None)
        return int(value) if _is_count(value) else default

    def per_layer(self, key: str, default: int = 0) -> tuple[int, ...]:
        """Return one number per layer; a single number of the file counts for all of them."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(value, tuple):
            numbers = [int(item) if _is_count(item) else default for item in value[: self.n_layer]]
            return tuple(numbers + [default] * (self.n_layer - len(numbers)))
        return (int(value) if _is_count(value) else default,) * self.n_layer

    @functools.cached_property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture, such as ``llama`` or ``qwen3``."""
        return self.text("general.architecture")

    @property
    def name(self) -> str:
        """What the file calls itself, else its file name without ending."""
        return self.text("general.name") or plain(self.path.stem)

    @property
    def size_label(self) -> str:
        """Size class as published: ``135M``, ``1.7B``, ``26B-A4B``; computed when the file does not say."""
        return self.text("general.size_label") or _size_label(self.n_params)

    @property
    def licence(self) -> str:
        """Licence id as the file states it, such as ``apache-2.0``."""
        return self.text("general.license") or self.text("general.license.name")

    @property
    def languages(self) -> tuple[str, ...]:
        """Language codes as the file states them."""
        value = self.metadata.get("general.languages")
        codes = value[:200] if isinstance(value, tuple) else ()
        return tuple(plain(code, 20) for code in codes if isinstance(code, str))

    @property
    def chat_template(self) -> str:
        """The Jinja template of the file, untouched; only the worker may render it."""
        value = self.metadata.get("tokenizer.chat_template")
        return value if isinstance(value, str) else ""

    @functools.cached_property
    def sampling(self) -> dict[str, float]:
        """Sampling defaults that the file recommends, by llama.cpp's names: ``temp``, ``top_k``..."""
        prefix = "general.sampling."
        return {
            key.removeprefix(prefix): float(value)
            for key, value in self.metadata.items()
            if key.startswith(prefix) and isinstance(value, int | float) and math.isfinite(value)
        }

    @functools.cached_property
    def layouts(self) -> dict[str, int]:
        """Bytes per tensor type, the largest first."""
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            sizes[tensor.type] += tensor.size_bytes
        return dict(sizes.most_common())

    @property
    def layout(self) -> str:
        """The type that most of the layers' weights are stored in; embedding and output do not vote."""
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            if tensor.name.startswith("blk.") and len(tensor.shape) > 1:
                sizes[tensor.type] += tensor.n_values
        return sizes.most_common(1)[0][0] if sizes else next(iter(self.layouts), "")

    @property
    def quantization(self) -> str:
        """Name of the recipe, such as ``Q4_K_M``; the layout of most weights when the file's word is missing
        or contradicts its tensors."""
        number = self.metadata.get("general.file_type")
        stated = FILE_TYPES.get(number, "") if isinstance(number, int) else ""
        family = stated.removesuffix("_S").removesuffix("_M").removesuffix("_L").removesuffix("_MOE")
        present = {stated, family} & self.layouts.keys() or stated.startswith(("IQ", "Q2_K", "Q3_K"))
        return stated if stated and present else self.layout

    @property
    def prepare_to(self) -> str:
        """File type that llama.cpp runs faster on a CPU with the same values, or empty."""
        return (
            PREPARE_TO.get(self.layout, "")
            if "embed" not in self.tasks and "rerank" not in self.tasks
            else ""
        )

    @functools.cached_property
    def n_params(self) -> int:
        """Number of weights."""
        return sum(tensor.n_values for tensor in self.tensors)

    @property
    def weights_bytes(self) -> int:
        """Bytes of the tensors that are loaded: not those of layers that predict further tokens."""
        unused = tuple(f"blk.{self.n_layer + index}." for index in range(self._n_layers_ahead))
        return sum(tensor.size_bytes for tensor in self.tensors if not tensor.name.startswith(unused))

    @functools.cached_property
    def active_bytes(self) -> int:
        """Bytes of weights read for one token: of a mixture of experts only the chosen ones."""
        n_expert, n_used = self.count("expert_count"), self.count("expert_used_count")
        share = min(1.0, n_used / n_expert) if n_expert and n_used else 1.0
        tied = not any(tensor.name == "output.weight" for tensor in self.tensors)
        total = 0.0
        for tensor in self.tensors:
            if tensor.name.startswith(("token_embd.", "per_layer_token_embd.")):
                looked_up = tensor.name.startswith("per_layer") or not tied
                total += 0 if looked_up else tensor.size_bytes
            else:
                total += tensor.size_bytes * (share if "_exps" in tensor.name else 1.0)
        return int(total)

    @property
    def n_ctx_train(self) -> int:
        """Context in tokens the model was trained for, 0 when the file does not say."""
        return self.count("context_length")

    @functools.cached_property
    def n_layer(self) -> int:
        """Number of layers in use."""
        return max(0, min(self.count("block_count"), MAX_LAYERS) - self._n_layers_ahead)

    @property
    def _n_layers_ahead(self) -> int:
        """Number of layers at the end that predict further tokens, which the engine leaves out."""
        return min(self.count("nextn_predict_layers"), MAX_LAYERS)

    @property
    def n_embd(self) -> int:
        """Width of the model."""
        return self.count("embedding_length")

    @property
    def n_ff(self) -> int:
        """Width of the widest feed-forward layer."""
        used = max(1, self.count("expert_used_count"))
        return max(self.count("feed_forward_length"), self.count("expert_feed_forward_length") * used)

    @functools.cached_property
    def n_vocab(self) -> int:
        """Number of tokens the model knows."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, Skipped):
            return tokens.n_values
        return len(tokens) if isinstance(tokens, tuple) else self.count("vocab_size")

    @property
    def n_head(self) -> tuple[int, ...]:
        """Attention heads, per layer."""
        return self.per_layer("attention.head_count")

    @functools.cached_property
    def n_kv_heads(self) -> tuple[int, ...]:
        """Heads of the KV cache, per layer; 0 where a layer does not attend."""
        if f"{self.architecture}.attention.head_count_kv" in self.metadata:
            return self.per_layer("attention.head_count_kv")
        return self.n_head

    @property
    def head_dim(self) -> tuple[int, int]:
        """Values per head: of a key, of a value."""
        heads = max(self.n_head, default=0)
        fallback = self.n_embd // heads if heads else 0
        return self.count("attention.key_length", fallback), self.count("attention.value_length", fallback)

    @property
    def sliding_window(self) -> int:
        """Tokens that the windowed layers look back, 0 when no layer is windowed."""
        return max((layer.window for layer in self.layers), default=0)

    @functools.cached_property
    def recurrent(self) -> tuple[bool, ...]:
        """Which layers keep a recurrent state, per layer."""
        every = range(self.n_layer)
        if self.architecture in architectures.RECURRENT | architectures.BOTH:
            return tuple(True for _ in every)
        stated = self.metadata.get(f"{self.architecture}.attention.recurrent_layers")
        if isinstance(stated, tuple):
            return tuple(index < len(stated) and bool(stated[index]) for index in every)
        if self.architecture in architectures.INTERVAL:
            interval = self.count("full_attention_interval", architectures.INTERVAL[self.architecture]) or 1
            return tuple((index + 1) % interval != 0 for index in every)
        stateful = any(self.count(key) for key in ("ssm.state_size", "shortconv.l_cache", "kda.head_dim"))
        return tuple(stateful and self.n_kv_heads[index] == 0 for index in every)

    @property
    def attention(self) -> str:
        """``full``, ``sliding`` (some layers see a window), ``hybrid`` or ``recurrent``."""
        if any(self.recurrent):
            return "hybrid" if any(layer.kv_values for layer in self.layers) else "recurrent"
        return "sliding" if self.sliding_window else "full"

    @functools.cached_property
    def windowed(self) -> tuple[bool, ...]:
        """Which layers see only the sliding window, per layer."""
        pattern = architectures.SLIDING.get(self.architecture)
        stated = self.metadata.get(f"{self.architecture}.attention.sliding_window_pattern")
        every = range(self.n_layer)
        if self.architecture in {"lfm2", "lfm2moe"}:
            return tuple(not recurrent for recurrent in self.recurrent)
        if pattern is None:
            return (False,) * self.n_layer
        if isinstance(stated, tuple):
            return tuple(index < len(stated) and bool(stated[index]) for index in every)
        period = stated if _is_count(stated) and isinstance(stated, int) and stated else pattern.period
        full = 0 if pattern.dense_first else period - 1
        return tuple(index % period != full for index in every)

    @functools.cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The memory each layer needs."""
        return tuple(self._layer(index) for index in range(self.n_layer))

    def _layer(self, index: int) -> Layer:
        pattern = architectures.SLIDING.get(self.architecture)
        window = self.count("attention.sliding_window", pattern.window if pattern else 0)
        windowed = bool(window) and self.windowed[index]
        return Layer(self._kv_values(index, windowed), window if windowed else 0, self._state_values(index))

    def _kv_values(self, index: int, windowed: bool) -> int:
        alone = self.recurrent[index] and self.architecture not in architectures.BOTH
        with_kv = architectures.FIRST_WITH_KV.get(self.architecture, self.n_layer)
        with_kv = min(with_kv, self.n_layer - self.count("attention.shared_kv_layers"))
        if alone or index >= with_kv or self.architecture in architectures.EMBEDDING:
            return 0  # an encoder reads a text at once and keeps nothing
        key, value = self.head_dim
        if windowed:
            key = self.count("attention.key_length_swa", key)
            value = self.count("attention.value_length_swa", value)
        if self.count("attention.key_length_mla"):
            value = 0  # multi-head latent attention: the values are recomputed from the keys
        return self.n_kv_heads[index] * (key + value)

    def _state_values(self, index: int) -> int:
        if not self.recurrent[index]:
            return 0
        head = self.count("wkv.head_size")
        if head:
            return self.n_embd * (head + self.count("token_shift_count", 2))
        cache = self.count("shortconv.l_cache")
        if cache:
            return self.n_embd * (cache - 1)
        kernel, heads = self.count("ssm.conv_kernel"), self.n_head[index]
        kda = self.count("kda.head_dim")
        if kda:
            return kda * heads * (kda + 3 * (kernel - 1 if kernel else 3))
        state = self.count("ssm.inner_size") * self.count("ssm.state_size")
        return max(0, kernel - 1) * self.convolved + state

    @property
    def convolved(self) -> int:
        """Values per token that a state-space layer convolves: its input, and two vectors per group."""
        groups = 2 * self.count("ssm.group_count") * self.count("ssm.state_size")
        return self.count("ssm.inner_size") + groups

    @property
    def pooling(self) -> int:
        """llama.cpp's pooling type: 0 none, 1 mean, 2 cls, 3 last, 4 rank; -1 when the file does not say."""
        return self.count("pooling_type", -1)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the model is for: ``rerank``, ``embed``, or the tasks that write text."""
        if self.pooling == _POOLING_RANK:
            return ("rerank",)
        if self.architecture in architectures.EMBEDDING or self.pooling > 0:
            return ("embed",)
        return ("chat", "summarize", "ask", "translate")


def _is_count(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and math.isfinite(value) and 0 <= value < _MAX_COUNT


def _size_label(n_params: int) -> str:
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if n_params >= size:
            return f"{n_params / size:.3g}{unit}"
    return str(n_params)
