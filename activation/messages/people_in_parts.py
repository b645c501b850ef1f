"""The people to send with their values, some thousands at a time, so that memory stays flat however many they are.

A part has the columns of ``profile_changes.people``, and:

person             UInt32: the position among all people to send
muster:id          String: the profile id
the value columns  of the fields asked for (``Field.value_column``): null for withdrawals
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames.columns import ID, PROFILE_ID, ROW
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.messages.requests import PERSON
from muster.activation.profile_changes.people import IS_WITHDRAWAL, ToldAudience
from muster.activation.profiles.members import Members

PART = 1 << 14  # people


class Tellable(Protocol):
    """What messages are made of: ``Changes``, or what is known of it later."""

    @property
    def people(self) -> pl.DataFrame:
        """The people to send, in the order of M6."""

    @property
    def told(self) -> tuple[ToldAudience, ...]:
        """The told audiences, by place."""

    @property
    def layout(self) -> Layout:
        """The mapping, bound to the snapshot."""

    @property
    def values(self) -> ProfileValues:
        """The values of the snapshot."""

    @property
    def unmapped(self) -> tuple[str, ...]:
        """Other audiences of the merge policy that messages may tell, by id (V5)."""

    @property
    def members(self) -> Callable[[str], Members]:
        """Read the members of an audience."""


def people_in_parts(
    people: pl.DataFrame, values: ProfileValues, fields: Sequence[Field], size: int = PART
) -> Iterator[pl.DataFrame]:
    """The people, who have a column ``person``, with the values of fields, at most ``size`` at a time, in their order.

    ``ExportError`` when the snapshot was replaced meanwhile.
    """
    known = people.filter(~pl.col(IS_WITHDRAWAL))
    found = values.in_parts(known.select(PERSON, ROW), fields, size) if fields else iter(())
    read = _Reader(found)
    names = list(dict.fromkeys(field.value_column for field in fields))
    for part in people.iter_slices(size):
        beside = part.with_columns(pl.col(PROFILE_ID).alias(ID))
        if not fields:
            yield beside
            continue
        told = part.height - int(part[IS_WITHDRAWAL].sum())
        own = read.next(told)
        if own is None:
            yield beside.with_columns(pl.lit(None, field.dtype).alias(field.value_column) for field in fields)
            continue
        yield beside.join(own.select(PERSON, *names), on=PERSON, how="left", maintain_order="left")


class _Reader:
    """Rows that come in frames of any height, as many at a time as are asked for."""

    def __init__(self, frames: Iterator[pl.DataFrame]) -> None:
        self._frames = frames
        self._left: pl.DataFrame | None = None

    def next(self, rows: int) -> pl.DataFrame | None:
        """The next rows; None when none are asked for. ``ExportError`` when there are fewer."""
        if not rows:
            return None
        found = [self._left] if self._left is not None else []
        height = sum(each.height for each in found)
        while height < rows:
            frame = next(self._frames, None)
            if frame is None:
                raise ExportError("the profile snapshot was replaced while messages were made of it; run again")
            found.append(frame)
            height += frame.height
        whole = pl.concat(found) if len(found) > 1 else found[0]
        self._left = whole.slice(rows)
        return whole.head(rows)
