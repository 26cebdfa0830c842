"""Labels for text that others wrote: names, titles and sentences of documents, always shown as plain text."""

from __future__ import annotations

import unicodedata

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QStyle, QStyleOption, QWidget

NAME_LIMIT = 200
_KEPT_FORMAT_CHARACTERS = "\u200c\u200d"  # the joiners, which Persian and Indic spelling needs


def one_line(text: str, limit: int = NAME_LIMIT) -> str:
    """Return ``text`` on one line without control, bidi and invisible characters, at most ``limit`` long."""
    shown = "".join(_shown(character) for character in text[: limit * 4])
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def several_lines(text: str) -> str:
    """Return ``text`` without control, bidi and invisible characters, its line breaks kept."""
    return "\n".join("".join(_shown(character) for character in line) for line in text.splitlines())


def _shown(character: str) -> str:
    if character in _KEPT_FORMAT_CHARACTERS:
        return character
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character


class PlainLabel(QLabel):
    """A label that never interprets its text as markup.

    Args:
        text: What it says.
        wrap: Break long text into lines.
        parent: Owner.
    """

    def __init__(self, text: str = "", *, wrap: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        self.setText(text)


class NameLabel(PlainLabel):
    """One line of foreign text that is shortened to fit; a tooltip has it whole."""

    def __init__(
        self,
        text: str = "",
        parent: QWidget | None = None,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
    ) -> None:
        super().__init__("", parent=parent)
        self._elide = elide
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.set_name(text)

    def set_name(self, text: str) -> None:
        """Show another text, cleaned by `one_line`."""
        name = one_line(text)
        self.setText(name)
        # Tooltips guess whether they hold markup; a wrapped, escaped one cannot be taken for it.
        escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        self.setToolTip(f"<p>{escaped}</p>" if name else "")

    def minimumSizeHint(self) -> QSize:
        """Let the layout shrink it to a few letters."""
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), self.fontMetrics().averageCharWidth() * 8), hint.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text, with an ellipsis when there is no room for all of it."""
        painter = QPainter(self)
        option = QStyleOption()
        option.initFrom(self)
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_Widget, option, painter, self)
        area = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), self._elide, area.width())
        painter.setPen(self.palette().windowText().color())
        side = self.alignment() & Qt.AlignmentFlag.AlignHorizontal_Mask
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter | side), text)
