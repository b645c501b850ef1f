"""Words for what goes wrong on the way to an HTTP API, and the answer that each stands for (V10, SPEC 10).

A reason is a clause that follows the destination's name. It holds no url, no header and no text of an answer.
"""

import ssl
from dataclasses import dataclass

import urllib3.exceptions as failing

from muster.activation.endpoints.protocol import Answer

STOPPED = Answer("unsent", "the command was asked to stop")

# The names of OpenSSL's reasons that say which side of a handshake is wrong.
_REFUSES_CERTIFICATE = "the receiver does not accept the client's certificate; see `mtls`"
_TLS_REASONS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the receiver wants a certificate of the client; set `mtls`",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the receiver refuses the TLS handshake; it may want a certificate (`mtls`)",
    "TLSV1_ALERT_UNKNOWN_CA": _REFUSES_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": _REFUSES_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _REFUSES_CERTIFICATE,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _REFUSES_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client's certificate has expired for the receiver; see `mtls`",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the client's certificate was revoked; see `mtls`",
    "TLSV1_ALERT_ACCESS_DENIED": _REFUSES_CERTIFICATE,
    "WRONG_VERSION_NUMBER": "it does not speak TLS at this port",
    "HTTP_REQUEST": "it does not speak TLS at this port",
    "UNSUPPORTED_PROTOCOL": "it speaks no version of TLS that is safe",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no version of TLS that is safe",
}


@dataclass
class UnansweredError(Exception):
    """A request without an answer: ``answer`` says what that means."""

    answer: Answer


class UnconnectedError(Exception):
    """No connection was made; the cause says why."""


def unanswered(error: Exception) -> Answer:
    """The answer that an error of a connection stands for: nothing was sent, it may have been, or it never will be."""
    if isinstance(error, UnconnectedError) and isinstance(error.__cause__, Exception):
        return _unconnected(error.__cause__)
    if failure := _tls_failure(error):
        return failure
    if isinstance(error, failing.TimeoutError | TimeoutError):
        return Answer("lost", "no answer in time")
    if isinstance(error, failing.LocationValueError | failing.LocationParseError):
        return Answer("fatal", "the url is not valid", sent=False)
    return Answer("lost", "the connection broke before there was an answer")


def _unconnected(error: Exception) -> Answer:
    if failure := _tls_failure(error):
        return failure
    if isinstance(error, failing.ProxyError) or "Tunnel connection failed" in str(error):
        return Answer("unsent", "the proxy of the environment gives no connection")
    if isinstance(error, failing.NameResolutionError):
        return Answer("unsent", "the name of its host is not known")
    if isinstance(error.__cause__, ConnectionRefusedError):
        return Answer("unsent", "the connection is refused: nothing listens there")
    if isinstance(error, failing.TimeoutError) and not isinstance(error, failing.NewConnectionError):
        return Answer("unsent", "no connection in time")
    return Answer("unsent", "no connection can be made")


def _tls_failure(error: BaseException | None) -> Answer | None:
    """The answer for an error of TLS in a chain of errors, if there is one. None of these sent a request."""
    while error is not None:
        for each in (error, *error.args):
            if isinstance(each, ssl.SSLCertVerificationError):
                message = " ".join(each.verify_message.split()).rstrip(".")
                return Answer("fatal", f"its TLS certificate is not accepted: {message}", sent=False)
            if isinstance(each, ssl.SSLError) and (reason := _TLS_REASONS.get(each.reason or "")):
                return Answer("fatal", reason, sent=False)
        error = error.__cause__ or error.__context__
    return None
