"""Members and delivered rows side by side, by profile number: what decides whom a run of messages tells (V3)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from muster.activation.comparison.columns import PRESENT, RANK
from muster.activation.frames import engine
from muster.activation.frames.columns import ROW, ROW_TYPE, TIME_TYPE
from muster.activation.profile_changes.columns import (
    HAS_ROW,
    HELD_DIFFERS,
    IDS_NOW,
    IS_REGROUPED,
    KEPT_DIFFERS,
    VALUES_NOW,
    has_left,
    member,
    since,
)
from muster.activation.profile_changes.delivered_rows import (
    MAPPING,
    OWED,
    REFUSED_OFFER,
    TRIES,
    maybe_status,
    maybe_time,
)
from muster.activation.profile_changes.people import IDS_DIGEST, PENDING_SINCE, VALUES_DIGEST, status, time
from muster.activation.profiles.members import Members
from muster.activation.profiles.positions import by_number, to_length
from muster.activation.profiles.roster import Roster
from muster.activation.values.identities import DIGEST_TYPE

_OF_ROWS = {
    HAS_ROW: pl.Boolean(),
    IDS_DIGEST: DIGEST_TYPE(),
    VALUES_DIGEST: DIGEST_TYPE(),
    MAPPING: DIGEST_TYPE(),
    OWED: pl.String(),
    TRIES: pl.UInt16(),
    REFUSED_OFFER: DIGEST_TYPE(),
    PENDING_SINCE: TIME_TYPE,
}
_OF_PROFILES = {
    PRESENT: pl.Boolean(),
    IDS_NOW: DIGEST_TYPE(),
    VALUES_NOW: DIGEST_TYPE(),
    IS_REGROUPED: pl.Boolean(),
    HELD_DIFFERS: pl.Boolean(),
    KEPT_DIFFERS: pl.Boolean(),
}


def _of_place(place: int) -> dict[str, pl.DataType]:
    return {
        member(place): pl.Boolean(),
        has_left(place): pl.Boolean(),
        since(place): TIME_TYPE,
        status(place): pl.Boolean(),
        time(place): TIME_TYPE,
        maybe_status(place): pl.Boolean(),
        maybe_time(place): TIME_TYPE,
    }


@dataclass(frozen=True, eq=False)
class Sides:
    """Every numbered profile: memberships in the told audiences, and what rows have of it.

    ``columns`` are as long as the numbering, by name; one that is missing is null for everybody. Besides those of
    ``profile_changes.columns`` and of rows there are muster:row (null for a blanked number), and the marks of
    ``comparison.columns``.
    """

    columns: Mapping[str, pl.Series]
    roster: Roster
    places: int  # of told audiences
    marks: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """The number of profiles."""
        return len(self.columns[ROW])

    def frame(self) -> pl.LazyFrame:
        """All columns, by number."""
        return self._whole(self.columns.values())

    def pick(self, mask: pl.Series) -> pl.DataFrame:
        """The profiles of a mask, in the order of M6, with ``rank`` and all columns."""
        found = next(self.picked(mask, max(1, len(mask))), None)
        nobody = self.frame().clear().with_columns(pl.lit(None, pl.UInt64).alias(RANK))
        return engine.collect(nobody if found is None else found, len(mask))

    def picked(self, mask: pl.Series, size: int) -> Iterator[pl.LazyFrame]:
        """The profiles of a mask as ``pick`` has them, so many at a time."""
        numbers = (mask & self.columns[ROW].is_not_null()).arg_true().cast(ROW_TYPE)
        ranks = self.roster.rank_of(self.columns[ROW].gather(numbers)).alias(RANK)
        ordered = pl.DataFrame([numbers.alias(ROW), ranks]).sort(RANK)
        for part in ordered.iter_slices(size):
            found = self._whole([each.gather(part[ROW]) for each in self.columns.values()])
            yield found.with_columns(part[RANK])

    def _whole(self, columns: Iterable[pl.Series]) -> pl.LazyFrame:
        found = [*columns]
        names = {each.name for each in found}
        types = {**_OF_PROFILES, **_OF_ROWS}
        for place in range(self.places):
            types |= _of_place(place)
        nulls = (pl.lit(None, dtype).alias(name) for name, dtype in types.items() if name not in names)
        return pl.LazyFrame(found).with_columns(*nulls)


def of_members(members: Members, place: int, roster: Roster) -> dict[str, pl.Series]:
    """The columns of an audience's memberships, by number."""
    length = roster.numbering.length
    realized, times = to_length(members.realized, length), to_length(members.times, length)
    found = pl.DataFrame([realized.alias("realized"), times.alias("times")])
    named = found.select(
        pl.col("realized").fill_null(value=False).alias(member(place)),
        (~pl.col("realized")).fill_null(value=False).alias(has_left(place)),
        pl.col("times").alias(since(place)),
    )
    return named.to_dict()


def of_rows(rows: pl.DataFrame, roster: Roster) -> dict[str, pl.Series]:
    """The columns of rows (a frame with muster:row), by number; those without any value are left out."""
    numbers, length = roster.numbers.gather(rows[ROW]), roster.numbering.length
    there = pl.Series(HAS_ROW, [True]).new_from_index(0, rows.height)
    columns = [there, *(each for each in rows.drop(ROW).get_columns() if each.null_count() < len(each))]
    return {each.name: by_number(each, numbers, length).alias(each.name) for each in columns}


def lengthened(columns: Mapping[str, pl.Series], roster: Roster) -> dict[str, pl.Series]:
    """Columns by number as long as the numbering by now, with muster:row."""
    rows = roster.rows
    return {ROW: rows.alias(ROW)} | {name: to_length(each, len(rows)).alias(name) for name, each in columns.items()}


def masked(columns: Iterable[pl.Series], length: int) -> pl.Series:
    """Whether any of these Booleans is true, by number; false for all where there is none."""
    found = pl.Series([False]).new_from_index(0, length)
    for each in columns:
        found |= each.fill_null(value=False)
    return found
