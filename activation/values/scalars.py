"""The text of one value that is not nested (M7).

The text depends on the value alone, so a column may hold timestamps with 0, 3 and 6 sub-second digits side by side.
Null is the text of NaN, of infinities, and of dates and timestamps outside the years -262143 to 262142, which Polars
cannot print.
"""

from collections.abc import Callable
from typing import Literal

import polars as pl
from polars.datatypes import DataTypeClass

from muster.activation.errors import ExportError

TIMESTAMP_FORMAT = "%Y-%m-%dT%H:%M:%S%.fZ"  # %.f: no digits, or a point and 3, 6 or 9 of them, as the value needs
TIME_FORMAT = "%H:%M:%S%.f"

# The first and the last value that Polars prints; Polars panics beyond them. Nanoseconds never reach so far.
_DATE_RANGE = (-96_465_292, 95_026_236)
_TIMESTAMP_RANGE = {
    "ms": (-8_334_601_228_800_000, 8_210_266_876_799_999),
    "us": (-8_334_601_228_800_000_000, 8_210_266_876_799_999_999),
}

_INT64_MIN = -(2**63)
# Polars 2.1 writes a minus into each part of the one duration whose opposite does not fit 64 bits.
_LONGEST_NEGATIVE = {
    "ms": "-P106751991167DT7H12M55.808S",
    "us": "-P106751991DT4H54.775808S",
    "ns": "-P106751DT23H47M16.854775808S",
}
_FLOAT16_DIGITS = 5  # significant digits in which all half-precision values differ


def is_text(dtype: pl.DataType) -> bool:
    """Whether the values are text in the data, not values that get a text here (M8)."""
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def number(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The number in a type that Polars prints as M7 requires: the shortest digits; NaN and infinities are null."""
    if isinstance(dtype, pl.Float16):
        return _shortest_float16(expr)
    return pl.when(expr.is_finite()).then(expr) if dtype.is_float() else expr


def scalar_text(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The text of a value that is not nested (M7): String, null for null. ``ExportError`` for a type without text."""
    if dtype.is_numeric():
        return number(expr, dtype).cast(pl.String)
    text = _TEXTS.get(dtype.base_type())
    if text is None:
        raise ExportError(
            f"values of type {dtype} have no text form; remove the column from the mapping, or use format parquet"
        )
    return text(expr, dtype)


def _shortest_float16(expr: pl.Expr) -> pl.Expr:
    # Polars prints half precision through single precision: 0.099975586 for 0.1.
    exact = expr.cast(pl.Float64)
    rounded = (exact.round_sig_figs(digits) for digits in range(1, _FLOAT16_DIGITS))
    reads_back = (pl.when(value.cast(pl.Float16) == expr).then(value) for value in rounded)
    return pl.when(expr.is_finite()).then(pl.coalesce(*reads_back, exact.round_sig_figs(_FLOAT16_DIGITS)))


def _cast(expr: pl.Expr, _dtype: pl.DataType) -> pl.Expr:
    return expr.cast(pl.String)


def _base64(expr: pl.Expr, _dtype: pl.DataType) -> pl.Expr:
    return expr.bin.encode("base64")


def printable_date(expr: pl.Expr) -> pl.Expr:
    """The dates that Polars can print; null for other dates."""
    return pl.when(expr.to_physical().is_between(*_DATE_RANGE)).then(expr)


def printable_timestamp(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The timestamps that Polars can print, in UTC without a zone (naive input is UTC); null for other timestamps.

    Nanoseconds are cut to microseconds, towards the past.
    """
    unit: Literal["ms", "us"] = "ms" if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ms" else "us"
    instant = expr.cast(pl.Datetime(unit))  # the physical value is UTC: the cast drops the zone and keeps the instant
    return pl.when(instant.to_physical().is_between(*_TIMESTAMP_RANGE[unit])).then(instant)


def _date(expr: pl.Expr, _dtype: pl.DataType) -> pl.Expr:
    return printable_date(expr).dt.to_string("%Y-%m-%d")


def _timestamp(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return printable_timestamp(expr, dtype).dt.to_string(TIMESTAMP_FORMAT)


def _time(expr: pl.Expr, _dtype: pl.DataType) -> pl.Expr:
    return (expr.to_physical() // 1000 * 1000).cast(pl.Time).dt.to_string(TIME_FORMAT)


def _duration(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    lowest = _LONGEST_NEGATIVE[dtype.time_unit if isinstance(dtype, pl.Duration) else "us"]
    return pl.when(expr.to_physical() == _INT64_MIN).then(pl.lit(lowest)).otherwise(expr.dt.to_string("iso"))


_TEXTS: dict[DataTypeClass, Callable[[pl.Expr, pl.DataType], pl.Expr]] = {
    pl.String: _cast,
    pl.Categorical: _cast,
    pl.Enum: _cast,
    pl.Boolean: _cast,
    pl.Null: _cast,
    pl.Binary: _base64,
    pl.Date: _date,
    pl.Datetime: _timestamp,
    pl.Time: _time,
    pl.Duration: _duration,
}
