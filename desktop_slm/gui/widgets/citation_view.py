"""A sentence with the places that support it: text, then one small pill per page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.plain_label import one_line, several_lines
from desktop_slm.tasks.events import Cited, Sentence

NAME_LIMIT = 24
SIDE_PX = 6
TOP_PX = 4
PILL_GAP_PX = 4
NOT_FOUND = "Not found in the document: please check."
QUOTED = "Quoted from the document."
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")


@dataclass(frozen=True)
class Place:
    """All citations of a sentence that stand on one page of one document."""

    page: int
    quotes: tuple[str, ...]
    document: str = ""


@dataclass(frozen=True)
class Origin:
    """A document that citations name by its id: how it is called, and what its pages are called."""

    name: str
    unit: str = "page"


def places(citations: Sequence[Cited]) -> tuple[Place, ...]:
    """Group citations by document and page, in the order in which they first appear."""
    grouped: dict[tuple[str, int], list[str]] = {}
    for cited in citations:
        grouped.setdefault((cited.document, cited.page), []).append(cited.quote)
    return tuple(Place(page, tuple(quotes), document) for (document, page), quotes in grouped.items())


def page_label(page: int, unit: str = "page") -> str:
    """Return how a page is called in a pill: ``p. 12``, or ``part 3`` where the format has no pages."""
    return f"p. {page}" if unit == "page" else f"part {page}"


class CitationPill(QAbstractButton):
    """A rounded button naming a page, and its document where there are several."""

    def __init__(self, place: Place, unit: str, parent: QWidget, origin: Origin | None = None) -> None:
        super().__init__(parent)
        self.place = place
        self._active = False
        unit = origin.unit if origin is not None else unit
        name = f"{one_line(origin.name)}, " if origin is not None else ""
        self.setText(
            (f"{_shortened(origin.name)}, " if origin is not None else "") + page_label(place.page, unit)
        )
        self.setToolTip(name + page_label(place.page, unit) if origin is not None else "")
        spoken = f"{name}page {place.page}" if unit == "page" else f"{name}part {place.page}"
        self.setAccessibleName(f"Source on {spoken}: {one_line(place.quotes[0] if place.quotes else '')}")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.resize(self.sizeHint())

    def _pill_font(self) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(theme.text_px() - 3)
        font.setWeight(QFont.Weight.DemiBold)
        return font

    def sizeHint(self) -> QSize:
        """Room for the label with 7 px at its sides."""
        metrics = QFontMetrics(self._pill_font())
        return QSize(metrics.horizontalAdvance(self.text()) + 14, metrics.height() + 3)

    def set_active(self, active: bool) -> None:
        """Draw it filled: its passage is the one on the page view."""
        if active != self._active:
            self._active = active
            self.update()

    @property
    def active(self) -> bool:
        """Whether its passage is the one on the page view."""
        return self._active

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw ground, label and, with the keyboard focus, a ring."""
        palette = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        body = QRectF(self.rect())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.accent if self._active else palette.accent_ground))
        painter.drawRoundedRect(body, body.height() / 2, body.height() / 2)
        if self.hasFocus() or (self.underMouse() and not self._active):
            painter.setBrush(Qt.BrushStyle.NoBrush)
            width = 2 if self.hasFocus() else 1
            painter.setPen(QPen(QColor(palette.ink if self._active else palette.accent), width))
            inner = body.adjusted(width / 2, width / 2, -width / 2, -width / 2)
            painter.drawRoundedRect(inner, inner.height() / 2, inner.height() / 2)
        painter.setFont(self._pill_font())
        painter.setPen(QColor(palette.on_accent if self._active else palette.accent))
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), self.text())


