"""The top bar of one document: back, its name and facts, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QAction, QActionGroup, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QSizePolicy, QWidget

from desktop_slm.documents.model import Document
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.icon_button import IconButton
from desktop_slm.gui.widgets.language_picker import LanguagePicker
from desktop_slm.gui.widgets.plain_label import NameLabel, PlainLabel
from desktop_slm.tasks.requests import Length, Style

LENGTHS: dict[Length, str] = {"short": "Short", "medium": "Medium", "long": "Long"}
STYLES: dict[Style, str] = {"paragraph": "Paragraph", "bullets": "Bullets", "sections": "By section"}
EXPORTS = {"md": "Markdown…", "html": "HTML…", "pdf": "PDF…", "docx": "Word…", "copy": "Copy to clipboard"}
NARROW_PX = 1000


class DocumentBar(QFrame):
    """Says what was pressed; knows nothing of the document but its name and facts."""

    back_pressed = Signal()
    length_chosen = Signal(str)
    style_chosen = Signal(str)
    ask_pressed = Signal()
    translate_pressed = Signal()
    export_chosen = Signal(str)
    pages_toggled = Signal(bool)
    language_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "bar")
        self.setFixedHeight(theme.TOP_BAR_PX)
        self.length: Length = "medium"
        self.style_name: Style = "paragraph"
        back = IconButton("chevron-left", "Back to the library", "Alt+Left", self)
        back.clicked.connect(self.back_pressed)
        self.back_button = back
        self.name = NameLabel()
        theme.set_kind(self.name, "title")
        self.name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._chips = QWidget()
        self._chip_row = QHBoxLayout(self._chips)
        self._chip_row.setContentsMargins(0, 0, 0, 0)
        self._chip_row.setSpacing(8)
        self.language = LanguagePicker("Language of the document", kind="chip", unknown="Unknown language")
        self.language.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.language.setToolTip("The language found in the document: choose another if that is wrong")
        self.language.language_changed.connect(self.language_chosen)
        self.length_button = self._menu_button("Length of the summary", LENGTHS, self._on_length_triggered)
        self.style_button = self._menu_button("Style of the summary", STYLES, self._on_style_triggered)
        self.ask_button = QPushButton("Ask")
        self.ask_button.setToolTip("Ask this document (Ctrl+K)")
        self.ask_button.setShortcut("Ctrl+K")
        self.ask_button.clicked.connect(self.ask_pressed)
        self.translate_button = QPushButton("Translate")
        self.translate_button.setToolTip("Open the text on the Translate page")
        self.translate_button.clicked.connect(self.translate_pressed)
        self.export_button = self._menu_button(
            "Export the summary", EXPORTS, self._on_export_triggered, False
        )
        self.export_button.setText("Export")
        self.pages_button = IconButton("sidebar", "Show the pages", "F9", self)
        self.pages_button.setCheckable(True)
        self.pages_button.setChecked(True)
        self.pages_button.toggled.connect(self.pages_toggled)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 0, 20, 0)
        layout.setSpacing(8)
        layout.addWidget(back)
        layout.addWidget(self.name)
        layout.addWidget(self._chips)
        layout.addWidget(self.language)
        layout.addStretch(1)
        for button in (self.length_button, self.style_button, self.ask_button, self.translate_button):
            theme.set_kind(button, "outlined")
            layout.addWidget(button)
        theme.set_kind(self.export_button, "outlined")
        layout.addWidget(self.export_button)
        layout.addWidget(self.pages_button)
        self._show_choices()

    def tab_order(self) -> list[QWidget]:
        """Return what comes one after the other with Tab."""
        making: list[QWidget] = [self.back_button, self.language, self.length_button, self.style_button]
        return [*making, self.ask_button, self.translate_button, self.export_button, self.pages_button]

    def chips(self) -> list[str]:
        """Return what the chips say."""
        items = (self._chip_row.itemAt(index) for index in range(self._chip_row.count()))
        widgets = (item.widget() for item in items if item is not None)
        texts = [widget.text() for widget in widgets if isinstance(widget, PlainLabel)]
        return [*texts, self.language.text()]

    def show_name(self, name: str) -> None:
        """Show a file that is being read."""
        self.name.set_name(name)
        self._show_chips([])
        self.language.hide()

    def show_document(self, document: Document) -> None:
        """Show name and facts."""
        self.name.set_name(document.name or document.title)
        count = len(document.pages)
        unit = document.page_unit if count == 1 else f"{document.page_unit}s"
        words = f"{document.words:,} words" if document.words else ""
        self._show_chips([f"{count:,} {unit}", words])
        self.language.set_code(document.language)
        self.language.show()

    def set_ready(self, readable: bool, summarized: bool) -> None:
        """Enable what makes sense now."""
        for button in (self.length_button, self.style_button, self.ask_button, self.translate_button):
            button.setEnabled(readable)
        self.export_button.setEnabled(summarized)

    def choose(self, length: Length, style: Style) -> None:
        """Show another choice without telling anyone."""
        self.length, self.style_name = length, style
        self._show_choices()

    @property
    def _narrow_px(self) -> int:
        """Below this width the bar says less; larger text needs more of it."""
        return NARROW_PX * theme.text_px() // theme.TEXT_PX

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the chips up and shorten what is said where there is no room."""
        super().resizeEvent(event)
        self._chips.setVisible(event.size().width() >= self._narrow_px)
        self._show_choices()

    def _show_chips(self, texts: list[str]) -> None:
        while (item := self._chip_row.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for text in texts:
            if text:
                chip = PlainLabel(text)
                chip.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
                theme.set_kind(chip, "chip")
                self._chip_row.addWidget(chip)

    def _menu_button(
        self,
        name: str,
        entries: Mapping[Length, str] | Mapping[Style, str] | Mapping[str, str],
        slot: Callable[[QAction], None],
        checkable: bool = True,
    ) -> QPushButton:
        button = QPushButton()
        button.setAccessibleName(name)
        button.setToolTip(name)
        menu = QMenu(button)
        group = QActionGroup(menu)
        for key, text in entries.items():
            action = menu.addAction(text)
            action.setData(key)
            action.setCheckable(checkable)
            group.addAction(action)
        menu.triggered.connect(slot)
        button.setMenu(menu)
        return button

    def _show_choices(self) -> None:
        length = LENGTHS[self.length]
        self.length_button.setText(length if self.width() < self._narrow_px else f"Summary: {length.lower()}")
        self.style_button.setText(STYLES[self.style_name])
        for button, value in ((self.length_button, self.length), (self.style_button, self.style_name)):
            for action in button.menu().actions():
                action.setChecked(action.data() == value)

    @Slot(QAction)
    def _on_length_triggered(self, action: QAction) -> None:
        self.length = action.data()
        self._show_choices()
        self.length_chosen.emit(self.length)

    @Slot(QAction)
    def _on_style_triggered(self, action: QAction) -> None:
        self.style_name = action.data()
        self._show_choices()
        self.style_chosen.emit(self.style_name)

    @Slot(QAction)
    def _on_export_triggered(self, action: QAction) -> None:
        self.export_chosen.emit(action.data())
