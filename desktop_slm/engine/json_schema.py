"""JSON Schema as GBNF: every answer under the grammar is JSON that validates.

Not every valid document can be written under it: keys come in the order of ``properties``, keys that the
schema does not name come only where it names none, a missing ``type`` is taken from the other keywords. A
keyword that could not be kept is refused by name, never left out. Nothing outside of the schema is looked at:
a ``$ref`` to another place is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import unquote

from desktop_slm.engine.digits import integers
from desktop_slm.engine.gbnf import Rules, character_set, literal
from desktop_slm.engine.overlap import disjoint, kinds_of
from desktop_slm.engine.pattern import RAW, pattern_body
from desktop_slm.errors import InvalidRequest

_MOST_CHARACTERS = 64 * 1024
_DEEPEST = 64
_MOST_COMPARED = 100
_SILENT = {"title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly"}
_SILENT |= {"$defs", "definitions"}
_ROOT_ONLY = {"$schema", "$id"}
_OF_TYPE = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "number": set(),
    "boolean": set(),
    "null": set(),
}
_INDEX = re.compile("[0-9]{1,9}")
_SPACE = '" "?'
_WHOLE = '"-"? ("0" | [1-9] [0-9]{0,14})'
_DAY = '("0" [1-9] | "1" [0-9] | "2" [0-8])'  # every month has 28 days
_DATE = (
    f'[12] [0-9]{{3}} "-" (("0" [1-9] | "1" [0-2]) "-" {_DAY} | ("0" [13-9] | "1" [0-2]) "-" ("29" | "30")'
    ' | ("0" [13578] | "10" | "12") "-31")'
)
_CLOCK = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
_TIME = f'{_CLOCK} ":" [0-5] [0-9] ("." [0-9]{{3}})? ("Z" | [+-] {_CLOCK})'
_NAME = "[a-z0-9]{1,20}"
_FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'{_DATE} "T" {_TIME}',
    "uuid": ' "-" '.join(f"[0-9a-f]{{{size}}}" for size in (8, 4, 4, 4, 12)),
    "email": f'{_NAME} ([._+-] {_NAME}){{0,3}} "@" {_NAME} ("." {_NAME}){{0,2}} "." [a-z]{{2,10}}',
}


def grammar_of_schema(schema: str) -> str:
    """Return the GBNF of a JSON Schema, given as JSON text.

    Raises:
        InvalidRequest: It is none, it is too large, or it uses what is not supported.
    """
    if len(schema) > _MOST_CHARACTERS:
        raise InvalidRequest("The schema is too large", f"Give at most {_MOST_CHARACTERS // 1024} KB.")
    try:
        parsed = json.loads(schema, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The schema is not JSON", "Check its brackets, quotes and commas.") from error
    try:
        return _Converter(parsed).grammar()
    except RecursionError as error:  # brackets of a pattern, lists within an enum
        raise _too_deep() from error


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _finite(text: str) -> float:
    """Return a number; one beyond what a float holds would be written as ``Infinity``, which is no JSON."""
    value = float(text)
    if not math.isfinite(value):
        _no_number(text)
    return value


class _Converter:
    """Converts one schema. Every subschema becomes a rule, so that references can form circles."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._rules = Rules()
        self._referred: dict[str, str] = {}
        self._depth = 0

    def grammar(self) -> str:
        schema = self._root
        if isinstance(schema, dict):
            schema = {name: value for name, value in schema.items() if name not in _ROOT_ONLY}
        root = self._referred["#"] = self._rules.reserve()
        target = self._visit(schema)
        self._rules.define(root, target, [{target}])
        return self._rules.text(root)

    def _visit(self, schema: Any) -> str:
        """Return the name of the rule of a subschema."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _too_deep()
        try:
            if schema is True:
                return self._any()
            if schema is False:
                raise _unsatisfiable()
            if not isinstance(schema, dict):
                raise InvalidRequest(
                    "The schema has a part that is no schema", "Each is an object, true or false."
                )
            return self._of_keywords({name: value for name, value in schema.items() if name not in _SILENT})
        finally:
            self._depth -= 1

    def _of_keywords(self, schema: dict[str, Any]) -> str:
        for keyword in ("$ref", "allOf", "anyOf", "oneOf"):
            if keyword in schema:
                if len(schema) > 1:
                    other = next(name for name in schema if name != keyword)
                    raise _unsupported(f"{other} beside {keyword}")
                return self._combined(keyword, schema[keyword])
        if "const" in schema or "enum" in schema:
            return self._values(schema)
        for keyword in schema:
            if keyword != "type" and not any(keyword in known for known in _OF_TYPE.values()):
                raise _unsupported(keyword)
        kinds = kinds_of(schema)
        if not kinds:
            return self._any()
        return self._union([self._of_type(kind, schema) for kind in kinds])

    def _combined(self, keyword: str, value: Any) -> str:
        if keyword == "$ref":
            return self._refer(value)
        if not isinstance(value, list) or not value:
            raise _wrong(keyword)
        if keyword == "allOf":
            if len(value) > 1:
                raise _unsupported("allOf with several schemas")
            return self._visit(value[0])
        if keyword == "oneOf" and len(value) > _MOST_COMPARED:
            raise _unsupported(f"oneOf with more than {_MOST_COMPARED} alternatives")
        if keyword == "oneOf" and not disjoint(value, self._target):
            raise _unsupported("oneOf with alternatives that may overlap (use anyOf)")
        return self._union([self._visit(one) for one in value])

    def _union(self, names: Sequence[str]) -> str:
        if len(names) == 1:
            return names[0]
        return self._rules.add(" | ".join(names), [{name} for name in names])

    # References

    def _refer(self, reference: Any) -> str:
        if not isinstance(reference, str):
            raise _wrong("$ref")
        known = self._referred.get(reference)
        if known is None:
            known = self._referred[reference] = self._rules.reserve()
            target = self._visit(self._target(reference))
            self._rules.define(known, target, [{target}])
        return known

    def _target(self, reference: str) -> Any:
        """Return what a reference within the schema points to (JSON Pointer, RFC 6901)."""
        pointer, found = reference.removeprefix("#"), self._root
        if not reference.startswith("#") or (pointer and not pointer.startswith("/")):
            raise InvalidRequest(
                "The schema refers to something outside of it", "Nothing is fetched: put it under $defs."
            )
        for step in pointer.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and _INDEX.fullmatch(key) and int(key) < len(found):
                found = found[int(key)]
            else:
                raise InvalidRequest("The schema refers to something that is not in it", "Check its $ref.")
        return found

    # Values

    def _any(self) -> str:
        rules = self._rules
        value = self._referred.get("*")
        if value is None:
            value = self._referred["*"] = rules.reserve()
            kinds = [
                self._of_type(kind, {}) for kind in ("object", "array", "string", "number", "boolean", "null")
            ]
            rules.define(value, " | ".join(kinds), [()])
        return value

    def _values(self, schema: Mapping[str, Any]) -> str:
        """Return the rule of an ``enum`` or a ``const``, of which ``type`` may leave out some."""
        other = next((name for name in schema if name not in ("const", "enum", "type")), "")
        if other or ("const" in schema and "enum" in schema):
            raise _unsupported(f"{other or 'enum'} beside {'const' if 'const' in schema else 'enum'}")
        values = [schema["const"]] if "const" in schema else schema["enum"]
        if not isinstance(values, list):
            raise _wrong("enum")
        if "type" in schema:
            wanted = set(kinds_of({"type": schema["type"]}))
            values = [value for value in values if wanted.intersection(kinds_of({"const": value}))]
        if not values:
            raise _unsatisfiable()
        return self._rules.add(" | ".join(literal(_json(value)) for value in values))

    def _of_type(self, kind: str, schema: Mapping[str, Any]) -> str:
        rules = self._rules
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return self._string(schema)
            case "integer":
                low, high = _bounds(schema)
                return rules.add(integers(low, high) if low is not None or high is not None else _WHOLE)
            case "number":
                if keyword := next((name for name in _OF_TYPE["integer"] if name in schema), ""):
                    raise _unsupported(f"{keyword} of numbers that are no integers")
                return rules.add(f'{_WHOLE} ("." [0-9]{{1,15}})? ([eE] [+-]? [0-9]{{1,2}})?')
            case "boolean":
                return rules.add('"true" | "false"')
            case _:
                return rules.add('"null"')

    def _string(self, schema: Mapping[str, Any]) -> str:
        rules = self._rules
        low, high = _count(schema, "minLength") or 0, _count(schema, "maxLength")
        counted = low or high is not None
        if sum([bool(counted), "pattern" in schema, "format" in schema]) > 1:
            raise _unsupported("a length, a pattern and a format beside each other")
        if "pattern" in schema:
            body = pattern_body(_of(str, schema, "pattern"), rules)
            return rules.add(f'"\\"" ({body}) "\\""')
        if "format" in schema:
            form = _of(str, schema, "format")
            if form not in _FORMATS:
                raise _unsupported(f"format {form[:40]}")
            return rules.add(f'"\\"" {_FORMATS[form]} "\\""')
        if high is not None and high < low:
            raise _unsatisfiable()
        character = rules.add(character_set(RAW) + ' | "\\\\" ["\\\\/bfnrt]')
        return rules.add(f'"\\"" {rules.repeat(character, low, high)} "\\""')

    def _array(self, schema: Mapping[str, Any]) -> str:
        if schema.get("uniqueItems", False) is not False:
            raise _unsupported("uniqueItems")
        low, high = _count(schema, "minItems") or 0, _count(schema, "maxItems")
        if high is not None and high < low:
            raise _unsatisfiable()
        leading = _of(list, schema, "prefixItems") if "prefixItems" in schema else []
        leading = leading[: len(leading) if high is None else high]
        items = schema.get("items", True)
        if items is False:
            high = len(leading) if high is None else min(high, len(leading))
            if low > len(leading):
                raise _unsatisfiable()
        names = [self._visit(item) for item in leading]
        item = self._visit(items) if high is None or high > len(leading) else ""
        return self._list(names, item, low, high)

    def _list(self, names: Sequence[str], item: str, low: int, high: int | None) -> str:
        """Return the rule of a list of ``names`` and then of ``item``, ``low`` to ``high`` in all."""
        rules = self._rules
        opened, closed, comma = f'"[" {_SPACE}', f'{_SPACE} "]"', f'"," {_SPACE}'
        rest_low, rest_high = max(0, low - len(names)), None if high is None else high - len(names)
        tail = ""
        if item:
            following = rules.add(f"{comma} {item}", [{item}])
            if names:
                tail = rules.repeat(following, rest_low, rest_high)
            else:
                more = rules.repeat(
                    following, max(0, rest_low - 1), None if rest_high is None else rest_high - 1
                )
                tail = f"{item} {more}" if rest_low else f"({item} {more})?"
        body = f" {comma} ".join(names)
        needed = {*names, *([item] if item and rest_low else [])}
        if low >= len(names):
            return rules.add(f"{opened} {body} {tail} {closed}", [needed])
        # The list may end within the leading items: from the last one on, each with what follows it.
        inner = tail
        for index in range(len(names) - 1, -1, -1):
            first = names[index] if not index else f"{comma} {names[index]}"
            inner = f"{first} {inner}" if index < low else f"({first} {inner})?"
        return rules.add(f"{opened} {inner} {closed}", [set(names[:low])])

    def _object(self, schema: Mapping[str, Any]) -> str:
        properties = dict(_of(dict, schema, "properties")) if "properties" in schema else {}
        required = _of(list, schema, "required") if "required" in schema else []
        extra = schema.get("additionalProperties", True)
        if any(not isinstance(name, str) for name in required):
            raise _wrong("required")
        for name in required:
            properties.setdefault(name, extra)
        if not properties:
            return self._free_object(extra)
        return self._members(properties, set(required))

    def _free_object(self, extra: Any) -> str:
        """Return the rule of an object of any keys."""
        rules = self._rules
        if extra is False:
            return rules.add(f'"{{" {_SPACE} "}}"')
        member = f'{self._string({})} {_SPACE} ":" {_SPACE} {self._visit(extra)}'
        return rules.add(f'"{{" {_SPACE} ({member} ("," {_SPACE} {member})*)? {_SPACE} "}}"')

    def _members(self, properties: Mapping[str, Any], required: set[str]) -> str:
        """Return the rule of an object of named members, in their order.

        What may follow is a rule for each place, once with and once without a comma before the next member.
        """
        rules = self._rules
        end = rules.add(f'{_SPACE} "}}"')
        after = {True: end, False: end}  # is it the first member?
        for name, schema in reversed(list(properties.items())):
            if schema is False and name not in required:
                continue  # it must not be there
            value = self._visit(schema)
            member = f'{literal(_json(name))} ":" {_SPACE} {value}'
            following = after[False]
            before = {}
            for first in (True, False):
                body = f"{member} {following}" if first else f'"," {_SPACE} {member} {following}'
                ways: list[Iterable[str]] = [{value, following}]
                if name not in required:
                    body += f" | {after[first]}"
                    ways.append({after[first]})
                before[first] = rules.add(body, ways)
            after = before
        return rules.add(f'"{{" {_SPACE} {after[True]}', [{after[True]}])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _of(kind: type, schema: Mapping[str, Any], keyword: str) -> Any:
    if not isinstance(schema[keyword], kind):
        raise _wrong(keyword)
    return schema[keyword]


def _count(schema: Mapping[str, Any], keyword: str) -> int | None:
    value = schema.get(keyword)
    if value is None and keyword not in schema:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(keyword)
    return value


def _bounds(schema: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the smallest and the largest integer that a schema allows."""
    lows: list[int] = []
    highs: list[int] = []
    for keyword, found, step in (
        ("minimum", lows, 0), ("exclusiveMinimum", lows, 1),
        ("maximum", highs, 0), ("exclusiveMaximum", highs, -1),
    ):  # fmt: skip
        value = schema.get(keyword)
        if value is None and keyword not in schema:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise _unsupported(f"{keyword} that is no integer")
        found.append(value + step)
    low, high = max(lows, default=None), min(highs, default=None)
    if low is not None and high is not None and low > high:
        raise _unsatisfiable()
    return low, high


def _too_deep() -> InvalidRequest:
    return InvalidRequest("The schema is nested too deeply", f"Use at most {_DEEPEST} levels.")


def _unsupported(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"The schema uses something that is not supported: {what}", "Write it without that."
    )


def _wrong(keyword: str) -> InvalidRequest:
    return InvalidRequest(
        f"The schema's {keyword} is not what JSON Schema wants there", "Correct the schema."
    )


def _unsatisfiable() -> InvalidRequest:
    return InvalidRequest("The schema can never be satisfied", "Some part of it allows no value at all.")
