"""Chat templates: from messages to tokens, with the user's text never read as control tokens.

The template is the model's own, so it is hostile until proven otherwise: rendered only in the worker, in
Jinja's immutable sandbox, at most 64 KB; a template that does not end is ended from outside, with the worker.

Each message's content is rendered as a placeholder and put in afterwards. The rendered text is then cut at
the template's control tokens; what lies between them, user text included, is tokenized as plain text. So
``<|im_end|>`` in a message stays nine characters of text, while every other token is as if the whole prompt
had been tokenized at once.
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jinja2
import jinja2.ext
import jinja2.sandbox

from desktop_slm.engine.api import Message
from desktop_slm.engine.text import opened_thought

MAX_TEMPLATE_BYTES = 64 * 1024
_MAX_RENDERED_CHARACTERS = 1024 * 1024

# What a model gets that carries no template, or one that cannot be rendered.
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{{ '<|im_start|>assistant\\n' }}"
)
CHATML_STOPS = ("<|im_end|>", "<|im_start|>")


@dataclass(frozen=True)
class Special:
    """A control token found in text, and whether it swallows the blanks around it."""

    token: int
    text: str
    strips_left: bool
    strips_right: bool


class Vocabulary(Protocol):
    """What tokenizing a prompt needs of a model."""

    bos_text: str
    eos_text: str
    adds_bos: bool
    bos_token: int

    def tokenize(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Return the tokens of ``text`` without leading or trailing control tokens."""
        ...

    def specials(self, text: str) -> list[Special]:
        """Return the control tokens that the tokenizer finds in ``text``, in order."""
        ...


@dataclass(frozen=True)
class Prompt:
    """A rendered conversation.

    Attributes:
        tokens: Up to where the answer begins, the prefill included.
        opened: Closing mark of a thought that the template opened for the answer, else empty.
        stops: Texts that end the answer because the vocabulary has no token for them.
    """

    tokens: list[int]
    opened: str
    stops: tuple[str, ...]


_Part = tuple[str, bool]  # text, and whether it is data: a message's content
_BLANK = "\u2003"


class TemplateError(Exception):
    """The template refused the messages, or is no template."""


