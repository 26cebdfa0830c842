"""What a task may use: handed in by the composition root, so that tasks build nothing themselves."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from desktop_slm.engine.api import Engine, ModelSpec, Sampling
from desktop_slm.tasks.events import Progress

if TYPE_CHECKING:
    from desktop_slm.store.history import History
    from desktop_slm.store.library import Library
    from desktop_slm.tasks.states import ConversationStates

_TINY_BYTES = 350_000_000
_SMALL_BYTES = 1_600_000_000


class ChosenModel(msgspec.Struct, frozen=True, kw_only=True):
    """The model a task runs on.

    Attributes:
        id: Shelf id, shown to the user.
        spec: What the engine is told.
        sha256: Of the file; part of the key of cached notes.
        size_bytes: Of the file; decides how much a prompt may ask for.
    """

    id: str
    spec: ModelSpec
    sha256: str = ""
    size_bytes: int = 0

    @property
    def recommended(self) -> Sampling | None:
        """How its maker recommends to sample from it, where it is in the catalogue."""
        from desktop_slm.models import catalog

        known = catalog.find(self.id) or catalog.by_sha256(self.sha256)
        if known is None:
            return None
        stated = msgspec.structs.asdict(known.sampling)
        return Sampling(**{name: value for name, value in stated.items() if value is not None})

    @property
    def tiny(self) -> bool:
        """Copies well and rephrases badly: gets copying prompts and strict checks."""
        return self.size_bytes < _TINY_BYTES

    @property
    def small(self) -> bool:
        """Loses the thread in long prompts: gets passages rather than whole texts."""
        return self.size_bytes < _SMALL_BYTES


def never() -> bool:
    """Say that nobody asked to stop."""
    return False


@dataclass(frozen=True)
class Services:
    """The rooms below, ready for use.

    Attributes:
        engine: Inference.
        choose_model: Finds the model for (name or "", task); a generator, because preparing the starter on
            its first use takes seconds. Raises `ModelError`.
        history: Conversations; None where nothing is kept, not even in memory.
        library: Documents, summaries, translations; None as above.
        states: What the model has read of conversations; None as above.
        sampling: The preset of the settings; None for the model's own defaults.
        stopped: Asked between steps; once true, the task winds up and yields what it has. Closing the
            generator stops it too, without a last event.
    """

    engine: Engine
    choose_model: Callable[[str, str], Generator[Progress, None, ChosenModel]]
    history: History | None = None
    library: Library | None = None
    states: ConversationStates | None = None
    sampling: Sampling | None = None
    stopped: Callable[[], bool] = field(default=never)
