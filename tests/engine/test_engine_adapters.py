"""LoRA adapters per request: what they change, what they must not touch, and files that are refused."""

import struct
import threading

import gguf
import numpy as np
import pytest
from engine_asking import answer, ask
from tiny_models import tiny_adapter, tiny_model

from desktop_slm.engine import adapters
from desktop_slm.engine.api import Adapter, ModelSpec, Text
from desktop_slm.engine.client import EngineClient
from desktop_slm.errors import InvalidRequest, ModelInvalid, ModelNotFound, ModelUnsupported

pytestmark = pytest.mark.model

LONG = "the same beginning of a rather long text " * 8


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapted")
    return {
        "model": tiny_model(folder / "models" / "m.gguf", seed=3),
        "one": tiny_adapter(folder / "one.gguf", seed=4, strength=3),
        "two": tiny_adapter(folder / "two.gguf", seed=5, strength=3, rank=8),
        "nothing": tiny_adapter(folder / "nothing.gguf", strength=0),
    }


@pytest.fixture(scope="module")
def spec(files):
    return ModelSpec(path=str(files["model"]), n_ctx=2048)


@pytest.fixture(scope="module")
def engine(files):
    made = EngineClient(model_folders=[files["model"].parent])
    yield made
    made.close()


def adapted(files, *names, scale=1.0):
    return {"adapters": tuple(Adapter(str(files[name]), scale) for name in names)}


def text(engine, request):
    return answer(engine.generate(request))[0]


def test_an_adapter_changes_the_answers_of_its_request_alone(engine, spec, files):
    plain = text(engine, ask(spec, "Hello"))
    one = text(engine, ask(spec, "Hello", **adapted(files, "one")))
    two = text(engine, ask(spec, "Hello", **adapted(files, "two")))
    both = text(engine, ask(spec, "Hello", **adapted(files, "one", "two")))
    assert len({plain, one, two, both}) == 4
    assert text(engine, ask(spec, "Hello")) == plain
    assert text(engine, ask(spec, "Hello", **adapted(files, "two", "one"))) == both
    assert text(engine, ask(spec, "Hello", **adapted(files, "one"))) == one


def test_one_that_adds_nothing_changes_nothing(engine, spec, files):
    plain = text(engine, ask(spec, "Hello"))
    assert text(engine, ask(spec, "Hello", **adapted(files, "nothing"))) == plain
    assert text(engine, ask(spec, "Hello", **adapted(files, "one", scale=0.0))) == plain


def test_what_was_read_with_an_adapter_is_not_gone_on_with_by_others(engine, spec, files):
    words = "a beginning that no other test has read " * 8

    def usage(**options):
        return answer(engine.generate(ask(spec, words, max_tokens=2, **options)))[1].usage

    usage()
    assert usage().reused_tokens > 100
    for options in (adapted(files, "one"), adapted(files, "one", scale=0.5), adapted(files, "two")):
        assert usage(**options).reused_tokens < 20  # the template's first words, from other tests
        assert usage(**options).reused_tokens > 100


def test_jobs_with_different_adapters_side_by_side(engine, spec, files):
    sets = [{}, adapted(files, "one"), adapted(files, "two"), adapted(files, "one", "two")]
    requests = [
        ask(spec, f"Tell me of {thing}", priority=priority, max_tokens=30, **options)
        for thing in ("cats", "law")
        for priority, options in zip(["interactive", "background"] * 2, sets, strict=True)
    ]
    alone = [text(engine, request) for request in requests]
    together = [""] * len(requests)
    for index, event in engine.generate_many(requests):
        if isinstance(event, Text):
            together[index] += event.text
    # Batches of other shapes round differently, which random weights turn into another word sooner or later
    assert [words[:10] for words in together] == [words[:10] for words in alone]


def test_a_watched_answer_and_a_document_with_an_adapter_both_end(engine, spec, files):
    background = [
        ask(spec, f"{LONG} {number}", priority="background", max_tokens=20, **adapted(files, "one"))
        for number in range(6)
    ]
    ends = []
    thread = threading.Thread(target=lambda: ends.extend(engine.generate_many(background)))
    thread.start()
    chat, end = answer(engine.generate(ask(spec, "Hello", max_tokens=60)))
    thread.join()
    assert end.reason in ("stop", "length", "repetition")
    assert chat[:10] == text(engine, ask(spec, "Hello", max_tokens=60))[:10]
    assert len([event for _, event in ends if not isinstance(event, Text) and hasattr(event, "reason")]) == 6


