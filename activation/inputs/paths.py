"""Where inputs lie, and which Parquet files a path means (SPEC 2, D2, D3, D4): folders, files and globs, here or in a bucket. Edge module.

The rules of names are the same everywhere: what starts with ``.`` or ``_`` is a folder being written, and not looked
at.
"""

import shutil
import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from glob import has_magic
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from muster.activation.errors import DataError, did_you_mean
from muster.activation.inputs.buckets import Bucket, BucketPath
from muster.activation.inputs.parquet import Part, read_part
from muster.activation.model.workspace import Destination, Workspace
from muster.activation.stores import urls
from muster.activation.stores.opening import open_store
from muster.activation.system.os_errors import system_message

SCHEMES = urls.SOURCES
InputPath: TypeAlias = Path | BucketPath


class Inputs:
    """The places that one command reads from. Copies of files in buckets live as long as this does."""

    def __init__(self, workspace: Workspace) -> None:
        self.root = workspace.root
        self._connections = {
            what: (source.path, source.connection)
            for what, source in (
                ("profiles", workspace.profiles),
                ("events", workspace.events),
                ("memberships", workspace.memberships),
            )
            if source
        }
        self._buckets: dict[tuple[object, ...], Bucket] = {}
        self._folder: Path | None = None
        self._removed: weakref.finalize[[Path], Inputs] | None = None

    def at(self, path: str, what: str) -> InputPath:
        """What ``profiles.path`` and the like name; of a glob in a bucket the part before it. ``DataError`` when it cannot be looked at."""
        scheme = _scheme(path)
        if scheme and scheme not in (*SCHEMES, "file"):
            expected = ", ".join(f"{each}://" for each in SCHEMES)
            raise DataError(
                f"muster.yml: {what}.path: nothing can be read from {scheme}://; expected a local path, or "
                f"one with {expected}"
            )
        if scheme in SCHEMES:
            return self._in_bucket(path, what)
        place = Path(unquote(urlsplit(path).path)) if scheme else self.root / path
        try:
            place.exists()
        except OSError as error:  # it may not even be looked at, or its name is too long
            raise DataError(f"{path}: cannot be read: {system_message(error)} ({what}.path in muster.yml)") from error
        return place

    def _in_bucket(self, path: str, what: str) -> BucketPath:
        scheme, _, rest = path.partition("://")
        name, _, key = rest.partition("/")
        if reason := urls.mistake(f"{scheme}://{name}"):
            raise DataError(f"muster.yml: {what}.path: {reason}")
        fixed = key.split("/")
        while has_magic("/".join(fixed)):
            fixed.pop()
        try:
            return self._bucket(scheme.lower(), name, what).at("/".join(fixed))
        except DataError as error:
            raise DataError(f"{error} ({what}.path in muster.yml)") from error

    def _bucket(self, scheme: str, name: str, what: str) -> Bucket:
        url, (_, connection) = f"{scheme}://{name}", self._connections[what]
        key = (url, tuple(sorted(connection.items())))
        if key not in self._buckets:
            asked = Destination(id=f"muster.yml: {what}.path", name=what, url=url, connection=connection)
            self._buckets[key] = Bucket(url, partial(open_store, asked, self.root), self._copies(), asked.retries)
        return self._buckets[key]

    def _copies(self) -> Path:
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="muster-inputs-"))  # its owner's alone
            self._removed = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def close(self) -> None:
        """Remove the copies."""
        if self._removed:
            self._removed()

    def named(self, name: str) -> InputPath:
        """The file of a record (E8), which is in the workspace, or at a path of its own."""
        if _scheme(name) not in SCHEMES:
            return self.root / name
        near = [
            what
            for what, (path, _) in self._connections.items()
            if _scheme(path) in SCHEMES and name.startswith(_bucket_of(path))
        ]
        if not near:
            raise DataError(f"{name}: how it is reached is not known any more: no path in muster.yml leads there")
        scheme, _, rest = name.partition("://")
        bucket, _, key = rest.partition("/")
        return self._bucket(scheme, bucket, near[0]).at(key)

    def name(self, place: InputPath) -> str:
        """What a place is called in messages and records: relative to the workspace, if it is in it."""
        if isinstance(place, BucketPath):
            return str(place)
        return place.relative_to(self.root).as_posix() if place.is_relative_to(self.root) else str(place)

    def read(self, files: Sequence[InputPath]) -> list[Part]:
        """The footers of Parquet files, in this order; files in a bucket are copied first."""
        remote = [file for file in files if isinstance(file, BucketPath)]
        for bucket in {id(file.tree.bucket): file.tree.bucket for file in remote}.values():
            bucket.copies(file.key for file in remote if file.tree.bucket is bucket)
        return [self.read_one(file) for file in files]

    def read_one(self, file: InputPath) -> Part:
        """The footer of one."""
        local = file.tree.bucket.copy(file.key) if isinstance(file, BucketPath) else file
        return read_part(local, self.name(file))


