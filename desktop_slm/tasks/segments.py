"""Plain text as segments to translate: paragraphs, list items, and what in between must not change."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from desktop_slm.documents.split import sentences

_GAP = re.compile(r"\n[ \t]*(?:\n[ \t]*)+|\n")
_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*•–]|\d{1,3}[.)]|[a-z]\))[ \t]+")
_LEAD = re.compile(r"^[ \t]*(?:(?:[-*•–>]|#{1,6}|\d{1,3}[.)])[ \t]+)*")
_WRAPPED_AT = range(45, 121)
_HIDDEN = r"[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]*"
"""Characters that `prompts.seen` takes out: what is around them must not become the delimiter then."""
_DELIMITER = "<" + _HIDDEN + "/?" + "".join(_HIDDEN + letter for letter in "text>")
_PROTECTED = re.compile(
    _DELIMITER + r"|https?://[^\s<>\"]+[^\s<>\".,;:!?)\]]"
    r"|www\.[^\s<>\"]+[^\s<>\".,;:!?)\]]"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|`[^`\n]+`"
    r"|\{\{?[\w.:-]*\}?\}"
    r"|%\([\w.]+\)[sdf]|%[sdf]\b"
    r"|<[/\w][^<>\n]{0,200}>"
    r"|\[\[\s*\d+\s*\]\]"
)
_MARK = re.compile(r"\[\[\s*(\d+)\s*\]\]")
_LOOSE_MARK = re.compile(r"\[{1,2}\s*(\d+)\s*\]{1,2}")
_NUMBER = re.compile(r"\d+(?:[.,'’\u00a0\u202f ]\d{3})*(?:[.,]\d+)?|\d+")


@dataclass(frozen=True)
class Segment:
    """A piece of text: ``lead`` (indent, bullet) and ``gap`` (what follows it) stay as they are."""

    text: str
    lead: str = ""
    gap: str = ""

    @property
    def wordless(self) -> bool:
        """Whether there is nothing to translate: only numbers, marks, addresses."""
        return not any(character.isalpha() for character in _PROTECTED.sub("", self.text))


def segments(text: str) -> list[Segment]:
    """Cut text into segments; joined with their leads and gaps they give it back exactly.

    A line break ends a segment unless the lines look wrapped: long enough, and going on in the next one.
    """
    found: list[Segment] = []
    start = 0
    while start < len(text):
        end, after = _segment_end(text, start)
        line = text[start:end]
        lead = _LEAD.match(line)
        cut = lead.end() if lead else 0
        body = line[cut:]
        stripped = body.rstrip(" \t")
        found.append(Segment(stripped, line[:cut], body[len(stripped) :] + text[end:after]))
        start = after
    return found


def _segment_end(text: str, start: int) -> tuple[int, int]:
    for gap in _GAP.finditer(text, start):
        if gap.group().count("\n") > 1 or not _wrapped(text, gap.start(), gap.end()):
            return gap.start(), gap.end()
    return len(text), len(text)


def _wrapped(text: str, end: int, following: int) -> bool:
    """Tell whether the line break at ``end`` only wraps a paragraph."""
    line = text[text.rfind("\n", 0, end) + 1 : end]
    newline = text.find("\n", following)
    after = text[following : newline if newline >= 0 else len(text)]
    if len(line) not in _WRAPPED_AT or not after.strip() or _LIST_ITEM.match(after):
        return False
    return line.rstrip()[-1:] not in ".!?:;。！？" or after[:1].islower()


def split_to_fit(text: str, budget: int, count: Callable[[Sequence[str]], list[int]]) -> list[str]:
    """Cut a segment over the budget between sentences; joined, the parts give it back."""
    if count([text])[0] <= budget:
        return [text]
    starts = [start for start, _ in sentences(text)] or [0]
    starts[0] = 0
    parts = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    sizes = count(parts)
    found: list[str] = []
    used = budget + 1
    for part, size in zip(parts, sizes, strict=True):
        for piece in _between_words(part, size, budget):
            if used + size > budget:
                found.append(piece)
                used = size
            else:
                found[-1] += piece
                used += size
    return found


def _between_words(text: str, size: int, budget: int) -> list[str]:
    if size <= budget:
        return [text]
    room = max(20, len(text) * budget // (size + 1))
    found = []
    start = 0
    while start < len(text):
        end = start + room
        if end < len(text):
            space = text.rfind(" ", start, end)
            end = space + 1 if space > start else end
        found.append(text[start:end])
        start = end
    return found


@dataclass(frozen=True)
class Protected:
    """Text whose untranslatable parts are marks: ``[[1]]``, ``[[2]]``, ...

    Attributes:
        text: With the marks.
        parts: What they stand for, by their numbers.
        taken: Numbers that stand in brackets in the text itself, and are no marks.
    """

    text: str
    parts: Mapping[int, str]
    taken: frozenset[int] = frozenset()

    def restore(self, translated: str) -> str:
        """Put the parts back where their marks stand; one whose mark was lost comes at the end."""
        if not self.parts:
            return translated
        placed: set[int] = set()

        def part(match: re.Match[str]) -> str:
            number = int(match.group(1))
            if number not in self.parts:
                return match.group()
            placed.add(number)
            return self.parts[number]

        restored = _LOOSE_MARK.sub(part, translated)
        lost = [text for number, text in self.parts.items() if number not in placed]
        return " ".join([restored, *lost])

    def marks_kept(self, translated: str) -> bool:
        """Tell whether every mark stands in ``translated`` exactly once."""
        if not self.parts:
            return True
        found = [int(number) for number in _LOOSE_MARK.findall(translated)]
        return sorted(number for number in found if number not in self.taken) == sorted(self.parts)


def protect(text: str) -> Protected:
    """Replace addresses, placeholders, code and tags by marks, and with them what would look like ours."""
    taken = frozenset(int(number) for number in _LOOSE_MARK.findall(text))
    free = (number for number in itertools.count(1) if number not in taken)
    parts: dict[int, str] = {}

    def mark(match: re.Match[str]) -> str:
        number = next(free)
        parts[number] = match.group()
        return f"[[{number}]]"

    return Protected(_PROTECTED.sub(mark, text), parts, taken)


def numbers(text: str) -> list[str]:
    """Return the numbers of a text by their digits alone: separators differ between languages."""
    western = "".join(str(int(c)) if c.isdecimal() else c for c in _PROTECTED.sub(" ", text))
    found = [re.sub(r"\D", "", match.group()) for match in _NUMBER.finditer(_MARK.sub(" ", western))]
    return sorted(found)
