"""The column of conversations: search, grouped list, New; rename in place, pin, delete."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractItemModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QAction, QColor, QFont, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QMenu,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.conversation_model import HEADING_ROLE, ConversationModel
from desktop_slm.gui.widgets.leaf_writer import is_right_to_left
from desktop_slm.gui.widgets.plain_label import PlainLabel
from desktop_slm.store.records import ConversationRecord

ROW_PX = 34
_Index = QModelIndex | QPersistentModelIndex
_State = QStyle.StateFlag


class _RowPainter(QStyledItemDelegate):
    """Paints headings and titles; edits a title in place."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """All rows are equally high, so that ten thousand of them scroll smoothly."""
        return QSize(100, ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw one row."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area: QRect = option.rect
        heading = index.data(HEADING_ROLE)
        if heading:
            self._heading(painter, area, str(heading))
        else:
            self._title(painter, area, option, str(index.data()))
        painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: _Index) -> QWidget:
        """A line edit as high as the row."""
        editor = QLineEdit(parent)
        editor.setAccessibleName("Title")
        editor.setMaxLength(200)
        return editor

    def setEditorData(self, editor: QWidget, index: _Index) -> None:
        """Start with the title, selected."""
        if isinstance(editor, QLineEdit):
            editor.setText(str(index.data(Qt.ItemDataRole.EditRole)))
            editor.selectAll()

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: _Index) -> None:
        """Hand the new title to the model."""
        if isinstance(editor, QLineEdit):
            model.setData(index, editor.text())

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: _Index) -> None:
        """Cover the row."""
        area: QRect = option.rect
        editor.setGeometry(area.adjusted(8, 1, -8, -1))

    def _heading(self, painter: QPainter, area: QRect, text: str) -> None:
        font = QFont(painter.font())
        font.setPixelSize(theme.text_px() - 3)
        font.setWeight(QFont.Weight.DemiBold)
        font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.3)
        painter.setFont(font)
        painter.setPen(QColor(theme.current().muted))
        place = area.adjusted(16, 0, -12, -5)
        painter.drawText(place, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeading, text.upper())

    def _title(self, painter: QPainter, area: QRect, option: QStyleOptionViewItem, text: str) -> None:
        colors = theme.current()
        state: QStyle.StateFlag = option.state
        box = QRectF(area).adjusted(8, 1, -8, -1)
        if state & _State.State_Selected:
            painter.setPen(QPen(QColor(colors.line), 1))
            painter.setBrush(QColor(colors.panel))
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        elif state & _State.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.line))
            painter.drawRoundedRect(box, 6, 6)
        if state & _State.State_HasFocus and state & _State.State_KeyboardFocusChange:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 6, 6)
        painter.setPen(QColor(colors.ink))
        place = area.adjusted(18, 0, -18, 0)
        if is_right_to_left(text):
            painter.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, place.width())
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeading, text)


class _ListView(QListView):
    """Delete asks to delete the current row; Enter opens it."""

    delete_pressed = Signal()
    enter_pressed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete and Enter are wishes, F2 edits, the rest moves."""
        if event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and (
            self.state() != QAbstractItemView.State.EditingState
        ):
            self.enter_pressed.emit()
        else:
            super().keyPressEvent(event)


