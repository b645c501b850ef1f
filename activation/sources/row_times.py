"""The times of a source's rows, and which rows say that a fragment is gone (P1, P3)."""

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames.columns import TIME_TYPE, column
from muster.activation.inputs.table import Table
from muster.activation.inputs.table_columns import like_named, optional_time_column, time_column
from muster.activation.model.sources import Source
from muster.activation.sources.opened import OpenedSource
from muster.activation.values.dtypes import describe


def row_times(opened: OpenedSource) -> pl.Expr:
    """The time of each row of the table (TIME_TYPE): of a record without one the snapshot's date, if it has one (P3).

    ``DataError`` when the column is missing or no timestamp.
    """
    source, table = opened.source, opened.table
    dated = pl.lit(opened.instant, dtype=TIME_TYPE)
    name = source.timestamp if source.is_events else source.updated_at
    if name is None:
        return dated
    _refuse_missing(table, name, "timestamp" if source.is_events else "updated_at", source)
    if source.is_events or source.mode == "changes":
        return time_column(table, name)
    return optional_time_column(table, name).fill_null(dated)


def deleted_rows(table: Table, source: Source) -> pl.Expr:
    """Whether each row says that the fragment is gone (Boolean); ``DataError`` for a column that is no boolean (P1)."""
    name = source.deleted
    if name is None:
        return pl.lit(value=False)
    _refuse_missing(table, name, "deleted", source)
    dtype = table.schema[name]
    if dtype not in (pl.Boolean, pl.Null):
        raise DataError(
            f"{table.name}: column {name!r} is {describe(dtype)}; expected a boolean "
            f"(deleted in {source.location.file})"
        )
    return column(name).cast(pl.Boolean).fill_null(value=False)


def _refuse_missing(table: Table, name: str, key: str, source: Source) -> None:
    """``DataError`` when a column is in no file, or cannot be used; files that lack it have nulls (D5)."""
    if name in table.schema:
        return
    where = f" ({key} in {source.location.file})"
    if name in table.unusable:
        raise DataError(f"{table.unusable[name]}{where}")
    raise DataError(f"{table.name}: there is no column {name!r}{where}{like_named(name, table.columns.names, '')}")
