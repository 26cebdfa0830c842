"""The limit: llama.cpp's C API in the shortest loop there is, in a process of its own.

Nothing of ours is in what is timed, nor in how the model is loaded, the prompt made and the tokens drawn:
only the functions of ``llama.h`` as ``llama_cpp`` binds them, with their defaults. What the engine adds to
this is its overhead. Our pipes carry the orders and the times, before and after.
"""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as C  # noqa: N812 - as everywhere

from desktop_slm.bench.messages import Open, Ready, Run, Times, Turns
from desktop_slm.processes.child import Channel

_N_BATCH = 2048
_TEMPERATURE, _TOP_K, _TOP_P, _MIN_P = 0.7, 40, 0.95, 0.05
"""The engine's defaults, in the same order: top-k, top-p, min-p, temperature, draw."""


def main(channel: Channel) -> None:
    """Measure what is asked."""
    opening: Open = channel.receive(Open)
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(opening.niceness, os.getpriority(os.PRIO_PROCESS, 0)))
    channel.watch()
    loop = BareLoop(opening.path, opening.n_ctx)
    channel.send(Ready())
    while True:
        channel.send(loop.measure(channel.receive(Run)))


class BareLoop:
    """A model, and one context at a time."""

    def __init__(self, path: str, n_ctx: int) -> None:
        self._quiet = C.llama_log_callback(lambda *_: None)
        C.llama_log_set(self._quiet, None)
        _load_backends()
        C.llama_backend_init()
        self._n_ctx = n_ctx
        self._model = C.llama_model_load_from_file(path.encode(), C.llama_model_default_params())
        if not self._model:
            raise RuntimeError("llama_model_load_from_file")
        self._vocabulary = C.llama_model_get_vocab(self._model)
        self._batch = C.llama_batch_init(_N_BATCH, 0, 1)
        for index in range(_N_BATCH):
            self._batch.n_seq_id[index] = 1
        self._context: Any = None
        self._shape = (0, False)

    def measure(self, run: Run) -> Times:
        """Read, draw, and return the times."""
        prompts = [self._tokens(turns) for turns in run.prompts]
        wanted = run.lengths or tuple(map(len, prompts))
        same = wanted == tuple(map(len, prompts))
        prompts = [
            [prompt[i % len(prompt)] for i in range(length)]
            for prompt, length in zip(prompts, wanted, strict=True)
        ]
        context = self._context_for(len(prompts), run.unified)
        C.llama_set_n_threads(context, run.n_threads, run.n_threads)
        samplers = [_sampler(seed) for seed in run.seeds]
        started = time.perf_counter()
        tokens = self._begin(context, prompts, samplers)
        read = time.perf_counter()
        until = read + run.limit_s if run.limit_s else float("inf")
        n_decoded = self._draw(context, tokens, list(wanted), samplers, run.n_decode, until)
        drawn = time.perf_counter()
        for sampler in samplers:
            C.llama_sampler_free(sampler)
        return Times(prefill_s=read - started, decode_s=drawn - read, n_decoded=n_decoded, same_prompt=same)

    def _begin(self, context: Any, prompts: list[list[int]], samplers: list[Any]) -> list[int]:
        """Read the prompts and return the first token after each; one that all share is read once."""
        if all(prompt == prompts[0] for prompt in prompts):
            first = self._read(context, prompts[0], 0, samplers[0])
            memory = C.llama_get_memory(context)
            for sequence in range(1, len(prompts)):
                C.llama_memory_seq_cp(memory, 0, sequence, -1, -1)
            return [first, *(C.llama_sampler_sample(sampler, context, -1) for sampler in samplers[1:])]
        return [
            self._read(context, prompt, sequence, samplers[sequence])
            for sequence, prompt in enumerate(prompts)
        ]

    def _read(self, context: Any, prompt: list[int], sequence: int, sampler: Any) -> int:
        """Decode a prompt and return the first token after it."""
        batch = self._batch
        for start in range(0, len(prompt), _N_BATCH):
            part = prompt[start : start + _N_BATCH]
            batch.n_tokens = len(part)
            for index, known in enumerate(part):
                batch.token[index] = known
                batch.pos[index] = start + index
                batch.seq_id[index][0] = sequence
                batch.logits[index] = False
            batch.logits[len(part) - 1] = True
            _done(C.llama_decode(context, batch))
        token: int = C.llama_sampler_sample(sampler, context, -1)
        return token

    def _draw(
        self,
        context: Any,
        tokens: list[int],
        positions: list[int],
        samplers: list[Any],
        n_decode: int,
        until: float,
    ) -> int:
        """Draw the tokens after the first, in all sequences with each batch; return how many in each."""
        batch = self._batch
        batch.n_tokens = len(tokens)
        sequences = range(len(tokens))
        for sequence in sequences:
            batch.seq_id[sequence][0] = sequence
            batch.logits[sequence] = True
        for step in range(n_decode - 1):
            for sequence in sequences:
                batch.token[sequence] = tokens[sequence]
                batch.pos[sequence] = positions[sequence] + step
            _done(C.llama_decode(context, batch))
            for sequence in sequences:
                tokens[sequence] = C.llama_sampler_sample(samplers[sequence], context, sequence)
            if time.perf_counter() > until:
                return step + 1
        return n_decode - 1

    def _context_for(self, n_sequences: int, unified: bool) -> Any:
        """Return an empty context with llama.cpp's default sizes."""
        if self._context is None or self._shape != (n_sequences, unified):
            if self._context is not None:
                C.llama_free(self._context)
            params = C.llama_context_default_params()
            params.n_ctx = self._n_ctx
            params.n_seq_max = n_sequences
            params.kv_unified = unified
            params.no_perf = True
            self._context = C.llama_init_from_model(self._model, params)
            if not self._context:
                raise RuntimeError("llama_init_from_model")
            self._shape = n_sequences, unified
        C.llama_memory_clear(C.llama_get_memory(self._context), False)
        return self._context

    def _tokens(self, turns: Turns) -> list[int]:
        """Return the tokens of a conversation as llama.cpp's own code renders it."""
        text = self._rendered(turns)
        size = len(text) + 8
        tokens = (C.llama_token * size)()
        count = C.llama_tokenize(self._vocabulary, text, len(text), tokens, size, True, True)
        return list(tokens[:count])

    def _rendered(self, turns: Turns) -> bytes:
        chat = (C.llama_chat_message * len(turns))(
            *(C.llama_chat_message(role.encode(), content.encode()) for role, content in turns)
        )
        plain = "\n".join(content for _, content in turns).encode()
        buffer = ctypes.create_string_buffer(2 * len(plain) + 4096)
        template = C.llama_model_chat_template(self._model, None)
        size = C.llama_chat_apply_template(template, chat, len(turns), True, buffer, len(buffer))
        return buffer.raw[:size] if size > 0 else plain


def _sampler(seed: int) -> Any:
    chain = C.llama_sampler_chain_init(C.llama_sampler_chain_default_params())
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_top_k(_TOP_K))
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_top_p(_TOP_P, 1))
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_min_p(_MIN_P, 1))
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_temp(_TEMPERATURE))
    C.llama_sampler_chain_add(chain, C.llama_sampler_init_dist(seed))
    return chain


def _done(result: int) -> None:
    if result != 0:
        raise RuntimeError(f"llama_decode returned {result}")


def _load_backends() -> None:
    """Load the backends beside the library; in a build that has them linked in there is nothing to load."""
    folder = Path(C.__file__).parent / "lib"
    library = next(iter([*folder.glob("libggml.*"), *folder.glob("ggml.dll")]), None)
    if library is not None:
        ggml = ctypes.CDLL(str(library))
        ggml.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
        ggml.ggml_backend_load_all_from_path.restype = None
        ggml.ggml_backend_load_all_from_path(str(folder).encode())
