"""How the data key is wrapped and what is derived from it.

The data key (32 random bytes) never changes with a passphrase; each slot holds it under AES-256-GCM with a
key of its own. What stands beside it in the file (vault, kind of slot, cost of Argon2id, keychain) is
authenticated with it, so nothing of that can be exchanged.
"""

from __future__ import annotations

import os
import time
import unicodedata

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from desktop_slm.errors import InvalidRequest, VaultError
from desktop_slm.store.keyfile import KDF_MIN_KIB, KdfParameters, KeyringSlot, PassphraseSlot, Slot

KEY_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 16
SLOWEST_S = 1.0
"""A passphrase should open a new vault within this time; on a slower computer Argon2id gets its floor."""


class UnwrapError(Exception):
    """The key does not fit the slot, or the slot was changed."""


def new_key() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(KEY_BYTES)


def database_key(data_key: bytes) -> bytes:
    """Derive the raw key of the database."""
    return _derive(data_key, b"db/v1")


def backup_key(data_key: bytes) -> bytes:
    """Derive the raw key of the backups."""
    return _derive(data_key, b"backup/v1")


def wrap(vault: str, slot: Slot, key: bytes, data_key: bytes) -> Slot:
    """Return ``slot`` holding ``data_key`` under ``key``."""
    nonce = os.urandom(NONCE_BYTES)
    wrapped = AESGCM(key).encrypt(nonce, data_key, _authenticated(vault, slot))
    return msgspec.structs.replace(slot, nonce=nonce, wrapped=wrapped)


def unwrap(vault: str, slot: Slot, key: bytes) -> bytes:
    """Return the data key of ``slot``.

    Raises:
        UnwrapError: ``key`` is not its key, or anything of it was changed.
    """
    try:
        return AESGCM(key).decrypt(slot.nonce, slot.wrapped, _authenticated(vault, slot))
    except InvalidTag as error:
        raise UnwrapError from error


def passphrase_slot(
    vault: str, passphrase: str, data_key: bytes, kdf: KdfParameters | None = None
) -> PassphraseSlot:
    """Return a slot that ``passphrase`` opens.

    Args:
        vault: Id of the vault.
        passphrase: Any text that is not empty.
        data_key: What to wrap.
        kdf: Cost of Argon2id. None for 128 MiB, three passes, four lanes, or the floor of 64 MiB where
            that takes longer than a second.
    """
    slot = PassphraseSlot(kdf=kdf or KdfParameters(), salt=os.urandom(SALT_BYTES))
    started = time.monotonic()
    key = passphrase_key(slot, passphrase)
    if kdf is None and time.monotonic() - started > SLOWEST_S:
        slot = msgspec.structs.replace(slot, kdf=KdfParameters(memory_kib=KDF_MIN_KIB))
        key = passphrase_key(slot, passphrase)
    wrapped = wrap(vault, slot, key, data_key)
    assert isinstance(wrapped, PassphraseSlot)  # noqa: S101 - for the type checker
    return wrapped


def passphrase_key(slot: PassphraseSlot, passphrase: str) -> bytes:
    """Derive the key of ``slot`` from a passphrase by Argon2id (RFC 9106).

    The passphrase is taken in Unicode's composed form (RFC 8265, OpaqueString), so that it does not depend
    on the keyboard that typed it.
    """
    if not passphrase:
        raise InvalidRequest("The passphrase is empty", "Type at least one word.")
    data = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    try:
        return Argon2id(
            salt=slot.salt,
            length=KEY_BYTES,
            iterations=slot.kdf.iterations,
            lanes=slot.kdf.lanes,
            memory_cost=slot.kdf.memory_kib,
        ).derive(data)
    except MemoryError as error:
        raise VaultError(
            "There is not enough free memory to check the passphrase",
            f"Close other programs: {slot.kdf.memory_kib // 1024} MB are needed for a moment.",
        ) from error


def _derive(data_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(data_key)


def _authenticated(vault: str, slot: Slot) -> bytes:
    plain: dict[str, object] = {"format": 1, "vault": vault}
    if isinstance(slot, KeyringSlot):
        plain |= {"type": "keyring", "backend": slot.backend, "item": slot.item}
    else:
        plain |= {"type": "passphrase", "kdf": slot.kdf, "salt": slot.salt}
    return msgspec.json.encode(plain)
