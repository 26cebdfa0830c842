"""Chat templates: from messages to tokens, with the user's text never read as control tokens.

The template is the model's own, so it is hostile until proven otherwise: rendered only in the worker, in a
sandbox (`engine.rendering`); a template that does not end is ended from outside, with the worker.

Each message's content is rendered as a placeholder and put in afterwards. The rendered text is then cut at
the template's control tokens; what lies between them, user text included, is tokenized as plain text. So
``<|im_end|>`` in a message stays nine characters of text, while every other token is as if the whole prompt
had been tokenized at once.
"""

from __future__ import annotations

import gc
import itertools
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from desktop_slm.engine.api import Message
from desktop_slm.engine.rendering import Compiled, TemplateError, Variables, compile_template, render
from desktop_slm.engine.text import TextStream
from desktop_slm.engine.thoughts import Marks

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
        stops: Texts that end the answer because the vocabulary has no token for them.
        marks: How the model marks its thoughts.
        tail: What the template wrote after the last message: it may open a thought.
        answering: There is a prefill, so that no thought can come.
    """

    tokens: list[int]
    stops: tuple[str, ...]
    marks: Marks
    tail: str
    answering: bool

    def stream(self, stops: Sequence[str] = ()) -> TextStream:
        """Return what reads the answer to this prompt, which also ends at ``stops``."""
        return TextStream((*stops, *self.stops), self.marks, self.tail, answering=self.answering)


_Part = tuple[str, bool]  # text, and whether it is data: a message's content
_BLANK = "\u2003"
# That there are no tools: as Transformers says it, and for templates that are only meant for tools.
_ABSENT: tuple[Variables, ...] = ({"tools": None}, {"tools": [], "functions": ""})
# These templates do not think unless they are told how hard.
_NO_EFFORT = re.compile("""['"]no_think['"]""")


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
        self._template: Compiled | None = None
        if source:
            running(True)
            self._template = compile_template(source)
            running(False)
        self._fallback = compile_template(CHATML)
        self._marks = Marks.of(source) if self._template else Marks()
        self._effort = {"reasoning_effort": "high"} if _NO_EFFORT.search(source) else {}
        self._heads: dict[bool, str] = {}
        self._cuts: dict[str, list[Special]] = {}

    @property
    def switchable(self) -> bool:
        """Whether the end of the prompt, or what it says, depends on ``reasoning``."""
        question = [Message("user", "a")]
        with_thought, without = (self._from_own_template(question, thinking) for thinking in (True, False))
        return with_thought is not None and with_thought != without

    def shown(self) -> frozenset[int]:
        """Return the control tokens that mark thoughts, whose text has to reach the `TextStream`."""
        return frozenset(
            special.token for text in self._marks.texts() for special in self._vocabulary.specials(text)
        )

    def prompt(self, messages: Sequence[Message], *, prefill: str = "", reasoning: bool = True) -> Prompt:
        """Return the tokens of a conversation, ready for the answer.

        A template that knows no system role, or insists on turns taking turns, gets the system text in
        front of the first user message, and neighbors of one role joined. Without ``reasoning``, and before
        a prefill, a thought that the template opens all the same is closed.
        """
        thinking = reasoning and not prefill
        messages = [self._without_thought(message) for message in messages]
        self._running(True)
        try:
            parts = self._from_own_template(messages, thinking)
        finally:
            self._running(False)
        stops: tuple[str, ...] = ()
        marks = self._marks
        if parts is None:
            marks = Marks()
            parts, _ = self._render(self._fallback, messages, {})
            stops = tuple(stop for stop in CHATML_STOPS if not self._vocabulary.specials(stop))
        tokens = self._tokens([*parts, (prefill, True)])
        return Prompt(tokens, stops, marks, parts[-1][0], bool(prefill))

    def _without_thought(self, message: Message) -> Message:
        if message.role != "assistant":
            return message
        return Message(message.role, self._marks.without_thought(message.content))

    def _from_own_template(self, messages: Sequence[Message], thinking: bool) -> list[_Part] | None:
        """Return the conversation in the first shape in which the template shows all of it."""
        shapes = (list(messages), _system_folded(messages), _turns_joined(messages))
        for shaped, typed, variables in itertools.product(shapes, (False, True), _ABSENT):
            if self._template is None:
                break
            switches = {**variables, **self._switches(thinking)}
            try:
                parts, shown = self._render(self._template, shaped, switches, typed=typed)
            except TemplateError:
                continue
            asked = {n for n, message in enumerate(shaped) if message.role != "assistant" and message.content}
            if asked <= shown:
                tail = self._tail(parts[-1][0], thinking, switches, typed=typed)
                return [*parts[:-1], (tail, False)]
        return None

    def _switches(self, thinking: bool) -> Variables:
        """Return the variables by which templates are told to let the model think, or not to."""
        told = {"enable_thinking": thinking, "thinking": thinking, "reasoning": thinking}
        if thinking:
            return {**told, "thinking_mode": "enabled", **self._effort}
        return {**told, "thinking_mode": "disabled", "thinking_budget": 0}

    def _tail(self, tail: str, thinking: bool, variables: Variables, *, typed: bool) -> str:
        """Return what stands before the answer, given what the template says does.

        What a template writes between a question and an answer from the past may be more: the channel or the
        recipient of the answer, or a thought that is left out.
        """
        if thinking not in self._heads:
            turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
            try:
                parts, _ = self._render(self._template, turns, variables, typed=typed)
            except TemplateError:
                parts = []
            in_order = [text for text, is_data in parts if is_data] == ["a", "b", "c"]
            self._heads[thinking] = parts[2][0] if in_order else ""
        head = self._heads[thinking]
        if not thinking:
            return self._marks.answering(tail, head)
        added = head[len(tail) :] if head.startswith(tail) and not self._marks.channels else ""
        plain = added.strip() and not any(mark in added for mark in self._marks.texts())
        return head if plain else tail

    def _render(
        self,
        template: Compiled | None,
        messages: Sequence[Message],
        variables: Variables,
        *,
        typed: bool = False,
    ) -> tuple[list[_Part], set[int]]:
        """Return the rendered text, cut at the messages' contents, and the numbers of those it shows.

        The blanks around a placeholder, of a kind that no template writes, tell whether it trims.

        Args:
            template: What to render.
            messages: The conversation.
            variables: What the template is told beyond it.
            typed: Give contents as lists of typed parts, which templates of models with eyes may insist on.
        """
        nonce = secrets.token_hex(8)
        given: list[Variables] = []
        for number, message in enumerate(messages):
            text = f"{_BLANK}Zq{nonce}n{number}q{_BLANK}" if message.content else ""
            content = [{"type": "text", "text": text}] if typed else text
            given.append({"role": message.role, "content": content})
        bos_text, eos_text = self._vocabulary.bos_text, self._vocabulary.eos_text
        told = {"messages": given, "bos_token": bos_text, "eos_token": eos_text, **variables}
        try:
            rendered = render(template, told)
        except MemoryError:
            rendered = None
        if rendered is None:
            self._template = None  # it would only try again
            gc.collect()  # Jinja leaves what was built in a circle of tracebacks
            raise TemplateError
        parts: list[_Part] = []
        shown = set()
        position = 0
        for found in re.finditer(rf"({_BLANK}?)Zq{nonce}n(\d+)q({_BLANK}?)", rendered):
            number = int(found[2])
            content = messages[number].content
            content = content if found[1] else content.lstrip()
            content = content if found[3] else content.rstrip()
            parts += [(rendered[position : found.start()], False), (content, True)]
            shown.add(number)
            position = found.end()
        return [*parts, (rendered[position:], False)], shown

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
