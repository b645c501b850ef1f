"""A Parquet file as Polars can read it, where Polars refuses the file as it is (D6).

Polars opens no file that has one column of a type that it does not know. So each row group is given to it as a small
file in memory: the pages of the columns that are asked for, and a footer that says nothing of the others.
"""

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from muster.activation.inputs.arrow_schema import changed_schema
from muster.activation.inputs.footer import ARROW_SCHEMA, KEY_VALUES, SCHEMA, VERSION, Footer
from muster.activation.inputs.footer_pieces import MAGIC, end_of_file, moved_chunk, row_group
from muster.activation.inputs.parquet_types import CONVERTED, LOGICAL
from muster.activation.inputs.schema_tree import CHILDREN, REPEATED, REPETITION, Column
from muster.activation.inputs.thrift import struct
from muster.activation.inputs.thrift_pieces import (
    I32,
    Pieces,
    binary,
    integer,
    put_together,
    structs,
    taken_apart,
)

_NEWEST_VERSION = 2
_LIST = 3  # ConvertedType


@dataclass(frozen=True, eq=False)
class View:
    """The columns of a file that Polars reads; maps of the columns ``as_lists`` are read as lists of their entries."""

    footer: Footer
    columns: tuple[Column, ...]
    as_lists: frozenset[str]
    is_zone: Callable[[str], bool]
    with_arrow_schema: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out or changed: Polars may read the file itself."""
        names = {column.name for column in self.columns}
        return (
            len(self.columns) == len(self.footer.columns)
            and not self.as_lists
            and not self.footer.by_arrow
            and (self.footer.arrow_schema is None or self._arrow_schema(names) == self.footer.arrow_schema)
        )

    def by_parquet_alone(self) -> "View":
        """The view without what Arrow's writers add."""
        return replace(self, with_arrow_schema=False)

    def with_maps(self) -> "View":
        """The view with maps as maps."""
        return replace(self, as_lists=frozenset())

    def of(self, columns: tuple[Column, ...]) -> "View":
        """The view of some columns."""
        return replace(self, columns=columns)

    def named(self, names: Collection[str]) -> "View":
        """The view of the columns with these names, in the order of the file."""
        return self.of(tuple(column for column in self.columns if column.name in names))

    def without_rows(self) -> bytes:
        """A file that has these columns and no row."""
        return self._file([], 0, b"")

    def row_group(self, path: Path, number: int) -> bytes:
        """A file that has one row group of the file at ``path``, with these columns.

        ``OSError`` when the file cannot be read, ``EOFError`` when it is shorter than the footer says.
        """
        encoded, found = self.footer.encoded_chunks[number], self.footer.groups[number]
        body, chunks = bytearray(), []
        with path.open("rb") as file:
            for column in self.columns:
                for each, chunk in zip(encoded[column.leaves], found[column.leaves], strict=True):
                    if chunk:  # always, of a column that can be used
                        chunks.append(moved_chunk(each, len(MAGIC) + len(body) - chunk.start))
                        body += _read(file.fileno(), chunk.start, chunk.stored)
        rows = self.footer.group_rows[number]
        return self._file([row_group(chunks, len(body), rows)], rows, bytes(body))

    def _file(self, groups: Iterable[bytes], rows: int, body: bytes) -> bytes:
        return b"".join((MAGIC, body, end_of_file(self._schema, groups, rows)))

    @cached_property
    def _schema(self) -> Pieces:
        """What a footer says of these columns, whatever the rows: it takes longest, and is put together once."""
        root = taken_apart(self.footer.encoded_elements[0]) | {CHILDREN: integer(len(self.columns), I32)}
        inside = (each for column in self.columns for each in self._elements_of(column))
        pieces = {VERSION: integer(_NEWEST_VERSION, I32), SCHEMA: structs([put_together(root), *inside])}
        if schema := self._arrow_schema({column.name for column in self.columns}):
            pair = put_together({1: binary(ARROW_SCHEMA), 2: binary(schema)})
            pieces[KEY_VALUES] = structs([pair])
        return pieces

    def _elements_of(self, column: Column) -> list[bytes]:
        """The elements of a column in the schema."""
        found = self.footer.encoded_elements[column.elements]
        if column.name in self.as_lists:
            for position in column.maps:
                number = position - column.elements.start
                found[number] = _as_list(found[number])
        return found

    def _arrow_schema(self, names: Collection[str]) -> bytes | None:
        if not self.with_arrow_schema or not self.footer.arrow_schema:
            return None
        columns = self.footer.columns
        kept = [not column.reason and column.name in names for column in columns]
        maps = [column.name in self.as_lists for column in columns]
        return changed_schema(self.footer.arrow_schema, [column.name for column in columns], kept, maps, self.is_zone)


def _as_list(element: bytes) -> bytes:
    """The element of a map as that of a list: what repeats inside has two fields, and becomes a struct."""
    fields, _ = struct(element, 0)
    pieces = {number: piece for number, piece in taken_apart(element).items() if number not in (CONVERTED, LOGICAL)}
    if fields.get(REPETITION) != REPEATED:
        pieces[CONVERTED] = integer(_LIST, I32)
    return put_together(pieces)


def _read(file: int, start: int, size: int) -> bytes:
    """Bytes of a file; ``EOFError`` when it ends before them."""
    if start + size > os.fstat(file).st_size:
        raise EOFError
    found = bytearray()
    while len(found) < size:
        more = os.pread(file, size - len(found), start + len(found))
        if not more:
            raise EOFError
        found += more
    return bytes(found)
