"""Read a finished file once more: its sha256 and the rows that it holds (F3, X10). Edge module.

Counting in the file, not in the frame, is what makes a writer's fault a failed run instead of a wrong delivery.
"""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from activation.workspace import Compression, CsvOptions, Format

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Content:
    """What a file turned out to hold."""

    rows: int
    size: int
    sha256: str


def recount(path: Path, form: Format, compression: Compression, csv: CsvOptions) -> Content:
    """Size and checksum of the file as it lies there, and the rows inside."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Content(rows_in(path, form, compression, csv), path.stat().st_size, sha256)


def rows_in(path: Path, form: Format, compression: Compression, csv: CsvOptions) -> int:
    """Data rows of a file: from the footer, or by counting the line ends outside quotes."""
    if form == "parquet":
        return int(pq.read_metadata(path).num_rows)
    quote = csv.quote.encode() if form == "csv" and csv.quote_style != "never" else b""
    header = 1 if form == "csv" and csv.header else 0
    with _opened(path, compression) as file:
        return _lines(file, quote) - header


def _opened(path: Path, compression: Compression) -> IO[bytes]:
    if compression == "gzip":
        return gzip.open(path)  # type: ignore[return-value]  # a GzipFile reads as any binary file does
    if compression == "zstd":
        return pa.input_stream(str(path), compression="zstd")  # type: ignore[no-any-return]
    return path.open("rb")


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _lines(file: IO[bytes], quote: bytes) -> int:
    """Line feeds outside quotes; a doubled quote leaves and enters at once, so counting quotes is enough."""
    lines, inside = 0, False
    for chunk in _chunks(file):
        pieces = chunk.split(quote) if quote else [chunk]
        lines += sum(piece.count(b"\n") for piece in pieces[int(inside) :: 2])
        inside ^= len(pieces) % 2 == 0
    return lines
