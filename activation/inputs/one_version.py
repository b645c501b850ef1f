"""Several files that belong together, read as they were at one moment (D2).

A file that is renamed over another appears at once. Several files are replaced one after another, so that a reader
between two of them finds some of each version. Files are therefore opened at a moment when nobody has changed them for
a while, and compared with what their paths lead to when they have been read: nothing may have changed, or all of it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, sleep
from typing import Protocol, TypeAlias, TypeVar

from muster.activation.errors import DataError
from muster.activation.inputs.buckets import BucketPath
from muster.activation.inputs.open_files import version_of
from muster.activation.inputs.parquet import Part, refuse_rewritten
from muster.activation.inputs.paths import InputPath, Inputs
from muster.activation.inputs.table import name_of
from muster.activation.system.file_ages import seconds_since

_REST = 0.025  # seconds without a change before files count as complete
_LONGEST_REST = 0.25  # ... of files that were themselves changed over a longer time
_PATIENCE = 5.0  # seconds until files that never rest are refused


class Found(Protocol):
    """The files that were found to make one input."""

    @property
    def files(self) -> Sequence[InputPath]:
        """The files, in the order in which they are read."""


T = TypeVar("T", bound=Found)


def read_one_version(inputs: Inputs, find: Callable[[], T]) -> tuple[T, list[Part]]:
    """What ``find`` finds, and its files opened as they were at one moment; ``DataError`` when they never rest."""
    started = perf_counter()
    while True:
        found = find()
        before = _marks(found)
        try:
            parts = inputs.read(found.files)
        except DataError:
            sleep(_left_to_rest(found))  # a file that is being written is not damaged
            if _marks(find()) == before or _is_over(started):
                raise
        else:
            if _is_one_version(found, parts, find):
                return found, parts
            if _is_over(started):
                raise DataError(
                    f"{name_of(parts)}: files are replaced all the time, and muster finds no moment at which all are "
                    "of one version; run the command again once they are written"
                )
        inputs.forget(found.files)


def refuse_mixed(found: Found, parts: Sequence[Part], find: Callable[[], Found]) -> None:
    """``DataError`` when files were rewritten, or some were replaced, removed or added while others stayed (D2).

    Files of which none is left where it was were replaced as a whole: what was opened is the version before.
    """
    refuse_rewritten(parts)
    if _in_bucket(found):  # copies were compared with the listing after the last was made
        return
    now, opened = _now(find), _opened(found, parts)
    if now != opened and now & opened:
        changed = min(path for path, _ in now ^ opened)
        name = next((part.name for part in parts if part.file and str(part.file.path) == changed), changed)
        raise DataError(
            f"{name}: some files of the snapshot were replaced, added or removed while muster read it, and they may be "
            "of two versions; run the command again once all are written, and write a snapshot under a name that "
            "starts with '_' until it is complete"
        )


def _is_one_version(found: Found, parts: Sequence[Part], find: Callable[[], Found]) -> bool:
    """Whether the opened files belong together: they have rested, and are still the files that are found."""
    if _in_bucket(found):
        return _marks(find()) == _marks(found)
    _rest(parts)
    if any(part.is_rewritten() for part in parts):
        return False
    now, opened = _now(find), _opened(found, parts)
    return now == opened or (len(parts) == 1 and not now & opened)


def _rest(parts: Sequence[Part]) -> None:
    """Wait until the newest of these files has not changed for a while."""
    files = [part.file for part in parts if part.file]
    alone = len(files) == 1  # a renamed file is complete, however new its name
    changes = [file.version.modified if alone else max(file.version.modified, file.changed) for file in files]
    if changes:
        spread = (max(changes) - min(changes)) / 1e9
        rest = min(max(spread, _REST), _LONGEST_REST)
        sleep(min(max(rest - seconds_since(max(changes)), 0), rest))


def _left_to_rest(found: Found) -> float:
    """Seconds until the newest of these files has not changed for the longest rest."""
    modified = [version.modified for path in found.files if isinstance(path, Path) and (version := version_of(path))]
    return min(max(_LONGEST_REST - seconds_since(max(modified)), 0), _LONGEST_REST) if modified else 0.0


_Mark: TypeAlias = tuple[str, object]


def _opened(found: Found, parts: Sequence[Part]) -> set[_Mark]:
    return {(str(path), part.file and part.file.version) for path, part in zip(found.files, parts, strict=True)}


def _now(find: Callable[[], Found]) -> set[_Mark]:
    """The files that are found now, with their versions; none when nothing can be found any more."""
    try:
        return _marks(find())
    except DataError:
        return set()


def _marks(found: Found) -> set[_Mark]:
    return {(str(each), each.version if isinstance(each, BucketPath) else version_of(each)) for each in found.files}


def _in_bucket(found: Found) -> bool:
    return any(isinstance(each, BucketPath) for each in found.files)


def _is_over(started: float) -> bool:
    return perf_counter() - started > _PATIENCE
