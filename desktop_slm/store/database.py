"""The encrypted database: the only file that imports sqlcipher3, and that decides how it is opened.

One connection serves all threads behind a lock: the window, a task and a page of results never need more
than a few milliseconds of it, and one connection is what an exclusively locked database allows anyway.
Everything is kept in SQLCipher (AES-256, an HMAC per page) under a raw key, or in memory only.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from sqlcipher3 import dbapi2 as sqlcipher

from desktop_slm.errors import StorageFailed, VaultDamaged, VaultError, VaultInUse, VaultLocked
from desktop_slm.store.migrations import LATEST, migrate

Row = tuple[Any, ...]
Parameters = Sequence[Any]

KEY_BYTES = 32
BUSY_TIMEOUT_MS = 2_000
CACHE_KIB = 32 * 1024
LOG_BYTES = 16 * 1024 * 1024

_STORAGE_CODES = {
    sqlcipher.SQLITE_FULL,
    sqlcipher.SQLITE_READONLY,
    sqlcipher.SQLITE_IOERR,
    sqlcipher.SQLITE_CANTOPEN,
    sqlcipher.SQLITE_NOMEM,
    sqlcipher.SQLITE_PERM,
}
_DAMAGE_CODES = {sqlcipher.SQLITE_NOTADB, sqlcipher.SQLITE_CORRUPT}
_BUSY_CODES = {sqlcipher.SQLITE_BUSY, sqlcipher.SQLITE_LOCKED}


class Database:
    """An open database with the newest schema.

    Reads and writes go through `rows`, `row`, `value` and `insert`; several that belong together through
    `transaction`. All may be called from any thread.

    Raises (from every method):
        StorageFailed: The disk is full, read-only or failing. What was written before is kept; the same
            call may succeed later.
        VaultDamaged: The file does not decrypt or is not a database.
        VaultInUse: Another process holds it.
        VaultLocked: It was closed meanwhile, as by another thread that locks the vault.
    """

    def __init__(self, connection: Any, path: Path | None) -> None:
        self._opened: Any = connection
        self._lock = threading.RLock()
        self._depth = 0
        self.path = path

    @classmethod
    def open(
        cls,
        path: Path,
        key: bytes,
        *,
        create: bool = False,
        before_upgrade: Callable[[Database], None] | None = None,
    ) -> Database:
        """Open the database at ``path`` and bring its schema up to date.

        Args:
            path: The file. It is made only when ``create`` is true; SQLite on its own would silently put an
                empty database in the place of a lost one.
            key: The raw 32-byte key.
            create: Make the file if it is not there, or finish one whose making was cut short.
            before_upgrade: Called before the schema of an existing database is changed; when it raises,
                nothing is changed.
        """
        with _private_files():
            database = cls(_connect(path, key, create=create), path)
            try:
                database._prepare(create=create, before_upgrade=before_upgrade)
            except BaseException:
                database.close()
                raise
        return database

    @classmethod
    def in_memory(cls) -> Database:
        """Return an empty database with the same schema that never touches the disk, for incognito."""
        with _translated():
            connection = sqlcipher.connect(":memory:", isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA temp_store=MEMORY")
            _set_safety(connection)
        database = cls(connection, None)
        migrate(database)
        return database

    @classmethod
    def open_copy(cls, path: Path, key: bytes) -> Database:
        """Open an existing database as it is, whatever its schema's version: to check a backup."""
        with _private_files():
            return cls(_connect(path, key, create=False), path)

    def _prepare(self, *, create: bool, before_upgrade: Callable[[Database], None] | None) -> None:
        version = self.value("PRAGMA user_version")
        if version == 0 and not create:
            raise VaultDamaged(
                "The vault's database is empty, although data was kept in it",
                "Restore a backup of the vault.",
            )
        if before_upgrade is not None and 0 < version < LATEST:
            before_upgrade(self)
        migrate(self)

    @property
    def _connection(self) -> Any:
        if self._opened is None:
            raise VaultLocked("The vault is locked", "Unlock it to go on.")
        return self._opened

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        with self._lock, _translated():
            result: list[Row] = self._connection.execute(sql, parameters).fetchall()
            return result

    def each(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run one statement and yield its rows one by one; other threads wait until the last one."""
        with self._lock, _translated():
            yield from self._connection.execute(sql, parameters)

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Run one statement and return its first row, None if there is none."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def value(self, sql: str, parameters: Parameters = ()) -> Any:
        """Run one statement and return the first column of its first row, None if there is none."""
        found = self.row(sql, parameters)
        return found[0] if found else None

    def insert(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one INSERT and return the number of the new row."""
        with self._lock, _translated():
            return int(self._connection.execute(sql, parameters).lastrowid)

    def many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """Run one statement for each of ``parameters``."""
        with self._lock, _translated():
            self._connection.executemany(sql, parameters)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Database]:
        """Make what happens inside one unit: all of it is kept, or nothing.

        Holds the lock, so other threads wait. A transaction inside a transaction joins the outer one.
        """
        with self._lock:
            if self._depth == 0:
                self.rows("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._roll_back()
                raise
            self._depth -= 1
            if self._depth == 0:
                try:
                    self.rows("COMMIT")
                except BaseException:
                    self._roll_back()
                    raise

    def _roll_back(self) -> None:
        # After a full disk SQLite may have rolled back on its own.
        if self._opened is not None and self._opened.in_transaction:
            with contextlib.suppress(StorageFailed, VaultDamaged):
                self.rows("ROLLBACK")

    def copy_to(self, path: Path, key: bytes) -> None:
        """Write a copy of the whole database, encrypted with ``key``, to the new file ``path``."""
        with _private_files():
            target = _connect(path, key, create=True)
            try:
                with self._lock, _translated():
                    self._connection.backup(target)
            finally:
                target.close()

    def problems(self) -> list[str]:
        """Read every page and return what is wrong, empty when all is well.

        The log is written back first: SQLCipher's check reads the main file alone and would report pages
        whose newest version is still in the log.
        """
        with self._lock:
            self.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            broken = [str(row[0]) for row in self.rows("PRAGMA cipher_integrity_check")]
            if broken:
                return broken
            found = [str(row[0]) for row in self.rows("PRAGMA integrity_check")]
            found += [f"foreign key of {row[0]}" for row in self.rows("PRAGMA foreign_key_check")]
            return [problem for problem in found if problem != "ok"]

    def fingerprint(self) -> list[Row]:
        """Return the version of the schema, its tables, and how many rows each has."""
        with self.transaction():
            names = [
                row[0] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
            ]
            counted = [name for name in names if not name.startswith("word_index")]
            counts = [(name, self.value(f'SELECT count(*) FROM "{name}"')) for name in counted]  # noqa: S608
            return [("version", self.value("PRAGMA user_version")), *counts]

    def cipher_version(self) -> str:
        """Return the version of SQLCipher."""
        return str(self.value("PRAGMA cipher_version") or "")

    def close(self) -> None:
        """Write the log back and close; calling it again does nothing."""
        with self._lock:
            connection, self._opened = self._opened, None
            if connection is not None:
                with contextlib.suppress(sqlcipher.Error):
                    connection.close()


def _connect(path: Path, key: bytes, *, create: bool) -> Any:
    """Open the file in the order that the vault's design prescribes, each step checked."""
    if len(key) != KEY_BYTES:
        # SQLCipher takes a key of any other length for a passphrase, and says nothing.
        raise ValueError(f"the key has {len(key)} bytes, not {KEY_BYTES}")
    if create:
        _make_private(path)
    with _translated():
        connection = sqlcipher.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
        )
        try:
            _open_sequence(connection, key)
        except BaseException:
            connection.close()
            raise
    return connection


