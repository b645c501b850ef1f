"""Input files of this machine, held open: a command reads one version of each, whatever happens to its name (D2).

A file that is replaced or removed can be read through its descriptor as it was. Only a file that is rewritten in place
changes under its reader, which size and times tell.
"""

import os
import resource
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_DESCRIPTORS = Path("/proc/self/fd")
_OTHERS = 256  # descriptors that the rest of a command may need
_MOST = 1 << 16  # files that are held open


class Version(NamedTuple):
    """The content of a file, as far as the file system tells it from another."""

    device: int
    inode: int
    size: int
    modified: int  # nanoseconds


@dataclass(frozen=True, eq=False)
class OpenFile:
    """An input file as it was when it was opened; without a descriptor it is read by its path."""

    path: Path
    descriptor: int | None
    version: Version
    changed: int  # nanoseconds: the last change of content, name or rights

    @property
    def readable(self) -> Path:
        """The path that leads to this version of the file."""
        return self.path if self.descriptor is None else _DESCRIPTORS / str(self.descriptor)

    def is_rewritten(self) -> bool:
        """Whether what ``readable`` leads to has other content by now, or is gone."""
        try:
            now = self.path.stat() if self.descriptor is None else os.fstat(self.descriptor)
        except OSError:
            return True
        return _version(now) != self.version

    def is_touched(self) -> bool:
        """Whether content, name or rights changed since the file was opened."""
        return self.descriptor is None or os.fstat(self.descriptor).st_ctime_ns != self.changed


def version_of(path: Path) -> Version | None:
    """The version of a file that its path leads to now; None when there is none."""
    try:
        return _version(path.stat())
    except OSError:
        return None


def _version(found: os.stat_result) -> Version:
    return Version(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class OpenFiles:
    """The files that one command holds open, until ``close``."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []
        self._closed = weakref.finalize(self, _close, self._descriptors)

    def open(self, path: Path) -> OpenFile:
        """Open a file and keep it open, if the system lets this process hold so many; else it is read by its path."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe is not waited for
        found = os.fstat(descriptor)
        version, changed = _version(found), found.st_ctime_ns
        if not _may_hold(len(self._descriptors) + 1):
            os.close(descriptor)
            return OpenFile(path, None, version, changed)
        self._descriptors.append(descriptor)
        return OpenFile(path, descriptor, version, changed)

    def close(self) -> None:
        """Close all files; what is read later is not what was opened."""
        self._closed()


def _close(descriptors: list[int]) -> None:
    while descriptors:
        with suppress(OSError):
            os.close(descriptors.pop())


def _may_hold(count: int) -> bool:
    """Whether this process may hold so many files; its limit is raised as far as it may raise it itself."""
    if count > _MOST or not _DESCRIPTORS.is_dir():
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or count + _OTHERS <= soft or count <= soft // 4:
        return True
    wanted = 2 * (count + _OTHERS)
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if raised <= soft:
        return False
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        return count + _OTHERS <= raised
    return False
