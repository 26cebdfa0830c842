"""What is measured of the engine alone, most of it against the bare loop: A B A B, ratios of neighbors.

Each part adds the values of its rounds to the figures; none depends on another.
"""

from __future__ import annotations

import time

import msgspec

from desktop_slm.bench.figures import BARS
from desktop_slm.bench.instruments import Background, hogs
from desktop_slm.bench.stand import SYSTEM, Stand, as_turns, per_second, rate, story
from desktop_slm.engine.api import Finished, Message, Text
from desktop_slm.engine.client import EngineClient
from desktop_slm.engine.speeds import compare
from desktop_slm.errors import EngineError, NotYet

STARTS = 3
TUNER_WARM_S = 3.0
"""How long the engine writes beside the hogs before it is measured there: it finds its number of threads."""
_PROMPT_TOKENS = 1000
_CHAT_TOKENS = 1900
_ANSWER_TOKENS = 48
_BATCH_ROUNDS = 4
_BUSY_ROUNDS = 4
_BUSY_LIMIT_S = 1.2
_TURN_ROUNDS = 3
_CURVE_ROUNDS = 2
_BEHIND_PROMPTS = 12
_BEHIND_TOKENS = 600


def starts(stand: Stand) -> None:
    """Measure how long a worker, and a worker with the model, takes from nothing to ready."""
    for _ in stand.turns("starting the worker", STARTS):
        engine = EngineClient()
        try:
            began = time.perf_counter()
            engine.hardware()
            stand.figures.add("worker_start_ms", (time.perf_counter() - began) * 1000)
            # The worker of `hardware` may not read the model: this is another one.
            began = time.perf_counter()
            engine.load(stand.spec)
            stand.figures.add("load_ms", (time.perf_counter() - began) * 1000)
        finally:
            engine.close()


