"""A Parquet file's footer and page headers, looked at before its pages are decoded (SPEC 10). Edge module: reads a file.

A header that was damaged on its way can ask a decoder for more memory than there is, which ends the whole process
instead of one command. So the few numbers before each page are compared with what the file can hold; what is inside the
pages the decoder checks.
"""

import mmap
from pathlib import Path
from typing import NamedTuple

from muster.activation.inputs.thrift import Struct, struct, within

# Numbers of fields in parquet.thrift
_ROWS, _GROUPS = 3, 4  # FileMetaData
_COLUMNS = 1  # RowGroup
_ELSEWHERE, _COLUMN = 1, 3  # ColumnChunk
_PATH, _VALUES, _BYTES, _FIRST, _DICTIONARY_FIRST = 3, 5, 6, 9, 11  # ColumnMetaData
_SIZE, _STORED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8  # PageHeader
_COUNT = 1  # of values, in a page header's inner parts

_LARGEST = 2**31 - 1  # bytes or values of a page
_NONSENSE = (
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)  # what follows from a number that is another kind of value


class Chunk(NamedTuple):
    """One column of one group of rows: where its first page begins, and how many values its pages hold together."""

    column: str
    name: str  # of the leaf, with the columns above it
    start: int
    values: int
    size: int  # bytes of its pages, uncompressed


def rows(path: Path, footer: bytes) -> int:
    """How many rows the footer tells of; ``ValueError`` when it, or the header of a page, cannot be true."""
    try:
        metadata, _ = struct(footer, 0)
        count = within(metadata[_ROWS], 2**63)
    except _NONSENSE:
        raise ValueError("its footer is damaged") from None
    chunks = chunks_in(footer)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for chunk in chunks:
            _check(content, chunk)
    return count


def chunks_in(footer: bytes) -> list[Chunk]:
    """What the footer tells of each column; ``ValueError`` when that cannot be true."""
    try:
        metadata, _ = struct(footer, 0)
        return [_chunk(column) for group in metadata[_GROUPS] for column in group[_COLUMNS] if _ELSEWHERE not in column]
    except _NONSENSE:
        raise ValueError("its footer is damaged") from None


def _chunk(column: Struct) -> Chunk:
    about = column[_COLUMN]
    path = [name.decode() for name in about[_PATH]]
    first = min(about[field] for field in (_DICTIONARY_FIRST, _FIRST) if about.get(field))
    return Chunk(path[0], ".".join(path), first, within(about[_VALUES], 2**63), within(about[_BYTES], 2**63))


def _check(content: mmap.mmap, chunk: Chunk) -> None:
    """Walk from page to page; ``ValueError`` when a header is nonsense or points out of the file."""
    try:
        position, seen = within(chunk.start, len(content)), 0
        while seen < chunk.values:
            header, position = struct(content, position)
            seen += _values_in(header, chunk.values)
            position += within(header[_STORED], len(content) - position)
            within(header[_SIZE], _LARGEST)
    except _NONSENSE:
        raise ValueError(f"column {chunk.name!r} is damaged: the header of a page cannot be true") from None


def _values_in(header: Struct, most: int) -> int:
    """How many of the column's values the page holds; those of a dictionary are none of them."""
    if _DICTIONARY in header:
        within(header[_DICTIONARY][_COUNT], _LARGEST)
    data = header.get(_DATA) or header.get(_DATA_V2)
    return within(data[_COUNT], most) if data else 0
