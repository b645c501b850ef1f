"""The store of Google Cloud Storage: objects in a bucket (F3); needs google-cloud-storage.

A file is one upload: it appears when the last byte has arrived, whole or not at all. Google gets the CRC32C with the
last byte, or before, and refuses content that differs; the size and checksum that Google then reports are compared once
more. An interrupted upload leaves nothing that anybody can see, costs nothing, and is dropped after a week.
"""

from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.cloud.storage import Blob

from muster.activation.model.workspace import Destination
from muster.activation.stores.gcs.errors import as_store_errors
from muster.activation.stores.gcs.login import connect
from muster.activation.stores.gcs.streaming import Digests, send
from muster.activation.stores.protocol import DeniedError, Listed, PassingError, Reported, Sent, UnusableError
from muster.activation.stores.remote_urls import prefix

MIB = 1 << 20
WHOLE = 32 * MIB  # bytes up to which a file is read into memory
_CHUNK = 4 * MIB


class GcsStore:
    """A prefix of a bucket."""

    def __init__(self, destination: Destination, root: Path) -> None:
        """Make a client, and no request. ``UnusableError`` when the credentials cannot be used."""
        self._prefix = prefix(destination.url)
        self._options: dict[str, Any] = {
            "timeout": destination.timeout,
            "retry": None,  # `RetryingStore` tries again
        }
        with as_store_errors():
            self._client = connect(destination, root)
            self._bucket = self._client.bucket(
                urlsplit(destination.url).netloc, user_project=destination.connection.get("project")
            )

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _blob(self, name: str) -> Any:
        return Blob(self._key(name), self._bucket)

    def reach(self) -> None:
        """Ask for the bucket. The right to list it is not needed."""
        try:
            with as_store_errors(permission="storage.objects.list"):
                found = self._client.list_blobs(
                    self._bucket, prefix=self._prefix or None, max_results=1, **self._options
                )
                next(iter(found), None)
        except FileNotFoundError as error:
            raise self._no_bucket() from error
        except DeniedError:
            return

    def put(self, sent: Sent, *, replace: bool) -> None:
        """Upload the file, from memory if it is small."""
        blob = self._blob(sent.name)
        blob.metadata = {"sha256": sent.sha256}
        condition = {} if replace else {"if_generation_match": 0}  # no generation: there is no such object
        upload = self._put_whole if sent.size <= WHOLE else self._put_streamed
        try:
            with as_store_errors(sent.name, "storage.objects.create"):
                size, reported, expected = upload(sent, blob, condition)
        except FileNotFoundError as error:
            if error.filename:  # a file of this machine
                raise
            raise self._no_bucket() from error
        if size == sent.size and reported == expected:  # as Google has answered
            return
        self.delete(sent.name)
        raise PassingError(f"Google reports {size:,} bytes, or a checksum, other than what was sent; it was removed")

    def _put_whole(self, sent: Sent, blob: Any, condition: dict[str, int]) -> tuple[int, str | None, str]:
        """The size and the CRC32C that Google reports, and the CRC32C of what was sent."""
        digests = Digests()
        digests.update(content := sent.path.read_bytes())
        sent.check(digests.sha256())
        blob.crc32c = expected = digests.crc32c()
        blob.upload_from_file(BytesIO(content), size=len(content), checksum=None, **condition, **self._options)
        return blob.size or 0, blob.crc32c, expected

    def _put_streamed(self, sent: Sent, blob: Any, condition: dict[str, int]) -> tuple[int, str | None, str]:
        """The size and the CRC32C that Google reports, and the CRC32C of what was sent."""
        address = blob.create_resumable_upload_session(size=sent.size, checksum=None, **condition, **self._options)
        return send(sent, address, self._options["timeout"])

    def _no_bucket(self) -> UnusableError:
        return UnusableError(f"there is no bucket {self._bucket.name}")

    def clear(self, _name: str, _temporary: str) -> None:
        """Do nothing: an interrupted upload can be neither found nor seen."""

    def stat(self, name: str) -> Reported | None:
        """Size, and the SHA-256 that ``put`` wrote into the metadata."""
        found = self._found(name)
        return None if found is None else Reported(found.size or 0, (found.metadata or {}).get("sha256"))

    def _found(self, name: str) -> Any:
        blob = self._blob(name)
        try:
            with as_store_errors(name, "storage.objects.get"):
                blob.reload(**self._options)
        except FileNotFoundError:
            return None
        return blob

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, all of one generation of the object."""
        found = self._found(name)
        if found is None:
            raise FileNotFoundError(name)
        blob = self._blob(name)  # `found` has a download address of its own, which is not the endpoint's
        with as_store_errors(name, "storage.objects.get"):
            for start in range(0, found.size or 0, _CHUNK):
                yield blob.download_as_bytes(
                    start=start,
                    end=min(start + _CHUNK, found.size) - 1,
                    if_generation_match=found.generation,
                    raw_download=True,
                    checksum=None,
                    **self._options,
                )

    def read_piece(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a file."""
        with as_store_errors(name, "storage.objects.get"):
            content: bytes = self._blob(name).download_as_bytes(
                start=start, end=start + length - 1, raw_download=True, checksum=None, **self._options
            )
            return content

    def delete(self, name: str) -> None:
        """Remove a file, if it exists."""
        with suppress(FileNotFoundError), as_store_errors(name, "storage.objects.delete"):
            self._blob(name).delete(**self._options)

    def listed(self, prefix: str) -> Iterator[Listed]:
        """The objects whose names begin with ``prefix``."""
        try:
            with as_store_errors(permission="storage.objects.list"):
                found = self._client.list_blobs(self._bucket, prefix=self._key(prefix) or None, **self._options)
                yield from (
                    Listed(each.name.removeprefix(self._key("")), each.size or 0, str(each.generation))
                    for each in found
                    if not each.name.endswith("/")
                )
        except FileNotFoundError as error:
            raise self._no_bucket() from error

    def close(self) -> None:
        """End the connections."""
        self._client.close()
