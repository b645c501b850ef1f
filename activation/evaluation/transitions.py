"""From qualified profiles and prior memberships to new memberships (E5).

``Move`` has the rules, over columns. The frames below name profiles by row of the command's roster: memberships have
``muster:row`` (UInt32), ``status`` (String) and ``last_qualification_time`` (Datetime us UTC), one row a profile; new
ones also ``was`` (Boolean): realized before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from muster.activation.frames.columns import EXITED, REALIZED, ROW, ROW_TYPE, STATUS, TIME, TIME_TYPE

WAS = "was"


def no_memberships() -> pl.DataFrame:
    """The memberships before an audience's first evaluation."""
    return pl.DataFrame(schema={ROW: ROW_TYPE, STATUS: pl.String, TIME: TIME_TYPE})


@dataclass(frozen=True)
class Move:
    """How memberships move when a rule was decided (E5), as expressions over a profile's row.

    A profile that qualifies and was not realized is realized at ``at``; one that still qualifies is unchanged; one that
    was realized and does not qualify, or is missing from the snapshot, exits at ``at``.
    """

    qualifies: pl.Expr  # Boolean; null does not qualify
    realized: pl.Expr  # Boolean: realized before; False for exited, null for never a member
    time: pl.Expr  # last_qualification_time before
    at: datetime

    @property
    def now(self) -> pl.Expr:
        """Whether the profile is realized now."""
        return self.qualifies.fill_null(value=False)

    @property
    def was(self) -> pl.Expr:
        """Whether the profile was realized before."""
        return self.realized.fill_null(value=False)

    @property
    def status(self) -> pl.Expr:
        """Whether the profile is realized now; False for exited, null for never a member."""
        return pl.when(self.now).then(pl.lit(value=True)).when(self.realized.is_not_null()).then(pl.lit(value=False))

    @property
    def moved_time(self) -> pl.Expr:
        """The last_qualification_time now; null for never a member."""
        return pl.when(self.now != self.was).then(pl.lit(self.at, dtype=TIME_TYPE)).otherwise(self.time)

    def is_expired(self, keep_exited: timedelta) -> pl.Expr:
        """Whether the membership has exited and is older than exited memberships are kept (E5)."""
        return is_expired(~self.now & ~self.was & self.realized.is_not_null(), self.time, self.at - keep_exited)


def after_rule(qualified: pl.LazyFrame, prior: pl.LazyFrame, at: datetime) -> pl.LazyFrame:
    """Memberships after a rule was decided (E5): ``qualified`` has one column ``muster:row``, ``prior`` memberships."""
    joined = qualified.select(ROW, pl.lit(value=True).alias("qualifies")).join(
        prior.select(ROW, pl.col(STATUS) == REALIZED, TIME), on=ROW, how="full", coalesce=True
    )
    move = Move(pl.col("qualifies"), pl.col(STATUS), pl.col(TIME), at)
    status = pl.when(move.status).then(pl.lit(REALIZED)).otherwise(pl.lit(EXITED))
    return joined.select(ROW, status.alias(STATUS), move.moved_time.alias(TIME), move.was.alias(WAS))


def after_feed(memberships: pl.LazyFrame, prior: pl.LazyFrame) -> pl.LazyFrame:
    """Memberships that a feed decided, with ``was`` of the prior memberships that they replace (D4, X6)."""
    before = prior.filter(pl.col(STATUS) == REALIZED).select(ROW, pl.lit(value=True).alias(WAS))
    return memberships.join(before, on=ROW, how="left").with_columns(pl.col(WAS).fill_null(value=False))


def is_expired(has_exited: pl.Expr, time: pl.Expr, oldest: datetime) -> pl.Expr:
    """Whether a membership has exited, at a ``time`` before the ``oldest`` exits that are kept (E5)."""
    return has_exited & (time < pl.lit(oldest, dtype=TIME_TYPE))


def stored_is_expired(oldest: datetime) -> pl.Expr:
    """``is_expired`` of memberships with ``status`` and ``last_qualification_time``."""
    return is_expired(pl.col(STATUS) == EXITED, pl.col(TIME), oldest)


def drop_expired(memberships: pl.LazyFrame, oldest: datetime, delivered: pl.LazyFrame) -> pl.LazyFrame:
    """Drop expired memberships, but for profiles (``muster:row``) that are in a delivered set (E5)."""
    marked = delivered.select(ROW, pl.lit(value=True).alias("delivered")).unique()
    kept = memberships.join(marked, on=ROW, how="left").filter(
        ~stored_is_expired(oldest) | pl.col("delivered").is_not_null()
    )
    return kept.drop("delivered")


def sizes(moved: pl.DataFrame) -> tuple[int, int, int]:
    """How many profiles are realized, and how many entered and exited since the previous evaluation."""
    realized = pl.col(STATUS) == REALIZED
    entered, exited = realized & ~pl.col(WAS), ~realized & pl.col(WAS)
    now, came, went = moved.select(
        realized.sum().alias("now"), entered.sum().alias("came"), exited.sum().alias("went")
    ).row(0)
    return now, came, went
