"""What the model sees: a thin bar of instructions, documents, history, new text and the room that is left."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_slm.gui import theme

BAR_PX = 4
NEARLY_FULL = 0.9
_LABEL = "What the model sees"


@dataclass(frozen=True)
class ContextUse:
    """Tokens of each part, and of the whole context.

    Attributes:
        instructions, documents, history, new_text: Tokens.
        n_ctx: All tokens the model can see, 0 while unknown.
        exact: Counted by the model, not estimated.
    """

    instructions: int = 0
    documents: int = 0
    history: int = 0
    new_text: int = 0
    n_ctx: int = 0
    exact: bool = False

    @property
    def used(self) -> int:
        """Tokens of all parts."""
        return self.instructions + self.documents + self.history + self.new_text

    def parts(self) -> tuple[tuple[str, int], ...]:
        """Return (name, tokens) of every part that is not empty."""
        named = (
            ("instructions", self.instructions),
            ("documents", self.documents),
            ("history", self.history),
            ("new text", self.new_text),
        )
        return tuple((name, tokens) for name, tokens in named if tokens > 0)


def estimate_tokens(text: str) -> int:
    """Guess the tokens of a text: a quarter of its letters, more for scripts without spaces."""
    wide = sum(character > "\u2e80" for character in text[:20_000])
    narrow = len(text) - wide
    return -(-narrow // 4) + wide


class ContextMeter(QWidget):
    """Label, bar and figures on one line; it drops the label, then the bar, where there is no room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._use = ContextUse()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(_LABEL)
        theme.signals.changed.connect(self._on_theme_changed)

    @property
    def use(self) -> ContextUse:
        """What is shown."""
        return self._use

    def show_use(self, use: ContextUse) -> None:
        """Show other figures."""
        if use == self._use:
            return
        self._use = use
        parts = [f"{name}: {tokens:,}" for name, tokens in use.parts()]
        room = max(0, use.n_ctx - use.used)
        sentence = "Tokens. " + ", ".join([*parts, f"room for the answer: {room:,}"])
        if not use.exact:
            sentence += " (estimated)"
        self.setToolTip(sentence if use.n_ctx else "")
        self.setAccessibleDescription(sentence if use.n_ctx else "")
        self.update()

    def figures(self) -> str:
        """Return ``4,900 of 8,192``."""
        if not self._use.n_ctx:
            return ""
        about = "" if self._use.exact or not self._use.used else "~"
        return f"{about}{self._use.used:,} of {self._use.n_ctx:,}"

    def sizeHint(self) -> QSize:
        """Room for label, bar and figures."""
        return QSize(380, 20)

    def minimumSizeHint(self) -> QSize:
        """Nothing is needed."""
        return QSize(40, 20)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Right to left: figures, bar, label."""
        if not self._use.n_ctx:
            return
        colors = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(self.font())
        font.setPixelSize(theme.text_px() - 2)
        painter.setFont(font)
        metrics = QFontMetrics(font)
        full = self._use.used > NEARLY_FULL * self._use.n_ctx
        painter.setPen(QColor(colors.warning if full else colors.muted))
        figures = self.figures()
        figures_px = metrics.horizontalAdvance(figures)
        area = QRectF(0, 0, self.width(), self.height())
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(area, middle | Qt.AlignmentFlag.AlignRight, figures)
        room = self.width() - figures_px - 8
        label_px = metrics.horizontalAdvance(_LABEL)
        bar_px = min(160.0, room - (label_px + 16 if room > label_px + 76 else 8))
        if bar_px < 40:
            return
        left = room - bar_px
        self._paint_bar(painter, QRectF(left, (self.height() - BAR_PX) / 2, bar_px, BAR_PX))
        if room > label_px + 76:
            painter.setPen(QColor(colors.muted))
            area = QRectF(0, 0, left - 8, self.height())
            painter.drawText(area, middle | Qt.AlignmentFlag.AlignRight, _LABEL)

    def _paint_bar(self, painter: QPainter, bar: QRectF) -> None:
        colors = theme.current()
        shape = QPainterPath()
        shape.addRoundedRect(bar, BAR_PX / 2, BAR_PX / 2)
        painter.setClipPath(shape)
        painter.fillRect(bar, QColor(colors.line))
        use = self._use
        left = bar.left()
        whole = max(use.n_ctx, use.used)
        segments = (
            (use.instructions, colors.muted),
            (use.documents, "#7FA9BD" if colors.dark else "#5D8BA3"),
            (use.history, colors.accent),
            (use.new_text, "#B9A15C"),
        )
        for tokens, color in segments:
            width = bar.width() * tokens / whole
            painter.fillRect(QRectF(left, bar.top(), width, bar.height()), QColor(color))
            left += width
        painter.setClipping(False)

    @Slot()
    def _on_theme_changed(self) -> None:
        self.update()
