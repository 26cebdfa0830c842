"""Print HTML to PDF with Qt's own text layout, in a process of its own.

`processes.printing` starts it: HTML in UTF-8 on stdin, the PDF's bytes on stdout, exit code 0. It needs no
screen. Nothing is read from or written to the disk: images and other resources that the HTML names are never
loaded.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtGui import QPainter, QTextDocument

MAX_HTML_BYTES = 32_000_000
_MARGIN_MM = 20.0
_NUMBER_PX = 9


def to_pdf(html: str, title: str = "") -> bytes:
    """Return ``html`` as a PDF on A4 with page numbers. Needs a running `QGuiApplication`."""
    from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QSizeF
    from PySide6.QtGui import QFont, QPageLayout, QPageSize, QPainter, QPdfWriter

    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setResolution(96)
    writer.setTitle(title)
    writer.setCreator("Desktop SLM")
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    writer.setPageMargins(margins, QPageLayout.Unit.Millimeter)
    document = _document()
    font = QFont("sans-serif")
    font.setPixelSize(14)
    document.setDefaultFont(font)
    document.setDocumentMargin(0)
    document.setHtml(html)
    document.documentLayout().setPaintDevice(writer)
    width, height = float(writer.width()), float(writer.height())
    document.setPageSize(QSizeF(width, height - 3 * _NUMBER_PX))
    painter = QPainter(writer)
    for page in range(document.pageCount()):
        if page:
            writer.newPage()
        _paint_page(painter, document, page, width, height)
    painter.end()
    buffer.close()
    return bytes(data.data())


def _paint_page(painter: QPainter, document: QTextDocument, page: int, width: float, height: float) -> None:
    """Paint one page of the laid-out document, and its number below."""
    from PySide6.QtCore import QRectF, Qt
    from PySide6.QtGui import QAbstractTextDocumentLayout, QColor, QPalette

    page_height = document.pageSize().height()
    painter.save()
    painter.translate(0, -page * page_height)
    context = QAbstractTextDocumentLayout.PaintContext()
    context.clip = QRectF(0, page * page_height, width, page_height)
    context.palette.setColor(QPalette.ColorRole.Text, QColor("#1D1F21"))
    painter.setClipRect(context.clip)
    document.documentLayout().draw(painter, context)
    painter.restore()
    font = painter.font()
    font.setPixelSize(_NUMBER_PX + 2)
    painter.setFont(font)
    painter.setPen(QColor("#63676C"))
    place = QRectF(0, height - 2 * _NUMBER_PX, width, 2 * _NUMBER_PX)
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, str(page + 1))


def _document() -> QTextDocument:
    """Return a text document that loads nothing."""
    from PySide6.QtCore import QUrl
    from PySide6.QtGui import QImage, QTextDocument

    class Sealed(QTextDocument):
        """Answers every request for an image or a style sheet with nothing."""

        def loadResource(self, kind: int, name: QUrl | str) -> QImage:
            """Return an empty image: returning nothing would let Qt open the address."""
            return QImage()

    return Sealed()


def main() -> int:
    """Print what comes on stdin; the child's whole life."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtGui import QGuiApplication

    html = sys.stdin.buffer.read(MAX_HTML_BYTES + 1)
    if len(html) > MAX_HTML_BYTES:
        return 1
    _app = QGuiApplication(["desktop-slm"])
    sys.stdout.buffer.write(to_pdf(html.decode("utf-8", "replace")))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
