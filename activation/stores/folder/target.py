"""Delivery to a folder of this machine (F1, F3, F6): temporary files are made visible by a link or rename."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile
from muster.activation.stores.protocol import FOLDER_IN_THE_WAY, TAKEN
from muster.activation.system.disk import checksum, create_file, make_folder, own_file, sync
from muster.activation.system.os_errors import system_message

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


class LocalTarget:
    """A folder of this machine; what ``muster.activation.destinations.target`` asks of a destination."""

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
        """``ExportError`` when files cannot be written here: no connection can fail besides; writes nothing."""
        self.check()

    def ask_again(self) -> None:
        """Do nothing: a folder is never given up."""

    def _check(self) -> None:
        nearest = next(folder for folder in (self.root, *self.root.parents) if folder.exists() or folder.is_symlink())
        subject = f"{self.url}:" if nearest == self.root else f"{self.url}: {nearest.name}"
        if not nearest.exists():
            raise ExportError(f"{subject} is a link to a file or folder that does not exist")
        if not nearest.is_dir():
            raise ExportError(f"{subject} is a file; expected a folder")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise ExportError(f"{self.url}: cannot be written: permission denied")

    def check_free(self, names: Iterable[str], *, replace: bool) -> None:
        """``ExportError`` when one of these names is taken: by a folder, or, without ``replace``, by anything (F1)."""
        for name in names:
            path = self._inside(name)
            if path.is_dir():
                raise ExportError(f"{self.url}/{name}: {FOLDER_IN_THE_WAY}")
            if not replace and (path.exists() or path.is_symlink()):
                raise self._taken(name)

    def _taken(self, name: str) -> ExportError:
        return ExportError(f"{self.url}/{name}: {TAKEN}")

    @contextmanager
    def describing_failures(self, consequence: str) -> Iterator[None]:
        """Turn ``OSError`` about a file below the folder into ``ExportError`` that names the consequence (SPEC 10).

        An error about another file, one that was read, is raised as it is.
        """
        try:
            yield
        except OSError as error:
            if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(self.root):
                raise
            raise ExportError(f"{self.url}: cannot be written: {system_message(error)}; {consequence}") from error

    def path(self, name: str) -> Path:
        """The path of a file of the destination."""
        return self.root / PurePosixPath(name)

    def places(self, names: Iterable[str]) -> set[Path]:
        """Where files of these names lie: links to folders are followed, a link under the name itself is not."""
        paths = [self.path(name) for name in names]
        folders = {folder: folder.resolve() for folder in {path.parent for path in paths}}
        return {folders[path.parent] / path.name for path in paths}

    def _inside(self, name: str) -> Path:
        """The path of a file to write; ``ExportError`` when a link below the root leads out of it.

        The root itself may be a link.
        """
        path = self.path(name)
        if path.parent != self.root and not path.parent.resolve().is_relative_to(self.root.resolve()):
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
        """Whether the temporary file exists."""
        return self.path(temporary).exists()

    def unstage(self, temporary: str) -> None:
        """Remove the temporary file, if it exists."""
        self.remove(temporary)

    def abandon(self, name: str, temporary: str) -> None:
        """Remove the temporary file; an interrupted rename leaves nothing else."""
        _ = name
        self.remove(temporary)

    @contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        """The file of the destination, which is not copied."""
        yield self.path(name)

    def exists(self, name: str) -> bool:
        """Whether anything has this name."""
        return self.path(name).exists()

    def holds(self, name: str, size: int | None, sha256: str | None) -> bool:
        """Whether the file of this name has this size and this SHA-256, in hex."""
        path = self.path(name)
        return path.is_file() and path.stat().st_size == size and checksum(path) == sha256

    def holds_text(self, name: str, text: str) -> bool:
        """Whether the small file of this name is exactly this text."""
        path = self.path(name)
        return path.is_file() and path.read_bytes() == text.encode()

    def publish(self, file: PlannedFile, *, replace: bool) -> None:
        """Make a staged file visible. Without ``replace`` another file of the name is left alone: ``ExportError``.

        The new name survives a power cut once ``sync_names`` was called.
        """
        if not replace and self.holds(file.path, file.size, file.sha256):
            self.unstage(file.temporary)  # a command made the file visible, and was killed before it removed this name
            return
        self._publish(file.temporary, file.path, replace=replace)

    def _publish(self, temporary: str, name: str, *, replace: bool) -> None:
        source, final = self._inside(temporary), self._inside(name)
        if replace or not self._link(source, final, name):
            source.replace(final)
        else:
            source.unlink()

    def _link(self, source: Path, final: Path, name: str) -> bool:
        """Link a file to its final name; ``ExportError`` when that is taken. False where no links can be made."""
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
        """Write a small file so that it appears complete or not at all. ``sync_names`` makes its name last."""
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
        """Remove a file, if it exists; a folder of that name is left alone."""
        path = self._inside(name)
        if path.is_file() or path.is_symlink():
            path.unlink()
            sync(path.parent)

    def sync(self, temporary: str) -> None:
        """Make the bytes of a staged file survive a power cut."""
        sync(self.path(temporary))

    def sync_names(self, names: Iterable[str], synced: set[Path]) -> None:
        """Sync the folders of files that are not among ``synced``, which takes them.

        A folder that is gone needs no sync: a receiver may take visible files together with their folder.
        """
        for folder in sorted({self.path(name).parent for name in names} - synced):
            with suppress(FileNotFoundError):
                sync(folder)
            synced.add(folder)
