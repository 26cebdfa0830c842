"""Facts read from good headers."""

from __future__ import annotations

import gguf
import pytest

from desktop_slm.errors import ModelInvalid, ModelUnsupported
from desktop_slm.models import architectures
from desktop_slm.models.gguf import read_header
from desktop_slm.models.header import plain
from desktop_slm.models.layouts import FILE_TYPES, TENSOR_TYPES

WIDTH = 64


def test_llama(tiny):
    path = tiny(n_layer=3, n_ctx=2048)
    header = read_header(path)
    assert header.architecture == "llama"
    assert header.name == "Tiny llama"
    assert header.n_ctx_train == 2048
    assert header.n_layer == 3
    assert header.n_head == (4, 4, 4)
    assert header.n_kv_heads == (2, 2, 2)
    assert header.head_dim == (16, 16)
    assert header.n_vocab == 300
    assert header.n_params == 300 * WIDTH + 3 * (WIDTH * WIDTH + 2 * WIDTH * WIDTH + WIDTH)
    assert header.size_label == "56.3K"
    assert header.licence == "apache-2.0"
    assert header.languages == ("en", "de")
    assert header.chat_template == "{{ messages }}"
    assert header.attention == "full"
    assert header.tasks == ("chat", "summarize", "ask", "translate")
    assert header.size_bytes == path.stat().st_size


def test_agrees_with_the_reference_reader(tiny):
    path = tiny(quantization=gguf.GGMLQuantizationType.Q4_1, file_type=3)
    reference = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    header = read_header(path)
    assert {tensor.name for tensor in header.tensors} == set(reference)
    for tensor in header.tensors:
        other = reference[tensor.name]
        assert tensor.offset == other.data_offset
        assert tensor.size_bytes == other.n_bytes
        assert tensor.type == other.tensor_type.name
        assert list(tensor.shape) == other.shape.tolist()


def test_layout_tables_agree_with_the_reference():
    for kind, (block, size) in gguf.GGML_QUANT_SIZES.items():
        mine = TENSOR_TYPES[kind.value]
        # the package counts Q8_1 with two 32-bit floats, ggml-common.h with two 16-bit ones
        assert (mine.name, mine.block, mine.block_bytes) == (
            kind.name,
            block,
            36 if mine.name == "Q8_1" else size,
        )
    for kind in gguf.LlamaFileType:
        if kind.name != "GUESSED":
            assert FILE_TYPES[kind.value] == kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")


@pytest.mark.parametrize(
    ("kind", "file_type", "expected", "prepare_to"),
    [
        ("Q4_1", 3, "Q4_1", "Q8_0"),
        ("Q5_1", 9, "Q5_1", "Q8_0"),
        ("Q5_0", 8, "Q5_0", "Q8_0"),
        ("F16", 1, "F16", "Q8_0"),
        ("F32", 0, "F32", "Q8_0"),
        ("Q8_0", 7, "Q8_0", ""),
        ("Q4_0", 2, "Q4_0", ""),
        ("Q8_0", None, "Q8_0", ""),
        ("Q8_0", 3, "Q8_0", ""),  # the file says Q4_1 and holds none
    ],
)
def test_quantization_and_what_it_is_prepared_to(tiny, kind, file_type, expected, prepare_to):
    header = read_header(tiny(quantization=gguf.GGMLQuantizationType[kind], file_type=file_type))
    assert header.quantization == expected
    assert header.prepare_to == prepare_to


def test_sliding_window_from_a_period_and_from_a_list(tiny):
    periodic = read_header(tiny("a.gguf", "gemma3", n_layer=12, extra={"attention.sliding_window": 64}))
    assert periodic.windowed == (True, True, True, True, True, False) * 2
    assert periodic.sliding_window == 64
    assert periodic.attention == "sliding"
    listed = {"attention.sliding_window": 32, "attention.sliding_window_pattern": [True, False, True]}
    header = read_header(tiny("b.gguf", "gemma4", n_layer=3, extra=listed))
    assert [layer.window for layer in header.layers] == [32, 0, 32]


def test_a_window_the_engine_ignores_is_ignored(tiny):
    header = read_header(tiny(architecture="phi3", extra={"attention.sliding_window": 64}))
    assert header.attention == "full"
    assert header.sliding_window == 0


