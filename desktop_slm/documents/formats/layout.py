"""From lines with places and sizes to blocks: what a page means, judged by how it looks.

Pure Python over `Line`s; knows nothing of PDF. The order of the lines as written is trusted (it is
the reading order in nearly all files) except where it plainly jumps; see `columns`.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from desktop_slm.documents.formats import columns, furniture, notemarks, tables
from desktop_slm.documents.formats.lines import Draft, Line, PageLines
from desktop_slm.documents.model import BlockKind


@dataclass(slots=True)
class Look:
    """What is usual in this document: size of body letters, known words, outline, running lines."""

    body_size: float
    words: frozenset[str]
    hyphenated: frozenset[str]
    outline: dict[int, dict[str, int]] = field(default_factory=dict)
    furniture: set[tuple[int, int]] = field(default_factory=set)


_BULLET = re.compile(r"^(?:[•▪◦●○■□▸►‣⁃∙·\uf0b7\uf0a7\uf076]\s*|[-–—*o]\s+)(?=\S)")
_NUMBERED = re.compile(r"^(?:\(?\d{1,2}[.)]|\([a-z0-9]{1,3}\)|[a-z][.)]|[ivx]{1,4}[.)])\s+\S")
_CAPTION = re.compile(
    r"(?i)^(figure|fig\.|table|chart|abb\.|abbildung|tabelle|tableau|figura|tabla|图|表|الشكل|جدول)\s*\d+"
)
_NOTE = re.compile(r"^(?:\d{1,3}|[*†‡§¹²³⁴⁵⁶⁷⁸⁹]+)\s*\S")
_SENTENCE_END = tuple('.!?:;。！？؟।…”"’»')
_WORD_ENDS = re.compile(r"([^\W\d_]+)$")
_WORD_STARTS = re.compile(r"^([^\W\d_]+)")


def look_of(pages: Sequence[PageLines], outline: dict[int, dict[str, int]]) -> Look:
    """Learn what is usual in the document; puts raised note numbers to their lines on the way."""
    for page in pages:
        page.lines = notemarks.attached(page.lines)
    sizes: Counter[float] = Counter()
    words: set[str] = set()
    hyphenated: set[str] = set()
    cut_words = any(line.hyphen for page in pages for line in page.lines)
    for page in pages:
        for line in page.lines:
            if not line.mono:
                sizes[_rounded(line.size)] += len(line.text)
            if not cut_words:
                continue
            found = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", line.text.casefold())
            words.update(found[:-1] if line.hyphen else found)
    hyphenated.update(word for word in words if "-" in word)
    look = Look(
        body_size=sizes.most_common(1)[0][0] if sizes else 10.0,
        words=frozenset(words),
        hyphenated=frozenset(hyphenated),
        outline=outline,
    )
    look.furniture = furniture.find(pages, look.body_size)
    return look


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def drafts(page: PageLines, page_index: int, look: Look) -> list[Draft]:
    """Return the blocks of one page in reading order, running lines first or last as they stand."""
    running = [page.lines[i] for i in range(len(page.lines)) if (page_index, i) in look.furniture]
    body = [line for i, line in enumerate(page.lines) if (page_index, i) not in look.furniture]
    rows = _rows(body)
    pitch = _usual_pitch(body)
    found: list[Draft] = []
    for is_table, group in tables.runs(rows):
        if is_table:
            found.extend(tables.table(group))
        else:
            ordered = columns.unwoven(group)
            found.extend(_with_labels_joined(_prose([line for row in ordered for line in row], pitch, look)))
    found = columns.in_reading_order(found, page.width)
    found = _joined_across_columns(found, look)
    _label(found, page_index, page, look)
    middle = page.height / 2
    head = [Draft("header", line.text, [line]) for line in running if line.top < middle]
    foot = [Draft("header", line.text, [line]) for line in running if line.top >= middle]
    return [*head, *found, *foot]


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Group parts that stand side by side on one baseline and follow one another."""
    rows: list[list[Line]] = []
    for line in lines:
        if rows:
            last = rows[-1][-1]
            level = abs(line.baseline - last.baseline) < 0.3 * max(line.size, last.size)
            apart = line.left > last.right or line.right < last.left
            if level and apart:
                rows[-1].append(line)
                continue
        rows.append([line])
    for number, row in enumerate(rows):
        for line in row:
            line.row = number
    return rows


def _usual_pitch(lines: Sequence[Line]) -> float:
    """Return the usual distance of baselines, as a multiple of the letters' size."""
    ratios: Counter[float] = Counter()
    for above, below in itertools.pairwise(lines):
        distance = below.baseline - above.baseline
        if above.size and abs(above.size - below.size) < 0.6 and 0.8 < distance / above.size < 2.4:
            ratios[round(distance / above.size, 1)] += 1
    return ratios.most_common(1)[0][0] if ratios else 1.25


