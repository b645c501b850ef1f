"""The functions of a measure, computed from the events of one profile (E3).

Nulls are not counted, and NaN is null; the first and the last event may have no value. No result depends on the order
in which events are read, nor on the number of threads (E1): a plain sum of floats would, in its last digits, and so
would a condition that compares such a sum with a threshold.
"""

from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.sql.tokens import SqlError
from muster.activation.values.dtypes import describe_in_rule, family
from muster.activation.values.local_times import as_utc, local_type, to_local

Function = Literal["count", "count_distinct", "sum", "min", "max", "avg", "first", "last"]

_UTC = pl.Datetime("us", "UTC")
_NUMBERS = frozenset({"number", "null"})
_ORDERED = _NUMBERS | {"text", "boolean", "date", "timestamp", "time", "duration"}
_NARROW = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32)
# Floats are summed exactly, as whole numbers and 2**-64ths, so that the order of events does not matter. Larger floats
# are summed plainly.
_FRACTIONS = 2.0**64
_EXACT_BELOW = 2.0**100


def result_type(function: Function, dtype: pl.DataType, column: str) -> pl.DataType:
    """The type of a function's result, as rules see it; ``SqlError`` if the function does not take ``dtype``."""
    if function in ("sum", "avg") and family(dtype) not in _NUMBERS:
        raise SqlError(f"{column} is {describe_in_rule(dtype)}; {function} needs numbers")
    if family(dtype) not in _ORDERED:
        raise SqlError(f"{column} is {describe_in_rule(dtype)}; {function} needs text, numbers, booleans or times")
    if function in ("count", "count_distinct"):
        return pl.Int64()
    if function == "avg" or dtype.is_float():
        return pl.Float64()
    return _sum_type(dtype) if function == "sum" else local_type(dtype)


def prepared(source: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A column's values in the form that is aggregated: timestamps in UTC, categories as text, NaN as null."""
    if isinstance(dtype, pl.Datetime):
        return as_utc(source, dtype)
    if dtype.is_float():
        return source.cast(pl.Float64).fill_nan(None)
    return source.cast(pl.String) if isinstance(dtype, pl.Categorical | pl.Enum) else source


def computed(
    function: Function, dtype: pl.DataType, value: pl.Expr, *, time: pl.Expr, number: pl.Expr, zone: ZoneInfo
) -> pl.Expr:
    """The result for one profile's events, of which ``number`` count.

    ``value`` is ``prepared``; events that do not count have a null value and a null ``time``.
    """
    match function:
        case "count":
            return number.cast(pl.Int64)
        case "count_distinct":
            return value.drop_nulls().n_unique().cast(pl.Int64)
        case "sum":
            return _sum(value, dtype)
        case "avg":
            return pl.when(value.count() > 0).then(_sum(value, dtype).cast(pl.Float64) / value.count())
        case "min":
            return _as_rules_see(value.min(), dtype, zone)
        case "max":
            return _as_rules_see(value.max(), dtype, zone)
        case "first":
            return _as_rules_see(_first(value, time), dtype, zone)
        case "last":
            # Of events at one time the last has the greatest value; null comes before every value.
            return _as_rules_see(value.filter(time == time.max()).max(), dtype, zone)


def _first(value: pl.Expr, time: pl.Expr) -> pl.Expr:
    earliest = value.filter(time == time.min())
    return pl.when(earliest.null_count() == 0).then(earliest.min())


def _as_rules_see(value: pl.Expr, dtype: pl.DataType, zone: ZoneInfo) -> pl.Expr:
    """An aggregated value as rules see it: timestamps, compared as instants, are local; whole numbers have 64 bits."""
    return to_local(value, _UTC if isinstance(dtype, pl.Datetime) else dtype, zone)[0]


def _sum_type(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, pl.Decimal):
        return pl.Decimal(38, dtype.scale)
    return pl.Int64() if isinstance(dtype, (*_NARROW, pl.Null)) else pl.Int128()


def _sum(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if not dtype.is_float():
        return value.cast(_sum_type(dtype)).sum()
    whole = value.cast(pl.Int128, strict=False)
    fractions = ((value - whole.cast(pl.Float64)) * _FRACTIONS).cast(pl.Int128, strict=False)
    exact = whole.sum().cast(pl.Float64) + fractions.sum().cast(pl.Float64) / _FRACTIONS
    return pl.when(value.abs().max() < _EXACT_BELOW).then(exact).otherwise(value.sum())
