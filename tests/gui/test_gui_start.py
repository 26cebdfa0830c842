"""Starting light, crashing politely, printing in a child."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from PySide6.QtCore import QMessageLogContext, QtMsgType
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

from desktop_slm.errors import DesktopSlmError
from desktop_slm.gui import error_dialog, run
from desktop_slm.gui.licences import licence_of
from desktop_slm.paths import Paths
from desktop_slm.processes import printing

SECRET = "the patient's name is Halibut"

_LIGHT = """
import sys
from desktop_slm.gui import run
from desktop_slm.gui.main_window import MainWindow
qt = run.make_application(["desktop-slm"])
run.theme.apply(qt)
window = MainWindow(run._make_app)
window.show()
heavy = {"llama_cpp", "numpy", "pypdfium2", "docx", "py3langid", "sqlcipher3", "keyring", "cryptography"}
loaded = heavy & set(sys.modules)
assert not loaded, loaded
seen = []
window._doorway.screen_changed.connect(seen.append)
import time
end = time.monotonic() + 30
while not seen and time.monotonic() < end:
    qt.processEvents()
    time.sleep(0.01)
assert seen
never = {"llama_cpp", "numpy", "pypdfium2", "docx", "py3langid"}
loaded = never & set(sys.modules)
assert not loaded, loaded
window.close()
print("light")
"""


def test_the_window_comes_before_everything_heavy(home: Paths) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIGHT], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "light", done.stderr[-2000:]


def crash() -> None:
    """Fail with a message that quotes the user."""
    raise ZeroDivisionError(SECRET)


def caught() -> tuple[type[BaseException], BaseException, object]:
    """Return what `crash` raises."""
    try:
        crash()
    except ZeroDivisionError:
        kind, error, trace = sys.exc_info()
        assert kind is not None
        assert error is not None
        return kind, error, trace
    raise AssertionError


def test_a_crash_report_says_where_and_nothing_of_the_user() -> None:
    kind, _, trace = caught()
    report = error_dialog.crash_report(kind, trace)  # type: ignore[arg-type]
    assert "ZeroDivisionError" in report
    assert "test_gui_start.py" in report
    assert "crash" in report
    assert "Halibut" not in report


def test_a_bug_opens_one_dialog_and_an_expected_error_another(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[QDialog] = []

    def no_wait(dialog: QDialog) -> int:
        shown.append(dialog)
        qtbot.addWidget(dialog)
        reporter.report(*caught())  # type: ignore[arg-type]  a second bug meanwhile must not pile up
        return 1

    monkeypatch.setattr(error_dialog.MessageDialog, "exec", no_wait)
    reporter = run.CrashReporter(None)  # type: ignore[arg-type]
    reporter.report(*caught())  # type: ignore[arg-type]
    assert [type(dialog) for dialog in shown] == [error_dialog.CrashDialog]
    error = DesktopSlmError("The disk is full", "Free some space.")
    reporter.report(type(error), error, None)
    assert type(shown[1]) is error_dialog.MessageDialog
    assert "Halibut" not in capsys.readouterr().err


def test_qt_messages_are_written_without_their_text(capsys: pytest.CaptureFixture[str]) -> None:
    run.on_qt_message(QtMsgType.QtWarningMsg, QMessageLogContext(), SECRET)
    run.on_qt_message(QtMsgType.QtDebugMsg, QMessageLogContext(), SECRET)
    written = capsys.readouterr().err
    assert "warning" in written
    assert "Halibut" not in written


def test_restart_takes_the_same_words_without_the_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setenv(run.PASSPHRASE_VARIABLE, "four words are enough")
    monkeypatch.setattr(run.sys, "platform", "linux")
    monkeypatch.setattr(run.os, "execve", lambda *words: calls.append(words))
    run.restart()
    ((program, words, environment),) = calls
    assert program == sys.executable
    assert words[1:] == sys.orig_argv[1:]
    assert run.PASSPHRASE_VARIABLE not in environment


def test_html_is_printed_with_page_numbers_and_loads_nothing(qapp: QApplication) -> None:
    import pypdfium2

    html = "<h1>Summary</h1>" + "<p>The tide comes in twice a day. <img src='file:///etc/hostname'></p>" * 120
    data = printing.print_in_child(html.encode())
    with pypdfium2.PdfDocument(io.BytesIO(data)) as document:
        assert len(document) >= 3
        page = document[1]
        text_page = page.get_textpage()
        text = text_page.get_text_range()
        assert "The tide comes in twice a day." in text
        assert text.rstrip().endswith("2")
        assert not [thing for thing in page.get_objects() if thing.type == 3]  # no image
        text_page.close()
        page.close()


def test_a_failing_print_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "command", lambda: [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(DesktopSlmError, match="could not be printed"):
        printing.print_in_child(b"<p>x</p>")


def test_licences_of_the_parts_are_at_hand() -> None:
    assert "License" in licence_of("msgspec")
    assert len(licence_of("PySide6-Essentials")) > 20


_SIGNALED = """
import os, signal, sys
from desktop_slm.gui import run
from PySide6.QtCore import QTimer
from desktop_slm.gui.main_window import MainWindow
begun = MainWindow.showEvent
def show(window, event):
    begun(window, event)
    QTimer.singleShot(300, lambda: os.kill(os.getpid(), signal.SIGTERM))
MainWindow.showEvent = show
closed = MainWindow.closeEvent
def close(window, event):
    closed(window, event)
    print("closed in order", flush=True)
MainWindow.closeEvent = close
sys.exit(run.main(["desktop-slm"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_a_signal_closes_the_window_in_order(home: Paths) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SIGNALED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "closed in order"), done.stderr[-2000:]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a screen")
def test_without_a_screen_one_sentence_says_so(home: Paths) -> None:
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in screens}
    done = subprocess.run(
        [sys.executable, "-m", "desktop_slm"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "There is no screen here. Use the command line: desktop-slm --help\n"
