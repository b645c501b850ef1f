"""The event files as one frame with the columns that measures need (D3)."""

from collections.abc import Sequence

import polars as pl

from muster.activation.errors import DataError, did_you_mean
from muster.activation.frames.columns import EVENT_TIME, ID
from muster.activation.inputs.parquet import Part
from muster.activation.inputs.table import table_of
from muster.activation.inputs.table_columns import id_column, time_column
from muster.activation.model.workspace import EventsSource


def read(parts: Sequence[Part], source: EventsSource) -> tuple[pl.LazyFrame, pl.Schema]:
    """All events, with ``__id`` (String) and ``__time`` (Datetime us UTC) beside their columns, and the columns' types.

    ``DataError`` when the profile id or the timestamp is missing or of another type.
    """
    table = table_of(parts, source.path)
    schema = table.schema
    for key, column in (("profile_id", source.profile_id), ("timestamp", source.timestamp)):
        if column not in schema:
            where = f"events.{key} in muster.yml"
            raise DataError(f"{table.name}: there is no column {column!r} ({where}){did_you_mean(column, schema)}")
    ids = id_column(parts, schema, source.profile_id)
    times = time_column(parts, schema, source.timestamp)
    return table.frame().with_columns(ids.alias(ID), times.alias(EVENT_TIME)), schema
