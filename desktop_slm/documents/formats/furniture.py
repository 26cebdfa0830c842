"""Running headers, footers and page numbers: what every page repeats and no reader reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from desktop_slm.documents.formats.lines import PageLines

_PAGE_NUMBER = re.compile(
    r"(?i)^[\s\-–—|·]*(?:page|p\.|pg\.|seite|página|pagina|стр\.|第|صفحة)?\s*#\s*(?:页|頁|ページ)?"
    r"(?:\s*(?:of|/|von|de|из|sur|共|\|)\s*#)?[\s\-–—|·]*$"
)
_DIGITS = re.compile(r"\d+")


def find(pages: Sequence[PageLines], body_size: float) -> set[tuple[int, int]]:
    """Find running headers, footers and page numbers; returns (index of page, index of line)."""
    seen: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
    found: set[tuple[int, int]] = set()
    for page_index, page in enumerate(pages):
        for index, zone in _margin_lines(page):
            line = page.lines[index]
            counted = _DIGITS.sub("#", line.text.strip().casefold())
            edge = line.top > page.height * 0.9 or line.bottom < page.height * 0.09
            if edge and _PAGE_NUMBER.match(counted) and line.size <= body_size * 1.3:
                found.add((page_index, index))
                continue
            same = counted if line.size < body_size * 1.15 else line.text.strip().casefold()
            seen.setdefault((zone, same, round(line.baseline / 4)), []).append((page_index, index))
    for places in seen.values():
        on_pages = len({page for page, _ in places})
        if on_pages >= 3 or (on_pages == 2 == len(pages)):
            found.update(places)
    return found | _counting_lines(pages)


def _counting_lines(pages: Sequence[PageLines]) -> set[tuple[int, int]]:
    """Find outermost lines that begin or end with a number that counts the pages (``Chapter 3: Tools 6``)."""
    by_offset: dict[int, list[tuple[int, int]]] = {}
    for page_index, page in enumerate(pages):
        for zone in ("top", "bottom"):
            index = next((i for i, z in _margin_lines(page) if z == zone), None)
            if index is None or len(page.lines[index].text) > 80:
                continue
            text = page.lines[index].text.strip()
            for number in {*re.findall(r"^\d{1,4}\b", text), *re.findall(r"\b\d{1,4}$", text)}:
                by_offset.setdefault(int(number) - page_index, []).append((page_index, index))
    most = max(by_offset.values(), key=len, default=[])
    return set(most) if len(most) >= max(3, len(pages) // 3) else set()


def _margin_lines(page: PageLines) -> Iterable[tuple[int, str]]:
    """Yield (index, zone) of the outermost lines in the top and bottom eighth of the page."""
    for zone, chosen in (
        ("top", [i for i, line in enumerate(page.lines) if line.bottom < page.height * 0.125]),
        ("bottom", [i for i, line in enumerate(page.lines) if line.top > page.height * 0.875]),
    ):
        chosen.sort(key=lambda i: page.lines[i].top, reverse=zone == "bottom")
        for index in chosen[:5]:
            yield index, zone
