"""Blobs in a container of Azure Storage, with or without folders of its own (Blob, Data Lake Gen2) (F3). Edge module.

A file is one Put Blob, or blocks that one block list commits: it appears whole or not at all. Azure checks the MD5 of
each request; what it then reports is compared once more: size, entity tag, and the MD5 of a file that was one request.
Blocks that were never committed are no file to anybody: the next upload of the name replaces them, or Azure drops them
after a week. Needs azure-storage-blob and azure-identity.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from os import environ
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient
from requests.exceptions import SSLError, Timeout

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

MIB = 1 << 20
WHOLE = 32 * MIB  # bytes up to which a file is one request
BLOCK = 16 * MIB  # bytes of a block, or more for a file that would have more blocks than Azure takes
MOST_BLOCKS = 50_000
AT_ONCE = 4  # blocks that are on their way at a time, each of them in memory, and one more that is read meanwhile
_IN_MEMORY = 128 * MIB  # bytes of blocks in memory: of larger blocks fewer are on their way
_CHUNK = 4 * MIB

# What the az command understands too; for a connection that does not say where it goes.
_CONNECTION_STRING, _ACCOUNT = "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT"
_KEY, _SAS = "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"

_TAKEN = {"BlobAlreadyExists", "ResourceAlreadyExists", "ConditionNotMet", "BlobOverwritten"}
_MISSING = {"BlobNotFound", "ResourceNotFound"}
_DENIED = {"AuthorizationPermissionMismatch", "AuthorizationResourceTypeMismatch", "InsufficientAccountPermissions"}
_PASSING = {
    "ServerBusy",
    "InternalError",
    "OperationTimedOut",
    "Md5Mismatch",
    "ContainerBeingDeleted",
    "InvalidBlockList",
}
_OF_THE_PLACE = {
    "ContainerNotFound": "there is no container {container}",
    "ContainerDisabled": "the container {container} is switched off",
    "InvalidResourceName": "{container} is no name of a container",
    "AccountIsDisabled": "the account is switched off",
    "AuthenticationFailed": "the key, signature or token is not accepted, or has expired",
    "InvalidAuthenticationInfo": "the key, signature or token is not accepted, or has expired",
    "NoAuthenticationInformation": "it wants credentials and was given none",
    "KeyBasedAuthenticationNotPermitted": (
        "the account takes no keys; leave them out, and log in with `az login` or a managed identity"
    ),
    "AuthorizationFailure": (
        "the request is not authorized: the key is wrong, or the account's network rules shut this machine out"
    ),
    "AuthorizationSourceIPMismatch": "the signature is not good for this machine's address",
    "AuthorizationProtocolMismatch": "the signature is good for https only",
    "AuthorizationServiceMismatch": "the signature is not good for blobs",
}
# What a shared access signature, and a role, have to allow.
_LIST = "list (SAS l; role Storage Blob Data Reader)"
_READ = "read (SAS r; role Storage Blob Data Reader)"
_WRITE = "write (SAS c and w; role Storage Blob Data Contributor)"
_DELETE = "delete (SAS d; role Storage Blob Data Contributor)"


class AzureStore:
    """A prefix of a container."""

    def __init__(self, destination: Destination, _root: Path) -> None:
        """Nothing is asked of the network. ``PlaceError`` when the connection does not say enough."""
        parts = urlsplit(destination.url)
        self._container = parts.netloc
        self._prefix = "/".join(part for part in parts.path.split("/") if part not in ("", "."))
        self._destination = destination
        self._connected: BlobServiceClient | None = connect(destination)

    @property
    def _service(self) -> BlobServiceClient:
        self._connected = self._connected or connect(self._destination)
        return self._connected

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _blob(self, name: str) -> BlobClient:
        return self._service.get_blob_client(self._container, self._key(name))

    def reach(self) -> None:
        """Ask for the container. To be allowed to list it is not needed."""
        try:
            with self._told(right=_LIST):
                found = self._service.get_container_client(self._container).list_blobs(
                    self._prefix or None, results_per_page=1
                )
                next(iter(found), None)
        except DeniedError:
            return

    def put(self, sent: Sent, *, replace: bool) -> None:
        """One Put Blob, or blocks and their list."""
        with self._told(sent.name, _WRITE):
            etag, md5 = (
                self._whole(sent, replace=replace) if sent.size <= WHOLE else self._in_blocks(sent, replace=replace)
            )
        self._compare(sent, etag, md5)

    def _whole(self, sent: Sent, *, replace: bool) -> tuple[str, bytes]:
        content = sent.path.read_bytes()
        _same(hashlib.sha256(content).hexdigest(), sent)
        answer = self._blob(sent.name).upload_blob(
            content, length=len(content), overwrite=replace, metadata={"sha256": sent.sha256}, validate_content=True
        )
        return str(answer["etag"]), hashlib.md5(content, usedforsecurity=False).digest()

    def _in_blocks(self, sent: Sent, *, replace: bool) -> tuple[str, bytes]:
        if not replace and self._is_there(sent.name):
            raise TakenError(sent.name)
        blob, ids, whole = self._blob(sent.name), list[str](), hashlib.sha256()
        size = block_size(sent.size)
        at_once = max(1, min(AT_ONCE, _IN_MEMORY // size - 1))
        under_way = deque[Future[Any]]()
        with sent.path.open("rb") as file, ThreadPoolExecutor(at_once, "muster-blocks") as workers:
            try:
                while content := file.read(size):
                    whole.update(content)
                    ids.append(
                        f"{sent.sha256[:32]}-{len(ids):05d}"
                    )  # of one length, and never those of another content
                    if len(under_way) == at_once:
                        under_way.popleft().result()
                    under_way.append(
                        workers.submit(blob.stage_block, ids[-1], content, len(content), validate_content=True)
                    )
                for each in under_way:
                    each.result()
            finally:
                workers.shutdown(cancel_futures=True)
        _same(whole.hexdigest(), sent)
        answer = blob.commit_block_list(
            [BlobBlock(each) for each in ids],
            metadata={"sha256": sent.sha256},
            match_condition=None if replace else MatchConditions.IfMissing,
        )
        return str(answer["etag"]), b""  # Azure has none of a file in blocks

    def _is_there(self, name: str) -> bool:
        try:
            return self.stat(name) is not None
        except DeniedError:  # it may be written and not read: the condition of the block list tells
            return False

    def _compare(self, sent: Sent, etag: str, md5: bytes) -> None:
        """Compare what Azure says of the file with what was sent; a file that differs goes again."""
        try:
            with self._told(sent.name, _READ):
                found = self._blob(sent.name).get_blob_properties()
        except DeniedError:  # it may be written and not read: that each request's MD5 was checked has to do
            return
        except FileNotFoundError:  # the same: a receiver was quick
            return
        # An entity tag changes with what is beside the file, too: a scanner's note.
        same = bytes(found.content_settings.content_md5 or b"") == md5 if md5 else found.etag == etag
        if found.size == sent.size and same:
            return
        self.delete(sent.name)
        raise PassingError(
            f"Azure reports {found.size:,} bytes, or a checksum, other than what was sent; it was removed"
        )

    def clear(self, _name: str, _temporary: str) -> None:
        """Nothing: blocks without a list cannot be removed, nor seen."""

    def stat(self, name: str) -> Reported | None:
        """Size, and the checksum that was written beside the file."""
        try:
            with self._told(name, _READ):
                found = self._blob(name).get_blob_properties()
        except FileNotFoundError:
            return None
        return Reported(found.size, (found.metadata or {}).get("sha256"))

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes."""
        with self._told(name, _READ):
            yield from self._blob(name).download_blob(max_concurrency=1).chunks()

    def delete(self, name: str) -> None:
        """Remove it."""
        with suppress(FileNotFoundError), self._told(name, _DELETE):
            self._blob(name).delete_blob()

    def listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The blobs whose names begin so; those that stand for folders of a Data Lake are none."""
        with self._told(right=_LIST):
            found = self._service.get_container_client(self._container).list_blobs(
                self._key(prefix) or None, include=["metadata"]
            )
            yield from (
                (each.name.removeprefix(self._key("")), each.size)
                for each in found
                if (each.metadata or {}).get("hdi_isfolder") != "true"
            )

    def close(self) -> None:
        """End the connections."""
        if self._connected:
            self._connected.close()
        self._connected = None  # one that was closed cannot be used again

    @contextmanager
    def _told(self, name: str = "", right: str = "") -> Iterator[None]:
        """What the library says, in the words of ``stores.protocol``. Its own are not shown: they hold addresses with signatures."""
        try:
            yield
        except HttpResponseError as error:
            raise self._meant(error, name, right) from error
        except (ServiceRequestError, ServiceResponseError, IncompleteReadError) as error:
            if _is_caused_by(error, SSLError):
                raise PlaceError("its certificate is not accepted") from error
            raise PassingError(
                "no answer in time" if _is_caused_by(error, Timeout) else "the connection cannot be made, or broke"
            ) from error
        except AzureError as error:
            raise StoreError(f"Azure's library gives up: {type(error).__name__}") from error

    def _meant(self, error: HttpResponseError, name: str, right: str) -> Exception:
        code, status = _code(error), error.status_code or 0
        if code in _MISSING:
            return FileNotFoundError(name)
        if code in _TAKEN:
            return TakenError(name)
        if code in _OF_THE_PLACE:
            return PlaceError(_OF_THE_PLACE[code].format(container=self._container))
        if code in _DENIED:
            return DeniedError(f"access denied: the right to {right} is missing")
        if isinstance(error, ClientAuthenticationError):
            return PlaceError(
                "no credentials are accepted: log in with `az login`, or set account_key_env, sas_token_env "
                "or connection_string_env"
            )
        said = f"Azure answers {code or status}"
        return PassingError(said) if code in _PASSING or status in (408, 429) or status >= 500 else StoreError(said)


def connect(destination: Destination) -> BlobServiceClient:
    """A client of the account, as ``connection`` or the environment says; ``PlaceError`` when they do not say enough."""
    said = destination.connection
    options: dict[str, Any] = {
        "retry_total": 0,  # whoever uses a store tries again
        "connection_timeout": destination.timeout,
        "read_timeout": destination.timeout,
        "max_single_put_size": WHOLE,
        "max_single_get_size": _CHUNK,
        "max_chunk_get_size": _CHUNK,
    }
    anywhere = not {"account", "endpoint", "connection_string_env"} & set(said)
    text = environ.get(said.get("connection_string_env", _CONNECTION_STRING if anywhere else ""))
    if text:
        try:
            return BlobServiceClient.from_connection_string(text, **options)
        except ValueError as error:
            raise PlaceError("the connection string cannot be read; expected AccountName=...;AccountKey=...") from error
    account = said.get("account") or (environ.get(_ACCOUNT) if anywhere else None)
    if not account and "endpoint" not in said:
        raise PlaceError("it does not say which account: set connection.account, or connection_string_env")
    url = said.get("endpoint") or f"https://{account}.blob.core.windows.net"
    return BlobServiceClient(url, credential=_credential(said, account, url, anywhere=anywhere), **options)


def _credential(said: Any, account: str | None, url: str, *, anywhere: bool) -> Any:
    """The account's key or a signature, as named; else whoever this machine is logged in as."""
    key = environ.get(said.get("account_key_env", _KEY if anywhere else ""))
    sas = environ.get(said.get("sas_token_env", _SAS if anywhere else ""))
    if key:
        host = urlsplit(url)
        named = account or host.path.strip("/") or (host.hostname or "").partition(".")[0]
        return {"account_name": named, "account_key": key}

    if sas:
        return sas.removeprefix("?")
    if urlsplit(url).scheme != "https":
        raise PlaceError(
            "the login of this machine is shown over https only: set account_key_env or sas_token_env, or an "
            "https endpoint"
        )
    return DefaultAzureCredential()


def block_size(size: int) -> int:
    """Bytes of each block of a file: so many that no limit on the number of blocks cuts it."""
    least = -(-size // MOST_BLOCKS)
    return max(BLOCK, -(-least // MIB) * MIB)


def _same(sha256: str, sent: Sent) -> None:
    if sha256 != sent.sha256:
        raise DamagedError("the staged file is not as it was written")


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _is_caused_by(error: AzureError, kind: type[Exception]) -> bool:
    return isinstance(error.inner_exception, kind) or isinstance(error.__cause__, kind)
