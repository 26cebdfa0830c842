"""An engine with scripted replies, delays and aborts: the real protocol, without a model or a process.

Tests of every upper room run on it.
"""

from __future__ import annotations

import itertools
import math
import re
import struct
import threading
import time
import zlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from desktop_slm.engine.api import (
    EngineEvent,
    Finished,
    FinishReason,
    GenerateRequest,
    Hardware,
    KvState,
    Loaded,
    Message,
    ModelSpec,
    Pooling,
    Probe,
    PromptProgress,
    Text,
    Tick,
    Usage,
    nothing,
)
from desktop_slm.engine.forms import check_request
from desktop_slm.errors import ContextExceeded, DesktopSlmError, EngineError

_TOKEN = re.compile(r"\w{1,6}|\s|[^\w\s]")
_TURN_TOKENS = 4  # what a chat template adds to each message


@dataclass(frozen=True)
class Reply:
    """What the fake answers.

    Attributes:
        text: The answer.
        reasoning: Thoughts that come before it.
        delay_s: Seconds before each token.
        error: Raised when the text is through: a crash, an unresponsive worker.
        logprob: Of the end.
        reason: Of the end, when the text is not cut by ``max_tokens`` or a stop text.
    """

    text: str
    reasoning: str = ""
    delay_s: float = 0.0
    error: DesktopSlmError | None = None
    reason: FinishReason = "stop"
    logprob: float = 0.0


Script = Sequence[str | Reply] | Callable[[GenerateRequest], str | Reply]


