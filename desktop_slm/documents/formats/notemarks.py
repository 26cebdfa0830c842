"""The small raised numbers of footnotes: kept as such, lest they pass for figures or lines of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from desktop_slm.documents.formats.lines import Line

RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def attached(lines: Sequence[Line]) -> list[Line]:
    """Put a small raised number that was drawn apart to the line it belongs to, before or after it."""
    joined_lines: list[Line] = []
    for line in lines:
        mark = joined_lines[-1] if joined_lines else None
        if mark is not None and _is_mark_of(mark, line):
            joined_lines[-1] = replace(
                line,
                text=f"{mark.text.strip().translate(RAISED)} {line.text.lstrip()}",
                left=mark.left,
                start=mark.start,
                count=line.start + line.count - mark.start,
            )
        elif mark is not None and _is_mark_of(line, mark):
            joined_lines[-1] = replace(
                mark,
                text=mark.text.rstrip() + line.text.strip().translate(RAISED),
                right=line.right,
                count=line.start + line.count - mark.start,
            )
        else:
            joined_lines.append(line)
    return joined_lines


def _is_mark_of(mark: Line, line: Line) -> bool:
    """Tell whether ``mark`` is a small number raised just before or after ``line``."""
    gap = line.left - mark.right if mark.start < line.start else mark.left - line.right
    return (
        bool(re.fullmatch(r"\s*[\d*†‡§]{1,3}\s*", mark.text))
        and mark.size <= 0.9 * line.size
        and 0.1 * line.size < line.baseline - mark.baseline < line.size
        and -0.3 * line.size < gap < 1.5 * line.size
    )