class ConversationList(QFrame):
    """Search box, list, New.

    Signals:
        selected: Id of a conversation to open.
        new_requested: Open a new one.
        rename_requested, pin_requested, delete_requested: Id and the new value.
    """

    selected = Signal(str)
    new_requested = Signal()
    rename_requested = Signal(str, str)
    pin_requested = Signal(str, bool)
    delete_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "ground")
        self._current = ""
        self.model = ConversationModel(self)
        self.model.renamed.connect(self.rename_requested)
        self.new = QPushButton("New", self)
        theme.set_kind(self.new, "outlined")
        self.new.setAccessibleName("New chat")
        self.new.setToolTip("New chat (Ctrl+N)")
        self.new.clicked.connect(self.new_requested)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search chats")
        self.search.setAccessibleName("Search chats by title")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._on_search_changed)
        self.view = _ListView(self)
        self.view.setAccessibleName("Chats")
        self.view.setModel(self.model)
        self.view.setItemDelegate(_RowPainter(self.view))
        self.view.setUniformItemSizes(True)
        self.view.setMouseTracking(True)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._on_menu_requested)
        self.view.clicked.connect(self._on_row_chosen)
        self.view.enter_pressed.connect(self._on_enter_pressed)
        self.view.delete_pressed.connect(self._on_delete_pressed)
        self.none = PlainLabel("", wrap=True, parent=self)
        theme.set_kind(self.none, "meta")
        self._lay_out()
        self._show_none()

    def _lay_out(self) -> None:
        title = PlainLabel("Chats", parent=self)
        theme.set_kind(title, "title")
        top = QHBoxLayout()
        top.setContentsMargins(16, 0, 16, 0)
        top.addWidget(title, 1)
        top.addWidget(self.new)
        bar = QWidget(self)
        bar.setLayout(top)
        bar.setFixedHeight(theme.TOP_BAR_PX + 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        for widget in (self.search, self.none):
            row = QHBoxLayout()
            row.setContentsMargins(12, 0, 12, 4)
            row.addWidget(widget)
            layout.addLayout(row)
        layout.addWidget(self.view, 1)

    def show_conversations(self, records: Sequence[ConversationRecord]) -> None:
        """Replace the list, keeping place and selection."""
        if self.view.state() == QAbstractItemView.State.EditingState:
            self.view.setCurrentIndex(self.view.currentIndex())
        value = self.view.verticalScrollBar().value()
        self.model.show_records(records)
        self._select_current()
        self.view.verticalScrollBar().setValue(value)
        self._show_none()

    def show_current(self, conversation: str) -> None:
        """Mark the open conversation, none for a new one."""
        self._current = conversation
        self._select_current()

    def start_rename(self, conversation: str) -> None:
        """Edit a title in place."""
        row = self.model.row_of(conversation)
        if row >= 0:
            index = self.model.index(row)
            self.view.setCurrentIndex(index)
            self.view.edit(index)

    def menu_for(self, record: ConversationRecord) -> QMenu:
        """Return the menu of a conversation."""
        menu = QMenu(self.view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.aboutToHide.connect(self._select_current)  # the click for the menu has marked its row
        for name, slot in (
            ("Rename", self._on_rename_triggered),
            ("Unpin" if record.pinned else "Pin", self._on_pin_triggered),
            ("Delete", self._on_delete_triggered),
        ):
            action = QAction(name, menu)
            action.setData(record.id)
            action.triggered.connect(slot)
            menu.addAction(action)
        return menu

    @Slot()
    def _select_current(self) -> None:
        row = self.model.row_of(self._current) if self._current else -1
        if row >= 0:
            self.view.setCurrentIndex(self.model.index(row))
        else:
            self.view.clearSelection()
            self.view.setCurrentIndex(QModelIndex())

    def _show_none(self) -> None:
        empty = self.model.rowCount() == 0
        self.none.setVisible(empty)
        nothing = "No chat has such a title. History searches inside them."
        self.none.setText(nothing if self.search.text() else "Chats appear here.")

    def _record_at(self, index: _Index) -> ConversationRecord | None:
        return self.model.record(index.row())

    @Slot(str)
    def _on_search_changed(self, text: str) -> None:
        self.model.show_matching(text)
        self._select_current()
        self._show_none()

    @Slot(QModelIndex)
    def _on_row_chosen(self, index: QModelIndex) -> None:
        record = self._record_at(index)
        if record is not None and record.id != self._current:
            self.selected.emit(record.id)

    @Slot()
    def _on_enter_pressed(self) -> None:
        self._on_row_chosen(self.view.currentIndex())

    @Slot()
    def _on_delete_pressed(self) -> None:
        record = self._record_at(self.view.currentIndex())
        if record is not None:
            self.delete_requested.emit(record.id)

    @Slot(QPoint)
    def _on_menu_requested(self, place: QPoint) -> None:
        record = self._record_at(self.view.indexAt(place))
        if record is not None:
            self.menu_for(record).popup(self.view.viewport().mapToGlobal(place))

    @Slot()
    def _on_rename_triggered(self) -> None:
        self.start_rename(self._chosen_id())

    @Slot()
    def _on_pin_triggered(self) -> None:
        record = self.model.record(self.model.row_of(self._chosen_id()))
        if record is not None:
            self.pin_requested.emit(record.id, not record.pinned)

    @Slot()
    def _on_delete_triggered(self) -> None:
        self.delete_requested.emit(self._chosen_id())

    def _chosen_id(self) -> str:
        action = self.sender()
        return str(action.data()) if isinstance(action, QAction) else ""
