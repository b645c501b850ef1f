"""Which files make the profile snapshot of an instant: the dates in their names, and other names beside them (D2)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from glob import has_magic
from itertools import pairwise
from zoneinfo import ZoneInfo

from muster.activation.errors import DataError
from muster.activation.inputs.names import is_hidden
from muster.activation.inputs.paths import (
    InputPath,
    Inputs,
    children,
    files_below,
    is_whole,
    matches,
    missing,
    told_apart,
    unread_files,
    without_files,
)
from muster.activation.instants import at_local, iso
from muster.activation.model.workspace import Workspace
from muster.activation.profiles import folders_below
from muster.activation.wording import first_names

_DATED = re.compile(r"(?:[A-Za-z_]\w*=)?(\d{4}-\d{2}-\d{2})(?:T(\d{2}))?(?:\.parq(?:uet)?)?", re.IGNORECASE)
_NAMED = 5  # entries that a warning names; further ones are counted


@dataclass(frozen=True)
class Entry:
    """A candidate of ``profiles.path``: a dated or undated file, or a dated folder (D2)."""

    path: InputPath
    dated_by: InputPath  # the file or folder whose name has the date
    instant: datetime | None


@dataclass(frozen=True)
class SnapshotFiles:
    """The files that make a snapshot, its name, and its date; an undated snapshot has none."""

    name: str
    instant: datetime | None
    files: tuple[InputPath, ...]


def newest_files(workspace: Workspace, inputs: Inputs, at: datetime, warn: Callable[[str], None]) -> SnapshotFiles:
    """The files of the newest snapshot dated at or before ``at``; ``DataError`` when there is none (D2).

    ``warn`` is told of entries beside the snapshots, and of files in the snapshot, that are not read.
    """
    path = workspace.profiles.path
    chosen = _newest(_entries(inputs, path, workspace.zone, warn), at, path, inputs)
    name = inputs.name(chosen[0].dated_by)
    found = [files_below(inputs, entry.path) for entry in chosen]
    others = [file for each in found for file in each.others]
    if others:
        warn(unread_files(inputs, name, chosen[0].dated_by, others))
    files = {str(file): file for each in found for file in each.parquet}
    if not files:
        raise DataError(
            f"{inputs.name(chosen[0].path)}: the snapshot folder holds no Parquet file; write its files (a folder "
            "whose name starts with '_' is ignored until it is renamed)"
        )
    return SnapshotFiles(name, chosen[0].instant, tuple(files.values()))


def _entries(inputs: Inputs, path: str, zone: ZoneInfo, warn: Callable[[str], None]) -> list[Entry]:
    """The entries of ``profiles.path`` (D2); dates are local time in ``zone``, the workspace's."""
    location = inputs.at(path, "profiles")
    if has_magic(path) and not is_whole(location):
        return _matching_entries(inputs, location, path, zone, warn)
    if location.is_file():
        return [Entry(location, location, None)]
    if location.is_dir():
        shown = [child for child in children(location) if not is_hidden(child.name)]
        dates = {str(child): _dated(child, inputs, zone) for child in shown}
        undated = told_apart(inputs, [child for child in shown if not (dates[str(child)] or child.is_dir())])
        odd = [child for child in shown if child.is_dir() and not dates[str(child)]] + undated.others
        read = [Entry(child, child, dates[str(child)]) for child in shown if dates[str(child)]]
        read += [Entry(file, file, None) for file in undated.parquet]
        if odd and (read or not folders_below.hold_snapshots(location, _is_dated)):  # else the error names them
            warn(_odd_entries(path, sorted(odd)))
        return read
    raise missing(location, path, "profiles")


def _matching_entries(
    inputs: Inputs, location: InputPath, path: str, zone: ZoneInfo, warn: Callable[[str], None]
) -> list[Entry]:
    """The files and folders that a glob matches; other files than Parquet are warned of (D2)."""
    found = [_dated_anywhere(match, inputs, zone) for match in matches(location, path)]
    files = told_apart(inputs, [entry.path for entry in found if not entry.path.is_dir()])
    if files.others:
        warn(unread_files(inputs, path, location, files.others))
    read = {str(file) for file in files.parquet}
    return [entry for entry in found if entry.path.is_dir() or str(entry.path) in read]


def _odd_entries(path: str, odd: Sequence[InputPath]) -> str:
    """The warning about entries of ``profiles.path`` that are neither dated nor Parquet files (D2)."""
    names = first_names([f"{each.name}/" if each.is_dir() else each.name for each in odd], _NAMED)
    are = "is" if len(odd) == 1 else "are"
    return (
        f"{path}: {names} {are} not read: expected a name with a date, or a date and hour, such as "
        "2026-11-20, 2026-11-20T06 or 2026-11-20.parquet, or undated Parquet files alone; names that start with '.' "
        "or '_' are ignored"
    )


def _newest(entries: Sequence[Entry], at: datetime, path: str, inputs: Inputs) -> list[Entry]:
    """The entries that make the snapshot of ``at``: all undated ones, or those of the newest date at or before it."""
    dated = sorted((entry for entry in entries if entry.instant), key=lambda entry: (entry.instant, entry.path))
    undated = [entry for entry in entries if not entry.instant]
    if dated and undated:
        if not undated[0].path.is_dir():
            inputs.read_one(undated[0].path)  # a damaged file is told as that
        raise DataError(
            f"{path}: holds dated snapshots ({dated[0].path.name}) beside undated files "
            f"({undated[0].path.name}); expected one kind: write each file into the folder of its date"
        )
    for one, other in pairwise(dated):
        if one.instant == other.instant and one.dated_by != other.dated_by:
            raise DataError(
                f"{path}: {one.dated_by.name} and {other.dated_by.name} are two snapshots of one instant; expected "
                "one: write the files of a snapshot into one folder"
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
    below = folders_below.hint(inputs.at(path, "profiles"), path, _is_dated)
    raise DataError(
        f"{path}: holds no Parquet file and no dated folder such as 2026-11-20 (profiles.path in muster.yml){below}"
    )


def _is_dated(name: str) -> bool:
    return bool(_DATED.fullmatch(name))


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
