"""The 28-px bar at the bottom: model, device, memory, the running job, and what becomes of the words."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.items import bytes_in_words, time_left_in_words
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line


class StatusBar(QFrame):
    """Facts on the left, the running job and the lock on the right. Parts without a fact are hidden."""

    stop_requested = Signal()
    saving_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "status")
        self.setFixedHeight(28)
        self.setAccessibleName("Status")
        self._model = self._label("Model in use")
        self._device = self._label("Device")
        self._memory = self._label("Memory")
        self._job = self._label("Running job")
        self._stop = QPushButton("Stop", self)
        self._stop.setAccessibleName("Stop the running job")
        theme.set_kind(self._stop, "text")
        self._lock_icon = QLabel(self)
        self._saving = QPushButton(self)
        theme.set_kind(self._saving, "link")
        self._state = "closed"
        self._lay_out()
        self._stop.clicked.connect(self._on_stop_clicked)
        self._saving.clicked.connect(self._on_saving_clicked)
        theme.signals.changed.connect(self._on_theme_changed)
        self.show_job("")
        self.show_saving("closed")

    def _label(self, name: str) -> QLabel:
        label = PlainLabel(parent=self)
        label.setAccessibleName(name)
        label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        label.setMinimumWidth(0)
        theme.set_kind(label, "meta")
        label.hide()
        return label

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 0, 10, 0)
        layout.setSpacing(18)
        for label in (self._model, self._device, self._memory):
            layout.addWidget(label)
        layout.addStretch(1)
        job = QHBoxLayout()
        job.setSpacing(4)
        job.addWidget(self._job)
        job.addWidget(self._stop)
        layout.addLayout(job)
        lock = QHBoxLayout()
        lock.setSpacing(2)
        lock.addWidget(self._lock_icon)
        lock.addWidget(self._saving)
        layout.addLayout(lock)

    def show_model(self, name: str) -> None:
        """Show the model in use."""
        self._show(self._model, one_line(name, 40))

    def show_device(self, device: str, threads: int, reason: str) -> None:
        """Show what inference runs on and why."""
        text = f"Running on: {device}, {threads} {'thread' if threads == 1 else 'threads'}" if device else ""
        self._show(self._device, f"{text} ({reason})" if text and reason else text)

    def show_memory(self, used_bytes: int, free_bytes: int) -> None:
        """Show what the engine holds of what is there to be had."""
        if not free_bytes:
            self._show(self._memory, "")
        elif used_bytes:
            self._show(
                self._memory,
                f"Memory {bytes_in_words(used_bytes)} of {bytes_in_words(used_bytes + free_bytes)} free",
            )
        else:
            self._show(self._memory, f"Memory {bytes_in_words(free_bytes)} free")

    def show_job(self, name: str, fraction: float = -1.0, left_s: float = -1.0) -> None:
        """Show the running job; an empty name when there is none, -1 for what is not known."""
        words = one_line(name, 48)
        if name and fraction >= 0:
            words += f" {min(fraction, 1.0):.0%}"
        if name and left_s >= 0:
            words += f" · {time_left_in_words(left_s)}"
        self._show(self._job, words)
        self._stop.setVisible(bool(name))

    def show_saving(self, state: str) -> None:
        """Show ``encrypted``, ``not saved``, ``locked`` or ``closed`` (nothing)."""
        self._state = state
        self._saving.setVisible(state != "closed")
        self._lock_icon.setVisible(state != "closed")
        self._saving.setText(f"Offline · {state}")
        self._saving.setAccessibleName(f"Offline, {state}: privacy settings")
        self._saving.setToolTip(_TOOLTIPS.get(state, ""))
        self._on_theme_changed()

    def _show(self, label: QLabel, text: str) -> None:
        label.setText(text)
        label.setVisible(bool(text))

    @Slot()
    def _on_theme_changed(self) -> None:
        colors = theme.current()
        not_saved = self._state == "not saved"
        self._saving.setStyleSheet(f"QPushButton {{ color: {colors.warning}; }}" if not_saved else "")
        name, color = ("shield-off", colors.warning) if not_saved else ("lock", colors.accent)
        self._lock_icon.setPixmap(theme.pixmap(name, color, 14, self.devicePixelRatioF()))
        self._lock_icon.setAlignment(Qt.AlignmentFlag.AlignVCenter)

    @Slot()
    def _on_stop_clicked(self) -> None:
        self.stop_requested.emit()

    @Slot()
    def _on_saving_clicked(self) -> None:
        self.saving_pressed.emit()


_TOOLTIPS = {
    "encrypted": "Nothing leaves this computer, and what is kept lies encrypted on its disk.",
    "not saved": "Nothing leaves this computer, and nothing is kept when the window closes.",
    "locked": "The vault is locked.",
}
