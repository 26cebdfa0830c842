"""What a process uses: resident memory and CPU time, without a dependency."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_HAS_PROC = Path("/proc/self/stat").exists()
LOOK_EVERY_S = 0.1 if _HAS_PROC else 1.0
"""How often a process may be looked at: without ``/proc`` (macOS) each look starts a program."""


@dataclass(frozen=True)
class Usage:
    """Resident memory in bytes and CPU time (user and system) in seconds."""

    rss_bytes: int
    cpu_s: float


def of_process(pid: int) -> Usage | None:
    """Return the usage of a process; None when it is gone or this system does not tell."""
    if _HAS_PROC:
        return _from_proc(pid)
    if os.name == "posix":
        return _from_ps(pid)
    return None


def _from_proc(pid: int) -> Usage | None:
    """Read ``/proc/PID/stat``: field 14 and 15 are ticks, field 24 resident pages (proc_pid_stat(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()  # the name, in parentheses, may hold anything
    ticks = int(fields[11]) + int(fields[12])
    return Usage(int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))


def _from_ps(pid: int) -> Usage | None:
    command = ["/bin/ps", "-o", "rss=,time=", "-p", str(pid)]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=5, check=False
        ).stdout.split()
        rss, clock = answer[0], answer[1]
        seconds = 0.0
        for part in clock.replace("-", ":").split(":"):
            seconds = seconds * 60 + float(part)
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return None
    return Usage(int(rss) * 1024, seconds)
