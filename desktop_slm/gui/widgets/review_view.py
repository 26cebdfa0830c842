"""The parts of a translation that a person should look at, each with its reasons."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line
from desktop_slm.tasks.events import Review

MAX_HEIGHT_PX = 132


class ReviewButton(QPushButton):
    """One line that is shortened to fit: the text first, so that the reasons stay readable."""

    def __init__(self, text: str, reasons: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._quoted = text
        self._reasons = f"”: {reasons}"
        self.line = f"“{text}{self._reasons}"
        theme.set_kind(self, "text")
        self.setStyleSheet("text-align: left;")
        self.setToolTip(self.line)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten the line to the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room, metrics, end = self.width() - 16, self.fontMetrics(), Qt.TextElideMode.ElideRight
        left = max(60, room - metrics.horizontalAdvance(f"“{self._reasons}"))
        line = f"“{metrics.elidedText(self._quoted, end, left)}{self._reasons}"
        shown = metrics.elidedText(line, end, room)
        self.setText(shown.replace("&", "&&"))


class ReviewView(QFrame):
    """One line per part; choosing one tells which."""

    review_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "banner")
        self._reviews: dict[ReviewButton, Review] = {}
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
    def buttons(self) -> tuple[ReviewButton, ...]:
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
        button = ReviewButton(one_line(review.source, 60), reasons)
        button.setAccessibleName(f"Part {review.id}: {reasons}")
        button.clicked.connect(self._on_button_clicked)
        self._reviews[button] = review
        self._list.addWidget(button)

    @Slot()
    def _on_button_clicked(self) -> None:
        button = self.sender()
        if isinstance(button, ReviewButton) and button in self._reviews:
            self.review_chosen.emit(self._reviews[button])
