"""One of several ways, as a card: a radio button with an explanation, and controls that the choice opens."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QRadioButton, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel


class ChoiceCard(QFrame):
    """A card that is chosen by a click anywhere on it; `details` is visible only then."""

    chosen = Signal()

    def __init__(
        self, icon: str, title: str, sentence: str, group: QButtonGroup, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        theme.set_kind(self, "choice")
        self._icon_name = icon
        self.radio = QRadioButton(title, self)
        self.radio.setAccessibleDescription(sentence)
        font = self.radio.font()
        font.setBold(True)
        self.radio.setFont(font)
        group.addButton(self.radio)
        self._sentence = PlainLabel(sentence, wrap=True, parent=self)
        theme.set_kind(self._sentence, "muted")
        self._icon = QLabel(self)
        self.details = QWidget(self)
        self.details.hide()
        text = QVBoxLayout()
        text.setSpacing(4)
        text.addWidget(self.radio)
        indented = QVBoxLayout()
        indented.setContentsMargins(30, 0, 0, 0)
        indented.setSpacing(12)
        indented.addWidget(self._sentence)
        indented.addWidget(self.details)
        text.addLayout(indented)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 12, 16, 14)
        layout.addLayout(text, 1)
        layout.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        self.radio.toggled.connect(self._on_radio_toggled)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    def set_sentence(self, sentence: str) -> None:
        """Explain it in other words."""
        self._sentence.setText(sentence)
        self.radio.setAccessibleDescription(sentence)

    def set_possible(self, possible: bool) -> None:
        """Offer the way, or show it faded."""
        self.setEnabled(possible)
        if not possible:
            self.radio.setChecked(False)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose it."""
        self.radio.setChecked(True)
        super().mousePressEvent(event)

    @Slot(bool)
    def _on_radio_toggled(self, checked: bool) -> None:
        self.details.setVisible(checked and self.details.layout() is not None)
        self.setProperty("chosen", checked)
        self.style().unpolish(self)
        self.style().polish(self)
        self._on_theme_changed()
        if checked:
            self.chosen.emit()

    @Slot()
    def _on_theme_changed(self) -> None:
        colors = theme.current()
        color = colors.accent if self.radio.isChecked() else colors.muted
        self._icon.setPixmap(theme.pixmap(self._icon_name, color, 24, self.devicePixelRatioF()))
