"""Timestamps of input files as instants (D3, D4)."""

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames.columns import TIME_TYPE
from muster.activation.values.dtypes import describe


def utc(expr: pl.Expr, dtype: pl.DataType, column: str, file: str) -> pl.Expr:
    """A timestamp column as ``Datetime(us, UTC)``; naive timestamps are UTC. ``DataError`` for any other type."""
    if dtype == pl.Null:
        return expr.cast(TIME_TYPE)
    if not isinstance(dtype, pl.Datetime):
        raise DataError(f"{file}: column {column!r} is {describe(dtype)}; expected a timestamp")
    zoned = expr.dt.convert_time_zone("UTC") if dtype.time_zone else expr.dt.replace_time_zone("UTC")
    return zoned.cast(TIME_TYPE)
