"""What every test gets: folders of its own, no keychain, no screen; and the starter model, prepared once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before anything imports Qt
os.environ["PYTHON_KEYRING_BACKEND"] = (
    "keyring.backends.null.Keyring"  # never the keychain of whoever runs this
)
os.environ.pop("DESKTOP_SLM_PASSPHRASE", None)

import hypothesis
import pytest

from desktop_slm.paths import HOME_VARIABLE, Paths

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "tests"

hypothesis.settings.register_profile("patient", deadline=None)  # no timed tests: the computer may be busy
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test write where a person's data lies."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path_factory.getbasetemp() / "nobody"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return the folders of an installation of this test's own; child processes get it by the environment."""
    folder = tmp_path / "home"
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    return Paths.under(folder)


@pytest.fixture(scope="session")
def bundled_templates() -> Path:
    """Return the folder of the chat templates that llama.cpp bundles, as `dev.py test` fetched it."""
    from importlib.metadata import version

    folder = ROOT / ".cache" / "chat-templates" / version("llama-cpp-python")
    if not folder.is_dir():
        pytest.fail("llama.cpp's chat templates are not here: `python3 dev.py test` fetches them, once.")
    return folder


@pytest.fixture(scope="session")
def starter_source() -> Path:
    """Return the starter model as it was published (Q4_1)."""
    from desktop_slm.models import starter

    return starter.locate().path


@pytest.fixture(scope="session")
def starter_path(starter_source: Path) -> Path:
    """Return the starter model prepared by the real engine (Q8_0): made once per checkout, read-only.

    Workers of one run share it, and so do later runs with the same engine.
    """
    from importlib.metadata import version

    from desktop_slm.engine.client import EngineClient
    from desktop_slm.models.files import locked
    from desktop_slm.models.gguf import read_header

    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / f"{starter_source.stem}-Q8_0-{version('llama-cpp-python')}.gguf"
    with locked(CACHE / "starter.lock"):
        if not target.exists():
            unfinished = target.with_suffix(".part.gguf")
            unfinished.unlink(missing_ok=True)
            engine = EngineClient()
            try:
                engine.quantize(str(starter_source), str(unfinished), "Q8_0")
            finally:
                engine.close()
            assert read_header(unfinished).layout == "Q8_0"
            unfinished.chmod(0o444)
            unfinished.replace(target)
    return target


def _link(source: str, target: str) -> None:
    """Give a file a second name, or copy it where the folders lie on different disks."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="session")
def prepared_shelf(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a models folder with the prepared starter on it, made by the shelf itself. Not to be changed."""
    from desktop_slm.models.shelf import Shelf

    folder = tmp_path_factory.mktemp("prepared") / "models"
    shelf = Shelf(folder, quantize=lambda _source, target, _layout, _tick: _link(str(starter_path), target))
    assert shelf.ensure_starter().prepared_from
    return folder


@pytest.fixture(scope="session")
def furnish(prepared_shelf: Path) -> Callable[..., Paths]:
    """Return what makes an installation that has the starter and a small context, below one folder or not."""
    from desktop_slm import settings

    def make(place: Path | Paths, **changes: Any) -> Paths:
        paths = place if isinstance(place, Paths) else Paths.under(place)
        shutil.copytree(prepared_shelf, paths.models, copy_function=_link)
        settings.save(paths.settings, settings.Settings(**{"n_ctx": 2048, **changes}))
        return paths

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let no two tests compute at the same time: inference takes all cores (``--dist loadgroup``)."""
    for item in items:
        if item.get_closest_marker("model") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("model"))
