"""Errors of asyncssh as the errors of ``muster.activation.stores.protocol`` (SPEC 10); needs asyncssh."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import asyncssh

from muster.activation.stores.protocol import PassingError, StoreError, UnusableError

_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_DENIED = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)
_FULL = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_BROKEN = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ConnectionLost)

# Classes of asyncssh, narrower ones first, with the error and message for each; ``{}`` is asyncssh's own message.
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], type[StoreError], str], ...] = (
    (_BROKEN, PassingError, "the connection broke: {}"),
    ((TimeoutError,), PassingError, "no answer in time"),
    ((asyncssh.PermissionDenied,), UnusableError, "the login is refused: check the user, and the key or password"),
    ((asyncssh.ChannelOpenError,), UnusableError, "the server offers no SFTP: {}"),
    (
        (asyncssh.KeyExchangeFailed, asyncssh.ProtocolNotSupported),
        UnusableError,
        "it shares no connection method with muster: {}",
    ),
    ((asyncssh.ProtocolError, asyncssh.IllegalUserName), UnusableError, "the server ends the connection: {}"),
    ((asyncssh.Error, OSError), PassingError, "{}"),
)


def connection_error(error: Exception) -> StoreError:
    """The ``StoreError`` for an error of the connection."""
    if isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN:
        return UnusableError(f"the host is not found: {reason(error)}")
    kind, message = next((kind, message) for kinds, kind, message in _MEANINGS if isinstance(error, kinds))
    return kind(message.format(reason(error) or "no reason is given"))


@contextmanager
def requesting(action: str, hint: str = "") -> Iterator[None]:
    """Turn a refusal of the one request in the block into ``StoreError`` that names the action.

    Errors about a missing file or a broken connection are raised as they are.
    """
    try:
        yield
    except (*_BROKEN, *_MISSING):
        raise
    except _DENIED as error:
        raise StoreError(f"the server denies permission to {action}") from error
    except _FULL as error:
        raise StoreError(f"the server cannot {action}: its disk is full, or a quota is used up") from error
    except asyncssh.SFTPError as error:
        raise StoreError(f"the server cannot {action}: it answers '{reason(error)}'{hint}") from error


def reason(error: Exception) -> str:
    """The message of an error as a clause in one line: lower case, without a full stop."""
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(message.split()).rstrip(".").lower()
