"""``models prepare``: what it prints and tells, with a scripted engine; and once with the real one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_result import Result
from tiny_models import tiny_model

from desktop_slm.engine import client
from desktop_slm.engine.api import ModelSpec, Probe, Tick, nothing
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.paths import Paths

Command = Callable[..., Result]


class Measured(FakeEngine):
    """Reads prepared files 2.2 times and writes them ``writing`` times as fast."""

    writing = 1.3
    interrupted = False

    def probe(self, model: ModelSpec, tick: Tick = nothing) -> Probe:
        tick()
        copy = "Q8_0" in Path(model.path).name
        return Probe(
            prompt_tokens_per_s=880.0 if copy else 400.0,
            decode_tokens_per_s=100.0 * self.writing if copy else 100.0,
            threads=2,
        )

    def quantize(self, source: str, target: str, file_type: str, tick: Tick = nothing) -> None:
        tiny_model(target, layout=file_type)
        if self.interrupted:
            os.kill(os.getpid(), signal.SIGINT)
        tick()


@pytest.fixture
def model(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Put a model in Q4_1 on the shelf and return its id."""
    monkeypatch.setattr(client, "EngineClient", lambda **_: Measured())
    source = tiny_model(tmp_path / "small.Q4_1.gguf", layout="Q4_1")
    imported: str = command("models", "import", source, "--json").done["models"][0]["id"]
    return imported


def test_the_gain_is_printed_as_a_sentence(command: Command, model: str) -> None:
    said = command("models", "prepare", model)
    assert said.code == 0
    assert said.out.startswith(
        f"{model}: 2.2 times faster at reading, 1.3 at writing on this computer; took "
    )
    assert command("models", "prepare", model).out == said.out
    assert "reads 880 and writes 130 tokens per second here" in command("models", "show", model).out


def test_speeds_are_shown_once_they_were_measured(command: Command, model: str) -> None:
    assert command("models", "show", model, "--json").done["models"][0]["speed"] is None
    command("models", "prepare", model)
    speed = command("models", "show", model, "--json").done["models"][0]["speed"]
    assert speed == {"prompt_tokens_per_s": 880.0, "decode_tokens_per_s": 130.0, "threads": 2}


def test_the_gain_is_told_in_figures(command: Command, model: str) -> None:
    result = command("models", "prepare", model, "--json")
    done = result.done
    assert (done["verdict"], done["pays"], done["made"]) == ("faster", True, True)
    assert (done["gain"]["reading"], done["gain"]["writing"], done["gain"]["steady"]) == (2.2, 1.3, True)
    for side in ("before", "after"):
        assert done["gain"][side].keys() == {"prompt_tokens_per_s", "decode_tokens_per_s", "threads"}
    assert done["prepare_seconds"] > 0
    assert done["copy_bytes"] == done["models"][0]["bytes"]
    assert done["models"][0]["prepared_from"].endswith("small.Q4_1.gguf")
    measuring = [event for event in result.events if event.get("stage") == "measuring"]
    assert [(event["done"], event["total"]) for event in measuring] == [(n, 4) for n in range(5)]


def test_a_copy_that_brings_little_can_be_undone(
    command: Command, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Measured, "writing", 0.5)
    said = command("models", "prepare", model)
    assert "but slower at writing (0.5 times)" in said.out
    assert f"models prepare {model} --undo uses it again" in said.out
    undone = command("models", "prepare", model, "--undo", "--json").done["models"][0]
    assert (undone["prepared_from"], undone["quantization"]) == ("", "Q4_1")


def test_ctrl_c_leaves_the_original(command: Command, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command("models", "list")  # the starter is on the shelf
    monkeypatch.setattr(Measured, "interrupted", True)
    stopped = command("models", "prepare", model, "--json")
    assert stopped.code == 130
    assert stopped.done["reason"] == "cancelled"
    (left,) = [m for m in command("models", "list", "--json").done["models"] if m["id"] == model]
    assert (left["prepared_from"], left["quantization"]) == ("", "Q4_1")
    assert [path.name for path in Path(left["path"]).parent.glob("*.gguf")] == ["small.Q4_1.gguf"]


def test_nothing_to_prepare_is_no_error(command: Command, model: str, tmp_path: Path) -> None:
    good = tiny_model(tmp_path / "good.gguf", layout="Q4_0")
    said = command("models", "prepare", good)
    assert said.code == 0
    assert "there is nothing to prepare" in said.out


def test_an_unknown_model_is_one_sentence(command: Command, model: str) -> None:
    said = command("models", "prepare", "no such model", "--json")
    assert said.code == 1
    assert said.events[-1]["code"] == "model_not_found"


@pytest.mark.model
def test_the_real_starter_is_measured_before_and_after(finished: Callable[..., Result], home: Paths) -> None:
    """It comes in Q4_1 and is prepared to Q8_0; how much that brings is the benchmark's business."""
    prepared = finished("models", "prepare", "starter", "--json").done
    assert prepared["models"][0]["prepared_from"].endswith("Q4_1.gguf")
    assert prepared["models"][0]["quantization"] == "Q8_0"
    assert prepared["verdict"] in ("faster", "mixed", "same", "unclear")
    gain = prepared["gain"]
    for side in (gain["before"], gain["after"]):
        assert side["prompt_tokens_per_s"] > 0
        assert side["decode_tokens_per_s"] > 0
    assert gain["rounds"] >= 2
    assert home.speeds.exists()
