"""The columns that rules, mappings and measures may name, and why some of them cannot be used (D5, D6, X1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from muster.activation.errors import did_you_mean


@dataclass(frozen=True)
class Columns:
    """The columns of input files: the types of those that can be used, and the reasons why the others cannot.

    A reason is a sentence for a message that whoever uses the column fails with; nobody else hears of it.
    """

    types: Mapping[str, pl.DataType]
    unusable: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.types or name in self.unusable

    @property
    def names(self) -> Iterable[str]:
        """The names of all columns."""
        return (*self.types, *self.unusable)

    def beside(self, types: Mapping[str, pl.DataType]) -> "Columns":
        """These columns and further ones, which can be used."""
        return Columns({**self.types, **types}, self.unusable)

    def reasons(self, names: Iterable[str]) -> str:
        """Why the columns among ``names`` that cannot be used cannot; empty where all can."""
        return "; ".join(self.unusable[name] for name in names if name in self.unusable)

    def nearest(self, name: str) -> str:
        """A hint at names like that of a column that does not exist, or nothing."""
        return did_you_mean(name, self.names)
