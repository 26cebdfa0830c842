"""The library: the documents kept, a filter, and an invitation while there are none."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.document_list import (
    RECORD_ROLE,
    DocumentDelegate,
    DocumentFilter,
    DocumentListModel,
)
from desktop_slm.gui.widgets.file_dialogs import choose_files
from desktop_slm.gui.widgets.job_bar import JobBar
from desktop_slm.gui.widgets.notice_bar import NoticeBar
from desktop_slm.gui.widgets.password_panel import PasswordPanel
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line
from desktop_slm.gui.widgets.queue_view import QueueView
from desktop_slm.gui.widgets.top_bar import TopBar
from desktop_slm.paths import resource
from desktop_slm.store.records import DocumentRecord

COLUMN_PX = 1040
SUFFIXES = (".pdf", ".docx", ".txt", ".md", ".markdown", ".html", ".htm")
"""Of the documents that can be read."""


class DropTarget(QFrame):
    """What an empty library shows: a dashed field to drop on, and two buttons."""

    open_pressed = Signal()
    sample_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._mark = QLabel()
        self._mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        said = PlainLabel(
            "Drop a document here to read its summary, with the page of every sentence.", wrap=True
        )
        theme.set_kind(said, "heading")
        kinds = PlainLabel("PDF, Word, Markdown, HTML and text. Nothing leaves this computer.", wrap=True)
        theme.set_kind(kinds, "muted")
        for label in (said, kinds):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.open_button = QPushButton("Open file…")
        theme.set_kind(self.open_button, "primary")
        self.open_button.clicked.connect(self.open_pressed)
        self.sample_button = QPushButton("Try the sample report")
        theme.set_kind(self.sample_button, "outlined")
        self.sample_button.clicked.connect(self.sample_pressed)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.sample_button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(32, 32, 32, 32)
        layout.setSpacing(8)
        layout.addStretch(2)
        layout.addWidget(self._mark)
        layout.addSpacing(4)
        layout.addWidget(said)
        layout.addWidget(kinds)
        layout.addSpacing(12)
        layout.addLayout(buttons)
        layout.addStretch(3)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the dashed border."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(QColor(theme.current().muted), 1.4, Qt.PenStyle.CustomDashLine)
        pen.setDashPattern([5, 5])
        color = pen.color()
        color.setAlphaF(0.55)
        pen.setColor(color)
        painter.setPen(pen)
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -2, -2), 10, 10)

    @Slot()
    def _on_theme_changed(self) -> None:
        self._mark.setPixmap(theme.pixmap("documents", theme.current().accent, 40, self.devicePixelRatioF()))


class DocumentListView(QListView):
    """The rows; Enter opens, Delete asks to delete."""

    opened = Signal(object)
    delete_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setItemDelegate(DocumentDelegate(self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setAccessibleName("Documents")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu_requested)
        self.clicked.connect(self._on_clicked)

    def record_at(self, index: QModelIndex) -> DocumentRecord | None:
        """Return the document of a row."""
        record = index.data(RECORD_ROLE)
        return record if isinstance(record, DocumentRecord) else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens the row, Delete wants it gone."""
        record = self.record_at(self.currentIndex())
        if record is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(record)
        elif record is not None and event.key() == Qt.Key.Key_Delete:
            self.delete_wanted.emit(record)
        else:
            super().keyPressEvent(event)

    @Slot(QModelIndex)
    def _on_clicked(self, index: QModelIndex) -> None:
        record = self.record_at(index)
        if record is not None:
            self.opened.emit(record)

    @Slot(QPoint)
    def _on_menu_requested(self, spot: QPoint) -> None:
        record = self.record_at(self.indexAt(spot))
        if record is None:
            return
        self._menu = QMenu(self)
        open_action = self._menu.addAction("Open")
        delete_action = self._menu.addAction("Delete…")
        chosen = self._menu.exec(self.viewport().mapToGlobal(spot))
        if chosen is open_action:
            self.opened.emit(record)
        elif chosen is delete_action:
            self.delete_wanted.emit(record)


