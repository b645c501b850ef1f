"""A Parquet file's footer: its rows, its columns with what Parquet says of their types, and where their pages are.

Muster reads footers before any library does: a library that does not know the type of one column refuses the whole
file. Numbers are those of parquet.thrift.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from muster.activation.inputs.parquet_types import NULL, needs_arrow, pages_reason
from muster.activation.inputs.schema_tree import Column, Leaf, columns_and_leaves
from muster.activation.inputs.thrift import Struct, struct, within
from muster.activation.inputs.thrift_pieces import elements_at, elements_inside, place_of

VERSION, SCHEMA, ROWS, GROUPS, KEY_VALUES = 1, 2, 3, 4, 5  # FileMetaData
COLUMNS, GROUP_BYTES, GROUP_ROWS, _SORTED = 1, 2, 3, 4  # RowGroup
ELSEWHERE, METADATA, ENCRYPTION = 1, 3, 8  # ColumnChunk
ENCODINGS, CODEC, VALUES, BYTES, STORED, DATA_PAGE, DICTIONARY_PAGE, STATISTICS = 2, 4, 5, 6, 7, 9, 11, 12
_TYPE = 1  # ColumnMetaData
_NULLS, _HIGHEST, _LOWEST = 3, 5, 6  # Statistics
_INT64, _INT64_BYTES = 2, 8  # Type
_VIEW = 16  # bytes that Polars takes for a text beside its characters
ARROW_SCHEMA = b"ARROW:schema"

NONSENSE = (AttributeError, IndexError, KeyError, TypeError, ValueError)  # raised on a value of another type


class Chunk(NamedTuple):
    """The pages of one leaf in one row group."""

    start: int  # of the first page
    stored: int  # bytes of all pages
    size: int  # bytes of all pages, uncompressed
    values: int
    is_null: bool  # surely without a value: the statistics say so
    range: tuple[int, int] | None  # lowest and highest of 64-bit integers, where the statistics say it
    by_arrow: bool  # in an encoding that PyArrow decodes, and Polars does not


@dataclass(frozen=True)
class Footer:
    """What a footer says."""

    content: bytes = field(repr=False)
    rows: int
    columns: tuple[Column, ...]
    leaves: tuple[Leaf, ...]
    groups: tuple[tuple[Chunk | None, ...], ...]  # a chunk for each leaf; None where its pages cannot be read
    group_rows: tuple[int, ...]
    arrow_schema: bytes | None  # the schema that Arrow's writers add, in base64

    @property
    def usable(self) -> tuple[Column, ...]:
        """The columns that can be used."""
        return tuple(column for column in self.columns if not column.reason)

    @property
    def unusable(self) -> dict[str, str]:
        """The names of the other columns, each with the reason in words."""
        return {column.name: column.reason for column in self.columns if column.reason}

    @cached_property
    def _flat(self) -> dict[str, Column]:
        return {column.name: column for column in self.usable if column.is_flat}

    @cached_property
    def encoded_elements(self) -> list[bytes]:
        """The elements of the schema, encoded."""
        return elements_at(self.content, place_of(self.content, SCHEMA))[0]

    @cached_property
    def encoded_chunks(self) -> list[list[bytes]]:
        """For each row group the chunks of its leaves, encoded."""
        return elements_inside(self.content, place_of(self.content, GROUPS), COLUMNS)

    def without(self, reasons: Mapping[str, str]) -> "Footer":
        """The footer with reasons against further columns."""
        return replace(
            self, columns=tuple(replace(each, reason=reasons.get(each.name, each.reason)) for each in self.columns)
        )

    def kinds(self, column: Column) -> tuple[str, ...]:
        """The kinds of a column's leaves: what is to be made of the values that Polars reads."""
        return tuple(leaf.type.kind for leaf in self.leaves[column.leaves])

    def chunks(self, column: Column) -> list[Chunk]:
        """The chunks of a column, over all row groups."""
        return [chunk for group in self.groups for chunk in group[column.leaves] if chunk]

    @property
    def without_values(self) -> frozenset[str]:
        """The columns that surely have no value in any row (D5), whether they can be used or not."""
        with_values = {column.name for column in self.columns if not self._is_without_values(column)}
        return frozenset(column.name for column in self.columns if column.name not in with_values)

    def _is_without_values(self, column: Column) -> bool:
        if not self.rows or self.kinds(column) == (NULL,):
            return True
        chunks = self.chunks(column)
        return column.is_flat and len(chunks) == len(self.groups) and all(chunk.is_null for chunk in chunks)

    @property
    def by_arrow(self) -> frozenset[str]:
        """The columns that can be used, and that PyArrow decodes."""
        return frozenset(each.name for each in self.usable if any(chunk.by_arrow for chunk in self.chunks(each)))

    def bytes_of(self, column: Column) -> int:
        """Bytes of a column in memory: its uncompressed pages, and 16 for each value, as if it were text."""
        return sum(chunk.size + _VIEW * chunk.values for chunk in self.chunks(column))

    def ranges(self, name: str) -> list[tuple[int, int] | None] | None:
        """The lowest and highest value of a column of 64-bit integers in each row group, from the statistics.

        None stands for a group with nulls alone. The result is None when a group's statistics do not say it.
        """
        column = self._flat.get(name)
        chunks = self.chunks(column) if column else []
        if (
            column is None
            or len(chunks) != len(self.groups)
            or any(not each.is_null and not each.range for each in chunks)
        ):
            return None
        return [None if chunk.is_null else chunk.range for chunk in chunks]


