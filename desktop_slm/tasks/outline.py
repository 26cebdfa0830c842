"""The sections of a document: what the outline lists and what a summary by sections goes through."""

from __future__ import annotations

from dataclasses import dataclass, field

from desktop_slm.documents.model import Block, Document
from desktop_slm.documents.split import reading_blocks

_MIN_SECTIONS = 3
_MAX_SECTIONS = 40
_PAGES_PER_PART = 5


@dataclass
class DocumentSection:
    """A section: its heading, the page it begins on and the blocks below it."""

    title: str
    page: int
    blocks: set[int] = field(default_factory=set)


def sections_of(document: Document, pages: tuple[int, int] | None = None) -> list[DocumentSection]:
    """Divide a document at its headings, or into runs of pages when it has none.

    The depth is the shallowest one that gives three sections; headings without text below them (a table of
    contents, a title page) go together with what follows.
    """
    readable = reading_blocks(document, pages)
    level = _level([block for _, block in readable])
    if level == 0:
        return _by_pages(document, readable)
    found: list[DocumentSection] = []
    for page, block in readable:
        if block.kind == "heading" and block.level <= level:
            found.append(DocumentSection(block.text, page))
        elif not found:
            found.append(DocumentSection(document.title, page))
        if block.kind != "heading":
            found[-1].blocks.add(block.id)
    return [section for section in found if section.blocks][:_MAX_SECTIONS]


def _level(blocks: list[Block]) -> int:
    """Return the depth of headings to divide at, 0 when there are none."""
    levels = sorted(max(1, block.level) for block in blocks if block.kind == "heading")
    if not levels:
        return 0
    for level in sorted(set(levels)):
        count = sum(1 for other in levels if other <= level)
        if count >= _MIN_SECTIONS:
            return level
    return levels[-1]


def _by_pages(document: Document, readable: list[tuple[int, Block]]) -> list[DocumentSection]:
    numbers = list(dict.fromkeys(page for page, _ in readable))
    if len(numbers) <= _PAGES_PER_PART:
        whole = DocumentSection(document.title, numbers[0] if numbers else 1)
        whole.blocks = {block.id for _, block in readable}
        return [whole] if readable else []
    found = []
    unit = "Pages" if document.page_unit == "page" else "Parts"
    per_part = max(_PAGES_PER_PART, -(-len(numbers) // _MAX_SECTIONS))
    for start in range(0, len(numbers), per_part):
        part = numbers[start : start + per_part]
        title = f"{unit} {part[0]}-{part[-1]}"
        found.append(
            DocumentSection(title, part[0], {block.id for page, block in readable if page in set(part)})
        )
    return found
