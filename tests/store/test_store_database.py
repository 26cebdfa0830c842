import os
import sqlite3
import stat
import threading

import pytest
from store_constants import KEY

from desktop_slm.errors import StorageFailed, VaultDamaged, VaultError, VaultInUse, VaultLocked
from desktop_slm.store import database as module
from desktop_slm.store.database import Database

SECRET = "the marker that nobody may read"


def test_opening_follows_the_prescribed_order(tmp_path, monkeypatch):
    class Recorder:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, sql, *parameters):
            seen.append(sql)
            return self.connection.execute(sql, *parameters)

        def __getattr__(self, name):
            return getattr(self.connection, name)

    seen = []
    real = module.sqlcipher.connect
    monkeypatch.setattr(module.sqlcipher, "connect", lambda *a, **k: Recorder(real(*a, **k)))
    Database.open(tmp_path / "vault.db", KEY, create=True).close()
    assert [statement.split("x'")[0].split("=-")[0] for statement in seen[:15]] == [
        "PRAGMA cipher_version",
        "PRAGMA cipher_log_level=NONE",
        'PRAGMA key="',
        "PRAGMA temp_store=MEMORY",
        "SELECT count(*) FROM sqlite_master",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA foreign_keys=ON",
        "PRAGMA trusted_schema=OFF",
        "PRAGMA cell_size_check=ON",
        "PRAGMA busy_timeout=2000",
        "PRAGMA cache_size",
        "PRAGMA journal_size_limit=16777216",
        "BEGIN IMMEDIATE",
    ]
    assert seen[2] == f"PRAGMA key=\"x'{KEY.hex()}'\""


def test_what_was_asked_for_is_in_force(on_disk):
    expected = {
        "temp_store": 2,
        "journal_mode": "wal",
        "synchronous": 2,
        "locking_mode": "exclusive",
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "busy_timeout": 2000,
        "cipher_memory_security": "0",
    }
    assert {name: on_disk.value(f"PRAGMA {name}") for name in expected} == expected
    assert on_disk.cipher_version().startswith("4.")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(tmp_path, length):
    with pytest.raises(ValueError, match="bytes, not 32"):
        Database.open(tmp_path / "vault.db", bytes(length), create=True)
    assert list(tmp_path.iterdir()) == []


def test_a_library_without_encryption_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module.sqlcipher, "connect", sqlite3.connect)
    with pytest.raises(VaultError, match="cannot encrypt"):
        Database.open(tmp_path / "vault.db", KEY, create=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b""]


def test_a_lost_file_is_not_made_anew(tmp_path):
    with pytest.raises(StorageFailed):
        Database.open(tmp_path / "vault.db", KEY)
    assert list(tmp_path.iterdir()) == []


def test_an_emptied_file_is_damage(tmp_path):
    (tmp_path / "vault.db").touch()
    with pytest.raises(VaultDamaged):
        Database.open(tmp_path / "vault.db", KEY)


def test_files_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        database = Database.open(tmp_path / "vault.db", KEY, create=True)
        database.rows("CREATE TABLE big (data)")
        database.many("INSERT INTO big VALUES (?)", [(bytes(5000),)] * 300)
        database.copy_to(tmp_path / "copy.db", KEY)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    database.close()
    assert "vault.db-wal" in modes
    assert set(modes.values()) == {0o600}


def test_another_key_does_not_open(tmp_path, on_disk):
    on_disk.close()
    with pytest.raises(VaultDamaged):
        Database.open(tmp_path / "vault.db", bytes(32))


def test_in_memory_leaves_nothing_on_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    database = Database.in_memory()
    database.many("INSERT INTO draft VALUES (?, ?)", [(str(i), SECRET * 50) for i in range(20_000)])
    assert len(database.rows("SELECT * FROM draft ORDER BY text, key DESC")) == 20_000
    assert list(tmp_path.iterdir()) == []
    database.close()


def test_in_memory_has_the_same_schema(database, on_disk):
    sql = "SELECT name, sql FROM sqlite_master ORDER BY name"
    assert database.rows(sql) == on_disk.rows(sql)


def test_a_transaction_is_all_or_nothing(database):
    with pytest.raises(RuntimeError), database.transaction():
        database.rows("INSERT INTO draft VALUES ('a', 'x')")
        with database.transaction():
            database.rows("INSERT INTO draft VALUES ('b', 'x')")
        raise RuntimeError
    assert database.rows("SELECT * FROM draft") == []
    with database.transaction():
        database.rows("INSERT INTO draft VALUES ('c', 'x')")
    assert database.rows("SELECT key FROM draft") == [("c",)]


