"""Answers in a conversation, and keeps what has been said while it is being said."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from desktop_slm.documents.model import Document
from desktop_slm.engine.api import (
    Finished,
    FinishReason,
    GenerateRequest,
    Message,
    PromptProgress,
    Text,
    Usage,
)
from desktop_slm.errors import ContextExceeded, InvalidRequest
from desktop_slm.store.records import ConversationRecord, MessageRecord, MessageState
from desktop_slm.tasks import sources
from desktop_slm.tasks.events import ChatDone, DocumentRead, Piece, Progress, Started, TaskEvent, Warned
from desktop_slm.tasks.keeping import Keeper
from desktop_slm.tasks.metering import Clock
from desktop_slm.tasks.requests import Chat
from desktop_slm.tasks.services import ChosenModel, Services
from desktop_slm.tasks.turns import Conversation, Turn, title_of

SAVE_EVERY_S = 2.0
_LEAST_ANSWER_TOKENS = 32
_USUAL_ANSWER_TOKENS = 1024
_TINY_ANSWER_TOKENS = 768
_TINY_DOCUMENT_TOKENS = 2500


@dataclass
class ChatTask:
    """One answer."""

    request: Chat
    services: Services
    keeper: Keeper
    _text: str = ""
    _reasoning: str = ""
    _usage: Usage = field(default_factory=Usage)
    _message: str = ""
    _tokens: int = 0
    _began: float = 0.0

    def run(self) -> Generator[TaskEvent, None, None]:
        """Answer; what has arrived is kept however it ends.

        Raises:
            InvalidRequest: Nothing to answer, or an unknown conversation or message.
            ContextExceeded: The conversation does not fit; nothing has been stored.
            DocumentError, ModelError, EngineError: As their rooms say.
        """
        self._began = time.monotonic()
        name = self._name(self.request.conversation)  # first: who deletes a document from now on changes it
        record, branch = self._conversation()
        model = yield from self.services.choose_model(self.request.model, "chat")
        attached = [
            sources.read(source, self.keeper, self.services.stopped) for source in self.request.attachments
        ]
        if self.services.engine.loaded() is None:
            yield Progress(done=0, total=1, unit="tokens", stage="loading")
        n_ctx = self.services.engine.load(model.spec).n_ctx
        system = self.request.system if self.request.system is not None else (record.system if record else "")
        labels = tuple(source.document.sha256 or source.document.name for source in attached)
        conversation = Conversation(system, self._turns(branch, labels), self._documents(branch))
        conversation.documents |= {
            label: source.document for label, source in zip(labels, attached, strict=True)
        }
        prompt = self._fit(conversation, model, n_ctx)
        kept = [sources.keep(source, self.keeper) for source in attached]
        started = self._store(record, branch, model, system, kept)
        first: list[TaskEvent] = [started]
        first += [DocumentRead(id=source.id, document=source.document) for source in kept]
        first += [Warned(text=_what_is_seen(conversation, label)) for label in conversation.by_passages]
        resumed = started.conversation if self.keeper.saves else ""
        named = (name or self._name(resumed)) if resumed else ""
        reason = yield from self._answer(first, self._generate(prompt, model, named), resumed)
        yield ChatDone(
            text=self._text,
            reason=reason,
            conversation=started.conversation,
            message=started.message,
            model=model.id,
            seconds=round(time.monotonic() - self._began, 3),
            usage=self._usage,
        )

    # The conversation so far

    def _conversation(self) -> tuple[ConversationRecord | None, list[MessageRecord]]:
        """Return the conversation and the messages before the answer; check that there is one to write."""
        request = self.request
        if request.action == "send":
            if not request.text.strip() and not request.attachments:
                raise InvalidRequest("There is no message", "Write something first.")
            if not request.conversation:
                return None, []
            record = self.keeper.conversation(request.conversation)
            if request.parent == request.conversation:
                return record, []
            return record, self.keeper.branch(request.conversation, request.parent)
        if not request.conversation or not request.parent:
            raise InvalidRequest("No message was named to answer again", "Open the conversation first.")
        record = self.keeper.conversation(request.conversation)
        branch = self.keeper.branch(request.conversation, request.parent)
        wanted = "user" if request.action == "regenerate" else "assistant"
        if branch[-1].role != wanted:
            raise InvalidRequest(f"That is no message of the {wanted}", "Open the conversation again.")
        if request.action == "continue":
            self._text, self._reasoning = branch[-1].text, branch[-1].reasoning
        return record, branch

    def _turns(self, branch: list[MessageRecord], labels: tuple[str, ...]) -> list[Turn]:
        before = branch[:-1] if self.request.action == "continue" else branch
        turns = [Turn(message.role, message.text, message.documents) for message in before]
        if self.request.action == "send":
            turns.append(Turn("user", self.request.text, labels))
        return turns

    def _documents(self, branch: list[MessageRecord]) -> dict[str, Document]:
        """Return the documents that came with earlier messages; one that was deleted since is left out."""
        found: dict[str, Document] = {}
        for identifier in dict.fromkeys(name for message in branch for name in message.documents):
            try:
                found[identifier] = self.keeper.stored_document(identifier).document
            except InvalidRequest:
                continue
        return found

    def _name(self, conversation: str) -> str:
        return self.services.states.name(conversation) if self.services.states else ""

    # The prompt

    def _fit(self, conversation: Conversation, model: ChosenModel, n_ctx: int) -> tuple[Message, ...]:
        engine = self.services.engine
        wanted = self.request.max_tokens or min(_USUAL_ANSWER_TOKENS, n_ctx // 4)
        prefill = engine.count_tokens(model.spec, [self._text])[0] if self._text else 0
        reserve = min(wanted, n_ctx // 2) + prefill

        def fit(kept_for_answer: int) -> tuple[Message, ...]:
            return conversation.fit(
                lambda messages: engine.count_prompt(model.spec, messages),
                lambda texts: engine.count_tokens(model.spec, list(texts)),
                n_ctx - kept_for_answer,
                _TINY_DOCUMENT_TOKENS if model.tiny else n_ctx,
            )

        try:
            return fit(reserve)
        except ContextExceeded:
            pass
        try:
            return fit(_LEAST_ANSWER_TOKENS + prefill)
        except ContextExceeded as error:
            raise ContextExceeded(error.needed + _LEAST_ANSWER_TOKENS + prefill, n_ctx) from error

    def _generate(
        self, prompt: tuple[Message, ...], model: ChosenModel, conversation: str
    ) -> GenerateRequest:
        return GenerateRequest(
            model=model.spec,
            messages=prompt,
            prefill=self._text,
            max_tokens=self.request.max_tokens or (_TINY_ANSWER_TOKENS if model.tiny else 0),
            sampling=self.request.sampling or self.services.sampling,
            recommended=model.recommended,
            temperature=self.request.temperature,
            seed=self.request.seed,
            conversation=conversation,
        )

    # Keeping

    def _store(
        self,
        record: ConversationRecord | None,
        branch: list[MessageRecord],
        model: ChosenModel,
        system: str,
        attached: list[sources.ReadSource],
    ) -> Started:
        """Store the question and an empty answer, and return their ids."""
        request = self.request
        if request.action == "continue":
            self._message = branch[-1].id
            return Started(conversation=request.conversation, user_message="", message=self._message)
        conversation = request.conversation
        if record is None:
            name = attached[0].document.name if attached else ""
            conversation = self.keeper.create_conversation(title_of(request.text) or name, system, model.id)
        elif system != record.system:
            self.keeper.set_system(conversation, system)
        before = branch[-1].id if branch else ""
        question = before
        if request.action == "send":
            question = self.keeper.add_message(
                conversation,
                parent=before,
                role="user",
                text=request.text,
                documents=[source.id for source in attached],
            )
        if question:
            self._message = self.keeper.add_message(
                conversation, parent=question, role="assistant", text="", state="streaming", model=model.id
            )
        return Started(conversation=conversation, user_message=question, message=self._message)

    def _save(self, state: MessageState, reason: str = "") -> None:
        usage = None if state == "streaming" else self._usage
        self.keeper.update_message(
            self._message, text=self._text, reasoning=self._reasoning, state=state, reason=reason, usage=usage
        )

    # The answer

    def _answer(
        self, first: Sequence[TaskEvent], request: GenerateRequest, conversation: str
    ) -> Generator[TaskEvent, None, FinishReason]:
        """Yield ``first``, then the answer; save it every two seconds and at its end, whatever the end is."""
        state: MessageState = "interrupted"
        reason: FinishReason | Literal[""] = ""
        try:
            yield from first
            self._resume(request, conversation)
            reason = yield from self._stream(request)
            state = "stopped" if reason == "cancelled" else "complete"
            return reason
        except GeneratorExit:
            state, reason = "stopped", "cancelled"
            raise
        finally:
            self._save(state, reason)
            if self.services.states and self._tokens:
                self.services.states.went_on(request.model, conversation, self._tokens)

    def _resume(self, request: GenerateRequest, conversation: str) -> None:
        """Give the engine what was saved of the conversation, unless a seed wants all of it read again."""
        if self.services.states and not request.seeded:
            self.services.states.resume(request.model, conversation)

    def _stream(self, request: GenerateRequest) -> Generator[TaskEvent, None, FinishReason]:
        asked = saved = time.monotonic()
        clock: Clock | None = None
        with closing(self.services.engine.generate(request)) as events:
            for event in events:
                match event:
                    case Text(kind="reasoning"):
                        self._reasoning += event.text
                        yield Piece(text=event.text, kind="reasoning")
                    case Text():
                        self._text += event.text
                        yield Piece(text=event.text)
                    case PromptProgress():
                        clock = clock or Clock(event.total)
                        self._tokens = event.total
                        if clock.due():
                            yield Progress(
                                done=event.done,
                                total=event.total,
                                unit="tokens",
                                left_s=clock.left_s(event.done),
                                stage="reading",
                            )
                    case Finished():
                        # What came before counts, too: loading, and giving back what had been read.
                        waited_s = event.usage.first_token_s + asked - self._began
                        self._usage = msgspec.structs.replace(event.usage, first_token_s=waited_s)
                        self._tokens = event.usage.prompt_tokens + event.usage.completion_tokens
                        return event.reason
                if self.services.stopped():
                    return "cancelled"
                if time.monotonic() - saved >= SAVE_EVERY_S:
                    self._save("streaming")
                    saved = time.monotonic()
                    if trouble := self.keeper.take_trouble():
                        yield Warned(text=trouble)
        return "cancelled"


def _what_is_seen(conversation: Conversation, label: str) -> str:
    """Tell plainly how little of a long document the model sees."""
    name = conversation.documents[label].name
    if label in conversation.unseen:
        return (
            f"“{name}” is longer than the model can use at once, and no passage was found for your question: "
            "the model sees nothing of it. Ask with words that stand in it, or summarize it in Documents."
        )
    return (
        f"“{name}” is longer than the model can use at once: "
        "it sees the passages nearest to your question, not all of it."
    )
