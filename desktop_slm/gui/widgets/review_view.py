"""The parts of a translation that a person should look at, each with its reasons."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line
from desktop_slm.tasks.events import Review

MAX_HEIGHT_PX = 132


class ReviewView(QFrame):
    """One line per part; choosing one tells which."""

    review_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "banner")
        self._reviews: dict[QPushButton, Review] = {}
        self._title = PlainLabel()
        theme.set_kind(self._title, "heading")
        content = QWidget()
        theme.set_kind(content, "ground")
        self._list = QVBoxLayout(content)
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(2)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.setSpacing(4)
        layout.addWidget(self._title)
        layout.addWidget(self._scroll)
        self.hide()

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """The lines, in order."""
        return tuple(self._reviews)

    def title(self) -> str:
        """Return how many parts there are, in words."""
        return self._title.text()

    def show_reviews(self, reviews: Sequence[Review]) -> None:
        """List these parts; none hides the view."""
        for button in self._reviews:
            button.hide()
            button.deleteLater()
        self._reviews.clear()
        self._title.setText(
            "1 part needs a look" if len(reviews) == 1 else f"{len(reviews)} parts need a look"
        )
        for review in reviews:
            self._add(review)
        rows = min(len(reviews), 4)
        self._scroll.setFixedHeight(min(MAX_HEIGHT_PX, rows * 28 + 4))
        self.setVisible(bool(reviews))

    def _add(self, review: Review) -> None:
        reasons = "; ".join(one_line(reason, 120) for reason in review.reasons)
        button = QPushButton(f"“{one_line(review.source, 60)}”: {reasons}".replace("&", "&&"))
        button.setAccessibleName(f"Part {review.id}: {reasons}")
        theme.set_kind(button, "text")
        button.setStyleSheet("text-align: left;")
        button.clicked.connect(self._on_button_clicked)
        self._reviews[button] = review
        self._list.addWidget(button)

    @Slot()
    def _on_button_clicked(self) -> None:
        button = self.sender()
        if isinstance(button, QPushButton) and button in self._reviews:
            self.review_chosen.emit(self._reviews[button])
