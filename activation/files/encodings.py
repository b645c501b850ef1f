"""Text files in other encodings than the UTF-8 that writers produce, with compression, and back to UTF-8 (M7).

UTF-16 is little endian. A byte order mark is an ordinary character of the text, so the file has one if the writer
wrote one. All text of a profile can be written in UTF-16: Polars strings contain no lone surrogates. Latin-1 lacks most
characters.
"""

import codecs
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import RawIOBase
from typing import Any

from muster.activation.files.zip_archive import Archive
from muster.activation.model.workspace import Compression, Encoding

_CODECS: dict[Encoding, str] = {"utf-8": "utf-8", "utf-16": "utf-16-le", "latin-1": "latin-1"}
_BLOCK = 1 << 20  # bytes compressed at a time, whatever the writer's chunks: equal text makes equal files
_LEVEL = 4  # of zlib
_GZIP = 31  # zlib's code for its largest window and a gzip header without a time


class Recoder:
    """UTF-8 in, another encoding out, compressed with the given codec. Memory holds a few blocks."""

    def __init__(
        self, encoding: Encoding, compression: Compression, write: Callable[[bytes], object], name: str = ""
    ) -> None:
        """``write`` receives the bytes of the file in order; ``name`` is that of the file in a zip archive."""
        self.lost: str | None = None  # the first character that the encoding lacks; each is written as a question mark
        self._codec = _CODECS[encoding]
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder("utf-8")("strict")
        self._compressor = Archive(write, name, _LEVEL) if compression == "zip" else _COMPRESSORS[compression](write)
        self._rest = bytearray()

    def add(self, text: bytes) -> None:
        """Encode the next bytes of the text; a chunk may end within a character."""
        self._rest += self._encoded(self._decoder.decode(text)) if self._decoder else text
        whole = len(self._rest) - len(self._rest) % _BLOCK
        for start in range(0, whole, _BLOCK):
            self._compressor.add(bytes(self._rest[start : start + _BLOCK]))
        del self._rest[:whole]

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self._codec)
        except UnicodeEncodeError as error:
            self.lost = self.lost or text[error.start]
            return text.encode(self._codec, "replace")

    def end(self) -> None:
        """Encode and write the rest of the file; the text is complete."""
        if self._decoder:
            self._decoder.decode(b"", final=True)
        self._compressor.add(bytes(self._rest))
        self._rest.clear()
        self._compressor.end()


class Reader:
    """The bytes of a file in, its text as UTF-8 out; UTF-8 files pass through unchecked."""

    def __init__(self, encoding: Encoding) -> None:
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(_CODECS[encoding])("strict")

    def add(self, chunk: bytes, *, final: bool = False) -> bytes:
        """The text of the next bytes; ``UnicodeDecodeError`` for bytes that are no UTF-16, or half a character."""
        return self._decoder.decode(chunk, final=final).encode() if self._decoder else chunk


def as_utf8(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[bytes]:
    """The text of a whole file as UTF-8; errors are those of ``Reader.add``."""
    reader = Reader(encoding)
    for chunk in chunks:
        yield reader.add(chunk)
    yield reader.add(b"", final=True)


class _Plain:
    """No compression."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.add = write

    def end(self) -> None:
        """Do nothing: every byte was written at once."""


class _Gzip:
    """Compression into one gzip member."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    def add(self, block: bytes) -> None:
        """Compress the next block."""
        self._write(self._stream.compress(block))

    def end(self) -> None:
        """Write the last bytes and the checksum."""
        self._write(self._stream.flush())


class _Zstd:
    """Compression into one zstd frame."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        import pyarrow as pa  # noqa: PLC0415  # a quarter of a second that only zstd files need

        self._stream = pa.CompressedOutputStream(pa.PythonFile(_WritableFile(write), "w"), "zstd")

    def add(self, block: bytes) -> None:
        """Compress the next block."""
        self._stream.write(block)

    def end(self) -> None:
        """Write the last bytes."""
        self._stream.close()


class _WritableFile(RawIOBase):
    """A function that takes bytes, as a file that pyarrow can write to."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        super().__init__()
        self._write = write

    def writable(self) -> bool:
        """Whether the file can be written: always."""
        return True

    def write(self, data: Any) -> int:
        """Pass all bytes on."""
        chunk = bytes(data)
        self._write(chunk)
        return len(chunk)


_COMPRESSORS: dict[Compression, Callable[[Callable[[bytes], object]], _Plain | _Gzip | _Zstd]] = {
    "none": _Plain,
    "gzip": _Gzip,
    "zstd": _Zstd,
}