def _scheme(path: str) -> str:
    """``file`` also for ``file:/folder``; nothing for a plain path."""
    if path.lower().startswith("file:"):
        return "file"
    return path.partition("://")[0].lower() if "://" in path else ""


def _bucket_of(path: str) -> str:
    """The beginning of the names of all files in the same bucket."""
    scheme, _, rest = path.partition("://")
    return f"{scheme.lower()}://{rest.partition('/')[0]}/"


# Which files


def children(folder: InputPath) -> list[InputPath]:
    """What is in a folder, by name; ``DataError`` when it cannot be listed."""
    try:
        found: list[InputPath] = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read: {system_message(error)}") from error
    return found


def parquet_files(place: InputPath) -> list[InputPath]:
    """The file itself, or all Parquet files below a folder but for hidden ones (a folder being written)."""
    return [place] if place.is_file() else sorted(_walk(place))


def _walk(folder: InputPath) -> Iterator[InputPath]:
    for child in children(folder):
        if is_hidden(child.name):
            continue
        if child.is_dir():
            yield from _walk(child)
        elif is_parquet(child):
            yield child


def matches(place: InputPath, path: str) -> list[InputPath]:
    """What a pattern matches, hidden names left out; ``place`` is what ``Inputs.at`` found for it."""
    if isinstance(place, BucketPath):
        pattern = path.partition("://")[2].partition("/")[2].strip("/")
        fixed = [part for part in pattern.split("/") if not has_magic(part)]
        return [each for each in place.matching(pattern) if not _is_hidden_in(each.key.split("/"), fixed)]
    anchor = Path(place.anchor)
    fixed = [part for part in place.parts if not has_magic(part)]
    return sorted(
        match for match in anchor.glob(str(place.relative_to(anchor))) if not _is_hidden_in(match.parts, fixed)
    )


def _is_hidden_in(parts: Sequence[str], fixed: Sequence[str]) -> bool:
    return any(is_hidden(part) and part not in fixed for part in parts)


def is_parquet(path: InputPath) -> bool:
    """Whether it is a Parquet file by its name; a link that leads nowhere is one that is missing, not one that was never there."""
    if path.suffix.lower() != ".parquet":
        return False
    return path.is_file() or (isinstance(path, Path) and path.is_symlink() and not path.exists())


def is_hidden(name: str) -> bool:
    """Whether names like this are not looked at."""
    return name.startswith((".", "_"))


def missing(place: InputPath, path: str, what: str) -> DataError:
    """What is said of a path that leads nowhere, with the names that are near where it breaks off."""
    hint = ""
    if isinstance(place, Path):
        parent = next(folder for folder in place.parents if folder.is_dir())
        beside = [child.name for child in children(parent) if not is_hidden(child.name)]
        hint = did_you_mean(place.relative_to(parent).parts[0], beside)
    return DataError(f"{path}: there is no such file or folder ({what}.path in muster.yml){hint}")


def without_files(path: str, what: str) -> DataError:
    """What is said of a path at which no Parquet file is."""
    problem = "matches no Parquet file" if has_magic(path) else "holds no Parquet file"
    return DataError(f"{path}: {problem} ({what}.path in muster.yml)")


def table_parts(inputs: Inputs, path: str, what: str) -> list[Part]:
    """Every Parquet file of an event or membership path, in the order of their names; ``DataError`` when there is none."""
    place = inputs.at(path, what)
    found = matches(place, path) if has_magic(path) and not _is_whole(place) else [place]
    if not has_magic(path) and not place.exists():
        raise missing(place, path, what)
    files = [file for match in found for file in parquet_files(match)]
    if not files:
        raise without_files(path, what)
    return inputs.read(files)


def _is_whole(place: InputPath) -> bool:
    """Whether a path that looks like a pattern is the name of something that is there; in a bucket it is a pattern."""
    return isinstance(place, Path) and place.exists()
