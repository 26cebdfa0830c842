"""Encrypted copies of the database, each checked before older ones go.

A backup is a database under a key of its own (derived from the same data key) and beside it a copy of the
key file as it was then: together they open with the passphrase or keychain of that day.
"""

from __future__ import annotations

import contextlib
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from desktop_slm.errors import StorageFailed, VaultDamaged
from desktop_slm.paths import private_folder
from desktop_slm.store import keyfile

if TYPE_CHECKING:
    from desktop_slm.store.database import Database

KEEP_NEWEST = 3
KEEP_DAYS = 7
KEEP_WEEKS = 4

_NAME = re.compile(r"vault-(\d{6,12})-(\d{8}T\d{6})Z\.db")
_TIME = "%Y%m%dT%H%M%S"


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """One backup. ``number`` orders them, as clocks jump; ``made`` is in seconds since the epoch."""

    path: Path
    number: int
    made: float

    @property
    def key_file(self) -> Path:
        """The copy of the key file."""
        return self.path.with_suffix(".json")


class Backups:
    """The backups in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def listed(self) -> list[Backup]:
        """Return the backups, the newest first."""
        found = []
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                name = _NAME.fullmatch(path.name)
                if name:
                    with contextlib.suppress(ValueError):
                        made = datetime.strptime(name[2], _TIME).replace(tzinfo=UTC).timestamp()
                        found.append(Backup(path=path, number=int(name[1]), made=made))
        return sorted(found, key=lambda backup: backup.number, reverse=True)

    def make(self, database: Database, key: bytes, key_file: bytes, *, now: float | None = None) -> Backup:
        """Copy ``database``, check the copy page by page, then remove the backups that are too old.

        Args:
            database: What to copy.
            key: Raw key of the backups.
            key_file: Content of ``vault.json``.
            now: Seconds since the epoch, for tests.

        Raises:
            StorageFailed: It could not be written; older backups are untouched.
            VaultDamaged: The copy is not sound; it is removed and older backups are untouched.
        """
        earlier = self.listed()
        number = earlier[0].number + 1 if earlier else 1
        made = time.time() if now is None else now
        stamp = datetime.fromtimestamp(made, UTC).strftime(_TIME)
        part = self._folder / "vault.part"
        backup = Backup(path=self._folder / f"vault-{number:06d}-{stamp}Z.db", number=number, made=made)
        try:
            private_folder(self._folder)
            _remove(part)
            database.copy_to(part, key)
            _check(part, key, like=database)
            keyfile.write_private(backup.key_file, key_file)
            part.replace(backup.path)
            keyfile.sync_folder(self._folder)
        except OSError as error:
            raise StorageFailed(
                "The backup could not be written", "Check that the disk has free space for a second copy."
            ) from error
        finally:
            _remove(part)
        self._rotate()
        return backup

    def _rotate(self) -> None:
        backups = self.listed()
        keep = kept(backups)
        for backup in backups:
            if backup not in keep:
                with contextlib.suppress(OSError):
                    backup.path.unlink()
                    backup.key_file.unlink(missing_ok=True)


def kept(backups: list[Backup]) -> list[Backup]:
    """Return which of ``backups`` (the newest first) to keep.

    That is the three newest, the newest of each of the last seven days that have one, and the newest of
    each of the last four weeks that have one.
    """
    keep = backups[:KEEP_NEWEST]
    for period, number in (("%Y-%m-%d", KEEP_DAYS), ("%G-%V", KEEP_WEEKS)):
        newest: dict[str, Backup] = {}
        for backup in backups:
            newest.setdefault(datetime.fromtimestamp(backup.made, UTC).strftime(period), backup)
        keep += [backup for backup in list(newest.values())[:number] if backup not in keep]
    return keep


def _check(path: Path, key: bytes, *, like: Database) -> None:
    copy = type(like).open_copy(path, key)
    try:
        same = copy.fingerprint() == like.fingerprint()
        if copy.problems() or not same:
            raise VaultDamaged(
                "The backup could not be verified", "Check the disk. The vault itself has not been changed."
            )
    finally:
        copy.close()


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).unlink()
