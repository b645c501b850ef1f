"""The profile snapshot of an instant: its files as one table, its columns, its checks (D1, D2)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from muster.activation.errors import DataError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, PROFILE_ID, ROW_TYPE, column
from muster.activation.inputs.folder_columns import with_folders
from muster.activation.inputs.one_version import read_one_version, refuse_mixed
from muster.activation.inputs.parquet import Part, scan_one
from muster.activation.inputs.paths import Inputs
from muster.activation.inputs.table import Table, table_of
from muster.activation.model.workspace import ProfilesSource, Workspace
from muster.activation.profiles.identities import check_type
from muster.activation.profiles.snapshot_files import SnapshotFiles, newest_files
from muster.activation.values.dtypes import describe
from muster.activation.wording import first_names

_NAMED = 3  # files that a message names; further files are counted


@dataclass(frozen=True)
class Snapshot:
    """One profile snapshot: its files, the schema that they share, and the names of its id and identity columns."""

    name: str
    instant: datetime | None
    table: Table  # its Parquet files
    schema: pl.Schema  # of ``frame()``
    source: ProfilesSource

    @property
    def parts(self) -> tuple[Part, ...]:
        """The Parquet files."""
        return self.table.parts

    @property
    def rows(self) -> int:
        """The number of profiles, from the footers of the files."""
        return self.table.rows

    @property
    def id_is_integer(self) -> bool:
        """Whether ids sort as numbers (M6)."""
        return bool(self.schema[self.source.id].is_integer())

    @property
    def identity_type(self) -> pl.DataType | None:
        """The type of the identity map; None when the column is absent (X3c)."""
        return self.schema.get(self.source.identity_map)

    def frame(self) -> pl.LazyFrame:
        """All columns of the files, ``profile_id`` in the id column's type, and ``__id``: the id as String (D1)."""
        return self.table.frame().with_columns(
            column(self.source.id).alias(PROFILE_ID), column(self.source.id).cast(pl.String).alias(ID)
        )

    def bytes_of(self, expressions: Iterable[pl.Expr]) -> int:
        """An estimate of the bytes in memory of the columns that these expressions read: 16 beside each text."""
        names = {name for each in expressions for name in each.meta.root_names()}
        return sum(part.bytes_of(names) for part in self.parts)

    def id_order(self) -> list[pl.Expr]:
        """Sort keys of ``__id`` (M6): as a number when the snapshot's ids are, else by UTF-8 bytes."""
        return [pl.col(ID).cast(pl.Int128, strict=False), pl.col(ID)] if self.id_is_integer else [pl.col(ID)]

    @property
    def records(self) -> list[dict[str, Any]]:
        """For each file its name, size and footer checksum, which identify it (E8)."""
        return [part.record for part in self.parts]


def profile_snapshot(
    workspace: Workspace, inputs: Inputs, at: datetime, *, allow_empty: bool = False, warn: Callable[[str], None]
) -> tuple[Snapshot, Callable[[], None]]:
    """The newest snapshot dated at or before ``at`` (D2), and a function that refuses it once its files were changed.

    ``DataError`` when no snapshot is, or it is unreadable, mistyped, or without rows (X11); the function raises
    ``DataError`` when files that were read since may be of two versions. ``warn`` is told of entries that are not read.
    """
    warnings: list[str] = []

    def find() -> SnapshotFiles:
        warnings.clear()  # a file that is being written is not yet what it will be
        return newest_files(workspace, inputs, at, warnings.append)

    try:
        found, parts = read_one_version(inputs, find)
    finally:
        for each in tuple(warnings):
            warn(each)
    parts = [with_folders(part, columns) for part, columns in zip(parts, found.columns, strict=True)]
    snapshot = snapshot_of(workspace, parts, found.name, found.instant)
    refuse_empty(snapshot, allowed=allow_empty)
    return snapshot, lambda: refuse_mixed(found, parts, find)


