"""A page as clean text: for formats without page images, and for reading aloud or copying."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import (
    QColor,
    QFont,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
)
from PySide6.QtWidgets import QFrame, QTextEdit, QWidget

from desktop_slm.documents.model import Block, Page
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import several_lines

_HEADING_EXTRA_PX = {1: 6, 2: 4, 3: 2}


class TextPage(QTextEdit):
    """Read-only text of one page with headings, lists and tables set apart, and passages marked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setAcceptRichText(False)
        self.setAcceptDrops(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)
        self.setAccessibleName("Text of the page")
        self.document().setDocumentMargin(24)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._page: Page | None = None
        self._quotes: tuple[str, ...] = ()
        theme.signals.changed.connect(self._on_theme_changed)

    def show_page(self, page: Page, quotes: Sequence[str] = ()) -> None:
        """Show a page's blocks, mark the quotes and scroll to the first."""
        if page is not self._page:
            self._page = page
            self._write(page)
        self._quotes = tuple(quotes)
        self._mark()

    def marked_text(self) -> list[str]:
        """Return the texts that are marked."""
        return [selection.cursor.selectedText() for selection in self.extraSelections()]

    def _write(self, page: Page) -> None:
        self.clear()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for index, block in enumerate(page.blocks):
            paragraph, style = _formats(block)
            if index:
                cursor.insertBlock(paragraph, style)
            else:
                cursor.setBlockFormat(paragraph)
            text = several_lines(block.text).replace("\n", "\u2028")
            cursor.insertText(f"• {text}" if block.kind == "list_item" else text, style)
        if not page.blocks:
            cursor.insertText("No text on this page.", _muted())
        cursor.endEditBlock()

    def _mark(self) -> None:
        palette = theme.current()
        mark = QTextCharFormat()
        mark.setBackground(QColor(palette.passage_mark))
        mark.setForeground(QColor(palette.on_mark))
        selections = []
        for quote in self._quotes:
            found = _find(self.document(), quote)
            if found is not None:
                selection = QTextEdit.ExtraSelection()
                selection.cursor, selection.format = found, mark
                selections.append(selection)
        self.setExtraSelections(selections)
        place = QTextCursor(self.document())
        if selections:
            place.setPosition(selections[0].cursor.selectionStart())
        self.setTextCursor(place)
        self._scroll_to(place)

    def _scroll_to(self, place: QTextCursor) -> None:
        """Bring the place to the upper third."""
        bar = self.verticalScrollBar()
        top = self.cursorRect(place).top() + bar.value()
        bar.setValue(max(0, top - self.viewport().height() // 3))

    @Slot()
    def _on_theme_changed(self) -> None:
        if self._page is not None:
            self._write(self._page)
            self._mark()


def _formats(block: Block) -> tuple[QTextBlockFormat, QTextCharFormat]:
    """Return how a block is set: space above, indent, and its letters."""
    paragraph, style = QTextBlockFormat(), QTextCharFormat()
    paragraph.setLineHeight(140, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
    paragraph.setTopMargin(10)
    size = theme.text_px()
    if block.kind == "heading":
        paragraph.setTopMargin(18)
        style.setFontWeight(QFont.Weight.DemiBold)
        size += _HEADING_EXTRA_PX.get(block.level, 1)
    elif block.kind == "list_item":
        paragraph.setTopMargin(4)
        paragraph.setLeftMargin(16 * max(1, block.level))
    elif block.kind in ("table", "code"):
        style.setFont(theme.fixed_font())
        size -= 1
    elif block.kind in ("caption", "note", "header"):
        style = _muted()
        size -= 1
    style.setProperty(QTextFormat.Property.FontPixelSize, size)
    return paragraph, style


def _muted() -> QTextCharFormat:
    style = QTextCharFormat()
    style.setForeground(QColor(theme.current().muted))
    return style


def _find(document: QTextDocument, quote: str) -> QTextCursor | None:
    """Find a quote as it was shown (the same cleaning), line separators counted as spaces."""
    wanted = several_lines(quote).replace("\n", " ").strip()
    if not wanted:
        return None
    shown = document.toRawText().replace("\u2028", " ").replace("\u2029", " ")
    start = shown.find(wanted)
    if start < 0:
        return None
    cursor = QTextCursor(document)
    cursor.setPosition(_utf16(shown, start))
    cursor.setPosition(_utf16(shown, start + len(wanted)), QTextCursor.MoveMode.KeepAnchor)
    return cursor


def _utf16(text: str, position: int) -> int:
    """Qt counts UTF-16 units, Python code points."""
    return len(text[:position].encode("utf-16-le")) // 2
