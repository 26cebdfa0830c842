"""One writer per vault: a lock that the kernel releases however the process ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

from desktop_slm.errors import StorageFailed, VaultInUse

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BUSY = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}


class LockFile:
    """Holds an exclusive lock on the file at ``path`` from construction to `close`.

    The file is never removed: removing it would let two processes lock two files of one name. Its
    descriptor is not inherited by children.

    Raises:
        VaultInUse: Another process (or another object here) holds it.
        StorageFailed: The file cannot be made or locked.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise _failed() from error
        try:
            _lock(self._handle)
        except OSError as error:
            os.close(self._handle)
            if error.errno in _BUSY:
                raise VaultInUse(
                    "The vault is open in another program", "Close the other Desktop SLM and try again."
                ) from error
            raise _failed() from error

    def close(self) -> None:
        """Release the lock; calling it again does nothing."""
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                os.close(self._handle)
            self._handle = -1


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _failed() -> StorageFailed:
    return StorageFailed(
        "The vault's folder cannot be locked", "Check that the folder may be written and is on a local disk."
    )
