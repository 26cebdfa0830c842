"""Where a sentence that a model wrote stands in the document: by our own measure, never by the model's word.

Each source sentence is weighed by how much of the written sentence's rare words, numbers and names it shares.
Citations quote the source literally; numbers and names that the cited places lack are reported.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection

import msgspec

from desktop_slm.documents import facts
from desktop_slm.documents.model import Block, Citation, Document
from desktop_slm.documents.split import reading_blocks, sentences
from desktop_slm.documents.terms import Stemmer, is_unspaced

SUPPORTED_FROM = 0.45
"""Share of a sentence's weight that its sources must hold.

A paraphrase keeps names, numbers and most nouns and changes verbs and connectives: true paraphrases of the
sample report score 0.53 to 1.0; sentences on its subject that it does not say score up to 0.42, except those
that only deny or twist what it says, which no count of words can tell (``test_documents_anchors.py``).
"""
_CITATIONS = 3
_WORTH_CITING = 0.12  # share of the weight that a further source must add from beside the first,
_WORTH_CITING_FAR = 0.25  # and from elsewhere
_NUMBER_WEIGHT = 1.2
_UNKNOWN = 0.8  # weight of a word the document lacks, to that of one it has once: paraphrases have some, too
_LONGEST_QUOTE = 400


class Support(msgspec.Struct, frozen=True, kw_only=True):
    """How far the document carries a sentence.

    Attributes:
        citations: The places that carry it, best first; each quote is literally in its block.
        score: 0 to 1: the share of its rare words and numbers found at these places.
        missing: Numbers and names in it that the places lack, as it writes them.
    """

    citations: tuple[Citation, ...] = ()
    score: float = 0.0
    missing: tuple[str, ...] = ()

    @property
    def supported(self) -> bool:
        """The document says so, as far as words can tell."""
        return bool(self.citations) and not self.missing and self.score >= SUPPORTED_FROM


class _Source(msgspec.Struct):
    """A sentence of the document."""

    page: int
    block: int
    quote: str
    terms: frozenset[str]
    values: frozenset[float]


class AnchorIndex:
    """The sentences of one document, ready to be searched.

    Args:
        document: The document; headings and running lines are no sources.
    """

    def __init__(self, document: Document) -> None:
        self._language = document.language
        self._stemmer = Stemmer()
        self._sources: list[_Source] = []
        self._by_term: dict[str, list[int]] = defaultdict(list)
        self._by_value: dict[float, list[int]] = defaultdict(list)
        self._block_words: dict[int, frozenset[str]] = {}
        self._block_values: dict[int, set[float]] = {}
        self._place: dict[int, int] = {}
        readable = reading_blocks(document)
        for place, (page, block) in enumerate(readable):
            self._place[block.id] = place
            around = " ".join(
                b.text for _, b in readable[max(0, place - 1) : place + 2] if b.kind == "caption"
            )
            self._add(page, block, _table_scale(f"{block.text} {around}") if block.kind == "table" else 1.0)
        self._blocks_in_order = list(self._place)
        counts = Counter({term: len(where) for term, where in self._by_term.items()})
        total = max(len(self._sources), 1)
        self._idf = {term: math.log(1 + total / count) for term, count in counts.items()}
        self._idf_unknown = _UNKNOWN * math.log(1 + total)
        self._all_words = frozenset().union(*self._block_words.values()) if self._block_words else frozenset()

    def _add(self, page: int, block: Block, scale: float) -> None:
        self._block_words[block.id] = _words(block.text)
        self._block_values[block.id] = _values(block.text, scale)
        if block.kind == "heading":
            return
        for start, end in sentences(block.text):
            for quote in _quotable(block.text[start:end]):
                source = _Source(
                    page=page,
                    block=block.id,
                    quote=quote,
                    terms=frozenset(self._stemmer.terms(quote)),
                    values=frozenset(_values(quote, scale)),
                )
                number = len(self._sources)
                self._sources.append(source)
                for term in source.terms:
                    self._by_term[term].append(number)
                for value in source.values:
                    self._by_value[value].append(number)

    def support(self, sentence: str, *, blocks: Collection[int] | None = None) -> Support:
        """Find what carries ``sentence``.

        Args:
            sentence: One sentence that a model wrote.
            blocks: Ids of the blocks it was written from; None for the whole document.

        Returns:
            At most three citations, the score and what is missing.
        """
        weights = self._weights(sentence)
        stated = facts.numbers(sentence)
        total = sum(weights.values()) + _NUMBER_WEIGHT * self._idf_unknown * len(stated)
        if total <= 0:
            return Support()
        allowed = None if blocks is None else frozenset(blocks)
        chosen, score = self._choose(weights, stated, total, allowed)
        cited = [self._sources[number] for number in chosen]
        return Support(
            citations=tuple(Citation(page=s.page, quote=s.quote, block=s.block) for s in cited),
            score=round(min(score, 1.0), 4),
            missing=self._missing(sentence, stated, cited),
        )

    def _weights(self, sentence: str) -> dict[str, float]:
        """Return the rare-word weight of each term; numbers are weighed apart."""
        return {
            term: self._idf.get(term, self._idf_unknown)
            for term in dict.fromkeys(self._stemmer.terms(sentence))
            if not term[0].isdigit()
        }

    def _choose(
        self,
        weights: dict[str, float],
        stated: dict[float, str],
        total: float,
        allowed: frozenset[int] | None,
    ) -> tuple[list[int], float]:
        """Pick sources one after the other, each by what it adds; returns them and the share they hold."""
        number_weight = _NUMBER_WEIGHT * self._idf_unknown
        held: dict[int, set[str]] = defaultdict(set)
        for term in weights:
            for number in self._by_term.get(term, ()):
                if allowed is None or self._sources[number].block in allowed:
                    held[number].add(term)
        values_of: dict[int, set[float]] = defaultdict(set)
        for value in stated:
            for number in self._stating(value):
                if allowed is None or self._sources[number].block in allowed:
                    values_of[number].add(value)
        open_terms, open_values = set(weights), set(stated)
        chosen: list[int] = []
        score = 0.0
        candidates = set(held) | set(values_of)
        while candidates and len(chosen) < _CITATIONS:
            gains = {
                number: sum(weights[term] for term in held[number] & open_terms)
                + number_weight * len(values_of[number] & open_values)
                for number in candidates
            }
            best = max(gains, key=lambda n: (gains[n] * self._nearness(n, chosen), -n))
            gain = gains[best] / total
            if gain <= 0:
                break
            brings_number = bool(values_of[best] & open_values) and len(held[best]) >= 2
            if (
                chosen
                and not brings_number
                and not self._is_worth_citing(best, chosen, gain, held[best] & open_terms)
            ):
                candidates.discard(best)
                continue
            chosen.append(best)
            score += gain
            open_terms -= held[best]
            open_values -= values_of[best]
            candidates.discard(best)
        if (
            len(chosen) > 1
            and held[chosen[0]] <= held[chosen[1]]
            and values_of[chosen[0]] <= values_of[chosen[1]]
        ):
            del chosen[0]  # the second says all that the first does
        return chosen, score

    def _stating(self, value: float) -> list[int]:
        exact = self._by_value.get(value)
        if exact:
            return exact
        near = [other for other in self._by_value if facts.states(value, {other})]
        return [number for other in near for number in self._by_value[other]]

    def _distance(self, number: int, other: int) -> int:
        """Return how many blocks lie between two sources."""
        return abs(self._place[self._sources[number].block] - self._place[self._sources[other].block])

    def _nearness(self, number: int, chosen: list[int]) -> float:
        """Prefer further sources from the neighborhood of the first."""
        return 1.5 if chosen and self._distance(number, chosen[0]) <= 1 else 1.0

    def _is_worth_citing(self, number: int, chosen: list[int], gain: float, terms: set[str]) -> bool:
        """Tell whether a further source says part of the sentence, rather than sharing a word by chance."""
        if self._distance(number, chosen[0]) <= 1:
            return gain >= _WORTH_CITING
        return gain >= _WORTH_CITING_FAR and len(terms) >= 2

    def _missing(self, sentence: str, stated: dict[float, str], cited: list[_Source]) -> tuple[str, ...]:
        """Return numbers that the cited blocks and their neighbors lack, and names the document lacks."""
        near: set[float] = set()
        for source in cited:
            place = self._place[source.block]
            for block in self._blocks_in_order[max(0, place - 1) : place + 2]:
                near |= self._block_values[block]
        missing = [written for value, written in stated.items() if not facts.states(value, near)]
        for name in facts.names(sentence, language=self._language):
            parts = [name] if facts.name_key(name) in self._all_words else name.replace("’", "'").split("-")
            if any(facts.name_key(part) not in self._all_words for part in parts if part):
                missing.append(name)
        return tuple(dict.fromkeys(missing))


def support(sentence: str, document: Document, *, blocks: Collection[int] | None = None) -> Support:
    """Find what carries ``sentence`` in ``document``; for many sentences keep an `AnchorIndex`."""
    return AnchorIndex(document).support(sentence, blocks=blocks)


def _table_scale(text: str) -> float:
    """Return what the figures of a table are counted in, by its text and caption: thousands, millions."""
    found = re.search(r"(?i)\b(thousand|million|billion)s?\b", text)
    return {"thousand": 1e3, "million": 1e6, "billion": 1e9}[found.group(1).lower()] if found else 1.0


def _values(text: str, scale: float) -> set[float]:
    values = facts.number_values(text)
    return values if scale == 1.0 else values | {round(value * scale, 6) for value in values}


def _words(text: str) -> frozenset[str]:
    found = set()
    for word in text.replace("/", " ").split():
        bare = word.strip(".,;:!?()[]{}\"'“”‘’«»…|*")
        if bare and not is_unspaced(bare[0]):
            found.add(facts.name_key(bare))
            found.update(facts.name_key(part) for part in bare.split("-"))
    return frozenset(found)


def _quotable(text: str) -> list[str]:
    """Cut an overlong sentence (a table without ends, a list) at spaces, so that a quote stays readable."""
    pieces = []
    while len(text) > _LONGEST_QUOTE:
        cut = text.rfind(" ", _LONGEST_QUOTE // 2, _LONGEST_QUOTE)
        cut = cut if cut > 0 else _LONGEST_QUOTE
        pieces.append(text[:cut].strip())
        text = text[cut:].strip()
    return [piece for piece in [*pieces, text] if piece]
