"""Model states beside the database: kept, found, limited, gone with their conversation; never readable."""

import os
import random
import signal
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from store_constants import KEY

from desktop_slm.engine.api import KvState
from desktop_slm.errors import InvalidRequest, VaultDamaged
from desktop_slm.store import states as module
from desktop_slm.store import trash
from desktop_slm.store.backup import Backups
from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.library import Library
from desktop_slm.store.states import States

MARKER = "Vertraulich-Zählerstand-7261"
PIECE = 1024 * 1024


def state(*tokens, size=3 * PIECE // 2, key="model A"):
    data = (MARKER.encode() + struct.pack(f"<{len(tokens)}i", *tokens)) * (size // 20 + 1)
    return KvState(key=key, tokens=struct.pack(f"<{len(tokens)}i", *tokens), data=data[:size])


TOKENS = tuple(range(100_000, 100_400))


@pytest.fixture
def states(on_disk):
    return States(on_disk)


@pytest.fixture
def conversation(on_disk):
    """Return a function that starts a conversation and returns its id."""
    return lambda: History(on_disk).create("x").id


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "states"


def files(folder):
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_what_is_kept_comes_back(states, conversation, size):
    kept = state(*TOKENS, size=size)
    c = conversation()
    assert states.get(c) is None
    assert states.put(c, kept)
    assert states.has(c)
    assert states.get(c) == states.get(c, "model A") == kept
    assert states.get(c, "model B") is None
    assert states.has(c)
    assert states.get(conversation()) is None


def test_it_survives_closing(on_disk, tmp_path, conversation, states):
    c, kept = conversation(), state(*TOKENS)
    states.put(c, kept)
    on_disk.close()
    again = Database.open(tmp_path / "vault.db", KEY)
    States(again).sweep()
    assert States(again).get(c) == kept
    again.close()


def test_a_newer_state_takes_the_place_of_the_older(states, conversation, folder):
    c = conversation()
    states.put(c, state(1, 2, 3))
    [first] = files(folder)
    states.put(c, state(1, 2, 3, 4))
    [second] = files(folder)
    assert first != second
    assert states.get(c).tokens == state(1, 2, 3, 4).tokens
    states.put(c, state(1, 2, 3, 4, size=PIECE))  # the same tokens: nothing is written
    assert files(folder) == [second]
    states.put(c, state(1, 2, 3, 4, key="model B"))
    assert files(folder) != [second]
    assert states.get(c).key == "model B"


def test_nothing_of_it_can_be_read(states, conversation, tmp_path, folder):
    c, kept = conversation(), state(*TOKENS)
    states.put(c, kept)
    [path] = files(folder)
    assert path.stat().st_mode & 0o077 == folder.stat().st_mode & 0o077 == 0
    assert len(path.name) == 32
    assert set(path.name) <= set("0123456789abcdef")
    Backups(tmp_path / "backups").make(states.database, bytes(32), b"{}")
    assert len(files(tmp_path / "backups")) == 2
    for other in [path for path in tmp_path.rglob("*") if path.is_file()]:
        found = other.read_bytes()
        for secret in (MARKER.encode(), b"model A", kept.tokens[:12], kept.tokens[-12:], kept.data[-40:]):
            assert secret not in found, other.name
        if other.is_relative_to(tmp_path / "backups"):
            assert len(found) < PIECE  # backups do not carry them


def test_each_file_has_a_key_of_its_own(states, conversation, folder):
    same = state(*TOKENS)
    for _ in range(2):
        states.put(conversation(), same)
    one, other = (path.read_bytes() for path in files(folder))
    assert len(one) == len(other)
    assert sum(a == b for a, b in zip(one[:4000], other[:4000], strict=True)) < 100


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def cut(path, size):
    os.truncate(path, size)


def exchange(path):
    """Put the second and the third piece into each other's place."""
    data = path.read_bytes()
    head, full = 1616, PIECE + 16
    assert len(data) > head + 2 * full
    path.write_bytes(
        data[:head] + data[head + full : head + 2 * full] + data[head : head + full] + data[head + 2 * full :]
    )


DAMAGES = (
    lambda path: flip(path, 0),
    lambda path: flip(path, 1616 + 5),
    lambda path: flip(path, -1),
    lambda path: cut(path, 0),
    lambda path: cut(path, 1616),  # whole pieces are missing at the end
    lambda path: cut(path, 1616 + PIECE + 16),
    lambda path: cut(path, path.stat().st_size - 1),
    lambda path: path.write_bytes(path.read_bytes() + bytes(16)),
    exchange,
    lambda path: path.unlink(),
    lambda path: (path.unlink(), path.mkdir()),
)


def test_what_was_damaged_or_changed_is_dropped(states, conversation, folder):
    c, kept = conversation(), state(*TOKENS, size=3 * PIECE)
    for number, damage in enumerate(DAMAGES):
        assert states.put(c, kept)
        assert states.get(c) == kept
        [path] = [path for path in files(folder) if path.is_file()]
        damage(path)
        assert states.get(c) is None, number
        assert not states.has(c), number
        assert not [path for path in files(folder) if path.is_file()], number


def test_a_file_of_another_conversation_does_not_open(states, conversation, folder):
    c, d = conversation(), conversation()
    states.put(c, state(1, 2))
    [of_c] = files(folder)
    states.put(d, state(1, 2, 3))
    [of_d] = set(files(folder)) - {of_c}
    of_c.write_bytes(of_d.read_bytes())
    assert states.get(c) is None
    assert states.get(d) == state(1, 2, 3)


def test_forgotten_cleared_deleted(states, conversation, folder, on_disk):
    c, d, e = conversation(), conversation(), conversation()
    for one in (c, d, e):
        states.put(one, state(*TOKENS))
    states.forget(c)
    assert not states.has(c)
    assert len(files(folder)) == 2
    History(on_disk).delete(d)
    assert len(files(folder)) == 1
    History(on_disk).restore(d)
    assert states.get(d) is None
    states.clear()
    assert files(folder) == []
    assert not states.has(e)


def test_a_deleted_conversation_gets_none(states, conversation, folder, on_disk):
    c, d = conversation(), conversation()
    History(on_disk).delete(c)
    assert not states.put(c, state(*TOKENS))
    History(on_disk).delete(d)
    trash.empty(on_disk, 0)
    assert not states.put(d, state(*TOKENS))
    assert files(folder) == []


def test_emptying_the_trash_takes_rows_along(states, conversation, on_disk):
    c = conversation()
    states.put(c, state(*TOKENS))
    on_disk.rows("UPDATE conversation SET deleted_at = 1, deletion = 1")
    trash.empty(on_disk)
    states.sweep()
    assert on_disk.rows("SELECT name FROM kv_state") == []
    assert files(states._folder) == []


def test_a_deleted_document_takes_the_states_of_its_chats_along(
    states, conversation, folder, on_disk, document
):
    told = []
    library, history = Library(on_disk, told.append), History(on_disk, told.append)
    first, second = (library.add(*document(name, name=name)).id for name in ("first.pdf", "second.pdf"))
    for _ in range(10):  # so that one id is the start of another
        last = library.add(*document(f"more {_}", name="more.pdf")).id
    assert (first, last) == ("d1", "d12")
    alone, both, other, longer, plain = (conversation() for _ in range(5))
    attached = {alone: [first], both: [second, first], other: [second], longer: [last], plain: []}
    for number, (c, documents) in enumerate(attached.items()):
        history.add_message(c, role="user", text="Read this", documents=documents)
        history.add_message(c, role="assistant", text="Yes")
        assert states.put(c, state(number))
    library.delete(first)
    assert [states.has(c) for c in attached] == [False, False, True, True, True]
    assert len(files(folder)) == 3
    library.restore(first)
    assert not states.has(alone)
    history.delete(plain)
    assert told == [(alone, both), (plain,)]


def test_a_deletion_that_fails_forgets_nothing(states, conversation, on_disk, document):
    told = []
    library, c = Library(on_disk, told.append), conversation()
    made = library.add(*document("first")).id
    History(on_disk).add_message(c, role="user", text="Read this", documents=[made])
    states.put(c, state(1))
    with pytest.raises(RuntimeError), on_disk.transaction():
        trash.delete(on_disk, "document", 1)
        raise RuntimeError
    assert states.has(c)
    library.delete(made)
    with pytest.raises(InvalidRequest):
        library.delete(made)
    assert told == [(c,)]


def test_emptying_the_trash_removes_what_an_older_version_left(
    states, conversation, on_disk, folder, document
):
    c, d = conversation(), conversation()
    made = Library(on_disk).add(*document("first")).id
    History(on_disk).add_message(c, role="user", text="Read this", documents=[made])
    states.put(c, state(1))
    states.put(d, state(2))
    on_disk.rows("UPDATE document SET deleted_at = 1, deletion = 1")
    on_disk.rows("UPDATE conversation SET deleted_at = 1, deletion = 2 WHERE id = 2")
    assert trash.empty(on_disk) == 2
    assert files(folder) == []
    assert not states.has(c)


def test_too_large_a_state_is_not_kept(states, conversation, folder, monkeypatch):
    monkeypatch.setattr(module, "MAX_STATE_BYTES", 2 * PIECE)
    c = conversation()
    assert states.put(c, state(1, size=2 * PIECE - 4))
    assert not states.put(c, state(1, 2, size=2 * PIECE))
    assert not states.put(conversation(), KvState(key="k", tokens=b"", data=b""))
    assert states.get(c) == state(1, size=2 * PIECE - 4)
    assert len(files(folder)) == 1


def test_the_longest_unused_go_when_it_is_too_much(states, conversation, folder, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 3 * PIECE + PIECE // 2)
    a, b, c, d = (conversation() for _ in range(4))
    for one in (a, b, c):
        states.put(one, state(*TOKENS, size=PIECE))
    assert states.get(a) is not None
    states.put(d, state(*TOKENS, size=PIECE))
    assert [states.has(one) for one in (a, b, c, d)] == [True, False, True, True]
    assert len(files(folder)) == 3


def test_old_ones_go_at_the_next_opening(states, conversation, folder, on_disk):
    a, b = conversation(), conversation()
    for one in (a, b):
        states.put(one, state(*TOKENS))
    on_disk.rows("UPDATE kv_state SET used = ? WHERE conversation = 1", (time.time() - module.KEPT_S - 1,))
    states.sweep()
    assert [states.has(a), states.has(b)] == [False, True]
    assert len(files(folder)) == 1


def test_a_nearly_full_disk_is_left_alone(states, conversation, folder, monkeypatch):
    monkeypatch.setattr(module, "FREE_BYTES", 1 << 62)
    assert not states.put(conversation(), state(*TOKENS))
    assert files(folder) == []


def test_a_failing_disk_leaves_nothing_and_raises_nothing(states, conversation, folder, monkeypatch):
    c = conversation()
    states.put(c, state(1))
    real = module._numbered

    def fails(pieces):
        for number, piece in enumerate(real(pieces)):
            if number == 1:
                raise OSError(28, "No space left on device")
            yield piece

    monkeypatch.setattr(module, "_numbered", fails)
    assert not states.put(c, state(1, 2))
    monkeypatch.undo()
    assert states.get(c) == state(1)
    assert len(files(folder)) == 1


def test_many_at_once_never_get_a_wrong_one(states, conversation, folder):
    """What is read is whole and of that conversation, whatever others write, drop and clear meanwhile."""
    places = {conversation(): number for number in range(3)}
    wrong = []

    def work(seed):
        chance = random.Random(seed)
        for _ in range(40):
            c = chance.choice(list(places))
            act = chance.randrange(10)
            if act < 5:
                states.put(c, state(places[c], chance.randrange(4), size=chance.randrange(1, PIECE)))
            elif act < 9:
                found = states.get(c)
                if found is not None and struct.unpack("<2i", found.tokens)[0] != places[c]:
                    wrong.append(c)
            else:
                chance.choice([lambda c=c: states.forget(c), states.clear])()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert wrong == []
    states.sweep()
    rows = states.database.rows("SELECT name FROM kv_state")
    assert sorted(name for (name,) in rows) == [path.name for path in files(folder)]
    for c in places:
        assert states.has(c) == (states.get(c) is not None)


def test_a_damaged_table_keeps_nobody_out(make_vault, monkeypatch):
    vault = make_vault()
    vault.create()
    vault.close()

    def broken(self):
        raise VaultDamaged("The vault's database is damaged and cannot be read", "")

    monkeypatch.setattr(States, "sweep", broken)
    vault.unlock()
    assert vault.state() == "open"


def test_in_memory_nothing_is_written(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    c = History(database).create("x").id
    memory = States(database)
    assert not memory.put(c, state(*TOKENS))
    assert memory.get(c) is None
    memory.sweep()
    memory.clear()
    assert list(tmp_path.iterdir()) == []


def test_the_vault_sweeps_and_counts(make_vault, tmp_path):
    vault = make_vault()
    vault.create()
    database = vault.database()
    c = History(database).create("x").id
    States(database).put(c, state(*TOKENS))
    assert vault.status().state_bytes > PIECE
    vault.close()
    left = tmp_path / "vault" / "states" / "0"
    left.write_bytes(b"of a crash")
    assert vault.status().state_bytes > PIECE
    vault.unlock()
    assert not left.exists()
    assert States(vault.database()).get(c) == state(*TOKENS)


def test_a_kill_in_the_middle_leaves_nothing_to_read(make_vault, start_child, tmp_path):
    """The child writes one state after the other; killed at any moment, what there is opens or is swept."""
    for after_s in (0.02, 0.05, 0.11):
        child = start_child("states_child.py", tmp_path / "vault", MARKER)
        assert child.stdout.readline() == "writing\n"
        time.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        child.wait()
        folder = tmp_path / "vault" / "states"
        for path in files(folder):
            assert MARKER.encode() not in path.read_bytes()
        vault = make_vault()
        vault.unlock(passphrase="for the child")
        rows = vault.database().rows("SELECT name FROM kv_state")
        assert sorted(name for (name,) in rows) == [path.name for path in files(folder)]
        for (number,) in vault.database().rows("SELECT conversation FROM kv_state"):
            assert MARKER.encode() in States(vault.database()).get(f"c{number}").data
        vault.close()
