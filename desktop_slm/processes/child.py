"""Child processes: start, frames, death as an event, polite-then-firm stop.

The app's side is `Child`; the child's side is `run_child` and `Channel`. A child is an interpreter (or the
frozen app) started with ``--child ENTRY``; ENTRY is one of `ENTRIES`, a module with ``main(channel)``.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TypeVar, cast

import msgspec

from desktop_slm.processes import usage, wire

ENTRIES = frozenset(
    {
        "desktop_slm.engine.worker",
        "desktop_slm.documents.reader_main",
        "desktop_slm.processes.selftest",
        "desktop_slm.bench.bare_loop",
        "desktop_slm.bench.hog",
        "desktop_slm.gui.bench_window",
    }
)
_LOG_LINES = 200
_LOG_LINE_CHARACTERS = 400
_LOG_READ_BYTES = 64 * 1024
_KEPT_VARIABLES = frozenset(
    [
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP"),
        *("SYSTEMROOT", "WINDIR", "SYSTEMDRIVE", "USERPROFILE", "LOCALAPPDATA", "APPDATA"),
        *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES"),
        *("QT_QPA_PLATFORM", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY", "FONTCONFIG_PATH"),
    ]
)
_SIGNALS_IN_WORDS = {
    "SIGABRT": "it ended itself because an internal check failed",
    "SIGBUS": "a file it used was cut or the disk failed",
    "SIGFPE": "an arithmetic error",
    "SIGILL": "the processor lacks an instruction it used",
    "SIGKILL": "killed, or the computer ran out of memory",
    "SIGSEGV": "it used memory in a wrong way",
    "SIGSYS": "it tried something that the sandbox forbids",
    "SIGTERM": "asked to end",
    "SIGXCPU": "it used more processor time than allowed",
}

Out = TypeVar("Out")
Received = TypeVar("Received")


class ChildGone(Exception):  # noqa: N818 - a fact, like the names in `errors`
    """The child has ended; its death arrives, or has arrived, through ``on_death``."""


@dataclass(frozen=True)
class Death:
    """How a child ended.

    Attributes:
        returncode: As `subprocess` gives it: negative for a signal.
        signal: Number of the signal that ended it, else 0.
        log: The last lines it wrote to stderr.
        reason: In words, to go after the name of the child: "was ended by signal 9 (...)".
    """

    returncode: int
    signal: int
    log: str
    reason: str


def command(entry: str) -> list[str]:
    """Return the command line that starts ``entry`` as a child."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--child", entry]
    return [sys.executable, "-I", "-m", "desktop_slm", "--child", entry]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a child sees of our environment: no proxies, tokens, preloads or ``PYTHON*``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _KEPT_VARIABLES or name.startswith("LC_")
    }
    return {**kept, **(extra or {})}


