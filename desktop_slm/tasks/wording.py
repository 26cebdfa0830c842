"""How far two sentences share their words: what tells repetitions, paraphrases and mixed-up facts apart."""

from __future__ import annotations

from desktop_slm.documents.terms import Stemmer

SAME = 0.75
"""Share of the shorter sentence's terms from which two sentences say the same."""


class Wording:
    """Compares sentences and remembers their terms: the same ones are compared many times in one task.

    Attributes:
        stemmer: What it knows words by.
    """

    def __init__(self) -> None:
        self.stemmer = Stemmer()

    def terms(self, text: str) -> frozenset[str]:
        """Return the different terms of ``text``."""
        return self.stemmer.term_set(text)

    def overlap(self, text: str, source: str) -> float:
        """Return the share of the terms of ``text`` that stand in ``source``."""
        wanted = self.terms(text)
        return len(wanted & self.terms(source)) / len(wanted) if wanted else 0.0

    def same(self, first: str, second: str) -> bool:
        """Tell whether two sentences say nearly the same in nearly the same words."""
        return same_terms(self.terms(first), self.terms(second))

    def in_order(self, text: str, source: str) -> float:
        """Return the share of the terms of ``text`` that stand in ``source`` in the same order.

        The length of the longest common subsequence: a model that gives one subject the number of the next
        keeps the words and breaks their order.
        """
        wanted, given = self.stemmer.term_list(text), self.stemmer.term_list(source)
        if not wanted:
            return 0.0
        row = [0] * (len(given) + 1)
        for term in wanted:
            before = 0
            for j, other in enumerate(given, 1):
                above = row[j]
                row[j] = before + 1 if term == other else max(above, row[j - 1])
                before = above
        return row[-1] / len(wanted)


def same_terms(first: frozenset[str], second: frozenset[str]) -> bool:
    """Do what `Wording.same` does, on terms."""
    return bool(first and second) and len(first & second) / min(len(first), len(second)) >= SAME
