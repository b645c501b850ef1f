"""Memberships and delivered people by profile number: columns as long as the numbering, compared without a join."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, REALIZED, ROW, STATUS, STATUS_TYPE, TIME
from muster.activation.model.history import StoredFile
from muster.activation.profiles.positions import by_number, nulls, to_length
from muster.activation.profiles.roster import Roster
from muster.activation.state.files import State


@dataclass(frozen=True, eq=False)
class Members:
    """The memberships of one audience by profile number."""

    realized: pl.Series  # Boolean: False is exited, null was never a member
    times: pl.Series  # Datetime(us, UTC): last_qualification_time, null where ``realized`` is

    @classmethod
    def read(cls, roster: Roster, state: State, stored: StoredFile) -> "Members":
        """The memberships in an evaluation's file; ``StateError`` when it is damaged."""
        if not roster.has_numbers_of(state, stored):
            return cls.of_rows(roster.read(state, stored, pl.col(STATUS).cast(STATUS_TYPE), pl.col(TIME)), roster)
        frame = state.read_by_number(stored)
        realized, times = frame.get_columns()
        blanks = roster.numbering.blanks_below(len(realized))
        if realized.gather(blanks).null_count() < len(blanks):  # usually the file has nothing there
            is_somebody = roster.numbering.ids.is_not_null().head(len(realized))
            realized, times = (
                each.zip_with(is_somebody, nulls(each.dtype, len(each), each.name)) for each in (realized, times)
            )
        length = roster.numbering.length
        return cls(to_length(realized, length), to_length(times, length))

    @classmethod
    def of_rows(cls, frame: pl.DataFrame, roster: Roster) -> "Members":
        """Memberships that are rows of a roster: muster:row, status, last_qualification_time, each profile once."""
        numbers, length = roster.numbers.gather(frame[ROW]), roster.numbering.length
        return cls(by_number(frame[STATUS] == REALIZED, numbers, length), by_number(frame[TIME], numbers, length))

    @cached_property
    def is_realized(self) -> pl.Series:
        """Whether each number is a member (Boolean, never null)."""
        return self.realized.fill_null(value=False)

    def by_row(self, roster: Roster) -> pl.DataFrame:
        """The memberships as rows of a roster, in their order: muster:row, status, last_qualification_time."""
        found = pl.LazyFrame([self.realized.alias(STATUS), self.times.alias(TIME), roster.rows.alias(ROW)])
        status = pl.when(STATUS).then(pl.lit(REALIZED)).otherwise(pl.lit(EXITED)).cast(STATUS_TYPE).alias(STATUS)
        known = found.filter(pl.col(STATUS).is_not_null() & pl.col(ROW).is_not_null())
        return engine.collect(known.select(ROW, status, TIME).sort(ROW))


@dataclass(frozen=True, eq=False)
class DeliveredPeople:
    """The profiles of a delivered set by number."""

    times: pl.Series  # Datetime(us, UTC): last_qualification_time; null for a profile that was not delivered
    digests: pl.Series  # UInt64: of the identity map (X3c); null where it is not known
