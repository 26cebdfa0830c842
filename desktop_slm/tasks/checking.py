"""Checks what a model wrote about documents, sentence by sentence, in our code and not in the model's.

A sentence counts as supported when the document's anchors hold it, its numbers and names are in the source,
it does not deny what the source affirms, and most of its words stand in the quotes it is given.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Mapping, Sequence
from functools import cached_property, lru_cache

from desktop_slm.documents.anchors import AnchorIndex, Support
from desktop_slm.documents.model import Citation, Document, Page
from desktop_slm.documents.split import sentences
from desktop_slm.documents.terms import is_unspaced, terms
from desktop_slm.tasks.events import Cited, Sentence
from desktop_slm.tasks.wording import Wording

_BULLET = re.compile(r"^\s*(?:[-*•–·]+\s*|\(?\d{1,2}[.)]\s+|[a-h]\)\s+)+")
_EMPHASIS = re.compile(r"\*\*|__|`")
_PREAMBLE = re.compile(
    r"^(?:sure|certainly|of course|okay|here (?:is|are)|the following|below (?:is|are)|note:|summary:|answer:"
    r"|(?:in )?(?:the|this) (?:text|document|passage|summary)\b|i (?:am|can|cannot|have)\b|as an ai)",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|nicht|kein\w*|nie|ohne|ne|pas|jamais|sans|nunca|sin|non)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।", '."', ".”", ".)", ".’", ".»")
_MAY_END = re.compile("[.!?…؟۔।॥。።։！？｡⋯]")  # without one of these there is no sentence to look for
_MIN_TERMS = 4
_MIN_WORDS_WITHOUT_END = 7
_OVERLAP = 0.5
_OVERLAP_STRICT = 0.92
_ORDER_STRICT = 0.85
_COPIED_WORDS = 6


def clean(line: str) -> str:
    """Return a line of model output without bullet, number, emphasis and surrounding quotes."""
    text = _EMPHASIS.sub("", _BULLET.sub("", line)).strip()
    if len(text) > 2 and text[0] in "\"“„«'" and text[-1] in "\"”“»'":
        text = text[1:-1].strip()
    return " ".join(text.split())


def lines(text: str, *, complete: bool) -> list[str]:
    """Return the sentences of a list the model wrote.

    Args:
        text: Raw output.
        complete: The model ended by itself; if not, a last line without an end is dropped.
    """
    found = [sentence for line in text.splitlines() for sentence in _sentences(line)]
    if not complete and found and not found[-1].endswith(_ENDS):
        found.pop()
    return found


def is_statement(text: str) -> bool:
    """Tell whether ``text`` says something about the subject, rather than about itself."""
    if text.endswith((":", "?")) or "|" in text or _PREAMBLE.match(text):
        return False
    if len(terms(text)) < _MIN_TERMS:
        return False
    return text.endswith(_ENDS) or len(text.split()) >= _MIN_WORDS_WITHOUT_END or is_unspaced(text[-1])


def repeats(text: str) -> bool:
    """Tell whether an answer has run into a loop: the same five words in a row, three times or more."""
    words = text.casefold().split()
    seen: dict[tuple[str, ...], int] = {}
    for i in range(len(words) - 4):
        gram = tuple(words[i : i + 5])
        seen[gram] = seen.get(gram, 0) + 1
        if seen[gram] >= 3:
            return True
    return False


def copies(text: str, instruction: str) -> bool:
    """Tell whether ``text`` repeats a run of words of the instruction it was given."""
    return not _runs(text).isdisjoint(_told_runs(instruction))


def _runs(text: str) -> set[tuple[str, ...]]:
    """Return the runs of words that are long enough to be a copy."""
    words = text.casefold().split()
    return {tuple(words[i : i + _COPIED_WORDS]) for i in range(len(words) - _COPIED_WORDS + 1)}


@lru_cache(maxsize=2)
def _told_runs(instruction: str) -> frozenset[tuple[str, ...]]:
    return frozenset(_runs(instruction))


class Checker:
    """Finds the sources of sentences in one document.

    Args:
        document: What they must be about.
        label: What citations name the document by; empty when there is only one.
        strict: For very small models, which mix up the facts of neighboring sentences: nearly every word must
            stand in one quote, in its order.
        blocks: Only these blocks count; None for all.
        wording: Knows the words of the task; None for one of its own.
    """

    def __init__(
        self,
        document: Document,
        *,
        label: str = "",
        strict: bool = False,
        blocks: Collection[int] | None = None,
        wording: Wording | None = None,
    ) -> None:
        self.document = document
        self.wording = wording or Wording()
        self._label = label
        self._strict = strict
        self._blocks = blocks

    @cached_property
    def _index(self) -> AnchorIndex:
        return AnchorIndex(self.document, self.wording.stemmer)

    @cached_property
    def _block_texts(self) -> dict[int, tuple[int, str]]:
        return {block.id: (page.number, block.text) for page in self.document.pages for block in page.blocks}

    @cached_property
    def _pages(self) -> dict[int, Page]:
        return {page.number: page for page in self.document.pages}

    @property
    def spans(self) -> Mapping[int, Sequence[tuple[int, int]]]:
        """Where the sentences of each block are, by block id."""
        return self._index.spans

    def prepare(self) -> Generator[None, None, None]:
        """Get ready in short steps; without it the first check of a long document takes its time."""
        if "_index" not in self.__dict__:
            self._index = yield from AnchorIndex.in_steps(self.document, self.wording.stemmer)

    def check(self, text: str, *, blocks: Collection[int] | None = None) -> Sentence:
        """Return ``text`` with its citations, ``supported`` only when they carry it.

        Args:
            text: One sentence.
            blocks: Where to look; None for all of the document (or of the checker's blocks).
        """
        if not is_statement(text):
            return Sentence(text=text, supported=False)
        support = self._index.support(text, blocks=blocks if blocks is not None else self._blocks)
        citations = [citation for citation in support.citations if self._literal(citation)]
        if not support.supported or not citations or not self._carried(text, support, citations):
            return Sentence(text=text, supported=False)
        if not text.endswith(_ENDS) and not is_unspaced(text[-1]):
            text += "."
        return Sentence(text=text, citations=tuple(self._cited(citation) for citation in citations))

    def quoted(self, text: str, page: int) -> Sentence:
        """Return a sentence of the document itself as its own citation."""
        return Sentence(
            text=text, citations=(Cited(page=page, quote=text, document=self._label),), quoted=True
        )

    def block_of(self, sentence: Sentence) -> int:
        """Return the block of a sentence's first citation, -1 when it has none."""
        for citation in sentence.citations:
            page = self._pages.get(citation.page)
            for block in page.blocks if page else ():
                if citation.quote in block.text:
                    return block.id
        return -1

    def _literal(self, citation: Citation) -> bool:
        page, text = self._block_texts.get(citation.block, (0, ""))
        return bool(citation.quote) and page == citation.page and citation.quote in text

    def _carried(self, text: str, support: Support, citations: Sequence[Citation]) -> bool:
        if support.missing:
            return False
        quotes = [citation.quote for citation in citations]
        wording = self.wording
        if not self._strict:
            return wording.overlap(text, " ".join(quotes)) >= _OVERLAP
        source = max(quotes, key=lambda quote: wording.overlap(text, quote))
        return (
            wording.overlap(text, source) >= _OVERLAP_STRICT
            and wording.in_order(text, source) >= _ORDER_STRICT
            and bool(_NEGATION.search(text)) == bool(_NEGATION.search(source))
        )

    def _cited(self, citation: Citation) -> Cited:
        return Cited(page=citation.page, quote=citation.quote, document=self._label)


class SentenceStream:
    """Cuts text that is still being written into whole sentences; a line never runs into the next one."""

    def __init__(self) -> None:
        self._text = ""

    def add(self, piece: str) -> list[str]:
        """Take a piece and return the sentences that are complete now."""
        self._text += piece
        *finished, self._text = self._text.split("\n")
        done = [part for line in finished for part in _sentences(line)]
        spans = sentences(self._text) if _MAY_END.search(self._text) else []
        if len(spans) > 1:
            done += [self._text[start:end] for start, end in spans[:-1]]
            self._text = self._text[spans[-1][0] :]
        return [text for text in map(clean, done) if text]

    def end(self, *, complete: bool) -> list[str]:
        """Return what is left; a sentence without an end only when the model ended by itself."""
        rest, self._text = clean(self._text), ""
        return [rest] if rest and (complete or rest.endswith(_ENDS)) else []


def _sentences(line: str) -> list[str]:
    text = clean(line)
    return [text[start:end] for start, end in sentences(text)]
