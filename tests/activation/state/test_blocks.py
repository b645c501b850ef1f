"""Blocks of memberships: many audiences in one file, each with digests of its own (E8, F6)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from muster.activation.errors import DataError, StateError
from muster.activation.model.history import StoredFile
from muster.activation.state import block_frames, state_paths
from muster.activation.state.block_layout import read_layout
from muster.activation.state.blocks import write_block
from muster.activation.state.files import ScratchState, State

AT = datetime(2026, 11, 21, 2, tzinfo=UTC)
AUDIENCES = ("select", "a.b-c", "x" * 128)
ROWS = 10
FILE = "memberships/20261121T020000Z.parquet"


@pytest.fixture(autouse=True)
def small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_frames, "ROW_GROUP", 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".muster" / "tmp").mkdir(parents=True)
    return tmp_path / ".muster"


def block() -> pl.DataFrame:
    """Ten numbers, the fourth without a profile; each audience has other members and other times."""
    frame = pl.DataFrame({"profile_id": [None if row == 3 else f"p{row}" for row in range(ROWS)]})
    for number, audience in enumerate(AUDIENCES):
        realized = [None if row in (3, number) else (row + number) % 3 > 0 for row in range(ROWS)]
        times = [None if each is None else AT - timedelta(days=row % 4) for row, each in enumerate(realized)]
        frame = frame.with_columns(
            pl.Series(f"realized:{audience}", realized, pl.Boolean()),
            pl.Series(f"last_qualification_time:{audience}", times, pl.Datetime("us", "UTC")),
        )
    return frame


def written(folder: Path) -> dict[str, StoredFile]:
    return write_block(State(folder, 0o600), FILE, block().iter_slices(3), AUDIENCES)


def refused(folder: Path, stored: StoredFile) -> str:
    """The message with which a fresh command refuses a part; nothing when it reads it."""
    try:
        State(folder, 0o600).read(stored)
    except StateError as error:
        return str(error)
    return ""


def test_each_audience_is_read_as_if_it_had_a_file_of_its_own(folder: Path) -> None:
    """E8: a part has one row for each profile that is or was a member, in the order of the numbers."""
    parts = written(folder)
    for audience in AUDIENCES:
        expected = [
            (audience, profile, "realized" if realized else "exited", time, number)
            for number, (profile, realized, time) in enumerate(block().select("profile_id", f"^.*:{audience}$").rows())
            if realized is not None
        ]
        assert State(folder, 0o600).read(parts[audience]).collect().rows() == expected
        by_number = State(folder, 0o600).read_by_number(parts[audience])
        assert by_number.slice(3, 5).rows() == block().select(f"^.*:{audience}$").slice(3, 5).rows()
    assert len(pl.read_parquet(folder / FILE)) == ROWS
    assert not list((folder / "tmp").iterdir())


def test_a_changed_byte_holds_up_those_audiences_that_it_belongs_to(folder: Path) -> None:
    """E8, F6: each byte is of one audience, or of all: only they refuse the block, and the message says which."""
    parts, path = written(folder), folder / FILE
    content, layout = path.read_bytes(), read_layout(path)
    owner = {
        byte: name for name, found in layout.of_audiences.items() for start, end in found for byte in range(start, end)
    }
    edges = {
        byte
        for found in (layout.shared, *layout.of_audiences.values())
        for start, end in found
        for byte in (start, end - 1)
    }
    for byte in sorted({*range(0, len(content), 41), *edges}):
        path.write_bytes(content[:byte] + bytes((content[byte] ^ 1,)) + content[byte + 1 :])
        messages = {audience: refused(folder, parts[audience]) for audience in AUDIENCES}
        if byte in owner:
            assert [name for name, message in messages.items() if message] == [owner[byte]]
            assert f"audience {owner[byte]!r} differ" in messages[owner[byte]]
        else:
            assert all("its footer or its profile ids differ" in message for message in messages.values())
    for changed in (content[:-1], content + b"x", b"PAR1", b""):
        path.write_bytes(changed)
        assert all("its footer or its profile ids differ" in refused(folder, part) for part in parts.values())
    path.unlink()
    assert "the file is missing" in refused(folder, parts["select"])


def test_a_block_is_that_of_its_digests(folder: Path) -> None:
    """F6: a whole block of another evaluation under the name is refused, and so is one without the audience."""
    parts = written(folder)
    other = write_block(State(folder, 0o600), FILE, block().head(9).iter_slices(3), AUDIENCES)
    assert all(refused(folder, part) for part in parts.values())
    assert not any(refused(folder, part) for part in other.values())
    lost = replace(other["select"], file=state_paths.part_of(FILE, "gone"))
    assert "it has no audience 'gone'" in refused(folder, lost)


def test_a_block_without_rows(folder: Path) -> None:
    """E8: a block can have no number at all."""
    schema = block_frames.schema_of(AUDIENCES)
    for pieces in ([], [pl.DataFrame(schema=schema)], pl.LazyFrame(schema=schema)):
        parts = write_block(State(folder, 0o600), FILE, pieces, AUDIENCES)
        assert State(folder, 0o600).read(parts["select"]).collect().is_empty()


def test_a_block_that_cannot_be_made_leaves_nothing(folder: Path) -> None:
    """F6: an error while the pieces are made is raised as it is, and neither file nor leftover remains."""

    def pieces() -> Iterator[pl.DataFrame]:
        yield block()
        raise DataError("an input changed")

    with pytest.raises(DataError, match="an input changed"):
        write_block(State(folder, 0o600), FILE, pieces(), AUDIENCES)
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_plan_reads_blocks_of_the_state_and_its_own(folder: Path, tmp_path: Path) -> None:
    """X7: `plan` writes blocks into its scratch folder alone, and reads both."""
    parts = written(folder)
    scratch = ScratchState(State(folder, 0o600), tmp_path / "scratch")
    mine = write_block(scratch, "memberships/20261122T020000Z.parquet", block().head(5).iter_slices(2), AUDIENCES)
    for part in (parts["select"], mine["select"]):
        assert scratch.read(part).collect().height == scratch.read_by_number(part)["realized"].count()
    assert list((folder / "memberships").iterdir()) == [folder / FILE]


def test_names_of_blocks() -> None:
    """E8: the blocks of one instant are numbered; a name is free unless another block has it."""
    taken: set[str] = set()
    for expected in ("20261121T020000Z", "20261121T020000Z-2", "20261121T020000Z-3"):
        file = state_paths.block_file(AT, taken)
        assert file == f"memberships/{expected}.parquet"
        taken.add(file)
