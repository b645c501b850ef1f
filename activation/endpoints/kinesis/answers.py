"""What the answers and errors of PutRecords mean (V10); needs boto3.

A reason is a code of AWS's, or words of this module: boto3's own sentences may hold what the request carried.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from muster.activation.endpoints.protocol import Answer, Meaning

TOO_MUCH = "ProvisionedThroughputExceededException"
_PASSING_OF_A_RECORD = {TOO_MUCH, "InternalFailure", "InternalFailureException", "ServiceUnavailable"}
_THROTTLED = {
    *(TOO_MUCH, "LimitExceededException", "KMSThrottlingException", "ThrottlingException", "Throttling"),
    *("TooManyRequestsException", "RequestLimitExceeded", "SlowDown"),
}
_FAILING = {"InternalFailure", "InternalFailureException", "InternalServerError", "ServiceUnavailable"}
_REFUSED = {
    "InvalidArgumentException",
    "ValidationException",
    "SerializationException",
    "RequestEntityTooLargeException",
}
# What would help against an answer that ends the run; others are named by AWS's code alone.
ADVICE = {
    "ResourceNotFoundException": "there is no such stream in this account and region",
    "AccessDeniedException": "access denied: the right kinesis:PutRecords is missing",
    "UnrecognizedClientException": "the service does not know the access key",
    "InvalidClientTokenId": "the service does not know the access key",
    "MissingAuthenticationTokenException": "the service requires credentials",
    "IncompleteSignatureException": "the access key or the secret key is malformed",
    "InvalidSignatureException": "the secret key does not belong to the access key, or this machine's clock is wrong",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the credentials have expired",
    "ExpiredTokenException": "the credentials have expired",
    "RequestExpired": "the clock of this machine is wrong by minutes",
    "OptInRequired": "the account has no subscription for Kinesis",
    "KMSAccessDeniedException": "the stream's KMS key may not be used with these credentials",
    "KMSDisabledException": "the stream's KMS key is disabled",
    "KMSInvalidStateException": "the state of the stream's KMS key does not allow its use",
    "KMSNotFoundException": "the stream's KMS key does not exist",
    "KMSOptInRequired": "the account has no subscription for KMS",
}
# Errors without an answer, the narrower classes first. ``unsent``: no connection was made.
_NOT_ANSWERED: tuple[tuple[type[Exception], Meaning, str], ...] = (
    (NoCredentialsError, "fatal", "no credentials were found"),
    (PartialCredentialsError, "fatal", "the credentials are incomplete"),
    (UnauthorizedSSOTokenError, "fatal", "the login has expired: aws sso login"),
    (CredentialRetrievalError, "fatal", "the credentials cannot be obtained"),
    (ParamValidationError, "refused", "a record that Kinesis does not take"),
    (ConnectTimeoutError, "unsent", "no connection in time"),
    (ProxyConnectionError, "unsent", "the proxy cannot be reached"),
    (EndpointConnectionError, "unsent", "no connection can be made"),
    (ReadTimeoutError, "lost", "time-out"),
    (ConnectionClosedError, "lost", "the connection broke"),
    (HTTPClientError, "lost", "the connection broke"),
    (ResponseParserError, "lost", "an answer that cannot be read"),
    (BotoCoreError, "fatal", "the client cannot send"),
)


def answer_of(response: Mapping[str, Any], records: int) -> Answer:
    """What became of each record of a request: stored, to be sent again, or refused."""
    results: Sequence[Mapping[str, Any]] = response.get("Records") or ()
    if len(results) != records:
        return Answer("lost", "an answer without a result for each record")
    codes = {place: str(each["ErrorCode"]) for place, each in enumerate(results) if each.get("ErrorCode")}
    again = tuple(place for place, code in codes.items() if code in _PASSING_OF_A_RECORD)
    if len(again) == records:
        found = set(codes.values())
        return Answer("throttled", TOO_MUCH) if found == {TOO_MUCH} else Answer("failing", min(found - {TOO_MUCH}))
    refused = {place: code for place, code in codes.items() if place not in set(again)}
    if len(refused) == records:
        return Answer("refused", refused[0])
    return Answer("accepted", "200", refused, again)


def answer_of_error(error: Exception) -> Answer:
    """What an error of boto3 means, with an answer of AWS's or without one."""
    if isinstance(error, ClientError):
        return _answered(error)
    if isinstance(error, SSLError):
        is_refused = "CERTIFICATE" in str(error).upper()
        return _unsent("its certificate is not accepted") if is_refused else Answer("lost", "the connection broke")
    meaning, reason = next((meaning, reason) for kind, meaning, reason in _NOT_ANSWERED if isinstance(error, kind))
    return Answer(meaning, reason, sent=meaning != "fatal")


def _answered(error: ClientError) -> Answer:
    code = str(error.response.get("Error", {}).get("Code", ""))
    about = error.response.get("ResponseMetadata", {})
    status, headers = int(about.get("HTTPStatusCode", 0)), about.get("HTTPHeaders", {})
    reason = code or str(status)
    if code in _THROTTLED or status == 429:
        return Answer("throttled", reason, retry_after=_seconds(headers.get("retry-after")))
    if code in _FAILING or status == 408 or status >= 500:
        return Answer("failing", reason, retry_after=_seconds(headers.get("retry-after")))
    if code in _REFUSED or (status in (400, 413, 422) and code == str(status)):
        return Answer("refused", reason)
    return Answer("fatal", f"{code}: {ADVICE[code]}" if code in ADVICE else reason)


def _unsent(reason: str) -> Answer:
    return Answer("fatal", reason, sent=False)


def _seconds(text: str | None) -> float | None:
    """The seconds of a ``Retry-After`` header; None where there is none, or a date."""
    return float(text) if text and text.strip().isdecimal() else None


# The errors that ``answer_of_error`` knows.
KNOWN: tuple[type[Exception], ...] = (ClientError, BotoCoreError, ResponseParserError)
