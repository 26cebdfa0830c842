"""What the model has read of a conversation, saved when it is left and given back when it is gone on with.

The engine keeps that while its worker lives and has room; after a restart, a crash or a change of model a
chat would be read again from its first word. The engine itself says whether it still has it, and whether a
saved state fits; what is given back is only ever used as far as it agrees with the prompt, so that edited
messages and other branches cannot get a stale answer.
"""

from __future__ import annotations

import contextlib
import secrets
import threading

from desktop_slm.engine.api import Engine, ModelSpec
from desktop_slm.errors import DesktopSlmError
from desktop_slm.store.states import MAX_STATE_BYTES, States

WORTH_TOKENS = 200
"""A shorter conversation is read again as fast as its state is loaded."""


class ConversationStates:
    """The states of the conversations of one open database; lives as long as that.

    Args:
        engine: Inference.
        store: Where states are kept.
    """

    def __init__(self, engine: Engine, store: States) -> None:
        self.store = store
        self._engine = engine
        # In another database, the same id is another conversation.
        self._prefix = f"{secrets.token_hex(4)}:"
        self._lock = threading.Lock()
        self._saving = threading.Lock()  # one at a time: a state takes its size in memory several times over
        self._unsaved: dict[str, ModelSpec] = {}
        self._times_forgotten: dict[str, int] = {}

    def name(self, conversation: str) -> str:
        """Return what the engine calls a conversation; nothing for one that is not kept.

        Another one each time that it was forgotten: what was read before is found and saved no more.
        """
        times = self._times_forgotten.get(conversation, 0)
        return f"{self._prefix}{conversation}:{times}" if conversation else ""

    def resume(self, model: ModelSpec, conversation: str) -> int:
        """Give the engine the saved state of a conversation of which it has nothing, before a request.

        Trouble costs time and no answer: a state that the engine chokes on is not offered again.

        Returns:
            Tokens that need not be read, 0 when nothing was restored.
        """
        if not self.store.keeps or not conversation:
            return 0
        name = self.name(conversation)
        try:
            if not self.store.has(conversation) or self._engine.kept_tokens(model, name):
                return 0
            state = self.store.get(conversation)
        except DesktopSlmError:
            return 0
        if state is None:
            return 0
        try:
            return self._engine.restore_state(model, name, state)
        except DesktopSlmError:
            with contextlib.suppress(DesktopSlmError):
                self.store.forget(conversation)
            return 0

    def went_on(self, model: ModelSpec, conversation: str, tokens: int) -> None:
        """Note that a request of a conversation has ended, with so many tokens of it in the engine."""
        if self.store.keeps and conversation:
            with self._lock:
                self._unsaved.pop(conversation, None)
                if tokens >= WORTH_TOKENS:
                    self._unsaved[conversation] = model

    def forget(self, conversation: str) -> None:
        """Leave nothing of a conversation: saved, waiting to be saved, or in the engine; raises nothing.

        To be called once what it must not tell any more is deleted.
        """
        with self._lock:
            name = self.name(conversation)
            self._times_forgotten[conversation] = self._times_forgotten.get(conversation, 0) + 1
            self._unsaved.pop(conversation, None)
        with contextlib.suppress(DesktopSlmError):
            self.store.forget(conversation)  # what was being saved since the deletion
        with contextlib.suppress(DesktopSlmError):
            self._engine.forget(name)

    def save(self, *, but: str = "", but_of: ModelSpec | None = None) -> None:
        """Save what has not been saved since its last request, the last one first; blocks, raises nothing.

        Conversations that are being answered are saved after that.

        Args:
            but: A conversation that stays open.
            but_of: A model that stays in memory, and whose conversations stay with it.
        """
        with self._saving:
            while (found := self._take(but, but_of)) is not None:
                conversation, model = found
                with contextlib.suppress(DesktopSlmError):
                    self._save(conversation, model)

    def clear(self) -> None:
        """Remove everything that is saved; conversations that are gone on with are read once more."""
        self.store.clear()

    def save_aside(self, *, but: str = "") -> threading.Thread | None:
        """Save as `save` does, on a thread of its own; None when there is nothing to do."""
        with self._lock:
            if not self._unsaved and not self._saving.locked():
                return None
        thread = threading.Thread(target=self.save, kwargs={"but": but}, name="save states", daemon=True)
        thread.start()
        return thread

    def save_within(self, limit_s: float) -> bool:
        """Save everything, waiting for what is being saved too; after ``limit_s`` let go and return False."""
        thread = self.save_aside()
        if thread is None:
            return True
        thread.join(limit_s)
        return not thread.is_alive()

    def _take(self, but: str, but_of: ModelSpec | None) -> tuple[str, ModelSpec] | None:
        with self._lock:
            for conversation, model in reversed(self._unsaved.items()):
                if conversation != but and model != but_of:
                    del self._unsaved[conversation]
                    return conversation, model
        return None

    def _save(self, conversation: str, model: ModelSpec) -> None:
        name = self.name(conversation)
        state = self._engine.save_state(model, name, MAX_STATE_BYTES)
        if state is not None and name == self.name(conversation):
            self.store.put(conversation, state)
            if name != self.name(conversation):  # forgotten while it was written
                self.store.forget(conversation)
