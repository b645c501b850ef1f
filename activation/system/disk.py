"""Files and folders of this machine: made with an exact mode, synced, hashed (F6)."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path


def folder_mode(file_mode: int) -> int:
    """The mode of a folder whose files have ``file_mode``: who may read may also search (F6)."""
    return file_mode | ((file_mode & 0o444) >> 2)


def make_folder(folder: Path, file_mode: int) -> None:
    """Create a folder and those above it that are missing, each with the matching mode; existing ones are left as they are.

    Each survives a power cut, unless the one above it may be written but not read.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=folder_mode(file_mode), exist_ok=True)  # at no moment open to more, whatever the umask
        place.chmod(folder_mode(file_mode))
        with suppress(PermissionError):
            sync(place.parent)


def create_file(path: Path, mode: int) -> None:
    """Create an empty file with exactly this mode, whatever the umask; what stands there is replaced."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def own_file(path: str, flags: int) -> int:
    """For ``open``: the file that ``create_file`` made; ``OSError`` if somebody has put a link in its place."""
    return os.open(path, flags | os.O_NOFOLLOW)


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
