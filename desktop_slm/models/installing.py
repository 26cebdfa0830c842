"""The steps that put a model on the shelf: bring the files, commit the folder, prepare a faster copy."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal

import msgspec

from desktop_slm.errors import ModelError, ModelInvalid
from desktop_slm.models import catalog, starter
from desktop_slm.models.files import (
    LOCK_NAME,
    STAGING_PREFIX,
    Meter,
    Progress,
    copy_file,
    hard_link,
    hash_file,
    locked,
    staging,
)
from desktop_slm.models.gguf import Header, read_header
from desktop_slm.models.records import (
    FileRecord,
    Prepared,
    Sidecar,
    describe,
    now,
    read_sidecar,
    write_sidecar,
)

How = Literal["copy", "link", "use"]
Quantize = Callable[[str, str, str, Callable[[], None]], None]
"""Called with (source path, target path, file type, tick); writes the source anew in that layout.

It calls ``tick`` now and then; what that raises stops it.
"""

SPARE_BYTES = 100_000_000
_PREFIX_LENGTH = 16
_MAX_NAME = 120
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_PART = re.compile(r"-[0-9]{5}-of-[0-9]{5}$")
_LAYOUT = re.compile(r"[-._](q4_1|q5_0|q5_1|f16|bf16|f32)$", re.IGNORECASE)


def install(folder: Path, header: Header, how: How, draft: Sidecar, progress: Progress | None) -> Path:
    """Bring the files of a model into ``folder`` and return its folder.

    ``draft`` says what is known beforehand: id, name, note, source, and the hash it must have.

    Raises:
        ModelInvalid: The hash is not the one of ``draft``.
        ModelError: Not enough room.
        OSError: Anything else about disks.
        Stopped: ``progress`` returned False.
    """
    with staging(folder) as staged:
        files = _bring(folder, header, how, staged, progress)
        sha256 = _sha256(files)
        if draft.sha256 and draft.sha256 != sha256:
            raise ModelInvalid(f"{header.path.name} is not the file that was published", "Install it again.")
        sidecar = msgspec.structs.replace(
            _described(draft, header, sha256),
            files=files,
            folder=str(header.path.parent) if how == "use" else "",
            installed_at=now(),
            verified_at=now(),
        )
        entry = folder / sha256[:_PREFIX_LENGTH]
        with locked(folder / LOCK_NAME):
            _commit(folder, staged, entry, sidecar)
    return entry


def _bring(
    folder: Path, header: Header, how: How, staged: Path, progress: Progress | None
) -> tuple[FileRecord, ...]:
    """Get the files of a model into ``staged`` and hash them on the way."""
    meter = Meter(progress, header.size_bytes)
    records = []
    for part in header.parts:
        target = staged / shelf_name(part.name)
        if how == "use":
            kept, digest = part, hash_file(part, meter)
        elif how == "link" and hard_link(part, target):
            kept, digest = target, hash_file(target, meter)
        else:
            check_room(folder, part.stat().st_size)
            kept, digest = target, copy_file(part, target, meter)
        records.append(_record(kept, digest))
    return tuple(records)


def _record(path: Path, sha256: str) -> FileRecord:
    status = path.stat()
    return FileRecord(name=path.name, bytes=status.st_size, sha256=sha256, mtime_ns=status.st_mtime_ns)


def _sha256(files: tuple[FileRecord, ...]) -> str:
    if len(files) == 1:
        return files[0].sha256
    return hashlib.sha256("\n".join(record.sha256 for record in files).encode()).hexdigest()


def _described(draft: Sidecar, header: Header, sha256: str) -> Sidecar:
    """Fill in what the header says, and the catalogue where it knows the file."""
    known = catalog.by_sha256(sha256)
    return msgspec.structs.replace(
        draft,
        id=draft.id or (known.id if known else ""),
        name=known.name if known and not draft.id else draft.name,
        sha256=sha256,
        licence=known.licence.id if known else header.licence,
        architecture=header.architecture,
        quantization=header.quantization,
        n_ctx_train=header.n_ctx_train,
        n_params=header.n_params,
        size_label=header.size_label,
        languages=known.languages if known else header.languages,
        tasks=header.tasks,
    )


def _commit(folder: Path, staged: Path, entry: Path, sidecar: Sidecar) -> None:
    """Put a complete folder in its place; a whole one of the same content stays. Needs the folder's lock."""
    there = read_sidecar(entry)
    if there and not describe(entry).problem:
        if sidecar.id not in {"", there.id}:
            renamed = {"id": sidecar.id, "name": sidecar.name, "note": sidecar.note}
            write_sidecar(entry, msgspec.structs.replace(there, **renamed))
        return
    wanted = sidecar.id or (there.id if there else "") or _slug(sidecar.files[0].name)
    others = [read_sidecar(other) for other in folder.iterdir() if other != entry and other.is_dir()]
    taken = {other.id for other in others if other} | ({starter.ID} - {sidecar.id})
    write_sidecar(staged, msgspec.structs.replace(sidecar, id=free_id(wanted, taken)))
    if entry.exists():
        damaged = folder / f"{STAGING_PREFIX}damaged-{os.getpid()}"
        entry.rename(damaged)
        staged.rename(entry)
        shutil.rmtree(damaged, ignore_errors=True)
    else:
        staged.rename(entry)


