"""Frames that do not fit the memory: written once to a file without a name, and mapped into memory.

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
from muster.activation.model.log import logger
from muster.activation.system.os_errors import system_message

log = logger("muster.engine")

ROWS = 1 << 17  # of a part
_MAPPED = 8  # parts whose pages are in memory at once: of texts of 120 bytes some 150 MB


@dataclass(frozen=True, eq=False)
class Spooled:
    """The rows of a frame in a file without a name, in parts that are views of the mapped file."""

    mapped: mmap.mmap
    parts: tuple[pl.DataFrame, ...]

    @classmethod
    def written(cls, frames: Iterable[pl.DataFrame], folder: Path) -> "Spooled | None":
        """Frames with the same columns, one part each, in a new file of a folder.

        None when there is no frame, or the system cannot write the file.
        """
        places = list[tuple[int, int]]()
        try:
            file = _nameless(folder)
        except OSError as error:
            return _unwritten(error)
        with file:
            for frame in frames:
                try:
                    places.append(_append(frame, file))
                except OSError as error:
                    return _unwritten(error)
            if not places:
                return None
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(mapped, tuple(_frame(mapped, start, end) for start, end in places))

    @property
    def height(self) -> int:
        """The number of rows."""
        return sum(part.height for part in self.parts)

    def of(self, rows: pl.Series) -> pl.DataFrame:
        """The rows at these positions (UInt32), in their order.

        The bytes of texts stay in the file, unless the rows come from many parts: those of some parts are then copied,
        and the pages are given back before the next.
        """
        if not rows.is_sorted():
            order = rows.arg_sort()
            return self.of(rows.gather(order))[order.arg_sort()]
        self._give_back()  # the pages of the rows that were asked for last
        found, copied = list(self._taken(rows)), list[pl.DataFrame]()
        if len(found) <= _MAPPED:
            return pl.concat([self.parts[0].clear(), *found])
        for first in range(0, len(found), _MAPPED):
            copied.append(_copied(pl.concat(found[first : first + _MAPPED])))
            self._give_back()
        return pl.concat(copied)

    def _taken(self, rows: pl.Series) -> Iterator[pl.DataFrame]:
        """Ascending rows, a frame for each part that has some; texts are views of the mapped bytes."""
        start, first = 0, 0
        ends = accumulate(part.height for part in self.parts)
        for part, end in zip(self.parts, rows.search_sorted(pl.Series(ends, dtype=rows.dtype)), strict=True):
            if end > start:
                yield part[rows.slice(start, end - start) - first]
            start, first = end, first + part.height

    def _give_back(self) -> None:
        """Let the pages of the file go from this process; the system may still have them when they are needed again."""
        self.mapped.madvise(mmap.MADV_DONTNEED)

    def in_parts(self) -> Iterator[pl.DataFrame]:
        """All rows, part by part; the pages of a part are given back when the next one is asked for."""
        for part in self.parts:
            yield part
            self._give_back()

    def reordered(self, positions: pl.Series) -> Iterator[pl.DataFrame]:
        """The rows at these positions (UInt32), in parts; nothing unless they are all rows in another order."""
        if self.height != len(positions):
            return
        whole = pl.concat(self.parts)
        for first in range(0, len(positions), ROWS):
            yield whole[positions.slice(first, ROWS)]
            self._give_back()


def _nameless(folder: Path) -> IO[bytes]:
    return TemporaryFile(dir=folder, buffering=0)


def _unwritten(error: OSError) -> Spooled | None:
    """Say why the file could not be written."""
    log.info("values are not kept on the disk: %s", system_message(error))
    return None


def _copied(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with texts that have their own bytes."""
    return pl.DataFrame(pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))


def _append(frame: pl.DataFrame, file: IO[bytes]) -> tuple[int, int]:
    """Write a frame at the end of a file, where a page of memory may begin: its first byte, and the byte after it.

    ``OSError`` as the system says.
    """
    end = file.seek(0, 2)
    start = file.seek(-(-end // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY)
    with engine.translated():
        frame.rechunk().write_ipc(file, compression="uncompressed")
    return start, file.seek(0, 2)


def _frame(mapped: mmap.mmap, start: int, end: int) -> pl.DataFrame:
    """The rows of a part, whose pages are read when they are looked at."""
    import pyarrow as pa  # noqa: PLC0415  # a tenth of a second that only large snapshots need

    with pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped).slice(start, end - start))) as reader:
        return pl.DataFrame(pl.from_arrow(reader.read_all()))
