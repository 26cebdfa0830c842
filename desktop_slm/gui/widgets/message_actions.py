"""The quiet row under a message: Copy, Regenerate, Edit, Continue, the branch arrows and what it cost."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from desktop_slm.engine.api import Usage
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel

ROW_HEIGHT_PX = 26
_ARROW_PX = 24  # one sign alone is hard to hit


class MessageActions(QWidget):
    """Text buttons, muted until pointed at or focused.

    Signals:
        copy_pressed, regenerate_pressed, edit_pressed, continue_pressed: As named.
        branch_pressed: -1 for the branch before, +1 for the one after.
    """

    copy_pressed = Signal()
    regenerate_pressed = Signal()
    edit_pressed = Signal()
    continue_pressed = Signal()
    branch_pressed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        self.copy = self._button("Copy", "Copy this message")
        self.copy.clicked.connect(self.copy_pressed)
        self.regenerate = self._button("Regenerate", "Write another answer")
        self.regenerate.clicked.connect(self.regenerate_pressed)
        self.edit = self._button("Edit", "Edit the question and send it again")
        self.edit.clicked.connect(self.edit_pressed)
        self.go_on = self._button("Continue", "Continue this answer")
        self.go_on.clicked.connect(self.continue_pressed)
        self.before = self._button("‹", "Previous version")
        self.before.clicked.connect(self._on_before_clicked)
        self.place = PlainLabel(parent=self)
        theme.set_kind(self.place, "meta")
        self._layout.addWidget(self.place)
        self.after = self._button("›", "Next version")
        for arrow in (self.before, self.after):
            arrow.setMinimumWidth(_ARROW_PX)
        self.after.clicked.connect(self._on_after_clicked)
        self._layout.addStretch(1)
        self.cost = PlainLabel(parent=self)
        theme.set_kind(self.cost, "meta")
        self._layout.addWidget(self.cost)
        self._layout.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self.show_branches(1, 1)

    def show_branches(self, position: int, siblings: int) -> None:
        """Show ``< position / siblings >``, or nothing when there is one version only."""
        for widget in (self.before, self.place, self.after):
            widget.setVisible(siblings > 1)
        self.place.setText(f"{position} / {siblings}")
        self.place.setAccessibleName(f"Version {position} of {siblings}")
        self.before.setEnabled(position > 1)
        self.after.setEnabled(position < siblings)

    def show_cost(self, usage: Usage | None) -> None:
        """Show tokens per second and the time to the first one."""
        self.cost.setText(cost_in_words(usage))
        if usage is not None:
            read = f"{usage.prompt_tokens:,} tokens read, {usage.reused_tokens:,} of them remembered"
            self.cost.setToolTip(f"{read}; {usage.completion_tokens:,} tokens written")

    def _button(self, text: str, name: str) -> QPushButton:
        button = QPushButton(text, self)
        theme.set_kind(button, "text")
        button.setAccessibleName(name)
        button.setToolTip(name)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        self._layout.addWidget(button)
        return button

    @Slot()
    def _on_before_clicked(self) -> None:
        self.branch_pressed.emit(-1)

    @Slot()
    def _on_after_clicked(self) -> None:
        self.branch_pressed.emit(1)


def cost_in_words(usage: Usage | None) -> str:
    """Return ``18 tok/s · first word after 0.4 s``, or less where less is known."""
    if usage is None:
        return ""
    parts = []
    if usage.decode_s > 0 and usage.completion_tokens > 1:
        rate = usage.completion_tokens / usage.decode_s
        parts.append(f"{rate:.0f} tok/s" if rate >= 10 else f"{rate:.1f} tok/s")
    if 0 < usage.first_token_s < 0.05:
        parts.append("first word at once")
    elif usage.first_token_s > 0:
        parts.append(f"first word after {usage.first_token_s:.1f} s")
    return " · ".join(parts)
