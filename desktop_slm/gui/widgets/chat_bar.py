"""The bar on top of the chat page: title to edit, sampling preset, model, export."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QActionGroup, QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QMenu, QPushButton, QSizePolicy, QWidget

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.chip import Chip
from desktop_slm.gui.widgets.icon_button import IconButton
from desktop_slm.gui.widgets.plain_label import one_line

PRESETS = {"precise": "Precise", "balanced": "Balanced", "creative": "Creative"}
_PRESET_TIPS = {
    "precise": "Sticks to the likeliest words",
    "balanced": "A little variety",
    "creative": "More surprising words",
}
MAX_TITLE_CHARS = 200
NO_MODEL = "No model"


class TitleEdit(QLineEdit):
    """The title; looks like a label until it is edited. Enter keeps, Esc gives up.

    Signals:
        renamed: The new title.
    """

    renamed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "bare")
        self._title = ""
        self.setMaxLength(MAX_TITLE_CHARS)
        self.setAccessibleName("Title of the chat")
        self.setToolTip("Rename this chat (F2)")
        self.setPlaceholderText("New chat")
        self.setAcceptDrops(False)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.textChanged.connect(self._on_text_changed)
        self.editingFinished.connect(self._on_editing_finished)
        theme.signals.changed.connect(self._on_theme_changed)
        self._on_theme_changed()

    def show_title(self, title: str, *, editable: bool) -> None:
        """Show a title."""
        self._title = one_line(title)
        self.setReadOnly(not editable)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if editable else Qt.FocusPolicy.NoFocus)
        if not self.hasFocus():
            self.setText(self._title)
            self.setCursorPosition(0)

    def sizeHint(self) -> QSize:
        """As wide as the title."""
        text = self.text() or self.placeholderText()
        return QSize(self.fontMetrics().horizontalAdvance(text) + 6, 32)

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        return QSize(80, 32)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc brings the old title back."""
        if event.key() == Qt.Key.Key_Escape:
            self.setText(self._title)
            self.clearFocus()
        else:
            super().keyPressEvent(event)
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.clearFocus()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show the beginning again."""
        super().focusOutEvent(event)
        self.setCursorPosition(0)

    @Slot(str)
    def _on_text_changed(self, _text: str) -> None:
        self.updateGeometry()

    @Slot()
    def _on_editing_finished(self) -> None:
        title = one_line(self.text())
        if title and title != self._title and not self.isReadOnly():
            self._title = title
            self.renamed.emit(title)
        elif not title:
            self.setText(self._title)

    @Slot()
    def _on_theme_changed(self) -> None:
        self.setStyleSheet(f"font-size: {theme.text_px() + 1}px; font-weight: 600;")


class ChatBar(QFrame):
    """Title, preset, model, export.

    Signals:
        renamed: New title. preset_chosen, model_chosen: Name or id.
        models_requested: Go to the models page.
        copy_requested, save_requested: The conversation as Markdown.
        list_requested: Show the folded list.
    """

    renamed = Signal(str)
    preset_chosen = Signal(str)
    model_chosen = Signal(str)
    models_requested = Signal()
    copy_requested = Signal()
    save_requested = Signal()
    list_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "bar")
        self.setFixedHeight(theme.TOP_BAR_PX)
        self._models: Sequence[tuple[str, str]] = ()
        self._model = ""
        self._preset = "balanced"
        self.list = IconButton("sidebar", "Show the list of chats", "", self)
        self.list.setToolTip("Show the list of chats (Ctrl+B)")
        self.list.clicked.connect(self.list_requested)
        self.list.hide()
        self.title = TitleEdit(self)
        self.title.renamed.connect(self.renamed)
        self.preset = Chip("Balanced", self)
        self.preset.clicked.connect(self._on_preset_clicked)
        self.model = QPushButton(NO_MODEL, self)
        theme.set_kind(self.model, "outlined")
        self.model.clicked.connect(self._on_model_clicked)
        self.export = QPushButton("Export", self)
        theme.set_kind(self.export, "outlined")
        self.export.setToolTip("Export this chat (Ctrl+E)")
        self.export.setShortcut("Ctrl+E")
        self.export.clicked.connect(self._on_export_clicked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(20, 0, 20, 0)
        layout.setSpacing(10)
        for widget in (self.list, self.title, self.preset):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self.model)
        layout.addWidget(self.export)
        self.show_preset("balanced")
        self.show_models((), "")

    def show_preset(self, preset: str) -> None:
        """Show which sampling preset is in use."""
        self._preset = preset
        self.preset.set_words(PRESETS.get(preset, preset))
        self.preset.setAccessibleName(f"Sampling: {self.preset.text()}")
        self.preset.setToolTip(f"How freely the model writes: {_PRESET_TIPS.get(preset, '')}")

    def show_models(self, models: Sequence[tuple[str, str]], current: str) -> None:
        """Offer models."""
        self._models, self._model = models, current
        name = dict(models).get(current, models[0][1] if models else NO_MODEL)
        metrics = self.model.fontMetrics()
        self.model.setText(metrics.elidedText(one_line(name), Qt.TextElideMode.ElideMiddle, 180))
        self.model.setAccessibleName(f"Model: {one_line(name)}")
        self.model.setToolTip(one_line(name))

    def preset_menu(self) -> QMenu:
        """Return the presets to choose from."""
        menu = self._menu()
        group = QActionGroup(menu)
        for preset, name in PRESETS.items():
            action = QAction(f"{name}: {_PRESET_TIPS[preset].lower()}", group)
            action.setCheckable(True)
            action.setChecked(preset == self._preset)
            action.setData(preset)
            menu.addAction(action)
        group.triggered.connect(self._on_preset_triggered)
        return menu

    def model_menu(self) -> QMenu:
        """Return the installed models to choose from."""
        menu = self._menu()
        group = QActionGroup(menu)
        for id_, name in self._models:
            action = QAction(one_line(name, 60).replace("&", "&&"), group)
            action.setCheckable(True)
            action.setChecked(id_ == self._model)
            action.setData(id_)
            menu.addAction(action)
        group.triggered.connect(self._on_model_triggered)
        if self._models:
            menu.addSeparator()
        more = menu.addAction("More models…")
        more.triggered.connect(self.models_requested)
        return menu

    def export_menu(self) -> QMenu:
        """Return the ways to take the conversation along."""
        menu = self._menu()
        menu.addAction("Copy as Markdown").triggered.connect(self.copy_requested)
        menu.addAction("Save as Markdown…").triggered.connect(self.save_requested)
        return menu

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def _popup(self, menu: QMenu, below: QWidget) -> None:
        menu.popup(below.mapToGlobal(below.rect().bottomLeft()))

    @Slot()
    def _on_preset_clicked(self) -> None:
        self._popup(self.preset_menu(), self.preset)

    @Slot()
    def _on_model_clicked(self) -> None:
        if self._models:
            self._popup(self.model_menu(), self.model)
        else:
            self.models_requested.emit()

    @Slot()
    def _on_export_clicked(self) -> None:
        self._popup(self.export_menu(), self.export)

    @Slot(QAction)
    def _on_preset_triggered(self, action: QAction) -> None:
        self.show_preset(str(action.data()))
        self.preset_chosen.emit(str(action.data()))

    @Slot(QAction)
    def _on_model_triggered(self, action: QAction) -> None:
        self.show_models(self._models, str(action.data()))
        self.model_chosen.emit(str(action.data()))
