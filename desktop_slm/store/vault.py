"""The vault: keys, the lock of the single writer, and the life of the database.

In its folder lie ``vault.json`` (the wrapped data key), ``vault.db`` with SQLite's log, ``vault.lock``,
``backups/`` and ``states/``. A vault that exists is never made anew: a lost database next to its key file is
an error that says so. SQLCipher and the cryptography are loaded with the first unlocking, not with this
module.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from desktop_slm.errors import (
    DesktopSlmError,
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
from desktop_slm.paths import private_folder
from desktop_slm.store import keyfile, moving, states, trash
from desktop_slm.store.backup import Backup, Backups
from desktop_slm.store.history import History
from desktop_slm.store.keyfile import KdfParameters, KeyFile, KeyringSlot, PassphraseSlot, Slot
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.lockfile import LockFile

if TYPE_CHECKING:
    from desktop_slm.store.database import Database

VaultState = Literal["none", "locked", "open", "missing", "damaged"]
_SLOT_NAMES: dict[type[Slot], str] = {KeyringSlot: "keyring", PassphraseSlot: "passphrase"}


class VaultStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the vault.

    Attributes:
        state: See `Vault.state`.
        slots: What opens it.
        cipher_version: SQLCipher's version, empty unless open.
        path: The folder.
        bytes: Size of the database with its log.
        state_bytes: Size of the model states beside it, which need not be kept.
        last_backup: Seconds since the epoch, 0 when there is none.
    """

    state: VaultState
    slots: tuple[str, ...]
    cipher_version: str
    path: str
    bytes: int
    state_bytes: int
    last_backup: float


