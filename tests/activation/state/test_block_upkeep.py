"""Blocks of which the ledger refers to some audiences only are written anew without the others (E8, F6)."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from muster.activation.errors import ExportError, StateError
from muster.activation.model.history import AudienceEvaluation, Baseline, Run, StoredFile
from muster.activation.state import block_frames, block_upkeep
from muster.activation.state.block_copy import without_others
from muster.activation.state.block_layout import own_digest, read_layout
from muster.activation.state.blocks import write_block
from muster.activation.state.files import State
from muster.activation.state.ledger import baselines_table, deletion, evaluations_table, named_files, runs_table
from muster.activation.state.ledger.database import Ledger

AT = datetime(2026, 11, 21, 2, tzinfo=UTC)
AUDIENCES = ("a", "b-c.d", "select")
FILE, NEXT = "memberships/20261121T020000Z.parquet", "memberships/20261121T020000Z-2.parquet"


@pytest.fixture(autouse=True)
def small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_frames, "ROW_GROUP", 3)


@pytest.fixture
def state(tmp_path: Path) -> State:
    (tmp_path / ".muster/tmp").mkdir(parents=True)
    return State(tmp_path / ".muster", 0o600)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with closing(Ledger.empty()) as opened:
        yield opened


def block() -> pl.DataFrame:
    frame = pl.DataFrame({"profile_id": [f"p{row}" for row in range(8)]})
    for number, audience in enumerate(AUDIENCES):
        realized = [None if row == number else (row + number) % 2 > 0 for row in range(8)]
        times = [None if each is None else AT - timedelta(days=row) for row, each in enumerate(realized)]
        frame = frame.with_columns(
            pl.Series(f"realized:{audience}", realized, pl.Boolean()),
            pl.Series(f"last_qualification_time:{audience}", times, pl.Datetime("us", "UTC")),
        )
    return frame


def recorded(state: State, ledger: Ledger) -> dict[str, StoredFile]:
    """A block to which the ledger refers: by evaluations, the baseline of one, and runs, one of them open."""
    parts = write_block(state, FILE, block().lazy(), AUDIENCES)
    inputs = {"snapshot": {"name": "s", "files": []}, "roster": None}
    evaluations = [AudienceEvaluation(name, AT, "all", parts[name], 1, 4, 0, 0, "r", inputs) for name in AUDIENCES]
    baseline = Baseline("crm", "a", "1", parts["a"], 4, AT, AT, "d", "u", "m")
    run = Run("1", "crm", "a", "a", "scheduled", "full", AT, "succeeded", evaluated_at=AT, decision=parts["a"])
    kept = {"stored": parts["b-c.d"].__dict__, "profiles": 4, "digest_made_by": "m"}
    pending = replace(run, run_id="2", audience="b-c.d", status="delivering", decision=None, baseline=kept)
    with ledger.transaction():
        evaluations_table.put(ledger, evaluations, AT)
        baselines_table.put(ledger, baseline)
        runs_table.put(ledger, run)
        runs_table.put(ledger, pending)
    return parts


def forget(ledger: Ledger, *audiences: str) -> None:
    with ledger.transaction():
        for name in audiences:
            deletion.forget_evaluation(ledger, name, AT)


def files(state: State) -> list[str]:
    return sorted(f"memberships/{path.name}" for path in (state.folder / "memberships").iterdir())


def references(ledger: Ledger) -> dict[str, StoredFile]:
    return {str(each.audience): each for each in named_files.parts(ledger)}


def spoil(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))


def read(state: State, stored: StoredFile) -> list[tuple[object, ...]]:
    return State(state.folder, 0o600).read(stored).collect().rows()


def test_what_goes_leaves_the_block_and_all_references_move(state: State, ledger: Ledger) -> None:
    """E8: evaluation, baseline, decision and the baseline of an open run point to the block without what went."""
    before = recorded(state, ledger)
    expected = {name: read(state, each) for name, each in before.items()}
    block_upkeep.drop_unnamed(state, ledger)
    assert references(ledger) == before, "nothing went"
    forget(ledger, "select")
    freed = (state.folder / FILE).stat().st_size
    told = block_upkeep.unnamed_bytes(state.folder, ledger)
    block_upkeep.drop_unnamed(state, ledger)
    assert files(state) == [NEXT]
    assert freed - (state.folder / NEXT).stat().st_size == told > 0
    after = references(ledger)
    assert {name: read(state, each) for name, each in after.items()} == {name: expected[name] for name in after}
    assert {own_digest(after[name].sha256) == own_digest(before[name].sha256) for name in after} == {True}
    assert {each.path for each in named_files.named(ledger).values()} == {NEXT}
    assert baselines_table.list_all(ledger)[0].stored == after["a"]
    assert runs_table.get(ledger, "1").decision == after["a"]
    assert runs_table.get(ledger, "2").baseline["stored"] == after["b-c.d"].__dict__
    assert block_upkeep.unnamed_bytes(state.folder, ledger) == 0
    block_upkeep.drop_unnamed(state, ledger)
    assert references(ledger) == after


@pytest.mark.parametrize("kept", [each for n in (1, 2) for each in itertools.combinations(AUDIENCES, n)])
def test_any_reader_reads_the_block_without_what_went(state: State, kept: tuple[str, ...]) -> None:
    """E8: Polars, DuckDB and PyArrow read the columns that stay, with the marks that muster wrote, and no others."""
    metadata = {"muster.roster": "r"}
    write_block(state, FILE, block().lazy(), AUDIENCES, metadata)
    layout = read_layout(state.folder / FILE)
    copy, path = without_others(layout, kept), state.folder / "copy.parquet"
    path.touch()
    copy.from_block(state.folder / FILE)(path)
    expected = block().select("profile_id", *(f"{kind}:{name}" for name in AUDIENCES if name in kept for kind in KINDS))
    assert pl.read_parquet(path).equals(expected)
    assert pl.read_parquet_metadata(path) == metadata
    assert path.stat().st_size == copy.size
    assert pl.from_arrow(pq.read_table(path)).equals(expected)
    assert duckdb.sql(f"SELECT * FROM '{path}'").pl().cast(dict(expected.schema)).equals(expected)
    again = state.folder / "again.parquet"
    again.touch()
    without_others(read_layout(path), kept).from_block(path)(again)
    assert again.read_bytes() == path.read_bytes(), "a copy of a copy has the same bytes"


KINDS = ("realized", "last_qualification_time")


def test_damage_stays_damage(state: State, ledger: Ledger) -> None:
    """F6: a damaged part is not read as whole because the block was written anew; the others go on."""
    parts = recorded(state, ledger)
    path = state.folder / FILE
    spoil(path, read_layout(path).of_audiences["a"][2][0] + 5)
    forget(ledger, "select")
    block_upkeep.drop_unnamed(state, ledger)
    after = references(ledger)
    with pytest.raises(StateError, match="audience 'a' differ from what was written"):
        read(state, after["a"])
    with pytest.raises(StateError, match="audience 'a' differ from what was written"):
        state.read(after["a"])  # nor does the command that wrote it anew
    assert read(state, after["b-c.d"])
    assert own_digest(after["a"].sha256) == own_digest(parts["a"].sha256)


def test_a_block_with_a_damaged_footer_stays(state: State, ledger: Ledger) -> None:
    """F6: nobody can say which bytes are whose: the file stays for a repair, until nothing refers to it."""
    parts = recorded(state, ledger)
    spoil(state.folder / FILE, -20)
    forget(ledger, "select")
    before = (state.folder / FILE).read_bytes()
    block_upkeep.drop_unnamed(state, ledger)
    assert (files(state), (state.folder / FILE).read_bytes()) == ([FILE], before)
    assert references(ledger) == {name: parts[name] for name in ("a", "b-c.d")}
    with ledger.transaction():
        ledger.change("DELETE FROM baselines")
        ledger.change("DELETE FROM runs")
    forget(ledger, "a", "b-c.d")
    block_upkeep.drop_unnamed(state, ledger)
    assert files(state) == []


def test_an_evaluation_leaves_blocks_of_other_instants(state: State, ledger: Ledger) -> None:
    """E8: what was replaced leaves the blocks of its instant; others are not looked at."""
    recorded(state, ledger)
    write_block(state, "memberships/20261120T020000Z.parquet", block().lazy(), AUDIENCES)
    forget(ledger, "select")
    block_upkeep.drop_replaced(state, ledger, AT)
    assert files(state) == ["memberships/20261120T020000Z.parquet", NEXT]


class Killed(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("step", ["create_file", "sync", "replace", "transaction", "unlink"])
def test_a_kill_at_any_step_leaves_a_block_that_is_read(
    state: State, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """E8: whatever step is the last, each reference leads to its memberships, and the next call finishes the work."""
    expected = {name: read(state, each) for name, each in recorded(state, ledger).items() if name != "select"}
    forget(ledger, "select")

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as killed:
        if step in ("create_file", "sync"):
            killed.setattr(f"muster.activation.state.files.{step}", kill)
        elif step == "transaction":
            killed.setattr(named_files, "move", kill)
        elif step == "replace":
            killed.setattr(Path, "replace", kill)
        else:
            after_the_transaction = Path.unlink
            killed.setattr(Path, "unlink", lambda path, **more: _unless(path, FILE, after_the_transaction, **more))
        with pytest.raises(Killed):
            block_upkeep.drop_unnamed(state, ledger)
    assert {name: read(state, each) for name, each in references(ledger).items()} == expected
    block_upkeep.drop_unnamed(state, ledger)
    assert {name: read(state, each) for name, each in references(ledger).items()} == expected
    assert len(files(state)) == 1
    assert not [name for name in read_layout(state.folder / files(state)[0]).of_audiences if name == "select"]


def _unless(path: Path, file: str, unlink: object, **more: object) -> None:
    if path.as_posix().endswith(file):
        raise Killed
    unlink(path, **more)


def test_a_full_disk_leaves_the_block_as_it_is(state: State, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """F6: the copy is not written, the error says so, and everything is as it was."""
    before = recorded(state, ledger)
    forget(ledger, "select")

    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("muster.activation.state.files.sync", full)
    with pytest.raises(ExportError, match=r"20261121T020000Z-2\.parquet: the state cannot be written: .*[Ss]pace"):
        block_upkeep.drop_unnamed(state, ledger)
    assert files(state) == [FILE]
    assert references(ledger) == {name: before[name] for name in ("a", "b-c.d")}
