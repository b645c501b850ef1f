"""The pages of an audience's two columns in a block, in Parquet's encoding (E8).

Both columns are null for the same profiles, and one bit a profile says for which. These bits are what a page of Parquet
begins with: its definition levels. The few times of an audience stand in a dictionary, and each membership has the
number of its time, in whole bytes. In an audience that was evaluated for the first time all members have one time, and
nobody has exited: nothing is made for each profile. So pages take a third of the time that a writer of any column
takes, or a tenth. Numbers are those of parquet.thrift.
"""

from collections.abc import Callable, Sequence
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
_WIDTHS = ((8, pl.UInt8), (16, pl.UInt16), (32, pl.UInt32))  # bits of a number, and its type in memory

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


class AudiencePages:
    """Makes the pages of audiences, row group after row group; who entered did so at the instant ``at``."""

    def __init__(self, at: datetime) -> None:
        import pyarrow as pa  # noqa: PLC0415  # a tenth of a second that small blocks do not need

        codec = pa.Codec("zstd", compression_level=1)
        self._compress: Compress = lambda content: bytes(codec.compress(content, asbytes=True))
        instant = pl.Series([at], dtype=TIME_TYPE).to_physical().item()
        self._instant = self._dictionary([int(instant)])
        self._times: dict[str, pl.Series] = {}  # by audience: the times (Int64) of the row groups so far, ascending

    def of_entered(self, audience: str, realized: pl.Series) -> tuple[Chunk, Chunk]:
        """An audience's columns in a row group, where ``realized`` (Boolean, never null) says who is a member."""
        members = int(realized.sum())
        everybody_true = b"\xff" * (members // 8) + bytes(((1 << members % 8) - 1,))
        return self._chunks(audience, realized, everybody_true, self._instant, _all_first(members))

    def of_moved(self, audience: str, realized: pl.Series, times: pl.Series) -> tuple[Chunk, Chunk]:
        """An audience's columns in a row group, as the block has them: both are null for the same profiles."""
        has_value = realized.is_not_null()
        known, numbers = self._numbered(audience, times.filter(has_value).to_physical())
        encoded = _in_whole_bytes(numbers, len(known)) if len(known) > 1 else _all_first(len(numbers))
        values = _bits(realized.filter(has_value))
        return self._chunks(audience, has_value, values, self._dictionary(known.to_list()), encoded)

    def _numbered(self, audience: str, times: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Times (Int64), ascending, and the number (UInt32) among them of each of an audience's ``times``."""
        known = self._times.get(audience, times.clear())
        numbers = known.search_sorted(times)
        if _lacks(known, times, numbers):
            known = self._times[audience] = pl.concat([known, times.unique()]).unique().sort()
            numbers = known.search_sorted(times)
        return known, numbers

    def _chunks(
        self, audience: str, has_value: pl.Series, realized: bytes, dictionary: Page, times: bytes
    ) -> tuple[Chunk, Chunk]:
        """Both columns: of values that are not null the encoded ``realized``, and numbers of ``times``."""
        rows, levels = len(has_value), _levels(has_value)
        data = self._data(rows, _BY_DICTIONARY, levels + times)
        return (
            Chunk(realized_column(audience), _BOOLEAN, rows, None, self._data(rows, _PLAIN, levels + realized)),
            Chunk(time_column(audience), _INT64, rows, dictionary, data),
        )

    def _dictionary(self, times: Sequence[int]) -> Page:
        header = put_together({1: integer(len(times), I32), 2: integer(_PLAIN, I32)})
        values = b"".join(time.to_bytes(8, "little", signed=True) for time in times)
        return self._page(_DICTIONARY, {_DICTIONARY_HEADER: nested(header)}, values)

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
    """The definition levels of rows with and without a value: their bits, behind two lengths."""
    bits = _bits(has_value)
    run = unsigned(len(bits) << 1 | 1) + bits
    return len(run).to_bytes(4, "little") + run


def _bits(values: pl.Series) -> bytes:
    """The bits of Booleans, none of which is null, as Arrow and Parquet have them."""
    if not len(values):
        return b""
    array = values.rechunk().to_arrow()
    if array.offset:
        array = array.filter(array.is_valid())  # a copy that begins at a whole byte
    bits = bytearray(memoryview(array.buffers()[1])[: (len(values) + 7) // 8])
    bits[-1] &= 0xFF >> -len(values) % 8  # behind the last row stands anything
    return bytes(bits)


def _lacks(known: pl.Series, times: pl.Series, numbers: pl.Series) -> bool:
    """Whether a time is not in ``known`` at the number that a search found for it."""
    if not len(times):
        return False
    return bool(numbers.max() == len(known)) or not known.gather(numbers).equals(times)


def _all_first(count: int) -> bytes:
    """So many numbers of the first value of a dictionary, in one bit each: one run of zeros."""
    return b"\x01" + unsigned(count << 1) + b"\0"


def _in_whole_bytes(numbers: pl.Series, known: int) -> bytes:
    """Numbers of the values of a dictionary that has ``known`` ones: in groups of eight, of one, two or four bytes."""
    width, dtype = next((width, dtype) for width, dtype in _WIDTHS if known <= 1 << width)
    groups = (len(numbers) + 7) // 8
    packed = numbers.cast(dtype).extend_constant(0, groups * 8 - len(numbers)).rechunk()
    size = groups * width
    return bytes((width,)) + unsigned(groups << 1 | 1) + bytes(memoryview(packed.to_arrow().buffers()[1])[:size])
