"""Read delivered files as their receivers would, strictly, and with none of the writer's code (M7, F2).

A file is hashed and parsed in one pass (Parquet and zip, whose directories are at the end, in two), a chunk at a time:
memory does not grow with its size. ``look`` checks a whole file; ``Reading.rows`` yields some of its columns.
"""

import hashlib
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import polars as pl

from muster.activation.audit.csv_scan import LONGEST, CsvScan, HeaderError, UnreadableError
from muster.activation.export.recipe import Recipe
from muster.activation.files.encodings import as_utf8
from muster.activation.wording import counted

_CHUNK = 1 << 20
_MAGIC = b"PAR1"
_BATCH = 1 << 16  # rows of Parquet at a time


@dataclass(frozen=True)
class Found:
    """The content found in a file that has the name of a delivered one."""

    size: int
    sha256: str
    rows: int | None  # None when it was not, or cannot be, parsed
    problem: UnreadableError | None = None  # why it cannot be parsed


class Reading:
    """A file that is read once from start to end, and hashed on the way; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file; ``OSError`` when there is none, or it may not be read."""
        self.path = path
        if not stat.S_ISREG(path.stat().st_mode):
            raise IsADirectoryError("it is a folder" if path.is_dir() else "it is not a file")
        self._file = path.open("rb", buffering=0)
        self._hash = hashlib.sha256()
        self.size = 0
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def close(self) -> None:
        """Note that a decompressor ended; the file stays open, for the rest of it is still to be read."""
        self.closed = True

    def read(self, size: int = _CHUNK) -> bytes:
        """Read and hash the next bytes."""
        chunk = self._file.read(size) or b""
        self._hash.update(chunk)
        self.size += len(chunk)
        return chunk

    def chunks(self) -> Iterator[bytes]:
        """Yield the rest of the file in chunks."""
        while chunk := self.read():
            yield chunk

    def rows(self, recipe: Recipe, columns: Sequence[str] | None = None) -> Iterator["int | pl.DataFrame"]:
        """Yield each batch's number of rows, or its ``columns`` as text; ``UnreadableError`` at the first fault."""
        yield from _FORMATS[recipe.format](self, recipe, columns)

    def found(self, rows: int | None, problem: UnreadableError | None = None) -> Found:
        """Read the rest of the file, and return size and checksum of all of it."""
        for _ in self.chunks():
            pass
        return Found(self.size, self._hash.hexdigest(), rows, problem)


def look(path: Path, recipe: Recipe | None) -> Found:
    """Hash a file and, if its form is known, parse all of it; ``OSError`` when it cannot be read at all."""
    with Reading(path) as reading:
        if recipe is None:
            return reading.found(None)
        try:
            rows = sum(each for each in reading.rows(recipe) if isinstance(each, int))
        except UnreadableError as error:
            return reading.found(None, error)
        return reading.found(rows)


def _csv(reading: Reading, recipe: Recipe, columns: Sequence[str] | None) -> Iterator[int | pl.DataFrame]:
    scan = CsvScan(recipe.csv, recipe.columns)
    if columns is None:
        yield from scan.counts(_utf8(reading, recipe))
        return
    positions = [recipe.names.index(name) for name in columns]
    for rows in scan.batches(_utf8(reading, recipe)):
        texts = {
            str(position): values for position, values in zip(positions, scan.values(rows, positions), strict=True)
        }
        frame = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.Binary))
        yield frame.select(
            pl.col(str(position)).cast(pl.String).alias(name) for position, name in zip(positions, columns, strict=True)
        )


def _json(reading: Reading, recipe: Recipe, columns: Sequence[str] | None) -> Iterator[int | pl.DataFrame]:
    """Read JSON lines; numbers keep their text, so that a value has the text that it has in CSV."""
    done, expected = 0, list(recipe.columns)
    parse: Callable[[bytes], Any] = _decoder(exact=columns is not None)
    for lines in _lines(_plain(reading, recipe)):
        rows = []
        for number, line in enumerate(lines, start=done + 1):
            row = _object(parse, line, number)
            if list(row) != expected:
                raise HeaderError(f"row {number:,} has other keys than the columns that were delivered")
            if columns is not None:
                rows.append([_json_text(row[name]) for name in columns])
        done += len(lines)
        yield (
            len(lines)
            if columns is None
            else pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
        )


def _decoder(*, exact: bool) -> Callable[[bytes], Any]:
    numbers = str if exact else None
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=numbers, parse_int=numbers)
    return lambda line: decoder.decode(line.decode())


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _object(parse: Callable[[bytes], Any], line: bytes, number: int) -> dict[str, Any]:
    try:
        row = parse(line)
    except UnicodeDecodeError:
        raise UnreadableError(f"row {number:,} is not UTF-8") from None
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise UnreadableError(f"row {number:,} is not one JSON object")
    return row


