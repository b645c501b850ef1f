"""What each kind of value in the YAML must be: a scalar to a value, with one sentence for a mistake (SPEC 2, 10). Pure.

A parser takes a ``Scalar`` and returns the value, or raises ``ValueError`` with a message that quotes the value as
written. ``None`` stands for a mistake that has been reported already, and passes through. Times are in
``config_schedule``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import PlainValidator

from muster.activation import presets
from muster.activation.config.sizes import parse_memory
from muster.activation.config.yaml_reader import VARIABLE, Scalar
from muster.activation.errors import did_you_mean
from muster.activation.model import naming
from muster.activation.model.workspace import (
    IDENTITY_PREFIX,
    STATUS_SOURCE,
    TIME_SOURCE,
    Compression,
    Encoding,
    ExportMode,
    Format,
    Measure,
    QuoteStyle,
)
from muster.activation.stores import urls

T = TypeVar("T")

ID_WORDS = "an id; expected letters, digits, '.', '_' and '-' only, a letter or digit first, at most 128 characters"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MEASURE = re.compile(r"\s*([A-Za-z_]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_COLUMN = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\W\d]\w*))\s*(\.|$)')
_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%")
_NUMBER = re.compile(r"[0-9]{1,15}|[0-9]{1,3}(?:_[0-9]{3}){1,4}")
_MODE = re.compile(r"(?:0o?)?([0-7]{3})")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECONDS = re.compile(r"([0-9]{1,4}) ?(s|m|)")
_LONGEST_WAIT = 3600  # seconds
_MOST_TRIES = 100
_LONGEST = 200 * 366  # days
_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")
NO_PRESET = "none"  # what an activation writes that is to have none of its destination's
_NOTHING = ("", "null", "~", "none")
_ESCAPES = {r"\n": "\n", r"\r\n": "\r\n", r"\t": "\t"}  # in single quotes, or in none
_FUNCTIONS = ("count", "count_distinct", "sum", "min", "max", "avg", "first", "last")


def described(value: object) -> str:
    """What stands in the YAML, for a message."""
    if isinstance(value, Mapping):
        return "keys and values"
    return value.shown if isinstance(value, Scalar) else "a list"


def listed(words: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def scalar(value: object) -> Scalar:
    """The value as a scalar that is there."""
    if not isinstance(value, Scalar):
        raise ValueError(f"expected one value, found {described(value)}")  # noqa: TRY004 (Pydantic wants ValueError)
    if value.plain and not value.written:
        raise ValueError("has no value; give one or remove the key")
    return value


def field(parse: Callable[[Scalar], T]) -> PlainValidator:
    """A field whose value ``parse`` reads."""
    return PlainValidator(lambda value: None if value is None else parse(scalar(value)))


def field_or_nothing(parse: Callable[[Scalar], T]) -> PlainValidator:
    """The same, and ``null`` or ``none`` for no value: what switches a guard off."""

    def read(value: object) -> T | None:
        off = isinstance(value, Scalar) and value.plain and value.text.lower() in _NOTHING
        return None if off or value is None else parse(scalar(value))

    return PlainValidator(read)


def text(value: Scalar) -> str:
    """Text that is not blank."""
    if not value.text.strip():
        raise ValueError("is empty; expected text")
    return value.text


def _prose(value: Scalar) -> str:
    return text(value).strip()


def _expression(value: Scalar) -> str:
    if not value.text.strip():
        raise ValueError("is empty; expected an expression, or true for everyone")
    return value.text.strip()


def _one_line(value: Scalar) -> str:
    if any(ord(character) < 32 or character == "\x7f" for character in text(value)):
        raise ValueError(f"{value.shown} holds a line end or another control character; a column's name is one line")
    return value.text


def _source(value: Scalar) -> str:
    source = _one_line(value)
    if source.startswith("segment_membership.") and source not in (STATUS_SOURCE, TIME_SOURCE):
        raise ValueError(f"{value.shown} is not a membership field; expected {STATUS_SOURCE} or {TIME_SOURCE}")
    if source == IDENTITY_PREFIX:
        raise ValueError(f"{value.shown} names no identity namespace; expected such as {IDENTITY_PREFIX}Email")
    return source


def _recorded(value: Scalar) -> str:
    """Text of a mapping that runs keep, so that their files can be made again."""
    if any(name for name in VARIABLE.findall(value.written)):
        raise ValueError(
            f"{value.shown} takes an environment variable; write it out: runs record how their columns are made"
        )
    return value.text


def _transform(value: Scalar) -> str:
    from muster.activation.values import transforms  # noqa: PLC0415  # most mappings have none

    return transforms.read(_recorded(value)).written


def _column_expression(value: Scalar) -> str:
    from muster.activation.rules import expressions  # noqa: PLC0415  # as above

    said = _recorded(value).strip()
    if not said:
        raise ValueError("is empty; expected an expression such as CONCAT(first_name, ' ', last_name)")
    if wrong := expressions.mistake(said):
        raise ValueError(f"{expressions.shortened(said)}: {wrong}")
    return said


def _url(value: Scalar) -> str:
    if reason := urls.mistake(value.text):
        shown = repr(urls.redact(value.written))
        raise ValueError(f"{shown} {reason}")
    return value.text


def _endpoint(value: Scalar) -> str:
    shown = repr(urls.redact(value.written))
    refusal = ValueError(
        f"{shown} is not an endpoint; expected such as https://storage.example.com or http://127.0.0.1:9000"
    )
    try:
        parts = urlsplit(value.text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise refusal from None
    if not usable or parts.query or parts.fragment:
        raise refusal
    if "@" in parts.netloc:
        raise ValueError(f"{shown} holds a user; other keys of `connection` name the variables that hold credentials")
    return value.text


def _variable_name(value: Scalar) -> str:
    if not _VARIABLE_NAME.fullmatch(value.text):
        raise ValueError(
            f"{_hint(value)} is not the name of an environment variable; expected such as CRM_PASSWORD, never "
            f"the secret itself"
        )
    return value.text


def _hint(value: Scalar) -> str:
    """Enough of a value to find it again: it may be a secret that was written where the name of its variable belongs."""
    return f"a value of {len(value.text)} characters"


def _seconds(value: Scalar) -> float:
    match = _SECONDS.fullmatch(value.text)
    seconds = int(match[1]) * (60 if match[2] == "m" else 1) if match else 0
    if not 1 <= seconds <= _LONGEST_WAIT:
        raise ValueError(
            f"{value.shown} is not a time to wait; expected seconds or minutes such as 60s or 5m, at most an hour"
        )
    return float(seconds)


def _tries(value: Scalar) -> int:
    tries = _at_least(0)(value)
    if tries > _MOST_TRIES:
        raise ValueError(f"{value.shown} is too many; expected at most {_MOST_TRIES}")
    return tries


def _identifier(value: Scalar) -> str:
    if not ID.fullmatch(value.text):
        raise ValueError(f"{value.shown} is not {ID_WORDS}")
    return value.text


def one_of(*words: str) -> PlainValidator:
    """One of a few words."""

    def parse(value: Scalar) -> str:
        if value.text not in words:
            raise ValueError(f"{value.shown} is not allowed; expected {listed(words)}")
        return value.text

    return field(parse)


def _bare(value: Scalar, expected: str) -> str:
    """The text of a value that is no text: quotes are a mistake, unless a variable is inside them."""
    if not value.plain and not value.expanded:
        raise ValueError(f"{value.shown} in quotes is text; expected {expected}, without quotes")
    return value.text


def flag(value: Scalar) -> bool:
    """``true`` or ``false``, and YAML's other words for them."""
    said = _bare(value, "true or false").lower()
    if said not in _YES + _NO:
        raise ValueError(f"{value.shown} is not true or false")
    return said in _YES


