"""Paths of inputs on this machine and in buckets (SPEC 2, D2): what they lead to, and the files opened there.

``inputs.finding`` says which files a path means.
"""

import shutil
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from glob import has_magic
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeAlias

from muster.activation.errors import DataError
from muster.activation.inputs.buckets import Bucket, BucketPath
from muster.activation.inputs.folder_columns import with_folders
from muster.activation.inputs.names import before_path, setting_of
from muster.activation.inputs.open_files import OpenFiles
from muster.activation.inputs.parquet import Part, read_part, unreadable
from muster.activation.model.workspace import Destination, Workspace
from muster.activation.stores import urls
from muster.activation.stores.folder.urls import is_file_url, path_of
from muster.activation.stores.kinds import source_schemes
from muster.activation.stores.opening import open_listing_store
from muster.activation.system.os_errors import system_message

InputPath: TypeAlias = Path | BucketPath


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
                *((each.location.file, each) for each in workspace.sources.values()),
            )
            if source and source.path
        }
        self._buckets: dict[tuple[object, ...], Bucket] = {}
        self._open = OpenFiles()
        self._folder: Path | None = None
        self._removed: weakref.finalize[[Path], Inputs] | None = None

    def at(self, path: str, source_name: str) -> InputPath:
        """The file or folder at ``path``, the setting of ``source_name``.

        Names are ``profiles``, ``events``, ``memberships``, and the files of sources, such as ``sources/crm.yml``.

        Of a glob in a bucket this is the folder before the first pattern. ``DataError`` when it cannot be looked at.
        """
        scheme = _scheme(path)
        if scheme in source_schemes():
            return self._in_bucket(path, source_name)
        if scheme:
            expected = ", ".join(f"{each}://" for each in source_schemes())
            raise DataError(
                f"{before_path(source_name)}: nothing can be read from {scheme}://; expected a local path, or "
                f"one with {expected}"
            )
        local = self.root / path_of(path)
        try:
            local.exists()
        except OSError as error:  # a folder above may not be searched, or the name is too long
            raise DataError(f"{path}: cannot be read: {system_message(error)} ({setting_of(source_name)})") from error
        return local

    def _in_bucket(self, path: str, source_name: str) -> BucketPath:
        scheme, _, rest = path.partition("://")
        name, _, key = rest.partition("/")
        if reason := urls.mistake(f"{scheme}://{name}"):
            raise DataError(f"{before_path(source_name)}: {reason}")
        fixed = key.split("/")
        while has_magic("/".join(fixed)):
            fixed.pop()
        try:
            return self._bucket(scheme.lower(), name, source_name).at("/".join(fixed))
        except DataError as error:
            raise DataError(f"{error} ({setting_of(source_name)})") from error

    def _bucket(self, scheme: str, name: str, source_name: str) -> Bucket:
        url, (_, connection) = f"{scheme}://{name}", self._connections[source_name]
        key = (url, tuple(sorted(connection.items())))
        if key not in self._buckets:
            name = before_path(source_name)
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
