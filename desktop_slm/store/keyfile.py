"""``vault.json``: the wrapped data key, once per slot. It holds no secret that opens anything by itself.

Written so that a crash leaves the old file or the new one, and kept twice: ``vault.json.bak`` has the same
content, never an older one, because an older one would still open with a passphrase that was changed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from desktop_slm.errors import StorageFailed, VaultDamaged, VaultError

VERSION = 1
MAX_FILE_BYTES = 64 * 1024

KDF_MIN_KIB = 64 * 1024
"""Floor of Argon2id's memory for every vault: a file with less is refused, whoever wrote it."""

KDF_MAX_KIB = 1024 * 1024

_Nonce = Annotated[bytes, msgspec.Meta(min_length=12, max_length=12)]
_Wrapped = Annotated[bytes, msgspec.Meta(min_length=48, max_length=48)]


class KdfParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cost of Argon2id.

    Read back with bounds, so that a changed file neither weakens it nor eats the memory.
    """

    memory_kib: Annotated[int, msgspec.Meta(ge=KDF_MIN_KIB, le=KDF_MAX_KIB)] = 128 * 1024
    iterations: Annotated[int, msgspec.Meta(ge=1, le=16)] = 3
    lanes: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4


class KeyringSlot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="keyring"):
    """The key-encryption key is an item of the system's keychain.

    Attributes:
        backend: Which keychain, by the name of its class.
        item: Name of the item.
        nonce, wrapped: The data key under AES-256-GCM.
    """

    backend: Annotated[str, msgspec.Meta(max_length=200)]
    item: Annotated[str, msgspec.Meta(max_length=200)]
    nonce: _Nonce = bytes(12)
    wrapped: _Wrapped = bytes(48)


class PassphraseSlot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="passphrase"):
    """The key-encryption key comes from a passphrase by Argon2id."""

    kdf: KdfParameters
    salt: Annotated[bytes, msgspec.Meta(min_length=16, max_length=64)]
    nonce: _Nonce = bytes(12)
    wrapped: _Wrapped = bytes(48)


Slot = KeyringSlot | PassphraseSlot


class KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``vault.json``.

    Attributes:
        version: Of this format.
        id: Random name of the vault.
        slots: The ways in; at least one.
        state: ``new`` from the moment the file is written until its database is there. Only in this state may
            a missing database be made: nothing can have been kept in it yet.
    """

    version: Literal[1] = 1
    id: Annotated[str, msgspec.Meta(min_length=16, max_length=64)]
    slots: Annotated[tuple[Slot, ...], msgspec.Meta(min_length=1, max_length=8)]
    state: Literal["new", "ready"] = "ready"


class _Version(msgspec.Struct):
    version: int


def backup_path(path: Path) -> Path:
    """Return the path of the second copy."""
    return path.with_name(path.name + ".bak")


def exists(path: Path) -> bool:
    """Whether there is a key file, or its second copy."""
    return path.exists() or backup_path(path).exists()


def read(path: Path) -> KeyFile:
    """Read the key file, or its second copy when it cannot be read.

    Raises:
        VaultDamaged: Neither can be read.
        VaultError: It is of a newer version.
    """
    try:
        return _read(path)
    except VaultDamaged:
        with contextlib.suppress(VaultDamaged):
            return _read(backup_path(path))
        raise


def write(path: Path, content: KeyFile) -> None:
    """Write the key file and its second copy; one for a vault in the making has no second copy.

    Raises:
        StorageFailed: The disk is full, read-only or failing.
    """
    data = msgspec.json.format(msgspec.json.encode(content), indent=2)
    write_private(path, data)
    if content.state == "ready":
        write_private(backup_path(path), data)


def mend(path: Path) -> None:
    """Make the two copies equal again after a crash or damage, the readable and newer one winning."""
    content = read(path)
    data = msgspec.json.format(msgspec.json.encode(content), indent=2)
    wanted = (path,) if content.state == "new" else (path, backup_path(path))
    for place in wanted:
        with contextlib.suppress(OSError):
            if place.read_bytes() == data:
                continue
        write_private(place, data)


def write_private(path: Path, data: bytes) -> None:
    """Write a file for the user alone; a crash leaves the old one or the new one.

    Raises:
        StorageFailed: The disk is full, read-only or failing.
    """
    part = path.with_name(path.name + ".new")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        handle = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageFailed(
            "The vault's key file could not be written",
            "Check that the disk has free space and that its folder may be written.",
        ) from error


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power cut, where the system can."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> KeyFile:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _damaged() from error
    if len(data) > MAX_FILE_BYTES:
        raise _damaged()
    try:
        version = msgspec.json.decode(data, type=_Version).version
        if version > VERSION:
            raise VaultError(
                "This vault was made by a newer version of Desktop SLM",
                "Install the newest version to open it.",
            )
        return msgspec.json.decode(data, type=KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged() from error


def _damaged() -> VaultDamaged:
    return VaultDamaged(
        "The vault's key file cannot be read", "Restore a backup of the vault. Nothing has been changed."
    )
