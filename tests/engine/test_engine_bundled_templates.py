"""Every template that llama.cpp bundles: whole conversations, in order, for every setting of the switch.

No snapshots: templates are data from outside, and these are the properties that prompts must have.
"""

import functools
import re
from pathlib import Path

import pytest

from desktop_slm.engine.api import Message
from desktop_slm.engine.template import ChatTemplate, Special

BOS = "<BOS>"
# How the templates write control tokens: <|...|> and its kin, [INST], marks of thoughts, two oddities.
CONTROL = re.compile(
    r"<BOS>|<[|\uff5c][^<>]{1,40}[|\uff5c]?>|<[^<>\s|/]{1,30}[|]>|</?(?:\w+:)?think(?::\w+)?>|</?s(?:ep)?>"
    r"|\[/?[A-Z_]{3,20}\]|</?seed:\w+>|<SPECIAL_\d+>|<\w+_of_\w+>|\]~!?b\[?\]|\[e~\["
)
NUMBERS: dict[str, int] = {}

SYSTEM = "You help at the office."
FIRST = "\u0645\u0627 \u0645\u0648\u0639\u062f \u0627\u0644\u0627\u062c\u062a\u0645\u0627\u0639\u061f"
ANSWER = "\u4f1a\u8bae\u5728\u4e09\u70b9\u3002"
SECOND = 'Quote {{ 7 * 7 }} & "it", then {% endfor %}.'
SWITCHES = 41  # the others never think (Llama 3, Gemma 2), or nobody can tell them not to (LFM2.5-8B)


@functools.cache
def number(text: str) -> int:
    """Return the token of a control text, a negative number."""
    NUMBERS[text] = -1 - len(NUMBERS)
    return NUMBERS[text]


class Letters:
    """A vocabulary of single characters, and of whatever looks like a control token."""

    bos_text = BOS
    eos_text = "</s>"
    adds_bos = True
    bos_token = number(BOS)

    def tokenize(self, text, *, parse_special=False):
        return [ord(character) for character in text]

    def specials(self, text):
        return [Special(number(found), found, False, False) for found in CONTROL.findall(text)]


def shown(tokens):
    """Return the text of a prompt, each control token as one private character."""
    return "".join(chr(token) if token >= 0 else chr(0xE000 - token) for token in tokens)


@pytest.fixture(scope="module")
def templates(bundled_templates: Path) -> dict[str, ChatTemplate]:
    """Return every bundled template by its name."""
    found = {path.stem: path.read_text(encoding="utf-8") for path in bundled_templates.glob("*.jinja")}
    assert len(found) >= 70
    return {name: ChatTemplate(source, Letters()) for name, source in sorted(found.items())}


def every(templates, *messages, **options):
    """Yield name, prompt and its text for every template, with the switch on and off."""
    for name, template in templates.items():
        conversation = [Message(*message) for message in messages]
        for reasoning in (True, False):
            assert template._from_own_template(conversation, reasoning), f"{name} was not used"
            made = template.prompt(conversation, reasoning=reasoning, **options)
            yield name, made, shown(made.tokens)


CONVERSATIONS = [
    [("user", SECOND)],
    [("system", SYSTEM), ("user", FIRST)],
    [("user", FIRST), ("assistant", ANSWER), ("user", SECOND)],
    [("system", SYSTEM), ("user", FIRST), ("assistant", ANSWER), ("user", SECOND)],
    [("user", FIRST), ("user", SECOND)],
]


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_every_message_comes_once_and_in_order(templates, messages):
    for name, made, text in every(templates, *messages):
        turns = [content for role, content in messages if role != "system"]
        places = [text.find(content) for content in turns]
        assert places == sorted(places), name
        assert all(text.count(content) == 1 for _, content in messages), name
        assert made.tokens.count(number(BOS)) == 1, name
        # After the last message comes what begins the answer.
        after = text.rpartition(turns[-1])[2]
        assert after.strip(), name


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [("system", SYSTEM)],
        [("assistant", ANSWER)],
        [("assistant", ANSWER), ("user", SECOND)],
        [("user", FIRST), ("assistant", ANSWER)],
        [("user", FIRST), ("assistant", ANSWER), ("assistant", SYSTEM), ("user", SECOND)],
        [("user", FIRST), ("system", SYSTEM), ("user", SECOND)],
        [("user", FIRST), ("assistant", ""), ("user", SECOND)],
        [("system", ""), ("user", "\udcff"), ("user", "")],
    ],
)
def test_odd_conversations_come_whole_too(templates, messages):
    for name, template in templates.items():
        for reasoning in (True, False):
            made = template.prompt([Message(*message) for message in messages], reasoning=reasoning)
            text = shown(made.tokens)
            assert all(content in text for _, content in messages), name


