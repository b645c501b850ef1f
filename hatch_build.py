"""Puts the folders of the checkout below `muster/` in a wheel; an editable install has the links in `muster/`."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("activation", "cli", "runs", "sample_data", "schedules")


class FoldersBelowMuster(BuildHookInterface):
    """Adds every file of the folders to a wheel that is no editable one."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Tell hatchling where each folder goes; an editable wheel gets none, so that no file is in it twice."""
        if version != "editable":
            build_data["force_include"] |= {folder: f"muster/{folder}" for folder in FOLDERS}
