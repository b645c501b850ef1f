"""Blocks of many profiles and audiences: put together of pages (E8, F6)."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from muster.activation.errors import StateError
from muster.activation.inputs.parquet import read_part
from muster.activation.model.history import StoredFile
from muster.activation.state.block_entered import Chunk, Piece
from muster.activation.state.blocks import write_block, write_large_block
from muster.activation.state.files import State

AT = datetime(2026, 11, 21, 2, tzinfo=UTC)
BEFORE = datetime(1969, 12, 31, 23, tzinfo=UTC)
FILE, OTHER = "memberships/20261121T020000Z.parquet", "memberships/20261121T020000Z-2.parquet"
NEW = {"all": 1.0, "none": 0.0, "some": 0.4, "few": 0.01}  # audiences, and how likely a profile is a member
ROWS = (1, 7, 8, 100, 3001, 50)
KINDS = (1, 1, 3, 256, 600, 300)  # times in each row group: their numbers take a byte, then two
MARKS = {"muster.roster": "one", "muster.numbering": "two"}


@pytest.fixture
def state(tmp_path: Path) -> State:
    (tmp_path / ".muster" / "tmp").mkdir(parents=True)
    return State(tmp_path / ".muster", 0o600)


def pieces(rows: tuple[int, ...], *, old: bool) -> list[Piece]:
    """Row groups of so many rows, some profiles of which are in no audience; with ``old`` beside an older audience.

    Members of the older audience are so since ever more times.
    """
    chance = random.Random(14)  # noqa: S311  # the same each time
    made = []
    for group, count in enumerate(rows):
        ids = [None if chance.random() < 0.1 else f"p{group}-{row}" for row in range(count)]
        frame = pl.DataFrame({"profile_id": pl.Series(ids, dtype=pl.String)})
        if old:
            realized = pl.Series([chance.choice((None, True, False)) for _ in ids], dtype=pl.Boolean)
            instants = [BEFORE + timedelta(hours=chance.randrange(KINDS[group])) for _ in ids]
            times = pl.Series(instants, dtype=pl.Datetime("us", "UTC"))
            frame = frame.with_columns(
                realized.alias("realized:old"),
                times.zip_with(realized.is_not_null(), times.clear(count)).alias("last_qualification_time:old"),
            )
        entered = {name: [each is not None and chance.random() < share for each in ids] for name, share in NEW.items()}
        made.append(Piece(frame, pl.DataFrame(entered, schema=dict.fromkeys(NEW, pl.Boolean))))
    return made


def written(state: State, made: list[Piece], audiences: list[str]) -> dict[str, StoredFile]:
    return write_large_block(state, FILE, made, audiences, at=AT, metadata=MARKS, id_pages={})


def as_by_polars(made: list[Piece]) -> Iterator[pl.DataFrame]:
    """The pieces with the columns of all audiences."""
    for piece in made:
        columns = {}
        for audience in NEW:
            is_member = pl.lit(piece.entered[audience])
            columns[f"realized:{audience}"] = pl.when(is_member).then(pl.lit(value=True))
            columns[f"last_qualification_time:{audience}"] = pl.when(is_member).then(AT).cast(pl.Datetime("us", "UTC"))
        yield piece.frame.with_columns(**columns)


@pytest.mark.parametrize("old", [False, True])
def test_pages_hold_what_any_writer_of_parquet_would_write(state: State, *, old: bool) -> None:
    """E8: types, names, metadata and values are those of a block that Polars wrote, for every reader."""
    made, audiences = pieces(ROWS, old=old), ["all", "none", *(["old"] if old else []), "some", "few"]
    parts = written(state, made, audiences)
    expected = write_block(state, OTHER, as_by_polars(made), audiences, MARKS)
    mine, theirs = state.folder / FILE, state.folder / OTHER
    assert_frame_equal(pl.read_parquet(mine), pl.read_parquet(theirs))
    assert pl.read_parquet_metadata(mine) == pl.read_parquet_metadata(theirs)
    table = pq.read_table(mine)
    assert table.equals(pq.read_table(theirs))
    assert table.schema.equals(pq.read_schema(theirs), check_metadata=True)
    assert pq.ParquetFile(mine).metadata.num_row_groups == len(ROWS)
    assert read_part(mine, "block").rows == sum(ROWS)  # each page header is valid
    fresh = State(state.folder, 0o600)
    for audience in audiences:
        assert_frame_equal(fresh.read(parts[audience]).collect(), fresh.read(expected[audience]).collect())


def test_a_changed_byte_holds_up_the_audience_that_it_belongs_to(state: State) -> None:
    """E8, F6: damage in the pages of one audience leaves the others readable."""
    audiences = list(NEW)
    parts = written(state, pieces((100,), old=False), audiences)
    path = state.folder / FILE
    content = path.read_bytes()
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1 + 2 * audiences.index("some"))
    place = chunk.data_page_offset + chunk.total_compressed_size - 1
    path.write_bytes(content[:place] + bytes((content[place] ^ 1,)) + content[place + 1 :])
    refused = []
    for audience, part in parts.items():
        try:
            State(state.folder, 0o600).read(part)
        except StateError:
            refused.append(audience)
    assert refused == ["some"]


def test_bits_that_begin_inside_a_byte_are_those_of_their_rows(state: State) -> None:
    """E8: a range of the decisions can begin anywhere in memory."""
    (made,) = pieces((100,), old=False)
    part = Piece(made.frame.slice(3, 90), made.entered.slice(3, 90))
    written(state, [part], list(NEW))
    assert_frame_equal(pl.read_parquet(state.folder / FILE), next(as_by_polars([part])))


def test_the_pages_of_ids_are_made_once_for_all_blocks_of_an_evaluation(state: State) -> None:
    """E8: a block with the pages of ids of a block before it is that which it is alone; without rows it has none."""
    made, kept = pieces(ROWS, old=False), dict[int, Chunk]()
    for _ in range(2):
        write_large_block(state, FILE, made, list(NEW), at=AT, metadata=MARKS, id_pages=kept)
    again = (state.folder / FILE).read_bytes()
    written(state, made, list(NEW))
    assert (state.folder / FILE).read_bytes() == again
    assert len(kept) == len(ROWS)
    parts = written(state, pieces((0,), old=False), list(NEW))
    assert State(state.folder, 0o600).read(parts["all"]).collect().is_empty()


@pytest.mark.parametrize("rows", [1, 5, 8, 9, 16])
def test_bits_behind_the_last_row_are_nobodys(state: State, rows: int) -> None:
    """E1, E8: a range that ends inside a byte of the decisions has the bytes of that range made alone."""
    longer = pl.Series([True] * 24)
    ids = pl.DataFrame({"profile_id": [f"p{row}" for row in range(rows)]})
    found = [
        written(state, [Piece(ids, realized.alias("all").to_frame())], ["all"])["all"].sha256
        for realized in (longer.head(rows), pl.Series([True] * rows), longer.slice(3, rows))
    ]
    assert len(set(found)) == 1


def test_a_first_range_without_a_member_leaves_the_times_of_later_ones(state: State) -> None:
    """E8: an audience that nobody of a range was ever in has pages of nulls there, which any reader takes."""
    types = {
        "profile_id": pl.String,
        "realized:old": pl.Boolean,
        "last_qualification_time:old": pl.Datetime("us", "UTC"),
    }
    rows = [[("a", None, None)], [("b", False, AT), ("c", True, BEFORE)], [("d", None, None)]]
    made = [Piece(pl.DataFrame(each, schema=types, orient="row"), pl.DataFrame()) for each in rows]
    written(state, made, ["old"])
    whole = [row for each in rows for row in each]
    assert pl.read_parquet(state.folder / FILE).rows() == whole
    assert [tuple(row.values()) for row in pq.read_table(state.folder / FILE).to_pylist()] == whole
