"""The membership feed of a merge policy: rows that name persons by profile id or by identity (D4, P12)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import AUDIENCE_ID, PROFILE_ID, ROW, TIME
from muster.activation.inputs.feeds import FEED, NAMED, read_rows
from muster.activation.inputs.parquet import Part
from muster.activation.inputs.table import table_of
from muster.activation.profiles.leads import Leads
from muster.activation.profiles.names import names_in, numbers_of_names

_ROWS = "rows"


@dataclass(frozen=True, eq=False)
class NamedFeed:
    """A feed whose rows name persons in several ways, and those of the rows that reach a profile."""

    rows: pl.LazyFrame  # all rows: the columns of ``feeds.FEED`` without profile_id, and ``feeds.NAMED``
    reaching: pl.LazyFrame  # the rows that reach a profile: the columns of ``feeds.FEED``, and ``feeds.NAMED``
    ignored: Mapping[str, int]  # by audience: how many rows up to the instant reach no profile (P12)


def named_feed(parts: Sequence[Part], leads: Leads, at: datetime, warn: Callable[[str], None]) -> NamedFeed:
    """The feed of all membership files, as the profiles of a policy are reached; errors are as of ``feeds.read``.

    ``DataError`` when there is neither a column ``profile_id`` nor both ``namespace`` and ``id``.
    """
    table = table_of(parts)
    rows = read_rows(table, [names_in(table, PROFILE_ID, leads)], pl.lit(value=False), warn)
    counts = engine.collect(
        rows.filter(pl.col(TIME) <= at).group_by(AUDIENCE_ID, NAMED).agg(pl.len().alias(_ROWS)).sort(AUDIENCE_ID)
    )
    found = counts.with_columns(numbers_of_names(counts[NAMED], leads).alias(ROW))
    ignored = found.filter(pl.col(ROW).is_null()).group_by(AUDIENCE_ID, maintain_order=True).agg(pl.col(_ROWS).sum())
    reached = found.drop_nulls(ROW).unique(NAMED)
    ids = leads.ids.gather(reached[ROW]).alias(PROFILE_ID)
    reaching = rows.join(reached.lazy().select(NAMED, ids), on=NAMED).select(*FEED, NAMED)
    return NamedFeed(rows, reaching, dict(ignored.iter_rows()))
