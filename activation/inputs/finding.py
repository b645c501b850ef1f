"""Which files an input's path means (D2, D3, D4): a file, what lies below a folder, what a glob matches.

Files are told apart by their contents; hidden names are left out everywhere.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path
from typing import NamedTuple

from muster.activation.errors import AbsentError, DataError, did_you_mean
from muster.activation.inputs.buckets import BucketPath
from muster.activation.inputs.contents import is_parquet_here
from muster.activation.inputs.folder_columns import columns_in, with_folders
from muster.activation.inputs.names import is_checksum_name, is_hidden, is_parquet_name, setting_of
from muster.activation.inputs.parquet import Part
from muster.activation.inputs.paths import InputPath, Inputs
from muster.activation.system.os_errors import system_message
from muster.activation.wording import first_names

_NAMED = 5  # files that a warning names; further ones are counted


def children(folder: InputPath) -> list[InputPath]:
    """The files and folders in a folder, sorted by name; ``DataError`` when nobody may see what they are."""
    try:
        found: list[InputPath] = sorted(folder.iterdir())
        for child in found:
            child.is_dir()
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read: {system_message(error)}") from error
    return found


class FilesBelow(NamedTuple):
    """The files at a path: Parquet files, whole or damaged, and others, which are not read (D2)."""

    parquet: list[InputPath]
    others: list[InputPath]  # without checksums, of which nobody is told


def files_below(inputs: Inputs, location: InputPath) -> FilesBelow:
    """The file, taken for Parquet, or all files below a folder, sorted, without hidden files and folders."""
    return told_apart(inputs, sorted(walk(location))) if location.is_dir() else FilesBelow([location], [])


def walk(folder: InputPath) -> Iterator[InputPath]:
    """All files below a folder, without hidden files and folders; broken links, pipes and sockets count as files."""
    for child in children(folder):
        if is_hidden(child.name):
            continue
        if not child.is_dir():
            yield child
        elif not _leads_upwards(child):
            yield from walk(child)


def _leads_upwards(folder: InputPath) -> bool:
    """Whether a folder is a link to one that it lies in."""
    return isinstance(folder, Path) and folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def told_apart(inputs: Inputs, files: Sequence[InputPath]) -> FilesBelow:
    """Tell Parquet files from others: by their names, else by their first and last bytes (D2).

    A broken link, a pipe or a socket with the name of a Parquet file counts as one, so that it is reported. Files that
    are gone are neither. ``DataError`` when a file cannot be looked at.
    """
    found = FilesBelow([], [])
    for file, is_parquet in zip(files, _are_parquet(inputs, files), strict=True):
        if is_parquet:
            found.parquet.append(file)
        elif is_parquet is not None and not is_checksum_name(file.name):
            found.others.append(file)
    return found


def _are_parquet(inputs: Inputs, files: Sequence[InputPath]) -> list[bool | None]:
    remote = [file for file in files if isinstance(file, BucketPath)]
    if remote:  # then all of them: they are below one location
        return list(remote[0].tree.bucket.are_parquet([file.listed for file in remote]))
    return [is_parquet_name(file.name) or _is_parquet(inputs, file) for file in files if isinstance(file, Path)]


def _is_parquet(inputs: Inputs, file: Path) -> bool | None:
    try:
        return is_parquet_here(file)
    except OSError as error:
        raise DataError(
            f"{inputs.name(file)}: cannot be read, so muster cannot see whether it is Parquet: {system_message(error)}"
        ) from error


def seems_parquet(path: InputPath) -> bool:
    """Whether a file may be meant as an input, for a hint: files in a bucket are judged by their names alone."""
    if path.is_dir():
        return False
    if is_parquet_name(path.name) or isinstance(path, BucketPath):
        return is_parquet_name(path.name)
    with suppress(OSError):
        return bool(is_parquet_here(path))
    return False


def matches(location: InputPath, path: str) -> list[InputPath]:
    """The files and folders that a pattern matches, without hidden ones; ``location`` is ``Inputs.at(path)``."""
    if isinstance(location, BucketPath):
        pattern = path.partition("://")[2].partition("/")[2].strip("/")
        fixed = [part for part in pattern.split("/") if not has_magic(part)]
        return [each for each in location.matching(pattern) if not _is_hidden_in(each.key.split("/"), fixed)]
    root = fixed_folder(location)
    found = _matching(root, location.parts[len(root.parts) :]) if isinstance(root, Path) and root.is_dir() else ()
    return sorted(set(found))


def _matching(folder: InputPath, pattern: Sequence[str]) -> Iterator[InputPath]:
    """What a pattern of names matches in a folder; ``DataError`` for a folder that cannot be read.

    ``**`` is any number of folders that are no links. Wildcards match no hidden names.
    """
    first, rest = pattern[0], pattern[1:]
    matched: list[InputPath]
    if not has_magic(first):
        matched = [folder / first] if isinstance(folder, Path) and os.path.lexists(folder / first) else []
    else:
        shown = [child for child in children(folder) if not is_hidden(child.name)]
        if first == "**":
            yield from _matching(folder, rest) if rest else [folder]
            for child in shown:
                if child.is_dir() and isinstance(child, Path) and not child.is_symlink():
                    yield from _matching(child, pattern)
            return
        matched = [child for child in shown if fnmatchcase(child.name, first)]
    for match in matched:
        if not rest:
            yield match
        elif match.is_dir():
            yield from _matching(match, rest)


def _is_hidden_in(parts: Sequence[str], fixed: Sequence[str]) -> bool:
    return any(is_hidden(part) and part not in fixed for part in parts)


def missing(location: InputPath, path: str, source_name: str) -> AbsentError:
    """The error about a path that does not exist, with similar names beside the first missing folder."""
    hint = ""
    if isinstance(location, Path):
        parent = next(folder for folder in location.parents if folder.is_dir())
        siblings = [child.name for child in children(parent) if not is_hidden(child.name)]
        hint = did_you_mean(location.relative_to(parent).parts[0], siblings)
    return AbsentError(f"{path}: there is no such file or folder ({setting_of(source_name)}){hint}")


def without_files(path: str, source_name: str) -> AbsentError:
    """The error about a path without a Parquet file."""
    problem = "matches no Parquet file" if has_magic(path) else "holds no Parquet file"
    return AbsentError(f"{path}: {problem} ({setting_of(source_name)})")


def table_parts(
    inputs: Inputs,
    path: str,
    source_name: str,
    warn: Callable[[str], None],
    counts: Callable[[InputPath, InputPath], bool] = lambda _root, _file: True,
) -> list[Part]:
    """The Parquet files of an event or membership path, sorted by name; ``DataError`` when there is none.

    ``counts`` says of the folder where the path begins, and of a file below it, whether the file is read: without it
    all are. ``warn`` is told of files that are no Parquet.
    """
    location = inputs.at(path, source_name)
    root = location
    if has_magic(path) and not is_whole(location):
        root = fixed_folder(location)
        found = files_matching(inputs, location, path)
    elif location.exists():
        found = files_below(inputs, location)
    else:
        raise missing(location, path, source_name)
    if found.others:
        warn(unread_files(inputs, path, root, found.others))
    if not found.parquet:
        raise without_files(path, source_name)
    files = [file for file in found.parquet if counts(root, file)]
    return [
        with_folders(part, columns_in(folders_between(root, file)))
        for file, part in zip(files, inputs.read(files), strict=True)
    ]


def fixed_folder(location: InputPath) -> InputPath:
    """The folder of a pattern before the first name with a wildcard; ``location`` is ``Inputs.at`` of the pattern."""
    if isinstance(location, BucketPath):
        return location
    return next(folder for folder in (location, *location.parents) if not has_magic(str(folder)))


def folders_between(root: InputPath, file: InputPath) -> tuple[str, ...]:
    """The names of the folders between a folder and a file somewhere below it, outermost first."""
    return file.parts[len(root.parts) : -1]


def files_matching(inputs: Inputs, location: InputPath, path: str) -> FilesBelow:
    """The files that a pattern matches, and those below the folders that it matches, each once."""
    matched = matches(location, path)
    found = told_apart(inputs, [match for match in matched if not match.is_dir()])
    below = [files_below(inputs, match) for match in matched if match.is_dir()]
    parquet, others = (
        {str(file): file for files in lists for file in files} for lists in zip(found, *below, strict=True)
    )
    return FilesBelow(sorted(parquet.values()), sorted(others.values()))


def unread_files(inputs: Inputs, shown: str, folder: InputPath, files: Sequence[InputPath]) -> str:
    """The warning about files at or below ``folder``, called ``shown``, that are not Parquet (D2)."""
    start = f"{inputs.name(folder)}/"
    names = first_names([inputs.name(file).removeprefix(start) for file in files], _NAMED)
    are = "is" if len(files) == 1 else "are"
    return (
        f"{shown}: {names} {are} not read: expected Parquet files, whatever their names; names that start with '.' or "
        "'_' are ignored"
    )


def is_whole(location: InputPath) -> bool:
    """Whether a path that looks like a pattern is the name of an existing file or folder; never so in a bucket."""
    return isinstance(location, Path) and location.exists()
