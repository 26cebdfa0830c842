"""Tokens of text that is data: none of them steers the model, whatever the text holds.

Told not to look for control tokens, llama.cpp still finds user-defined ones (``<think>``, ``<tool_call>``, in
some models ``<|im_start|>``), and merging can build a control token out of its letters. Where such a token
comes out, its text is cut behind the first character and the parts are tokenized apart: it cannot form, and
the text stays what it is.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable

from desktop_slm.errors import InvalidRequest

Tokenize = Callable[[str], list[int]]
_ANCHOR = "\x01"  # merges with nothing: there are no words with it
_LONGEST_RUN = 1024
# Words of more characters are cut: some of llama.cpp's splitters recurse once per character of a word.
_LONG_RUN = re.compile(rf"\S{{{_LONGEST_RUN}}}|\s{{{_LONGEST_RUN}}}")


class PlainTokenizer:
    """Tokenizes text without a token that steers.

    Args:
        tokenize: The tokenizer, not looking for control tokens.
        steering_text: Returns the text of a token that steers, empty for one that stands for its text alone.
        adds_blank: The tokenizer puts a blank in front of each text (SentencePiece does).
    """

    def __init__(self, tokenize: Tokenize, steering_text: Callable[[int], str], adds_blank: bool) -> None:
        self._tokenize = tokenize
        self._steering_text = steering_text
        self._adds_blank = adds_blank
        self._anchor: list[int] = []
        self._harmless: set[int] = set()

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of ``text``.

        Raises:
            InvalidRequest: It holds something of the model's own that cannot be taken apart.
        """
        parts = _bounded(text)
        while True:
            found = [self._tokenize(parts[0]), *map(self._going_on, parts[1:])]
            steering = self._steering(found)
            if not steering:
                return found[0] if len(found) == 1 else [token for tokens in found for token in tokens]
            cut = [piece for part in parts for piece in _cut_inside(part, steering)]
            if len(cut) == len(parts):
                raise InvalidRequest(
                    "The text holds a control token of the model that cannot be taken apart",
                    "Take it out of the text, or choose another model.",
                )
            parts = cut

    def _steering(self, found: Iterable[list[int]]) -> list[str]:
        """Return the texts of the steering tokens among ``found``."""
        texts = []
        for token in set().union(*found) - self._harmless:
            text = self._steering_text(token)
            if text:
                texts.append(text)
            else:
                self._harmless.add(token)
        return texts

    def _going_on(self, text: str) -> list[int]:
        """Return the tokens of a text that goes on from another: without the blank in front."""
        if not self._adds_blank:
            return self._tokenize(text)
        if not self._anchor:
            self._anchor = self._tokenize(_ANCHOR)
        anchored = self._tokenize(_ANCHOR + text)
        size = len(self._anchor)
        return anchored[size:] if anchored[:size] == self._anchor else self._tokenize(text)


def _bounded(text: str) -> list[str]:
    """Cut ``text`` so that no word or gap is longer than the tokenizer can bear."""
    if len(text) <= _LONGEST_RUN:
        return [text]
    parts, start = [], 0
    for run in _LONG_RUN.finditer(text):
        parts.append(text[start : run.end()])
        start = run.end()
    return [*parts, text[start:]] if start < len(text) or not parts else parts


def _cut_inside(text: str, marks: Iterable[str]) -> list[str]:
    """Cut ``text`` behind the first character of every mark in it, overlapping ones too."""
    starts = re.finditer("(?=" + "|".join(map(re.escape, marks)) + ")", text)
    cuts = [0, *(start.start() + 1 for start in starts), len(text)]
    return [text[begin:end] for begin, end in itertools.pairwise(cuts)]
