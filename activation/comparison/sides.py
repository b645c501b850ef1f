"""Members and delivered profiles side by side, by number: what reasons and changes are decided on (X2)."""

from collections.abc import Sequence
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
from muster.activation.frames.columns import ROW, ROW_TYPE, TIME, TIME_TYPE
from muster.activation.profiles.identities import DIGEST_TYPE
from muster.activation.profiles.members import Members
from muster.activation.profiles.positions import inverse
from muster.activation.profiles.roster import Roster

_REALIZED = "realized"
_MANY = 20  # one profile in so many: fewer are sorted, more are looked up in the order of rows
_EVERYBODY = pl.col(MEMBER) | pl.col(WAS_DELIVERED)
_COLUMNS = (
    ROW,
    TIME,
    pl.col(_REALIZED).fill_null(value=False).alias(MEMBER),
    (~pl.col(_REALIZED)).fill_null(value=False).alias(HAS_EXITED),
    pl.col(TIME_SENT).is_not_null().alias(WAS_DELIVERED),
    PRESENT,
    DIGEST_NOW,
    TIME_SENT,
    DIGEST_SENT,
)
_NULLS = (
    pl.lit(None, TIME_TYPE).alias(TIME_SENT),
    pl.lit(None, DIGEST_TYPE).alias(DIGEST_NOW),
    pl.lit(None, DIGEST_TYPE).alias(DIGEST_SENT),
)


@dataclass(frozen=True, eq=False)
class Sides:
    """Every numbered profile: its membership, and what was delivered of it.

    Conditions read muster:row (null for a blanked number), last_qualification_time, member, has_exited, was_delivered,
    present, digest_now, time_sent and digest_sent.
    """

    by_number: Sequence[pl.Series]  # as long as the numbering; columns that it lacks are null for everybody
    sent: pl.DataFrame  # ``SentBefore.values``
    roster: Roster

    def count(self, *conditions: pl.Expr) -> tuple[int, ...]:
        """How many of the realized or delivered profiles each condition is true for."""
        sums = [(condition & _EVERYBODY).sum().alias(str(place)) for place, condition in enumerate(conditions)]
        return engine.collect(_with_all_columns(self.by_number).select(sums)).row(0)

    def pick(self, condition: pl.Expr) -> pl.DataFrame:
        """The realized or delivered profiles for which a condition is true, one row each, in the order of M6.

        Columns: those that conditions read, rank, and those of ``sent``, null for profiles that were not delivered.
        """
        rows = self._rows(condition)
        numbers = self.roster.numbers.gather(rows)
        found = engine.collect(_with_all_columns([column.gather(numbers) for column in self.by_number]))
        return found.with_columns(self.roster.rank_of(rows).alias(RANK), *self._sent_of(rows)).sort(RANK)

    def times(self, condition: pl.Expr) -> pl.DataFrame:
        """Of the members of the snapshot for which a condition is true: muster:row, last_qualification_time.

        In the order of M6.
        """
        rows = self._rows(condition & pl.col(MEMBER) & pl.col(PRESENT))
        (times,) = (column for column in self.by_number if column.name == TIME)
        return pl.DataFrame([rows.alias(ROW), times.gather(self.roster.numbers.gather(rows))])

    def _rows(self, condition: pl.Expr) -> pl.Series:
        """The rows (UInt32), ascending, of the profiles for which a condition is true."""
        wanted = _with_all_columns(self.by_number).select((condition & _EVERYBODY).alias(MEMBER))
        mask, numbers, rows = engine.collect(wanted)[MEMBER], self.roster.numbers, self.roster.rows
        if int(mask.sum() or 0) * _MANY < len(mask):
            return rows.filter(mask).drop_nulls().sort()
        return pl.int_range(len(numbers), dtype=ROW_TYPE, eager=True).filter(mask.gather(numbers))

    def _sent_of(self, rows: pl.Series) -> list[pl.Series]:
        """The columns of ``sent`` for each of these rows."""
        if self.sent.width == 1:
            return []
        positions = inverse(self.sent[ROW], self.roster.length).gather(rows)
        return self.sent.drop(ROW).select(pl.all().gather(positions)).get_columns()


def side_by_side(members: Members, before: SentBefore, roster: Roster, *, compares_identities: bool) -> Sides:
    """An audience's memberships beside what was delivered before."""
    length, people = roster.numbering.length, before.people
    columns = [
        roster.rows.alias(ROW),
        roster.present_numbers.alias(PRESENT),
        _to_length(members.realized, length).alias(_REALIZED),
        _to_length(members.times, length).alias(TIME),
    ]
    if people is not None:
        columns.append(_to_length(people.times, length).alias(TIME_SENT))
        if compares_identities:
            columns += [roster.digests().alias(DIGEST_NOW), _to_length(people.digests, length).alias(DIGEST_SENT)]
        else:
            columns.append(_to_length(people.digests, length).alias(DIGEST_SENT))
    return Sides(columns, before.values, roster)


def _with_all_columns(columns: Sequence[pl.Series]) -> pl.LazyFrame:
    """The columns that conditions read."""
    names = {column.name for column in columns}
    missing = (null for null in _NULLS if null.meta.output_name() not in names)
    return pl.LazyFrame(columns).with_columns(*missing).select(_COLUMNS)


def _to_length(values: pl.Series, length: int) -> pl.Series:
    """Values by number, null for numbers that were given since."""
    return values if len(values) == length else values.extend_constant(None, length - len(values))
