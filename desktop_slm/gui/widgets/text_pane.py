"""One half of the Translate page: a sheet of plain text with a line of facts and buttons below it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QTextEdit, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel


def count_text(text: str) -> str:
    """Return ``1,204 characters · 210 words``; empty without text."""
    if not text.strip():
        return ""
    characters, words = len(text), len(text.split())
    units = "character" if characters == 1 else "characters"
    return f"{characters:,} {units} · {words:,} {'word' if words == 1 else 'words'}"


class TextPane(QFrame):
    """A card around an editor; the card wears the focus ring.

    Args:
        name: For screen readers.
        placeholder: Shown while it is empty.
        read_only: Text can be selected and copied, not changed.
        parent: Owner.
    """

    def __init__(
        self, name: str, placeholder: str, *, read_only: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.editor = QTextEdit()  # lays each paragraph out in its own direction; QPlainTextEdit does not
        self.editor.setAcceptRichText(False)
        theme.set_kind(self.editor, "bare")
        self.editor.setAccessibleName(name)
        self.editor.setPlaceholderText(placeholder)
        self.editor.setReadOnly(read_only)
        self.editor.setAcceptDrops(False)
        self.editor.setTabChangesFocus(True)
        self.editor.setFrameShape(QFrame.Shape.NoFrame)
        if read_only:
            self.editor.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        self.editor.installEventFilter(self)
        self.counter = PlainLabel()
        theme.set_kind(self.counter, "meta")
        self._foot = QHBoxLayout()
        self._foot.setSpacing(4)
        self._foot.addWidget(self.counter, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 12, 8)
        layout.setSpacing(6)
        layout.addWidget(self.editor, 1)
        layout.addLayout(self._foot)
        theme.signals.changed.connect(self._restyle)
        self._restyle()

    def add_button(self, button: QWidget) -> None:
        """Append a button to the line below the text."""
        self._foot.addWidget(button)

    def text(self) -> str:
        """Return the text as typed or written."""
        return self.editor.toPlainText()

    def set_text(self, text: str) -> None:
        """Replace the text."""
        self.editor.setPlainText(text)
        self.show_count()

    def append(self, text: str) -> None:
        """Write more at the end; the view follows only when it was there."""
        bar = self.editor.verticalScrollBar()
        place, follows = bar.value(), bar.value() >= bar.maximum()
        cursor = QTextCursor(self.editor.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text)
        bar.setValue(bar.maximum() if follows else place)
        self.show_count()

    def show_count(self) -> None:
        """Count anew."""
        self.counter.setText(count_text(self.text()))

    def set_right_to_left(self, right_to_left: bool) -> None:
        """Lay out an empty pane from the right; paragraphs with letters go by these."""
        direction = Qt.LayoutDirection.RightToLeft if right_to_left else Qt.LayoutDirection.LeftToRight
        self.editor.setLayoutDirection(direction)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Draw the ring when the editor gets or loses the focus."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.update()
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the card."""
        palette = theme.current()
        focused = self.editor.hasFocus()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(palette.accent if focused else palette.line), 2 if focused else 1))
        painter.setBrush(QColor(palette.panel))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 10, 10)

    def _restyle(self) -> None:
        # By style sheet: the application's own would win over a font set on the editor.
        self.editor.setStyleSheet(f"font-size: {theme.text_px() + 1}px;")
        self.update()
