"""What lies beside each model on the shelf, and what the shelf tells about it."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

SIDECAR_NAME = "model.json"
SIDECAR_FORMAT = 1
MAX_SIDECAR_BYTES = 1 << 20


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it was when its hash was taken."""

    name: str
    bytes: int
    sha256: str
    mtime_ns: int

    def state(self, folder: Path) -> str:
        """Return ``same``, ``touched`` (the time differs), ``changed`` (the size differs) or ``missing``."""
        try:
            status = (folder / self.name).stat()
        except (OSError, ValueError):
            return "missing"
        if status.st_size != self.bytes:
            return "changed"
        return "same" if status.st_mtime_ns == self.mtime_ns else "touched"


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A faster copy of the model made on this computer; used instead of the original."""

    file: FileRecord
    quantization: str
    made_at: str


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """``model.json`` in the folder of a model.

    Attributes:
        format: Of this file.
        id: Unique on the shelf, made of the file's name.
        name: For people.
        files: The parts of the model, in order.
        folder: Where the files lie when they are used in place; empty when they lie beside this file.
        sha256: Of the file; of the parts' hashes, one per line, when there are several.
        source: Where it came from, in words or as an address.
        revision: Commit of the repository it was downloaded from.
        prepared: The faster copy, if there is one.
        keeps_original: Somebody decided for the original: nothing is prepared without being asked.
        n_params: Number of weights.
        installed_at, verified_at: ISO times, UTC.
    """

    format: int = SIDECAR_FORMAT
    id: str
    name: str
    files: tuple[FileRecord, ...]
    folder: str = ""
    sha256: str
    source: str = ""
    revision: str = ""
    licence: str = ""
    architecture: str = ""
    quantization: str = ""
    n_ctx_train: int = 0
    n_params: int = 0
    size_label: str = ""
    languages: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    note: str = ""
    prepared: Prepared | None = None
    keeps_original: bool = False
    installed_at: str = ""
    verified_at: str = ""

    def files_folder(self, entry: Path) -> Path:
        """Return the folder of the original files, ``entry`` being the folder of this sidecar."""
        return Path(self.folder) if self.folder else entry


class InstalledModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model on the shelf, as the window lists it and the command line prints it.

    Attributes:
        id: Names it on the command line and in settings.
        path: The file the engine loads: the prepared copy if there is one.
        bytes, sha256, quantization: Of ``path`` (all parts). The hash is empty for a file in a folder of
            another application, which was never hashed.
        tasks: What it can be used for: chat, summarize, ask, translate, embed, rerank.
        installed: Always true here; models of the catalogue that are not installed say false.
        verified_at: When its hash was last found right; empty when it has to be checked again.
        note: One sentence for people.
        prepared_from: Path of the original of a prepared model, else empty.
        keeps_original: Somebody decided against a prepared copy.
        in_place: The file lies outside the shelf and is never deleted by it.
        problem: Why it cannot be used, in a sentence; empty when it can.
    """

    id: str
    name: str
    path: str
    bytes: int
    sha256: str
    architecture: str = ""
    quantization: str = ""
    n_ctx_train: int = 0
    n_params: int = 0
    size_label: str = ""
    languages: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    revision: str = ""
    installed: bool = True
    verified_at: str = ""
    note: str = ""
    prepared_from: str = ""
    keeps_original: bool = False
    in_place: bool = False
    problem: str = ""


def identity(model: InstalledModel) -> str:
    """Return the hash of a model's file; of one that was never hashed, that of its place, size and time.

    Empty when it is gone.
    """
    if model.sha256:
        return model.sha256
    try:
        status = Path(model.path).stat()
    except OSError:
        return ""
    return hashlib.sha256(f"{model.path}|{status.st_size}|{status.st_mtime_ns}".encode()).hexdigest()


