"""Damaged outboxes: found, and made into what is never sent (V8, SPEC 10)."""

from pathlib import Path

import pytest
from support.outboxes import OK, FakeClock, FakeEndpoint, Killed, by_person, persons_in, reopened, written

from muster.activation.endpoints.protocol import Answer, Outgoing
from muster.activation.outbox import answer_log
from muster.activation.outbox.damage import faults, files_of, keep_what_is_known
from muster.activation.outbox.pace import Pace
from muster.activation.outbox.reading import Outbox
from muster.activation.outbox.send import send_outbox
from muster.activation.outbox.settle import settle
from muster.activation.state.files import State


def _killed(folder: Path) -> Outbox:
    """An outbox of ten people, one a request, of whom four were answered when the command was killed."""
    outbox = written(folder, [[number] for number in range(10)])

    def rule(outgoing: Outgoing, _: int) -> Answer:
        if 4 in persons_in(outgoing):
            raise Killed
        return OK

    with pytest.raises(Killed):
        send_outbox(outbox, FakeEndpoint(rule), Pace(1), clock=FakeClock())
    return reopened(outbox)


def _fresh(outbox: Outbox) -> State:
    return State(outbox.state.folder, 0o600)


def _spoil(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_sound_outbox_has_no_fault(tmp_path: Path) -> None:
    """SPEC 10: what a kill leaves is no damage, nor an outbox from a backup, which has no texts."""
    outbox = _killed(tmp_path)
    assert not list(faults(_fresh(outbox), outbox.run))
    (outbox.folder / "texts").unlink()
    assert not list(faults(_fresh(outbox), outbox.run))


def test_every_file_is_looked_at(tmp_path: Path) -> None:
    """SPEC 10: each file of an outbox that is not as it was written is found, and named."""
    outbox = _killed(tmp_path)
    names = [stored.path for stored in files_of(outbox.record)] + [f"{outbox.record['folder']}/answers.log"]
    assert len(names) == 5
    for name in names:
        _spoil(tmp_path / name, 30)
        [fault] = faults(_fresh(outbox), outbox.run)
        assert name in str(fault)
        _spoil(tmp_path / name, 30)


def test_a_damaged_log_is_believed_up_to_the_damage(tmp_path: Path) -> None:
    """V8: answers before the damage count; everybody else is uncertain, and nothing of the outbox is sent."""
    outbox = _killed(tmp_path)
    path = outbox.folder / answer_log.LOG
    lines = path.read_bytes().splitlines(keepends=True)
    second = [number for number, line in enumerate(lines) if b'"answered"' in line][2]
    path.write_bytes(b"".join([*lines[:second], b"?" * 20 + b"\n", *lines[second + 1 :]]))
    assert keep_what_is_known(_fresh(outbox), outbox.run)
    assert not list(faults(_fresh(outbox), outbox.run))
    left = reopened(outbox)
    assert left.is_restored
    assert [*by_person(settle(left)).values()] == ["accepted"] * 2 + ["uncertain"] * 8


def test_an_outbox_without_a_log_leaves_everybody_uncertain(tmp_path: Path) -> None:
    """V8: without the log nobody knows what was sent."""
    outbox = _killed(tmp_path)
    (outbox.folder / answer_log.LOG).unlink()
    assert keep_what_is_known(_fresh(outbox), outbox.run)
    assert {*by_person(settle(reopened(outbox))).values()} == {"uncertain"}


def test_damaged_texts_are_given_up(tmp_path: Path) -> None:
    """V8: bodies that are not as they were written are not sent."""
    outbox = _killed(tmp_path)
    _spoil(outbox.folder / "texts")
    assert keep_what_is_known(_fresh(outbox), outbox.run)
    assert [*by_person(settle(reopened(outbox))).values()] == ["accepted"] * 4 + ["uncertain"] * 6


def test_without_entries_nothing_is_known(tmp_path: Path) -> None:
    """V8: where nobody can say who was told what, nothing is changed."""
    outbox = _killed(tmp_path)
    _spoil(outbox.folder / "entries-1.parquet", 30)
    assert not keep_what_is_known(_fresh(outbox), outbox.run)
    assert (outbox.folder / "texts").exists()
