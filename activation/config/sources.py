"""A workspace's YAML files as they lie there, each read once: what is checked is what was looked at (SPEC 2). Edge module."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from muster.activation.errors import InputError

SETTINGS_FILE = "muster.yml"
AUDIENCES_FOLDER, DESTINATIONS_FOLDER = "audiences", "destinations"
_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class Sources:
    """The files of a workspace, by their names relative to ``root``: what each holds, or why it cannot be read."""

    root: Path  # absolute
    files: Mapping[str, bytes | OSError]

    def inside(self, folder: str) -> Iterator[tuple[str, bytes | OSError]]:
        """The files of audiences/ or destinations/, by name."""
        return ((name, content) for name, content in self.files.items() if name.startswith(f"{folder}/"))


def find_root(start: Path) -> Path:
    """The nearest folder from ``start`` upwards that holds muster.yml (SPEC 2); ``InputError`` when there is none."""
    start = _absolute(start)
    for folder in (start, *start.parents):
        if (folder / SETTINGS_FILE).is_file():
            return folder
    raise InputError(
        f"no {SETTINGS_FILE} in {start} or a folder above it; run `muster init` to make a workspace, or name "
        f"one with -C FOLDER"
    )


def read_sources(root: Path) -> Sources:
    """The files of the workspace in ``root``; none stands for a muster.yml that is not there."""
    root = _absolute(root)
    names = [SETTINGS_FILE] if (root / SETTINGS_FILE).exists() else []
    names += [
        f"{folder}/{name}" for folder in (AUDIENCES_FOLDER, DESTINATIONS_FOLDER) for name in _yaml_files(root / folder)
    ]
    return Sources(root, {name: _content(root / name) for name in names})


def _yaml_files(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(
        path.name for path in folder.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith((".", "_"))
    )


def _content(path: Path) -> bytes | OSError:
    try:
        return path.read_bytes()
    except OSError as error:
        return error


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow symlinks)
