"""Which files make the profile snapshot of an instant: the dates in their names, and other names beside them (D2)."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from glob import has_magic
from itertools import pairwise
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from muster.activation.errors import AbsentError, DataError
from muster.activation.inputs import folders_below
from muster.activation.inputs.finding import (
    FilesBelow,
    children,
    fixed_folder,
    folders_between,
    is_whole,
    matches,
    missing,
    told_apart,
    unread_files,
    walk,
    without_files,
)
from muster.activation.inputs.folder_columns import columns_in, is_column
from muster.activation.inputs.names import is_hidden, setting_of
from muster.activation.inputs.paths import InputPath, Inputs
from muster.activation.instants import at_local, iso
from muster.activation.wording import first_names

_CODEC = r"(?:\.(?:snappy|gz|gzip|zst|zstd|lz4|br|brotli))?"  # writers put it before or after the ending
_DATED = re.compile(
    rf"(?:date=)?(\d{{4}}-\d{{2}}-\d{{2}})(?:T(\d{{2}}))?(?:{_CODEC}\.parq(?:uet)?{_CODEC})?", re.IGNORECASE
)
_OTHERWISE_DATED = re.compile(r"\w+=\d{4}-\d{2}-\d{2}(?:T\d{2})?", re.ASCII)  # as folders of dates are called elsewhere
Columns: TypeAlias = Mapping[str, str | None]  # in the names of a file's folders
_NAMED = 5  # entries that a warning names; further ones are counted


class Setting(NamedTuple):
    """A path of the config, and the name of the source that has it, as ``Inputs.at`` takes them."""

    path: str
    source_name: str

    @property
    def noun(self) -> str:
        """What the path holds, for messages."""
        return "profile snapshot" if self.source_name == "profiles" else "snapshot"


@dataclass(frozen=True)
class Entry:
    """A candidate of a path of snapshots: an undated Parquet file, or a dated file or folder (D2)."""

    path: InputPath
    dated_by: InputPath  # the file or folder whose name has the date
    instant: datetime | None


@dataclass(frozen=True)
class SnapshotFiles:
    """The files that make a snapshot, its name, and its date; an undated snapshot has none."""

    name: str
    instant: datetime | None
    files: tuple[InputPath, ...]
    columns: tuple[Columns, ...]  # of each file


def newest_files(
    inputs: Inputs, setting: Setting, zone: ZoneInfo, at: datetime, warn: Callable[[str], None]
) -> SnapshotFiles:
    """The files of the newest snapshot dated at or before ``at``; ``DataError`` when there is none (D2).

    Dates are local time in ``zone``. ``warn`` is told of entries beside the snapshots, and of files in the snapshot,
    that are not read.
    """
    path = setting.path
    location = inputs.at(path, setting.source_name)
    is_glob = has_magic(path) and not is_whole(location)
    root = fixed_folder(location) if is_glob else location
    entries = (_matching_entries if is_glob else _entries)(inputs, location, setting, zone, warn)
    chosen = _newest(entries, at, setting, inputs, root)
    newest = chosen[0].dated_by
    if is_glob and not chosen[0].instant:
        name = path
    else:
        name = inputs.name(newest if chosen[0].instant or len(chosen) == 1 else location)
    entry_of = {str(file): (file, entry) for entry in chosen for file in _candidates(entry)}
    found = _told_apart(inputs, entry_of.values())
    if found.others:
        warn(unread_files(inputs, name, newest if chosen[0].instant else root, found.others))
    if not found.parquet:
        raise AbsentError(
            f"{name}: the snapshot folder holds no Parquet file; write its files (a folder whose name starts with '_' "
            "is ignored until it is renamed)"
        )
    if not chosen[0].instant:
        _warn_of_dates(path, [folder for file in found.parquet for folder in folders_between(root, file)], warn)
    columns = tuple(_columns(file, root, entry_of[str(file)][1]) for file in found.parquet)
    return SnapshotFiles(name, chosen[0].instant, tuple(found.parquet), columns)


def date_below(inputs: Inputs, root: InputPath, file: InputPath, zone: ZoneInfo) -> datetime | None:
    """The instant of the first date in the names of a file and of the folders between ``root`` and it (D2).

    ``root`` is a folder, or a pattern of a bucket. None where no name is a date; ``DataError`` for a date that does not
    exist.
    """
    fixed = next((place for place, part in enumerate(root.parts) if has_magic(part)), len(root.parts))
    names: list[InputPath] = [file, *file.parents]
    below = [each for each in reversed(names) if len(each.parts) > fixed]
    return next((moment for each in below if (moment := _dated(each, inputs, zone))), None)


def _candidates(entry: Entry) -> Iterable[InputPath]:
    return sorted(walk(entry.path)) if entry.path.is_dir() else [entry.path]


def _told_apart(inputs: Inputs, candidates: Iterable[tuple[InputPath, Entry]]) -> FilesBelow:
    """The files of a snapshot; one that is dated by its own name, or undated, is known to be meant as Parquet."""
    known: list[InputPath] = []
    unknown: list[InputPath] = []
    for file, entry in candidates:
        (known if str(file) == str(entry.dated_by) else unknown).append(file)
    found = told_apart(inputs, unknown)
    return FilesBelow([*known, *found.parquet], found.others)


def _columns(file: InputPath, root: InputPath, entry: Entry) -> Columns:
    """The columns in the names of the folders between ``root`` and a file, without the folder that has the date."""
    folders = list(folders_between(root, file))
    dated = len(entry.dated_by.parts) - len(root.parts) - 1
    if entry.instant and 0 <= dated < len(folders):
        del folders[dated]
    return columns_in(folders)


def _entries(
    inputs: Inputs, location: InputPath, setting: Setting, zone: ZoneInfo, warn: Callable[[str], None]
) -> list[Entry]:
    """The entries of a file or folder (D2); dates are local time in ``zone``, the workspace's.

    Undated Parquet files lie directly in the folder, or in folders ``name=value`` there, each of them an entry.
    """
    if location.is_file():
        return [Entry(location, location, None)]
    if not location.is_dir():
        raise missing(location, setting.path, setting.source_name)
    path = setting.path
    shown = [child for child in children(location) if not is_hidden(child.name)]
    dated = [Entry(child, child, moment) for child in shown if (moment := _dated(child, inputs, zone))]
    undated = [child for child in shown if not _is_dated(child.name)]
    candidates = [file for child in undated for file in _undated_files(child)]
    found = told_apart(inputs, candidates)
    depth = len(location.parts)
    read = {file.parts[depth] for file in found.parquet}
    others = {file.parts[depth] for file in found.others}
    odd = [
        child
        for child in undated
        if child.name not in read
        and (child.name in others or child.is_dir())
        and (dated or not is_column(child.name))  # beside other such folders an empty one is no mistake
    ]
    if odd and (dated or read or not folders_below.hold_snapshots(location, _is_dated)):  # else the error names them
        warn(_odd_entries(path, odd))
    named = {child.name for child in odd}
    if within := [file for file in found.others if file.parts[depth] not in named]:
        warn(unread_files(inputs, path, location, within))
    return dated + [Entry(file, file, None) for file in found.parquet]


def _undated_files(child: InputPath) -> Iterable[InputPath]:
    """An undated file, or the files below an undated folder ``name=value``; of another folder none is read."""
    if not child.is_dir():
        return [child]
    return walk(child) if is_column(child.name) else []


def _matching_entries(
    inputs: Inputs, location: InputPath, setting: Setting, zone: ZoneInfo, warn: Callable[[str], None]
) -> list[Entry]:
    """The dated files and folders that a glob matches, and the undated Parquet files at or below other matches (D2)."""
    path = setting.path
    found = [_dated_anywhere(match, inputs, zone) for match in matches(location, path)]
    undated = told_apart(inputs, [file for entry in found if not entry.instant for file in _candidates(entry)])
    if undated.others:
        warn(unread_files(inputs, path, fixed_folder(location), undated.others))
    files = {str(file): file for file in undated.parquet}  # once, where a pattern matches a folder and its files
    return [entry for entry in found if entry.instant] + [Entry(file, file, None) for file in files.values()]


def _warn_of_dates(path: str, folders: Sequence[str], warn: Callable[[str], None]) -> None:
    """Warn of folders such as ``dt=2026-11-20`` in an undated snapshot: they are columns, and no snapshots (D2)."""
    dated = sorted({folder for folder in folders if _OTHERWISE_DATED.fullmatch(folder)})
    if dated:
        name = dated[0].partition("=")[0]
        names = first_names([f"{each}/" for each in dated], _NAMED)
        warn(
            f"{path}: {names}: read as one undated snapshot with a column {name!r}; if each is "
            "a snapshot of its own, call it 2026-11-20 or date=2026-11-20"
        )


def _odd_entries(path: str, odd: Sequence[InputPath]) -> str:
    """The warning about entries of a path of snapshots that are neither dated nor Parquet files (D2)."""
    names = first_names([f"{each.name}/" if each.is_dir() else each.name for each in odd], _NAMED)
    are = "is" if len(odd) == 1 else "are"
    return (
        f"{path}: {names} {are} not read: expected a name with a date, or a date and hour, such as "
        "2026-11-20, 2026-11-20T06 or 2026-11-20.parquet, or undated Parquet files alone; names that start with '.' "
        "or '_' are ignored"
    )


def _newest(entries: Sequence[Entry], at: datetime, setting: Setting, inputs: Inputs, root: InputPath) -> list[Entry]:
    """The entries that make the snapshot of ``at``: all undated ones, or those of the newest date at or before it."""
    path = setting.path
    dated = sorted((entry for entry in entries if entry.instant), key=lambda entry: (entry.instant, entry.path))
    undated = [entry for entry in entries if not entry.instant]
    if dated and undated:
        inputs.read_one(undated[0].path)  # a damaged file is told as that
        raise DataError(
            f"{path}: holds dated snapshots ({dated[0].path.name}) beside undated files "
            f"({_below(root, undated[0].path)}); "
            "expected one kind: write each file into the folder of its date"
        )
    for one, other in pairwise(dated):
        if one.instant == other.instant and str(one.dated_by) != str(other.dated_by):
            names = [_below(root, each.dated_by) for each in (one, other)]
            raise DataError(
                f"{path}: {names[0]} and {names[1]} are two snapshots of one instant; expected "
                "one: write the files of a snapshot into one folder"
            )
    if undated:
        return undated
    past = [entry for entry in dated if entry.instant and entry.instant <= at]
    if past:
        return [entry for entry in past if entry.instant == past[-1].instant]
    if dated and dated[0].instant:
        earliest = f"{dated[0].dated_by.name} ({iso(dated[0].instant)})"
        noun = setting.noun
        raise AbsentError(f"{path}: no {noun} is dated at or before {iso(at)}; the earliest is {earliest}")
    if has_magic(path):
        raise without_files(path, setting.source_name)
    below = folders_below.hint(inputs.at(path, setting.source_name), path, _is_dated)
    raise AbsentError(
        f"{path}: holds no Parquet file and no dated folder such as 2026-11-20 "
        f"({setting_of(setting.source_name)}){below}"
    )


def _below(root: InputPath, path: InputPath) -> str:
    """The name of a file or folder, with those of the folders between ``root`` and it."""
    return "/".join(path.parts[len(root.parts) :])


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
