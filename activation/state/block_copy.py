"""A copy of a block without some of its audiences: the bytes of the others are copied as they are, damaged or not (E8).

The digest of each remaining audience's own bytes is thus the one that the ledger has, and damage stays damage.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from muster.activation.inputs.footer import ARROW_SCHEMA, COLUMNS, GROUP_ROWS, GROUPS, KEY_VALUES, ROWS, SCHEMA, VERSION
from muster.activation.inputs.footer_pieces import MAGIC, end_of_file, moved_chunk, row_group
from muster.activation.inputs.schema_tree import CHILDREN
from muster.activation.inputs.thrift import struct
from muster.activation.inputs.thrift_pieces import (
    I32,
    Pieces,
    elements,
    integer,
    put_together,
    structs,
    taken_apart,
)
from muster.activation.state.block_layout import Layout, Section, audience_of

_CREATED_BY = 6  # FileMetaData
_KEY = 1  # KeyValue
_PIECE = 1 << 20  # bytes that are copied at once


@dataclass(frozen=True)
class Copy:
    """A block without some of its audiences, as it is to be written."""

    sections: tuple[Section, ...]  # of the former block, in their order
    end: bytes  # what stands after them

    @property
    def size(self) -> int:
        """The size of the file."""
        return len(MAGIC) + sum(end - start for start, end in self.sections) + len(self.end)

    def from_block(self, path: Path) -> Callable[[Path], None]:
        """What writes the copy of the block at a path; ``OSError`` as the system says."""

        def write(target: Path) -> None:
            with path.open("rb", buffering=0) as source, target.open("r+b") as file:
                file.write(MAGIC)
                for start, end in self.sections:
                    for first in range(start, end, _PIECE):
                        file.write(os.pread(source.fileno(), min(end - first, _PIECE), first))
                file.write(self.end)

        return write


def without_others(layout: Layout, audiences: Collection[str]) -> Copy:
    """The copy of a block that has these of its audiences; ``layout`` is that of an intact footer."""
    return _Copying(layout, audiences).copy()


@dataclass(frozen=True)
class _Copying:
    layout: Layout
    audiences: Collection[str]

    @cached_property
    def _kept(self) -> list[int]:
        """The numbers of the columns that stay."""
        return [
            number
            for number, column in enumerate(self.layout.columns)
            if not number or audience_of(column) in self.audiences
        ]

    def copy(self) -> Copy:
        footer = taken_apart(self.layout.footer)
        rows, position, groups = struct(self.layout.footer, 0)[0][ROWS], len(MAGIC), []
        for encoded, sections in zip(elements(footer[GROUPS]), self.layout.groups, strict=True):
            group, position = self._moved(encoded, sections, position)
            groups.append(group)
        kept = tuple(sections[number] for sections in self.layout.groups for number in self._kept)
        return Copy(kept, end_of_file(self._schema(footer), groups, rows))

    def _moved(self, encoded: bytes, sections: tuple[Section, ...], position: int) -> tuple[bytes, int]:
        """A row group of the copy whose first chunk begins at a position, and where the next row group begins."""
        group, chunks, first = taken_apart(encoded), [], position
        columns = elements(group[COLUMNS])
        for number in self._kept:
            start, end = sections[number]
            chunks.append(moved_chunk(columns[number], position - start))
            position += end - start
        rows = struct(encoded, 0)[0][GROUP_ROWS]
        return row_group(chunks, position - first, rows), position

    def _schema(self, footer: Pieces) -> Pieces:
        """What the footer says whatever the rows; the types need no word from Arrow's writers."""
        root, *columns = elements(footer[SCHEMA])
        kept = [columns[number] for number in self._kept]
        changed = taken_apart(root) | {CHILDREN: integer(len(kept), I32)}
        as_it_is = {number: footer[number] for number in (VERSION, _CREATED_BY) if number in footer}
        pairs = elements(footer[KEY_VALUES]) if KEY_VALUES in footer else []
        marks = [pair for pair in pairs if struct(pair, 0)[0][_KEY] != ARROW_SCHEMA]
        if marks:
            as_it_is[KEY_VALUES] = structs(marks)
        return as_it_is | {SCHEMA: structs([put_together(changed), *kept])}
