"""The event files as one frame with the columns that measures need (D3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.frames.columns import EVENT_TIME, ID
from muster.activation.inputs.parquet import Part
from muster.activation.inputs.table import table_of
from muster.activation.inputs.table_columns import id_column, time_column
from muster.activation.model.workspace import EventsSource
from muster.activation.values.known_columns import Columns


@dataclass(frozen=True, eq=False)
class Events:
    """All events; ``frame`` has ``muster:id`` (String) and ``muster:time`` (TIME_TYPE) beside the event columns."""

    frame: pl.LazyFrame
    columns: Columns  # of the event files


def read(parts: Sequence[Part], source: EventsSource) -> Events:
    """The events of these files; ``DataError`` when the profile id or the timestamp is missing or of another type."""
    table = table_of(parts, source.path)
    ids = id_column(table, source.profile_id, "events.profile_id")
    times = time_column(table, source.timestamp, "events.timestamp")
    return Events(table.frame().with_columns(ids.alias(ID), times.alias(EVENT_TIME)), table.columns)
