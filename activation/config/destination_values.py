"""Parsers of the keys of a destination: url, connection, file names, CSV characters, preset (SPEC 2, 6, 7).

Messages never show what may be a secret: credentials in a url are redacted, and the value of a ``..._env`` key is
described by its length.
"""

import re
from urllib.parse import urlsplit

from muster.activation import presets
from muster.activation.config.scalars import at_least
from muster.activation.config.variables import without_values
from muster.activation.config.yaml_reader import Scalar
from muster.activation.model import naming
from muster.activation.presets.message_presets import message_preset_names
from muster.activation.stores import urls

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_ADDRESS = re.compile(r"[!-~]+")  # what cannot be in an address, Python's own parser drops without a word
_SECONDS = re.compile(r"([0-9]{1,4}) ?(s|m|)")
_LONGEST_WAIT = 3600  # seconds
_MOST_TRIES = 100
_LONGEST_DELIMITER = 8
_SEND = "; to send requests to it, write kind: http"
NO_PRESET = "none"  # switches off the preset of the destination for one activation
_ESCAPES = {r"\n": "\n", r"\r\n": "\r\n", r"\t": "\t"}  # in single quotes, or in none


def url(value: Scalar) -> str:
    """The url of a destination: a local folder, or a folder on another machine or in a bucket."""
    if reason := urls.mistake(value.text):
        shown = repr(urls.redact(value.written))
        is_web = value.text.lower().startswith(("http://", "https://"))
        raise ValueError(f"{shown} {reason}{_SEND if is_web else ''}")
    return value.text


def endpoint(value: Scalar) -> str:
    """The http or https address of a storage service, without credentials."""
    shown = repr(urls.redact(value.written))
    refusal = ValueError(
        f"{shown} is not an endpoint; expected one such as https://storage.example.com or http://127.0.0.1:9000"
    )
    try:
        parts = urlsplit(value.text)
        host = parts.hostname or ""
        usable = parts.scheme in {"http", "https"} and parts.port != 0 and (":" in host or _HOST.fullmatch(host))
    except ValueError:
        raise refusal from None
    if not usable or parts.query or parts.fragment or not _ADDRESS.fullmatch(value.text):
        raise refusal
    if "@" in parts.netloc:
        raise ValueError(f"{shown} holds a user; other keys of `connection` name the variables that hold credentials")
    return value.text


def variable_name(value: Scalar) -> str:
    """The name of an environment variable that holds a secret."""
    if not _VARIABLE_NAME.fullmatch(value.text):
        raise ValueError(
            f"{_hint(value)} is not the name of an environment variable; expected one such as CRM_PASSWORD, never "
            f"the secret itself"
        )
    return value.text


def _hint(value: Scalar) -> str:
    """A description of a value that may be a secret, written where the name of its variable belongs."""
    return f"a value of {len(value.text)} characters"


def seconds(value: Scalar) -> float:
    """A timeout from one second to an hour, in seconds."""
    match = _SECONDS.fullmatch(value.text)
    wait = int(match[1]) * (60 if match[2] == "m" else 1) if match else 0
    if not 1 <= wait <= _LONGEST_WAIT:
        raise ValueError(
            f"{value.shown} is not a time to wait; expected seconds or minutes such as 60s or 5m, at most an hour"
        )
    return float(wait)


def tries(value: Scalar) -> int:
    """How often muster retries a failed request."""
    count = at_least(0)(value)
    if count > _MOST_TRIES:
        raise ValueError(f"{value.shown} is too many; expected at most {_MOST_TRIES}")
    return count


def template(value: Scalar) -> str:
    """A file name with placeholders such as ``{date}`` (F1)."""
    mistakes = naming.template_mistakes(value.text)
    if mistakes and value.expanded and naming.template_mistakes(without_values(value.written)) != mistakes:
        raise ValueError(f"{value.shown} is not a file name after its variables are replaced")
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return value.text


def csv_delimiter(value: Scalar) -> str:
    """A delimiter: a few ASCII characters, none of which ends a line (M7)."""
    delimiter = _ESCAPES.get(value.text, value.text)
    if not 1 <= len(delimiter) <= _LONGEST_DELIMITER or not delimiter.isascii() or set(delimiter) & set("\r\n\0"):
        raise ValueError(
            f"{value.shown} is not a delimiter; expected one to {_LONGEST_DELIMITER} ASCII characters such as ',', "
            f"'||' or \"\\t\", without line end"
        )
    return delimiter


def csv_character(value: Scalar) -> str:
    """A quote or an escape: one ASCII character, which may be a tab (M7)."""
    character = (_ESCAPES | {r"\\": "\\"}).get(value.text, value.text)
    if len(character) != 1 or not character.isascii() or character in "\r\n\0":
        raise ValueError(f'{value.shown} is not one ASCII character; expected one such as \'"\' or "\\\\"')
    return character


def line_terminator(value: Scalar) -> str:
    """A line end: a line feed, or carriage return and line feed (M7)."""
    terminator = _ESCAPES.get(value.text, value.text)
    if terminator not in ("\n", "\r\n"):
        raise ValueError(f'{value.shown} is not a line end; expected "\\n" or "\\r\\n"')
    return terminator


def preset(value: Scalar) -> str:
    """The name of a receiver preset, or ``none``."""
    if value.text in message_preset_names():
        raise ValueError(f"{value.shown} is a preset of requests; write kind: http beside it")
    if value.text not in (NO_PRESET, *presets.names()):
        raise ValueError(f"{value.shown} is not a preset{presets.hint(value.text, NO_PRESET)}")
    return value.text
