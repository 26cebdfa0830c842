"""Templates: the prompt is what the model was trained on, and user text is never a control token."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    source = "{% for m in messages %}[INST] {{ m.content | trim }} [/INST]{% endfor %}"
    assert shown(prompt(source, ("user", "  a b\n")).tokens) == "{[INST]} a b {[/INST]}"


def test_a_template_without_system_role_gets_it_in_the_first_user_message():
    source = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m.role }}:{{ m.content }};{% endfor %}"
    )
    assert shown(prompt(source, ("system", "S"), ("user", "U")).tokens) == "user:S\n\nU;"


def test_a_template_that_silently_drops_the_system_message():
    source = "{% for m in messages if m.role == 'user' %}{{ m.content }};{% endfor %}"
    assert shown(prompt(source, ("system", "S"), ("user", "U")).tokens) == "S\n\nU;"


def test_a_template_that_insists_on_turns():
    source = (
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('turns') }}{% endif %}{{ m.role }}:{{ m.content }};{% endfor %}"
    )
    got = shown(prompt(source, ("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d")).tokens)
    assert got == "user:a\n\nb;assistant:c;user:d;"


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
    ],
)
def test_unusable_and_hostile_templates_give_way_to_chatml(source):
    tokens = prompt(source, ("user", "U")).tokens
    assert shown(tokens) == "{<|im_start|>}user\nU{<|im_end|>}\n{<|im_start|>}assistant\n"


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


def test_thinking_switch_and_opened_thought():
    source = "{{ messages[0].content }}{% if enable_thinking %}<think>\n{% endif %}"
    assert prompt(source, ("user", "U")).opened == "</think>"
    assert prompt(source, ("user", "U"), reasoning=False).opened == ""
    assert prompt(source, ("user", "U"), prefill="So").opened == ""


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
