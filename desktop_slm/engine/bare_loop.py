"""The yardstick: a bare loop over llama.cpp's C API, in a child of its own, for `engine.bench`.

No scheduler, no templates, no text: a prompt in, tokens drawn and decoded, times out. What the engine adds to
this is its overhead.
"""

from __future__ import annotations

import time
from typing import Any

from desktop_slm.engine import chain, llama
from desktop_slm.engine.api import Sampling
from desktop_slm.engine.yardstick import Open, Run, Times
from desktop_slm.processes.child import Channel


def main(channel: Channel) -> None:
    """Measure what is asked."""
    opening: Open = channel.receive(Open)
    channel.watch()
    log = llama.Log()
    llama.start_backend()
    model = llama.Model(opening.path, 0, log, lambda: True)
    context = _context(model, opening)
    channel.send(Times(0, 0))
    while True:
        run: Run = channel.receive(Run)
        channel.send(_measure(model, context, run))


def _context(model: llama.Model, opening: Open) -> Any:
    c = llama.C
    params = c.llama_context_default_params()
    params.n_ctx = opening.n_ctx
    params.n_seq_max = 8
    params.kv_unified = True
    params.n_threads = params.n_threads_batch = opening.n_threads
    params.no_perf = True
    return c.llama_init_from_model(model.pointer, params)


def _measure(model: llama.Model, context: Any, run: Run) -> Times:
    c = llama.C
    memory = c.llama_get_memory(context)
    c.llama_memory_clear(memory, False)
    samplers = [chain.sampler_chain(model, Sampling(), seed) for seed in range(run.n_seq)]
    batch = c.llama_batch_init(max(2048, run.n_prompt), 0, 1)
    text = model.tokenize("The quick brown fox jumps over the lazy dog. " * (run.n_prompt // 8))
    started = time.perf_counter()
    tokens = []
    for seq in range(run.n_seq):
        for start in range(0, run.n_prompt, 2048):
            part = text[start : min(start + 2048, run.n_prompt)]
            _fill(batch, [(token, start + i, seq) for i, token in enumerate(part)], last_only=True)
            c.llama_decode(context, batch)
        tokens.append(c.llama_sampler_sample(samplers[seq], context, -1))
    prefill_s = time.perf_counter() - started
    started = time.perf_counter()
    for position in range(run.n_prompt, run.n_prompt + run.n_decode - 1):
        _fill(batch, [(token, position, seq) for seq, token in enumerate(tokens)], last_only=False)
        c.llama_decode(context, batch)
        tokens = [c.llama_sampler_sample(sampler, context, seq) for seq, sampler in enumerate(samplers)]
    decode_s = time.perf_counter() - started
    for sampler in samplers:
        c.llama_sampler_free(sampler)
    c.llama_batch_free(batch)
    return Times(prefill_s, decode_s)


def _fill(batch: Any, entries: list[tuple[int, int, int]], *, last_only: bool) -> None:
    batch.n_tokens = len(entries)
    for index, (token, position, seq) in enumerate(entries):
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = seq
        batch.logits[index] = not last_only or index + 1 == len(entries)