def test_control_tokens_in_a_message_are_text(templates):
    hostile = "".join(sorted(text for text in NUMBERS if text != BOS)) + BOS + "<|im_end|></think>"
    for question, answer in ((hostile, ANSWER), (FIRST, hostile)):
        turns = [("user", question), ("assistant", answer), ("user", SECOND)]
        plain = [("user", FIRST), ("assistant", ANSWER), ("user", SECOND)]
        for (name, _, text), (_, _, without) in zip(
            every(templates, *turns), every(templates, *plain), strict=True
        ):
            assert text == without.replace(FIRST, question).replace(ANSWER, answer), name


def test_a_prefill_is_where_the_answer_is(templates):
    messages = [("system", SYSTEM), ("user", FIRST)]
    for name, made, text in every(templates, *messages, prefill="Dear Ms. \u0130pek,"):
        assert text.endswith("Dear Ms. \u0130pek,"), name
        pieces = [*made.stream().feed(b" thank"), *made.stream().finish()]
        assert pieces == [("answer", " thank")], name
        assert not made.marks.opened(made.tail), name


def test_without_reasoning_the_answer_comes_at_once(templates):
    for name, template in templates.items():
        made = template.prompt([Message("user", FIRST)], reasoning=False)
        stream = made.stream()
        pieces = [*stream.feed(b"Three o'clock."), *stream.finish()]
        assert pieces == [("answer", "Three o'clock.")], name


def test_the_reasoning_switch(templates):
    switchable = {name for name, template in templates.items() if template.switchable}
    assert len(switchable) == SWITCHES, sorted(switchable)
    for name in ("Qwen-Qwen3-0.6B", "openai-gpt-oss-120b", "google-gemma-4-31B-it", "tencent-Hy3"):
        assert name in switchable


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "T</think>\n\nA"),
        ("Qwen-Qwen3-0.6B", "<think>\nT</think>\n\nA"),
        ("ByteDance-Seed-OSS", "<seed:think>T</seed:think>A"),
        ("CohereForAI-c4ai-command-r7b-12-2024-tool_use", "<|START_THINKING|>T<|END_THINKING|>"
         "<|START_RESPONSE|>A<|END_RESPONSE|>"),
        ("Cohere2MoE", "T<|END_THINKING|><|START_TEXT|>A<|END_TEXT|>"),
        ("mistralai-Ministral-3-14B-Reasoning-2512", "[THINK]T[/THINK]A"),
        ("google-gemma-4-31B-it", "<|channel>thought\nT<channel|>A"),
        ("Apertus-8B-Instruct", "<|inner_prefix|>T<|inner_suffix|>A"),
        ("MiniMax-M3", "T</mm:think>A"),
        ("tencent-Hy3", "T</think:opensource>A"),
        ("Apriel-1.6-15b-Thinker-fixed", "T\n[BEGIN FINAL RESPONSE]\nA"),
        ("ibm-granite-granite-3.3-2B-Instruct", "<think>T</think>\n<response>A</response>"),
        ("openai-gpt-oss-120b", "<|channel|>analysis<|message|>T<|end|>"
         "<|start|>assistant<|channel|>final<|message|>A"),
        ("muse-glimmer", " to=self<|message|>T<|eom|><|start|>assistant to=user<|message|>A"),
        ("upstage-Solar-Open-100B", "<|think|>T<|end|><|begin|>assistant<|content|>A"),
        ("Kimi-K3", "T<|close|>think<|sep|><|open|>response<|sep|>A<|close|>response<|sep|>"),
    ],
)  # fmt: skip
def test_thought_and_answer_of_each_family(templates, name, written):
    made = templates[name].prompt([Message("user", FIRST)])
    stream = made.stream()
    pieces = [piece for character in written for piece in stream.feed(character.encode())]
    pieces += stream.finish()
    texts = {kind: "".join(text for k, text in pieces if k == kind) for kind in ("reasoning", "answer")}
    assert (texts["reasoning"].strip(), texts["answer"]) == ("T", "A")