def _at_least(minimum: int) -> Callable[[Scalar], int]:
    expected = f"a whole number of at least {minimum}"

    def parse(value: Scalar) -> int:
        digits = _bare(value, expected)
        if not _NUMBER.fullmatch(digits) or int(digits) < minimum:
            raise ValueError(f"{value.shown} is not {expected}")
        return int(digits)

    return parse


def _days(value: Scalar) -> int:
    days = _at_least(1)(value)
    if days > _LONGEST:
        raise ValueError(f"{value.shown} is too long; expected at most {_LONGEST:,} days")
    return days


def _percentage(value: Scalar) -> float:
    match = _PERCENTAGE.fullmatch(value.text)
    if not match or Decimal(match[1]) > 100:
        raise ValueError(f"{value.shown} is not a percentage; expected one from 0% to 100%, such as 30%")
    return float(Decimal(match[1]) / 100)


def _file_mode(value: Scalar) -> int:
    match = _MODE.fullmatch(value.text)
    if not match:
        raise ValueError(f'{value.shown} is not a file mode; expected an octal one such as "0600"')
    mode = int(match[1], 8)
    if mode & 0o600 != 0o600:
        raise ValueError(f'{value.shown} does not let the owner read and write; expected one that does, such as "0600"')
    return mode


def _memory(value: Scalar) -> int:
    try:
        return parse_memory(value.text)
    except ValueError as error:
        raise ValueError(str(error).replace(repr(value.text), value.shown)) from None


