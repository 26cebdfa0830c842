"""The composition root: what is in memory is not given up for a vault that cannot be had."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from desktop_slm import settings as settings_file
from desktop_slm.app import App
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.errors import InvalidRequest, KeyringUnavailable, WrongPassphrase
from desktop_slm.paths import Paths
from desktop_slm.tasks.events import ChatDone, Piece, Started
from desktop_slm.tasks.requests import Chat, Translate


@pytest.fixture
def app(home: Paths) -> Iterator[App]:
    made = App(home, engine=FakeEngine())
    yield made
    made.close()


def test_a_vault_that_cannot_be_made_leaves_the_memory(app: App) -> None:
    assert app.open(create=True).kind == "memory"
    app.history.create("kept so far")
    with pytest.raises(KeyringUnavailable):
        app.create_vault(None)
    with pytest.raises(InvalidRequest):
        app.create_vault("")
    assert [record.title for record in app.history.conversations()] == ["kept so far"]
    app.create_vault("a passphrase")
    assert app.saving
    assert [record.title for record in app.history.conversations()] == ["kept so far"]


def test_what_was_in_memory_moves_into_the_vault(app: App, home: Paths) -> None:
    app.use_memory()
    events = app.run(Chat(text="How high is the tide?"))
    said = "".join(event.text for event in events if isinstance(event, Piece))
    (record,) = app.history.conversations()
    app.history.set_draft(record.id, "and when is it low")
    app.history.delete(app.history.create("thrown away").id)
    app.create_vault("a passphrase")
    app.close()

    again = App(home, engine=FakeEngine(), passphrase="a passphrase")
    try:
        assert again.open().kind == "open"
        question, answer = again.history.messages(record.id)
        assert (question.text, answer.text, answer.state) == ("How high is the tide?", said, "complete")
        assert again.history.draft(record.id) == "and when is it low"
        assert [found.id for found in again.search.search("tide")] == [record.id]
        assert [found.title for found in again.history.conversations()] == [record.title]
    finally:
        again.close()


def test_no_vault_is_made_under_a_running_task(app: App) -> None:
    app.use_memory()
    running = app.run(Chat(text="Go on"))
    while not isinstance(next(running), Started):
        pass
    with pytest.raises(InvalidRequest, match="still being written"):
        app.create_vault("a passphrase")
    assert app.vault.state() == "none"
    running.close()  # type: ignore[attr-defined]
    app.create_vault("a passphrase")
    assert app.saving
    assert len(app.history.conversations()) == 1


def test_settings_changed_by_several_threads_are_all_kept(app: App, home: Paths) -> None:
    names = ("n_threads", "n_ctx", "lock_after_min", "list_width_px", "font_size_pt", "n_gpu_layers")
    barrier = threading.Barrier(len(names))

    def change(name: str) -> None:
        barrier.wait()
        for value in range(1, 9):
            app.change_settings(**{name: value})

    threads = [threading.Thread(target=change, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for settings in (app.settings, settings_file.load(home.settings)):
        assert [getattr(settings, name) for name in names] == [8] * len(names)


def test_a_vault_that_stays_locked_leaves_the_memory(app: App) -> None:
    app.create_vault("a passphrase")
    app.lock()
    app.use_memory()
    app.history.create("kept so far")
    with pytest.raises(WrongPassphrase):
        app.unlock("another one")
    with pytest.raises(InvalidRequest):  # it is there already
        app.create_vault("a passphrase")
    assert [record.title for record in app.history.conversations()] == ["kept so far"]
    app.unlock("a passphrase")
    assert app.saving


LONG = "The quay of Marrowbone is long and wet. " * 40


def _saved(app: App) -> int:
    count: int = app.vault.database().value("SELECT count(*) FROM kv_state")
    return count


def _chat(app: App, text: str, conversation: str = "") -> ChatDone:
    *_, done = app.run(Chat(text=text, conversation=conversation))
    assert isinstance(done, ChatDone)
    return done


def test_what_the_model_has_read_is_saved_at_the_end(app: App, home: Paths) -> None:
    app.create_vault("a passphrase")
    begun = _chat(app, LONG)
    assert _saved(app) == 0
    app.close()

    again = App(home, engine=FakeEngine(), passphrase="a passphrase")
    try:
        again.open()
        assert _saved(again) == 1
        went_on = _chat(again, "And now?", begun.conversation)
        assert went_on.usage.reused_tokens > 200
        again.lock()
        again.unlock("a passphrase")
        last = _chat(again, "And then?", begun.conversation)
        assert last.usage.reused_tokens > went_on.usage.reused_tokens
        again.states.clear()
        assert again.vault.status().state_bytes == 0
    finally:
        again.close()


def test_a_deleted_chat_leaves_the_engine_too(app: App) -> None:
    app.create_vault("a passphrase")
    begun = _chat(app, LONG)
    engine = app.engine
    assert isinstance(engine, FakeEngine)
    asked = engine.requests[-1]
    assert engine.kept_tokens(asked.model, asked.conversation) > 200
    app.history.delete(begun.conversation)
    assert engine.kept_tokens(asked.model, asked.conversation) == 0
    app.history.restore(begun.conversation)
    app.states.save()
    assert _saved(app) == 0


def test_another_model_takes_the_place_after_saving(app: App) -> None:
    app.create_vault("a passphrase")
    _chat(app, LONG)
    app.change_settings(n_ctx=4096)
    assert _saved(app) == 0
    for _ in app.run(Translate(text="Good day", target="de")):
        pass
    assert _saved(app) == 1


@pytest.mark.parametrize("how", ["memory", "incognito"])
def test_without_saving_nothing_of_it_reaches_the_disk(home: Paths, how: str) -> None:
    app = App(home, engine=FakeEngine(), incognito=how == "incognito", passphrase="a passphrase")
    if how == "memory":
        app.use_memory()
    else:
        assert app.open(create=True).kind == "memory"
    begun = _chat(app, LONG)
    app.save_states()
    app.lock()
    assert _chat(app, "Again", begun.conversation).usage.reused_tokens == 0
    app.close()
    assert not home.vault.exists()
