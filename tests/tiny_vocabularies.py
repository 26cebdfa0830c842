"""Vocabularies of three kinds, for `tiny_models`: as small as llama.cpp's tokenizers accept.

Each function takes the texts that become tokens of their own and returns the metadata below
``tokenizer.ggml.``; `enlarged` adds tokens that no text has, to make a vocabulary as large as real ones.
"""

from __future__ import annotations

from typing import Any

import gguf

Metadata = dict[str, Any]


def _byte_letters() -> list[str]:
    """Return the letter that stands for each byte in a byte-level BPE vocabulary (as in GPT-2)."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    return [chr(byte) if byte in printed else chr(0x100 + others.index(byte)) for byte in range(256)]


def bpe(user_defined: tuple[str, ...]) -> Metadata:
    """Byte-level byte-pair encoding, as GPT-2, Llama 3 and Qwen have it."""
    letters = _byte_letters()
    space = letters[0x20]
    merges = [(space, letter) for letter in letters[0x61:0x7B]]
    control = ["<|begin|>", "<|end|>", "<|im_start|>", "<|im_end|>"]
    ordinary = [*letters, *("".join(pair) for pair in merges)]
    kinds = gguf.TokenType
    first = len(ordinary)
    return {
        "model": "gpt2",
        "pre": "default",
        "tokens": [*ordinary, *control, *user_defined],
        "token_type": [kinds.NORMAL] * first
        + [kinds.CONTROL] * len(control)
        + [kinds.USER_DEFINED] * len(user_defined),
        "merges": [" ".join(pair) for pair in merges],
        "bos_token_id": first,
        "eos_token_id": first + 1,
        "eot_token_id": first + 3,
        "add_bos_token": True,
    }


def spm(user_defined: tuple[str, ...]) -> Metadata:
    """SentencePiece with bytes to fall back on, as Llama 2 and Gemma have it."""
    kinds = gguf.TokenType
    control = ["<unk>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
    letters = ["\u2581", *(chr(code) for code in range(0x21, 0x7F))]
    found = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = [*control, *found, *letters, *user_defined]
    return {
        "model": "llama",
        "tokens": tokens,
        "scores": [0.0] * len(control) + [-1000.0] * len(found) + [-10.0 - n for n in range(len(letters))]
        + [0.0] * len(user_defined),
        "token_type": [kinds.UNKNOWN, *[kinds.CONTROL] * 4]
        + [kinds.BYTE] * len(found)
        + [kinds.NORMAL] * len(letters)
        + [kinds.USER_DEFINED] * len(user_defined),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "eot_token_id": 4,
        "unknown_token_id": 0,
        "add_bos_token": True,
        "add_space_prefix": False,
    }  # fmt: skip


def wpm(user_defined: tuple[str, ...]) -> Metadata:
    """WordPiece, as BERT has it; a letter that begins a word is marked by a bar."""
    kinds = gguf.TokenType
    control = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper()]
    tokens = [*control, *(f"\u2581{letter}" for letter in letters), *letters, *user_defined]
    return {
        "model": "bert",
        "tokens": tokens,
        "token_type": [kinds.CONTROL] * len(control) + [kinds.NORMAL] * (len(tokens) - len(control)),
        "padding_token_id": 0,
        "unknown_token_id": 1,
        "cls_token_id": 2,
        "bos_token_id": 2,
        "seperator_token_id": 3,
        "eos_token_id": 3,
        "mask_token_id": 4,
        "add_bos_token": True,
        "add_eos_token": True,
    }


def enlarged(vocabulary: Metadata, n_tokens: int) -> Metadata:
    """Return ``vocabulary`` with at least ``n_tokens`` tokens."""
    missing = max(0, n_tokens - len(vocabulary["tokens"]))
    if not missing:
        return vocabulary
    unused = {
        "tokens": [f"unused {n}" for n in range(missing)],
        "token_type": [gguf.TokenType.UNUSED] * missing,
    }
    if "scores" in vocabulary:
        unused["scores"] = [-20_000.0] * missing
    return {**vocabulary, **{key: vocabulary[key] + more for key, more in unused.items()}}