class FakeEngine:
    """Implements `api.Engine` from a script.

    Args:
        replies: In the order of the requests (the last one is repeated), or a function of the request.
        n_ctx: Context in tokens.
        delay_s: Seconds before each token where the reply does not say.
        load_error: Raised by everything that needs the model.

    Attributes:
        requests: Every request so far, for tests to look at.
        cancelled: How many generators were closed before their end.
    """

    def __init__(
        self,
        replies: Script = ("This is a scripted answer.",),
        *,
        n_ctx: int = 8192,
        delay_s: float = 0.0,
        load_error: DesktopSlmError | None = None,
    ) -> None:
        self._replies = replies
        self._n_ctx = n_ctx
        self._delay_s = delay_s
        self._load_error = load_error
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self._closed = False
        self._kept: dict[str, tuple[str, str]] = {}  # conversation -> model, what has been read
        self.requests: list[GenerateRequest] = []
        self.cancelled = 0

    def load(self, model: ModelSpec) -> Loaded:
        """Pretend to load ``model``."""
        if self._closed:
            raise EngineError("The engine is closed", "Start the application again.")
        if self._load_error is not None:
            raise self._load_error
        n_ctx = min(model.n_ctx or self._n_ctx, self._n_ctx)
        self._kept = {name: kept for name, kept in self._kept.items() if kept[0] == model.path}
        self._loaded = Loaded(
            path=model.path, n_ctx=n_ctx, n_ctx_train=self._n_ctx, device="CPU", reason="scripted",
            n_gpu_layers=0, weights_bytes=0, kv_bytes=0, compute_bytes=0, load_s=0.0, has_template=True,
        )  # fmt: skip
        return self._loaded

    def loaded(self) -> Loaded | None:
        """Return what `load` made."""
        return self._loaded

    def generate(self, request: GenerateRequest) -> Generator[EngineEvent, None, None]:
        """Answer from the script."""
        check_request(request)
        loaded = self.load(request.model)
        reply = self._next_reply(request)
        n_prompt = self.count_prompt(request.model, request.messages) + len(_tokens(request.prefill))
        if n_prompt + 1 > loaded.n_ctx:
            raise ContextExceeded(n_prompt + 1, loaded.n_ctx)
        reused = min(self._keep(request), n_prompt - 1)
        started = time.perf_counter()
        done = False
        try:
            yield PromptProgress(n_prompt, n_prompt)
            sent = 0
            text, reason = self._cut(request, reply)
            for kind, token in (
                *(("reasoning", token) for token in _tokens(reply.reasoning)),
                *(("answer", token) for token in _tokens(text)),
            ):
                time.sleep(reply.delay_s or self._delay_s)
                sent += 1
                yield Text(token, "answer" if kind == "answer" else "reasoning")
            if reply.error is not None:
                raise reply.error
            usage = Usage(
                prompt_tokens=n_prompt,
                reused_tokens=reused,
                completion_tokens=sent,
                decode_s=time.perf_counter() - started,
            )
            done = True
            yield Finished(reason, usage, reply.logprob)
        except GeneratorExit:
            self.cancelled += not done
            raise

    def generate_many(
        self, requests: Sequence[GenerateRequest]
    ) -> Generator[tuple[int, EngineEvent], None, None]:
        """Answer the requests in turns, one event each."""
        streams = {index: self.generate(request) for index, request in enumerate(requests)}
        try:
            while streams:
                for index, stream in list(streams.items()):
                    event = next(stream, None)
                    if event is None:
                        del streams[index]
                    else:
                        yield index, event
        finally:
            for stream in streams.values():
                stream.close()

    def count_tokens(self, model: ModelSpec, texts: Sequence[str]) -> list[int]:
        """Count words of up to six letters, blanks and signs."""
        self.load(model)
        return [len(_tokens(text)) for text in texts]

    def count_prompt(self, model: ModelSpec, messages: Sequence[Message]) -> int:
        """Count as `count_tokens`, plus four tokens for each turn and the answer's start."""
        counts = self.count_tokens(model, [message.content for message in messages])
        return sum(counts) + _TURN_TOKENS * (len(messages) + 1)

    def tokenize_spans(self, model: ModelSpec, text: str) -> list[tuple[int, int]]:
        """Return where the tokens of `count_tokens` lie."""
        self.load(model)
        return [match.span() for match in _TOKEN.finditer(text)]

    def kept_tokens(self, model: ModelSpec, conversation: str) -> int:
        """Count the words that the last request of ``conversation`` held."""
        path, words = self._kept.get(conversation, ("", ""))
        return len(_tokens(words)) if path == model.path else 0

    def save_state(self, model: ModelSpec, conversation: str, limit_bytes: int = 0) -> KvState | None:
        """Return the words that the last request of ``conversation`` held."""
        tokens = self.kept_tokens(model, conversation)
        data = self._kept[conversation][1].encode("utf-8", "replace") if tokens else b""
        if not tokens or (limit_bytes and len(data) > limit_bytes):
            return None
        numbers = [zlib.crc32(word.encode()) for word in _tokens(data.decode())]
        return KvState(key=model.path, tokens=struct.pack(f"<{len(numbers)}I", *numbers), data=data)

    def restore_state(self, model: ModelSpec, conversation: str, state: KvState) -> int:
        """Keep a saved state when it was made with this model."""
        self.load(model)
        if state.key != model.path:
            return 0
        self._kept[conversation] = (model.path, state.data.decode())
        return len(state.tokens) // 4

    def forget(self, conversation: str) -> None:
        """Keep nothing of a conversation any more."""
        self._kept.pop(conversation, None)

    def probe(self, model: ModelSpec, tick: Tick = nothing) -> Probe:
        """Return speeds that were never measured."""
        self.load(model)
        tick()
        return Probe(prompt_tokens_per_s=400.0, decode_tokens_per_s=40.0, threads=2)

    def rerank(self, model: ModelSpec, query: str, texts: Sequence[str]) -> list[float]:
        """Return the share of the query's words that each text has."""
        self.load(model)
        words = set(query.lower().split()) or {""}
        return [len(words & set(text.lower().split())) / len(words) for text in texts]

    def embed(self, model: ModelSpec, texts: Sequence[str], pooling: Pooling = "model") -> list[list[float]]:
        """Return normalized letter counts: equal texts are equal, similar ones similar."""
        self.load(model)
        vectors = []
        for text in texts:
            counts = [float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"]
            norm = math.sqrt(sum(count * count for count in counts)) or 1.0
            vectors.append([count / norm for count in counts])
        return vectors

    def quantize(self, source: str, target: str, file_type: str, tick: Tick = nothing) -> None:
        """Copy the file."""
        with open(source, "rb") as read, open(target, "wb") as write:  # noqa: PTH123
            while block := read.read(1024 * 1024):
                write.write(block)
                tick()

    def hardware(self) -> Hardware:
        """Describe a computer with two cores and 8 GB."""
        return Hardware(
            cpu_name="Scripted processor", cpu_features=(), physical_cores=2, ram_total_bytes=8 << 30,
            ram_free_bytes=6 << 30, devices=(), device="CPU", reason="scripted", threads=2,
            engine_version="scripted",
        )  # fmt: skip

    def memory_bytes(self) -> int:
        """Return 0: there is no worker."""
        return 0

    def unload(self) -> None:
        """Forget the model, and what was kept for conversations."""
        self._loaded = None
        self._kept = {}

    def close(self) -> None:
        """Refuse further requests."""
        self.unload()
        self._closed = True

    def _keep(self, request: GenerateRequest) -> int:
        """Keep what a conversation's request holds; return how much of it was kept before, in tokens."""
        if not request.conversation:
            return 0
        words = "\n".join(message.content for message in request.messages)
        before = self._kept.get(request.conversation, ("", ""))[1]
        self._kept[request.conversation] = (request.model.path, words)
        pairs = zip(_tokens(before), _tokens(words), strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    def _next_reply(self, request: GenerateRequest) -> Reply:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        if callable(self._replies):
            reply = self._replies(request)
        else:
            reply = self._replies[min(number, len(self._replies) - 1)]
        return Reply(reply) if isinstance(reply, str) else reply

    def _cut(self, request: GenerateRequest, reply: Reply) -> tuple[str, FinishReason]:
        """Hold the scripted text to the request: choices, stop texts, ``max_tokens``."""
        if request.choices:
            return (reply.text if reply.text in request.choices else request.choices[0]), "stop"
        ends = [at for at in (reply.text.find(stop) for stop in request.stop if stop) if at >= 0]
        text = reply.text[: min(ends)] if ends else reply.text
        reason: FinishReason = "stop" if ends else reply.reason
        tokens = _tokens(text)
        left = request.max_tokens - len(_tokens(reply.reasoning))
        if request.max_tokens and len(tokens) > left:
            return "".join(itertools.islice(tokens, max(0, left))), "length"
        return text, reason


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)
