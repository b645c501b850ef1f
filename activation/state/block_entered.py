"""Blocks of many profiles and audiences: put together of pages (E8).

Polars writes the profile ids of each row group into memory; their pages are copied as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

import polars as pl

from muster.activation.frames.columns import PROFILE_ID
from muster.activation.inputs.footer import COLUMNS, GROUPS, KEY_VALUES, SCHEMA, VERSION
from muster.activation.inputs.footer_pieces import MAGIC, end_of_file, moved_chunk, row_group
from muster.activation.inputs.thrift_pieces import Pieces, elements, taken_apart
from muster.activation.state.block_frames import schema_of, write_parquet
from muster.activation.state.block_layout import columns_of, layout_of
from muster.activation.state.block_pages import AudiencePages

_CREATED_BY = 6  # FileMetaData
Chunk = tuple[bytes, Callable[[int], bytes]]  # of one column: its pages, and its ColumnChunk by their position


@dataclass(frozen=True, eq=False)
class Piece:
    """A range of the rows of a block: one row group."""

    frame: pl.DataFrame  # ``profile_id``, and the columns of audiences that had been evaluated before
    entered: pl.DataFrame  # by audience: whether a profile is realized (Boolean, never null); others never were


def sink(
    pieces: Iterable[Piece],
    audiences: Sequence[str],
    at: datetime,
    metadata: Mapping[str, str],
    id_pages: dict[int, Chunk],
) -> Callable[[Path], None]:
    """What writes a block to a path, piece after piece; who ``entered`` did so at the instant ``at``.

    ``id_pages`` keeps the pages of profile ids, by the number of the row group, for further blocks of the same numbers.
    """

    def write(path: Path) -> None:
        with path.open("r+b") as file:
            position, groups, rows = file.write(MAGIC), [], 0
            for chunks, height in _row_groups(pieces, audiences, at, id_pages):
                start, encoded = position, []
                for content, about in chunks:
                    encoded.append(about(position))
                    position += file.write(content)
                groups.append(row_group(encoded, position - start, height))
                rows += height
            file.write(end_of_file(_about(audiences, metadata), groups, rows))

    return write


def _row_groups(
    pieces: Iterable[Piece], audiences: Sequence[str], at: datetime, id_pages: dict[int, Chunk]
) -> Iterator[tuple[Iterator[Chunk], int]]:
    """The chunks of each row group, in the order of the columns, and its number of rows."""
    pages = AudiencePages(at)
    names = schema_of(audiences).names()
    for number, piece in enumerate(pieces):
        if piece.frame.height:
            if number not in id_pages:
                (id_pages[number],) = _by_polars(piece.frame.select(PROFILE_ID))
            yield _chunks(piece, names, pages, id_pages[number]), piece.frame.height


def _chunks(piece: Piece, names: Sequence[str], pages: AudiencePages, ids: Chunk) -> Iterator[Chunk]:
    """The chunks of a row group, those of profile ids first."""
    yield ids
    for audience in (name.partition(":")[2] for name in names[1::2]):
        if audience in piece.entered.columns:
            made = pages.of_entered(audience, piece.entered[audience])
        else:
            made = pages.of_moved(audience, *(piece.frame[column] for column in columns_of(audience)))
        yield from ((chunk.content, chunk.at) for chunk in made)


def _by_polars(frame: pl.DataFrame) -> Iterator[Chunk]:
    """The chunks that Polars makes of a frame, which is one row group."""
    content = _file(frame, {})
    layout = layout_of(content)
    (sections,) = layout.groups
    (group,) = elements(taken_apart(layout.footer)[GROUPS])
    for (start, end), encoded in zip(sections, elements(taken_apart(group)[COLUMNS]), strict=True):
        yield content[start:end], _moved(encoded, start)


def _moved(encoded: bytes, start: int) -> Callable[[int], bytes]:
    return lambda position: moved_chunk(encoded, position - start)


def _about(audiences: Sequence[str], metadata: Mapping[str, str]) -> Pieces:
    """What the footer says whatever the rows, as Polars writes it."""
    footer = taken_apart(layout_of(_file(schema_of(audiences).to_frame(), metadata)).footer)
    return {number: footer[number] for number in (VERSION, SCHEMA, KEY_VALUES, _CREATED_BY) if number in footer}


def _file(frame: pl.DataFrame, metadata: Mapping[str, str]) -> bytes:
    """A frame as a Parquet file of one row group."""
    buffer = BytesIO()
    write_parquet(frame.lazy(), buffer, metadata)
    return buffer.getvalue()
