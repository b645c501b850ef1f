"""Parsers of values that mean the same at every key: text, words, numbers, flags, sizes (SPEC 2, 10).

A parser takes a ``Scalar`` and returns the value, or raises ``ValueError`` with one sentence that quotes the value as
written. Parsers that know one part of a workspace are in ``audience_values``, ``column_values``,
``destination_values`` and ``times``; ``fields`` names the field types that the models use.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from pydantic import PlainValidator

from muster.activation.config.sizes import parse_memory
from muster.activation.config.yaml_reader import Scalar

T = TypeVar("T")


_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%")
_NUMBER = re.compile(r"[0-9]{1,15}|[0-9]{1,3}(?:_[0-9]{3}){1,4}")
_FILE_MODE = re.compile(r"(?:0o?)?([0-7]{3})")
_MAX_DAYS = 200 * 366
ID_WORDS = "an id; expected letters, digits, '.', '_' and '-' only, a letter or digit first, at most 128 characters"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")
_OFF = ("", "null", "~", "none")


def described(value: object) -> str:
    """A value of the YAML as messages show it: the scalar as written, else its kind."""
    if isinstance(value, Mapping):
        return "keys and values"
    return value.shown if isinstance(value, Scalar) else "a list"


def listed(words: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def scalar(value: object) -> Scalar:
    """The value, checked to be a scalar with something written; ``ValueError`` otherwise."""
    if not isinstance(value, Scalar):
        raise ValueError(f"expected one value, found {described(value)}")  # noqa: TRY004 (Pydantic wants ValueError)
    if value.plain and not value.written:
        raise ValueError("has no value; give one or remove the key")
    return value


def field(parse: Callable[[Scalar], T]) -> PlainValidator:
    """A Pydantic validator that reads a scalar with ``parse``; None, a mistake reported earlier, passes through."""
    return PlainValidator(lambda value: None if value is None else parse(scalar(value)))


def field_or_nothing(parse: Callable[[Scalar], T]) -> PlainValidator:
    """A validator like ``field`` that reads ``null``, ``none`` or nothing as None, which switches a guard off."""

    def read(value: object) -> T | None:
        off = isinstance(value, Scalar) and value.plain and value.text.lower() in _OFF
        return None if off or value is None else parse(scalar(value))

    return PlainValidator(read)


def text(value: Scalar) -> str:
    """The text of a scalar; ``ValueError`` when it is blank."""
    if not value.text.strip():
        raise ValueError("is empty; expected text")
    return value.text


def as_written(value: Scalar) -> str:
    """The text of a scalar, which may be empty or blank."""
    return value.text


def prose(value: Scalar) -> str:
    """Text for people, without the blanks around it."""
    return text(value).strip()


def one_line(value: Scalar) -> str:
    """The name of a column: text without control characters, so that it stands on one line."""
    if any(ord(character) < 32 or character == "\x7f" for character in text(value)):
        raise ValueError(f"{value.shown} holds a line end or another control character; a column's name is one line")
    return value.text


def one_of(*words: str) -> PlainValidator:
    """A Pydantic validator that accepts exactly these words."""

    def parse(value: Scalar) -> str:
        if value.text not in words:
            raise ValueError(f"{value.shown} is not allowed; expected {listed(words)}")
        return value.text

    return field(parse)


def _bare(value: Scalar, expected: str) -> str:
    """The text of a number or a flag; ``ValueError`` when it is in quotes without a variable inside them."""
    if not value.plain and not value.expanded:
        raise ValueError(f"{value.shown} in quotes is text; expected {expected}, without quotes")
    return value.text


def flag(value: Scalar) -> bool:
    """``true`` or ``false``, also spelled ``yes``, ``no``, ``on`` and ``off`` as in YAML 1.1."""
    word = _bare(value, "true or false").lower()
    if word not in _YES + _NO:
        raise ValueError(f"{value.shown} is not true or false")
    return word in _YES


def at_least(minimum: int) -> Callable[[Scalar], int]:
    """A parser of whole numbers from ``minimum`` up."""
    expected = f"a whole number of at least {minimum}"

    def parse(value: Scalar) -> int:
        digits = _bare(value, expected)
        if not _NUMBER.fullmatch(digits) or int(digits) < minimum:
            raise ValueError(f"{value.shown} is not {expected}")
        return int(digits)

    return parse


def days(value: Scalar) -> int:
    """A number of days, from 1 to 200 years."""
    count = at_least(1)(value)
    if count > _MAX_DAYS:
        raise ValueError(f"{value.shown} is too long; expected at most {_MAX_DAYS:,} days")
    return count


def percentage(value: Scalar) -> float:
    """A percentage from ``0%`` to ``100%``, as a fraction of 1."""
    match = _PERCENTAGE.fullmatch(value.text)
    if not match or Decimal(match[1]) > 100:
        raise ValueError(f"{value.shown} is not a percentage; expected one from 0% to 100%, such as 30%")
    return float(Decimal(match[1]) / 100)


def file_mode(value: Scalar) -> int:
    """An octal file mode such as ``0600`` that lets the owner read and write."""
    match = _FILE_MODE.fullmatch(value.text)
    if not match:
        raise ValueError(f'{value.shown} is not a file mode; expected an octal one such as "0600"')
    mode = int(match[1], 8)
    if mode & 0o600 != 0o600:
        raise ValueError(f'{value.shown} does not let the owner read and write; expected one that does, such as "0600"')
    return mode


def memory(value: Scalar) -> int:
    """A memory limit such as ``2GiB``, in bytes."""
    try:
        return parse_memory(value.text)
    except ValueError as error:
        raise ValueError(str(error).replace(repr(value.text), value.shown)) from None


def folder(value: Scalar) -> str:
    """The path of a local folder, relative to the workspace or absolute."""
    path = text(value)
    if "://" in path or path.startswith("~") or not path.isprintable():
        raise ValueError(f"{value.shown} is not a local folder; expected one such as .muster")
    return path


def identifier(value: Scalar) -> str:
    """The id of a workspace, audience, destination or activation (SPEC 2)."""
    if not ID.fullmatch(value.text):
        raise ValueError(f"{value.shown} is not {ID_WORDS}")
    return value.text
