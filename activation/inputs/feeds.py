"""Memberships evaluated elsewhere: a feed of rows, and the memberships that it gives at an instant (D4, X6).

Frames: a *feed* has one row for each message, with the columns of ``FEED`` and a status of realized or exited;
*memberships* have one row for each profile, as in ``muster.activation.frames.columns``.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import polars as pl

from muster.activation.errors import DataError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import (
    AUDIENCE_ID,
    EXITED,
    INTERNAL,
    PROFILE_ID,
    REALIZED,
    STATUS,
    TIME,
    TIME_TYPE,
)
from muster.activation.inputs.parquet import Part
from muster.activation.inputs.table import Table, table_of
from muster.activation.inputs.table_columns import (
    id_column,
    in_other_case,
    optional_time_column,
    text_column,
    time_column,
)
from muster.activation.wording import counted

VALID_UNTIL = "valid_until"
NAMED = f"{INTERNAL}named"  # String: how a row names a person; a person may be named in several ways (P12)
BY_PROFILE = (PROFILE_ID,)
BY_NAME = (PROFILE_ID, NAMED)  # the keys of a feed in which persons have several names: the memberships of each count
FEED = {AUDIENCE_ID: pl.String, PROFILE_ID: pl.String, STATUS: pl.String, TIME: TIME_TYPE, VALID_UNTIL: TIME_TYPE}
_STATUSES = {"realized": REALIZED, "existing": REALIZED, "exited": EXITED}
_COMMON_WORDS = frozenset(
    [
        "active",
        "entered",
        "inactive",
        "joined",
        "left",
        "member",
        "none",
        "removed",
        "true",
        "false",
        "yes",
        "no",
        "0",
        "1",
    ]
)


def read(parts: Sequence[Part], warn: Callable[[str], None]) -> pl.LazyFrame:
    """The feed of all membership files, with the columns of ``FEED`` (D4).

    ``DataError`` when a column is missing or of another type, or a row has no id, no time or an unknown status.
    ``warn`` is told of a ``valid_until`` in other letters, which is not read.
    """
    table = table_of(parts)
    return read_rows(table, [id_column(table, PROFILE_ID)], _is_no_id(PROFILE_ID), warn)


def read_rows(table: Table, who: Sequence[pl.Expr], is_nobody: pl.Expr, warn: Callable[[str], None]) -> pl.LazyFrame:
    """The feed of a table, with the columns ``who`` that name persons, and otherwise those of ``FEED`` (D4).

    ``is_nobody`` says over these columns that a row names nobody. Errors are as of ``read``.
    """
    if hint := in_other_case(VALID_UNTIL, table.columns.names):
        warn(f"{table.name}: column {hint!r} is not read: write it as {VALID_UNTIL!r}, or memberships never expire")
    feed = table.frame().select(
        id_column(table, AUDIENCE_ID),
        *who,
        text_column(table, STATUS),
        time_column(table, TIME),
        optional_time_column(table, VALID_UNTIL),
    )
    _check(feed, table.parts, is_nobody)
    return feed.with_columns(pl.col(STATUS).replace_strict(_STATUSES, return_dtype=pl.String))


def _check(feed: pl.LazyFrame, parts: Sequence[Part], is_nobody: pl.Expr) -> None:
    """``DataError`` that counts the rows with an unknown status, without a time, or without an id."""
    unknown = pl.col(STATUS).is_in(list(_STATUSES)).not_().fill_null(value=True)
    bad = engine.collect(
        feed.select(
            pl.col(STATUS).filter(unknown).first().alias("status"),
            unknown.sum().alias("statuses"),
            pl.col(TIME).null_count().alias("times"),
            pl.any_horizontal(is_nobody, _is_no_id(AUDIENCE_ID)).sum().alias("ids"),
            pl.col(VALID_UNTIL).count().alias("ends"),  # read as well: damage is found here, whoever uses the feed
        )
    ).row(0, named=True)
    files = parts[0].name if len(parts) == 1 else f"{parts[0].name} and {len(parts) - 1} more"
    if bad["statuses"]:
        raise DataError(
            f"{files}: {counted(bad['statuses'], 'row')} with another status{_quoted(bad['status'])}; expected "
            f"realized, existing or exited"
        )
    if bad["times"]:
        raise DataError(f"{files}: {counted(bad['times'], 'row')} with a null {TIME}; every row needs its time")
    if bad["ids"]:
        raise DataError(f"{files}: {counted(bad['ids'], 'row')} with a null or empty {AUDIENCE_ID} or {PROFILE_ID}")


def _is_no_id(name: str) -> pl.Expr:
    return pl.col(name).is_null() | (pl.col(name) == "")


def _quoted(status: str | None) -> str:
    """A status for a message, or nothing for an uncommon one: that may be a person's name in the wrong column."""
    if status is None:
        return " (null)"
    is_common = status.casefold() in _COMMON_WORDS or did_you_mean(status, _STATUSES).endswith("?")
    return f" ({status!r})" if is_common else ""


