"""What counts as said by the document, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_slm.documents.model import Document
from desktop_slm.tasks.checking import (
    Checker,
    SentenceStream,
    clean,
    copies,
    is_statement,
    lines,
    repeats,
)
from desktop_slm.tasks.wording import Wording


@pytest.mark.parametrize("strict", [False, True])
def test_a_sentence_of_the_document_is_supported_and_quoted_literally(harbor: Document, strict: bool) -> None:
    checker = Checker(harbor, strict=strict)
    found = checker.check("Most of the ships carried timber from Norway and grain from Canada.")
    assert found.supported
    assert [cited.page for cited in found.citations] == [1]
    assert found.citations[0].quote in harbor.pages[0].text


@pytest.mark.parametrize(
    "invented",
    [
        "The harbor handled 512 ships in 2025.",  # another number
        "Most of the ships carried timber from Sweden and grain from Canada.",  # another name
        "The mayor praised the volunteers of the lighthouse museum for their work.",
        "In this text the author discusses a number of topics.",
        "Here are the most important points:",
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_inventions_are_not_supported(harbor: Document, invented: str, strict: bool) -> None:
    assert not Checker(harbor, strict=strict).check(invented).supported


@pytest.mark.parametrize(
    "mixed",
    [
        "The costs of dredging brought in 7.4 million dollars.",  # the subject of the next figure
        "The old crane on the north quay will be replaced.",  # the negation is gone
        "Fees brought in 7.4 million dollars for the museum.",  # one foreign word
    ],
)
def test_very_small_models_are_held_to_words_order_and_negation(harbor: Document, mixed: str) -> None:
    assert not Checker(harbor, strict=True).check(mixed).supported


def test_shortening_is_allowed_even_then(harbor: Document) -> None:
    found = Checker(harbor, strict=True).check("The surplus of 900,000 dollars was put into the fund")
    assert found.supported
    assert found.text.endswith("fund.")


def test_only_the_given_blocks_count(harbor: Document) -> None:
    text = "The surplus of 900,000 dollars was put into the fund for the new breakwater."
    assert Checker(harbor).check(text, blocks={3, 4, 5}).supported
    assert not Checker(harbor).check(text, blocks={0, 1, 2}).supported


def test_lists_are_cleaned_and_cut_ends_dropped() -> None:
    raw = '1. **The first** point.\n- 2. The second point is here.\n* "A quoted one."\n4. This was cut in the'
    assert lines(raw, complete=False) == ["The first point.", "The second point is here.", "A quoted one."]
    assert lines(raw, complete=True)[-1] == "This was cut in the"


def test_loops_and_copied_instructions_are_seen() -> None:
    assert repeats("the sum of all parts is " * 4)
    assert not repeats("one two three four five six seven eight nine ten")
    told = "Write a summary of the text above in three sentences."
    assert copies("Sure: write a summary of the text above, it said.".replace(",", ""), told)
    assert not copies("The text above is about a harbor and its ships.", told)


def test_sameness_and_order() -> None:
    assert Wording().same("The wait fell to 11 days.", "The wait fell to 11 days in all clinics.")
    assert not Wording().same("The wait fell to 11 days.", "Donations rose by a third.")
    assert Wording().in_order("alpha gamma", "alpha beta gamma") == 1.0
    assert Wording().in_order("gamma alpha", "alpha beta gamma") == 0.5


@pytest.mark.parametrize(
    "text", ["Contents:", "What is it?", "Visits | 12 | 14", "Two words.", "A long list"]
)
def test_fragments_are_no_statements(text: str) -> None:
    assert not is_statement(text)


@given(st.text(max_size=200))
def test_cleaning_never_fails_and_settles(text: str) -> None:
    once = clean(text)
    assert "\n" not in once
    assert clean(clean(once)) == clean(once) or len(clean(once)) < len(once)


@given(st.integers(1, 7))
def test_streamed_sentences_are_those_of_the_whole(size: int) -> None:
    text = (
        "The first sentence is here. The second has 3.5 percent in it.\nThe third has its own line. The end"
    )
    stream = SentenceStream()
    found = [s for i in range(0, len(text), size) for s in stream.add(text[i : i + size])]
    assert found + stream.end(complete=True) == [
        "The first sentence is here.",
        "The second has 3.5 percent in it.",
        "The third has its own line.",
        "The end",
    ]
    assert stream.end(complete=True) == []
