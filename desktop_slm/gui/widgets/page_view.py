"""The right half of a document: its pages, one at a time, at the width that fits."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QIntValidator, QKeyEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.documents.model import Document, Page, PageImage
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.icon_button import IconButton
from desktop_slm.gui.widgets.page_canvas import PageCanvas, to_qimage
from desktop_slm.gui.widgets.plain_label import PlainLabel
from desktop_slm.gui.widgets.text_page import TextPage

MARGIN_PX = 24
MAX_FIT_PX = 860
ZOOM_STEPS = (0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)
RESIZE_PAUSE_MS = 150
SLOW_MS = 300


class PageView(QFrame):
    """Shows a page image, or its text; asks for images and never draws a document itself."""

    image_wanted = Signal(int, int, object)
    """Page from 1, width in device pixels, tuple of quotes to mark."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "ground")
        self._document: Document | None = None
        self._number = 0
        self._quotes: tuple[str, ...] = ()
        self._zoom = 1.0
        self._asked_width = 0
        self._images_fail = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(RESIZE_PAUSE_MS)
        self._pause.timeout.connect(self._ask_for_image)
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.setInterval(SLOW_MS)
        self._slow.timeout.connect(self._on_slow_timeout)
        self._canvas = PageCanvas()
        self._scroll = self._make_scroll()
        self._text = TextPage()
        self._stack = QStackedWidget()
        theme.set_kind(self._stack, "ground")
        self._stack.addWidget(self._scroll)
        self._stack.addWidget(self._make_text_frame())
        self._stack.addWidget(self._make_nothing())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._make_bar())
        layout.addWidget(self._stack, 1)
        self.show_nothing()

    # what is shown

    @property
    def number(self) -> int:
        """The page on screen, from 1; 0 without a document."""
        return self._number

    @property
    def canvas(self) -> PageCanvas:
        """The sheet."""
        return self._canvas

    @property
    def text(self) -> TextPage:
        """The text of the page."""
        return self._text

    @property
    def shows_text(self) -> bool:
        """Whether text is on screen instead of the page image."""
        return self._stack.currentIndex() == 1

    def tab_order(self) -> list[QWidget]:
        """Return what comes one after the other with Tab."""
        turning: list[QWidget] = [self._previous, self._field, self._next]
        return [
            *turning,
            self._zoom_out,
            self._fit,
            self._zoom_in,
            self._text_button,
            self._scroll,
            self._text,
        ]

    def show_nothing(self) -> None:
        """Forget the document."""
        self._document, self._number, self._quotes = None, 0, ()
        self._canvas.show_paper(0.0)
        self._text_button.setVisible(False)
        self._stack.setCurrentIndex(2)
        self._update_bar()

    def take_focus(self) -> None:
        """Let the keys scroll and turn the page."""
        (self._text if self.shows_text else self._scroll).setFocus()

    def show_document(self, document: Document) -> None:
        """Show the first page of a document."""
        self._document = document
        self._images_fail = False
        self._zoom = 1.0
        self._text_button.setChecked(not document.has_page_images)
        self._text_button.setVisible(document.has_page_images)
        self._number = 0
        self.show_passage(1)

    def show_passage(self, number: int, quotes: Sequence[str] = ()) -> None:
        """Go to a page and mark the quotes on it."""
        page = self._page(number)
        if page is None:
            return
        moved = number != self._number
        self._number, self._quotes = number, tuple(quotes)
        self._update_bar()
        if self._text_wanted():
            self._stack.setCurrentIndex(1)
            self._text.show_page(page, quotes)
            return
        self._stack.setCurrentIndex(0)
        if moved:
            ratio = page.height / page.width if page.width > 0 else 0.0
            self._canvas.show_paper(ratio)
            self._slow.start()
            self._scroll.verticalScrollBar().setValue(0)
        else:
            self._canvas.clear_marks()
        self._place_canvas()
        self._ask_for_image()

    def show_image(self, image: PageImage) -> None:
        """Show a page image that was asked for; one of another page is dropped."""
        if image.number != self._number or self._text_wanted():
            return
        drawn = to_qimage(image)
        if drawn.isNull():
            self.show_text_instead()
            return
        self._canvas.show_image(drawn, image.marks)
        self._place_canvas()
        if self._quotes:
            self._scroll_to_marks()

    def show_text_instead(self) -> None:
        """The images of this document cannot be drawn: show its text."""
        self._images_fail = True
        self._text_button.setVisible(False)
        if self._number:
            self.show_passage(self._number, self._quotes)

    def try_images_again(self) -> None:
        """What kept the pages from being drawn is gone: ask for the image anew."""
        if self._document is None or not self._images_fail:
            return
        self._images_fail = False
        self._text_button.setVisible(self._document.has_page_images)
        number, self._number = self._number, 0
        self.show_passage(number, self._quotes)

    # parts

    def _make_scroll(self) -> QScrollArea:
        scroll = QScrollArea()
        scroll.setWidget(self._canvas)
        scroll.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setAccessibleName("Page")
        scroll.viewport().setAutoFillBackground(False)
        scroll.viewport().installEventFilter(self)
        return scroll

    def _make_text_frame(self) -> QWidget:
        frame = QWidget()
        layout = QVBoxLayout(frame)
        layout.setContentsMargins(MARGIN_PX, 4, MARGIN_PX, MARGIN_PX)
        layout.addWidget(self._text)
        return frame

    def _make_nothing(self) -> QWidget:
        nothing = PlainLabel("The pages appear here.")
        nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        theme.set_kind(nothing, "muted")
        return nothing

    def _make_bar(self) -> QHBoxLayout:
        self._previous = IconButton("chevron-left", "Previous page", "Alt+Up", self)
        self._previous.clicked.connect(self._on_previous_clicked)
        self._next = IconButton("chevron-right", "Next page", "Alt+Down", self)
        self._next.clicked.connect(self._on_next_clicked)
        self._unit = PlainLabel("Page")
        self._field = QLineEdit()
        self._field.setAccessibleName("Page number")
        self._field.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._field.setFixedWidth(52)
        self._field.returnPressed.connect(self._on_field_return_pressed)
        self._total = PlainLabel("")
        for label in (self._unit, self._total):
            theme.set_kind(label, "meta")
        self._zoom_out = IconButton("zoom-out", "Zoom out", "Ctrl+-", self)
        self._zoom_out.clicked.connect(self._on_zoom_out_clicked)
        self._fit = QPushButton("Fit width")
        theme.set_kind(self._fit, "text")
        self._fit.setShortcut("Ctrl+0")
        self._fit.setToolTip("Fit the page to the width (Ctrl+0)")
        self._fit.clicked.connect(self._on_fit_clicked)
        self._zoom_in = IconButton("zoom-in", "Zoom in", "Ctrl++", self)
        self._zoom_in.clicked.connect(self._on_zoom_in_clicked)
        self._text_button = IconButton("list", "Show the page as text", "", self)
        self._text_button.setCheckable(True)
        self._text_button.clicked.connect(self._on_text_clicked)
        bar = QHBoxLayout()
        bar.setSpacing(4)
        bar.addStretch(1)
        for widget in (self._previous, self._unit, self._field, self._total, self._next):
            bar.addWidget(widget)
        bar.addSpacing(12)
        for button in (self._zoom_out, self._fit, self._zoom_in, self._text_button):
            bar.addWidget(button)
        bar.addStretch(1)
        return bar

    # geometry

    def _page(self, number: int) -> Page | None:
        pages = self._document.pages if self._document is not None else ()
        if 1 <= number <= len(pages) and pages[number - 1].number == number:
            return pages[number - 1]
        return next((page for page in pages if page.number == number), None)

    def _text_wanted(self) -> bool:
        drawable = self._document is not None and self._document.has_page_images and not self._images_fail
        return not drawable or self._text_button.isChecked()

    def _sheet_width(self) -> int:
        bar = self._scroll.verticalScrollBar().sizeHint().width()  # there or not: the sheet shall not jump
        fit = min(MAX_FIT_PX, self._scroll.width() - bar - 2 * MARGIN_PX)
        return max(160, round(fit * self._zoom))

    def _place_canvas(self) -> None:
        self._canvas.resize(self._canvas.size_for(self._sheet_width()))

    def _ask_for_image(self) -> None:
        if self._document is None or not self._number or self._text_wanted():
            return
        self._asked_width = self._sheet_width()
        width_px = round(self._asked_width * self.devicePixelRatioF())
        self.image_wanted.emit(self._number, width_px, self._quotes)

    def _scroll_to_marks(self) -> None:
        rects = self._canvas.mark_rects()
        if rects:
            first = min(rects, key=lambda rect: rect.top())
            self._scroll.verticalScrollBar().setValue(
                max(0, first.top() - self._scroll.viewport().height() // 3)
            )

    def _update_bar(self) -> None:
        pages = len(self._document.pages) if self._document is not None else 0
        part = self._document is not None and self._document.page_unit == "part"
        self._unit.setText("Part" if part else "Page")
        self._field.setAccessibleName("Part number" if part else "Page number")
        self._field.setText(str(self._number) if self._number else "")
        self._field.setValidator(QIntValidator(1, max(1, pages), self._field))
        self._total.setText(f"of {pages}" if pages else "")
        self._field.setEnabled(pages > 0)
        self._previous.setEnabled(self._number > 1)
        self._next.setEnabled(0 < self._number < pages)
        for shown in (self._unit, self._field, self._total, self._previous, self._next):
            shown.setVisible(pages > 0)
        drawn = pages > 0 and not self._text_wanted()
        for button in (self._zoom_out, self._fit, self._zoom_in):
            button.setVisible(drawn)

    # events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Scale the sheet at once and ask for a sharp image when the size has settled."""
        super().resizeEvent(event)
        self._place_canvas()
        if self._sheet_width() != self._asked_width:
            self._pause.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Zoom with Ctrl and the wheel; keep the sheet fitted when a scroll bar appears."""
        if isinstance(event, QWheelEvent) and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._step_zoom(1 if event.angleDelta().y() > 0 else -1)
            return True
        if event.type() == QEvent.Type.Resize:
            self._place_canvas()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Turn pages where scrolling ends."""
        bar = self._scroll.verticalScrollBar()
        if event.key() == Qt.Key.Key_PageDown and bar.value() >= bar.maximum():
            self._on_next_clicked()
        elif event.key() == Qt.Key.Key_PageUp and bar.value() <= bar.minimum():
            self._on_previous_clicked()
        else:
            super().keyPressEvent(event)

    def _step_zoom(self, step: int) -> None:
        nearest = min(range(len(ZOOM_STEPS)), key=lambda index: abs(ZOOM_STEPS[index] - self._zoom))
        self._set_zoom(ZOOM_STEPS[max(0, min(len(ZOOM_STEPS) - 1, nearest + step))])

    def _set_zoom(self, zoom: float) -> None:
        self._zoom = zoom
        self._place_canvas()
        if self._sheet_width() != self._asked_width:
            self._pause.start()

    @Slot()
    def _on_slow_timeout(self) -> None:
        """Say what an empty sheet waits for; most pages are there before."""
        if not self._canvas.has_image:
            self._canvas.show_note(f"Drawing page {self._number}…")

    @Slot()
    def _on_previous_clicked(self) -> None:
        self.show_passage(self._number - 1)

    @Slot()
    def _on_next_clicked(self) -> None:
        self.show_passage(self._number + 1)

    @Slot()
    def _on_field_return_pressed(self) -> None:
        self.show_passage(int(self._field.text() or 0))

    @Slot()
    def _on_zoom_out_clicked(self) -> None:
        self._step_zoom(-1)

    @Slot()
    def _on_zoom_in_clicked(self) -> None:
        self._step_zoom(1)

    @Slot()
    def _on_fit_clicked(self) -> None:
        self._set_zoom(1.0)

    @Slot()
    def _on_text_clicked(self) -> None:
        number, quotes = self._number, self._quotes
        self._number = 0
        self.show_passage(number, quotes)