def rows_of(
    feed: pl.LazyFrame,
    audience: str,
    until: datetime,
    after: datetime | None = None,
    *,
    by: Sequence[str] = BY_PROFILE,
) -> pl.LazyFrame:
    """An audience's rows within ``(after, until]``: the columns ``by``, status, time, valid_until."""
    rows = feed.filter((pl.col(AUDIENCE_ID) == audience) & (pl.col(TIME) <= until)).select(
        *by, STATUS, TIME, VALID_UNTIL
    )
    return rows.filter(pl.col(TIME) > after) if after else rows


def audiences_in(feed: pl.LazyFrame) -> dict[str, datetime]:
    """The audiences that have a row, sorted by id, each with the time of its earliest one."""
    found = engine.collect(feed.group_by(AUDIENCE_ID).agg(pl.col(TIME).min()).sort(AUDIENCE_ID))
    return dict(found.iter_rows())


def settle(rows: pl.LazyFrame, at: datetime, *, by: Sequence[str] = BY_PROFILE) -> pl.LazyFrame:
    """The membership of each profile at an instant, from its rows (D4): profile_id, status, last_qualification_time.

    The result is sorted by id.
    The newest row counts; at equal times exited wins, then the later ``valid_until`` (null is latest). From
    ``valid_until`` on a membership is exited, at that time. A realized one dates from the first realized row since the
    last exit or expiry. With ``BY_NAME`` all this holds for each name of a person; then a person is realized if any
    name is, since the earliest, and else exited since the latest (P12).
    """
    has_earlier = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in by)
    ended = (pl.col(STATUS).shift(1) == EXITED) | (pl.col(VALID_UNTIL).shift(1) <= pl.col(TIME)).fill_null(value=False)
    starts = (pl.col(STATUS) == REALIZED) & ~(has_earlier & ~ended).fill_null(value=False)
    expired = (pl.col(STATUS) == REALIZED) & (pl.col(VALID_UNTIL) <= at).fill_null(value=False)
    times = pl.when(expired).then(VALID_UNTIL).when(pl.col(STATUS) == REALIZED).then("since").otherwise(TIME)
    settled = (
        rows.sort(*by, TIME, pl.col(STATUS) == EXITED, VALID_UNTIL, nulls_last=True, maintain_order=True)
        .unique([*by, TIME], keep="last", maintain_order=True)
        .with_columns(pl.when(starts).then(TIME).forward_fill().alias("since"))
        .unique([*by], keep="last", maintain_order=True)
        .select(PROFILE_ID, pl.when(expired).then(pl.lit(EXITED)).otherwise(STATUS).alias(STATUS), times.alias(TIME))
    )
    return settled if len(by) == 1 else settled.pipe(_of_persons)


def _of_persons(settled: pl.LazyFrame) -> pl.LazyFrame:
    """One membership for each person, from those of all the person's names (P12)."""
    is_realized = pl.col(STATUS) == REALIZED
    return (
        settled.group_by(PROFILE_ID)
        .agg(
            is_realized.any().alias("is_realized"),
            pl.col(TIME).filter(is_realized).min().alias("since"),
            pl.col(TIME).filter(~is_realized).max().alias("until"),
        )
        .select(
            PROFILE_ID,
            pl.when("is_realized").then(pl.lit(REALIZED)).otherwise(pl.lit(EXITED)).alias(STATUS),
            pl.when("is_realized").then("since").otherwise("until").alias(TIME),
        )
        .sort(PROFILE_ID)
    )


def feed_memberships(
    feed: pl.LazyFrame,
    audience: str,
    at: datetime,
    prior: pl.LazyFrame | None,
    *,
    by: Sequence[str] = BY_PROFILE,
) -> pl.LazyFrame:
    """The memberships of a feed audience at an instant (D4).

    A prior member without a row in the feed exits at the instant.
    """
    settled = settle(rows_of(feed, audience, at, by=by), at, by=by)
    if prior is None:
        return settled
    without_rows = prior.join(settled, on=PROFILE_ID, how="anti").select(
        PROFILE_ID,
        pl.lit(EXITED).alias(STATUS),
        pl.when(pl.col(STATUS) == REALIZED).then(pl.lit(at, dtype=TIME_TYPE)).otherwise(TIME).alias(TIME),
    )
    return pl.concat([settled, without_rows]).sort(PROFILE_ID)


def override(
    memberships: pl.LazyFrame,
    feed: pl.LazyFrame,
    audience: str,
    evaluated: datetime,
    at: datetime,
    *,
    by: Sequence[str] = BY_PROFILE,
) -> pl.LazyFrame:
    """An evaluation's memberships, changed for each profile that has later feed rows (X6).

    With ``BY_NAME`` each name that has later rows begins with the membership of the person.
    """
    later = rows_of(feed, audience, at, after=evaluated, by=by)
    if len(by) == 1:
        touched = memberships.join(later.select(PROFILE_ID), on=PROFILE_ID, how="semi")
    else:
        touched = memberships.join(later.select(by).unique(), on=PROFILE_ID)
    started = touched.select(*by, STATUS, TIME, pl.lit(None, dtype=TIME_TYPE).alias(VALID_UNTIL))
    untouched = memberships.join(later.select(PROFILE_ID), on=PROFILE_ID, how="anti").select(PROFILE_ID, STATUS, TIME)
    return pl.concat([untouched, settle(pl.concat([started, later]), at, by=by)]).sort(PROFILE_ID)
