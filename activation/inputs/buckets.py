"""Input files in a bucket, found like those of a folder, and copied here whole before they are read (SPEC 2, D2). Edge module.

A bucket has no folders: they are read off the names. A file is copied once a command, so that whatever is read of it is
one content, and is looked at as closely as a file of this machine before it is decoded.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath

from muster.activation.destinations.remote import RemoteTarget
from muster.activation.errors import DataError, ExportError
from muster.activation.stores.protocol import ListingStore, Store
from muster.activation.system.disk import create_file, own_file
from muster.activation.system.os_errors import system_message

_AT_ONCE = 4  # files that are on their way at a time
_LOOK = 0.1  # seconds after which the waiting thread lets signals in
_MODE = 0o600


class _Source(RemoteTarget):
    """A bucket that is read from, with the patience of one that is written to. One thread at a time uses it."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """The names that begin so, and the size of each."""
        return self._do("cannot be listed", lambda store: dict(_listing(store).listed(prefix)))

    def copy(self, name: str, to: Path) -> None:
        """A file of the bucket as one of this machine; ``FileNotFoundError`` when it is gone."""

        def copy(store: Store) -> None:
            create_file(to, _MODE)
            with open(to, "wb", opener=own_file) as file:
                file.writelines(store.read(name))

        self._do(f"{name} cannot be read", copy)


def _listing(store: Store) -> ListingStore:
    if not isinstance(store, ListingStore):
        raise TypeError(store)  # inputs are read from kinds that have it
    return store


@dataclass(frozen=True, eq=False)
class Bucket:
    """A bucket, and where copies of its files are put."""

    url: str  # without a path
    opened: Callable[[], Store]
    folder: Path
    retries: int
    _idle: deque[_Source] = field(default_factory=deque)
    _copied: dict[str, Path] = field(default_factory=dict)

    @contextmanager
    def _source(self) -> Iterator[_Source]:
        """One that no other thread uses meanwhile."""
        source = (
            self._idle.pop() if self._idle else _Source(self.url, self.opened, self.folder, _MODE, retries=self.retries)
        )
        try:
            yield source
        finally:
            self._idle.append(source)

    def at(self, key: str) -> "BucketPath":
        """A file or folder, or what a pattern begins with, and all below it; ``DataError`` when the bucket cannot be listed."""
        key = key.strip("/")
        try:
            with self._source() as source:
                sizes = source.sizes(key)
        except ExportError as error:
            raise DataError(str(error)) from error
        below = {name: size for name, size in sizes.items() if f"{name}/".startswith(f"{key}/" if key else "")}
        for name in below:
            rest = name.removeprefix(key) if key else f"/{name}"
            if (
                "//" in rest
                and name.lower().endswith(".parquet")
                and not any(part.startswith((".", "_")) for part in rest.split("/"))
            ):
                raise DataError(
                    f"{self.url}/{name}: a folder in it has no name, so nothing can lead there; expected one "
                    f"'/' between names"
                )
        return BucketPath(Tree(self, below), key)

    def copies(self, keys: Iterable[str]) -> None:
        """Copy files of it here, several at a time; ``DataError`` when one cannot be had."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._copied]
        workers = ThreadPoolExecutor(_AT_ONCE, "muster-inputs")
        copying = {workers.submit(self._copy, key): key for key in wanted}
        waiting = set(copying)
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=_LOOK, return_when=FIRST_EXCEPTION)
                self._copied.update((copying[each], each.result()) for each in done)
        finally:  # a command that is asked to stop waits for no answer
            workers.shutdown(wait=False, cancel_futures=True)

    def copy(self, key: str) -> Path:
        """The copy of one file."""
        self.copies([key])
        return self._copied[key]

    def _copy(self, key: str) -> Path:
        to = self.folder / sha256(f"{self.url}/{key}".encode()).hexdigest()
        try:
            with self._source() as source:
                source.copy(key, to)
        except FileNotFoundError as error:
            raise DataError(f"{self.url}/{key}: the file is gone since it was listed") from error
        except ExportError as error:
            raise DataError(str(error)) from error
        except OSError as error:
            raise DataError(
                f"{self.url}/{key}: cannot be copied to {self.folder.parent}: {system_message(error)}"
            ) from error
        return to


@dataclass(frozen=True, eq=False)
class Tree:
    """What was listed of a bucket."""

    bucket: Bucket
    sizes: dict[str, int]  # by name

    @cached_property
    def folders(self) -> dict[str, set[str]]:
        """The names directly in each folder."""
        found: dict[str, set[str]] = {}
        for name in self.sizes:
            path = PurePosixPath(name)
            for child in (path, *path.parents[:-1]):
                found.setdefault(_key(child.parent), set()).add(_key(child))
        return found


def _key(path: PurePosixPath) -> str:
    return "" if path == PurePosixPath() else path.as_posix()


@dataclass(frozen=True, eq=False)
class BucketPath:
    """A file or folder in a bucket, with the words of ``pathlib.Path`` that finding inputs needs."""

    tree: Tree
    key: str

    def __str__(self) -> str:
        return f"{self.tree.bucket.url}/{self.key}".rstrip("/")

    def __lt__(self, other: "BucketPath") -> bool:
        return self.key < other.key

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.key).name

    @property
    def suffix(self) -> str:
        """Of the name, with its dot."""
        return PurePosixPath(self.key).suffix

    @property
    def parents(self) -> "list[BucketPath]":
        """The folders above, the nearest first, without the bucket itself."""
        return [BucketPath(self.tree, parent.as_posix()) for parent in PurePosixPath(self.key).parents[:-1]]

    def exists(self) -> bool:
        """Whether there is a file or folder of that name."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.key in self.tree.sizes

    def is_dir(self) -> bool:
        """Whether there are files below it."""
        return self.key in self.tree.folders

    def iterdir(self) -> "Iterator[BucketPath]":
        """What is directly in a folder."""
        return (BucketPath(self.tree, child) for child in self.tree.folders.get(self.key, ()))

    def matching(self, pattern: str) -> "list[BucketPath]":
        """What was listed and fits a pattern of whole names: ``*``, ``?``, ``[...]``, and ``**`` for any number of folders."""
        wanted = PurePosixPath(pattern).parts
        names = {*self.tree.sizes, *self.tree.folders} - {""}
        return [BucketPath(self.tree, name) for name in sorted(names) if _fits(PurePosixPath(name).parts, wanted)]


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
