"""KV states of conversations: what the model has read of them, so that a reopened chat is not read again.

A state is derived from the conversation's text and as private as that. It is large (23 KB a token for a model
of 135M parameters, 130 KB for one of 8B), so it lies in a file beside the database, where it neither slows
the database down nor gets into backups. Each file is encrypted under a key of its own, which is in the
database: when the row is gone, what the disk still holds of the file opens with nothing.

Format of a file: AES-256-GCM of the tokens, then of each mebibyte of the data. The nonce is the number of the
piece, its first byte 1 for the last one, so that pieces can neither be exchanged nor cut off (the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár). A file that was not written to its end is like one
that was tampered with: it does not open, and goes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from desktop_slm.engine.api import KvState
from desktop_slm.paths import private_folder
from desktop_slm.store.ids import item_row, next_sequence

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from desktop_slm.store.database import Database

FOLDER = "states"
MAX_STATE_BYTES = 256 * 1024 * 1024
"""It is in memory several times over on its way to the engine: 11,000 tokens of the starter, 2,000 of 8B."""

MAX_BYTES = 1024 * 1024 * 1024
KEPT_S = 30 * 24 * 3600.0
FREE_BYTES = 1024 * 1024 * 1024
"""So much of the disk is left to things that cannot be computed anew."""

_PIECE_BYTES = 1024 * 1024
_TAG_BYTES = 16
_IS_THERE = "SELECT 1 FROM conversation WHERE id = ? AND deleted_at IS NULL"

_Piece = TypeVar("_Piece", bytes, memoryview)

_log = logging.getLogger(__name__)


class States:
    """The states kept beside one open database; none beside one in memory. For any thread.

    Raises (from every method): what the database raises. Trouble with a file is never an error: without a
    state, a conversation is read anew.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._folder = None if database.path is None else database.path.parent / FOLDER

    @property
    def keeps(self) -> bool:
        """Whether anything may reach the disk."""
        return self._folder is not None

    def put(self, conversation: str, state: KvState) -> bool:
        """Keep a state in place of the one kept before, and drop the longest unused ones over the limit.

        Returns:
            Whether it is kept: not when it is too large, the disk nearly full, or the conversation deleted.
        """
        folder = self._folder
        size = len(state.tokens) + len(state.data)
        if folder is None or not state.data or size > MAX_STATE_BYTES:
            return False
        number = item_row(conversation, "conversation")[1]
        token_hash = hashlib.sha256(state.tokens).hexdigest()
        if self._touch(number, state.key, token_hash):
            return True
        name, secret = secrets.token_hex(16), secrets.token_bytes(32)
        path = folder / name
        try:
            _write(path, secret, state)
            kept = self._note(number, (name, secret, state.key, token_hash, len(state.tokens), size))
        except OSError as error:
            _log.info("a model state was not kept (%s)", type(error).__name__)
            kept = False
        except BaseException:
            _remove(path)
            raise
        if not kept:
            _remove(path)
        return kept

    def get(self, conversation: str, key: str | None = None) -> KvState | None:
        """Return the state of a conversation, and count it as used.

        Args:
            conversation: Its id.
            key: `KvState.key` that it must have, None for any.
        """
        number = item_row(conversation, "conversation")[1]
        row = self.database.row(
            "SELECT name, secret, key, token_bytes FROM kv_state WHERE conversation = ?", (number,)
        )
        if row is None or self._folder is None or key not in (None, row[2]):
            return None
        name, secret, found_key, token_bytes = row
        state = _read(self._folder / name, bytes(secret), found_key, token_bytes)
        if state is None:
            _log.info("a model state could not be read and was dropped")
            self._drop("name = ?", name)
            return None
        self._touch(number, found_key)
        return state

    def has(self, conversation: str) -> bool:
        """Tell whether there is a state of a conversation."""
        number = item_row(conversation, "conversation")[1]
        return bool(self.database.value("SELECT 1 FROM kv_state WHERE conversation = ?", (number,)))

    def forget(self, conversation: str) -> None:
        """Remove the state of a conversation."""
        self._drop("conversation = ?", item_row(conversation, "conversation")[1])

    def clear(self) -> None:
        """Remove all states."""
        self._drop("?", 1)
        self.sweep()

    def sweep(self) -> None:
        """Remove what has not been used for 30 days or is over the limit, and what a crash has left."""
        self._drop("used <= ?", time.time() - KEPT_S)
        self._drop_over_limit()
        known = {name for (name,) in self.database.rows("SELECT name FROM kv_state")}
        there = {path.name for path in _files(self._folder)}
        for name in known - there:
            self._drop("name = ?", name)
        for path in _files(self._folder):
            if path.name not in known:
                _remove(path)

    # inside

    def _note(self, number: int, row: tuple[object, ...]) -> bool:
        """Enter a file that has been written; False when its conversation is not there anymore."""
        with self.database.transaction() as database:
            if not database.value(_IS_THERE, (number,)):
                return False
            self._drop("conversation = ?", number)
            database.rows(
                "INSERT INTO kv_state"
                " (conversation, sequence, used, name, secret, key, token_hash, token_bytes, bytes)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                (number, next_sequence(database), time.time(), *row),
            )
            self._drop_over_limit()
        return True

    def _touch(self, number: int, key: str, token_hash: str = "") -> bool:
        """Count a state as used now; False when there is none with this key and these tokens."""
        with self.database.transaction() as database:
            return bool(
                database.rows(
                    "UPDATE kv_state SET sequence = ?, used = ?"
                    " WHERE conversation = ? AND key = ? AND ? IN ('', token_hash) RETURNING 1",
                    (next_sequence(database), time.time(), number, key, token_hash),
                )
            )

    def _drop_over_limit(self) -> None:
        self._drop(
            "conversation IN (SELECT conversation FROM"
            " (SELECT conversation, sum(bytes) OVER (ORDER BY sequence DESC) AS total FROM kv_state)"
            " WHERE total > ?)",
            MAX_BYTES,
        )

    def _drop(self, which: str, value: object) -> None:
        """Remove rows and their files. A row that comes back because a commit failed finds no file."""
        rows = self.database.rows(f"DELETE FROM kv_state WHERE {which} RETURNING name", (value,))  # noqa: S608
        if self._folder is not None:
            for (name,) in rows:
                _remove(self._folder / name)


