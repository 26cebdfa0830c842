"""The chat page: conversations at the left, the transcript, and the composer below it.

The page knows neither the application nor other pages. It emits wishes and is told what to show.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop_slm.errors import DesktopSlmError
from desktop_slm.store.records import ConversationRecord, MessageRecord
from desktop_slm.tasks.events import TaskEvent


class ChatPage(QWidget):
    """Chat.

    Signals:
        request_made: A `Chat` request to run; events come back through `on_event`, the end of the job through
            `show_finished` (also after `show_error`).
        stop_requested: Stop the running request (close its generator).
        conversation_selected: Id; answer with `show_conversation`.
        new_requested: A new, empty conversation is on screen (nothing to do but remember it).
        rename_requested, pin_requested, delete_requested: Id, and the new value; answer with `show_conversations`.
        branch_requested: Message id and -1 or +1; answer with `show_messages`.
        draft_changed: Conversation id ("" for a new one) and the text, half a second after the last key.
        attachment_added: Path of a dropped, pasted or chosen file; answer with `show_attachment`.
        model_chosen: Shelf id. models_requested: Go to the models page.
        preset_chosen: "precise", "balanced" or "creative".
        link_confirmed: The user has confirmed to open this address outside the application.
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
    list_width_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

    def show_conversations(self, conversations: Sequence[ConversationRecord]) -> None:
        """Fill the list at the left; pinned ones and days are sorted out here."""

    def show_conversation(
        self, conversation: ConversationRecord | None, messages: Sequence[MessageRecord] = (), draft: str = ""
    ) -> None:
        """Open a conversation (None: a new one) with its active branch and its draft."""

    def show_messages(self, messages: Sequence[MessageRecord]) -> None:
        """Show another state of the open conversation: after a branch step or when a request has ended."""

    def show_models(self, models: Sequence[tuple[str, str]], current: str) -> None:
        """Offer (id, name) pairs; ``current`` is the id in use. A queued message is sent now."""

    def show_no_model(self, sentence: str = "") -> None:
        """Show the card that leads to the models page; messages wait until `show_models`."""

    def show_preset(self, preset: str) -> None:
        """Show the sampling preset in use."""

    def show_context_size(self, n_ctx: int) -> None:
        """Tell how many tokens the model sees at once."""

    def show_attachment(
        self, path: str, pages: int = 0, document: str = "", words: int = 0, problem: str = ""
    ) -> None:
        """Tell what became of an added file: its pages and library id, or the problem in a sentence."""

    def show_saving(self, saving: bool) -> None:
        """Tell whether conversations are kept."""

    def show_list_width(self, width_px: int) -> None:
        """Set the width of the conversation list; 0 folds it."""

    def on_event(self, event: TaskEvent) -> None:
        """Take an event of the running request."""

    def show_error(self, error: DesktopSlmError) -> None:
        """Show why the running request failed; text that has arrived stays."""

    def show_finished(self) -> None:
        """The running request is over, whatever its end."""

    def is_busy(self) -> bool:
        """Whether an answer is being written."""
        return False

    def compose(self, text: str, paths: Sequence[str] = ()) -> None:
        """Put text and files into the composer, for example from the documents page."""

    def open_conversation_id(self) -> str:
        """Return the id of the open conversation, empty for a new one."""
        return ""
