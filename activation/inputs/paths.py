"""Paths of inputs, and the Parquet files that they mean (SPEC 2, D2, D3, D4): folders, files and globs.

Paths on this machine and in buckets follow one set of rules; hidden names are left out everywhere.
"""

import shutil
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from glob import has_magic
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple, TypeAlias

from muster.activation.errors import DataError, did_you_mean
from muster.activation.inputs.buckets import Bucket, BucketPath
from muster.activation.inputs.contents import is_parquet_here
from muster.activation.inputs.folder_columns import columns_in, with_folders
from muster.activation.inputs.names import is_checksum_name, is_hidden, is_parquet_name
from muster.activation.inputs.open_files import OpenFiles
from muster.activation.inputs.parquet import Part, read_part, unreadable
from muster.activation.model.workspace import Destination, Workspace
from muster.activation.stores import urls
from muster.activation.stores.folder.urls import is_file_url, path_of
from muster.activation.stores.kinds import source_schemes
from muster.activation.stores.opening import open_listing_store
from muster.activation.system.os_errors import system_message
from muster.activation.wording import first_names

InputPath: TypeAlias = Path | BucketPath
_NAMED = 5  # files that a warning names; further ones are counted


class Inputs:
    """The inputs of one command: its files are held open, or copied from buckets, until ``close`` (D2)."""

    def __init__(self, workspace: Workspace) -> None:
        self.root, self._variables = workspace.root, workspace.variables
        self._connections = {
            source_name: (source.path, source.connection)
            for source_name, source in (
                ("profiles", workspace.profiles),
                ("events", workspace.events),
                ("memberships", workspace.memberships),
            )
            if source
        }
        self._buckets: dict[tuple[object, ...], Bucket] = {}
        self._open = OpenFiles()
        self._folder: Path | None = None
        self._removed: weakref.finalize[[Path], Inputs] | None = None

    def at(self, path: str, source_name: str) -> InputPath:
        """The file or folder at ``path``, the setting of the source ``source_name``: profiles, events or memberships.

        Of a glob in a bucket this is the folder before the first pattern. ``DataError`` when it cannot be looked at.
        """
        scheme = _scheme(path)
        if scheme in source_schemes():
            return self._in_bucket(path, source_name)
        if scheme:
            expected = ", ".join(f"{each}://" for each in source_schemes())
            raise DataError(
                f"muster.yml: {source_name}.path: nothing can be read from {scheme}://; expected a local path, or "
                f"one with {expected}"
            )
        local = self.root / path_of(path)
        try:
            local.exists()
        except OSError as error:  # a folder above may not be searched, or the name is too long
            raise DataError(
                f"{path}: cannot be read: {system_message(error)} ({source_name}.path in muster.yml)"
            ) from error
        return local

    def _in_bucket(self, path: str, source_name: str) -> BucketPath:
        scheme, _, rest = path.partition("://")
        name, _, key = rest.partition("/")
        if reason := urls.mistake(f"{scheme}://{name}"):
            raise DataError(f"muster.yml: {source_name}.path: {reason}")
        fixed = key.split("/")
        while has_magic("/".join(fixed)):
            fixed.pop()
        try:
            return self._bucket(scheme.lower(), name, source_name).at("/".join(fixed))
        except DataError as error:
            raise DataError(f"{error} ({source_name}.path in muster.yml)") from error

    def _bucket(self, scheme: str, name: str, source_name: str) -> Bucket:
        url, (_, connection) = f"{scheme}://{name}", self._connections[source_name]
        key = (url, tuple(sorted(connection.items())))
        if key not in self._buckets:
            name = f"muster.yml: {source_name}.path"
            source = Destination(name, source_name, url, connection, variables=self._variables)
            opening = partial(open_listing_store, source, self.root)
            self._buckets[key] = Bucket(url, opening, self._copies(), source.retries)
        return self._buckets[key]

    def _copies(self) -> Path:
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="muster-inputs-"))  # readable by its owner alone
            self._removed = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def close(self) -> None:
        """Close the files, and remove the copies of files in buckets."""
        self._open.close()
        if self._removed:
            self._removed()

    def named(self, name: str) -> InputPath:
        """The file that an evaluation recorded under this name (E8), here or in a bucket.

        ``DataError`` when no path of the config is in the file's bucket.
        """
        if _scheme(name) not in source_schemes():
            return self.root / name
        sources = [
            source_name
            for source_name, (path, _) in self._connections.items()
            if _scheme(path) in source_schemes() and name.startswith(_bucket_of(path))
        ]
        if not sources:
            raise DataError(
                f"{name}: no `path` in muster.yml covers this file now, so muster has no connection for it; "
                f"put the path back"
            )
        scheme, _, rest = name.partition("://")
        bucket, _, key = rest.partition("/")
        return self._bucket(scheme, bucket, sources[0]).at(key)

    def name(self, file: InputPath) -> str:
        """The name of a file in messages and records (E8): relative to the workspace, for files inside it."""
        if isinstance(file, BucketPath):
            return str(file)
        return file.relative_to(self.root).as_posix() if file.is_relative_to(self.root) else str(file)

    def recorded(self, record: Mapping[str, Any]) -> Part:
        """The file of an evaluation's record (E8), with the columns of its folders as they were recorded.

        ``DataError`` when the file cannot be read.
        """
        return with_folders(self.read_one(self.named(str(record["name"]))), record.get("folders", {}))

    def read(self, files: Sequence[InputPath]) -> list[Part]:
        """The footers of Parquet files, in their order; files in a bucket are copied first."""
        remote = [file for file in files if isinstance(file, BucketPath)]
        for bucket in {id(file.tree.bucket): file.tree.bucket for file in remote}.values():
            bucket.copies(file.key for file in remote if file.tree.bucket is bucket)
        return [self.read_one(file) for file in files]

    def forget(self, files: Sequence[InputPath]) -> None:
        """Copy these files anew when they are next read, where they are in a bucket."""
        for file in files:
            if isinstance(file, BucketPath):
                file.tree.bucket.forget(file.key)

    def read_one(self, file: InputPath) -> Part:
        """The footer of one Parquet file, which is held open; a file in a bucket is copied first."""
        name = self.name(file)
        if isinstance(file, BucketPath):
            return read_part(file.tree.bucket.copy(file.key), name)
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise unreadable(name, ValueError("it is a pipe, a socket or a device, not a file"))
        try:
            opened = self._open.open(file)
        except OSError as error:
            raise unreadable(name, error) from error
        return read_part(opened.readable, name, opened)


