"""Something to know or to do, said inside the page instead of in a box on top of it."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel, several_lines

NARROW_PX = 480
Tone = Literal["note", "warning", "error"]
_GROUNDS: dict[Tone, str] = {"note": "notice", "warning": "banner", "error": "panel"}


class NoticeBar(QFrame):
    """An icon, one or two sentences, and up to two buttons. Hidden until it has something to say."""

    first_pressed = Signal()
    second_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tone: Tone = "note"
        self._mark = QLabel()
        self._title = PlainLabel(wrap=True)
        self._message = PlainLabel(wrap=True)
        self._first = QPushButton()
        self._first.clicked.connect(self._on_first_clicked)
        self._second = QPushButton()
        theme.set_kind(self._second, "text")
        self._second.clicked.connect(self._on_second_clicked)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._title)
        words.addWidget(self._message)
        said = QHBoxLayout()
        said.setSpacing(10)
        said.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        said.addLayout(words, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self._first)
        buttons.addWidget(self._second)
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(12, 8, 12, 8)
        self._box.setSpacing(10)
        self._box.addLayout(said, 1)
        self._box.addLayout(buttons)
        self._box.setAlignment(buttons, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        theme.signals.changed.connect(self._on_theme_changed)
        self.hide()

    @property
    def first_button(self) -> QPushButton:
        """The button that does what the notice suggests."""
        return self._first

    @property
    def second_button(self) -> QPushButton:
        """The other way out."""
        return self._second

    def tab_order(self) -> list[QWidget]:
        """Return what comes one after the other with Tab."""
        return [self._first, self._second]

    def text(self) -> str:
        """Return what it says."""
        return " ".join(part for part in (self._title.text(), self._message.text()) if part)

    def say(self, text: str, *, tone: Tone = "note", first: str = "", second: str = "") -> None:
        """Show one sentence; empty hides the bar."""
        self._show(tone, "", text, first, second)

    def say_error(self, error: DesktopSlmError, *, first: str = "", second: str = "") -> None:
        """Show what happened and what to do next."""
        self._show("error", f"{error.title}.".replace("..", "."), error.message, first, second)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the buttons below the words where there is no room beside them."""
        super().resizeEvent(event)
        narrow = event.size().width() < NARROW_PX
        directions = QBoxLayout.Direction
        self._box.setDirection(directions.TopToBottom if narrow else directions.LeftToRight)

    def _show(self, tone: Tone, title: str, message: str, first: str, second: str) -> None:
        self._tone = tone
        theme.set_kind(self, _GROUNDS[tone])
        theme.set_kind(self._title, "danger" if tone == "error" else "heading")
        theme.set_kind(self._message, "warning" if tone == "warning" else "plain")
        for label, text in ((self._title, title), (self._message, message)):
            label.setText(several_lines(text)[:600])
            label.setVisible(bool(text))
        for button, text in ((self._first, first), (self._second, second)):
            button.setText(text)
            button.setVisible(bool(text))
        self.setAccessibleName(self.text())
        self._on_theme_changed()
        self.setVisible(bool(title or message))

    @Slot()
    def _on_theme_changed(self) -> None:
        palette = theme.current()
        icon, color = {
            "note": ("info", palette.accent),
            "warning": ("warning", palette.warning),
            "error": ("warning", palette.danger),
        }[self._tone]
        self._mark.setPixmap(theme.pixmap(icon, color, 18, self.devicePixelRatioF()))

    @Slot()
    def _on_first_clicked(self) -> None:
        self.first_pressed.emit()

    @Slot()
    def _on_second_clicked(self) -> None:
        self.second_pressed.emit()
