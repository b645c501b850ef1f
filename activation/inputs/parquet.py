"""Single Parquet files: their footers, their columns, and one lazy frame for each (D6).

``inputs.table`` reads several of them as one table.
"""

import errno
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from muster.activation.errors import DataError, ExportError, MistakeError
from muster.activation.frames import engine
from muster.activation.frames.columns import column
from muster.activation.inputs import page_headers
from muster.activation.inputs.conversions import TimeOutsideError
from muster.activation.inputs.footer import Footer, read_footer
from muster.activation.inputs.open_files import OpenFile
from muster.activation.inputs.reading import Reading, scan, usable_reading
from muster.activation.system import interrupts
from muster.activation.system.memory import limited
from muster.activation.system.os_errors import system_message

_LACKS = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}  # which the process lacks, not the file
_MAGIC = b"PAR1"
_ENCRYPTED = "its footer is encrypted, which muster cannot read"


@dataclass(frozen=True)
class Part:
    """One Parquet file: its path here, its name in messages and records, and the contents of its footer."""

    path: Path  # to read it by: where a file is held open, the path of its descriptor
    name: str
    size: int
    rows: int
    footer: str  # SHA-256 of the footer, in hex: it identifies the content (E8, X7)
    schema: pl.Schema  # the columns that can be used, in the types that ``scan_one`` gives them
    sizes: Mapping[str, int] = field(default_factory=dict, compare=False)  # bytes of each column in memory, estimated
    unusable: Mapping[str, str] = field(default_factory=dict)  # by column: why it cannot be used, in words (D6)
    without_values: frozenset[str] = frozenset()  # columns that are null in every row, as the footer says (D5)
    folders: Mapping[str, str | None] = field(default_factory=dict)  # columns that stand in the folders' names (D2)
    file: OpenFile | None = field(default=None, compare=False)  # None: a copy that nobody else writes to
    reading: Reading = field(kw_only=True, compare=False)

    @property
    def record(self) -> dict[str, Any]:
        """The file in an evaluation's record (E8), with the columns of its folders, if it has such."""
        folders = {"folders": dict(self.folders)} if self.folders else {}
        return {"name": self.name, "size": self.size, "rows": self.rows, "footer": self.footer} | folders

    def bytes_of(self, columns: Collection[str]) -> int:
        """Bytes that these columns take in memory, estimated."""
        return sum(size for name, size in self.sizes.items() if name in columns)

    def is_rewritten(self) -> bool:
        """Whether the file has other content than when its footer was read (D2)."""
        if self.file is None:
            return False
        if self.file.is_rewritten():
            return True
        if not self.file.is_touched():
            return False
        try:  # a writer may set size and times as they were
            footer = _footer(self.path, self.size)
        except (OSError, ValueError):
            return True
        return hashlib.sha256(footer).hexdigest() != self.footer


def read_part(path: Path, name: str, file: OpenFile | None = None) -> Part:
    """Read a file's footer; ``DataError`` with the reason when it is no complete Parquet file.

    ``path`` is where it is read, of a ``file`` that is held open the path of its descriptor.
    """
    try:
        size = path.stat().st_size
        content = _footer(path, size)
        footer, reading = usable_reading(path, read_footer(content))
        page_headers.check(path, footer)
    except (OSError, ValueError) as error:
        raise interrupts.requested() or unreadable(name, error) from error
    return Part(
        path,
        name,
        size,
        footer.rows,
        hashlib.sha256(content).hexdigest(),
        reading.schema,
        {column.name: footer.bytes_of(column) for column in footer.usable},
        footer.unusable,
        footer.without_values,
        file=file,
        reading=reading,
    )


def footer_of(part: Part) -> Footer:
    """The footer of a file that was opened; ``DataError`` when it is not there any more."""
    try:
        return read_footer(_footer(part.path, part.size))
    except (OSError, ValueError) as error:
        raise unreadable(part.name, error) from error


