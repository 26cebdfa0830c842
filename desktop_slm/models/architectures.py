"""Which architectures the bundled engine knows, and what those are that are not language models.

llama.cpp names an architecture it does not know only after a worker was started for it; this list says so
at once. A test compares it with the engine's library, so that an engine update cannot leave it behind.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

NOT_TEXT = MappingProxyType(
    {
        "clip": "the vision part of another model (mmproj)",
        "wavtokenizer-dec": "the sound decoder of a speech model",
        "qwen3tts": "a speech model",
        "pockettts": "a speech model",
        "dream": "a diffusion language model",
        "llada": "a diffusion language model",
        "llada-moe": "a diffusion language model",
        "rnd1": "a diffusion language model",
        "t5": "an encoder-decoder model",
        "t5encoder": "the text encoder of another model",
        "gemma4-assistant": "a draft model that only speeds up another one",
        "eagle3": "a draft model that only speeds up another one",
        "dflash": "a draft model that only speeds up another one",
    }
)
"""Architectures llama.cpp reads and this application cannot use, in words that follow "This file holds"."""

EMBEDDING = frozenset(
    {
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "gemma-embedding",
        "llama-embed",
    }
)
"""Encoders: they turn text into vectors and write none."""

_DECODERS = """
llama llama4 deci falcon grok gpt2 gptj gptneox mpt baichuan starcoder refact bloom stablelm qwen qwen2
qwen2moe qwen2vl qwen3 qwen3moe qwen3next qwen3vl qwen3vlmoe qwen35 qwen35moe qwen4exp phi2 phi3 phimoe
plamo plamo2 plamo3 codeshell orion internlm2 minicpm minicpm3 gemma gemma2 gemma3 gemma3n gemma4 starcoder2
mamba mamba2 maple jamba falcon-h1 xverse command-r cohere2 cohere2moe dbrx olmo olmo2 olmoe muse-glimmer
openelm arctic deepseek deepseek2 deepseek2-ocr deepseek32 deepseek4 chatglm glm4 glm4moe glm-dsa bitnet
jais jais2 nemotron nemotron_h nemotron_h_moe exaone exaone4 exaone-moe rwkv6 rwkv6qwen2 rwkv7 arwkv7
granite granitemoe granitehybrid graniteswitch granite_swa chameleon plm bailingmoe bailingmoe2 bailingmoe3
dots1 dots3note arcee afmoe laguna ernie4_5 ernie4_5-moe hunyuan-moe hunyuan-dense hunyuan_vl hy_v3 hy_v4
smollm3 gpt-oss lfm2 lfm2moe smallthinker seed_oss grovemoe apertus minimax-01 hrm_text minimax-m2
minimax-m3 cogvlm pangu-embedded mistral3 mistral4 paddleocr mimo2 step35 spark2_5 maincoder kimi-linear
kimi-k3 glm5-next talkie mellum nanbeige
"""

GENERATION = frozenset(_DECODERS.split())
"""Decoders: they write text."""

RECURRENT = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
"""No attention at all: a state of fixed size instead of a KV cache."""

INTERVAL = MappingProxyType({"qwen3next": 4, "qwen35": 4, "qwen35moe": 4, "qwen4exp": 4, "minimax-01": 8})
"""Hybrid models in which every n-th layer attends and the rest is recurrent."""

DELTA = frozenset({"qwen3next", "qwen35", "qwen35moe", "qwen4exp"})
"""Hybrid models whose recurrent layers are gated delta nets."""

BOTH = frozenset({"falcon-h1"})
"""Hybrid models in which every layer attends and is recurrent."""


class SlidingPattern(NamedTuple):
    """Every ``period``-th layer sees everything, the others only the window.

    ``dense_first``: the full layer is the first of its group instead of the last.
    ``window``: when the file does not say.
    """

    period: int
    dense_first: bool = False
    window: int = 0


SLIDING = MappingProxyType(
    {
        "gemma2": SlidingPattern(2, window=4096),
        "gemma3": SlidingPattern(6),
        "gemma3n": SlidingPattern(5),
        "gemma4": SlidingPattern(1),
        "gemma-embedding": SlidingPattern(6),
        "llama4": SlidingPattern(4, window=8192),
        "cohere2": SlidingPattern(4),
        "cohere2moe": SlidingPattern(4, dense_first=True),
        "gpt-oss": SlidingPattern(2),
        "exaone4": SlidingPattern(4),
        "exaone-moe": SlidingPattern(4, window=128),
        "olmo2": SlidingPattern(4),
        "plamo3": SlidingPattern(8),
        "afmoe": SlidingPattern(4),
        "laguna": SlidingPattern(4, dense_first=True),
        "mellum": SlidingPattern(4),
        "muse-glimmer": SlidingPattern(4),
        "smallthinker": SlidingPattern(4, dense_first=True),
        "modern-bert": SlidingPattern(3, dense_first=True),
        "maple": SlidingPattern(1),
        "mimo2": SlidingPattern(1),
        "step35": SlidingPattern(1),
        "spark2_5": SlidingPattern(1),
        "granite_swa": SlidingPattern(1),
        "dots3note": SlidingPattern(1),
    }
)
"""Architectures whose sliding window llama.cpp uses, with its default pattern (1: full everywhere unless the
file lists the layers). A window in the metadata of any other architecture is ignored there, and here."""

FIRST_WITH_KV = MappingProxyType({"gemma3n": 20})
"""Only the first n layers keep a KV cache; the rest reuses theirs."""
