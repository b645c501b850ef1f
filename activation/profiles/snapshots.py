"""The profile snapshot of an instant: its files as one table, its columns, its checks (D1, D2)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from muster.activation.errors import DataError
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, PROFILE_ID, ROW_TYPE, column
from muster.activation.inputs.folder_columns import with_folders
from muster.activation.inputs.one_version import read_one_version, refuse_mixed
from muster.activation.inputs.parquet import Part, scan_one
from muster.activation.inputs.paths import Inputs
from muster.activation.inputs.snapshot_files import Setting, SnapshotFiles, newest_files
from muster.activation.inputs.table import Table, table_of
from muster.activation.inputs.table_columns import (
    fractions_error,
    has_fraction,
    id_text,
    id_value_type,
    in_other_case,
    like_named,
    refuse_no_id_type,
    required_type,
)
from muster.activation.model.workspace import ProfilesSource, Workspace
from muster.activation.values.identities import check_type
from muster.activation.values.known_columns import Columns
from muster.activation.wording import first_names

_FRACTION = pl.col("fraction")  # Boolean: an id is no whole number
_NAMED = 3  # files that a message names; further files are counted


@dataclass(frozen=True)
class Snapshot:
    """One profile snapshot: its files, the schema that they share, and the names of its id and identity columns."""

    name: str
    instant: datetime | None
    table: Table  # its Parquet files
    schema: pl.Schema  # of ``frame()``
    source: ProfilesSource
    without: pl.Series | None = field(default=None, compare=False)  # String: ids of forgotten profiles that it hides
    without_key: str = ""  # equal for two snapshots of the same files that hide the same profiles

    def without_profiles(self, ids: pl.Series, key: str) -> "Snapshot":
        """The snapshot as if it had no profile with one of these ids (String): forgotten people (G8)."""
        return replace(self, without=ids, without_key=key)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The Parquet files."""
        return self.table.parts

    @property
    def rows(self) -> int:
        """The number of profiles, from the footers of the files."""
        return self.table.rows

    @cached_property
    def columns(self) -> Columns:
        """The columns that mappings and expressions may name, and why others cannot be used; ``profile_id`` is one."""
        types = {name: dtype for name, dtype in self.schema.items() if name != ID}
        return Columns(types, {name: reason for name, reason in self.table.unusable.items() if name not in types})

    @property
    def reason_against_identities(self) -> str:
        """Why the identity map cannot be used; empty if it can, or is absent."""
        return self.table.unusable.get(self.source.identity_map, "")

    @property
    def identity_map_hint(self) -> str:
        """A hint at a column with a name like that of the identity map, which is absent; or nothing."""
        return like_named(self.source.identity_map, self.table.columns.names, "profiles.identity_map")

    @property
    def id_is_integer(self) -> bool:
        """Whether ids sort as numbers (M6)."""
        return bool(self.schema[PROFILE_ID].is_numeric())

    @property
    def identity_type(self) -> pl.DataType | None:
        """The type of the identity map; None when the column is absent (X3c)."""
        return self.schema.get(self.source.identity_map)

    def frame(self) -> pl.LazyFrame:
        """All columns of the files, ``profile_id``, and ``muster:id``: the id as String (D1)."""
        frame = self.frame_of_all()
        return frame if self.without is None else frame.filter(~pl.col(ID).is_in(self.without.implode()))

    def frame_of_all(self) -> pl.LazyFrame:
        """``frame()`` with the profiles that the snapshot hides."""
        return self.table.frame().with_columns(self.id_values.alias(PROFILE_ID), self.id_texts.alias(ID))

    @property
    def id_values(self) -> pl.Expr:
        """``profile_id``, over the frame of ``table``."""
        return column(self.source.id).cast(self.schema[PROFILE_ID])

    @property
    def id_texts(self) -> pl.Expr:
        """``muster:id``, over the frame of ``table``."""
        return id_text(column(self.source.id), self.table.schema[self.source.id])

    def bytes_of(self, expressions: Iterable[pl.Expr]) -> int:
        """An estimate of the bytes in memory of the columns that these expressions read: 16 beside each text."""
        names = {name for each in expressions for name in each.meta.root_names()}
        return sum(part.bytes_of(names) for part in self.parts)

    def id_order(self) -> list[pl.Expr]:
        """Sort keys of ``muster:id`` (M6): as a number when the snapshot's ids are, else by UTF-8 bytes."""
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
    ``DataError`` when files that were read since may be of two versions. ``warn`` is told of entries that are not read,
    and of an identity map that is not.
    """
    warnings: list[str] = []

    def find() -> SnapshotFiles:
        warnings.clear()  # a file that is being written is not yet what it will be
        setting = Setting(workspace.profiles.path, "profiles")
        return newest_files(inputs, setting, workspace.zone, at, warnings.append)

    try:
        found, parts = read_one_version(inputs, find)
    finally:
        for each in tuple(warnings):
            warn(each)
    parts = [with_folders(part, columns) for part, columns in zip(parts, found.columns, strict=True)]
    snapshot = snapshot_of(workspace, parts, found.name, found.instant)
    if warning := _identity_warning(snapshot):
        warn(warning)
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
    dtype = required_type(table, source.id, "profiles.id", "id column")
    if dtype == pl.Null and table.rows == 0:
        dtype = pl.String()
    else:
        refuse_no_id_type(table, source.id, "the id column")
    if source.identity_map in table.schema:
        part = next(part for part in parts if source.identity_map in part.schema)
        check_type(table.schema[source.identity_map], source.identity_map, part.name)
    schema = pl.Schema({**table.schema, PROFILE_ID: id_value_type(dtype), ID: pl.String()})
    return Snapshot(name or table.name, instant, table, schema, source)


def _identity_warning(snapshot: Snapshot) -> str:
    """A warning about an identity map that is there and cannot be used, or has its name in other letters."""
    name = snapshot.source.identity_map
    if reason := snapshot.reason_against_identities:
        return f"{reason}; as long as it cannot be used, no profile has an identity"
    if in_other_case(name, snapshot.table.columns.names):
        return (
            f"{snapshot.name}: there is no identity map {name!r}, so no profile has an identity"
            f"{snapshot.identity_map_hint}"
        )
    return ""


def ids_in_order(snapshot: Snapshot) -> tuple[pl.Series, pl.Series | None]:
    """The ids (String) in the order of M6, and the position of each in the files (UInt32; None: in this order).

    ``DataError`` when ids are null, empty, repeated or no whole numbers (D1): how many, and in which file.
    """
    fraction = has_fraction(column(snapshot.source.id), snapshot.table.schema[snapshot.source.id])
    fractions = [] if fraction is None else [fraction.alias("fraction")]
    numbers = [snapshot.id_values.alias("key")] if snapshot.id_is_integer else []
    columns = snapshot.id_texts.alias(ID), *numbers, *fractions
    read = engine.collect(snapshot.table.frame().select(columns))
    _refuse_no_ids(snapshot, read[ID])
    if fractions and (count := int(read["fraction"].sum())):
        raise fractions_error(_files_with(snapshot, _FRACTION), snapshot.source.id, count)
    if snapshot.without is not None:
        read = read.filter(~read[ID].is_in(snapshot.without.implode()))
    key = pl.col("key") if snapshot.id_is_integer else pl.col(ID)
    if read.select((key > key.shift(1)).all()).item():
        return read[ID].rechunk(), None
    file_positions = read.select(pl.arg_sort_by(key).cast(ROW_TYPE).alias("position"))["position"]
    ids = read[ID].gather(file_positions)
    if (ids == ids.shift(1)).any():
        raise _repeated(snapshot)
    return ids.rechunk(), file_positions


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


def _refuse_no_ids(snapshot: Snapshot, ids: pl.Series) -> None:
    """``DataError`` when ids are null or empty text."""
    nulls, empty = ids.null_count(), 0 if snapshot.id_is_integer else int((ids == "").sum())
    if not nulls and not empty:
        return
    files = _files_with(snapshot, pl.col(ID).is_null() | (pl.col(ID) == ""))
    count = "1 profile id is" if nulls + empty == 1 else f"{nulls + empty:,} profile ids are"
    kind = "null or empty" if nulls and empty else "null" if nulls else "empty"
    raise DataError(f"{files}: {count} {kind} in column {snapshot.source.id!r}; every profile needs one")


def _files_with(snapshot: Snapshot, condition: pl.Expr) -> str:
    """The names of the files that have rows for which ``condition``, on ids and ``_FRACTION``, is true."""
    holding = [part for part in snapshot.parts if snapshot.source.id in part.schema]
    found = engine.collect_all([_ids_in(part, snapshot.source.id).select(condition.any()) for part in holding])
    names = [part.name for part, frame in zip(holding, found, strict=True) if frame.item()]
    return first_names(names, _NAMED)


def _ids_in(part: Part, name: str) -> pl.LazyFrame:
    """The ids of one file as String, and whether each is no whole number."""
    ids, dtype = column(name), part.schema[name]
    fraction = has_fraction(ids, dtype)
    is_fraction = pl.lit(value=False) if fraction is None else fraction
    return scan_one(part).select(id_text(ids, dtype).alias(ID), is_fraction.alias("fraction"))
