"""Texts of all profiles that do not fit the memory: written once to a file without a name, and mapped into memory (M7).

The file has no name in any folder and is readable by its owner alone, so the system deletes it however the process
ends. It is a row of Arrow files, one a part. The pages are given back when the next rows are taken.
"""

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import polars as pl

from muster.activation.frames import engine
from muster.activation.mapping.shared_text import is_one_line
from muster.activation.model.log import logger
from muster.activation.system.os_errors import system_message

log = logger("muster.export")

ROWS = 1 << 17  # of a part
_MAPPED = 8  # parts whose pages are in memory at once: some 150 MB
_Place = tuple[int, int]  # of the bytes of a part: the first, and the one after it


@dataclass(frozen=True, eq=False)
class SpooledTexts:
    """Texts in a file without a name: the text (String) and Boolean flags of each profile, by row of the roster."""

    mapped: mmap.mmap
    parts: tuple[pl.DataFrame, ...]  # over the bytes of the file
    one_line: bool

    @classmethod
    def written(cls, frames: Iterable[pl.DataFrame], folder: Path) -> "SpooledTexts | None":
        """The texts of frames, one part each, in a new file of a folder; None when the system cannot write it."""
        try:
            file = _nameless(folder)
        except OSError as error:
            _log_refusal(error)
            return None
        places, one_line = list[_Place](), True
        with file:
            for frame in frames:
                try:
                    places.append(_append(frame, file))
                except OSError as error:
                    _log_refusal(error)
                    return None
                one_line = one_line and is_one_line(frame)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(mapped, tuple(_frame(mapped, place) for place in places), one_line)

    @property
    def height(self) -> int:
        """The number of profiles."""
        return sum(part.height for part in self.parts)

    def of(self, rows: pl.Series) -> pl.DataFrame:
        """The texts and flags of row numbers; those of a file ascend, so that each part is looked at once.

        The bytes of texts stay in the file, unless the rows come from many parts: those of some parts are then copied,
        and the pages are given back before the next.
        """
        if not rows.is_sorted():
            order = rows.arg_sort()
            return self.of(rows.gather(order))[order.arg_sort()]
        self._give_back()  # the pages of the rows that were asked for last
        found, taken = list(self._taken(rows)), list[pl.DataFrame]()
        if len(found) <= _MAPPED:
            return pl.concat([self.parts[0].clear(), *found])
        for first in range(0, len(found), _MAPPED):
            taken.append(_copied(pl.concat(found[first : first + _MAPPED])))
            self._give_back()
        return pl.concat(taken)

    def _taken(self, rows: pl.Series) -> Iterator[pl.DataFrame]:
        """Ascending rows, a frame for each part that has some; the texts are views of the mapped bytes."""
        start, first = 0, 0
        ends = accumulate(part.height for part in self.parts)
        for part, end in zip(self.parts, rows.search_sorted(pl.Series(ends, dtype=rows.dtype)), strict=True):
            if end > start:
                yield part[rows.slice(start, end - start) - first]
            start, first = end, first + part.height

    def _give_back(self) -> None:
        """Let the pages of the file go from this process; the system may still have them when they are needed again."""
        self.mapped.madvise(mmap.MADV_DONTNEED)

    def reordered(self, positions: pl.Series) -> Iterator[pl.DataFrame]:
        """The rows at these positions (UInt32), in parts; nothing unless they are all rows in another order."""
        if self.height != len(positions):
            return
        whole = pl.concat(self.parts)
        for first in range(0, len(positions), ROWS):
            yield whole[positions.slice(first, ROWS)]


def _nameless(folder: Path) -> IO[bytes]:
    return TemporaryFile(dir=folder, buffering=0)


def _log_refusal(error: OSError) -> None:
    """Say why each file makes the texts of its own rows."""
    log.info("the texts of all profiles are not kept: %s", system_message(error))


def _copied(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with texts that have their own bytes."""
    return pl.DataFrame(pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))


def _append(frame: pl.DataFrame, file: IO[bytes]) -> _Place:
    """Write a frame at the end of a file, where a page of memory may begin; ``OSError`` as the system says."""
    end = file.seek(0, 2)
    start = file.seek(-(-end // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY)
    with engine.translated():
        frame.rechunk().write_ipc(file, compression="uncompressed")
    return start, file.seek(0, 2)


def _frame(mapped: mmap.mmap, place: _Place) -> pl.DataFrame:
    """The rows of a part, whose pages are read when they are looked at."""
    import pyarrow as pa  # noqa: PLC0415  # a tenth of a second that only large snapshots need

    start, end = place
    with pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped).slice(start, end - start))) as reader:
        return pl.DataFrame(pl.from_arrow(reader.read_all()))
