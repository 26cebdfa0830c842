"""A question and its answer on the chat page: what runs, what waits its turn, what is given back.

At most one request runs at a time, in whichever conversation it was asked; a message that cannot be sent yet
waits and can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal, Slot

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui.widgets.chat_column import ChatColumn
from desktop_slm.gui.widgets.composer import Attachment
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

_WAITS = "Your message is sent as soon as a model is ready."
_WAITS_FOR_OTHER = "Your message is sent when the answer in the other chat is done."
_NO_MODEL = "There is no model on this computer yet."


class Exchange(QObject):
    """Sends what is written, shows what comes back.

    Args:
        column: Where it is shown.
        parent: Owner.

    Signals:
        request_made: A `Chat` request to run.
        draft_changed: Conversation id and the text that is a draft again, or no longer.
        begun: Conversation id and title words; the request on screen runs, its messages are stored.
        changed: Whether the conversation on screen is being answered, or what it holds, may be different.
    """

    request_made = Signal(object)
    draft_changed = Signal(str, str)
    begun = Signal(str, str)
    changed = Signal()

    def __init__(self, column: ChatColumn, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._column = column
        self._transcript, self._composer, self._notice = column.transcript, column.composer, column.notice
        self._conversation: ConversationRecord | None = None
        self._live: LiveAnswer | None = None
        self._queued: Chat | None = None
        self._queued_names: Sequence[str] = ()
        self._no_model_words = _NO_MODEL
        self._has_model = True
        self._names: dict[str, str] = {}
        self._transcript.regenerate_requested.connect(self.regenerate)
        self._transcript.continue_requested.connect(self._on_continue_requested)
        self._transcript.edit_requested.connect(self._on_edit_requested)
        self._transcript.resend_requested.connect(self._on_resend_requested)
        self._composer.send_requested.connect(self._on_composer_send_requested)

    # What is on screen

    @property
    def conversation_id(self) -> str:
        """Id of the conversation on screen, empty for a new one."""
        return self._conversation.id if self._conversation else ""

    @property
    def busy(self) -> bool:
        """Whether an answer is being written, here or in another conversation."""
        return self._live is not None

    @property
    def busy_here(self) -> bool:
        """Whether the answer that is being written is on screen."""
        return self._live is not None and self._transcript.live_view() is not None

    def open(self, conversation: ConversationRecord | None, messages: Sequence[MessageRecord]) -> None:
        """Put a conversation on screen; a message that waits in the old one is a draft there again."""
        self._drop_queued()
        self._conversation = conversation
        self._show_waiting()
        self.show_messages(messages, keep_place=False)

    def show_messages(self, messages: Sequence[MessageRecord], *, keep_place: bool) -> None:
        """Show messages, with the live answer at their end if it belongs here."""
        live = self._live
        if live is not None and live.conversation == self.conversation_id and live.started:
            shown = [message for message in messages if message.id != live.record.id]
            self._transcript.show_messages(shown, keep_place=keep_place)
            record = replace(live.record, text=live.text, reasoning=live.reasoning)
            self._transcript.append(record, live=True)
            self._transcript.advance_live()
        else:
            self._transcript.show_messages(messages, keep_place=keep_place)
        system = self._conversation.system if self._conversation else ""
        self._column.show_conversation_tokens(messages, system)
        self._show_state()

    def show_names(self, names: dict[str, str]) -> None:
        """Tell what documents are called, by library id."""
        self._names |= names
        self._transcript.show_names(self._names)

    # Models

    def show_model(self) -> None:
        """There is a model: what waits is sent."""
        self._has_model = True
        if not self._notice.first_button.isHidden():
            self._notice.say("")
        self._send_queued()

    def show_no_model(self, sentence: str = "") -> None:
        """Show what leads to a model; messages wait until `show_model`."""
        self._has_model = False
        self._no_model_words = sentence or _NO_MODEL
        self._show_waiting()

    # Sending

    def send(self, request: Chat, names: Sequence[str] = ()) -> None:
        """Run a request to answer new or edited words, or let it wait.

        Args:
            request: What to ask.
            names: Of the files that go with it and are not in the library.
        """
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

    @Slot(str)
    def regenerate(self, message_id: str) -> None:
        """Ask for another answer beside the given one."""
        old = self._transcript.record_of(message_id)
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

    def take_back(self) -> None:
        """Write a waiting message into the composer again, and take the notice away."""
        if self._queued is not None:
            self._composer.write(self._queued.text)
            self._drop_queued()
        self._show_waiting()

    def _begin(
        self,
        request: Chat,
        question: MessageRecord | None,
        answer: MessageRecord,
        names: Sequence[str] = (),
    ) -> None:
        """Show the question and an empty answer, and ask for the request to run."""
        before = self._transcript.records()
        self._live = LiveAnswer(request, answer, before)
        self._notice.say("")
        kept = _before(before, question.parent if question else answer.parent, request)
        self._transcript.show_messages(kept, keep_place=True)
        if question is not None:
            self._transcript.append(question, names=[name for name in names if name])
        self._transcript.append(answer, live=True)
        self._show_state()
        self.request_made.emit(request)

    def _send_queued(self) -> None:
        request = self._queued
        if request is not None and self._has_model and self._live is None:
            self._queued = None
            self.send(request, self._queued_names)

    def _drop_queued(self) -> None:
        """Make the waiting message a draft again before something else is shown."""
        queued = self._queued
        if queued is not None:
            self._queued = None
            self.draft_changed.emit(queued.conversation, queued.text)

    def _show_waiting(self) -> None:
        """Say that there is no model, that a message waits, or nothing."""
        words = [] if self._has_model else [self._no_model_words]
        if self._queued is not None:
            words.append(_WAITS_FOR_OTHER if self._has_model else _WAITS)
        first = "" if self._has_model else "Choose a model"
        self._notice.say(" ".join(words), first=first, second="Take it back" if self._queued else "")

    # What comes back

    def on_event(self, event: TaskEvent) -> None:
        """Take an event of the running request."""
        live = self._live
        if live is None:
            return
        match event:
            case Started():
                self._on_started(live, event)
            case Progress():
                if not live.text and self.busy_here:
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
                    self.show_names({event.id: event.document.name})
            case ChatDone():
                self._on_done(live, event)
            case _:
                pass

    def show_error(self, error: DesktopSlmError) -> None:
        """Show why the running request failed; text that has arrived stays."""
        live, shown = self._live, self.busy_here
        self._live = None
        if live is not None and live.started:
            if shown:
                self._transcript.show_error(error)
        else:
            if live is not None and shown:
                self._give_back(live)
            self._notice.say_error(error, second="Dismiss")
        self._show_state()

    def show_finished(self) -> None:
        """The running request is over, whatever its end."""
        live, shown = self._live, self.busy_here
        self._live = None
        if live is not None and shown:
            if live.started:
                self._transcript.finish(live.stopped(), thought_s=live.thought_s)
            else:
                self._give_back(live)
        self._show_state()
        self._send_queued()

    def _on_started(self, live: LiveAnswer, event: Started) -> None:
        shown = self.busy_here
        live.started = True
        live.record = replace(
            live.record,
            id=event.message or live.record.id,
            conversation=event.conversation or live.conversation,
            parent=event.user_message or live.record.parent,
        )
        if shown:
            self._transcript.name_last(live.conversation, event.user_message, event.message)
            title = one_line(live.request.text, 60)
            if self._conversation is None and event.conversation:
                self._conversation = ConversationRecord(id=event.conversation, title=title)
            self.begun.emit(self.conversation_id, title)

    def _take_text(self, live: LiveAnswer, text: str, *, reasoning: bool) -> None:
        live.take(text, reasoning=reasoning)
        if self.busy_here:
            self._show_status("")
            self._transcript.feed(text, reasoning=reasoning)

    def _on_done(self, live: LiveAnswer, event: ChatDone) -> None:
        shown = self.busy_here
        record = live.done(event)
        self._live = None
        if shown:
            self._transcript.finish(record, thought_s=live.thought_s)
            if live.citations:
                self._transcript.show_citations(live.citations)
            self._column.show_conversation_tokens([record])
        self._show_state()

    def _give_back(self, live: LiveAnswer) -> None:
        """Undo what was shown of a request that never started, and give the words back."""
        self._transcript.show_messages(live.before, keep_place=False)
        if live.request.action == "send" and not self._composer.written().strip():
            self._composer.write(live.request.text)
            for source in live.request.attachments:
                if isinstance(source, StoredSource):
                    name = self._names.get(source.id, "document")
                    self._composer.attach_stored(source.id, name, 0, 0)
                else:
                    self._composer.attach_files([source.path])
            self.draft_changed.emit(self.conversation_id, live.request.text)

    def _show_status(self, text: str) -> None:
        view = self._transcript.live_view()
        if view is not None:
            view.show_status(text)

    def _show_warning(self, text: str) -> None:
        view = self._transcript.live_view()
        if view is not None and self.busy_here:
            view.show_warning(text)

    def _show_state(self) -> None:
        self._column.show_middle()
        self._composer.show_busy(self.busy_here)
        self._transcript.show_enabled(self._live is None)
        self.changed.emit()

    # Wishes of the parts

    @Slot(str)
    def _on_composer_send_requested(self, text: str) -> None:
        attachments: list[Attachment] = self._composer.take_attachments()
        self._composer.clear()
        self.draft_changed.emit(self.conversation_id, "")
        for attachment in attachments:
            if attachment.document:
                self._names[attachment.document] = attachment.name
        request = Chat(
            text=text,
            conversation=self.conversation_id,
            attachments=tuple(attachment.source for attachment in attachments),
        )
        self.send(request, [attachment.name for attachment in attachments if not attachment.document])

    @Slot(str, str)
    def _on_resend_requested(self, message_id: str, text: str) -> None:
        old = self._transcript.record_of(message_id)
        if old is not None and self._live is None:
            sources = tuple(StoredSource(id_) for id_ in old.documents)
            parent = old.parent or self.conversation_id
            self.send(Chat(text=text, conversation=old.conversation, parent=parent, attachments=sources))

    @Slot(str)
    def _on_continue_requested(self, message_id: str) -> None:
        old = self._transcript.record_of(message_id)
        if old is None or self._live is not None or not self._has_model:
            return
        request = Chat(conversation=old.conversation, parent=old.id, action="continue")
        self._begin(request, None, replace(old, state="streaming", reason=""))

    @Slot(str)
    def _on_edit_requested(self, message_id: str) -> None:
        record = self._transcript.record_of(message_id)
        if record is not None and self._live is None:
            self._transcript.start_editing(record.id if record.role == "user" else record.parent)


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
