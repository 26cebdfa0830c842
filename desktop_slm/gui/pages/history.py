"""The History page: one search box over everything that is kept, with a preview of what was found."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QFont,
    QKeyEvent,
    QKeySequence,
    QShortcut,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QPushButton,
    QSplitter,
    QStackedLayout,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.items import KIND_WORDS, HistoryModel, date_in_words
from desktop_slm.gui.widgets.empty_state import EmptyState
from desktop_slm.gui.widgets.history_row import HistoryRowDelegate, pieces
from desktop_slm.gui.widgets.plain_label import PlainLabel, several_lines
from desktop_slm.gui.widgets.top_bar import TopBar
from desktop_slm.store.records import HistoryItem, ItemKind

_KINDS: tuple[tuple[str, str], ...] = (
    ("", "All"),
    ("conversation", "Chats"),
    ("document", "Documents"),
    ("summary", "Summaries"),
    ("translation", "Translations"),
)
_SEARCH_DELAY_MS = 60
_MAX_MARKS = 500

Paragraph = tuple[str, str]
"""(who or what, text) of a part of a preview."""


class Rows(QListView):
    """A list that tells when Delete is pressed in it."""

    delete_pressed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take Delete, leave the rest to the list."""
        if event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)


class HistoryPage(QWidget):
    """Search and preview.

    Signals:
        search_requested: The words (empty for the newest of all) and a tuple of kinds (empty for all).
            Answered by `show_items`.
        preview_requested: Id and kind of the row that was chosen, and the words found in it; answered by
            `show_preview`.
        open_requested: Id and kind of what to open on its own page.
        delete_requested: Id and kind; the window offers to take it back.
    """

    search_requested = Signal(str, object)
    preview_requested = Signal(str, str, object)
    open_requested = Signal(str, str)
    delete_requested = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._model = HistoryModel(self)
        self._shown = ""
        self._marks: list[str] = []
        self._search = QLineEdit(self)
        self._search.setPlaceholderText("Search chats, documents, summaries and translations")
        self._search.setAccessibleName("Search everything that is kept")
        self._search.setClearButtonEnabled(True)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(_SEARCH_DELAY_MS)
        self._kinds = QButtonGroup(self)
        self._list = self._make_list()
        self._count = PlainLabel(parent=self)
        theme.set_kind(self._count, "meta")
        self._empty = EmptyState("history", "", "", self)
        self._bar = TopBar("History", self)
        self._open = self._bar.add_button("Open")
        self._delete = self._bar.add_button("Delete")
        self._preview = self._make_preview()
        self._lay_out()
        self._connect_signals()
        self._show_nothing_chosen()

    # Building

    def _make_list(self) -> Rows:
        view = Rows(self)
        view.setModel(self._model)
        view.setItemDelegate(HistoryRowDelegate(view))
        view.setUniformItemSizes(True)
        view.setMouseTracking(True)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setAccessibleName("Found")
        return view

    def _make_preview(self) -> QTextEdit:
        preview = QTextEdit(self)
        preview.setReadOnly(True)
        preview.setAcceptDrops(False)
        preview.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        preview.setAccessibleName("Preview")
        preview.setFrameShape(QFrame.Shape.NoFrame)
        theme.set_kind(preview, "bare")
        return preview

    def _make_filters(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        for kind, title in _KINDS:
            button = QPushButton(title, self)
            button.setObjectName(kind)
            button.setCheckable(True)
            button.setAccessibleName(f"Show: {title}")
            theme.set_kind(button, "filter")
            self._kinds.addButton(button)
            row.addWidget(button)
            button.setChecked(not kind)
        row.addStretch(1)
        return row

    def _lay_out(self) -> None:
        left = QFrame(self)
        theme.set_kind(left, "ground")
        column = QVBoxLayout(left)
        column.setContentsMargins(12, 12, 12, 8)
        column.setSpacing(8)
        column.addWidget(self._search)
        column.addLayout(self._make_filters())
        holder = QWidget(left)
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self._list)
        self._stack.addWidget(self._empty)
        column.addWidget(holder, 1)
        column.addWidget(self._count)
        left.setMinimumWidth(320)
        right = QWidget(self)
        below = QVBoxLayout(right)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(0)
        below.addWidget(self._bar)
        middle = QHBoxLayout()
        middle.setContentsMargins(24, 16, 8, 0)
        self._preview.setMaximumWidth(theme.READING_WIDTH_PX + 40)
        middle.addStretch(1)
        middle.addWidget(self._preview, 1000)
        middle.addStretch(1)
        below.addLayout(middle, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal, self)
        splitter.addWidget(left)
        splitter.addWidget(right)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([420, 800])
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)

    def _connect_signals(self) -> None:
        self._search.textChanged.connect(self._on_search_changed)
        self._search.returnPressed.connect(self._on_search_returned)
        self._delay.timeout.connect(self._request)
        self._kinds.buttonClicked.connect(self._on_kinds_clicked)
        self._list.selectionModel().currentChanged.connect(self._on_list_current_changed)
        self._list.activated.connect(self._on_list_activated)
        self._open.clicked.connect(self._on_open_clicked)
        self._delete.clicked.connect(self._on_delete_clicked)
        find = QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self)
        find.activated.connect(self._on_find_activated)
        self._list.delete_pressed.connect(self._on_delete_clicked)
        theme.signals.changed.connect(self._on_theme_changed)

    # What the window tells

    def refresh(self) -> None:
        """Ask again for what is on screen: something may have changed."""
        self._request()

    def search_for(self, text: str) -> None:
        """Put ``text`` into the search box."""
        self._search.setText(text)

    def show_items(self, items: Sequence[HistoryItem], text: str) -> None:
        """Show what was found for ``text``; an answer to an older question is dropped."""
        if text != self._search.text():
            return
        before = self._shown
        self._model.show_items(items)
        self._stack.setCurrentIndex(0 if items else 1)
        self._empty.sentence.setText(
            "Nothing found: try fewer or shorter words."
            if text.strip()
            else "Here you will find every chat, document, summary and translation that is kept."
        )
        self._count.setText("" if not items else f"{len(items)} {'item' if len(items) == 1 else 'items'}")
        rows = [row for row, item in enumerate(items) if item.id == before]
        if rows:
            self._list.setCurrentIndex(self._model.index(rows[0]))
        elif text.strip() and items:
            self._list.setCurrentIndex(self._model.index(0))
        else:
            self._show_nothing_chosen()

    def show_preview(self, item_id: str, paragraphs: Sequence[Paragraph]) -> None:
        """Show the text of a row, hits marked; an answer for another row is dropped."""
        if item_id != self._shown:
            return
        self._preview.clear()
        cursor = QTextCursor(self._preview.document())
        cursor.beginEditBlock()
        for heading, text in paragraphs:
            _write(cursor, heading, several_lines(text))
        cursor.endEditBlock()
        self._mark_hits()

    def show_error(self, error: DesktopSlmError) -> None:
        """Say why a row cannot be shown."""
        self._preview.setPlainText(str(error))

    def take(self, item_id: str) -> None:
        """Take a deleted row out of the list."""
        self._model.take(item_id)
        self._stack.setCurrentIndex(0 if self._model.rowCount() else 1)

    def wipe(self) -> None:
        """Forget everything on screen: the vault is being locked."""
        self._search.clear()
        self._model.show_items(())
        self._show_nothing_chosen()

    # Showing

    def _show_nothing_chosen(self) -> None:
        self._shown = ""
        self._bar.set_title("History")
        self._bar.set_chips([])
        self._preview.clear()
        self._open.setEnabled(False)
        self._delete.setEnabled(False)

    def _show_item(self, item: HistoryItem) -> None:
        self._shown = item.id
        self._bar.set_title(item.title or KIND_WORDS[item.kind])
        self._bar.set_chips([KIND_WORDS[item.kind], date_in_words(item.updated)])
        self._open.setEnabled(True)
        self._delete.setEnabled(True)
        hits = {text for text, hit in pieces(item.snippet) if hit} or set(self._search.text().split())
        self._marks = sorted(hits, key=len, reverse=True)
        self.preview_requested.emit(item.id, item.kind, tuple(self._marks))

    def _mark_hits(self) -> None:
        """Mark the words of the snippet's hits everywhere in the preview, and go to the first."""
        colors = theme.current()
        form = QTextCharFormat()
        form.setBackground(QColor(colors.passage_mark))
        form.setForeground(QColor(colors.on_mark))
        selections: list[QTextEdit.ExtraSelection] = []
        document = self._preview.document()
        for mark in self._marks:
            found = document.find(mark.strip(), 0, QTextDocument.FindFlag(0))
            while not found.isNull() and len(selections) < _MAX_MARKS:
                selection = QTextEdit.ExtraSelection()
                selection.cursor, selection.format = QTextCursor(found), form
                selections.append(selection)
                found = document.find(mark.strip(), found)
        self._preview.setExtraSelections(selections)
        first = min((s.cursor.selectionStart() for s in selections), default=0)
        cursor = self._preview.textCursor()
        cursor.setPosition(first)
        self._preview.setTextCursor(cursor)
        self._preview.ensureCursorVisible()
        if selections:
            bar = self._preview.verticalScrollBar()
            below = self._preview.cursorRect().center().y() - self._preview.viewport().height() // 2
            bar.setValue(bar.value() + below)

    def _chosen(self) -> HistoryItem | None:
        return self._model.item(self._list.currentIndex().row())

    # What the user does

    @Slot()
    def _request(self) -> None:
        chosen = self._kinds.checkedButton()
        kind = chosen.objectName() if chosen else ""
        kinds: tuple[ItemKind, ...] = (kind,) if kind else ()  # type: ignore[assignment]
        self.search_requested.emit(self._search.text(), kinds)

    @Slot()
    def _on_search_changed(self) -> None:
        self._delay.start()

    @Slot()
    def _on_search_returned(self) -> None:
        self._list.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot(QAbstractButton)
    def _on_kinds_clicked(self, _button: QAbstractButton) -> None:
        self._request()

    @Slot(QModelIndex, QModelIndex)
    def _on_list_current_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        item = self._model.item(current.row())
        if item is None:
            self._show_nothing_chosen()
        else:
            self._show_item(item)

    @Slot(QModelIndex)
    def _on_list_activated(self, _index: QModelIndex) -> None:
        self._on_open_clicked()

    @Slot()
    def _on_open_clicked(self) -> None:
        if (item := self._chosen()) is not None:
            self.open_requested.emit(item.id, item.kind)

    @Slot()
    def _on_delete_clicked(self) -> None:
        if (item := self._chosen()) is not None:
            self.delete_requested.emit(item.id, item.kind)

    @Slot()
    def _on_find_activated(self) -> None:
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()

    @Slot()
    def _on_theme_changed(self) -> None:
        self._list.viewport().update()
        if self._shown and (item := self._chosen()) is not None:
            self.preview_requested.emit(item.id, item.kind, tuple(self._marks))


def _write(cursor: QTextCursor, heading: str, text: str) -> None:
    """Append a part of the preview; never interprets markup."""
    colors = theme.current()
    block = QTextBlockFormat()
    block.setLineHeight(145, int(QTextBlockFormat.LineHeightTypes.ProportionalHeight.value))
    if heading:
        who = QTextCharFormat()
        who.setForeground(QColor(colors.muted))
        who.setFontWeight(QFont.Weight.DemiBold)
        who.setProperty(QTextCharFormat.Property.FontPixelSize, theme.text_px() - 2)
        space = QTextBlockFormat(block)
        space.setTopMargin(12)
        _new_block(cursor, space)
        cursor.insertText(heading, who)
    body = QTextCharFormat()
    body.setForeground(QColor(colors.ink))
    block.setBottomMargin(4)
    for paragraph in text.split("\n"):
        if paragraph.strip():
            _new_block(cursor, block)
            cursor.insertText(paragraph, body)


def _new_block(cursor: QTextCursor, form: QTextBlockFormat) -> None:
    if cursor.position() == 0 and cursor.block().length() <= 1:
        cursor.setBlockFormat(form)
    else:
        cursor.insertBlock(form)
