"""A line of the outline: a section's title and page, its notes unfolding below."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.citation_view import Origin, Place, SentenceView, page_label
from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.tasks.events import Section


class SectionButton(QAbstractButton):
    """Title in ink, page muted; checkable when there are notes to unfold. No ``unit``: no page."""

    def __init__(self, section: Section, unit: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._page = page_label(section.page, unit) if unit else ""
        self.setText(one_line(section.title) or "Untitled section")
        self.setCheckable(bool(section.notes))
        self.setAccessibleName(f"Section {self.text()}, {self._page}" if unit else self.text())
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """One line with space to breathe."""
        return QSize(200, self.fontMetrics().height() + 12)

    def minimumSizeHint(self) -> QSize:
        """The title may be cut."""
        return QSize(80, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw chevron, title and page."""
        palette = theme.current()
        painter = QPainter(self)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(palette.accent), 2))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 6, 6)
        left = 6
        small = QFont(self.font())
        small.setPixelSize(theme.text_px() - 2)
        painter.setFont(small)
        page_width = painter.fontMetrics().horizontalAdvance(self._page)
        painter.setFont(self.font())
        room = self.width() - left - page_width - 40
        title = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)
        title_width = self.fontMetrics().horizontalAdvance(title)
        centered = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        painter.setPen(QColor(palette.accent if self.underMouse() else palette.ink))
        painter.drawText(QRect(left, 0, title_width + 2, self.height()), centered, title)
        painter.setFont(small)
        painter.setPen(QColor(palette.muted))
        left += title_width + 6
        painter.drawText(QRect(left, 0, page_width + 4, self.height()), centered, self._page)
        if self.isCheckable():
            name = "chevron-down" if self.isChecked() else "chevron-right"
            mark = theme.pixmap(name, palette.muted, 12, self.devicePixelRatioF())
            painter.drawPixmap(left + page_width + 6, (self.height() - 12) // 2, mark)


class SectionRow(QWidget):
    """A `SectionButton` and, made when first unfolded, the notes of the section.

    With ``origins`` the sections are whole documents.
    """

    page_chosen = Signal(int)
    place_chosen = Signal(object, object)

    def __init__(
        self,
        section: Section,
        unit: str,
        origins: Mapping[str, Origin] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._section = section
        self._unit = unit
        self._origins = origins or {}
        self._notes: QWidget | None = None
        self.button = SectionButton(section, "" if self._origins else unit, self)
        self.button.clicked.connect(self._on_button_clicked)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        self._layout.addWidget(self.button)

    @Slot()
    def _on_button_clicked(self) -> None:
        if self._section.notes and self._notes is None:
            self._notes = self._make_notes()
            self._layout.addWidget(self._notes)
        if self._notes is not None:
            self._notes.setVisible(self.button.isChecked())
        self.page_chosen.emit(self._section.page)

    def _make_notes(self) -> QWidget:
        notes = QWidget(self)
        layout = QVBoxLayout(notes)
        layout.setContentsMargins(8, 0, 0, 8)
        layout.setSpacing(2)
        last: QWidget = self.button
        for note in self._section.notes:
            view = SentenceView(note, unit=self._unit, lead="•", origins=self._origins, parent=notes)
            view.place_chosen.connect(self._on_note_place_chosen)
            layout.addWidget(view)
            last = view.chain_after(last)
        return notes

    @Slot(object, object)
    def _on_note_place_chosen(self, view: SentenceView, place: Place) -> None:
        self.place_chosen.emit(view, place)
