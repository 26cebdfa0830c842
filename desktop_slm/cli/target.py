"""The file a user wants a result written to: checked before the work, put in place in one step after it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from desktop_slm.errors import InvalidRequest, StorageFailed


def output_path(text: str, formats: Sequence[str], sources: Sequence[str] = ()) -> Path:
    """Return where to write, checked before any work is done.

    Args:
        text: As given.
        formats: Endings that can be written.
        sources: Files that are read, which a result must not take the place of.

    Raises:
        InvalidRequest: Another format, a folder that is not there, or one of the sources.
    """
    path = Path(text).expanduser()
    if path.suffix.lower().lstrip(".") not in formats:
        raise InvalidRequest(
            f"There is no output format {path.suffix or 'without an ending'}", f"Use .{', .'.join(formats)}."
        )
    if not path.parent.is_dir() or path.is_dir():
        raise InvalidRequest(
            "The folder of the output file is not there", "Make it first, or choose another."
        )
    path = path.with_suffix(path.suffix.lower())
    if any(_same_file(path, Path(source)) for source in sources):
        raise InvalidRequest(
            "The output would take the place of the document itself", "Choose another name for the output."
        )
    return path


def _same_file(path: Path, source: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # one that is not there, or no possible name
        return path.samefile(source)
    return False


def write_file(path: Path, data: bytes) -> None:
    """Write a result the user asked for; what was there stays until all of it is written.

    Raises:
        StorageFailed: It cannot be written.
    """
    target = path.resolve()  # a link goes on pointing to its file
    part = target.with_name(f".desktop-slm-{secrets.token_hex(8)}")
    try:
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageFailed(
            "The output file could not be written", "Choose another folder or free some space."
        ) from error
