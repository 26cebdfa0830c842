"""How fast the engine is, as ratios to a bare loop over llama.cpp's C API in the same build.

Engine and bare loop are measured in turns (A B A B) with the same number of tokens, and the middle one of the
ratios of neighbors counts: absolute figures move by tens of percent from hour to hour, ratios do not.

``python -m desktop_slm.engine.bench MODEL.gguf`` prints them as JSON.
"""

from __future__ import annotations

import queue
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from desktop_slm.engine.api import Finished, GenerateRequest, Message, ModelSpec, Sampling
from desktop_slm.engine.client import EngineClient
from desktop_slm.engine.hardware import physical_cores
from desktop_slm.engine.yardstick import Open, Run, Times
from desktop_slm.errors import EngineCrashed
from desktop_slm.processes.child import Child, Death

_N_CTX = 4096
_STORY = "Tell a very long and detailed story about {}, with many adventures, and do not stop early."
_SUBJECTS = ("a cat", "a ship", "a king", "a robot", "the sea", "two sisters", "a thief", "a mountain")


class BareLoop:
    """The yardstick's process."""

    def __init__(self, path: str, n_threads: int) -> None:
        self._answers: queue.SimpleQueue[Times | Death] = queue.SimpleQueue()
        self._child: Child[Times] = Child(
            "desktop_slm.engine.bare_loop",
            name="bare loop",
            receives=Times,
            on_message=self._answers.put,
            on_death=self._answers.put,
        )
        self._ask(Open(path, _N_CTX, n_threads))

    def run(self, n_prompt: int, n_decode: int, n_seq: int = 1) -> Times:
        """Measure; see `yardstick.Run`."""
        return self._ask(Run(n_prompt, n_decode, n_seq))

    def close(self) -> None:
        """End the process."""
        self._child.stop()

    def _ask(self, message: msgspec.Struct) -> Times:
        self._child.send(message)
        answer = self._answers.get()
        if isinstance(answer, Death):
            raise EngineCrashed(f"The bare loop {answer.reason}", log=answer.log)
        return answer


def measure(
    path: str, *, rounds: int = 5, n_decode: int = 128, progress: Callable[[str], None] = lambda _: None
) -> dict[str, float]:
    """Return the figures of this file for the model at ``path``.

    Keys: decode_ratio, prefill_ratio, batch8_ratio (engine's tokens per second divided by the bare loop's),
    worker_start_ms, load_ms, and the absolute rates of both in tokens per second.
    """
    figures: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    model = ModelSpec(path=path, n_ctx=_N_CTX)
    for _ in range(min(rounds, 3)):
        progress("starting the worker")
        _starts(model, add)
    engine = EngineClient()
    bare = BareLoop(path, physical_cores())
    try:
        engine.load(model)
        _decode(engine, bare, model, n_decode, lambda *_: None, seed=99)  # both warm
        for seed in range(rounds):  # first: what is kept of other prompts lengthens the attention
            progress(f"writing, round {seed + 1} of {rounds}")
            _decode(engine, bare, model, n_decode, add, seed)
        for seed in range(rounds):
            progress(f"reading and batches, round {seed + 1} of {rounds}")
            _prefill(engine, bare, model, add, seed)
            _batch(engine, bare, model, n_decode // 2, add)
    finally:
        engine.close()
        bare.close()
    return {name: round(statistics.median(values), 3) for name, values in figures.items()}


def _starts(model: ModelSpec, add: Callable[[str, float], None]) -> None:
    engine = EngineClient()
    started = time.perf_counter()
    engine.hardware()
    add("worker_start_ms", (time.perf_counter() - started) * 1000)
    started = time.perf_counter()
    # The worker of `hardware` may not read the model: this is another one, from nothing to ready.
    engine.load(model)
    add("load_ms", (time.perf_counter() - started) * 1000)
    engine.close()


def _request(model: ModelSpec, text: str, n_decode: int, seed: int | None, **options: Any) -> GenerateRequest:
    return GenerateRequest(
        model=model,
        messages=(Message("user", text),),
        max_tokens=n_decode,
        sampling=Sampling(seed=seed),
        **options,
    )


def _decode(
    engine: EngineClient,
    bare: BareLoop,
    model: ModelSpec,
    n_decode: int,
    add: Callable[[str, float], None],
    seed: int,
) -> None:
    text = _STORY.format(_SUBJECTS[seed % len(_SUBJECTS)])
    end = _last(engine.generate(_request(model, text, n_decode, seed)))
    n_done = end.usage.completion_tokens
    times = bare.run(end.usage.prompt_tokens, max(2, n_done))
    ours, theirs = (n_done - 1) / end.usage.decode_s, (n_done - 1) / times.decode_s
    add("decode_ratio", ours / theirs)
    add("decode_tokens_per_s", ours)
    add("bare_decode_tokens_per_s", theirs)


def _prefill(
    engine: EngineClient, bare: BareLoop, model: ModelSpec, add: Callable[[str, float], None], seed: int
) -> None:
    text = f"Round {seed}. " + f"The quick brown fox number {seed} jumps over the lazy dog. " * 110
    usage = _last(engine.generate(_request(model, text, 1, None))).usage
    n_read = usage.prompt_tokens - usage.reused_tokens
    ours = n_read / usage.first_token_s
    theirs = n_read / bare.run(n_read, 1).prefill_s
    add("prefill_ratio", ours / theirs)
    add("prefill_tokens_per_s", ours)
    add("bare_prefill_tokens_per_s", theirs)


def _batch(
    engine: EngineClient,
    bare: BareLoop,
    model: ModelSpec,
    n_decode: int,
    add: Callable[[str, float], None],
) -> None:
    requests = [
        _request(model, _STORY.format(subject), n_decode, None, priority="background")
        for subject in _SUBJECTS
    ]
    ends = [event for _, event in engine.generate_many(requests) if isinstance(event, Finished)]
    n_done = sum(end.usage.completion_tokens for end in ends)
    ours = n_done / max(end.usage.decode_s for end in ends)
    n_prompt = ends[0].usage.prompt_tokens
    theirs = len(requests) * (n_decode - 1) / bare.run(n_prompt, n_decode, len(requests)).decode_s
    add("batch8_ratio", ours / theirs)
    add("batch8_tokens_per_s", ours)
    add("bare_batch8_tokens_per_s", theirs)


def _last(events: Any) -> Finished:
    last = None
    for event in events:
        last = event
    if not isinstance(last, Finished):
        raise EngineCrashed("The answer did not finish")
    return last


if __name__ == "__main__":
    print(msgspec.json.format(msgspec.json.encode(measure(sys.argv[1])), indent=2).decode())
