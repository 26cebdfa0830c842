"""How an answer is held in a form: choices as a grammar, and sampling defaults that a model carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from desktop_slm.engine.api import Sampling


def choices_grammar(choices: Sequence[str]) -> str:
    """Return a GBNF grammar whose only sentences are ``choices`` (llama.cpp ``grammars/README.md``)."""
    return "root ::= " + " | ".join(_literal(choice) for choice in choices)


def _literal(text: str) -> str:
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if character in named:
        return named[character]
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"\\x{ord(character):02X}"
    return character


def model_sampling(metadata: Callable[[str], str]) -> Sampling:
    """Return the sampling that the GGUF recommends (``general.sampling.*``), else our defaults."""
    default = Sampling()

    def number(key: str, otherwise: float, low: float, high: float) -> float:
        try:
            value = float(metadata(f"general.sampling.{key}"))
        except ValueError:
            return otherwise
        return value if low <= value <= high else otherwise

    return Sampling(
        temperature=number("temp", default.temperature, 0, 5),
        top_k=int(number("top_k", default.top_k, 0, 1_000_000)),
        top_p=number("top_p", default.top_p, 0, 1),
        min_p=number("min_p", default.min_p, 0, 1),
        repeat_penalty=number("penalty_repeat", default.repeat_penalty, 0.5, 3),
    )
