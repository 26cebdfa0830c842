"""The doctor: looks at everything that may be wrong with this installation, changing nothing."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import msgspec

from desktop_slm.documents.reader import open_document
from desktop_slm.engine.client import EngineClient
from desktop_slm.engine.hardware import memory
from desktop_slm.errors import DesktopSlmError

if TYPE_CHECKING:
    from desktop_slm.engine.api import Engine
    from desktop_slm.store.keyring_wall import KeyringWall
    from desktop_slm.store.vault import Vault


def examine(engine: Engine, vault: Vault, wall: KeyringWall) -> dict[str, Any]:
    """Return the report; its keys are those of ``doctor --json``."""
    problems: list[str] = []
    memory_total, memory_free = memory()
    keyring = wall.probe()
    if not keyring.usable:
        problems.append(f"{keyring.reason.rstrip('.')}: a passphrase is needed to keep anything.")
    vault_found = _examine_vault(vault, problems)
    backend, inference = _examine_engine(engine, problems)
    return {
        "versions": _versions(),
        "backend": backend,
        "memory": {"total_bytes": memory_total, "free_bytes": memory_free},
        "keyring": {"backend": keyring.backend, "usable": keyring.usable, "reason": keyring.reason},
        "sandbox": {"inference": inference, "reader": _examine_reader(problems)},
        "vault": vault_found,
        "network": {
            "policy": "no connections: this version has no code that makes any",
            "last_use": None,
        },
        "problems": problems,
    }


def _examine_vault(vault: Vault, problems: list[str]) -> dict[str, Any]:
    """Return what is known of the vault without opening it."""
    try:
        status = vault.status()
    except DesktopSlmError as error:
        problems.append(f"{error} It is {vault.folder}.")
        return {
            "state": "unreadable",
            "slots": [],
            "cipher_version": "",
            "path": str(vault.folder),
            "bytes": 0,
            "state_bytes": 0,
            "last_backup": 0.0,
        }
    if status.state in ("missing", "damaged"):
        problems.append(f"The vault is {status.state}; restore a backup.")
    found: dict[str, Any] = msgspec.to_builtins(status)
    return found


def _examine_engine(engine: Engine, problems: list[str]) -> tuple[dict[str, Any], str]:
    """Return what inference runs on and how far its worker is confined."""
    try:
        hardware = engine.hardware()
        level = engine.sandbox_level() if isinstance(engine, EngineClient) else None
    except DesktopSlmError as error:
        problems.append(str(error))
        return {"device": "", "reason": str(error), "cpu_features": [], "threads": 0}, "none"
    problems += [f"Inference worker: {note}." for note in (level.notes if level else ())]
    backend = {
        "device": hardware.device,
        "reason": hardware.reason,
        "cpu": hardware.cpu_name,
        "cpu_features": list(hardware.cpu_features),
        "threads": hardware.threads,
        "engine": hardware.engine_version,
    }
    return backend, level.name if level else "none"


def _examine_reader(problems: list[str]) -> str:
    """Return how far a document reader is confined, by reading a line of text with one."""
    try:
        session = open_document("probe.txt", b"The reader reads this line.\n")
    except DesktopSlmError as error:
        problems.append(str(error))
        return "none"
    session.close()
    return session.sandbox or "none"


def _versions() -> dict[str, str]:
    """Return the versions of this program and of what it stands on."""
    versions = {"python": platform.python_version(), "system": platform.platform()}
    for package in ("desktop-slm", "llama-cpp-python", "sqlcipher3", "pypdfium2", "PySide6-Essentials"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = ""
    return versions
