"""Build hook of hatchling: wheels carry ``resources/`` inside the package, editable installs use the tree."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ResourcesHook(BuildHookInterface):
    """Put the resources where `desktop_slm.paths.resource` looks for them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder to a wheel that will be installed by copy (``version`` is not ``editable``)."""
        if version != "editable":
            build_data["force_include"]["resources"] = "desktop_slm/_resources"