def _prose(lines: list[Line], pitch: float, look: Look) -> list[Draft]:
    """Group consecutive lines into paragraphs, list items, headings and code."""
    groups: list[list[Line]] = []
    for line in lines:
        if groups and _goes_on(groups[-1], line, pitch):
            groups[-1].append(line)
        else:
            groups.append([line])
    return [_paragraph(group, look) for group in groups]


def _goes_on(group: list[Line], line: Line, pitch: float) -> bool:
    """Tell whether ``line`` belongs to the paragraph of the lines before it."""
    last = group[-1]
    if line.row == last.row:
        return not (_ends_sentence(last.text) and line.left - last.right > 4 * line.size)
    if abs(line.size - last.size) > 0.12 * max(line.size, last.size) or line.mono != last.mono:
        return False
    if line.bold != last.bold and not (_ends_open(last) and not line.bold):
        return False
    distance = line.baseline - last.baseline
    if not 0.3 * line.size < distance < (pitch * 1.22 + 0.05) * line.size:
        return False
    if line.mono:
        return not _BULLET.match(line.text)
    if _starts_item(line.text) or line.left > last.right or line.right < last.left:
        return False
    left = min(part.left for part in group)
    right = max(part.right for part in group)
    if _starts_item(group[0].text):
        return line.left > group[0].left + 0.3 * line.size or not _ends_sentence(last.text)
    indented = line.left - left > 0.8 * line.size and len(group) > 1
    if indented and not _right_aligned(group, line):
        return False
    short = right - last.right > 0.18 * (right - left) and len(group) > 1
    return not (short and _ends_sentence(last.text) and not _right_aligned(group, line))


def _is_label(draft: Draft) -> bool:
    return draft.kind in ("paragraph", "list_item") and not re.search(r"[^\W\d_]{2}", draft.text)


def _with_labels_joined(found: list[Draft]) -> list[Draft]:
    """Make one caption of the numbers at the axes and bars of a chart."""
    merged: list[Draft] = []
    for draft in found:
        if _is_label(draft):
            if merged and merged[-1].kind == "caption":
                merged[-1].text += f" {draft.text}"
                merged[-1].lines = [*merged[-1].lines, *draft.lines]
                continue
            draft.kind, draft.level = "caption", 0
        merged.append(draft)
    return merged


def _ends_open(line: Line) -> bool:
    return not _ends_sentence(line.text) and len(line.text) > 60


def _right_aligned(group: list[Line], line: Line) -> bool:
    """Tell whether the lines share their right edge (right-to-left text) rather than their left one."""
    return (
        len(group) > 1
        and all(abs(part.right - group[0].right) < line.size for part in [*group[1:], line])
        and any(abs(part.left - group[0].left) > line.size for part in [*group[1:], line])
    )


def _ends_sentence(text: str) -> bool:
    return text.rstrip().endswith(_SENTENCE_END)


def _starts_item(text: str) -> bool:
    return bool(_BULLET.match(text) or _NUMBERED.match(text))


def _paragraph(lines: list[Line], look: Look) -> Draft:
    if all(line.mono for line in lines) and len(lines) > 1 and not _BULLET.match(lines[0].text):
        left = min(line.left for line in lines)
        texts = [" " * round((line.left - left) / (0.6 * max(line.size, 1))) + line.text for line in lines]
        return Draft("code", "\n".join(texts), lines)
    text = joined(lines, look)
    bullet = _BULLET.match(text)
    if bullet:
        return Draft("list_item", text[bullet.end() :], lines, level=1)
    kind: BlockKind = "list_item" if _NUMBERED.match(text) else "paragraph"
    return Draft(kind, text, lines, level=1 if kind == "list_item" else 0)


def joined(lines: Sequence[Line], look: Look) -> str:
    """Return the text of ``lines`` as running text, words put together again."""
    text = ""
    hyphen = False
    for line in lines:
        part = line.text.strip()
        if hyphen:
            text = _rejoined(text, part, look)
        elif text and part:
            text += part if _no_space_between(text, part) else f" {part}"
        else:
            text += part
        hyphen = line.hyphen
    return text + "-" if hyphen else text


def _no_space_between(text: str, part: str) -> bool:
    """Tell whether lines join without a space: wide letters, or after a hyphen."""
    before, after = text[-1], part[0]
    if before in "-–/" and text[-2:-1].isalnum() and after.isalnum():
        return True
    return _is_wide(before) and _is_wide(after)


def _is_wide(character: str) -> bool:
    return (
        "\u2e80" <= character <= "\u9fff"
        or "\uf900" <= character <= "\ufaff"
        or "\uff00" <= character <= "\uffef"
    )


