"""The transforms of a mapping, each a function and a line of the table ``KINDS`` (M1, M2, M7).

``read`` parses one transform as a mapping has it, ``apply`` applies several in order. Null stays null, and an empty
text has no hash.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Literal

import polars as pl

from muster.activation.errors import did_you_mean
from muster.activation.values import genders, gmail, phones
from muster.activation.values.dtypes import describe, instance, unwrapped
from muster.activation.values.hashes import HASHES, base64_of_hash
from muster.activation.values.regions import region_of, regions
from muster.activation.values.scalars import printable_date, printable_timestamp, scalar_text

_CALL = re.compile(r"\s*([^\s()]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_BOOLEANS = {"true": True, "false": False}

Values = tuple[pl.Expr, pl.DataType]


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
class Loss:
    """A transform of a column that has no text for some values: they become null or empty (M2)."""

    step: str  # as the mapping has it
    reason: str  # what is wrong with such a value, in words


@dataclass(frozen=True)
class Applied:
    """The values after all transforms of a column, and what lost values are told by."""

    expr: pl.Expr
    dtype: pl.DataType
    text: pl.Expr | None = None  # the values as they first were text; None where they never are
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True)
class _Given:
    """What one transform works on."""

    expr: pl.Expr
    dtype: pl.DataType
    argument: str
    text: pl.Expr | None  # the column's values as they first were text
    columns: Mapping[str, Values]  # the columns of the profile that transforms read, by their sources


@dataclass(frozen=True)
class _Kind:
    apply: Callable[[_Given], Values]
    takes: Callable[[pl.DataType], bool]
    needs: str  # the types that ``takes`` accepts, in words
    argument: Literal["none", "possible", "needed"] = "none"
    example: str = ""  # an argument, for messages
    check: Callable[[str], None] = lambda _: None  # ``ValueError`` for an invalid argument
    loses: str = ""  # what is wrong with a value of which nothing is left


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
        argument = argument.strip() if name in _NAMES else argument
        kind.check(argument)
    return Transform(name, argument or "")


def mistake_in(steps: Sequence[str]) -> str | None:
    """What is wrong with the order of a column's transforms, whatever its values are; else None."""
    early = next((step for step in steps[:-1] if read(step).name == _UNLESS), None)
    return early and f"{early} must be the last transform: values that are hashes already pass by all others"


def columns_read(steps: Sequence[str]) -> tuple[str, ...]:
    """The sources of the profile's columns that transforms read beside the values that they change, each once."""
    found = (_column_of(read(step)) for step in steps)
    return tuple(dict.fromkeys(each for each in found if each))


def reads_in_vain(source: str) -> str:
    """The message for a transform that reads a column, where the values are not those of a profile's attribute."""
    return f"e164({source}) reads a column of the profile, which only a profile's attribute can; write e164(US)"


def hash_of(steps: Sequence[str]) -> str | None:
    """The name in ``HASHES`` of the first hash that transforms make of every value; None where none does."""
    return next((name for name in (read(step).name for step in steps) if name in HASHES), None)


def ends_hashed(steps: Sequence[str]) -> str | None:
    """The name in ``HASHES`` of the hashes that a column holds after its transforms; None for other values."""
    last = read(steps[-1]) if steps else None
    if last and last.name == _UNLESS:
        return last.argument or _USUAL_HASH
    if last and last.name == "base64" and len(steps) > 1:
        before = ends_hashed(steps[:-1])
        return f"{before}_base64" if before and not HASHES[before].in_base64 else None
    return last.name if last and last.name in HASHES else None


def apply(
    steps: Sequence[str], expr: pl.Expr, dtype: pl.DataType, columns: Mapping[str, Values] | None = None
) -> Values:
    """The values after all steps, and their type; see ``applied``."""
    found = applied(steps, expr, dtype, columns)
    return found.expr, found.dtype


def applied(
    steps: Sequence[str], expr: pl.Expr, dtype: pl.DataType, columns: Mapping[str, Values] | None = None
) -> Applied:
    """The values after all steps. ``columns`` has those of ``columns_read``.

    ``ValueError`` names a step that does not fit and the types (X1).
    """
    expr, dtype = unwrapped(expr, dtype)
    text, losses = None, list[Loss]()
    for step in map(read, steps):
        kind = KINDS[step.name]
        if isinstance(dtype, pl.Null):  # no value in any row fits every type
            dtype = pl.Date() if step.name == "date" else pl.String()
            expr = expr.cast(dtype)
        if not kind.takes(dtype):
            raise ValueError(
                f"{step.written} needs {kind.needs}, and it is {describe(dtype)}{_remedy(kind, dtype, steps)}"
            )
        text = expr if text is None and _is_text(dtype) else text
        expr, dtype = kind.apply(_Given(expr, dtype, step.argument, text, columns or {}))
        if kind.loses and not (losses and step.name == "digits"):  # a number that is left has digits
            losses.append(Loss(step.written, kind.loses))
    return Applied(expr, dtype, text, tuple(losses))


def _remedy(kind: _Kind, dtype: pl.DataType, steps: Sequence[str]) -> str:
    """What to write for values that are no text; ``steps`` may be those of a preset, which the YAML does not show."""
    if kind.takes is not _is_text:
        return ""
    if isinstance(dtype, pl.List | pl.Array):
        whole = ", ".join(("first", *steps))
        return f"; `join` turns a list into text, `transform: [{whole}]` takes its first element"
    if isinstance(dtype, pl.Struct) and dtype.fields:
        return f"; map one of its fields instead, by a path that ends with .{dtype.fields[0].name}"
    if _is_day(dtype):
        return "; put date(%Y-%m-%d) before it to make text"
    is_castable = dtype.is_numeric() or isinstance(dtype, pl.Binary)
    return "; an `expression` with CAST(... AS VARCHAR) turns it into text" if is_castable else ""


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String)


