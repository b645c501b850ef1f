"""Lost values: those that a profile has, and of which transforms leave nothing, such as an invalid phone number (M2).

A column that can lose values is *watched*: the snapshot's values are read with a marker beside them, which says whether
the profile has one. Counts are of realized rows, made of the values that are read for the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.mapping.columns import Field
from muster.activation.values.transforms import Loss, columns_read


def flag_beside(field: Field, name: str, flag: pl.Expr) -> Field:
    """A field of Boolean values beside those of ``field``: ``flag`` reads the columns of the snapshot as that does."""
    variant = f"{field.variant}\n{field.column.fingerprint}\n{name}"
    return replace(field, column=field.column.untransformed, expr=flag, dtype=pl.Boolean(), variant=variant, losses=())


@dataclass(frozen=True)
class Watched:
    """One column of which transforms may leave nothing."""

    field: Field

    @property
    def target(self) -> str:
        """The column's target, with its occurrence where a header is repeated (M1)."""
        return self.field.column.name

    @property
    def marker(self) -> Field:
        """The field of Boolean values that says which profiles have a value in the column's source."""
        text = pl.lit(None, pl.String) if self.field.text is None else self.field.text
        return flag_beside(self.field, "there", (text.str.strip_chars() != "").fill_null(value=False))

    @property
    def flags(self) -> dict[str, pl.Expr]:
        """Two Boolean columns by name, over the value columns of field and marker: has a value, and has lost it."""
        there, value = pl.col(self.marker.value_column), pl.col(self.field.value_column)
        nothing = value.is_null() | (value == "")
        return {self._there: there, self._lost: there & nothing}

    def counted_in(self, flags: pl.DataFrame) -> "Count":
        """The count of a frame with the sums of both flags."""
        return Count(int(flags[self._there].sum()), int(flags[self._lost].sum()))

    @property
    def _there(self) -> str:
        return f"{self.field.value_column}\nthere"

    @property
    def _lost(self) -> str:
        return f"{self.field.value_column}\nlost"


@dataclass(frozen=True)
class Count:
    """How many profiles have a value in a column's source, and for how many of them nothing is written."""

    there: int = 0
    lost: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.there + other.there, self.lost + other.lost)


class LostValues:
    """The counts of the watched columns of a run, collected while its files are written."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[Watched, Count]] = {}  # by target

    def add(self, watched: Iterable[Watched], flags: pl.DataFrame) -> None:
        """Add the counts of rows, or of their sums: ``flags`` has the flags of all these columns."""
        for each in watched:
            _, before = self._counts.get(each.target, (each, Count()))
            self._counts[each.target] = each, before + each.counted_in(flags)

    def told(self, looked_at: str = "") -> Iterator[str]:
        """A sentence for each column that lost values; ``looked_at`` says of which profiles, if not of all."""
        for watched, count in self._counts.values():
            if count.lost:
                yield lost_sentence(watched, count, looked_at)


def lost_sentence(watched: Watched, count: Count, looked_at: str) -> str:
    """The sentence about a column that lost values; ``looked_at`` says of which profiles, if not of all."""
    numbers = f"{count.lost:,} of {count.there:,}{looked_at}"
    return f"column {watched.target!r}: lost values: {numbers}, by {_steps(watched.field.losses)}"


def _steps(losses: Sequence[Loss]) -> str:
    steps = " and ".join(f"{loss.step} ({loss.reason})" for loss in losses)
    if any(loss.step == "e164" for loss in losses):
        region = "such as e164(US) or e164(column); with a preset, write region: US"
        return f"{steps}; numbers without a country code need a region, {region}"
    if columns := columns_read([loss.step for loss in losses]):
        read = f"are read in the region that {columns[0]!r} has, in two or three letters such as US or USA"
        return f"{steps}; numbers without a country code {read}"
    return steps
