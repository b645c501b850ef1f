"""How memberships move from one evaluation to the next (E5). Pure: frames in, lazy frames out.

Profiles are numbers, the rows of the command's roster: memberships have ``__row``, status and last_qualification_time,
and what comes out has ``was`` too: whether the profile was realized before.
"""

from datetime import datetime, timedelta

import polars as pl

from muster.activation.frames.columns import EXITED, REALIZED, ROW, ROW_TYPE, STATUS, TIME, TIME_TYPE

WAS = "was"


def nobody() -> pl.DataFrame:
    """The memberships before the first evaluation."""
    return pl.DataFrame(schema={ROW: ROW_TYPE, STATUS: pl.String, TIME: TIME_TYPE})


def qualify(qualified: pl.LazyFrame, prior: pl.LazyFrame, at: datetime) -> pl.LazyFrame:
    """Memberships after a rule was decided (E5): ``qualified`` has one column ``__row``, ``prior`` memberships.

    Qualifies and was not realized: realized at ``at``; still qualifies: unchanged; was realized and does not qualify,
    or is gone from the snapshot: exited at ``at``.
    """
    was = (pl.col(STATUS) == REALIZED).fill_null(value=False)
    now = pl.col("qualifies").fill_null(value=False)
    moved = qualified.select(ROW, pl.lit(value=True).alias("qualifies")).join(
        prior.select(ROW, STATUS, TIME), on=ROW, how="full", coalesce=True
    )
    return moved.select(
        ROW,
        pl.when(now).then(pl.lit(REALIZED)).otherwise(pl.lit(EXITED)).alias(STATUS),
        pl.when(now != was).then(pl.lit(at, dtype=TIME_TYPE)).otherwise(TIME).alias(TIME),
        was.alias(WAS),
    )


def replaced(memberships: pl.LazyFrame, prior: pl.LazyFrame) -> pl.LazyFrame:
    """Memberships that were found elsewhere, in the place of ``prior``."""
    before = prior.filter(pl.col(STATUS) == REALIZED).select(ROW, pl.lit(value=True).alias(WAS))
    return memberships.join(before, on=ROW, how="left").with_columns(pl.col(WAS).fill_null(value=False))


def stale(at: datetime, keep_exited: timedelta) -> pl.Expr:
    """Whether a membership is an exited one, and older than it is kept (E5)."""
    return (pl.col(STATUS) == EXITED) & (pl.col(TIME) < pl.lit(at - keep_exited, dtype=TIME_TYPE))


def retain(memberships: pl.LazyFrame, at: datetime, keep_exited: timedelta, delivered: pl.LazyFrame) -> pl.LazyFrame:
    """Drop stale memberships unless a delivered set (``__row``) still holds the profile (E5)."""
    held = delivered.select(ROW, pl.lit(value=True).alias("delivered")).unique()
    kept = memberships.join(held, on=ROW, how="left").filter(
        ~stale(at, keep_exited) | pl.col("delivered").is_not_null()
    )
    return kept.drop("delivered")


def sizes(moved: pl.DataFrame) -> tuple[int, int, int]:
    """Realized now, entered and exited since the previous evaluation."""
    realized = pl.col(STATUS) == REALIZED
    entered, left = realized & ~pl.col(WAS), ~realized & pl.col(WAS)
    now, came, went = moved.select(
        realized.sum().alias("now"), entered.sum().alias("came"), left.sum().alias("went")
    ).row(0)
    return now, came, went
