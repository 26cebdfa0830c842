"""Passages that may answer a question: BM25 over one or several documents in memory.

Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from desktop_slm.documents.model import Block, Document
from desktop_slm.documents.split import reading_blocks, sentences
from desktop_slm.documents.terms import Stemmer

_K1, _B = 1.2, 0.75
_PASSAGE_CHARACTERS = 700


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of a document.

    Attributes:
        document: The name it was given under.
        page: Where it begins.
        blocks: Ids of the blocks it has text of.
        section: The heading it stands under.
        text: Its text, literally; blank lines between blocks.
        score: BM25, 0 and up.
        coverage: Share of the question's rare-word weight that it holds, 0 to 1.
    """

    document: str
    page: int
    blocks: tuple[int, ...]
    section: str
    text: str
    score: float = 0.0
    coverage: float = 0.0


def passages(name: str, document: Document) -> list[Passage]:
    """Cut ``document`` into passages of about 700 characters along its blocks and sections."""
    found: list[Passage] = []
    group: list[tuple[int, Block, str]] = []
    section = ""

    def close() -> None:
        if any(block.kind != "heading" for _, block, _ in group):
            found.append(
                Passage(
                    document=name,
                    page=group[0][0],
                    blocks=tuple(dict.fromkeys(block.id for _, block, _ in group)),
                    section=section,
                    text="\n\n".join(text for _, _, text in group),
                )
            )
            group.clear()

    for page, block in reading_blocks(document):
        if block.kind == "heading":
            close()
            section = block.text
        for text in _pieces(block):
            if group and sum(len(t) for _, _, t in group) + len(text) > _PASSAGE_CHARACTERS:
                close()
            group.append((page, block, text))
    close()
    return found


def _pieces(block: Block) -> list[str]:
    """Cut a long block between sentences (a table between rows)."""
    if len(block.text) <= _PASSAGE_CHARACTERS * 1.3:
        return [block.text]
    pieces: list[str] = []
    start = end = 0
    for sentence_start, sentence_end in sentences(block.text):
        if end > start and sentence_end - start > _PASSAGE_CHARACTERS:
            pieces.append(block.text[start:end])
            start = sentence_start
        end = sentence_end
    return [*pieces, block.text[start:end]]


class PassageIndex:
    """Passages of one or several documents, ready to be searched.

    Args:
        documents: Pairs of a name (a library id or file name) and the document.
        stemmer: Knows words of the documents already.
    """

    def __init__(self, documents: Sequence[tuple[str, Document]], stemmer: Stemmer | None = None) -> None:
        self._stemmer = stemmer or Stemmer()
        self.passages = [passage for name, document in documents for passage in passages(name, document)]
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lengths: list[int] = []
        for number, passage in enumerate(self.passages):
            # The section's words count for each of its passages.
            counts = Counter(self._stemmer.terms(f"{passage.section}\n{passage.text}"))
            self._lengths.append(sum(counts.values()))
            for term, count in counts.items():
                self._postings[term].append((number, count))
        self._average = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0

    def _idf(self, term: str) -> float:
        total, having = len(self.passages), len(self._postings.get(term, ()))
        return math.log(1 + (total - having + 0.5) / (having + 0.5))

    def search(self, question: str, limit: int = 8) -> list[Passage]:
        """Return the passages that share most with ``question``, best first; none when nothing is shared."""
        wanted = dict.fromkeys(self._stemmer.terms(question))
        scores: dict[int, float] = defaultdict(float)
        held: dict[int, float] = defaultdict(float)
        weight = 0.0
        for term in wanted:
            idf = self._idf(term)
            weight += idf
            for number, count in self._postings.get(term, ()):
                length = _K1 * (1 - _B + _B * self._lengths[number] / self._average)
                scores[number] += idf * count * (_K1 + 1) / (count + length)
                held[number] += idf
        best = sorted(scores, key=lambda number: (-scores[number], number))[:limit]
        return [
            msgspec.structs.replace(
                self.passages[number],
                score=round(scores[number], 4),
                coverage=round(held[number] / weight, 4) if weight else 0.0,
            )
            for number in best
        ]


def retrieve(
    question: str,
    documents: Sequence[tuple[str, Document]],
    limit: int = 8,
    stemmer: Stemmer | None = None,
) -> list[Passage]:
    """Return the passages of ``documents`` that may answer ``question``, best first."""
    return PassageIndex(documents, stemmer).search(question, limit)
