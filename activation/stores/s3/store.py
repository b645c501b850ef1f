"""The store of S3 buckets, Amazon's or those of a service that speaks S3's protocol (F3); needs boto3.

A file is one PUT, or one completed multipart upload: it appears whole or not at all. S3 checks the SHA-256 of what it
receives; the checksum that it then reports is compared once more. Parts of an interrupted upload are aborted before the
next upload of that name.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from muster.activation.model.log import logger
from muster.activation.model.workspace import Destination
from muster.activation.stores.kind import variables_of
from muster.activation.stores.protocol import (
    DeniedError,
    Listed,
    PassingError,
    Reported,
    Sent,
    StoreError,
    TakenError,
    UnusableError,
)
from muster.activation.stores.remote_urls import prefix
from muster.activation.stores.s3 import multipart
from muster.activation.stores.s3.errors import as_store_errors, code, has_no_reason
from muster.activation.stores.s3.login import aws_client

log = logger("muster.deliver")

_CHUNK = 1 << 20

_MD5 = re.compile(r'"?([0-9a-f]{32})(-[0-9]+)?"?')


class S3Store:
    """A prefix of a bucket."""

    def __init__(self, destination: Destination, _root: Path) -> None:
        """Make a client, and no request. ``UnusableError`` when the profile is not known."""
        self._bucket = urlsplit(destination.url).netloc
        self._prefix = prefix(destination.url)
        connection = destination.connection
        self._extra = {
            option: connection[key]
            for key, option in (("encryption", "ServerSideEncryption"), ("kms_key", "SSEKMSKeyId"))
            if key in connection
        }
        self._conditional = True  # whether the service knows the condition "only if there is no such object"
        with as_store_errors(self._bucket):
            self._client = _client(destination)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key(name)}

    def reach(self) -> None:
        """Ask for the bucket. The right to list it is not needed."""
        try:
            with as_store_errors(self._bucket):
                self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._key(""), MaxKeys=1)
        except DeniedError:
            return

    # Writing

    def put(self, sent: Sent, *, replace: bool) -> None:
        """Upload the file in one PUT, or in parts."""
        if not replace and self._is_there(sent):
            return
        with as_store_errors(self._bucket, sent.name):
            try:
                answer, expected = self._upload(sent, conditional=not replace and self._conditional)
            except ClientError as error:
                if replace or not self._conditional or code(error) != "NotImplemented":
                    raise
                self._conditional = False  # `_is_there` has looked before
                answer, expected = self._upload(sent, conditional=False)
        self._compare(sent, answer, expected)

    def _is_there(self, sent: Sent) -> bool:
        """Whether an earlier try succeeded; ``TakenError`` when another object has the name."""
        try:
            found = self._head(sent.name)
        except FileNotFoundError:
            return False
        except DeniedError:  # there is a right to write, and none to look
            if not self._conditional:
                raise
            return False
        if found["ContentLength"] == sent.size and (
            _checksum(found) == multipart.checksum(sent) or self._is_same(sent, found)
        ):
            return True
        raise TakenError(sent.name)

    def _upload(self, sent: Sent, *, conditional: bool) -> tuple[dict[str, Any], str]:
        """S3's answer, and the checksum that S3 must report, in base64: of a file in parts that of the checksums."""
        condition = {"IfNoneMatch": "*"} if conditional else {}
        return self._whole(sent, condition) if multipart.is_whole(sent) else self._in_parts(sent, condition)

    def _whole(self, sent: Sent, condition: dict[str, str]) -> tuple[dict[str, Any], str]:
        content = sent.path.read_bytes()
        digest = hashlib.sha256(content)
        sent.check(digest.hexdigest())
        expected = b64encode(digest.digest()).decode()
        answer = self._client.put_object(
            **self._at(sent.name),
            Body=BytesIO(content),  # sent piece by piece, each within the timeout: bytes would be one piece
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=expected,
            Metadata={"sha256": sent.sha256},
            **self._extra,
            **condition,
        )
        return answer, expected

    def _in_parts(self, sent: Sent, condition: dict[str, str]) -> tuple[dict[str, Any], str]:
        self._abort_before(sent.name)
        at = self._at(sent.name)
        upload = self._client.create_multipart_upload(
            **at, ChecksumAlgorithm="SHA256", Metadata={"sha256": sent.sha256}, **self._extra
        )
        at_upload = {**at, "UploadId": upload["UploadId"]}
        try:
            parts = self._parts(sent, at_upload)
            answer = self._client.complete_multipart_upload(**at_upload, MultipartUpload={"Parts": parts}, **condition)
        except BaseException:
            self._abort(at_upload)
            raise
        return answer, multipart.digest_of(b64decode(part["ChecksumSHA256"]) for part in parts)

    def _parts(self, sent: Sent, at_upload: dict[str, str]) -> list[dict[str, Any]]:
        """Send all parts, a few at a time, and check that together they are the file that was staged."""
        size, whole = multipart.part_size(sent.size), hashlib.sha256()
        at_once = multipart.at_once(size)
        parts: list[dict[str, Any]] = []
        under_way: deque[Future[dict[str, Any]]] = deque()
        with ThreadPoolExecutor(at_once, "muster-parts") as workers:
            try:
                for number, content in enumerate(multipart.pieces(sent.path, size), start=1):
                    whole.update(content)
                    if len(under_way) == at_once:
                        parts.append(under_way.popleft().result())
                    under_way.append(workers.submit(self._send, at_upload, number, content))
                parts += [each.result() for each in under_way]
            finally:
                workers.shutdown(cancel_futures=True)
        sent.check(whole.hexdigest())
        return parts

    def _send(self, at_upload: dict[str, str], number: int, content: bytes) -> dict[str, Any]:
        digest = b64encode(hashlib.sha256(content).digest()).decode()
        answer = self._client.upload_part(
            **at_upload, PartNumber=number, Body=BytesIO(content), ChecksumAlgorithm="SHA256", ChecksumSHA256=digest
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": digest}

    def _compare(self, sent: Sent, answer: dict[str, Any], expected: str) -> None:
        """Compare the size and checksum that S3 reports; an object that differs is removed and sent again."""
        try:
            found = self._head(sent.name)
        except FileNotFoundError as error:
            if _checksum(answer) != expected:
                raise PassingError("S3 accepted the file, and reports that it does not exist") from error
            return  # S3 had the file, and a receiver has removed it already
        except DeniedError:  # there is a right to write, and none to read: the answer to the upload has to do
            found = {"ContentLength": sent.size, **answer}
        reported = _checksum(found)
        is_same = reported == expected if reported else self._is_same(sent, found)
        if found["ContentLength"] != sent.size or not is_same:
            self._remove_and_try_again(
                sent.name, f"S3 reports {found['ContentLength']:,} bytes, or a checksum, other than what was sent"
            )

    def _is_same(self, sent: Sent, found: dict[str, Any]) -> bool:
        """Whether the object is the file, by the MD5 that older servers give as its entity tag, or by reading it."""
        tag = _MD5.fullmatch(found.get("ETag", ""))
        if (
            tag
            and found.get("ServerSideEncryption", "AES256") == "AES256"
            and tag[1] == multipart.md5(sent, of_parts=bool(tag[2]))
        ):
            return True
        digest = hashlib.sha256()
        for chunk in self.read(sent.name):
            digest.update(chunk)
        return digest.hexdigest() == sent.sha256

    def _remove_and_try_again(self, name: str, why: str) -> None:
        try:
            self.delete(name)
        except DeniedError as error:
            raise StoreError(f"{why}; it cannot be removed: {error}") from error
        raise PassingError(f"{why}; it was removed")

    # Interrupted uploads

    def clear(self, name: str, _temporary: str) -> None:
        """Abort the uploads of this name that were not completed."""
        with as_store_errors(self._bucket, name):
            try:
                self._abort_uploads(name)
            except ClientError as error:
                if code(error) != "NotImplemented":
                    raise
                self._warn_of_parts(name, "this service cannot list them")

    def _abort_before(self, name: str) -> None:
        """Abort earlier uploads of this name before another; without the right to, warn and go on."""
        try:
            self.clear(name, "")
        except DeniedError as error:
            self._warn_of_parts(name, str(error))

    def _warn_of_parts(self, name: str, why: str) -> None:
        log.warning("s3://%s/%s: parts of an interrupted upload may be left: %s", self._bucket, self._key(name), why)

    def _abort_uploads(self, name: str) -> None:
        key = self._key(name)
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=key)
        interrupted = [each["UploadId"] for page in pages for each in page.get("Uploads", ()) if each["Key"] == key]
        for upload in interrupted:
            self._client.abort_multipart_upload(**self._at(name), UploadId=upload)

    def _abort(self, at_upload: dict[str, str]) -> None:
        try:
            self._client.abort_multipart_upload(**at_upload)
        except (ClientError, BotoCoreError):
            return  # the next upload of the name aborts it

    # Reading and removing

    def stat(self, name: str) -> Reported | None:
        """Size, and the SHA-256 that S3 has checked; None for a file that was uploaded in parts."""
        try:
            found = self._head(name)
        except FileNotFoundError:
            return None
        in_parts = "-" in found.get("ETag", "")
        return Reported(found["ContentLength"], None if in_parts else b64decode(_checksum(found)).hex() or None)

    def _head(self, name: str) -> dict[str, Any]:
        """Headers of an object. The answer to a refused HEAD has no reason, which a GET then asks for."""
        with as_store_errors(self._bucket, name):
            try:
                found: dict[str, Any] = self._client.head_object(**self._at(name), ChecksumMode="ENABLED")
            except ClientError as error:
                if has_no_reason(error):
                    self._client.get_object(**self._at(name), Range="bytes=0-0")["Body"].close()
                raise
            return found

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file."""
        with as_store_errors(self._bucket, name):
            body = self._client.get_object(**self._at(name))["Body"]
            yield from body.iter_chunks(_CHUNK)

    def read_piece(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a file."""
        with as_store_errors(self._bucket, name):
            asked = f"bytes={start}-{start + length - 1}"
            content: bytes = self._client.get_object(**self._at(name), Range=asked)["Body"].read()
            return content

    def delete(self, name: str) -> None:
        """Remove a file. S3 does not say whether there was one; services that speak its protocol may."""
        with suppress(FileNotFoundError), as_store_errors(self._bucket, name):
            self._client.delete_object(**self._at(name))

    def listed(self, prefix: str) -> Iterator[Listed]:
        """The objects whose names begin with ``prefix``."""
        with as_store_errors(self._bucket):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(prefix)
            )
            found = (each for page in pages for each in page.get("Contents", ()) if not each["Key"].endswith("/"))
            for each in found:
                version = f"{each.get('ETag')} {each.get('LastModified')}"
                yield Listed(each["Key"].removeprefix(self._key("")), each["Size"], version)

    def close(self) -> None:
        """End the connections."""
        self._client.close()


def _client(destination: Destination) -> Any:
    """A client for what ``connection`` says, and for the rest what AWS's tools look for."""
    connection, variables = destination.connection, variables_of(destination)
    plain = {"payload_signing_enabled": False} if connection.get("endpoint", "").startswith("http://") else {}
    config = Config(
        connect_timeout=destination.timeout,
        read_timeout=destination.timeout,
        retries={"total_max_attempts": 1},  # `RetryingStore` tries again
        s3={"addressing_style": connection.get("addressing", "path" if "endpoint" in connection else "auto"), **plain},
        # this module computes the checksums; they are signed, so that the bodies need not be
        request_checksum_calculation="when_required",
        max_pool_connections=multipart.AT_ONCE,
    )
    try:
        return aws_client("s3", connection, variables, config)
    except BotoCoreError:
        raise
    except ValueError as error:
        raise UnusableError("its endpoint is not an address that S3's client accepts") from error


def _checksum(found: dict[str, Any]) -> str:
    """The SHA-256 that S3 reports, in base64, or nothing; without the number of parts, which some services omit."""
    return str(found.get("ChecksumSHA256", "")).partition("-")[0]
