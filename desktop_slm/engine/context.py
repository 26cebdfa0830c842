"""The KV cache of one model and the batches that go through it, over llama.cpp's C API."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Sequence
from typing import Any

from desktop_slm.engine.adapters import LoraAdapters
from desktop_slm.engine.api import Adapter
from desktop_slm.engine.llama import C, Model
from desktop_slm.engine.threads import ThreadTuner
from desktop_slm.errors import LoadFailed


class Context:
    """A KV cache of ``n_ctx`` cells shared by ``n_seq`` sequences, and the batches that go through it.

    Args:
        model: The model.
        n_ctx, n_seq, n_threads: Cells, sequences, threads.
        n_batch: Most tokens of a batch.
        pooling: One of llama.cpp's ``LLAMA_POOLING_TYPE_*``: a vector per sequence instead of logits.
    """

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int,
        n_seq: int,
        n_threads: int,
        n_batch: int,
        pooling: int | None = None,
    ) -> None:
        params = C.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = n_batch
        params.n_ubatch = n_batch
        params.n_seq_max = n_seq
        params.n_outputs_max = n_seq  # else logits for a whole batch are reserved: 100 to 500 MB
        if pooling is not None:
            params.embeddings = True
            params.pooling_type = pooling
            params.n_outputs_max = params.n_outputs_max_per_seq = n_batch
        params.kv_unified = True
        params.n_threads = n_threads
        params.n_threads_batch = n_threads
        params.no_perf = True
        self.about = (params.type_k, params.type_v, params.flash_attn_type)
        self.n_batch = n_batch
        self.n_seq = n_seq
        self._recurs = model.forgets
        self._window = model.window
        self.rolls_back = not (model.forgets or model.window)
        self._abort = ctypes.create_string_buffer(2)
        self._tuner: ThreadTuner | None = None
        self.pointer = C.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise LoadFailed("not enough memory for the context")
        self.n_ctx: int = C.llama_n_ctx(self.pointer)
        self._memory = C.llama_get_memory(self.pointer)
        self.writes = model.generates and bool(self._memory)  # encoders have no cache
        self.adapters = LoraAdapters(model)
        self._batch = C.llama_batch_init(n_batch, 0, 1)
        self._sequence_of = [self._batch.seq_id[index] for index in range(n_batch)]
        self._token, self._position, self._logits = self._batch.token, self._batch.pos, self._batch.logits
        for index in range(n_batch):
            self._batch.n_seq_id[index] = 1
        self._let_abort()

    def _let_abort(self) -> None:
        """Let `abort` stop a running computation without a line of Python in it.

        llama.cpp asks ``bool callback(void *data)`` before each operation. ``strlen`` has that shape: it
        answers 0 for our empty string, and 1 once `abort` has put a character into it.
        """
        libc = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        callback = ctypes.cast(libc.strlen, C.ggml_abort_callback)
        C.llama_set_abort_callback(self.pointer, callback, ctypes.cast(self._abort, ctypes.c_void_p))
        self._kept = (libc, callback)

    def close(self) -> None:
        """Free the memory."""
        if self.pointer:
            C.llama_batch_free(self._batch)
            C.llama_free(self.pointer)
            self.pointer = None

    def adapt_threads(self, most: int, start: int) -> ThreadTuner:
        """Adapt the number of threads to what else runs, up to ``most``; for models on the CPU."""
        self._tuner = ThreadTuner(most, self.set_threads, start=start)
        return self._tuner

    def set_threads(self, n_threads: int) -> None:
        """Use ``n_threads`` from the next batch on."""
        C.llama_set_n_threads(self.pointer, n_threads, n_threads)

    def clear_batch(self) -> None:
        """Start a new batch."""
        self._batch.n_tokens = 0

    def add(self, token: int, position: int, sequence: int, logits: bool) -> int:
        """Add one token to the batch and return its index."""
        index: int = self._batch.n_tokens
        self._token[index] = token
        self._position[index] = position
        self._sequence_of[index][0] = sequence
        self._logits[index] = logits
        self._batch.n_tokens = index + 1
        return index

    def decode(self) -> int:
        """Compute the batch; 0 = done, 1 = no room in the cache, 2 = aborted, below 0 = failed."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        result: int = C.llama_decode(self.pointer, self._batch)
        if self._tuner is not None:
            self._tuner.note(time.perf_counter() - wall_s, time.process_time() - cpu_s, self._batch.n_tokens)
        self._abort[0] = b"\0"
        return result

    def abort(self) -> None:
        """Stop the computation that runs now (on the CPU); any thread may call it."""
        self._abort[0] = b"x"

    def remove(self, sequence: int, start: int = 0) -> bool:
        """Forget ``sequence`` from position ``start`` on; False when this kind of memory cannot.

        llama.cpp would also cut a sliding window whose beginning is gone: answers would get worse, unseen.
        """
        if start and not self._recurs and not self.reaches(sequence, start):
            return False
        return bool(C.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def reaches(self, sequence: int, length: int) -> bool:
        """Tell whether ``sequence`` can go on from its first ``length`` tokens.

        Cells that have left the windows of their sequence are given to others (`llama_kv_cache::find_slot`).
        """
        if self._recurs:
            return bool(C.llama_memory_seq_pos_max(self._memory, sequence) == length - 1)
        if not self._window:
            return True
        return bool(C.llama_memory_seq_pos_min(self._memory, sequence) <= max(0, length - self._window + 1))

    def copy(self, source: int, target: int, end: int) -> None:
        """Give ``target`` the first ``end`` positions of ``source``; the cells are shared, not copied."""
        C.llama_memory_seq_cp(self._memory, source, target, 0, end)

    def state_bytes(self, sequence: int, *, partial: bool = False) -> int:
        """Return the size of the state of ``sequence``."""
        return int(C.llama_state_seq_get_size_ext(self.pointer, sequence, _flags(partial)))

    def save(self, sequence: int, *, partial: bool = False) -> bytearray:
        """Return the state of ``sequence``; ``partial``: of recurrent and windowed layers alone."""
        size_bytes = self.state_bytes(sequence, partial=partial)
        data = bytearray(size_bytes)
        buffer = (ctypes.c_uint8 * size_bytes).from_buffer(data)
        written = C.llama_state_seq_get_data_ext(self.pointer, buffer, size_bytes, sequence, _flags(partial))
        return data if written == size_bytes else bytearray()

    def load(self, sequence: int, data: bytes | bytearray, length: int, *, partial: bool = False) -> bool:
        """Replace the state of ``sequence`` by ``data``, which must hold ``length`` tokens; False on failure.

        llama.cpp checks types and sizes, and leaves nothing behind when they are wrong; whether the end of
        the sequence is where it should be is checked here. After a failure the sequence is empty.
        """
        size_bytes = len(data)
        if isinstance(data, bytearray):
            pointer: Any = (ctypes.c_uint8 * size_bytes).from_buffer(data)
        else:
            pointer = ctypes.cast(ctypes.c_char_p(data), ctypes.POINTER(ctypes.c_uint8))
        read = C.llama_state_seq_set_data_ext(self.pointer, pointer, size_bytes, sequence, _flags(partial))
        last = C.llama_memory_seq_pos_max(self._memory, sequence)
        first = C.llama_memory_seq_pos_min(self._memory, sequence)
        if read == size_bytes and last == length - 1 and (not self._recurs or first == last):
            return True
        C.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return False

    def clear(self) -> None:
        """Forget everything."""
        if self._memory:
            C.llama_memory_clear(self._memory, False)

    def pooled(self, sequence: int, size: int) -> list[float]:
        """Return the first ``size`` values that the last batch made of ``sequence``."""
        values: list[float] = C.llama_get_embeddings_seq(self.pointer, sequence)[:size]
        return values

    def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        """Compute with exactly these from the next batch on; see `LoraAdapters.ready`."""
        self.adapters.apply(self.pointer, adapters)


def _flags(partial: bool) -> int:
    return C.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY if partial else 0