class Child(Generic[Out]):
    """A child process and the two threads that listen to it.

    Args:
        entry: A module of `ENTRIES`.
        name: For thread names and messages, such as "document reader".
        receives: Type, or union of tagged types, of what the child sends.
        on_message: Called with each message, on the child's reader thread.
        on_death: Called exactly once, after the last message, on the same thread.
        rss_limit_bytes: Resident memory over which it is killed, 0 for no limit.
        cpu_limit_s: CPU seconds over which it is killed, 0 for no limit; see `renew_cpu`.
        variables: Environment variables besides those of `environment`.
        frame_limit_bytes: Longest message in either direction; 0 for the usual limit.
    """

    def __init__(
        self,
        entry: str,
        *,
        name: str,
        receives: Any,
        on_message: Callable[[Out], None],
        on_death: Callable[[Death], None],
        rss_limit_bytes: int = 0,
        cpu_limit_s: float = 0,
        variables: Mapping[str, str] | None = None,
        frame_limit_bytes: int = 0,
    ) -> None:
        if entry not in ENTRIES:
            raise ValueError(f"{entry} is not an entry of a child")
        self.name = name
        self.death: Death | None = None
        self._on_message = on_message
        self._on_death = on_death
        self._decoder: wire.Decoder[Out] = wire.Decoder(receives)
        self._log: collections.deque[str] = collections.deque(maxlen=_LOG_LINES)
        self._ended_because = ""
        self._send_lock = threading.Lock()
        self._closed = False
        self._over = threading.Event()
        self._frame_limit_bytes = frame_limit_bytes
        self._rss_limit_bytes = rss_limit_bytes
        self._cpu_limit_s = cpu_limit_s
        self._cpu_start_s = 0.0
        self._process = _start(entry, variables)
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)
        if frame_limit_bytes:
            wire.widen(self._stdin.fileno())
            wire.widen(self._stdout.fileno())
        self._stderr = cast(IO[bytes], self._process.stderr)
        self.pid = self._process.pid
        self._log_thread = self._thread("log", self._keep_log)
        self._reader = self._thread("reader", self._read)
        if rss_limit_bytes or cpu_limit_s:
            self._thread("watchdog", self._watch)

    def _thread(self, role: str, run: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=run, name=f"{self.name} {role}", daemon=True)
        thread.start()
        return thread

    @property
    def alive(self) -> bool:
        """Whether the process runs and its death has not been told."""
        return self.death is None and self._process.poll() is None

    def send(self, message: msgspec.Struct) -> None:
        """Send one message; waits while the child does not read.

        Raises:
            ChildGone: It has ended, or is being stopped.
        """
        frame = wire.encode(message, self._frame_limit_bytes)
        with self._send_lock:
            if self._closed:
                raise ChildGone(self.name)
            try:
                wire.write_all(self._stdin.fileno(), frame)
            except OSError as error:
                raise ChildGone(self.name) from error

    def renew_cpu(self) -> None:
        """Start the CPU allowance anew, for the next task of a child that lives on."""
        used = usage.of_process(self.pid)
        if used is not None:
            self._cpu_start_s = used.cpu_s

    def stop(self, grace_s: float = 3.0) -> Death:
        """End the child: close its input, after ``grace_s`` terminate, then kill; return how it ended.

        Not to be called from ``on_message`` or ``on_death``: it waits for that thread.
        """
        self._ended_because = self._ended_because or "was stopped"
        self._close_input(wait_s=grace_s)
        if not self._ends_within(grace_s):
            self._process.terminate()
            if not self._ends_within(1.0):
                self._process.kill()
        self._over.wait()
        return cast(Death, self.death)

    def kill(self, reason: str = "was ended by the app") -> None:
        """End the child at once; its death arrives as usual, worded as ``reason``. Any thread may call it."""
        self._ended_because = self._ended_because or reason
        with contextlib.suppress(OSError):
            self._process.kill()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the death to have been told, after `kill`; tell whether it has.

        Not to be called from ``on_message`` or ``on_death``.
        """
        return self._over.wait(timeout_s)

    def _ends_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _close_input(self, wait_s: float) -> None:
        """Close the pipe to the child unless a sender hangs in it for longer than ``wait_s``."""
        if not self._send_lock.acquire(timeout=wait_s):
            return
        try:
            self._closed = True
            with contextlib.suppress(OSError):
                self._stdin.close()
        finally:
            self._send_lock.release()

    def _read(self) -> None:
        """Deliver messages until the stream ends, then the death."""
        descriptor = self._stdout.fileno()
        try:
            while (payload := wire.read_frame(descriptor, self._frame_limit_bytes)) is not None:
                self._on_message(self._decoder.decode(payload))
        except wire.FrameError as error:
            self.kill(f"was ended because it sent something that is no message: {error}")
        finally:
            self._bury()

    def _bury(self) -> None:
        """Wait for the end of a child whose stream has ended, and tell it."""
        if not self._ends_within(5.0):  # it closed its output and lives on
            self.kill("closed its connection and was ended")
        returncode = self._process.wait()
        self._log_thread.join(1.0)
        self._close_input(wait_s=5.0)
        self._stdout.close()
        self._stderr.close()
        self.death = Death(
            returncode=returncode,
            signal=max(0, -returncode),
            log="\n".join(self._log),
            reason=self._ended_because or _in_words(returncode),
        )
        try:
            self._on_death(self.death)
        finally:
            self._over.set()

    def _keep_log(self) -> None:
        """Keep the last lines of stderr; one without an end is cut, so that it cannot fill our memory."""
        line = b""
        with contextlib.suppress(OSError, ValueError):  # closed under us after the child's end
            while data := os.read(self._stderr.fileno(), _LOG_READ_BYTES):
                *ended, line = (line + data).split(b"\n")
                self._log.extend(map(_log_line, ended))
                line = line[:_LOG_READ_BYTES]
        if line:
            self._log.append(_log_line(line))

    def _watch(self) -> None:
        """Kill the child when it uses more memory or processor time than allowed."""
        while not self._over.wait(usage.LOOK_EVERY_S):
            used = usage.of_process(self.pid)
            if used is None:
                continue
            if self._rss_limit_bytes and used.rss_bytes > self._rss_limit_bytes:
                self.kill(f"needed more than {self._rss_limit_bytes >> 20:,} MB of memory")
            elif self._cpu_limit_s and used.cpu_s - self._cpu_start_s > self._cpu_limit_s:
                self.kill(f"needed more than {self._cpu_limit_s:g} s of processor time")


def _start(entry: str, variables: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    # Its own process group: Ctrl+C in a terminal is for the app, which then stops its children.
    system: dict[str, Any] = (
        {"process_group": 0} if os.name == "posix" else {"creationflags": 0x08000000}  # CREATE_NO_WINDOW
    )
    return subprocess.Popen(
        command(entry),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        close_fds=True,
        cwd=Path(sys.executable).anchor,  # some loaders look for libraries in the working directory
        env=environment(variables),
        **system,
    )


def _log_line(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip()[:_LOG_LINE_CHARACTERS]


def _in_words(returncode: int) -> str:
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:
            name = ""
        words = _SIGNALS_IN_WORDS.get(name, name or "unknown")
        return f"was ended by signal {-returncode} ({words})"
    if returncode:
        return f"exited with code {returncode}"
    return "exited"


# The child's side.


class Channel:
    """The child's end of the pipes. `receive` reads on the calling thread until `watch` or `subscribe`.

    The usual order in a child: receive the first message, import, restrict (`processes.sandbox`; Landlock
    binds the calling thread and those it starts later, so no thread may run yet), `watch`, work.

    When the app goes away the process ends at once, whatever it does: the reader thread sees the end of the
    stream. (``PR_SET_PDEATHSIG`` would follow the thread that started us, not the app.)
    """

    def __init__(self, input_descriptor: int, output_descriptor: int) -> None:
        self._input = input_descriptor
        self._output = output_descriptor
        self._send_lock = threading.Lock()
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[bytes | bytearray] = queue.SimpleQueue()
        self._handler: Callable[[bytes | bytearray], None] | None = None
        self.frame_limit_bytes = 0  # longest message in either direction, 0 for the usual limit
        self._thread: threading.Thread | None = None
        self._decoders: dict[Any, wire.Decoder[Any]] = {}

    def receive(self, types: Any) -> Any:
        """Return the next message, of one of ``types``.

        Raises:
            FrameError: The app sent something else.
        """
        payload = self._next() if self._thread is None else self._queue.get()
        return self._decoder(types).decode(payload)

    def send(self, message: msgspec.Struct) -> None:
        """Send one message to the app; ends the process when the app is gone."""
        self.send_frames(wire.encode(message, self.frame_limit_bytes))

    def send_frames(self, frames: bytes | bytearray) -> None:
        """Send frames that `wire.encode` made, joined: one system call for many messages."""
        with self._send_lock:
            try:
                wire.write_all(self._output, frames)
            except OSError:
                os._exit(0)

    def watch(self) -> None:
        """Start the reader thread, which ends the process when the app goes away."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="channel", daemon=True)
            self._thread.start()

    def subscribe(self, types: Any, handle: Callable[[Any], None]) -> None:
        """Give every further message to ``handle``, on the reader thread."""
        decoder = self._decoder(types)

        def decode(payload: bytes | bytearray) -> None:
            handle(decoder.decode(payload))

        with self._lock:
            while not self._queue.empty():
                decode(self._queue.get())
            self._handler = decode
        self.watch()

    def _decoder(self, types: Any) -> wire.Decoder[Any]:
        if types not in self._decoders:
            self._decoders[types] = wire.Decoder(types)
        return self._decoders[types]

    def _next(self) -> bytes | bytearray:
        payload = wire.read_frame(self._input, self.frame_limit_bytes)
        if payload is None:
            os._exit(0)
        return payload

    def _read(self) -> None:
        try:
            while True:
                payload = self._next()
                with self._lock:
                    if self._handler is None:
                        self._queue.put(payload)
                    else:
                        self._handler(payload)
        finally:
            _report_failure()
            os._exit(1)  # a process that no longer listens cannot be stopped politely


def run_child(entry: str) -> None:
    """Run the child ``entry`` until it ends; does not return.

    File descriptors 0 and 1 are moved aside, so that a library that prints cannot write into the frames.
    """
    if entry not in ENTRIES:
        sys.stderr.write("unknown child\n")
        os._exit(2)
    channel = Channel(*_claim_pipes())
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = 1
    try:
        importlib.import_module(entry).main(channel)
        status = 0
    except Exception:  # noqa: BLE001 - the last wall of the child: told by its log and exit code
        _report_failure()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(status)


def _claim_pipes() -> tuple[int, int]:
    """Move stdin and stdout aside; stdin becomes empty and stdout goes to stderr."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(0, os.O_BINARY)
        msvcrt.setmode(1, os.O_BINARY)
    pipes = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return pipes


def _report_failure() -> None:
    """Write where and what kind, not the message: it may quote a user's text."""
    kind, _, trace = sys.exc_info()
    if kind is None:
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write("".join(traceback.format_tb(trace)) + f"{kind.__name__}\n")
        sys.stderr.flush()