def _scheme(path: str) -> str:
    """The scheme of a path on another machine, in lower case; nothing for a path of this machine."""
    return path.partition("://")[0].lower() if "://" in path and not is_file_url(path) else ""


def _bucket_of(path: str) -> str:
    """The beginning of the names of all files in a path's bucket."""
    scheme, _, rest = path.partition("://")
    return f"{scheme.lower()}://{rest.partition('/')[0]}/"


# Which files


def children(folder: InputPath) -> list[InputPath]:
    """The files and folders in a folder, sorted by name; ``DataError`` when it cannot be listed."""
    try:
        found: list[InputPath] = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read: {system_message(error)}") from error
    return found


class FilesBelow(NamedTuple):
    """The files at a path: Parquet files, whole or damaged, and others, which are not read (D2)."""

    parquet: list[InputPath]
    others: list[InputPath]  # without checksums, of which nobody is told


def files_below(inputs: Inputs, location: InputPath) -> FilesBelow:
    """The file, taken for Parquet, or all files below a folder, sorted, without hidden files and folders."""
    return told_apart(inputs, sorted(walk(location))) if location.is_dir() else FilesBelow([location], [])


def walk(folder: InputPath) -> Iterator[InputPath]:
    """All files below a folder, without hidden files and folders; broken links, pipes and sockets count as files."""
    for child in children(folder):
        if is_hidden(child.name):
            continue
        if not child.is_dir():
            yield child
        elif not _leads_upwards(child):
            yield from walk(child)


def _leads_upwards(folder: InputPath) -> bool:
    """Whether a folder is a link to one that it lies in."""
    return isinstance(folder, Path) and folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def told_apart(inputs: Inputs, files: Sequence[InputPath]) -> FilesBelow:
    """Tell Parquet files from others: by their names, else by their first and last bytes (D2).

    A broken link, a pipe or a socket with the name of a Parquet file counts as one, so that it is reported. Files that
    are gone are neither. ``DataError`` when a file cannot be looked at.
    """
    found = FilesBelow([], [])
    for file, is_parquet in zip(files, _are_parquet(inputs, files), strict=True):
        if is_parquet:
            found.parquet.append(file)
        elif is_parquet is not None and not is_checksum_name(file.name):
            found.others.append(file)
    return found


def _are_parquet(inputs: Inputs, files: Sequence[InputPath]) -> list[bool | None]:
    remote = [file for file in files if isinstance(file, BucketPath)]
    if remote:  # then all of them: they are below one location
        return list(remote[0].tree.bucket.are_parquet([file.listed for file in remote]))
    return [is_parquet_name(file.name) or _is_parquet(inputs, file) for file in files if isinstance(file, Path)]


def _is_parquet(inputs: Inputs, file: Path) -> bool | None:
    try:
        return is_parquet_here(file)
    except OSError as error:
        raise DataError(
            f"{inputs.name(file)}: cannot be read, so muster cannot see whether it is Parquet: {system_message(error)}"
        ) from error


