"""Text as comparable terms: what anchoring, key sentences and retrieval look at instead of letters.

Words are case-folded, stripped of accents and lightly stemmed; scripts without spaces become pairs of
characters, which work nearly as well as a dictionary for finding the same passage again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Han, Kana, Thai, Lao, Khmer, Burmese; and Hangul, which is spaced but grows its words by endings.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
_TERM = re.compile(rf"[{_UNSPACED}\U00020000-\U0002fa1f]+|[^\W_{_UNSPACED}]+(?:['’][^\W_{_UNSPACED}]+)?")
_UNSPACED_RUN = re.compile(rf"[{_UNSPACED}\U00020000-\U0002fa1f]")
_ARABIC_MARKS = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u0640]")
_ARABIC_FORMS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ة": "ه"})


def word_set(text: str) -> frozenset[str]:
    """Return the words of ``text``: how lists of words are written in this package."""
    return frozenset(text.split())


STOPWORDS = word_set(
    """
    a about above after again all also although am an and any are as at be because been before being
    between both but by can could did do does doing during each few for from further had has have having
    he her here hers him his how i if in into is it its itself just me more most my no nor not now of
    off on once only or other our ours out over own same she should so some such than that the their
    theirs them then there these they this those through to too under until up very was we were what
    when where which while who whom why will with within without would you your yours der die das den
    dem des ein eine einer eines einem einen und oder aber nicht ist sind war waren wird werden mit von
    zu im in am auf für aus bei nach als auch an es sich dass le la les un une des du de et ou mais est
    sont été dans par pour sur avec sans que qui ce cette ces il elle ils au aux el los las una y o pero
    es son fue en por para con sin que se su sus lo al del
    """
)


def is_unspaced(character: str) -> bool:
    """Tell whether ``character`` belongs to a script written without spaces between words."""
    return bool(_UNSPACED_RUN.match(character))


def fold(word: str) -> str:
    """Return ``word`` without case and accents."""
    word = word.casefold()
    if word.isascii():
        return word
    decomposed = unicodedata.normalize("NFKD", word)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _ARABIC_MARKS.sub("", plain).translate(_ARABIC_FORMS)


_STOP_FOLDED = frozenset(fold(word) for word in STOPWORDS)


def stem(word: str) -> str:
    """Cut the commonest English endings off a folded ``word``; other languages pass nearly unchanged."""
    word = word.removesuffix("'s").removesuffix("’s")
    if not word.isascii() or word.isdigit():
        if len(word) > 4 and word.startswith("ال"):
            return word[2:]
        return word
    if len(word) > 4:
        if word.endswith("ies"):
            return word[:-3] + "y"
        if word.endswith("sses"):
            return word[:-2]
        if word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    for ending in ("ingly", "edly", "ing", "ed", "ly"):
        if len(word) >= len(ending) + 4 and word.endswith(ending):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
                word = word[:-1]
            break
    if len(word) > 4 and word.endswith("e"):
        word = word[:-1]
    return word


class Stemmer:
    """Turns words into terms and remembers them: a document repeats its words many times.

    Keep one for all that is compared with one another, and no longer: what it remembers is the user's text.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        self._sets: dict[str, frozenset[str]] = {}

    def terms(self, text: str) -> list[str]:
        """Return the terms of ``text`` in order, stopwords left out."""
        known = self._known
        found: list[str] = []
        for word in _TERM.findall(text):
            term = known.get(word)
            if term is None:
                term = known[word] = self._term(word)
            if term == "\0":
                found.extend(_pairs(word))
            elif term:
                found.append(term)
        return found

    def term_list(self, text: str) -> Sequence[str]:
        """Return the terms of a sentence that will be looked at again, in order."""
        found = self._lists.get(text)
        if found is None:
            found = self._lists[text] = self.terms(text)
        return found

    def term_set(self, text: str) -> frozenset[str]:
        """Return the different terms of such a sentence."""
        found = self._sets.get(text)
        if found is None:
            found = self._sets[text] = frozenset(self.term_list(text))
        return found

    @staticmethod
    def _term(word: str) -> str:
        """Return the term of ``word``, empty for a stopword, NUL for a run of an unspaced script."""
        if is_unspaced(word[0]):
            return "\0"
        folded = fold(word)
        if folded in _STOP_FOLDED:
            return ""
        return stem(folded)


def terms(text: str) -> list[str]:
    """Return the terms of ``text`` in order, stopwords left out."""
    return Stemmer().terms(text)


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    return [run[i : i + 2] for i in range(len(run) - 1)]


def has_unspaced(text: str) -> bool:
    """Tell whether ``text`` has characters of a script written without spaces between words."""
    return not text.isascii() and bool(_UNSPACED_RUN.search(text))


def count_words(text: str) -> int:
    """Count words; for scripts without spaces, characters divided by two."""
    if not has_unspaced(text):
        return len(_TERM.findall(text))
    words = 0
    for match in _TERM.finditer(text):
        run = match.group()
        words += (len(run) + 1) // 2 if is_unspaced(run[0]) else 1
    return words
