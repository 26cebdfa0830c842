"""What this computer has: cores and memory, read from the system without llama.cpp."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_CPU_FOLDER = Path("/sys/devices/system/cpu")


def physical_cores() -> int:
    """Return how many cores (not hardware threads) this process may use, at least 1."""
    usable = _usable_cpus()
    cores = {_core_of(cpu) for cpu in usable}
    count = len(cores) if cores else len(usable)
    if sys.platform == "darwin":
        count = _sysctl("hw.perflevel0.physicalcpu") or _sysctl("hw.physicalcpu") or count
    quota = _cgroup_quota()
    return max(1, min(count, quota) if quota else count)


def _usable_cpus() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _core_of(cpu: int) -> str:
    """Return what names the core of a hardware thread: the list of its siblings."""
    path = _CPU_FOLDER / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    try:
        return path.read_text().strip()
    except OSError:
        return str(cpu)


def _cgroup_quota() -> int:
    """Return the CPU limit of a container in whole CPUs, 0 for none (cgroup v2 ``cpu.max``)."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return 0 if quota == "max" else max(1, int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return 0


def _sysctl(name: str) -> int:
    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False
        )
        return int(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def running_elsewhere() -> int:
    """Return how many threads other than this one want a processor right now, 0 when unknown."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return 0
    counts = [int(line.split()[1]) for line in lines if line.startswith("procs_running ")]
    return max(0, counts[0] - 1) if counts else 0


def memory() -> tuple[int, int]:
    """Return total RAM and what of it can be taken without swapping, in bytes; zeros when unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return _sysctl("hw.memsize") if sys.platform == "darwin" else 0, 0
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return kilobytes.get("MemTotal", 0) * 1024, kilobytes.get("MemAvailable", 0) * 1024
