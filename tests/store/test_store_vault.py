import stat
import subprocess
import sys
from pathlib import Path

import pytest
from fake_keyring import ALLOWED, FakeKeyring

from desktop_slm.errors import (
    InvalidRequest,
    KeyringUnavailable,
    StorageFailed,
    VaultDamaged,
    VaultError,
    VaultInUse,
    VaultLocked,
    VaultMissing,
    WrongPassphrase,
)
from desktop_slm.store import keyfile
from desktop_slm.store.database import Database
from desktop_slm.store.history import History
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.vault import Vault

ROOT = Path(__file__).parents[2]
PASSPHRASE = "correct horse Käse 电池"


def listing(vault):
    return {path.name: path.read_bytes() for path in vault.folder.iterdir() if path.is_file()}


def filled(vault, passphrase=None):
    vault.create(passphrase=passphrase)
    History(vault.database()).create("kept")
    vault.close()
    return vault


def titles(vault):
    return [record.title for record in History(vault.database()).conversations()]


def test_making_the_object_touches_nothing(make_vault, tmp_path):
    vault = make_vault()
    assert vault.state() == "none"
    assert vault.slots() == ()
    assert vault.status().bytes == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(VaultLocked):
        vault.database()
    with pytest.raises(InvalidRequest):
        vault.unlock(passphrase="x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_create_close_unlock(make_vault, passphrase):
    vault = make_vault()
    vault.create(passphrase=passphrase)
    assert vault.state() == "open"
    History(vault.database()).create("kept")
    vault.lock()
    assert vault.state() == "locked"
    other = make_vault()
    other.unlock(passphrase=passphrase)
    assert titles(other) == ["kept"]
    status = other.status()
    assert status.slots == (("keyring",) if passphrase is None else ("passphrase",))
    assert status.state == "open"
    assert status.cipher_version
    assert status.bytes > 4096


def test_files_are_private(make_vault):
    vault = make_vault()
    vault.folder.mkdir(parents=True, mode=0o755)
    vault.create(passphrase=PASSPHRASE)
    vault.backup()
    assert stat.S_IMODE(vault.folder.stat().st_mode) == 0o700
    for path in vault.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_vault_is_never_made_over_another(make_vault):
    vault = filled(make_vault(), PASSPHRASE)
    before = listing(vault)
    with pytest.raises(InvalidRequest):
        make_vault().create(passphrase="another")
    (vault.folder / "vault.db").unlink()
    with pytest.raises(InvalidRequest):
        make_vault().create(passphrase="another")
    assert listing(vault) == {name: data for name, data in before.items() if name != "vault.db"}


@pytest.mark.parametrize("passphrase", [PASSPHRASE + " ", PASSPHRASE.upper(), "x" * 10_000, "\0", "\ud800"])
def test_a_wrong_passphrase(make_vault, passphrase):
    vault = filled(make_vault(), PASSPHRASE)
    before = listing(vault)
    with pytest.raises(WrongPassphrase):
        vault.unlock(passphrase=passphrase)
    assert vault.state() == "locked"
    assert listing(vault) == before
    vault.unlock(passphrase=PASSPHRASE)


def test_an_empty_passphrase_is_refused(make_vault):
    vault = make_vault()
    with pytest.raises(InvalidRequest):
        vault.create(passphrase="")
    assert vault.state() == "none"
    filled(vault, PASSPHRASE)
    with pytest.raises(InvalidRequest):
        vault.unlock(passphrase="")


def test_the_keyboard_does_not_matter(make_vault):
    vault = filled(make_vault(), "Käse")
    vault.unlock(passphrase="Ka\u0308se")
    assert titles(vault) == ["kept"]


def test_asking_for_a_slot_that_is_not_there(make_vault, tmp_path, wall):
    vault = filled(make_vault(), PASSPHRASE)
    with pytest.raises(KeyringUnavailable, match="opens with a passphrase"):
        vault.unlock()
    other = Vault(tmp_path / "other", wall)
    filled(other)
    with pytest.raises(WrongPassphrase, match="no passphrase"):
        other.unlock(passphrase="x")


def test_a_vanished_database_is_named_and_nothing_is_made(make_vault):
    vault = filled(make_vault(), PASSPHRASE)
    (vault.folder / "vault.db").unlink()
    before = listing(vault)
    assert vault.state() == "missing"
    with pytest.raises(VaultMissing):
        vault.unlock(passphrase=PASSPHRASE)
    with pytest.raises(VaultMissing):
        vault.change_passphrase(PASSPHRASE, "x")
    assert listing(vault) == before
    assert vault.state() == "missing"


def test_a_database_that_vanishes_while_opening_is_not_made(make_vault, monkeypatch):
    vault = filled(make_vault(), PASSPHRASE)
    (vault.folder / "vault.db").unlink()
    before = listing(vault)
    monkeypatch.setattr(vault, "_require_whole", lambda: None)
    with pytest.raises(StorageFailed):
        vault.unlock(passphrase=PASSPHRASE)
    assert listing(vault) == before


def test_an_emptied_database_is_damage_and_stays(make_vault):
    vault = filled(make_vault(), PASSPHRASE)
    (vault.folder / "vault.db").write_bytes(b"")
    before = listing(vault)
    assert vault.state() == "damaged"
    with pytest.raises(VaultDamaged):
        vault.unlock(passphrase=PASSPHRASE)
    assert listing(vault) == before


def test_a_damaged_database_releases_the_lock(make_vault):
    vault = filled(make_vault(), PASSPHRASE)
    path = vault.folder / "vault.db"
    data = path.read_bytes()
    path.write_bytes(bytes(100) + data[100:])
    with pytest.raises(VaultDamaged):
        vault.unlock(passphrase=PASSPHRASE)
    path.write_bytes(data)
    make_vault().unlock(passphrase=PASSPHRASE)


def test_a_second_instance_is_told(make_vault, start_child):
    vault = make_vault()
    vault.create(passphrase=PASSPHRASE)
    child = start_child("unlock_child.py", vault.folder, PASSPHRASE)
    assert child.communicate(timeout=30)[0].split()[0] == "VaultInUse"
    with pytest.raises(VaultInUse):
        make_vault().unlock(passphrase=PASSPHRASE)
    with pytest.raises(VaultInUse):
        make_vault().change_passphrase(PASSPHRASE, "x")
    vault.lock()
    child = start_child("unlock_child.py", vault.folder, PASSPHRASE, "hang")
    assert child.stdout.readline() == "open\n"
    with pytest.raises(VaultInUse):
        vault.unlock(passphrase=PASSPHRASE)
    child.kill()
    child.wait()
    vault.unlock(passphrase=PASSPHRASE)


def test_a_child_process_does_not_keep_the_lock(make_vault, start_child):
    vault = make_vault()
    vault.create(passphrase=PASSPHRASE)
    start_child("unlock_child.py", vault.folder, PASSPHRASE, "sleep")
    vault.lock()
    vault.unlock(passphrase=PASSPHRASE)


def test_the_program_starts_without_the_heavy_libraries():
    code = (
        "import sys, desktop_slm.store.vault, desktop_slm.store.library, desktop_slm.store.search;"
        "print({'sqlcipher3', 'cryptography', 'keyring', 'numpy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout == "set()\n", result.stderr


# changing what opens it


def test_change_passphrase(make_vault):
    vault = filled(make_vault(), PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        vault.change_passphrase("wrong", "new")
    vault.change_passphrase(PASSPHRASE, "new")
    assert vault.state() == "locked"
    for path in vault.folder.glob("vault.json*"):
        assert keyfile.read(path).slots == keyfile.read(vault.folder / "vault.json").slots
    with pytest.raises(WrongPassphrase):
        vault.unlock(passphrase=PASSPHRASE)
    vault.unlock(passphrase="new")
    assert titles(vault) == ["kept"]
    vault.change_passphrase("new", "newer")
    assert vault.state() == "open"
    assert titles(vault) == ["kept"]
    vault.lock()
    vault.unlock(passphrase="newer")


def test_set_passphrase_replaces_the_keychain(make_vault, keychain):
    vault = filled(make_vault())
    vault.unlock()
    assert len(keychain.items) == 1
    vault.set_passphrase(PASSPHRASE, keep_keyring=True)
    assert vault.slots() == ("keyring", "passphrase")
    vault.set_passphrase("second")
    assert vault.slots() == ("passphrase",)
    assert keychain.items == {}
    vault.lock()
    with pytest.raises(KeyringUnavailable):
        vault.unlock()
    vault.unlock(passphrase="second")
    assert titles(vault) == ["kept"]


def test_slots_come_and_go(make_vault, keychain):
    vault = filled(make_vault(), PASSPHRASE)
    vault.unlock(passphrase=PASSPHRASE)
    with pytest.raises(InvalidRequest, match="Nothing else"):
        vault.remove_passphrase()
    vault.add_keyring_slot()
    with pytest.raises(InvalidRequest):
        vault.add_keyring_slot()
    vault.remove_passphrase()
    assert vault.slots() == ("keyring",)
    with pytest.raises(InvalidRequest, match="Nothing else"):
        vault.remove_keyring_slot()
    vault.lock()
    vault.unlock()
    vault.set_passphrase(PASSPHRASE, keep_keyring=True)
    vault.remove_keyring_slot()
    assert keychain.items == {}
    assert titles(vault) == ["kept"]


def test_slots_change_only_in_an_open_vault(make_vault):
    vault = filled(make_vault(), PASSPHRASE)
    for change in (
        vault.add_keyring_slot,
        vault.remove_passphrase,
        lambda: vault.set_passphrase("x"),
        vault.backup,
    ):
        with pytest.raises(VaultLocked):
            change()


# the keychain


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("locked", "is locked"),
        ("denied", "refused"),
        ("broken pipe", "refused"),
        ("forgetful", "does not keep"),
    ],
)
def test_a_failing_keychain_makes_no_vault(make_vault, keychain, fault, words):
    keychain.fault = fault
    vault = make_vault()
    with pytest.raises(KeyringUnavailable, match=words):
        vault.create()
    assert vault.state() == "none"


@pytest.mark.parametrize(("fault", "words"), [("locked", "is locked"), ("denied", "refused")])
def test_a_failing_keychain_does_not_open(make_vault, keychain, fault, words):
    vault = filled(make_vault())
    before = listing(vault)
    keychain.fault = fault
    with pytest.raises(KeyringUnavailable, match=words):
        vault.unlock()
    assert listing(vault) == before
    keychain.fault = ""
    vault.unlock()
    assert titles(vault) == ["kept"]


def test_a_vanished_item_is_named(make_vault, keychain):
    vault = filled(make_vault())
    before = listing(vault)
    keychain.items.clear()
    with pytest.raises(KeyringUnavailable, match="no longer in the system keychain"):
        vault.unlock()
    assert keychain.items == {}
    assert listing(vault) == before


@pytest.mark.parametrize("secret", ["00" * 32, "00" * 5, "", "not hexadecimal"])
def test_an_exchanged_item_is_named(make_vault, keychain, secret):
    vault = filled(make_vault())
    keychain.items = dict.fromkeys(keychain.items, secret)
    with pytest.raises(VaultError) as caught:
        vault.unlock()
    assert isinstance(caught.value, VaultDamaged | KeyringUnavailable)


def test_a_hanging_keychain_is_given_up(make_vault, keychain):
    vault = filled(make_vault())
    keychain.fault = "hanging"
    slow = make_vault(KeyringWall(keychain, allowed=ALLOWED, limit_s=0.2))
    with pytest.raises(KeyringUnavailable, match=r"within 0\.2 seconds"):
        slow.unlock()
    keychain.fault = ""
    keychain.released.set()
    vault.unlock()


def test_another_keychain_is_named_and_not_written(make_vault, keychain):
    class NewKeyring(FakeKeyring):
        pass

    vault = filled(make_vault())
    new = NewKeyring()
    name = f"{NewKeyring.__module__}.{NewKeyring.__qualname__}"
    changed = make_vault(KeyringWall(new, allowed={**ALLOWED, name: "the new keychain"}))
    with pytest.raises(
        KeyringUnavailable, match="is in the test keychain, and this session has the new keychain"
    ):
        changed.unlock()
    assert new.items == {}
    assert len(keychain.items) == 1
    vault.unlock()


def test_an_old_item_is_never_overwritten(make_vault, keychain, tmp_path):
    filled(make_vault())
    before = dict(keychain.items)
    other = Vault(tmp_path / "second", KeyringWall(keychain, allowed=ALLOWED))
    filled(other)
    assert before.items() <= keychain.items.items()
    assert len(keychain.items) == 2


# making it


@pytest.mark.parametrize("stage", ["before-database", "database-made", "before-copy"])
def test_a_kill_while_making_it_is_completed_later(make_vault, start_child, stage):
    vault = make_vault()
    child = start_child("create_child.py", vault.folder, PASSPHRASE, stage)
    child.communicate(timeout=30)
    assert child.returncode == -9
    assert vault.state() == "locked"
    vault.unlock(passphrase=PASSPHRASE)
    History(vault.database()).create("kept")
    vault.lock()
    assert keyfile.read(vault.folder / "vault.json").state == "ready"
    assert (vault.folder / "vault.json").read_bytes() == (vault.folder / "vault.json.bak").read_bytes()
    vault.unlock(passphrase=PASSPHRASE)
    assert titles(vault) == ["kept"]


def test_a_vault_in_the_making_may_be_made_anew(make_vault, start_child):
    vault = make_vault()
    start_child("create_child.py", vault.folder, PASSPHRASE, "before-database").communicate(timeout=30)
    vault.create(passphrase="another")
    vault.lock()
    vault.unlock(passphrase="another")


def test_a_failure_while_making_it_leaves_nothing(make_vault, monkeypatch, keychain):
    def fail(*args, **kwargs):
        raise StorageFailed("The vault could not be written")

    vault = make_vault()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "open", fail)
        with pytest.raises(StorageFailed):
            vault.create()
    assert [path.name for path in vault.folder.iterdir()] == ["vault.lock"]
    assert keychain.items == {}
    assert vault.state() == "none"
    vault.create()


def test_a_folder_that_cannot_be_made(tmp_path, wall):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed):
        Vault(tmp_path / "file" / "vault", wall).create(passphrase=PASSPHRASE)


def test_opening_marks_interrupted_answers(make_vault):
    vault = make_vault()
    vault.create(passphrase=PASSPHRASE)
    history = History(vault.database())
    conversation = history.create()
    history.add_message(conversation.id, role="assistant", text="half an", state="streaming")
    vault.lock()
    vault.unlock(passphrase=PASSPHRASE)
    [message] = History(vault.database()).messages(conversation.id)
    assert (message.state, message.text) == ("interrupted", "half an")
