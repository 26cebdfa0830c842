"""Words as the search sees them: folded, cut, and found again in the text for a snippet.

Folding drops case, the accents of Latin, Greek and Cyrillic letters, the vowel signs of Arabic and Hebrew,
and the differences between forms of a letter (full width, ligatures, alef with and without hamza).
It works one character at a time, so a place in the folded text leads back to the place in the original.

Scripts that write no spaces (Chinese, Japanese, Korean, Thai, Khmer, ...) are cut into overlapping pairs:
北京大学 is indexed as 北京 京大 大学 学. FTS5's own trigram index was the alternative and was not taken: most
Chinese words have two characters, which trigrams can only find by reading every row. With pairs, every
stretch of characters is found, a single one too (as the beginning of a pair), in the one index that also
holds the words of other scripts.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate

import msgspec

MARK_START = "\x02"
MARK_END = "\x03"

MAX_QUERY_CHARACTERS = 400
MAX_TERMS = 16
SNIPPET_CHARACTERS = 160
SNIPPET_BEFORE = 48
_MAX_SNIPPET_SOURCE = 200_000

# Han with its signs, kana, bopomofo, Hangul, Thai, Lao, Myanmar, Khmer, and the supplementary Han planes.
_UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003ffff"
)
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_PART = re.compile(f"[{_UNSPACED}]+|[^ {_UNSPACED}]+")
_WORD_BEFORE = f"(?<![^ {_UNSPACED}])"
_WORD_AFTER = f"(?![^ {_UNSPACED}])"

_SEPARATORS = {"Zs", "Zl", "Zp", "Cc", "Cs", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk"}
_OTHER_SEPARATORS = "\u200b\ufffd"  # the zero-width space; what stands for unreadable text


def _is_accent(character: str) -> bool:
    """Whether a mark is dropped.

    Canonical combining classes 10 to 36 are the vowel signs of Hebrew, Arabic and Syriac, 200 and above the
    accents over and under letters. Marks of Indic and Southeast Asian scripts, which make other words, have
    other classes (Unicode Standard, table 3-11 and UCD ``DerivedCombiningClass.txt``).
    """
    combining = unicodedata.combining(character)
    return 10 <= combining <= 36 or combining >= 200


def _fold_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SEPARATORS or character in _OTHER_SEPARATORS:
        return " "
    if category == "Cf" or character == "\u0640":  # invisible formatting; the Arabic stretching line
        return ""
    if category == "So":  # an emoji or a sign is a word of its own
        return f" {character} "
    if category.startswith("M"):
        return "" if _is_accent(character) or "\ufe00" <= character <= "\ufe0f" else character
    kept = []
    for part in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold()):
        if unicodedata.category(part) in _SEPARATORS:
            kept.append(" ")
        elif not _is_accent(part):
            kept.append(part)
    folded = "".join(kept)
    # Hangul stays in syllables. Kana stays apart from its voicing mark: the half-width forms write it so.
    return unicodedata.normalize("NFC", folded) if "\uac00" <= character <= "\ud7a3" else folded


class _Folding(dict[int, str]):
    """For `str.translate`: folds each character the first time it is met."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_character(chr(code))
        return folded


_FOLDING = _Folding()


def fold(text: str) -> str:
    """Return ``text`` as words between spaces, folded."""
    return unicodedata.normalize("NFC", text).translate(_FOLDING)


def indexable(text: str) -> str:
    """Return what is put into the index for ``text``."""
    folded = fold(text)
    return folded if folded.isascii() else _UNSPACED_RUN.sub(_pairs, folded)


def _pairs(run: re.Match[str]) -> str:
    characters = run.group()
    return f" {' '.join(characters[i : i + 2] for i in range(len(characters)))} "


