"""The text of all profiles of a snapshot, made once, from which each file takes the rows that it needs (M7)."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from muster.activation.profiles.positions import gathered

TEXT = "text"


@dataclass(frozen=True)
class SharedText:
    """A text of each profile, and texts made alone for profiles that are absent from the snapshot."""

    frame: pl.DataFrame  # ``text`` (String, never null) and Boolean flags: one row a profile, by row number
    made_alone: Callable[[pl.Series], pl.Series]  # row numbers in, texts out
    one_line: bool  # whether no text of ``frame`` has a line feed

    @classmethod
    def over(cls, frame: pl.DataFrame, made_alone: Callable[[pl.Series], pl.Series]) -> "SharedText":
        """The shared text of a frame, which is searched for line feeds once."""
        return cls(frame, made_alone, one_line=not frame[TEXT].str.contains("\n", literal=True).any())

    def of(self, rows: pl.Series) -> pl.DataFrame:
        """The columns of ``frame`` for row numbers (UInt32), in their order; flags of absent profiles are null."""
        if self._are_present(rows):
            return pl.DataFrame([each.gather(rows) for each in self.frame])
        present = self.frame.height
        found = pl.DataFrame([gathered(each, rows, present) for each in self.frame])
        absent = rows >= present
        texts = self.made_alone(rows.filter(absent))
        return found.with_columns(found[TEXT].scatter(absent.arg_true(), texts).alias(TEXT))

    def is_one_line(self, rows: pl.Series) -> bool:
        """Whether no text of these rows can have a line feed; False where a profile is absent, whose text may."""
        return self.one_line and self._are_present(rows)

    def _are_present(self, rows: pl.Series) -> bool:
        return rows.is_empty() or int(rows.max()) < self.frame.height  # type: ignore[arg-type]  # numbers
