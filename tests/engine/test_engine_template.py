"""Templates: the prompt is what the model was trained on, and user text is never a control token."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import load
from tiny_models import tiny_model

from desktop_slm.engine.api import Message
from desktop_slm.engine.template import CHATML, ChatTemplate, Special

CONTROL = ("<|im_start|>", "<|im_end|>", "<s>", "</s>", "[INST]", "[/INST]")


class Letters:
    """A vocabulary of single characters and the control tokens above, which are negative numbers."""

    bos_text = "<s>"
    eos_text = "</s>"
    adds_bos = False
    bos_token = -3

    def tokenize(self, text, *, parse_special=False):
        if not parse_special:
            return [ord(c) for c in text]
        parts = re.split("(" + "|".join(map(re.escape, CONTROL)) + ")", text)
        tokens = []
        for part in parts:
            tokens += [-1 - CONTROL.index(part)] if part in CONTROL else [ord(c) for c in part]
        return tokens

    def specials(self, text):
        return [
            Special(t, CONTROL[-1 - t], False, False)
            for t in self.tokenize(text, parse_special=True)
            if t < 0
        ]


def shown(tokens):
    """Return the text of tokens, control tokens marked with braces."""
    return "".join("{" + CONTROL[-1 - t] + "}" if t < 0 else chr(t) for t in tokens)


def prompt(source, *messages, **options):
    return ChatTemplate(source, Letters()).prompt([Message(*m) for m in messages], **options)


def test_chatml():
    tokens = prompt(CHATML, ("system", "S"), ("user", "U"), prefill="So").tokens
    assert shown(tokens) == (
        "{<|im_start|>}system\nS{<|im_end|>}\n{<|im_start|>}user\nU{<|im_end|>}\n{<|im_start|>}assistant\nSo"
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
hostile = st.one_of(
    texts, st.sampled_from(CONTROL), st.tuples(texts, st.sampled_from(CONTROL), texts).map("".join)
)


@given(st.lists(hostile, min_size=1, max_size=5))
def test_content_is_data_and_nothing_is_lost(contents):
    messages = [("user", content) for content in contents]
    tokens = prompt(CHATML, *messages).tokens
    assert sum(t < 0 for t in tokens) == 2 * len(contents) + 1
    expected = "".join(f"{{<|im_start|>}}user\n{c}{{<|im_end|>}}\n" for c in contents)
    assert shown(tokens) == expected + "{<|im_start|>}assistant\n"


def test_a_template_that_trims():
    source = (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    assert shown(prompt(source, ("user", "  a b\n")).tokens) == "{[INST]} a b {[/INST]}"


def test_a_template_without_system_role_gets_it_in_the_first_user_message():
    source = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m.role }}:{{ m.content }};{% endfor %}"
    )
    assert shown(prompt(source, ("system", "S"), ("user", "U")).tokens) == "user:S\n\nU;assistant:"


def test_a_template_that_silently_drops_the_system_message():
    source = "{% for m in messages if m.role == 'user' %}{{ m.content }};{% endfor %}"
    assert shown(prompt(source, ("system", "S"), ("user", "U")).tokens) == "S\n\nU;"


def test_a_template_that_insists_on_turns():
    source = (
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('turns') }}{% endif %}{{ m.role }}:{{ m.content }};{% endfor %}"
    )
    got = shown(prompt(source, ("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d")).tokens)
    assert got == "user:a\n\nb;assistant:c;user:d;assistant:"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "{% if %}",
        "{{ messages[99].content.nothing }}",
        "{{ 1 / 0 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "x" * 70_000,
        "no message shown",
        "{{ 'x' * 2000000 }}",
        "{% set x = 'x' * 10 ** 10 %}{{ messages[0].content }}",
        "{% set x = [0] * 10 ** 10 %}{{ messages[0].content }}",
        "{% set x = 9 ** (9 ** 9) %}{{ messages[0].content }}",
        "{% for n in range(10 ** 9) %}{% endfor %}{{ messages[0].content }}",
        "{% set s = namespace(x='x') %}{% for n in range(60) %}{% set s.x = s.x ~ s.x %}{% endfor %}",
        "{{ 'x' | center(10 ** 11) }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '{:9999999999}'.format(1) }}",
        "{{ messages[0].content }}{{ lipsum(n=1000000) }}",
        "{{ messages[0].content }}{{ ''.format.__globals__.x }}",
        "{{ messages[0].content }}{{ (messages | attr('__class__')).mro() }}",
        "{{ messages[0].content }}{{ '{0.__class__.__mro__}'.format(1) }}",
        "{{ messages[0].content }}{{ raise_exception.__globals__['os'] }}",
        "{{ messages[0].content }}{{ self._TemplateReference__context.environment.loader.x }}",
        "{% include '/etc/passwd' %}{{ messages[0].content }}",
    ],
)
def test_unusable_and_hostile_templates_give_way_to_chatml(source):
    tokens = prompt(source, ("user", "U")).tokens
    assert shown(tokens) == "{<|im_start|>}user\nU{<|im_end|>}\n{<|im_start|>}assistant\n"


def test_a_template_that_took_too_much_memory_is_not_tried_again():
    source = "{{ messages[0].content }}{% set s = namespace(x='x') %}{% for n in range(60) %}"
    made = ChatTemplate(source + "{% set s.x = s.x ~ s.x %}{% endfor %}", Letters())
    for _ in range(2):
        assert shown(made.prompt([Message("user", "U")]).tokens).startswith("{<|im_start|>}user")
        assert made._template is None or sys.platform != "linux"  # elsewhere time is what limits it


def test_chatml_without_its_tokens_stops_at_their_text():
    class Bare(Letters):
        def specials(self, text):
            return []

    made = ChatTemplate("", Bare()).prompt([Message("user", "U")])
    assert made.stops == ("<|im_end|>", "<|im_start|>")


def test_bos_comes_once():
    class Adds(Letters):
        adds_bos = True

    for source in ("{{ bos_token }}{{ messages[0].content }}", "{{ messages[0].content }}"):
        made = ChatTemplate(source, Adds()).prompt([Message("user", "U")])
        assert shown(made.tokens) == "{<s>}U"


def test_blanks_next_to_greedy_control_tokens():
    class Strips(Letters):
        def specials(self, text):
            return [Special(s.token, s.text, True, True) for s in super().specials(text)]

    made = ChatTemplate("[INST] {{ messages[0].content }} [/INST] x", Strips()).prompt([Message("user", "U")])
    assert shown(made.tokens) == "{[INST]}U{[/INST]}x"


def test_a_thought_is_opened_where_it_is_wanted_and_closed_where_not():
    source = "{% for m in messages %}{{ m.content }};{% endfor %}"
    switch = source + "{% if enable_thinking %}{{ '<think>\n' }}{% endif %}"
    always = source + "{{ '<think>\n' }}"
    for template in (switch, always):
        made = prompt(template, ("user", "U"))
        assert made.marks.opened(made.tail) == "</think>"
    assert shown(prompt(switch, ("user", "U"), reasoning=False).tokens) == "U;"
    closed = shown(prompt(always, ("user", "U"), prefill="So").tokens)
    assert closed == "U;<think>\n\n</think>\n\nSo"
    assert shown(prompt(always, ("user", "U"), reasoning=False).tokens) == closed.removesuffix("So")


def test_thoughts_of_the_past_are_left_out_and_questions_kept():
    source = "{% for m in messages %}{{ m.content }};{% endfor %}"
    turns = [("user", "<think>a</think>b"), ("assistant", "<think>c</think>\n\nd"), ("user", "e")]
    assert shown(prompt(source, *turns).tokens) == "<think>a</think>b;d;e;"


def test_a_template_that_insists_on_typed_parts_and_on_tools():
    source = (
        "{% for tool in tools %}{{ tool }}{% endfor %}"
        "{% for m in messages %}{% for part in m.content %}{{ part.text }};{% endfor %}{% endfor %}"
    )
    assert shown(prompt(source, ("system", "S"), ("user", "U")).tokens) == "S;U;"


def test_control_tokens_that_mark_thoughts_are_shown():
    class Thinks(Letters):
        def specials(self, text):
            found = re.findall(r"<\|.*?\|>", text)
            return [Special(hash(text), text, False, False) for text in found]

    harmony = ChatTemplate("{{ messages[0].content }}<|start|>assistant<|channel|>x<|message|>", Thinks())
    names = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>")
    assert harmony.shown() == {hash(name) for name in names}
    assert hash("<|START_THINKING|>") in ChatTemplate("", Thinks()).shown()


def test_generation_tags_tojson_and_dates():
    source = (
        "{% generation %}{{ messages[0].content }}{% endgeneration %}"
        "{{ ['é'] | tojson }}{{ strftime_now('%Y') }}"
    )
    got = shown(prompt(source, ("user", "U")).tokens)
    assert got.startswith('U["é"]20')


def test_a_long_conversation_is_rendered_whole():
    messages = [("user" if n % 2 == 0 else "assistant", "word " * 2000) for n in range(100)]
    assert shown(prompt(CHATML, *messages).tokens).count("word") == 200_000


def test_of_the_control_tokens_only_marks_have_a_text(tmp_path):
    model = load(tiny_model(tmp_path / "tiny.gguf"))
    token = model.tokenize("<|im_end|>", parse_special=True)[0]
    assert model.piece(token) == b""
    model.close()
    model = load(tmp_path / "tiny.gguf")
    model.shown = frozenset({token})
    assert model.piece(token) == b"<|im_end|>"
    model.close()
