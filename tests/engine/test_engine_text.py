"""From token bytes to text: characters whole, stop texts found, thoughts apart, loops seen."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_slm.engine.text import TextStream, is_loop, opened_thought


def run(chunks, stops=(), opened=""):
    """Feed the chunks; return (answer, reasoning, stopped) and every piece."""
    stream = TextStream(stops, opened)
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
    got, thought, _, _ = run([b"Hmm.</thi", b"nk>\nYes"], opened="</think>")
    assert (got, thought) == ("Yes", "Hmm.")


def test_stop_texts_do_not_end_a_thought():
    got, thought, stopped, _ = run([b"<think>a END b</think>c END d"], ["END"])
    assert (thought, got, stopped) == ("a END b", "c ", True)


@pytest.mark.parametrize("text", ["<", "<thi", "<table>", "[THIN", " <think"])
def test_what_only_looks_like_a_thought_is_answer(text):
    assert run([text.encode()])[0] == text


def test_opened_thought():
    assert opened_thought("<|im_start|>assistant\n<think>\n") == "</think>"
    assert opened_thought("<|im_start|>assistant\n") == ""


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
