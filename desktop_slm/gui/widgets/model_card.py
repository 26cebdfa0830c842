"""One model as a card: what it is good for here, its size and licence, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_slm.gui import theme
from desktop_slm.gui.widgets.notice_bar import NoticeBar, Tone
from desktop_slm.gui.widgets.plain_label import NameLabel, PlainLabel, one_line


@dataclass(frozen=True)
class ModelFacts:
    """What a card shows, in words.

    Attributes:
        id: Shelf id.
        name: For people.
        sentence: What it is for, or why it cannot be used.
        chips: Size, licence, verified, ...
        tasks: What it can be used for.
        fit_word: ``Fast``, ``Comfortable``, ``Slow``, ``Won't fit``, or empty when unknown.
        fit_sum: The sum behind the word, one part a line.
        problem: It cannot be used.
        in_use: It is the model that answers now.
        offer: What preparing it promises; empty when there is nothing to offer.
        can_prepare: A faster copy can be made of it.
        prepared: It is a faster copy; the original can be used again.
        on_shelf: It can be verified and removed (not a file of another application's folder).
        details: (name, value) pairs for the details.
    """

    id: str
    name: str
    sentence: str
    chips: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    fit_word: str = ""
    fit_sum: str = ""
    problem: bool = False
    in_use: bool = False
    offer: str = ""
    can_prepare: bool = False
    prepared: bool = False
    on_shelf: bool = True
    details: tuple[tuple[str, str], ...] = ()


NoticeKind = Literal["offer", "gained", "poor", "failed"]
"""What a card says below its facts: what preparing promises, that it brought much or little, or why not."""

_NOTICES: dict[NoticeKind, tuple[Tone, str, str]] = {
    "offer": ("warning", "Prepare", ""),
    "gained": ("note", "", "Close"),
    "poor": ("warning", "Use the original", "Keep the copy"),
    "failed": ("error", "Try again", "Close"),
}
_FIT_KINDS = {"Fast": "accent", "Comfortable": "accent", "Slow": "fit-slow", "Won't fit": "fit-never"}


class ModelCard(QFrame):
    """A card; every wish carries the model's id.

    Signals:
        use_requested, prepare_requested, original_requested, measure_requested, verify_requested,
            remove_requested: The id.
        notice_closed: The id; what was said has been read.
        stop_requested: Stop what runs for this model.
    """

    use_requested = Signal(str)
    prepare_requested = Signal(str)
    original_requested = Signal(str)
    measure_requested = Signal(str)
    notice_closed = Signal(str)
    verify_requested = Signal(str)
    remove_requested = Signal(str)
    stop_requested = Signal(str)

    def __init__(self, facts: ModelFacts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "card")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.facts = facts
        self.setAccessibleName(one_line(f"{facts.name}: {facts.fit_word or facts.sentence}"))
        self._progress = QProgressBar(self)
        self._progress.setTextVisible(False)
        self._progress.setFixedWidth(220)
        self._progress_text = PlainLabel(parent=self)
        theme.set_kind(self._progress_text, "meta")
        self._stop = QPushButton("Stop", self)
        self._notice_kind: NoticeKind = "offer"
        self._notice = NoticeBar(self)
        self._notice.first_pressed.connect(self._on_notice_first_pressed)
        self._notice.second_pressed.connect(self._on_notice_second_pressed)
        self._buttons = self._make_buttons()
        self._details = self._make_details()
        self._lay_out()
        self.show_notice("offer", "" if facts.problem else facts.offer)
        self.show_progress("")

    # Building

    def _make_buttons(self) -> list[QWidget]:
        buttons: list[QWidget] = []
        if self.facts.in_use:
            in_use = PlainLabel("in use", parent=self)
            theme.set_kind(in_use, "accent")
            buttons.append(in_use)
        elif not self.facts.problem:
            use = QPushButton("Use", self)
            use.setAccessibleName(f"Use {one_line(self.facts.name)}")
            use.clicked.connect(self._on_use_clicked)
            buttons.append(use)
        details = QPushButton("Details", self)
        details.setCheckable(True)
        details.setAccessibleName(f"Details of {one_line(self.facts.name)}")
        details.toggled.connect(self._on_details_toggled)
        buttons.append(details)
        if self.facts.on_shelf:
            buttons.append(self._make_more())
        self._stop.clicked.connect(self._on_stop_clicked)
        return buttons

    def _make_more(self) -> QToolButton:
        more = QToolButton(self)
        theme.set_kind(more, "icon")
        more.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        more.setIcon(theme.icon("more"))
        more.setAccessibleName(f"More for {one_line(self.facts.name)}")
        more.setToolTip("Measure, verify, remove")
        menu = QMenu(more)
        if not self.facts.problem:
            self._add_speed_actions(menu)
        menu.addAction(theme.icon("shield"), "Verify").triggered.connect(self._on_verify_triggered)
        menu.addAction(theme.icon("trash"), "Remove…").triggered.connect(self._on_remove_triggered)
        self._menu, self._more = menu, more
        more.clicked.connect(self._on_more_clicked)
        return more

    def _add_speed_actions(self, menu: QMenu) -> None:
        if "chat" in self.facts.tasks:
            menu.addAction(theme.icon("gauge"), "Measure speed").triggered.connect(self._on_measure_triggered)
        if self.facts.can_prepare:
            prepare = menu.addAction(theme.icon("sparkle"), "Prepare for this computer")
            prepare.triggered.connect(self._on_prepare_triggered)
        if self.facts.prepared:
            original = menu.addAction(theme.icon("undo"), "Use the original")
            original.triggered.connect(self._on_original_triggered)

    def _make_details(self) -> QWidget:
        details = QWidget(self)
        column = QVBoxLayout(details)
        column.setContentsMargins(0, 2, 0, 0)
        column.setSpacing(4)
        line = QFrame(details)
        theme.set_kind(line, "line")
        column.addWidget(line)
        column.addSpacing(4)
        rows = list(self.facts.details)
        if self.facts.fit_sum:
            rows.insert(0, ("Memory", self.facts.fit_sum))
        for name, value in rows:
            row = QHBoxLayout()
            label, text = PlainLabel(name, parent=details), PlainLabel(value, wrap=True, parent=details)
            label.setFixedWidth(120)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            theme.set_kind(label, "meta")
            theme.set_kind(text, "detail")
            row.addWidget(label)
            row.addWidget(text, 1)
            column.addLayout(row)
        details.hide()
        return details

    def _lay_out(self) -> None:
        title = QHBoxLayout()
        title.setSpacing(8)
        name = NameLabel(self.facts.name, parent=self)
        theme.set_kind(name, "title")
        title.addWidget(name)
        if self.facts.fit_word:
            word = PlainLabel(self.facts.fit_word, parent=self)
            theme.set_kind(word, _FIT_KINDS.get(self.facts.fit_word, "meta"))
            title.addWidget(word)
        title.addStretch(1)
        sentence = PlainLabel(self.facts.sentence, wrap=True, parent=self)
        theme.set_kind(sentence, "danger" if self.facts.problem else "muted")
        chips = QHBoxLayout()
        chips.setSpacing(6)
        for text in self.facts.chips:
            chip = PlainLabel(one_line(text, 60), parent=self)
            theme.set_kind(chip, "chip")
            chips.addWidget(chip)
        chips.addStretch(1)
        text_column = QVBoxLayout()
        text_column.setSpacing(6)
        text_column.addLayout(title)
        text_column.addWidget(sentence)
        text_column.addLayout(chips)
        meter = QVBoxLayout()
        meter.setSpacing(6)
        meter.addStretch(1)
        meter.addWidget(self._progress)
        meter.addWidget(self._progress_text)
        meter.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addLayout(text_column, 1)
        top.addSpacing(12)
        top.addLayout(meter)
        top.addWidget(self._stop)
        for button in self._buttons:
            top.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        layout.addLayout(top)
        layout.addWidget(self._notice)
        layout.addWidget(self._details)

    # Showing

    def show_progress(self, text: str, fraction: float = -1.0) -> None:
        """Show what runs for this model instead of its buttons; an empty text ends that."""
        busy = bool(text)
        for widget in (self._progress, self._progress_text, self._stop):
            widget.setVisible(busy)
        for button in self._buttons:
            button.setVisible(not busy)
        self._notice.setVisible(not busy and bool(self._notice.text()))
        self._progress.setRange(0, 1000 if fraction >= 0 else 0)
        self._progress.setValue(round(fraction * 1000))
        self._progress_text.setText(text)

    def show_notice(self, kind: NoticeKind, text: str) -> None:
        """Say something about preparing, with the buttons that belong to it; empty says nothing."""
        self._notice_kind = kind
        tone, first, second = _NOTICES[kind] if text else ("note", "", "")
        self._notice.say(text, tone=tone, first=first, second=second)
        self._notice.first_button.setAccessibleName(f"{first} {one_line(self.facts.name)}" if first else "")

    # What the user does

    @Slot()
    def _on_notice_first_pressed(self) -> None:
        if self._notice_kind == "poor":
            self.original_requested.emit(self.facts.id)
        else:
            self.prepare_requested.emit(self.facts.id)

    @Slot()
    def _on_notice_second_pressed(self) -> None:
        self.notice_closed.emit(self.facts.id)

    @Slot()
    def _on_use_clicked(self) -> None:
        self.use_requested.emit(self.facts.id)

    @Slot()
    def _on_prepare_triggered(self) -> None:
        self.prepare_requested.emit(self.facts.id)

    @Slot()
    def _on_measure_triggered(self) -> None:
        self.measure_requested.emit(self.facts.id)

    @Slot()
    def _on_original_triggered(self) -> None:
        self.original_requested.emit(self.facts.id)

    @Slot()
    def _on_verify_triggered(self) -> None:
        self.verify_requested.emit(self.facts.id)

    @Slot()
    def _on_remove_triggered(self) -> None:
        self.remove_requested.emit(self.facts.id)

    @Slot()
    def _on_stop_clicked(self) -> None:
        self.stop_requested.emit(self.facts.id)

    @Slot()
    def _on_more_clicked(self) -> None:
        self._menu.popup(self._more.mapToGlobal(QPoint(0, self._more.height())))

    @Slot(bool)
    def _on_details_toggled(self, shown: bool) -> None:
        self._details.setVisible(shown)
