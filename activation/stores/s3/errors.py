"""Errors of S3 and boto3 as the errors of ``muster.activation.stores.protocol`` (SPEC 10); needs boto3.

A message says what would help. It holds no key, and quotes boto3 only about the settings of this machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,  # noqa: A004  # botocore's own name for it
    ConnectTimeoutError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from muster.activation.stores.protocol import DeniedError, PassingError, StoreError, TakenError, UnusableError

_PASSING = {
    *(
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequests",
        "InternalError",
    ),
    *(
        "ServiceUnavailable",
        "OperationAborted",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "BadDigest",
        "XAmzContentSHA256Mismatch",
    ),
    *("XAmzContentChecksumMismatch", "NoSuchUpload", "RequestTimeoutException", "PriorRequestNotComplete"),
}
_OF_THE_BUCKET = {
    "NoSuchBucket": "there is no bucket {bucket}",
    "InvalidBucketName": "{bucket} is not a valid bucket name",
    "InvalidAccessKeyId": "the service does not know the access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is not valid",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set connection.region",
    "PermanentRedirect": "the bucket is in another region; set connection.region",
    "IllegalLocationConstraintException": "the bucket is in another region; set connection.region",
    "RequestTimeTooSkewed": "the clock of this machine is wrong by minutes",
    "AllAccessDisabled": "access to the bucket is disabled",
}
# What an IAM policy has to allow for each request.
RIGHTS = {
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
_OR_MISSING = "; without s3:ListBucket S3 answers the same for a file that does not exist"
_DENIED = {"AccessDenied", "403", "Forbidden"}
_MISSING = {"404", "NoSuchKey", "NotFound"}
_TAKEN = {"PreconditionFailed", "412"}
_WITHOUT_REASON = {"400", "403", "301", "Bad Request", "Forbidden", "Moved Permanently"}


@contextmanager
def as_store_errors(bucket: str, name: str = "") -> Iterator[None]:
    """Turn boto3's errors inside the block into ``StoreError``, or ``FileNotFoundError`` for a missing object."""
    try:
        yield
    except ClientError as error:
        raise _answered(error, bucket, name) from error
    except BotoCoreError as error:
        raise _not_answered(error) from error


def code(error: ClientError) -> str:
    """S3's code of an error; its HTTP status where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def has_no_reason(error: ClientError) -> bool:
    """Whether a refusal does not say why, as an answer to HEAD has no body."""
    return error.operation_name == "HeadObject" and code(error) in _WITHOUT_REASON


def _answered(error: ClientError, bucket: str, name: str) -> Exception:
    answered, status = code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if answered in _MISSING:
        return FileNotFoundError(name)
    if answered in _TAKEN:
        return TakenError(name)
    if answered in _OF_THE_BUCKET:
        return UnusableError(_OF_THE_BUCKET[answered].format(bucket=bucket))
    if answered in _DENIED:
        right = RIGHTS.get(error.operation_name, error.operation_name)
        return DeniedError(
            f"access denied: the right {right} is missing{_OR_MISSING if right == 's3:GetObject' else ''}"
        )
    if answered in _PASSING or status == 429 or (status >= 500 and status != 501):
        return PassingError(f"S3 answers {answered}")
    message = _as_clause(error.response.get("Error", {}).get("Message", ""))
    return StoreError(f"S3 answers {answered}: {message}".rstrip(": "))


def _not_answered(error: BotoCoreError) -> StoreError:
    """The ``StoreError`` for a request without an answer: looked up by class, the narrower classes first."""
    kinds: tuple[tuple[type[BotoCoreError], type[StoreError], str], ...] = (
        (SSLError, UnusableError, "its certificate is not accepted"),
        (
            NoCredentialsError,
            UnusableError,
            "no credentials were found; see docs/destinations.md for where muster looks for them",
        ),
        (CredentialRetrievalError, UnusableError, "the credentials cannot be obtained: {}"),
        (ConnectTimeoutError, PassingError, "no connection in time"),
        (ReadTimeoutError, PassingError, "no answer in time"),
        (ConnectionClosedError, PassingError, "the connection broke"),
        (IncompleteReadError, PassingError, "the connection broke"),
        (FlexibleChecksumError, PassingError, "what was read does not have the checksum that S3 has for it"),
        (ProxyConnectionError, PassingError, "the proxy cannot be reached"),
        (ConnectionError, PassingError, "no connection can be made"),
        (HTTPClientError, PassingError, "the connection broke"),
        (BotoCoreError, UnusableError, "{}"),
    )
    kind, message = next((kind, message) for raised, kind, message in kinds if isinstance(error, raised))
    return kind(message.format(_as_clause(str(error))))


def _as_clause(sentence: str) -> str:
    """A sentence in one line, without its full stop."""
    return " ".join(sentence.split()).rstrip(".")
