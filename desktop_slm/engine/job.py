"""One request on its way through the scheduler, and what it needs of llama.cpp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from desktop_slm.engine.api import GenerateRequest, PieceKind
from desktop_slm.engine.sequences import Memory, Resident
from desktop_slm.engine.states import Adapters
from desktop_slm.engine.text import TextStream
from desktop_slm.errors import DesktopSlmError

_RESERVE_TOKENS = 256


class Sampler(Protocol):
    """Draws the next token; ``logprob`` as in `api.Finished`."""

    logprob: float

    def sample(self, context: Any, index: int) -> int:
        """Return the token after batch index ``index``."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


class Context(Memory, Protocol):
    """What is asked of `context.Context`."""

    n_ctx: int

    def clear_batch(self) -> None: ...  # noqa: D102 - see context.Context
    def add(self, token: int, position: int, sequence: int, logits: bool) -> int: ...  # noqa: D102
    def decode(self) -> int: ...  # noqa: D102
    def clear(self) -> None: ...  # noqa: D102
    def set_adapters(self, adapters: Adapters) -> None: ...  # noqa: D102


class Vocabulary(Protocol):
    """What is asked of `llama.Model`."""

    def ends(self, token: int) -> bool: ...  # noqa: D102 - see llama.Model
    def piece(self, token: int) -> bytes: ...  # noqa: D102
    def spelling(self, token: int) -> bytes: ...  # noqa: D102


class Job:
    """One request on its way.

    Attributes:
        tokens: Prompt and answer so far; ``n_prompt`` of them are the prompt.
        settled: So many tokens of the prompt will the conversation's next one begin with; 0 is unknown.
        thought: The answer holds reasoning, which is not part of the next prompt.
        checkpoints: Lengths at which the memory is to be noted, where it cannot be cut anywhere.
        reused: Tokens of the prompt that were in the cache and have not been read by this job.
        resident: Its sequence while it runs; ``resident.tokens`` is what is decoded already.
        cancelled: Set by any thread; looked at between steps.
        error: Why it cannot go on; told to ``failed``, in place of an event at its end.
    """

    def __init__(
        self,
        number: int,
        request: GenerateRequest,
        tokens: list[int],
        sampler: Sampler,
        stream: TextStream,
        arrived: float,
        settled: int = 0,
        failed: Callable[[DesktopSlmError], None] = lambda _: None,
    ) -> None:
        self.id = number
        self.interactive = request.priority == "interactive"
        self.exact = request.seeded
        self.adapters = request.adapters
        self.conversation = request.conversation
        self.settled = min(settled, len(tokens) - 1)  # the same prompt again has to decode its last token
        self.checkpoints = {self.settled}
        self.thought = False
        self.tokens = tokens
        self.n_prompt = len(tokens)
        self.max_tokens = request.max_tokens
        self.sampler = sampler
        self.stream = stream
        self.resident: Resident | None = None
        self.cancelled = False
        self.error: DesktopSlmError | None = None
        self.failed = failed
        self.reused = 0
        self.counted = False
        self.arrived = arrived
        self.first_token_at = 0.0
        self.text: list[tuple[PieceKind, str]] = []

    def start(self, resident: Resident, length: int) -> None:
        """Run on ``resident``, which holds the first ``length`` tokens."""
        self.reused = min(self.reused, length) if self.counted else length
        self.resident, self.counted = resident, True

    @property
    def pending(self) -> int:
        """Tokens that are known and not decoded yet."""
        return len(self.tokens) - (len(self.resident.tokens) if self.resident else 0)

    @property
    def reserve(self) -> int:
        """Cells that the answer will probably still need."""
        answered = len(self.tokens) - self.n_prompt
        return min(_RESERVE_TOKENS, self.max_tokens - answered if self.max_tokens else _RESERVE_TOKENS)
