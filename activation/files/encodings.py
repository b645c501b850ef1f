"""A text file's bytes in the encoding that its receiver reads: from the writer's UTF-8, and back to it (M7). Pure.

UTF-16 is little endian. A byte order mark is a character of the text like any other, so it is in the file if the writer
wrote one. Text of a profile always has a form in UTF-16: Polars holds no half of a surrogate pair.
"""

import codecs
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import RawIOBase
from typing import Any

from muster.activation.model.workspace import Compression, Encoding

_CODEC = "utf-16-le"
_BLOCK = (
    1 << 20
)  # bytes that are compressed at a time, however many the writer gave: what makes the same text the same file
_GZIP_LEVEL = 4
_GZIP = 31  # zlib's word for its largest window and gzip's header, which then holds no time


class Recoder:
    """UTF-8 in, UTF-16 out, compressed if it is to be. Memory holds a few blocks."""

    def __init__(self, compression: Compression, take: Callable[[bytes], object]) -> None:
        """``take`` is given the bytes of the file, in their order."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._compressor = _COMPRESSORS[compression](take)
        self._rest = bytearray()

    def add(self, text: bytes) -> None:
        """The next bytes of the text; they may end within a character."""
        self._rest += self._decoder.decode(text).encode(_CODEC)
        whole = len(self._rest) - len(self._rest) % _BLOCK
        for start in range(0, whole, _BLOCK):
            self._compressor.add(bytes(self._rest[start : start + _BLOCK]))
        del self._rest[:whole]

    def end(self) -> None:
        """The text is complete: all that is left of the file is given."""
        self._decoder.decode(b"", final=True)
        self._compressor.add(bytes(self._rest))
        self._rest.clear()
        self._compressor.end()


class Reader:
    """A file's bytes in, its text as UTF-8 out; UTF-8 itself is not looked at."""

    def __init__(self, encoding: Encoding) -> None:
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(_CODEC)("strict")

    def add(self, chunk: bytes, *, final: bool = False) -> bytes:
        """The text of the next bytes; ``UnicodeDecodeError`` where they are no UTF-16, or where it ends within a character."""
        return self._decoder.decode(chunk, final=final).encode() if self._decoder else chunk


def as_utf8(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[bytes]:
    """The same for all of a file."""
    reader = Reader(encoding)
    for chunk in chunks:
        yield reader.add(chunk)
    yield reader.add(b"", final=True)


class _Plain:
    """Bytes as they are."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self.add = take

    def end(self) -> None:
        """Nothing is kept back."""


class _Gzip:
    """One gzip member."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)

    def add(self, block: bytes) -> None:
        """Compress on."""
        self._take(self._stream.compress(block))

    def end(self) -> None:
        """The last bytes, with the checksum."""
        self._take(self._stream.flush())


class _Zstd:
    """One zstd frame."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        import pyarrow as pa  # noqa: PLC0415  # a quarter of a second that only zstd files need

        self._stream = pa.CompressedOutputStream(pa.PythonFile(_Taken(take), "w"), "zstd")

    def add(self, block: bytes) -> None:
        """Compress on."""
        self._stream.write(block)

    def end(self) -> None:
        """The last bytes."""
        self._stream.close()


class _Taken(RawIOBase):
    """What is given on, as a file that is written to."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        super().__init__()
        self._take = take

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def write(self, data: Any) -> int:
        """Give on all of it."""
        chunk = bytes(data)
        self._take(chunk)
        return len(chunk)


_COMPRESSORS: dict[Compression, Callable[[Callable[[bytes], object]], _Plain | _Gzip | _Zstd]] = {
    "none": _Plain,
    "gzip": _Gzip,
    "zstd": _Zstd,
}
