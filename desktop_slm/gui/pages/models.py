"""The Models page: what this computer is, what is installed, and what each model is good for here."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.column import Column
from desktop_slm.gui.widgets.empty_state import EmptyState
from desktop_slm.gui.widgets.model_card import ModelCard, ModelFacts, NoticeKind
from desktop_slm.gui.widgets.plain_label import PlainLabel
from desktop_slm.gui.widgets.top_bar import TopBar

_TASKS = (
    ("", "All"),
    ("chat", "Chat"),
    ("summarize", "Summarize"),
    ("ask", "Ask documents"),
    ("translate", "Translate"),
)
_COLUMN_PX = 1040


class ModelsPage(QWidget):
    """Cards of the installed models.

    Signals:
        models_requested: The page is on screen; answered by `show_models` and `show_computer`.
        use_requested: Id of the model to use for everything from now on.
        prepare_requested, measure_requested, verify_requested, remove_requested: Id; progress goes to
            `show_progress`, what came of preparing to `show_notice`.
        original_requested: Id of a prepared model whose original is to be used again.
        import_requested: Path of a GGUF file, and ``copy`` or ``use`` (where it is).
        starter_requested: Put the starter model on the shelf.
        stop_requested: Id of the model (empty: the import) whose work is to stop.
    """

    models_requested = Signal()
    use_requested = Signal(str)
    prepare_requested = Signal(str)
    original_requested = Signal(str)
    measure_requested = Signal(str)
    verify_requested = Signal(str)
    remove_requested = Signal(str)
    import_requested = Signal(str, str)
    starter_requested = Signal()
    stop_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._facts: list[ModelFacts] = []
        self._cards: dict[str, ModelCard] = {}
        self._notices: dict[str, tuple[NoticeKind, str]] = {}
        bar = TopBar("Models", self)
        self._add = bar.add_button("Add a file")
        self._add.setToolTip("Use a GGUF file of this computer or of a USB stick")
        self._column = Column(_COLUMN_PX, self)
        self._computer = PlainLabel("Looking at this computer…", wrap=True, parent=self)
        theme.set_kind(self._computer, "muted")
        self._tasks = QButtonGroup(self)
        self._problem = self._make_banner()
        self._import_card = ModelCard(
            ModelFacts("", "New model", "Checking the file, then copying it."), self
        )
        self._import_card.hide()
        self._empty = EmptyState(
            "models",
            "No model is installed. Start with the tiny one that came along, or add a GGUF file.",
            "Start with the tiny starter",
            self,
        )
        self._empty.setMinimumHeight(320)
        self._empty.hide()
        self._lay_out(bar)
        self._connect_signals()

    # Building

    def _make_banner(self) -> QFrame:
        banner = QFrame(self)
        theme.set_kind(banner, "banner")
        self._problem_text = PlainLabel(wrap=True, parent=banner)
        self._problem_close = QPushButton("Close", banner)
        theme.set_kind(self._problem_close, "text")
        row = QHBoxLayout(banner)
        row.setContentsMargins(12, 8, 8, 8)
        row.addWidget(self._problem_text, 1)
        row.addWidget(self._problem_close)
        banner.hide()
        return banner

    def _make_tasks(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        for task, title in _TASKS:
            button = QPushButton(title, self)
            button.setObjectName(task)
            button.setCheckable(True)
            button.setAccessibleName(f"Show models for: {title}")
            theme.set_kind(button, "segment")
            self._tasks.addButton(button)
            row.addWidget(button)
            button.setChecked(not task)
        row.addStretch(1)
        return row

    def _lay_out(self, bar: TopBar) -> None:
        body = self._column.body
        body.addWidget(self._computer)
        body.addLayout(self._make_tasks())
        body.addWidget(self._problem)
        body.addWidget(self._import_card)
        self._list = QVBoxLayout()
        self._list.setSpacing(12)
        body.addLayout(self._list)
        self._nothing = PlainLabel("No installed model is made for this task.", parent=self)
        theme.set_kind(self._nothing, "muted")
        self._nothing.hide()
        body.addWidget(self._nothing)
        body.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self._column, 1)

    def _connect_signals(self) -> None:
        self._menu = QMenu(self._add)
        copy = self._menu.addAction(theme.icon("copy"), "Copy a file in…")
        use = self._menu.addAction(theme.icon("folder"), "Use a file where it is…")
        copy.triggered.connect(self._on_copy_triggered)
        use.triggered.connect(self._on_use_file_triggered)
        self._add.clicked.connect(self._on_add_clicked)
        self._tasks.buttonClicked.connect(self._on_tasks_button_clicked)
        self._problem_close.clicked.connect(self._problem.hide)
        self._empty.button_pressed.connect(self._on_empty_button_pressed)
        self._import_card.stop_requested.connect(self.stop_requested)

    # What the window tells

    def show_computer(self, sentence: str) -> None:
        """Say what this computer is."""
        self._computer.setText(sentence)

    def show_models(self, models: Sequence[ModelFacts], *, starter_available: bool = False) -> None:
        """Show the installed models in this order."""
        self._facts = list(models)
        self._empty.button.setVisible(starter_available)
        self._refill()

    def show_progress(self, model_id: str, text: str, fraction: float = -1.0) -> None:
        """Show work on a model, empty id for an import; an empty text ends it."""
        if not model_id:
            self._import_card.setVisible(bool(text))
            self._import_card.show_progress(text or "…", fraction)
            self._add.setEnabled(not text)
        elif model_id in self._cards:
            self._cards[model_id].show_progress(text, fraction)

    def show_notice(self, model_id: str, kind: NoticeKind, text: str) -> None:
        """Say on a model's card what came of preparing it, until that is closed."""
        self._notices[model_id] = (kind, text)
        if model_id in self._cards:
            self._cards[model_id].show_notice(kind, text)

    def clear_notice(self, model_id: str) -> None:
        """Forget what a card said; it offers again what there is to offer."""
        if self._notices.pop(model_id, None) and (card := self._cards.get(model_id)) is not None:
            card.show_notice("offer", card.facts.offer)

    def show_error(self, error: DesktopSlmError) -> None:
        """Say why the last wish did not come true."""
        self._problem_text.setText(str(error))
        self._problem.show()

    def add_file(self, path: str) -> None:
        """Take a dropped file in."""
        self._problem.hide()
        self.import_requested.emit(path, "copy")

    # Showing

    def _refill(self) -> None:
        while (item := self._list.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        chosen = self._tasks.checkedButton()
        task = chosen.objectName() if chosen else ""
        shown = [facts for facts in self._facts if not task or task in facts.tasks or facts.problem]
        self._cards = {facts.id: self._make_card(facts) for facts in shown}
        self._nothing.setVisible(bool(self._facts) and not shown)
        self._empty.setVisible(not self._facts)

    def _make_card(self, facts: ModelFacts) -> ModelCard:
        card = ModelCard(facts, self)
        card.use_requested.connect(self.use_requested)
        card.prepare_requested.connect(self.prepare_requested)
        card.original_requested.connect(self.original_requested)
        card.measure_requested.connect(self.measure_requested)
        card.notice_closed.connect(self.clear_notice)
        card.verify_requested.connect(self.verify_requested)
        card.remove_requested.connect(self.remove_requested)
        card.stop_requested.connect(self.stop_requested)
        self._list.addWidget(card)
        if facts.id in self._notices:
            card.show_notice(*self._notices[facts.id])
        return card

    # What the user does

    @Slot()
    def _on_add_clicked(self) -> None:
        self._menu.popup(self._add.mapToGlobal(QPoint(0, self._add.height() + 4)))

    @Slot()
    def _on_copy_triggered(self) -> None:
        self._choose_file("copy")

    @Slot()
    def _on_use_file_triggered(self) -> None:
        self._choose_file("use")

    def _choose_file(self, how: str) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Choose a model file", "", "Models (*.gguf);;All files (*)"
        )
        if path:
            self._problem.hide()
            self.import_requested.emit(path, how)

    @Slot(QAbstractButton)
    def _on_tasks_button_clicked(self, _button: QAbstractButton) -> None:
        self._refill()
        self._column.verticalScrollBar().setValue(0)

    @Slot()
    def _on_empty_button_pressed(self) -> None:
        self.starter_requested.emit()
