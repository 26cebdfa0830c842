"""Renders foreign template code: in Jinja's immutable sandbox, with little memory, every failure named.

A chat template comes with a model from anywhere. Time is limited from outside: code can hang inside C.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox

MAX_TEMPLATE_BYTES = 64 * 1024
_MAX_RENDERED_CHARACTERS = 1024 * 1024
_RENDERING_BYTES = 384 * 1024 * 1024  # on top of what is taken, for whatever comes in meanwhile too
_LARGEST_EXPONENT = 1024

Compiled = jinja2.Template
Variables = dict[str, Any]


class TemplateError(Exception):
    """The template refused the messages, or is no template."""


class _GenerationTag(jinja2.ext.Extension):
    """Passes the content of ``{% generation %}`` through, as Transformers does outside of training."""

    tags = {"generation"}  # noqa: RUF012 - the way Jinja declares tags

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which also refuses the operators that make much of little."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and not (isinstance(right, (int, float)) and abs(right) <= _LARGEST_EXPONENT):
            raise TemplateError("an exponent that large")
        if operator == "*" and _product_length(left, right) > _MAX_RENDERED_CHARACTERS:
            raise TemplateError("a text that long")
        return super().call_binop(context, operator, left, right)


def _product_length(left: Any, right: Any) -> int:
    """Return how long a repeated text or list would be, 0 for other products."""
    for repeated, times in ((left, right), (right, left)):
        if isinstance(repeated, (str, list, tuple)) and isinstance(times, int):
            return len(repeated) * times
    return 0


def compile_template(source: str) -> Compiled | None:
    """Return a template that can be rendered; None when it is too long, or none at all."""
    if not source or len(source.encode("utf-8", "replace")) > MAX_TEMPLATE_BYTES:
        return None
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    del environment.globals["lipsum"]
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _now
    try:
        with _little_memory():
            return environment.from_string(source)
    except (jinja2.TemplateError, RecursionError, ValueError, OverflowError, MemoryError):
        return None


@contextlib.contextmanager
def _little_memory() -> Iterator[None]:
    """Let this process take no more than `_RENDERING_BYTES` meanwhile, where the system can (Linux).

    A template that builds texts without end gets a `MemoryError` instead of the computer's memory.
    """
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + _RENDERING_BYTES
        if soft == resource.RLIM_INFINITY or limit < soft:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _now(form: str) -> str:
    return datetime.datetime.now().astimezone().strftime(form)


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def render(template: Compiled | None, variables: Variables) -> str:
    """Return the text of a template.

    Beside the variables of Transformers there are the two dates of llama.cpp.

    Raises:
        TemplateError: The template refused the messages, or failed.
        MemoryError: It took too much.
    """
    if template is None:
        raise TemplateError
    rendered: Callable[..., str] = template.render
    try:
        with _little_memory():
            text = rendered(
                add_generation_prompt=True,
                date_string=_now("%d %b %Y"),
                datetime=_now("%b %d %Y"),
                **variables,
            )
    except (
        jinja2.TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise TemplateError from error
    if len(text) > _MAX_RENDERED_CHARACTERS:
        raise TemplateError
    return text
