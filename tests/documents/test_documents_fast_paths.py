"""What is done in a hurry gives what the plain way gives."""

from __future__ import annotations

from collections.abc import Collection, Generator
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_slm.documents import anchors, facts
from desktop_slm.documents.anchors import AnchorIndex
from desktop_slm.documents.keysentences import in_steps, key_sentences
from desktop_slm.documents.model import Document
from desktop_slm.documents.split import reading_blocks, sentences
from desktop_slm.documents.terms import Stemmer

Made = TypeVar("Made")


def _plainly(index: AnchorIndex, sentence: str, blocks: Collection[int] | None) -> list[tuple[int, str]]:
    """Return the citations of a sentence, found by weighing every source anew for each one picked."""
    weights, stated = index._weights(sentence), facts.numbers(sentence)
    number_weight = anchors._NUMBER_WEIGHT * index._idf_unknown
    total = sum(weights.values()) + number_weight * len(stated)
    if total <= 0:
        return []
    allowed = [n for n, s in enumerate(index._sources) if blocks is None or s.block in blocks]
    all_values = {value for source in index._sources for value in source.values}
    held = {n: index._sources[n].terms & weights.keys() for n in allowed}
    values = {
        n: {
            value
            for value in stated
            if value in index._sources[n].values
            or (value not in all_values and facts.states(value, set(index._sources[n].values)))
        }
        for n in allowed
    }
    open_terms, open_values = set(weights), set(stated)
    chosen: list[int] = []
    candidates = set(allowed)
    while candidates and len(chosen) < anchors._CITATIONS:
        gains = {
            n: sum(weight for term, weight in weights.items() if term in held[n] & open_terms)
            + number_weight * len(values[n] & open_values)
            for n in candidates
        }
        best = max(candidates, key=lambda n: (gains[n] * index._nearness(n, chosen), -n))
        if gains[best] <= 0:
            break
        candidates.discard(best)
        new = len(held[best] & open_terms)
        brings_number = bool(values[best] & open_values) and len(held[best]) >= 2
        if (
            chosen
            and not brings_number
            and not index._is_worth_citing(best, chosen, gains[best] / total, new)
        ):
            continue
        chosen.append(best)
        open_terms -= held[best]
        open_values -= values[best]
    if len(chosen) > 1 and held[chosen[0]] <= held[chosen[1]] and values[chosen[0]] <= values[chosen[1]]:
        del chosen[0]
    return [(index._sources[n].block, index._sources[n].quote) for n in chosen]


@settings(deadline=None, max_examples=120)
@given(data=st.data())
def test_the_same_sources_are_cited(sample: Document, data: st.DataObject) -> None:
    index = _index(sample)
    blocks = [block for _, block in reading_blocks(sample) if block.kind != "heading"]
    parts = []
    for block in data.draw(st.lists(st.sampled_from(blocks), min_size=1, max_size=3)):
        words = block.text.split()
        start = data.draw(st.integers(0, max(0, len(words) - 3)))
        parts += words[start : start + data.draw(st.integers(3, 14))]
    sentence = " ".join([*parts, data.draw(st.sampled_from(["", "61,500 people", "4.2 million", "zebras"]))])
    within = data.draw(
        st.none()
        | st.sets(st.sampled_from([block.id for block in blocks]), max_size=12)
        | st.just({block.id for block in blocks[: 3 * len(blocks) // 4]})
    )
    found = index.support(sentence, blocks=within)
    assert [(citation.block, citation.quote) for citation in found.citations] == _plainly(
        index, sentence, within
    )


_INDEX: list[AnchorIndex] = []


def _index(document: Document) -> AnchorIndex:
    if not _INDEX:
        _INDEX.append(AnchorIndex(document))
    return _INDEX[0]


@given(st.text(alphabet="0123456789.,'-−–/ \u00a0mk%aA万٤\n$(", max_size=40))
def test_numbers_are_found_around_their_digits(text: str) -> None:
    plain = facts._plain_digits(text)
    runs = [match.span() for match in facts._DIGIT_RUN.finditer(plain)]
    assert [match.group() for match in facts._written_numbers(plain, runs)] == [
        match.group() for match in facts._NUMBER.finditer(plain)
    ]


def _walk(steps: Generator[None, None, Made]) -> tuple[int, Made]:
    """Return how many breaths there were, and what was made."""
    breaths = 0
    while True:
        try:
            next(steps)
            breaths += 1
        except StopIteration as end:
            return breaths, end.value


def test_steps_are_many_and_lead_to_the_same(sample: Document) -> None:
    stemmer = Stemmer()
    readable = reading_blocks(sample)
    breaths, index = _walk(AnchorIndex.in_steps(sample, stemmer))
    assert breaths >= len(readable) // 50
    for _, block in readable[:40]:
        for start, stop in sentences(block.text):
            text = block.text[start:stop]
            assert index.support(text) == _index(sample).support(text)
    breaths, key = _walk(in_steps(sample, 8, stemmer, index.spans))
    assert breaths >= len(readable) // 50
    assert key == key_sentences(sample, 8)