class Vault:
    """The vault in ``folder``. Making this object touches nothing.

    Args:
        folder: Where it lies.
        keyring: The system's keychain.
        kdf: Cost of Argon2id for new passphrases; None for the design's. For tests, which cannot go
            below the floor either: 64 MiB for every vault that is read.
    """

    def __init__(self, folder: Path, keyring: KeyringWall, *, kdf: KdfParameters | None = None) -> None:
        self.folder = folder
        self._keyring = keyring
        self._kdf = kdf
        self._mutex = threading.RLock()
        self._lock: LockFile | None = None
        self._data_key = b""
        self._database: Database | None = None

    # what there is

    def state(self) -> VaultState:
        """Tell how things stand.

        Returns:
            ``none``: no vault. ``locked``: can be unlocked. ``open``: open here. ``missing``: there is a
            key file and no database. ``damaged``: the key file is gone or unreadable, or the database is
            empty.
        """
        if self._database is not None:
            return "open"
        size = _size(self._database_path)
        if not keyfile.exists(self._key_path):
            return "none" if size is None else "damaged"
        try:
            content = keyfile.read(self._key_path)
        except VaultDamaged:
            return "damaged"
        except VaultError:  # of a newer version: unlocking says so
            return "locked"
        if content.state == "new":
            return "locked"
        if size is None:
            return "missing"
        return "locked" if size else "damaged"

    def slots(self) -> tuple[str, ...]:
        """Return what opens the vault: ``keyring``, ``passphrase``; nothing without a readable vault."""
        with contextlib.suppress(VaultError):
            if keyfile.exists(self._key_path):
                return tuple(_SLOT_NAMES[type(slot)] for slot in keyfile.read(self._key_path).slots)
        return ()

    def status(self) -> VaultStatus:
        """Return what is known without unlocking."""
        log = self._database_path.with_name(self._database_path.name + "-wal")
        backups = self._backups.listed()
        return VaultStatus(
            state=self.state(),
            slots=self.slots(),
            cipher_version=self._database.cipher_version() if self._database else "",
            path=str(self.folder),
            bytes=(_size(self._database_path) or 0) + (_size(log) or 0),
            state_bytes=states.size_bytes(self.folder),
            last_backup=max((backup.made for backup in backups), default=0.0),
        )

    def database(self) -> Database:
        """Return the open database.

        Raises:
            VaultLocked: It is not open.
        """
        if self._database is None:
            raise VaultLocked("The vault is locked", "Unlock it to see and keep conversations and documents.")
        return self._database

    # making, opening, closing

    def create(self, *, passphrase: str | None = None, content: Database | None = None) -> None:
        """Make a new vault and open it.

        The key file is written first and says ``new`` until the database is there, so a crash in between
        leaves a vault that the next unlocking completes.

        Args:
            passphrase: What opens it; None to keep the key in the system's keychain.
            content: What it holds from the beginning, all of it or there is no vault; None for nothing.

        Raises:
            InvalidRequest: There is a vault, or what is left of one.
            KeyringUnavailable: The keychain cannot keep the key.
            StorageFailed: The folder cannot be written; nothing is left behind.
        """
        from desktop_slm.store import slots

        with self._mutex:
            self._make_folder()
            with self._holding():
                self._refuse_existing()
                vault = secrets.token_hex(16)
                data_key = slots.new_key()
                slot = (
                    self._keyring_slot(vault, data_key)
                    if passphrase is None
                    else slots.passphrase_slot(vault, passphrase, data_key, self._kdf)
                )
                keys = KeyFile(id=vault, slots=(slot,), state="new")
                try:
                    keyfile.write(self._key_path, keys)
                    self._open(keys, data_key, content)
                except DesktopSlmError:
                    self._remove_unfinished(slot)
                    raise

    def unlock(self, *, passphrase: str | None = None) -> None:
        """Open the vault; does nothing when it is open.

        Args:
            passphrase: None to take the key from the system's keychain.

        Raises:
            WrongPassphrase: It does not open this vault.
            KeyringUnavailable: The keychain does not give the key; the title says why.
            VaultMissing: The database is gone. Nothing is made in its place.
            VaultDamaged: The key file or the database cannot be read.
            VaultInUse: Another process has it open.
            StorageFailed: The folder cannot be written.
            InvalidRequest: There is no vault.
        """
        with self._mutex:
            if self._database is not None:
                return
            self._require_whole()
            with self._holding():
                self._require_whole()
                content = keyfile.read(self._key_path)
                self._open(content, self._unwrap(content, passphrase))

    def lock(self) -> None:
        """Close the database and forget the key; does nothing when it is not open."""
        with self._mutex:
            if self._database is not None:
                self._database.close()
            self._database = None
            self._data_key = b""
            if self._lock is not None:
                self._lock.close()
            self._lock = None

    def close(self) -> None:
        """Same as `lock`, for the end of the program."""
        self.lock()

    def backup(self) -> Backup:
        """Write a checked, encrypted copy into ``backups/`` and remove the oldest ones.

        Raises:
            VaultLocked: The vault is not open.
            StorageFailed: The copy could not be written.
            VaultDamaged: The copy is not sound.
        """
        from desktop_slm.store import slots

        with self._mutex:
            content = msgspec.json.encode(keyfile.read(self._key_path))
            return self._backups.make(self.database(), slots.backup_key(self._data_key), content)

    # changing what opens it

    def set_passphrase(self, passphrase: str, *, keep_keyring: bool = False) -> None:
        """Let ``passphrase`` open the open vault, in place of an earlier one.

        The keychain's slot is removed unless ``keep_keyring``. Documents and conversations are not touched:
        only the wrapped key is written anew.
        """
        from desktop_slm.store import slots

        with self._mutex:
            content, data_key = self._opened()
            new = slots.passphrase_slot(content.id, passphrase, data_key, self._kdf)
            others = [slot for slot in content.slots if isinstance(slot, KeyringSlot)]
            self._replace_slots(content, (*(others if keep_keyring else ()), new))

    def change_passphrase(self, old: str, new: str) -> None:
        """Exchange the passphrase, whether the vault is open or not.

        Raises:
            WrongPassphrase: ``old`` does not open this vault.
            VaultInUse: Another process has it open.
        """
        from desktop_slm.store import slots

        with self._mutex:
            if self._database is None:
                self._require_whole()
            with contextlib.nullcontext() if self._lock else self._holding(release=True):
                content = keyfile.read(self._key_path)
                data_key = self._unwrap(content, old)
                slot = slots.passphrase_slot(content.id, new, data_key, self._kdf)
                others = [other for other in content.slots if isinstance(other, KeyringSlot)]
                self._replace_slots(content, (*others, slot))

    def remove_passphrase(self) -> None:
        """Remove the passphrase of the open vault; the keychain must hold the key."""
        self._remove_slots(PassphraseSlot)

    def add_keyring_slot(self) -> None:
        """Let the system's keychain open the open vault too.

        Raises:
            InvalidRequest: It does so already.
            KeyringUnavailable: It cannot keep the key.
        """
        with self._mutex:
            content, data_key = self._opened()
            if any(isinstance(slot, KeyringSlot) for slot in content.slots):
                raise InvalidRequest("The system keychain opens this vault already")
            slot = self._keyring_slot(content.id, data_key)
            try:
                self._replace_slots(content, (slot, *content.slots))
            except DesktopSlmError:
                self._forget(slot)
                raise

    def remove_keyring_slot(self) -> None:
        """Let the system's keychain no longer open the open vault; there must be a passphrase."""
        self._remove_slots(KeyringSlot)

    # inside

    @property
    def _key_path(self) -> Path:
        return self.folder / "vault.json"

    @property
    def _database_path(self) -> Path:
        return self.folder / "vault.db"

    @property
    def _backups(self) -> Backups:
        return Backups(self.folder / "backups")

    def _make_folder(self) -> None:
        try:
            private_folder(self.folder).chmod(0o700)
        except OSError as error:
            raise StorageFailed(
                "The vault's folder could not be made",
                "Check that the disk has free space and that the data folder may be written.",
            ) from error

    @contextlib.contextmanager
    def _holding(self, *, release: bool = False) -> Iterator[None]:
        """Hold the lock of the single writer, kept when the vault is open at the end."""
        if self._lock is not None:
            raise VaultInUse("The vault is open already", "Lock it first.")
        self._lock = LockFile(self.folder / "vault.lock")
        try:
            yield
        finally:
            if release or self._database is None:
                self._lock.close()
                self._lock = None

    def _refuse_existing(self) -> None:
        """Raise unless there is nothing, or only a key file whose database was never made."""
        if self.state() == "none":
            return
        with contextlib.suppress(VaultError):
            if keyfile.read(self._key_path).state == "new" and not _size(self._database_path):
                return
        raise InvalidRequest("There is a vault already", "Unlock it, or choose another data folder.")

    def _require_whole(self) -> None:
        state = self.state()
        if state == "none":
            raise InvalidRequest("There is no vault yet", "Make one first.")
        if state == "missing":
            raise VaultMissing(
                "The vault's database is gone, and its key file is still there",
                f"Put vault.db back into {self.folder}, or restore a backup. Nothing has been changed.",
            )
        if state == "damaged":
            keyfile.read(self._key_path)  # says it when the key file is at fault
            raise VaultDamaged(
                "The vault's database is empty, although data was kept in it",
                "Restore a backup of the vault.",
            )

    def _open(self, content: KeyFile, data_key: bytes, filling: Database | None = None) -> None:
        """Open the database, completing a vault in the making, and tidy up."""
        from desktop_slm.store import slots
        from desktop_slm.store.database import Database

        def before_upgrade(database: Database) -> None:
            self._backups.make(database, slots.backup_key(data_key), msgspec.json.encode(content))

        database = Database.open(
            self._database_path,
            slots.database_key(data_key),
            create=content.state == "new",
            before_upgrade=before_upgrade,
        )
        try:
            if filling is not None:
                moving.fill(database, filling)
            if content.state == "new":
                keyfile.write(self._key_path, msgspec.structs.replace(content, state="ready"))
            with contextlib.suppress(StorageFailed):  # a full disk must not keep anyone from reading
                keyfile.mend(self._key_path)
                History(database).mark_interrupted()
                trash.empty(database)
            with contextlib.suppress(StorageFailed, VaultDamaged):  # of no worth next to the rest
                states.States(database).sweep()
        except BaseException:
            database.close()
            raise
        self._data_key = data_key
        self._database = database

    def _remove_unfinished(self, slot: Slot) -> None:
        """Remove what a failed `create` has made: nothing has been kept in it."""
        for path in (self._key_path, self._database_path):
            for suffix in ("", "-wal", "-shm", "-journal", ".bak", ".new"):
                with contextlib.suppress(OSError):
                    path.with_name(path.name + suffix).unlink()
        if isinstance(slot, KeyringSlot):
            self._forget(slot)

    def _unwrap(self, content: KeyFile, passphrase: str | None) -> bytes:
        """Return the data key."""
        from desktop_slm.store import slots

        wanted = KeyringSlot if passphrase is None else PassphraseSlot
        slot = next((slot for slot in content.slots if isinstance(slot, wanted)), None)
        if isinstance(slot, KeyringSlot):
            key = self._keyring.get(slot.item, slot.backend)
            if key is None:
                raise KeyringUnavailable(
                    "The key of this vault is no longer in the system keychain",
                    "Open it with its passphrase if it has one, or restore the keychain.",
                )
            try:
                return slots.unwrap(content.id, slot, key)
            except (slots.UnwrapError, ValueError) as error:
                raise VaultDamaged(
                    "The key in the system keychain does not fit this vault",
                    "Open it with its passphrase if it has one, or restore a backup of the vault.",
                ) from error
        if slot is None or passphrase is None:
            if passphrase is None:
                raise KeyringUnavailable("This vault opens with a passphrase", "Type the passphrase.")
            raise WrongPassphrase("This vault has no passphrase", "It opens with the system keychain.")
        try:
            return slots.unwrap(content.id, slot, slots.passphrase_key(slot, passphrase))
        except slots.UnwrapError as error:
            raise WrongPassphrase(
                "The passphrase does not open this vault", "Check it and try again."
            ) from error

    def _keyring_slot(self, vault: str, data_key: bytes) -> KeyringSlot:
        """Put a new key into the keychain and return the slot that it opens.

        The item has a name of its own each time: one that is there is never overwritten.
        """
        from desktop_slm.store import slots

        key = slots.new_key()
        item = f"vault-{vault[:16]}-{secrets.token_hex(4)}"
        backend = self._keyring.set(item, key)
        slot = slots.wrap(vault, KeyringSlot(backend=backend, item=item), key, data_key)
        assert isinstance(slot, KeyringSlot)  # noqa: S101 - for the type checker
        return slot

    def _opened(self) -> tuple[KeyFile, bytes]:
        self.database()
        return keyfile.read(self._key_path), self._data_key

    def _remove_slots(self, kind: type[Slot]) -> None:
        with self._mutex:
            content, _ = self._opened()
            rest = tuple(slot for slot in content.slots if not isinstance(slot, kind))
            if not rest:
                raise InvalidRequest(
                    "Nothing else opens this vault", "Set a passphrase or use the keychain first."
                )
            self._replace_slots(content, rest)

    def _replace_slots(self, content: KeyFile, wanted: tuple[Slot, ...]) -> None:
        """Write the key file with other slots, then forget keychain items that no slot names anymore."""
        keyfile.write(self._key_path, msgspec.structs.replace(content, slots=wanted))
        for slot in content.slots:
            if isinstance(slot, KeyringSlot) and slot not in wanted:
                self._forget(slot)

    def _forget(self, slot: KeyringSlot) -> None:
        with contextlib.suppress(KeyringUnavailable):  # the item opens nothing anymore
            self._keyring.delete(slot.item, slot.backend)


def _size(path: Path) -> int | None:
    """Return the size of a file in bytes, None when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed(
            "The vault's folder cannot be read", "Check that the data folder belongs to you."
        ) from error
