"""Confines a child from within, as its first act: what it may read and write, no sockets, no programs.

Linux: Landlock and seccomp, without a dependency. Elsewhere nothing is done yet, and the level says so.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import msgspec


class SandboxLevel(msgspec.Struct, frozen=True, kw_only=True):
    """How far this process is confined.

    Attributes:
        name: In short: "Landlock 7 + seccomp", "seccomp", "none".
        landlock_abi: Version of Landlock in force, 0 for none.
        seccomp: The filter is in force.
        notes: Why something is missing, in words; empty when all is in force.
    """

    name: str
    landlock_abi: int = 0
    seccomp: bool = False
    notes: tuple[str, ...] = ()


def restrict(
    read_paths: Iterable[str | Path] = (),
    write_paths: Iterable[str | Path] = (),
    allow_exec: bool = False,
    *,
    device_paths: Iterable[str | Path] = (),
    allow_unix_sockets: bool = False,
) -> SandboxLevel:
    """Confine this process for the rest of its life, and return the level reached.

    The interpreter's own files stay readable (modules may be imported later). Call it on the only thread:
    Landlock binds that one and the threads it starts later.

    Args:
        read_paths: Files and folders that may be read.
        write_paths: Files and folders that may be read and written.
        allow_exec: Programs and processes may be started (they inherit the rest).
        device_paths: Device nodes that may be opened and controlled (GPUs).
        allow_unix_sockets: Local sockets, which some GPU drivers need; internet sockets never.
    """
    if sys.platform != "linux":
        return SandboxLevel(name="none", notes=(f"no sandbox on {platform.system()} yet",))
    from desktop_slm.processes import landlock, seccomp

    notes = []
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        notes.append(f"{threads - 1} threads started before the sandbox")
    why_not_landlock = landlock.install(
        [*runtime_paths(), *_texts(read_paths)],
        [os.devnull, *_texts(write_paths)],
        _texts(device_paths),
        allow_exec=allow_exec,
    )
    why_not_seccomp = seccomp.install(allow_exec=allow_exec, allow_unix_sockets=allow_unix_sockets)
    notes += [note for note in (why_not_landlock, why_not_seccomp) if note]
    version = 0 if why_not_landlock else landlock.abi()
    parts = [f"Landlock {version}"] if version else []
    if not why_not_seccomp:
        parts.append("seccomp")
    return SandboxLevel(
        name=" + ".join(parts) or "none",
        landlock_abi=version,
        seccomp=not why_not_seccomp,
        notes=tuple(notes),
    )


def runtime_paths() -> list[str]:
    """Return what the interpreter and its libraries read while they run: code, no user's data."""
    package = Path(__file__).resolve().parents[1]
    frozen = getattr(sys, "_MEIPASS", None)
    libraries = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders = [
        *(libraries if not frozen else [str(frozen)]),
        str(Path(sys.base_prefix) / "lib"),
        str(package),
        *(p for p in sys.path if p and Path(p).name in ("site-packages", "dist-packages", "lib-dynload")),
        "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib",
        "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
        "/sys/devices/system", "/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/self",
        "/dev/urandom", "/dev/random", "/dev/zero",
    ]  # fmt: skip
    return sorted(set(folders))


def _texts(paths: Iterable[str | Path]) -> list[str]:
    return [str(path) for path in paths]
