"""The messages between the engine's client and its worker.

Every order carries an id that the client made; every answer names it. The first message of a worker's life
is `Open`, which fixes what it may read and write until its end.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from desktop_slm.engine.api import (
    EngineEvent,
    GenerateRequest,
    Hardware,
    KvState,
    Loaded,
    Message,
    ModelSpec,
    Pooling,
    Probe,
)
from desktop_slm.errors import ContextExceeded, DesktopSlmError
from desktop_slm.processes.sandbox import SandboxLevel

STATE_LIMIT_BYTES = 512 * 1024 * 1024
"""Largest state of a conversation that is handed out or taken back."""
FRAME_LIMIT_BYTES = STATE_LIMIT_BYTES + 16 * 1024 * 1024
"""Longest message between client and worker: such a state and its tokens."""


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Start.

    Attributes:
        read_paths: Folders that hold models.
        write_paths: The folder to write to, only when quantizing.
        n_threads: Threads, 0 for one per core.
        without_gpu: Models whose loading on the GPU has ended a worker.
        no_gpu: Why no GPU may be used at all; empty when one may.
    """

    read_paths: tuple[str, ...] = ()
    write_paths: tuple[str, ...] = ()
    n_threads: int = 0
    without_gpu: tuple[str, ...] = ()
    no_gpu: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what the client asks for."""

    id: int


class Load(Order, frozen=True, kw_only=True, tag="load"):
    """Load a model; answered by `Ready`."""

    model: ModelSpec


class Generate(Order, frozen=True, kw_only=True, tag="generate"):
    """Answer a request; answered by events, the last of which is `Finished`."""

    request: GenerateRequest


class CountTexts(Order, frozen=True, kw_only=True, tag="count_texts"):
    """Count tokens; answered by `Counts`."""

    model: ModelSpec
    texts: tuple[str, ...]


class CountPrompt(Order, frozen=True, kw_only=True, tag="count_prompt"):
    """Count the tokens of a rendered conversation; answered by `Counts`."""

    model: ModelSpec
    messages: tuple[Message, ...]


class FindSpans(Order, frozen=True, kw_only=True, tag="find_spans"):
    """Cut a text into tokens; answered by `Spans`."""

    model: ModelSpec
    text: str


class Embed(Order, frozen=True, kw_only=True, tag="embed"):
    """Embed texts; answered by `Vectors`."""

    model: ModelSpec
    texts: tuple[str, ...]
    pooling: Pooling


class Rerank(Order, frozen=True, kw_only=True, tag="rerank"):
    """Compare texts with a query; answered by `Scores`."""

    model: ModelSpec
    query: str
    texts: tuple[str, ...]


class KeptTokens(Order, frozen=True, kw_only=True, tag="kept_tokens"):
    """Tell how much is kept for a conversation, without loading anything; answered by `Counts`."""

    model: ModelSpec
    conversation: str


class SaveState(Order, frozen=True, kw_only=True, tag="save_state"):
    """Hand out a conversation's KV state, without loading anything; answered by `Saved`."""

    model: ModelSpec
    conversation: str
    limit_bytes: int = 0


class RestoreState(Order, frozen=True, kw_only=True, tag="restore_state"):
    """Take a conversation's KV state back; answered by `Counts`."""

    model: ModelSpec
    conversation: str
    state: KvState


class Forget(Order, frozen=True, kw_only=True, tag="forget"):
    """Drop what is kept for a conversation; answered by `Counts`, of nothing."""

    conversation: str


class Measure(Order, frozen=True, kw_only=True, tag="measure"):
    """Measure how fast a model runs here; answered by `Measured`."""

    model: ModelSpec


class Quantize(Order, frozen=True, kw_only=True, tag="quantize"):
    """Write a model anew in another layout; answered by `Written`."""

    source: str
    target: str
    file_type: str


class Describe(Order, frozen=True, kw_only=True, tag="describe"):
    """Tell about the computer; answered by `Described`."""


