"""The transforms of a mapping, each a function and a line of the table ``KINDS`` (M1, M2, M7).

``read`` parses one transform as a mapping has it, ``apply`` applies several in order. Null stays null, and an empty
text has no hash.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Literal

import polars as pl
from polars_hash import CryptographicHashingNameSpace, NonCryptographicHashingNameSpace

from muster.activation.errors import did_you_mean
from muster.activation.values import genders, phones
from muster.activation.values.dtypes import describe, unwrapped
from muster.activation.values.scalars import printable_date, printable_timestamp, scalar_text

_CALL = re.compile(r"\s*([^\s()]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_BOOLEANS = {"true": True, "false": False}

Values = tuple[pl.Expr, pl.DataType]
Apply = Callable[[pl.Expr, pl.DataType, str], Values]  # values, their type, the argument


@dataclass(frozen=True)
class Transform:
    """One transform: the name in the table, and the text between its brackets."""

    name: str
    argument: str = ""

    @property
    def written(self) -> str:
        """The transform as a mapping has it."""
        return f"{self.name}({self.argument})" if self.argument else self.name


@dataclass(frozen=True)
class _Kind:
    apply: Apply
    takes: Callable[[pl.DataType], bool]
    needs: str  # the types that ``takes`` accepts, in words
    argument: Literal["none", "possible", "needed"] = "none"
    example: str = ""  # an argument, for messages
    check: Callable[[str], None] = lambda _: None  # ``ValueError`` for an invalid argument


def read(text: str) -> Transform:
    """Parse a transform such as ``trim`` or ``date(%Y-%m-%d)``; ``ValueError`` names the mistake."""
    if text.count("(") != text.count(")") and not _CALL.fullmatch(text):
        raise ValueError(f"{text!r}: a bracket is not closed; put a transform that holds a comma in quotes")
    match = _CALL.fullmatch(text)
    name, argument = (match[1], match[2]) if match else (text, None)
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"{text!r} is not a transform{did_you_mean(name, KINDS)}")
    if argument is not None and kind.argument == "none":
        raise ValueError(f"{text!r}: {name} takes no argument; write {name}")
    if not argument and kind.argument == "needed":
        raise ValueError(f"{text!r}: {name} needs an argument in brackets, such as {name}({kind.example})")
    if argument is not None:
        kind.check(argument)
    return Transform(name, argument or "")


def apply(steps: Sequence[str], expr: pl.Expr, dtype: pl.DataType) -> Values:
    """The values after all steps, and their type; ``ValueError`` names a step that does not fit and the types (X1)."""
    expr, dtype = unwrapped(expr, dtype)
    for step in map(read, steps):
        kind = KINDS[step.name]
        if isinstance(dtype, pl.Null):  # no value in any row fits every type
            dtype = pl.Date() if step.name == "date" else pl.String()
            expr = expr.cast(dtype)
        if not kind.takes(dtype):
            raise ValueError(f"{step.written} needs {kind.needs}, and it is {describe(dtype)}{_remedy(kind, dtype)}")
        expr, dtype = kind.apply(expr, dtype, step.argument)
    return expr, dtype


def _remedy(kind: _Kind, dtype: pl.DataType) -> str:
    if kind.takes is not _is_text:
        return ""
    if isinstance(dtype, pl.List | pl.Array):
        return "; `join` turns a list into text"
    if _is_day(dtype):
        return "; put date(%Y-%m-%d) before it to make text"
    return "; an `expression` with CAST(... AS VARCHAR) turns it into text" if dtype.is_numeric() else ""


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String)


def _is_day(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Date | pl.Datetime)


def _can_be_filled(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or isinstance(dtype, pl.String | pl.Boolean | pl.Date)


def _trim(expr: pl.Expr, dtype: pl.DataType, _: str) -> Values:
    return expr.str.strip_chars(), dtype


def _lower(expr: pl.Expr, dtype: pl.DataType, _: str) -> Values:
    return expr.str.to_lowercase(), dtype


def _upper(expr: pl.Expr, dtype: pl.DataType, _: str) -> Values:
    return expr.str.to_uppercase(), dtype


def _digits(expr: pl.Expr, dtype: pl.DataType, _: str) -> Values:
    return expr.str.replace_all("[^0-9]", ""), dtype


def _md5(expr: pl.Expr, dtype: pl.DataType, _: str) -> Values:
    return NonCryptographicHashingNameSpace(_not_empty(expr)).md5(), dtype


def _sha1(expr: pl.Expr, dtype: pl.DataType, _: str) -> Values:
    return NonCryptographicHashingNameSpace(_not_empty(expr)).sha1(), dtype


def _sha256(expr: pl.Expr, dtype: pl.DataType, _: str) -> Values:
    return CryptographicHashingNameSpace(_not_empty(expr)).sha2_256(), dtype


def _not_empty(expr: pl.Expr) -> pl.Expr:
    """The text, null if empty: the hash of an empty text would not look like a missing value."""
    return pl.when(expr != "").then(expr)


def _e164(expr: pl.Expr, dtype: pl.DataType, region: str) -> Values:
    return phones.e164(expr, region or None), dtype


def _check_region(region: str) -> None:
    if region not in phones.regions():
        shown = did_you_mean(region, phones.regions()) if region else ""
        raise ValueError(f"'e164({region})': {region!r} is not a region; expected two letters such as US{shown}")


def _gender(expr: pl.Expr, dtype: pl.DataType, letters: str) -> Values:
    return genders.gender(expr, letters), dtype


def _check_letters(letters: str) -> None:
    try:
        genders.letters(letters)
    except ValueError as error:
        raise ValueError(f"'gender({letters})': {error}") from error


def _date(expr: pl.Expr, dtype: pl.DataType, form: str) -> Values:
    _check_fits(form, dtype)
    if isinstance(dtype, pl.Date):
        return printable_date(expr).dt.to_string(form), pl.String()
    return printable_timestamp(expr, dtype).dt.replace_time_zone("UTC").dt.to_string(form), pl.String()


def _check_format(form: str) -> None:
    if "%" not in form:  # Polars takes formats without directives too, such as `iso`
        raise ValueError(f"'date({form})': the format has no directive such as %Y in it")
    _check_fits(form, None)


@cache
def _check_fits(form: str, dtype: pl.DataType | None) -> None:
    sample = date(2026, 11, 21) if isinstance(dtype, pl.Date) else datetime(2026, 11, 21, 17, tzinfo=UTC)
    try:
        pl.select(pl.lit(sample).dt.to_string(form))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        wrong = f"does not fit {describe(dtype)}" if dtype else "has an unknown directive"
        raise ValueError(f"'date({form})': the format {wrong}; expected one such as date(%Y-%m-%d)") from None


def _default(expr: pl.Expr, dtype: pl.DataType, value: str) -> Values:
    filling = pl.lit(_filling(value, dtype), dtype=dtype)
    if dtype.is_float():  # NaN and infinities have no text (M7)
        return pl.when(expr.is_finite()).then(expr).otherwise(filling), dtype
    there = expr.is_not_null() & (expr != "") if _is_text(dtype) else expr.is_not_null()
    return pl.when(there).then(expr).otherwise(filling), dtype


def _filling(value: str, dtype: pl.DataType) -> object:
    """The default as a value of the column's type whose text is the one in the mapping."""
    try:
        if isinstance(dtype, pl.Boolean):
            return _BOOLEANS[value.strip().lower()]
        if isinstance(dtype, pl.Date):
            return date.fromisoformat(value.strip())
        return value if _is_text(dtype) else _number(value.strip(), dtype)
    except (KeyError, ValueError, ArithmeticError, pl.exceptions.PolarsError):
        raise ValueError(f"default({value}) does not fit the column, which is {describe(dtype)}") from None


