"""From memory into a new vault: all of it, searchable, or nothing."""

import pytest
from store_constants import CHEAP

from desktop_slm.errors import StorageFailed
from desktop_slm.store import moving
from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.library import Library
from desktop_slm.store.search import Search
from desktop_slm.store.vault import Vault


@pytest.fixture
def full(database, document):
    """A database in memory with one of everything, and something in the trash."""
    history, library = History(database), Library(database)
    chat = history.create("Harbor dues")
    question = history.add_message(chat.id, parent="", role="user", text="What do moorings cost?")
    for text in ("Twelve euros.", "Thirteen euros."):
        history.add_message(chat.id, parent=question.id, role="assistant", text=text)
    history.set_draft("", "a draft of a new chat")
    history.delete(history.create("thrown away").id)
    record = library.add(*document("Berths are let by the meter.", "Page two."))
    library.add_summary([record.id], "About berths", b"{}", b'{"text": "berths and fees"}')
    library.add_translation(source="Der Kai", target="The quay", source_language="de", target_language="en")
    return database


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "vault"


def test_all_of_it_is_in_the_vault_on_disk(full, folder, wall):
    before = full.fingerprint()
    vault = Vault(folder, wall, kdf=CHEAP)
    vault.create(passphrase="four words are enough", content=full)
    vault.close()
    again = Vault(folder, wall)
    again.unlock(passphrase="four words are enough")
    try:
        kept = again.database()
        assert kept.fingerprint() == before
        assert kept.problems() == []
        (chat,) = History(kept).conversations()
        last = History(kept).messages(chat.id)[-1]
        assert (last.text, last.position, last.siblings) == ("Thirteen euros.", 2, 2)
        assert History(kept).draft("") == "a draft of a new chat"
        (record,) = Library(kept).documents()
        assert Library(kept).data(record.id) == Library(full).data(record.id)
        kinds = {item.kind for word in ("moorings", "berths", "quay") for item in Search(kept).search(word)}
        assert kinds == {"conversation", "document", "summary", "translation"}
        assert not Search(kept).search("thrown")
        assert History(kept).create("the next one").id not in {chat.id}
    finally:
        again.close()
    assert all(b"moorings" not in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_when_it_cannot_be_copied_there_is_no_vault(full, folder, wall, monkeypatch):
    before = full.fingerprint()

    def fail(*_, **__):
        raise StorageFailed("The vault could not be written")

    monkeypatch.setattr(moving.index, "put", fail)  # after the rows, before the end of the transaction
    vault = Vault(folder, wall, kdf=CHEAP)
    with pytest.raises(StorageFailed):
        vault.create(passphrase="four words are enough", content=full)
    assert vault.state() == "none"
    assert full.fingerprint() == before
    monkeypatch.undo()
    vault.create(passphrase="four words are enough", content=full)
    assert vault.database().fingerprint() == before
    vault.close()


def test_a_copy_that_fails_leaves_the_target_empty(full, monkeypatch):
    target = Database.in_memory()
    empty = target.fingerprint()

    def fail(*_, **__):
        raise StorageFailed("The vault could not be written")

    monkeypatch.setattr(moving.index, "put", fail)
    with pytest.raises(StorageFailed):
        moving.fill(target, full)
    assert target.fingerprint() == empty
    target.close()
