"""Chooses among supported sentences: which notes stand in a summary when the model's own text falls short."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from desktop_slm.documents.model import KeySentence
from desktop_slm.documents.terms import terms
from desktop_slm.tasks.checking import SAME, overlap
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
    taken = [_Weighed(candidate, 0.0) for candidate in chosen]
    covered = {section_of(candidate.block, sections) for candidate in chosen}
    known = [(frozenset(terms(sentence.text)), 0.5 + sentence.score / 2) for sentence in key]
    rest = [_Weighed(candidate, 0.0) for candidate in candidates]
    for one in rest:
        one.weight = _weight(one, known, focus)
        one.section = section_of(one.candidate.block, sections)
    picked: list[Candidate] = []
    while rest and len(picked) < count:
        best = max(rest, key=lambda one: one.weight + (_NEW_SECTION if one.section not in covered else 0))
        rest.remove(best)
        if any(_same(best.terms, other.terms) for other in taken):
            continue
        taken.append(best)
        picked.append(best.candidate)
        covered.add(best.section)
    return picked


class _Weighed:
    """A candidate with what is compared again and again."""

    def __init__(self, candidate: Candidate, weight: float) -> None:
        self.candidate = candidate
        self.terms = frozenset(terms(candidate.sentence.text))
        self.weight = weight
        self.section = -1


def _same(first: frozenset[str], second: frozenset[str]) -> bool:
    """Do what `checking.same` does, on terms."""
    return bool(first and second) and len(first & second) / min(len(first), len(second)) >= SAME


def _weight(one: _Weighed, known: Sequence[tuple[frozenset[str], float]], focus: str) -> float:
    text, own = one.candidate.sentence.text, one.terms
    weight = max((len(own & other) / len(own) * score for other, score in known), default=0.0) if own else 0.0
    if re.search(r"\d", text):
        weight += _NUMBER
    if len(terms(text)) not in _GOOD_TERMS:
        weight -= _BAD_LENGTH
    if focus:
        weight += _FOCUS * overlap(focus, text)
    return weight