def _number(value: str, dtype: pl.DataType) -> object:
    """The number, if the type holds it exactly or as a float of the same digits; else ``ValueError``, also for NaN."""
    found = pl.Series([value]).cast(dtype)
    written = pl.select(scalar_text(pl.lit(found), dtype)).item()
    if written is None or Decimal(written) != Decimal(value):
        raise ValueError(value)
    return found.item()


_TEXT = "text"
KINDS = {
    "trim": _Kind(_trim, _is_text, _TEXT),
    "lower": _Kind(_lower, _is_text, _TEXT),
    "upper": _Kind(_upper, _is_text, _TEXT),
    "digits": _Kind(_digits, _is_text, _TEXT),
    "md5": _Kind(_md5, _is_text, _TEXT),
    "sha1": _Kind(_sha1, _is_text, _TEXT),
    "sha256": _Kind(_sha256, _is_text, _TEXT),
    "e164": _Kind(_e164, _is_text, _TEXT, "possible", "US", _check_region),
    "gender": _Kind(_gender, _is_text, _TEXT, "needed", "f m", _check_letters),
    "date": _Kind(_date, _is_day, "a date or a timestamp", "needed", "%Y-%m-%d", _check_format),
    "default": _Kind(_default, _can_be_filled, "text, a number, a boolean or a date", "needed", "unknown"),
}