def describe(entry: Path) -> InstalledModel:
    """Return what lies in the folder ``entry``, by its sidecar and a look at sizes and times alone."""
    sidecar = read_sidecar(entry)
    if sidecar is None:
        return _without_sidecar(entry)
    folder = sidecar.files_folder(entry)
    states = [record.state(folder) for record in sidecar.files]
    problem = _problem(sidecar, states)
    first = folder / sidecar.files[0].name
    model = InstalledModel(
        id=sidecar.id,
        name=sidecar.name,
        path=str(first),
        bytes=sum(record.bytes for record in sidecar.files),
        sha256=sidecar.sha256,
        architecture=sidecar.architecture,
        quantization=sidecar.quantization,
        n_ctx_train=sidecar.n_ctx_train,
        n_params=sidecar.n_params,
        size_label=sidecar.size_label,
        languages=sidecar.languages,
        tasks=sidecar.tasks,
        licence=sidecar.licence,
        source=sidecar.source,
        revision=sidecar.revision,
        verified_at="" if problem or "touched" in states else sidecar.verified_at,
        note=sidecar.note,
        keeps_original=sidecar.keeps_original,
        in_place=bool(sidecar.folder),
        problem=problem,
    )
    return _with_prepared(model, sidecar, entry)


def _with_prepared(model: InstalledModel, sidecar: Sidecar, entry: Path) -> InstalledModel:
    """Let the model be its prepared copy, if that is still what was made."""
    prepared = sidecar.prepared
    state = prepared.file.state(entry) if prepared else "missing"
    if prepared is None or state in {"missing", "changed"}:
        return model
    return msgspec.structs.replace(
        model,
        path=str(entry / prepared.file.name),
        bytes=prepared.file.bytes,
        sha256=prepared.file.sha256,
        quantization=prepared.quantization,
        verified_at="" if state == "touched" else sidecar.verified_at,
        prepared_from=model.path,
        problem="",
    )


def _without_sidecar(entry: Path) -> InstalledModel:
    files = sorted(entry.glob("*.gguf"))
    return InstalledModel(
        id=entry.name,
        name=files[0].stem if files else entry.name,
        path=str(files[0] if files else entry),
        bytes=0,
        sha256="",
        problem="Its record is damaged. Remove it and import the file again.",
    )


def _problem(sidecar: Sidecar, states: list[str]) -> str:
    for record, state in zip(sidecar.files, states, strict=True):
        if state == "missing":
            where = "the folder it was used in" if sidecar.folder else "the models folder"
            return f"The file {record.name} is gone from {where}. Put it back or remove the model."
        if state == "changed":
            return f"The file {record.name} has changed its size. Remove the model and import it again."
    return ""


def now() -> str:
    """Return the time as ISO text, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_sidecar(entry: Path) -> Sidecar | None:
    """Return the sidecar of the folder ``entry``, None when it is missing or damaged."""
    try:
        with (entry / SIDECAR_NAME).open("rb") as file:
            data = file.read(MAX_SIDECAR_BYTES + 1)
        sidecar = msgspec.json.decode(data, type=Sidecar)
    except (OSError, ValueError):
        return None
    return sidecar if len(data) <= MAX_SIDECAR_BYTES and _sound(sidecar) else None


def _sound(sidecar: Sidecar) -> bool:
    names = [record.name for record in sidecar.files]
    if sidecar.prepared:
        names.append(sidecar.prepared.file.name)
    return bool(sidecar.files and sidecar.id) and all(_plain_name(name) for name in names)


def _plain_name(name: str) -> bool:
    """Tell whether ``name`` stays inside its folder."""
    return (
        bool(name)
        and name not in {".", ".."}
        and not set(name) & {"/", "\\", "\0"}
        and Path(name).name == name
    )


def write_sidecar(entry: Path, sidecar: Sidecar) -> None:
    """Write the sidecar atomically.

    Raises:
        OSError: The folder cannot be written.
    """
    temporary = entry / f".{SIDECAR_NAME}.{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(sidecar), indent=2))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(entry / SIDECAR_NAME)
    finally:
        temporary.unlink(missing_ok=True)