def decode(stand: Stand) -> None:
    """Measure the writing of one answer."""
    stand.fresh()
    stand.bare([as_turns("Hello.")], stand.n_decode // 4)
    for seed in stand.turns("writing"):
        end = stand.write(story(seed), stand.n_decode, seed)
        n_done, n_prompt = end.usage.completion_tokens, end.usage.prompt_tokens
        times = stand.bare([as_turns(story(seed))], n_done, lengths=[n_prompt], seed=seed)
        _note_pair(stand, "decode", rate(end), per_second(times.n_decoded, times.decode_s))
        stand.figures.add("same_prompt", float(times.same_prompt))


def prefill(stand: Stand) -> None:
    """Measure the reading of a prompt of a thousand tokens, to its first token."""
    stand.fresh()
    text = stand.passage(_PROMPT_TOKENS, 99)
    stand.bare([as_turns(text)], 1)
    for number in stand.turns("reading"):
        text = stand.passage(_PROMPT_TOKENS, number)
        usage = stand.write(text, 1).usage
        n_read = usage.prompt_tokens - usage.reused_tokens
        times = stand.bare([as_turns(text)], 1, lengths=[n_read])
        _note_pair(stand, "prefill", n_read / usage.first_token_s, n_read / times.prefill_s)


def batch(stand: Stand) -> None:
    """Measure eight answers written together."""
    stand.fresh()
    for _ in stand.turns("writing 8 answers together", _BATCH_ROUNDS):
        ours, theirs = _together(stand, 8, 3 * stand.n_decode // 4)
        _note_pair(stand, "batch8", ours, theirs)
        _note_together(stand, 8, ours, theirs)


def sequences(stand: Stand) -> None:
    """Measure the curve of tokens per second over the number of answers written together."""
    stand.fresh()
    for count in (1, 2, 4, 8, 16):
        if stand.figures.median(f"sequences_{count}_tokens_per_s") is None:
            for _ in stand.turns(f"writing {count} together, for the plot", _CURVE_ROUNDS):
                _note_together(stand, count, *_together(stand, count, stand.n_decode // 2))


def _note_together(stand: Stand, count: int, ours: float, theirs: float) -> None:
    stand.figures.add(f"sequences_{count}_tokens_per_s", ours)
    stand.figures.add(f"bare_sequences_{count}_tokens_per_s", theirs)


def _together(stand: Stand, count: int, n_tokens: int) -> tuple[float, float]:
    """Return the tokens per second of ``count`` answers together: engine, and bare loop at its best.

    All answer one prompt, so that reading it is over when they begin, in both; seeds make them differ. The
    engine's time is that between its very first token and the end of the last answer, as the application sees
    them: what begins late counts against it. One KV cache for all is faster in one place, one divided among
    the sequences in another: the bare loop gets the better of both.
    """
    request = stand.request([SYSTEM, Message("user", story(0))], n_tokens, priority="background")
    first = 0.0
    ends: dict[int, Finished] = {}
    for index, event in stand.engine.generate_many([request] * count):
        if isinstance(event, Text) and not first:
            first = time.perf_counter()
        if isinstance(event, Finished):
            ends[index] = event
    over = time.perf_counter()
    ours = per_second(sum(end.usage.completion_tokens - 1 for end in ends.values()), over - first)
    prompts = [as_turns(story(0))] * count
    lengths = [ends[index].usage.prompt_tokens for index in range(count)]
    found = {}
    for unified in (False, True) if count > 1 else (False,):
        times = stand.bare(prompts, n_tokens, lengths=lengths, unified=unified)
        found[unified] = count * per_second(times.n_decoded, times.decode_s)
    if count == 8:
        stand.figures.add("bare_batch8_divided_tokens_per_s", found[False])
        stand.figures.add("bare_batch8_unified_tokens_per_s", found[True])
    return ours, max(found.values())


def second_turn(stand: Stand) -> None:
    """Measure the first token of the second turn of a long chat against a prompt as long that is new."""
    stand.fresh()
    for number in stand.turns("second turn of a long chat", _TURN_ROUNDS):
        name = f"bench-{number}"
        opening = [SYSTEM, Message("user", stand.passage(_CHAT_TOKENS, number) + "What happened?")]
        text = ""
        for event in stand.engine.generate(stand.request(opening, _ANSWER_TOKENS, conversation=name)):
            if isinstance(event, Text):
                text += event.text
        follow = [Message("assistant", text), Message("user", "And what happened after that?")]
        again_s, again = stand.first_token_s([*opening, *follow], name)
        other = Message("user", stand.passage(_CHAT_TOKENS, 50 + number) + "What happened?")
        cold_s, cold = stand.first_token_s([SYSTEM, other, *follow])
        stand.figures.add("ttft_turn2_ratio", again_s / cold_s)
        stand.figures.add("ttft_turn2_ms", again_s * 1000)
        stand.figures.add("ttft_cold_ms", cold_s * 1000)
        stand.figures.add("turn2_prompt_tokens", again.usage.prompt_tokens)
        stand.figures.add("turn2_reused_tokens", again.usage.reused_tokens)
        stand.figures.add("cold_reused_tokens", cold.usage.reused_tokens)


def background(stand: Stand) -> None:
    """Measure a chat's writing while long prompts are read and answered in the background, and alone."""
    stand.fresh()
    for seed in stand.turns("chat beside background work"):
        alone = stand.write(story(seed), stand.n_decode, seed)
        work = [
            stand.request(
                [
                    SYSTEM,
                    Message("user", stand.passage(_BEHIND_TOKENS, 100 * seed + number)),
                ],
                stand.n_decode,
                priority="background",
            )
            for number in range(_BEHIND_PROMPTS)
        ]
        with Background(stand.engine, work) as behind:
            beside = stand.write(story(seed), stand.n_decode, seed)
            if behind.over.is_set():
                raise EngineError("The background work was over before the chat was")
        stand.figures.add("background_share", rate(beside) / rate(alone))
        stand.figures.add("background_chat_tokens_per_s", rate(beside))
        stand.figures.add("background_first_token_ms", beside.usage.first_token_s * 1000)


def busy(stand: Stand, count: int, rounds: int = _BUSY_ROUNDS) -> None:
    """Measure writing beside ``count`` programs that spin, against the best fixed number of threads there.

    A number that is not half as fast as another in the first round cannot be the best and is not tried
    again: with too many threads a single token may take seconds.
    """
    tried = fixed_threads(stand.cores)
    with hogs(count):
        stand.fresh()
        until = time.perf_counter() + TUNER_WARM_S
        while time.perf_counter() < until:
            stand.write(story(90), stand.n_decode // 2)
        for seed in stand.turns(f"beside {count} busy programs", rounds):
            end = stand.write(story(seed), stand.n_decode, seed)
            ours = rate(end)
            fixed: dict[int, float] = {}
            for n_threads in tried:
                times = stand.bare(
                    [as_turns(story(seed))],
                    stand.n_decode,
                    lengths=[end.usage.prompt_tokens],
                    n_threads=n_threads,
                    seed=seed,
                    limit_s=_BUSY_LIMIT_S,
                )
                fixed[n_threads] = per_second(times.n_decoded, times.decode_s)
                name = f"bare_load_{count}_threads_{n_threads}_tokens_per_s"
                stand.figures.add(name, fixed[n_threads])
            best = max(fixed.values())
            tried = [n_threads for n_threads in tried if fixed[n_threads] >= best / 2]
            stand.figures.add(f"load_{count}_tokens_per_s", ours)
            if f"busy_ratio_{count}" in BARS:
                stand.figures.add(f"busy_ratio_{count}", ours / best)


def load_curve(stand: Stand) -> None:
    """Measure the ends of the curve of speed over load, which `busy` leaves out."""
    for count in (0, 3):
        busy(stand, count, _CURVE_ROUNDS)


def fixed_threads(cores: int) -> list[int]:
    """Return the numbers of threads to try: all, or on a large machine those among which the best lies."""
    if cores <= 4:
        return list(range(1, cores + 1))
    return sorted({1, cores // 4, cores // 2, *range(cores - 3, cores + 1)})


def prepare(stand: Stand) -> None:
    """Measure the prepared model against the same before it was prepared, as `models prepare` does."""
    if not stand.original:
        raise NotYet("This model was not prepared: there is nothing to compare it with")
    stand.fresh()
    rounds = min(stand.rounds, _TURN_ROUNDS)
    stand.progress(f"original and prepared model, {rounds} rounds")
    original = msgspec.structs.replace(stand.spec, path=stand.original)
    gain = compare(stand.engine, original, stand.spec, rounds=rounds)
    stand.figures.add("prepare_gain", gain.reading)
    stand.figures.add("prepare_gain_writing", gain.writing)
    stand.figures.add("original_prefill_tokens_per_s", gain.before.prompt_tokens_per_s)
    stand.figures.add("prepared_prefill_tokens_per_s", gain.after.prompt_tokens_per_s)


def _note_pair(stand: Stand, name: str, ours: float, theirs: float) -> None:
    stand.figures.add(f"{name}_ratio", ours / theirs)
    stand.figures.add(f"{name}_tokens_per_s", ours)
    stand.figures.add(f"bare_{name}_tokens_per_s", theirs)