def changed(path, source, change):
    """Write ``source`` anew as ``path``, its tensors and texts changed."""
    reader = gguf.GGUFReader(source)
    texts = {
        key: bytes(reader.fields[key].parts[-1]).decode()
        for key in ("general.type", "adapter.type", "general.architecture")
    }
    tensors = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
    change(texts, tensors)
    writer = gguf.GGUFWriter(path, texts.pop("general.architecture"))
    for key, value in texts.items():
        writer.add_string(key, value)
    writer.add_float32("adapter.lora.alpha", 8.0)
    for name, data in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


Q = "blk.0.attn_q.weight"


def _rank(texts, tensors):
    tensors[f"{Q}.lora_b"] = tensors[f"{Q}.lora_b"][:, :2]


def _half(texts, tensors):
    del tensors[f"{Q}.lora_b"]


def _table(texts, tensors):
    tensors["token_embd.weight.lora_a"] = np.zeros((286, 4), dtype=np.float32)
    tensors["token_embd.weight.lora_b"] = np.zeros((64, 4), dtype=np.float32)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (_rank, ModelInvalid, "ranks 4 and 2"),
        (_half, ModelInvalid, "half of a matrix"),
        (_table, ModelUnsupported, "changes the words"),
        (lambda texts, tensors: tensors.clear(), ModelInvalid, "empty"),
        (lambda texts, tensors: texts.update({"general.type": "model"}), ModelInvalid, "not an adapter"),
        (lambda texts, tensors: texts.update({"adapter.type": "ia3"}), ModelUnsupported, "'ia3'"),
        (
            lambda texts, tensors: texts.update({"general.architecture": "qwen3"}),
            ModelUnsupported,
            "made for another model .of the qwen3 family; this one is llama",
        ),
        (
            lambda texts, tensors: tensors.update({f"blk.9.{k}": v for k, v in [*tensors.items()]}),
            ModelUnsupported,
            "made for another model .blk.9",
        ),
    ],
)
def test_misfits_are_refused_and_the_worker_stays(engine, spec, files, tmp_path, change, error, words):
    engine.load(spec)
    bad = changed(tmp_path / "bad.gguf", files["one"], change)
    refused(engine, spec, bad, error, words)


def refused(engine, spec, path, error, words):
    with pytest.raises(error, match=words):
        text(engine, ask(spec, "Hello", adapters=(Adapter(str(path)),)))
    pid = engine.worker_pid()
    assert text(engine, ask(spec, "Hello"))
    assert pid in (0, engine.worker_pid())  # 0: the file was refused before a worker was started


def test_an_adapter_of_another_size(engine, spec, tmp_path):
    other = tiny_adapter(tmp_path / "other.gguf", n_embd=128)
    refused(engine, spec, other, ModelUnsupported, "another model of another size")


def test_damaged_files(engine, spec, files, tmp_path):
    data = files["one"].read_bytes()
    bad = tmp_path / "bad.gguf"
    for size in (0, 10, 200, len(data) // 2, len(data) - 40):
        bad.write_bytes(data[:size])
        refused(engine, spec, bad, ModelInvalid, "adapter")
    bad.write_bytes(data[:8] + struct.pack("<Q", 1 << 40) + data[16:])
    refused(engine, spec, bad, ModelInvalid, "adapter")
    bad.write_bytes(b"hello" * 100)
    refused(engine, spec, bad, ModelInvalid, "not a GGUF adapter")
    refused(engine, spec, files["model"], ModelInvalid, "not an adapter")
    refused(engine, spec, tmp_path / "gone.gguf", ModelNotFound, "adapter")


def test_scales_that_are_no_numbers_and_one_named_twice(engine, spec, files):
    with pytest.raises(InvalidRequest, match="scale"):
        text(engine, ask(spec, "Hello", **adapted(files, "one", scale=float("nan"))))
    with pytest.raises(InvalidRequest, match="twice"):
        text(engine, ask(spec, "Hello", **adapted(files, "one", "one")))


def test_a_replaced_adapter_is_read_anew(engine, spec, files, tmp_path):
    path = tmp_path / "mine.gguf"
    path.write_bytes(files["one"].read_bytes())
    request = ask(spec, "Hello", adapters=(Adapter(str(path)),))
    before = text(engine, request)
    fresh = tmp_path / "fresh.gguf"
    fresh.write_bytes(files["two"].read_bytes())
    fresh.replace(path)
    assert text(engine, request) != before
    assert text(engine, request) == text(engine, ask(spec, "Hello", **adapted(files, "two")))


def test_another_adapter_may_be_loaded_while_the_files_are_looked_at(monkeypatch):
    held = adapters.LoraAdapters(None)
    held._stamps["one"] = (1,)

    def slow_stamp(path):  # the thread that counts tokens looks; the one that answers loads
        held._stamps["two"] = (2,)
        return ()

    monkeypatch.setattr(adapters, "stamp", slow_stamp)
    assert not held.changed()
