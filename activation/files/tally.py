"""Hash a file and count its rows while it is written, or count those of a compressed one afterwards (F3, X10). Edge module.

Counting what came out of the writer, not what went in, is what makes a writer's fault a failed run instead of a wrong
delivery.
"""

import gzip
import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from muster.activation.files.encodings import Reader, Recoder
from muster.activation.frames import engine
from muster.activation.model.workspace import Compression, CsvOptions, Encoding, Format
from muster.activation.system.disk import own_file

Opener = Callable[[str, int], int]
_CHUNK = 1 << 20
_AHEAD = 8  # chunks that may wait to be hashed


@dataclass(frozen=True)
class Content:
    """What a file turned out to hold."""

    rows: int
    size: int
    plain_size: int  # before compression; of Parquet, as it is
    sha256: str


class Tally(io.RawIOBase):
    """A file to write to, whose bytes are hashed, and lines counted, in another thread while the next ones are made.

    What is to be in another encoding than UTF-8 is written to it as UTF-8 without compression, and brought into both
    here.
    """

    def __init__(
        self, path: Path, form: Format, compression: Compression, csv: CsvOptions, opener: Opener | None = own_file
    ) -> None:
        super().__init__()
        self._path, self._form, self._compression, self._csv = path, form, compression, csv
        self._file = open(path, "r+b", opener=opener)  # noqa: SIM115 (Path.open takes no opener; ``close`` closes it)
        self._hash = hashlib.sha256()
        self._lines = Lines(_quote(form, csv), encoding(form, csv))
        self._recoder = Recoder(compression, self._take) if recodes(form, csv) else None
        self._worker = ThreadPoolExecutor(1, "muster-hash")
        self._waiting: deque[Future[None]] = deque()
        self.size = 0
        self.error: OSError | None = None  # what the system said, which Polars wraps

    @property
    def stream(self) -> IO[bytes]:
        """Itself, as writers know it."""
        return cast("IO[bytes]", self)

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def write(self, data: Any) -> int:
        """Write all of it."""
        chunk = bytes(data)
        if self._recoder:
            self._recoder.add(chunk)
        else:
            self._take(chunk)
        return len(chunk)

    def _take(self, chunk: bytes) -> None:
        """Bytes as they are to be in the file."""
        try:
            self._file.write(chunk)
        except OSError as error:
            self.error = error
            raise
        self.size += len(chunk)
        self._waiting.append(self._worker.submit(self._look_at, chunk))
        while len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def end(self) -> None:
        """All was written to it; ``OSError`` when what was kept back cannot be."""
        if self._recoder:
            self._recoder.end()

    def _look_at(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        if self._form != "parquet" and self._compression == "none":
            self._lines.add(chunk)

    def close(self) -> None:
        """Let the file go; ``OSError`` when the system cannot write what it holds."""
        if not self.closed:
            self._worker.shutdown(wait=False)
            self._file.close()
            super().close()

    def content(self) -> Content:
        """What the file holds, once it is closed and the last of it was looked at."""
        while self._waiting:
            self._waiting.popleft().result()
        lines = self._lines
        if self._form == "parquet":
            rows = int(engine.collect(pl.scan_parquet(self._path, glob=False).select(pl.len())).item())
            return Content(rows, self.size, self.size, self._hash.hexdigest())
        if self._compression != "none":
            lines = _lines_in(self._path, self._form, self._compression, self._csv)
        return Content(lines.count - _header(self._form, self._csv), self.size, lines.size, self._hash.hexdigest())


class Lines:
    """Line feeds outside quotes; a doubled quote leaves and enters at once, so counting quotes is enough."""

    def __init__(self, quote: bytes, encoding: Encoding = "utf-8") -> None:
        self._quote = quote
        self._reader = Reader(encoding)
        self._inside = False
        self.count = 0
        self.size = 0  # bytes that were looked at

    def add(self, chunk: bytes) -> None:
        """Count on."""
        self.size += len(chunk)
        chunk = self._reader.add(chunk)
        if not self._quote or (not self._inside and self._quote not in chunk):
            self.count += chunk.count(b"\n")
            return
        pieces = chunk.split(self._quote)
        self.count += sum(piece.count(b"\n") for piece in pieces[int(self._inside) :: 2])
        self._inside ^= len(pieces) % 2 == 0


def _lines_in(path: Path, form: Format, compression: Compression, csv: CsvOptions) -> Lines:
    """The lines of a compressed file."""
    lines = Lines(_quote(form, csv), encoding(form, csv))
    with _opened(path, compression) as file:
        for chunk in _chunks(file):
            lines.add(chunk)
    return lines


def recodes(form: Format, csv: CsvOptions) -> bool:
    """Whether a file is in another encoding than what writers write."""
    return encoding(form, csv) != "utf-8"


def encoding(form: Format, csv: CsvOptions) -> Encoding:
    """What the text of a file is encoded in."""
    return csv.encoding if form == "csv" else "utf-8"


def _quote(form: Format, csv: CsvOptions) -> bytes:
    return csv.quote.encode() if form == "csv" and csv.quote_style != "never" else b""


def _header(form: Format, csv: CsvOptions) -> int:
    return 1 if form == "csv" and csv.header else 0


def _opened(path: Path, compression: Compression) -> IO[bytes]:
    if compression == "gzip":
        return gzip.open(path)  # type: ignore[return-value]  # a GzipFile reads as any binary file does
    if compression == "zstd":
        import pyarrow as pa  # noqa: PLC0415  # a quarter of a second that only zstd files need

        return pa.input_stream(str(path), compression="zstd")  # type: ignore[no-any-return]
    return path.open("rb")


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
