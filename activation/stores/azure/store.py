"""The store of Azure Storage: blobs in a container, with or without folders of its own (Blob, Data Lake Gen2) (F3).

A file is one Put Blob, or blocks that one block list commits: it appears whole or not at all. Azure checks the MD5 of
each request; what Azure then reports is compared once more: size, entity tag, and the MD5 of a file that was one
request. Blocks that were never committed are visible to nobody: the next upload of the name replaces them, or Azure
drops them after a week. Needs azure-storage-blob and azure-identity.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient

from muster.activation.model.workspace import Destination
from muster.activation.stores.azure.errors import DELETE, LIST, READ, WRITE, as_store_errors
from muster.activation.stores.azure.login import connect
from muster.activation.stores.protocol import DeniedError, Listed, PassingError, Reported, Sent, TakenError
from muster.activation.stores.remote_urls import prefix

MIB = 1 << 20
WHOLE = 32 * MIB  # bytes up to which a file is one request
BLOCK = 16 * MIB  # bytes of a block, or more for a file that would have more blocks than Azure takes
MOST_BLOCKS = 50_000
AT_ONCE = 4  # blocks that are sent at a time, each of them in memory, and one more that is read meanwhile
_IN_MEMORY = 128 * MIB  # bytes of blocks in memory: of larger blocks fewer are sent at a time


class AzureStore:
    """A prefix of a container."""

    def __init__(self, destination: Destination, _root: Path) -> None:
        """Make a client, and no request. ``UnusableError`` when the connection does not say enough."""
        self._container = urlsplit(destination.url).netloc
        self._prefix = prefix(destination.url)
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
        """Ask for the container. The right to list it is not needed."""
        try:
            with self._as_store_errors(permission=LIST):
                found = self._service.get_container_client(self._container).list_blobs(
                    self._prefix or None, results_per_page=1
                )
                next(iter(found), None)
        except DeniedError:
            return

    def put(self, sent: Sent, *, replace: bool) -> None:
        """Upload the file in one Put Blob, or as blocks and their list."""
        with self._as_store_errors(sent.name, WRITE):
            etag, md5 = (
                self._whole(sent, replace=replace) if sent.size <= WHOLE else self._in_blocks(sent, replace=replace)
            )
        self._compare(sent, etag, md5)

    def _whole(self, sent: Sent, *, replace: bool) -> tuple[str, bytes]:
        content = sent.path.read_bytes()
        sent.check(hashlib.sha256(content).hexdigest())
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
                    ids.append(f"{sent.sha256[:32]}-{len(ids):05d}")  # of one length, and never of another content
                    if len(under_way) == at_once:
                        under_way.popleft().result()
                    under_way.append(
                        workers.submit(blob.stage_block, ids[-1], content, len(content), validate_content=True)
                    )
                for each in under_way:
                    each.result()
            finally:
                workers.shutdown(cancel_futures=True)
        sent.check(whole.hexdigest())
        answer = blob.commit_block_list(
            [BlobBlock(each) for each in ids],
            metadata={"sha256": sent.sha256},
            match_condition=None if replace else MatchConditions.IfMissing,
        )
        return str(answer["etag"]), b""  # Azure has no MD5 of a file in blocks

    def _is_there(self, name: str) -> bool:
        try:
            return self.stat(name) is not None
        except DeniedError:  # there is a right to write, and none to read: the block list has a condition besides
            return False

    def _compare(self, sent: Sent, etag: str, md5: bytes) -> None:
        """Compare the size and checksum that Azure reports; a blob that differs is removed and sent again."""
        try:
            with self._as_store_errors(sent.name, READ):
                found = self._blob(sent.name).get_blob_properties()
        except (DeniedError, FileNotFoundError):  # no right to read, or a receiver has removed the blob already:
            return  # Azure has checked the MD5 of each request
        # An entity tag changes also with metadata, such as a virus scanner's.
        same = bytes(found.content_settings.content_md5 or b"") == md5 if md5 else found.etag == etag
        if found.size == sent.size and same:
            return
        self.delete(sent.name)
        raise PassingError(
            f"Azure reports {found.size:,} bytes, or a checksum, other than what was sent; it was removed"
        )

    def clear(self, _name: str, _temporary: str) -> None:
        """Do nothing: blocks without a list can be neither removed nor seen."""

    def stat(self, name: str) -> Reported | None:
        """Size, and the SHA-256 that ``put`` wrote into the metadata."""
        try:
            with self._as_store_errors(name, READ):
                found = self._blob(name).get_blob_properties()
        except FileNotFoundError:
            return None
        return Reported(found.size, (found.metadata or {}).get("sha256"))

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""
        with self._as_store_errors(name, READ):
            yield from self._blob(name).download_blob(max_concurrency=1).chunks()

    def read_piece(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a file."""
        with self._as_store_errors(name, READ):
            return self._blob(name).download_blob(start, length, max_concurrency=1).readall()

    def delete(self, name: str) -> None:
        """Remove a file, if it exists."""
        with suppress(FileNotFoundError), self._as_store_errors(name, DELETE):
            self._blob(name).delete_blob()

    def listed(self, prefix: str) -> Iterator[Listed]:
        """The blobs whose names begin with ``prefix``, without the folders of a Data Lake."""
        with self._as_store_errors(permission=LIST):
            found = self._service.get_container_client(self._container).list_blobs(
                self._key(prefix) or None, include=["metadata"]
            )
            yield from (
                Listed(each.name.removeprefix(self._key("")), each.size, each.etag or "")
                for each in found
                if (each.metadata or {}).get("hdi_isfolder") != "true"
            )

    def close(self) -> None:
        """End the connections."""
        if self._connected:
            self._connected.close()
        self._connected = None  # a closed client cannot be used again

    def _as_store_errors(self, name: str = "", permission: str = "") -> AbstractContextManager[None]:
        return as_store_errors(self._container, name, permission)


def block_size(size: int) -> int:
    """Bytes of each block of a file, in whole MiB: as many as keep the number of blocks within Azure's limit."""
    least = -(-size // MOST_BLOCKS)
    return max(BLOCK, -(-least // MIB) * MIB)
