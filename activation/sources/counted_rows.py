"""The rows of a source that count at an instant, by their times and primary identities (P1)."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames import engine
from muster.activation.frames.columns import TIME_TYPE
from muster.activation.sources.counts import DELETED, LATER, NO_PRIMARY, REPLACED
from muster.activation.sources.identity_columns import IdentityColumn
from muster.activation.sources.identity_keys import CHECK, KEY, CollisionError, dense, firsts, refuse_collisions
from muster.activation.sources.keyed import RECORD, RECORD_TYPE, Keyed, Keying, dropped_by_reason
from muster.activation.sources.opened import OpenedSource
from muster.activation.sources.row_order import as_number, order, record_in
from muster.activation.sources.row_times import deleted_rows, row_times
from muster.activation.wording import counted, first_names

# Fragments, each primary identity once, in the order of their records: rows of ``OpenedSource.table.frame()``, from 0.
FRAGMENTS = pl.Schema({RECORD: RECORD_TYPE, "time": TIME_TYPE, "namespace": pl.String(), "id": pl.String()})
_NAMED = 3  # files that a message names, and ids in a note


@dataclass(frozen=True, eq=False)
class CountedRows:
    """The rows of a source that count."""

    primary: Keyed  # of the rows that count
    kept: pl.Series  # Boolean, for each row of the table: whether it counts
    times: pl.Series  # TIME_TYPE, for each row of the table
    exist: int  # rows that exist at the instant
    left_out: Mapping[str, int]  # rows that do not count, by reason
    dropped: Mapping[str, int]  # primary identities of rows that exist, by reason

    def fragments(self) -> pl.DataFrame:
        """The fragments of these rows, of ``FRAGMENTS``."""
        frame = self.primary.frame.with_columns(self.times.alias("time")).filter(self.kept)
        return frame.select(RECORD, "time", pl.lit(self.primary.namespace).alias("namespace"), "id")


def counted_rows(opened: OpenedSource, column: IdentityColumn, keying: Keying) -> CountedRows:
    """The rows that count, by their times and the ``column`` of primary identities (P1).

    Records without a primary identity are left out. Events make no fragment, and count without one: their identities
    link, primary or not (P3, P9).

    ``DataError`` when a primary identity is repeated in a snapshot, or a time of changes is null; ``CollisionError``
    when two primary identities have one key.
    """
    source, namespace = opened.source, column.namespace or ""
    is_changes = not source.is_events and source.mode == "changes"
    plan = opened.table.frame().select(
        row_times(opened).alias("time"), deleted_rows(opened.table, source).alias("deleted"), column.raw
    )
    plan = keying.plan(plan.select("time", "deleted", column.texts), namespace)
    rows = engine.collect(plan, opened.table.rows).with_row_index(RECORD)
    if is_changes and rows["time"].null_count():
        raise _without_times(opened, rows)
    rows = keying.without_blocked(rows, namespace)
    later = rows["time"] > opened.at if is_changes or source.is_events else None
    exist = (
        pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True) if later is None else later.not_().fill_null(True)
    )
    dropped = dropped_by_reason(rows.filter(exist))
    named = exist if source.is_events else exist & rows[KEY].is_not_null()
    left_out = {LATER: rows.height - _trues(exist), NO_PRIMARY: _trues(exist) - _trues(named)}
    newest = named
    if is_changes:
        newest = _newest(rows, named)
    elif not source.is_events:
        _refuse_repeated(opened, rows, named)
    kept = newest & ~rows["deleted"]
    left_out |= {REPLACED: _trues(named) - _trues(newest), DELETED: _trues(newest) - _trues(kept)}
    primary = Keyed(namespace, rows.select(RECORD, "id", KEY, CHECK), once=True).only(kept)
    return CountedRows(primary, kept, rows["time"], _trues(exist), left_out, dropped)


def _trues(flags: pl.Series) -> int:
    return int(flags.sum())


def _newest(rows: pl.DataFrame, named: pl.Series) -> pl.Series:
    """Whether each row is the newest of its primary identity, of equally new ones the last (Boolean)."""
    place = order(as_number(pl.col("time")), pl.col(RECORD)).alias("order")
    numbers = dense(rows[KEY].filter(named))
    found = rows.filter(named).lazy().select(pl.lit(numbers).alias("number"), place)
    refuse_collisions(numbers, rows[CHECK].filter(named), firsts(numbers))
    by_key = engine.collect(found.group_by("number").agg(pl.col("order").max()), rows.height)
    newest = by_key.select(record_in(pl.col("order")).alias(RECORD))[RECORD]
    return pl.repeat(False, rows.height, dtype=pl.Boolean, eager=True).scatter(newest, True)


def _refuse_repeated(opened: OpenedSource, rows: pl.DataFrame, named: pl.Series) -> None:
    """``DataError`` when primary identities are repeated; the ids are in a note, since they are profile data."""
    keys = rows[KEY].filter(named)
    if keys.n_unique() == len(keys):
        return
    alike = rows.filter(named & rows[KEY].is_in(keys.filter(keys.is_duplicated()).implode()).fill_null(False))
    repeated = alike.filter(pl.col("id").is_duplicated())
    if repeated.is_empty():
        raise CollisionError
    ids = repeated["id"].unique().sort()
    files = first_names(opened.place_of(repeated[RECORD])["file"].unique().sort().to_list(), _NAMED)
    occur = "1 primary identity occurs" if len(ids) == 1 else f"{len(ids):,} primary identities occur"
    error = DataError(
        f"{files}: {occur} more than once, after cleaning, in column {opened.source.primary.column!r}; expected one "
        f"record of each in a snapshot ({opened.source.location.file}; -v shows the first three)"
    )
    error.add_note(f"repeated ids: {', '.join(ids.head(_NAMED).to_list())}")
    raise error


def _without_times(opened: OpenedSource, rows: pl.DataFrame) -> DataError:
    """The error for changes without a time."""
    undated = rows.filter(pl.col("time").is_null())
    files = first_names(opened.place_of(undated[RECORD])["file"].unique().sort().to_list(), _NAMED)
    have = counted(undated.height, "row has", "rows have")
    return DataError(
        f"{files}: {have} a null time in column {opened.source.updated_at!r}; every change needs its time "
        f"(updated_at in {opened.source.location.file})"
    )
