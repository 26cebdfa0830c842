"""Which kinds of values a JSON Schema speaks of, and whether two schemas can never both hold."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from desktop_slm.errors import InvalidRequest

_KINDS = ("object", "array", "string", "number", "integer", "boolean", "null")
_TOLD_BY = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
_DEEPEST = 16
Find = Callable[[str], Any]


def kinds_of(schema: Mapping[str, Any]) -> list[str]:
    """Return the types a schema allows, as far as it says so; empty when it does not.

    Without ``type``, the other keywords tell. A ``const`` has the types of its value.

    Raises:
        InvalidRequest: There is no such type.
    """
    if "type" in schema:
        stated = schema["type"]
        kinds = stated if isinstance(stated, list) else [stated]
        if not kinds or any(kind not in _KINDS for kind in kinds if isinstance(kind, str)):
            raise InvalidRequest("The schema names a type that there is not", f"Use {', '.join(_KINDS)}.")
        if not all(isinstance(kind, str) for kind in kinds):
            raise InvalidRequest("The schema's type is not a name", f"Use {', '.join(_KINDS)}.")
        return [kind for kind in dict.fromkeys(kinds) if kind != "integer" or "number" not in kinds]
    if "const" in schema:
        return _kinds_of_value(schema["const"])
    return [kind for kind, keywords in _TOLD_BY.items() if any(keyword in schema for keyword in keywords)]


def _kinds_of_value(value: Any) -> list[str]:
    match value:
        case None:
            return ["null"]
        case bool():
            return ["boolean"]
        case int():
            return ["integer", "number"]
        case float():
            return ["integer", "number"] if value.is_integer() else ["number"]
        case str():
            return ["string"]
        case list():
            return ["array"]
        case _:
            return ["object"]


def disjoint(schemas: Sequence[Any], find: Find) -> bool:
    """Tell whether surely no value fits two of ``schemas``: only then does ``oneOf`` mean ``anyOf``.

    ``find`` returns what a ``$ref`` points to.
    """
    return all(_apart(one, other, find, 0) for one, other in itertools.combinations(schemas, 2))


def _apart(one: Any, other: Any, find: Find, depth: int) -> bool:
    one, other = _resolved(one, find), _resolved(other, find)
    if depth > _DEEPEST or not isinstance(one, dict) or not isinstance(other, dict):
        return False
    values, others = _values(one), _values(other)
    if values is not None and others is not None:
        return not values & others
    kinds, other_kinds = _certain_kinds(one), _certain_kinds(other)
    if kinds and other_kinds and not kinds & other_kinds:
        return True
    return kinds == other_kinds == {"object"} and _differ_in_a_member(one, other, find, depth)


def _differ_in_a_member(one: Mapping[str, Any], other: Mapping[str, Any], find: Find, depth: int) -> bool:
    """Tell whether both need a member that cannot be alike, as a ``kind`` with two constants."""
    needed = [name for name in one.get("required", ()) if name in other.get("required", ())]
    left, right = one.get("properties", {}), other.get("properties", {})
    return any(
        name in left and name in right and _apart(left[name], right[name], find, depth + 1) for name in needed
    )


def _resolved(schema: Any, find: Find) -> Any:
    for _ in range(_DEEPEST):
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            break
        schema = find(schema["$ref"])
    return schema


def _values(schema: Mapping[str, Any]) -> set[str] | None:
    """Return the values a schema names, None when it names none."""
    if "const" in schema:
        return {_key(schema["const"])}
    if isinstance(schema.get("enum"), list):
        return {_key(value) for value in schema["enum"]}
    return None


def _key(value: Any) -> str:
    """Return a text that is the same for values that JSON Schema takes for equal, such as 1 and 1.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _certain_kinds(schema: Mapping[str, Any]) -> set[str]:
    """Return every type that a value can have; empty when that is not certain."""
    if (values := schema.get("enum")) and isinstance(values, list):
        return {kind for value in values for kind in _kinds_of_value(value)}
    if "type" not in schema and "const" not in schema:
        return set()
    kinds = set(kinds_of(schema))
    return kinds | {"integer"} if "number" in kinds else kinds
