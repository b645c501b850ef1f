"""A config that was found to be without mistake is remembered in the state folder, and neither read nor checked again (SPEC 2, X1).

``config.checked`` holds the workspace as plain data, and a key: a digest of everything that decides what comes of
reading and checking it. With another key, or damaged, it does not count. It holds no value of an environment variable:
a word that stands for it.
"""

import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import scrypt, sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH

from muster.activation.config.cache_format import from_plain, to_plain
from muster.activation.config.sources import SETTINGS_FILE, Sources
from muster.activation.encryption import key_files
from muster.activation.model.workspace import Workspace
from muster.activation.state import state_paths
from muster.activation.state.permissions import insecure
from muster.activation.system.disk import create_file

_OURS = ("activation", "schedules", "runs", "cli")
_THEIRS = (
    "polars",
    "polars_hash",
    "pydantic",
    "pydantic_core",
    "yaml",
    "cronsim",
    "tzdata",
    "pysequoia",
)  # what reading and checking is done with
_INSTALLED = (".dist-info", ".egg-info")
_STATE = re.compile(
    rb"""^state:[ \t]*(?:"([^"\\$]+)"|'([^'$]+)'|([^\s"'#$&*!|>\[{][^#$\r\n]*?))[ \t]*(?:#.*)?\r?$""", re.MULTILINE
)


@dataclass(frozen=True)
class _Kept:
    """What the file holds after the checksum of its first line."""

    key: str
    zones: list[str]
    variables: list[str]
    keys: list[str]  # files that hold keys
    workspace: str  # the JSON of plain data


def recall(sources: Sources, environ: Mapping[str, str]) -> Workspace | None:
    """The workspace that these files were found to say, if it is remembered and nothing has changed since."""
    folder = _state_folder(sources)
    with suppress(
        OSError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError
    ):  # damaged, or not of this form
        kept = _Kept(**_intact(folder / state_paths.CONFIG_CHECKED))
        if kept.key == _key(sources, kept.zones, kept.keys, {name: environ[name] for name in kept.variables}):
            text = _put_in(kept.workspace, {name: environ[name] for name in kept.variables})
            workspace = from_plain(json.loads(text), Workspace)
            return workspace if workspace.state == folder and workspace.root == sources.root else None
    return None


def remember(workspace: Workspace, sources: Sources, stand_in: Workspace | None) -> None:
    """Keep what was read and checked. With the lock held; what cannot be kept is read and checked again.

    ``stand_in`` is the workspace that these files say with ``stand_ins`` for its variables.
    """
    if stand_in is None or _state_folder(sources) != workspace.state:
        return
    plain = json.dumps(to_plain(stand_in), separators=(",", ":"))
    if from_plain(json.loads(_put_in(plain, workspace.variables)), Workspace) != workspace:
        return
    with suppress(OSError, LookupError, ValueError):
        zones, keys = sorted(_zones(workspace)), sorted(_key_files(workspace))
        kept = _Kept(_key(sources, zones, keys, workspace.variables), zones, sorted(workspace.variables), keys, plain)
        _write(json.dumps(kept.__dict__).encode(), workspace)


def stand_ins(names: Iterable[str]) -> dict[str, str]:
    """For each variable a word that stands for its value."""
    return {name: f"muster{sha256(name.encode()).hexdigest()}" for name in names}


def _put_in(plain: str, variables: Mapping[str, str]) -> str:
    """JSON with the values of variables in place of the words that stand for them."""
    for name, word in stand_ins(variables).items():
        plain = plain.replace(word, json.dumps(variables[name])[1:-1])
    return plain


def _intact(path: Path) -> Any:
    """What the file holds; ``ValueError`` when it is not what was written."""
    if (
        not path.is_file() or insecure(path, 0) or insecure(path.parent, 0)
    ):  # others may have written it: it is not believed
        raise ValueError(path)
    checksum, _, content = path.read_bytes().partition(b"\n")
    if checksum != _checksum(content):
        raise ValueError(path)
    return json.loads(content)


