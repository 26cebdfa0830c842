"""The form an answer is held in: a grammar, a list of choices or a JSON Schema, all as GBNF in the end.

GBNF is llama.cpp's grammar format (``grammars/README.md``). What a person can get wrong is refused here, in
words; llama.cpp would end the process for some of it, or compute for ever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from desktop_slm.engine.api import GenerateRequest, Sampling
from desktop_slm.engine.gbnf import literal
from desktop_slm.engine.json_schema import grammar_of_schema
from desktop_slm.engine.sampling import check_sampling, sampling_of
from desktop_slm.errors import InvalidRequest

MAX_GRAMMAR_CHARACTERS = 256 * 1024
_DEEPEST_BRACKETS = 200  # llama.cpp's parser recurses: 20,000 end the process
_MOST_CHOICES = 1000
_MOST_TOKENS = 2**31 - 1
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*', re.DOTALL)
_COUNTS = re.compile(r"\{\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*\}")  # llama.cpp counts down for ever


def check_request(request: GenerateRequest) -> None:
    """Refuse a request that contradicts itself or asks for the impossible, before a worker hears of it.

    Raises:
        InvalidRequest: Several forms at once, or a number that is none or out of its range.
    """
    forms = [bool(request.grammar), bool(request.choices), bool(request.schema)]
    if sum(forms) > 1:
        raise InvalidRequest(
            "The answer can have one form only", "Give a grammar, choices or a schema, not several of them."
        )
    if not 0 <= request.max_tokens <= _MOST_TOKENS:
        raise InvalidRequest("The longest answer is out of range", "Give a number of tokens, or 0.")
    check_sampling(request.recommended or Sampling())
    check_sampling(sampling_of(request, lambda _: ""))


def grammar_of(request: GenerateRequest) -> str:
    """Return the GBNF that the answer must follow, empty when it is free.

    Raises:
        InvalidRequest: The form is none, is too large, or uses what is not supported.
    """
    grammar = request.grammar
    if request.choices:
        grammar = choices_grammar(request.choices)
    elif request.schema:
        grammar = grammar_of_schema(request.schema)
    elif grammar:
        _check_grammar(grammar)
    if len(grammar) > MAX_GRAMMAR_CHARACTERS:
        raise InvalidRequest("The form of the answer is too large", "Make it simpler.")
    return grammar


def choices_grammar(choices: Sequence[str]) -> str:
    """Return a grammar whose only sentences are ``choices``.

    Raises:
        InvalidRequest: Too many, or one that cannot be written.
    """
    if len(choices) > _MOST_CHOICES:
        raise InvalidRequest(f"There are more than {_MOST_CHOICES:,} choices", "Give fewer.")
    if not all(choices):
        raise InvalidRequest("One of the choices is empty", "Write something for each.")
    return "root ::= " + " | ".join(literal(choice) for choice in choices)


def _check_grammar(grammar: str) -> None:
    """Refuse what llama.cpp would not survive, or would silently cut.

    Raises:
        InvalidRequest: No text, too large, or nested too deeply.
    """
    if "\0" in grammar or not grammar.strip():
        raise InvalidRequest("The grammar is no text", "Give GBNF with a rule named root.")
    if len(grammar) > MAX_GRAMMAR_CHARACTERS:
        raise InvalidRequest("The grammar is too large", "Make it simpler.")
    bare = _QUOTED.sub("", grammar)
    if any(int(low) > int(high) for low, high in _COUNTS.findall(bare)):
        raise InvalidRequest("The grammar counts from more to less", "Write {least,most}.")
    depth = 0
    for character in bare:
        depth += (character == "(") - (character == ")")
        if depth > _DEEPEST_BRACKETS:
            raise InvalidRequest("The grammar is nested too deeply", "Make it simpler.")
