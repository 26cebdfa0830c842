"""Models that come and go: files replaced under a loaded model, two callers with two models, stops."""

import threading

import pytest
from engine_asking import answer, ask
from in_process import _LOG, load
from tiny_models import tiny_model

from desktop_slm.engine import llama
from desktop_slm.engine.api import ModelSpec
from desktop_slm.engine.client import EngineClient
from desktop_slm.errors import InvalidRequest, ModelNotFound, ModelUnsupported

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    made = EngineClient(model_folders=[tmp_path_factory.getbasetemp()])
    yield made
    made.close()


def model(folder, name, **options):
    return ModelSpec(path=str(tiny_model(folder / f"{name}.gguf", **options)), n_ctx=512)


def test_a_model_that_is_replaced_is_read_anew(engine, tmp_path):
    spec = model(tmp_path, "m")
    before = answer(engine.generate(ask(spec, "Hello")))[0]
    assert answer(engine.generate(ask(spec, "Hello")))[0] == before
    tiny_model(tmp_path / "new.gguf", seed=9).replace(spec.path)
    after = answer(engine.generate(ask(spec, "Hello")))[0]
    assert after != before
    assert answer(engine.generate(ask(spec, "Hello")))[0] == after


def test_a_model_that_is_removed_is_said_to_be_gone_and_comes_back(engine, tmp_path):
    spec = model(tmp_path, "m")
    engine.load(spec)
    pid = engine.worker_pid()
    aside = tmp_path / "aside"
    (tmp_path / "m.gguf").rename(aside)
    with pytest.raises(ModelNotFound):
        answer(engine.generate(ask(spec, "Hello")))
    aside.rename(spec.path)
    assert answer(engine.generate(ask(spec, "Hello")))[1]
    assert engine.worker_pid() == pid


@pytest.mark.parametrize("architecture", ["bert", "bert-rank"])
def test_a_model_that_cannot_write_is_refused_and_the_worker_stays(engine, tmp_path, architecture):
    encoder = ModelSpec(path=str(tiny_model(tmp_path / "encoder.gguf", architecture)))
    engine.load(model(tmp_path, "m"))
    pid = engine.worker_pid()
    with pytest.raises(ModelUnsupported, match="cannot write"):
        answer(engine.generate(ask(encoder, "Hello")))
    assert engine.worker_pid() == pid


def test_asking_what_is_kept_of_another_model_ends_no_worker(tmp_path):
    here, elsewhere = model(tmp_path / "here", "m"), model(tmp_path / "elsewhere", "m")
    engine = EngineClient()
    engine.load(here)
    pid = engine.worker_pid()
    assert engine.kept_tokens(elsewhere, "c") == 0
    assert engine.save_state(elsewhere, "c") is None
    assert (engine.worker_pid(), engine.loaded().path) == (pid, here.path)
    engine.close()


def test_a_model_is_not_written_over_itself(engine, tmp_path):
    path = tiny_model(tmp_path / "m.gguf")
    before = path.read_bytes()
    with pytest.raises(InvalidRequest, match="over itself"):
        engine.quantize(str(path), str(tmp_path / "." / "m.gguf"), "Q8_0")
    assert path.read_bytes() == before


def test_two_callers_with_two_models_each_get_their_own(engine, tmp_path):
    specs = [model(tmp_path, "a", n_layer=2), model(tmp_path, "b", n_layer=3, seed=4)]
    alone = [answer(engine.generate(ask(spec, "Hello")))[0] for spec in specs]
    wrong = []

    def work(index):
        for _ in range(8):
            if engine.load(specs[index]).path != specs[index].path:
                wrong.append("another model was loaded")
            if answer(engine.generate(ask(specs[index], "Hello")))[0] != alone[index]:
                wrong.append("another model answered")

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_weights_of_the_chat_model_are_shared_and_not_freed_with_the_vectors(engine, tmp_path):
    chat, other = model(tmp_path, "a"), model(tmp_path, "b", seed=4)
    engine.load(chat)
    vector = engine.embed(ModelSpec(path=chat.path), ["a cat"])[0]
    engine.load(other)  # frees the model that both used
    assert engine.embed(ModelSpec(path=chat.path), ["a cat"])[0] == pytest.approx(vector, abs=1e-3)
    assert answer(engine.generate(ask(other, "Hello")))[1]
    engine.load(chat)
    assert engine.embed(ModelSpec(path=chat.path), ["a cat"])[0] == pytest.approx(vector, abs=1e-3)
    assert engine.loaded().path == chat.path


def test_a_stop_ends_the_loading_of_weights(tmp_path):
    path = model(tmp_path, "m", n_layer=8).path
    load(path).close()
    asked = []
    with pytest.raises(InterruptedError):
        llama.Model(path, 0, _LOG, lambda: len(asked) < 3 and not asked.append(1))
    assert len(asked) == 3
