"""A short message below the top bar, with at most one button; it goes away by itself."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPropertyAnimation, QTimer, Signal, Slot
from PySide6.QtWidgets import QFrame, QGraphicsOpacityEffect, QHBoxLayout, QPushButton, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel

SHOWN_MS = 7000
FADE_MS = 120


class Toast(QFrame):
    """One message at a time over ``window``; a new one replaces the old."""

    action_pressed = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        theme.set_kind(self, "toast")
        self.reduced_motion = False
        self._label = PlainLabel(parent=self)
        self._button = QPushButton(self)
        theme.set_kind(self._button, "link")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 8, 12, 8)
        layout.setSpacing(12)
        layout.addWidget(self._label)
        layout.addWidget(self._button)
        self._effect = QGraphicsOpacityEffect(self)
        self.setGraphicsEffect(self._effect)
        self._fade = QPropertyAnimation(self._effect, b"opacity", self)
        self._fade.setDuration(FADE_MS)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.dismiss)
        self._fade.finished.connect(self._on_fade_finished)
        self._button.clicked.connect(self._on_button_clicked)
        window.installEventFilter(self)
        self.hide()

    def show_message(self, text: str, action: str = "", shown_ms: int = SHOWN_MS) -> None:
        """Show ``text``, and a button named ``action`` unless that is empty."""
        self._label.setText(text)
        self._button.setText(action)
        self._button.setVisible(bool(action))
        self.setAccessibleName(text)
        self.adjustSize()
        self._place()
        self.show()
        self.raise_()
        self._timer.start(shown_ms)
        self._fade_to(1.0)

    @property
    def text(self) -> str:
        """The message on screen, empty when there is none."""
        return self._label.text() if self.isVisible() else ""

    @Slot()
    def dismiss(self) -> None:
        """Take the message away."""
        self._timer.stop()
        self._fade_to(0.0)

    def _fade_to(self, opacity: float) -> None:
        self._fade.stop()
        if self.reduced_motion:
            self._effect.setOpacity(opacity)
            self._on_fade_finished()
            return
        self._fade.setStartValue(self._effect.opacity() if opacity < 1 else 0.0)
        self._fade.setEndValue(opacity)
        self._fade.start()

    def _place(self) -> None:
        left = (self._window.width() - self.width()) // 2
        self.move(left, theme.TOP_BAR_PX + 12)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep its place while the window is resized."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    @Slot()
    def _on_fade_finished(self) -> None:
        if self._effect.opacity() < 0.01:
            self.hide()

    @Slot()
    def _on_button_clicked(self) -> None:
        self.dismiss()
        self.action_pressed.emit()
