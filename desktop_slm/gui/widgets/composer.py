"""Where the user writes: a growing text, attached files, the context meter, Send or Stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMimeData, QSize, QTimer, Signal, Slot
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.chip import Chip
from desktop_slm.gui.widgets.context_meter import ContextMeter
from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.gui.widgets.writing_text import WritingText
from desktop_slm.tasks.requests import FileSource, Source, StoredSource

MAX_LINES = 9
MAX_ATTACHMENTS = 8
MAX_PASTE_CHARS = 2_000_000
DRAFT_MS = 500
PLACEHOLDER = "Write a message, or drop a file here"
FILE_FILTER = "Documents (*.pdf *.docx *.txt *.md *.html *.htm);;All files (*)"


@dataclass
class Attachment:
    """A file that goes with the next message.

    Attributes:
        path: Where it lies, empty for a document of the library.
        name: Its name.
        pages, words: 0 while unknown.
        document: Library id, once it has been read and kept.
        problem: Why it cannot be used, in a sentence.
    """

    path: str
    name: str
    pages: int = 0
    words: int = 0
    document: str = ""
    problem: str = ""

    @property
    def source(self) -> Source:
        """What a request carries."""
        return StoredSource(self.document) if self.document else FileSource(self.path)

    @property
    def words_on_chip(self) -> str:
        """``lease.pdf · 31 pages``."""
        if self.problem:
            return f"{one_line(self.name, 40)} · cannot be read"
        if self.pages:
            return f"{one_line(self.name, 40)} · {self.pages} {'page' if self.pages == 1 else 'pages'}"
        return one_line(self.name, 40)


class ComposerText(WritingText):
    """Grows with its lines; pasted files become attachments.

    Signals:
        files_pasted: Paths.
    """

    files_pasted = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.setPlaceholderText(PLACEHOLDER)
        self.setAccessibleName("Message")
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._on_size_changed)
        theme.signals.changed.connect(self._on_theme_changed)
        self._grow()

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Text and files."""
        return source.hasUrls() or source.hasText()

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Take files as attachments, and text as text."""
        paths = local_files(source)
        if paths:
            self.files_pasted.emit(paths)
        elif source.hasText():
            self.insertPlainText(source.text()[:MAX_PASTE_CHARS])

    def resizeEvent(self, event: object) -> None:
        """Lines may wrap differently now."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._grow()

    def _grow(self) -> None:
        line = self.fontMetrics().lineSpacing()
        lines = max(1, min(MAX_LINES, int(self.document().size().height())))
        height = lines * line + 6
        if height != self.height():
            self.setFixedHeight(height)

    @Slot()
    def _on_size_changed(self) -> None:
        self._grow()

    @Slot()
    def _on_theme_changed(self) -> None:
        self._grow()


class _SendButton(QPushButton):
    """Send or Stop. The second press of a double click is nothing: by then the button means the opposite."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The platform measured it by the times of the presses, not by when this program came to see them."""
        event.accept()