def scan_one(part: Part) -> pl.LazyFrame:
    """One file as it is: the columns of ``part.schema``, with those of its folders as String."""
    frame = scan_alike([part])
    folders = [pl.lit(value, dtype=pl.String).alias(name) for name, value in part.folders.items()]
    return frame.with_columns(folders) if folders else frame


def scan_alike(parts: Sequence[Part], paths: str | None = None) -> pl.LazyFrame:
    """Files of one schema as one frame, in their order: in one scan, where Polars can read them so.

    With ``paths`` there is a column of that name, a String: the path by which the row's file is read.
    """
    frames = []
    for reading, group in groupby(parts, key=lambda part: part.reading):
        together = list(group)
        alone = [[part] for part in together] if reading.view else [together]
        frames += [scan([part.path for part in each], [part.name for part in each], reading, paths) for each in alone]
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical")


def read_through(part: Part) -> None:
    """Decode every value of a file; ``DataError`` when one cannot be read."""
    try:
        engine.read_through(scan_one(part))
    except MistakeError:  # a value that is decoded, and refused
        return
    except engine.UnsupportedError as error:
        raise DataError(f"{part.name}: column {_first_unread(part)!r} cannot be read: {error}") from error
    except (ExportError, OSError) as error:
        raise unreadable(part.name, error) from error


def refuse_times(part: Part) -> None:
    """Read the columns of INT96 timestamps; ``MistakeError`` when one is outside the years 1 to 9999 (D6)."""
    for name in part.reading.names_of_int96:
        engine.read_through(scan_one(part).select(column(name)))


def _first_unread(part: Part) -> str:
    """The first column of a file with a value that cannot be read."""
    for name in part.schema:
        try:
            engine.read_through(scan_one(part).select(column(name)))
        except ExportError:
            return name
    return ""


@contextmanager
def blamed(parts: Callable[[], Iterable[Part]]) -> Iterator[None]:
    """Turn a read error of a plan inside the block into a ``DataError`` that names the damaged file (SPEC 10).

    A file that was rewritten meanwhile is called that, not damaged (D2). Of several files that are read together, the
    one with a time that cannot be read is named too (D6).
    """
    try:
        yield
    except TimeOutsideError:
        for part in parts():
            refuse_times(part)
        raise
    except engine.ReadError as error:
        for part in parts():
            if part.is_rewritten():
                raise rewritten(part) from error
        for part in parts():
            read_through(part)
        raise


def rewritten(part: Part) -> DataError:
    """The error about a file that was written to while it was read (D2)."""
    return DataError(
        f"{part.name}: the file was written to while muster read it; run the command again once it is complete, and "
        "replace input files by renaming a new one over the old one"
    )


def refuse_rewritten(parts: Iterable[Part]) -> None:
    """``DataError`` when one of these files has other content than when it was opened (D2)."""
    for part in parts:
        if part.is_rewritten():
            raise rewritten(part)


def unreadable(name: str, error: BaseException) -> DataError:
    """The error about a file that is no complete Parquet file. A library's message is not quoted."""
    if isinstance(error, OSError) and error.errno in _LACKS:
        return DataError(f"{name}: cannot be read: {system_message(error)}; the file itself may be whole")
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror.lower()
    else:
        reason = (
            str(error) if type(error) is ValueError else f"it is damaged{limited()}"
        )  # a ValueError is muster's own
    advice = "write it without encryption" if reason == _ENCRYPTED else "write the file again"
    return DataError(f"{name}: cannot be read as Parquet: {reason}; {advice}")


def _footer(path: Path, size: int) -> bytes:
    if size == 0:
        raise ValueError("the file is empty")
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - 8))
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] == b"PARE":
            raise ValueError(_ENCRYPTED)
        if head != _MAGIC:
            raise ValueError("it does not start as a Parquet file does")
        if tail[4:] != _MAGIC or length + 12 > size:
            raise ValueError("it is truncated: its end is missing")
        file.seek(size - 8 - length)
        return file.read(length)


def total_rows(parts: Iterable[Part]) -> int:
    """The number of rows of all files together, from their footers."""
    return reduce(lambda rows, part: rows + part.rows, parts, 0)
