"""What asyncssh raises, in the words and kinds of ``stores.protocol``: what may pass, what ends a file, what ends the place."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import asyncssh

from muster.activation.stores.protocol import PassingError, PlaceError, StoreError

_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_DENIED = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)
_FULL = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_BROKEN = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ConnectionLost)

# In which order they are looked at, what each means, and how it is told; ``{}`` is what asyncssh says.
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], type[StoreError], str], ...] = (
    (_BROKEN, PassingError, "the connection broke: {}"),
    ((TimeoutError,), PassingError, "no answer in time"),
    ((asyncssh.PermissionDenied,), PlaceError, "the login is refused: check the user, and the key or password"),
    ((asyncssh.ChannelOpenError,), PlaceError, "the server offers no SFTP: {}"),
    (
        (asyncssh.KeyExchangeFailed, asyncssh.ProtocolNotSupported),
        PlaceError,
        "it has no way of connecting in common with muster: {}",
    ),
    ((asyncssh.ProtocolError, asyncssh.IllegalUserName), PlaceError, "the server ends the connection: {}"),
    ((asyncssh.Error, OSError), PassingError, "{}"),
)


def meant(error: Exception) -> StoreError:
    """An error of the connection."""
    if isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN:
        return PlaceError(f"the host is not found: {_words(error)}")
    kind, words = next((kind, words) for kinds, kind, words in _MEANINGS if isinstance(error, kinds))
    return kind(words.format(_words(error) or "no reason is given"))


@contextmanager
def doing(what: str, hint: str = "") -> Iterator[None]:
    """Around one request to the server: what it refuses, by the name of what was asked. A missing file stays what it is."""
    try:
        yield
    except (*_BROKEN, *_MISSING):
        raise
    except _DENIED as error:
        raise StoreError(f"the server denies permission to {what}") from error
    except _FULL as error:
        raise StoreError(f"the server cannot {what}: its disk is full, or a quota is used up") from error
    except asyncssh.SFTPError as error:
        raise StoreError(f"the server cannot {what}: it answers '{_words(error)}'{hint}") from error


def _words(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()).rstrip(".").lower()