class ProveWalls(Order, frozen=True, kw_only=True, tag="prove_walls"):
    """Try what the sandbox forbids; answered by `Walls`."""

    paths: tuple[str, ...] = ()


class Cancel(Order, frozen=True, kw_only=True, tag="cancel"):
    """Give up the job of this id."""


AnyOrder = (
    Load
    | Generate
    | CountTexts
    | CountPrompt
    | FindSpans
    | Embed
    | Rerank
    | KeptTokens
    | SaveState
    | RestoreState
    | Forget
    | Measure
    | Quantize
    | Describe
    | ProveWalls
    | Cancel
)


Stage = Literal[
    "starting", "idle", "loading", "template", "tokenizing", "grammar", "decoding", "embedding", "quantizing"
]


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """A sign of life each second, with what the worker has been doing for how long."""

    stage: Stage
    stage_s: float


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The worker is confined and listens."""

    level: SandboxLevel


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """The model that writes is let go for the one at ``path``, which is to blame if the worker dies now."""

    path: str


class Trying(msgspec.Struct, frozen=True, tag="trying"):
    """A model is about to be loaded on the GPU: if the worker dies now, that was the reason."""

    path: str


class Events(msgspec.Struct, frozen=True, tag="events"):
    """Events of generate jobs, in order, as pairs of id and event."""

    items: tuple[tuple[int, EngineEvent], ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of answers that end an order."""

    id: int


class Ready(Answer, frozen=True, kw_only=True, tag="ready"):
    """The model is in memory."""

    loaded: Loaded


class Counts(Answer, frozen=True, kw_only=True, tag="counts"):
    """Numbers of tokens."""

    counts: tuple[int, ...]


class Spans(Answer, frozen=True, kw_only=True, tag="spans"):
    """Ends of the tokens in code points; each starts where the one before ends."""

    ends: tuple[int, ...]


class Vectors(Answer, frozen=True, kw_only=True, tag="vectors"):
    """One vector per text."""

    vectors: tuple[tuple[float, ...], ...]


class Scores(Answer, frozen=True, kw_only=True, tag="scores"):
    """One score per text."""

    scores: tuple[float, ...]


class Saved(Answer, frozen=True, kw_only=True, tag="saved"):
    """A conversation's KV state, None when there is none."""

    state: KvState | None


class Measured(Answer, frozen=True, kw_only=True, tag="measured"):
    """How fast the model runs."""

    probe: Probe


class Written(Answer, frozen=True, kw_only=True, tag="written"):
    """The file has been written."""


class Described(Answer, frozen=True, kw_only=True, tag="described"):
    """The computer."""

    hardware: Hardware


class Walls(Answer, frozen=True, kw_only=True, tag="walls"):
    """For each forbidden act the name of the error that stopped it, or "allowed"; and loaded modules."""

    attempts: dict[str, str]
    modules: tuple[str, ...]


class Dropped(Answer, frozen=True, kw_only=True, tag="dropped"):
    """A cancelled order other than `Generate` was not carried out."""


class Failed(Answer, frozen=True, kw_only=True, tag="failed"):
    """The order failed: the error's code in `errors`, and its words; ``needed``, ``available``: tokens."""

    code: str
    title: str
    message: str
    needed: int = 0
    available: int = 0


AnyAnswer = (
    Beat
    | Opened
    | Loading
    | Trying
    | Events
    | Ready
    | Counts
    | Spans
    | Vectors
    | Scores
    | Saved
    | Measured
    | Written
    | Described
    | Walls
    | Dropped
    | Failed
)


def failure(number: int, error: DesktopSlmError) -> Failed:
    """Return an error as the answer to order ``number``."""
    needed, available = 0, 0
    if isinstance(error, ContextExceeded):
        needed, available = error.needed, error.available
    return Failed(
        id=number,
        code=error.code,
        title=error.title,
        message=error.message,
        needed=needed,
        available=available,
    )