def _json_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return ("true" if value else "false") if isinstance(value, bool) else json.dumps(value)


def _lines(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest, done = b"", 0
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield lines
        done += len(lines)
        if len(rest) > LONGEST:
            raise UnreadableError(f"row {done + 1:,} has no line end within {LONGEST >> 20} MiB")
    if rest:
        raise UnreadableError(f"row {done + 1:,} has no line end: the file is cut off, or something was added to it")


def _parquet(reading: Reading, recipe: Recipe, columns: Sequence[str] | None) -> Iterator[int | pl.DataFrame]:
    import pyarrow as pa  # noqa: PLC0415  # a quarter of a second that other formats do not need
    import pyarrow.parquet as pq  # noqa: PLC0415

    done = 0
    if reading.read(len(_MAGIC)) != _MAGIC:
        raise UnreadableError("it does not start as a Parquet file does")
    try:
        with pq.ParquetFile(reading.path, page_checksum_verification=True) as file:
            if file.schema_arrow.names != list(recipe.columns):
                raise HeaderError(f"its columns differ; expected {', '.join(recipe.columns)}")
            for batch in file.iter_batches(_BATCH):
                batch.validate(full=True)
                done += batch.num_rows
                yield batch.num_rows if columns is None else _texts(batch, columns)
    except (pa.ArrowException, OSError, ValueError):
        raise UnreadableError(f"it cannot be read as Parquet after row {done:,}: it is damaged") from None


def _texts(batch: Any, columns: Sequence[str]) -> pl.DataFrame:
    """Return columns of a Parquet batch as the text that CSV has for their values."""
    from muster.activation.values.text import csv_text  # noqa: PLC0415

    frame = pl.DataFrame(pl.from_arrow(batch.select(columns)))
    return frame.select(
        csv_text(pl.nth(position), dtype).alias(name) for position, (name, dtype) in enumerate(frame.schema.items())
    )


_FORMATS: dict[str, Callable[[Reading, Recipe, Sequence[str] | None], Iterator[int | pl.DataFrame]]] = {
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
}


def _utf8(reading: Reading, recipe: Recipe) -> Iterator[bytes]:
    """Yield a CSV file's text as UTF-8."""
    try:
        yield from as_utf8(_plain(reading, recipe), recipe.csv.encoding)
    except UnicodeDecodeError:  # no bytes are wrong in Latin-1
        raise UnreadableError(
            f"it is not UTF-16, or cut off within a character, before byte {reading.size:,}"
        ) from None


def _plain(reading: Reading, recipe: Recipe) -> Iterator[bytes]:
    """Yield a text file's bytes, decompressed."""
    return {"none": Reading.chunks, "gzip": _gunzipped, "zstd": _unzstd, "zip": _unzipped}[recipe.compression](reading)


def _gunzipped(reading: Reading) -> Iterator[bytes]:
    """Yield the text of a gzip file: at least one member, each with its checksum, and nothing after the last."""
    engine: Any = None
    for chunk in reading.chunks():
        unread = chunk
        while unread:
            engine = engine or zlib.decompressobj(wbits=31)
            try:
                text = engine.decompress(unread, _CHUNK)
            except zlib.error:
                raise UnreadableError(f"it is no whole gzip stream: damaged before byte {reading.size:,}") from None
            if text:
                yield text
            unread = engine.unused_data if engine.eof else engine.unconsumed_tail
            engine = None if engine.eof else engine
    if engine or not reading.size:
        raise UnreadableError("its gzip stream is cut off, or something was added to it")


def _unzstd(reading: Reading) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415

    try:
        with pa.CompressedInputStream(pa.PythonFile(reading, "r"), "zstd") as stream:
            while text := stream.read(_CHUNK):
                yield text
    except (pa.ArrowException, OSError):
        raise UnreadableError(f"it is no whole zstd stream: cut off or damaged before byte {reading.size:,}") from None
    if not reading.size:
        raise UnreadableError("its zstd stream is missing: the file is empty")


def _unzipped(reading: Reading) -> Iterator[bytes]:
    """Yield the text of the only file in a zip archive, which is read by itself: its directory is at the end."""
    try:
        with zipfile.ZipFile(reading.path) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise UnreadableError(f"the zip archive holds {counted(len(names), 'file')}; expected one")
            with archive.open(names[0]) as member:
                while text := member.read(_CHUNK):
                    yield text
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, ValueError):
        raise UnreadableError("it is no whole zip archive: cut off or damaged") from None
