"""The chat page: conversations at the left, the transcript, and the composer below it.

The page knows neither the application nor other pages. It emits wishes and is told what to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QSplitter, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.pages.exchange import Exchange
from desktop_slm.gui.widgets.chat_column import ChatColumn
from desktop_slm.gui.widgets.chat_export import conversation_markdown, file_name
from desktop_slm.gui.widgets.conversation_list import ConversationList
from desktop_slm.gui.widgets.link_dialog import confirm_link
from desktop_slm.store.records import ConversationRecord, MessageRecord
from desktop_slm.tasks.events import TaskEvent

LIST_PX = 256
LIST_MIN_PX = 200


class ChatPage(QWidget):
    """Chat.

    Signals:
        request_made: A `Chat` request to run; events come back through `on_event`, the end of the job through
            `show_finished` (also after `show_error`).
        stop_requested: Stop the running request (close its generator).
        conversation_selected: Id; answer with `show_conversation`.
        new_requested: A new, empty conversation is on screen; answer with `show_new_draft`.
        rename_requested, pin_requested, delete_requested: Id and the new value; answer with
            `show_conversations`.
        branch_requested: Message id and -1 or +1; answer with `show_messages`.
        draft_changed: Conversation id ("" for a new one) and the text, half a second after the last key.
        attachment_added: Path of a dropped, pasted or chosen file; answer with `show_attachment`.
        model_chosen: Shelf id. models_requested: Go to the models page.
        preset_chosen: "precise", "balanced" or "creative".
        link_confirmed: The user has confirmed to open this address outside the application.
        citation_chosen: A `Cited` whose page should be shown.
        list_width_changed: Pixels of the conversation list, 0 when folded.
    """

    request_made = Signal(object)
    stop_requested = Signal()
    conversation_selected = Signal(str)
    new_requested = Signal()
    rename_requested = Signal(str, str)
    pin_requested = Signal(str, bool)
    delete_requested = Signal(str)
    branch_requested = Signal(str, int)
    draft_changed = Signal(str, str)
    attachment_added = Signal(str)
    model_chosen = Signal(str)
    models_requested = Signal()
    preset_chosen = Signal(str)
    link_confirmed = Signal(str)
    citation_chosen = Signal(object)
    list_width_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_kind(self, "page")
        self._conversation: ConversationRecord | None = None
        self.conversations = ConversationList(self)
        self.column = ChatColumn(self)
        self.bar, self.transcript = self.column.bar, self.column.transcript
        self.start, self.notice = self.column.start, self.column.notice
        self.composer = self.column.composer
        self._exchange = Exchange(self.column, self)
        self._lay_out()
        self._connect()
        self._add_shortcuts()
        self._show_title()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Pass the focus on to the composer (a focus proxy would cut the Tab chain short)."""
        self.composer.text.setFocus(event.reason())

    # What the window tells

    def show_conversations(self, conversations: Sequence[ConversationRecord]) -> None:
        """Fill the list at the left; pinned ones and days are sorted out here."""
        self.conversations.show_conversations(conversations)
        for record in conversations:
            if self._conversation is not None and record.id == self._conversation.id:
                self._conversation = record
                self._show_title()
                break

    def show_conversation(
        self, conversation: ConversationRecord | None, messages: Sequence[MessageRecord] = (), draft: str = ""
    ) -> None:
        """Open a conversation (None: a new one) with its active branch and its draft."""
        self.composer.flush_draft()
        self._conversation = conversation
        self.conversations.show_current(conversation.id if conversation else "")
        self._exchange.open(conversation, messages)
        self._show_title()
        self.composer.take_attachments()
        self.composer.write(draft)
        self.composer.text.setFocus()

    def show_new_draft(self, draft: str) -> None:
        """Bring back what was begun in a new conversation, unless something is written there by now."""
        if self._conversation is None and not self.transcript.records() and not self.composer.written():
            self.composer.write(draft)

    def show_messages(self, messages: Sequence[MessageRecord]) -> None:
        """Show another state of the open conversation: after a branch step or when a request has ended."""
        self._exchange.show_messages(messages, keep_place=True)

    def show_models(self, models: Sequence[tuple[str, str]], current: str) -> None:
        """Offer (id, name) pairs; ``current`` is the id in use. A queued message is sent now."""
        self.bar.show_models(models, current)
        if models:
            self._exchange.show_model()
        else:
            self._exchange.show_no_model()

    def show_no_model(self, sentence: str = "") -> None:
        """Show the card that leads to the models page; messages wait until `show_models`."""
        self.bar.show_models((), "")
        self._exchange.show_no_model(sentence)

    def show_preset(self, preset: str) -> None:
        """Show the sampling preset in use."""
        self.bar.show_preset(preset)

    def show_context_size(self, n_ctx: int) -> None:
        """Tell how many tokens the model sees at once."""
        self.column.show_context_size(n_ctx)

    def show_attachment(
        self, path: str, pages: int = 0, document: str = "", words: int = 0, problem: str = ""
    ) -> None:
        """Tell what became of an added file: its pages and library id, or the problem in a sentence."""
        self.composer.show_attachment(path, pages, document, words, problem)
        if problem:
            self.notice.say(problem, tone="warning", second="Dismiss")
        if document:
            self.show_document_names({document: Path(path).name})

    def show_document_names(self, names: dict[str, str]) -> None:
        """Tell what documents are called, by library id."""
        self._exchange.show_names(names)

    def show_saving(self, saving: bool) -> None:
        """Tell whether conversations are kept."""
        self.start.show_saving(saving)

    def show_list_width(self, width_px: int) -> None:
        """Set the width of the conversation list; 0 folds it."""
        self._fold(width_px <= 0)
        if width_px > 0:
            right = max(1, self._splitter.width() - width_px)
            self._splitter.setSizes([width_px, right])

    def on_event(self, event: TaskEvent) -> None:
        """Take an event of the running request."""
        self._exchange.on_event(event)

    def show_error(self, error: DesktopSlmError) -> None:
        """Show why the running request failed; text that has arrived stays."""
        self._exchange.show_error(error)

    def show_finished(self) -> None:
        """The running request is over, whatever its end."""
        self._exchange.show_finished()

    def is_busy(self) -> bool:
        """Whether an answer is being written."""
        return self._exchange.busy

    def compose(self, text: str, paths: Sequence[str] = ()) -> None:
        """Put text and files into the composer, for example from the documents page."""
        if text:
            written = self.composer.written()
            self.composer.text.setPlainText(f"{written}\n{text}" if written.strip() else text)
            self.composer.text.moveCursor(self.composer.text.textCursor().MoveOperation.End)
        self.composer.attach_files(list(paths))
        self.composer.text.setFocus()

    def open_conversation_id(self) -> str:
        """Return the id of the open conversation, empty for a new one."""
        return self._conversation.id if self._conversation else ""

    def sizeHint(self) -> QSize:
        """The window's usual size without its rail."""
        return QSize(1216, 772)

    # Making it

    def _lay_out(self) -> None:
        self._splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self._splitter.setHandleWidth(1)
        self._splitter.setChildrenCollapsible(False)
        self.conversations.setMinimumWidth(LIST_MIN_PX)
        self.conversations.setMaximumWidth(480)
        self._splitter.addWidget(self.conversations)
        self._splitter.addWidget(self.column)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setSizes([LIST_PX, 960])
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._splitter)

    def _connect(self) -> None:
        chats, bar, transcript, composer = self.conversations, self.bar, self.transcript, self.composer
        exchange = self._exchange
        exchange.request_made.connect(self.request_made)
        exchange.draft_changed.connect(self.draft_changed)
        exchange.begun.connect(self._on_exchange_begun)
        exchange.changed.connect(self._on_exchange_changed)
        chats.selected.connect(self._on_list_selected)
        chats.new_requested.connect(self._on_new_requested)
        chats.rename_requested.connect(self.rename_requested)
        chats.pin_requested.connect(self.pin_requested)
        chats.delete_requested.connect(self.delete_requested)
        bar.renamed.connect(self._on_bar_renamed)
        bar.preset_chosen.connect(self.preset_chosen)
        bar.model_chosen.connect(self.model_chosen)
        bar.models_requested.connect(self.models_requested)
        bar.copy_requested.connect(self._on_bar_copy_requested)
        bar.save_requested.connect(self._on_bar_save_requested)
        bar.list_requested.connect(self._on_list_toggled)
        transcript.branch_requested.connect(self.branch_requested)
        transcript.link_chosen.connect(self._on_link_chosen)
        transcript.citation_chosen.connect(self.citation_chosen)
        composer.stop_requested.connect(self.stop_requested)
        composer.draft_changed.connect(self._on_composer_draft_changed)
        composer.attachment_added.connect(self.attachment_added)
        self.start.start_chosen.connect(self._on_start_chosen)
        self.start.attach_requested.connect(composer.attach.click)
        self.notice.first_pressed.connect(self.models_requested)
        self.notice.second_pressed.connect(self._on_notice_dismissed)
        self._splitter.splitterMoved.connect(self._on_splitter_moved)

    def _add_shortcuts(self) -> None:
        self._stop_key = self._shortcut("Esc", self._on_stop_key)
        self._stop_key.setEnabled(False)
        self._shortcut("Ctrl+N", self._on_new_requested)
        self._shortcut("Ctrl+B", self._on_list_toggled)
        self._shortcut("Ctrl+F", self._on_search_key)
        self._shortcut("Ctrl+R", self._on_regenerate_key)
        self._shortcut("Ctrl+Shift+C", self._on_copy_key)
        self._shortcut("F2", self._on_rename_key)

    def _shortcut(self, keys: str, slot: object) -> QShortcut:
        shortcut = QShortcut(QKeySequence(keys), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(slot)
        return shortcut

    # Showing

    def _show_title(self) -> None:
        record = self._conversation
        self.bar.title.show_title(record.title if record else "", editable=record is not None)
        self.bar.export.setEnabled(bool(self.transcript.records()))

    @Slot(str, str)
    def _on_exchange_begun(self, conversation: str, title: str) -> None:
        if self._conversation is None and conversation:
            self._conversation = ConversationRecord(id=conversation, title=title)
            self._show_title()
        self.conversations.show_current(conversation)

    @Slot()
    def _on_exchange_changed(self) -> None:
        self._stop_key.setEnabled(self._exchange.busy_here)
        self.bar.export.setEnabled(bool(self.transcript.records()))

    # Wishes of the parts

    @Slot(str)
    def _on_link_chosen(self, address: str) -> None:
        if confirm_link(address, self.window()):
            self.link_confirmed.emit(address)

    @Slot(str)
    def _on_list_selected(self, conversation: str) -> None:
        self.composer.flush_draft()
        self.conversation_selected.emit(conversation)

    @Slot()
    def _on_new_requested(self) -> None:
        if self._conversation is None and not self.transcript.records():
            self.composer.text.setFocus()  # it is new already; what is written stays
            return
        self.show_conversation(None)
        self.new_requested.emit()

    @Slot(str)
    def _on_bar_renamed(self, title: str) -> None:
        if self._conversation is not None:
            self.rename_requested.emit(self._conversation.id, title)

    @Slot()
    def _on_bar_copy_requested(self) -> None:
        QGuiApplication.clipboard().setText(self._as_markdown())

    @Slot()
    def _on_bar_save_requested(self) -> None:
        name = file_name(self._conversation.title if self._conversation else "")
        path, _ = QFileDialog.getSaveFileName(self.window(), "Save this chat", name, "Markdown (*.md)")
        if path:
            self.save_markdown(path)

    def save_markdown(self, path: str) -> None:
        """Write the conversation to a file that the user has chosen."""
        try:
            Path(path).write_text(self._as_markdown(), encoding="utf-8")
        except OSError as error:
            reason = error.strerror or "the system refused"
            self.notice.say_error(
                DesktopSlmError("The chat was not saved", f"{reason}. Choose another folder."),
                second="Dismiss",
            )

    def _as_markdown(self) -> str:
        return conversation_markdown(self.bar.title.text() or "Chat", self.transcript.records())

    @Slot(str)
    def _on_composer_draft_changed(self, text: str) -> None:
        self.draft_changed.emit(self.open_conversation_id(), text)

    @Slot(str)
    def _on_start_chosen(self, text: str) -> None:
        self.composer.write(text)
        self.composer.text.setFocus()

    @Slot()
    def _on_notice_dismissed(self) -> None:
        self._exchange.take_back()

    @Slot(int, int)
    def _on_splitter_moved(self, _position: int, _index: int) -> None:
        self.list_width_changed.emit(self.conversations.width())

    # Keys

    @Slot()
    def _on_stop_key(self) -> None:
        self.stop_requested.emit()

    @Slot()
    def _on_search_key(self) -> None:
        self._fold(False)
        self.conversations.search.setFocus()
        self.conversations.search.selectAll()

    @Slot()
    def _on_rename_key(self) -> None:
        if self._conversation is not None:
            self.bar.title.setFocus()
            self.bar.title.selectAll()

    @Slot()
    def _on_regenerate_key(self) -> None:
        answers = [record for record in self.transcript.records() if record.role == "assistant"]
        if answers:
            self._exchange.regenerate(answers[-1].id)

    @Slot()
    def _on_copy_key(self) -> None:
        answers = [record for record in self.transcript.records() if record.role == "assistant"]
        if answers:
            QGuiApplication.clipboard().setText(answers[-1].text)

    @Slot()
    def _on_list_toggled(self) -> None:
        folded = not self.conversations.isHidden()
        self._fold(folded)
        self.list_width_changed.emit(0 if folded else self.conversations.width())

    def _fold(self, folded: bool) -> None:
        self.conversations.setVisible(not folded)
        self.bar.list.setVisible(folded)