def _rejoined(text: str, part: str, look: Look) -> str:
    """Put a word cut at a line end together: with its hyphen when the document writes it so elsewhere."""
    before = _WORD_ENDS.search(text)
    after = _WORD_STARTS.match(part)
    if not before or not after:
        return f"{text}-{part}"
    head, tail = before.group().casefold(), after.group().casefold()
    if f"{head}-{tail}" in look.hyphenated:
        return f"{text}-{part}"
    if head + tail in look.words:
        return text + part
    both_words = head in look.words and tail in look.words and min(len(head), len(tail)) > 2
    return f"{text}-{part}" if part[0].isupper() or both_words else text + part


def _joined_across_columns(found: list[Draft], look: Look) -> list[Draft]:
    """Put together a paragraph that breaks off at the foot of a column and goes on in the next."""
    merged: list[Draft] = []
    for draft in found:
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.kind in ("paragraph", "list_item")
            and draft.kind == "paragraph"
            and not _ends_sentence(last.text)
            and draft.text[:1].islower()
            and abs(draft.size - last.size) < 0.6
            and draft.lines[0].left > last.lines[-1].right
            and draft.lines[0].baseline < last.lines[-1].baseline
        ):
            last.lines = [*last.lines, *draft.lines]
            text = joined(last.lines, look)
            bullet = _BULLET.match(text)
            last.text = text[bullet.end() :] if bullet else text
        else:
            merged.append(draft)
    return merged


def _label(found: list[Draft], page_index: int, page: PageLines, look: Look) -> None:
    """Tell headings, captions and footnotes from plain paragraphs."""
    outline = look.outline.get(page_index, {})
    for position, draft in enumerate(found):
        if draft.kind not in ("paragraph", "list_item"):
            continue
        level = outline.get(outline_key(draft.text), 0) if outline and len(draft.text) < 300 else 0
        below = found[position + 1] if position + 1 < len(found) else None
        if below is not None and below.kind == "header" and len(draft.text) < 60 and len(draft.lines) == 1:
            draft.kind = "header"  # "Contents", over the contents
        elif level:
            draft.kind, draft.level = "heading", level
        elif _CAPTION.match(draft.text) and len(draft.text) < 300:
            draft.kind, draft.level = "caption", 0
        elif _is_heading(draft, below, look):
            draft.kind, draft.level = "heading", 0
        elif _is_note(draft, page, look):
            draft.kind, draft.level = "note", 0


def _is_heading(draft: Draft, below: Draft | None, look: Look) -> bool:
    text = draft.text
    if len(text) > 200 or len(draft.lines) > 4 or not re.search(r"[^\W\d_]", text):
        return False
    size = draft.size
    if size >= look.body_size * 1.15:
        return len(text) < 120 or not _ends_sentence(text)
    if draft.kind == "list_item" and not all(line.bold for line in draft.lines):
        return False
    bold = all(line.bold for line in draft.lines)
    stands_over = below is not None and below.box[1] >= draft.lines[0].top
    return bool(
        bold
        and size >= look.body_size * 0.95
        and len(text) < 120
        and not text.endswith((".", ",", ";"))
        and stands_over
    )


def _is_note(draft: Draft, page: PageLines, look: Look) -> bool:
    low = draft.lines[0].top > page.height * 0.55
    marked = draft.size <= look.body_size * 0.92 and bool(_NOTE.match(draft.text))
    return low and (marked or draft.size <= look.body_size * 0.8)


def outline_key(text: str) -> str:
    """Return a heading as outline and page can be compared: letters and digits only."""
    return "".join(c for c in text.casefold() if c.isalnum())[:80]


def settle_levels(pages: Iterable[Sequence[Draft]], look: Look) -> None:
    """Give headings that the outline does not know a level by their size, after all pages are read."""
    known: dict[float, list[int]] = {}
    unknown: list[Draft] = []
    for page in pages:
        for draft in page:
            if draft.kind != "heading":
                continue
            if draft.level:
                known.setdefault(_rounded(draft.size), []).append(draft.level)
            else:
                unknown.append(draft)
    by_size = {size: int(statistics.median_low(levels)) for size, levels in known.items()}
    deepest = max(by_size.values(), default=0)
    ranks = sorted({_rounded(draft.size) for draft in unknown} - set(by_size), reverse=True)
    for rank, size in enumerate(ranks):
        larger = [level for known_size, level in by_size.items() if known_size > size]
        by_size[size] = max(larger) + 1 if larger else (1 if deepest else min(rank + 1, 6))
    for draft in unknown:
        draft.level = min(by_size[_rounded(draft.size)], 6)
