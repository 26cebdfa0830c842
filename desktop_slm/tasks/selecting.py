"""Chooses among supported sentences: which notes stand in a summary when the model's own text falls short."""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from desktop_slm.documents.model import KeySentence
from desktop_slm.tasks.events import Sentence
from desktop_slm.tasks.outline import DocumentSection
from desktop_slm.tasks.wording import Wording, same_terms

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


class Weigher:
    """Tells what a sentence is worth by itself.

    It weighs more when it resembles a key sentence, when it carries a number, and when it concerns the focus.

    Args:
        wording: Knows the words of the task.
        key: The key sentences of the document.
        focus: What is asked for, may be empty.
    """

    def __init__(self, wording: Wording, key: Sequence[KeySentence] = (), focus: str = "") -> None:
        self.wording = wording
        self._focus = focus
        self._scores = [0.5 + sentence.score / 2 for sentence in key]
        self._by_term: dict[str, list[int]] = defaultdict(list)
        for index, sentence in enumerate(key):
            for term in wording.terms(sentence.text):
                self._by_term[term].append(index)

    def weight(self, text: str) -> float:
        """Return the weight of a sentence."""
        weight = self._resemblance(self.wording.terms(text))
        if re.search(r"\d", text):
            weight += _NUMBER
        if len(self.wording.stemmer.term_list(text)) not in _GOOD_TERMS:
            weight -= _BAD_LENGTH
        if self._focus:
            weight += _FOCUS * self.wording.overlap(self._focus, text)
        return weight

    def _resemblance(self, terms: frozenset[str]) -> float:
        """Return the likeness to the key sentence it is likest, counting how weighty that one is."""
        shared = Counter(index for term in terms for index in self._by_term.get(term, ()))
        return max((count / len(terms) * self._scores[index] for index, count in shared.items()), default=0.0)


def choose(
    candidates: Sequence[Candidate],
    count: int,
    weigher: Weigher,
    *,
    chosen: Sequence[Candidate] = (),
    sections: Sequence[DocumentSection] = (),
) -> list[Candidate]:
    """Return up to ``count`` further candidates that add something, the weightiest first.

    One whose section has not been heard yet weighs more; near repetitions of what is chosen are left out.
    """
    if count <= 0:
        return []
    terms = weigher.wording.terms
    taken = [terms(candidate.sentence.text) for candidate in chosen]
    covered = {section_of(candidate.block, sections) for candidate in chosen}
    weights = [weigher.weight(candidate.sentence.text) for candidate in candidates]
    places = [section_of(candidate.block, sections) for candidate in candidates]

    def rank(index: int) -> float:
        return weights[index] + (_NEW_SECTION if places[index] not in covered else 0)

    waiting = [(-rank(index), index) for index in range(len(candidates))]
    heapq.heapify(waiting)
    picked: list[Candidate] = []
    while waiting and len(picked) < count:
        shown, index = heapq.heappop(waiting)
        if -rank(index) != shown:  # its section has been heard since: it waits in its new place
            heapq.heappush(waiting, (-rank(index), index))
            continue
        own = terms(candidates[index].sentence.text)
        if not any(same_terms(own, other) for other in taken):
            taken.append(own)
            picked.append(candidates[index])
            covered.add(places[index])
    return picked
