"""One thin line for work that takes time: what is done, how far, how long still, and Stop."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.items import time_left_in_words
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line
from desktop_slm.tasks.events import Progress

_STEPS = 1000


class JobBar(QWidget):
    """Hidden until `start`; `finish` hides it again."""

    stop_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self._label = PlainLabel()
        self._left = PlainLabel()
        for label in (self._label, self._left):
            theme.set_kind(label, "meta")
        self._stop = QPushButton("Stop")
        theme.set_kind(self._stop, "link")
        self._stop.setToolTip("Stop; what is done is kept (Esc)")
        self._stop.setAccessibleName("Stop")
        self._stop.clicked.connect(self._on_stop_clicked)
        self._bar = QProgressBar()
        self._bar.setRange(0, _STEPS)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Progress")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._label, 1)
        row.addWidget(self._left)
        row.addWidget(self._stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self._bar)
        self.hide()

    @property
    def stop_button(self) -> QPushButton:
        """The Stop button."""
        return self._stop

    def text(self) -> str:
        """Return what the line says, with the time left."""
        return " · ".join(part for part in (self._label.text(), self._left.text()) if part)

    def start(self, text: str) -> None:
        """Show the line: ``text`` says what is being done."""
        self._text = one_line(text)
        self._label.setText(self._text)
        self._left.clear()
        self._bar.setValue(0)
        self._stop.setEnabled(True)
        self._stop.setText("Stop")
        self.show()

    def set_text(self, text: str) -> None:
        """Say something else while the work goes on."""
        self._text = one_line(text)
        self._label.setText(self._text)

    def show_progress(self, progress: Progress) -> None:
        """Show how far the work is."""
        share = progress.done / progress.total if progress.total > 0 else 0.0
        share = min(1.0, max(0.0, share))
        self._bar.setValue(round(share * _STEPS))
        stage = one_line(progress.stage, 60)
        said = stage[:1].upper() + stage[1:] if stage else self._text
        self._label.setText(f"{said} · {share:.0%}".replace("%", " %") if progress.total > 0 else said)
        self._left.setText(time_left_in_words(progress.left_s) if progress.left_s >= 0 else "")

    def finish(self) -> None:
        """Hide the line."""
        self.hide()

    @Slot()
    def _on_stop_clicked(self) -> None:
        self._stop.setEnabled(False)
        self._stop.setText("Stopping…")
        self._left.clear()
        self.stop_pressed.emit()
