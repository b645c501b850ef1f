"""A place that files go to: temporary names, atomic appearance, removal (F1, F3, F6). Edge module.

A target speaks in paths relative to the destination's root, with ``/``. ``Target`` is what every kind of it can do;
``LocalTarget`` is a folder of this machine, ``remote.RemoteTarget`` all else. ``targets.Targets`` picks one by URL.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile
from muster.activation.system.disk import checksum, create_file, make_folder, own_file, sync
from muster.activation.system.os_errors import system_message

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


class Target(Protocol):
    """What delivering needs of a place. Whatever it refuses is an ``ExportError`` that names it, or an ``OSError`` within ``told``."""

    url: str  # normalised, without credentials
    file_mode: int
    is_remote: bool  # takes its time, and is given files beside other work

    def check(self) -> None:
        """``ExportError`` when it can be seen, without asking another machine, that files cannot be written here; writes nothing."""

    def reach(self) -> None:
        """``ExportError`` when the place cannot be reached, or is none that files can be written to; writes nothing."""

    def try_again(self) -> None:
        """Ask the place again though it has refused before, once, in this command."""

    def check_free(self, names: Iterable[str], *, replace: bool) -> None:
        """``ExportError`` when it can be seen, without asking another machine, that one of these names is taken (F1)."""

    def told(self, then: str) -> AbstractContextManager[None]:
        """Around writing: what the system refuses, as ``ExportError`` that names the place and what follows (SPEC 10)."""

    def stage(self, temporary: str) -> Path:
        """Create an empty temporary file for a writer to fill."""

    def sync(self, temporary: str) -> None:
        """Make a staged file survive a power cut, its name included."""

    def is_staged(self, temporary: str) -> bool:
        """Whether a temporary file is there."""

    def unstage(self, temporary: str) -> None:
        """Remove a temporary file, if it is there."""

    def abandon(self, name: str, temporary: str) -> None:
        """The same, and whatever an interrupted ``publish`` of it may have left at the place."""

    def publish(self, file: PlannedFile, *, replace: bool) -> None:
        """Make a staged file visible. Without ``replace`` another that stands there is never touched: ``ExportError``."""

    def write(self, name: str, temporary: str, text: str) -> None:
        """Write a small file so that it appears complete or not at all."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def exists(self, name: str) -> bool:
        """Whether something stands under that name."""

    def holds(self, name: str, size: int | None, sha256: str | None) -> bool:
        """Whether the file there is exactly the one meant."""

    def says(self, name: str, text: str) -> bool:
        """Whether the small file there is exactly this text."""

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """A file of the place to read on this machine; ``FileNotFoundError`` inside when there is none."""


