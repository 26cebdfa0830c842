"""What covers the window while files are dragged over it: four targets, the current page's one as default."""

from __future__ import annotations

from PySide6.QtCore import (
    QEasingCurve,
    QEvent,
    QMimeData,
    QObject,
    QPoint,
    QPropertyAnimation,
    QRectF,
    Qt,
    QTimer,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFont,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QGraphicsOpacityEffect, QGridLayout, QVBoxLayout, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line

FADE_MS = 120
MAX_FILES = 200
TARGETS: tuple[tuple[str, str, str, str], ...] = (
    ("summarize", "sparkle", "Summarize", "The whole document, with pages"),
    ("ask", "search", "Ask", "Questions, answered with pages"),
    ("translate", "translate", "Translate", "The text into another language"),
    ("add", "plus", "Add to library", "Read it now, decide later"),
)


def local_files(mime: QMimeData) -> list[str]:
    """Return the paths of the files and folders that are dragged; empty for anything else."""
    if not mime.hasUrls():
        return []
    return [url.toLocalFile() for url in mime.urls() if url.isLocalFile() and url.toLocalFile()][:MAX_FILES]


class DropCard(QWidget):
    """One target: icon, verb, what it does."""

    def __init__(self, action: str, icon: str, title: str, says: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.action = action
        self._icon, self._title, self._says = icon, title, says
        self._hot = False
        self.setMinimumSize(184, 148)
        self.setAccessibleName(f"{title}: {says}")

    @property
    def title(self) -> str:
        """The verb."""
        return self._title

    @property
    def hot(self) -> bool:
        """Whether a drop now would do this."""
        return self._hot

    def set_hot(self, hot: bool) -> None:
        """Highlight it."""
        if hot != self._hot:
            self._hot = hot
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the card."""
        palette = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(palette.accent if self._hot else palette.line), 2 if self._hot else 1))
        painter.setBrush(QColor(palette.accent_ground if self._hot else palette.panel))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 10, 10)
        color = palette.accent if self._hot else palette.ink
        mark = theme.pixmap(self._icon, color, 28, self.devicePixelRatioF())
        painter.drawPixmap((self.width() - 28) // 2, 24, mark)
        title_font, small = QFont(self.font()), QFont(self.font())
        title_font.setPixelSize(theme.text_px() + 1)
        title_font.setWeight(QFont.Weight.DemiBold)
        small.setPixelSize(theme.text_px() - 2)
        flags = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap)
        painter.setFont(title_font)
        painter.setPen(QColor(color))
        painter.drawText(self.rect().adjusted(12, 62, -12, 0), flags, self._title)
        painter.setFont(small)
        painter.setPen(QColor(palette.ink if self._hot else palette.muted))
        painter.drawText(self.rect().adjusted(12, 88, -12, -8), flags, self._says)


class DropOverlay(QWidget):
    """Four targets over ``window``; watches it for drags by itself.

    Text fields under it must have ``setAcceptDrops(False)``, or they take the drag first. The keyboard's way
    is Open file… (Ctrl+O) on the Documents page.
    """

    files_dropped = Signal(list, str)
    """Paths (str), action (``summarize``, ``ask``, ``translate``, ``add``)."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._default = "summarize"
        self._reduced_motion = False
        self._paths: list[str] = []
        self._cards = [DropCard(*target, parent=self) for target in TARGETS]
        self._said = PlainLabel("", wrap=True)
        theme.set_kind(self._said, "title")
        self._hint = PlainLabel("", wrap=True)
        theme.set_kind(self._hint, "muted")
        for label in (self._said, self._hint):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._effect = QGraphicsOpacityEffect(self)
        self._effect.setOpacity(1.0)
        self.setGraphicsEffect(self._effect)
        self._effect.setEnabled(False)  # painting through the effect costs; only while fading
        self._fade = QPropertyAnimation(self._effect, b"opacity", self)
        self._fade.setDuration(FADE_MS)
        self._fade.setEasingCurve(QEasingCurve.Type.OutCubic)
        self._fade.finished.connect(self._on_fade_finished)
        self._leaving = QTimer(self)
        self._leaving.setSingleShot(True)
        self._leaving.setInterval(0)
        self._leaving.timeout.connect(self._close)
        self._make_layout()
        self.setAcceptDrops(True)
        self.setAccessibleName("Drop files")
        window.setAcceptDrops(True)
        window.installEventFilter(self)
        self.hide()

    @property
    def cards(self) -> tuple[DropCard, ...]:
        """The four targets."""
        return tuple(self._cards)

    def text(self) -> str:
        """Return what the overlay says above and below the targets."""
        return f"{self._said.text()} {self._hint.text()}".strip()

    def set_default_action(self, action: str) -> None:
        """Set what a drop beside the targets does: the current page's action."""
        if action in {card.action for card in self._cards}:
            self._default = action

    def set_reduced_motion(self, reduced: bool) -> None:
        """Show and hide without the 120 ms fade."""
        self._reduced_motion = reduced

    # drags over the window

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Open when a drag enters the window, and follow its size."""
        if isinstance(watched, QWidget) and watched is self.parent():
            if isinstance(event, QDragEnterEvent):
                self._open(event, watched)
                return True
            if isinstance(event, QDragLeaveEvent):
                self._leaving.start()  # unless the drag has only moved on to this overlay
            elif isinstance(event, QResizeEvent):
                self.resize(event.size())
        return super().eventFilter(watched, event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """The drag has reached the overlay itself."""
        self._stay()
        self._take(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Highlight the target under the pointer, else the default."""
        self._highlight(event.position().toPoint())
        self._take(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The drag has left the window."""
        self._leaving.start()

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell what was dropped where."""
        paths = local_files(event.mimeData())
        action = self._action_at(event.position().toPoint())
        self._take(event)
        self._close()
        if paths:
            self.files_dropped.emit(paths, action)

    def _open(self, event: QDragEnterEvent, window: QWidget) -> None:
        self._stay()
        self._paths = local_files(event.mimeData())
        self._say()
        self.setGeometry(window.rect())
        self._take(event)
        self.raise_()
        if not self.isVisible():
            self.show()
            self._run_fade(0.0, 1.0)
        self._grid.activate()  # the targets lie where they are seen before one is highlighted
        self._highlight(event.position().toPoint())

    def _stay(self) -> None:
        """Break off leaving."""
        self._leaving.stop()
        if self._fade.state() == QPropertyAnimation.State.Running and not self._fade.endValue():
            self._fade.stop()
            self._effect.setEnabled(False)

    def _take(self, event: QDropEvent) -> None:
        """Copy files; refuse the rest with the pointer, but stay to hear when it leaves."""
        event.setDropAction(Qt.DropAction.CopyAction if self._paths else Qt.DropAction.IgnoreAction)
        event.accept()

    def _close(self) -> None:
        if not self.isVisible():
            return
        if self._reduced_motion:
            self.hide()
        else:
            self._run_fade(self._effect.opacity() if self._effect.isEnabled() else 1.0, 0.0)

    # looks

    def _make_layout(self) -> None:
        self._grid = QGridLayout()
        self._grid.setSpacing(16)
        self._arrange()
        center = QVBoxLayout()
        center.setSpacing(20)
        center.addStretch(1)
        center.addWidget(self._said)
        center.addLayout(self._grid)
        center.addWidget(self._hint)
        center.addStretch(1)
        layout = QGridLayout(self)
        layout.setContentsMargins(48, 48, 48, 48)
        layout.setColumnStretch(0, 1)
        layout.addLayout(center, 0, 1)
        layout.setColumnStretch(2, 1)

    def _arrange(self) -> None:
        """Four in a row, two by two where the window is narrow."""
        columns = 4 if self.width() >= 4 * 184 + 3 * 16 + 96 else 2
        for index, card in enumerate(self._cards):
            self._grid.addWidget(card, index // columns, index % columns)

    def _say(self) -> None:
        files = bool(self._paths)
        for card in self._cards:
            card.setVisible(files)
        if not files:
            self._said.setText("Only files from this computer can be dropped here.")
            self._hint.setText("To use text from elsewhere, copy and paste it.")
            return
        count = len(self._paths)
        name = self._paths[0].rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
        self._said.setText(one_line(name, 90) if count == 1 else f"{count} files")
        title = next(card.title for card in self._cards if card.action == self._default)
        self._hint.setText(f"Drop on one of these, or anywhere else to {title.lower()}.")

    def _highlight(self, spot: QPoint) -> None:
        action = self._action_at(spot)
        for card in self._cards:
            card.set_hot(card.action == action)

    def _action_at(self, spot: QPoint) -> str:
        card = next((card for card in self._cards if card.geometry().contains(spot)), None)
        return card.action if card is not None else self._default

    def _run_fade(self, start: float, end: float) -> None:
        self._fade.stop()
        if self._reduced_motion:
            return
        self._effect.setEnabled(True)
        self._effect.setOpacity(start)
        self._fade.setStartValue(start)
        self._fade.setEndValue(end)
        self._fade.start()

    @Slot()
    def _on_fade_finished(self) -> None:
        if self._effect.opacity() <= 0.01:
            self.hide()
        self._effect.setEnabled(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Set the targets anew for the width."""
        super().resizeEvent(event)
        self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Cover the window, so that what is under it recedes."""
        painter = QPainter(self)
        ground = QColor(theme.current().window)
        ground.setAlphaF(0.94)
        painter.fillRect(self.rect(), ground)
