"""The profile snapshot of an instant: which files make it, its columns, its checks (D1, D2)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from glob import has_magic
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.errors import DataError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, PROFILE_ID, ROW_TYPE, column
from muster.activation.inputs.names import is_hidden
from muster.activation.inputs.parquet import Part, scan, total_rows, unify
from muster.activation.inputs.paths import (
    InputPath,
    Inputs,
    _is_whole,
    children,
    is_parquet,
    matches,
    missing,
    parquet_files,
    without_files,
)
from muster.activation.instants import at_local, iso
from muster.activation.model.workspace import ProfilesSource, Workspace
from muster.activation.profiles import folders_below
from muster.activation.profiles.identities import check_type
from muster.activation.values.dtypes import describe

_NAMED = 3  # files that a message names; further files are counted
_DATED = re.compile(r"(?:[A-Za-z_]\w*=)?(\d{4}-\d{2}-\d{2})(?:T(\d{2}))?(?:\.parquet)?", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A candidate of ``profiles.path``: a dated or undated file, or a dated folder (D2)."""

    path: InputPath
    dated_by: InputPath  # the file or folder whose name has the date
    instant: datetime | None


@dataclass(frozen=True)
class Snapshot:
    """One profile snapshot: its files, the schema that they share, and the names of its id and identity columns."""

    name: str
    instant: datetime | None
    parts: tuple[Part, ...]  # its Parquet files
    schema: pl.Schema  # of ``frame()``
    source: ProfilesSource

    @property
    def rows(self) -> int:
        """The number of profiles, from the footers of the files."""
        return total_rows(self.parts)

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
        return scan(self.parts).with_columns(
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
    def records(self) -> list[dict[str, str | int]]:
        """For each file its name, size and footer checksum, which identify it (E8)."""
        return [part.record for part in self.parts]


def profile_snapshot(workspace: Workspace, inputs: Inputs, at: datetime, *, allow_empty: bool = False) -> Snapshot:
    """The newest snapshot dated at or before ``at`` (D2).

    ``DataError`` when no snapshot is, or it is unreadable, mistyped, or without rows (X11).
    """
    source = workspace.profiles
    chosen = _newest(_entries(inputs, source.path, workspace.zone), at, source.path, inputs)
    paths = [path for entry in chosen for path in parquet_files(entry.path)]
    if not paths:
        raise DataError(
            f"{inputs.name(chosen[0].path)}: the snapshot folder holds no Parquet file; write its files, or remove it "
            "(a folder whose name starts with '_' is ignored)"
        )
    snapshot = snapshot_of(workspace, inputs.read(paths), inputs.name(chosen[0].dated_by), chosen[0].instant)
    refuse_empty(snapshot, allowed=allow_empty)
    return snapshot


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
    """A snapshot of these files, named like the first unless ``name`` is given.

    ``DataError`` when the id column is absent, or the type of the id or of the identity map is none of D1.
    """
    source, schema = workspace.profiles, dict(unify(parts))
    if source.id not in schema:
        raise DataError(
            f"{parts[0].name}: there is no id column {source.id!r} (profiles.id in muster.yml)"
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
    return Snapshot(name or parts[0].name, instant, tuple(parts), pl.Schema(schema), source)


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
        scan([part]).select(column(snapshot.source.id).cast(pl.String).alias(ID)).select(condition.any())
        if snapshot.source.id in part.schema
        else pl.LazyFrame({ID: [True]})
        for part in snapshot.parts
    ]
    found = engine.collect_all(frames)
    names = [part.name for part, frame in zip(snapshot.parts, found, strict=True) if frame.item()]
    return ", ".join(names) if len(names) <= _NAMED else f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"


def _entries(inputs: Inputs, path: str, zone: ZoneInfo) -> list[Entry]:
    """The entries of ``profiles.path`` (D2); dates are local time in ``zone``, the workspace's."""
    location = inputs.at(path, "profiles")
    if has_magic(path) and not _is_whole(location):
        return [_dated_anywhere(match, inputs, zone) for match in matches(location, path)]
    if location.is_file():
        return [Entry(location, location, None)]
    if location.is_dir():
        found = [
            Entry(child, child, _dated(child, inputs, zone))
            for child in children(location)
            if not is_hidden(child.name)
        ]
        return [entry for entry in found if entry.instant or is_parquet(entry.path)]
    raise missing(location, path, "profiles")


def _newest(entries: Sequence[Entry], at: datetime, path: str, inputs: Inputs) -> list[Entry]:
    """The entries that make the snapshot of ``at``: all undated ones, or those of the newest date at or before it."""
    dated = sorted((entry for entry in entries if entry.instant), key=lambda entry: (entry.instant, entry.path))
    undated = [entry for entry in entries if not entry.instant]
    if dated and undated:
        raise DataError(
            f"{path}: holds dated snapshots ({dated[0].path.name}) beside undated files "
            f"({undated[0].path.name}); keep one kind"
        )
    for one, other in pairwise(dated):
        if one.instant == other.instant and one.dated_by != other.dated_by:
            raise DataError(
                f"{path}: {one.dated_by.name} and {other.dated_by.name} are two snapshots of one instant; remove one"
            )
    if undated:
        return undated
    past = [entry for entry in dated if entry.instant and entry.instant <= at]
    if past:
        return [entry for entry in past if entry.instant == past[-1].instant]
    if dated and dated[0].instant:
        earliest = f"{dated[0].dated_by.name} ({iso(dated[0].instant)})"
        raise DataError(f"{path}: no profile snapshot is dated at or before {iso(at)}; the earliest is {earliest}")
    if has_magic(path):
        raise without_files(path, "profiles")
    below = folders_below.hint(inputs.at(path, "profiles"), path, lambda name: bool(_DATED.fullmatch(name)))
    raise DataError(
        f"{path}: holds no Parquet file and no dated folder such as 2026-11-20 (profiles.path in muster.yml){below}"
    )


def _dated(path: InputPath, inputs: Inputs, zone: ZoneInfo) -> datetime | None:
    """The instant that a file's or folder's name stands for; ``DataError`` for a date that does not exist."""
    match = _DATED.fullmatch(path.name)
    if not match:
        return None
    try:
        return at_local(datetime.fromisoformat(match[1]) + timedelta(hours=_hour(match[2])), zone)
    except ValueError:
        raise DataError(
            f"{inputs.name(path)}: the name is not a date, or date and hour; "
            "expected one such as 2026-11-20 or 2026-11-20T06"
        ) from None


def _hour(text: str | None) -> int:
    hour = int(text or 0)
    if hour > 23:
        raise ValueError(hour)
    return hour


def _dated_anywhere(path: InputPath, inputs: Inputs, zone: ZoneInfo) -> Entry:
    """A glob's match, dated by its own name or by the nearest folder above it inside the workspace."""
    for candidate in (path, *path.parents):
        if candidate == inputs.root:
            break
        if moment := _dated(candidate, inputs, zone):
            return Entry(path, candidate, moment)
    return Entry(path, path, None)
