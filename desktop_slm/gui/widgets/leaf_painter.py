"""Paints what stands around the text of an answer: code frames, quote bars, rules, list markers, the cursor.

Everything is taken from the properties that `leaf_writer` left on the blocks, and only blocks in sight are
looked at, so that a long answer costs no more than a short one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QTextBlock, QTextDocument, QTextLine

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.leaf_writer import (
    CODE_PAD_PX,
    EDGE,
    INDENT_PX,
    KIND,
    LANGUAGE,
    MARKER,
    OPENS,
    QUOTE,
    QUOTE_PX,
    is_right_to_left,
)

_MARGIN_PX = 40
_MARKER_PX = INDENT_PX + 24
_LANGUAGE_PX = 72


def kind_of(block: QTextBlock) -> str:
    """Return the kind of leaf that a block belongs to, empty for none."""
    return str(block.blockFormat().property(KIND) or "") if block.isValid() else ""


def paint_beneath(
    painter: QPainter, document: QTextDocument, area: QRect, width_px: int, label_right_px: int
) -> None:
    """Paint everything but the text.

    Args:
        painter: In the document's coordinates.
        document: Written by a `LeafWriter` and laid out.
        area: What has to be painted.
        width_px: Width of the document.
        label_right_px: Room at the right of a code block's first line that belongs to the Copy button.
    """
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    brush = _Beneath(painter, area, width_px, label_right_px)
    for block in _blocks_in(document, area):
        brush.paint(block)


def cursor_block(document: QTextDocument) -> QRectF:
    """Return where the cursor of a growing answer stands: after its last letter."""
    block = document.lastBlock()
    height = round(theme.text_px() * 1.15)
    count = block.layout().lineCount()
    if count == 0:
        return QRectF(0, 2, 8, height)
    line = block.layout().lineAt(count - 1)
    place = line.cursorToX(line.textStart() + line.textLength())
    x = float(place[0] if isinstance(place, tuple) else place)  # type: ignore[arg-type]
    origin = block.layout().position()
    top = origin.y() + line.y() + (line.height() - height) / 2
    return QRectF(origin.x() + x + (-10 if is_right_to_left(block.text()) else 1), top, 8, height)


def _blocks_in(document: QTextDocument, area: QRect) -> Iterator[QTextBlock]:
    position = document.documentLayout().hitTest(
        QPointF(0, area.top() - _MARGIN_PX), Qt.HitTestAccuracy.FuzzyHit
    )
    block = document.findBlock(max(0, position))
    before = block.previous()
    block = before if before.isValid() else block
    while block.isValid() and block.layout().position().y() <= area.bottom() + _MARGIN_PX:
        yield block
        block = block.next()


def _bottom(block: QTextBlock) -> float:
    layout = block.layout()
    return layout.position().y() + layout.boundingRect().height()


@dataclass
class _Beneath:
    """One pass of painting."""

    painter: QPainter
    area: QRect
    width_px: int
    label_right_px: int

    def paint(self, block: QTextBlock) -> None:
        """Paint what belongs to one block."""
        style = block.blockFormat()
        if style.property(QUOTE):
            self._quote(block, int(style.property(QUOTE)))
        kind = kind_of(block)
        if kind == "rule":
            self._rule(block)
        elif kind == "code":
            self._code(block)
        if style.property(MARKER):
            self._marker(block, str(style.property(MARKER)))

    def _rule(self, block: QTextBlock) -> None:
        self.painter.setPen(QPen(QColor(theme.current().line), 1))
        y = math.floor(block.layout().position().y()) + 4.5
        self.painter.drawLine(QPointF(_edge(block), y), QPointF(self.width_px, y))

    def _code(self, block: QTextBlock) -> None:
        """Paint the whole frame once, from its first line or from the first line in sight."""
        before = block.previous()
        opens = bool(block.blockFormat().property(OPENS))
        if not opens and kind_of(before) == "code" and _bottom(before) >= self.area.top() - _MARGIN_PX:
            return
        left = _edge(block) + 0.5
        top = math.floor(block.layout().position().y() - (CODE_PAD_PX if opens else 60)) + 0.5
        bottom = math.ceil(_bottom(self._last_line(block))) + CODE_PAD_PX - 0.5
        colors = theme.current()
        self.painter.setPen(QPen(QColor(colors.line), 1))
        self.painter.setBrush(QColor(colors.code_ground))
        self.painter.drawRoundedRect(QRectF(left, top, self.width_px - left - 0.5, bottom - top), 6, 6)
        language = block.blockFormat().property(LANGUAGE)
        if opens and language:
            self._language(str(language), top)

    def _last_line(self, block: QTextBlock) -> QTextBlock:
        """Return the last line of a code block, or one that is well out of sight."""
        following = block.next()
        while kind_of(following) == "code" and not following.blockFormat().property(OPENS):
            block = following
            if following.layout().position().y() > self.area.bottom() + 2 * _MARGIN_PX:
                break
            following = following.next()
        return block

    def _language(self, language: str, top: float) -> None:
        self._set_font(theme.text_px() - 2)
        self.painter.setPen(QColor(theme.current().muted))
        text = self.painter.fontMetrics().elidedText(
            f"{language} ·", Qt.TextElideMode.ElideRight, _LANGUAGE_PX
        )
        left = self.width_px - self.label_right_px - _LANGUAGE_PX
        box = QRectF(left, top + CODE_PAD_PX - 4.5, _LANGUAGE_PX, 24)
        self.painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)

    def _quote(self, block: QTextBlock, depth: int) -> None:
        top = block.layout().position().y()
        before = block.previous()
        if before.isValid() and before.blockFormat().property(QUOTE):
            top = min(top, _bottom(before))
        backwards = block.textDirection() == Qt.LayoutDirection.RightToLeft
        self.painter.setPen(Qt.PenStyle.NoPen)
        self.painter.setBrush(QColor(theme.current().line))
        for level in range(depth):
            x = level * QUOTE_PX
            self.painter.drawRect(
                QRectF(self.width_px - x - 3 if backwards else x, top, 3, _bottom(block) - top)
            )

    def _marker(self, block: QTextBlock, marker: str) -> None:
        line = block.layout().lineAt(0)
        if not line.isValid():
            return
        backwards = block.blockFormat().layoutDirection() == Qt.LayoutDirection.RightToLeft
        edge = _edge(block)
        top = block.layout().position().y() + line.y()
        left = self.width_px - edge if backwards else edge - _MARKER_PX
        box = QRectF(left, top, _MARKER_PX, line.height())
        if marker in ("☐", "☑"):
            self._task(box, backwards, marker == "☑")
        elif marker == "•":
            self.painter.setPen(Qt.PenStyle.NoPen)
            self.painter.setBrush(QColor(theme.current().ink))
            x = box.left() + 10 if backwards else box.right() - 11
            self.painter.drawEllipse(QPointF(x, box.center().y()), 2.6, 2.6)
        else:
            self._number(box, line, marker, backwards)

    def _number(self, box: QRectF, line: QTextLine, marker: str, backwards: bool) -> None:
        self._set_font(theme.text_px())
        self.painter.setPen(QColor(theme.current().ink))
        width = self.painter.fontMetrics().horizontalAdvance(marker)
        x = box.left() + 6 if backwards else box.right() - 6 - width
        self.painter.drawText(QPointF(x, box.top() + line.ascent()), marker)

    def _task(self, box: QRectF, backwards: bool, done: bool) -> None:
        colors = theme.current()
        left = box.left() + 4 if backwards else box.right() - 18
        square = QRectF(round(left) + 0.5, round(box.center().y() - 6) + 0.5, 12, 12)
        self.painter.setPen(QPen(QColor(colors.accent if done else colors.muted), 1))
        self.painter.setBrush(QColor(colors.accent if done else colors.panel))
        self.painter.drawRoundedRect(square, 3, 3)
        if done:
            self.painter.setPen(QPen(QColor(colors.on_accent), 1.8))
            corners = ((2.8, 6.2), (5.2, 8.6), (9.4, 3.6))
            self.painter.drawPolyline([QPointF(square.left() + x, square.top() + y) for x, y in corners])

    def _set_font(self, size_px: int) -> None:
        font = QFont(self.painter.font())
        font.setPixelSize(size_px)
        self.painter.setFont(font)


def _edge(block: QTextBlock) -> float:
    return float(block.blockFormat().property(EDGE) or 0)
