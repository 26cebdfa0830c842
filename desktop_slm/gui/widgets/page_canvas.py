"""A drawn page on paper: raw pixels from the reader process, with the cited passages marked."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from desktop_slm.documents.model import Box, PageImage
from desktop_slm.gui import theme

PAPER_RATIO = 297 / 210
MAX_PIXELS = 64_000_000


def to_qimage(image: PageImage) -> QImage:
    """Copy the pixels into a Qt image; a null image when size and bytes do not agree."""
    sound = (
        0 < image.width <= 20_000
        and 0 < image.height <= 20_000
        and image.width * image.height <= MAX_PIXELS
        and image.stride >= image.width * 4
        and len(image.pixels) >= image.stride * image.height
    )
    if not sound:
        return QImage()
    view = QImage(image.pixels, image.width, image.height, image.stride, QImage.Format.Format_RGB32)
    # Own pixels, as the bytes may go; opaque ones, as multiplying heeds the byte that RGB32 leaves unused.
    return view.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)


class PageCanvas(QWidget):
    """Paints one page at the width it is given. The paper stays white in the dark: it is the document's."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image = QImage()
        self._marks: tuple[tuple[Box, ...], ...] = ()
        self._ratio = PAPER_RATIO
        self._note = ""
        self.setAccessibleName("Page image")
        theme.signals.changed.connect(self.update)

    def show_image(self, image: QImage, marks: tuple[tuple[Box, ...], ...]) -> None:
        """Show a page and mark rectangles on it."""
        self._image, self._marks, self._note = image, marks, ""
        if not image.isNull():
            self._ratio = image.height() / image.width()
        self.update()

    def show_paper(self, ratio: float) -> None:
        """Show an empty sheet, ``ratio`` high for its width, while the page is drawn."""
        self._image, self._marks, self._note = QImage(), (), ""
        self._ratio = ratio if 0.05 < ratio < 20 else PAPER_RATIO
        self.update()

    def show_note(self, note: str) -> None:
        """Say something on the empty sheet."""
        self._note = note
        self.update()

    def clear_marks(self) -> None:
        """Take the marks away: they belong to another passage."""
        if self._marks:
            self._marks = ()
            self.update()

    @property
    def has_image(self) -> bool:
        """Whether there is something to see."""
        return not self._image.isNull()

    def size_for(self, width: int) -> QSize:
        """Return the size of the sheet at ``width`` pixels."""
        return QSize(width, max(1, round(width * self._ratio)))

    def mark_rects(self) -> list[QRect]:
        """Return where the marks are, in pixels of this widget."""
        return [
            self._to_widget(box).toAlignedRect().intersected(self.rect())
            for boxes in self._marks
            for box in boxes
        ]

    def _to_widget(self, box: Box) -> QRectF:
        top_left = QPointF(box.left * self.width(), box.top * self.height())
        return QRectF(top_left, QPointF(box.right * self.width(), box.bottom * self.height()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw sheet, page and marks; marks multiply, so that the ink stays readable."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.LIGHT.panel))
        if self.has_image:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self.rect(), self._image)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
            mark = QColor(theme.LIGHT.passage_mark)
            for rect in self.mark_rects():
                painter.fillRect(rect.adjusted(-1, -1, 1, 1), mark)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)
        elif self._note:
            painter.setPen(QColor(theme.LIGHT.muted))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), self._note)
        painter.setPen(QColor(theme.current().line))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
