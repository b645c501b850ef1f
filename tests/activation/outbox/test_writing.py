"""The files of an outbox (V8, F6)."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.outboxes import RUN, Planned, batches, people, reopened, written

from muster.activation.errors import ExportError, StateError
from muster.activation.messages.requests import Batch
from muster.activation.outbox.reading import open_outbox
from muster.activation.outbox.writing import TEXTS, remove_outbox, write_outbox
from muster.activation.state.files import State

PLAN = [Planned([0, 1, 2]), Planned([3]), Planned([4, 5], 1)]


def _state(folder: Path) -> State:
    (folder / "tmp").mkdir()
    return State(folder, 0o600)


def test_the_record_names_every_file(tmp_path: Path) -> None:
    """V8: the ledger knows the files of the outbox by size and checksum, and how much they hold."""
    outbox = written(tmp_path, PLAN, each=2)
    record = outbox.record
    files = [record["people"], record["texts"], *record["requests"], *record["entries"]]
    found = {path.relative_to(tmp_path).as_posix() for path in outbox.folder.iterdir()}
    assert found == {*(each["file"] for each in files), f"{record['folder']}/answers.log"}
    for each in files:
        content = (tmp_path / each["file"]).read_bytes()
        assert (each["size"], each["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert record["totals"] == {"requests": 3, "entries": 6, "bytes": record["texts"]["size"]}


def test_the_same_messages_give_the_same_files(tmp_path: Path) -> None:
    """V8: an outbox that is written again has the same bytes."""
    assert written(tmp_path / "a", PLAN).record == written(tmp_path / "b", PLAN).record


def test_files_and_folders_have_the_file_mode(tmp_path: Path) -> None:
    """F6: an outbox holds personal data: others can read neither its files nor its folders."""
    outbox = written(tmp_path, PLAN)
    assert {stat.S_IMODE(path.stat().st_mode) for path in outbox.folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (outbox.folder, *outbox.folder.parents[:3])} == {0o700}


def test_an_outbox_is_removed_with_its_folders(tmp_path: Path) -> None:
    """V12: once the run ended nothing of the outbox is left."""
    outbox = written(tmp_path, PLAN)
    remove_outbox(outbox.state, outbox.record)
    assert not (tmp_path / "outbox").exists()


@pytest.mark.parametrize("after", [0, 200, 5000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """V8, SPEC 10: the run fails when the outbox does not fit, and no file of it is left."""
    state = _state(tmp_path)
    place = state.place

    def refused(*arguments: object, **options: object) -> object:
        if after < 5000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return place(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(state, "place", refused)

    def failing() -> Iterator[Batch]:
        yield from batches(PLAN)
        if after == 5000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ExportError, match="outbox cannot be written: no space left on device"):
        write_outbox(state, RUN, people(6), failing())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_fault_while_messages_are_made_leaves_nothing(tmp_path: Path) -> None:
    """X1: an error of the maker of messages is raised as it is, and nothing is left."""

    def failing() -> Iterator[Batch]:
        yield from batches(PLAN)
        raise ExportError("no")

    with pytest.raises(ExportError, match=r"^no$"):
        write_outbox(_state(tmp_path), RUN, people(6), failing())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ([Planned([0], 1), Planned([1], 0)], "phases do not ascend"),
        ([Planned([0]), Planned([])], "do not belong together"),
    ],
)
def test_messages_that_break_the_contract_are_refused(tmp_path: Path, plan: list[Planned], message: str) -> None:
    """V9: requests whose phases do not ascend, or that hold nobody, are never written."""
    with pytest.raises(ValueError, match=message):
        write_outbox(_state(tmp_path), RUN, people(2), batches(plan))


@pytest.mark.parametrize("name", ["people.parquet", "requests-1.parquet", "entries-1.parquet", TEXTS])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    """SPEC 10: a file of the outbox that is not as it was written is damage, not something to send."""
    outbox = written(tmp_path, PLAN)
    path = outbox.folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    def read() -> object:
        found = open_outbox(State(tmp_path, 0o600), outbox.run)
        found.prepare()
        return found.refused_before

    with pytest.raises(StateError, match=f"outbox/crm/all/crm.all.1.1/{name}: the file differs"):
        read()


def test_an_empty_outbox(tmp_path: Path) -> None:
    """V1: an outbox without a request is read as such."""
    outbox = reopened(written(tmp_path, []))
    outbox.prepare()
    assert (outbox.request_count, outbox.entry_count, list(outbox.phases)) == (0, 0, [0])
    assert outbox.entries.collect().is_empty()
