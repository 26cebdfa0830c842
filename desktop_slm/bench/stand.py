"""What the parts of the benchmark share: an engine, the bare loop, texts, and how rates are taken."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from desktop_slm.bench.figures import Figures
from desktop_slm.bench.instruments import Limit
from desktop_slm.bench.messages import Run, Times, Turns
from desktop_slm.engine.api import (
    EngineEvent,
    Finished,
    GenerateRequest,
    Message,
    ModelSpec,
    Priority,
    Sampling,
    Text,
)
from desktop_slm.engine.client import EngineClient
from desktop_slm.engine.hardware import physical_cores
from desktop_slm.errors import EngineError

N_CTX = 4096
SYSTEM = Message("system", "You are a helpful assistant.")
"""In every prompt: without it some templates put in words of their own, and llama.cpp's code does not."""
_STORY = "Tell a very long and detailed story about {}, with many adventures, and do not stop early."
_SUBJECTS = (
    *("a cat", "a ship", "a king", "a robot", "the sea", "two sisters", "a thief", "a mountain"),
    *("a clock", "a bridge", "a violin", "a lighthouse", "a baker", "a comet", "a garden", "an old dog"),
)
_WARM_TOKENS = 24


class Stand:
    """The place where engine and bare loop are measured.

    Args:
        spec: The model.
        original: Path of the same model before it was prepared, empty where there is none.
        figures: Where the values go.
        rounds: How often each value is taken.
        n_decode: Tokens of an answer.
        progress: Told what is being measured.
    """

    def __init__(
        self,
        spec: ModelSpec,
        original: str,
        figures: Figures,
        *,
        rounds: int,
        n_decode: int,
        progress: Callable[[str], None],
    ) -> None:
        self.spec = ModelSpec(path=spec.path, n_ctx=N_CTX, n_gpu_layers=spec.n_gpu_layers)
        self.original = original
        self.figures = figures
        self.rounds = rounds
        self.n_decode = n_decode
        self.engine = EngineClient()
        self.cores = physical_cores()
        self.progress = progress
        self._limit: Limit | None = None

    def close(self) -> None:
        """End all processes."""
        self.engine.close()
        if self._limit is not None:
            self._limit.close()

    def turns(self, words: str, most: int = 0) -> Iterator[int]:
        """Yield the numbers of the rounds, telling each."""
        rounds = min(self.rounds, most or self.rounds)
        for index in range(rounds):
            self.progress(f"{words}, round {index + 1} of {rounds}")
            yield index

    def fresh(self) -> None:
        """Start with a worker that has read nothing: no part depends on those before it."""
        self.engine.unload()
        self.engine.load(self.spec)
        self.write("Hello.", _WARM_TOKENS)

    # The engine

    def request(
        self,
        messages: Sequence[Message],
        n_tokens: int,
        *,
        seed: int | None = None,
        priority: Priority = "interactive",
        conversation: str = "",
    ) -> GenerateRequest:
        """Return a request with the bare loop's sampling."""
        return GenerateRequest(
            model=self.spec,
            messages=tuple(messages),
            max_tokens=n_tokens,
            sampling=Sampling(seed=seed),
            priority=priority,
            conversation=conversation,
        )

    def write(self, text: str, n_tokens: int, seed: int | None = None) -> Finished:
        """Let an answer be written."""
        return last(self.engine.generate(self.request([SYSTEM, Message("user", text)], n_tokens, seed=seed)))

    def first_token_s(self, messages: Sequence[Message], conversation: str = "") -> tuple[float, Finished]:
        """Return the seconds from asking to the first piece of the answer, as the application sees them."""
        request = self.request(messages, 4, conversation=conversation)
        began = time.perf_counter()
        first = 0.0
        end: Finished | None = None
        with closing(self.engine.generate(request)) as events:
            for event in events:
                if isinstance(event, Text | Finished) and not first:
                    first = time.perf_counter() - began
                if isinstance(event, Finished):
                    end = event
        if end is None:
            raise EngineError("The answer did not finish")
        return first, end

    def passage(self, n_tokens: int, number: int) -> str:
        """Return a text of about ``n_tokens`` tokens, another one for each number."""
        sentences = [
            f"On day {day} of trip {number} the crew counted {day * 7 % 61} sails and {day % 43} lanterns. "
            for day in range(1, n_tokens // 8)
        ]
        left = n_tokens
        for index, count in enumerate(self.engine.count_tokens(self.spec, sentences)):
            left -= count
            if left < 0:
                return "".join(sentences[:index])
        return "".join(sentences)

    # The bare loop

    @property
    def limit(self) -> Limit:
        """The bare loop, started at the priority of the worker."""
        if self._limit is None:
            self._limit = Limit(self.spec.path, N_CTX, self.niceness())
        return self._limit

    def niceness(self) -> int:
        """Return the worker's priority as the system counts it, 0 where it does not."""
        pid = self.engine.worker_pid()
        return os.getpriority(os.PRIO_PROCESS, pid) if pid and hasattr(os, "getpriority") else 0

    def bare(
        self,
        prompts: Sequence[Turns],
        n_tokens: int,
        *,
        lengths: Sequence[int] = (),
        n_threads: int = 0,
        seed: int = 0,
        unified: bool = False,
        limit_s: float = 0.0,
    ) -> Times:
        """Run the bare loop on the same prompts."""
        return self.limit.run(
            Run(
                prompts=tuple(prompts),
                lengths=tuple(lengths),
                n_decode=n_tokens,
                n_threads=n_threads or self.cores,
                seeds=tuple(range(seed, seed + len(prompts))),
                unified=unified,
                limit_s=limit_s,
            )
        )


def story(number: int) -> str:
    """Return a request for a long answer, another one for each number."""
    return _STORY.format(_SUBJECTS[number % len(_SUBJECTS)])


def as_turns(text: str) -> Turns:
    """Return the conversation of `Stand.write` for the bare loop."""
    return (SYSTEM.role, SYSTEM.content), ("user", text)


def last(events: Iterator[EngineEvent]) -> Finished:
    """Return the end of an answer."""
    end = None
    for event in events:
        end = event
    if not isinstance(end, Finished):
        raise EngineError("The answer did not finish")
    return end


def rate(end: Finished) -> float:
    """Return the tokens per second of an answer after its first token."""
    return per_second(end.usage.completion_tokens - 1, end.usage.decode_s)


def per_second(count: int, seconds: float) -> float:
    """Return a rate.

    Raises:
        EngineError: There is nothing to take it of.
    """
    if count < 1 or seconds <= 0:
        raise EngineError("The model ended its answer at once")
    return count / seconds