def seems_parquet(path: InputPath) -> bool:
    """Whether a file may be meant as an input, for a hint: files in a bucket are judged by their names alone."""
    if path.is_dir():
        return False
    if is_parquet_name(path.name) or isinstance(path, BucketPath):
        return is_parquet_name(path.name)
    with suppress(OSError):
        return bool(is_parquet_here(path))
    return False


def matches(location: InputPath, path: str) -> list[InputPath]:
    """The files and folders that a pattern matches, without hidden ones; ``location`` is ``Inputs.at(path)``."""
    if isinstance(location, BucketPath):
        pattern = path.partition("://")[2].partition("/")[2].strip("/")
        fixed = [part for part in pattern.split("/") if not has_magic(part)]
        return [each for each in location.matching(pattern) if not _is_hidden_in(each.key.split("/"), fixed)]
    anchor = Path(location.anchor)
    fixed = [part for part in location.parts if not has_magic(part)]
    return sorted(
        match for match in anchor.glob(str(location.relative_to(anchor))) if not _is_hidden_in(match.parts, fixed)
    )


def _is_hidden_in(parts: Sequence[str], fixed: Sequence[str]) -> bool:
    return any(is_hidden(part) and part not in fixed for part in parts)


def missing(location: InputPath, path: str, source_name: str) -> DataError:
    """The error about a path that does not exist, with similar names beside the first missing folder."""
    hint = ""
    if isinstance(location, Path):
        parent = next(folder for folder in location.parents if folder.is_dir())
        siblings = [child.name for child in children(parent) if not is_hidden(child.name)]
        hint = did_you_mean(location.relative_to(parent).parts[0], siblings)
    return DataError(f"{path}: there is no such file or folder ({source_name}.path in muster.yml){hint}")


def without_files(path: str, source_name: str) -> DataError:
    """The error about a path without a Parquet file."""
    problem = "matches no Parquet file" if has_magic(path) else "holds no Parquet file"
    return DataError(f"{path}: {problem} ({source_name}.path in muster.yml)")


def table_parts(inputs: Inputs, path: str, source_name: str, warn: Callable[[str], None]) -> list[Part]:
    """The Parquet files of an event or membership path, sorted by name; ``DataError`` when there is none.

    ``warn`` is told of files that are not read.
    """
    location = inputs.at(path, source_name)
    root = location
    if has_magic(path) and not is_whole(location):
        root = fixed_folder(location)
        found = files_matching(inputs, location, path)
    elif location.exists():
        found = files_below(inputs, location)
    else:
        raise missing(location, path, source_name)
    if found.others:
        warn(unread_files(inputs, path, root, found.others))
    if not found.parquet:
        raise without_files(path, source_name)
    parts = inputs.read(found.parquet)
    return [
        with_folders(part, columns_in(folders_between(root, file)))
        for file, part in zip(found.parquet, parts, strict=True)
    ]


def fixed_folder(location: InputPath) -> InputPath:
    """The folder of a pattern before the first name with a wildcard; ``location`` is ``Inputs.at`` of the pattern."""
    if isinstance(location, BucketPath):
        return location
    return next(folder for folder in (location, *location.parents) if not has_magic(str(folder)))


def folders_between(root: InputPath, file: InputPath) -> tuple[str, ...]:
    """The names of the folders between a folder and a file somewhere below it, outermost first."""
    return file.parts[len(root.parts) : -1]


def files_matching(inputs: Inputs, location: InputPath, path: str) -> FilesBelow:
    """The files that a pattern matches, and those below the folders that it matches, each once."""
    matched = matches(location, path)
    found = told_apart(inputs, [match for match in matched if not match.is_dir()])
    below = [files_below(inputs, match) for match in matched if match.is_dir()]
    parquet, others = (
        {str(file): file for files in lists for file in files} for lists in zip(found, *below, strict=True)
    )
    return FilesBelow(sorted(parquet.values()), sorted(others.values()))


def unread_files(inputs: Inputs, shown: str, folder: InputPath, files: Sequence[InputPath]) -> str:
    """The warning about files at or below ``folder``, called ``shown``, that are not Parquet (D2)."""
    start = f"{inputs.name(folder)}/"
    names = first_names([inputs.name(file).removeprefix(start) for file in files], _NAMED)
    are = "is" if len(files) == 1 else "are"
    return (
        f"{shown}: {names} {are} not read: expected Parquet files, whatever their names; names that start with '.' or "
        "'_' are ignored"
    )


def is_whole(location: InputPath) -> bool:
    """Whether a path that looks like a pattern is the name of an existing file or folder; never so in a bucket."""
    return isinstance(location, Path) and location.exists()
