"""Exited rows: people to remove, under the keys and identities that the receiver was sent (X3d, X12, M3, M5)."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from muster.activation.comparison.columns import (
    DESIRED,
    EXITS,
    IDS_NOW,
    IDS_SENT,
    INCLUDED,
    OUTCOME,
    RANK,
    REASON,
    ROW_TIME,
    TRANSFORMS_SENT,
    WAS_DELIVERED,
    now,
    sent,
    was_sent,
)
from muster.activation.comparison.duplicates import exit_tie_breaks, in_order, losers
from muster.activation.comparison.reasons import DUPLICATE
from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, ROW, STATUS, STATUS_TYPE, TIME, TIME_TYPE
from muster.activation.mapping import sent_transforms
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import IDENTITY, SENT_WITH, exit_key

_NO_IDS = pl.lit([], dtype=pl.List(pl.String))


def exit_rows(judged: pl.LazyFrame, layout: Layout, values: ProfileValues, *, at: datetime) -> pl.LazyFrame:
    """The exited rows of profiles that exit, and of identities that included profiles lost.

    Columns: __row, rank, status, last_qualification_time, __identity where a namespace is mapped, o0..., and sent_with
    where the layout records transforms.
    """
    if layout.identity:
        return _exits_by_identity(judged, layout, values, at=at)
    return _exits_by_profile(judged, layout, values)


def exit_keys(layout: Layout) -> list[pl.Expr]:
    """The key values ``o0...`` that an exited row carries: those last sent, or today's where none were kept (X12)."""
    return [pl.when(was_sent(i)).then(sent(i)).otherwise(now(i)).alias(exit_key(i)) for i in range(len(layout.keys))]


def transforms_sent(layout: Layout, record: pl.Expr) -> list[pl.Expr]:
    """The column ``sent_with``, where the layout records transforms."""
    return [record.alias(SENT_WITH)] if layout.records_transforms else []


def without_rowless_exits(judged: pl.LazyFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add ``outcome``: exits without a row are excluded as duplicates, since a desired profile has their key."""
    written = rows.filter(pl.col(STATUS) == EXITED).select(ROW, pl.lit(value=True).alias("written")).unique()
    has_row = pl.col("written").is_not_null()
    outcome = (
        pl.when(pl.col(EXITS) & ~has_row)
        .then(pl.lit(DUPLICATE))
        .when(pl.col(EXITS) & has_row)
        .then(None)
        .otherwise(REASON)
    )
    return judged.join(written, on=ROW, how="left").with_columns(outcome.alias(OUTCOME))


def _exits_by_profile(judged: pl.LazyFrame, layout: Layout, values: ProfileValues) -> pl.LazyFrame:
    """One row for each profile that exits, unless a desired profile has its key; of equal keys one exits (M3)."""
    exits = judged.filter(EXITS).with_columns(exit_keys(layout)).with_columns(pl.col(ROW_TIME).alias(TIME))
    if layout.deduplicate:
        for positions in filter(None, (layout.deduplicate, layout.receiver_keys)):
            keys = [exit_key(i) for i in positions]
            exits = exits.join(_desired_keys(judged, layout, positions), on=keys, how="anti", nulls_equal=False)
        keys = [exit_key(i) for i in layout.deduplicate]
        losing = losers(exits, values, layout, keys, exit_tie_breaks(layout))
        exits = exits.join(losing.select(ROW), on=ROW, how="anti")
    status, record = pl.lit(EXITED, STATUS_TYPE).alias(STATUS), transforms_sent(layout, pl.col(TRANSFORMS_SENT))
    return exits.select(ROW, RANK, status, TIME, *_all_exit_keys(layout), *record)


def _all_exit_keys(layout: Layout) -> list[str]:
    return [exit_key(i) for i in range(len(layout.keys))]


def _desired_keys(judged: pl.LazyFrame, layout: Layout, positions: Sequence[int]) -> pl.LazyFrame:
    """The keys that stay at the receiver: those of desired profiles today, and those last sent if not included."""
    desired = judged.filter(DESIRED)
    today = desired.select(pl.col(now(i)).alias(exit_key(i)) for i in positions)
    not_included = desired.filter(~pl.col(INCLUDED)).with_columns(exit_keys(layout))
    return pl.concat([today, not_included.select(exit_key(i) for i in positions)]).unique()


def _exits_by_identity(judged: pl.LazyFrame, layout: Layout, values: ProfileValues, *, at: datetime) -> pl.LazyFrame:
    """One row for each identity last sent that no desired profile has (M5).

    The identities are those of profiles that exit, and those that included profiles no longer have.
    """
    exits = judged.filter(EXITS).with_columns(pl.coalesce(IDS_SENT, IDS_NOW, _NO_IDS).alias(IDENTITY))
    losing = judged.filter(pl.col(INCLUDED) & pl.col(WAS_DELIVERED)).with_columns(
        pl.coalesce(IDS_SENT, _NO_IDS).alias(IDENTITY), pl.lit(at, dtype=TIME_TYPE).alias(ROW_TIME)
    )
    sent_ids = pl.concat([exits, losing]).with_columns(transforms_sent(layout, pl.col(TRANSFORMS_SENT)))
    rows = sent_ids.explode(IDENTITY).filter(pl.col(IDENTITY).is_not_null())
    rows = rows.pipe(_without_desired_identities, judged.filter(DESIRED), layout).with_columns(exit_keys(layout))
    with_ties = values.of(engine.collect(rows), layout.ties)
    ordered = in_order(with_ties, ROW_TIME, exit_tie_breaks(layout))
    unique = ordered.unique(IDENTITY, keep="first", maintain_order=True)
    status, time = pl.lit(EXITED, STATUS_TYPE).alias(STATUS), pl.col(ROW_TIME).alias(TIME)
    record = transforms_sent(layout, pl.col(SENT_WITH))
    return unique.select(ROW, RANK, status, time, IDENTITY, *_all_exit_keys(layout), *record)


def _without_desired_identities(rows: pl.LazyFrame, desired: pl.LazyFrame, layout: Layout) -> pl.LazyFrame:
    """The rows whose identity no desired profile has, neither untransformed nor as it is written."""
    today = desired.select(
        pl.col(IDS_NOW).alias(IDENTITY), *transforms_sent(layout, pl.lit(layout.transforms_record, pl.String))
    )
    not_included = desired.filter(~pl.col(INCLUDED)).select(
        pl.col(IDS_SENT).alias(IDENTITY), *transforms_sent(layout, pl.col(TRANSFORMS_SENT))
    )
    staying = pl.concat([today, not_included]).explode(IDENTITY).drop_nulls(IDENTITY).unique()
    exiting = rows.join(staying.select(IDENTITY).unique(), on=IDENTITY, how="anti")
    if not layout.identity or not layout.records_transforms:
        return exiting
    written = sent_transforms.as_sent(layout.identity, layout.sent_records).alias("written")
    return (
        exiting.with_columns(written).join(staying.select(written).unique(), on="written", how="anti").drop("written")
    )
