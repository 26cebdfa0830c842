"""A small JSON Schema validator, written apart from the converter it checks."""

import re
from datetime import date, datetime, time
from uuid import UUID


def validates(value, schema, root=None):
    """Tell whether ``value`` fits ``schema``; only keywords that the tests use."""
    root = schema if root is None else root
    if schema is True:
        return True
    if schema is False:
        return False
    checks = [
        rule(value, schema[keyword], schema, root) for keyword, rule in RULES.items() if keyword in schema
    ]
    return all(checks)


def _kind(value, name):
    match name:
        case "integer":
            return not isinstance(value, bool) and (
                isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            )
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            kinds = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}
            return isinstance(value, kinds[name])


def _type(value, names, _schema, _root):
    return any(_kind(value, name) for name in (names if isinstance(names, list) else [names]))


def _same(one, other):
    if _kind(one, "number") and _kind(other, "number"):
        return one == other
    return type(one) is type(other) and one == other


def _ref(value, pointer, _schema, root):
    target = root
    for step in pointer.removeprefix("#").split("/")[1:]:
        target = target[step.replace("~1", "/").replace("~0", "~")]
    return validates(value, target, root)


def _items(value, items, schema, root):
    rest = value[len(schema.get("prefixItems", [])) :] if isinstance(value, list) else []
    return all(validates(item, items, root) for item in rest)


def _extra(value, extra, schema, root):
    if not isinstance(value, dict):
        return True
    return all(validates(value[key], extra, root) for key in value if key not in schema.get("properties", {}))


def _format(value, form, _schema, _root):
    readers = {
        "date": date.fromisoformat,
        "time": time.fromisoformat,
        "date-time": datetime.fromisoformat,
        "uuid": UUID,
        "email": lambda text: re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", text) or int("no"),
    }
    if isinstance(value, str):
        readers[form](value)  # raises when it is none
    return True


RULES = {
    "type": _type,
    "const": lambda v, c, *_: _same(v, c),
    "enum": lambda v, values, *_: any(_same(v, one) for one in values),
    "anyOf": lambda v, schemas, _s, root: any(validates(v, one, root) for one in schemas),
    "oneOf": lambda v, schemas, _s, root: sum(validates(v, one, root) for one in schemas) == 1,
    "allOf": lambda v, schemas, _s, root: all(validates(v, one, root) for one in schemas),
    "$ref": _ref,
    "minLength": lambda v, n, *_: not isinstance(v, str) or len(v) >= n,
    "maxLength": lambda v, n, *_: not isinstance(v, str) or len(v) <= n,
    "pattern": lambda v, p, *_: not isinstance(v, str) or re.search(p, v) is not None,
    "format": _format,
    "minimum": lambda v, n, *_: not _kind(v, "number") or v >= n,
    "maximum": lambda v, n, *_: not _kind(v, "number") or v <= n,
    "exclusiveMinimum": lambda v, n, *_: not _kind(v, "number") or v > n,
    "exclusiveMaximum": lambda v, n, *_: not _kind(v, "number") or v < n,
    "minItems": lambda v, n, *_: not isinstance(v, list) or len(v) >= n,
    "maxItems": lambda v, n, *_: not isinstance(v, list) or len(v) <= n,
    "prefixItems": lambda v, schemas, _s, root: (
        not isinstance(v, list)
        or all(validates(item, one, root) for item, one in zip(v, schemas, strict=False))
    ),
    "items": _items,
    "properties": lambda v, known, _s, root: (
        not isinstance(v, dict) or all(validates(v[key], one, root) for key, one in known.items() if key in v)
    ),
    "required": lambda v, names, *_: not isinstance(v, dict) or all(name in v for name in names),
    "additionalProperties": _extra,
}
