"""What an answer rests on: one small pill per page, and warnings about it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.citation_view import places
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line
from desktop_slm.tasks.events import Cited


class SourceRow(QWidget):
    """Pills, then warnings; hidden while there is neither.

    Signals:
        chosen: The `Cited` of a pill.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        self._pills: dict[QPushButton, Cited] = {}
        self._warning = PlainLabel(parent=self)
        theme.set_kind(self._warning, "warning")
        self._layout.addStretch(1)
        self.hide()

    def show_citations(self, citations: Sequence[Cited]) -> None:
        """Show one pill per page and document."""
        for pill in self._pills:
            pill.hide()
            pill.deleteLater()
        self._pills.clear()
        for place in places(citations)[:12]:
            pill = QPushButton(f"p. {place.page}", self)
            theme.set_kind(pill, "pill")
            pill.setAccessibleName(f"Page {place.page}: show the passage")
            pill.clicked.connect(self._on_pill_clicked)
            self._layout.insertWidget(len(self._pills), pill)
            self._pills[pill] = Cited(page=place.page, quote=place.quotes[0], document=place.document)
        self.setVisible(bool(self._pills))

    def warn(self, text: str) -> None:
        """Show a warning after the pills."""
        self._warning.setText(one_line(text))
        self._layout.insertWidget(self._layout.count() - 1, self._warning)
        self.show()

    @Slot()
    def _on_pill_clicked(self) -> None:
        pill = self.sender()
        if isinstance(pill, QPushButton) and pill in self._pills:
            self.chosen.emit(self._pills[pill])
