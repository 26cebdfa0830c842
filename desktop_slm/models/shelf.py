"""The installed models: one folder each, named by content, with a sidecar that says what it is.

    models/<first 16 hex digits of the SHA-256>/model.json
                                               <file>.gguf        unless the file is used in place
                                               <file>-Q8_0.gguf   the prepared copy, if there is one

A folder appears under its name only when it is complete. What cannot be used any more is still listed, with
the reason, because a person who looks for a model wants to know what became of it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from desktop_slm.errors import DesktopSlmError, ModelError, ModelInvalid, ModelNotFound, ModelUnsupported
from desktop_slm.models import installing, starter
from desktop_slm.models.files import Progress, Stopped, locked, staging, sweep
from desktop_slm.models.fit import fit
from desktop_slm.models.gguf import is_later_part, read_header
from desktop_slm.models.installing import How, Quantize
from desktop_slm.models.records import (
    InstalledModel,
    Sidecar,
    describe,
    read_sidecar,
    write_sidecar,
)
from desktop_slm.models.trouble import disk_trouble
from desktop_slm.paths import private_folder

__all__ = ["How", "InstalledModel", "Progress", "Quantize", "Shelf", "Stopped"]

_SHOWN_NAME = 100


class Shelf:
    """The models folder of one installation, and folders of other applications used as they are.

    Usable from several threads and processes at once.

    Args:
        folder: Made when the first model is installed.
        extra_folders: Folders whose .gguf files are listed and used in place.
        quantize: The engine's conversion; without it nothing can be prepared.
    """

    def __init__(
        self, folder: Path, extra_folders: Sequence[Path | str] = (), quantize: Quantize | None = None
    ) -> None:
        self._folder = folder
        self._extra_folders = tuple(Path(extra) for extra in extra_folders)
        self._quantize = quantize
        self._seen: dict[tuple[Path, int, int], InstalledModel | None] = {}

    def list(self) -> list[InstalledModel]:
        """Return every model, usable or not, by name; the starter model last."""
        models = [describe(entry) for entry in self._entries()]
        known = {model.path for model in models} | {model.prepared_from for model in models}
        for found in self._found():
            if found.path not in known:
                free = installing.free_id(found.id, {model.id for model in models} | {starter.ID})
                models.append(msgspec.structs.replace(found, id=free))
        return sorted(models, key=lambda model: (model.id == starter.ID, model.name.casefold(), model.id))

    def find(self, wanted: str | Path) -> InstalledModel:
        """Return the model that ``wanted`` means: an id, a name, the start of either, or the path of a file.

        A file whose time stamp changed since it was verified is hashed again first.

        Raises:
            ModelNotFound: Nothing of that name, or several.
            ModelInvalid: It is there and damaged.
            ModelUnsupported: The path leads to a GGUF that cannot be used.
        """
        text = str(wanted)
        path = Path(text).expanduser().absolute()
        models = self.list()
        for model in models:
            if text == model.id or str(path) == model.path:
                return self._usable(model)
        if isinstance(wanted, Path) or text.lower().endswith(".gguf") or "/" in text or os.sep in text:
            return _from_file(path)
        return self._usable(_match(text, models))

    def default(self, task: str = "chat", free_bytes: int = 0) -> InstalledModel:
        """Return the best installed model for ``task``: the largest that fits in ``free_bytes``, if given.

        The starter model comes last; when nothing fits, the smallest comes first.

        Raises:
            ModelNotFound: There is none.
        """
        able = [model for model in self.list() if task in model.tasks and not model.problem]
        fitting = [model for model in able if not free_bytes or _fits(model, free_bytes)]
        largest_first = sorted(fitting, key=lambda model: (model.id == starter.ID, -model.n_params))
        for model in largest_first or sorted(able, key=lambda model: model.n_params):
            with contextlib.suppress(ModelError):
                return self._usable(model)
        raise ModelNotFound(f"No model for the task {task!r} is installed", "Install one first.")

    def import_file(
        self, path: Path | str, how: How = "link", progress: Progress | None = None
    ) -> InstalledModel:
        """Put the model at ``path`` on the shelf; a model that is already there is returned as it is.

        Args:
            path: The .gguf file, the first part of a split model.
            how: ``link`` gives the file a second name on the same disk and copies across disks, ``copy``
                always copies, ``use`` leaves it where it is.
            progress: Called with bytes done and in total; returning False stops.

        Raises:
            ModelError: It cannot be used, or the disk is full.
            Stopped: ``progress`` returned False. Nothing was installed.
        """
        file = Path(path).expanduser().absolute()
        for model in self.list():
            if model.path == str(file) and model.sha256 and not model.problem:
                return model
        header = read_header(file)
        draft = Sidecar(id="", name=header.name, files=(), sha256="", source="file")
        with disk_trouble(file.name, "install"):
            private_folder(self._folder)
            sweep(self._folder)
            entry = installing.install(self._folder, header, how, draft, progress)
        return describe(entry)

    def verify(self, model_id: str, progress: Progress | None = None) -> InstalledModel:
        """Hash the files of a model again.

        Raises:
            ModelNotFound: There is no such model, or its file is gone.
            ModelInvalid: A file is not what it was; it stays where it is, and the model is not used.
            Stopped: ``progress`` returned False.
        """
        entry, sidecar = self._entry(model_id)
        with disk_trouble(sidecar.name, "read"):
            try:
                fresh = installing.rehash(entry, sidecar, progress)
            except ModelInvalid:
                write_sidecar(entry, msgspec.structs.replace(sidecar, verified_at=""))
                raise
            write_sidecar(entry, fresh)
        return describe(entry)

    def prepare(self, model_id: str, progress: Progress | None = None) -> InstalledModel:
        """Write the model anew in the layout this computer runs fastest, and use that from now on.

        The original stays as the reference. A model that needs no preparing is returned as it is.

        Args:
            model_id: Of the model.
            progress: Called with bytes written and expected; returning False stops.

        Raises:
            ModelNotFound: There is no such model.
            ModelError: There is no room. The original stays in use.
            EngineError: The engine could not do it. The original stays in use.
            Stopped: ``progress`` returned False. Nothing was changed.
        """
        entry, sidecar = self._entry(model_id)
        with disk_trouble(sidecar.name, "prepare"), locked(self._lock_of(entry), progress):
            entry, sidecar = self._entry(model_id)
            if not describe(entry).prepared_from:
                note = starter.NOTE if sidecar.id == starter.ID else sidecar.note
                sidecar = msgspec.structs.replace(sidecar, note=note)
                sweep(self._folder)
                installing.prepare(self._folder, entry, sidecar, self._quantize, progress)
        return describe(entry)

    def use_original(self, model_id: str, *, for_good: bool = True) -> InstalledModel:
        """Use the original of a prepared model again, and delete the copy.

        Args:
            model_id: Of the model.
            for_good: Somebody decided so: it is not prepared again unless asked for.

        Raises:
            ModelNotFound: There is no such model.
            ModelError: The original is gone, or the disk does not let go of the copy.
        """
        entry, sidecar = self._entry(model_id)
        with disk_trouble(sidecar.name, "change"), locked(self._lock_of(entry)):
            entry, sidecar = self._entry(model_id)
            installing.drop_prepared(entry, sidecar, keeps_original=for_good)
        return describe(entry)

    def remove(self, model_id: str) -> int:
        """Take a model off the shelf and return the bytes that frees; files used in place stay.

        Raises:
            ModelNotFound: There is no such model.
            ModelError: It is not on the shelf, or its folder cannot be removed.
        """
        entry = self._entry_of(model_id) or self._entry(model_id)[0]
        with disk_trouble(model_id, "remove"), staging(self._folder) as grave:
            statuses = [file.stat() for file in entry.iterdir()]
            entry.rename(grave / entry.name)
        self._lock_of(entry).unlink(missing_ok=True)
        return sum(status.st_size for status in statuses if status.st_nlink == 1)

    def ensure_starter(self, progress: Progress | None = None) -> InstalledModel:
        """Return the starter model, putting it on the shelf and preparing it the first time.

        If preparing fails the original is used, and the note says so.

        Raises:
            ModelNotFound: This installation came without a starter model.
            ModelError: It cannot be installed.
            Stopped: ``progress`` returned False.
        """
        ready = self._ready_starter()
        if ready:
            return self._usable(ready)
        with disk_trouble("the starter model", "install"):
            private_folder(self._folder)
            with locked(self._folder / ".starter.lock", progress):
                ready = self._ready_starter()
                return ready or self._install_starter(progress)

    def _ready_starter(self) -> InstalledModel | None:
        entry = self._entry_of(starter.ID)
        model = describe(entry) if entry else None
        if model is None or model.problem:
            return None
        settled = model.prepared_from or model.keeps_original or model.note == starter.NOT_PREPARED_NOTE
        return model if settled or self._quantize is None else None

    def _install_starter(self, progress: Progress | None) -> InstalledModel:
        found = starter.locate()
        draft = Sidecar(
            id=starter.ID,
            name=starter.NAME,
            note=starter.NOTE,
            files=(),
            sha256=found.sha256,
            source=found.source,
        )
        sweep(self._folder)
        entry = installing.install(self._folder, read_header(found.path), "link", draft, progress)
        if self._quantize:
            try:
                self.prepare(starter.ID, progress)
            except DesktopSlmError:
                sidecar = self._entry(starter.ID)[1]
                write_sidecar(entry, msgspec.structs.replace(sidecar, note=starter.NOT_PREPARED_NOTE))
        return describe(entry)

    def _entries(self) -> Iterator[Path]:
        """Yield the folder of every model, complete or damaged."""
        with contextlib.suppress(OSError):
            for entry in sorted(self._folder.iterdir()):
                if entry.is_dir() and not entry.name.startswith("."):
                    yield entry

    def _entry_of(self, model_id: str) -> Path | None:
        for entry in self._entries():
            sidecar = read_sidecar(entry)
            if (sidecar.id if sidecar else entry.name) == model_id:
                return entry
        return None

    def _entry(self, model_id: str) -> tuple[Path, Sidecar]:
        entry = self._entry_of(model_id)
        if entry is None:
            if any(model.id == model_id for model in self._found()):
                raise ModelError(
                    f"{model_id} is only listed here, from another folder",
                    "Import it first.",
                )
            raise ModelNotFound(
                f"No model {model_id[:_SHOWN_NAME]!r} is installed", "See the list of installed models."
            )
        sidecar = read_sidecar(entry)
        if sidecar is None:
            raise ModelInvalid(
                f"The record of {describe(entry).name} is damaged", "Remove it and import it again."
            )
        return entry, sidecar

    def _lock_of(self, entry: Path) -> Path:
        return self._folder / f".{entry.name}.lock"

    def _usable(self, model: InstalledModel) -> InstalledModel:
        """Return ``model`` if it can be loaded, hashing it again when its time stamp changed."""
        if model.problem:
            raise ModelInvalid(f"{model.name} cannot be used", model.problem)
        return self.verify(model.id) if model.sha256 and not model.verified_at else model

    def _found(self) -> Iterator[InstalledModel]:
        """Yield the models in the extra folders, each read once as long as it does not change."""
        for folder in self._extra_folders:
            with contextlib.suppress(OSError):
                for path in sorted(folder.expanduser().absolute().glob("*.gguf")):
                    if is_later_part(path):
                        continue
                    status = path.stat()
                    key = (path, status.st_size, status.st_mtime_ns)
                    if key not in self._seen:
                        self._seen[key] = _look(path)
                    model = self._seen[key]
                    if model:
                        yield model


def _look(path: Path) -> InstalledModel | None:
    """Describe a file in a folder of another application; None for what is no model of ours to offer."""
    try:
        return _from_file(path)
    except ModelUnsupported:
        return None
    except ModelError as e:
        return InstalledModel(
            id=installing.found_id(path),
            name=path.stem,
            path=str(path),
            bytes=0,
            sha256="",
            source="folder",
            in_place=True,
            problem=str(e),
        )


def _from_file(path: Path) -> InstalledModel:
    """Describe a file that is not on the shelf.

    Raises:
        ModelError: It cannot be used.
    """
    header = read_header(path)
    return InstalledModel(
        id=installing.found_id(path),
        name=header.name,
        path=str(path),
        bytes=header.size_bytes,
        sha256="",
        architecture=header.architecture,
        quantization=header.quantization,
        n_ctx_train=header.n_ctx_train,
        n_params=header.n_params,
        size_label=header.size_label,
        languages=header.languages,
        tasks=header.tasks,
        licence=header.licence,
        source="folder",
        in_place=True,
    )


def _match(text: str, models: Sequence[InstalledModel]) -> InstalledModel:
    """Return the one model whose name is ``text``, or whose id, name or hash begins with it."""
    wanted = text.casefold()
    named = [model for model in models if model.name.casefold() == wanted]
    begun = [
        model
        for model in models
        if wanted and any(word.casefold().startswith(wanted) for word in (model.id, model.name, model.sha256))
    ]
    for matches in (named, begun):
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = ", ".join(sorted(model.id for model in matches)[:5])
            raise ModelNotFound(f"{text[:_SHOWN_NAME]!r} means several models", f"Choose one of: {ids}.")
    raise ModelNotFound(
        f"No model {text[:_SHOWN_NAME]!r} is installed",
        "See the list of installed models, or give the path of a .gguf file.",
    )


def _fits(model: InstalledModel, free_bytes: int) -> bool:
    try:
        return fit(model, 0, free_bytes).word != "Won't fit"
    except ModelError:
        return False
