"""The face of the engine: frozen requests in, typed events out.

Everything above speaks to the `Engine` protocol; `engine.client` implements it over a worker process and
`engine.fake` with scripted replies. Requests are complete (they carry the model), so that after a crash
nothing has to be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Literal, Protocol

import msgspec

Role = Literal["system", "user", "assistant"]
Priority = Literal["interactive", "background"]
PieceKind = Literal["answer", "reasoning"]
FinishReason = Literal["stop", "length", "repetition", "cancelled", "context"]
Pooling = Literal["model", "mean", "cls", "last"]
"""How token vectors become one; ``model`` is what the file itself says, else mean."""


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which model to run and how to load it.

    Attributes:
        path: The .gguf file (the first one of a split model).
        n_ctx: Context in tokens; 0 for the smaller of 8,192 and the model's training context.
        n_gpu_layers: Layers on the GPU, -1 for as many as fit, 0 for none.
        n_threads: Threads, 0 to choose by measurement.
    """

    path: str
    n_ctx: int = 0
    n_gpu_layers: int = -1
    n_threads: int = 0


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation. ``content`` is data: control tokens in it are never parsed."""

    role: Role
    content: str


class Adapter(msgspec.Struct, frozen=True):
    """A LoRA adapter (.gguf) on top of the model; ``scale`` 1 is as trained."""

    path: str
    scale: float = 1.0


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is drawn. ``temperature`` 0 is greedy; ``seed`` None is random.

    Attributes:
        repeat_penalty, repeat_last_n: Tokens among so many last ones, prompt included, get less likely;
            1 is off.
        dry_multiplier: Strength of DRY, which makes it costly to go on with a repetition; 0 is off.
        dry_base, dry_allowed_length: The cost is ``multiplier * base ** (length - allowed_length)``.
        logit_bias: Pairs of a text and what is added to the logit of every token that the text is made of,
            wherever it comes; -inf forbids them. A word within a sentence has a blank in front: " sorry".
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    logit_bias: tuple[tuple[str, float], ...] = ()
    seed: int | None = None


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt and how to answer it.

    Attributes:
        model: The model to run.
        messages: The conversation; rendered with the model's own chat template.
        prefill: Start of the answer, already written; the model continues it (not repeated in the output).
        max_tokens: Upper bound of the answer; 0 for whatever the context leaves.
        sampling: None takes what the model file recommends, else ``recommended``, else `Sampling()`.
        recommended: What the catalogue recommends for this model.
        temperature, seed: In place of those of the sampling, whatever that is; None leaves them.
        stop: Texts that end the answer; they are not part of it.
        grammar: GBNF the answer must follow, or empty. No two of ``grammar``, ``choices`` and ``schema``.
        choices: When not empty, the answer is exactly one of these.
        schema: JSON Schema that the answer must follow, or empty. See `json_schema` for what it may say.
        reasoning: Let a reasoning model think first, where its template has a switch.
        priority: ``background`` yields to ``interactive``.
        adapters: LoRA adapters for this request alone.
        conversation: Name of the conversation, whose KV state is kept under it, to be gone on with or saved.
    """

    model: ModelSpec
    messages: tuple[Message, ...]
    prefill: str = ""
    max_tokens: int = 0
    sampling: Sampling | None = None
    recommended: Sampling | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str = ""
    choices: tuple[str, ...] = ()
    schema: str = ""
    reasoning: bool = True
    priority: Priority = "interactive"
    adapters: tuple[Adapter, ...] = ()
    conversation: str = ""

    @property
    def seeded(self) -> bool:
        """Whether the same answer is wanted again."""
        return self.seed is not None or (self.sampling is not None and self.sampling.seed is not None)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer cost. Tokens, and seconds of wall time.

    ``reused_tokens`` of the ``prompt_tokens`` were already in the KV cache and not read again.
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0
    first_token_s: float = 0.0
    decode_s: float = 0.0


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A piece of the answer: whole characters only."""

    text: str
    kind: PieceKind = "answer"


class PromptProgress(msgspec.Struct, frozen=True, tag="prompt_progress"):
    """How much of the prompt has been read, in tokens."""

    done: int
    total: int


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The last event of every job that did not fail.

    ``logprob``: of an answer held by choices, the natural logarithm of how probable its tokens and its end
    were to the model, were it free to write anything; else 0.
    """

    reason: FinishReason
    usage: Usage
    logprob: float = 0.0


EngineEvent = Text | PromptProgress | Finished


