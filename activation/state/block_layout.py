"""Where each audience's bytes lie in a block of memberships, and the digests of these bytes (E8).

A block is a Parquet file with one row for each number of a profile, in the order of the numbers:

profile_id                          String; null for a number without a profile
realized:<audience>                 Boolean: true for realized, false for exited, null for never a member
last_qualification_time:<audience>  Datetime(us, UTC); null for never a member

An audience's own bytes are the pages of both columns, row group after row group: what they hold does not depend on
where they lie. All other bytes are shared: the pages of the profile ids, the footer, and what stands between.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from muster.activation.frames.columns import PROFILE_ID, REALIZED, TIME
from muster.activation.inputs.footer import (
    COLUMNS,
    DATA_PAGE,
    DICTIONARY_PAGE,
    GROUPS,
    METADATA,
    NONSENSE,
    SCHEMA,
    STORED,
    VALUES,
)
from muster.activation.inputs.footer_pieces import MAGIC
from muster.activation.inputs.thrift import Struct, struct, within
from muster.activation.inputs.thrift_pieces import elements_at, place_of

_ELEMENT = 4  # SchemaElement: the name
_END = 8  # bytes after a footer: its length and the magic
_PIECE = 1 << 20  # bytes that are read at once

Section = tuple[int, int]  # of a file: its first byte, and the byte after it


@dataclass(frozen=True)
class Layout:
    """The sections of a block, in the order of the file."""

    footer: bytes
    columns: tuple[str, ...]
    groups: tuple[tuple[Section, ...], ...]  # of each row group the chunk of each column
    size: int  # of the file

    @cached_property
    def of_audiences(self) -> Mapping[str, tuple[Section, ...]]:
        """The sections of each audience: the chunks of both columns, row group after row group."""
        return {
            audience_of(column): tuple(section for group in self.groups for section in group[number : number + 2])
            for number, column in enumerate(self.columns)
            if number % 2
        }

    @cached_property
    def shared(self) -> tuple[Section, ...]:
        """The sections that no audience has of its own."""
        own = [section for group in self.groups for section in group[1:]]
        starts, ends = [0, *(end for _, end in own)], [*(start for start, _ in own), self.size]
        return tuple((start, end) for start, end in zip(starts, ends, strict=True) if start < end)


@dataclass(frozen=True)
class Digests:
    """The sha256 of a block's sections, in hex."""

    shared: str
    own: Mapping[str, str]  # by audience

    def of(self, audience: str) -> str:
        """The digests of an audience's part as the ledger has them: the audience's own, a dot, the shared one."""
        return f"{self.own[audience]}.{self.shared}"


def realized_column(audience: str) -> str:
    """The name of the column that says whether a profile is realized."""
    return f"{REALIZED}:{audience}"


def time_column(audience: str) -> str:
    """The name of the column that says since when."""
    return f"{TIME}:{audience}"


def columns_of(audience: str) -> list[str]:
    """The names of an audience's columns, in their order."""
    return [realized_column(audience), time_column(audience)]


def own_digest(sha256: str) -> str:
    """The digest of an audience's own bytes, of the two that the ledger has."""
    return sha256.partition(".")[0]


def shared_digest(sha256: str) -> str:
    """The digest of the bytes that all audiences of a block share, of the two that the ledger has."""
    return sha256.partition(".")[2]


def read_layout(path: Path) -> Layout:
    """The layout of a block; ``ValueError`` when the footer is not one of a block, ``OSError`` as the system says."""
    footer, start, size = _footer(path)
    try:
        metadata, _ = struct(footer, 0)
        return _layout(metadata, footer, start, size)
    except NONSENSE:
        raise ValueError(path.name) from None


def layout_of(content: bytes) -> Layout:
    """The layout of a block that muster just wrote into memory."""
    size = len(content)
    start = size - _END - int.from_bytes(content[-_END:-4], "little")
    footer = content[start:-_END]
    return _layout(struct(footer, 0)[0], footer, start, size)


def audiences_in(path: Path) -> list[str]:
    """The audiences of a block, without a look at its row groups; raises errors as ``read_layout`` does."""
    footer, _, _ = _footer(path)
    try:
        elements, _ = elements_at(footer, place_of(footer, SCHEMA))
        columns = columns_in(struct(each, 0)[0] for each in elements)
        return [audience_of(column) for column in columns[1::2]]
    except NONSENSE:
        raise ValueError(path.name) from None


def _footer(path: Path) -> tuple[bytes, int, int]:
    """The bytes of a file's footer, where it begins, and the size of the file; errors as of ``read_layout``."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        end = _read(file.fileno(), max(0, size - _END), size)
        start = size - _END - int.from_bytes(end[:4], "little")
        if end[4:] != MAGIC or start < len(MAGIC):
            raise ValueError(path.name)
        return _read(file.fileno(), start, size - _END), start, size


def digests(path: Path, layout: Layout) -> Digests:
    """The digests of all sections of a block."""
    own = {audience: digest(path, sections) for audience, sections in layout.of_audiences.items()}
    return Digests(digest(path, layout.shared), own)


def digest(path: Path, sections: Iterable[Section]) -> str:
    """The sha256 of some sections of a file, one after the other, in hex."""
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for start, end in sections:
            for first in range(start, end, _PIECE):
                found.update(_read(file.fileno(), first, min(first + _PIECE, end)))
    return found.hexdigest()


def _read(file: int, start: int, end: int) -> bytes:
    """The bytes of a section of up to 2 GiB, fewer where the file ends before."""
    return os.pread(file, end - start, start)


def audience_of(column: str) -> str:
    """The audience whose column has this name."""
    return column.partition(":")[2]


def columns_in(elements: Iterable[Struct]) -> tuple[str, ...]:
    """The columns of a schema; ``ValueError`` unless they are those of a block."""
    _root, *columns = (each[_ELEMENT].decode() for each in elements)
    audiences = (audience_of(column) for column in columns[1::2])
    if columns != [PROFILE_ID, *(column for audience in audiences for column in columns_of(audience))]:
        raise ValueError(columns)
    return tuple(columns)


def _layout(metadata: Struct, footer: bytes, start_of_footer: int, size: int) -> Layout:
    """The layout that a footer says; raises an error of ``NONSENSE`` for one that muster does not write."""
    columns = columns_in(metadata[SCHEMA])
    chunks = [chunk for group in metadata[GROUPS] for chunk in group[COLUMNS]]
    within(abs(len(chunks) - len(columns) * len(metadata[GROUPS])), 0)
    sections = _sections([chunk[METADATA] for chunk in chunks], start_of_footer)
    groups = (tuple(sections[first : first + len(columns)]) for first in range(0, len(sections), len(columns)))
    return Layout(footer, columns, tuple(groups), size)


def _sections(chunks: Iterable[Struct], start_of_footer: int) -> list[Section]:
    """The pages of each chunk, in the order of the file."""
    sections: list[Section] = []
    last = 0
    for chunk in chunks:
        pages = [chunk[field] for field in (DICTIONARY_PAGE, DATA_PAGE) if chunk.get(field)]
        start = min(pages) if chunk[VALUES] else last
        within(start - last, start_of_footer)
        last = within(start + (within(chunk[STORED], start_of_footer) if chunk[VALUES] else 0), start_of_footer)
        sections.append((start, last))
    return sections
