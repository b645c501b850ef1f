"""One source as it is at an instant: its files as one table, and how old its newest data are (P1, D2, D5)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from muster.activation.errors import AbsentError, DataError
from muster.activation.inputs.finding import table_parts
from muster.activation.inputs.folder_columns import with_folders
from muster.activation.inputs.newest_times import newest_in_footers, newest_with_rows
from muster.activation.inputs.one_version import read_one_version, refuse_mixed
from muster.activation.inputs.parquet import Part, refuse_rewritten
from muster.activation.inputs.paths import InputPath, Inputs
from muster.activation.inputs.snapshot_files import Setting, SnapshotFiles, date_below, newest_files
from muster.activation.inputs.table import Table, table_of
from muster.activation.instants import iso, spelled
from muster.activation.model.sources import Source
from muster.activation.model.workspace import Workspace


@dataclass(frozen=True, eq=False)
class OpenedSource:
    """One source at an instant: the files that count, as one table, and their age."""

    source: Source
    name: str  # of the snapshot, or of all files together, for messages
    at: datetime  # the instant that the source is read for
    instant: datetime | None  # the date of the snapshot; None for an undated one, for changes and for events
    table: Table
    newest: datetime | None  # the snapshot's date, or the newest time up to the instant, where the files say it
    refuse_changed: Callable[[], None]  # ``DataError`` when the files may be of two versions by now (D2)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The Parquet files, in the order of their names."""
        return self.table.parts

    @property
    def records(self) -> list[dict[str, Any]]:
        """For each file its name, size and footer checksum, which identify it (E8)."""
        return [part.record for part in self.parts]

    @property
    def age(self) -> timedelta | None:
        """The age of the newest data at the instant; None where nothing says it."""
        return None if self.newest is None else self.at - self.newest

    @property
    def is_stale(self) -> bool:
        """Whether the newest data are older than ``max_age`` allows (D2); data of exactly that age are not."""
        max_age = self.source.max_age
        return max_age is not None and self.age is not None and self.age > max_age

    def place_of(self, records: pl.Series) -> pl.DataFrame:
        """For rows of the table (UInt32) ``file`` (String), and ``row`` (UInt32) from 0: the place in that file."""
        read = [part for part in self.parts if part.rows]
        ends = pl.Series([part.rows for part in read], dtype=pl.UInt32).cum_sum()
        names = pl.Series([part.name for part in read], dtype=pl.String)
        positions = ends.search_sorted(records, side="right")
        starts = (ends - pl.Series([part.rows for part in read], dtype=pl.UInt32)).gather(positions)
        return pl.DataFrame({"file": names.gather(positions), "row": records - starts})


def open_source(
    workspace: Workspace,
    source: Source,
    inputs: Inputs,
    at: datetime,
    *,
    allow_empty: bool = False,
    judges: bool = True,
    warn: Callable[[str], None],
) -> OpenedSource:
    """The files of a source that count at an instant (P1): of ``snapshot`` mode the newest snapshot, else all files.

    ``DataError`` when a file is damaged, or no snapshot or file is there or none has a row: unless ``allow_empty``,
    which makes it a source without records, and ``warn`` is told why. ``DataError`` also when the newest data are older
    than ``max_age`` (D2), unless ``judges`` is False. ``warn`` is told of files that are not read.
    """
    is_snapshot = not source.is_events and source.mode == "snapshot"
    try:
        opened = (_snapshot if is_snapshot else _all_files)(workspace, source, inputs, at, warn)
    except AbsentError as error:
        if not allow_empty:
            raise
        warn(f"{error}; the source {source.id!r} counts as empty")
        return OpenedSource(source, source.path, at, None, table_of((), source.path), None, lambda: None)
    if not opened.table.rows:
        _refuse_empty(opened, allowed=allow_empty)
    elif judges:
        refuse_stale(opened)
    return opened


