"""The composition root: what is in memory is not given up for a vault that cannot be had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from desktop_slm.app import App
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.errors import InvalidRequest, KeyringUnavailable, WrongPassphrase
from desktop_slm.paths import Paths


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
    assert app.history.conversations() == []


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
