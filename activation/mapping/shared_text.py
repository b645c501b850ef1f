"""The text of all profiles of a snapshot, made once, from which each file takes the rows that it needs (M7)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import polars as pl

from muster.activation.frames.spooled import Spooled

TEXT = "text"


class Texts(Protocol):
    """The texts of the profiles of a snapshot, by row of the roster, in memory or elsewhere."""

    @property
    def height(self) -> int:
        """The number of profiles."""

    @property
    def one_line(self) -> bool:
        """Whether no text has a line feed."""

    def of(self, rows: pl.Series) -> pl.DataFrame:
        """``text`` (String, never null) and Boolean flags of row numbers (UInt32) below ``height``, in their order."""


@dataclass(frozen=True, eq=False)
class TextsInMemory:
    """Texts that are kept in memory: a frame with one row a profile."""

    frame: pl.DataFrame

    @property
    def height(self) -> int:
        """The number of profiles."""
        return self.frame.height

    @cached_property
    def one_line(self) -> bool:
        """Whether no text has a line feed."""
        return _is_one_line(self.frame)

    def of(self, rows: pl.Series) -> pl.DataFrame:
        """The texts and flags of row numbers."""
        return pl.DataFrame([each.gather(rows) for each in self.frame])


@dataclass(frozen=True, eq=False)
class TextsOnDisk:
    """Texts that are kept in a file without a name."""

    spooled: Spooled

    @property
    def height(self) -> int:
        """The number of profiles."""
        return self.spooled.height

    @cached_property
    def one_line(self) -> bool:
        """Whether no text has a line feed."""
        return all(_is_one_line(part) for part in self.spooled.in_parts())

    def of(self, rows: pl.Series) -> pl.DataFrame:
        """The texts and flags of row numbers."""
        return self.spooled.of(rows)


@dataclass(frozen=True)
class SharedText:
    """A text of each profile, and texts made alone for profiles that are absent from the snapshot."""

    texts: Texts
    made_alone: Callable[[pl.Series], pl.Series]  # row numbers in, texts out

    def of(self, rows: pl.Series) -> pl.DataFrame:
        """``text`` and flags for row numbers (UInt32), in their order; flags of absent profiles are null."""
        if self._are_present(rows):
            return self.texts.of(rows)
        absent = rows >= self.texts.height
        alone = self.made_alone(rows.filter(absent)).alias(TEXT).to_frame()
        both = pl.concat([self.texts.of(rows.filter(~absent)), alone], how="diagonal")
        places = pl.concat([(~absent).arg_true(), absent.arg_true()])
        return both[places.arg_sort()]

    def is_one_line(self, rows: pl.Series) -> bool:
        """Whether no text of these rows can have a line feed; False where a profile is absent, whose text may."""
        return self._are_present(rows) and self.texts.one_line

    def _are_present(self, rows: pl.Series) -> bool:
        return rows.is_empty() or int(rows.max()) < self.texts.height  # type: ignore[arg-type]  # numbers


def _is_one_line(frame: pl.DataFrame) -> bool:
    """Whether no ``text`` of a frame has a line feed."""
    return not frame[TEXT].str.contains("\n", literal=True).any()
