"""Shows an answer: text that can be selected, code with a frame and a Copy button, links that ask first.

The view never scrolls by itself: it is as high as its text, and the transcript around it scrolls. Frames,
quote bars, list markers and the cursor of a streaming answer are painted beneath the text.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QMimeData, QRect, QRectF, QSize, Qt, QUrl, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QTextCursor,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QPushButton, QTextBrowser, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.leaves import Leaf, PlainStream
from desktop_slm.gui.markdown import MarkdownStream, references_in
from desktop_slm.gui.widgets.leaf_painter import cursor_block, kind_of, paint_beneath
from desktop_slm.gui.widgets.leaf_writer import CODE_PAD_PX, MARKER, OPENS, LeafWriter

BUDGET_S = 0.008
"""Time one `AnswerView.advance` may take before it leaves the rest for the next call."""

MAX_SHOWN_CHARS = 300_000
MAX_SHOWN_LEAVES = 10_000
"""Longest text that is shown, and most lines and table cells; Copy still gives all of it."""

_TOO_LONG = "The rest of this message is too long to show here. Copy gives all of it."
_PLAIN_KEYS = frozenset(
    {
        Qt.Key.Key_Up,
        Qt.Key.Key_Down,
        Qt.Key.Key_PageUp,
        Qt.Key.Key_PageDown,
        Qt.Key.Key_Home,
        Qt.Key.Key_End,
    }
)


class AnswerView(QTextBrowser):
    """One answer, finished or growing.

    Args:
        parent: Owner.
        muted: In the color of secondary text, for thoughts.
        plain: Not Markdown: what the user wrote.

    Signals:
        link_chosen: The address of a link that was clicked; it has not been opened.
    """

    link_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None, *, muted: bool = False, plain: bool = False) -> None:
        super().__init__(parent)
        theme.set_kind(self, "bare")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self.setAcceptDrops(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.setLineWrapMode(QTextBrowser.LineWrapMode.FixedPixelWidth)
        self.setLineWrapColumnOrWidth(theme.READING_WIDTH_PX)
        self.setAccessibleName("Answer")
        self.anchorClicked.connect(self._on_anchor_clicked)
        self._writer = LeafWriter(self.document(), muted=muted)
        self._plain = plain
        self._stream: MarkdownStream | PlainStream = PlainStream() if plain else MarkdownStream()
        self._given: list[str] = []
        self._shown_chars = 0
        self._shown_leaves = 0
        self._growing = False
        self.version = 0
        self._placed = (-1, -1)
        self._button_size = QSize()
        self._copy_buttons: list[QPushButton] = []
        theme.signals.changed.connect(self._on_theme_changed)

    @property
    def given_text(self) -> str:
        """The text as it was given."""
        return "".join(self._given)

    @property
    def pending(self) -> bool:
        """Whether `advance` has work left."""
        return self._stream.pending

    @property
    def growing(self) -> bool:
        """Whether more text is expected and the cursor block is shown."""
        return self._growing

    def set_text(self, text: str, *, growing: bool = False) -> None:
        """Show another text; `advance` brings it in."""
        self._writer.clear()
        if self._plain:
            self._stream = PlainStream()
        else:
            self._stream = MarkdownStream(None if growing else references_in(text))
        self._given.clear()
        self._shown_chars = 0
        self._shown_leaves = 0
        self._growing = growing
        self.feed(text)

    def feed(self, text: str) -> None:
        """Append text; `advance` brings it in."""
        self._given.append(text)
        room = MAX_SHOWN_CHARS - self._shown_chars
        if room > 0 and self._shown_leaves <= MAX_SHOWN_LEAVES:
            self._stream.feed(text if len(text) <= room else text[:room] + self._too_long())
        self._shown_chars += len(text)

    def finish(self) -> None:
        """No more text will come: settle what was guessed at, resolve links defined further down."""
        if not self._growing:
            return
        self._growing = False
        self.viewport().update()
        text = self.given_text
        if references_in(text):
            self.set_text(text)
        else:
            self._stream.feed("\n")

    def advance(self, budget_s: float = BUDGET_S) -> bool:
        """Bring in text until nothing is pending or the time is up; tell whether the view changed."""
        deadline = time.perf_counter() + budget_s
        selected = self.textCursor()
        anchor, position = selected.anchor(), selected.position()
        changed = False
        while self._stream.pending and time.perf_counter() < deadline:
            finished = self._stream.advance()
            if finished:
                changed = self._writer.update(finished, ()) or changed
                self._count(finished)
        changed = self._writer.update((), self._stream.tail(growing=self._growing)) or changed
        if changed:
            self.version += 1
            if anchor != position:
                self._select(anchor, position)
        return changed

    def advance_all(self) -> None:
        """Bring in all of the text, however long it takes."""
        self.advance(math.inf)

    def fit(self, width_px: int) -> int:
        """Lay out for a width and return the height that shows everything."""
        width_px = max(1, width_px)
        if self.lineWrapColumnOrWidth() != width_px:
            self.setLineWrapColumnOrWidth(width_px)  # lays everything out anew, also for the same width
        height = math.ceil(self.document().size().height())
        leaves = self._writer.leaves
        if leaves and leaves[-1].kind == "code":
            height += CODE_PAD_PX
        if not leaves:
            height = round(theme.text_px() * 1.5) if self._growing else 0
        return height

    def resizeEvent(self, event: Any) -> None:
        """Keep the Copy buttons in their corners."""
        super().resizeEvent(event)
        self.place_buttons()

    def place_buttons(self) -> None:
        """Put a Copy button into the corner of every code block."""
        if self._placed == (self.version, self.width()):
            return
        self._placed = (self.version, self.width())
        openers = self._writer.openers
        while len(self._copy_buttons) < len(openers):
            self._copy_buttons.append(self._copy_button())
        for number, button in enumerate(self._copy_buttons):
            button.setVisible(number < len(openers))
            if number < len(openers):
                top = self.document().findBlock(openers[number]).layout().position().y()
                if self._button_size.isEmpty():
                    self._button_size = button.sizeHint()
                size = self._button_size
                place = QRect(self.width() - size.width() - 6, round(top) - 4, size.width(), size.height())
                if button.geometry() != place:
                    button.setGeometry(place)

    def copy_buttons(self) -> list[QPushButton]:
        """Return the Copy buttons of its code blocks."""
        return self._copy_buttons[: len(self._writer.openers)]

    def code_at(self, number: int) -> str:
        """Return the text of code block ``number``, from 0."""
        block = self.document().findBlock(self._writer.openers[number])
        lines = [block.text()]
        block = block.next()
        while block.isValid() and kind_of(block) == "code" and not block.blockFormat().property(OPENS):
            lines.append(block.text())
            block = block.next()
        return "\n".join(lines)

    def loadResource(self, type_: int, name: QUrl | str) -> Any:
        """Load nothing, ever. (None would let Qt open the file or the network share itself.)"""
        return QImage()

    def createMimeDataFromSelection(self) -> QMimeData:
        """Copy plain text with list markers."""
        data = QMimeData()
        data.setText(self._selected_text())
        return data

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave scrolling to the transcript."""
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave scrolling keys to the transcript; select and copy here."""
        scrolls = event.key() in _PLAIN_KEYS and event.modifiers() == Qt.KeyboardModifier.NoModifier
        if scrolls or event.matches(QKeySequence.StandardKey.Cancel):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint frames, bars and markers, then the text, then the cursor of a growing answer."""
        painter = QPainter(self.viewport())
        label_px = self._copy_buttons[0].width() if self._copy_buttons else 40
        paint_beneath(painter, self.document(), event.rect(), self.width(), label_px + 3)
        painter.end()
        super().paintEvent(event)
        if self._growing:
            painter = QPainter(self.viewport())
            end = cursor_block(self.document()) if self._writer.leaves else QRectF(0, 2, 8, 16)
            painter.fillRect(end, QColor(theme.current().accent))
            painter.end()

    def _copy_button(self) -> QPushButton:
        button = QPushButton("Copy", self.viewport())
        theme.set_kind(button, "text")
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.setAccessibleName("Copy the code")
        button.clicked.connect(self._on_copy_clicked)
        return button

    def _count(self, finished: Sequence[Leaf]) -> None:
        """Stop showing a text that has too many parts, and say so."""
        before = self._shown_leaves
        self._shown_leaves += sum(max(1, len(leaf.rows) * len(leaf.aligns)) for leaf in finished)
        if before <= MAX_SHOWN_LEAVES < self._shown_leaves:
            self._stream = MarkdownStream()
            self._stream.feed(self._too_long())

    def _too_long(self) -> str:
        return f"\n\n{_TOO_LONG}" if self._plain else f"\n\n*{_TOO_LONG}*\n"

    def _select(self, anchor: int, position: int) -> None:
        """Select what was selected before text came in behind it."""
        last = self.document().characterCount() - 1
        cursor = self.textCursor()
        cursor.setPosition(min(anchor, last))
        cursor.setPosition(min(position, last), QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    def _selected_text(self) -> str:
        cursor = self.textCursor()
        start, end = cursor.selectionStart(), cursor.selectionEnd()
        block = self.document().findBlock(start)
        parts: list[str] = []
        while block.isValid() and block.position() < end:
            first = max(0, start - block.position())
            text = block.text()[first : end - block.position()].replace("\u2028", "\n")
            marker = block.blockFormat().property(MARKER)
            parts.append(f"{marker} {text}" if marker and first == 0 else text)
            block = block.next()
        return "\n".join(parts).strip("\n")

    @Slot(QUrl)
    def _on_anchor_clicked(self, address: QUrl) -> None:
        self.link_chosen.emit(address.toString(QUrl.ComponentFormattingOption.FullyEncoded))

    @Slot()
    def _on_copy_clicked(self) -> None:
        button = self.sender()
        if isinstance(button, QPushButton) and button in self._copy_buttons:
            QGuiApplication.clipboard().setText(self.code_at(self._copy_buttons.index(button)))

    @Slot()
    def _on_theme_changed(self) -> None:
        self._writer.rewrite()
        self._button_size = QSize()
        self.version += 1
