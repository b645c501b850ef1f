"""The event files as one frame with the columns that measures need (D3). Pure but for the footers that it was given."""

from collections.abc import Sequence

import polars as pl

from muster.activation.errors import DataError, did_you_mean
from muster.activation.frames.columns import EVENT_TIME, ID
from muster.activation.frames.columns import column as user_column
from muster.activation.inputs.parquet import Part, scan, unify
from muster.activation.model.workspace import EventsSource
from muster.activation.values.dtypes import describe
from muster.activation.values.instants import utc


def read(parts: Sequence[Part], source: EventsSource) -> tuple[pl.LazyFrame, pl.Schema]:
    """All events with ``__id`` (String) and ``__time`` (Datetime us UTC) beside their columns, and the columns' types.

    ``DataError`` when the profile id or the timestamp is missing or of another type.
    """
    schema = unify(parts)
    for key, column in (("profile_id", source.profile_id), ("timestamp", source.timestamp)):
        if column not in schema:
            raise DataError(
                f"{parts[0].name}: there is no column {column!r} (events.{key} in "
                f"muster.yml){did_you_mean(column, schema)}"
            )
    dtype = schema[source.profile_id]
    if not (dtype.is_integer() or dtype in (pl.String, pl.Null)):
        raise DataError(
            f"{parts[0].name}: column {source.profile_id!r} is {describe(dtype)}; expected text or whole numbers"
        )
    time = utc(user_column(source.timestamp), schema[source.timestamp], source.timestamp, parts[0].name)
    return scan(parts).with_columns(
        user_column(source.profile_id).cast(pl.String).alias(ID), time.alias(EVENT_TIME)
    ), schema
