"""How memberships move from one evaluation to the next (E5). Pure: lazy frames in, lazy frames out."""

from datetime import datetime, timedelta

import polars as pl

from activation.frames import AUDIENCE_ID, EXITED, MEMBERSHIPS, PROFILE_ID, REALIZED, STATUS, TIME, TIME_TYPE

ENTERED, LEFT = "__entered", "__left"


def nobody() -> pl.LazyFrame:
    """The memberships before the first evaluation."""
    return pl.LazyFrame(schema={PROFILE_ID: pl.String, STATUS: pl.String, TIME: TIME_TYPE})


def qualify(qualified: pl.LazyFrame, prior: pl.LazyFrame, at: datetime) -> pl.LazyFrame:
    """Memberships after a rule was decided (E5): ``qualified`` has one column ``profile_id``, ``prior`` memberships.

    Qualifies and was not realized: realized at ``at``; still qualifies: unchanged; was realized and does not qualify, or is gone from
    the snapshot: exited at ``at``.
    """
    was = (pl.col(STATUS) == REALIZED).fill_null(value=False)
    now = pl.col("qualifies").fill_null(value=False)
    moved = qualified.select(PROFILE_ID, pl.lit(value=True).alias("qualifies")).join(
        prior.select(PROFILE_ID, STATUS, TIME), on=PROFILE_ID, how="full", coalesce=True
    )
    return moved.select(
        PROFILE_ID,
        pl.when(now).then(pl.lit(REALIZED)).otherwise(pl.lit(EXITED)).alias(STATUS),
        pl.when(now != was).then(pl.lit(at, dtype=TIME_TYPE)).otherwise(TIME).alias(TIME),
    )


def retain(memberships: pl.LazyFrame, at: datetime, keep_exited: timedelta, delivered: pl.LazyFrame) -> pl.LazyFrame:
    """Drop exited memberships older than ``keep_exited`` unless a delivered set (``profile_id``) still holds the profile (E5)."""
    stale = (pl.col(STATUS) == EXITED) & (pl.col(TIME) < pl.lit(at - keep_exited, dtype=TIME_TYPE))
    held = delivered.select(PROFILE_ID, pl.lit(value=True).alias("delivered")).unique()
    return memberships.join(held, on=PROFILE_ID, how="left").filter(~stale | pl.col("delivered").is_not_null()).drop("delivered")


def finished(memberships: pl.LazyFrame, audience: str) -> pl.LazyFrame:
    """As an evaluation leaves them: the columns of ``MEMBERSHIPS``, sorted by profile id."""
    return memberships.select(pl.lit(audience).alias(AUDIENCE_ID), PROFILE_ID, STATUS, TIME).cast(MEMBERSHIPS).sort(PROFILE_ID)  # type: ignore[arg-type]  # names to types


def sizes(memberships: pl.LazyFrame, prior: pl.LazyFrame) -> pl.LazyFrame:
    """One row: realized now, entered and exited since the previous evaluation."""
    members, before = (frame.filter(pl.col(STATUS) == REALIZED).select(PROFILE_ID) for frame in (memberships, prior))
    return pl.concat(
        [
            members.select(pl.len().alias("realized")),
            members.join(before, on=PROFILE_ID, how="anti").select(pl.len().alias("entered")),
            before.join(members, on=PROFILE_ID, how="anti").select(pl.len().alias("exited")),
        ],
        how="horizontal",
    )
