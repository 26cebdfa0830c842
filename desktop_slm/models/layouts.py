"""The numbers of GGUF: how each weight layout is stored, and which ones llama.cpp runs fast.

Sources: ``ggml/include/ggml.h``, ``ggml/src/ggml-common.h`` and ``include/llama.h`` of llama.cpp.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class Layout(NamedTuple):
    """How a tensor of one type is stored: ``block`` values take ``block_bytes`` bytes."""

    name: str
    block: int
    block_bytes: int


TENSOR_TYPES = MappingProxyType(
    {
        0: Layout("F32", 1, 4),
        1: Layout("F16", 1, 2),
        2: Layout("Q4_0", 32, 18),
        3: Layout("Q4_1", 32, 20),
        6: Layout("Q5_0", 32, 22),
        7: Layout("Q5_1", 32, 24),
        8: Layout("Q8_0", 32, 34),
        9: Layout("Q8_1", 32, 36),
        10: Layout("Q2_K", 256, 84),
        11: Layout("Q3_K", 256, 110),
        12: Layout("Q4_K", 256, 144),
        13: Layout("Q5_K", 256, 176),
        14: Layout("Q6_K", 256, 210),
        15: Layout("Q8_K", 256, 292),
        16: Layout("IQ2_XXS", 256, 66),
        17: Layout("IQ2_XS", 256, 74),
        18: Layout("IQ3_XXS", 256, 98),
        19: Layout("IQ1_S", 256, 50),
        20: Layout("IQ4_NL", 32, 18),
        21: Layout("IQ3_S", 256, 110),
        22: Layout("IQ2_S", 256, 82),
        23: Layout("IQ4_XS", 256, 136),
        24: Layout("I8", 1, 1),
        25: Layout("I16", 1, 2),
        26: Layout("I32", 1, 4),
        27: Layout("I64", 1, 8),
        28: Layout("F64", 1, 8),
        29: Layout("IQ1_M", 256, 56),
        30: Layout("BF16", 1, 2),
        34: Layout("TQ1_0", 256, 54),
        35: Layout("TQ2_0", 256, 66),
        39: Layout("MXFP4", 32, 17),
        40: Layout("NVFP4", 64, 36),
        41: Layout("Q1_0", 128, 18),
        42: Layout("Q2_0", 64, 18),
    }
)
"""Every type a current file may use. The missing numbers were removed from llama.cpp."""

FILE_TYPES = MappingProxyType(
    {
        0: "F32",
        1: "F16",
        2: "Q4_0",
        3: "Q4_1",
        7: "Q8_0",
        8: "Q5_0",
        9: "Q5_1",
        10: "Q2_K",
        11: "Q3_K_S",
        12: "Q3_K_M",
        13: "Q3_K_L",
        14: "Q4_K_S",
        15: "Q4_K_M",
        16: "Q5_K_S",
        17: "Q5_K_M",
        18: "Q6_K",
        19: "IQ2_XXS",
        20: "IQ2_XS",
        21: "Q2_K_S",
        22: "IQ3_XS",
        23: "IQ3_XXS",
        24: "IQ1_S",
        25: "IQ4_NL",
        26: "IQ3_S",
        27: "IQ3_M",
        28: "IQ2_S",
        29: "IQ2_M",
        30: "IQ4_XS",
        31: "IQ1_M",
        32: "BF16",
        36: "TQ1_0",
        37: "TQ2_0",
        38: "MXFP4_MOE",
        39: "NVFP4",
        40: "Q1_0",
        41: "Q2_0",
    }
)
"""``general.file_type``: the recipe a whole file was quantized by; most weights are in that layout."""

PREPARE_TO = MappingProxyType(
    {
        "Q4_1": "Q8_0",
        "Q5_0": "Q8_0",
        "Q5_1": "Q8_0",
        "F16": "Q8_0",
        "BF16": "Q8_0",
        "F32": "Q8_0",
    }
)
"""Layouts that llama.cpp does not repack for the CPU, and the one that keeps their values and is repacked.

Of F16, BF16 and F32 it keeps them to a part in 250; what counts there is the memory.
"""

EXPECTED = MappingProxyType(
    {
        "Q4_1": "about twice as fast at reading",
        "Q5_1": "about twice as fast at reading",
        "Q5_0": "somewhat faster at reading",
        "F16": "somewhat faster at writing, in half the memory",
        "BF16": "somewhat faster at writing, in half the memory",
        "F32": "about twice as fast at writing, in a quarter of the memory",
    }
)
"""What preparing promises before it is measured: seen with a small model on two x86-64 cores with AVX-512."""
