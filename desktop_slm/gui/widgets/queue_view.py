"""Several files at once: one line each, with what is happening to it."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import NameLabel, PlainLabel, one_line

QueueState = Literal["waiting", "working", "done", "failed", "password", "stopped"]
_WORDS: dict[QueueState, str] = {
    "waiting": "waiting",
    "working": "working…",
    "done": "done",
    "failed": "failed",
    "password": "needs a password",
    "stopped": "stopped",
}
_BUTTONS: dict[QueueState, str] = {
    "done": "Open",
    "failed": "Try again",
    "password": "Enter password",
    "stopped": "Go on",
}
_KINDS: dict[QueueState, str] = {"done": "accent", "failed": "danger", "password": "warning"}
MAX_HEIGHT_PX = 220


class QueueRow(QWidget):
    """Name, state in words, and the button that goes with it."""

    pressed = Signal(int)

    def __init__(self, number: int, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.number = number
        self.state: QueueState = "waiting"
        self._name = NameLabel(name)
        self._words = PlainLabel()
        self.button = QPushButton()
        theme.set_kind(self.button, "link")
        self.button.clicked.connect(self._on_button_clicked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(12)
        layout.addWidget(self._name, 1)
        layout.addWidget(self._words)
        layout.addWidget(self.button)
        self.show_state("waiting")

    def text(self) -> str:
        """Return name and state as shown."""
        return f"{self._name.text()}: {self._words.text()}"

    def show_state(self, state: QueueState, words: str = "") -> None:
        """Show another state; ``words`` says more than its usual ones."""
        self.state = state
        self._words.setText(one_line(words, 120) or _WORDS[state])
        theme.set_kind(self._words, _KINDS.get(state, "meta"))
        self.button.setText(_BUTTONS.get(state, ""))
        self.button.setVisible(state in _BUTTONS)
        self.button.setAccessibleName(f"{self.button.text()}: {self._name.text()}")

    @Slot()
    def _on_button_clicked(self) -> None:
        self.pressed.emit(self.number)


class QueueView(QFrame):
    """The files that were dropped together."""

    row_pressed = Signal(int)
    """Number of the file whose button was pressed, as given to `add`."""
    together_pressed = Signal()
    """One summary of all that are done is wanted."""
    cleared = Signal()
    """The list may be forgotten."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "card")
        self._rows: dict[int, QueueRow] = {}
        self._title = PlainLabel()
        theme.set_kind(self._title, "heading")
        self._clear = QPushButton("Clear")
        theme.set_kind(self._clear, "text")
        self._clear.setAccessibleName("Clear the list of files")
        self._clear.clicked.connect(self._on_clear_clicked)
        self._together = QPushButton("Summarize all together")
        theme.set_kind(self._together, "outlined")
        self._together.setToolTip("Make one summary of all documents that are done")
        self._together.clicked.connect(self.together_pressed)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self._title, 1)
        top.addWidget(self._together)
        top.addWidget(self._clear)
        content = QWidget()
        theme.set_kind(content, "ground")
        self._list = QVBoxLayout(content)
        self._list.setContentsMargins(0, 0, 8, 0)
        self._list.setSpacing(0)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 12, 12)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(self._scroll)
        self.hide()

    @property
    def rows(self) -> tuple[QueueRow, ...]:
        """The lines, in order."""
        return tuple(self._rows.values())

    @property
    def clear_button(self) -> QPushButton:
        """Forgets the list once nothing waits."""
        return self._clear

    @property
    def together_button(self) -> QPushButton:
        """Asks for one summary of all that are done."""
        return self._together

    def add(self, number: int, name: str) -> None:
        """Append a file that waits."""
        row = QueueRow(number, name)
        row.pressed.connect(self.row_pressed)
        last = self.rows[-1].button if self._rows else self._clear
        self._rows[number] = row
        self._list.addWidget(row)
        QWidget.setTabOrder(last, row.button)
        self._refresh()
        self.show()

    def show_state(self, number: int, state: QueueState, words: str = "") -> None:
        """Show what is happening to a file; unknown numbers are ignored."""
        row = self._rows.get(number)
        if row is not None:
            row.show_state(state, words)
            self._refresh()

    def clear(self) -> None:
        """Forget all files."""
        for row in self._rows.values():
            row.hide()
            row.deleteLater()
        self._rows.clear()
        self.hide()

    def _refresh(self) -> None:
        done = sum(row.state == "done" for row in self._rows.values())
        busy = any(row.state in ("waiting", "working") for row in self._rows.values())
        files = "1 file" if len(self._rows) == 1 else f"{len(self._rows)} files"
        self._title.setText(f"{files} · {done} done")
        self._clear.setVisible(not busy)
        self._together.setVisible(not busy and done > 1)
        height = sum(row.sizeHint().height() for row in self._rows.values()) + 4
        self._scroll.setFixedHeight(min(MAX_HEIGHT_PX, height))

    @Slot()
    def _on_clear_clicked(self) -> None:
        self.clear()
        self.cleared.emit()
