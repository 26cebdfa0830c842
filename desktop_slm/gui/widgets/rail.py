"""The rail at the left edge: one button per page, lock and settings at its foot."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QFontMetrics, QIcon, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QFrame, QToolButton, QVBoxLayout, QWidget

from desktop_slm.gui import theme

RAIL_PX = 64
_BUTTON_PX = QSize(58, 48)
_LABEL_MARGIN_PX = 4
PAGES = ("chat", "documents", "translate", "models", "history", "settings")
_TITLES = {
    "chat": "Chat",
    "documents": "Documents",
    "translate": "Translate",
    "models": "Models",
    "history": "History",
    "settings": "Settings",
    "lock": "Lock",
}


class Rail(QFrame):
    """Buttons for `PAGES`, of which one is always chosen, and one for locking."""

    page_chosen = Signal(str)
    lock_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "rail")
        self.setAccessibleName("Pages")
        self._group = QButtonGroup(self)
        self._buttons = {name: self._make_button(name) for name in (*PAGES[:5], "lock", "settings")}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 12, 0, 12)
        layout.setSpacing(4)
        for name in PAGES[:5]:
            layout.addWidget(self._buttons[name], 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)
        for name in ("lock", "settings"):
            layout.addWidget(self._buttons[name], 0, Qt.AlignmentFlag.AlignHCenter)
        self._connect_signals()
        self._on_theme_changed()

    def _make_button(self, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName(name)
        button.setText(_TITLES[name])
        button.setAccessibleName(_TITLES[name])
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QSize(theme.ICON_PX, theme.ICON_PX))
        theme.set_kind(button, "rail")
        if name == "lock":
            button.setToolTip("Lock (Ctrl+L)")
        else:
            button.setToolTip(f"{_TITLES[name]} (Ctrl+{PAGES.index(name) + 1})")
            button.setCheckable(True)
            self._group.addButton(button)
        return button

    def _connect_signals(self) -> None:
        self._group.buttonClicked.connect(self._on_group_button_clicked)
        self._buttons["lock"].clicked.connect(self._on_lock_clicked)
        theme.signals.changed.connect(self._on_theme_changed)
        for number, name in enumerate(PAGES, start=1):
            shortcut = QShortcut(QKeySequence(f"Ctrl+{number}"), self)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.activated.connect(self._buttons[name].click)
        lock = QShortcut(QKeySequence("Ctrl+L"), self)
        lock.activated.connect(self._buttons["lock"].click)

    def show_page(self, name: str) -> None:
        """Mark the page that is on screen."""
        self._buttons[name].setChecked(True)

    def show_lock(self, possible: bool, reason: str = "") -> None:
        """Tell whether locking is possible, and why not."""
        self._buttons["lock"].setEnabled(possible)
        self._buttons["lock"].setToolTip("Lock (Ctrl+L)" if possible else reason)

    @Slot(QAbstractButton)
    def _on_group_button_clicked(self, button: QAbstractButton) -> None:
        self.page_chosen.emit(button.objectName())

    @Slot()
    def _on_lock_clicked(self) -> None:
        self.lock_requested.emit()

    def _fit(self) -> None:
        """Make room for the longest label in the text size chosen."""
        some = self._buttons["chat"]
        some.ensurePolished()
        metrics = QFontMetrics(some.font())
        longest = max(metrics.horizontalAdvance(title) for title in _TITLES.values())
        size = QSize(
            longest + _LABEL_MARGIN_PX, theme.ICON_PX + metrics.height() * 5 // 4 + 2 * _LABEL_MARGIN_PX
        )
        size = size.expandedTo(_BUTTON_PX)
        for button in self._buttons.values():
            button.setFixedSize(size)
        self.setFixedWidth(size.width() + RAIL_PX - _BUTTON_PX.width())

    def changeEvent(self, event: QEvent) -> None:
        """Grow with the text size: the style sheet's fonts arrive after the theme's signal."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "_buttons"):
            self._fit()

    @Slot()
    def _on_theme_changed(self) -> None:
        self._fit()
        colors = theme.current()
        for name, button in self._buttons.items():
            icon = QIcon()
            for ratio in (1.0, 2.0):
                icon.addPixmap(theme.pixmap(name, colors.muted, theme.ICON_PX, ratio))
                icon.addPixmap(
                    theme.pixmap(name, colors.accent, theme.ICON_PX, ratio),
                    QIcon.Mode.Normal,
                    QIcon.State.On,
                )
                icon.addPixmap(
                    theme.pixmap(name, colors.muted, theme.ICON_PX, ratio, opacity=0.4),
                    QIcon.Mode.Disabled,
                )
            button.setIcon(icon)