class _GenerationTag(jinja2.ext.Extension):
    """Passes the content of ``{% generation %}`` through, as Transformers does outside of training."""

    tags = {"generation"}  # noqa: RUF012 - the way Jinja declares tags

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """Renders conversations for one model.

    Args:
        source: Its template, empty for none.
        vocabulary: Its tokens.
        running: Called with True before foreign template code runs and with False after it, so that somebody
            outside can put a limit to it.
    """

    def __init__(
        self, source: str, vocabulary: Vocabulary, running: Callable[[bool], None] = lambda _: None
    ) -> None:
        self._vocabulary = vocabulary
        self._running = running
        self._template: jinja2.Template | None = None
        if source and len(source.encode()) <= MAX_TEMPLATE_BYTES:
            running(True)
            self._template = _compile(source)
            running(False)
        self._fallback = _compile(CHATML)
        self._cuts: dict[str, list[Special]] = {}

    def prompt(self, messages: Sequence[Message], *, prefill: str = "", reasoning: bool = True) -> Prompt:
        """Return the tokens of a conversation, ready for the answer.

        A template that knows no system role, or insists on turns taking turns, gets the system text in
        front of the first user message, and neighbors of one role joined.
        """
        thinking = reasoning and not prefill
        parts = self._from_own_template(messages, thinking)
        stops: tuple[str, ...] = ()
        if parts is None:
            parts, _ = self._render(self._fallback, messages, thinking)
            stops = tuple(stop for stop in CHATML_STOPS if not self._vocabulary.specials(stop))
        opened = "" if prefill else opened_thought(parts[-1][0])
        return Prompt(self._tokens([*parts, (prefill, True)]), opened, stops)

    def _from_own_template(self, messages: Sequence[Message], thinking: bool) -> list[_Part] | None:
        """Return the conversation in the first shape in which the template shows all of it."""
        if self._template is None:
            return None
        for shape in (list, _system_folded, _turns_joined):
            shaped: list[Message] = shape(messages)
            try:
                parts, shown = self._render(self._template, shaped, thinking)
            except TemplateError:
                continue
            asked = {n for n, message in enumerate(shaped) if message.role != "assistant" and message.content}
            if asked <= shown:
                return parts
        return None

    def _render(
        self, template: jinja2.Template | None, messages: Sequence[Message], thinking: bool
    ) -> tuple[list[_Part], set[int]]:
        """Return the rendered text, cut at the messages' contents, and the numbers of those it shows.

        The blanks around a placeholder, of a kind that no template writes, tell whether it trims.
        """
        nonce = secrets.token_hex(8)
        given = [
            {
                "role": message.role,
                "content": f"{_BLANK}Zq{nonce}n{number}q{_BLANK}" if message.content else "",
            }
            for number, message in enumerate(messages)
        ]
        self._running(True)
        try:
            text = _rendered(template, given, self._vocabulary, thinking)
        finally:
            self._running(False)
        parts: list[_Part] = []
        shown = set()
        position = 0
        for found in re.finditer(rf"({_BLANK}?)Zq{nonce}n(\d+)q({_BLANK}?)", text):
            number = int(found[2])
            content = messages[number].content
            content = content if found[1] else content.lstrip()
            content = content if found[3] else content.rstrip()
            parts += [(text[position : found.start()], False), (content, True)]
            shown.add(number)
            position = found.end()
        return [*parts, (text[position:], False)], shown

    def _tokens(self, texts: Sequence[_Part]) -> list[int]:
        """Tokenize (text, is data) parts; control tokens are found only in what is not data."""
        vocabulary = self._vocabulary
        tokens: list[int] = []
        run = ""
        strip_next = False
        started = bool(vocabulary.bos_text) and bool(texts) and texts[0][0].startswith(vocabulary.bos_text)
        if vocabulary.adds_bos and not started:
            tokens.append(vocabulary.bos_token)
        for text, is_data in texts:
            position = 0
            for special in [] if is_data else self._specials(text):
                at = text.find(special.text, position)
                if at < 0:
                    continue
                run += text[position:at].lstrip() if strip_next and not run else text[position:at]
                run = run.rstrip() if special.strips_left else run
                tokens += vocabulary.tokenize(run) if run else []
                tokens.append(special.token)
                run, position, strip_next = "", at + len(special.text), special.strips_right
            rest = text[position:]
            run += rest.lstrip() if strip_next and not run else rest
            strip_next = strip_next and not run
        if run:
            tokens += vocabulary.tokenize(run)
        return tokens

    def _specials(self, text: str) -> list[Special]:
        if text not in self._cuts:
            if len(self._cuts) > 256:
                self._cuts.clear()
            self._cuts[text] = self._vocabulary.specials(text)
        return self._cuts[text]


def _system_folded(messages: Sequence[Message]) -> list[Message]:
    system = "\n\n".join(m.content for m in messages if m.role == "system" and m.content)
    rest = [m for m in messages if m.role != "system"]
    if not system:
        return rest
    for index, message in enumerate(rest):
        if message.role == "user":
            joined = Message("user", f"{system}\n\n{message.content}")
            return [*rest[:index], joined, *rest[index + 1 :]]
    return [Message("user", system), *rest]


def _turns_joined(messages: Sequence[Message]) -> list[Message]:
    joined: list[Message] = []
    for message in _system_folded(messages):
        if joined and joined[-1].role == message.role:
            joined[-1] = Message(message.role, f"{joined[-1].content}\n\n{message.content}")
        else:
            joined.append(message)
    if joined and joined[0].role == "assistant":
        joined.insert(0, Message("user", "Hello"))
    return joined


def _compile(source: str) -> jinja2.Template | None:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().astimezone().strftime(form)
    try:
        return environment.from_string(source)
    except (jinja2.TemplateError, RecursionError, ValueError):
        return None


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _rendered(
    template: jinja2.Template | None, messages: list[dict[str, str]], vocabulary: Vocabulary, thinking: bool
) -> str:
    """Render, and name every failure of foreign template code `TemplateError`."""
    if template is None:
        raise TemplateError
    render: Callable[..., str] = template.render
    try:
        text = render(
            messages=messages,
            bos_token=vocabulary.bos_text,
            eos_token=vocabulary.eos_text,
            add_generation_prompt=True,
            enable_thinking=thinking,
            thinking=thinking,
            tools=None,
        )
    except (
        jinja2.TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        MemoryError,
    ) as error:
        raise TemplateError from error
    if len(text) > _MAX_RENDERED_CHARACTERS:
        raise TemplateError
    return text
