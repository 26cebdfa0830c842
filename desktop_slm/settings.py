"""What the user has chosen. Lies unencrypted in the config folder, so it holds nothing private."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any, Literal

import msgspec

from desktop_slm.paths import private_folder

Theme = Literal["system", "light", "dark"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, with their defaults.

    Attributes:
        theme: Follow the system, or one of our two palettes.
        font_size_pt: Size of the text in points, 0 for the system's size.
        default_model: Shelf id of the model for every task, empty for the best installed one.
        n_ctx: Context in tokens, 0 for the model's own default.
        n_threads: Threads of inference, 0 to choose by measurement.
        n_gpu_layers: Layers on the GPU, -1 for as many as fit, 0 for none.
        sampling: Name of the sampling preset for chat.
        model_folders: Further folders whose GGUF files may be used in place.
        lock_after_min: Minutes without input until the vault locks (passphrase mode), 0 for never.
        reduced_motion: Show overlays and toasts without fades.
        list_width_px: Width of the list column of the chat page.
        welcome_done: The first-run pages have been finished.
        extra: Keys of a newer version, kept as they are.
    """

    theme: Theme = "system"
    font_size_pt: int = 0
    default_model: str = ""
    n_ctx: int = 0
    n_threads: int = 0
    n_gpu_layers: int = -1
    sampling: Literal["precise", "balanced", "creative"] = "balanced"
    model_folders: tuple[str, ...] = ()
    lock_after_min: int = 0
    reduced_motion: bool = False
    list_width_px: int = 256
    welcome_done: bool = False
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


def load(path: Path) -> Settings:
    """Read the settings; a missing or damaged file, or a damaged key, gives its default."""
    try:
        raw = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return Settings()
    if not isinstance(raw, dict):
        return Settings()
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    types = {field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != "extra"}
    for key, value in raw.items():
        if key not in types:
            extra[key] = value
            continue
        with contextlib.suppress(msgspec.ValidationError):
            known[key] = msgspec.convert(value, types[key])
    return Settings(**known, extra=extra)


def save(path: Path, settings: Settings) -> None:
    """Write the settings atomically: a crash leaves the old file or the new one.

    Raises:
        OSError: The folder cannot be written.
    """
    values = msgspec.structs.asdict(settings)
    values = {**values.pop("extra"), **values}
    private_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".settings-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(values), indent=2))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
