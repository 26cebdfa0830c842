"""Continuous batching: every step decodes one batch of all running jobs and a slice of a waiting prompt.

Interactive jobs go first. While one streams, background work gets at most half of the time: a step that
also carried background tokens is paid back with steps that carry none.

A request that names a seed shall give the same answer again. Kernels round differently with the shape of a
batch, so its prompt is read from the beginning, in slices of one size, with nothing beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from desktop_slm.engine.api import (
    EngineEvent,
    Finished,
    FinishReason,
    PromptProgress,
    Text,
    Usage,
)
from desktop_slm.engine.job import Context, Job, Vocabulary
from desktop_slm.engine.prefix import common_length, spelled_alike
from desktop_slm.engine.sequences import Resident, Sequences
from desktop_slm.engine.states import Adapters
from desktop_slm.engine.text import LOOP_INTERVAL, is_loop
from desktop_slm.errors import DesktopSlmError

RUNNING_MAX = 8
SEQUENCES = 16
RECURRENT_SEQUENCES = 8  # a recurrent state has its full size from the start: 56 MB in Granite 4 H Tiny
BATCH_TOKENS = 512
_PARKING_BYTES = 512 * 1024 * 1024
_FIRST_SLICE = 128  # until it is known how fast prompts are read
_SLICE_S = 2.0  # so long may one batch take: what is not worth ending it for begins between batches
_SHARED_SLICE = 64  # prompt tokens per step while someone watches an answer appear
_WORTH_WAITING = 12  # tokens of a prefix that another job is about to have decoded
_STOPS = 2  # places where the reading of a prompt pauses for others that share its start
_HURRY_S = 2.0  # so long after somebody asked for something are batches of background work short
_PAID_BACK = 1.5  # of the time taken from a watched answer: its steps are slower for the others' cells, too
_FLUSH_S = 0.033  # thirty frames a second: a wake-up of the app per token would cost decoding speed


class Scheduler:
    """Runs jobs of one model on one context.

    Args:
        context: The context.
        vocabulary: Of its model.
        forgets: The model's memory cannot drop a part of a sequence.
        emit: Takes pairs of job id and event, in order.
        n_seq: Sequences of the context; half of them run, and two more for interactive jobs.
        parking_bytes: Memory for sequences that are not running.
    """

    def __init__(
        self,
        context: Context,
        vocabulary: Vocabulary,
        *,
        forgets: bool,
        emit: Callable[[list[tuple[int, EngineEvent]]], None],
        n_seq: int = SEQUENCES,
        parking_bytes: int = _PARKING_BYTES,
    ) -> None:
        self._context = context
        self._vocabulary = vocabulary
        self._emit = emit
        self._forgets = forgets
        self._running_max = min(RUNNING_MAX, n_seq // 2)
        self._sequences = Sequences(context, n_seq, parking_bytes)
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._out: list[tuple[int, EngineEvent]] = []
        self._flushed_at = 0.0
        self._slice = _FIRST_SLICE
        self._debt_s = 0.0
        self._solo_s = 0.0
        self._hurry_until = 0.0
        self._adapters: Adapters = ()  # in force on the context

    @property
    def idle(self) -> bool:
        """Nothing runs or waits."""
        return not self._running and not self._waiting

    @property
    def watched(self) -> bool:
        """Someone waits for an answer."""
        return any(job.interactive for job in [*self._running, *self._waiting])

    def submit(self, job: Job) -> None:
        """Queue a job: interactive ones before background ones, else in order."""
        at = len(self._waiting)
        if job.interactive:
            at = sum(other.interactive for other in self._waiting)
        self._waiting.insert(at, job)

    # Conversations

    def respelled(self, conversation: str, tokens: list[int]) -> list[int]:
        """Return a prompt with what is kept of ``conversation`` spelled as there; see `spelled_alike`."""
        held = self._sequences.known(conversation) if conversation else None
        return spelled_alike(held.tokens, tokens, self._vocabulary.spelling) if held is not None else tokens

    def kept_tokens(self, conversation: str) -> int:
        """Return how many tokens are kept for ``conversation``, in the cache or parked."""
        held = self._sequences.known(conversation)
        return len(held.tokens) if held is not None else 0

    def save_state(self, conversation: str, limit_bytes: int) -> tuple[list[int], bytes | bytearray] | None:
        """Return what is kept for ``conversation``; see `Sequences.save`."""
        return self._sequences.save(conversation, limit_bytes)

    def restore_state(self, conversation: str, tokens: list[int], data: bytes) -> int:
        """Take a saved state back between two steps; return how many of its tokens are there now."""
        return self._sequences.restore(conversation, tokens, data)

    def forget(self, conversation: str) -> None:
        """Drop what is kept for ``conversation``, between two steps; see `Sequences.forget`."""
        self._sequences.forget(conversation)

    def find(self, number: int) -> Job | None:
        """Return the job with this id; may be called from any thread."""
        return next((job for job in [*self._running, *self._waiting] if job.id == number), None)

    def worth_aborting(self) -> bool:
        """Tell whether a cancelled job shall end the step under way; may be called from any thread.

        A slice of a prompt takes long anyway. On a busy computer a single token does, too: three seconds have
        been seen, while threads waited for each other. Computing it again costs the other jobs little, unless
        their memory cannot drop a token and they would lose all they have read.
        """
        return not self._forgets or any(job.pending > 1 for job in list(self._running))

    def hurry(self) -> bool:
        """Somebody asks for something: keep batches short for a while; may be called from any thread.

        Returns:
            Whether the batch under way shall be ended for it: a long one of background work alone, the first
            time in a while, and where nothing that was read before is lost by that.
        """
        now = time.monotonic()
        first, self._hurry_until = now >= self._hurry_until, now + _HURRY_S
        running = list(self._running)
        return (
            first
            and self._context.rolls_back
            and not any(job.interactive for job in running)
            and any(job.pending > _SHARED_SLICE for job in running)
        )

    def step(self) -> None:
        """Decode one batch and deal with what came out."""
        self._drop_cancelled()
        self._admit()
        if alone := self._alone():
            self._write_on(alone)
        elif batch := self._choose():
            self._decode(batch)
        self.flush(force=not self._running)

    def _alone(self) -> Job | None:
        """Return the job that has only to write on, with nothing beside it."""
        if len(self._running) != 1 or self._waiting:
            return None
        job = self._running[0]
        ready = job.pending == 1 and len(job.tokens) > job.n_prompt and job.adapters == self._adapters
        return job if ready else None

    def _write_on(self, job: Job) -> None:
        """Decode token after token of the only job until something is to be shown, or to be done beside it.

        What `_decode` does for any batch costs 2 % of the speed of a very small model; this does less.
        """
        context, resident = self._context, job.resident
        assert resident is not None  # noqa: S101 - all running jobs have one
        started = now = time.perf_counter()
        n_before = len(resident.tokens)
        while resident is job.resident and not job.cancelled and not self._waiting:
            context.clear_batch()
            context.add(job.tokens[-1], len(resident.tokens), resident.id, True)
            result = context.decode()
            if result != 0:
                self._recover([(job, 1)], result)
                return
            self._sequences.append(resident, job.tokens[-1:])
            now = time.perf_counter()
            self._sample(job, 0, now)
            if now - self._flushed_at >= _FLUSH_S:
                break
        if job.interactive:
            self._solo_s = (now - started) / max(1, len(resident.tokens) - n_before)

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
            if len(self._running) >= self._running_max + 2 * job.interactive:
                return
            if self._comes_for_free(job):
                continue
            if not self._make_room(job):
                return
            taken = self._take(job)
            if taken is None:
                return
            job.start(*taken)
            self._waiting.remove(job)
            self._running.append(job)

    def _take(self, job: Job) -> tuple[Resident, int] | None:
        if not job.exact:
            return self._sequences.take(job.tokens, job.adapters, job.conversation)
        fresh = self._sequences.take_fresh(job.adapters, job.conversation)
        return (fresh, 0) if fresh is not None else None

    def _comes_for_free(self, job: Job) -> bool:
        """Tell whether a running job is about to decode a start that this one shares: it waits for that."""
        if job.exact:
            return False
        _, length = self._sequences.best_prefix(job.tokens, job.adapters)
        for other in self._running:
            if other.adapters != job.adapters:
                continue
            if other.pending > 1 and other.interactive >= job.interactive:
                shared = min(common_length(other.tokens, job.tokens), len(job.tokens) - 1)
                if shared > length + _WORTH_WAITING and self._will_share(other, shared):
                    return True
        return False

    def _will_share(self, job: Job, length: int) -> bool:
        """Tell whether others will be able to share the first ``length`` tokens of ``job``; see to it."""
        if job.resident is None:
            return False
        if self._context.rolls_back:
            return True
        if job.exact or len(job.resident.tokens) >= length:
            return False
        if not any(length - _WORTH_WAITING <= known <= length for known in job.checkpoints):
            if len(job.checkpoints) > _STOPS:
                return False
            job.checkpoints.add(length)
        return True

    def _make_room(self, job: Job) -> bool:
        """Evict idle sequences until ``job`` probably fits beside the running ones."""
        source, length = (None, 0) if job.exact else self._sequences.best_prefix(job.tokens, job.adapters)
        resident = source if isinstance(source, Resident) else None
        expected = len(job.tokens) + job.reserve - (length if resident is not None else 0)
        if source is not None and resident is None:
            expected = max(expected, len(source.tokens))  # parked: it is loaded whole, then cut
        expected += sum(other.pending + other.reserve for other in self._running)
        while self._sequences.cells_used() + expected > self._context.n_ctx:
            if not self._sequences.evict(spare=source):
                if resident is not None and not resident.busy and not self._running:
                    # Only what it would build on is left: its tail goes when it is taken.
                    return True
                return not self._running
        return True

    # Choosing what to decode

    def _choose(self) -> list[tuple[Job, int]]:
        """Return the jobs of the next batch and how many tokens each decodes."""
        group = self._group()
        interactive = [job for job in group if job.interactive]
        background = [job for job in group if not job.interactive]
        watched = any(job.pending == 1 and job.interactive for job in self._running)
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
        if background and (watched or time.monotonic() < self._hurry_until):
            room = min(room, _SHARED_SLICE)
        for job in prompts[:1] if watched else prompts:
            size = min(room, self._readable(job))
            if size <= 0:
                break
            chosen.append((job, size))
            room -= size
        return chosen

    def _readable(self, job: Job) -> int:
        """Return how many tokens ``job`` can read in one go: up to its next checkpoint."""
        read = len(job.tokens) - job.pending
        stops = () if self._context.rolls_back else job.checkpoints
        return min([job.pending, *(stop - read for stop in stops if stop > read)])

    def _group(self) -> list[Job]:
        """Return the jobs that may share a batch: those with the same adapters; sets of them take turns."""
        sets = list(dict.fromkeys(job.adapters for job in self._running))
        if len(sets) < 2:
            return self._running
        if self._debt_s > 0:  # what background work took is given back
            sets = list(dict.fromkeys(job.adapters for job in self._running if job.interactive)) or sets
        later = sets[sets.index(self._adapters) + 1 :] if self._adapters in sets else []
        turn = (later or sets)[0]
        return [job for job in self._running if job.adapters == turn]

    # Decoding

    def _decode(self, batch: list[tuple[Job, int]]) -> None:
        context = self._context
        if batch[0][0].adapters != self._adapters:
            self._adapters = batch[0][0].adapters
            context.set_adapters(self._adapters)
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
                    self._note_checkpoint(job, resident)
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
            self._debt_s += _PAID_BACK * max(0.0, seconds - self._solo_s)
        else:
            self._debt_s = max(0.0, self._debt_s - seconds)
            if all(size == 1 for _, size in batch):
                self._solo_s = seconds if not self._solo_s else 0.9 * self._solo_s + 0.1 * seconds

    def _recover(self, batch: list[tuple[Job, int]], result: int) -> None:
        """Deal with a batch that was not computed: rewind its sequences, then make room or give up."""
        for job, _ in batch:
            if job.resident is not None:
                self._sequences.rewind(job.resident, len(job.resident.tokens))
                job.reused = min(job.reused, len(job.resident.tokens))
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
        """Send the newest job, a background one if there is any, back to wait, and park what it has read."""
        job = min(self._running[::-1], key=lambda job: job.interactive)
        self._running.remove(job)
        if job.resident is not None:
            job.resident.chat = True  # it will be wanted again, whoever waits for it
            if not self._sequences.park(job.resident):
                self._sequences.drop(job.resident)
            job.resident = None
        self._waiting.insert(0, job)

    def _note_checkpoint(self, job: Job, resident: Resident) -> None:
        if len(resident.tokens) in job.checkpoints and not self._context.rolls_back and not job.exact:
            self._sequences.checkpoint(resident)

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
        pieces = job.stream.feed(self._vocabulary.piece(token))
        job.text += pieces
        job.thought = job.thought or any(kind == "reasoning" for kind, _ in pieces)
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
            lasting = not job.settled or (self._context.rolls_back and not job.thought)
            self._sequences.release(job.resident, chat=job.interactive, settled=job.settled, lasting=lasting)
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
        self._out.append((job.id, Finished(reason, usage, job.sampler.logprob)))

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
