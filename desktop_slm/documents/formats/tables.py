"""Tables and tables of contents: lines in columns, told from two columns of prose."""

from __future__ import annotations

import re

from desktop_slm.documents.formats import columns
from desktop_slm.documents.formats.lines import Draft, Line
from desktop_slm.documents.model import BlockKind

_LEADERS = re.compile(r"(?:\.\s?){4,}|…{2,}|_{5,}|(?:·\s?){4,}")


def runs(rows: list[list[Line]]) -> list[tuple[bool, list[list[Line]]]]:
    """Cut rows into runs of table and of prose."""
    found: list[tuple[bool, list[list[Line]]]] = []
    position = 0
    while position < len(rows):
        end = _grid_end(rows, position)
        is_table = _is_table(rows[position:end])
        if not is_table and not columns.is_woven_prose(rows[position:end]):
            end = position + 1
        if is_table or not found or found[-1][0]:
            found.append((is_table, []))
        found[-1][1].extend(rows[position:end])
        position = end
    return found


def _has_leaders(row: list[Line]) -> bool:
    return len(row) <= 2 and bool(_LEADERS.search(" ".join(part.text for part in row)))


def _grid_end(rows: list[list[Line]], start: int) -> int:
    """Return where the rows end that begin at ``start`` and stand in columns; at least one row further."""
    end = start
    while end < len(rows):
        row = rows[end]
        if len(row) < 2 and not _has_leaders(row):
            break
        if end > start:
            above = rows[end - 1]
            distance = row[0].baseline - above[0].baseline
            if not 0 < distance < 4 * max(row[0].size, 1.0):
                break
            if not _has_leaders(row) and not _aligned(above, row):
                break
        end += 1
    return max(end, start + 1)


def _is_table(group: list[list[Line]]) -> bool:
    """Tell whether rows in columns are a table: enough rows, and not the lines of two columns of prose."""
    leaders = all(_has_leaders(row) for row in group)
    wide = max(len(row) for row in group)
    if wide < 2 and not leaders:
        return False
    enough = len(group) >= (2 if wide >= 3 or leaders else 3)
    return enough and not columns.is_woven_prose(group)


def _aligned(above: list[Line], below: list[Line]) -> bool:
    """Tell whether two rows share at least two column edges or middles, or all that one of them has."""
    tolerance = 0.6 * max(above[0].size, below[0].size)
    shared = 0
    for cell in below:
        edges = (cell.left, cell.right, (cell.left + cell.right) / 2)
        shared += any(
            abs(edge - other) < tolerance
            for part in above
            for edge, other in zip(edges, (part.left, part.right, (part.left + part.right) / 2), strict=True)
        )
    return shared >= min(2, len(above), len(below))


def table(rows: list[list[Line]]) -> list[Draft]:
    """Return the rows as one block: a table, or contents."""
    lines = [line for row in rows for line in sorted(row, key=lambda part: part.left)]
    texts = []
    contents = 0
    for row in rows:
        cells = [part.text.strip() for part in sorted(row, key=lambda part: part.left)]
        joined = " ".join(cells)
        if _LEADERS.search(joined):
            contents += 1
            title, _, number = _LEADERS.sub("\0", joined, count=1).partition("\0")
            cells = [title.strip(), _LEADERS.sub(" ", number).strip()]
        texts.append(" | ".join(cell.replace("|", "/") for cell in cells if cell))
    # A table of contents only repeats the headings: it is shown and never read as prose.
    kind: BlockKind = "header" if contents * 2 > len(rows) or _is_contents(rows) else "table"
    return [Draft(kind, "\n".join(texts), lines)]


def _is_contents(rows: list[list[Line]]) -> bool:
    """Tell whether rows are headings and ascending page numbers without leaders."""
    numbers = [row[-1].text.strip() for row in rows]
    if len(rows) < 4 or not all(
        len(row) in (2, 3) and n.isdigit() for row, n in zip(rows, numbers, strict=True)
    ):
        return False
    values = [int(number) for number in numbers]
    return (
        values == sorted(values)
        and values[-1] < 5_000
        and all(re.search(r"[^\W\d_]{3}", r[0].text + r[1].text) for r in rows)
    )