class SentenceView(QWidget):
    """One sentence of a summary or an answer.

    Args:
        sentence: What to show. Only ``**bold**`` is understood in its text; all else is plain.
        unit: ``page`` or ``part``.
        lead: What stands before it: a bullet.
        quote: A sentence of the document: in quotation marks, muted.
        origins: Documents by the id that citations name, where there are several.
        parent: Owner.
    """

    place_chosen = Signal(object, object)
    """This view and the `Place` to show."""

    def __init__(
        self,
        sentence: Sentence,
        *,
        unit: str = "page",
        lead: str = "",
        quote: bool = False,
        origins: Mapping[str, Origin] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.sentence = sentence
        self._lead = lead
        self._quote = quote or sentence.quoted
        self._note = _note_of(sentence, labelled=not quote)
        self._text, self._bold = _without_marks(" ".join(several_lines(sentence.text).split()))
        self._selected = False
        self._layout = QTextLayout()
        self._laid_out_width = -1
        self._height = 0
        known = origins or {}
        self._pills = [
            CitationPill(place, unit, self, known.get(place.document)) for place in places(sentence.citations)
        ]
        for pill in self._pills:
            pill.clicked.connect(self._on_pill_clicked)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.plain_text())
        if self._pills:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.signals.changed.connect(self._on_theme_changed)

    @property
    def pills(self) -> tuple[CitationPill, ...]:
        """The pills, in order."""
        return tuple(self._pills)

    @property
    def selected(self) -> bool:
        """Whether this is the sentence whose passage is shown."""
        return self._selected

    def plain_text(self) -> str:
        """Return the sentence as it is shown, with pages and warning, to copy and to read aloud."""
        pages = ", ".join(pill.text() for pill in self._pills)
        return " ".join(
            part for part in (self._shown_text(), f"({pages})" if pages else "", self._note) if part
        )

    def choose(self, index: int = 0) -> None:
        """Choose a citation as a click on its pill does; nothing happens without one."""
        if self._pills:
            self._on_place_chosen(self._pills[min(index, len(self._pills) - 1)])

    def chain_after(self, before: QWidget) -> QWidget:
        """Put this sentence and its pills behind ``before`` in the tab order; return the last of them."""
        for widget in (self, *self._pills):
            QWidget.setTabOrder(before, widget)
            before = widget
        return before

    def set_selected(self, selected: bool, place: Place | None = None) -> None:
        """Mark this sentence, and the pill of ``place``, as the one shown."""
        self._selected = selected
        for pill in self._pills:
            pill.set_active(selected and pill.place == place)
        self.update()

    def hasHeightForWidth(self) -> bool:
        """Tell the layout that narrower means taller."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height the text and pills need in ``width`` pixels."""
        self._lay_out(width)
        return self._height

    def sizeHint(self) -> QSize:
        """Prefer a reading column."""
        width = min(560, self.width() or 560)
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(120, self.fontMetrics().height() + 2 * TOP_PX)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the text out anew and put the pills behind it."""
        self._lay_out(event.size().width())
        self._place_pills()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter and Space choose the first citation, Ctrl+C copies the sentence."""
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.plain_text())
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._pills:
            self.choose()
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose the first citation with a click anywhere on the sentence."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.choose()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw ground when selected, lead, text, and a ring when it has the keyboard focus."""
        self._lay_out(self.width())
        palette = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent_ground))
            painter.drawRoundedRect(QRectF(self.rect()), 6, 6)
        muted = self._quote or not self.sentence.supported
        painter.setPen(QColor(palette.muted if muted else palette.ink))
        painter.setFont(self.font())
        if self._lead:
            x = self.width() - SIDE_PX - self._lead_width() if self._right_to_left() else SIDE_PX
            rect = QRect(x, TOP_PX, self._lead_width(), self._line_height())
            painter.drawText(
                rect, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignHCenter), self._lead
            )
        self._layout.draw(painter, QPointF(0, 0))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(palette.accent), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)

    def _shown_text(self) -> str:
        return f"“{self._text}”" if self._quote else self._text

    def _set_note(self) -> str:
        """Return the note as it is set: after a right-to-left text in a line and a direction of its own."""
        if not self._note:
            return ""
        return f"\u2028\u2066{self._note}\u2069" if self._right_to_left() else f" {self._note}"

    def _right_to_left(self) -> bool:
        return bool(self._text) and _starts_right_to_left(self._text)

    def _line_height(self) -> int:
        return max(self.fontMetrics().height(), round(theme.text_px() * 1.5))

    def _lead_width(self) -> int:
        return 18 if self._lead else 0

    def _lay_out(self, width: int) -> None:
        """Break the text into lines for ``width`` and note the height with the pills."""
        if width == self._laid_out_width or width <= 0:
            return
        self._laid_out_width = width
        text = self._shown_text() + self._set_note()
        layout = QTextLayout(text, self.font())
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        right_to_left = self._right_to_left()
        direction = Qt.LayoutDirection.RightToLeft if right_to_left else Qt.LayoutDirection.LeftToRight
        option.setTextDirection(direction)
        option.setAlignment(Qt.AlignmentFlag.AlignRight if right_to_left else Qt.AlignmentFlag.AlignLeft)
        layout.setTextOption(option)
        layout.setFormats(self._formats(len(text)))
        lead = self._lead_width()
        left = SIDE_PX if right_to_left else SIDE_PX + lead
        inner = max(40, width - 2 * SIDE_PX - lead)
        line_height, y = self._line_height(), TOP_PX
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(inner)
            line.setPosition(QPointF(left, y + (line_height - line.height()) / 2))
            y += line_height
        layout.endLayout()
        self._layout = layout
        self._height = self._pill_spots(width)[1]

    def _formats(self, length: int) -> list[QTextLayout.FormatRange]:
        """Bold figures, and the warning or label at the end in its own color."""
        ranges = []
        shift = 1 if self._quote else 0
        for start, end in self._bold:
            bold = QTextCharFormat()
            bold.setFontWeight(QFont.Weight.DemiBold)
            ranges.append(_range(start + shift, end - start, bold))
        if self._note:
            palette = theme.current()
            noted = QTextCharFormat()
            noted.setForeground(QColor(palette.muted if self.sentence.supported else palette.warning))
            written = len(self._set_note())
            ranges.append(_range(length - written, written, noted))
        return ranges

    def _pill_spots(self, width: int) -> tuple[list[QPoint], int]:
        """Return where each pill goes, after the end of the text, and the height of everything."""
        line_height = self._line_height()
        count = max(1, self._layout.lineCount())
        y = TOP_PX + (count - 1) * line_height
        right_to_left = self._right_to_left()
        used = 0.0
        if self._layout.lineCount():
            rect = self._layout.lineAt(count - 1).naturalTextRect()
            used = width - rect.left() if right_to_left else rect.right()
        x = used + 6 if used else float(SIDE_PX)
        spots = []
        for pill in self._pills:
            size = pill.sizeHint()
            if x + size.width() > width - SIDE_PX and x > SIDE_PX:
                x, y = float(SIDE_PX + self._lead_width()), y + line_height
            left = width - x - size.width() if right_to_left else x
            spots.append(QPoint(round(left), y + (line_height - size.height()) // 2))
            x += size.width() + PILL_GAP_PX
        return spots, y + line_height + TOP_PX

    def _place_pills(self) -> None:
        for pill, spot in zip(self._pills, self._pill_spots(self.width())[0], strict=True):
            pill.setGeometry(QRect(spot, pill.sizeHint()))

    @Slot()
    def _on_pill_clicked(self) -> None:
        pill = self.sender()
        if isinstance(pill, CitationPill):
            self._on_place_chosen(pill)

    def _on_place_chosen(self, pill: CitationPill) -> None:
        self.place_chosen.emit(self, pill.place)

    @Slot()
    def _on_theme_changed(self) -> None:
        self._laid_out_width = -1
        self.updateGeometry()
        self._lay_out(self.width())
        self._place_pills()
        self.update()


def _note_of(sentence: Sentence, *, labelled: bool) -> str:
    if not sentence.supported:
        return NOT_FOUND
    return QUOTED if sentence.quoted and labelled else ""


def _shortened(name: str) -> str:
    """Return a file name short enough for a pill, its end kept: that is where like names differ."""
    shown = one_line(name)
    half = NAME_LIMIT // 2
    return shown if len(shown) <= NAME_LIMIT else f"{shown[:half].rstrip()}…{shown[-half:].lstrip()}"


def _without_marks(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text without ``**`` pairs, and the spans that stood between them."""
    plain, spans, last = "", [], 0
    for match in _BOLD.finditer(text):
        plain += text[last : match.start()]
        spans.append((len(plain), len(plain) + len(match[1])))
        plain += match[1]
        last = match.end()
    return plain + text[last:], spans


def _range(start: int, length: int, style: QTextCharFormat) -> QTextLayout.FormatRange:
    made = QTextLayout.FormatRange()
    made.start, made.length, made.format = start, length, style
    return made


def _starts_right_to_left(text: str) -> bool:
    """Tell by the first strong character, as the Unicode bidi algorithm does (rules P2 and P3)."""
    for character in text:
        strong = unicodedata.bidirectional(character)
        if strong in ("R", "AL"):
            return True
        if strong == "L":
            return False
    return False