def _write(content: bytes, workspace: Workspace) -> None:
    temporary = state_paths.temporary(workspace.state, state_paths.CONFIG_CHECKED)
    create_file(temporary, workspace.file_mode)
    temporary.write_bytes(_checksum(content) + b"\n" + content)
    temporary.replace(workspace.state / state_paths.CONFIG_CHECKED)


def _checksum(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()


def _state_folder(sources: Sources) -> Path:
    """Where the file lies if muster.yml says so plainly: to be wrong here costs time and nothing else."""
    content = sources.files.get(SETTINGS_FILE)
    found = _STATE.search(content) if isinstance(content, bytes) else None
    name = next(filter(None, found.groups())) if found else b".muster"
    return Path(os.path.abspath(sources.root / os.fsdecode(name)))  # noqa: PTH100 (resolve() would follow symlinks)


def _zones(workspace: Workspace) -> Iterator[str]:
    yield from {workspace.zone.key, *(each.schedule.zone.key for each in workspace.activations)}
    if workspace.evaluation_schedule:
        yield workspace.evaluation_schedule.zone.key


def _key_files(workspace: Workspace) -> Iterator[str]:
    for pgp in {each.encryption for each in workspace.activations if each.encryption}:
        yield from {each.path for each in (*pgp.public_keys, pgp.sign_with) if each}


# The key


def _key(sources: Sources, zones: Collection[str], keys: Collection[str], variables: Mapping[str, str]) -> str:
    """A digest of all that decides: files, variables, zones, what is installed, and muster itself.

    Values of variables come into it last, by a function that is slow to try guesses with.
    """
    digest = sha256()
    for part in (
        os.fsencode(sources.root),
        *_files(sources),
        *map(_zone, zones),
        *_key_contents(sources, keys),
        *_software(),
    ):
        digest.update(b"%d:" % len(part) + part)
    if not variables:
        return digest.hexdigest()
    values = json.dumps(sorted(variables.items())).encode()
    return scrypt(values, salt=digest.digest(), n=2**12, r=8, p=1).hex()


def _files(sources: Sources) -> Iterator[bytes]:
    for name, content in sources.files.items():
        if isinstance(content, OSError):
            raise content
        yield from (os.fsencode(name), content)


def _key_contents(sources: Sources, keys: Collection[str]) -> Iterator[bytes]:
    """Files of keys, which were looked at."""
    for name in keys:
        yield key_files.content(key_files.located(name, sources.root))


def _zone(name: str) -> bytes:
    """What is known of a zone on this machine."""
    folders = [Path(folder) for folder in TZPATH]
    package = find_spec("tzdata")
    folders += [Path(place, "zoneinfo") for place in (package and package.submodule_search_locations) or ()]
    for folder in folders:
        if (folder / name).is_file():
            return name.encode() + (folder / name).read_bytes()
    raise LookupError(name)


@cache
def _software() -> tuple[bytes, ...]:
    """What checks, as it is when the process first asks."""
    return tuple(_installed())


def _installed() -> Iterator[bytes]:
    """The versions of Python and of all that is installed, and the state of what checks."""
    yield f"{sys.version} {sys.platform} {sys.flags}".encode()
    for place in filter(os.path.isdir, sys.path):
        yield from sorted(os.fsencode(each) for each in Path(place).iterdir() if each.suffix in _INSTALLED)
    for name in _THEIRS:
        package = find_spec(name)
        yield _state(Path(package.origin)) if package and package.origin else b""
    for name in _OURS:
        folder = Path(__file__).parent.parent / name
        yield from map(_state, sorted(folder.rglob("*.py")))


def _state(file: Path) -> bytes:
    found = file.stat()
    return os.fsencode(f"{file} {found.st_size} {found.st_mtime_ns}")
