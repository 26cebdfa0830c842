"""What the window's tests share: the theme, and the one Qt message that says nothing about us."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop_slm.app import App
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.gui import job, theme
from desktop_slm.gui.collector import Collector
from desktop_slm.gui.main_window import MainWindow
from desktop_slm.paths import Paths
from desktop_slm.store.keyfile import KDF_MIN_KIB, KdfParameters
from desktop_slm.store.keyring_wall import KeyringWall
from desktop_slm.store.vault import Vault

PASSPHRASE = "four words are enough"
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The offscreen platform warns about every shown window; that is no fault of ours."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.qt_log_ignore("propagateSizeHints", extend=True))


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    return ["desktop-slm"]


@pytest.fixture(scope="session")
def collector(qapp: QApplication) -> Iterator[Collector]:
    """As in the application: widgets that are garbage are never destroyed by a worker thread."""
    made = Collector()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication, collector: Collector) -> Iterator[None]:
    """Every test starts with the light theme and leaves no window and no call behind."""
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # else every theme restyles old tests' widgets
    theme.apply(qapp, "light")
    yield
    assert job.wait_for_calls(10.0)
    qapp.processEvents()
    collector.collect_due()


@pytest.fixture(scope="session")
def shelf_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the starter on it, made once."""
    from desktop_slm.models.shelf import Shelf

    folder = tmp_path_factory.mktemp("shelf") / "models"
    Shelf(folder).ensure_starter()
    return folder


@pytest.fixture(scope="session")
def vault_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty vault that `PASSPHRASE` opens, made once."""
    folder = tmp_path_factory.mktemp("vault") / "vault"
    vault = Vault(folder, KeyringWall(), kdf=KdfParameters(memory_kib=KDF_MIN_KIB, iterations=1))
    vault.create(passphrase=PASSPHRASE)
    vault.close()
    return folder


@pytest.fixture
def stocked_home(home: Paths, shelf_source: Path) -> Paths:
    """An installation that has a model already."""
    shutil.copytree(shelf_source, home.models, copy_function=os.link)
    return home


class Windows:
    """Opens real windows on scripted engines, and looks after their end."""

    def __init__(self, paths: Paths, bot: QtBot, vault_source: Path) -> None:
        self.paths = paths
        self.vault_source = vault_source
        self.bot = bot
        self.open: list[MainWindow] = []
        self.engine = FakeEngine()

    def show(self, engine: FakeEngine | None = None, passphrase: str | None = None) -> MainWindow:
        """Show a window; its vault is being opened."""
        self.engine = engine or FakeEngine()
        window = MainWindow(partial(App, self.paths, engine=self.engine, passphrase=passphrase))
        self.open.append(window)
        window.show()
        return window

    def enter(self, engine: FakeEngine | None = None, passphrase: str = PASSPHRASE) -> MainWindow:
        """Show a window on a vault (made where there is none) and wait until its pages are there."""
        if not self.paths.vault.exists():
            shutil.copytree(self.vault_source, self.paths.vault)
        window = self.show(engine, passphrase)
        with self.bot.waitSignal(window.ready, timeout=20_000):
            pass
        self.bot.waitUntil(lambda: window.models.shown is not None, timeout=20_000)
        return window

    def close(self) -> None:
        """Close what is still open, and delete it."""
        for window in self.open:
            window.close()
            window.deleteLater()
        self.open.clear()


@pytest.fixture
def windows(stocked_home: Paths, vault_source: Path, qtbot: QtBot, qapp: QApplication) -> Iterator[Windows]:
    """Real windows; when the test ends none of their widgets and threads is left."""
    made = Windows(stocked_home, qtbot, vault_source)
    before = set(qapp.topLevelWidgets())
    yield made
    made.close()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    qapp.processEvents()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = [widget for widget in set(qapp.topLevelWidgets()) - before if shiboken6.isValid(widget)]
    assert not left, left
    assert not [thread for thread in threading.enumerate() if thread.name in ("job", "call")]
