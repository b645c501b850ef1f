"""Parsers of the keys of event destinations: urls with placeholders, headers, sizes, statuses, waits (V1, V6, V7, V10).

Messages never show what may be a secret: credentials in a url are redacted, and header values are not shown.
"""

import re
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from muster.activation.config.scalars import at_least, one_line
from muster.activation.config.sizes import parse_size
from muster.activation.config.yaml_reader import Scalar
from muster.activation.instants import parse_duration
from muster.activation.stores import urls

_HOST = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_ADDRESS = re.compile(r"[!-~]+")  # what cannot be in an address, Python's own parser drops without a word
_PLACEHOLDER = re.compile(r"\{[^{}/?#]*\}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # the name of a header (RFC 9110)
_OURS = ("content-length", "host", "transfer-encoding", "connection", "idempotency-key")
_WAIT = re.compile(r"([0-9]{1,6}) ?s")
_PERIOD = re.compile(r"([0-9]{1,4}) ?(s|m|h)")
_LONGEST_PERIOD = 86_400  # seconds
_MOST_IN_FLIGHT = 256
_STREAM = re.compile(r"(?:arn:[a-z-]+:kinesis:[a-z0-9-]+:[0-9]{12}:stream/)?[A-Za-z0-9._-]{1,128}")
_NAMESPACE = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9.-]{1,190})?(?::[0-9]{1,5})?")
_HUB = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,254}[A-Za-z0-9])?")
LEAST_BYTES = 1_000  # of ``max_bytes``: less holds no message


def request_url(value: Scalar) -> str:
    """The http or https address that requests go to; its path and query may have placeholders (V6)."""
    shown, parts = repr(urls.redact(value.written)), _split(_PLACEHOLDER.sub("x", value.text))
    if parts is None:
        raise ValueError(
            f"{shown} is not an address of requests; expected one such as https://crm.example.com/profiles"
        )
    authority = value.text.partition("://")[2]
    if "{" in re.split(r"[/?#]", authority, maxsplit=1)[0]:
        raise ValueError(f"{shown} has a placeholder before its path; the scheme, host and port are always the same")
    rest = _PLACEHOLDER.sub("", value.text)
    if "{" in rest or "}" in rest:
        raise ValueError(f"{shown} has a brace that belongs to no placeholder; expected one such as {{audience.alias}}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{shown} holds a user; `auth` names the variables that hold credentials")
    if parts.fragment:
        raise ValueError(f"{shown} has a '#', which is no part of a request")
    return value.text


def token_url(value: Scalar) -> str:
    """The http or https address that gives tokens."""
    parts = _split(value.text)
    if parts is None or parts.fragment or parts.username is not None:
        shown = repr(urls.redact(value.written))
        raise ValueError(f"{shown} is not an address of tokens; expected one such as https://login.example.com/token")
    return value.text


def _split(text: str) -> SplitResult | None:
    """The parts of an http or https address; None for other text."""
    try:
        parts = urlsplit(text)
        host, usable = parts.hostname or "", parts.port != 0
    except ValueError:
        return None
    known = parts.scheme in {"http", "https"} and usable and (":" in host or _HOST.fullmatch(host))
    return parts if known and _ADDRESS.fullmatch(text) else None


def is_open(url: str) -> bool:
    """Whether what goes to a url can be read on the way: http:// beyond this machine (V12)."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def header_name(name: str) -> str:
    """Why a name cannot be that of a header; empty if it can."""
    if not _TOKEN.fullmatch(name):
        return f"{name!r} is not the name of a header; expected one such as X-Source"
    return f"{name!r} is a header that muster writes itself; remove it" if name.lower() in _OURS else ""


def header_value(value: Scalar) -> str:
    """The value of a header: printable text of Latin-1 on one line; it may be a secret, and is never shown."""
    text = value.text.strip()
    if not text.isprintable() or any(ord(character) > 0xFF for character in text):
        raise ValueError("holds a character that a header cannot have; expected printable characters of Latin-1")
    return text


def header_word(value: Scalar) -> str:
    """The name of the header that holds a secret."""
    if wrong := header_name(value.text):
        raise ValueError(wrong)
    return value.text


def size(value: Scalar) -> int:
    """A size such as ``1MB``, in bytes."""
    try:
        found = parse_size(value.text)
    except ValueError as error:
        raise ValueError(str(error).replace(repr(value.text), value.shown)) from None
    if found < LEAST_BYTES:
        raise ValueError(f"{value.shown} is too little for a message; expected at least 1KB")
    return found


def wait(value: Scalar) -> timedelta:
    """A duration that may be seconds: ``0s``, ``90s``, ``15m``, ``1h``."""
    if match := _WAIT.fullmatch(value.text):
        return timedelta(seconds=int(match[1]))
    try:
        return parse_duration(value.text)
    except ValueError:
        expected = "a number and one of s, m, h, d, w, such as 15m"
        raise ValueError(f"{value.shown} is not a duration; expected {expected}") from None


def period(value: Scalar) -> float:
    """The time that a rate is about, in seconds: ``1s``, ``1m``, ``1h``."""
    match = _PERIOD.fullmatch(value.text)
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0
    if not 1 <= seconds <= _LONGEST_PERIOD:
        raise ValueError(f"{value.shown} is not a period; expected one such as 1s, 1m or 1h, at most a day")
    return float(seconds)


def accepting_status(value: Scalar) -> int:
    """The HTTP status of an answer that accepts: one of 2xx (V10)."""
    found = status(value)
    if found // 100 != 2:
        raise ValueError(f"{value.shown} never accepts; expected statuses from 200 to 299")
    return found


def status(value: Scalar) -> int:
    """An HTTP status."""
    if not re.fullmatch(r"[1-5][0-9]{2}", value.text):
        raise ValueError(f"{value.shown} is not an HTTP status; expected one from 100 to 599")
    return int(value.text)


def expression(value: Scalar) -> str:
    """A regular expression that the body of an answer holds."""
    try:
        re.compile(value.text)
    except re.error as error:
        raise ValueError(f"{value.shown} is not a regular expression: {error}") from None
    if not value.text:
        raise ValueError("is empty; expected a regular expression")
    return value.text


def json_path(value: Scalar) -> str:
    """A dotted path into the JSON of an answer."""
    if "" in one_line(value).split("."):
        raise ValueError(f"{value.shown} is not a path; expected keys with dots between them, such as result.errors")
    return value.text


def in_flight(value: Scalar) -> int:
    """How many requests are under way at one time."""
    count = at_least(1)(value)
    if count > _MOST_IN_FLIGHT:
        raise ValueError(f"{value.shown} is too many; expected at most {_MOST_IN_FLIGHT}")
    return count


def stream(value: Scalar) -> str:
    """The name of a Kinesis stream, or its ARN."""
    if not _STREAM.fullmatch(value.text):
        raise ValueError(
            f"{value.shown} is not the name of a stream, or its ARN; expected letters, digits, '.', '_' and '-'"
        )
    return value.text


def hub_namespace(value: Scalar) -> str:
    """The namespace of an event hub: a name, or the whole host name."""
    if not _NAMESPACE.fullmatch(value.text):
        raise ValueError(f"{value.shown} is not a namespace; expected one such as acme or acme.servicebus.windows.net")
    return value.text


def hub(value: Scalar) -> str:
    """The name of an event hub."""
    if not _HUB.fullmatch(value.text):
        raise ValueError(f"{value.shown} is not the name of an event hub; expected letters, digits, '.', '_' and '-'")
    return value.text