class Term(msgspec.Struct, frozen=True):
    """What one word of a query comes to: words that must follow each other, or characters without spaces.

    Attributes:
        words: Folded words, or one run of an unspaced script.
        unspaced: It is such a run, found anywhere.
        prefix: The last word may go on.
    """

    words: tuple[str, ...]
    unspaced: bool = False
    prefix: bool = False

    @property
    def match(self) -> str:
        """The term in the query language of FTS5: always one quoted phrase."""
        if not self.unspaced:
            return f'"{" ".join(self.words)}"' + ("*" if self.prefix else "")
        run = self.words[0]
        if len(run) == 1:
            return f'"{run}"*'
        return f'"{" ".join(run[i : i + 2] for i in range(len(run) - 1))}"'

    @property
    def pattern(self) -> str:
        """A regular expression that finds it in folded text."""
        if self.unspaced:
            return re.escape(self.words[0])
        return (
            _WORD_BEFORE + " +".join(re.escape(word) for word in self.words)
            + ("" if self.prefix else _WORD_AFTER)
        )  # fmt: skip


def terms(query: str) -> tuple[Term, ...]:
    """Cut what a person typed into terms that all must be found; the last one may be the start of a word.

    Takes any text: quotes and operators are separators like all other punctuation.
    """
    found: list[Term] = []
    for typed in query[:MAX_QUERY_CHARACTERS].split():
        words: list[str] = []
        for part in _PART.findall(fold(typed)):
            if _UNSPACED_RUN.match(part):
                _add_phrase(found, words)
                words = []
                found.append(Term((part,), unspaced=True))
            else:
                words.append(part)
        _add_phrase(found, words)
    found = found[:MAX_TERMS]
    if found and not found[-1].unspaced:
        found[-1] = msgspec.structs.replace(found[-1], prefix=True)
    return tuple(found)


def _add_phrase(found: list[Term], words: list[str]) -> None:
    if words:
        found.append(Term(tuple(words)))


def snippet(text: str, wanted: tuple[Term, ...]) -> str:
    """Return a piece of ``text`` around the first hit on one line, each hit between U+0002 and U+0003.

    Without a hit it is the beginning of the text.
    """
    source = unicodedata.normalize("NFC", text[:_MAX_SNIPPET_SOURCE])
    hits = _hits(source, wanted)
    start = _word_start(source, max(0, hits[0][0] - SNIPPET_BEFORE), hits[0][0]) if hits else 0
    end = _word_end(source, start + SNIPPET_CHARACTERS)
    out = ["… " if start else ""]
    at = start
    for first, last in hits:
        if first < at or last > end:
            continue
        out += [_plain(source[at:first]), MARK_START, _plain(source[first:last]), MARK_END]
        at = last
    out += [_plain(source[at:end]), " …" if end < len(source) else ""]
    return "".join(out).strip()


def _hits(source: str, wanted: tuple[Term, ...]) -> list[tuple[int, int]]:
    if not wanted:
        return []
    pattern = re.compile("|".join(term.pattern for term in wanted))
    if source.isascii():  # folds one to one
        return [hit.span() for hit in pattern.finditer(source.translate(_FOLDING))]
    folded = [_FOLDING[ord(character)] for character in source]
    ends = list(accumulate(len(part) for part in folded))
    hits: list[tuple[int, int]] = []
    place = 0
    for hit in pattern.finditer("".join(folded)):
        while ends[place] <= hit.start():
            place += 1
        first = place
        while ends[place] < hit.end():
            place += 1
        hits.append((first, place + 1))
        if place + 1 - hits[0][0] > SNIPPET_CHARACTERS:
            break
    return hits


def _word_start(source: str, start: int, limit: int) -> int:
    """Move a cut forward to the beginning of a word, if there is one before the hit."""
    space = source.find(" ", start, limit) if start else -1
    return space + 1 if space >= 0 else start


def _word_end(source: str, end: int) -> int:
    """Move a cut back to the end of a word."""
    if end >= len(source):
        return len(source)
    space = source.rfind(" ", end - SNIPPET_CHARACTERS // 4, end)
    return space if space >= 0 else end


def _plain(text: str) -> str:
    text = text.replace(MARK_START, " ").replace(MARK_END, " ")
    return re.sub(r"\s+", " ", text)
