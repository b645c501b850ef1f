"""Exited rows: people to remove, under the keys and identities that the receiver was sent (X3d, X12, M3, M5)."""

from collections.abc import Collection
from datetime import datetime

import polars as pl

from muster.activation.comparison.changes import carries_no_news, has_key, withdraws_old_keys
from muster.activation.comparison.columns import (
    EXITS,
    INCLUDED,
    OUTCOME,
    RANK,
    REASON,
    REGROUPED,
    ROW_TIME,
    SURVIVOR,
    WAS_DELIVERED,
    is_known,
    sent,
)
from muster.activation.comparison.duplicates import first_exits
from muster.activation.comparison.keys import (
    ROW_OF_PROFILE,
    SentTypes,
    key_names,
    keys_of_members,
    keys_sent,
    rows_as_sent,
)
from muster.activation.comparison.reasons import DUPLICATE
from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, ROW, STATUS, STATUS_TYPE, TIME, TIME_TYPE
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import AS_SENT, exit_value
from muster.activation.mapping.sent_types import as_type
from muster.activation.profiles.roster import Roster


def exit_rows(
    judged: pl.LazyFrame,
    layout: Layout,
    types: SentTypes,
    values: ProfileValues,
    marks: Collection[str],
    *,
    at: datetime,
    merges: bool,
) -> pl.LazyFrame:
    """The exited rows of profiles that exit, and of keys that included profiles were sent with and lost.

    One row for each row last sent. Where a receiver knows people by a key, keys that desired profiles have are left
    out, and of equal keys one exits. ``judged`` has the columns of ``with_survivors`` if it ``merges``. Columns:
    muster:row, rank, status, last_qualification_time, row_of_profile, ``exit_value`` of each column that exits carry,
    and ``muster:as_sent`` where exits may be of merges and splits.
    """
    rows = rows_as_sent(judged.filter(EXITS), layout)
    if layout.identifying:
        rows = keys_sent(rows, layout, types)
        withdraws = withdraws_old_keys(layout, marks)
        if withdraws is not None:
            rows = pl.concat([rows, _old_keys(judged.filter(withdraws), layout, types, at=at)])
        members = keys_of_members(judged, layout, types)
        rows = rows.join(members, on=key_names(layout), how="anti", nulls_equal=False, maintain_order="left")
    elif merges and not has_key(layout):
        rows = _under_survivors(rows, values.roster)
    rows = rows.with_columns(exit_values(layout, types))
    as_sent = [carries_no_news(layout, marks).alias(AS_SENT)] if REGROUPED in marks else []
    rows = rows.with_columns(as_sent)
    if any(each.holds_lists for each in layout.kept):  # rows that differed in columns that are gone are one
        rows = rows.unique([ROW, *carried_columns(layout)], keep="first", maintain_order=True)
    if layout.identifying:
        rows = first_exits(rows, values, layout)
    status, time = pl.lit(EXITED, STATUS_TYPE).alias(STATUS), pl.col(ROW_TIME).alias(TIME)
    names = [AS_SENT] if as_sent else []
    return rows.select(ROW, RANK, status, time, ROW_OF_PROFILE, *carried_columns(layout), *names)


def _under_survivors(rows: pl.LazyFrame, roster: Roster) -> pl.LazyFrame:
    """Exited rows without any key: those of an id that became an alias have the newest values of the survivor (X12)."""
    moved = engine.collect(rows.with_columns(pl.coalesce(SURVIVOR, ROW).alias(ROW)))
    return moved.with_columns(roster.rank_of(moved[ROW]).alias(RANK)).lazy()


def _old_keys(judged: pl.LazyFrame, layout: Layout, types: SentTypes, *, at: datetime) -> pl.LazyFrame:
    """The rows last sent of included profiles, to exit at ``at``; a key that is null or unknown is none."""
    again = judged.filter(pl.col(INCLUDED) & pl.col(WAS_DELIVERED))
    rows = rows_as_sent(again, layout).pipe(keys_sent, layout, types)
    known = pl.all_horizontal(pl.col(name).is_not_null() for name in key_names(layout))
    return rows.filter(known).with_columns(pl.lit(at, dtype=TIME_TYPE).alias(ROW_TIME))


def exit_values(layout: Layout, types: SentTypes) -> list[pl.Expr]:
    """What an exited row carries, null where it is not known what was sent (X12); reads rows of ``rows_as_sent``."""
    found = []
    for i, kept in enumerate(layout.kept):
        if kept.is_carried and kept.position is not None:
            dtype = layout.fields[kept.position].dtype
            found.append(as_type(pl.col(sent(i)), types[i], dtype).alias(exit_value(kept.position)))
    return found


def exits_without_value(rows: pl.DataFrame, judged: pl.LazyFrame, layout: Layout) -> dict[str, int]:
    """How many exited ``rows`` lack a value by which people are found, as it is not known what was sent (X12).

    By target: of key columns, and of those by which a preset's receiver knows people, unless it has the profile id. The
    rows are those of ``exit_rows``, made of ``judged``. A null that is known to have been sent is no lack.
    """
    finds_by_preset = not layout.identifies_everybody
    keys = [
        (i, each.position)
        for i, each in enumerate(layout.kept)
        if (each.is_key or (finds_by_preset and each.preset_identifies)) and each.position is not None
    ]
    if not keys:
        return {}
    exits = rows.filter(pl.col(STATUS) == EXITED)
    lacking = [(i, position) for i, position in keys if exits[exit_value(position)].null_count()]
    if not lacking:
        return {}
    known = judged.select(ROW, *(pl.col(is_known(i)).fill_null(value=False) for i, _ in lacking))
    beside = exits.lazy().join(known, on=ROW, how="left")
    numbers = engine.collect(
        beside.select(
            (pl.col(exit_value(position)).is_null() & ~pl.col(is_known(i))).sum().alias(layout.kept[i].target)
            for i, position in lacking
        )
    ).row(0, named=True)
    return {target: number for target, number in numbers.items() if number}


def carried_columns(layout: Layout) -> list[str]:
    """The columns with what exited rows carry, in mapping order."""
    carried = [each.position for each in layout.kept if each.is_carried and each.position is not None]
    return [exit_value(position) for position in sorted(carried)]


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