def prepare(
    folder: Path, entry: Path, sidecar: Sidecar, quantize: Quantize | None, progress: Progress | None = None
) -> None:
    """Write a faster copy of the model in ``entry`` beside it and make that the one in use.

    Raises:
        ModelError: There is no room, no engine, or the engine made something else.
        OSError: Anything else about disks.
        Stopped: ``progress`` returned False. Nothing was changed.
    """
    source = sidecar.files_folder(entry) / sidecar.files[0].name
    header = read_header(source)
    if not header.prepare_to:
        return
    if quantize is None:
        raise ModelError(
            f"{sidecar.name} cannot be prepared without the engine", "Try it in the application."
        )
    size_bytes = prepared_bytes(header)
    check_room(folder, size_bytes, "the prepared copy")
    with staging(folder) as staged:
        made = (
            staged
            / f"{_LAYOUT.sub('', _PART.sub('', Path(shelf_name(source.name)).stem))}-{header.prepare_to}.gguf"
        )
        quantize(str(source), str(made), header.prepare_to, _Watch(made, size_bytes, progress).tick)
        result = read_header(made)
        if (result.architecture, result.n_layer) != (header.architecture, header.n_layer):
            raise ModelError(f"Preparing {sidecar.name} gave another model", "The original stays in use.")
        digest = hash_file(made, _Watch(made, size_bytes, progress))
        made.chmod(0o600)
        target = made.replace(entry / made.name)
    prepared = Prepared(file=_record(target, digest), quantization=result.quantization, made_at=now())
    write_sidecar(entry, msgspec.structs.replace(sidecar, prepared=prepared, keeps_original=False))


def prepared_bytes(header: Header) -> int:
    """Estimate the size of a prepared copy: Q8_0 stores 32 values in 34 bytes."""
    return header.n_params * 34 // 32 + max(0, header.size_bytes - header.weights_bytes)


class _Watch(Meter):
    """Tells how far a file has grown while another process writes it."""

    def __init__(self, path: Path, expected_bytes: int, progress: Progress | None) -> None:
        super().__init__(progress, expected_bytes)
        self._path = path
        self._expected_bytes = expected_bytes
        self._told_bytes = 0

    def tick(self) -> None:
        """Look at the file.

        Raises:
            Stopped: The callback returned False.
        """
        size_bytes = self._path.stat().st_size if self._path.exists() else 0
        grown = min(size_bytes, self._expected_bytes) - self._told_bytes
        self._told_bytes += grown
        super().add(grown)

    def add(self, n_bytes: int) -> None:
        """Take a report of the hashing, which comes last and is quick: all is written by then."""
        self.tick()


