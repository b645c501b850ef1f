"""Parquet part files read as one table (D5): footers, widening of types, one lazy frame. Edge module: reads files.

What is widened: null to anything, integers among themselves, integers and floats, time units to the finest, zones to
UTC, categorical to text, and the same inside structs, lists and maps. Anything else is a ``DataError`` naming file,
column and types.
"""

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
from muster.activation.system import interrupts
from muster.activation.values.dtypes import describe
from muster.activation.values.widening import convert, widen, without_categories

_MAGIC = b"PAR1"
_VIEW = 16  # bytes that Polars takes for a text beside its characters


@dataclass(frozen=True)
class Part:
    """One Parquet file: where it is, what it is called in messages and records, and what its footer says."""

    path: Path
    name: str
    size: int
    rows: int
    footer: str  # sha256 of the footer: what identifies the content for E8 and X7
    schema: pl.Schema
    sizes: Mapping[str, int] = field(
        default_factory=dict, compare=False
    )  # about what each column takes in memory, bytes

    @property
    def record(self) -> dict[str, str | int]:
        """What an evaluation remembers of the file (E8)."""
        return {"name": self.name, "size": self.size, "rows": self.rows, "footer": self.footer}

    def bytes_of(self, columns: Collection[str]) -> int:
        """About how much memory these columns take."""
        return sum(size for name, size in self.sizes.items() if name in columns)


def read_part(path: Path, name: str) -> Part:
    """Read a file's footer; ``DataError`` with the reason when it is no complete Parquet file."""
    try:
        size = path.stat().st_size
        footer = _footer(path, size)
        rows, sizes = page_headers.rows(path, footer), _sizes(footer)
        schema = pl.Schema(pl.read_parquet_schema(path))
    except (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise interrupts.asked() or _unreadable(name, error) from error
    return Part(path, name, size, rows, hashlib.sha256(footer).hexdigest(), schema, sizes)


def _sizes(footer: bytes) -> dict[str, int]:
    """What each column takes: its uncompressed pages, and 16 bytes a value as if it were text."""
    sizes: dict[str, int] = {}
    for chunk in page_headers.chunks_in(footer):
        sizes[chunk.column] = sizes.get(chunk.column, 0) + chunk.size + _VIEW * chunk.values
    return sizes


def read_through(part: Part) -> None:
    """Decode every value of a file; ``DataError`` when one cannot be read."""
    try:
        engine.read_through(scan([part]))
    except (ExportError, OSError) as error:
        raise _unreadable(part.name, error) from error


@contextmanager
def blamed(parts: Callable[[], Iterable[Part]]) -> Iterator[None]:
    """Around plans that read these files: one that fails on a damaged file is a ``DataError`` that names it (SPEC 10)."""
    try:
        yield
    except engine.ReadError:
        for part in parts():
            read_through(part)
        raise


def _unreadable(name: str, error: BaseException) -> DataError:
    """What is said of a file that is no Parquet file, or not a whole one; a library's words are a detail."""
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror.lower()
    else:
        reason = str(error) if type(error) is ValueError else "it is damaged"  # muster's own words, or a library's
    return DataError(f"{name}: cannot be read as Parquet: {reason}; write the file again, or move it out of the folder")


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
    """The columns of all parts with types wide enough for each (D5); ``DataError`` names the first part that does not fit."""
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
    """All parts as one lazy frame with the columns of ``unify``; a column that a part lacks is null there."""
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
    """Rows of all parts together, from their footers."""
    return reduce(lambda rows, part: rows + part.rows, parts, 0)
