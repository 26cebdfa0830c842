"""What every test gets: folders of its own, no keychain, no screen; and the starter model, prepared once."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before anything imports Qt
os.environ["PYTHON_KEYRING_BACKEND"] = (
    "keyring.backends.null.Keyring"  # never the keychain of whoever runs this
)
os.environ.pop("DESKTOP_SLM_PASSPHRASE", None)

import pytest

from desktop_slm.paths import HOME_VARIABLE, Paths

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "tests"


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
