"""Preparing from offer to result: what is made, measured, said, kept and undone. The speeds are scripted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import tiny_model

from desktop_slm.engine.api import Hardware, ModelSpec, Probe, Tick, nothing
from desktop_slm.engine.fake import FakeEngine
from desktop_slm.engine.speeds import Gain, Speeds
from desktop_slm.errors import EngineCrashed, LoadFailed, ModelError
from desktop_slm.models import installing
from desktop_slm.models.files import Stopped
from desktop_slm.models.records import InstalledModel
from desktop_slm.models.shelf import Shelf
from desktop_slm.tasks.calibration import Calibration
from desktop_slm.tasks.preparation import gain_in_words

SLOW = Probe(prompt_tokens_per_s=300.0, decode_tokens_per_s=100.0, threads=2)
FAST = Probe(prompt_tokens_per_s=660.0, decode_tokens_per_s=130.0, threads=2)


class Measured(FakeEngine):
    """An engine that measures what it is told: by the layout in the file's name, or an error."""

    def __init__(self) -> None:
        super().__init__()
        self.speeds: dict[str, Probe | Exception] = {"Q4_1": SLOW, "Q8_0": FAST}
        self.probed: list[str] = []

    def probe(self, model: ModelSpec, tick: Tick = nothing) -> Probe:
        layout = "Q8_0" if "Q8_0" in Path(model.path).name else "Q4_1"
        self.probed.append(layout)
        tick()
        outcome = self.speeds[layout]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def write_prepared(_source: str, target: str, file_type: str, tick: Callable[[], None]) -> None:
    """Stand in for the engine's conversion."""
    tick()
    tiny_model(target, layout=file_type)
    tick()


def tell_nobody(_stage: str, _done: int, _total: int) -> bool:
    return True


class Workshop:
    """A shelf with a model in Q4_1, an engine, and what measures."""

    def __init__(self, folder: Path) -> None:
        self.engine = Measured()
        self.folder = folder / "shelf"
        self.source = tiny_model(folder / "other" / "small.Q4_1.gguf", layout="Q4_1")
        self.shelf = Shelf(self.folder, [folder / "other"], quantize=write_prepared)
        self.speeds = Speeds(folder / "speeds.json")
        self.calibration = Calibration(self.shelf, self.engine, self.speeds, self.spec)

    @staticmethod
    def spec(model: InstalledModel) -> ModelSpec:
        return ModelSpec(path=model.path)

    @property
    def hardware(self) -> Hardware:
        return self.engine.hardware()

    def files(self) -> list[str]:
        """Return what lies on the shelf, but for locks."""
        return sorted(p.name for p in self.folder.rglob("*") if p.is_file() and not p.name.endswith(".lock"))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_what_is_offered_is_an_expectation_and_what_is_told_was_measured(workshop: Workshop) -> None:
    model = workshop.shelf.import_file(workshop.source, "copy")
    offer = workshop.calibration.offer(model, workshop.hardware)
    assert offer is not None
    assert "should be about twice as fast at reading" in offer.sentence
    told: list[tuple[str, int, int]] = []
    done = workshop.calibration.prepare(model.id, lambda *report: told.append(report))
    assert workshop.engine.probed == ["Q4_1", "Q8_0", "Q4_1", "Q8_0"]
    assert done.gain == Gain(reading=2.2, writing=1.3, before=SLOW, after=FAST, rounds=2, steady=True)
    assert (done.verdict, done.made) == ("faster", True)
    assert done.sentence.startswith("2.2 times faster at reading, 1.3 at writing on this computer; took ")
    assert Path(done.model.path).name == "small-Q8_0.gguf"
    assert Path(done.model.prepared_from).exists()
    assert abs(offer.copy_bytes - done.copy_bytes) < 0.05 * done.copy_bytes
    assert {stage for stage, _, _ in told} == {"preparing", "measuring"}
    assert told[-1] == ("measuring", 4, 4)
    assert workshop.calibration.offer(done.model, workshop.hardware) is None
    speed = workshop.calibration.speed(done.model, workshop.hardware)
    assert speed is not None
    assert (speed.probe, speed.gain) == (FAST, done.gain)
    assert workshop.calibration.bytes_per_s(done.model, workshop.hardware) == 130.0 * speed.token_bytes


def test_the_second_time_nothing_is_made_or_measured_unless_asked(workshop: Workshop) -> None:
    model = workshop.shelf.import_file(workshop.source, "copy")
    first = workshop.calibration.prepare(model.id, tell_nobody)
    before = workshop.files()
    second = workshop.calibration.prepare(model.id, tell_nobody)
    assert (second.gain, second.sentence, second.made) == (first.gain, first.sentence, False)
    assert len(workshop.engine.probed) == 4
    workshop.calibration.prepare(model.id, tell_nobody, again=True)
    assert len(workshop.engine.probed) == 8
    assert workshop.files() == before


def test_a_large_copy_is_not_praised_for_writing(workshop: Workshop, tmp_path: Path) -> None:
    size = {"n_embd": 2048, "n_ff": 8192, "n_layer": 8, "n_vocab": 4000}
    large = tiny_model(tmp_path / "large.Q4_1.gguf", layout="Q4_1", hollow=True, **size)
    found = workshop.shelf.find(large)
    offer = workshop.calibration.offer(found, workshop.hardware)
    assert offer is not None
    assert "about twice as fast at reading, perhaps slower at writing; it takes" in offer.sentence


