"""Input files in a bucket, found like those of a folder, and copied here whole before they are read (SPEC 2, D2).

A bucket has no folders: they are derived from the names. A file is copied once in a command, so that every reader sees
one content, and is checked as closely as a local file before it is decoded.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TypeAlias, TypeVar

from muster.activation.errors import DataError, ExportError
from muster.activation.inputs.contents import looks_like_parquet
from muster.activation.inputs.names import is_hidden, is_parquet_name
from muster.activation.stores.protocol import Listed, ListingStore
from muster.activation.stores.retrying import RetryingStore
from muster.activation.system.disk import create_file, own_file
from muster.activation.system.os_errors import system_message

_AT_ONCE = 4  # files that are copied at a time
_SIGNALS = 0.1  # seconds after which the waiting thread handles signals
_MODE = 0o600
_Source: TypeAlias = RetryingStore[ListingStore]
K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Bucket:
    """A bucket that inputs are read from, and the folder for copies of its files."""

    url: str  # without a path
    open_store: Callable[[], ListingStore]
    folder: Path
    retries: int
    _idle: deque[_Source] = field(default_factory=deque)
    _copied: dict[str, Path] = field(default_factory=dict)
    _looked_at: dict[Listed, bool] = field(default_factory=dict)

    @contextmanager
    def _source(self) -> Iterator[_Source]:
        """A store of this bucket that no other thread uses within the block."""
        source = self._idle.pop() if self._idle else RetryingStore(self.url, self.open_store, retries=self.retries)
        try:
            yield source
        finally:
            self._idle.append(source)

    def at(self, key: str) -> "BucketPath":
        """A file or folder, or the fixed beginning of a pattern, with all files below it.

        ``DataError`` when the bucket cannot be listed, or a file below it has an empty folder name.
        """
        key = key.strip("/")
        try:
            with self._source() as source:
                found = source.do("cannot be listed", lambda store: list(store.listed(key)))
        except ExportError as error:
            raise DataError(str(error)) from error
        below = {each.name: each for each in found if f"{each.name}/".startswith(f"{key}/" if key else "")}
        nameless = [each for each in below.values() if _has_nameless_folder(each.name, key)]
        for listed, is_parquet in zip(nameless, self.are_parquet(nameless), strict=True):
            if is_parquet:
                raise DataError(
                    f"{self.url}/{listed.name}: the object name contains '//', which muster cannot read; rename the "
                    "object"
                )
        return BucketPath(Tree(self, below), key)

    def copies(self, keys: Iterable[str]) -> None:
        """Copy files of the bucket here, several at a time; ``DataError`` when one cannot be copied."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._copied]
        for key, copy in _at_once(self._copy, wanted):
            self._copied[key] = copy

    def are_parquet(self, files: Sequence[Listed]) -> list[bool]:
        """Whether each of these files is Parquet: by its name, else by its first and last bytes, which are read once.

        ``DataError`` when a file cannot be looked at; one that is gone is none.
        """
        unknown = [each for each in files if not is_parquet_name(each.name) and each not in self._looked_at]
        self._looked_at.update(_at_once(self._is_parquet, unknown))
        return [is_parquet_name(each.name) or self._looked_at[each] for each in files]

    def _is_parquet(self, file: Listed) -> bool:
        def piece(start: int, length: int) -> bytes:
            with self._source() as source:
                return source.do(
                    f"{file.name} cannot be read", lambda store: store.read_piece(file.name, start, length)
                )

        try:
            return looks_like_parquet(file.size, piece)
        except FileNotFoundError:
            return False
        except ExportError as error:
            raise DataError(str(error)) from error

    def forget(self, key: str) -> None:
        """Copy a file anew when it is next needed."""
        self._copied.pop(key, None)

    def copy(self, key: str) -> Path:
        """The copy of one file of the bucket, made when it is first needed."""
        self.copies([key])
        return self._copied[key]

    def _copy(self, key: str) -> Path:
        to = self.folder / sha256(f"{self.url}/{key}".encode()).hexdigest()
        try:
            with self._source() as source:
                source.do(f"{key} cannot be read", lambda store: _write(store.read(key), to))
        except FileNotFoundError as error:
            raise DataError(f"{self.url}/{key}: the file was removed since it was listed") from error
        except ExportError as error:
            raise DataError(str(error)) from error
        except OSError as error:
            raise DataError(
                f"{self.url}/{key}: cannot be copied to {self.folder.parent}: {system_message(error)}"
            ) from error
        return to


