"""Writes leaves of an answer to the end of a text document, and takes the last ones back when they change.

Blocks carry what the view paints around the text (frames, bars, list markers) as block properties, so that
the document holds nothing but text: no HTML, no images, no frames inside frames.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrameFormat,
    QTextLength,
    QTextTable,
    QTextTableFormat,
)

from desktop_slm.gui import theme
from desktop_slm.gui.leaves import Cell, Leaf, Run

_USER = QTextFormat.Property.UserProperty.value
KIND, MARKER, QUOTE, LANGUAGE, OPENS, EDGE = (_USER + number for number in range(1, 7))
"""Properties of a block: kind of leaf, list marker, depth of quotes, language, opens code, left edge."""

INDENT_PX = 28
QUOTE_PX = 16
CODE_PAD_PX = 12
CODE_SIDE_PX = 14
LABEL_PX = 56
LABEL_LETTER_PX = 7
_HEADING_GROWTH_PX = {1: 6, 2: 4, 3: 2}
_ALIGN = {
    "": Qt.AlignmentFlag.AlignLeading,
    "left": Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignAbsolute,
    "center": Qt.AlignmentFlag.AlignHCenter,
    "right": Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignAbsolute,
}


class LeafWriter:
    """The end of one document.

    Args:
        document: Empty; belongs to the writer from now on.
        muted: Write in the color of secondary text.
    """

    def __init__(self, document: QTextDocument, *, muted: bool = False) -> None:
        self._document = document
        self._muted = muted
        self._leaves: list[Leaf] = []
        self._starts: list[int] = []
        self._openers: list[int] = []
        self._frozen = 0
        document.setDocumentMargin(0)
        document.setUndoRedoEnabled(False)
        document.setIndentWidth(INDENT_PX)
        self._hide_first_block()

    @property
    def leaves(self) -> Sequence[Leaf]:
        """All leaves in the document."""
        return self._leaves

    @property
    def openers(self) -> Sequence[int]:
        """Position in the document of the first line of every code block."""
        return self._openers

    def clear(self) -> None:
        """Take everything out."""
        self._document.clear()
        self._openers.clear()
        self._leaves.clear()
        self._starts.clear()
        self._frozen = 0
        self._hide_first_block()

    def update(self, finished: Sequence[Leaf], tail: Sequence[Leaf]) -> bool:
        """Append finished leaves and replace the open tail; tell whether anything changed.

        Leaves of the old tail that come again at the same place are not touched.
        """
        wanted = [*finished, *tail]
        old = self._leaves[self._frozen :]
        same = 0
        while same < min(len(old), len(wanted)) and old[same] == wanted[same]:
            same += 1
        changed = same < max(len(old), len(wanted))
        if changed:
            cursor = QTextCursor(self._document)
            cursor.beginEditBlock()
            if same < len(wanted) and same == len(old) - 1 and _is_same_table(old[same], wanted[same]):
                self._change_table(wanted[same])
                same += 1
            self._take_back(cursor, self._frozen + same)
            for leaf in wanted[same:]:
                self._append(cursor, leaf)
            cursor.endEditBlock()
        self._frozen += len(finished)
        return changed

    def rewrite(self) -> None:
        """Write everything anew, in the colors of now."""
        leaves, frozen = list(self._leaves), self._frozen
        self.clear()
        self.update(leaves[:frozen], leaves[frozen:])

    def _hide_first_block(self) -> None:
        """The block that every document has is not ours: leaves come after it."""
        first = self._document.firstBlock()
        cursor = QTextCursor(first)
        cursor.setBlockFormat(_no_height())
        cursor.setBlockCharFormat(_no_height_text())
        first.setVisible(False)

    def _take_back(self, cursor: QTextCursor, count: int) -> None:
        """Keep ``count`` leaves and remove the others."""
        if count >= len(self._leaves):
            return
        cursor.setPosition(self._starts[count])
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        while self._openers and self._openers[-1] > self._starts[count]:
            self._openers.pop()
        del self._leaves[count:]
        del self._starts[count:]
        self._restore_end(cursor)

    def _restore_end(self, cursor: QTextCursor) -> None:
        """Give an empty last block its format back: Qt lets it take over that of what was removed."""
        if not self._leaves:
            self._hide_first_block()
        elif self._leaves[-1].kind == "table":
            cursor.setBlockFormat(_no_height())
            cursor.setBlockCharFormat(_no_height_text())
        elif not self._leaves[-1].text:
            before = self._leaves[-2] if len(self._leaves) > 1 else None
            cursor.setBlockFormat(self._block_format(self._leaves[-1], before))
            cursor.setBlockCharFormat(self._char_format(Run(""), self._leaves[-1]))

    def _append(self, cursor: QTextCursor, leaf: Leaf) -> None:
        cursor.movePosition(QTextCursor.MoveOperation.End)
        before = self._leaves[-1] if self._leaves else None
        self._starts.append(cursor.position())
        self._leaves.append(leaf)
        if leaf.kind == "code" and leaf.opens:
            self._openers.append(cursor.position() + 1)
        if leaf.kind == "table":
            self._append_table(cursor, leaf, before)
            return
        cursor.insertBlock(self._block_format(leaf, before), self._char_format(Run(""), leaf))
        for run in leaf.runs:
            cursor.insertText(run.text, self._char_format(run, leaf))

    def _append_table(self, cursor: QTextCursor, leaf: Leaf, before: Leaf | None) -> None:
        colors = theme.current()
        style = QTextTableFormat()
        style.setBorderCollapse(True)
        style.setBorder(1)
        style.setBorderBrush(QBrush(QColor(colors.line)))
        style.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
        style.setCellPadding(6)
        style.setCellSpacing(0)
        style.setTopMargin(_gap(leaf, before))
        style.setLeftMargin(_edge(leaf))
        style.setHeaderRowCount(1)
        columns = len(leaf.aligns)
        style.setColumnWidthConstraints([QTextLength(QTextLength.Type.VariableLength, 0)] * columns)
        table = cursor.insertTable(len(leaf.rows), columns, style)
        for number in range(len(leaf.rows)):
            self._write_row(table, number, leaf)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.setBlockFormat(_no_height())
        cursor.setBlockCharFormat(_no_height_text())

    def _change_table(self, leaf: Leaf) -> None:
        """Change the rows of the last leaf's table that differ, which costs less than a new table."""
        old = self._leaves[-1]
        table = QTextCursor(self._document.findBlock(self._starts[-1] + 1)).currentTable()
        self._leaves[-1] = leaf
        if len(leaf.rows) > len(old.rows):
            table.appendRows(len(leaf.rows) - len(old.rows))
        elif len(leaf.rows) < len(old.rows):
            table.removeRows(len(leaf.rows), len(old.rows) - len(leaf.rows))
        for number, row in enumerate(leaf.rows):
            if number >= len(old.rows) or row != old.rows[number]:
                self._write_row(table, number, leaf)

    def _write_row(self, table: QTextTable, number: int, leaf: Leaf) -> None:
        for column, cell in enumerate(leaf.rows[number]):
            place = table.cellAt(number, column)
            cursor = place.firstCursorPosition()
            cursor.setPosition(place.lastPosition(), QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
            block = _line_height()
            block.setAlignment(_ALIGN[leaf.aligns[column]])
            _set_direction(block, cell)
            cursor.setBlockFormat(block)
            for run in cell:
                cursor.insertText(run.text, self._char_format(run, leaf, header=number == 0))

    def _block_format(self, leaf: Leaf, before: Leaf | None) -> QTextBlockFormat:
        block = _line_height(1.0 if leaf.kind == "code" else 1.5)
        edge = _edge(leaf)
        block.setProperty(KIND, leaf.kind)
        block.setProperty(EDGE, edge)
        block.setTopMargin(_gap(leaf, before))
        if leaf.marker:
            block.setProperty(MARKER, leaf.marker)
        if leaf.quote:
            block.setProperty(QUOTE, leaf.quote)
        if leaf.kind == "heading":
            block.setHeadingLevel(leaf.level)
        if leaf.kind == "rule":
            block.setLineHeight(9, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
        if leaf.kind == "code":
            block.setProperty(OPENS, leaf.opens)
            block.setProperty(LANGUAGE, leaf.language)
            block.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
            block.setLeftMargin(edge + CODE_SIDE_PX)
            label_px = LABEL_PX + LABEL_LETTER_PX * min(10, len(leaf.language))
            block.setRightMargin(label_px if leaf.opens else CODE_SIDE_PX)
            return block
        if _set_direction(block, leaf.runs):
            block.setRightMargin(edge)
        else:
            block.setLeftMargin(edge)
        return block

    def _char_format(self, run: Run, leaf: Leaf, *, header: bool = False) -> QTextCharFormat:
        colors = theme.current()
        text = QTextCharFormat()
        text.setForeground(QColor(colors.muted if self._muted or leaf.quote else colors.ink))
        font = QFont(theme.fixed_font()) if run.code or leaf.kind == "code" else QFont()
        if leaf.kind == "rule":
            font.setPixelSize(1)
        elif leaf.kind == "heading":
            font.setPixelSize(theme.text_px() + _HEADING_GROWTH_PX.get(leaf.level, 0))
        elif not (run.code or leaf.kind == "code"):
            font.setPixelSize(theme.text_px() - (1 if self._muted else 0))
        if run.bold or header or leaf.kind == "heading":
            font.setWeight(QFont.Weight.DemiBold)
        font.setItalic(run.italic)
        font.setStrikeOut(run.strike)
        text.setFont(font)
        if run.code and leaf.kind != "code":
            text.setBackground(QColor(colors.user_bubble))
        if run.href:
            text.setAnchor(True)
            text.setAnchorHref(run.href)
            text.setForeground(QColor(colors.accent))
            text.setFontUnderline(True)
        return text


def is_right_to_left(text: str) -> bool:
    """Tell the direction of a paragraph by its first letter that has one (Unicode rules P2 and P3)."""
    for character in text[:400]:
        match unicodedata.bidirectional(character):
            case "L":
                return False
            case "R" | "AL":
                return True
            case _:
                pass
    return False


def _is_same_table(old: Leaf, new: Leaf) -> bool:
    """Tell whether two tables differ in nothing but their rows."""
    return old.kind == "table" == new.kind and replace(old, rows=()) == replace(new, rows=())


def _set_direction(block: QTextBlockFormat, runs: Cell) -> bool:
    backwards = is_right_to_left("".join(run.text for run in runs))
    block.setLayoutDirection(Qt.LayoutDirection.RightToLeft if backwards else Qt.LayoutDirection.LeftToRight)
    return backwards


def _edge(leaf: Leaf) -> int:
    """Return where a text begins; "100." and longer markers push it aside instead of leaving the page."""
    long_marker_px = 9 * max(0, len(leaf.marker) - len("10."))
    return leaf.indent * INDENT_PX + leaf.quote * QUOTE_PX + long_marker_px


def _gap(leaf: Leaf, before: Leaf | None) -> int:
    """Return the space above a leaf in pixels; depends on nothing but the leaf before it."""
    if leaf.kind == "plain":
        return 0
    if leaf.kind == "code" and before is not None and before.kind == "code" and not leaf.opens:
        return 0
    gap = 10
    if before is None:
        gap = 0
    elif leaf.kind == "heading":
        gap = 18
    elif before.kind == "heading":
        gap = 6
    elif leaf.marker and (before.indent or before.marker):
        gap = 6 if leaf.loose else 2
    elif leaf.indent and not leaf.loose:
        gap = 4
    if before is not None and before.kind == "code":
        gap += CODE_PAD_PX
    return gap + CODE_PAD_PX if leaf.kind == "code" else gap


def _line_height(factor: float = 1.5) -> QTextBlockFormat:
    """Lines of one height whatever fallback fonts they use; code lines stand closer."""
    block = QTextBlockFormat()
    height = round(theme.text_px() * (factor if factor > 1 else 1.36))
    block.setLineHeight(height, QTextBlockFormat.LineHeightTypes.MinimumHeight.value)
    return block


def _no_height() -> QTextBlockFormat:
    block = QTextBlockFormat()
    block.setLineHeight(0.01, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
    return block


def _no_height_text() -> QTextCharFormat:
    text = QTextCharFormat()
    font = QFont()
    font.setPixelSize(1)
    text.setFont(font)
    return text
