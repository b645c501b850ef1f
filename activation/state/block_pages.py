"""The pages of audiences that were evaluated for the first time, in Parquet's encoding (E8).

All members of such an audience have one time, and nobody has exited. So both columns follow from one bit a profile,
and these bits are what a page of Parquet begins with: its definition levels. Nothing is made for each profile, which
takes a tenth of the time that a writer of any column takes. Numbers are those of parquet.thrift.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import polars as pl

from muster.activation.frames.columns import TIME_TYPE
from muster.activation.inputs.footer import (
    BYTES,
    CODEC,
    DATA_PAGE,
    DICTIONARY_PAGE,
    ENCODINGS,
    METADATA,
    STORED,
    VALUES,
)
from muster.activation.inputs.thrift_pieces import (
    I32,
    I64,
    Pieces,
    binary,
    integer,
    list_of,
    nested,
    put_together,
    unsigned,
)
from muster.activation.state.block_layout import realized_column, time_column

_FILE_OFFSET = 2  # ColumnChunk
_TYPE, _PATH = 1, 3  # ColumnMetaData
_PAGE_TYPE, _PAGE_BYTES, _PAGE_STORED, _DATA_HEADER, _DICTIONARY_HEADER = 1, 2, 3, 5, 7  # PageHeader
_BOOLEAN, _INT64 = 0, 2  # Type
_DATA, _DICTIONARY = 0, 2  # PageType
_PLAIN, _RLE, _BY_DICTIONARY = 0, 3, 8  # Encoding
_ZSTD = 6  # CompressionCodec

Compress = Callable[[bytes], bytes]


class Page(NamedTuple):
    """A page with its header."""

    content: bytes
    size: int  # bytes without compression


class Chunk(NamedTuple):
    """The pages of one column in one row group."""

    column: str
    kind: int  # Type
    rows: int
    dictionary: Page | None
    data: Page

    @property
    def content(self) -> bytes:
        """The bytes of all pages."""
        return (self.dictionary.content if self.dictionary else b"") + self.data.content

    def at(self, position: int) -> bytes:
        """The encoded ColumnChunk of a footer, for pages that begin at this byte of the file."""
        pages = [self.dictionary, self.data] if self.dictionary else [self.data]
        encodings = [_PLAIN, _RLE, *([_BY_DICTIONARY] if self.dictionary else [])]
        about: Pieces = {
            _TYPE: integer(self.kind, I32),
            ENCODINGS: list_of([integer(each, I32) for each in encodings]),
            _PATH: list_of([binary(self.column.encode())]),
            CODEC: integer(_ZSTD, I32),
            VALUES: integer(self.rows, I64),
            BYTES: integer(sum(each.size for each in pages), I64),
            STORED: integer(sum(len(each.content) for each in pages), I64),
            DATA_PAGE: integer(position + sum(len(each.content) for each in pages[:-1]), I64),
        }
        if self.dictionary:
            about[DICTIONARY_PAGE] = integer(position, I64)
        return put_together({_FILE_OFFSET: integer(0, I64), METADATA: nested(put_together(about))})


class EnteredPages:
    """Makes the pages of audiences whose members all entered at one instant."""

    def __init__(self, at: datetime) -> None:
        import pyarrow as pa  # noqa: PLC0415  # a tenth of a second that small blocks do not need

        codec = pa.Codec("zstd", compression_level=1)
        self._compress: Compress = lambda content: bytes(codec.compress(content, asbytes=True))
        instant = pl.Series([at], dtype=TIME_TYPE).to_physical().item()
        header = put_together({1: integer(1, I32), 2: integer(_PLAIN, I32)})
        value = int(instant).to_bytes(8, "little", signed=True)
        self._dictionary = self._page(_DICTIONARY, {_DICTIONARY_HEADER: nested(header)}, value)

    def chunks(self, audience: str, realized: pl.Series) -> tuple[Chunk, Chunk]:
        """An audience's columns in a row group, where ``realized`` (Boolean, never null) says who is a member."""
        rows, members = len(realized), int(realized.sum())
        levels = _levels(realized)
        everybody_true = b"\xff" * (members // 8) + bytes(((1 << members % 8) - 1,))
        everybody_first = b"\x01" + unsigned(members << 1) + b"\0"  # numbers of one bit: one run of zeros
        return (
            Chunk(realized_column(audience), _BOOLEAN, rows, None, self._data(rows, _PLAIN, levels + everybody_true)),
            Chunk(
                time_column(audience),
                _INT64,
                rows,
                self._dictionary,
                self._data(rows, _BY_DICTIONARY, levels + everybody_first),
            ),
        )

    def _data(self, rows: int, encoding: int, content: bytes) -> Page:
        """A data page: definition levels and encoded values."""
        numbers = (rows, encoding, _RLE, _RLE)
        header = put_together({number: integer(each, I32) for number, each in enumerate(numbers, 1)})
        return self._page(_DATA, {_DATA_HEADER: nested(header)}, content)

    def _page(self, kind: int, header: Pieces, content: bytes) -> Page:
        stored = self._compress(content)
        numbers = {_PAGE_TYPE: kind, _PAGE_BYTES: len(content), _PAGE_STORED: len(stored)}
        head = put_together({number: integer(each, I32) for number, each in numbers.items()} | header)
        return Page(head + stored, len(head) + len(content))


def _levels(has_value: pl.Series) -> bytes:
    """The definition levels of rows with and without a value: bits as Arrow has them, behind two lengths."""
    size = (len(has_value) + 7) // 8
    array = has_value.rechunk().to_arrow()
    if array.offset:
        array = array.filter(array.is_valid())  # a copy that begins at a whole byte
    bits = bytearray(memoryview(array.buffers()[1])[:size])
    bits[-1] &= 0xFF >> -len(has_value) % 8  # behind the last row stands anything
    run = unsigned(size << 1 | 1) + bits
    return len(run).to_bytes(4, "little") + run
