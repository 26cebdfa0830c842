"""What covers the window while files are dragged over it: four targets, the current page's one as default."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget


class DropOverlay(QWidget):
    """Four targets over ``window``; watches it for drags by itself.

    Text fields under it must have ``setAcceptDrops(False)``, or they take the drag first.
    """

    files_dropped = Signal(list, str)
    """Paths (str), action (``summarize``, ``ask``, ``translate``, ``add``)."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)

    def set_default_action(self, action: str) -> None:
        """Set what a drop beside the targets does: the current page's action."""

    def set_reduced_motion(self, reduced: bool) -> None:
        """Show and hide without the 120 ms fade."""
