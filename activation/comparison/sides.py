"""Members and delivered profiles side by side, by number: what reasons and changes are decided on (X2)."""

from dataclasses import dataclass

import polars as pl

from muster.activation.comparison.columns import (
    DIGEST_NOW,
    DIGEST_SENT,
    HAS_EXITED,
    MEMBER,
    PRESENT,
    RANK,
    TIME_SENT,
    WAS_DELIVERED,
)
from muster.activation.comparison.delivered_set import SentBefore
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW, ROW_TYPE, TIME
from muster.activation.profiles.identities import DIGEST_TYPE
from muster.activation.profiles.members import Members
from muster.activation.profiles.positions import inverse
from muster.activation.profiles.roster import Roster

_REALIZED = "realized"
_MANY = 8  # one profile in so many: more are put in the order of rows before their values are taken


@dataclass(frozen=True, eq=False)
class Sides:
    """Every numbered profile: its membership, and what was delivered of it.

    ``frame`` has by number muster:row (null for a blanked number), last_qualification_time, member, has_exited,
    was_delivered, present, digest_now, time_sent and digest_sent.
    """

    frame: pl.LazyFrame
    sent: pl.DataFrame  # ``SentBefore.values``
    roster: Roster

    def count(self, condition: pl.Expr) -> int:
        """How many profiles a condition over the columns of ``frame`` is true for."""
        return int(engine.collect(self.frame.select(condition.sum())).item())

    def pick(self, condition: pl.Expr) -> pl.DataFrame:
        """The realized or delivered profiles for which a condition is true, one row each.

        Columns: rank, those of ``frame``, and those of ``sent``, null for profiles that were not delivered.
        """
        wanted = self.frame.select((condition & (pl.col(MEMBER) | pl.col(WAS_DELIVERED))).alias(MEMBER))
        numbers, rows = self._numbers_and_rows(engine.collect(wanted)[MEMBER])
        found = engine.collect(self.frame.select(pl.all().gather(numbers)))
        beside = self._sent_of(rows)
        return found.select(pl.all(), self.roster.rank_of(rows).alias(RANK), *beside)

    def _numbers_and_rows(self, wanted: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The numbers (UInt32) and rows of the profiles that are wanted (Boolean by number)."""
        numbers, rows = self.roster.numbers, self.roster.rows
        if wanted.sum() * _MANY < len(wanted):
            found = wanted.arg_true().cast(ROW_TYPE)
            return found, rows.gather(found)
        in_order = wanted.gather(numbers).arg_true().cast(ROW_TYPE)
        return numbers.gather(in_order), in_order

    def _sent_of(self, rows: pl.Series) -> list[pl.Series]:
        """The columns of ``sent`` for each of these rows."""
        if self.sent.width == 1:
            return []
        positions = inverse(self.sent[ROW], self.roster.length).gather(rows)
        return self.sent.drop(ROW).select(pl.all().gather(positions)).get_columns()


def side_by_side(members: Members, before: SentBefore, roster: Roster, *, compares_identities: bool) -> Sides:
    """An audience's memberships beside what was delivered before."""
    people = before.people
    length = roster.numbering.length
    blank = pl.lit(None, DIGEST_TYPE)
    digests = [roster.digests().alias(DIGEST_NOW)] if compares_identities else []
    columns = [
        _to_length(members.realized, length).alias(_REALIZED),
        _to_length(members.times, length).alias(TIME),
        _to_length(people.times, length).alias(TIME_SENT),
        _to_length(people.digests, length).alias(DIGEST_SENT),
        roster.present_numbers.alias(PRESENT),
        roster.rows.alias(ROW),
        *digests,
    ]
    frame = pl.LazyFrame(columns).select(
        ROW,
        TIME,
        pl.col(_REALIZED).fill_null(value=False).alias(MEMBER),
        (~pl.col(_REALIZED)).fill_null(value=False).alias(HAS_EXITED),
        pl.col(TIME_SENT).is_not_null().alias(WAS_DELIVERED),
        PRESENT,
        pl.col(DIGEST_NOW) if digests else blank.alias(DIGEST_NOW),
        TIME_SENT,
        DIGEST_SENT,
    )
    return Sides(frame, before.values, roster)


def _to_length(values: pl.Series, length: int) -> pl.Series:
    """Values by number, null for numbers that were given since."""
    return values if len(values) == length else values.extend_constant(None, length - len(values))
