"""A chat that is reopened after a restart is not read again: with the real engine and a real vault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import driving

from desktop_slm.app import App
from desktop_slm.engine.api import Sampling
from desktop_slm.paths import Paths
from desktop_slm.tasks.events import ChatDone
from desktop_slm.tasks.requests import Chat

PASSPHRASE = driving.PASSPHRASE
STORY = (
    "The harbor of Marrowbone handled 412 ships in 2025, and most of them carried timber from Norway. " * 24
)
GREEDY = Sampling(temperature=0.0)


def chat(app: App, text: str, conversation: str = "", parent: str = "") -> ChatDone:
    """Say something and return the end of a short answer."""
    request = Chat(text=text, conversation=conversation, parent=parent, max_tokens=8, sampling=GREEDY)
    *_, done = app.run(request)
    assert isinstance(done, ChatDone)
    return done


def test_a_reopened_chat_is_not_read_again(furnish: Callable[..., Paths], tmp_path: Path) -> None:
    paths = furnish(tmp_path / "home")
    app = App(paths, passphrase=PASSPHRASE)
    app.create_vault(PASSPHRASE)
    begun = chat(app, STORY)
    assert begun.usage.reused_tokens == 0
    app.save_states()
    driving.wait_until(lambda: bool(app.vault.database().rows("SELECT 1 FROM kv_state")), "the state", 30)
    app.close()
    [file] = (paths.vault / "states").iterdir()
    assert b"Marrowbone" not in file.read_bytes()

    app = App(paths, passphrase=PASSPHRASE)
    try:
        app.open()
        went_on = chat(app, "And in 2026?", begun.conversation)
        read = begun.usage.prompt_tokens
        assert went_on.usage.reused_tokens >= read - 8, "all that had been read, but for the template's end"
        assert went_on.usage.prompt_tokens > read

        app.engine.unload()  # as after a crash, before the last turn was saved
        again = chat(app, "And in 2027?", begun.conversation)
        assert again.usage.reused_tokens >= read - 8

        edited = STORY.replace("Norway", "Sweden")
        question, *_ = app.history.messages(begun.conversation)
        other = chat(app, edited, begun.conversation, parent=begun.conversation)
        assert question.text == STORY
        assert other.usage.reused_tokens < 60, "of another text only what is the same"
    finally:
        app.close()
