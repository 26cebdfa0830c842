"""Chooses among supported sentences: which notes stand in a summary when the model's own text falls short."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from desktop_slm.documents.model import KeySentence
from desktop_slm.documents.terms import terms
from desktop_slm.tasks.checking import overlap, same
from desktop_slm.tasks.events import Sentence
from desktop_slm.tasks.outline import DocumentSection

_GOOD_TERMS = range(7, 31)
_NEW_SECTION = 0.25
_NUMBER = 0.1
_BAD_LENGTH = 0.4
_FOCUS = 2.0


@dataclass(frozen=True)
class Candidate:
    """A supported sentence and the block it stands on."""

    sentence: Sentence
    block: int


def section_of(block: int, sections: Sequence[DocumentSection]) -> int:
    """Return the index of the section that ``block`` belongs to, -1 for none."""
    for index, section in enumerate(sections):
        if block in section.blocks:
            return index
    return -1


def choose(
    candidates: Sequence[Candidate],
    count: int,
    *,
    chosen: Sequence[Candidate] = (),
    sections: Sequence[DocumentSection] = (),
    key: Sequence[KeySentence] = (),
    focus: str = "",
) -> list[Candidate]:
    """Return up to ``count`` further candidates that add something, the weightiest first.

    A candidate weighs more when it resembles a key sentence, when its section has not been heard yet, when it
    carries a number, and when it concerns the focus; near repetitions of what is chosen are left out.
    """
    taken = list(chosen)
    covered = {section_of(candidate.block, sections) for candidate in taken}
    rest = [(_weight(candidate.sentence.text, key, focus), candidate) for candidate in candidates]
    picked: list[Candidate] = []
    while rest and len(picked) < count:
        best = max(
            rest,
            key=lambda pair: (
                pair[0] + (_NEW_SECTION if section_of(pair[1].block, sections) not in covered else 0)
            ),
        )
        rest.remove(best)
        candidate = best[1]
        if any(same(candidate.sentence.text, other.sentence.text) for other in taken):
            continue
        taken.append(candidate)
        picked.append(candidate)
        covered.add(section_of(candidate.block, sections))
    return picked


def _weight(text: str, key: Sequence[KeySentence], focus: str) -> float:
    weight = max((overlap(text, sentence.text) * (0.5 + sentence.score / 2) for sentence in key), default=0.0)
    if re.search(r"\d", text):
        weight += _NUMBER
    if len(terms(text)) not in _GOOD_TERMS:
        weight -= _BAD_LENGTH
    if focus:
        weight += _FOCUS * overlap(focus, text)
    return weight
