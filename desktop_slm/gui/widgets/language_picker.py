"""Chooses a language: a button that opens a list with a search field."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStyleOptionButton,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.documents.language import LANGUAGES
from desktop_slm.gui import theme

DETECT = "Detect language"
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ps", "ur", "ug", "yi", "dv", "sd"})
_CODE_ROLE = int(Qt.ItemDataRole.UserRole)


class LanguageList(QFrame):
    """The pop-up: what is typed filters, the arrow keys move, Enter chooses, Esc closes."""

    chosen = Signal(str)

    def __init__(self, with_detection: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        theme.set_kind(self, "panel")
        self.setAccessibleName("Languages")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search languages")
        self.search.setAccessibleName("Search languages")
        self.search.setAcceptDrops(False)
        self.search.textChanged.connect(self._on_search_text_changed)
        self.search.installEventFilter(self)
        self.list = QListWidget()
        self.list.setAccessibleName("Languages")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.itemClicked.connect(self._on_list_item_clicked)
        codes = ([("", DETECT)] if with_detection else []) + sorted(LANGUAGES.items(), key=_by_name)
        for code, name in codes:
            item = QListWidgetItem(name)
            item.setData(_CODE_ROLE, code)
            self.list.addItem(item)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(8)
        layout.addWidget(self.search)
        layout.addWidget(self.list)
        self.resize(260, 340)

    def open_at(self, spot: QPoint, code: str) -> None:
        """Show the list with ``code`` selected."""
        self.search.clear()
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item.data(_CODE_ROLE) == code:
                self.list.setCurrentItem(item)
                self.list.scrollToItem(item)
        self.move(spot)
        self.show()
        self.search.setFocus()

    def shown_names(self) -> list[str]:
        """Return the languages that pass the search."""
        items = (self.list.item(row) for row in range(self.list.count()))
        return [item.text() for item in items if not item.isHidden()]

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the arrow keys and Enter in the search field work on the list."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            if event.key() == Qt.Key.Key_Escape:
                event.accept()  # closes this list and does not stop the page's work
                return True
        elif isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                self._move(1 if event.key() == Qt.Key.Key_Down else -1)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._choose(self.list.currentItem())
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.hide()
                return True
        return super().eventFilter(watched, event)

    def _move(self, step: int) -> None:
        row = self.list.currentRow() + step
        while 0 <= row < self.list.count():
            if not self.list.item(row).isHidden():
                self.list.setCurrentRow(row)
                return
            row += step

    def _choose(self, item: QListWidgetItem | None) -> None:
        if item is not None and not item.isHidden():
            self.hide()
            self.chosen.emit(str(item.data(_CODE_ROLE)))

    @Slot(str)
    def _on_search_text_changed(self, text: str) -> None:
        wanted, first = text.casefold().strip(), None
        for row in range(self.list.count()):
            item = self.list.item(row)
            hit = item.text().casefold().startswith(wanted) or wanted == item.data(_CODE_ROLE)
            hit = hit or f" {wanted}" in item.text().casefold()
            item.setHidden(bool(wanted) and not hit)
            if first is None and not item.isHidden():
                first = item
        if wanted and first is not None:
            self.list.setCurrentItem(first)

    @Slot(QListWidgetItem)
    def _on_list_item_clicked(self, item: QListWidgetItem) -> None:
        self._choose(item)


class LanguagePicker(QPushButton):
    """Shows the language chosen; ``""`` means detection, with what was detected in brackets.

    Args:
        name: What the language is for: "Translate from".
        with_detection: Offer detection.
        code: Language at the start.
        kind: How it looks: ``outlined`` or ``chip``.
        unknown: What it says while no language is chosen.
        parent: Owner.
    """

    language_changed = Signal(str)

    def __init__(
        self,
        name: str,
        *,
        with_detection: bool = False,
        code: str = "",
        kind: str = "outlined",
        unknown: str = DETECT,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        theme.set_kind(self, kind)
        self._unknown = unknown
        self._name = name
        self._code = code
        self._detected = ""
        self.popup = LanguageList(with_detection, self)
        self.popup.chosen.connect(self.choose)
        self.clicked.connect(self._on_clicked)
        self._show()

    @property
    def code(self) -> str:
        """The language chosen, empty for detection."""
        return self._code

    @property
    def detected(self) -> str:
        """The language that was detected, empty while unknown."""
        return self._detected

    @Slot(str)
    def choose(self, code: str) -> None:
        """Choose a language and tell it."""
        if code != self._code:
            self.set_code(code)
            self.language_changed.emit(code)

    def set_code(self, code: str) -> None:
        """Show another choice without telling anyone."""
        self._code, self._detected = code, ""
        self._show()

    def show_detected(self, code: str) -> None:
        """Show what was detected, while detection is chosen."""
        self._detected = code if not self._code else ""
        self._show()

    def initStyleOption(self, option: QStyleOptionButton) -> None:
        """Look like a button with a menu."""
        super().initStyleOption(option)
        option.features |= QStyleOptionButton.ButtonFeature.HasMenu

    def sizeHint(self) -> QSize:
        """Leave room for the mark."""
        hint = super().sizeHint()
        return QSize(hint.width() + 22, hint.height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The down arrow opens the list, too."""
        if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._on_clicked()
        else:
            super().keyPressEvent(event)

    def _show(self) -> None:
        text = LANGUAGES.get(self._code, self._code) if self._code else self._unknown
        if self._detected:
            text = f"Detect ({LANGUAGES.get(self._detected, self._detected)})"
        self.setText(text)
        self.setAccessibleName(f"{self._name}: {text}")
        self.setToolTip(self._name)

    @Slot()
    def _on_clicked(self) -> None:
        self.popup.open_at(self.mapToGlobal(QPoint(0, self.height() + 4)), self._code)


def _by_name(entry: tuple[str, str]) -> str:
    return entry[1]
