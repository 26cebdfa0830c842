"""The recent translations in a column: click to bring one back, star it, delete it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QListView,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.documents.language import LANGUAGES
from desktop_slm.gui import theme
from desktop_slm.gui.items import date_in_words
from desktop_slm.gui.widgets.icon_button import IconButton
from desktop_slm.gui.widgets.plain_label import PlainLabel, one_line
from desktop_slm.store.records import TranslationRecord

COLUMN_PX = 280
_RECORD_ROLE = int(Qt.ItemDataRole.UserRole)
_Index = QModelIndex | QPersistentModelIndex


def pair_text(record: TranslationRecord) -> str:
    """Return ``German to English``."""
    source = LANGUAGES.get(record.source_language, record.source_language) or "Unknown"
    return f"{source} to {LANGUAGES.get(record.target_language, record.target_language)}"


class TranslationListModel(QAbstractListModel):
    """Rows of `TranslationRecord`."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[TranslationRecord] = []

    def show(self, records: Sequence[TranslationRecord]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._records = list(records)
        self.endResetModel()

    def row_of(self, identifier: str) -> int:
        """Return the row of a translation, -1 when it is gone."""
        return next((row for row, record in enumerate(self._records) if record.id == identifier), -1)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of translations."""
        return 0 if parent.isValid() else len(self._records)

    def data(self, index: _Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> object:
        """Return the record, or the text to read aloud."""
        if not 0 <= index.row() < len(self._records):
            return None
        record = self._records[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return one_line(record.source, 80)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            star = ", favorite" if record.favorite else ""
            return f"{one_line(record.source, 80)}, {pair_text(record)}{star}"
        return record if role == _RECORD_ROLE else None


class TranslationDelegate(QStyledItemDelegate):
    """Draws source, target, languages and the star."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Three lines and air."""
        return QSize(120, 3 * theme.text_px() + 40)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw one row."""
        record = index.data(_RECORD_ROLE)
        if not isinstance(record, TranslationRecord):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRect(option.rect)
        self._draw_ground(painter, rect.adjusted(4, 1, -4, -1), option.state)
        self._draw_words(painter, rect.adjusted(14, 8, -14, -8), record)
        painter.restore()

    def _draw_ground(self, painter: QPainter, rect: QRect, state: QStyle.StateFlag) -> None:
        palette = theme.current()
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        if not selected and not hovered:
            return
        focused = selected and bool(state & QStyle.StateFlag.State_HasFocus)
        ring = QPen(QColor(palette.accent), 2) if focused else QPen(QColor(palette.line), 1)
        painter.setPen(ring if selected else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.panel if selected else palette.hover))
        painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 6, 6)

    def _draw_words(self, painter: QPainter, rect: QRect, record: TranslationRecord) -> None:
        palette = theme.current()
        normal, small = QFont(painter.font()), QFont(painter.font())
        normal.setPixelSize(theme.text_px())
        small.setPixelSize(theme.text_px() - 2)
        room = rect.width()
        if record.favorite:
            star = theme.pixmap("star-filled", palette.accent, 14, painter.device().devicePixelRatioF())
            painter.drawPixmap(rect.right() - 13, rect.top() + 2, star)
            room -= 20
        lines = (
            (normal, palette.ink, one_line(record.source, 120), room),
            (normal, palette.muted, one_line(record.target, 120), rect.width()),
            (small, palette.muted, f"{pair_text(record)} · {date_in_words(record.created)}", rect.width()),
        )
        y = rect.top()
        for font, color, text, width in lines:
            metrics = QFontMetrics(font)
            painter.setFont(font)
            painter.setPen(QColor(color))
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
            box = QRect(rect.left(), y, width, metrics.height())
            painter.drawText(box, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), shown)
            y += metrics.height() + 2


class TranslationListView(QListView):
    """The rows; Enter restores, Delete deletes."""

    restored = Signal(object)
    delete_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setItemDelegate(TranslationDelegate(self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)
        self.setAccessibleName("Recent translations")
        self.clicked.connect(self._on_clicked)

    def current_record(self) -> TranslationRecord | None:
        """Return the translation of the current row."""
        record = self.currentIndex().data(_RECORD_ROLE)
        return record if isinstance(record, TranslationRecord) else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter brings the row back, Delete wants it gone."""
        record = self.current_record()
        if record is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.restored.emit(record)
        elif record is not None and event.key() == Qt.Key.Key_Delete:
            self.delete_wanted.emit(record)
        else:
            super().keyPressEvent(event)

    @Slot(QModelIndex)
    def _on_clicked(self, index: QModelIndex) -> None:
        record = index.data(_RECORD_ROLE)
        if isinstance(record, TranslationRecord):
            self.restored.emit(record)


class TranslationHistory(QFrame):
    """Title, filter for favorites, list, and buttons for the row that is selected."""

    restored = Signal(object)
    favorite_changed = Signal(str, bool)
    delete_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "ground")
        self._records: list[TranslationRecord] = []
        self._model = TranslationListModel()
        self.list = TranslationListView()
        self.list.setModel(self._model)
        self.list.restored.connect(self.restored)
        self.list.delete_wanted.connect(self._on_list_delete_wanted)
        self.list.selectionModel().selectionChanged.connect(self._on_selection_changed)
        title = PlainLabel("Recent")
        theme.set_kind(title, "title")
        self.favorites = IconButton("star", "Show favorites only")
        self.favorites.setCheckable(True)
        self.favorites.toggled.connect(self._on_favorites_toggled)
        self._nothing = PlainLabel("Translations you keep working with appear here.", wrap=True)
        self._nothing.setContentsMargins(16, 8, 16, 8)
        theme.set_kind(self._nothing, "muted")
        self.star_button = QPushButton("Add to favorites")
        self.star_button.clicked.connect(self._on_star_clicked)
        self.delete_button = QPushButton("Delete")
        self.delete_button.clicked.connect(self._on_delete_clicked)
        top = QHBoxLayout()
        top.setContentsMargins(16, 10, 10, 6)
        top.addWidget(title, 1)
        top.addWidget(self.favorites)
        foot = QHBoxLayout()
        foot.setContentsMargins(12, 4, 12, 8)
        for button in (self.star_button, self.delete_button):
            theme.set_kind(button, "text")
            foot.addWidget(button)
        foot.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self._nothing)
        layout.addWidget(self.list, 1)
        layout.addLayout(foot)
        self.setMinimumWidth(200)
        self._show()

    def show_translations(self, records: Sequence[TranslationRecord]) -> None:
        """Show these translations, newest first as given."""
        self._records = list(records)
        self._show()

    def visible_records(self) -> list[TranslationRecord]:
        """Return the rows shown."""
        only = self.favorites.isChecked()
        return [record for record in self._records if record.favorite or not only]

    def _show(self) -> None:
        current = self.list.current_record()
        shown = self.visible_records()
        self._model.show(shown)
        row = self._model.row_of(current.id) if current is not None else -1
        if row >= 0:
            self.list.setCurrentIndex(self._model.index(row, 0))
        empty = "No favorites yet." if self._records else "Your translations appear here."
        self._nothing.setText(empty)
        self._nothing.setVisible(not shown)
        self._update_buttons()

    def _update_buttons(self) -> None:
        record = self.list.current_record()
        for button in (self.star_button, self.delete_button):
            button.setVisible(record is not None)
        favorite = record is not None and record.favorite
        self.star_button.setText("Remove from favorites" if favorite else "Add to favorites")

    @Slot(QItemSelection, QItemSelection)
    def _on_selection_changed(self, _selected: QItemSelection, _deselected: QItemSelection) -> None:
        self._update_buttons()

    @Slot(bool)
    def _on_favorites_toggled(self, on: bool) -> None:
        self.favorites.set_icon("star-filled" if on else "star")
        self._show()

    @Slot()
    def _on_star_clicked(self) -> None:
        record = self.list.current_record()
        if record is not None:
            self.favorite_changed.emit(record.id, not record.favorite)

    @Slot()
    def _on_delete_clicked(self) -> None:
        record = self.list.current_record()
        if record is not None:
            self.delete_requested.emit(record.id)

    @Slot(object)
    def _on_list_delete_wanted(self, record: TranslationRecord) -> None:
        self.delete_requested.emit(record.id)