def read_footer(content: bytes) -> Footer:
    """The footer in these bytes; ``ValueError`` when it is not valid."""
    try:
        metadata, _ = struct(content, 0)
        rows = within(metadata[ROWS], 2**63)
        columns, leaves = columns_and_leaves(metadata[SCHEMA])
        reasons = [""] * len(leaves)
        flat = {column.leaves.start for column in columns if column.is_flat}
        groups = tuple(_chunks(group, leaves, flat, reasons) for group in metadata[GROUPS])
        group_rows = tuple(within(group[GROUP_ROWS], rows) for group in metadata[GROUPS])
        within(abs(sum(group_rows) - rows), 0)
        pairs = {pair[1]: pair.get(2) for pair in metadata.get(KEY_VALUES) or ()}
        extra = pairs.get(ARROW_SCHEMA)
    except NONSENSE:
        raise ValueError("its footer is damaged") from None
    times = Counter(column.name for column in columns)
    known = tuple(replace(each, reason=_reason(each, times[each.name], reasons[each.leaves])) for each in columns)
    arrow_schema = extra if isinstance(extra, bytes) else None
    return Footer(content, rows, known, tuple(leaves), groups, group_rows, arrow_schema)


def _reason(column: Column, times: int, of_pages: Sequence[str]) -> str:
    """Why a column cannot be used, whose name occurs so many times; empty where it can."""
    if times > 1:
        return f"{times:,} columns of the file have this name; rename all but one"
    return column.reason or next(filter(None, of_pages), "")


def _chunks(
    group: Struct, leaves: Sequence[Leaf], flat: Collection[int], reasons: list[str]
) -> tuple[Chunk | None, ...]:
    """The chunks of a row group; the reasons why the pages of a leaf cannot be read are added to ``reasons``.

    ``flat`` has the numbers of the leaves that are whole columns.
    """
    found = []
    for each in group.get(_SORTED) or ():
        within(each[1], len(leaves) - 1)
    for number, (leaf, column) in enumerate(zip(leaves, group[COLUMNS], strict=True)):
        reason = _pages_reason(leaf, column, is_flat=number in flat)
        reasons[number] = reasons[number] or reason
        found.append(None if reason else _chunk(leaf, column[METADATA]))
    return tuple(found)


def _pages_reason(leaf: Leaf, column: Struct, *, is_flat: bool) -> str:
    if ENCRYPTION in column:
        return "it is encrypted, and encrypted columns cannot be read; write it without encryption"
    if ELSEWHERE in column:
        return "its values are in another file, which cannot be read; write them into one file"
    metadata = column[METADATA]
    return pages_reason(leaf.type, metadata[CODEC], metadata.get(ENCODINGS) or (), is_flat=is_flat)


def _chunk(leaf: Leaf, metadata: Struct) -> Chunk:
    values, size, stored = (within(metadata[field], 2**63) for field in (VALUES, BYTES, STORED))
    pages = [within(metadata[field], 2**63) for field in (DICTIONARY_PAGE, DATA_PAGE) if metadata.get(field)]
    start = min(pages) if pages or values else 0
    statistics = metadata.get(STATISTICS) or {}
    is_null = statistics.get(_NULLS) == values
    by_arrow = needs_arrow(leaf.type, metadata.get(ENCODINGS) or ())
    return Chunk(start, stored, size, values, is_null, _range(metadata, statistics), by_arrow)


def _range(metadata: Struct, statistics: Struct) -> tuple[int, int] | None:
    low, high = statistics.get(_LOWEST), statistics.get(_HIGHEST)
    if metadata.get(_TYPE) != _INT64 or not low or not high or len(low) != len(high) or len(low) != _INT64_BYTES:
        return None
    lowest, highest = (int.from_bytes(each, "little", signed=True) for each in (low, high))
    return (lowest, highest) if lowest <= highest else None
