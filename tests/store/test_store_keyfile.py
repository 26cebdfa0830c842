import json

import msgspec
import pytest
from store_constants import CHEAP

from desktop_slm.errors import (
    InvalidRequest,
    VaultDamaged,
    VaultError,
    WrongPassphrase,
)
from desktop_slm.store import keyfile, slots
from desktop_slm.store.history import History
from desktop_slm.store.keyfile import KdfParameters

PASSPHRASE = "correct horse Käse 电池"


def filled(vault, passphrase=None):
    vault.create(passphrase=passphrase)
    History(vault.database()).create("kept")
    vault.close()
    return vault


def titles(vault):
    return [record.title for record in History(vault.database()).conversations()]


def rewrite(vault, change):
    """Change both copies of the key file."""
    path = vault.folder / "vault.json"
    content = json.loads(path.read_text())
    change(content)
    for place in (path, keyfile.backup_path(path)):
        place.write_text(json.dumps(content))


def other_base64(text):
    return ("B" if text[0] == "A" else "A") + text[1:]


@pytest.mark.parametrize("field", ["wrapped", "nonce", "salt"])
def test_a_changed_wrapped_key_does_not_open(make_vault, field):
    vault = filled(make_vault(), PASSPHRASE)
    rewrite(
        vault, lambda content: content["slots"][0].update({field: other_base64(content["slots"][0][field])})
    )
    with pytest.raises(WrongPassphrase):
        vault.unlock(passphrase=PASSPHRASE)


def test_another_vaults_id_does_not_open(make_vault):
    vault = filled(make_vault())
    rewrite(vault, lambda content: content.update(id="0" * 32))
    with pytest.raises(VaultDamaged):
        vault.unlock()


def test_authenticated_parameters(keychain):
    data_key = slots.new_key()
    slot = slots.passphrase_slot("vault", PASSPHRASE, data_key, CHEAP)
    key = slots.passphrase_key(slot, PASSPHRASE)
    assert slots.unwrap("vault", slot, key) == data_key
    weaker = msgspec.structs.replace(slot, kdf=KdfParameters(memory_kib=65536, iterations=2))
    moved = keyfile.KeyringSlot(backend="x", item="y", nonce=slot.nonce, wrapped=slot.wrapped)
    for changed in (weaker, moved):
        with pytest.raises(slots.UnwrapError):
            slots.unwrap("vault", changed, key)
    with pytest.raises(slots.UnwrapError):
        slots.unwrap("other", slot, key)


@pytest.mark.parametrize(
    "kdf",
    [
        {"memory_kib": 65535, "iterations": 3, "lanes": 4},
        {"memory_kib": 2**21, "iterations": 3, "lanes": 4},
        {"memory_kib": 2**62, "iterations": 3, "lanes": 4},
        {"memory_kib": 65536, "iterations": 0, "lanes": 4},
        {"memory_kib": 65536, "iterations": 10**9, "lanes": 4},
        {"memory_kib": 65536, "iterations": 3, "lanes": 0},
        {"memory_kib": 65536, "iterations": 3, "lanes": 10**6},
        {"memory_kib": "65536", "iterations": 3, "lanes": 4},
        {},
    ],
)
def test_kdf_parameters_out_of_bounds_are_never_derived_with(make_vault, kdf, monkeypatch):
    vault = filled(make_vault(), PASSPHRASE)
    rewrite(
        vault, lambda content: content["slots"][0].update(kdf=kdf) if kdf else content["slots"][0].pop("kdf")
    )
    monkeypatch.setattr(slots, "Argon2id", pytest.fail)
    assert vault.state() == "damaged"
    with pytest.raises(VaultDamaged):
        vault.unlock(passphrase=PASSPHRASE)


def test_defaults_are_those_of_the_design():
    assert KdfParameters() == KdfParameters(memory_kib=128 * 1024, iterations=3, lanes=4)


def test_a_slow_computer_gets_the_floor(monkeypatch):
    monkeypatch.setattr(slots, "SLOWEST_S", 0.0)
    slot = slots.passphrase_slot("vault", PASSPHRASE, slots.new_key())
    assert slot.kdf == KdfParameters(memory_kib=64 * 1024)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"{}", b"x" * 100_000, b"<html>"]
)
def test_an_unreadable_key_file_is_mended_from_its_copy(make_vault, content):
    vault = filled(make_vault(), PASSPHRASE)
    path = vault.folder / "vault.json"
    good = path.read_bytes()
    path.write_bytes(content)
    assert vault.state() == "locked"
    vault.unlock(passphrase=PASSPHRASE)
    assert titles(vault) == ["kept"]
    assert path.read_bytes() == good
    vault.lock()
    path.write_bytes(content)
    keyfile.backup_path(path).write_bytes(content)
    assert vault.state() == "damaged"
    with pytest.raises(VaultDamaged):
        vault.unlock(passphrase=PASSPHRASE)
    assert path.read_bytes() == content


def test_a_lost_key_file_is_damage(make_vault):
    vault = filled(make_vault(), PASSPHRASE)
    for path in vault.folder.glob("vault.json*"):
        path.unlink()
    assert vault.state() == "damaged"
    with pytest.raises(VaultDamaged):
        vault.unlock(passphrase=PASSPHRASE)
    with pytest.raises(InvalidRequest):
        vault.create(passphrase=PASSPHRASE)


def test_a_newer_key_file_is_named(make_vault):
    vault = filled(make_vault(), PASSPHRASE)
    rewrite(vault, lambda content: content.update(version=2))
    assert vault.state() == "locked"
    with pytest.raises(VaultError, match="newer version"):
        vault.unlock(passphrase=PASSPHRASE)


def test_a_newer_database_is_named(make_vault):
    vault = make_vault()
    vault.create(passphrase=PASSPHRASE)
    vault.database().rows("PRAGMA user_version=99")
    vault.lock()
    with pytest.raises(VaultError, match="newer version"):
        vault.unlock(passphrase=PASSPHRASE)
