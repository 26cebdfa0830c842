"""A worker that dies on the GPU: the next one leaves the GPU alone for that model, and says so.

The child is scripted: no GPU, no process.
"""

import pytest
from engine_asking import answer, ask
from tiny_models import tiny_model

from desktop_slm.engine import client as client_module
from desktop_slm.engine import life as life_module
from desktop_slm.engine import protocol as p
from desktop_slm.engine.api import Finished, Loaded, ModelSpec, Text, Usage
from desktop_slm.engine.client import EngineClient
from desktop_slm.errors import EngineCrashed
from desktop_slm.processes.child import Death
from desktop_slm.processes.sandbox import SandboxLevel

CRASH = Death(returncode=-6, signal=6, log="CUDA error: out of memory", reason="was ended by signal 6")


class Driver:
    """Children whose graphics driver fails as told.

    Attributes:
        fails: When a worker dies: ``start``, ``load``, ``first token``, ``later``, or never.
        has_gpu: There is one.
        opened: What each child was told first, and its environment.
    """

    def __init__(self, monkeypatch, fails, *, has_gpu=True):
        self.fails = fails
        self.has_gpu = has_gpu
        self.opened = []
        driver = self

        class Child:
            pid = 4711

            def __init__(self, entry, *, on_message, on_death, variables=None, **_):
                self.on_message, self.on_death = on_message, on_death
                self.variables = variables or {}
                self.alive = True
                self.gpu = False

            def die(self, death):
                if self.alive:
                    self.alive = False
                    self.on_death(death)

            def stop(self, grace_s=0):
                self.die(Death(returncode=0, signal=0, log="", reason="was stopped"))

            def kill(self, why):
                self.die(CRASH)

            def send(self, order):
                match order:
                    case p.Open():
                        driver.opened.append((order, self.variables))
                        self.opening = order
                        if driver.fails == "start" and not order.no_gpu:
                            self.die(CRASH)
                        else:
                            self.on_message(p.Opened(SandboxLevel(name="none")))
                    case p.Load() | p.Generate():
                        model = order.request.model if isinstance(order, p.Generate) else order.model
                        self.load(model.path)
                        if self.alive:
                            self.answer(order, model.path)

            def load(self, path):
                self.gpu = driver.has_gpu and path not in self.opening.without_gpu and not self.opening.no_gpu
                self.on_message(p.Loading(path))
                if self.gpu:
                    self.on_message(p.Trying(path))
                if driver.fails == "load" and (self.gpu or not driver.has_gpu):
                    self.die(CRASH)
                    return
                self.on_message(p.Ready(id=0, loaded=loaded(path, self.gpu)))

            def answer(self, order, path):
                if isinstance(order, p.Load):
                    self.on_message(p.Ready(id=order.id, loaded=loaded(path, self.gpu)))
                    return
                if self.gpu and driver.fails == "first token":
                    self.die(CRASH)
                    return
                self.on_message(p.Events(((order.id, Text("Hello")),)))
                if self.gpu and driver.fails == "later":
                    self.die(CRASH)
                    return
                self.on_message(p.Events(((order.id, Finished("stop", Usage())),)))

        monkeypatch.setattr(life_module, "Child", Child)


def loaded(path, gpu):
    device = "NVIDIA" if gpu else "CPU"
    return Loaded(
        path=path, n_ctx=512, n_ctx_train=512, device=device, reason="", n_gpu_layers=3 * gpu,
        weights_bytes=1, kv_bytes=1, compute_bytes=1, load_s=0.1, has_template=False,
    )  # fmt: skip


@pytest.fixture
def models(tmp_path):
    return [ModelSpec(path=str(tiny_model(tmp_path / f"{name}.gguf"))) for name in "ab"]


@pytest.fixture
def engine():
    made = EngineClient()
    yield made
    made.close()


@pytest.mark.parametrize("fails", ["load", "first token"])
def test_a_model_that_ends_the_worker_on_the_gpu_is_loaded_without_it(monkeypatch, engine, models, fails):
    driver = Driver(monkeypatch, fails)
    with pytest.raises(EngineCrashed, match="without the GPU"):
        answer(engine.generate(ask(models[0], "Hi")))
    text, end = answer(engine.generate(ask(models[0], "Hi")))
    assert (text, end.reason) == ("Hello", "stop")
    assert engine.loaded().device == "CPU"
    assert driver.opened[-1][0].without_gpu == (models[0].path,)
    assert len(driver.opened) == 2


def test_other_models_keep_the_gpu(monkeypatch, engine, models):
    driver = Driver(monkeypatch, "load")
    with pytest.raises(EngineCrashed):
        engine.load(models[0])
    driver.fails = ""
    assert engine.load(models[1]).device == "NVIDIA"
    assert engine.load(models[0]).device == "CPU"


def test_every_model_may_fail_on_the_gpu_and_none_is_refused_for_it(monkeypatch, engine, models):
    driver = Driver(monkeypatch, "load")
    for model in models:
        with pytest.raises(EngineCrashed):
            engine.load(model)
    for model in models:
        assert answer(engine.generate(ask(model, "Hi")))[0] == "Hello"
    assert driver.opened[-1][0].without_gpu == tuple(sorted(model.path for model in models))


def test_a_crash_after_the_first_token_is_not_blamed_on_the_gpu(monkeypatch, engine, models):
    driver = Driver(monkeypatch, "later")
    with pytest.raises(EngineCrashed) as caught:
        answer(engine.generate(ask(models[0], "Hi")))
    assert "GPU" not in caught.value.message
    driver.fails = ""
    assert engine.load(models[0]).device == "NVIDIA"


def test_a_crash_is_laid_on_the_model_being_loaded_and_not_on_the_one_before(monkeypatch, engine, models):
    good, bad = models
    driver = Driver(monkeypatch, "", has_gpu=False)
    for _ in range(2):
        driver.fails = ""
        engine.load(good)
        driver.fails = "load"
        with pytest.raises(EngineCrashed, match="signal 6"):
            engine.load(bad)
        assert engine.loaded() is None
    driver.fails = ""
    assert engine.load(good).path == good.path
    with pytest.raises(EngineCrashed, match="crashed 2 times"):
        engine.load(bad)


def test_stopping_the_worker_is_not_a_crash(monkeypatch, engine, models):
    driver = Driver(monkeypatch, "")
    engine.load(models[0])
    engine.unload()
    assert engine.load(models[0]).device == "NVIDIA"
    assert all(not opening.without_gpu and not opening.no_gpu for opening, _ in driver.opened)


def test_a_driver_that_kills_the_engine_at_its_start_is_left_alone(monkeypatch, engine, models):
    driver = Driver(monkeypatch, "start")
    with pytest.raises(EngineCrashed):
        engine.load(models[0])
    assert engine.load(models[0]).device == "CPU"
    opening, variables = driver.opened[-1]
    assert opening.no_gpu == client_module.DIED_AT_START
    assert variables["CUDA_VISIBLE_DEVICES"] == "-1"
    assert variables["GGML_VK_VISIBLE_DEVICES"] == ""
    assert driver.opened[0][1] == {}
