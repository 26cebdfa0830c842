"""What a reader of a format hands over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from desktop_slm.documents.model import Page, PageImage, PageUnit


class PageArtist(Protocol):
    """Draws pages of the document it was made from."""

    def draw(self, number: int, width_px: int, quotes: Sequence[str]) -> PageImage:
        """Draw page ``number`` and find ``quotes`` on it."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """Pages as read, before language and counts are known."""

    title: str
    pages: tuple[Page, ...]
    page_unit: PageUnit
    warnings: tuple[str, ...] = ()
    artist: PageArtist | None = None
