"""The window's frame, which knows nothing of the application: rail, status bar, toast, drop overlay."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QRect, QSize, Qt, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from desktop_slm.gui.widgets.drop_overlay import DropOverlay
from desktop_slm.gui.widgets.rail import Rail
from desktop_slm.gui.widgets.status_bar import StatusBar
from desktop_slm.gui.widgets.toast import Toast
from desktop_slm.settings import Settings

LEAST_SIZE = (900, 600)
FIRST_SIZE = (1280, 800)
_TITLE_BAR_PX = 32  # must stay in reach of the mouse
_INPUT = frozenset(
    (
        QEvent.Type.KeyPress,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseMove,
        QEvent.Type.Wheel,
        QEvent.Type.TouchBegin,
    )
)


class Shell(QMainWindow):
    """The frame. Screens (welcome, lock, trouble) take the place of the workspace with rail and pages."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Desktop SLM")
        self.setMinimumSize(*LEAST_SIZE)
        self.resize(*FIRST_SIZE)
        self._undo: Callable[[], None] | None = None
        self._last_input_s = time.monotonic()
        self._rail = Rail(self)
        self._stack = QStackedWidget(self)
        self._status = StatusBar(self)
        self._screens = QStackedWidget(self)
        self._toast = Toast(self)
        self._overlay = DropOverlay(self)
        self._lay_out()
        self._toast.action_pressed.connect(self._on_toast_action_pressed)

    def _lay_out(self) -> None:
        below = QHBoxLayout()
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(0)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self._stack, 1)
        right.addWidget(self._status)
        below.addWidget(self._rail)
        below.addLayout(right, 1)
        self._workspace = QWidget(self)
        self._workspace.setLayout(below)
        self._screens.addWidget(self._workspace)
        self.setCentralWidget(self._screens)
        self._rail.show_page("chat")
        self._rail.setEnabled(False)

    @Slot(object)
    def _show_screen(self, screen: QWidget) -> None:
        if self._screens.indexOf(screen) < 0:
            self._screens.addWidget(screen)
        self._screens.setCurrentWidget(screen)

    # The toast and what it can take back

    def _offer_undo(self, text: str, undo: Callable[[], None]) -> None:
        self._undo = undo
        self._toast.show_message(text, "Undo")

    @Slot()
    def _on_toast_action_pressed(self) -> None:
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    # When the user was last there

    def watch_input(self) -> None:
        """Begin to note keys and the mouse; the window must be on screen."""
        if (handle := self.windowHandle()) is not None:
            handle.installEventFilter(self)

    def untouched_s(self) -> float:
        """Return the seconds since the last key, click or movement."""
        return time.monotonic() - self._last_input_s

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Note when the user was last there."""
        if event.type() in _INPUT:
            self._last_input_s = time.monotonic()
        return super().eventFilter(watched, event)

    # The place on the screen

    def restore_geometry(self, settings: Settings) -> None:
        """Put the window where it was, as far as there still is a screen there; else let it fit one."""
        kept = settings.extra.get("window")
        if not (isinstance(kept, list) and len(kept) == 5 and all(isinstance(part, int) for part in kept)):
            most = QGuiApplication.primaryScreen().availableSize() - QSize(0, _TITLE_BAR_PX)
            self.resize(QSize(*FIRST_SIZE).boundedTo(most))
            return
        wanted = QRect(*kept[:4])
        for screen in QGuiApplication.screens():
            if (room := screen.availableGeometry()).intersects(wanted):
                wanted.moveTop(max(wanted.top(), room.top() + _TITLE_BAR_PX))
                self.setGeometry(wanted)
                break
        if kept[4]:
            self.setWindowState(Qt.WindowState.WindowMaximized)

    def place(self) -> list[int]:
        """Return left, top, width, height and whether it is maximized, for `restore_geometry`."""
        place = self.normalGeometry()
        return [place.x(), place.y(), place.width(), place.height(), int(self.isMaximized())]
