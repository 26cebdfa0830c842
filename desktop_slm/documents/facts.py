"""Numbers and names in a sentence: what a summary may not invent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from desktop_slm.documents.terms import STOPWORDS, fold, is_unspaced

_SCALES = {
    "thousand": 1e3, "million": 1e6, "millions": 1e6, "billion": 1e9, "trillion": 1e12, "mn": 1e6, "bn": 1e9,
    "m": 1e6, "k": 1e3, "b": 1e9, "mio": 1e6, "mrd": 1e9, "tausend": 1e3, "millionen": 1e6, "milliarden": 1e9,
    "millones": 1e6, "milliards": 1e9, "dozen": 12.0, "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8,
}  # fmt: skip
_NUMBER_WORDS = {
    "zero": 0.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0,
    "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0, "thirteen": 13.0,
    "fourteen": 14.0,
    "fifteen": 15.0, "sixteen": 16.0, "seventeen": 17.0, "eighteen": 18.0, "nineteen": 19.0, "twenty": 20.0,
    "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "seventy": 70.0, "eighty": 80.0,
    "ninety": 90.0,
}  # fmt: skip
_ORDINALS = {
    "first": 1.0, "second": 2.0, "third": 3.0, "fourth": 4.0, "fifth": 5.0, "sixth": 6.0, "seventh": 7.0,
    "eighth": 8.0, "ninth": 9.0, "tenth": 10.0,
}  # fmt: skip
_QUANTITY_WORDS = {"half": 0.5, "hundred": 100.0, "quarter": 0.25, **_NUMBER_WORDS, **_ORDINALS}

_NUMBER = re.compile(
    r"(?<![\w.,])[-−]?(?P<digits>\d+(?:[.,'’\u00a0\u202f ]\d{3}(?!\d))*(?:[.,]\d+)?|[.,]\d+)"
    r"(?:\s?(?P<scale>[万萬亿億]|[^\W\d_]+))?",
)
_DIGIT_RUN = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")
_TENS = {word: value for word, value in _NUMBER_WORDS.items() if word.endswith("ty")}
_COMPOUND = re.compile(rf"(?i)\b({'|'.join(_TENS)})[- ]([a-z]+)\b")
_COUNTED = ("hundred", "thousand", "million", "billion")
_COUNTED_WORDS = re.compile(rf"(?i)\b([a-z]+) ({'|'.join(_COUNTED)})\b")
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")


def _value(digits: str) -> float | None:
    """Read digits with marks of either habit: ``4,200,000``, ``4.200.000``, ``4.2``, ``4,2``."""
    digits = re.sub(r"['’\u00a0\u202f ]", "", digits)
    commas, dots = digits.count(","), digits.count(".")
    if commas and dots:
        decimal = max(digits.rfind(","), digits.rfind("."))
        whole = re.sub(r"[.,]", "", digits[:decimal])
        digits = f"{whole}.{digits[decimal + 1 :]}"
    elif commas or dots:
        mark = "," if commas else "."
        parts = digits.split(mark)
        grouped = len(parts) > 2 or (len(parts[-1]) == 3 and 1 <= len(parts[0]) <= 3 and parts[0] != "0")
        if grouped and mark == "." and len(parts) == 2:
            grouped = False  # 3.125 is a decimal far more often than three thousand in the texts read here
        digits = "".join(parts) if grouped else ".".join(parts)
    try:
        return float(digits)
    except ValueError:
        return None


def _plain_digits(text: str) -> str:
    """Return ``text`` with the digits of all scripts as ASCII."""
    if text.isascii() or not any(c.isdigit() and c > "\x7f" for c in text):
        return text
    return "".join(str(unicodedata.decimal(c)) if c > "\x7f" and c.isdecimal() else c for c in text)


def numbers(text: str) -> dict[float, str]:
    """Return the numbers written in digits: value to how it is written (``4.2 million`` to 4200000)."""
    found: dict[float, str] = {}
    text = _plain_digits(text)
    runs = [match.span() for match in _DIGIT_RUN.finditer(text)]
    for match in _written_numbers(text, runs):
        value = _value(match.group("digits"))
        if value is None:
            continue
        scale = (match.group("scale") or "").casefold()
        factor = _SCALES.get(scale, 1.0)
        if scale in ("m", "k", "b") and match.group("scale") == scale and scale != "k":
            factor = 1.0  # 5 m is five meters; 5M is five million
        written = match.group().strip() if factor != 1.0 else match.group("digits")
        found.setdefault(round(value * factor, 6), written)
    # 2024-25, 12/03/2025, A4, COVID-19: digits within words or runs count as plain runs.
    for start, end in runs:
        if start and (text[start - 1] in "-–/" or _LETTERS.match(text[start - 1])):
            found.setdefault(float(text[start:end][:15]), text[start:end])
    return found


def _written_numbers(text: str, runs: Sequence[tuple[int, int]]) -> Iterator[re.Match[str]]:
    """Yield all matches of `_NUMBER`; looked for around the runs of digits only, which are few."""
    read = 0
    for digit, _ in runs:
        if digit < read:
            continue
        for start in range(max(read, digit - 2), digit + 1):  # a sign and a decimal mark may come first
            if match := _NUMBER.match(text, start):
                yield match
                read = match.end()
                break


def number_values(text: str) -> set[float]:
    """Return all values a text states, also those in words, and at the scales they may be quoted in."""
    values = set(numbers(text))
    words = set(_LETTERS.findall(text.casefold()))
    values.update(_QUANTITY_WORDS[word] for word in words & _QUANTITY_WORDS.keys())
    for match in _COMPOUND.finditer(text) if not words.isdisjoint(_TENS) else ():
        unit = _NUMBER_WORDS.get(match.group(2).casefold(), _ORDINALS.get(match.group(2).casefold()))
        if unit is not None:
            values.add(_NUMBER_WORDS[match.group(1).casefold()] + unit)
    for match in _COUNTED_WORDS.finditer(text) if not words.isdisjoint(_COUNTED) else ():
        factor = _NUMBER_WORDS.get(match.group(1).casefold())
        if factor is not None:
            values.add(factor * _SCALES.get(match.group(2).casefold(), 100.0))
    return values


def states(value: float, stated: set[float]) -> bool:
    """Tell whether ``value`` is among ``stated``, exactly or as these round to its digits."""
    if value in stated:
        return True
    if value == 0 or abs(value) < 1000:
        return any(abs(value - other) < 1e-9 * max(1.0, abs(value)) for other in stated)
    # 4.2 million for 4,217,300: equal to the digits that are given.
    digits = len(f"{value:.0f}".rstrip("0"))
    return any(other > 0 and float(f"{other:.{max(digits, 2) - 1}e}") == value for other in stated)


def names(text: str, *, language: str = "") -> list[str]:
    """Return words that look like names: capitals inside a sentence, acronyms, words with inner capitals.

    The first word of a sentence counts only as an acronym: that it is capitalized says nothing, and of a name
    the second word counts. In German, where all nouns are capitalized, only acronyms do.
    """
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if not word[0].isupper() or is_unspaced(word[0]) or len(word) < 2:
            continue
        before = text[: match.start()].rstrip()
        starts = not before or before[-1] in ".!?:;•-–—\"'“‘(|"
        acronym = sum(c.isupper() for c in word) >= 2 and not text.isupper()
        if not acronym and word.casefold() in STOPWORDS:
            continue
        if acronym or (not starts and language != "de"):
            found.append(word)
    return found


def name_key(word: str) -> str:
    """Return a name as it can be compared: without case, accents and a possessive ending."""
    return fold(word).removesuffix("'s").removesuffix("’s").removesuffix("s").replace("-", "")
