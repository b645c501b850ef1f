"""Files and folders of this machine: create them with an exact mode, sync them, hash them (F6)."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from threading import Lock

_making = Lock()  # held by the thread that makes folders


def folder_mode(file_mode: int) -> int:
    """The mode of a folder whose files have ``file_mode``: users who may read files may search the folder (F6)."""
    return file_mode | ((file_mode & 0o444) >> 2)


def make_folder(folder: Path, file_mode: int) -> None:
    """Create a folder and its missing parents with the mode that matches ``file_mode``; existing folders do not change.

    Each new folder survives a power cut, unless its parent may be written but not read.
    """
    with _making:  # whoever finds a folder finds it with its mode
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode=folder_mode(file_mode), exist_ok=True)  # never open to more users, whatever the umask
            each.chmod(folder_mode(file_mode))
            with suppress(PermissionError):
                sync(each.parent)


def create_file(path: Path, mode: int) -> None:
    """Create an empty file with exactly this mode, whatever the umask; an existing file is replaced."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def own_file(path: str, flags: int) -> int:
    """An opener for ``open`` that follows no link: ``OSError`` if somebody replaced the file by a link."""
    return os.open(path, flags | os.O_NOFOLLOW)


def sync(path: Path) -> None:
    """Write a file's bytes, or a folder's entries, through to the disk, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
