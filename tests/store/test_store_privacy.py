"""Nothing that was kept can be read from the folder, at any moment."""

import signal

from desktop_slm.engine.api import KvState
from desktop_slm.store.history import History
from desktop_slm.store.library import Library
from desktop_slm.store.states import States

MARKER = "Vertraulich-Zählerstand-7261"
FORMS = [
    MARKER.encode(),
    MARKER.encode("utf-16-le"),
    MARKER.encode("utf-16-be"),
    b"vertraulich",
    b"zahlerstand",
]


def assert_unreadable(folder, *more):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "vault.db" for path in files)
    for path in files:
        data = path.read_bytes()
        for form in (*FORMS, *more):
            assert form not in data, path.name
            assert form not in data.lower(), path.name
        assert b"SQLite format 3" not in data, path.name


def fill(vault, document):
    history, library = History(vault.database()), Library(vault.database())
    c = history.create(MARKER, system=MARKER)
    history.add_message(c.id, role="user", text=MARKER * 2_000, reasoning=MARKER)
    history.set_draft(c.id, MARKER)
    made, data, sentences = document(MARKER * 100, name=f"{MARKER}.pdf", title=MARKER, salt=MARKER * 50_000)
    d = library.add(made, data, sentences)
    library.add_summary((d.id,), MARKER, MARKER.encode(), f'{{"text": "{MARKER}"}}'.encode())
    library.put_notes("key", d.id, MARKER.encode())
    library.add_translation("de", "en", MARKER, MARKER)
    history.delete(c.id)
    state = KvState(key=MARKER, tokens=MARKER.encode() * 100, data=MARKER.encode() * 50_000)
    assert States(vault.database()).put(history.create(MARKER).id, state)


def test_nothing_is_readable_while_open_after_closing_and_in_backups(make_vault, document, keychain):
    vault = make_vault()
    vault.create()
    [key] = (bytes.fromhex(secret) for secret in keychain.items.values())
    keys = (key, key.hex().encode(), vault._data_key, vault._data_key.hex().encode())
    fill(vault, document)
    assert (vault.folder / "vault.db-wal").stat().st_size > len(MARKER) * 50_000
    assert_unreadable(vault.folder, *keys)
    vault.backup()
    assert_unreadable(vault.folder, *keys)
    vault.set_passphrase(MARKER)
    assert_unreadable(vault.folder, *keys)
    vault.close()
    assert_unreadable(vault.folder, *keys)


def test_nothing_is_readable_after_a_kill(make_vault, start_child, tmp_path, document):
    child = start_child("private_child.py", tmp_path / "vault", MARKER, cwd=tmp_path)
    assert child.stdout.readline() == "written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert_unreadable(tmp_path / "vault")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vault"]
    vault = make_vault()
    vault.unlock(passphrase="for the child")
    assert [c.title for c in History(vault.database()).conversations()] == [MARKER]
