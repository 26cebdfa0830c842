"""The history page's desk: search, previews, deleting and taking back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Signal, Slot

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui.job import Call, run_call
from desktop_slm.gui.markdown import to_leaves
from desktop_slm.gui.pages.history import HistoryPage, Paragraph
from desktop_slm.store.records import HistoryItem, ItemKind, MessageRecord
from desktop_slm.tasks.events import SummaryDone

if TYPE_CHECKING:
    from desktop_slm.app import App

LISTED = 200
_PREVIEW_CHARACTERS = 60_000
_WHO = {"user": "You", "assistant": "Assistant", "system": "Instructions"}


class HistoryDesk(QObject):
    """Serves one `HistoryPage`.

    Signals:
        deleted: Words and id of what went to the trash, to offer taking it back.
        kept: Something was deleted or came back.
    """

    deleted = Signal(str, str)
    kept = Signal()

    def __init__(self, app: App, page: HistoryPage, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self.page = page
        self._searching: Call | None = None
        page.search_requested.connect(self._on_page_search_requested)
        page.preview_requested.connect(self._on_page_preview_requested)
        page.delete_requested.connect(self.delete)

    # What the window asks for

    @Slot(str, str)
    def delete(self, item: str, kind: str) -> None:
        """Put an item in the trash."""
        run_call(partial(self._delete, item, kind), self._on_deleted, self._on_error)

    def restore(self, item: str) -> None:
        """Take an item back from the trash."""
        run_call(partial(self._restore, item), self._on_restored, self._on_error)

    # Work off the GUI thread

    def _search(self, text: str, kinds: Sequence[ItemKind]) -> tuple[list[HistoryItem], str]:
        return list(self._app.search.search(text, kinds or None, LISTED)), text

    def _preview(self, item: str, kind: str, marks: Sequence[str]) -> tuple[str, list[Paragraph]]:
        if kind == "conversation":
            messages = self._app.history.messages(item)
            said = [(_WHO.get(message.role, ""), _readable(message)) for message in messages]
            return item, _cut(said, marks)
        if kind == "document":
            pages = self._app.library.get(item).document.pages
            return item, _cut([(f"Page {page.number}", page.text) for page in pages if page.blocks], marks)
        if kind == "summary":
            return item, _summary(self._app.library.summary(item).result)
        record = self._app.library.translation(item)
        return item, [(record.source_language, record.source), (record.target_language, record.target)]

    def _delete(self, item: str, kind: str) -> str:
        if kind == "conversation":
            self._app.history.delete(item)
        else:
            self._app.library.delete(item)
        return item

    def _restore(self, item: str) -> None:
        if item.startswith("c"):
            self._app.history.restore(item)
        else:
            self._app.library.restore(item)

    # Answers

    @Slot(object)
    def _on_found(self, found: tuple[list[HistoryItem], str]) -> None:
        self.page.show_items(*found)

    @Slot(object)
    def _on_preview(self, found: tuple[str, list[Paragraph]]) -> None:
        self.page.show_preview(*found)

    @Slot(object)
    def _on_deleted(self, item: str) -> None:
        self.page.take(item)
        self.kept.emit()
        self.deleted.emit("", item)

    @Slot(object)
    def _on_restored(self, _nothing: object) -> None:
        self.page.refresh()
        self.kept.emit()

    @Slot(object)
    def _on_error(self, error: DesktopSlmError) -> None:
        self.page.show_error(error)

    # Wishes

    @Slot(str, object)
    def _on_page_search_requested(self, text: str, kinds: Sequence[ItemKind]) -> None:
        if self._searching is not None:
            self._searching.cancel()
        self._searching = run_call(partial(self._search, text, kinds), self._on_found, self._on_error)

    @Slot(str, str, object)
    def _on_page_preview_requested(self, item: str, kind: str, marks: Sequence[str]) -> None:
        run_call(partial(self._preview, item, kind, marks), self._on_preview, self._on_error)


def _cut(paragraphs: list[Paragraph], marks: Sequence[str]) -> list[Paragraph]:
    """Keep what a preview can hold, starting shortly before the first hit."""
    wanted = [mark.casefold() for mark in marks]
    first = next(
        (row for row, (_, text) in enumerate(paragraphs) if any(mark in text.casefold() for mark in wanted)),
        0,
    )
    kept: list[Paragraph] = []
    room = _PREVIEW_CHARACTERS
    for heading, text in paragraphs[max(0, first - 1) :]:
        kept.append((heading, text[:room]))
        room -= len(text)
        if room <= 0:
            kept.append(("", "…"))
            break
    return kept


def _readable(message: MessageRecord) -> str:
    """Return what a message says, an answer without the signs of its markup."""
    if message.role != "assistant":
        return message.text
    lines = []
    for leaf in to_leaves(message.text[:_PREVIEW_CHARACTERS]):
        rows = [" | ".join("".join(run.text for run in cell) for cell in row) for row in leaf.rows]
        marker = f"{leaf.marker} " if leaf.marker else ""
        lines.append("\n".join(rows) or f"{marker}{leaf.text}".replace("\u2028", "\n"))
    return "\n".join(lines)


def _summary(result: bytes) -> list[Paragraph]:
    try:
        done = msgspec.json.decode(result, type=SummaryDone)
    except msgspec.DecodeError:
        return [("", "This summary was written by a newer version.")]
    sentences = " ".join(sentence.text for sentence in done.sentences)
    paragraphs = [("Summary", sentences)] if sentences else []
    if done.key_sentences:
        paragraphs.append(("Key sentences", "\n".join(sentence.text for sentence in done.key_sentences)))
    return paragraphs
