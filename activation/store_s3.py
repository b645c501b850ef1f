"""Files in an S3 bucket, Amazon's or another's that speaks the same (F3). Edge module; needs boto3.

A file is one PUT, or one completed multipart upload: it appears whole or not at all. S3 checks the SHA-256 of what it receives; what it
then reports is compared once more. Parts of an upload that was interrupted are aborted before the next one of the same name.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from os import environ
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)

from activation.store import PassingError, PlaceError, Reported, Sent, StoreError, TakenError
from activation.workspace import Destination

MIB = 1 << 20
WHOLE = 32 * MIB  # bytes up to which a file is one request
PART = 16 * MIB  # bytes of a part, or more for a file that would have more parts than S3 takes
MOST_PARTS = 10_000
AT_ONCE = 4  # parts that are on their way at a time, each of them in memory
_IN_MEMORY = 128 * MIB  # bytes of parts in memory: of larger parts fewer are on their way
_CHUNK = MIB

_PASSING = {
    *("RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "InternalError"),
    *("ServiceUnavailable", "OperationAborted", "ConditionalRequestConflict", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch"),
    *("XAmzContentChecksumMismatch", "NoSuchUpload", "RequestTimeoutException", "PriorRequestNotComplete"),
}
_OF_THE_PLACE = {
    "NoSuchBucket": "there is no bucket {bucket}",
    "InvalidBucketName": "{bucket} is no name of a bucket",
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is not valid",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set connection.region",
    "PermanentRedirect": "the bucket is in another region; set connection.region",
    "RequestTimeTooSkewed": "the clock of this machine is wrong by minutes",
    "AllAccessDisabled": "access to the bucket is switched off",
}
# What an IAM policy has to allow for each request.
_RIGHTS = {
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
}
_DENIED = {"AccessDenied", "403", "Forbidden"}
_MISSING = {"404", "NoSuchKey", "NotFound"}
_TAKEN = {"PreconditionFailed", "412"}
_MD5 = re.compile(r'"?([0-9a-f]{32})(?:-[0-9]+)?"?')


class S3Store:
    """A prefix of a bucket."""

    def __init__(self, destination: Destination, _root: Path) -> None:
        """Nothing is asked of the network. ``PlaceError`` when the credentials cannot be had."""
        parts = urlsplit(destination.url)
        self._bucket = parts.netloc
        self._prefix = "/".join(part for part in parts.path.split("/") if part not in ("", "."))
        said = destination.connection
        self._extra = {
            key: said[name] for name, key in (("encryption", "ServerSideEncryption"), ("kms_key", "SSEKMSKeyId")) if name in said
        }
        keys = {
            "aws_access_key_id": "access_key_id_env",
            "aws_secret_access_key": "secret_access_key_env",
            "aws_session_token": "session_token_env",
        }
        config = Config(
            connect_timeout=destination.timeout,
            read_timeout=destination.timeout,
            retries={"total_max_attempts": 1},  # whoever uses a store tries again
            s3={"addressing_style": said.get("addressing", "path" if "endpoint" in said else "auto")},
            request_checksum_calculation="when_required",  # this module gives them itself
            max_pool_connections=AT_ONCE,
        )
        self._conditional = True  # whether the place knows "only if nothing stands there"
        with self._told():
            session = boto3.Session(profile_name=said.get("profile"))
            self._client: Any = session.client(
                "s3",
                region_name=said.get("region") or session.region_name or "us-east-1",
                endpoint_url=said.get("endpoint"),
                config=config,
                **{option: environ[said[name]] for option, name in keys.items() if name in said},
            )

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key(name)}

    def reach(self) -> None:
        """Ask for the bucket. To be allowed to list it is not needed."""
        try:
            with self._told():
                self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        except DeniedError:
            return

    def put(self, sent: Sent, *, replace: bool) -> None:
        """One PUT, or an upload of parts."""
        if not replace and not self._conditional and self.stat(sent.name):
            raise TakenError(sent.name)
        condition = {"IfNoneMatch": "*"} if not replace and self._conditional else {}
        with self._told(sent.name):
            try:
                answer, expected = self._whole(sent, condition) if sent.size <= WHOLE else self._in_parts(sent, condition)
            except ClientError as error:
                if not condition or _code(error) != "NotImplemented":
                    raise
                self._conditional = False
                raise PassingError("it does not know conditional writes") from error
            self._compare(sent, answer, expected)

    def _whole(self, sent: Sent, condition: dict[str, str]) -> tuple[dict[str, Any], str]:
        expected = b64encode(bytes.fromhex(sent.sha256)).decode()
        with sent.path.open("rb") as file:
            answer = self._client.put_object(
                **self._at(sent.name), Body=file, ChecksumSHA256=expected, Metadata={"sha256": sent.sha256}, **self._extra, **condition
            )
        return answer, expected

    def _in_parts(self, sent: Sent, condition: dict[str, str]) -> tuple[dict[str, Any], str]:
        self._abort_uploads(sent.name)
        at = self._at(sent.name)
        upload = self._client.create_multipart_upload(**at, ChecksumAlgorithm="SHA256", Metadata={"sha256": sent.sha256}, **self._extra)
        place = {**at, "UploadId": upload["UploadId"]}
        size = part_size(sent.size)

        def send(number: int) -> dict[str, Any]:
            with sent.path.open("rb") as file:
                file.seek((number - 1) * size)
                content = file.read(size)
            digest = b64encode(hashlib.sha256(content).digest()).decode()
            answer = self._client.upload_part(
                **place, PartNumber=number, Body=BytesIO(content), ContentLength=len(content), ChecksumSHA256=digest
            )
            return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": digest}

        numbers = range(1, -(-sent.size // size) + 1)
        try:
            with ThreadPoolExecutor(max(1, min(AT_ONCE, _IN_MEMORY // size)), "muster-parts") as workers:
                try:
                    parts = list(workers.map(send, numbers))
                finally:
                    workers.shutdown(cancel_futures=True)
            answer = self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts}, **condition)
        except BaseException:
            self._abort(place)
            raise
        whole = hashlib.sha256(b"".join(b64decode(part["ChecksumSHA256"]) for part in parts))
        return answer, f"{b64encode(whole.digest()).decode()}-{len(parts)}"

    def _abort(self, place: dict[str, str]) -> None:
        try:
            self._client.abort_multipart_upload(**place)
        except (ClientError, BotoCoreError):
            return  # the next upload of the name does it

    def _compare(self, sent: Sent, answer: dict[str, Any], expected: str) -> None:
        """Compare what S3 says of the file with what was meant; a file that differs goes again."""
        try:
            with self._told(sent.name):
                found = self._client.head_object(**self._at(sent.name), ChecksumMode="ENABLED")
        except DeniedError:  # it may be written and not read: the answer to the upload has to do
            found = {"ContentLength": sent.size, **answer}
        said = found.get("ChecksumSHA256")
        same = said == expected if said else self._is_same(sent, found)
        if found["ContentLength"] == sent.size and same:
            return
        self.delete(sent.name)
        raise PassingError(f"S3 reports {found['ContentLength']:,} bytes, or a checksum, other than what was sent; it was removed")

    def _is_same(self, sent: Sent, found: dict[str, Any]) -> bool:
        """By the MD5 that older servers give as the entity tag; else by reading the file again."""
        tag = _MD5.fullmatch(found.get("ETag", ""))
        if tag and found.get("ServerSideEncryption", "AES256") == "AES256" and tag[1] == _md5(sent):
            return True
        digest = hashlib.sha256()
        for chunk in self.read(sent.name):
            digest.update(chunk)
        return digest.hexdigest() == sent.sha256

    def clear(self, name: str, _temporary: str) -> None:
        """Abort uploads of that name which were not completed."""
        with self._told(name):
            self._abort_uploads(name)

    def _abort_uploads(self, name: str) -> None:
        key = self._key(name)
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=key)
        left = [each["UploadId"] for page in pages for each in page.get("Uploads", ()) if each["Key"] == key]
        for upload in left:
            self._client.abort_multipart_upload(**self._at(name), UploadId=upload)

    def stat(self, name: str) -> Reported | None:
        """Size, and the checksum that S3 has checked, or that was written beside the file."""
        try:
            with self._told(name):
                found = self._client.head_object(**self._at(name), ChecksumMode="ENABLED")
        except FileNotFoundError:
            return None
        said = found.get("ChecksumSHA256")
        checked = b64decode(said).hex() if said and "-" not in said else None
        return Reported(found["ContentLength"], checked or found.get("Metadata", {}).get("sha256"))

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes."""
        with self._told(name):
            body = self._client.get_object(**self._at(name))["Body"]
            yield from body.iter_chunks(_CHUNK)

    def delete(self, name: str) -> None:
        """Remove it."""
        with self._told(name):
            self._client.delete_object(**self._at(name))

    def listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The objects whose names begin so."""
        with self._told():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._key(prefix))
            found = (each for page in pages for each in page.get("Contents", ()) if not each["Key"].endswith("/"))
            yield from ((each["Key"].removeprefix(self._key("")), each["Size"]) for each in found)

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    @contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """What boto3 says, in the words of ``activation.store``."""
        try:
            yield
        except ClientError as error:
            raise self._meant(error, name) from error
        except SSLError as error:
            raise PlaceError("its certificate is not accepted") from error
        except (HTTPClientError, ConnectionClosedError, ReadTimeoutError, ResponseStreamingError, IncompleteReadError) as error:
            raise PassingError(_words(error)) from error
        except BotoCoreError as error:
            raise PlaceError(_words(error)) from error

    def _meant(self, error: ClientError, name: str) -> Exception:
        code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _MISSING:
            return FileNotFoundError(name)
        if code in _TAKEN:
            return TakenError(name)
        if code in _OF_THE_PLACE:
            return PlaceError(_OF_THE_PLACE[code].format(bucket=self._bucket))
        if code in _DENIED:
            return DeniedError(f"access denied: the right {_RIGHTS.get(error.operation_name, error.operation_name)} is missing")
        said = f"S3 answers {code}"
        if code in _PASSING or status == 429 or (status >= 500 and status != 501):
            return PassingError(said)
        return StoreError(f"{said}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": "))


class DeniedError(StoreError):
    """A right is missing."""


def part_size(size: int) -> int:
    """Bytes of each part of a file: so many that no limit on the number of parts cuts it."""
    return next(each for each in (PART << doubled for doubled in count()) if -(-size // each) <= MOST_PARTS)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _md5(sent: Sent) -> str:
    """The entity tag of a file without encryption: its MD5, or that of its parts' MD5s."""
    size = sent.size if sent.size <= WHOLE else part_size(sent.size)
    digests = []
    with sent.path.open("rb") as file:
        while content := file.read(max(size, 1)):
            digests.append(hashlib.md5(content, usedforsecurity=False))
    if sent.size <= WHOLE:
        return digests[0].hexdigest() if digests else hashlib.md5(b"", usedforsecurity=False).hexdigest()
    return hashlib.md5(b"".join(each.digest() for each in digests), usedforsecurity=False).hexdigest()
