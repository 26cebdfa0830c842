"""Reading order where the order as written cannot be trusted: woven columns, and blocks that jump."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from desktop_slm.documents.formats.lines import Draft, Line


def is_woven_prose(rows: Sequence[Sequence[Line]]) -> bool:
    """Tell whether rows of two parts are the lines of two columns of prose, not a table.

    Prose fills its column: both sides are long and most parts reach the column's edge.
    """
    pairs = [row for row in rows if len(row) == 2]
    if len(pairs) < 4 or len(pairs) < 0.8 * len(rows):
        return False
    for side in (0, 1):
        parts = [row[side] for row in pairs]
        if sum(len(part.text) for part in parts) / len(parts) < 22:
            return False
        width = max(part.right for part in parts) - min(part.left for part in parts)
        filled = sum((part.right - part.left) > 0.75 * width for part in parts)
        if filled < 0.6 * len(parts):
            return False
    return True


def unwoven(rows: list[list[Line]]) -> list[list[Line]]:
    """Return rows with stretches of woven columns read column by column."""
    result: list[list[Line]] = []
    position = 0
    while position < len(rows):
        end = position
        while end < len(rows) and len(rows[end]) == 2:
            end += 1
        stretch = rows[position:end]
        if is_woven_prose(stretch):
            left = [[min(row, key=lambda part: part.left)] for row in stretch]
            right = [[max(row, key=lambda part: part.left)] for row in stretch]
            result += [*left, *right]
            for number, row in enumerate([*left, *right]):
                row[0].row = -1 - number
            position = end
        else:
            end = max(end, position + 1)
            result += rows[position:end]
            position = end
    return result


def in_reading_order(drafts: list[Draft], page_width: float) -> list[Draft]:
    """Return the blocks as written when that order goes down the columns, else sorted by cutting the page."""
    if not _jumps(drafts):
        return drafts
    return _cut(drafts, page_width, depth=0)


def _jumps(drafts: Sequence[Draft]) -> bool:
    """Tell whether a block is followed by one that stands over it in the same column."""
    for above, below in itertools.pairwise(drafts):
        left, top, right, _ = above.box
        other_left, _, other_right, other_bottom = below.box
        overlap = min(right, other_right) - max(left, other_left)
        if other_bottom <= top + 1 and overlap > 0.3 * min(right - left, other_right - other_left):
            return True
    return False


def _cut(drafts: list[Draft], page_width: float, depth: int) -> list[Draft]:
    """Order blocks by white space: columns first, then bands from top to bottom (recursive XY cut)."""
    if len(drafts) < 2 or depth > 12:
        return sorted(drafts, key=lambda d: (d.box[1], d.box[0]))
    gutter = _gutter(drafts, page_width)
    if gutter is not None:
        left = [d for d in drafts if d.box[2] <= gutter]
        right = [d for d in drafts if d.box[2] > gutter]
        return _cut(left, page_width, depth + 1) + _cut(right, page_width, depth + 1)
    bands = _bands(drafts)
    if len(bands) == 1:
        return sorted(drafts, key=lambda d: (round(d.box[1] / 4), d.box[0]))
    ordered: list[Draft] = []
    for band in _merged_bands(bands, page_width):
        ordered += _cut(band, page_width, depth + 1)
    return ordered


def _gutter(drafts: Sequence[Draft], page_width: float) -> float | None:
    """Return where a vertical cut passes between blocks, both sides being of some width."""
    spans = sorted((d.box[0], d.box[2]) for d in drafts)
    reach = spans[0][1]
    for left, right in spans[1:]:
        if left - reach > 0.012 * page_width and reach - spans[0][0] > 0.15 * page_width:
            return (left + reach) / 2
        reach = max(reach, right)
    return None


def _bands(drafts: Sequence[Draft]) -> list[list[Draft]]:
    """Group blocks that overlap vertically, from top to bottom."""
    bands: list[list[Draft]] = []
    reach = 0.0
    for draft in sorted(drafts, key=lambda d: d.box[1]):
        if bands and draft.box[1] < reach - 1:
            bands[-1].append(draft)
        else:
            bands.append([draft])
        reach = max(reach, draft.box[3])
    return bands


def _merged_bands(bands: list[list[Draft]], page_width: float) -> list[list[Draft]]:
    """Join neighboring bands that one gutter passes through: they are the same columns."""
    merged: list[list[Draft]] = []
    for band in bands:
        if (
            merged
            and _gutter([*merged[-1], *band], page_width) is not None
            and (len(band) > 1 or len(merged[-1]) > 1)
        ):
            merged[-1] = [*merged[-1], *band]
        else:
            merged.append(band)
    return merged
