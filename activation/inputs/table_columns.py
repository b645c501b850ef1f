"""Columns of event and membership files that muster itself reads: ids as text, times as instants (D3, D4)."""

from collections.abc import Sequence

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames.columns import column
from muster.activation.inputs.parquet import Part
from muster.activation.values.dtypes import describe
from muster.activation.values.instants import utc


def id_column(parts: Sequence[Part], schema: pl.Schema, name: str) -> pl.Expr:
    """An id column as String; ``DataError`` when it is neither text nor whole numbers."""
    dtype = schema[name]
    if not (dtype.is_integer() or dtype in (pl.String, pl.Null)):
        raise DataError(f"{parts[0].name}: column {name!r} is {describe(dtype)}; expected text or whole numbers")
    return column(name).cast(pl.String)


def time_column(parts: Sequence[Part], schema: pl.Schema, name: str) -> pl.Expr:
    """A time column as ``TIME_TYPE``, naive times taken as UTC; ``DataError`` when it is no timestamp."""
    part = next(part for part in parts if name in part.schema)
    return utc(column(name), schema[name], name, part.name)