def _at_once(request: Callable[[K], T], about: Iterable[K]) -> Iterator[tuple[K, T]]:
    """Make a request about each, several at a time; yields the answers as they come, and raises the first error."""
    workers = ThreadPoolExecutor(_AT_ONCE, "muster-inputs")
    asked = {workers.submit(request, each): each for each in about}
    waiting = set(asked)
    try:
        while waiting:
            done, waiting = wait(waiting, timeout=_SIGNALS, return_when=FIRST_EXCEPTION)
            yield from ((asked[each], each.result()) for each in done)
    finally:  # a command that is asked to stop waits for no answer
        workers.shutdown(wait=False, cancel_futures=True)


def _has_nameless_folder(name: str, key: str) -> bool:
    """Whether a file, in no hidden folder, has an empty folder name below ``key``."""
    rest = name.removeprefix(key) if key else f"/{name}"
    return "//" in rest and not any(is_hidden(part) for part in rest.split("/"))


def _write(content: Iterable[bytes], to: Path) -> None:
    create_file(to, _MODE)
    with open(to, "wb", opener=own_file) as file:
        file.writelines(content)


@dataclass(frozen=True, eq=False)
class Tree:
    """The files that were listed of a bucket."""

    bucket: Bucket
    files: dict[str, Listed]  # by name

    @cached_property
    def folders(self) -> dict[str, set[str]]:
        """The names directly in each folder."""
        found: dict[str, set[str]] = {}
        for name in self.files:
            path = PurePosixPath(name)
            for child in (path, *path.parents[:-1]):
                found.setdefault(_key(child.parent), set()).add(_key(child))
        return found


def _key(path: PurePosixPath) -> str:
    return "" if path == PurePosixPath() else path.as_posix()


@dataclass(frozen=True, eq=False)
class BucketPath:
    """A file or folder in a bucket, with the methods of ``pathlib.Path`` that finding inputs needs."""

    tree: Tree
    key: str

    def __str__(self) -> str:
        return f"{self.tree.bucket.url}/{self.key}".rstrip("/")

    def __lt__(self, other: "BucketPath") -> bool:
        return self.key < other.key

    @property
    def name(self) -> str:
        """The last name of the path."""
        return PurePosixPath(self.key).name

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the folders and of the file, without the bucket's."""
        return PurePosixPath(self.key).parts

    @property
    def listed(self) -> Listed:
        """What the listing says of a file."""
        return self.tree.files[self.key]

    @property
    def version(self) -> str:
        """What the listing says of a file's version."""
        return f"{self.listed.size} {self.listed.version}"

    @property
    def parents(self) -> "list[BucketPath]":
        """The folders above, the nearest first, without the bucket itself."""
        return [BucketPath(self.tree, parent.as_posix()) for parent in PurePosixPath(self.key).parents[:-1]]

    def exists(self) -> bool:
        """Whether there is a file or folder of this name."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Whether there is a file of this name."""
        return self.key in self.tree.files

    def is_dir(self) -> bool:
        """Whether there are files below this name."""
        return self.key in self.tree.folders

    def iterdir(self) -> "Iterator[BucketPath]":
        """The files and folders directly in a folder."""
        return (BucketPath(self.tree, child) for child in self.tree.folders.get(self.key, ()))

    def matching(self, pattern: str) -> "list[BucketPath]":
        """The listed files and folders that match a pattern of whole names.

        A pattern may have ``*``, ``?``, ``[...]``, and ``**`` for any number of folders.
        """
        wanted = PurePosixPath(pattern).parts
        names = {*self.tree.files, *self.tree.folders} - {""}
        return [BucketPath(self.tree, name) for name in sorted(names) if _match(PurePosixPath(name).parts, wanted)]


def _match(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_match(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _match(parts[1:], pattern[1:])