def size_bytes(folder: Path) -> int:
    """Return what the states beside the database in ``folder`` take, which may be locked."""
    total = 0
    for path in _files(folder / FOLDER):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _files(folder: Path | None) -> list[Path]:
    if folder is not None:
        with contextlib.suppress(OSError):
            return list(folder.iterdir())
    return []


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _write(path: Path, secret: bytes, state: KvState) -> None:
    """Write a new file for the user alone. It need not survive a power cut, so nothing waits for the disk.

    Raises:
        OSError: The disk is full or failing, or would be nearly full.
    """
    private_folder(path.parent)
    if shutil.disk_usage(path.parent).free < len(state.data) + FREE_BYTES:
        raise OSError("the disk is nearly full")
    cipher = _cipher(secret)
    data = memoryview(state.data)
    pieces = (data[start : start + _PIECE_BYTES] for start in range(0, len(data), _PIECE_BYTES))
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "wb") as file:
        for nonce, piece in _numbered(itertools.chain((memoryview(state.tokens),), pieces)):
            file.write(cipher.encrypt(nonce, piece, None))


def _read(path: Path, secret: bytes, key: str, token_bytes: int) -> KvState | None:
    """Return what `_write` wrote, None when it is not there, or not whole."""
    from cryptography.exceptions import InvalidTag

    cipher = _cipher(secret)
    try:
        with path.open("rb") as file:
            first = file.read(token_bytes + _TAG_BYTES)
            rest = iter(functools.partial(file.read, _PIECE_BYTES + _TAG_BYTES), b"")
            tokens, *data = [
                cipher.decrypt(nonce, piece, None)
                for nonce, piece in _numbered(itertools.chain((first,), rest))
            ]
    except (OSError, InvalidTag):
        return None
    return KvState(key=key, tokens=tokens, data=b"".join(data))


def _numbered(pieces: Iterable[_Piece]) -> Iterator[tuple[bytes, _Piece]]:
    """Yield each piece after its nonce, which says the place of it and whether it is the last one."""
    last = 0
    ahead = iter(pieces)
    held = next(ahead)
    for number, piece in enumerate(ahead):
        yield b"\0" + number.to_bytes(11, "big"), held
        held, last = piece, number + 1
    yield b"\1" + last.to_bytes(11, "big"), held


def _cipher(secret: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)
