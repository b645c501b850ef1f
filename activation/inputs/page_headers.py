"""A Parquet file's footer and page headers, checked before its pages are decoded (SPEC 10).

A damaged header can ask a decoder for more memory than there is, which ends the whole process instead of one command.
So the few numbers before each page are compared with what the file can contain; the decoder checks the pages.
"""

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from muster.activation.inputs.thrift import Struct, struct, within

# Numbers of fields in parquet.thrift
_ROWS, _GROUPS = 3, 4  # FileMetaData
_COLUMNS = 1  # RowGroup
_ELSEWHERE, _COLUMN = 1, 3  # ColumnChunk
_TYPE, _PATH, _VALUES, _BYTES, _FIRST, _DICTIONARY_FIRST, _STATISTICS = 1, 3, 5, 6, 9, 11, 12  # ColumnMetaData
_NULLS, _HIGHEST, _LOWEST = 3, 5, 6  # Statistics
_INT64 = 2  # Type
_SIZE, _STORED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8  # PageHeader
_COUNT = 1  # of values, in a page header's inner parts

_LARGEST = 2**31 - 1  # bytes or values of a page
_NONSENSE = (AttributeError, IndexError, KeyError, TypeError, ValueError)  # raised on a value of another type


class Chunk(NamedTuple):
    """One column of one row group: the position of its first page, and the number of values in its pages."""

    column: str
    name: str  # dotted path of the leaf column
    start: int
    values: int
    size: int  # bytes of its pages, uncompressed


def rows(path: Path, footer: bytes) -> int:
    """The number of rows in the footer; ``ValueError`` when the footer or a page header is not valid."""
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
    """The column chunks in the footer; ``ValueError`` when the footer is not valid."""
    try:
        metadata, _ = struct(footer, 0)
        return [_chunk(column) for group in metadata[_GROUPS] for column in group[_COLUMNS] if _ELSEWHERE not in column]
    except _NONSENSE:
        raise ValueError("its footer is damaged") from None


def _chunk(column: Struct) -> Chunk:
    metadata = column[_COLUMN]
    path = [name.decode() for name in metadata[_PATH]]
    first = min(metadata[field] for field in (_DICTIONARY_FIRST, _FIRST) if metadata.get(field))
    return Chunk(path[0], ".".join(path), first, within(metadata[_VALUES], 2**63), within(metadata[_BYTES], 2**63))


def integer_ranges(footer: bytes, name: str) -> list[tuple[int, int] | None] | None:
    """The lowest and highest value of a 64-bit integer column in each row group, as the footer's statistics have them.

    None stands for a group with nulls alone. The result is None when a group's statistics do not say it.
    """
    return integer_ranges_of(footer, [name])[name]


def integer_ranges_of(footer: bytes, names: Iterable[str]) -> dict[str, list[tuple[int, int] | None] | None]:
    """``integer_ranges`` of several columns."""
    try:
        metadata, _ = struct(footer, 0)
        groups = [_by_path(group[_COLUMNS]) for group in metadata[_GROUPS]]
    except _NONSENSE:
        groups = [{}]
    return {name: _ranges(groups, name) for name in names}


def _by_path(columns: list[Struct]) -> dict[tuple[bytes, ...], list[Struct]]:
    found: dict[tuple[bytes, ...], list[Struct]] = {}
    for each in columns:
        found.setdefault(tuple(each[_COLUMN][_PATH]), []).append(each[_COLUMN])
    return found


def _ranges(groups: list[dict[tuple[bytes, ...], list[Struct]]], name: str) -> list[tuple[int, int] | None] | None:
    try:
        return [_range(group[name.encode(),]) for group in groups]
    except _NONSENSE:
        return None


def without_values(footer: bytes) -> frozenset[str]:
    """The columns that are null in every row, as the footer's statistics say; none that is nested."""
    try:
        metadata, _ = struct(footer, 0)
        chunks = [each[_COLUMN] for group in metadata[_GROUPS] for each in group[_COLUMNS]]
        flat = [(chunk[_PATH][0].decode(), chunk) for chunk in chunks if len(chunk[_PATH]) == 1]
        has_values = {name for name, chunk in flat if chunk.get(_STATISTICS, {}).get(_NULLS) != chunk[_VALUES]}
    except _NONSENSE:
        return frozenset()
    return frozenset(name for name, _ in flat if name not in has_values)


def _range(columns: list[Struct]) -> tuple[int, int] | None:
    """The range of the column of one name in a row group; ``KeyError`` or ``ValueError`` when it is not known."""
    [metadata] = columns
    statistics = metadata.get(_STATISTICS, {})
    if metadata[_VALUES] == statistics.get(_NULLS):
        return None
    within(metadata[_TYPE] - _INT64, 0)
    low, high = statistics[_LOWEST], statistics[_HIGHEST]
    within(abs(len(low) - 8) + abs(len(high) - 8), 0)
    lowest, highest = (int.from_bytes(each, "little", signed=True) for each in (low, high))
    within(highest - lowest, 2**64)
    return lowest, highest


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
        raise ValueError(f"column {chunk.name!r} is damaged: a page header is not valid") from None


def _values_in(header: Struct, most: int) -> int:
    """The number of the column's values in a page; values of a dictionary page do not count."""
    if _DICTIONARY in header:
        within(header[_DICTIONARY][_COUNT], _LARGEST)
    data = header.get(_DATA) or header.get(_DATA_V2)
    return within(data[_COUNT], most) if data else 0