def test_threads_share_it(database):
    def work(name):
        for number in range(50):
            with database.transaction():
                count = database.value("SELECT value FROM counter WHERE name = 'sequence'")
                database.rows("UPDATE counter SET value = ? WHERE name = 'sequence'", (count + 1,))
                database.rows("INSERT INTO draft VALUES (?, '')", (f"{name}-{number}",))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.value("SELECT value FROM counter") == database.value("SELECT count(*) FROM draft") == 400


def test_a_full_disk_is_storage_failed_and_passes(on_disk):
    on_disk.rows("INSERT INTO draft VALUES ('kept', 'x')")
    pages = on_disk.value("PRAGMA page_count")
    on_disk.rows(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageFailed), on_disk.transaction():
        on_disk.rows("INSERT INTO draft VALUES ('lost', ?)", ("x" * 100_000,))
    assert on_disk.rows("SELECT key FROM draft") == [("kept",)]
    on_disk.rows(f"PRAGMA max_page_count={pages + 1000}")
    on_disk.rows("INSERT INTO draft VALUES ('later', ?)", ("x" * 100_000,))
    assert on_disk.problems() == []


def test_a_read_only_database_is_storage_failed(on_disk):
    on_disk.rows("PRAGMA query_only=ON")
    with pytest.raises(StorageFailed):
        on_disk.rows("INSERT INTO draft VALUES ('a', 'x')")


def test_a_failing_write_is_storage_failed_and_passes(tmp_path, start_child):
    child = start_child("failing_disk_child.py", tmp_path / "vault.db")
    out, _ = child.communicate(timeout=30)
    assert out.split() == ["StorageFailed", "written", "sound", "2"]


def test_a_second_connection_is_in_use(tmp_path, on_disk, monkeypatch):
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 50)
    with pytest.raises(VaultInUse):
        Database.open(tmp_path / "vault.db", KEY)


def _filled(tmp_path):
    with Database.open(tmp_path / "vault.db", KEY, create=True).transaction() as database:
        database.many("INSERT INTO draft VALUES (?, ?)", [(str(i), SECRET * 20) for i in range(400)])
    database.close()
    return (tmp_path / "vault.db").read_bytes()


@pytest.mark.parametrize("at", [0, 20, 2000])
def test_a_damaged_first_page_is_damage(tmp_path, at):
    data = bytearray(_filled(tmp_path))
    data[at] ^= 0xFF
    (tmp_path / "vault.db").write_bytes(data)
    with pytest.raises(VaultDamaged):
        Database.open(tmp_path / "vault.db", KEY)
    assert (tmp_path / "vault.db").read_bytes() == data


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_damage(tmp_path, share):
    data = _filled(tmp_path)
    (tmp_path / "vault.db").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VaultDamaged):
        Database.open(tmp_path / "vault.db", KEY)


def test_a_damaged_page_is_damage_when_it_is_read(tmp_path):
    data = bytearray(_filled(tmp_path))
    for page in range(len(data) // 8192, len(data) // 4096):
        data[page * 4096 + 50] ^= 1
    (tmp_path / "vault.db").write_bytes(data)
    database = Database.open(tmp_path / "vault.db", KEY)
    with pytest.raises(VaultDamaged):
        database.rows("SELECT sum(length(text)) FROM draft")
    database.close()
    database = Database.open(tmp_path / "vault.db", KEY)
    assert database.problems() != []
    database.close()


def test_a_closed_database_is_locked(on_disk):
    on_disk.close()
    on_disk.close()
    with pytest.raises(VaultLocked):
        on_disk.rows("SELECT 1")
    with pytest.raises(VaultLocked), on_disk.transaction():
        pass


def test_closing_inside_a_transaction_keeps_nothing_of_it(on_disk, tmp_path):
    with pytest.raises(VaultLocked), on_disk.transaction():
        on_disk.rows("INSERT INTO draft VALUES ('a', 'x')")
        on_disk.close()
    again = Database.open(tmp_path / "vault.db", KEY)
    assert again.rows("SELECT * FROM draft") == []
    again.close()


def test_a_mistake_in_sql_stays_a_bug(database):
    with pytest.raises(module.sqlcipher.OperationalError):
        database.rows("SELEC")
