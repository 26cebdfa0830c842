"""A button that is only an icon; its name is spoken and shown as a tooltip."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QPushButton, QWidget

from desktop_slm.gui import theme


class IconButton(QPushButton):
    """An icon of ``resources/icons`` that follows the palette.

    Args:
        icon: Name of the icon.
        name: What it does, for tooltip and screen reader.
        shortcut: Key sequence, empty for none; named in the tooltip.
        parent: Owner.
    """

    def __init__(self, icon: str, name: str, shortcut: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "icon")
        self._icon_name = icon
        self.set_name(name, shortcut)
        if shortcut:
            self.setShortcut(shortcut)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    def set_name(self, name: str, shortcut: str = "") -> None:
        """Say what it does now."""
        self.setAccessibleName(name)
        self.setToolTip(f"{name} ({shortcut})" if shortcut else name)

    def set_icon(self, icon: str) -> None:
        """Show another icon."""
        self._icon_name = icon
        self._on_theme_changed()

    @Slot()
    def _on_theme_changed(self) -> None:
        self.setIcon(theme.icon(self._icon_name))