class LocalTarget:
    """A folder of this machine. Temporary files lie beside their final names, so that a rename makes them visible at once."""

    is_remote = False

    def __init__(self, root: Path, url: str, file_mode: int) -> None:
        self.root = root
        self.url = url
        self.file_mode = file_mode

    def check(self) -> None:
        """``ExportError`` when files cannot be written here; writes nothing."""
        try:
            self._check()
        except OSError as error:  # it may not even be looked at, or its name is too long
            raise ExportError(f"{self.url}: cannot be written: {system_message(error)}") from error

    def reach(self) -> None:
        """The same: nothing lies between."""
        self.check()

    def try_again(self) -> None:
        """Nothing: it is always asked."""

    def _check(self) -> None:
        place = next(folder for folder in (self.root, *self.root.parents) if folder.exists() or folder.is_symlink())
        what = f"{self.url}:" if place == self.root else f"{self.url}: {place.name}"
        if not place.exists():
            raise ExportError(f"{what} is a link to a place that does not exist")
        if not place.is_dir():
            raise ExportError(f"{what} is a file; expected a folder")
        if not os.access(place, os.W_OK | os.X_OK):
            raise ExportError(f"{self.url}: cannot be written: permission denied")

    def check_free(self, names: Iterable[str], *, replace: bool) -> None:
        """``ExportError`` when one of these names is taken: by a folder, or, without ``replace``, by anything (F1)."""
        for name in names:
            path = self._inside(name)
            if path.is_dir():
                raise ExportError(f"{self.url}/{name}: a folder stands where the file belongs; move it away")
            if not replace and (path.exists() or path.is_symlink()):
                raise self._taken(name)

    def _taken(self, name: str) -> ExportError:
        return ExportError(
            f"{self.url}/{name}: a file that this run did not plan stands there; it is left as it is: move it away"
        )

    @contextmanager
    def told(self, then: str) -> Iterator[None]:
        """Around writing: what the system refuses, as ``ExportError`` that names the place and what follows (SPEC 10)."""
        try:
            yield
        except OSError as error:
            if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(self.root):
                raise  # a file that was read
            raise ExportError(f"{self.url}: cannot be written: {system_message(error)}; {then}") from error

    def path(self, name: str) -> Path:
        """Where a file of the destination lies."""
        return self.root / PurePosixPath(name)

    def _inside(self, name: str) -> Path:
        """The same, for writing: ``ExportError`` when a link below the root leads out of it. The root itself may be one."""
        path = self.path(name)
        if not path.parent.resolve().is_relative_to(self.root.resolve()):
            folder, _, _ = name.rpartition("/")
            raise ExportError(
                f"{self.url}/{folder}: leads out of the destination, by a link; put a folder there, or change the url"
            )
        return path

    def stage(self, temporary: str) -> Path:
        """Create an empty temporary file, with its folders, for a writer to fill."""
        path = self._inside(temporary)
        make_folder(path.parent, self.file_mode)
        create_file(path, self.file_mode)
        return path

    def is_staged(self, temporary: str) -> bool:
        """Whether a temporary file is there."""
        return self.path(temporary).exists()

    def unstage(self, temporary: str) -> None:
        """Remove a temporary file, if it is there."""
        self.remove(temporary)

    def abandon(self, name: str, temporary: str) -> None:
        """The same: a rename leaves nothing."""
        _ = name
        self.remove(temporary)

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """The file itself."""
        yield self.path(name)

    def exists(self, name: str) -> bool:
        """Whether something stands under that name."""
        return self.path(name).exists()

    def holds(self, name: str, size: int | None, sha256: str | None) -> bool:
        """Whether the file there is exactly the one meant."""
        path = self.path(name)
        return path.is_file() and path.stat().st_size == size and checksum(path) == sha256

    def says(self, name: str, text: str) -> bool:
        """Whether the small file there is exactly this text."""
        path = self.path(name)
        return path.is_file() and path.read_bytes() == text.encode()

    def publish(self, file: PlannedFile, *, replace: bool) -> None:
        """Make a staged file visible. Without ``replace`` another that stands there is never touched: ``ExportError``."""
        if not replace and self.holds(file.path, file.size, file.sha256):
            self.unstage(file.temporary)  # made visible by a command that was killed before it took the first name away
            return
        self._publish(file.temporary, file.path, replace=replace)

    def _publish(self, temporary: str, name: str, *, replace: bool) -> None:
        source, final = self._inside(temporary), self._inside(name)
        if replace or not self._linked(source, final, name):
            source.replace(final)
        else:
            source.unlink()
        sync(final.parent)

    def _linked(self, source: Path, final: Path, name: str) -> bool:
        """Give a file its second name, which fails when the name is taken; False where the file system has no links."""
        try:
            os.link(source, final)
        except FileExistsError:
            raise self._taken(name) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if final.exists():
                raise self._taken(name) from None
            return False
        return True

    def write(self, name: str, temporary: str, text: str) -> None:
        """Write a small file so that it appears complete or not at all."""
        path = self.stage(temporary)
        try:
            with open(path, "w", encoding="utf-8", newline="\n", opener=own_file) as file:
                file.write(text)
            sync(path)
            self._publish(temporary, name, replace=True)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def remove(self, name: str) -> None:
        """Remove a file, if it is there; a folder of that name is somebody else's."""
        path = self._inside(name)
        if path.is_file() or path.is_symlink():
            path.unlink()
            sync(path.parent)

    def sync(self, temporary: str) -> None:
        """Make a staged file survive a power cut, its name included."""
        path = self.path(temporary)
        sync(path)
        sync(path.parent)