class KvState(msgspec.Struct, frozen=True, kw_only=True):
    """The KV state of one conversation, to be written down (encrypted) and given back after a restart.

    Attributes:
        key: What it belongs to: engine build, model file, template, KV type. It fits no other.
        tokens: The tokens it holds, 32-bit little-endian.
        data: llama.cpp's own serialization (``llama_state_seq_get_data``); opaque, and derived from the text.
    """

    key: str
    tokens: bytes
    data: bytes


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a model runs on this computer, in tokens per second: reading, writing."""

    prompt_tokens_per_s: float
    decode_tokens_per_s: float
    threads: int


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device llama.cpp can compute on. Bytes are 0 where it does not tell."""

    name: str
    description: str
    kind: Literal["cpu", "gpu", "igpu", "accel"]
    free_bytes: int = 0
    total_bytes: int = 0


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """This computer, and how the engine uses it.

    Attributes:
        cpu_name: As the system calls the processor.
        cpu_features: What this build of llama.cpp uses: AVX2, AVX512, NEON, ...
        physical_cores: Cores, not hardware threads.
        ram_total_bytes, ram_free_bytes: Free is what can be taken without swapping.
        devices: As llama.cpp sees them.
        device: What inference runs on, in one word or name: ``CPU``, ``NVIDIA H200``.
        reason: Why, in words: "no GPU found", "this build has no GPU support".
        threads: Threads in use, or that would be used.
        engine_version: Version of llama-cpp-python and llama.cpp's build.
    """

    cpu_name: str
    cpu_features: tuple[str, ...]
    physical_cores: int
    ram_total_bytes: int
    ram_free_bytes: int
    devices: tuple[Device, ...]
    device: str
    reason: str
    threads: int
    engine_version: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is in memory.

    Attributes:
        path: The file.
        n_ctx: Context in tokens, as allocated.
        n_ctx_train: Context the model was trained for.
        device, reason: What it runs on and why.
        n_gpu_layers: Layers on the GPU.
        weights_bytes, kv_bytes, compute_bytes: As reported by llama.cpp.
        load_s: Seconds.
        has_template: The file carries its own chat template.
    """

    path: str
    n_ctx: int
    n_ctx_train: int
    device: str
    reason: str
    n_gpu_layers: int
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    load_s: float
    has_template: bool


Tick = Callable[[], object]
"""Called ten times a second while the caller waits; what it raises cancels the work and passes through."""


def nothing() -> None:
    """Let the work go on."""


class Engine(Protocol):
    """What tasks, window and command line may ask for.

    All calls may be made from any thread and block it until the worker answers. Closing a generator cancels
    its job: politely at once, firmly after 3 s. Errors: `ModelInvalid`, `LoadFailed`, `ContextExceeded`,
    `EngineCrashed`, `EngineUnresponsive`.
    """

    def load(self, model: ModelSpec) -> Loaded:
        """Load ``model`` unless it is the one in memory."""
        ...

    def loaded(self) -> Loaded | None:
        """Return the model in memory without waiting."""
        ...

    def generate(self, request: GenerateRequest) -> Generator[EngineEvent, None, None]:
        """Answer one request; the last event is `Finished`."""
        ...

    def generate_many(
        self, requests: Sequence[GenerateRequest]
    ) -> Generator[tuple[int, EngineEvent], None, None]:
        """Answer several requests of one model together; yields (index of the request, event)."""
        ...

    def count_tokens(self, model: ModelSpec, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, without template or special tokens."""
        ...

    def count_prompt(self, model: ModelSpec, messages: Sequence[Message]) -> int:
        """Count the tokens of a conversation as the chat template renders it."""
        ...

    def tokenize_spans(self, model: ModelSpec, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) of each token in ``text``, in code points; together they cover it."""
        ...

    def kept_tokens(self, model: ModelSpec, conversation: str) -> int:
        """Return how many tokens are kept for ``conversation``: 0 tells that its state may be restored.

        Loads nothing: where ``model`` is not in memory, nothing is kept.
        """
        ...

    def save_state(self, model: ModelSpec, conversation: str, limit_bytes: int = 0) -> KvState | None:
        """Return the KV state kept for ``conversation``; None when there is none, or it is over the limit.

        Loads nothing, as `kept_tokens`.
        """
        ...

    def restore_state(self, model: ModelSpec, conversation: str, state: KvState) -> int:
        """Take a saved state back into the cache; return its tokens, 0 when it does not fit this model."""
        ...

    def forget(self, conversation: str) -> None:
        """Drop what is kept for ``conversation``, of any model: at once, or when its job ends.

        Waits for nothing, loads nothing and starts nothing; what is asked afterwards finds nothing kept.
        """
        ...

    def probe(self, model: ModelSpec, tick: Tick = nothing) -> Probe:
        """Measure for a second or two how fast ``model`` reads and writes here, when nothing else runs."""
        ...

    def embed(self, model: ModelSpec, texts: Sequence[str], pooling: Pooling = "model") -> list[list[float]]:
        """Return one L2-normalised vector per text. The model may be resident beside the one that chats."""
        ...

    def rerank(self, model: ModelSpec, query: str, texts: Sequence[str]) -> list[float]:
        """Return how well each text answers ``query``, by a reranking model: higher is better."""
        ...

    def quantize(self, source: str, target: str, file_type: str, tick: Tick = nothing) -> None:
        """Write ``source`` anew as ``target`` in the layout ``file_type`` (``Q8_0``, ``Q4_K_M``, ...)."""
        ...

    def hardware(self) -> Hardware:
        """Tell what this computer is and what inference runs on."""
        ...

    def memory_bytes(self) -> int:
        """Return the resident memory of the worker, 0 when none runs."""
        ...

    def unload(self) -> None:
        """End the worker and free its memory; the next call starts a new one."""
        ...

    def close(self) -> None:
        """End everything."""
        ...