@pytest.mark.parametrize("stage", ["preparing", "measuring"])
@pytest.mark.parametrize("how", ["copy", "use"])
def test_stopping_in_the_middle_leaves_nothing(workshop: Workshop, stage: str, how: installing.How) -> None:
    model = workshop.shelf.import_file(workshop.source, how)
    before = workshop.files()
    with pytest.raises(Stopped):
        workshop.calibration.prepare(model.id, lambda now, _done, _total: now != stage)
    assert workshop.files() == before
    assert workshop.shelf.find(model.id) == model
    assert workshop.calibration.offer(model, workshop.hardware) is not None


def test_a_model_of_another_application_is_prepared_where_it_lies(workshop: Workshop) -> None:
    content = workshop.source.read_bytes()
    (found,) = workshop.shelf.list()
    assert not found.sha256
    with pytest.raises(Stopped):
        workshop.calibration.prepare(found.id, lambda stage, _done, _total: stage != "measuring")
    assert workshop.files() == []
    done = workshop.calibration.prepare(found.id, tell_nobody)
    assert done.model.prepared_from == str(workshop.source)
    assert workshop.folder in Path(done.model.path).parents
    assert workshop.source.read_bytes() == content
    assert [model.id for model in workshop.shelf.list()] == [done.model.id]


def test_a_copy_that_cannot_be_run_is_not_kept(workshop: Workshop) -> None:
    model = workshop.shelf.import_file(workshop.source, "copy")
    before = workshop.files()
    workshop.engine.speeds["Q8_0"] = EngineCrashed("The model's process was ended by signal 9")
    with pytest.raises(EngineCrashed):
        workshop.calibration.prepare(model.id, tell_nobody)
    assert workshop.files() == before
    assert workshop.shelf.find(model.id) == model


def test_an_original_that_does_not_fit_into_memory_is_nothing_to_compare_with(workshop: Workshop) -> None:
    model = workshop.shelf.import_file(workshop.source, "copy")
    workshop.engine.speeds["Q4_1"] = LoadFailed("not enough memory")
    done = workshop.calibration.prepare(model.id, tell_nobody)
    assert (done.verdict, done.gain) == ("alone", None)
    assert "reads 660 and writes 130 tokens per second" in done.sentence
    assert done.model.prepared_from


@pytest.mark.parametrize(
    ("reading", "writing", "verdict", "pays", "words"),
    [
        (660.0, 80.0, "mixed", True, "2.2 times faster at reading, but slower at writing (0.8 times)"),
        (660.0, 101.0, "faster", True, "2.2 times faster at reading, as fast at writing"),
        (303.0, 98.0, "same", False, "No faster on this computer: 1.0 times at reading, 1.0 at writing"),
        (150.0, 130.0, "mixed", False, "1.3 times faster at writing, but slower at reading (0.5 times)"),
    ],
)
def test_a_gain_that_is_not_there_is_not_claimed(
    workshop: Workshop, reading: float, writing: float, verdict: str, pays: bool, words: str
) -> None:
    model = workshop.shelf.import_file(workshop.source, "copy")
    workshop.engine.speeds["Q8_0"] = Probe(
        prompt_tokens_per_s=reading, decode_tokens_per_s=writing, threads=2
    )
    done = workshop.calibration.prepare(model.id, tell_nobody)
    assert (done.verdict, done.pays) == (verdict, pays)
    assert done.sentence.startswith(words)
    assert done.gain is not None
    assert gain_in_words(done.gain) in done.sentence[0].lower() + done.sentence[1:]


def test_the_original_can_be_used_again_and_stays_in_use(workshop: Workshop) -> None:
    model = workshop.shelf.import_file(workshop.source, "copy")
    done = workshop.calibration.prepare(model.id, tell_nobody)
    kept = workshop.calibration.keep_original(model.id)
    assert (kept.path, kept.keeps_original) == (model.path, True)
    assert not Path(done.model.path).exists()
    assert workshop.calibration.offer(kept, workshop.hardware) is None
    again = workshop.calibration.prepare(model.id, tell_nobody)
    assert again.made
    assert not again.model.keeps_original
    Path(model.path).unlink()
    with pytest.raises(ModelError, match="is gone"):
        workshop.calibration.keep_original(model.id)
    assert Path(again.model.path).exists()


def test_nothing_is_offered_or_done_for_a_layout_that_suits(workshop: Workshop, tmp_path: Path) -> None:
    model = workshop.shelf.import_file(tiny_model(tmp_path / "good.gguf", layout="Q4_0"), "copy")
    assert workshop.calibration.offer(model, workshop.hardware) is None
    done = workshop.calibration.prepare(model.id, tell_nobody)
    assert (done.verdict, done.gain, done.model) == ("needless", None, model)
    assert workshop.engine.probed == []


def test_a_full_disk_is_said_before_anything_begins(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = workshop.shelf.import_file(workshop.source, "copy")
    usage = shutil.disk_usage(workshop.folder)
    monkeypatch.setattr(installing.shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    workshop.shelf = Shelf(workshop.folder, quantize=pytest.fail)
    calibration = Calibration(workshop.shelf, workshop.engine, workshop.speeds, workshop.spec)
    with pytest.raises(ModelError, match=r"0\.0 GB free and the prepared copy needs"):
        calibration.prepare(model.id, tell_nobody)
    assert workshop.shelf.find(model.id) == model


def test_a_read_only_shelf_is_a_sentence(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    model = workshop.shelf.import_file(workshop.source, "copy")

    def refuse(*_args: object, **_options: object) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(ModelError, match="read-only disk"):
        workshop.calibration.prepare(model.id, tell_nobody)
    assert workshop.shelf.find(model.id) == model
