"""Where a sentence that a model wrote stands in the document: by our own measure, never by the model's word.

Each source sentence is weighed by how much of the written sentence's rare words, numbers and names it shares.
Citations quote the source literally; numbers and names that the cited places lack are reported.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Generator, Set
from functools import cached_property

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
_FEW_BLOCKS = 64  # up to so many are gone through; more are found through their terms
_BLOCKS_PER_STEP = 50


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
        stemmer: Knows words of the document already.

    Attributes:
        spans: Where the sentences of each block are, by block id.
    """

    def __init__(self, document: Document, stemmer: Stemmer | None = None) -> None:
        self._begin(document, stemmer or Stemmer())
        for _ in self._build():
            pass

    @classmethod
    def in_steps(
        cls, document: Document, stemmer: Stemmer | None = None
    ) -> Generator[None, None, AnchorIndex]:
        """Make an index of a long document, with a breath between short steps; returns it."""
        index = cls.__new__(cls)
        index._begin(document, stemmer or Stemmer())
        yield from index._build()
        return index

    def _begin(self, document: Document, stemmer: Stemmer) -> None:
        self._language = document.language
        self._stemmer = stemmer
        self._sources: list[_Source] = []
        self._by_term: dict[str, list[int]] = defaultdict(list)
        self._by_value: dict[float, list[int]] = defaultdict(list)
        self._of_block: dict[int, range] = {}
        self.spans: dict[int, list[tuple[int, int]]] = {}
        self._readable = reading_blocks(document)
        self._place = {block.id: place for place, (_, block) in enumerate(self._readable)}
        self._near_values: dict[int, set[float]] = {}

    def _build(self) -> Generator[None, None, None]:
        for place, (page, block) in enumerate(self._readable):
            self._add(page, block, self._scale(place))
            if place % _BLOCKS_PER_STEP == 0:
                yield
        total = max(len(self._sources), 1)
        self._idf = {term: math.log(1 + total / len(where)) for term, where in self._by_term.items()}
        self._idf_unknown = _UNKNOWN * math.log(1 + total)
        self._values_in_order = sorted(self._by_value)

    def _scale(self, place: int) -> float:
        """Return what the figures of the block at ``place`` are counted in."""
        block = self._readable[place][1]
        if block.kind != "table":
            return 1.0
        around = self._readable[max(0, place - 1) : place + 2]
        captions = " ".join(b.text for _, b in around if b.kind == "caption")
        return _table_scale(f"{block.text} {captions}")

    def _add(self, page: int, block: Block, scale: float) -> None:
        if block.kind == "heading":
            return
        first = len(self._sources)
        spans = self.spans[block.id] = sentences(block.text)
        for start, end in spans:
            for quote in _quotable(block.text[start:end]):
                source = _Source(
                    page=page,
                    block=block.id,
                    quote=quote,
                    terms=self._stemmer.term_set(quote),
                    values=frozenset(_values(quote, scale)),
                )
                number = len(self._sources)
                self._sources.append(source)
                for term in source.terms:
                    self._by_term[term].append(number)
                for value in source.values:
                    self._by_value[value].append(number)
        self._of_block[block.id] = range(first, len(self._sources))

    @cached_property
    def _all_words(self) -> frozenset[str]:
        """All words of the document, as names are compared."""
        written: set[str] = set()
        for _, block in self._readable:
            written.update(block.text.replace("/", " ").split())
        return _words(written)

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
        allowed = blocks if blocks is None or isinstance(blocks, Set) else frozenset(blocks)
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
        allowed: Set[int] | None,
    ) -> tuple[list[int], float]:
        """Pick sources one after the other, each by what it adds; returns them and the share they hold.

        What a source adds only falls with each one picked: one not worth citing is not looked at again.
        """
        number_weight = _NUMBER_WEIGHT * self._idf_unknown
        values_of = self._values_held(stated, allowed)
        gains = self._gains(weights, allowed)
        for number, values in values_of.items():
            gains[number] = gains.get(number, 0.0) + number_weight * len(values)
        top = max(gains.values(), default=0.0)
        if top / total <= 0:
            return [], 0.0
        chosen = [min(number for number, gain in gains.items() if gain == top)]
        score = top / total
        open_terms = weights.keys() - self._sources[chosen[0]].terms
        open_values = stated.keys() - values_of.get(chosen[0], set())
        rest = [
            number
            for number, gain in gains.items()
            if (gain / total >= _WORTH_CITING or number in values_of) and number != chosen[0]
        ]
        while rest and len(chosen) < _CITATIONS:
            best: tuple[float, int, float] | None = None
            worth = []
            for number in rest:
                new = [term for term in weights if term in open_terms and term in self._sources[number].terms]
                figures = values_of.get(number, set()) & open_values
                gain = sum(weights[term] for term in new) + number_weight * len(figures)
                brings_number = bool(figures) and len(weights.keys() & self._sources[number].terms) >= 2
                if brings_number or self._is_worth_citing(number, chosen, gain / total, len(new)):
                    worth.append(number)
                    rank = (gain * self._nearness(number, chosen), -number, gain)
                    best = max(best, rank) if best else rank
            if best is None:
                break
            number = -best[1]
            chosen.append(number)
            score += best[2] / total
            open_terms -= self._sources[number].terms
            open_values -= values_of.get(number, set())
            worth.remove(number)
            rest = worth
        if len(chosen) > 1:
            first, second = (weights.keys() & self._sources[number].terms for number in chosen[:2])
            if first <= second and values_of.get(chosen[0], set()) <= values_of.get(chosen[1], set()):
                del chosen[0]  # the second says all that the first does
        return chosen, score

    def _gains(self, weights: dict[str, float], allowed: Set[int] | None) -> dict[int, float]:
        """Return the weight of the terms that each source shares."""
        gains: dict[int, float] = {}
        if allowed is not None and len(allowed) <= _FEW_BLOCKS:
            for number in (n for block in allowed for n in self._of_block.get(block, ())):
                terms = self._sources[number].terms
                if gain := sum(weight for term, weight in weights.items() if term in terms):
                    gains[number] = gain
            return gains
        for term, weight in weights.items():
            for number in self._by_term.get(term, ()):
                gains[number] = gains.get(number, 0.0) + weight
        if allowed is None:
            return gains
        return {number: gain for number, gain in gains.items() if self._sources[number].block in allowed}

    def _values_held(self, stated: dict[float, str], allowed: Set[int] | None) -> dict[int, set[float]]:
        """Return which of the stated values each source states."""
        held: dict[int, set[float]] = defaultdict(set)
        for value in stated:
            for number in self._stating(value):
                if allowed is None or self._sources[number].block in allowed:
                    held[number].add(value)
        return dict(held)

    def _stating(self, value: float) -> list[int]:
        exact = self._by_value.get(value)
        if exact:
            return exact
        # `facts.states` takes two digits at least: what it lets pass is less than six percent away.
        low, high = sorted((value * 0.94, value * 1.06))
        begin = bisect_left(self._values_in_order, low - 1e-8)
        end = bisect_right(self._values_in_order, high + 1e-8)
        near = [other for other in self._values_in_order[begin:end] if facts.states(value, {other})]
        return [number for other in near for number in self._by_value[other]]

    def _distance(self, number: int, other: int) -> int:
        """Return how many blocks lie between two sources."""
        return abs(self._place[self._sources[number].block] - self._place[self._sources[other].block])

    def _nearness(self, number: int, chosen: list[int]) -> float:
        """Prefer further sources from the neighborhood of the first."""
        return 1.5 if chosen and self._distance(number, chosen[0]) <= 1 else 1.0

    def _is_worth_citing(self, number: int, chosen: list[int], gain: float, terms: int) -> bool:
        """Tell whether a further source says part of the sentence, rather than sharing a word by chance."""
        if self._distance(number, chosen[0]) <= 1:
            return gain >= _WORTH_CITING
        return gain >= _WORTH_CITING_FAR and terms >= 2

    def _missing(self, sentence: str, stated: dict[float, str], cited: list[_Source]) -> tuple[str, ...]:
        """Return numbers that the cited blocks and their neighbors lack, and names the document lacks."""
        near: set[float] = set()
        for source in cited:
            near |= self._values_near(self._place[source.block])
        missing = [written for value, written in stated.items() if not facts.states(value, near)]
        for name in facts.names(sentence, language=self._language):
            parts = [name] if facts.name_key(name) in self._all_words else name.replace("’", "'").split("-")
            if any(facts.name_key(part) not in self._all_words for part in parts if part):
                missing.append(name)
        return tuple(dict.fromkeys(missing))

    def _values_near(self, place: int) -> set[float]:
        """Return the values of a block and its neighbors."""
        found = self._near_values.get(place)
        if found is None:
            places = range(max(0, place - 1), min(place + 2, len(self._readable)))
            found = set().union(*(_values(self._readable[p][1].text, self._scale(p)) for p in places))
            self._near_values[place] = found
        return found


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


def _words(written: Set[str]) -> frozenset[str]:
    """Return words and their parts, as names are compared."""
    found = set()
    for word in written:
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
