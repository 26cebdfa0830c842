"""Regular expressions of JSON Schema as GBNF, for text within a JSON string.

Python's own parser reads them: what both dialects write alike is understood, the rest is refused. Without
anchors a pattern would also allow other text around it; the answer is held to the pattern itself, which is
among what it allows.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from desktop_slm.engine.gbnf import Ranges, Rules, character_set, literal
from desktop_slm.errors import InvalidRequest

_parser: Any = importlib.import_module("re._parser")  # under this name since Python 3.11
_LONGEST = 1000
_LAST = 0x10FFFF
_DIGITS = [(0x30, 0x39)]
_WORD = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_BLANKS = [(0x09, 0x0A), (0x0D, 0x0D), (0x20, 0x20)]
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_WORD": _WORD,
    "CATEGORY_SPACE": _BLANKS,
}
# What a JSON string writes with a backslash.
_ESCAPES = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
# What stands in a JSON string as it is.
RAW: Ranges = [(0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0x80, 0xD7FF), (0xE000, _LAST)]


def pattern_body(pattern: str, rules: Rules) -> str:
    """Return the body of a rule for texts that match ``pattern``, as they stand between a string's quotes.

    Raises:
        InvalidRequest: It is no regular expression, or uses something that is not supported.
    """
    if len(pattern) > _LONGEST:
        raise _refused("it is too long")
    try:
        parsed = _parser.parse(pattern)
    except (_parser.error, RecursionError, OverflowError) as error:
        raise _refused("it is not understood") from error
    if parsed.state.flags & ~_parser.SRE_FLAG_UNICODE:
        raise _refused("flags are not supported")
    return _sequence(_without_anchors(list(parsed)), rules)


def characters(ranges: Ranges, rules: Rules) -> str:
    """Return what stands in a JSON string for one of these characters."""
    raw = _common(ranges, RAW)
    found = [character_set(raw)] if raw else []
    found += [
        literal(text) for code, text in _ESCAPES.items() if any(low <= code <= high for low, high in ranges)
    ]
    if not found:
        raise _refused("it asks for characters that cannot be written")
    return found[0] if len(found) == 1 else rules.add(" | ".join(found))


def _without_anchors(items: list[Any]) -> list[Any]:
    if items and _is(items[0], "AT", "AT_BEGINNING"):
        items = items[1:]
    if items and _is(items[-1], "AT", "AT_END"):
        items = items[:-1]
    return items


def _is(item: Any, name: str, value: str) -> bool:
    return str(item[0]) == name and str(item[1]) == value


def _sequence(items: Sequence[Any], rules: Rules) -> str:
    return " ".join(_item(item, rules) for item in items) or '""'


def _item(item: Any, rules: Rules) -> str:
    kind, value = str(item[0]), item[1]
    match kind:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN" | "CATEGORY":
            return characters(_ranges(item), rules)
        case "SUBPATTERN" if not value[1] and not value[2]:
            return rules.add(_sequence(list(value[3]), rules))
        case "BRANCH":
            return rules.add(" | ".join(_sequence(list(branch), rules) for branch in value[1]))
        case "MAX_REPEAT" | "MIN_REPEAT":
            low, high, what = value
            repeated = rules.add(_sequence(list(what), rules))
            return rules.repeat(repeated, low, None if high == _parser.MAXREPEAT else high)
        case _:
            raise _refused(f"{kind.lower().replace('_', ' ')} is not supported")


def _ranges(item: Any) -> Ranges:
    """Return the code points that one character may be."""
    kind, value = str(item[0]), item[1]
    match kind:
        case "LITERAL":
            return [(value, value)]
        case "NOT_LITERAL":
            return _others([(value, value)])
        case "ANY":
            return _others([(0x0A, 0x0A), (0x0D, 0x0D)])
        case "RANGE":
            return [value]
        case "CATEGORY" if str(value) in _CATEGORIES:
            return _CATEGORIES[str(value)]
        case "CATEGORY" if str(value).replace("_NOT_", "_") in _CATEGORIES:
            return _others(_CATEGORIES[str(value).replace("_NOT_", "_")])
        case "IN":
            negated = str(value[0][0]) == "NEGATE"
            found = [found for part in value[negated:] for found in _ranges(part)]
            return _others(found) if negated else found
        case _:
            raise _refused(f"{kind.lower().replace('_', ' ')} is not supported")


def _others(ranges: Ranges) -> Ranges:
    """Return the code points that are not in ``ranges``."""
    found, start = [], 0
    for low, high in sorted(ranges):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return [*found, (start, _LAST)] if start <= _LAST else found


def _common(ones: Ranges, others: Ranges) -> Ranges:
    both = ((max(a, c), min(b, d)) for a, b in sorted(ones) for c, d in others)
    return [(low, high) for low, high in both if low <= high]


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The pattern of the schema cannot be used: {why}", "Write a simpler one, without looking around."
    )
