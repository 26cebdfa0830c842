"""The catalogue keeps its schema and tells the truth about what it can."""

from __future__ import annotations

import msgspec
import pytest

from desktop_slm.models import architectures, catalog
from desktop_slm.paths import resource


def test_every_entry_is_sound():
    entries = catalog.load()
    assert len(entries) >= 12
    assert len({entry.id for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.architecture in architectures.GENERATION | architectures.EMBEDDING
        assert entry.n_ctx_default <= entry.n_ctx_max
        assert entry.licence.meaning.endswith(".")
        assert not entry.files[0].sha256 or entry.files[0].bytes_exact
        assert (entry.attention == "sliding") == (entry.architecture in architectures.SLIDING)
        assert (entry.attention == "hybrid") == (entry.architecture in architectures.INTERVAL)


def test_every_task_has_a_model_for_a_small_computer():
    for task in ("chat", "summarize", "ask", "translate", "embed", "rerank", "code"):
        assert any(task in entry.tasks and entry.ram_gb <= 8 for entry in catalog.load()), task


def test_every_recommended_licence_is_open():
    assert {entry.licence.open for entry in catalog.load()} == {True}


def test_look_up():
    known = next(entry for entry in catalog.load() if entry.files[0].sha256)
    assert catalog.by_sha256(known.files[0].sha256) == known
    assert catalog.find(known.id) == known
    assert catalog.by_sha256("0" * 64) is None
    assert catalog.find("none") is None


def test_licence_traps_are_worded():
    assert "10 million dollars" in catalog.licence("lfm1.0").meaning
    assert not catalog.licence("Gemma").open
    assert "forbidden uses" in catalog.licence("llama3.2").meaning
    assert "does not say" in catalog.licence("").meaning
    assert catalog.licence("odd-licence").name == "odd-licence"


@pytest.mark.parametrize(
    ("field", "value"),
    [("id", "Has Spaces"), ("repo", "no-owner"), ("files", []), ("tasks", []), ("n_ctx_max", 0), ("typo", 1)],
)
def test_the_schema_refuses(field, value):
    entry = msgspec.json.decode(resource("catalog.json").read_bytes())["models"][0]
    entry["licence"] = msgspec.to_builtins(catalog.licence(entry["licence"]))
    msgspec.convert(entry, catalog.CatalogEntry)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**entry, field: value}, catalog.CatalogEntry)
