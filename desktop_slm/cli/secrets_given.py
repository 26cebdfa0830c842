"""Secrets that come in files: never in arguments, which other programs can see."""

from __future__ import annotations

import argparse
from pathlib import Path

from desktop_slm.errors import InvalidRequest

_LONGEST = 4096


def add_password(command: argparse.ArgumentParser) -> None:
    """Add the option for documents that are protected with a password."""
    command.add_argument("--password-file", metavar="FILE", help="the password of protected PDF files")


def secret_in(name: str, what: str) -> str:
    """Return the secret that a file holds, without the end of its line.

    Args:
        name: Of the file.
        what: Its word in messages: ``passphrase`` or ``password``.

    Raises:
        InvalidRequest: The file cannot be read, is empty or too long.
    """
    try:
        with Path(name).open(encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InvalidRequest(
            f"The {what} file cannot be read", "Check the name and its permissions."
        ) from error
    secret = text.rstrip("\r\n")
    if not secret or len(text) > _LONGEST:
        raise InvalidRequest(f"The {what} file is empty or too long", f"Put the {what} alone into it.")
    return secret
