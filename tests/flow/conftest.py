"""Real windows with the real engine and the starter model, and what must be left of them at the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import driving
import pytest
import shiboken6
from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QLabel

from desktop_slm.app import App
from desktop_slm.engine.client import EngineClient
from desktop_slm.gui import job, theme
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.paths import Paths

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these compute; and the offscreen platform warns about every shown window."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.qt_log_ignore("propagateSizeHints", extend=True))
            item.add_marker(pytest.mark.model)
            item.add_marker(pytest.mark.xdist_group("model"))


class Surprises(QObject):
    """Closes message boxes that nobody expected, and remembers what they said: no test may hang in one."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)
        self._timer.start(100)

    def _look(self) -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QDialog) and not isinstance(box, QFileDialog):
            self.said.append(" ".join(label.text() for label in box.findChildren(QLabel) if label.text()))
            box.reject()

    def stop(self) -> None:
        self._timer.stop()


class Windows:
    """Opens real windows of one installation and looks after their end."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.opened: list[MainWindow] = []

    def show(self, passphrase: str | None = None, **patience: float) -> MainWindow:
        """Show a window; its vault is being opened. ``patience`` goes to the engine's client."""
        engine = EngineClient(model_folders=(self.paths.models,), **patience)
        window = MainWindow(partial(App, self.paths, engine=engine, passphrase=passphrase))
        self.opened.append(window)
        window.show()
        return window

    def enter(self, **patience: float) -> MainWindow:
        """Show a window whose vault opens by itself; make the vault where there is none."""
        if not (self.paths.vault / "vault.json").exists():
            app = App(self.paths)
            app.create_vault(driving.PASSPHRASE)
            app.close()
        window = self.show(driving.PASSPHRASE, **patience)
        driving.wait_until_open(window)
        return window

    def close(self) -> None:
        """Close what is still open, and delete it."""
        for window in self.opened:
            window.close()
            window.deleteLater()
        self.opened.clear()


@dataclass(frozen=True)
class Before:
    """What there was before a window was opened."""

    windows: set[QObject]
    processes: set[int]
    threads: set[threading.Thread]


def nothing_is_left(qapp: QApplication, before: Before) -> None:
    """Check that widgets, threads and processes are those of before."""
    assert job.wait_for_calls(10.0)
    for _ in range(2):
        qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        qapp.processEvents()
    left = [widget for widget in set(qapp.topLevelWidgets()) - before.windows if shiboken6.isValid(widget)]
    assert not left, left
    me = os.getpid()
    driving.wait_until(lambda: not driving.children(me) - before.processes, "the end of all children", 10)
    driving.wait_until(
        lambda: (
            not [
                thread
                for thread in set(threading.enumerate()) - before.threads
                if thread.name.startswith(
                    ("job", "call", "save states", "inference worker", "document reader")
                )
            ]
        ),
        "the end of all threads",
        10,
    )


def _opened(qapp: QApplication, paths: Paths) -> Iterator[Windows]:
    theme.apply(qapp, "light")
    surprises = Surprises()
    before = Before(set(qapp.topLevelWidgets()), driving.children(os.getpid()), set(threading.enumerate()))
    made = Windows(paths)
    yield made
    made.close()
    surprises.stop()
    nothing_is_left(qapp, before)
    assert not surprises.said, surprises.said


@pytest.fixture
def windows(furnish: Callable[..., Paths], qapp: QApplication, tmp_path: Path) -> Iterator[Windows]:
    """Windows of an installation of this test's own; at its end nothing of them is left."""
    yield from _opened(qapp, furnish(tmp_path / "home"))


@pytest.fixture(scope="module")
def module_windows(
    furnish: Callable[..., Paths], qapp: QApplication, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Windows]:
    """The same for a whole module."""
    yield from _opened(qapp, furnish(tmp_path_factory.mktemp("module") / "home"))
