"""Continuous batching: every step decodes one batch of all running jobs and a slice of a waiting prompt.

Interactive jobs go first. While one streams, background work gets at most half of the time: a step that
also carried background tokens is paid back with steps that carry none.

A request that names a seed shall give the same answer again. Kernels round differently with the shape of a
batch, so its prompt is read from the beginning, in slices of one size, with nothing beside it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Literal

from desktop_slm.engine.api import (
    EngineEvent,
    Finished,
    FinishReason,
    PromptProgress,
    Text,
    Usage,
)
from desktop_slm.engine.job import Context, Job, Vocabulary
from desktop_slm.engine.sequences import Resident, Sequences, common_length
from desktop_slm.engine.text import LOOP_INTERVAL, is_loop
from desktop_slm.errors import DesktopSlmError

RUNNING_MAX = 8
SEQUENCES = 16
BATCH_TOKENS = 512
_FIRST_SLICE = 128  # until it is known how fast prompts are read
_SLICE_S = 1.0  # so long may one batch take: jobs are cancelled, and others begin, between batches
_SHARED_SLICE = 64  # prompt tokens per step while someone watches an answer appear
_WORTH_WAITING = 12  # tokens of a prefix that another job is about to have decoded
_FLUSH_S = 0.033  # thirty frames a second: a wake-up of the app per token would cost decoding speed


class Scheduler:
    """Runs jobs of one model on one context.

    Args:
        context: The context.
        vocabulary: Of its model.
        forgets: The model's memory cannot drop a part of a sequence.
        emit: Takes pairs of job id and event, in order.
    """

    def __init__(
        self,
        context: Context,
        vocabulary: Vocabulary,
        *,
        forgets: bool,
        emit: Callable[[list[tuple[int, EngineEvent]]], None],
    ) -> None:
        self._context = context
        self._vocabulary = vocabulary
        self._emit = emit
        self._forgets = forgets
        self._sequences = Sequences(context, SEQUENCES, forgets)
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._out: list[tuple[int, EngineEvent]] = []
        self._flushed_at = 0.0
        self._slice = _FIRST_SLICE
        self._debt_s = 0.0
        self._solo_s = 0.0

    @property
    def idle(self) -> bool:
        """Nothing runs or waits."""
        return not self._running and not self._waiting

    def submit(self, job: Job) -> None:
        """Queue a job: interactive ones before background ones, else in order."""
        at = len(self._waiting)
        if job.interactive:
            at = sum(other.interactive for other in self._waiting)
        self._waiting.insert(at, job)

    def find(self, number: int) -> Job | None:
        """Return the job with this id; may be called from any thread."""
        for job in [*self._running, *self._waiting]:
            if job.id == number:
                return job
        return None

    def worth_aborting(self) -> bool:
        """Tell whether a cancelled job shall end the step under way; may be called from any thread.

        A slice of a prompt takes long anyway. On a busy computer a single token does, too: three seconds have
        been seen, while threads waited for each other. Computing it again costs the other jobs little, unless
        their memory cannot drop a token and they would lose all they have read.
        """
        return not self._forgets or any(job.pending > 1 for job in list(self._running))

    def step(self) -> None:
        """Decode one batch and deal with what came out."""
        self._drop_cancelled()
        self._admit()
        batch = self._choose()
        if batch:
            self._decode(batch)
        self.flush(force=not self._running)

    def flush(self, force: bool = False) -> None:
        """Send what has gathered, at most once per screen frame unless forced."""
        now = time.perf_counter()
        if not force and now - self._flushed_at < _FLUSH_S:
            return
        for job in self._running:
            self._gather(job)
        if self._out:
            self._emit(self._out)
            self._out = []
            self._flushed_at = now

    def close(self) -> None:
        """Finish all jobs as cancelled."""
        for job in [*self._running, *self._waiting]:
            job.cancelled = True
        self._drop_cancelled()
        self.flush(force=True)

    def _drop_cancelled(self) -> None:
        for job in [job for job in self._running if job.cancelled]:
            self._finish(job, "cancelled")
        for job in [job for job in self._waiting if job.cancelled]:
            self._waiting.remove(job)
            self._conclude(job, "cancelled")

    # Admission

    def _admit(self) -> None:
        """Start waiting jobs while there are slots and cells."""
        for job in list(self._waiting):
            if len(self._running) >= RUNNING_MAX + 2 * job.interactive:
                return
            if self._comes_for_free(job):
                continue
            if not self._make_room(job):
                return
            taken = self._take(job)
            if taken is None:
                return
            job.resident, length = taken
            if not job.counted:
                job.counted, job.reused = True, length
            self._waiting.remove(job)
            self._running.append(job)

    def _take(self, job: Job) -> tuple[Resident, int] | None:
        if not job.exact:
            return self._sequences.take(job.tokens)
        fresh = self._sequences.take_fresh()
        return (fresh, 0) if fresh is not None else None

    def _comes_for_free(self, job: Job) -> bool:
        """Tell whether a running job is about to decode a start that this one shares: it waits for that."""
        if job.exact:
            return False
        _, length = self._sequences.best_prefix(job.tokens)
        for other in self._running:
            if other.pending > 1 and other.interactive >= job.interactive:
                shared = min(common_length(other.tokens, job.tokens), len(job.tokens) - 1)
                if shared > length + _WORTH_WAITING and other.resident is not None:
                    return True
        return False

    def _make_room(self, job: Job) -> bool:
        """Evict idle sequences until ``job`` probably fits beside the running ones."""
        source, length = (None, 0) if job.exact else self._sequences.best_prefix(job.tokens)
        expected = len(job.tokens) - length + job.reserve
        expected += sum(other.pending + other.reserve for other in self._running)
        while self._sequences.cells_used() + expected > self._context.n_ctx:
            if not self._sequences.evict(spare=source):
                if source is not None and not source.busy and not self._running:
                    # Only what it would build on is left: its tail goes when it is taken.
                    return True
                return not self._running
        return True

    # Choosing what to decode

    def _choose(self) -> list[tuple[Job, int]]:
        """Return the jobs of the next batch and how many tokens each decodes."""
        interactive = [job for job in self._running if job.interactive]
        background = [job for job in self._running if not job.interactive]
        watched = any(job.pending == 1 for job in interactive)
        chosen = [(job, 1) for job in interactive if job.pending == 1]
        prompts = [job for job in interactive if job.pending > 1]
        if interactive and (prompts or self._debt_s > 0):
            background = []
        prompts += [job for job in background if job.pending > 1]
        if prompts and prompts[0].exact:
            return [(prompts[0], min(BATCH_TOKENS, prompts[0].pending))]
        prompts = [job for job in prompts if not job.exact]
        chosen += [(job, 1) for job in background if job.pending == 1]
        room = self._slice - len(chosen)
        if watched and background:
            room = min(room, _SHARED_SLICE)
        for job in prompts[:1] if watched else prompts:
            size = min(room, job.pending)
            if size <= 0:
                break
            chosen.append((job, size))
            room -= size
        return chosen

    # Decoding

    def _decode(self, batch: list[tuple[Job, int]]) -> None:
        context = self._context
        started = time.perf_counter()
        outputs: list[tuple[Job, int]] = []
        context.clear_batch()
        for job, size in batch:
            resident = job.resident
            assert resident is not None  # noqa: S101 - all running jobs have one
            start = len(resident.tokens)
            last = len(job.tokens) - 1
            for position in range(start, start + size):
                index = context.add(job.tokens[position], position, resident.id, position == last)
            if start + size > last:
                outputs.append((job, index))
        result = context.decode()
        if result != 0:
            self._recover(batch, result)
            return
        for job, size in batch:
            resident = job.resident
            if resident is not None:
                start = len(resident.tokens)
                self._sequences.append(resident, job.tokens[start : start + size])
                if start < job.n_prompt:
                    self._tell_progress(job)
        now = time.perf_counter()
        for job, index in outputs:
            self._sample(job, index, now)
        self._account(batch, time.perf_counter() - started)

    def _account(self, batch: list[tuple[Job, int]], seconds: float) -> None:
        """Learn how long batches take, and keep the debt of background work to the watched answers."""
        count = sum(size for _, size in batch)
        if count >= _SHARED_SLICE:
            fitting = int(count * _SLICE_S / max(seconds, 1e-6))
            self._slice = max(_SHARED_SLICE, min(BATCH_TOKENS, fitting))
        watched = sum(job.interactive for job in self._running)
        if not watched:
            self._debt_s = 0.0
        elif any(not job.interactive for job, _ in batch):
            self._debt_s += max(0.0, seconds - self._solo_s)
        else:
            self._debt_s = max(0.0, self._debt_s - seconds)
            if all(size == 1 for _, size in batch):
                self._solo_s = seconds if not self._solo_s else 0.9 * self._solo_s + 0.1 * seconds

    def _recover(self, batch: list[tuple[Job, int]], result: int) -> None:
        """Deal with a batch that was not computed: rewind its sequences, then make room or give up."""
        for job, _ in batch:
            if job.resident is not None:
                self._sequences.rewind(job.resident, len(job.resident.tokens))
        if result == 2:  # aborted: a job was cancelled
            return
        if result == 1 and self._sequences.evict():
            return
        if result == 1 and len(self._running) > 1:
            self._preempt()
            return
        if result == 1:
            self._finish(batch[0][0], "context")
            return
        raise RuntimeError(f"llama_decode returned {result}")

    def _preempt(self) -> None:
        """Send the newest job, a background one if there is any, back to wait; it will re-read its text."""
        job = min(self._running[::-1], key=lambda job: job.interactive)
        self._running.remove(job)
        if job.resident is not None:
            self._sequences.drop(job.resident)
            job.resident = None
        self._waiting.insert(0, job)

    def _tell_progress(self, job: Job) -> None:
        if job.resident is not None and len(job.tokens) == job.n_prompt:
            self._out.append((job.id, PromptProgress(len(job.resident.tokens), job.n_prompt)))

    def _sample(self, job: Job, index: int, now: float) -> None:
        try:
            token = job.sampler.sample(self._context, index)
        except DesktopSlmError as error:  # its form allows nothing here; the other jobs go on
            job.error = error
            self._finish(job, "stop")
            return
        self._take_token(job, token, now)

    def _take_token(self, job: Job, token: int, now: float) -> None:
        if not job.first_token_at:
            job.first_token_at = now
        if self._vocabulary.ends(token):
            self._finish(job, "stop")
            return
        job.tokens.append(token)
        job.text += job.stream.feed(self._vocabulary.piece(token))
        answered = len(job.tokens) - job.n_prompt
        if job.stream.stopped:
            self._finish(job, "stop")
        elif job.max_tokens and answered >= job.max_tokens:
            self._finish(job, "length")
        elif len(job.tokens) >= self._context.n_ctx:
            self._finish(job, "context")
        elif answered % LOOP_INTERVAL == 0 and is_loop(job.tokens, job.n_prompt):
            self._finish(job, "repetition")

    # Ends

    def _finish(self, job: Job, reason: FinishReason) -> None:
        self._running.remove(job)
        if job.resident is not None:
            self._sequences.release(job.resident, chat=job.interactive)
            job.resident = None
        self._conclude(job, reason)

    def _conclude(self, job: Job, reason: FinishReason) -> None:
        """Send the rest of the text and the usage, at once."""
        if job.first_token_at:
            job.text += job.stream.finish()
        self._gather(job)
        job.sampler.close()
        self._flushed_at = 0.0
        if job.error is not None:
            self.flush(force=True)
            job.failed(job.error)
            return
        now = time.perf_counter()
        first = job.first_token_at or now
        usage = Usage(
            prompt_tokens=job.n_prompt,
            reused_tokens=job.reused,
            completion_tokens=len(job.tokens) - job.n_prompt,
            first_token_s=first - job.arrived,
            decode_s=now - first,
        )
        self._out.append((job.id, Finished(reason, usage)))

    def _gather(self, job: Job) -> None:
        """Turn the job's text so far into events, neighbors of one kind joined."""
        if not job.text:
            return
        kind, text = job.text[0]
        for next_kind, piece in job.text[1:]:
            if next_kind == kind:
                text += piece
            else:
                self._out.append((job.id, Text(text, kind)))
                kind, text = next_kind, piece
        self._out.append((job.id, Text(text, kind)))
        job.text = []


def random_seed() -> int:
    """Return a seed that nobody chose."""
    return int.from_bytes(os.urandom(4), "little") & 0x7FFFFFFF


Stage = Literal[
    "starting", "idle", "loading", "template", "tokenizing", "grammar", "decoding", "embedding", "quantizing"
]
