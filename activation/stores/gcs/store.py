"""Objects in a bucket of Google Cloud Storage (F3). Edge module; needs google-cloud-storage.

A file is one upload: it appears when the last byte is there, whole or not at all. Google is told the CRC32C beforehand
and refuses a content that differs; the size and checksum that it then reports are compared once more. What an
interrupted upload leaves is no object to anybody, costs nothing, and is dropped after a week.
"""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import google_crc32c
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.auth import identity_pool
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import (
    DefaultCredentialsError,
    GoogleAuthError,
    InvalidOperation,
    RefreshError,
    TransportError,
)
from google.cloud.storage import Blob, Client
from google.oauth2.credentials import Credentials as UserCredentials
from google.oauth2.service_account import Credentials as ServiceCredentials
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema, RequestException, SSLError, Timeout

from muster.activation.model.workspace import Destination
from muster.activation.stores.protocol import (
    DamagedError,
    DeniedError,
    PassingError,
    PlaceError,
    Reported,
    Sent,
    StoreError,
    TakenError,
)
from muster.activation.system.os_errors import system_message

MIB = 1 << 20
PIECE = 32 * MIB  # bytes of a file that are in memory, and of a request
_CHUNK = 4 * MIB
_RIGHT = re.compile(r"storage\.[a-z]+\.[a-zA-Z]+")  # the name of a right
_CHECKSUM = re.compile(r"crc32c|md5", re.IGNORECASE)
_PASSING = {408, 429}
_SCHEMES = (MissingSchema, InvalidSchema, InvalidURL)

# By the word in the file. Google advises against a loader that takes any kind of them.
_CREDENTIALS: dict[str, Callable[[str], Any]] = {
    "service_account": ServiceCredentials.from_service_account_file,
    "authorized_user": UserCredentials.from_authorized_user_file,
    "external_account": identity_pool.Credentials.from_file,
}


class GcsStore:
    """A prefix of a bucket."""

    def __init__(self, destination: Destination, root: Path) -> None:
        """Nothing is asked of the bucket. ``PlaceError`` when the credentials cannot be had."""
        parts = urlsplit(destination.url)
        self._prefix = "/".join(part for part in parts.path.split("/") if part not in ("", "."))
        self._options: dict[str, Any] = {
            "timeout": destination.timeout,
            "retry": None,
        }  # whoever uses a store tries again
        with self._told():
            self._client = connect(destination, root)
            self._bucket = self._client.bucket(parts.netloc, user_project=destination.connection.get("project"))

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _blob(self, name: str) -> Any:
        return Blob(self._key(name), self._bucket, chunk_size=PIECE)

    def reach(self) -> None:
        """Ask for the bucket. To be allowed to list it is not needed."""
        try:
            with self._told(right="storage.objects.list"):
                found = self._client.list_blobs(
                    self._bucket, prefix=self._prefix or None, max_results=1, **self._options
                )
                next(iter(found), None)
        except FileNotFoundError as error:
            raise self._no_bucket() from error
        except DeniedError:
            return

    def put(self, sent: Sent, *, replace: bool) -> None:
        """One upload, in pieces if it is large."""
        blob = self._blob(sent.name)
        blob.metadata = {"sha256": sent.sha256}
        blob.crc32c = expected = _crc32c(sent)
        condition = {} if replace else {"if_generation_match": 0}  # no generation: nothing stands there
        try:
            with self._told(sent.name, "storage.objects.create"), sent.path.open("rb") as file:
                blob.upload_from_file(file, size=sent.size, checksum=None, **condition, **self._options)
        except FileNotFoundError as error:
            if error.filename:  # a file of this machine
                raise
            raise self._no_bucket() from error
        if blob.size == sent.size and blob.crc32c == expected:  # as the answer said
            return
        self.delete(sent.name)
        raise PassingError(
            f"Google reports {blob.size or 0:,} bytes, or a checksum, other than what was sent; it was removed"
        )

    def _no_bucket(self) -> PlaceError:
        return PlaceError(f"there is no bucket {self._bucket.name}")

    def clear(self, _name: str, _temporary: str) -> None:
        """Nothing: an upload that was not finished cannot be found again, nor seen."""

    def stat(self, name: str) -> Reported | None:
        """Size, and the checksum that was written beside the file."""
        found = self._found(name)
        return None if found is None else Reported(found.size or 0, (found.metadata or {}).get("sha256"))

    def _found(self, name: str) -> Any:
        blob = self._blob(name)
        try:
            with self._told(name, "storage.objects.get"):
                blob.reload(**self._options)
        except FileNotFoundError:
            return None
        return blob

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes, all of one generation of the file."""
        found = self._found(name)
        if found is None:
            raise FileNotFoundError(name)
        blob = self._blob(name)  # without the address in what was found: that is not the endpoint's
        with self._told(name, "storage.objects.get"):
            for start in range(0, found.size or 0, _CHUNK):
                yield blob.download_as_bytes(
                    start=start,
                    end=min(start + _CHUNK, found.size) - 1,
                    if_generation_match=found.generation,
                    raw_download=True,
                    checksum=None,
                    **self._options,
                )

    def delete(self, name: str) -> None:
        """Remove it."""
        with suppress(FileNotFoundError), self._told(name, "storage.objects.delete"):
            self._blob(name).delete(**self._options)

    def listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The objects whose names begin so."""
        try:
            with self._told(right="storage.objects.list"):
                found = self._client.list_blobs(self._bucket, prefix=self._key(prefix) or None, **self._options)
                yield from (
                    (each.name.removeprefix(self._key("")), each.size or 0)
                    for each in found
                    if not each.name.endswith("/")
                )
        except FileNotFoundError as error:
            raise self._no_bucket() from error

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    @contextmanager
    def _told(self, name: str = "", right: str = "") -> Iterator[None]:
        """What the library says, in the words of ``stores.protocol``. Its own hold addresses that let anybody go on with an upload."""
        try:
            yield
        except GoogleAPICallError as error:
            raise self._meant(error, name, right) from error
        except (SSLError, *_SCHEMES) as error:
            said = (
                "its certificate is not accepted"
                if isinstance(error, SSLError)
                else "its endpoint is no http:// or https:// address"
            )
            raise PlaceError(said) from error
        except (RequestException, TransportError) as error:
            raise PassingError(
                "no answer in time" if isinstance(error, Timeout) else "the connection cannot be made, or broke"
            ) from error
        except InvalidOperation as error:
            raise PlaceError("it wants credentials: set credentials_file") from error
        except DefaultCredentialsError as error:
            raise PlaceError(
                "this machine has no credentials: set credentials_file, or log in with `gcloud auth "
                "application-default login`"
            ) from error
        except RefreshError as error:
            if error.retryable:
                raise PassingError("the credentials cannot be renewed at the moment") from error
            raise PlaceError("the credentials are not accepted, or have expired") from error
        except GoogleAuthError as error:
            raise PlaceError(f"the credentials cannot be used: {type(error).__name__}") from error

    def _meant(self, error: GoogleAPICallError, name: str, right: str) -> Exception:
        status, reason, message = _answer(error)
        if isinstance(error, NotFound):
            return FileNotFoundError(name)
        if status == 412:
            return TakenError(name)
        if status == 401:
            return PlaceError("the credentials are not accepted, or have expired")
        if "userproject" in reason.lower():
            return PlaceError("the requester pays for this bucket: set connection.project to the project that does")
        if status in _PASSING or status >= 500 or "ratelimit" in reason.lower():
            return PassingError(f"Google answers {status} {reason}".rstrip())
        if status == 403:
            named = _RIGHT.search(message)
            return DeniedError(f"access denied: the right {named[0] if named else right} is missing")
        if status == 400 and _CHECKSUM.search(message):
            return PassingError("what arrived is not what was sent")
        return StoreError(f"Google answers {status} {reason}".rstrip())


