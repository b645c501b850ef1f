"""Parquet files read as one table (D5): their footers, a type for each column, and one lazy frame.

Types are widened: null to anything, integers among themselves, integers and floats, time units to the finest, zones to
UTC, categorical to text, and the same inside structs, lists and maps. Anything else is a ``DataError`` naming file,
column and types.
"""

import errno
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from pathlib import Path

import polars as pl

from muster.activation.errors import DataError, ExportError
from muster.activation.frames import engine
from muster.activation.frames.columns import column
from muster.activation.inputs import page_headers
from muster.activation.inputs.open_files import OpenFile
from muster.activation.system import interrupts
from muster.activation.system.memory import limited
from muster.activation.system.os_errors import system_message
from muster.activation.values.dtypes import describe
from muster.activation.values.widening import convert, widen, without_categories

_LACKS = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}  # which the process lacks, not the file
_MAGIC = b"PAR1"
_VIEW = 16  # bytes that Polars takes for a text beside its characters


@dataclass(frozen=True)
class Part:
    """One Parquet file: its path here, its name in messages and records, and the contents of its footer."""

    path: Path  # to read it by: where a file is held open, the path of its descriptor
    name: str
    size: int
    rows: int
    footer: str  # SHA-256 of the footer, in hex: it identifies the content (E8, X7)
    schema: pl.Schema
    sizes: Mapping[str, int] = field(default_factory=dict, compare=False)  # bytes of each column in memory, estimated
    file: OpenFile | None = field(default=None, compare=False)  # None: a copy that nobody else writes to

    @property
    def record(self) -> dict[str, str | int]:
        """The file in an evaluation's record (E8)."""
        return {"name": self.name, "size": self.size, "rows": self.rows, "footer": self.footer}

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
        footer = _footer(path, size)
        rows, sizes = page_headers.rows(path, footer), _sizes(footer)
        schema = pl.Schema(pl.read_parquet_schema(path))
    except (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise interrupts.requested() or unreadable(name, error) from error
    return Part(path, name, size, rows, hashlib.sha256(footer).hexdigest(), schema, sizes, file)


def _sizes(footer: bytes) -> dict[str, int]:
    """Bytes of each column in memory: its uncompressed pages, and 16 for each value, as if it were text."""
    sizes: dict[str, int] = {}
    for chunk in page_headers.chunks_in(footer):
        sizes[chunk.column] = sizes.get(chunk.column, 0) + chunk.size + _VIEW * chunk.values
    return sizes


def footer_of(part: Part) -> bytes:
    """The footer of a file that was opened; ``DataError`` when it is not there any more."""
    try:
        return _footer(part.path, part.size)
    except (OSError, ValueError) as error:
        raise unreadable(part.name, error) from error


def scan_one(part: Part) -> pl.LazyFrame:
    """One file as it is, in its own types."""
    return pl.scan_parquet([part.path], glob=False, hive_partitioning=False)


def read_through(part: Part) -> None:
    """Decode every value of a file; ``DataError`` when one cannot be read."""
    try:
        engine.read_through(scan([part]))
    except (ExportError, OSError) as error:
        raise unreadable(part.name, error) from error


@contextmanager
def blamed(parts: Callable[[], Iterable[Part]]) -> Iterator[None]:
    """Turn a read error of a plan inside the block into a ``DataError`` that names the damaged file (SPEC 10).

    A file that was rewritten meanwhile is called that, not damaged (D2).
    """
    try:
        yield
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
    return DataError(f"{name}: cannot be read as Parquet: {reason}; write the file again")


def _footer(path: Path, size: int) -> bytes:
    if size == 0:
        raise ValueError("the file is empty")
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - 8))
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if head != _MAGIC:
            raise ValueError("it does not start as a Parquet file does")
        if tail[4:] != _MAGIC or length + 12 > size:
            raise ValueError("it is truncated: its end is missing")
        file.seek(size - 8 - length)
        return file.read(length)


def unify(parts: Sequence[Part]) -> pl.Schema:
    """The columns of all files, with types wide enough for each (D5).

    ``DataError`` names file, column and types when the types of two files do not go together.
    """
    types: dict[str, pl.DataType] = {}
    origin: dict[str, str] = {}
    for part in parts:
        for name, dtype in part.schema.items():
            plain = without_categories(dtype)
            wide = widen(types[name], plain) if name in types else plain
            if wide is None:
                raise DataError(
                    f"{part.name}: column {name!r} is {describe(dtype)} here but {describe(types[name])} in "
                    f"{origin[name]}"
                )
            if wide != types.get(name):
                types[name], origin[name] = wide, part.name
    return pl.Schema(types)


def scan(parts: Sequence[Part]) -> pl.LazyFrame:
    """All files as one lazy frame with the columns of ``unify``; a column that a file lacks is null there."""
    target = unify(parts)
    frames = [
        pl.scan_parquet([part.path for part in group], glob=False, hive_partitioning=False).select(
            _conform(schema, target)
        )
        for schema, group in ((schema, list(group)) for schema, group in groupby(parts, key=lambda part: part.schema))
    ]
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical")


def _conform(schema: pl.Schema, target: pl.Schema) -> list[pl.Expr]:
    return [
        convert(column(name), schema[name], dtype).alias(name)
        if name in schema
        else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in target.items()
    ]


def total_rows(parts: Iterable[Part]) -> int:
    """The number of rows of all files together, from their footers."""
    return reduce(lambda rows, part: rows + part.rows, parts, 0)
