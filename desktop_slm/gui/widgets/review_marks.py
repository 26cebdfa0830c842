"""Marks the parts of a translation that need a look, and finds them in both panes."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QTextEdit

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.review_view import ReviewView
from desktop_slm.gui.widgets.text_pane import TextPane
from desktop_slm.tasks.events import Review


class ReviewMarks(QObject):
    """Keeps the list of reviews and the marks in the target pane in step.

    Args:
        source: Holds the text.
        target: Holds its translation.
        view: Lists what needs a look; choosing one there selects it in both panes.
    """

    def __init__(self, source: TextPane, target: TextPane, view: ReviewView) -> None:
        super().__init__(target)
        self._source = source
        self._target = target
        self._view = view
        self._reviews: tuple[Review, ...] = ()
        view.review_chosen.connect(self._on_review_chosen)
        theme.signals.changed.connect(self._on_theme_changed)

    def show(self, reviews: Sequence[Review]) -> None:
        """List ``reviews`` and mark them, in the order in which they stand in the text."""
        self._reviews = tuple(reviews)
        self._view.show_reviews(reviews)
        self._mark()

    def texts(self) -> list[str]:
        """Return the marked parts."""
        return [mark.cursor.selectedText() for mark in self._target.editor.extraSelections()]

    def _mark(self) -> None:
        palette = theme.current()
        style = QTextCharFormat()
        style.setBackground(QColor(palette.warning_ground))
        style.setForeground(QColor(palette.ink))
        style.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
        style.setUnderlineColor(QColor(palette.warning))
        marks, start = [], 0
        for review in self._reviews:
            cursor = _find(self._target.editor, review.target, start)
            if cursor is not None:
                start = cursor.selectionEnd()
                mark = QTextEdit.ExtraSelection()
                mark.cursor, mark.format = cursor, style
                marks.append(mark)
        self._target.editor.setExtraSelections(marks)

    @Slot(object)
    def _on_review_chosen(self, review: Review) -> None:
        for pane, text in ((self._source, review.source), (self._target, review.target)):
            cursor = _find(pane.editor, text, 0)
            if cursor is not None:
                pane.editor.setTextCursor(cursor)
                pane.editor.ensureCursorVisible()

    @Slot()
    def _on_theme_changed(self) -> None:
        self._mark()


def _find(editor: QTextEdit, text: str, start: int) -> QTextCursor | None:
    """Find a passage that may span lines; ``start`` and the cursor count in UTF-16 units."""
    if not text.strip():
        return None
    units = editor.toPlainText().encode("utf-16-le")
    wanted = text.strip().encode("utf-16-le")
    found = units.find(wanted, start * 2)
    while found % 2 == 1:  # between two halves of a unit
        found = units.find(wanted, found + 1)
    if found < 0:
        return None
    cursor = QTextCursor(editor.document())
    cursor.setPosition(found // 2)
    cursor.setPosition((found + len(wanted)) // 2, QTextCursor.MoveMode.KeepAnchor)
    return cursor
