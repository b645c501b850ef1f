"""The protocol of delivering: staging files, making them visible, comparing and removing them (F1, F3, F6)."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from muster.activation.model.history import PlannedFile


class DeliveryTarget(Protocol):
    """A destination that finished files are delivered to, by paths relative to its url, with ``/``.

    Whatever the destination refuses is an ``ExportError`` that names it, or an ``OSError`` within
    ``describing_failures``.
    """

    url: str  # normalised, without credentials
    file_mode: int
    is_remote: bool  # on another machine: slow, so files are delivered beside other work

    def check(self) -> None:
        """``ExportError`` when it is known without a connection that files cannot be written; writes nothing."""

    def reach(self) -> None:
        """``ExportError`` when the destination cannot be reached, or cannot have files; writes nothing."""

    def ask_again(self) -> None:
        """Make requests again, though the destination was given up before in this command."""

    def check_free(self, names: Iterable[str], *, replace: bool) -> None:
        """``ExportError`` when it is known without a connection that one of these names is taken (F1)."""

    def describing_failures(self, consequence: str) -> AbstractContextManager[None]:
        """Turn ``OSError`` inside the block into ``ExportError`` that names this destination and the consequence."""

    def places(self, names: Iterable[str]) -> set[Path]:
        """Where on this machine files of these names lie, links followed; no places on another machine."""

    def stage(self, temporary: str) -> Path:
        """Create an empty temporary file for a writer to fill."""

    def sync(self, temporary: str) -> None:
        """Make the bytes of a staged file survive a power cut; its name does after ``sync_names``."""

    def sync_names(self, names: Iterable[str], synced: set[Path]) -> None:
        """Make the names of files on this machine, staged or published, survive a power cut: their folders are synced.

        ``synced`` has the folders that need no sync any more, and takes those that were synced.
        """

    def is_staged(self, temporary: str) -> bool:
        """Whether the temporary file exists."""

    def unstage(self, temporary: str) -> None:
        """Remove the temporary file, if it exists."""

    def abandon(self, name: str, temporary: str) -> None:
        """Remove the temporary file, and whatever an interrupted ``publish`` of it left at the destination."""

    def publish(self, file: PlannedFile, *, replace: bool) -> None:
        """Make a staged file visible under its final name, which on this machine lasts once ``sync_names`` was called.

        Without ``replace`` another file of that name is never touched: ``ExportError``.
        """

    def write(self, name: str, temporary: str, text: str) -> None:
        """Write a small file so that it appears complete or not at all; on this machine ``sync_names`` is to follow."""

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""

    def exists(self, name: str) -> bool:
        """Whether anything has this name."""

    def holds(self, name: str, size: int | None, sha256: str | None) -> bool:
        """Whether the file of this name has this size and this SHA-256, in hex."""

    def holds_text(self, name: str, text: str) -> bool:
        """Whether the small file of this name is exactly this text."""

    def fetch(self, name: str) -> AbstractContextManager[Path]:
        """The file, or a copy, to read on this machine within the block.

        ``FileNotFoundError`` inside the block when there is none; ``OSError`` when it cannot be read.
        """
