"""The protocol of stores: files below a prefix on another machine, each of which appears whole or not at all (F3).

A store carries out one request, once, and raises a ``StoreError`` that says whether trying again helps;
``muster.activation.stores.retrying`` tries again and words the failure for the user. A store is used by one thread at a
time. Its class is named in the ``kind.py`` of its folder.

StoreError           a file cannot be read or written; trying again does not help
├── TakenError       another file has the name, and must not be replaced
├── DamagedError     the local file is not as it was when it was written
├── DeniedError      a right is missing; requests that need another right may succeed
├── UnusableError    no file can be written there as things are (credentials, bucket, host key): the store is given up
└── PassingError     a failure that may pass (timeout, busy server, broken connection): the request is tried again
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

TAKEN = "another file already has this name, and muster does not overwrite it; move it away"
FOLDER_IN_THE_WAY = "a folder has the name of the file; move it away"


class StoreError(Exception):
    """A file cannot be read or written; the message ends a sentence that names the destination."""


class TakenError(StoreError):
    """Another file has the name, and must not be replaced; the message is the file's name."""


class DamagedError(StoreError):
    """The local file is not as it was when it was written; nothing was sent."""

    def __init__(self) -> None:
        super().__init__("the staged file is not as it was written")


class DeniedError(StoreError):
    """A right is missing; the message names it."""


class UnusableError(StoreError):
    """No file can be written to this destination as things are."""


class PassingError(StoreError):
    """A failure that may pass: the request is worth trying again."""


@dataclass(frozen=True)
class Sent:
    """A local file to put into a store, all of it, under its final name."""

    path: Path
    name: str  # relative to the prefix, with ``/``
    temporary: str  # the name for the time of the upload, if the store needs one; the ledger knows it
    size: int
    sha256: str  # in hex
    mode: int = 0o600  # of the file, where the store has modes

    def check(self, sha256: str) -> None:
        """``DamagedError`` when the bytes that were read have another SHA-256 than the file that was staged."""
        if sha256 != self.sha256:
            raise DamagedError


@dataclass(frozen=True)
class Reported:
    """Size and checksum that a store reports of a file, without the file being read."""

    size: int
    sha256: str | None = None  # in hex; None where the store reports none


class Listed(NamedTuple):
    """A file in a listing."""

    name: str  # relative to the prefix, with ``/``
    size: int  # bytes
    version: str  # another text when the file was replaced


class Store(Protocol):
    """Files below a prefix, reached over a connection that is made when it is first needed."""

    def reach(self) -> None:
        """Connect, and see that the bucket or folder is there; writes nothing."""

    def put(self, sent: Sent, *, replace: bool) -> None:
        """Upload the file, which appears at once and complete.

        Without ``replace``, ``TakenError`` when another file has the name. Size and checksum that the store reports are
        compared before this returns; a difference is a ``PassingError``. An earlier, interrupted try leaves nothing.
        """

    def clear(self, name: str, temporary: str) -> None:
        """Remove what an interrupted ``put`` may have left: a temporary file, parts of an upload."""

    def stat(self, name: str) -> Reported | None:
        """Size and checksum of a file; None when there is none."""

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, in pieces; ``FileNotFoundError`` when there is none."""

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""

    def close(self) -> None:
        """End the connection; the next request makes another."""


class ListingStore(Store, Protocol):
    """A store whose files can be found by the beginning of their names, and looked at without reading all of them."""

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Each file whose name begins with ``prefix``, whole names or not."""

    def read_piece(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a file, which has at least ``start + length``; ``FileNotFoundError`` when there is no file."""
