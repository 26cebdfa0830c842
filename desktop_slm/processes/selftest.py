"""A child that proves the walls: it confines itself, then tries what it must not be able to do.

``doctor`` shows its report; the tests of `processes.child` use its other orders to end in every way.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from desktop_slm.processes import sandbox
from desktop_slm.processes.child import Channel


class Confine(msgspec.Struct, frozen=True, tag="confine"):
    """Restrict the process to these paths."""

    read_paths: tuple[str, ...] = ()
    write_paths: tuple[str, ...] = ()


class Probe(msgspec.Struct, frozen=True, tag="probe"):
    """Try everything; ``paths`` are opened for reading and then for writing."""

    paths: tuple[str, ...] = ()


class Echo(msgspec.Struct, frozen=True, tag="echo"):
    """Send ``data`` back ``times`` times."""

    data: bytes
    times: int = 1


class Die(msgspec.Struct, frozen=True, tag="die"):
    """End: by ``signal``, by ``exit`` code, by an error, or by no longer listening."""

    how: str
    number: int = 0


class Eat(msgspec.Struct, frozen=True, tag="eat"):
    """Take memory, or spin for a time."""

    memory_bytes: int = 0
    spin_s: float = 0.0


Order = Confine | Probe | Echo | Die | Eat


class Echoed(msgspec.Struct, frozen=True, tag="echoed"):
    """What was sent."""

    data: bytes


class Confined(msgspec.Struct, frozen=True, tag="confined"):
    """The level reached."""

    level: sandbox.SandboxLevel


class Report(msgspec.Struct, frozen=True, tag="report"):
    """For each attempt the name of the error that stopped it, or "allowed"."""

    attempts: dict[str, str]


Answer = Echoed | Confined | Report


def main(channel: Channel) -> None:
    """Obey orders until the app goes away."""
    first = True
    while True:
        order: Order = channel.receive(Order)
        if first and not isinstance(order, Confine):
            channel.watch()
        first = False
        _obey(order, channel)


def _obey(order: Order, channel: Channel) -> None:
    match order:
        case Confine():
            level = sandbox.restrict(order.read_paths, order.write_paths)
            channel.watch()
            channel.send(Confined(level))
        case Probe():
            channel.send(Report(probe(order.paths)))
        case Echo():
            print("printed", flush=True)  # must not get between the frames
            for _ in range(order.times):
                channel.send(Echoed(order.data))
        case Eat():
            _eat(order)
            channel.send(Echoed(b"ate"))
        case Die():
            _die(order)


def _eat(order: Eat) -> None:
    kept = bytearray(order.memory_bytes)
    kept[:: os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096] = b"x" * len(kept[::4096])
    end = time.monotonic() + order.spin_s
    while time.monotonic() < end:
        pass


def _die(order: Die) -> None:
    match order.how:
        case "signal":
            os.kill(os.getpid(), order.number)
            time.sleep(60)
        case "exit":
            sys.stderr.write("last words\n")
            sys.stderr.flush()
            os._exit(order.number)
        case "garbage":
            channel_output = order.number
            os.write(channel_output, b"\xff" * 64)
            time.sleep(60)
        case "deaf":
            if hasattr(signal, "SIGTERM"):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            threading.Event().wait()
        case _:
            raise RuntimeError(order.how)


def probe(paths: tuple[str, ...]) -> dict[str, str]:
    """Try what a confined child must not be able to do; see `Report`."""
    attempts: dict[str, Callable[[], object]] = {
        "socket INET": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "socket INET6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close(),
    }
    if hasattr(socket, "AF_NETLINK"):
        attempts["socket NETLINK"] = lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
    if hasattr(os, "fork"):
        attempts["start a process"] = lambda: _fork(None)
        attempts["start a program"] = _execute
    if sys.platform == "linux":
        attempts["trace a process"] = _trace
    for number, path in enumerate(paths):
        attempts[f"read path {number}"] = lambda path=path: os.close(os.open(path, os.O_RDONLY))  # type: ignore[misc]
        attempts[f"write path {number}"] = lambda path=path: os.close(os.open(path, os.O_WRONLY))  # type: ignore[misc]
    attempts["read the home folder"] = lambda: list(Path.home().iterdir())
    return {name: _attempt(act) for name, act in attempts.items()}


def _attempt(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "refused")
    return "allowed"


def _fork(then: Callable[[], object] | None) -> None:
    """Start a process; ``then`` in it. An error there has the number that it exits with."""
    pid = os.fork()
    if pid == 0:
        try:
            if then is not None:
                then()
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, "the process failed")


def _execute() -> None:
    """Start a program, in a process of its own where that is allowed: it would take the place of this one."""

    def execute() -> None:
        os.execv(sys.executable, [sys.executable, "-c", ""])  # noqa: S606

    try:
        _fork(None)
    except OSError:
        execute()
    _fork(execute)


def _trace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0, 0, None, None) != 0:  # PTRACE_TRACEME
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
