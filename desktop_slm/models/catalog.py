"""The models we would recommend to a friend, and what their licences mean in plain words.

Both lists are files of this application (``resources/catalog.json``, ``resources/licences/licences.json``):
nothing is looked up on the network.
"""

from __future__ import annotations

import functools
from typing import Annotated, Literal

import msgspec

from desktop_slm.paths import resource

Task = Literal["chat", "summarize", "ask", "translate", "code", "classify", "embed", "rerank"]
Attention = Literal["full", "sliding", "hybrid"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Positive = Annotated[int, msgspec.Meta(gt=0)]


class Licence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A licence in plain words.

    Attributes:
        id: As model files state it, such as ``apache-2.0``.
        name: For people.
        url: Of its text.
        meaning: What one may do, in a sentence or two.
        open: Use for any purpose, without conditions on who or what for.
    """

    id: Name
    name: Name
    url: str = ""
    meaning: Name
    open: bool = False


class CatalogFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file to download. ``sha256`` is None and ``bytes_exact`` false where only the hub knows."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]+\.gguf$")]
    bytes: Positive
    bytes_exact: bool = True
    sha256: Sha256 | None = None


class CatalogSampling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The maker's recommendation; None where there is none."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, msgspec.Meta(ge=1, le=2)] | None = None


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model of the catalogue.

    Attributes:
        id: Also its id on the shelf once it is installed.
        best_at: What it is for, in a few words.
        tasks: The first is the main one.
        languages: ISO 639-1 codes it is good at; ``languages_note`` says how many more.
        licence: With its plain meaning.
        repo, revision: On the hub; None takes the newest revision and pins that.
        architecture: As llama.cpp calls it.
        engine_min: Oldest version of llama-cpp-python that runs it.
        n_ctx_default: Context in tokens to start with.
        n_ctx_max: Context in tokens it was trained for.
        prefixes: Texts to put before the input, by kind: ``query``, ``passage``.
        attention: What the KV cache looks like.
        ram_gb: Memory of the smallest computer it is recommended for.
        note: One sentence.
    """

    id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9.-]*$")]
    name: Name
    best_at: Name
    tasks: Annotated[tuple[Task, ...], msgspec.Meta(min_length=1)]
    languages: tuple[Annotated[str, msgspec.Meta(pattern="^[a-z]{2,3}$")], ...] = ()
    languages_note: str = ""
    licence: Licence
    repo: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    revision: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}$")] | None = None
    files: Annotated[tuple[CatalogFile, ...], msgspec.Meta(min_length=1)]
    architecture: Name
    engine_min: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+)+$")]
    n_ctx_default: Positive
    n_ctx_max: Positive
    sampling: CatalogSampling = CatalogSampling()
    prefixes: dict[str, str] = {}
    attention: Attention
    ram_gb: Positive
    note: str = ""

    @property
    def bytes(self) -> int:
        """Size of the download."""
        return sum(file.bytes for file in self.files)


@functools.cache
def load() -> tuple[CatalogEntry, ...]:
    """Return the catalogue in its order: by task, small computers first."""
    licences = {licence.id: msgspec.to_builtins(licence) for licence in load_licences()}
    entries = msgspec.json.decode(resource("catalog.json").read_bytes())["models"]
    for entry in entries:
        entry["licence"] = licences[entry["licence"]]
    return msgspec.convert(entries, tuple[CatalogEntry, ...])


@functools.cache
def load_licences() -> tuple[Licence, ...]:
    """Return every licence there are plain words for."""
    data = resource("licences/licences.json").read_bytes()
    return msgspec.json.decode(data, type=tuple[Licence, ...])


def licence(licence_id: str) -> Licence:
    """Return what a licence id of a model file means; unknown ones say so."""
    wanted = licence_id.strip().casefold()
    for known in load_licences():
        if known.id == wanted:
            return known
    if not wanted:
        return Licence(
            id="-", name="No licence stated", meaning="The file does not say. Look at the page it came from."
        )
    meaning = "We have no plain words for this licence. Read it before you use the model at work."
    return Licence(id=licence_id[:100], name=licence_id[:100], meaning=meaning)


def find(entry_id: str) -> CatalogEntry | None:
    """Return the entry of that id."""
    return next((entry for entry in load() if entry.id == entry_id), None)


def by_sha256(sha256: str) -> CatalogEntry | None:
    """Return the entry whose only file has this hash."""
    for entry in load():
        if len(entry.files) == 1 and entry.files[0].sha256 == sha256:
            return entry
    return None
