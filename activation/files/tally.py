"""A file that is hashed and whose rows are counted while it is written (F3, X10).

The rows are those that came out of the writer, not those that went in: so a fault of the writer fails the run instead
of delivering a wrong file. The rows of compressed and of Parquet files are counted by reading the finished file.
"""

import errno
import gzip
import hashlib
import io
import os
import re
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from muster.activation.files.encodings import Reader, Recoder
from muster.activation.frames import engine
from muster.activation.model.workspace import Compression, CsvOptions, Encoding, Format
from muster.activation.system import interrupts
from muster.activation.system.disk import own_file

Opener = Callable[[str, int], int]
_CHUNK = 1 << 20
_ESCAPED_NUL = re.compile(rb"\\u0000")  # faster than ``in``
_AHEAD = 4  # chunks that may wait to be hashed


@dataclass(frozen=True)
class Content:
    """Rows, size and checksum of a finished file."""

    rows: int
    size: int
    plain_size: int  # bytes before compression; of Parquet the file's size
    sha256: str
    may_have_nul: bool = False  # a text file: whether there may be a NUL in its values


class Tally(io.RawIOBase):
    """A file to write to. Another thread hashes its bytes and counts its lines while the next bytes are produced.

    Writers always write UTF-8. Where the tally encodes or makes a zip archive (``recodes``), writers do not compress.
    """

    def __init__(
        self,
        path: Path,
        file_format: Format,
        compression: Compression,
        csv: CsvOptions,
        opener: Opener | None = own_file,
        *,
        name: str = "",
    ) -> None:
        """Open the file; ``name`` is that of the text in a zip archive."""
        super().__init__()
        self._path, self._format, self._compression, self._csv = path, file_format, compression, csv
        try:
            self._file = open(path, "r+b", opener=opener)  # noqa: SIM115 (Path.open takes no opener; ``close`` closes it)
        except OSError:
            super().close()  # nothing is open that the finalizer would have to close
            raise
        self._hash = hashlib.sha256()
        self._lines = Lines(file_format, csv)
        self._recoder: Recoder | None = None
        self._worker = ThreadPoolExecutor(1, "muster-hash")
        self._waiting: deque[Future[None]] = deque()
        self.size = 0
        self.has_line_feeds_inside = True  # whether fields of the next bytes may have any; says so at a row's start
        self.error: OSError | None = None  # what the system said, which Polars wraps
        if recodes(file_format, compression, csv):
            self._recoder = Recoder(encoding(file_format, csv), compression, self._write_bytes, name)

    @property
    def stream(self) -> IO[bytes]:
        """The tally, typed as the binary file that Polars' writers expect."""
        return cast("IO[bytes]", self)

    @property
    def lost(self) -> str | None:
        """The first character that the file's encoding lacks; None while there is none."""
        return self._recoder.lost if self._recoder else None

    def writable(self) -> bool:
        """Whether the file can be written: always."""
        return True

    def write(self, data: Any) -> int:
        """Write all of ``data``, encoded if the file has another encoding; ``OSError`` is also kept in ``error``."""
        chunk = bytes(data)
        if self._recoder:
            self._recoder.add(chunk)
        else:
            self._write_bytes(chunk)
        return len(chunk)

    def _write_bytes(self, chunk: bytes) -> None:
        """Write bytes of the file, and queue them for hashing; ``OSError`` once the command is asked to stop.

        The thread that is asked is another one where several files are written at once.
        """
        if interrupts.requested():
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        try:
            self._file.write(chunk)
        except OSError as error:
            self.error = error
            raise
        self.size += len(chunk)
        self._waiting.append(self._worker.submit(self._hash_and_count, chunk, self._is_plain()))
        while len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def end(self) -> None:
        """Write what the encoder still buffers; ``OSError`` when that fails."""
        if self._recoder:
            self._recoder.end()

    def _is_plain(self) -> bool:
        """Whether each line feed of a chunk ends a line: unknown of bytes that a recoder kept back."""
        return not self.has_line_feeds_inside and self._recoder is None

    def _hash_and_count(self, chunk: bytes, is_plain: bool) -> None:
        self._hash.update(chunk)
        if self._format != "parquet" and self._compression == "none":
            self._lines.add(chunk, is_plain=is_plain)

    def close(self) -> None:
        """Close the file; ``OSError`` when the system cannot write its last bytes."""
        if not self.closed:
            self._worker.shutdown(wait=False)
            self._file.close()
            super().close()

    def content(self) -> Content:
        """Rows, size and checksum, once the file is closed; waits until all bytes are hashed."""
        while self._waiting:
            self._waiting.popleft().result()
        lines = self._lines
        if self._format == "parquet":
            rows = int(engine.collect(pl.scan_parquet(self._path, glob=False).select(pl.len())).item())
            return Content(rows, self.size, self.size, self._hash.hexdigest())
        if self._compression != "none":
            lines = _lines_in(self._path, self._format, self._compression, self._csv)
        rows, digest = lines.count - _header(self._format, self._csv), self._hash.hexdigest()
        return Content(rows, self.size, lines.size, digest, lines.may_have_nul)


