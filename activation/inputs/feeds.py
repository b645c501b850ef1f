"""Memberships evaluated elsewhere: a feed of rows, and the memberships that it gives at an instant (D4, X6).

Frames: a *feed* has one row for each message, with the columns of ``FEED`` and a status of realized or exited;
*memberships* have one row for each profile, as in ``muster.activation.frames.columns``.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from muster.activation.errors import DataError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import AUDIENCE_ID, EXITED, PROFILE_ID, REALIZED, STATUS, TIME, TIME_TYPE
from muster.activation.inputs.parquet import Part
from muster.activation.inputs.table import table_of
from muster.activation.inputs.table_columns import id_column, time_column
from muster.activation.wording import counted

VALID_UNTIL = "valid_until"
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


def read(parts: Sequence[Part]) -> pl.LazyFrame:
    """The feed of all membership files, with the columns of ``FEED`` (D4).

    ``DataError`` when a column is missing or of another type, or a row has no id, no time or an unknown status.
    """
    table = table_of(parts)
    schema = table.schema
    for column in (AUDIENCE_ID, PROFILE_ID, STATUS, TIME):
        if column not in schema:
            raise DataError(f"{table.name}: a membership file needs a column {column!r}{did_you_mean(column, schema)}")
    feed = table.frame().select(
        id_column(parts, schema, AUDIENCE_ID),
        id_column(parts, schema, PROFILE_ID),
        pl.col(STATUS).cast(pl.String),
        time_column(parts, schema, TIME),
        time_column(parts, schema, VALID_UNTIL)
        if VALID_UNTIL in schema
        else pl.lit(None, dtype=TIME_TYPE).alias(VALID_UNTIL),
    )
    _check(feed, parts)
    return feed.with_columns(pl.col(STATUS).replace_strict(_STATUSES, return_dtype=pl.String))


def _check(feed: pl.LazyFrame, parts: Sequence[Part]) -> None:
    """``DataError`` that counts the rows with an unknown status, without a time, or without an id."""
    unknown = pl.col(STATUS).is_in(list(_STATUSES)).not_().fill_null(value=True)
    bad = engine.collect(
        feed.select(
            pl.col(STATUS).filter(unknown).first().alias("status"),
            unknown.sum().alias("statuses"),
            pl.col(TIME).null_count().alias("times"),
            (pl.col(PROFILE_ID).is_null() | pl.col(AUDIENCE_ID).is_null()).sum().alias("ids"),
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
        raise DataError(f"{files}: {counted(bad['ids'], 'row')} with a null {AUDIENCE_ID} or {PROFILE_ID}")


def _quoted(status: str | None) -> str:
    """A status for a message, or nothing for an uncommon one: that may be a person's name in the wrong column."""
    if status is None:
        return " (null)"
    is_common = status.casefold() in _COMMON_WORDS or did_you_mean(status, _STATUSES).endswith("?")
    return f" ({status!r})" if is_common else ""


def rows_of(feed: pl.LazyFrame, audience: str, until: datetime, after: datetime | None = None) -> pl.LazyFrame:
    """An audience's rows within ``(after, until]``: profile_id, status, time, valid_until."""
    rows = feed.filter((pl.col(AUDIENCE_ID) == audience) & (pl.col(TIME) <= until)).select(
        PROFILE_ID, STATUS, TIME, VALID_UNTIL
    )
    return rows.filter(pl.col(TIME) > after) if after else rows


def audiences_in(feed: pl.LazyFrame) -> dict[str, datetime]:
    """The audiences that have a row, sorted by id, each with the time of its earliest one."""
    found = engine.collect(feed.group_by(AUDIENCE_ID).agg(pl.col(TIME).min()).sort(AUDIENCE_ID))
    return dict(found.iter_rows())


def settle(rows: pl.LazyFrame, at: datetime) -> pl.LazyFrame:
    """The membership of each profile at an instant, from its rows (D4): profile_id, status, last_qualification_time.

    The result is sorted by id.
    The newest row counts; at equal times exited wins, then the later ``valid_until`` (null is latest). From
    ``valid_until`` on a membership is exited, at that time. A realized one dates from the first realized row since the
    last exit or expiry.
    """
    has_earlier = pl.col(PROFILE_ID) == pl.col(PROFILE_ID).shift(1)
    ended = (pl.col(STATUS).shift(1) == EXITED) | (pl.col(VALID_UNTIL).shift(1) <= pl.col(TIME)).fill_null(value=False)
    starts = (pl.col(STATUS) == REALIZED) & ~(has_earlier & ~ended).fill_null(value=False)
    expired = (pl.col(STATUS) == REALIZED) & (pl.col(VALID_UNTIL) <= at).fill_null(value=False)
    times = pl.when(expired).then(VALID_UNTIL).when(pl.col(STATUS) == REALIZED).then("since").otherwise(TIME)
    return (
        rows.sort(PROFILE_ID, TIME, pl.col(STATUS) == EXITED, VALID_UNTIL, nulls_last=True, maintain_order=True)
        .unique([PROFILE_ID, TIME], keep="last", maintain_order=True)
        .with_columns(pl.when(starts).then(TIME).forward_fill().alias("since"))
        .unique(PROFILE_ID, keep="last", maintain_order=True)
        .select(PROFILE_ID, pl.when(expired).then(pl.lit(EXITED)).otherwise(STATUS).alias(STATUS), times.alias(TIME))
    )


def feed_memberships(feed: pl.LazyFrame, audience: str, at: datetime, prior: pl.LazyFrame | None) -> pl.LazyFrame:
    """The memberships of a feed audience at an instant (D4).

    A prior member without a row in the feed exits at the instant.
    """
    settled = settle(rows_of(feed, audience, at), at)
    if prior is None:
        return settled
    without_rows = prior.join(settled, on=PROFILE_ID, how="anti").select(
        PROFILE_ID,
        pl.lit(EXITED).alias(STATUS),
        pl.when(pl.col(STATUS) == REALIZED).then(pl.lit(at, dtype=TIME_TYPE)).otherwise(TIME).alias(TIME),
    )
    return pl.concat([settled, without_rows]).sort(PROFILE_ID)


def override(
    memberships: pl.LazyFrame, feed: pl.LazyFrame, audience: str, evaluated: datetime, at: datetime
) -> pl.LazyFrame:
    """An evaluation's memberships, changed for each profile that has later feed rows (X6)."""
    later = rows_of(feed, audience, at, after=evaluated)
    touched = memberships.join(later.select(PROFILE_ID), on=PROFILE_ID, how="semi")
    started = touched.select(PROFILE_ID, STATUS, TIME, pl.lit(None, dtype=TIME_TYPE).alias(VALID_UNTIL))
    untouched = memberships.join(later.select(PROFILE_ID), on=PROFILE_ID, how="anti").select(PROFILE_ID, STATUS, TIME)
    return pl.concat([untouched, settle(pl.concat([started, later]), at)]).sort(PROFILE_ID)
