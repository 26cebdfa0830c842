import pytest
from store_constants import KEY

from desktop_slm.errors import StorageFailed, VaultError
from desktop_slm.store import database as database_module
from desktop_slm.store import migrations as module
from desktop_slm.store.backup import Backups
from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.migrations import LATEST, MIGRATIONS, migrate


def test_migrating_again_changes_nothing(on_disk, tmp_path):
    schema = on_disk.rows("SELECT sql FROM sqlite_master ORDER BY name")
    assert on_disk.value("PRAGMA user_version") == LATEST == len(MIGRATIONS)
    assert migrate(on_disk) == 0
    on_disk.close()
    again = Database.open(tmp_path / "vault.db", KEY)
    assert again.rows("SELECT sql FROM sqlite_master ORDER BY name") == schema
    again.close()


def test_names_are_in_order():
    names = [step.__name__ for step in MIGRATIONS]
    assert names == sorted(names)
    assert all(name.startswith(f"m{number:03}_") for number, name in enumerate(names, start=1))


@pytest.mark.parametrize("at", range(len(MIGRATIONS)))
def test_a_step_that_fails_leaves_what_was_before(on_disk, tmp_path, at):
    on_disk.close()
    (tmp_path / "vault.db").unlink()

    def fails(database):
        MIGRATIONS[at](database)
        raise StorageFailed("The disk is full")

    empty = Database(database_module._connect(tmp_path / "vault.db", KEY, create=True), None)
    with pytest.raises(StorageFailed):
        migrate(empty, (*MIGRATIONS[:at], fails))
    assert empty.value("PRAGMA user_version") == at
    assert migrate(empty) == len(MIGRATIONS) - at
    assert empty.problems() == []
    empty.close()


def test_a_newer_database_is_refused(database):
    database.rows(f"PRAGMA user_version={LATEST + 1}")
    with pytest.raises(VaultError, match="newer version"):
        migrate(database)


def _next_step(monkeypatch):
    def m999_next(database):
        database.rows("CREATE TABLE next (x)")

    steps = (*MIGRATIONS, m999_next)
    monkeypatch.setattr(module, "MIGRATIONS", steps)
    monkeypatch.setattr(database_module, "LATEST", len(steps))
    monkeypatch.setattr(database_module, "migrate", lambda database: migrate(database, steps))


def test_an_upgrade_is_backed_up_first(on_disk, tmp_path, monkeypatch):
    History(on_disk).create("kept")
    on_disk.close()
    _next_step(monkeypatch)
    backups = Backups(tmp_path / "backups")
    database = Database.open(
        tmp_path / "vault.db", KEY, before_upgrade=lambda database: backups.make(database, bytes(32), b"{}")
    )
    assert database.value("PRAGMA user_version") == LATEST + 1
    database.close()
    [backup] = backups.listed()
    copy = Database.open_copy(backup.path, bytes(32))
    assert copy.value("PRAGMA user_version") == LATEST
    assert copy.value("SELECT title FROM conversation") == "kept"
    copy.close()


def test_without_a_backup_nothing_is_upgraded(on_disk, tmp_path, monkeypatch):
    def fails(database):
        raise StorageFailed("The disk is full")

    on_disk.close()
    _next_step(monkeypatch)
    with pytest.raises(StorageFailed):
        Database.open(tmp_path / "vault.db", KEY, before_upgrade=fails)
    copy = Database.open_copy(tmp_path / "vault.db", KEY)
    assert copy.value("PRAGMA user_version") == LATEST
    copy.close()


def test_a_new_database_needs_no_backup(tmp_path):
    called = []
    Database.open(tmp_path / "vault.db", KEY, create=True, before_upgrade=called.append).close()
    assert called == []