def _folder(value: Scalar) -> str:
    path = text(value)
    if "://" in path or path.startswith("~") or not path.isprintable():
        raise ValueError(f"{value.shown} is not a local folder; expected one such as .muster")
    return path


def _measure(value: Scalar) -> Measure:
    match = _MEASURE.fullmatch(value.text)
    function = match[1].lower() if match else ""
    if match is None or function not in _FUNCTIONS:
        raise ValueError(f"{value.shown} is not a measure{did_you_mean(function, _FUNCTIONS)}")
    if function == "count":
        if match[2] is not None:
            raise ValueError(f"{value.shown}: count takes no column; expected count, or count_distinct(column)")
        return Measure("", "count")
    column = _column(match[2] or "")
    if not column:
        raise ValueError(
            f'{value.shown} names no column; expected such as {function}(amount) or {function}("my column")'
        )
    return Measure("", function, column)  # type: ignore[arg-type]  # one of _FUNCTIONS, which are its literals


def _column(said: str) -> str:
    """``a."b c"`` as the dotted path ``a.b c``; nothing when it is not one."""
    parts: list[str] = []
    position, more = 0, True
    while more and (match := _COLUMN.match(said, position)):
        parts.append(match[1].replace('""', '"') if match[1] else match[2])
        position, more = match.end(), match[3] == "."
    return "" if more else ".".join(parts)


def _template(value: Scalar) -> str:
    mistakes = naming.template_mistakes(value.text)
    if mistakes and value.expanded and naming.template_mistakes(VARIABLE.sub("x", value.written)) != mistakes:
        raise ValueError(f"{value.shown} is not a file name once its variables are put in")
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return value.text


def _csv_character(value: Scalar) -> str:
    character = _ESCAPES.get(value.text, value.text)
    if len(character) != 1 or not character.isascii() or character in "\r\n\0":
        raise ValueError(f"{value.shown} is not one ASCII character; expected such as ',' or ';' or \"\\t\"")
    return character


def _line_terminator(value: Scalar) -> str:
    terminator = _ESCAPES.get(value.text, value.text)
    if terminator not in ("\n", "\r\n"):
        raise ValueError(f'{value.shown} is not a line end; expected "\\n" or "\\r\\n"')
    return terminator


def _preset(value: Scalar) -> str:
    if value.text not in (NO_PRESET, *presets.names()):
        raise ValueError(f"{value.shown} is no preset{did_you_mean(value.text, (NO_PRESET, *presets.names()))}")
    return value.text


def _as_it_is(value: Scalar) -> str:
    return value.text


PresetWord = Annotated[str | None, field(_preset)]
Text = Annotated[str | None, field(text)]
AnyText = Annotated[str | None, field(_as_it_is)]
Prose = Annotated[str | None, field(_prose)]
Expression = Annotated[str | None, field(_expression)]
Source = Annotated[str | None, field(_source)]
TransformStep = Annotated[str | None, field(_transform)]
ColumnExpression = Annotated[str | None, field(_column_expression)]
Separator = Annotated[str | None, field(_recorded)]
Url = Annotated[str | None, field(_url)]
ColumnName = Annotated[str | None, field(_one_line)]
Endpoint = Annotated[str | None, field(_endpoint)]
VariableName = Annotated[str | None, field(_variable_name)]
Seconds = Annotated[float | None, field(_seconds)]
Tries = Annotated[int | None, field(_tries)]
Id = Annotated[str | None, field(_identifier)]
Flag = Annotated[bool | None, field(flag)]
Count = Annotated[int | None, field(_at_least(1))]
Days = Annotated[int | None, field(_days)]
Rows = Annotated[int | None, field(_at_least(1))]
Percentage = Annotated[float | None, field_or_nothing(_percentage)]
Exits = Annotated[int | None, field_or_nothing(_at_least(0))]
FileMode = Annotated[int | None, field(_file_mode)]
Folder = Annotated[str | None, field(_folder)]
Memory = Annotated[int | None, field(_memory)]
MeasureCall = Annotated[Measure | None, field(_measure)]
Template = Annotated[str | None, field(_template)]
Character = Annotated[str | None, field(_csv_character)]
LineTerminator = Annotated[str | None, field(_line_terminator)]
FormatWord = Annotated[Format | None, one_of("csv", "parquet", "json")]
CompressionWord = Annotated[Compression | None, one_of("none", "gzip", "zstd")]
QuoteStyleWord = Annotated[QuoteStyle | None, one_of("necessary", "always", "non_numeric", "never")]
EncodingWord = Annotated[Encoding | None, one_of("utf-8", "utf-16")]
ExportWord = Annotated[ExportMode | None, one_of("full", "incremental")]
FeedWord = Annotated[Literal["memberships"] | None, one_of("memberships")]