def refuse_empty(snapshot: Snapshot, *, allowed: bool) -> None:
    """``DataError`` for a snapshot without rows, unless it is allowed: an export would remove everybody (X11)."""
    if snapshot.rows == 0 and not allowed:
        raise DataError(
            f"{snapshot.name}: the profile snapshot has no rows, so every member would leave; "
            "pass --allow-empty if that is meant"
        )


def snapshot_of(
    workspace: Workspace, parts: Sequence[Part], name: str = "", instant: datetime | None = None
) -> Snapshot:
    """A snapshot of these files, named like the file, or the folder of several, unless ``name`` is given.

    ``DataError`` when the id column is absent, or the type of the id or of the identity map is none of D1.
    """
    source, table = workspace.profiles, table_of(parts, name)
    schema = dict(table.schema)
    if source.id not in schema:
        raise DataError(
            f"{table.name}: there is no id column {source.id!r} (profiles.id in muster.yml)"
            f"{did_you_mean(source.id, schema)}"
        )
    dtype = schema[source.id]
    if not _names_profiles(dtype):
        part = next(part for part in parts if source.id in part.schema and not _names_profiles(part.schema[source.id]))
        found = describe(part.schema[source.id])
        raise DataError(f"{part.name}: the id column {source.id!r} is {found}; expected text or whole numbers")
    if source.identity_map in schema:
        part = next(part for part in parts if source.identity_map in part.schema)
        check_type(schema[source.identity_map], source.identity_map, part.name)
    schema |= {PROFILE_ID: dtype, ID: pl.String()}
    return Snapshot(name or table.name, instant, table, pl.Schema(schema), source)


def _names_profiles(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or isinstance(dtype, (pl.String, pl.Categorical, pl.Enum))


def ids_in_order(snapshot: Snapshot) -> tuple[pl.Series, pl.Series | None]:
    """The ids (String) in the order of M6, and the position of each in the files (UInt32; None: in this order).

    ``DataError`` when ids are null or repeated (D1): how many, and in which file.
    """
    read = engine.collect(snapshot.frame().select(ID, pl.col(PROFILE_ID).alias("key")))
    nulls = read[ID].null_count()
    if nulls:
        files = _files_with(snapshot, pl.col(ID).is_null())
        count = "1 profile id is" if nulls == 1 else f"{nulls:,} profile ids are"
        raise DataError(f"{files}: {count} null in column {snapshot.source.id!r}; every profile needs one")
    rising = pl.col("key") > pl.col("key").shift(1)
    if read.select(rising.all()).item():
        return read[ID], None
    key = pl.col("key") if snapshot.id_is_integer else pl.col(ID)
    file_positions = read.select(pl.arg_sort_by(key).cast(ROW_TYPE).alias("position"))["position"]
    ids = read[ID].gather(file_positions)
    if (ids == ids.shift(1)).any():
        raise _repeated(snapshot)
    return ids, file_positions


def _repeated(snapshot: Snapshot) -> DataError:
    """The error for repeated ids; the ids themselves are in a note, since they are profile data."""
    repeated = engine.collect(snapshot.frame().group_by(ID).len().filter(pl.col("len") > 1).select(ID).sort(ID))[ID]
    files = _files_with(snapshot, pl.col(ID).is_in(repeated.implode()))
    count = "1 profile id occurs" if len(repeated) == 1 else f"{len(repeated):,} profile ids occur"
    error = DataError(
        f"{files}: {count} more than once in column {snapshot.source.id!r}; "
        "expected one row a profile (-v shows the first three)"
    )
    error.add_note(f"repeated ids: {', '.join(repeated.head(3).to_list())}")
    return error


def _files_with(snapshot: Snapshot, condition: pl.Expr) -> str:
    """The names of the files that have rows for which ``condition`` is true; a file without the id column has."""
    frames = [
        scan_one(part).select(column(snapshot.source.id).cast(pl.String).alias(ID)).select(condition.any())
        if snapshot.source.id in part.schema
        else pl.LazyFrame({ID: [True]})
        for part in snapshot.parts
    ]
    found = engine.collect_all(frames)
    names = [part.name for part, frame in zip(snapshot.parts, found, strict=True) if frame.item()]
    return first_names(names, _NAMED)
