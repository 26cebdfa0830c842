"""The few things done to files that weigh gigabytes: hash, copy, lock, stage.

Whatever is being installed lies in a folder of its own until it is complete. That folder is locked as long as
its maker lives; the kernel gives the lock up with the process, so a folder without a lock is a leftover.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

Progress = Callable[[int, int], object]
"""Called with (bytes done, bytes in total). Returning False stops the work."""

STAGING_PREFIX = ".staging-"
LOCK_NAME = ".lock"
_CHUNK_BYTES = 1 << 20
_LOCK_POLL_S = 0.05


class Stopped(Exception):  # noqa: N818 - a state, not an error
    """The person stopped the work; not an error. Nothing was changed."""


class Meter:
    """Adds up the bytes of several files for one progress callback."""

    def __init__(self, progress: Progress | None, total_bytes: int) -> None:
        self._progress = progress
        self._total_bytes = total_bytes
        self._done_bytes = 0

    def add(self, n_bytes: int) -> None:
        """Count ``n_bytes`` more.

        Raises:
            Stopped: The callback returned False.
        """
        self._done_bytes += n_bytes
        if self._progress and self._progress(self._done_bytes, self._total_bytes) is False:
            raise Stopped


def hash_file(path: Path, meter: Meter) -> str:
    """Return the SHA-256 of a file in hex."""
    return _stream(path, None, meter)


def copy_file(source: Path, target: Path, meter: Meter) -> str:
    """Copy a file, flush it to the disk and return its SHA-256 in hex."""
    with target.open("xb") as out:
        digest = _stream(source, out, meter)
        out.flush()
        os.fsync(out.fileno())
    shutil.copystat(source, target)
    target.chmod(0o600)
    return digest


def _stream(path: Path, out: BinaryIO | None, meter: Meter) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        while n_bytes := file.readinto(buffer):
            digest.update(buffer[:n_bytes])
            if out:
                out.write(buffer[:n_bytes])
            meter.add(n_bytes)
    return digest.hexdigest()


def hard_link(source: Path, target: Path) -> bool:
    """Give ``source`` a second name without copying; False where the disks or the system do not allow it."""
    try:
        os.link(source.resolve(), target)
    except (OSError, NotImplementedError):
        return False
    return True


def _lock(file: BinaryIO) -> bool:
    """Try to lock ``file`` for this process without waiting; False when another one holds it.

    Raises:
        OSError: This file system has no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def locked(path: Path, progress: Progress | None = None) -> Iterator[None]:
    """Hold the lock file ``path``, waiting for other processes and threads that hold it.

    On a file system without locks nothing is held: renames keep the shelf whole, work may be done twice.

    Raises:
        Stopped: ``progress`` returned False while waiting.
    """
    with path.open("ab") as file:
        meter = Meter(progress, 0)
        with contextlib.suppress(OSError):
            while not _lock(file):
                meter.add(0)
                time.sleep(_LOCK_POLL_S)
        yield


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Make a folder inside ``folder`` for work in progress; it is gone afterwards, whatever happens.

    Its lock lies beside it, so that the finished folder can be renamed while the lock is held.
    """
    with contextlib.ExitStack() as stack:
        with locked(folder / LOCK_NAME):
            made = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=folder))
            lock = made.with_name(made.name + ".lock")
            stack.callback(lock.unlink, missing_ok=True)
            stack.callback(shutil.rmtree, made, ignore_errors=True)
            held = stack.enter_context(lock.open("ab"))
            with contextlib.suppress(OSError):
                _lock(held)
        yield made


def sweep(folder: Path) -> int:
    """Remove what killed processes left behind in ``folder``; return how many leftovers there were."""
    removed = 0
    with locked(folder / LOCK_NAME):
        for leftover in folder.glob(f"{STAGING_PREFIX}*"):
            if leftover.suffix == ".lock":
                continue
            lock = leftover.with_name(leftover.name + ".lock")
            abandoned = False
            with contextlib.suppress(OSError), lock.open("ab") as file:
                abandoned = _lock(file)
            if abandoned:
                shutil.rmtree(leftover, ignore_errors=True)
                lock.unlink(missing_ok=True)
                removed += 1
        for lock in folder.glob(f"{STAGING_PREFIX}*.lock"):
            if not lock.with_suffix("").exists():
                lock.unlink(missing_ok=True)
    return removed
