"""The sentences of documents that are nearest to a question, rare words of the question counting most.

What is shown where a model found no answer that can be proven: that is no proof that there is none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from desktop_slm.documents.retrieve import Passage
from desktop_slm.documents.split import sentences
from desktop_slm.documents.terms import is_unspaced
from desktop_slm.tasks.wording import Wording

_FEWEST_TERMS = 2
_LONGEST = 600
_SHARE_OF_BEST = 0.5
_PREFIX = 4  # letters from which two words are taken for forms of one
_COMMON = frozenset("的了是在有和与吗呢吧么什谁哪何几多少这那个們们不也就都及はがをにのとでもかしたますてい")
_NUMBER = 0.01


@dataclass(frozen=True)
class NearSentence:
    """A sentence, literally, and the passage it stands in. ``share`` is how much of the question it holds."""

    passage: Passage
    text: str
    share: float


class Nearest:
    """Ranks the sentences of passages by the words they share with a question.

    Args:
        question: What is asked.
        passages: Where to look.
        wording: Knows the words of the task.
    """

    def __init__(self, question: str, passages: Sequence[Passage], wording: Wording) -> None:
        self._question = question
        self._passages = passages
        self._wording = wording

    @cached_property
    def _sentences(self) -> list[tuple[Passage, str]]:
        return [(passage, text) for passage in self._passages for text in _sentences(passage.text)]

    @cached_property
    def _weights(self) -> dict[str, float]:
        """The question's terms that the passages have, and how much each says: the rarer, the more."""
        wanted = self._wording.terms(self._question)
        counts = Counter(term for _, text in self._sentences for term in wanted & self._wording.terms(text))
        sections = self._wording.terms("\n".join({passage.section for passage in self._passages}))
        counts.update(wanted & sections)
        total = len(self._sentences)
        return {term: math.log(1 + total / count) for term, count in counts.items()}

    def share(self, text: str) -> float:
        """Return the share of the question's weight that ``text`` holds; 1 when the passages hold none."""
        weight = sum(self._weights.values())
        if not weight:
            return 1.0
        found = self._wording.terms(text)
        return sum(worth for term, worth in self._weights.items() if term in found) / weight

    def ranked(self) -> list[NearSentence]:
        """Return the sentences that share anything with the question, best first."""
        found = [
            NearSentence(passage, text, self.share(f"{text}\n{passage.section}"))
            for passage, text in self._sentences
            if self._weights
        ]
        if not found:
            found = [NearSentence(passage, text, self._likeness(text)) for passage, text in self._sentences]
        return sorted((near for near in found if near.share > 0), key=_rank)

    def best(self, limit: int) -> list[NearSentence]:
        """Return up to ``limit`` sentences, none much farther than the first."""
        chosen: list[NearSentence] = []
        for near in self.ranked():
            if len(chosen) >= limit or (chosen and near.share < _SHARE_OF_BEST * chosen[0].share):
                break
            if not any(self._wording.same(near.text, other.text) for other in chosen):
                chosen.append(near)
        return chosen

    def _likeness(self, text: str) -> float:
        """Return the share of the question's words that stand in ``text`` in another form.

        Words that begin alike, and single characters of scripts that are written without spaces.
        """
        wanted = self._forms
        if not wanted:
            return 0.0
        found = _forms(self._wording, text)
        return sum(any(_alike(term, other) for other in found) for term in wanted) / len(wanted)

    @cached_property
    def _forms(self) -> frozenset[str]:
        return _forms(self._wording, self._question)


def _rank(near: NearSentence) -> float:
    return -(near.share + _NUMBER * bool(re.search(r"\d", near.text)))


def _sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a passage; one that runs over lines, as a table's row does, line by line."""
    for start, end in sentences(text):
        for line in text[start:end].splitlines():
            found = line.strip()
            if found and len(found) <= _LONGEST and _tells(found):
                yield found


def _tells(text: str) -> bool:
    return len(text.split()) >= _FEWEST_TERMS or (len(text) >= 2 * _FEWEST_TERMS and is_unspaced(text[0]))


def _forms(wording: Wording, text: str) -> frozenset[str]:
    """Return the words of ``text`` and the single characters of unspaced scripts that mean something."""
    found = {term for term in wording.terms(text) if not is_unspaced(term[0])}
    found.update(character for character in text if is_unspaced(character) and character not in _COMMON)
    return frozenset(found)


def _alike(first: str, second: str) -> bool:
    if first == second:
        return True
    return min(len(first), len(second)) >= _PREFIX and first[:_PREFIX] == second[:_PREFIX]
