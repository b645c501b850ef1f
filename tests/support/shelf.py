"""A kind of destination that muster does not have: `shelf://` urls, whose files lie in a folder that the connection
names. It is declared as any kind is, and added to the table by one line.
"""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from muster.activation.model.workspace import Destination
from muster.activation.stores.kind import ConnectionKey, DestinationKind
from muster.activation.stores.protocol import Listed, PassingError, Reported, Sent, TakenError, UnusableError
from muster.activation.stores.remote_urls import BucketUrls, prefix

SHELF = DestinationKind(
    urls=BucketUrls("shelf", container="shelf"),
    client="support.shelf.ShelfStore",
    lists=True,
    keys=(ConnectionKey("room"), ConnectionKey("lamp", words=("on", "off"), needs="room")),
    service=lambda _url, connection, _environ: connection.get("room", ""),
    extra="shelf",
    needs=("json",),
)


@dataclass
class ShelfStore:
    """Files below a prefix of a shelf. The first upload of all fails, in a way that may pass."""

    destination: Destination
    root: Path

    @property
    def _folder(self) -> Path:
        return self.root / self.destination.connection["room"] / prefix(self.destination.url)

    def reach(self) -> None:
        """Look whether there is a room."""
        if not self._folder.parent.is_dir():
            raise UnusableError("there is no such room")

    def put(self, sent: Sent, *, replace: bool) -> None:
        """Copy the file."""
        self.reach()
        dropped = self._folder.parent / "dropped"
        if not dropped.exists():
            dropped.touch()
            raise PassingError("it fell down")
        final = self._folder / sent.name
        if final.exists() and not replace:
            raise TakenError(sent.name)
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sent.path, final)
        sent.check(hashlib.sha256(final.read_bytes()).hexdigest())

    def clear(self, _name: str, _temporary: str) -> None:
        """Do nothing: a copy that was interrupted is replaced."""

    def stat(self, name: str) -> Reported | None:
        """Size and checksum of a file."""
        file = self._folder / name
        if not file.exists():
            return None
        return Reported(file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""
        yield (self._folder / name).read_bytes()

    def read_piece(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a file."""
        return (self._folder / name).read_bytes()[start : start + length]

    def delete(self, name: str) -> None:
        """Remove a file."""
        (self._folder / name).unlink(missing_ok=True)

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Name and size of the files whose names begin so."""
        for file in sorted(self._folder.rglob("*")):
            name = file.relative_to(self._folder).as_posix()
            if file.is_file() and name.startswith(prefix):
                yield Listed(name, file.stat().st_size, str(file.stat().st_mtime_ns))

    def close(self) -> None:
        """Do nothing: there is no connection."""