class LibraryView(QWidget):
    """Top bar, files being read, and the list or the invitation to drop."""

    files_chosen = Signal(list)
    """Paths of files to read and summarize."""
    document_opened = Signal(str)
    document_delete_confirmed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._doomed: DocumentRecord | None = None
        self._model = DocumentListModel()
        self._filter = DocumentFilter()
        self._filter.setSourceModel(self._model)
        self.note = NoticeBar()
        self.error = NoticeBar()
        self.job = JobBar()
        self.password = PasswordPanel()
        self.queue = QueueView()
        self.delete_notice = NoticeBar()
        self.delete_notice.first_pressed.connect(self._on_delete_confirmed)
        self.delete_notice.second_pressed.connect(self._on_delete_refused)
        self.list = DocumentListView()
        self.list.setModel(self._filter)
        self.list.opened.connect(self._on_list_opened)
        self.list.delete_wanted.connect(self._on_list_delete_wanted)
        self.target = DropTarget()
        self.target.open_pressed.connect(self.choose_files)
        self.target.sample_pressed.connect(self._on_sample_pressed)
        self._nothing = PlainLabel("No document matches.")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self._nothing.setContentsMargins(0, 48, 0, 0)
        theme.set_kind(self._nothing, "muted")
        self._stack = QStackedWidget()
        for widget in (self.target, self.list, self._nothing):
            self._stack.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._make_bar())
        layout.addWidget(self._make_column(), 1)
        self.show_records([], ())

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Pass the focus on to the list (a focus proxy would cut the Tab chain short)."""
        self.list.setFocus(event.reason())

    @property
    def search(self) -> QLineEdit:
        """The filter field."""
        return self._search

    @property
    def is_empty(self) -> bool:
        """Whether the invitation to drop is on screen."""
        return self._stack.currentWidget() is self.target

    def show_records(self, records: Sequence[DocumentRecord], summarized: Collection[str]) -> None:
        """Show these documents."""
        self._model.show(records, summarized)
        self._search.setVisible(bool(records))
        self._open.setVisible(bool(records))
        self._show_fitting()

    @Slot()
    def choose_files(self) -> None:
        """Ask which files to open."""
        choose_files(self, "open-documents", "Open documents", SUFFIXES, self.files_chosen.emit)

    def visible_records(self) -> list[DocumentRecord]:
        """Return the documents that pass the filter, in order."""
        rows = (self._filter.index(row, 0) for row in range(self._filter.rowCount()))
        return [record for index in rows if (record := self.list.record_at(index)) is not None]

    def _make_bar(self) -> TopBar:
        bar = TopBar("Documents")
        self._search = QLineEdit()
        self._search.setPlaceholderText("Filter documents")
        self._search.setAccessibleName("Filter documents")
        self._search.setClearButtonEnabled(True)
        self._search.setAcceptDrops(False)
        self._search.setFixedWidth(220)
        self._search.textChanged.connect(self._on_search_text_changed)
        bar.add_widget(self._search)
        self._open = bar.add_button("Open file…", "primary")
        self._open.setToolTip("Open a file and summarize it (Ctrl+O)")
        self._open.clicked.connect(self.choose_files)
        return bar

    def _make_column(self) -> QWidget:
        column = QWidget()
        column.setMaximumWidth(COLUMN_PX)
        inner = QVBoxLayout(column)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(12)
        for widget in (self.note, self.error, self.job, self.password, self.queue, self.delete_notice):
            inner.addWidget(widget)
        inner.addWidget(self._stack, 1)
        frame = QWidget()
        outer = QHBoxLayout(frame)
        outer.setContentsMargins(24, 16, 24, 16)
        outer.addStretch(1)
        outer.addWidget(column, 1000)
        outer.addStretch(1)
        return frame

    def _show_fitting(self) -> None:
        if not self._model.rowCount():
            self._stack.setCurrentWidget(self.target)
        elif not self._filter.rowCount():
            self._stack.setCurrentWidget(self._nothing)
        else:
            self._stack.setCurrentWidget(self.list)

    @Slot()
    def _on_sample_pressed(self) -> None:
        try:
            samples = sorted(resource("samples").glob("*.pdf"))
        except FileNotFoundError:
            samples = []
        if samples:
            self.files_chosen.emit(samples[:1])
        else:
            self.error.say("The sample report is not part of this installation.", tone="warning")

    @Slot(str)
    def _on_search_text_changed(self, text: str) -> None:
        self._filter.set_text(text)
        self._show_fitting()

    @Slot(object)
    def _on_list_opened(self, record: DocumentRecord) -> None:
        self.document_opened.emit(record.id)

    @Slot(object)
    def _on_list_delete_wanted(self, record: DocumentRecord) -> None:
        self._doomed = record
        name = one_line(record.name, 80)
        self.delete_notice.say(
            f"Delete “{name}” with its summaries? The file it was read from stays where it is.",
            tone="warning",
            first="Delete",
            second="Keep",
        )
        self.delete_notice.second_button.setFocus()

    @Slot()
    def _on_delete_confirmed(self) -> None:
        doomed, self._doomed = self._doomed, None
        self.delete_notice.say("")
        if doomed is not None:
            self.document_delete_confirmed.emit(doomed.id)

    @Slot()
    def _on_delete_refused(self) -> None:
        self._doomed = None
        self.delete_notice.say("")
        self.list.setFocus()