def _is_day(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Date | pl.Datetime)


def _can_be_filled(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or isinstance(dtype, pl.String | pl.Boolean | pl.Date)


def _text(change: Callable[[pl.Expr], pl.Expr]) -> Callable[[_Given], Values]:
    """A transform of text into text."""
    return lambda given: (change(given.expr), pl.String())


def _first(given: _Given) -> Values:
    """The first element of a list; other values stay."""
    if not isinstance(given.dtype, pl.List | pl.Array):
        return given.expr, given.dtype
    get = given.expr.list.get if isinstance(given.dtype, pl.List) else given.expr.arr.get
    return unwrapped(get(0, null_on_oob=True), instance(given.dtype.inner))


def _gmail(given: _Given) -> Values:
    return gmail.delivered_to(given.expr, [given.argument] if given.argument else gmail.DOMAINS), pl.String()


def _check_domain(domain: str) -> None:
    if domain not in gmail.DOMAINS:
        raise ValueError(
            f"'gmail({domain})': {domain!r} is not a domain of Gmail; expected {' or '.join(gmail.DOMAINS)}"
        )


def _hash_unless_hashed(given: _Given) -> Values:
    """The hash of the values, but for those that were hashes before all transforms."""
    function = HASHES[given.argument or _USUAL_HASH]
    origin = given.expr if given.text is None else given.text
    hashed = pl.when(function.is_hash(origin)).then(function.as_hash(origin)).otherwise(function.of(given.expr))
    return hashed, pl.String()


def _check_hash(name: str) -> None:
    if name not in HASHES:
        raise ValueError(f"'{_UNLESS}({name})': {name!r} is not a hash function{did_you_mean(name, HASHES)}")


def _e164(given: _Given) -> Values:
    source = _column_of(Transform("e164", given.argument))
    if source is None:
        return phones.e164(given.expr, given.argument or None), pl.String()
    if source not in given.columns:
        raise ValueError(reads_in_vain(source))
    codes, dtype = unwrapped(*given.columns[source])
    if not isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null):
        found = f"the column {source!r} is {describe(dtype)}"
        raise ValueError(f"e164({source}): {found}; expected text, such as US")  # noqa: TRY004  # in the mapping
    return phones.e164_beside(given.expr, codes.cast(pl.String)), pl.String()


def _column_of(step: Transform) -> str | None:
    """The source of the column that ``e164`` takes the region from; None for another transform, or a fixed region."""
    is_column = step.name == "e164" and step.argument and step.argument not in regions()
    return step.argument if is_column else None


def _check_region(argument: str) -> None:
    """Two capital letters are a region, all other text is a column's source."""
    if not argument or (re.fullmatch("[A-Z]{2}", argument) and argument not in regions()):
        meant = region_of(argument)
        near = f"; did you mean {meant!r}?" if meant else did_you_mean(argument, regions()) if argument else ""
        raise ValueError(
            f"'e164({argument})': {argument!r} is not a region; expected two letters such as US, or the column that "
            f"holds them{near}"
        )


def _gender(given: _Given) -> Values:
    return genders.gender(given.expr, given.argument), pl.String()


def _check_letters(letters: str) -> None:
    try:
        genders.letters(letters)
    except ValueError as error:
        raise ValueError(f"'gender({letters})': {error}") from error


def _date(given: _Given) -> Values:
    expr, dtype, form = given.expr, given.dtype, given.argument
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


def _default(given: _Given) -> Values:
    expr, dtype, value = given.expr, given.dtype, given.argument
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
_UNLESS = "hash_unless_hashed"
_USUAL_HASH = "sha256"
_NAMES = {"e164", "gmail", _UNLESS}  # transforms whose argument is a name, around which blanks mean nothing
KINDS = {
    "trim": _Kind(_text(lambda text: text.str.strip_chars()), _is_text, _TEXT),
    "lower": _Kind(_text(lambda text: text.str.to_lowercase()), _is_text, _TEXT),
    "upper": _Kind(_text(lambda text: text.str.to_uppercase()), _is_text, _TEXT),
    "nfc": _Kind(_text(lambda text: text.str.normalize("NFC")), _is_text, _TEXT),
    "digits": _Kind(
        _text(lambda text: text.str.replace_all("[^0-9]", "")), _is_text, _TEXT, loses="there is no digit in them"
    ),
    "strip_punctuation": _Kind(
        _text(lambda text: text.str.replace_all(r"\p{P}", "")), _is_text, _TEXT, loses="nothing but punctuation"
    ),
    "strip_spaces": _Kind(_text(lambda text: text.str.replace_all(r"\s", "")), _is_text, _TEXT),
    "gmail": _Kind(_gmail, _is_text, _TEXT, "possible", "gmail.com", _check_domain),
    **{name: _Kind(_text(function.of), _is_text, _TEXT) for name, function in HASHES.items()},
    "base64": _Kind(_text(base64_of_hash), _is_text, _TEXT, loses="not a hash in hex digits"),
    "gender": _Kind(_gender, _is_text, _TEXT, "needed", "f m", _check_letters, "not a gender that is asked for"),
    _UNLESS: _Kind(_hash_unless_hashed, _is_text, _TEXT, "possible", "md5", _check_hash),
    "e164": _Kind(_e164, _is_text, _TEXT, "possible", "US", _check_region, "not a valid telephone number"),
    "first": _Kind(_first, lambda _: True, "any value"),
    "date": _Kind(_date, _is_day, "a date or a timestamp", "needed", "%Y-%m-%d", _check_format),
    "default": _Kind(_default, _can_be_filled, "text, a number, a boolean or a date", "needed", "unknown"),
}