def _refuse_empty(opened: OpenedSource, *, allowed: bool) -> None:
    """``DataError`` for a source without a row, unless it is allowed (P1)."""
    if not allowed:
        rows = "events" if opened.source.is_events else "records"
        raise DataError(
            f"{opened.name}: the source {opened.source.id!r} has no {rows}, so whoever it names would leave or fall "
            f"apart; pass --allow-empty if that is meant ({opened.source.location.file})"
        )


def refuse_stale(opened: OpenedSource) -> None:
    """``DataError`` when the newest data of a source are older than ``max_age``, or have no time to judge by (D2)."""
    source, at = opened.source, opened.at
    if source.max_age is None:
        return
    allowed = f"max_age in {source.location.file} allows {spelled(source.max_age)}"
    if opened.newest is None and not source.is_events and source.mode == "snapshot":
        raise DataError(
            f"{opened.name}: an undated snapshot has no age, which max_age in {source.location.file} limits; write "
            "snapshots under dates such as 2026-11-20, or take max_age out"
        )
    if opened.newest is None:
        row = "event" if source.is_events else "record"
        raise DataError(
            f"{opened.name}: no {row} has a time at or before {iso(at)}, and {allowed}; see why none arrive, or raise "
            "max_age"
        )
    if opened.is_stale:
        raise DataError(
            f"{opened.name}: the newest data at or before {iso(at)} are of {iso(opened.newest)}, "
            f"{spelled(at - opened.newest)} old, and {allowed}; see why no newer ones arrive, or raise max_age"
        )


def _snapshot(
    workspace: Workspace, source: Source, inputs: Inputs, at: datetime, warn: Callable[[str], None]
) -> OpenedSource:
    """The newest snapshot dated at or before an instant, its files of one version (D2)."""
    warnings: list[str] = []

    def find() -> SnapshotFiles:
        warnings.clear()  # a file that is being written is not yet what it will be
        setting = Setting(source.path, source.location.file)
        return newest_files(inputs, setting, workspace.zone, at, warnings.append)

    try:
        found, parts = read_one_version(inputs, find)
    finally:
        for each in tuple(warnings):
            warn(each)
    parts = [with_folders(part, columns) for part, columns in zip(parts, found.columns, strict=True)]
    table = table_of(parts, found.name)
    return OpenedSource(
        source, found.name, at, found.instant, table, found.instant, lambda: refuse_mixed(found, parts, find)
    )


def _all_files(
    workspace: Workspace, source: Source, inputs: Inputs, at: datetime, warn: Callable[[str], None]
) -> OpenedSource:
    """All files of a source of events, of one of changes those that are not dated later than the instant (P1, D3)."""

    def counts(root: InputPath, file: InputPath) -> bool:
        date = None if source.is_events else date_below(inputs, root, file, workspace.zone)
        return date is None or date <= at

    parts = table_parts(inputs, source.path, source.location.file, warn, counts)
    if not parts:
        raise AbsentError(f"{source.path}: no file of changes is dated at or before {iso(at)} ({source.location.file})")
    table = table_of(parts, source.path)
    newest = _newest(parts, source, at)
    return OpenedSource(source, source.path, at, None, table, newest, lambda: refuse_rewritten(parts))


def newest_time(opened: OpenedSource) -> datetime | None:
    """The newest time of a source up to its instant: rows of changes or events are read where files do not say it.

    None of an undated snapshot, and where no row has a time up to the instant.
    """
    source, column = opened.source, opened.source.time_column
    is_snapshot = not source.is_events and source.mode == "snapshot"
    if opened.newest is not None or is_snapshot or column is None:
        return opened.newest
    holding = [part for part in opened.parts if column in part.schema]
    return newest_with_rows(newest_in_footers(holding, column, opened.at), column, opened.at)


def _newest(parts: Iterable[Part], source: Source, at: datetime) -> datetime | None:
    """The newest time of changes or events up to an instant: rows are read only where ``max_age`` has to be judged."""
    holding = [part for part in parts if source.time_column in part.schema]
    if source.time_column is None or not holding:
        return None  # whoever reads the records says what is missing
    found = newest_in_footers(holding, source.time_column, at)
    if source.max_age is None:
        return None if found.unread else found.time
    return newest_with_rows(found, source.time_column, at)
