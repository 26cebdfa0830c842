"""Text cut where it may be cut: into sentences, and into chunks that join up again exactly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import msgspec

from desktop_slm.documents.model import Block, Document
from desktop_slm.documents.terms import word_set

_CLOSERS = "\"'”’»)\\]」』】）》〉›⁰¹²³⁴⁵⁶⁷⁸⁹"
_BOUNDARY = re.compile(
    rf"(?P<dot>[.]+)[{_CLOSERS}]*(?:\[\d{{1,3}}\])*(?=\s|$)"
    rf"|(?P<strong>[!?]+[.!?]*|…+|[؟۔।॥။።։។]+)[{_CLOSERS}]*(?=\s|$)"
    rf"|(?P<wide>[。！？｡…⋯]*[。！？｡][。！？｡…⋯]*)[{_CLOSERS}]*"
    r"|(?P<line>\s*\n\s*)"
)
_LAST_WORD = re.compile(r"[^\s(\[“\"'‘«]+$")
_ENUMERATOR = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})$")

# Titles and the like: a name or a number always follows.
_NEVER_ENDS = word_set(
    """
    mr mrs ms dr prof rev hon st sr jr gen col capt cpt lt sgt maj gov sen rep pres messrs mme mlle fr
    hr frau herr sra dra vs cf fig figs eq eqs sec ch chap vol vols pp nos art para approx ca al dept
    univ ave blvd rd mt ft ed eds trans z.b d.h u.a bzw ggf inkl vgl evtl usw nr abb bd e.g i.e viz resp
    max min
    """
)
# May end a sentence: they do when the next word starts one.
_MAY_END = word_set(
    """
    etc inc ltd co corp llc plc bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu
    fri sat sun a.m p.m am pm u.s u.k u.n e.u d.c ph.d m.d b.a m.a b.sc m.sc est no p
    """
)
_BEFORE_NUMBERS = frozenset(("no", "p", "pp", "art", "fig", "vol", "nr", "sec", "para", "op"))
_STARTERS = word_set(
    """
    the a an this that these those it its he she they we you i in on at by for from with as after before
    during when while if although however but and so our their his her there here each every all most
    many some no not what who how why since until under over between among once both such one two three
    der die das es er sie wir ein eine im in am le la les il elle un une el los las
    """
)
_MONTHS_AFTER_DAY = word_set(
    """
    januar jänner februar märz april mai juni juli august september oktober november dezember
    """
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of each sentence of ``text``; only white space lies between them.

    Knows Latin, Cyrillic, Greek, CJK, Arabic, Indic and some other sentence ends, abbreviations, initials,
    decimals and enumerators. A line break ends a sentence unless the next line plainly continues it.
    """
    spans: list[tuple[int, int]] = []
    start = _skip_space(text, 0)
    for match in _BOUNDARY.finditer(text):
        if match.end() <= start:
            continue
        end = match.start() if match.lastgroup == "line" else match.end()
        if end > start and _ends(text, start, match):
            spans.append((start, end))
            start = _skip_space(text, match.end())
    end = len(text.rstrip())
    if end > start:
        spans.append((start, end))
    return spans


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    """Tell whether the sentence that began at ``start`` ends with ``match``."""
    after = _skip_space(text, match.end())
    following = text[after : after + 1]
    if match.lastgroup == "line":
        return not _continues_line(text, match.start(), match.end(), following)
    if match.lastgroup == "wide" or not following:
        return True
    if following.islower():
        return False
    if match.lastgroup == "dot" and len(match.group("dot")) == 1:
        return _dot_ends(text, start, match.start(), after)
    return True


def _continues_line(text: str, line_end: int, next_line: int, following: str) -> bool:
    """Tell whether a line break is only a wrapped line: the next one goes on in lower case."""
    if not following.islower() or text.count("\n", line_end, next_line) > 1:
        return False
    line_start = text.rfind("\n", 0, line_end) + 1
    return line_end - line_start >= 40 and text[line_end - 1] not in ".!?:;"


