"""The Translate page: text on the left, its translation streaming in on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication, QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSplitter, QVBoxLayout, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.pages.translation_draft import TranslationDraft
from desktop_slm.gui.widgets.file_dialogs import choose_files
from desktop_slm.gui.widgets.icon_button import IconButton
from desktop_slm.gui.widgets.job_bar import JobBar
from desktop_slm.gui.widgets.language_picker import RIGHT_TO_LEFT, LanguagePicker
from desktop_slm.gui.widgets.model_note import ModelNote
from desktop_slm.gui.widgets.notice_bar import NoticeBar
from desktop_slm.gui.widgets.plain_label import several_lines
from desktop_slm.gui.widgets.review_marks import ReviewMarks
from desktop_slm.gui.widgets.review_view import ReviewView
from desktop_slm.gui.widgets.text_pane import TextPane
from desktop_slm.gui.widgets.top_bar import TopBar
from desktop_slm.gui.widgets.translation_history import COLUMN_PX, TranslationHistory
from desktop_slm.store.records import TranslationRecord
from desktop_slm.tasks.events import DocumentRead, Piece, Progress, TaskEvent, TranslationDone, Warned
from desktop_slm.tasks.requests import FileSource, ReadDocument, Translate

TYPING_PAUSE_MS = 900
AS_TYPED_LIMIT = 6000
SUFFIXES = (".txt", ".md", ".html", ".htm", ".docx", ".pdf")


class TranslatePage(QWidget):
    """Two panes with language pickers, and the recent translations in a column.

    One request runs at a time: the page emits the next one only after `job_finished`. Translations made
    while typing are requested with ``save=False`` and offered by `keep_requested` once they have settled.
    """

    request_made = Signal(object)
    """A `Translate`, or a `ReadDocument` of a dropped text file; its events go to `on_event`."""
    stop_requested = Signal()
    """Stop the running request."""
    keep_requested = Signal(str, object)
    """Source text and `TranslationDone` to keep (``library.add_translation``), then `show_translations`."""
    favorite_changed = Signal(str, bool)
    """Id of a translation and whether it is a favorite now."""
    translation_delete_requested = Signal(str)
    """Id of a translation to delete."""
    history_requested = Signal()
    """The history is on screen and may be stale; answered by `show_translations`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._running: Translate | ReadDocument | None = None
        self._next: Translate | ReadDocument | None = None
        self._fresh = False
        self._outdated = False
        self._filling = False
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_PAUSE_MS)
        self._typing.timeout.connect(self._on_typing_timeout)
        self._draft = TranslationDraft(self)
        self._draft.settled.connect(self.offer_to_keep)
        self._draft.keep_requested.connect(self.keep_requested)
        self.note = ModelNote()
        self.error = NoticeBar()
        self.error.first_pressed.connect(self._on_translate_clicked)
        self.job = JobBar()
        self.job.stop_pressed.connect(self._on_stop_pressed)
        self.source = TextPane("Text to translate", "Type or paste text, or drop a file here")
        self.source.editor.textChanged.connect(self._on_source_text_changed)
        self.target = TextPane("Translation", "The translation appears here", read_only=True)
        self.review = ReviewView()
        self.marks = ReviewMarks(self.source, self.target, self.review)
        self.history = TranslationHistory()
        self.history.restored.connect(self.show_translation)
        self.history.favorite_changed.connect(self.favorite_changed)
        self.history.delete_requested.connect(self.translation_delete_requested)
        self._make_layout()
        self._make_shortcuts()
        self._update_buttons()

    # told by the window

    def open_paths(self, paths: Sequence[str | Path]) -> None:
        """Load the text of the first file."""
        if paths:
            self._request(ReadDocument(source=FileSource(str(paths[0])), save=False))

    def take_cursor(self) -> None:
        """Put the cursor where the text to translate is typed."""
        self.source.editor.setFocus(Qt.FocusReason.OtherFocusReason)

    def show_source(self, text: str, language: str = "") -> None:
        """Put ``text`` into the source pane and translate it."""
        self._fill(text, "")
        self.source_picker.set_code("")
        self.source_picker.show_detected(language)
        self._fit_languages()
        self._typing.stop()
        self._translate(save=False, as_typed=True)
        self.source.editor.setFocus()

    def show_translation(self, record: TranslationRecord) -> None:
        """Put a kept translation into both panes."""
        self.offer_to_keep()
        self._typing.stop()
        self._stop_running(outdated=True)
        self.source_picker.set_code(record.source_language)
        self.target_picker.set_code(record.target_language)
        self._fill(record.source, record.target)
        self._fit_languages()

    def show_translations(self, records: Sequence[TranslationRecord]) -> None:
        """Fill the history column."""
        self.history.show_translations(records)

    def on_event(self, event: TaskEvent) -> None:
        """Take an event of the request that runs; one that was replaced has nothing more to say."""
        if self._running is None or self._outdated:
            return
        match event:
            case Piece() if isinstance(self._running, Translate) and event.kind == "answer":
                self._write(event.text)
            case Progress():
                self.job.show_progress(event)
            case TranslationDone():
                self._on_done(event)
            case DocumentRead():
                self._load(event)
            case Warned():
                self.error.say(event.text, tone="warning")
            case _:
                pass

    def job_finished(self) -> None:
        """The request has ended (done, stopped or failed)."""
        self._running, self._outdated = None, False
        self.job.finish()
        following, self._next = self._next, None
        if following is not None:
            self._request(following)
        self._update_buttons()

    def show_error(self, error: DesktopSlmError) -> None:
        """Show why the request failed."""
        if self._outdated:
            return
        again = "Try again" if isinstance(self._running, Translate) else ""
        self.error.say_error(error, first=again)

    def show_model_note(self, text: str) -> None:
        """Show a plain sentence about the model above the panes; empty hides it."""
        self.note.set_note(text)

    def show_model_languages(self, name: str, codes: Sequence[str]) -> None:
        """Tell which languages the model writes; none given means that nobody knows."""
        self.note.set_languages(name, codes)

    @Slot()
    def offer_to_keep(self) -> None:
        """Offer a translation made while typing to be kept, once."""
        self._draft.offer(self.source.text())

    # parts

    def _make_layout(self) -> None:
        self._panes = QSplitter(Qt.Orientation.Horizontal)
        self._panes.setHandleWidth(12)
        self._panes.setChildrenCollapsible(False)
        self._panes.addWidget(self.source)
        self._panes.addWidget(self.target)
        self._panes.setSizes([500, 500])
        self._panes.setStyleSheet("QSplitter::handle { background: transparent; }")
        self._add_pane_buttons()
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(24, 16, 24, 16)
        inner.setSpacing(12)
        inner.addWidget(self.note)
        inner.addWidget(self.error)
        inner.addLayout(self._make_languages())
        inner.addWidget(self._panes, 1)
        inner.addWidget(self.review)
        inner.addWidget(self.job)
        self._halves = QSplitter(Qt.Orientation.Horizontal)
        self._halves.addWidget(content)
        self._halves.addWidget(self.history)
        self._halves.setCollapsible(0, False)
        self._halves.setStretchFactor(0, 1)
        self._halves.setStretchFactor(1, 0)
        self._halves.setSizes([936, COLUMN_PX])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._make_bar())
        layout.addWidget(self._halves, 1)

    def _make_bar(self) -> TopBar:
        bar = TopBar("Translate")
        self.open_button = bar.add_button("Open file…")
        self.open_button.setToolTip("Load the text of a file (Ctrl+O)")
        self.open_button.clicked.connect(self._on_open_clicked)
        self.history_button = IconButton("history", "Show recent translations", "F9", self)
        self.history_button.setCheckable(True)
        self.history_button.setChecked(True)
        self.history_button.toggled.connect(self._on_history_toggled)
        bar.add_widget(self.history_button)
        return bar

    def _make_languages(self) -> QHBoxLayout:
        self.source_picker = LanguagePicker("Translate from", with_detection=True)
        self.target_picker = LanguagePicker("Translate into", code="en")
        self.note.set_wanted(self.target_picker.code)
        self.swap_button = IconButton("swap", "Swap the languages", "Ctrl+Shift+S", self)
        self.translate_button = QPushButton("Translate")
        theme.set_kind(self.translate_button, "primary")
        self.translate_button.setToolTip("Translate now and keep it (Ctrl+Enter)")
        self.source_picker.language_changed.connect(self._on_language_changed)
        self.target_picker.language_changed.connect(self._on_language_changed)
        self.swap_button.clicked.connect(self._on_swap_clicked)
        self.translate_button.clicked.connect(self._on_translate_clicked)
        row = QHBoxLayout()
        row.setSpacing(8)
        for widget in (self.source_picker, self.swap_button, self.target_picker):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.translate_button)
        return row

    def _add_pane_buttons(self) -> None:
        self.clear_button = IconButton("close", "Clear the text", "", self)
        self.clear_button.clicked.connect(self._on_clear_clicked)
        self.source.add_button(self.clear_button)
        self.copy_button = IconButton("copy", "Copy the translation", "Ctrl+Shift+C", self)
        self.copy_button.clicked.connect(self._on_copy_clicked)
        self.target.add_button(self.copy_button)

    def _make_shortcuts(self) -> None:
        inside = Qt.ShortcutContext.WidgetWithChildrenShortcut
        self._now = [QShortcut(QKeySequence(keys), self) for keys in ("Ctrl+Return", "Ctrl+Enter")]
        for shortcut in self._now:
            shortcut.activated.connect(self._on_translate_clicked)
        self._stop = QShortcut(QKeySequence("Esc"), self)
        self._stop.setContext(inside)
        self._stop.activated.connect(self._on_stop_pressed)
        self._open = QShortcut(QKeySequence(QKeySequence.StandardKey.Open), self)
        self._open.activated.connect(self._on_open_clicked)

    # translating

    def _translate(self, *, save: bool, as_typed: bool = False) -> None:
        text = self.source.text()
        if not text.strip():
            return
        if as_typed and len(text) > AS_TYPED_LIMIT:
            self.source.counter.setText(f"{self.source.counter.text()} · long: press Translate")
            return
        source = self.source_picker.code
        self._request(Translate(text=text, target=self.target_picker.code, source=source, save=save))

    def _request(self, request: Translate | ReadDocument) -> None:
        """Emit a request, after the running one has stopped."""
        if self._running is not None:
            self._next, self._outdated = request, True
            self.stop_requested.emit()
            return
        self._running = request
        self._fresh = True
        self.error.say("")
        self.job.start("Translating" if isinstance(request, Translate) else "Reading the file")
        self._update_buttons()
        self.request_made.emit(request)

    def _write(self, text: str) -> None:
        """Append a piece; the first one takes the old translation's place."""
        if self._fresh:
            self._fresh = False
            self.marks.show(())
            self.target.set_text("")
        self.target.append(text)
        self._update_buttons()

    def _on_done(self, done: TranslationDone) -> None:
        request = self._running
        if not isinstance(request, Translate):
            return
        if self.target.text() != done.text:
            self.target.set_text(done.text)
        if done.source_language and not request.source:
            self.source_picker.show_detected(done.source_language)
        self._draft.set(request, done)
        self.marks.show(done.needs_review)
        self._fit_languages()
        self._update_buttons()

    def _load(self, event: DocumentRead) -> None:
        """Take a file's text over; it is translated once the reading has ended."""
        self._fill(event.document.text, "")
        self.source_picker.set_code("")
        self.source_picker.show_detected(event.document.language)
        text = event.document.text
        if text.strip() and len(text) <= AS_TYPED_LIMIT:
            self._next = Translate(text=text, target=self.target_picker.code, save=False)

    def _fill(self, source: str, target: str) -> None:
        """Put texts into the panes without starting anything."""
        self._filling = True
        self.source.set_text(several_lines(source))
        self.target.set_text(several_lines(target))
        self._filling = False
        self._draft.forget()
        self.marks.show(())
        self.error.say("")
        self._update_buttons()

    def _stop_running(self, *, outdated: bool = False) -> None:
        self._next = None
        if self._running is not None:
            self._outdated = outdated
            self.stop_requested.emit()

    def _fit_languages(self) -> None:
        source = self.source_picker.code or self.source_picker.detected
        self.source.set_right_to_left(source in RIGHT_TO_LEFT)
        self.target.set_right_to_left(self.target_picker.code in RIGHT_TO_LEFT)
        self.note.set_wanted(self.target_picker.code)

    def _update_buttons(self) -> None:
        has_text = bool(self.source.text().strip())
        self.translate_button.setEnabled(has_text)
        self.clear_button.setEnabled(has_text)
        self.copy_button.setEnabled(bool(self.target.text()))
        self.swap_button.setEnabled(bool(self.source_picker.code or self.source_picker.detected))

    # events

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for the history."""
        super().showEvent(event)
        if not event.spontaneous():
            self.history_requested.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        """What has been translated when the page is left is worth keeping."""
        super().hideEvent(event)
        if not event.spontaneous():
            self.offer_to_keep()

    @Slot()
    def _on_source_text_changed(self) -> None:
        self.source.show_count()
        if self._filling:
            return
        self._draft.touch()
        self._update_buttons()
        if self.source.text().strip():
            self._typing.start()
        else:
            self._typing.stop()
            self._stop_running(outdated=True)
            self._fill("", "")
            self.source_picker.show_detected("")

    @Slot()
    def _on_typing_timeout(self) -> None:
        self._translate(save=False, as_typed=True)

    @Slot()
    def _on_translate_clicked(self) -> None:
        self._typing.stop()
        self._translate(save=True)

    @Slot(str)
    def _on_language_changed(self, _code: str) -> None:
        self._fit_languages()
        self._update_buttons()
        self._typing.stop()
        self._translate(save=False, as_typed=True)

    @Slot()
    def _on_swap_clicked(self) -> None:
        source = self.source_picker.code or self.source_picker.detected
        if not source:
            return
        self.offer_to_keep()
        target, text = self.target_picker.code, self.target.text()
        self.source_picker.set_code(target)
        self.target_picker.set_code(source)
        if text.strip():
            self._fill(text, "")
        self._fit_languages()
        self._update_buttons()
        self._translate(save=False, as_typed=True)

    @Slot()
    def _on_stop_pressed(self) -> None:
        self._typing.stop()
        self._stop_running()

    @Slot()
    def _on_clear_clicked(self) -> None:
        self.offer_to_keep()
        self.source.editor.clear()
        self.source.editor.setFocus()

    @Slot()
    def _on_copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText(self.target.text())
        self.offer_to_keep()

    @Slot()
    def _on_open_clicked(self) -> None:
        choose_files(self, "open-text", "Open a text", SUFFIXES, self.open_paths, several=False)

    @Slot(bool)
    def _on_history_toggled(self, shown: bool) -> None:
        self.history.setVisible(shown)
