"""Where things lie: the folders the application writes, and the resources it ships."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_APP = "desktop-slm"
HOME_VARIABLE = "DESKTOP_SLM_HOME"


@dataclass(frozen=True)
class Paths:
    """The folders of one installation. Nothing is created by making this object.

    Attributes:
        data: Vault, models.
        config: Settings, which hold nothing private.
    """

    data: Path
    config: Path

    @classmethod
    def default(cls) -> Paths:
        """Return the folders of this user, or those under ``DESKTOP_SLM_HOME`` when it is set."""
        home = os.environ.get(HOME_VARIABLE)
        if home:
            return cls.under(Path(home))
        dirs = platformdirs.PlatformDirs(_APP, appauthor=False, roaming=False)
        return cls(Path(dirs.user_data_dir), Path(dirs.user_config_dir))

    @classmethod
    def under(cls, home: Path) -> Paths:
        """Return the folders of an installation that keeps everything below ``home``."""
        home = home.expanduser().absolute()
        return cls(home / "data", home / "config")

    @property
    def vault(self) -> Path:
        """Folder of the key file, the database and the lock file."""
        return self.data / "vault"

    @property
    def models(self) -> Path:
        """Folder of the installed models, one folder each."""
        return self.data / "models"

    @property
    def speeds(self) -> Path:
        """What was measured of models on this computer."""
        return self.data / "speeds.json"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.config / "settings.json"


def private_folder(path: Path) -> Path:
    """Make ``path`` and its missing parents, readable by the user alone, and return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def resource(name: str) -> Path:
    """Return the path of a shipped file, ``name`` relative to ``resources/``.

    Works in a source tree, an installed wheel and a frozen application.

    Raises:
        FileNotFoundError: The file is not part of this installation.
    """
    package = Path(__file__).resolve().parent
    roots = [package / "_resources", package.parent / "resources"]
    frozen = getattr(sys, "_MEIPASS", None)
    if frozen:
        roots.insert(0, Path(frozen) / "resources")
    for root in roots:
        path = root / name
        if path.exists():
            return path
    raise FileNotFoundError(name)
