"""The audiences of the merge policy that an activation does not map: who is a member of them, and since when (V5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.frames.columns import ROW, TIME_TYPE
from muster.activation.profiles.members import Members
from muster.activation.profiles.positions import nulls
from muster.activation.profiles.roster import Roster

_MANY = 1 << 16  # different times, from which they are kept as they are


def unmapped_time(place: int) -> str:
    """The column with the time since which a person is a member of the unmapped audience at a place; null for none."""
    return f"unmapped:{place}"


@dataclass(frozen=True, eq=False)
class _Times:
    """The qualification times of an audience's members by profile number, in two bytes each where they are few."""

    codes: pl.Series  # UInt16: places in ``times``, or the times themselves; null for others
    times: pl.Series | None

    @classmethod
    def of(cls, members: Members) -> "_Times":
        """Keep of memberships what messages need."""
        known = members.times.filter(members.is_realized).unique().sort()
        if len(known) >= _MANY:
            return cls(members.times.zip_with(members.is_realized, nulls(TIME_TYPE, len(members.times))), None)
        places = known.to_physical().search_sorted(members.times.to_physical().fill_null(0)).cast(pl.UInt16)
        return cls(places.zip_with(members.is_realized, nulls(pl.UInt16(), len(places))), known)

    def at(self, numbers: pl.Series) -> pl.Series:
        """The times of profiles; null for those who are no members."""
        known = pl.DataFrame({ROW: numbers}).select(pl.when(pl.col(ROW) < len(self.codes)).then(ROW))[ROW]
        found = self.codes.gather(known)
        return found if self.times is None else self.times.gather(found)


class Unmapped:
    """The unmapped audiences of an activation."""

    def __init__(self, audiences: Sequence[str], members: Callable[[str], Members], roster: Roster) -> None:
        self._times = [_Times.of(members(audience)) for audience in audiences]
        self._roster = roster

    def beside(self, people: pl.DataFrame, is_told: pl.Series) -> pl.DataFrame:
        """The people with a time of each unmapped audience; null where ``is_told`` is False."""
        if not self._times:
            return people
        numbers = self._roster.numbers.gather(people[ROW])
        nobody = nulls(TIME_TYPE, people.height)
        found = (times.at(numbers).zip_with(is_told, nobody) for times in self._times)
        return people.with_columns(each.alias(unmapped_time(place)) for place, each in enumerate(found))
