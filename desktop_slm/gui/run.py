"""Starts the window: on screen first, everything heavy afterwards and on a thread."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QMessageLogContext,
    QObject,
    QSettings,
    QSocketNotifier,
    QtMsgType,
    Slot,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication

from desktop_slm import settings as settings_file
from desktop_slm.gui import theme
from desktop_slm.gui.collector import Collector
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.paths import Paths

if TYPE_CHECKING:
    from desktop_slm.app import App

PASSPHRASE_VARIABLE = "DESKTOP_SLM_PASSPHRASE"  # noqa: S105  a name, no passphrase
NO_SCREEN = "There is no screen here. Use the command line: desktop-slm --help"
_IGNORED_MESSAGES = ("propagateSizeHints", "Could not find the Qt platform plugin")


def main(arguments: list[str] | None = None) -> int:
    """Open the window and return the exit code when it is closed."""
    if not has_screen():
        print(NO_SCREEN, file=sys.stderr)
        return 1
    qt = make_application(arguments)
    paths = Paths.default()
    settings = settings_file.load(paths.settings)
    theme.apply(qt, settings.theme, settings.font_size_pt)
    window = MainWindow(_make_app)
    window.restore_geometry(settings)
    crashes = CrashReporter(window)
    sys.excepthook = crashes.report
    restarts = Restarter()
    window.restart_requested.connect(restarts.request)
    signals = SignalWatch(window)
    collector = Collector(window)
    window.ready.connect(collector.settle_later)
    window.show()
    code = qt.exec()
    collector.close()
    signals.close()
    sys.excepthook = sys.__excepthook__
    if restarts.requested:
        restart()
    return code


def has_screen() -> bool:
    """Tell whether a window can be shown; Qt itself would end the process with an abort."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def make_application(arguments: list[str] | None = None) -> QApplication:
    """Make the one `QApplication`, named so that desktops can tell the window's launcher."""
    qInstallMessageHandler(on_qt_message)
    # Qt's own file dialog would keep the folders a person has been to in QtProject.conf, in plain text.
    QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, os.devnull)
    qt = QApplication(arguments if arguments is not None else sys.argv[:1])
    qt.setApplicationName("desktop-slm")
    qt.setApplicationDisplayName("Desktop SLM")
    qt.setDesktopFileName("desktop-slm")
    qt.setWindowIcon(theme.app_icon())
    return qt


def _make_app() -> App:
    from desktop_slm.app import App

    return App(Paths.default(), passphrase=os.environ.get(PASSPHRASE_VARIABLE))


def on_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """Write Qt's warnings to stderr by category alone: their text may quote what is on screen."""
    if kind in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg):
        return
    if any(ignored in message for ignored in _IGNORED_MESSAGES):
        return
    category = context.category or "default"
    shown = message if category.startswith("qt.") else "(text not shown)"
    print(
        f"Qt {kind.name.removeprefix('Qt').removesuffix('Msg').lower()} [{category}] {shown}", file=sys.stderr
    )


class CrashReporter:
    """Shows the crash dialog for a bug; one at a time, and never in place of Ctrl+C."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._showing = False

    def report(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Take the place of ``sys.excepthook``."""
        from desktop_slm.errors import DesktopSlmError
        from desktop_slm.gui.error_dialog import crash_report, show_crash, show_error

        if issubclass(kind, KeyboardInterrupt):
            self._window.close()
        elif self._showing:
            print(crash_report(kind, trace), file=sys.stderr)
        else:
            self._showing = True
            try:
                if isinstance(error, DesktopSlmError):
                    show_error(error, self._window)
                else:
                    show_crash(kind, error, trace, self._window)
            finally:
                self._showing = False


class SignalWatch(QObject):
    """Closes the window in order on Ctrl+C, SIGTERM and at log-out, keeping what is under way.

    Python runs its signal handlers between bytecodes, and there are none while Qt waits: a byte on a socket
    wakes the loop up.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_notifier_activated)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._window.close()

    @Slot()
    def _on_notifier_activated(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._read.recv(64)

    def close(self) -> None:
        """Give the signals back."""
        signal.set_wakeup_fd(-1)
        self._notifier.setEnabled(False)
        self._read.close()
        self._write.close()


class Restarter(QObject):
    """Remembers that the window was locked."""

    def __init__(self) -> None:
        super().__init__()
        self.requested = False

    @Slot()
    def request(self) -> None:
        """Start anew once the event loop has ended."""
        self.requested = True


def restart() -> None:
    """Take this process's place with a fresh one: after a lock nothing may be left in memory.

    The environment's passphrase is left out: a lock that opens by itself is none.
    """
    environment = {name: value for name, value in os.environ.items() if name != PASSPHRASE_VARIABLE}
    arguments = [sys.executable, *sys.orig_argv[1:]]
    if sys.platform == "win32":  # exec there starts a second process and ends this one unseen
        import subprocess

        subprocess.Popen(arguments, env=environment, close_fds=True)
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, arguments, environment)  # noqa: S606  our own interpreter, no shell wanted
