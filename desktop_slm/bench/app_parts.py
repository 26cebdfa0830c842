"""What is measured of the whole application: the window's streaming, a reopened chat, memory."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from desktop_slm import settings
from desktop_slm.app import App
from desktop_slm.bench.instruments import Window
from desktop_slm.bench.stand import Stand, last, per_second, rate, story
from desktop_slm.engine.api import Message, ModelSpec
from desktop_slm.errors import EngineError
from desktop_slm.paths import Paths
from desktop_slm.tasks.events import ChatDone, Piece
from desktop_slm.tasks.requests import Chat

_PASSPHRASE = "a benchmark has no secrets"  # noqa: S105
_CHAT_TOKENS = 1900
_ANSWER_TOKENS = 48
_FEW_TOKENS = 4
_REOPEN_ROUNDS = 3
_WINDOW_TOKENS = 2  # times the tokens of the other answers: a window does more as the text grows
_MB = 1_000_000


@contextmanager
def _installation(spec: ModelSpec) -> Iterator[Paths]:
    """Make an installation for the benchmark alone, which uses the model in place."""
    with tempfile.TemporaryDirectory(prefix="desktop-slm-bench-", ignore_cleanup_errors=True) as home:
        paths = Paths.under(Path(home))
        chosen = settings.Settings(
            default_model=spec.path,
            model_folders=(str(Path(spec.path).parent),),
            n_ctx=spec.n_ctx,
            n_gpu_layers=spec.n_gpu_layers,
            welcome_done=True,
        )
        settings.save(paths.settings, chosen)
        yield paths


def window(stand: Stand) -> None:
    """Measure writing with the window's whole streaming path attached, and what the two processes weigh."""
    stand.fresh()
    n_tokens = _WINDOW_TOKENS * stand.n_decode
    with _installation(stand.spec) as paths, contextlib.closing(Window(str(paths.data.parent))) as shown:
        shown.write(story(90), stand.n_decode // 2, 90)
        for seed in stand.turns("writing in the window"):
            written = shown.write(story(seed), n_tokens, seed)
            theirs = per_second(written.n_tokens - 1, written.decode_s)
            request = stand.request([Message("user", story(seed))], n_tokens, seed=seed)
            alone = rate(last(stand.engine.generate(request)))
            stand.figures.add("ui_decode_ratio", theirs / alone)
            stand.figures.add("ui_decode_tokens_per_s", theirs)
            stand.figures.add("ui_alone_tokens_per_s", alone)
            stand.figures.add("ui_lag_ms", written.lag_s * 1000)
        weight = shown.weigh()
    if not weight.window_bytes or not weight.worker_bytes:
        raise EngineError("This system does not tell what a process weighs")
    both = weight.window_bytes + weight.worker_bytes
    stand.figures.add("rss_overhead_mb", (both - weight.weights_bytes - weight.kv_bytes) / _MB)
    stand.figures.add("rss_window_mb", weight.window_bytes / _MB)
    stand.figures.add("rss_worker_mb", weight.worker_bytes / _MB)
    stand.figures.add("weights_mb", weight.weights_bytes / _MB)
    stand.figures.add("kv_mb", weight.kv_bytes / _MB)
    stand.figures.add("compute_mb", weight.compute_bytes / _MB)


def reopened(stand: Stand) -> None:
    """Measure the first token in a chat that was kept before a restart, against one whose state was not."""
    with _installation(stand.spec) as paths:
        app = App(paths, passphrase=_PASSPHRASE)
        try:
            app.create_vault(_PASSPHRASE)
            for number in stand.turns("a chat reopened after a restart", _REOPEN_ROUNDS):
                text = stand.passage(_CHAT_TOKENS, 300 + number) + "What happened?"
                kept = _said(app, text)
                other = stand.passage(_CHAT_TOKENS, 400 + number) + "What happened?"
                cold = _written_down(app, other)
                app.close()
                app = App(paths, passphrase=_PASSPHRASE)
                app.open()
                _said(app, "Hello.")  # the model is in memory and warm in both cases
                kept_s, kept_reused = _first_piece_s(app, kept)
                cold_s, cold_reused = _first_piece_s(app, cold)
                stand.figures.add("ttft_restore_ratio", kept_s / cold_s)
                stand.figures.add("ttft_restore_ms", kept_s * 1000)
                stand.figures.add("ttft_not_restored_ms", cold_s * 1000)
                stand.figures.add("restore_reused_tokens", kept_reused)
                stand.figures.add("not_restored_reused_tokens", cold_reused)
        finally:
            app.close()


def _said(app: App, text: str) -> str:
    """Have a question answered, and return the conversation."""
    for event in app.run(Chat(text=text, max_tokens=_ANSWER_TOKENS)):
        if isinstance(event, ChatDone):
            return event.conversation
    raise EngineError("The answer did not finish")


def _written_down(app: App, text: str) -> str:
    """Write a conversation that looks the same into the vault, without a model that has read it."""
    conversation = app.history.create(title="bench", model="")
    question = app.history.add_message(conversation.id, parent="", role="user", text=text)
    answer = "The crew counted sails and lanterns on each day of the journey. " * 4
    app.history.add_message(conversation.id, parent=question.id, role="assistant", text=answer.strip())
    return conversation.id


def _first_piece_s(app: App, conversation: str) -> tuple[float, int]:
    """Ask the next question of a conversation; return the seconds to its first piece, and tokens reused."""
    request = Chat(conversation=conversation, text="And what happened after that?", max_tokens=_FEW_TOKENS)
    began = time.perf_counter()
    first = 0.0
    for event in app.run(request):
        if isinstance(event, Piece | ChatDone) and not first:
            first = time.perf_counter() - began
        if isinstance(event, ChatDone):
            return first, event.usage.reused_tokens
    raise EngineError("The answer did not finish")