def connect(destination: Destination, root: Path) -> Client:
    """A client, as ``connection`` or the environment says."""
    said = destination.connection
    endpoint = said.get("endpoint")
    credentials = None
    if "credentials_file" in said:
        credentials = _credentials(root / Path(said["credentials_file"]).expanduser(), said["credentials_file"])
    elif endpoint and not (urlsplit(endpoint).hostname or "").endswith(".googleapis.com"):
        credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # an emulator: nobody's credentials belong there
    return Client(
        project=None,
        credentials=credentials,
        client_options={"api_endpoint": endpoint.rstrip("/")} if endpoint else None,
    )


def _credentials(path: Path, shown: str) -> Any:
    try:
        kind = json.loads(path.read_bytes()).get("type", "")
    except OSError as error:
        raise PlaceError(f"{shown}: the credentials cannot be read: {system_message(error)}") from error
    except (ValueError, AttributeError) as error:
        raise PlaceError(f"{shown} is no file of credentials: it is not JSON") from error
    if kind not in _CREDENTIALS:
        raise PlaceError(
            f"{shown} is no file of credentials that can be used; expected one of type {', '.join(_CREDENTIALS)}"
        )
    try:
        return _CREDENTIALS[kind](str(path))
    except (ValueError, GoogleAuthError) as error:
        raise PlaceError(
            f"{shown} is no file of credentials: something is missing in it, or its key is damaged"
        ) from error


def _answer(error: GoogleAPICallError) -> tuple[int, str, str]:
    """Status, reason (one word) and message of what Google answered."""
    try:
        told = error.response.json()["error"]
        return error.code or 0, (told.get("errors") or [{}])[0].get("reason", ""), told.get("message", "")
    except (AttributeError, KeyError, TypeError, ValueError):
        return error.code or 0, "", ""


def _crc32c(sent: Sent) -> str:
    """As Google writes it: four bytes, the highest first, in base64; ``DamagedError`` when the file is not the one meant."""
    make: Any = google_crc32c.Checksum  # it says little of its types
    checksum, whole = make(), hashlib.sha256()
    with sent.path.open("rb") as file:
        while content := file.read(MIB):
            checksum.update(content)
            whole.update(content)
    if whole.hexdigest() != sent.sha256:
        raise DamagedError("the staged file is not as it was written")
    return b64encode(checksum.digest()).decode()
