"""What can be told about a translated segment without knowing both languages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from desktop_slm.documents.language import LANGUAGES, detect
from desktop_slm.documents.split import sentences
from desktop_slm.tasks.checking import copies, repeats
from desktop_slm.tasks.segments import numbers

DENSE = frozenset({"zh", "ja", "ko", "th"})
"""Languages that say much in few characters and put no space between sentences."""

_SHORT = 12
_RATIO = (0.25, 4.0)
_DENSE_FACTOR = 3.0
_SENTENCES_KEPT = 0.5
_LENGTH_KEPT = 0.7
_COPY = 0.8  # of the words
_LETTERS_TO_DETECT = 40
_LETTERS_TO_RECOGNIZE_SOURCE = 20
_CLOSE = (frozenset({"da", "no"}), frozenset({"bs", "hr", "sr"}), frozenset({"id", "ms"}))
_MARKUP = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>|\*\*|```|<\|[^|\n]{1,40}\|>|\[\[\d+\]\]")
_ABOUT_TRANSLATING = re.compile(r"\btranslat(?:e|ed|ion)\b", re.IGNORECASE)


@dataclass(frozen=True)
class SegmentChecks:
    """Names the faults of translations from one language into another.

    Attributes:
        source, target: Language codes; ``source`` is empty when unknown.
    """

    source: str
    target: str

    def faults(self, source: str, result: str, instructions: str = "") -> tuple[str, ...]:
        """Return what is wrong with ``result``, in words, worst first; nothing when no check fails.

        Args:
            source: The segment.
            result: Its translation.
            instructions: What the model was told, to see whether it repeats that.
        """
        found = []
        if numbers(result) != numbers(source):
            found.append("a number was changed")
        if repeats(result):
            found.append("it did not come to an end")
        if not self._plausible_length(source, result):
            found.append("its length does not fit")
        if self._lost_sentence(source, result):
            found.append("a sentence seems to be missing")
        if self._tells_of_instructions(source, result, instructions):
            found.append("it repeats the instructions")
        if set(_MARKUP.findall(result)) - set(_MARKUP.findall(source)):
            found.append("it has markup that the text does not have")
        return (*found, *self._language_faults(source, result))

    def _plausible_length(self, source: str, result: str) -> bool:
        if len(source) < _SHORT:
            return len(result) <= _SHORT * _RATIO[1]
        return _RATIO[0] <= self._ratio(source, result) <= _RATIO[1]

    def _lost_sentence(self, source: str, result: str) -> bool:
        """Tell whether far fewer sentences came back, or somewhat fewer with too little text for them."""
        given, came = len(sentences(source)), len(sentences(result))
        if given < 2 or came >= given:
            return False
        return came < _SENTENCES_KEPT * given or self._ratio(source, result) < _LENGTH_KEPT

    def _ratio(self, source: str, result: str) -> float:
        """Return how long a translation is, 1 for as long as its source; dense scripts are evened out."""
        ratio = len(result) / len(source)
        if self.target in DENSE:
            ratio *= _DENSE_FACTOR
        if self.source in DENSE:
            ratio /= _DENSE_FACTOR
        return ratio

    def _tells_of_instructions(self, source: str, result: str, instructions: str) -> bool:
        if copies(result, instructions) and not copies(source, instructions):
            return True
        # The instructions are in English: in another language their word for the task has no business here.
        said = _ABOUT_TRANSLATING.search(result) and not _ABOUT_TRANSLATING.search(source)
        return bool(said) and self.target != "en"

    def _language_faults(self, source: str, result: str) -> list[str]:
        if self.source == self.target:
            return []
        if _is_copy(source, result):
            return ["it was not translated"]
        letters = sum(c.isalpha() for c in result)
        if letters < _LETTERS_TO_RECOGNIZE_SOURCE:
            return []
        found = detect(result)
        if found in ("", self.target) or any({found, self.target} <= close for close in _CLOSE):
            return []
        if letters < _LETTERS_TO_DETECT and found != self.source:
            return []  # too short to tell one foreign language from another
        name = LANGUAGES[self.target]
        return [f"it is still in {LANGUAGES[found]}" if found == self.source else f"it is not in {name}"]


def _is_copy(source: str, result: str) -> bool:
    """Tell whether a translation is the source again; a name may be, and a word that both languages have."""
    words, found = source.casefold().split(), set(result.casefold().split())
    letters = sum(c.isalpha() for c in source)
    if source.casefold() == result.casefold():
        return letters >= _SHORT or (len(words) > 1 and not _is_name(source))
    return letters >= _SHORT and len(words) > 3 and sum(word in found for word in words) >= _COPY * len(words)


def _is_name(text: str) -> bool:
    """Tell whether every word begins with a capital or a digit."""
    return not any(word[:1].islower() for word in text.split())
