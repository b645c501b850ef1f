"""Blocks of memberships in the state folder: written piece by piece, and described audience by audience (E8)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from muster.activation.model.history import StoredFile
from muster.activation.state import block_entered, block_frames, state_paths
from muster.activation.state.block_entered import Chunk, Piece
from muster.activation.state.block_layout import digests, read_layout
from muster.activation.state.files import State


def write_block(
    state: State,
    file: str,
    pieces: pl.LazyFrame | Iterable[pl.DataFrame],
    audiences: Sequence[str],
    metadata: Mapping[str, str] | None = None,
) -> dict[str, StoredFile]:
    """Write a block, and return each audience's part of it.

    ``pieces`` has the columns of ``block_frames.schema_of``, a row for each number of a profile, in the order of the
    numbers. ``file`` is the block's path in the state folder (``state_paths.block_file``). The block appears complete
    or not at all, and survives a power cut once this returns. ``metadata`` goes into the file's metadata.
    ``ExportError`` when the system refuses.
    """
    return _placed(state, file, block_frames.sink(pieces, audiences, metadata or {}))


def write_large_block(
    state: State,
    file: str,
    pieces: Iterable[Piece],
    audiences: Sequence[str],
    *,
    at: datetime,
    metadata: Mapping[str, str],
    id_pages: dict[int, Chunk],
) -> dict[str, StoredFile]:
    """Write a block of many profiles and audiences; who entered did so at ``at``; otherwise as ``write_block``.

    Each piece is a row group, of up to ``block_frames.ROW_GROUP`` rows. ``id_pages`` is as for ``block_entered.sink``.
    """
    return _placed(state, file, block_entered.sink(pieces, audiences, at, metadata, id_pages))


def _placed(state: State, file: str, fill: Callable[[Path], None]) -> dict[str, StoredFile]:
    stored = state.place(file, fill, lambda path: parts(path, file))
    return {str(each.audience): each for each in stored}


def parts(path: Path, file: str) -> list[StoredFile]:
    """Each audience's part of the block at a path, as the ledger is to have it; ``file`` is the block's name there."""
    found, size = digests(path, read_layout(path)), path.stat().st_size
    return [StoredFile(state_paths.part_of(file, each), found.of(each), size) for each in found.own]
