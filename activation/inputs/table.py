"""Parquet files read as one table (D5): one lazy frame, with a type for each column that holds the values of all files.

A column without such a type cannot be used; that stops only what uses the column (X1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import polars as pl

from muster.activation.frames.columns import column
from muster.activation.inputs.column_types import settle
from muster.activation.inputs.parquet import Part, scan_one, total_rows
from muster.activation.model.log import logger
from muster.activation.values.known_columns import Columns
from muster.activation.values.widening import convert

log = logger("muster.inputs")


@dataclass(frozen=True, eq=False)
class Table:
    """Files that are one table: the columns of all of them, with types wide enough for each (D5)."""

    parts: tuple[Part, ...]
    schema: pl.Schema  # of ``frame``
    unusable: Mapping[str, str] = field(default_factory=dict)  # by column: why nobody can use it, with file and types

    @property
    def columns(self) -> Columns:
        """The columns that can be used, and why the others cannot."""
        return Columns(self.schema, self.unusable)

    @property
    def rows(self) -> int:
        """The number of rows, from the footers of the files."""
        return total_rows(self.parts)

    def frame(self) -> pl.LazyFrame:
        """All files as one lazy frame; a column that a file lacks is null there."""
        groups = (list(group) for _, group in groupby(self.parts, key=lambda part: part.schema))
        frames = [_scan(group).select(_conform(group[0].schema, self.schema)) for group in groups]
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical")


def table_of(parts: Sequence[Part]) -> Table:
    """The table of these files (D5); ``DataError`` when a file proves to be damaged."""
    types, unusable = settle(parts)
    for reason in unusable.values():
        log.info("%s", reason)
    return Table(tuple(parts), pl.Schema(types), unusable)


def _scan(parts: Sequence[Part]) -> pl.LazyFrame:
    """Files of one schema as one frame."""
    if len(parts) == 1:
        return scan_one(parts[0])
    return pl.scan_parquet([part.path for part in parts], glob=False, hive_partitioning=False)


def _conform(schema: pl.Schema, target: pl.Schema) -> list[pl.Expr]:
    return [
        convert(column(name), schema[name], dtype).alias(name)
        if name in schema
        else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in target.items()
    ]