class Composer(QFrame):
    """Text, attachments, meter, and one button that is Send or Stop.

    Signals:
        send_requested: The text; take the attachments with `take_attachments`.
        stop_requested: Stop the answer.
        draft_changed: The text, half a second after it last changed.
        attachment_added: Path of a new file.
        changed: Text or attachments changed, for the context meter.
    """

    send_requested = Signal(str)
    stop_requested = Signal()
    draft_changed = Signal(str)
    attachment_added = Signal(str)
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "card")
        self.setAcceptDrops(False)
        self._attachments: list[Attachment] = []
        self._chips: list[Chip] = []
        self._busy = False
        self._silent = False
        self.text = ComposerText(self)
        self.text.enter_pressed.connect(self._on_enter_pressed)
        self.text.files_pasted.connect(self._on_files_pasted)
        self.text.textChanged.connect(self._on_text_changed)
        self.attach = QPushButton("+ Attach", self)
        theme.set_kind(self.attach, "outlined")
        self.attach.setAccessibleName("Attach documents")
        self.attach.setToolTip("Attach documents (Ctrl+Shift+A)")
        self.attach.setShortcut("Ctrl+Shift+A")
        self.attach.clicked.connect(self._on_attach_clicked)
        self.meter = ContextMeter(self)
        self.send = _SendButton("Send", self)
        theme.set_kind(self.send, "primary")
        self.send.clicked.connect(self._on_send_clicked)
        self._draft = QTimer(self)
        self._draft.setSingleShot(True)
        self._draft.setInterval(DRAFT_MS)
        self._draft.timeout.connect(self._on_draft_timeout)
        self._lay_out()
        self._show_send()

    def _lay_out(self) -> None:
        self._chip_row = QHBoxLayout()
        self._chip_row.setSpacing(6)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.attach)
        buttons.addLayout(self._chip_row)
        buttons.addWidget(self.meter, 1)
        buttons.addWidget(self.send)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 12)
        layout.setSpacing(12)
        layout.addWidget(self.text)
        layout.addLayout(buttons)

    @property
    def attachments(self) -> Sequence[Attachment]:
        """Files that go with the next message."""
        return self._attachments

    def written(self) -> str:
        """Return the text."""
        return self.text.toPlainText()

    def write(self, text: str) -> None:
        """Replace the text without calling it a draft."""
        self._draft.stop()
        self._silent = True
        self.text.setPlainText(text)
        self.text.moveCursor(self.text.textCursor().MoveOperation.End)
        self._silent = False
        self._show_send()

    def flush_draft(self) -> None:
        """Tell the draft now, before something else takes its place."""
        if self._draft.isActive():
            self._draft.stop()
            self.draft_changed.emit(self.written())

    def clear(self) -> None:
        """Empty text and attachments."""
        self.write("")
        self.take_attachments()

    def take_attachments(self) -> list[Attachment]:
        """Return the usable attachments and forget all of them."""
        taken = [attachment for attachment in self._attachments if not attachment.problem]
        self._attachments.clear()
        self._show_chips()
        return taken

    def attach_files(self, paths: Sequence[str]) -> None:
        """Add files as chips; each new one is told by ``attachment_added``."""
        known = {attachment.path for attachment in self._attachments}
        for path in paths:
            if path and path not in known and len(self._attachments) < MAX_ATTACHMENTS:
                known.add(path)
                self._attachments.append(Attachment(path, Path(path).name))
                self._show_chips()
                self.attachment_added.emit(path)

    def attach_stored(self, document: str, name: str, pages: int, words: int) -> None:
        """Add a document of the library as a chip."""
        self._attachments.append(Attachment("", name, pages, words, document))
        self._show_chips()

    def show_attachment(self, path: str, pages: int, document: str, words: int, problem: str) -> None:
        """Tell what became of a file."""
        for number, attachment in enumerate(self._attachments):
            if attachment.path == path:
                attachment.pages, attachment.words = pages, words
                attachment.document, attachment.problem = document, problem
                self._chips[number].set_words(attachment.words_on_chip, warns=bool(problem))
                self._chips[number].setToolTip(problem or attachment.name)
                self._show_send()
                self.changed.emit()

    def show_busy(self, busy: bool) -> None:
        """Turn Send into Stop, or back."""
        if busy != self._busy:
            self._busy = busy
            self._show_send()

    def sizeHint(self) -> QSize:
        """As high as its text."""
        return QSize(theme.READING_WIDTH_PX, super().sizeHint().height())

    def _show_send(self) -> None:
        self.send.setText("Stop" if self._busy else "Send")
        self.send.setAccessibleName("Stop the answer" if self._busy else "Send the message")
        self.send.setToolTip("Stop (Esc)" if self._busy else "Send (Enter)")
        self.send.setEnabled(self._busy or bool(self.written().strip()))

    def _show_chips(self) -> None:
        for chip in self._chips:
            chip.hide()
            chip.deleteLater()
        self._chips = []
        for attachment in self._attachments:
            chip = Chip(attachment.words_on_chip, self, removable=True)
            chip.setToolTip(attachment.problem or attachment.name)
            chip.removal_requested.connect(self._on_chip_removal_requested)
            self._chip_row.addWidget(chip)
            self._chips.append(chip)
        self.changed.emit()

    @Slot()
    def _on_chip_removal_requested(self) -> None:
        chip = self.sender()
        if isinstance(chip, Chip) and chip in self._chips:
            del self._attachments[self._chips.index(chip)]
            self._show_chips()
            self.text.setFocus()

    @Slot()
    def _on_text_changed(self) -> None:
        self._show_send()
        self.changed.emit()
        if not self._silent:
            self._draft.start()

    @Slot()
    def _on_draft_timeout(self) -> None:
        self.draft_changed.emit(self.written())

    @Slot()
    def _on_enter_pressed(self) -> None:
        if not self._busy:
            self._send()

    @Slot()
    def _on_send_clicked(self) -> None:
        if self._busy:
            self.stop_requested.emit()
        else:
            self._send()

    def _send(self) -> None:
        text = self.written().strip()
        if text:
            self._draft.stop()
            self.send_requested.emit(text)

    @Slot(list)
    def _on_files_pasted(self, paths: list[str]) -> None:
        self.attach_files(paths)

    @Slot()
    def _on_attach_clicked(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self.window(), "Attach documents", "", FILE_FILTER)
        self.attach_files(paths)
        self.text.setFocus()


def local_files(source: QMimeData) -> list[str]:
    """Return the paths of local files in what was dropped or pasted; never a network address."""
    paths = [url.toLocalFile() for url in source.urls() if url.isLocalFile() and not url.host()]
    return [path for path in paths if path and Path(path).is_file()]