def _open_sequence(connection: Any, key: bytes) -> None:
    version = connection.execute("PRAGMA cipher_version").fetchone()
    if not version or not version[0]:
        raise VaultError(
            "This installation cannot encrypt: its database library is not SQLCipher",
            "Install Desktop SLM again. Nothing has been written.",
        )
    connection.execute("PRAGMA cipher_log_level=NONE")
    connection.execute(f"PRAGMA key=\"x'{key.hex()}'\"")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StorageFailed(
            "The vault's folder does not support the database's log",
            "Move the data folder to a disk of this computer.",
        )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    _set_safety(connection)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    connection.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
    # The exclusive lock is taken with the next access, so make that one now.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("COMMIT")


def _set_safety(connection: Any) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")


def _make_private(path: Path) -> None:
    """Make an empty file for the user alone; SQLite gives the log and the journal the same rights."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise _storage_failed() from error


@contextlib.contextmanager
def _private_files() -> Iterator[None]:
    """Let files made meanwhile be readable by the user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the library's errors into ours; what is left is a bug and goes up as it is."""
    try:
        yield
    except sqlcipher.Error as error:
        _raise_ours(error)


def _raise_ours(error: Exception) -> NoReturn:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _STORAGE_CODES:
        raise _storage_failed() from error
    if code in _DAMAGE_CODES:
        raise VaultDamaged(
            "The vault's database is damaged and cannot be read", "Restore a backup of the vault."
        ) from error
    if code in _BUSY_CODES:
        raise VaultInUse(
            "The vault is open in another program", "Close the other Desktop SLM and try again."
        ) from error
    raise error


def _storage_failed() -> StorageFailed:
    return StorageFailed(
        "The vault could not be written",
        "Check that the disk has free space and that its folder may be written.",
    )
