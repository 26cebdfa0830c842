"""Turn what the operating system says about a file into a sentence for the person who chose it."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from desktop_slm.errors import ModelError, ModelNotFound

_SENTENCES = {
    errno.EACCES: ("You may not {verb} {name}", "Check the permissions of the file and its folder."),
    errno.EPERM: ("You may not {verb} {name}", "Check the permissions of the file and its folder."),
    errno.EROFS: ("{name} lies on a read-only disk", "Choose a folder that can be written."),
    errno.ENOSPC: ("The disk is full", "Free some space, then try again; nothing was changed."),
    errno.EDQUOT: ("Your disk quota is used up", "Free some space, then try again; nothing was changed."),
    errno.EFBIG: ("{name} is too large for this disk", "Use a disk without a limit of 4 GB per file."),
    errno.ELOOP: ("{name} is a link that leads in a circle", "Choose the file itself."),
    errno.ENAMETOOLONG: ("The name of {name} is too long", "Give the file a shorter name."),
    errno.EIO: ("The disk reported an error at {name}", "Check the disk, then try again."),
    errno.ENXIO: ("{name} is not an ordinary file", "Choose a .gguf file."),
}


@contextlib.contextmanager
def disk_trouble(name: str, verb: str) -> Iterator[None]:
    """Raise `ModelError` for any `OSError` inside.

    Args:
        name: The file or folder as the person knows it.
        verb: What was done to it: "read", "install", "prepare", "change", "remove".
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as e:
        raise ModelNotFound(f"There is no file {name}", "Check the path.") from e
    except OSError as e:
        what, then = _SENTENCES.get(
            e.errno or 0, ("{name} could not be {verb}", "Check the disk and the file, then try again.")
        )
        past = {
            "read": "read",
            "install": "installed",
            "remove": "removed",
            "prepare": "prepared",
            "change": "changed",
        }.get(verb, verb)
        raise ModelError(what.format(name=name[:200], verb=past if "could" in what else verb), then) from e
    except ValueError as e:  # a NUL in the path
        raise ModelNotFound(f"There is no file {name!r}", "Check the path.") from e