def _dot_ends(text: str, start: int, dot: int, after: int) -> bool:
    match = _LAST_WORD.search(text, max(start, dot - 40), dot)
    if match is None:
        return True
    word = match.group()
    lower = word.lower()
    following = re.match(r"[^\W_]+", text[after : after + 30])
    next_word = following.group() if following else ""
    if match.start() == start and _ENUMERATOR.match(word):
        return False  # "1. Introduction"
    if word.isdigit():
        return not (len(word) <= 2 and next_word.lower() in _MONTHS_AFTER_DAY)
    if lower in _BEFORE_NUMBERS and next_word[:1].isdigit():
        return False
    if lower in _NEVER_ENDS:
        return False
    initial = len(word) == 1 and word.isupper()
    dotted = "." in word and all(len(part) <= 2 for part in word.split("."))
    if initial or dotted or lower in _MAY_END:
        return next_word.lower() in _STARTERS and not (initial and next_word.lower() in {"i", "a"})
    return True


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a document that fits a token budget.

    Attributes:
        index: From 0.
        text: Its text, with the white space up to the next chunk, so that joined chunks give back
            `reading_text` exactly.
        blocks: Ids of the blocks it has text of.
        pages: Numbers of the pages these are on.
        section: The heading it stands under, empty before the first one.
        tokens: As counted.
    """

    index: int
    text: str
    blocks: tuple[int, ...]
    pages: tuple[int, ...]
    section: str
    tokens: int


class _Piece(msgspec.Struct):
    """An uncut part of a block, with the white space after it."""

    text: str
    block: Block
    page: int
    section: str
    tokens: int = -1  # not counted yet


def reading_blocks(document: Document, pages: tuple[int, int] | None = None) -> list[tuple[int, Block]]:
    """Return (page, block) of all that is read: everything but running headers, footers and empty blocks."""
    first, last = pages or (1, len(document.pages))
    return [
        (page.number, block)
        for page in document.pages
        if first <= page.number <= last
        for block in page.blocks
        if block.kind != "header" and block.text
    ]


def reading_text(document: Document, pages: tuple[int, int] | None = None) -> str:
    """Return the text that `chunks` cuts: the blocks of `reading_blocks`, a blank line between them."""
    return "\n\n".join(block.text for _, block in reading_blocks(document, pages))


def chunks(
    document: Document,
    *,
    budget_tokens: int,
    count_tokens: Callable[[Sequence[str]], list[int]],
    pages: tuple[int, int] | None = None,
) -> list[Chunk]:
    """Cut ``document`` into chunks of at most ``budget_tokens``, along its structure.

    Cuts between blocks where possible, before headings by preference, never right after one; a block over
    the budget is cut between sentences, a sentence over it between words, a word over it anywhere.

    Args:
        document: What to cut.
        budget_tokens: Upper bound of a chunk, at least 1.
        count_tokens: Counts the tokens of each text.
        pages: First and last page, both included; None for all.

    Returns:
        The chunks in order; their joined texts equal ``reading_text(document, pages)``.
    """
    pieces = _fitting(_pieces(document, pages), max(1, budget_tokens), count_tokens)
    groups = list(_packed(pieces, budget_tokens))
    counts = count_tokens(["".join(piece.text for piece in group) for group in groups]) if groups else []
    return [
        _chunk(index, group, count) for index, (group, count) in enumerate(zip(groups, counts, strict=True))
    ]


def _pieces(document: Document, pages: tuple[int, int] | None) -> list[_Piece]:
    readable = reading_blocks(document, pages)
    section = ""
    pieces: list[_Piece] = []
    for position, (page, block) in enumerate(readable):
        if block.kind == "heading":
            section = block.text
        gap = "\n\n" if position + 1 < len(readable) else ""
        pieces.append(_Piece(block.text + gap, block, page, section))
    return pieces


def _fitting(
    pieces: list[_Piece], budget: int, count_tokens: Callable[[Sequence[str]], list[int]]
) -> list[_Piece]:
    """Count all pieces, and cut those over the budget finer and finer."""
    for cut in (_between_sentences, _between_words, _anywhere):
        _count(pieces, count_tokens)
        if all(piece.tokens <= budget for piece in pieces):
            return pieces
        finer: list[_Piece] = []
        for piece in pieces:
            if piece.tokens <= budget:
                finer.append(piece)
                continue
            finer += [
                _Piece(text, piece.block, piece.page, piece.section)
                for text in cut(piece.text, piece.tokens, budget)
            ]
        pieces = finer
    return _halved(pieces, budget, count_tokens)


def _count(pieces: list[_Piece], count_tokens: Callable[[Sequence[str]], list[int]]) -> None:
    """Count the pieces that have not been counted, all in one call."""
    new = [piece for piece in pieces if piece.tokens < 0]
    for piece, tokens in zip(new, count_tokens([piece.text for piece in new]) if new else (), strict=True):
        piece.tokens = tokens


def _halved(
    pieces: list[_Piece], budget: int, count_tokens: Callable[[Sequence[str]], list[int]]
) -> list[_Piece]:
    """Halve what is still over the budget until it fits or is a single character."""
    while True:
        _count(pieces, count_tokens)
        if all(piece.tokens <= budget or len(piece.text) == 1 for piece in pieces):
            return pieces
        finer: list[_Piece] = []
        for piece in pieces:
            middle = len(piece.text) // 2
            if piece.tokens <= budget or not middle:
                finer.append(piece)
            else:
                for text in (piece.text[:middle], piece.text[middle:]):
                    finer.append(_Piece(text, piece.block, piece.page, piece.section))
        pieces = finer


def _between_sentences(text: str, tokens: int, budget: int) -> list[str]:
    starts = [start for start, _ in sentences(text)] or [0]
    starts[0] = 0
    return [text[a:b] for a, b in pairwise([*starts, len(text)])]


def _between_words(text: str, tokens: int, budget: int) -> list[str]:
    """Cut into runs of whole words that should fit, judged by the piece's characters per token."""
    room = max(1, len(text) * budget // (tokens + 1))
    cut: list[str] = []
    start = 0
    for match in re.finditer(r"\s+", text):
        if match.end() - start > room and match.start() > start:
            cut.append(text[start : match.end()])
            start = match.end()
    return [*cut, text[start:]] if start < len(text) else cut


def _anywhere(text: str, tokens: int, budget: int) -> list[str]:
    room = max(1, len(text) * budget // (tokens + 1))
    return [text[i : i + room] for i in range(0, len(text), room)]


def _packed(pieces: Iterable[_Piece], budget: int) -> Iterable[list[_Piece]]:
    """Fill chunks up to the budget; a heading opens a new one when the current is more than half full."""
    group: list[_Piece] = []
    used = 0
    for piece in pieces:
        full = used + piece.tokens > budget
        if group and (full or (piece.block.kind == "heading" and used * 2 > budget)):
            moved = _trailing_headings(group) if full else []
            if moved and sum(p.tokens for p in moved) + piece.tokens > budget:
                moved = []
            yield group[: len(group) - len(moved)]
            group = moved
            used = sum(p.tokens for p in moved)
        group.append(piece)
        used += piece.tokens
    if group:
        yield group


def _trailing_headings(group: list[_Piece]) -> list[_Piece]:
    """Return the headings at the end of ``group``, unless it is nothing but headings."""
    count = 0
    while count < len(group) and group[-1 - count].block.kind == "heading":
        count += 1
    return group[len(group) - count :] if 0 < count < len(group) else []


def _chunk(index: int, group: list[_Piece], tokens: int) -> Chunk:
    return Chunk(
        index=index,
        text="".join(piece.text for piece in group),
        blocks=tuple(dict.fromkeys(piece.block.id for piece in group)),
        pages=tuple(dict.fromkeys(piece.page for piece in group)),
        section=group[0].section,
        tokens=tokens,
    )
