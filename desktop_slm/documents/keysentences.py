"""The sentences that carry a document, without a model: near the center of its words, and unlike one another.

Centroid-based extraction (Radev et al., 2004) with maximal marginal relevance (Carbonell and Goldstein, 1998)
for variety; linear in the length of the document.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

from desktop_slm.documents.model import Block, Document, KeySentence
from desktop_slm.documents.split import reading_blocks, sentences
from desktop_slm.documents.terms import Stemmer, count_words, has_unspaced, is_unspaced

_SHORTEST_WORDS, _LONGEST_WORDS = 7, 45
_SHORTEST_WIDE, _LONGEST_WIDE = 12, 120  # characters, in scripts without spaces
_POOL = 400  # candidates compared with one another
_STEP = 50  # blocks, or sentences chosen, between two breaths
_SIMILARITY_COST = 0.55
_SECTION_COST = 0.85

# Sentences that lean on what stands before them say little alone.
_LEANING = re.compile(
    r"(?i)^(?:this|these|that|those|it|its|they|their|he|she|his|her|such|however|therefore|thus|hence|"
    r"moreover|furthermore|also|but|and|or|so|then|yet|for example|for instance|in addition|as a result|see|"
    r"see also|note that|dies|diese|dieser|es|sie|er|aber|und|ces?|cette|il|elle|esto|este|esta|ello)\b"
)
_NO_QUOTE = ("://", "www.", "©", "all rights reserved", "isbn", "doi:")
_LABEL = re.compile(r"(?i)\W*(?:figure|table|fig\.)\s*\d")
_ADDRESS = re.compile(r"@\w+\.\w")
_LEADERS = re.compile(r"(?:\.\s?){4,}|…{2,}|_{5,}")  # dots from a title to its page number
_LETTERS = re.compile(r"[^\W\d_]+")
_ENDS = (".", "!", "?", "。", "！", "？", "؟", "।", "۔", "።", "։", ".”", '."', ".)", "。」", "”", "»")


@dataclass(slots=True)
class _Candidate:
    text: str
    page: int
    block: int
    place: int
    section: int  # place of its heading
    heading: frozenset[str]  # terms of its heading
    weights: dict[str, float] = field(default_factory=dict)
    score: float = 0.0


def key_sentences(document: Document, limit: int = 8, stemmer: Stemmer | None = None) -> list[KeySentence]:
    """Return up to ``limit`` sentences that carry ``document``, in its order.

    Running lines, tables, contents, captions and fragments are never chosen.

    Args:
        document: Where to look.
        limit: How many at most.
        stemmer: Knows words of the document already.
    """
    steps = in_steps(document, limit, stemmer)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: list[KeySentence] = end.value
            return found


def in_steps(
    document: Document,
    limit: int = 8,
    stemmer: Stemmer | None = None,
    spans: Mapping[int, Sequence[tuple[int, int]]] | None = None,
) -> Generator[None, None, list[KeySentence]]:
    """Do what `key_sentences` does with a breath between short steps.

    Args:
        document, limit, stemmer: As there.
        spans: The sentences of blocks by id, where they are known.
    """
    blocks = reading_blocks(document)
    candidates = yield from _candidates(blocks, stemmer or Stemmer(), spans or {})
    if not candidates:
        return []
    _score(candidates, len(blocks))
    yield
    pool = sorted(candidates, key=lambda c: -c.score)[:_POOL]
    chosen = yield from _varied(pool, limit)
    top = max(candidate.score for candidate in chosen)
    return [
        KeySentence(
            text=c.text, page=c.page, block=c.block, score=round(c.score / top, 3) if top > 0 else 0.0
        )
        for c in sorted(chosen, key=lambda c: c.place)
    ]


def _candidates(
    blocks: list[tuple[int, Block]], stemmer: Stemmer, spans: Mapping[int, Sequence[tuple[int, int]]]
) -> Generator[None, None, list[_Candidate]]:
    """Return the sentences worth choosing, their terms weighed by rarity."""
    found: dict[str, tuple[_Candidate, Counter[str]]] = {}
    frequency: Counter[str] = Counter()
    section, heading = 0, frozenset[str]()
    for place, (page, block) in enumerate(blocks):
        if place % _STEP == 0:
            yield
        if block.kind == "heading":
            section, heading = place, frozenset(stemmer.terms(block.text))
        if block.kind not in ("paragraph", "list_item") or _LEADERS.search(block.text):
            continue
        for start, end in spans.get(block.id) or sentences(block.text):
            text = block.text[start:end]
            counts = Counter(stemmer.term_list(text))
            frequency.update(counts.keys())
            if _is_worth(text):
                candidate = _Candidate(text, page, block.id, place, section, heading)
                found.setdefault(text.casefold(), (candidate, counts))
    total = max(1, len(found))
    idf = {term: math.log(1 + total / count) for term, count in frequency.items()}
    for number, (candidate, counts) in enumerate(found.values()):
        if number % (10 * _STEP) == 0:
            yield
        weights = {term: (1 + math.log(count)) * idf[term] for term, count in counts.items()}
        norm = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        candidate.weights = {term: weight / norm for term, weight in weights.items()}
    return [candidate for candidate, _ in found.values()]


def _is_worth(text: str) -> bool:
    """Tell whether a sentence can stand alone as a quote."""
    if not text.endswith(_ENDS) or text.endswith("...") or _LABEL.match(text) or _ADDRESS.search(text):
        return False
    lower = text.lower()
    if any(part in lower for part in _NO_QUOTE):
        return False
    letters = sum(map(len, _LETTERS.findall(text)))
    if letters < 0.6 * (len(text) - text.count(" ")):
        return False
    if has_unspaced(text) and sum(map(is_unspaced, text)) > 0.3 * letters:
        return _SHORTEST_WIDE <= len(text) <= _LONGEST_WIDE
    first = next((c for c in text if c.isalnum()), "")
    if first.islower() or text[0] in ",;:)]|":
        return False
    return _SHORTEST_WORDS <= count_words(text) <= _LONGEST_WORDS


def _score(candidates: list[_Candidate], places: int) -> None:
    """Weigh each candidate: nearness to the center, its place, its heading, figures in it."""
    center: Counter[str] = Counter()
    for candidate in candidates:
        center.update(candidate.weights)
    # Words of a single sentence pull it to itself only.
    kept = dict(center.most_common(1_500))
    norm = math.sqrt(sum(weight * weight for weight in kept.values())) or 1.0
    firsts: set[int] = set()
    for candidate in candidates:
        nearness = sum(weight * kept.get(term, 0.0) for term, weight in candidate.weights.items()) / norm
        bonus = 1.0
        if candidate.place not in firsts:
            firsts.add(candidate.place)
            bonus += 0.12  # first sentence of its paragraph
        bonus += 0.20 * max(0.0, 1 - 12 * candidate.place / max(places, 12))  # near the beginning
        if candidate.heading & candidate.weights.keys():
            bonus += 0.12
        if re.search(r"\d", candidate.text):
            bonus += 0.10
        if _LEANING.match(candidate.text):
            bonus -= 0.30
        bonus -= 0.30 * max(0.0, 1 - len(candidate.weights) / 12)  # short ones are near the center by little
        candidate.score = nearness * bonus


def _varied(pool: list[_Candidate], limit: int) -> Generator[None, None, list[_Candidate]]:
    """Choose by score less the likeness to what is chosen already; at most two from one block.

    A section counts for less with each sentence chosen from it, so that long documents are seen in full.
    """
    chosen: list[_Candidate] = []
    likeness = [0.0] * len(pool)
    per_block: Counter[int] = Counter()
    per_section: Counter[int] = Counter()
    holding: dict[str, list[int]] = defaultdict(list)
    of_section: dict[int, list[int]] = defaultdict(list)
    for i, candidate in enumerate(pool):
        of_section[candidate.section].append(i)
        for term in candidate.weights:
            holding[term].append(i)

    def worth(i: int) -> float:
        repeated = _SECTION_COST ** per_section[pool[i].section]
        return pool[i].score * (1 - _SIMILARITY_COST * likeness[i]) * repeated

    left = {i: worth(i) for i in range(len(pool))}
    while left and len(chosen) < limit:
        top = max(left.values())
        best = min((i for i, value in left.items() if value == top), key=lambda i: pool[i].place)
        del left[best]
        winner = pool[best]
        if likeness[best] > 0.75 or per_block[winner.block] >= 2:
            continue
        chosen.append(winner)
        per_block[winner.block] += 1
        per_section[winner.section] += 1
        shared: dict[int, float] = defaultdict(float)
        for term, weight in winner.weights.items():
            for i in holding[term]:
                shared[i] += weight * pool[i].weights[term]
        for i, cosine in shared.items():
            likeness[i] = max(likeness[i], cosine)
        left.update({i: worth(i) for i in {*shared, *of_section[winner.section]} if i in left})
        if len(chosen) % _STEP == 0:
            yield
    return chosen