class Lines:
    """A count of line feeds outside quotes. A doubled quote ends and starts a field, so counting quotes is enough.

    Escaped quotes and escapes are left out: outside quotes no escape stands before another one, or before a quote.
    """

    def __init__(self, file_format: Format, csv: CsvOptions) -> None:
        self._is_json = file_format == "json"
        quote, escape = _quote(file_format, csv), csv.escape.encode()
        self._quote, self._escape = quote, escape if quote else b""
        self._pairs = re.compile(b"%b." % re.escape(escape), re.DOTALL)  # an escape and what it stands before
        self._rest = b""  # escapes at the end of a chunk
        self._reader = Reader(encoding(file_format, csv))
        self._inside = False
        self._end = b""  # the last bytes of the chunk before
        self.count = 0
        self.size = 0  # bytes seen, in the encoding of the file
        self.may_have_nul = False

    def add(self, chunk: bytes, *, is_plain: bool = False) -> None:
        """Count the line feeds of the next bytes; ``is_plain``: they begin and end outside quotes, and none is inside.

        Plain bytes are counted without a look at quotes, which takes half the time.
        """
        self.size += len(chunk)
        chunk = self._reader.add(chunk)
        self.may_have_nul = self.may_have_nul or b"\0" in chunk or (self._is_json and self._has_escaped_nul(chunk))
        if is_plain:
            self.count += chunk.count(b"\n")
            return
        if self._escape:
            chunk = self._rest + chunk
            whole = chunk.rstrip(self._escape)
            chunk, self._rest = self._pairs.sub(b"", whole), chunk[len(whole) :]
        if not self._quote or (not self._inside and self._quote not in chunk):
            self.count += chunk.count(b"\n")
            return
        pieces = chunk.split(self._quote)
        self.count += sum(piece.count(b"\n") for piece in pieces[int(self._inside) :: 2])
        self._inside ^= len(pieces) % 2 == 0

    def _has_escaped_nul(self, chunk: bytes) -> bool:
        """Whether JSON text may have a NUL: it may also be text that looks like an escaped one."""
        chunk = self._end + chunk
        self._end = chunk[-5:]  # where an escaped NUL may begin
        return _ESCAPED_NUL.search(chunk) is not None


def _lines_in(path: Path, file_format: Format, compression: Compression, csv: CsvOptions) -> Lines:
    """The lines of a finished file, decompressed."""
    lines = Lines(file_format, csv)
    with _opened(path, compression) as file:
        for chunk in _chunks(file):
            lines.add(chunk)
    return lines


def recodes(file_format: Format, compression: Compression, csv: CsvOptions) -> bool:
    """Whether the tally makes the file's bytes: of another encoding than UTF-8, or in a zip archive."""
    return encoding(file_format, csv) != "utf-8" or compression == "zip"


def encoding(file_format: Format, csv: CsvOptions) -> Encoding:
    """The encoding of the file's text."""
    return csv.encoding if file_format == "csv" else "utf-8"


def _quote(file_format: Format, csv: CsvOptions) -> bytes:
    return csv.quote.encode() if file_format == "csv" and csv.quote_style != "never" else b""


def _header(file_format: Format, csv: CsvOptions) -> int:
    return 1 if file_format == "csv" and csv.header else 0


@contextmanager
def _opened(path: Path, compression: Compression) -> Iterator[IO[bytes]]:
    """A finished file, open for reading its text."""
    with ExitStack() as stack:
        if compression == "gzip":
            yield cast("IO[bytes]", stack.enter_context(gzip.open(path)))
        elif compression == "zip":
            archive = stack.enter_context(zipfile.ZipFile(path))
            yield stack.enter_context(archive.open(archive.namelist()[0]))
        elif compression == "zstd":
            import pyarrow as pa  # noqa: PLC0415  # a quarter of a second that only zstd files need

            yield stack.enter_context(pa.input_stream(str(path), compression="zstd"))
        else:
            yield stack.enter_context(path.open("rb"))


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
