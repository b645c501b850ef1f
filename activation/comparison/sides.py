"""Members and delivered profiles side by side, by number: what reasons and changes are decided on (X2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.comparison.changes import is_regrouped
from muster.activation.comparison.columns import (
    DIGEST_NOW,
    DIGEST_SENT,
    FORGOTTEN,
    HAS_EXITED,
    IN_NEWEST,
    MEMBER,
    PRESENT,
    RANK,
    REASON,
    TIME_SENT,
    WAS_DELIVERED,
)
from muster.activation.comparison.delivered_set import SentBefore
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW, ROW_TYPE, TIME, TIME_TYPE
from muster.activation.profiles.members import Members
from muster.activation.profiles.positions import inverse, marked, to_length
from muster.activation.profiles.roster import Roster
from muster.activation.values.identities import DIGEST_TYPE

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
    present, digest_now, time_sent, digest_sent, and ``marks``.
    """

    by_number: Sequence[pl.Series]  # as long as the numbering; columns that it lacks are null for everybody
    sent: pl.DataFrame  # ``SentBefore.values``
    roster: Roster
    marks: tuple[str, ...] = ()  # the names of the columns that ``comparison.columns`` calls marks

    def parted(self, condition: pl.Expr) -> tuple[pl.Series, pl.Series]:
        """The realized or delivered profiles for which a condition is true, and the others: Boolean by number.

        The survivors of merges that a receiver is told of are among them, whatever became of them (P11).
        """
        everybody = _EVERYBODY | is_regrouped(self.marks)
        found = self._with_all_columns(self.by_number).select(
            (condition & everybody).alias("true"), (~condition & everybody).alias("false")
        )
        true, false = engine.collect(found, len(self.by_number[0])).get_columns()
        return true, false

    def first_of(self, conditions: Mapping[str, pl.Expr], among: pl.Series) -> tuple[pl.Series, pl.DataFrame]:
        """The profiles ``among`` those by number for which one of the conditions is true, and which is the first.

        The first result is Boolean by number; the second has a row for each of them, in the order of M6: muster:row,
        and the name of the condition as ``reason``.
        """
        places = (pl.when(each).then(pl.lit(place, pl.UInt8)) for place, each in enumerate(conditions.values()))
        found = self._with_all_columns(self.by_number).select(pl.coalesce(*places).alias("place"))
        place = engine.collect(found, len(among))["place"]
        mask = place.is_not_null() & among
        rows = self._rows(mask)
        names = pl.Series(REASON, list(conditions)).gather(place.gather(self.roster.numbers.gather(rows)))
        named = pl.DataFrame([rows.alias(ROW), names])
        return mask, named if int(rows.max() or 0) < self.roster.present else in_order(named, self.roster)  # type: ignore[arg-type]  # row numbers

    def count_delivered(self, mask: pl.Series) -> int:
        """How many profiles of a mask were delivered."""
        sent = (column for column in self.by_number if column.name == TIME_SENT)
        return sum(int((mask & column.is_not_null()).sum()) for column in sent)

    def pick(self, mask: pl.Series) -> pl.DataFrame:
        """The profiles of a mask, one row each, in the order of M6.

        Columns: those that conditions read, rank, and those of ``sent``, null for profiles that were not delivered.
        """
        rows = self._rows(mask)
        numbers = self.roster.numbers.gather(rows)
        found = self._with_all_columns([column.gather(numbers) for column in self.by_number])
        beside = found.with_columns(self.roster.rank_of(rows).alias(RANK), *self._sent_of(rows))
        return engine.collect(beside.sort(RANK), len(rows))

    def times(self, mask: pl.Series) -> pl.DataFrame:
        """Of profiles that the snapshot has: muster:row, last_qualification_time, in the order of M6."""
        rows = self._rows(mask)
        (times,) = (column for column in self.by_number if column.name == TIME)
        return pl.DataFrame([rows.alias(ROW), times.gather(self.roster.numbers.gather(rows))])

    def _rows(self, mask: pl.Series) -> pl.Series:
        """The rows (UInt32), ascending, of the profiles of a mask; it may be older than the newest numbers."""
        numbers, rows = self.roster.numbers_and_rows()
        if int(mask.sum() or 0) * _MANY < len(mask):
            return rows.head(len(mask)).filter(mask).drop_nulls().sort()
        whole = mask if len(mask) == len(rows) else mask.extend_constant(value=False, n=len(rows) - len(mask))
        by_row = whole.gather(numbers)
        return pl.int_range(len(by_row), dtype=ROW_TYPE, eager=True).filter(by_row)  # ten times as fast as arg_true

    def _with_all_columns(self, columns: Sequence[pl.Series]) -> pl.LazyFrame:
        """The columns that conditions read."""
        names = {column.name for column in columns}
        missing = (null for null in _NULLS if null.meta.output_name() not in names)
        return pl.LazyFrame(columns).with_columns(*missing).select(*_COLUMNS, *self.marks)

    def _sent_of(self, rows: pl.Series) -> list[pl.Series]:
        """The columns of ``sent`` for each of these rows."""
        if self.sent.width == 1:
            return []
        positions = inverse(self.sent[ROW], self.roster.length).gather(rows)
        return self.sent.drop(ROW).select(pl.all().gather(positions)).get_columns()


def in_order(frame: pl.DataFrame, roster: Roster) -> pl.DataFrame:
    """A frame with ``muster:row`` in the order of M6."""
    return frame.with_columns(roster.rank_of(frame[ROW]).alias(RANK)).sort(RANK).drop(RANK)


def side_by_side(
    members: Members,
    before: SentBefore,
    roster: Roster,
    marks: Mapping[str, pl.Series] | None = None,
    *,
    compares_identities: bool,
) -> Sides:
    """An audience's memberships beside what was delivered before; ``marks`` are Boolean columns by number, by name."""
    rows, people = roster.rows, before.people
    marks = with_forgotten({PRESENT: roster.present_numbers, **(marks or {})}, roster, len(rows))
    columns = [members.realized.alias(_REALIZED), members.times.alias(TIME)]
    columns += [values.alias(name) for name, values in marks.items()]
    if people is not None:
        columns += [people.times.alias(TIME_SENT), people.digests.alias(DIGEST_SENT)]
        if compares_identities:
            columns.append(roster.digests().alias(DIGEST_NOW))
    by_number = [rows.alias(ROW), *(to_length(each, len(rows)) for each in columns)]
    return Sides(by_number, before.values, roster, tuple(name for name in marks if name != PRESENT))


def with_forgotten(marks: Mapping[str, pl.Series], roster: Roster, length: int) -> dict[str, pl.Series]:
    """The marks, and ``FORGOTTEN`` where somebody is: the snapshot has such people, and hides them (G8)."""
    forgotten, found = roster.forgotten_numbers, dict(marks)
    if forgotten.is_empty():
        return found
    hidden = marked(roster.hidden_numbers, length)
    found |= {name: to_length(found[name], length) | hidden for name in (PRESENT, IN_NEWEST) if name in found}
    return found | {FORGOTTEN: marked(forgotten, length)}
