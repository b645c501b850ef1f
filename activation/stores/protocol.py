"""What is asked of a remote place, whatever its protocol (F3): files under a prefix, each of which appears whole or not at all.

A store carries out one thing, once, and says how it failed; ``remote.RemoteTarget`` tries again, and words it for the
user. An implementation is a module of its own that needs an extra, named in ``targets``; it is used by one thread at a
time.

StoreError           this file cannot be had or written here: it is not tried again
├── TakenError       a file stands there that is not to be replaced
├── DamagedError     the file of this machine is not what it was when it was written
├── DeniedError      the right to do this is missing; there may be one to do something else
├── PlaceError       nothing can be written here as things are: credentials, a bucket, a host key; the whole place is given up
└── PassingError     what may pass: a timeout, a server that is busy, a connection that broke; it is tried again
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


class StoreError(Exception):
    """This file cannot be had or written here; the message ends a sentence that names the place."""


class TakenError(StoreError):
    """A file stands there that is not to be replaced."""


class DamagedError(StoreError):
    """The file of this machine is not what it was when it was written; nothing was sent."""


class DeniedError(StoreError):
    """The right to do this is missing, and named."""


class PlaceError(StoreError):
    """Nothing can be written here as things are."""


class PassingError(StoreError):
    """What may pass when it is tried again."""


@dataclass(frozen=True)
class Sent:
    """A file of this machine that is put somewhere: all of it, under its final name."""

    path: Path
    name: str  # relative to the place, with ``/``
    temporary: str  # where it may lie meanwhile, if the place needs that: the ledger knows the name
    size: int
    sha256: str  # in hex
    mode: int = 0o600  # of the file, where a place has such


@dataclass(frozen=True)
class Reported:
    """What a place says of a file, without reading it."""

    size: int
    sha256: str | None = None  # in hex; None where it does not tell


class Store(Protocol):
    """A place, connected to when it is first used."""

    def reach(self) -> None:
        """Connect, and see that the place is there; writes nothing."""

    def put(self, sent: Sent, *, replace: bool) -> None:
        """Upload the whole file, so that it appears at once and complete; ``TakenError`` when it must not replace what stands there.

        What the place reports of it, size and checksum, is compared before this returns; a difference is a
        ``PassingError``. An earlier try that was interrupted leaves nothing behind.
        """

    def clear(self, name: str, temporary: str) -> None:
        """Remove what an interrupted ``put`` may have left: a temporary file, parts of an upload."""

    def stat(self, name: str) -> Reported | None:
        """What the place says of a file; None when there is none."""

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file; ``FileNotFoundError`` when there is none."""

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""

    def close(self) -> None:
        """End the connection. It is made again when it is needed."""


@runtime_checkable
class ListingStore(Store, Protocol):
    """A place that files can also be found in: a bucket."""

    def listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The names that begin so, and the size of each file, in bytes; of names with ``/`` also those that are only partly that."""
