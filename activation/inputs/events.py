"""The event files as one frame with the columns that measures need (D3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.frames.columns import EVENT_TIME, ID
from muster.activation.inputs.parquet import Part, total_rows
from muster.activation.inputs.table import table_of
from muster.activation.inputs.table_columns import id_column, time_column
from muster.activation.model.workspace import EventsSource
from muster.activation.values.known_columns import Columns

_PIECES, _PIECE = 8, 4096  # of a sample: places in the files, and events in each


@dataclass(frozen=True, eq=False)
class Events:
    """All events; ``frame`` has ``muster:id`` (String) and ``muster:time`` (TIME_TYPE) beside the event columns."""

    frame: pl.LazyFrame
    parts: tuple[Part, ...]  # the event files
    columns: Columns  # of the event files, which measures may name
    bare: pl.LazyFrame  # ``frame``, perhaps without ids and with further events: pieces of it are read without the rest
    ignored: int = 0  # events up to the instant that reach no profile, where they are counted (P12)

    def sample(self) -> pl.LazyFrame | None:
        """Some thousand events from all over the files; None where reading these would be reading all."""
        if any(part.reading.view for part in self.parts):
            return None
        starts = [total_rows(self.parts) * piece // _PIECES for piece in range(_PIECES)]
        return pl.concat([self.bare.slice(start, _PIECE) for start in starts])


def read(parts: Sequence[Part], source: EventsSource) -> Events:
    """The events of these files; ``DataError`` when the profile id or the timestamp is missing or of another type."""
    table = table_of(parts, source.path)
    ids = id_column(table, source.profile_id, "events.profile_id")
    times = time_column(table, source.timestamp, "events.timestamp")
    frame = table.frame().with_columns(ids.alias(ID), times.alias(EVENT_TIME))
    return Events(frame, table.parts, table.columns, frame)
