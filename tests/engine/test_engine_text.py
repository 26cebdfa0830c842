"""From token bytes to text: characters whole, stop texts found, thoughts apart, loops seen."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_slm.engine.text import TextStream, is_loop
from desktop_slm.engine.thoughts import Marks


def run(chunks, stops=(), template="", tail=""):
    """Feed the chunks; return (answer, reasoning, stopped) and every piece."""
    stream = TextStream(stops, Marks.of(template), tail)
    pieces = []
    for chunk in chunks:
        if stream.stopped:
            break
        pieces += stream.feed(chunk)
    pieces += stream.finish()
    joined = {kind: "".join(text for k, text in pieces if k == kind) for kind in ("answer", "reasoning")}
    assert all(text for _, text in pieces)
    return joined["answer"], joined["reasoning"], stream.stopped, pieces


def cut(data, cuts):
    borders = [0, *sorted({c % (len(data) + 1) for c in cuts}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(borders)]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts, st.lists(st.integers(0, 400)))
def test_text_is_the_same_however_its_bytes_are_cut(text, cuts):
    text = "x" + text  # no thought can begin
    got, thought, stopped, pieces = run(cut(text.encode(), cuts))
    assert (got, thought, stopped) == (text, "", False)
    assert "\ufffd" not in "".join(piece for _, piece in pieces).replace("\ufffd", "", text.count("\ufffd"))


@given(texts, st.lists(st.integers(0, 400)), st.lists(texts.filter(bool), min_size=1, max_size=3))
def test_stop_texts_end_the_answer_wherever_they_are_cut(text, cuts, stops):
    text = "x" + text + "END" + text
    stops = [*stops, "END"]
    expected = text[: min(at for at in (text.find(stop) for stop in stops) if at >= 0)]
    got, _, stopped, _ = run(cut(text.encode(), cuts), stops)
    # Only a complete stop text can be seen: one that ends earlier wins over one that starts earlier.
    assert stopped
    assert got.startswith(expected) or expected.startswith(got)
    assert not any(stop in got for stop in stops)


def test_half_a_stop_text_at_the_end_is_text():
    assert run([b"a EN"], ["END"])[0] == "a EN"


def test_a_held_back_stop_start_is_released_as_soon_as_it_is_none():
    stream = TextStream(["END"])
    assert stream.feed(b"a E") == [("answer", "a ")]
    assert stream.feed(b"N") == []
    assert stream.feed(b"x") == [("answer", "ENx")]


def test_a_character_that_never_becomes_whole_is_left_out():
    assert run([b"a\xf0\x9f"])[0] == "a"


@given(st.lists(st.integers(0, 400)))
def test_thoughts_are_kept_apart(cuts):
    data = "<think>\nFirst, é.\n</think>\n\nThe answer with <think> in it.".encode()
    got, thought, _, _ = run(cut(data, cuts), ["STOP"])
    assert got == "The answer with <think> in it."
    assert thought == "First, é.\n"


def test_a_thought_that_the_prompt_opened():
    got, thought, _, _ = run([b"Hmm.</thi", b"nk>\nYes"], tail="<think>\n")
    assert (got, thought) == ("Yes", "Hmm.")


def test_stop_texts_do_not_end_a_thought():
    got, thought, stopped, _ = run([b"<think>a END b</think>c END d"], ["END"])
    assert (thought, got, stopped) == ("a END b", "c ", True)


@pytest.mark.parametrize("text", ["<", "<thi", "<table>", "[THIN", " <think"])
def test_what_only_looks_like_a_thought_is_answer(text):
    assert run([text.encode()])[0] == text


HARMONY = "<|start|>assistant<|channel|>analysis<|message|>"
MUSE = "<|start|>assistant to=self<|message|><|eom|>"
SOLAR = "<|begin|>assistant<|think|><|end|><|content|>"
KIMI_K3 = "<|open|>think<|sep|><|close|>"
COHERE = "<|START_THINKING|><|END_THINKING|><|START_RESPONSE|><|END_RESPONSE|>"
FAMILIES = [
    # what tells the family, the end of the prompt, what the model writes: thought 1, answer A
    ("", "", "<think>1</think>A"),
    ("", "", "<think>\n1</think>\n\n</think>\nA"),
    ("", "assistant\n<think>\n", "1</think>\n\nA"),
    ("", "", "<thinking>1</thinking>A"),
    ("", "", "<seed:think>1</seed:think>A"),
    ("", "<mm:think>", "1</mm:think>A"),
    ("", "<think:opensource>", "1</think:opensource>A"),
    ("", "[/INST]", "[THINK]1[/THINK]A"),
    ("", "", "<|inner_prefix|>1<|inner_suffix|>A"),
    ("", "", "<|channel>thought\n1<channel|>A"),
    (COHERE, "", "<|START_THINKING|>1<|END_THINKING|><|START_RESPONSE|>A<|END_RESPONSE|>"),
    (COHERE, "<|START_THINKING|>", "1<|END_THINKING|><|START_RESPONSE|>A<|END_RESPONSE|>"),
    ("<response></response>", "", "<think>1</think><response>A</response>"),
    ("<answer>", "", "<think>1</think>\n<answer>\nA</answer>"),
    ("[BEGIN FINAL RESPONSE]", "Here are my reasoning steps:\n", "1[BEGIN FINAL RESPONSE]\nA"),
    (
        "[BEGIN FINAL RESPONSE]",
        "",
        "Here are my reasoning steps:\n1[BEGIN FINAL RESPONSE]A[END FINAL RESPONSE]",
    ),
    (
        HARMONY,
        "<|start|>assistant",
        "<|channel|>analysis<|message|>1<|end|><|start|>assistant<|channel|>final<|message|>A",
    ),
    (
        HARMONY,
        "<|start|>assistant<|channel|>analysis<|message|>",
        "1<|start|>assistant<|channel|>final<|message|>A",
    ),
    (
        HARMONY,
        "<|start|>assistant",
        "<|channel|>commentary to=functions.x<|message|>1<|end|>"
        "<|start|>assistant<|channel|>final <|constrain|>json<|message|>A",
    ),
    (MUSE, "<|start|>assistant", " to=self<|message|>1<|eom|><|start|>assistant to=user<|message|>A"),
    (SOLAR, "<|begin|>assistant", "<|think|>1<|end|><|begin|>assistant<|content|>A<|end|>"),
    (
        KIMI_K3,
        "<|open|>think<|sep|>",
        "1<|close|>think<|sep|><|open|>response<|sep|>A<|close|>response<|sep|><|close|>message<|sep|>",
    ),
]


@pytest.mark.parametrize(("template", "tail", "text"), FAMILIES)
def test_every_family_marks_its_thoughts_its_own_way(template, tail, text):
    for chunks in ([text], list(text), [text[at : at + 3] for at in range(0, len(text), 3)]):
        got = run([chunk.encode() for chunk in chunks], template=template, tail=tail)
        assert got[:2] == ("A", "1")


written = st.lists(
    st.one_of(
        texts, st.sampled_from(FAMILIES).flatmap(lambda family: st.sampled_from(re.split("[1A]", family[2])))
    ),
    max_size=8,
).map("".join)


@given(st.sampled_from(FAMILIES), written, st.lists(st.integers(0, 400)))
def test_what_is_thought_does_not_depend_on_where_tokens_end(family, text, cuts):
    template, tail, _ = family
    whole = run([text.encode()], ["END"], template, tail)
    assert run(cut(text.encode(), cuts), ["END"], template, tail)[:3] == whole[:3]


@pytest.mark.parametrize(("template", "tail", "text"), FAMILIES)
def test_a_thought_that_does_not_end_is_no_answer(template, tail, text):
    begun = text[: text.index("1") + 1]
    assert run([begun.encode()], template=template, tail=tail)[:2] == ("", "1")


@pytest.mark.parametrize(("template", "tail", "text"), FAMILIES)
def test_an_empty_thought_leaves_no_trace(template, tail, text):
    got = run([text.replace("1", "").encode()], template=template, tail=tail)
    assert got[:2] == ("A", "")


@pytest.mark.parametrize(
    ("template", "tail", "text"),
    [
        ("", "", "A"),
        ("", "<think></think>\n", "</think>\n\nA"),
        (COHERE, "<|START_THINKING|><|END_THINKING|><|START_RESPONSE|>", "A<|END_RESPONSE|>"),
        (HARMONY, "<|start|>assistant<|channel|>final<|message|>", "A"),
        (HARMONY, "<|start|>assistant", "<|channel|>final<|message|>A"),
        (HARMONY, "<|start|>assistant", "A"),
        (HARMONY, "<|im_start|>assistant\n", "A"),
        (SOLAR, "<|think|><|end|><|begin|>assistant<|content|>", "A<|end|>"),
        (KIMI_K3, "<|open|>response<|sep|>", "A<|close|>response<|sep|><|close|>message<|sep|>"),
    ],
)
def test_an_answer_without_a_thought(template, tail, text):
    for chunks in ([text], list(text)):
        assert run([c.encode() for c in chunks], template=template, tail=tail)[:2] == ("A", "")


@pytest.mark.parametrize(
    "text",
    ["Write <think> first.</think>", "<response>a</response>", "all\n>>> x", "Say [THINK].", "<answer>"],
)
def test_marks_in_the_middle_of_an_answer_and_of_other_families_are_text(text):
    assert run([text.encode()], template=COHERE)[0] == text


def test_an_answer_that_has_begun_does_not_think():
    stream = TextStream((), Marks(), "assistant\n", answering=True)
    assert stream.feed(b"<think>") == [("answer", "<think>")]


def test_a_model_that_forgets_its_channels_is_read_without_them():
    long = "word " * 50
    got = run([long.encode()], template=HARMONY, tail="<|start|>assistant")
    assert got[0] == long


@given(st.lists(st.integers(0, 50), max_size=100), st.lists(st.integers(0, 50), min_size=1, max_size=100))
def test_loops_are_seen(prefix, group):
    turns = max(4, -(-64 // len(group)))
    assert is_loop([*prefix, *group * (turns + 1)], len(prefix))


@given(st.integers(0, 1000))
def test_numbered_text_is_no_loop(start):
    tokens = [token for n in range(start, start + 100) for token in (1, 2, 3, 1000 + n)]
    assert not is_loop(tokens, 0)


def test_a_short_repetition_or_one_in_the_prompt_is_no_loop():
    assert not is_loop([1, 2, 3] * 10, 0)
    assert not is_loop([7] * 100 + [7] * 20, 100)
