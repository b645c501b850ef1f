"""The YAML files of a workspace, each read once, so that all checks see the same bytes (SPEC 2)."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from muster.activation.errors import InputError

SETTINGS_FILE = "muster.yml"
AUDIENCES_FOLDER, DESTINATIONS_FOLDER, POLICIES_FOLDER = "audiences", "destinations", "policies"
SOURCES_FOLDER = "sources"
_FOLDERS = (AUDIENCES_FOLDER, DESTINATIONS_FOLDER, POLICIES_FOLDER, SOURCES_FOLDER)
_LARGEST = 10_000_000  # bytes of a YAML file
_SUFFIXES = (".yml", ".yaml")
_YAML_LIKE = re.compile(r"\.(?:ya?ml|yam|yal|ylm|ymal|json)\b", re.IGNORECASE)  # in a name: A.YML, a.yml.bak, a.json


class UnreadError(OSError):
    """Something in the place of a policy that muster does not read: it must not be passed over in silence (G3, G4)."""


@dataclass(frozen=True)
class Sources:
    """The YAML files of a workspace: name relative to ``root`` to content, or to the error of reading it."""

    root: Path  # absolute
    files: Mapping[str, bytes | OSError]

    def inside(self, folder: str) -> Iterator[tuple[str, bytes | OSError]]:
        """Name and content of the files in audiences/, destinations/, policies/ or sources/, sorted by name.

        Of policies, an ``UnreadError`` for each path that is not read though it may hold one, or for the folder.
        """
        return (
            (name, content) for name, content in self.files.items() if name == folder or name.startswith(f"{folder}/")
        )


def find_root(start: Path) -> Path:
    """The nearest folder from ``start`` upwards that holds muster.yml (SPEC 2); ``InputError`` when there is none."""
    start = _absolute(start)
    for folder in (start, *start.parents):
        if holds_settings(folder):
            return folder
    raise InputError(
        f"there is no workspace here: no {SETTINGS_FILE} in {start} or a folder above it; "
        f"{_workspaces_below(start) or 'run `muster init` to make one, or name one with -C FOLDER'}"
    )


def workspace_near(folder: Path) -> str:
    """A hint such as ``; did you mean my-shop?`` about a workspace above or right below a folder; else nothing."""
    here = _absolute(folder)
    above = next((each for each in here.parents if (each / SETTINGS_FILE).is_file()), None)
    return f"; did you mean -C {above}?" if above else f"; {below}" if (below := _workspaces_below(folder)) else ""


def _workspaces_below(folder: Path) -> str:
    """The workspaces right below a folder, as ``-C`` takes them."""
    with suppress(OSError):
        found = sorted(folder / each.parent.name for each in folder.glob(f"*/{SETTINGS_FILE}"))
        shown = [os.path.relpath(each) for each in found[:3]]
        return f"did you mean -C {' or -C '.join(shown)}?" if shown else ""
    return ""


def holds_settings(folder: Path) -> bool:
    """Whether a folder has a muster.yml, be it one that cannot be read: a pipe, for one."""
    settings = folder / SETTINGS_FILE
    return settings.exists() and not settings.is_dir()


def files_of_sources(root: Path) -> list[str]:
    """The names of the YAML files in sources/, sorted, relative to a workspace's root."""
    return [f"{SOURCES_FOLDER}/{name}" for name in _yaml_files(root / SOURCES_FOLDER)]


def read_sources(root: Path) -> Sources:
    """The YAML files of the workspace in ``root``; without muster.yml when it is missing."""
    root = _absolute(root)
    names = [SETTINGS_FILE] if (root / SETTINGS_FILE).exists() else []
    names += [f"{folder}/{name}" for folder in _FOLDERS for name in _yaml_files(root / folder)]
    files: dict[str, bytes | OSError] = {name: _content(root / name) for name in names}
    return Sources(root, files | _unread_policies(root / POLICIES_FOLDER))


def _yaml_files(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.suffix in _SUFFIXES and not _is_ignored(path))


def _is_ignored(path: Path) -> bool:
    return path.name.startswith((".", "_"))


def _unread_policies(folder: Path) -> dict[str, OSError]:
    """What looks like a policy and is not read, by the name relative to the workspace: a mistake in the config."""
    if not (folder.exists() or folder.is_symlink()):
        return {}
    if not folder.is_dir():
        return {folder.name: UnreadError("expected a folder with a YAML file for each policy; rename or remove it")}
    found = {f"{folder.name}/{path.name}": _why_unread(path) for path in sorted(folder.iterdir())}
    return {name: UnreadError(reason) for name, reason in found.items() if reason}


def _why_unread(path: Path) -> str:
    """Why a path in policies/ is not read though it may hold a policy; empty for others, and for what is read."""
    if _is_ignored(path) or path.suffix in _SUFFIXES:
        return ""
    if path.is_dir():
        below, faults = _yaml_below(path)
        if faults:
            return f"is a folder that cannot be searched for policies: {faults[0].strerror}; move it out of policies/"
        if not below:
            return ""
        return (
            f"is a folder, and of policies/ only the files right in it are read: move {below} there, or give the "
            f"folder a name that begins with _ to keep it out of use"
        )
    original = path.with_name(path.name.strip("#~"))  # an editor's copy of a file that is read is no policy
    if not _YAML_LIKE.search(path.name) or (original != path and original.suffix in _SUFFIXES and original.exists()):
        return ""
    return (
        "the name of a policy's file ends in .yml or .yaml, in small letters: rename it, or let the name begin with _ "
        "to keep it out of use"
    )


def _yaml_below(folder: Path) -> tuple[str, list[OSError]]:
    """The first YAML file in a folder or below it, relative to it, and the folders that cannot be listed."""
    faults: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=faults.append):
        folders[:] = sorted(name for name in folders if not _is_ignored(Path(name)))
        for name in sorted(names):
            if _YAML_LIKE.search(name) and not _is_ignored(Path(name)):
                return str((Path(place) / name).relative_to(folder)), []
    return "", faults


def _content(path: Path) -> bytes | OSError:
    """The content of a YAML file; an ``OSError`` for one that cannot be read, or is no file of a usual size."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe is not waited for
    except OSError as error:
        return OSError("is a socket; expected a YAML file") if error.errno == errno.ENXIO else error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return _no_file(found.st_mode)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        return error
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST:
        return OSError(f"has {max(found.st_size, len(content)) / 1e6:,.1f} MB; expected a YAML file of at most 10 MB")
    return content


def _no_file(mode: int) -> OSError:
    """The error about a path that leads to something else than a file."""
    if stat.S_ISDIR(mode):
        return OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    return OSError(f"is {'a pipe' if stat.S_ISFIFO(mode) else 'a device'}; expected a YAML file")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow symlinks)
