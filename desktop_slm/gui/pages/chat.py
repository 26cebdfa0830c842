"""The chat page: conversations at the left, the transcript, and the composer below it.

The page knows neither the application nor other pages. It emits wishes and is told what to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QSplitter, QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import theme
from desktop_slm.gui.widgets.chat_column import ChatColumn
from desktop_slm.gui.widgets.chat_export import conversation_markdown, file_name
from desktop_slm.gui.widgets.composer import Attachment
from desktop_slm.gui.widgets.conversation_list import ConversationList
from desktop_slm.gui.widgets.link_dialog import confirm_link
from desktop_slm.gui.widgets.live_answer import LiveAnswer, stage_in_words
from desktop_slm.gui.widgets.plain_label import one_line
from desktop_slm.store.records import ConversationRecord, MessageRecord
from desktop_slm.tasks.events import (
    ChatDone,
    DocumentRead,
    Piece,
    Progress,
    SentenceReady,
    Started,
    TaskEvent,
    Warned,
)
from desktop_slm.tasks.requests import Chat, StoredSource

LIST_PX = 256
LIST_MIN_PX = 200
_WAITS = "Your message is sent as soon as a model is ready."
_WAITS_FOR_OTHER = "Your message is sent when the answer in the other chat is done."
_NO_MODEL = "There is no model on this computer yet."


class ChatPage(QWidget):
    """Chat.

    Signals:
        request_made: A `Chat` request to run; events come back through `on_event`, the end of the job through
            `show_finished` (also after `show_error`).
        stop_requested: Stop the running request (close its generator).
        conversation_selected: Id; answer with `show_conversation`.
        new_requested: A new, empty conversation is on screen (nothing to do but remember it).
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
        self._live: LiveAnswer | None = None
        self._queued: Chat | None = None
        self._queued_names: Sequence[str] = ()
        self._no_model_words = _NO_MODEL
        self._has_model = True
        self._names: dict[str, str] = {}
        self.conversations = ConversationList(self)
        self.column = ChatColumn(self)
        self.bar, self.transcript = self.column.bar, self.column.transcript
        self.start, self.notice = self.column.start, self.column.notice
        self.composer = self.column.composer
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
        self._drop_queued()
        self._conversation = conversation
        self.conversations.show_current(conversation.id if conversation else "")
        self._show_waiting()
        self._show_all(messages, keep_place=False)
        self._show_title()
        self.composer.take_attachments()
        self.composer.write(draft)
        self.composer.text.setFocus()

    def show_messages(self, messages: Sequence[MessageRecord]) -> None:
        """Show another state of the open conversation: after a branch step or when a request has ended."""
        self._show_all(messages, keep_place=True)

    def show_models(self, models: Sequence[tuple[str, str]], current: str) -> None:
        """Offer (id, name) pairs; ``current`` is the id in use. A queued message is sent now."""
        self.bar.show_models(models, current)
        self._has_model = bool(models)
        if not models:
            self.show_no_model()
            return
        if not self.notice.first_button.isHidden():
            self.notice.say("")
        self._send_queued()

    def show_no_model(self, sentence: str = "") -> None:
        """Show the card that leads to the models page; messages wait until `show_models`."""
        self._has_model = False
        self._no_model_words = sentence or _NO_MODEL
        self.bar.show_models((), "")
        self._show_waiting()

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
        self._names |= names
        self.transcript.show_names(self._names)

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
        live = self._live
        if live is None:
            return
        match event:
            case Started():
                self._on_started(live, event)
            case Progress():
                if not live.text and self._shows_live():
                    self._show_status(stage_in_words(event))
            case Piece():
                self._take_text(live, event.text, reasoning=event.kind == "reasoning")
            case SentenceReady():
                self._take_text(live, (" " if live.text else "") + event.sentence.text, reasoning=False)
                live.citations += event.sentence.citations
            case Warned():
                self._show_warning(event.text)
            case DocumentRead():
                if event.id:
                    self.show_document_names({event.id: event.document.name})
            case ChatDone():
                self._on_done(live, event)
            case _:
                pass

    def show_error(self, error: DesktopSlmError) -> None:
        """Show why the running request failed; text that has arrived stays."""
        live, shown = self._live, self._shows_live()
        if live is None:
            self.notice.say_error(error, second="Dismiss")
        elif live.started:
            if shown:
                self.transcript.show_error(error)
            self._live = None
        else:
            self._live = None
            if shown:
                self._give_back(live)
            self.notice.say_error(error, second="Dismiss")
        self._show_busy()

    def show_finished(self) -> None:
        """The running request is over, whatever its end."""
        live = self._live
        if live is not None:
            shown = self._shows_live()
            self._live = None
            if shown and live.started:
                self.transcript.finish(live.stopped(), thought_s=live.thought_s)
            elif shown:
                self._give_back(live)
        self._show_busy()
        self._send_queued()

    def is_busy(self) -> bool:
        """Whether an answer is being written."""
        return self._live is not None

    def compose(self, text: str, paths: Sequence[str] = ()) -> None:
        """Put text and files into the composer, for example from the documents page."""
        if text:
            written = self.composer.written()
            self.composer.text.setPlainText(f"{written}\n{text}" if written.strip() else text)
            self.composer.text.moveCursor(self.composer.text.textCursor().MoveOperation.End)
        self.composer.attach_files(list(paths))
        self.composer.text.setFocus()

    def attach_document(self, document: str, name: str, pages: int = 0, words: int = 0) -> None:
        """Attach a document of the library to the next message."""
        self.show_document_names({document: name})
        self.composer.attach_stored(document, name, pages, words)
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
        transcript.regenerate_requested.connect(self._on_regenerate_requested)
        transcript.continue_requested.connect(self._on_continue_requested)
        transcript.edit_requested.connect(self._on_edit_requested)
        transcript.resend_requested.connect(self._on_resend_requested)
        transcript.branch_requested.connect(self.branch_requested)
        transcript.link_chosen.connect(self._on_link_chosen)
        transcript.citation_chosen.connect(self.citation_chosen)
        composer.send_requested.connect(self._on_composer_send_requested)
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

    def _show_all(self, messages: Sequence[MessageRecord], *, keep_place: bool) -> None:
        """Show messages, with the live answer at their end if it belongs here."""
        live = self._live
        here = live is not None and live.conversation == self.open_conversation_id() and live.started
        if here and live is not None:
            shown = [message for message in messages if message.id != live.record.id]
            self.transcript.show_messages(shown, keep_place=keep_place)
            self._append_live(live)
        else:
            self.transcript.show_messages(messages, keep_place=keep_place)
        system = self._conversation.system if self._conversation else ""
        self.column.show_conversation_tokens(messages, system)
        self._show_middle()
        self._show_busy()

    def _append_live(self, live: LiveAnswer) -> None:
        record = replace(live.record, text=live.text, reasoning=live.reasoning)
        self.transcript.append(record, live=True)
        self.transcript.advance_live()

    def _show_middle(self) -> None:
        self.column.show_middle()
        self.bar.export.setEnabled(bool(self.transcript.records()))

    def _show_busy(self) -> None:
        busy = self._shows_live()
        self.composer.show_busy(busy)
        self._stop_key.setEnabled(busy)
        self.transcript.show_enabled(self._live is None)

    def _shows_live(self) -> bool:
        return self._live is not None and self.transcript.live_view() is not None

    def _show_status(self, text: str) -> None:
        view = self.transcript.live_view()
        if view is not None:
            view.show_status(text)

    def _show_warning(self, text: str) -> None:
        view = self.transcript.live_view()
        if view is not None and self._shows_live():
            view.show_warning(text)

    def _show_waiting(self) -> None:
        """Say that there is no model, that a message waits, or nothing."""
        words = [] if self._has_model else [self._no_model_words]
        if self._queued is not None:
            words.append(_WAITS_FOR_OTHER if self._has_model else _WAITS)
        first = "" if self._has_model else "Choose a model"
        self.notice.say(" ".join(words), first=first, second="Take it back" if self._queued else "")

    def _drop_queued(self) -> None:
        """Make the waiting message a draft again before something else is shown."""
        queued = self._queued
        if queued is not None:
            self._queued = None
            self.draft_changed.emit(queued.conversation, queued.text)

    # A request

    def _begin(
        self,
        request: Chat,
        question: MessageRecord | None,
        answer: MessageRecord,
        names: Sequence[str] = (),
    ) -> None:
        """Show the question and an empty answer, and ask for the request to run."""
        before = self.transcript.records()
        self._live = LiveAnswer(request, answer, before)
        self.notice.say("")
        kept = _before(before, question.parent if question else answer.parent, request)
        self.transcript.show_messages(kept, keep_place=True)
        if question is not None:
            self.transcript.append(question, names=[name for name in names if name])
        self.transcript.append(answer, live=True)
        self._show_middle()
        self._show_busy()
        self.request_made.emit(request)

    def _send(self, request: Chat, names: Sequence[str] = ()) -> None:
        """Run a request to answer new or edited words, or let it wait."""
        if not self._has_model or self._live is not None:
            self._queued, self._queued_names = request, names
            self._show_waiting()
            return
        documents = [source.id for source in request.attachments if isinstance(source, StoredSource)]
        question = MessageRecord(
            id="",
            conversation=request.conversation,
            parent=request.parent,
            role="user",
            text=request.text,
            documents=tuple(documents),
        )
        answer = MessageRecord(
            id="", conversation=request.conversation, parent="", role="assistant", text="", state="streaming"
        )
        self._begin(request, question, answer, [*(self._names.get(id_, "") for id_ in documents), *names])

    def _send_queued(self) -> None:
        request = self._queued
        if request is not None and self._has_model and self._live is None:
            self._queued = None
            self._send(request, self._queued_names)

    def _take_text(self, live: LiveAnswer, text: str, *, reasoning: bool) -> None:
        live.take(text, reasoning=reasoning)
        if self._shows_live():
            self._show_status("")
            self.transcript.feed(text, reasoning=reasoning)

    def _on_started(self, live: LiveAnswer, event: Started) -> None:
        shown = self._shows_live()
        live.started = True
        live.record = replace(
            live.record,
            id=event.message or live.record.id,
            conversation=event.conversation or live.conversation,
            parent=event.user_message or live.record.parent,
        )
        if shown:
            self.transcript.name_last(live.conversation, event.user_message, event.message)
            if self._conversation is None and event.conversation:
                title = one_line(live.request.text, 60)
                self._conversation = ConversationRecord(id=event.conversation, title=title)
                self._show_title()
            self.conversations.show_current(self.open_conversation_id())

    def _on_done(self, live: LiveAnswer, event: ChatDone) -> None:
        shown = self._shows_live()
        record = live.done(event)
        self._live = None
        if shown:
            self.transcript.finish(record, thought_s=live.thought_s)
            if live.citations:
                self.transcript.show_citations(live.citations)
            self.column.show_conversation_tokens([record])
        self._show_busy()

    def _give_back(self, live: LiveAnswer) -> None:
        """Undo what was shown of a request that never started, and give the words back."""
        self.transcript.show_messages(live.before, keep_place=False)
        if live.request.action == "send" and not self.composer.written().strip():
            self.composer.write(live.request.text)
            for source in live.request.attachments:
                if isinstance(source, StoredSource):
                    name = self._names.get(source.id, "document")
                    self.composer.attach_stored(source.id, name, 0, 0)
                else:
                    self.composer.attach_files([source.path])
            self.draft_changed.emit(self.open_conversation_id(), live.request.text)
        self._show_middle()

    # Wishes of the parts

    @Slot(str)
    def _on_composer_send_requested(self, text: str) -> None:
        attachments: list[Attachment] = self.composer.take_attachments()
        self.composer.clear()
        self.draft_changed.emit(self.open_conversation_id(), "")
        for attachment in attachments:
            if attachment.document:
                self._names[attachment.document] = attachment.name
        request = Chat(
            text=text,
            conversation=self.open_conversation_id(),
            attachments=tuple(attachment.source for attachment in attachments),
        )
        self._send(request, [attachment.name for attachment in attachments if not attachment.document])

    @Slot(str, str)
    def _on_resend_requested(self, message_id: str, text: str) -> None:
        old = self.transcript.record_of(message_id)
        if old is not None and self._live is None:
            sources = tuple(StoredSource(id_) for id_ in old.documents)
            parent = old.parent or self.open_conversation_id()
            self._send(Chat(text=text, conversation=old.conversation, parent=parent, attachments=sources))

    @Slot(str)
    def _on_regenerate_requested(self, message_id: str) -> None:
        old = self.transcript.record_of(message_id)
        if old is None or self._live is not None or not self._has_model:
            return
        request = Chat(conversation=old.conversation, parent=old.parent, action="regenerate")
        siblings = old.siblings + 1
        answer = replace(
            old,
            id="",
            text="",
            reasoning="",
            state="streaming",
            reason="",
            usage=None,
            position=siblings,
            siblings=siblings,
        )
        self._begin(request, None, answer)

    @Slot(str)
    def _on_continue_requested(self, message_id: str) -> None:
        old = self.transcript.record_of(message_id)
        if old is None or self._live is not None or not self._has_model:
            return
        request = Chat(conversation=old.conversation, parent=old.id, action="continue")
        self._begin(request, None, replace(old, state="streaming", reason=""))

    @Slot(str)
    def _on_edit_requested(self, message_id: str) -> None:
        record = self.transcript.record_of(message_id)
        if record is not None and self._live is None:
            self.transcript.start_editing(record.id if record.role == "user" else record.parent)

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
        if self._queued is not None:
            self.composer.write(self._queued.text)
            self._drop_queued()
        self._show_waiting()

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
            self._on_regenerate_requested(answers[-1].id)

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


def _before(shown: Sequence[MessageRecord], parent: str, request: Chat) -> list[MessageRecord]:
    """Return the messages that stay on screen when a request starts: those up to its parent."""
    if not parent and request.action == "send":
        return list(shown)
    kept: list[MessageRecord] = []
    if parent == request.conversation:
        return kept
    for record in shown:
        kept.append(record)
        if record.id == parent:
            break
    return kept
