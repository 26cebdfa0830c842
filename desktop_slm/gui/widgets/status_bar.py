"""The 28-px bar at the bottom: model, device, memory, the running job, and what becomes of the words."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
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
        self._words: dict[str, tuple[str, ...]] = {}
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
        layout = self._layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 0, 10, 0)
        layout.setSizeConstraint(QHBoxLayout.SizeConstraint.SetNoConstraint)  # parts are shortened instead
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
        self._words["model"] = (one_line(name, 40),)
        self._fit()

    def show_device(self, device: str, threads: int, reason: str) -> None:
        """Show what inference runs on and why."""
        short = f"Running on: {device}, {threads} {'thread' if threads == 1 else 'threads'}" if device else ""
        full = f"{short} ({reason})" if short and reason else short
        self._words["device"] = (full, short)
        self._device.setToolTip(full)
        self._fit()

    def show_memory(self, used_bytes: int, free_bytes: int) -> None:
        """Show what the engine holds, and what is there to be had."""
        free = f"{bytes_in_words(free_bytes)} free" if free_bytes else ""
        used = f"{bytes_in_words(used_bytes)} used, " if free and used_bytes else ""
        self._words["memory"] = (f"Memory {used}{free}" if free else "", "")
        self._fit()

    def show_job(self, name: str, fraction: float = -1.0, left_s: float = -1.0) -> None:
        """Show the running job; an empty name when there is none, -1 for what is not known."""
        done = f" {min(fraction, 1.0):.0%}" if fraction >= 0 else ""
        left = f" · {time_left_in_words(left_s)}" if left_s >= 0 else ""
        short, shortest = one_line(name, 36), name.split(" ")[0]
        self._words["job"] = (f"{short}{done}{left}", f"{shortest}{done}{left}") if name else ("", "")
        self._stop.setVisible(bool(name))
        self._fit()

    def show_saving(self, state: str) -> None:
        """Show ``encrypted``, ``not saved``, ``locked`` or ``closed`` (nothing)."""
        self._state = state
        self._saving.setVisible(state != "closed")
        self._lock_icon.setVisible(state != "closed")
        self._saving.setText(f"Offline · {state}")
        self._saving.setAccessibleName(f"Offline, {state}: privacy settings")
        self._saving.setToolTip(_TOOLTIPS.get(state, ""))
        self._on_theme_changed()

    def minimumSizeHint(self) -> QSize:
        """Never hold the window wide."""
        return QSize(320, 28)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Say as much as there is room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Shorten the parts one after the other until all of them fit."""
        labels = {"model": self._model, "device": self._device, "memory": self._memory, "job": self._job}
        short: set[str] = set()
        for cut in ("", "device", "job", "memory"):
            short.add(cut)
            for name, label in labels.items():
                words = self._words.get(name, ("",))
                text = words[-1] if name in short else words[0]
                label.setText(text)
                label.setVisible(bool(text))
            if self._layout.sizeHint().width() <= self.width():
                return

    @Slot()
    def _on_theme_changed(self) -> None:
        colors = theme.current()
        not_saved = self._state == "not saved"
        self._saving.setStyleSheet(f"QPushButton {{ color: {colors.warning}; }}" if not_saved else "")
        name, color = ("shield-off", colors.warning) if not_saved else ("lock", colors.accent)
        self._lock_icon.setPixmap(theme.pixmap(name, color, 14, self.devicePixelRatioF()))
        self._lock_icon.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self._fit()

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
