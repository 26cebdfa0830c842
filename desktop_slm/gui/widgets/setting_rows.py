"""Rows of the settings page: what a setting is called and does, and its control on the right."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.column import Column
from desktop_slm.gui.widgets.plain_label import PlainLabel


class Section(Column):
    """One section: a heading, then cards of rows."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(theme.READING_WIDTH_PX, parent)
        self.setObjectName(title)
        heading = PlainLabel(title, parent=self)
        theme.set_kind(heading, "display")
        self.body.addWidget(heading)
        self.body.addSpacing(4)

    def add_card(self, title: str = "") -> Card:
        """Append a card, with a small heading above it when there is a title."""
        if title:
            heading = PlainLabel(title, parent=self)
            theme.set_kind(heading, "section")
            self.body.addSpacing(8)
            self.body.addWidget(heading)
        card = Card(self)
        self.body.addWidget(card)
        return card


class Card(QFrame):
    """Rows with lines between them."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        theme.set_kind(self, "card")
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(16, 4, 16, 4)
        self._layout.setSpacing(0)

    def add_row(self, title: str, sentence: str = "", control: QWidget | None = None) -> PlainLabel:
        """Append a row and return the label of its sentence."""
        self._separate()
        row = QHBoxLayout()
        row.setContentsMargins(0, 12, 0, 12)
        row.setSpacing(16)
        text = QVBoxLayout()
        text.setSpacing(2)
        name = PlainLabel(title, parent=self)
        text.addWidget(name)
        below = PlainLabel(sentence, wrap=True, parent=self)
        theme.set_kind(below, "meta")
        below.setVisible(bool(sentence))
        text.addWidget(below)
        row.addLayout(text, 1)
        if control is not None:
            if not control.accessibleName():
                control.setAccessibleName(title)
            control.setAccessibleDescription(sentence)
            row.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)
        self._layout.addLayout(row)
        return below

    def add_fact(self, name: str) -> PlainLabel:
        """Append a fact and return the label of its value."""
        row = QHBoxLayout()
        row.setContentsMargins(0, 7, 0, 7)
        row.setSpacing(16)
        label = PlainLabel(name, parent=self)
        label.setFixedWidth(150)
        label.setAlignment(Qt.AlignmentFlag.AlignTop)
        theme.set_kind(label, "meta")
        value = PlainLabel("…", wrap=True, parent=self)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        value.setAccessibleName(name)
        theme.set_kind(value, "detail")
        row.addWidget(label)
        row.addWidget(value, 1)
        self._layout.addLayout(row)
        return value

    def add_widget(self, widget: QWidget) -> None:
        """Append a button or the like at its own width."""
        self._separate()
        row = QHBoxLayout()
        row.setContentsMargins(0, 12, 0, 12)
        row.addWidget(widget)
        row.addStretch(1)
        self._layout.addLayout(row)

    def add_plain(self, widget: QWidget) -> None:
        """Append anything as wide as the card, without a line; it takes no room while hidden."""
        self._layout.addWidget(widget)

    def add_sentence(self, text: str) -> PlainLabel:
        """Append a paragraph."""
        label = PlainLabel(text, wrap=True, parent=self)
        label.setContentsMargins(0, 10, 0, 10)
        self._layout.addWidget(label)
        return label

    def _separate(self) -> None:
        if self._layout.count():
            line = QFrame(self)
            theme.set_kind(line, "line")
            self._layout.addWidget(line)


class Choice(QComboBox):
    """A drop-down whose entries stand for values; scrolling the page does not change it."""

    def __init__(self, entries: Sequence[tuple[object, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(168)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.set_entries(entries)

    def set_entries(self, entries: Sequence[tuple[object, str]]) -> None:
        """Replace the (value, words) pairs; the chosen value stays where it is still there."""
        before = self.value()
        self.blockSignals(True)
        self.clear()
        for value, words in entries:
            self.addItem(words, value)
        self.blockSignals(False)
        self.show_value(before)

    def value(self) -> object:
        """Return the value chosen, None when there is no entry."""
        return self.currentData()

    def show_value(self, value: object) -> None:
        """Choose the entry of ``value`` without telling; an unknown value gets an entry of its own."""
        self.blockSignals(True)
        row = next((row for row in range(self.count()) if self.itemData(row) == value), -1)
        if row < 0 and value is not None:
            self.addItem(str(value), value)
            row = self.count() - 1
        self.setCurrentIndex(row)
        self.blockSignals(False)
