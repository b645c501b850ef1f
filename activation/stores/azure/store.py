"""The store of Azure Storage: blobs in a container, with or without folders of its own (Blob, Data Lake Gen2) (F3).

A file is one Put Blob, or blocks that one block list commits: it appears whole or not at all. Azure checks the MD5 of
each request. What Azure then reports is compared once more: the MD5 that the answer to a Put Blob has, or size and
entity tag. Each byte is read once, and its digests are made once: while other blocks are on their way. Blocks that were
never committed are visible to nobody: the next upload of the name replaces them, or Azure drops them after a week.
Needs azure-storage-blob and azure-identity.
"""

import hashlib
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, BlobServiceClient

from muster.activation.model.workspace import Destination
from muster.activation.stores.azure.errors import DELETE, LIST, READ, WRITE, as_store_errors
from muster.activation.stores.azure.login import connect
from muster.activation.stores.protocol import DeniedError, Listed, PassingError, Reported, Sent, TakenError
from muster.activation.stores.remote_urls import prefix

MIB = 1 << 20
WHOLE = 8 * MIB  # bytes up to which a file is one request, which can be sent only when its digests are made
BLOCK = 4 * MIB  # bytes of a block, or more for a file that would have more blocks than Azure takes
MUCH = 32 * MIB  # bytes that are not sent before it is known that the name is free, which is known at the end anyway
MOST_BLOCKS = 50_000
AT_ONCE = 8  # blocks that are sent at a time, each of them in memory, and one more that is read meanwhile
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
        if sent.size <= WHOLE:
            self._put_whole(sent, replace=replace)
        else:
            self._put_blocks(sent, replace=replace)

    def _put_whole(self, sent: Sent, *, replace: bool) -> None:
        content = sent.path.read_bytes()
        with ThreadPoolExecutor(1, "muster-digests") as worker:
            beside = worker.submit(_md5, content)
            sent.check(hashlib.sha256(content).hexdigest())
            md5 = beside.result()
        with self._as_store_errors(sent.name, WRITE):
            answer = self._blob(sent.name).upload_blob(
                content,
                length=len(content),
                overwrite=replace,
                metadata={"sha256": sent.sha256},
                headers={"Content-MD5": b64encode(md5).decode()},  # Azure refuses what has another
            )
        received = answer.get("content_md5")  # made by Azure of what it has received
        if received is None:
            self._compare(sent, lambda found: bytes(found.content_settings.content_md5 or b"") == md5)
        elif bytes(received) != md5:
            self._remove_and_try_again(sent.name, "Azure reports a checksum other than that of what was sent")

    def _put_blocks(self, sent: Sent, *, replace: bool) -> None:
        with self._as_store_errors(sent.name, WRITE):
            blocks = self._stage_blocks(sent, replace=replace)
            answer = self._blob(sent.name).commit_block_list(
                blocks,
                metadata={"sha256": sent.sha256},
                match_condition=None if replace else MatchConditions.IfMissing,
            )
        self._compare(sent, lambda found: found.etag == answer["etag"])

    def _stage_blocks(self, sent: Sent, *, replace: bool) -> list[BlobBlock]:
        """Send all blocks, a few at a time, and check that together they are the file that was staged."""
        blob, ids, whole = self._blob(sent.name), list[str](), hashlib.sha256()
        size = block_size(sent.size)
        at_once = max(1, min(AT_ONCE, _IN_MEMORY // size - 1))
        under_way = deque[Future[Any]]()
        with sent.path.open("rb") as file, ThreadPoolExecutor(at_once, "muster-blocks") as workers:
            try:
                if not replace and sent.size > MUCH:
                    under_way.append(workers.submit(self._refuse_taken, sent.name))
                while content := file.read(size):
                    ids.append(f"{sent.sha256[:32]}-{len(ids):05d}")  # of one length, and never of another content
                    if len(under_way) == at_once:
                        under_way.popleft().result()
                    under_way.append(
                        workers.submit(blob.stage_block, ids[-1], content, len(content), validate_content=True)
                    )
                    whole.update(content)
                for each in under_way:
                    each.result()
            finally:
                workers.shutdown(cancel_futures=True)
        sent.check(whole.hexdigest())
        return [BlobBlock(each) for each in ids]

    def _refuse_taken(self, name: str) -> None:
        """``TakenError`` when there is such a file, before all of another is sent; the block list has a condition."""
        with suppress(DeniedError):  # there is a right to write, and none to read
            if self.stat(name) is not None:
                raise TakenError(name)

    def _compare(self, sent: Sent, is_same: Callable[[BlobProperties], bool]) -> None:
        """Compare what Azure reports; a blob that differs is removed and sent again."""
        try:
            with self._as_store_errors(sent.name, READ):
                found = self._blob(sent.name).get_blob_properties()
        except (DeniedError, FileNotFoundError):  # no right to read, or a receiver has removed the blob already:
            return  # Azure has checked the MD5 of each request
        if found.size != sent.size or not is_same(found):
            self._remove_and_try_again(
                sent.name, f"Azure reports {found.size:,} bytes, or a checksum, other than what was sent"
            )

    def _remove_and_try_again(self, name: str, why: str) -> None:
        self.delete(name)
        raise PassingError(f"{why}; it was removed")

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


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def block_size(size: int) -> int:
    """Bytes of each block of a file: more than ``BLOCK``, in whole MiB, where Azure would not take so many blocks."""
    least = -(-size // MOST_BLOCKS)
    return BLOCK if least <= BLOCK else -(-least // MIB) * MIB
