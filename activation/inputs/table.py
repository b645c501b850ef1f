"""Parquet files read as one table (D5): one lazy frame, with a type for each column that holds the values of all files.

A column without such a type cannot be used; that stops only what uses the column (X1).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile

import polars as pl

from muster.activation.frames.columns import column
from muster.activation.inputs.column_types import settle
from muster.activation.inputs.folder_columns import file_name_column, folder_values
from muster.activation.inputs.parquet import Part, scan_alike, scan_one, total_rows
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
    held_by: str = ""  # the path or glob of the files, where it is known

    @property
    def columns(self) -> Columns:
        """The columns that can be used, and why the others cannot."""
        return Columns(self.schema, self.unusable)

    @property
    def rows(self) -> int:
        """The number of rows, from the footers of the files."""
        return total_rows(self.parts)

    @property
    def name(self) -> str:
        """The name of all files together, for messages."""
        return name_of(self.parts, self.held_by)

    def told(self, problem: object) -> str:
        """A problem, with the files named once: a column that cannot be used is told with the file already (D6)."""
        text = str(problem)
        return text if text.startswith(tuple(f"{part.name}: " for part in self.parts)) else f"{self.name}: {text}"

    def may_have_values(self, name: str) -> bool:
        """Whether a file may have a value in a column, for all that the footers say."""
        return any(part.rows and name in part.schema and name not in part.without_values for part in self.parts)

    def frame(self) -> pl.LazyFrame:
        """All files as one lazy frame; a column that a file lacks is null there."""
        parts = (part for part in self.parts if part.rows)  # others may have none of the columns
        groups = (list(group) for _, group in groupby(parts, key=lambda part: (part.schema, [*part.folders])))
        frames = [_scan(group).select(_conform(group[0].schema, self.schema)) for group in groups]
        if len(frames) == 1:
            return frames[0]
        return pl.concat(frames, how="vertical") if frames else pl.LazyFrame(schema=self.schema)


def table_of(parts: Sequence[Part], held_by: str = "") -> Table:
    """The table of these files (D5); ``held_by`` is their path or glob, for messages.

    ``DataError`` when a file proves to be damaged.
    """
    types, unusable = settle(parts)
    for reason in unusable.values():
        log.info("%s", reason)
    for warning in _in_other_case([*types, *unusable], parts):
        log.warning("%s", warning)
    return Table(tuple(parts), pl.Schema(types), unusable, held_by)


def _in_other_case(names: Iterable[str], parts: Sequence[Part]) -> Iterator[str]:
    """A warning for each column that some files have in another case, so that both names are null in half the rows."""
    for found in groupby(sorted(names, key=str.casefold), key=str.casefold):
        alike = list(found[1])
        holders = [next((part for part in parts if name in part.schema and part.rows), None) for name in alike]
        held = {part.name: name for name, part in zip(alike, holders, strict=True) if part}
        if len(held) > 1 and not any(len({*alike} & {*part.schema}) > 1 for part in parts):
            (first, one), (second, other) = list(held.items())[:2]
            yield (
                f"{first}: column {one!r} is {other!r} in {second}; upper and lower case are two columns, each null "
                "where the other stands: give it one name"
            )


def _scan(parts: Sequence[Part]) -> pl.LazyFrame:
    """Files of one schema as one frame."""
    if len(parts) == 1:
        return scan_one(parts[0])
    paths = file_name_column(parts)
    frame = scan_alike(parts, paths)
    return frame.with_columns(folder_values(parts, paths)) if paths else frame


def _conform(schema: pl.Schema, target: pl.Schema) -> list[pl.Expr]:
    return [
        convert(column(name), schema[name], dtype).alias(name)
        if name in schema
        else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in target.items()
    ]


def name_of(parts: Sequence[Part], held_by: str = "") -> str:
    """The file's name; of several files the path or glob that holds them, else the common folder, and the number."""
    if len(parts) == 1:
        return parts[0].name
    return f"{held_by or _common_folder([part.name for part in parts])} ({len(parts):,} files)"


def _common_folder(names: Sequence[str]) -> str:
    low, high = (name.split("/") for name in (min(names), max(names)))
    same = (one for one, other in takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))
    return "/".join(same) or "."
