"""What the worker decides without a model: spans, grammars, defaults, cores."""

import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_slm.engine import hardware, llama
from desktop_slm.engine.spans import span_ends
from desktop_slm.errors import LoadFailed, ModelInvalid, ModelUnsupported

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(texts, st.lists(st.integers(0, 200)), st.booleans())
def test_spans_cover_the_text_however_tokens_cut_it(text, cuts, blank_in_front):
    data = b" " * blank_in_front + text.encode()
    borders = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(borders)]
    ends = span_ends(text, pieces)
    assert len(ends) == len(pieces)
    assert ends == sorted(ends)
    assert ends[-1] == len(text)
    whole = {len(text[:n].encode()): n for n in range(len(text) + 1)}
    for border, end in zip(borders[1:], ends, strict=True):
        at = max(0, border - blank_in_front)
        if at in whole:
            assert end == whole[at]


@given(texts.filter(bool), st.lists(st.binary(max_size=5), min_size=1, max_size=20))
def test_spans_of_a_tokenizer_that_changes_the_text_still_cover_it(text, pieces):
    ends = span_ends(text, pieces)
    assert ends == sorted(ends)
    assert ends[-1] == len(text)
    assert all(0 <= end <= len(text) for end in ends)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("unknown model architecture: 'zzz'", ModelUnsupported),
        ("tensor 'x' data is not within the file bounds, model is corrupted or incomplete", ModelInvalid),
        ("missing tensor 'output.weight'", ModelInvalid),
        ("unable to allocate CPU buffer", LoadFailed),
        ("", LoadFailed),
    ],
)
def test_reasons_of_llama_cpp_become_errors(reason, error):
    assert type(llama._load_error(reason)) is error


def test_log_lines_lose_their_paths():
    line = "llama_model_load: error loading model: failed to open '/home/ada/models/x.gguf'"
    assert "ada" not in llama._without_paths(line)
    assert "ada" not in llama._without_paths(r"failed to open C:\Users\ada\x.gguf")


def test_cores_and_memory():
    assert 1 <= hardware.physical_cores() <= (os.cpu_count() or 1)
    total, free = hardware.memory()
    assert 0 < free <= total
