from datetime import UTC, datetime, timedelta

import pytest

from desktop_slm.errors import StorageFailed, VaultDamaged
from desktop_slm.store import keyfile, slots
from desktop_slm.store.backup import Backup, Backups, kept
from desktop_slm.store.database import Database
from desktop_slm.store.history import History

OTHER_KEY = b"b" * 32
DAY = 86_400.0


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_backup_opens_with_its_own_key_and_holds_everything(on_disk, tmp_path):
    history = History(on_disk)
    c = history.create("kept")
    history.add_message(c.id, role="user", text="hello " * 10_000)
    backup = Backups(tmp_path / "backups").make(on_disk, OTHER_KEY, b'{"id":"x"}', now=1_700_000_000)
    assert names(tmp_path / "backups") == [
        "vault-000001-20231114T221320Z.db",
        "vault-000001-20231114T221320Z.json",
    ]
    assert backup.key_file.read_bytes() == b'{"id":"x"}'
    copy = Database.open(backup.path, OTHER_KEY)
    assert History(copy).messages(c.id) == history.messages(c.id)
    assert copy.fingerprint() == on_disk.fingerprint()
    copy.close()
    with pytest.raises(VaultDamaged):
        Database.open(backup.path, bytes(range(32)))


def test_a_vaults_backup_can_be_opened_with_the_key_file_beside_it(make_vault):
    vault = make_vault()
    vault.create(passphrase="first")
    History(vault.database()).create("kept")
    backup = vault.backup()
    assert vault.status().last_backup == pytest.approx(backup.made, abs=1)
    vault.change_passphrase("first", "second")
    content = keyfile.read(backup.key_file)
    slot = content.slots[0]
    data_key = slots.unwrap(content.id, slot, slots.passphrase_key(slot, "first"))
    copy = Database.open(backup.path, slots.backup_key(data_key))
    assert [c.title for c in History(copy).conversations()] == ["kept"]
    copy.close()


def test_a_copy_that_is_not_sound_is_not_kept(on_disk, tmp_path, monkeypatch):
    backups = Backups(tmp_path / "backups")
    first = backups.make(on_disk, OTHER_KEY, b"{}")
    monkeypatch.setattr(Database, "problems", lambda self: ["page 7"])
    with pytest.raises(VaultDamaged):
        backups.make(on_disk, OTHER_KEY, b"{}")
    assert [backup.path for backup in backups.listed()] == [first.path]
    assert len(names(tmp_path / "backups")) == 2


def test_a_copy_that_lacks_rows_is_not_kept(on_disk, tmp_path, monkeypatch):
    def half(self, path, key):
        Database.open(path, key, create=True).close()

    History(on_disk).create("kept")
    monkeypatch.setattr(Database, "copy_to", half)
    with pytest.raises(VaultDamaged):
        Backups(tmp_path / "backups").make(on_disk, OTHER_KEY, b"{}")
    assert names(tmp_path / "backups") == []


def test_a_folder_that_cannot_be_written(on_disk, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed):
        Backups(tmp_path / "file" / "backups").make(on_disk, OTHER_KEY, b"{}")


def _backups(*times):
    return [
        Backup(path=f"b{number}", number=number, made=made)
        for number, made in sorted(enumerate(times, start=1), reverse=True)
    ]


def test_rotation_keeps_three_newest_seven_days_four_weeks():
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    times = [(noon + timedelta(days=day, hours=hour)).timestamp() for day in range(60) for hour in (0, 6)]
    keep = kept(_backups(*times))
    days = [datetime.fromtimestamp(backup.made, UTC) for backup in keep]
    assert days[:3] == [datetime.fromtimestamp(made, UTC) for made in times[:-4:-1]]
    assert {day.date() for day in days} >= {(noon + timedelta(days=59 - back)).date() for back in range(7)}
    assert len({day.strftime("%G-%V") for day in days}) == 4
    assert len(keep) == len({backup.number for backup in keep}) <= 3 + 7 + 4


def test_rotation_orders_by_number_when_the_clock_jumps():
    keep = kept(_backups(9e8, 1e9, 2e9, 1.0, 2.0, 3.0))
    assert [backup.number for backup in keep[:3]] == [6, 5, 4]


def test_old_files_go_and_others_stay(on_disk, tmp_path):
    backups = Backups(tmp_path / "backups")
    for number in range(6):
        backups.make(on_disk, OTHER_KEY, b"{}", now=1_700_000_000 + number)
    (tmp_path / "backups" / "notes.txt").touch()
    assert [backup.number for backup in backups.listed()] == [6, 5, 4]
    assert len(names(tmp_path / "backups")) == 7
    backups.make(on_disk, OTHER_KEY, b"{}", now=1_700_000_000 + 7 * DAY)
    assert backups.listed()[0].number == 7
