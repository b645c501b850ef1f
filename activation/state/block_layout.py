"""Where each audience's bytes lie in a block of memberships, and the digests of these bytes (E8).

A block is a Parquet file with one row for each number of a profile, in the order of the numbers:

profile_id                          String; null for a number without a profile
realized:<audience>                 Boolean: true for realized, false for exited, null for never a member
last_qualification_time:<audience>  Datetime(us, UTC); null for never a member

Every byte of the file is of one audience, or shared. A column chunk begins at its first page and ends where the next
chunk begins. The shared bytes are the chunks of the profile ids, and all that stands before and after the chunks.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
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
    VALUES,
)
from muster.activation.inputs.thrift import Struct, struct, within

MAGIC = b"PAR1"
PREFIXES = (f"{REALIZED}:", f"{TIME}:")  # of the names of an audience's columns, in their order
_ELEMENT = 4  # SchemaElement: the name
_PATH = 3  # ColumnMetaData: the names that lead to the column
_INDEXES = (4, 6)  # ColumnChunk: where the indexes of its pages lie, after all chunks
_END = 8  # bytes after a footer: its length and the magic
_PIECE = 1 << 20  # bytes that are read at once

Section = tuple[int, int]  # of a file: its first byte, and the byte after it


@dataclass(frozen=True)
class Layout:
    """The sections of a block, in the order of the file."""

    footer: bytes
    of_audiences: Mapping[str, tuple[Section, ...]]  # the chunks of both columns, row group after row group
    shared: tuple[Section, ...]


@dataclass(frozen=True)
class Digests:
    """The sha256 of a block's sections, in hex."""

    shared: str
    own: Mapping[str, str]  # by audience

    def of(self, audience: str) -> str:
        """The digests of an audience's part as the ledger has them: the audience's own, a dot, the shared one."""
        return f"{self.own[audience]}.{self.shared}"


def columns_of(audience: str) -> list[str]:
    """The names of an audience's columns: realized, and the time."""
    return [f"{prefix}{audience}" for prefix in PREFIXES]


def own_digest(sha256: str) -> str:
    """The digest of an audience's own bytes, of the two that the ledger has."""
    return sha256.partition(".")[0]


def shared_digest(sha256: str) -> str:
    """The digest of the bytes that all audiences of a block share, of the two that the ledger has."""
    return sha256.partition(".")[2]


def read_layout(path: Path) -> Layout:
    """The layout of a block; ``ValueError`` when the footer is not one of a block, ``OSError`` as the system says."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        end = bytes(_read(file.fileno(), max(0, size - _END), size))
        start = size - _END - int.from_bytes(end[:4], "little")
        if end[4:] != MAGIC or start < len(MAGIC):
            raise ValueError(path.name)
        footer = bytes(_read(file.fileno(), start, size - _END))
    try:
        metadata, _ = struct(footer, 0)
        return _layout(metadata, footer, start, size)
    except NONSENSE:
        raise ValueError(path.name) from None


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


def _layout(metadata: Struct, footer: bytes, start_of_footer: int, size: int) -> Layout:
    """The layout that a footer says; raises an error of ``NONSENSE`` for one that muster does not write."""
    chunks = [chunk for group in metadata[GROUPS] for chunk in group[COLUMNS] if chunk[METADATA][VALUES]]
    indexes = (chunk[field] for chunk in chunks for field in _INDEXES if field in chunk)
    end = min([start_of_footer, *indexes])
    starts = [within(_first_page(chunk[METADATA]), end) for chunk in chunks]
    sections: dict[str, list[Section]] = {audience: [] for audience in _audiences(metadata[SCHEMA])}
    shared: list[Section] = [(0, min([end, *starts]))]
    for chunk, section in zip(chunks, _from_each_to_next(starts, end), strict=True):
        (name,) = chunk[METADATA][_PATH]
        (shared if name == PROFILE_ID.encode() else sections[_audience(name)]).append(section)
    return Layout(footer, {name: tuple(each) for name, each in sections.items()}, (*shared, (end, size)))


def _from_each_to_next(starts: list[int], end: int) -> Iterator[Section]:
    for first, following in pairwise([*starts, end]):
        within(first, following)  # in the order of the file
        yield first, following


def _first_page(chunk: Struct) -> int:
    pages: list[int] = [chunk[field] for field in (DICTIONARY_PAGE, DATA_PAGE) if chunk.get(field)]
    return within(min(pages), 2**63)


def _audiences(elements: Iterable[Struct]) -> list[str]:
    """The audiences whose columns a schema has, in their order."""
    _root, profile_id, *others = (each[_ELEMENT] for each in elements)
    if profile_id != PROFILE_ID.encode():
        raise ValueError(profile_id)
    return list(dict.fromkeys(map(_audience, others)))


def _audience(column: bytes) -> str:
    return column.decode().partition(":")[2]
