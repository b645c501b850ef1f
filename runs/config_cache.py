"""The cache of a checked config in the state folder: unchanged YAML files are not parsed and checked again (SPEC 2).

``config.checked`` holds the workspace as plain data and a digest of everything that the result of reading and checking
depends on. With another digest, or damaged, the file is ignored. In place of the value of an environment variable the
file holds a stand-in. The file has three lines: a checksum of the others, what is compared, the workspace.
"""

import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import scrypt, sha256
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import TZPATH

from muster.activation.config.cache_format import from_plain, to_plain
from muster.activation.config.sources import SETTINGS_FILE, Sources
from muster.activation.encryption import key_files
from muster.activation.model.workspace import Workspace
from muster.activation.state import state_paths
from muster.activation.state.permissions import insecure
from muster.activation.system.disk import create_file

_OUR_PACKAGES = ("activation", "schedules", "runs")
_LIBRARIES = ("polars", "polars_hash", "pydantic", "pydantic_core", "yaml", "cronsim", "tzdata", "pysequoia")
_METADATA_SUFFIXES = (".dist-info", ".egg-info")  # of folders that have the version of what is installed in their name
_STATE = re.compile(
    rb"""^state:[ \t]*(?:"([^"\\$]+)"|'([^'$]+)'|([^\s"'#$&*!|>\[{][^#$\r\n]*?))[ \t]*(?:#.*)?\r?$""", re.MULTILINE
)


@dataclass(frozen=True)
class _Conditions:
    """What must be as it was for the workspace to be so too; the names are keys of the cache file."""

    key: str  # the digest
    zones: list[str]
    variables: list[str]
    absent: list[str]  # variables that were not set
    keys: list[str]  # paths of encryption keys


def recall(sources: Sources, variables: Mapping[str, str]) -> Workspace | None:
    """The workspace that these files describe, from the cache; None when there is none or something has changed."""
    folder = _state_folder(sources)
    with suppress(OSError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):  # damaged
        first, plain = _intact(folder / state_paths.CONFIG_CHECKED)
        before = _Conditions(**json.loads(first))
        used = {name: variables[name] for name in before.variables}
        if any(name in variables for name in before.absent):
            return None
        if before.key == _digest(sources, before.zones, before.keys, used):
            workspace = from_plain(json.loads(_with_values(plain, used)), Workspace)
            return workspace if workspace.state == folder and workspace.root == sources.root else None
    return None


def remember(workspace: Workspace, sources: Sources, with_stand_ins: Workspace | None) -> None:
    """Write a checked workspace into the cache, with the lock held; one that cannot be cached is skipped.

    ``with_stand_ins`` is the workspace that the same files describe when each variable is its stand-in.
    """
    if with_stand_ins is None or _state_folder(sources) != workspace.state:
        return
    if _without_stand_ins(
        with_stand_ins.id_key, workspace.variables
    ):  # written in muster.yml, and a secret all the same
        return
    plain = json.dumps(to_plain(with_stand_ins), separators=(",", ":"))
    if from_plain(json.loads(_with_values(plain, workspace.variables)), Workspace) != workspace:
        return
    with suppress(OSError, LookupError, ValueError):
        zones, keys = sorted(_zones(workspace)), sorted(_key_files(workspace))
        digest = _digest(sources, zones, keys, workspace.variables)
        now = _Conditions(digest, zones, sorted(workspace.variables), list(workspace.absent), keys)
        _write(f"{json.dumps(now.__dict__)}\n{plain}".encode(), workspace)


def stand_ins(variables: Mapping[str, str]) -> dict[str, str]:
    """For each variable the word that the cache holds in place of its value; an empty value stays empty."""
    return {name: value and f"muster{sha256(name.encode()).hexdigest()}" for name, value in variables.items()}


def _without_stand_ins(text: str, variables: Mapping[str, str]) -> str:
    """What a text says beside the values of variables."""
    for word in stand_ins(variables).values():
        text = text.replace(word, "") if word else text
    return text


def _with_values(plain: str, variables: Mapping[str, str]) -> str:
    """JSON with the values of variables in place of their stand-ins."""
    for name, word in stand_ins(variables).items():
        plain = plain.replace(word, json.dumps(variables[name])[1:-1]) if word else plain
    return plain