def test_hybrid_by_heads_and_by_interval(tiny):
    state = {"ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.group_count": 2}
    by_heads = read_header(tiny("a.gguf", "granitehybrid", n_layer=3, kv_heads=[0, 0, 2], extra=state))
    assert by_heads.recurrent == (True, True, False)
    assert by_heads.attention == "hybrid"
    assert [layer.kv_values for layer in by_heads.layers] == [0, 0, 2 * 32]
    assert by_heads.layers[0].state_values == 3 * (128 + 2 * 2 * 16) + 128 * 16
    by_interval = read_header(tiny("b.gguf", "qwen35", n_layer=8, extra=state))
    assert by_interval.recurrent == (True, True, True, False) * 2


def test_embedding_and_reranking_models(tiny):
    assert read_header(tiny("a.gguf", "bert")).tasks == ("embed",)
    assert read_header(tiny("b.gguf", "qwen3", extra={"pooling_type": 3})).tasks == ("embed",)
    assert read_header(tiny("c.gguf", "bert", extra={"pooling_type": 4})).tasks == ("rerank",)


def test_sampling_of_the_file(tiny):
    path = tiny(general={})
    assert read_header(path).sampling == {}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_float32("general.sampling.temp", 0.5)
    writer.add_int32("general.sampling.top_k", 20)
    import numpy as np

    writer.add_tensor("x", np.zeros(4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert read_header(path).sampling == {"temp": 0.5, "top_k": 20.0}


@pytest.mark.parametrize(
    ("architecture", "general", "words"),
    [
        ("clip", {}, "vision part"),
        ("llama", {"general.type": "adapter"}, "adapter"),
        ("llama", {"general.type": "mmproj"}, "vision part"),
        ("dream", {}, "diffusion"),
        ("t5", {}, "encoder-decoder"),
        ("unheard-of", {}, "does not know"),
    ],
)
def test_what_is_no_language_model_is_named(tiny, architecture, general, words):
    with pytest.raises(ModelUnsupported, match=words):
        read_header(tiny(architecture=architecture, general=general))


def test_vocabulary_alone(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "vocab.gguf", "llama")
    writer.add_token_list(["a", "b"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ModelUnsupported, match="only the vocabulary"):
        read_header(tmp_path / "vocab.gguf")


def test_names_are_fit_for_a_label(tiny):
    header = read_header(tiny(general={"general.size_label": "\u202eevil\x00\x1b[31m\nname" + "x" * 500}))
    assert header.size_label.startswith("evil[31m name")
    assert len(header.size_label) == 200
    assert plain(" a \t b\u200b ") == "a b"


def test_a_split_model_is_one(tmp_path, split):
    split(tmp_path)
    first = tmp_path / "big-00001-of-00002.gguf"
    header = read_header(first)
    assert [part.name for part in header.parts] == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]
    assert {tensor.part for tensor in header.tensors} == {0, 1}
    assert header.size_bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
    with pytest.raises(ModelInvalid, match="part 2 of 2"):
        read_header(tmp_path / "big-00002-of-00002.gguf")
    (tmp_path / "big-00002-of-00002.gguf").unlink()
    with pytest.raises(ModelInvalid, match="is missing"):
        read_header(first)
    first.rename(tmp_path / "alone.gguf")
    with pytest.raises(ModelInvalid, match="part 1 of 2"):
        read_header(tmp_path / "alone.gguf")


def test_a_large_vocabulary_is_passed(tiny):
    path = tiny(n_vocab=200_000)
    header = read_header(path)
    assert header.n_vocab == 200_000


def test_the_engine_knows_every_architecture_named_here():
    from importlib.metadata import files

    libraries = [
        file.locate()
        for file in files("llama-cpp-python") or []
        if "libllama." in file.name or file.name == "llama.dll"
    ]
    binary = b"".join(library.read_bytes() for library in libraries)
    assert binary
    named = architectures.GENERATION | architectures.EMBEDDING | architectures.NOT_TEXT.keys()
    # names of up to 8 letters may be built from immediate operands instead of lying in the data
    missing = {name for name in named if len(name) > 8 and b"\0" + name.encode() + b"\0" not in binary}
    assert not missing
