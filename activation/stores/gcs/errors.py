"""Errors of Google Cloud Storage and its libraries as the errors of ``muster.activation.stores.protocol`` (SPEC 10).

A message says what would help. The libraries' own messages are not quoted: they have addresses with which anybody can
go on with an upload.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.auth.exceptions import (
    DefaultCredentialsError,
    GoogleAuthError,
    InvalidOperation,
    RefreshError,
    TransportError,
)
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema, RequestException, SSLError, Timeout

from muster.activation.stores.protocol import DeniedError, PassingError, StoreError, TakenError, UnusableError

_RIGHT = re.compile(r"storage\.[a-z]+\.[a-zA-Z]+")  # the name of a right
_CHECKSUM = re.compile(r"crc32c|md5", re.IGNORECASE)
_PASSING = {408, 429}
_SCHEMES = (MissingSchema, InvalidSchema, InvalidURL)


@contextmanager
def as_store_errors(name: str = "", permission: str = "") -> Iterator[None]:
    """Turn the libraries' errors inside the block into ``StoreError``, or ``FileNotFoundError`` for a missing object.

    ``permission`` is what the request needs, for a refusal.
    """
    try:
        yield
    except GoogleAPICallError as error:
        raise _answered(error, name, permission) from error
    except (SSLError, *_SCHEMES) as error:
        if isinstance(error, SSLError):
            raise UnusableError("its certificate is not accepted") from error
        raise UnusableError("its endpoint is not an http:// or https:// address") from error
    except (RequestException, TransportError) as error:
        raise PassingError(
            "no answer in time" if isinstance(error, Timeout) else "the connection cannot be made, or broke"
        ) from error
    except InvalidOperation as error:
        raise UnusableError("it requires credentials: set credentials_file") from error
    except DefaultCredentialsError as error:
        raise UnusableError(
            "this machine has no credentials: set credentials_file, or log in with `gcloud auth "
            "application-default login`"
        ) from error
    except RefreshError as error:
        if error.retryable:
            raise PassingError("the credentials cannot be renewed at the moment") from error
        raise UnusableError("the credentials are not accepted, or have expired") from error
    except GoogleAuthError as error:
        raise UnusableError(f"the credentials cannot be used: {type(error).__name__}") from error


def _answered(error: GoogleAPICallError, name: str, permission: str) -> Exception:
    status, reason, message = _answer(error)
    if isinstance(error, NotFound):
        return FileNotFoundError(name)
    if status == 412:
        return TakenError(name)
    if status == 401:
        return UnusableError("the credentials are not accepted, or have expired")
    if "userproject" in reason.lower():
        return UnusableError("the requester pays for this bucket: set connection.project to the project to bill")
    if status in _PASSING or status >= 500 or "ratelimit" in reason.lower():
        return PassingError(f"Google answers {status} {reason}".rstrip())
    if status == 403:
        named = _RIGHT.search(message)
        return DeniedError(f"access denied: the right {named[0] if named else permission} is missing")
    if status == 400 and _CHECKSUM.search(message):
        return PassingError("what arrived is not what was sent")
    return StoreError(f"Google answers {status} {reason}".rstrip())


def _answer(error: GoogleAPICallError) -> tuple[int, str, str]:
    """Status, reason (one word) and message of Google's answer."""
    try:
        answer = error.response.json()["error"]
        return error.code or 0, (answer.get("errors") or [{}])[0].get("reason", ""), answer.get("message", "")
    except (AttributeError, KeyError, TypeError, ValueError):
        return error.code or 0, "", ""