def _intact(path: Path) -> tuple[str, str]:
    """JSON of the conditions and of plain data with stand-ins, from the cache file.

    ``ValueError`` when it is damaged, or when others could have written it.
    """
    if not path.is_file() or insecure(path, 0) or insecure(path.parent, 0):
        raise ValueError(path)
    checksum, _, content = path.read_bytes().partition(b"\n")
    if checksum != _checksum(content):
        raise ValueError(path)
    conditions, _, plain = content.decode().partition("\n")
    return conditions, plain


def _write(content: bytes, workspace: Workspace) -> None:
    temporary = state_paths.temporary(workspace.state, state_paths.CONFIG_CHECKED)
    create_file(temporary, workspace.file_mode)
    temporary.write_bytes(_checksum(content) + b"\n" + content)
    temporary.replace(workspace.state / state_paths.CONFIG_CHECKED)


def _checksum(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()


def _state_folder(sources: Sources) -> Path:
    """The state folder, if muster.yml names it plainly; a wrong guess costs only the time that the cache saves."""
    content = sources.files.get(SETTINGS_FILE)
    found = _STATE.search(content) if isinstance(content, bytes) else None
    name = next(filter(None, found.groups())) if found else b".muster"
    return Path(os.path.abspath(sources.root / os.fsdecode(name)))  # noqa: PTH100 (resolve() would follow symlinks)


def _zones(workspace: Workspace) -> Iterator[str]:
    yield from {workspace.zone.key, *(each.schedule.zone.key for each in workspace.all_activations)}
    if workspace.evaluation_schedule:
        yield workspace.evaluation_schedule.zone.key


def _key_files(workspace: Workspace) -> Iterator[str]:
    for pgp in {each.encryption for each in workspace.activations if each.encryption}:
        yield from {each.path for each in (*pgp.public_keys, pgp.sign_with) if each}


# The digest


def _digest(sources: Sources, zones: Collection[str], keys: Collection[str], variables: Mapping[str, str]) -> str:
    """A digest of the files, variables, timezones, encryption keys, libraries and muster itself.

    Values of variables are added last, by a function that makes guessing them slow.
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
    """The contents of the files with encryption keys."""
    for name in keys:
        yield key_files.content(key_files.located(name, sources.root))


def _zone(name: str) -> bytes:
    """A timezone's rules on this machine."""
    folders = [Path(folder) for folder in TZPATH]
    package = find_spec("tzdata")
    folders += [Path(path, "zoneinfo") for path in (package and package.submodule_search_locations) or ()]
    for folder in folders:
        if (folder / name).is_file():
            return name.encode() + (folder / name).read_bytes()
    raise LookupError(name)


@cache
def _software() -> tuple[bytes, ...]:
    """The installed software, as it was when the process first asked."""
    return tuple(_installed())


def _installed() -> Iterator[bytes]:
    """The version of Python and of everything installed, and the size and time of each module that checks a config."""
    yield f"{sys.version} {sys.platform} {sys.flags}".encode()
    for folder in filter(os.path.isdir, sys.path):
        with os.scandir(folder) as found:
            yield from sorted(os.fsencode(each.path) for each in found if each.name.endswith(_METADATA_SUFFIXES))
    for name in _LIBRARIES:
        package = find_spec(name)
        yield _fingerprint(package.origin, os.stat(package.origin)) if package and package.origin else b""  # noqa: PTH116
    for name in _OUR_PACKAGES:
        yield from sorted(_modules(Path(__file__).parent.parent / name))


def _modules(folder: str | Path) -> Iterator[bytes]:
    """The fingerprints of all modules in a folder and below; without ``pathlib``, which takes three times as long."""
    with os.scandir(folder) as found:
        for each in found:
            if each.name.endswith((".py", ".yml")):  # presets of requests are YAML
                yield _fingerprint(each.path, each.stat())
            elif each.is_dir() and each.name != "__pycache__":
                yield from _modules(each.path)


def _fingerprint(path: str, found: os.stat_result) -> bytes:
    return os.fsencode(f"{path} {found.st_size} {found.st_mtime_ns}")