def drop_prepared(entry: Path, sidecar: Sidecar, *, keeps_original: bool) -> None:
    """Use the original again, and delete the prepared copy; ``keeps_original`` goes into the sidecar.

    Raises:
        ModelError: The original is gone.
        OSError: Anything else about disks.
    """
    folder = sidecar.files_folder(entry)
    if any(record.state(folder) in {"missing", "changed"} for record in sidecar.files):
        raise ModelError(f"The original of {sidecar.name} is gone", "The prepared copy stays in use.")
    write_sidecar(entry, msgspec.structs.replace(sidecar, prepared=None, keeps_original=keeps_original))
    if sidecar.prepared:
        (entry / sidecar.prepared.file.name).unlink(missing_ok=True)


def rehash(entry: Path, sidecar: Sidecar, progress: Progress | None) -> Sidecar:
    """Hash the files of a model again and return its sidecar with fresh times.

    An original that is gone is passed over when there is a prepared copy to use.

    Raises:
        ModelInvalid: A file is not what it was.
        OSError: It cannot be read.
        Stopped: ``progress`` returned False.
    """
    folder, prepared = sidecar.files_folder(entry), sidecar.prepared
    gone = {record.name for record in sidecar.files if prepared and record.state(folder) == "missing"}
    present = [record for record in sidecar.files if record.name not in gone]
    meter = Meter(
        progress, sum(record.bytes for record in present) + (prepared.file.bytes if prepared else 0)
    )
    files = tuple(
        record if record.name in gone else _hashed_again(folder, record, sidecar.name, meter)
        for record in sidecar.files
    )
    if prepared:
        fresh = _hashed_again(entry, prepared.file, sidecar.name, meter)
        prepared = msgspec.structs.replace(prepared, file=fresh)
    return msgspec.structs.replace(sidecar, files=files, prepared=prepared, verified_at=now())


def _hashed_again(folder: Path, record: FileRecord, name: str, meter: Meter) -> FileRecord:
    path = folder / record.name
    fresh = _record(path, hash_file(path, meter))
    if fresh.sha256 != record.sha256:
        raise ModelInvalid(
            f"{name} has been changed or damaged since it was installed",
            "Remove it, then download or import it again.",
        )
    return fresh


def check_room(folder: Path, n_bytes: int, what: str = "the model") -> None:
    """Raise `ModelError` unless ``n_bytes`` and some spare fit on the disk of ``folder``."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes + SPARE_BYTES:
        needed = n_bytes + SPARE_BYTES
        raise ModelError(
            f"The disk has {free / 1e9:.1f} GB free and {what} needs {needed / 1e9:.1f} GB",
            "Free some space, then try again; nothing was changed.",
        )


def shelf_name(name: str) -> str:
    """Return a file name of our own pattern: ASCII letters, digits, ``.-_``, no device, ending in .gguf."""
    stem = re.sub(r"\.gguf$", "", name, flags=re.IGNORECASE)
    ascii_stem = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_stem).strip("-.")
    part = _PART.search(stem)
    ending = part.group() if part else ""
    stem = stem.removesuffix(ending)[:_MAX_NAME].rstrip("-.")
    if not stem or _RESERVED.fullmatch(stem):
        stem = f"model-{stem}".rstrip("-")
    return f"{stem}{ending}.gguf"


def _slug(file_name: str) -> str:
    stem = _PART.sub("", Path(file_name).stem)
    return re.sub(r"[^a-z0-9.]+", "-", stem.lower()).strip("-.") or "model"


def free_id(wanted: str, taken: Collection[str]) -> str:
    """Return ``wanted``, with a number if another model has it."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def found_id(path: Path) -> str:
    """Return the id of a file that is used where it lies."""
    return _slug(shelf_name(path.name))
