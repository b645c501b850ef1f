"""Going on with an outbox after a kill, and settling one of which nothing is sent any more (V2, V8)."""

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.outboxes import (
    OK,
    REFUSED,
    FakeClock,
    FakeEndpoint,
    Killed,
    Planned,
    by_person,
    persons_in,
    refusing,
    reopened,
    told,
    written,
)
from support.random_histories import MORE

from muster.activation.endpoints.protocol import Answer, Outgoing
from muster.activation.errors import StateError, UnfinishedError
from muster.activation.outbox import answer_log
from muster.activation.outbox.outcomes import Outcomes
from muster.activation.outbox.pace import Pace
from muster.activation.outbox.reading import Outbox
from muster.activation.outbox.send import send_outbox
from muster.activation.outbox.settle import settle
from muster.activation.outbox.writing import TEXTS
from muster.activation.system import interrupts

ONE = Pace(in_flight=1)


def _send(outbox: Outbox, endpoint: FakeEndpoint, pace: Pace = ONE) -> Outcomes:
    endpoint.clock = endpoint.clock or FakeClock()
    return send_outbox(outbox, endpoint, pace, clock=endpoint.clock)


def _killing(at: int, rule: Callable[[Outgoing, int], Answer] = lambda *_: OK) -> FakeEndpoint:
    """An endpoint that takes a request and ends the process, instead of answering the one of this number."""

    def killing(outgoing: Outgoing, tries: int) -> Answer:
        if len(endpoint.sent) > at:
            raise Killed
        return rule(outgoing, tries)

    endpoint = FakeEndpoint(killing)
    return endpoint


def _killed(outbox: Outbox, at: int, rule: Callable[[Outgoing, int], Answer] = lambda *_: OK) -> FakeEndpoint:
    endpoint = _killing(at, rule)
    with pytest.raises(Killed):
        _send(outbox, endpoint)
    return endpoint


def _pairs(requests: int) -> list[list[int]]:
    return [[2 * number, 2 * number + 1] for number in range(requests)]


def test_the_next_command_goes_on(tmp_path: Path) -> None:
    """V8: after a kill answered requests are not sent again, the one under way is, with the same bytes and key."""
    outbox = written(tmp_path, _pairs(30))
    first = _killed(outbox, 12)
    second = FakeEndpoint()
    outcomes = _send(reopened(outbox), second)
    answered, repeated = first.sent[:-1], first.sent[-1]
    assert {each.id for each in answered}.isdisjoint(each.id for each in second.sent)
    assert [each for each in second.sent if each.id == repeated.id] == [repeated]
    assert {*by_person(outcomes).values()} == {"accepted"}
    assert len(first.sent) + len(second.sent) == 31
    assert outcomes.resent == 2
    assert (outcomes.messages, outcomes.requests) == (60, 30)


def test_what_is_resent_adds_up_over_kills(tmp_path: Path) -> None:
    """V8: everybody is counted once whose request may have been sent before a kill and was sent again after it."""
    outbox = written(tmp_path, _pairs(3))
    _killed(outbox, 0)
    _killed(outbox, 0)
    _killed(outbox, 1)
    outcomes = _send(reopened(outbox), FakeEndpoint())
    assert outcomes.resent == 4
    assert settle(reopened(outbox)).resent == 4


def test_a_machine_that_went_down_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V8: after a power cut everything that was noted may have been sent, as the log may have lost its end."""
    outbox = written(tmp_path, _pairs(9))
    _killed(outbox, 3)
    known = ["accepted"] * 6
    assert [*by_person(settle(reopened(outbox))).values()] == known + ["uncertain"] * 2 + ["unsent"] * 10
    for name in ("another", ""):
        monkeypatch.setattr("muster.activation.outbox.settle.boot", lambda name=name: name)
        assert [*by_person(settle(reopened(outbox))).values()] == known + ["uncertain"] * 8 + ["unsent"] * 4
    assert _send(reopened(outbox), FakeEndpoint()).resent == 8


def test_halves_go_on(tmp_path: Path) -> None:
    """V8, V10: a kill between the halves of a refused request loses none, and asks nobody twice who was answered."""
    whole = FakeEndpoint(refusing(5))
    _send(written(tmp_path / "whole", [list(range(8))]), whole)
    for at in range(len(whole.sent)):
        outbox = written(tmp_path / str(at), [list(range(8))])
        first = _killed(outbox, at, refusing(5))
        second = FakeEndpoint(refusing(5))
        outcomes = _send(reopened(outbox), second)
        assert [person for person, outcome in by_person(outcomes).items() if outcome == "refused"] == [5]
        assert {each.id for each in first.sent[:-1]}.isdisjoint(each.id for each in second.sent)
        assert {(each.id, each.key, each.body) for each in first.sent + second.sent} == {
            (each.id, each.key, each.body) for each in whole.sent
        }


def test_a_wrong_template_is_known_after_a_kill(tmp_path: Path) -> None:
    """V8, V10: a run whose five requests were refused ends after a kill as it would have ended, without a request."""
    outbox = written(tmp_path, _pairs(9))
    _send(outbox, FakeEndpoint(lambda *_: REFUSED))
    again = FakeEndpoint()
    outcomes = _send(reopened(outbox), again)
    assert not again.sent
    assert outcomes.error
    assert {*by_person(outcomes).values()} == {"unsent"}


def test_settling_sends_nothing(tmp_path: Path) -> None:
    """V8: where nothing may be sent any more, never-sent requests are unsent, those that may have been uncertain."""
    outbox = written(tmp_path, _pairs(30))
    first = _killed(outbox, 12, lambda *_: Answer("accepted", refused={1: "422"}))
    outcomes = by_person(settle(reopened(outbox)))
    for outgoing in first.sent[:-1]:
        one, two = persons_in(outgoing)
        assert (outcomes[one], outcomes[two]) == ("accepted", "refused")
    assert {outcomes[person] for person in persons_in(first.sent[-1])} == {"uncertain"}
    assert outcomes[59] == "unsent"


def test_a_restored_outbox_is_uncertain(tmp_path: Path) -> None:
    """V8: of an outbox from a backup, which has no texts, everybody without an answer is uncertain."""
    outbox = written(tmp_path, _pairs(30))
    first = _killed(outbox, 12)
    (outbox.folder / TEXTS).unlink()
    restored = reopened(outbox)
    assert restored.is_restored
    outcomes = by_person(settle(restored))
    answered = {person for outgoing in first.sent[:-1] for person in persons_in(outgoing)}
    assert {person for person, outcome in outcomes.items() if outcome == "accepted"} == answered
    assert {*outcomes.values()} == {"accepted", "uncertain"}
    assert (settle(restored).messages, settle(restored).requests) == (60, 30)


def test_a_log_may_be_cut_anywhere(tmp_path: Path) -> None:
    """V8: whatever part of the log a power cut leaves, the next command sends what it does not know to be answered."""
    whole = written(tmp_path / "whole", [Planned([0, 1, 2, 3]), Planned([4, 5]), Planned([6, 7], 1)])
    first = FakeEndpoint(refusing(2))
    _send(whole, first)
    content = (whole.folder / answer_log.LOG).read_bytes()
    begins = content.index(b"\n") + 1
    bytes_of = {each.id: (each.key, each.body) for each in first.sent}
    ends = [begins + at for at, byte in enumerate(content[begins:], start=1) if byte == ord("\n")]
    cuts = {begins, *(end - back for end in ends for back in (0, 1, 30))}
    for cut in sorted(cuts) if MORE == 1 else range(begins, len(content) + 1):
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "whole", folder)
        outbox = reopened(whole)
        outbox.state.folder = folder
        (outbox.folder / answer_log.LOG).write_bytes(content[:cut])
        second = FakeEndpoint(refusing(2))
        outcomes = _send(outbox, second)
        assert [person for person, outcome in by_person(outcomes).items() if outcome == "refused"] == [2]
        assert all(bytes_of[each.id] == (each.key, each.body) for each in second.sent)
        known = content[:cut].count(b'"answered"') - (0 if content[:cut].endswith(b"\n") else _torn(content[:cut]))
        assert len(second.sent) == len(first.sent) - known
        shutil.rmtree(folder)


def _torn(content: bytes) -> int:
    return content.rpartition(b"\n")[2].count(b'"answered"')


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_damaged_log_is_refused(tmp_path: Path, line: int) -> None:
    """V8, SPEC 10: a line that is not as it was written, and not the torn last one, is damage of the state."""
    outbox = written(tmp_path, _pairs(3))
    _send(outbox, FakeEndpoint())
    path = outbox.folder / answer_log.LOG
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1][:-3] + b"?" + lines[line - 1][-2:]
    path.write_bytes(b"".join(lines))
    with pytest.raises(StateError, match=rf"outbox/crm/all/crm.all.1.1/answers.log: line {line} is not as it was"):
        settle(reopened(outbox))


@pytest.mark.parametrize(
    "spoil", [lambda lines: lines[:2] + lines[3:], lambda lines: [*lines[:2], lines[1], *lines[2:]]]
)
def test_a_log_with_a_line_lost_or_doubled_is_refused(
    tmp_path: Path, spoil: Callable[[list[bytes]], list[bytes]]
) -> None:
    """V8, SPEC 10: whole lines in another order than they were written in are damage too."""
    outbox = written(tmp_path, _pairs(3))
    _send(outbox, FakeEndpoint())
    path = outbox.folder / answer_log.LOG
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(StateError, match="line 3 is not as it was written"):
        settle(reopened(outbox))


def test_a_missing_log_and_that_of_another_outbox_are_refused(tmp_path: Path) -> None:
    """V8, SPEC 10: an outbox without its log is damaged: nobody knows what was sent."""
    outbox = written(tmp_path, _pairs(3))
    path = outbox.folder / answer_log.LOG
    path.unlink()
    with pytest.raises(StateError, match="it is missing"):
        settle(reopened(outbox))
    answer_log.create(outbox.folder, 0o600, "another-1")
    with pytest.raises(StateError, match="does not begin as the log of this outbox"):
        settle(reopened(outbox))


def test_a_log_of_other_requests_is_refused(tmp_path: Path) -> None:
    """V8, SPEC 10: an answer to a request that was never noted is damage."""
    outbox = written(tmp_path, _pairs(3))
    with answer_log.AnswerLog.opened(outbox.folder) as log:
        log.append(answer_log.answered("2", OK))
    with pytest.raises(StateError, match="does not belong to the requests"):
        settle(reopened(outbox))


# Full disks


def test_a_full_disk_under_the_log_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V8: when answers cannot be noted, no request is sent that was not noted, and the next command goes on."""
    outbox = written(tmp_path, _pairs(40))
    written_bytes = 0
    write = os.write

    def limited(descriptor: int, data: bytes) -> int:
        nonlocal written_bytes
        if written_bytes + len(data) > 1500:
            kept = write(descriptor, data[: 1500 - written_bytes])
            written_bytes += kept
            if not kept:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return kept
        written_bytes += len(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", limited)
    first = FakeEndpoint()
    with pytest.raises(UnfinishedError, match=r"answers.log: answers cannot be noted: no space left on device"):
        _send(outbox, first, Pace(in_flight=4))
    monkeypatch.undo()
    noted = {each for record in answer_log.read(outbox.folder, outbox.name) for each in record.get("noted", ())}
    spans = [tuple(map(int, each.split("-"))) for each in noted if "-" in each]
    numbers = {number for first_, last in spans for number in range(first_, last + 1)}
    assert {int(each.id.rpartition("-")[2]) for each in first.sent} <= numbers
    second = FakeEndpoint()
    outcomes = _send(reopened(outbox), second)
    assert {*by_person(outcomes).values()} == {"accepted"}
    assert len({each.id for each in first.sent + second.sent}) == 40
    assert len(second.sent) < 40


def test_a_disk_that_does_not_sync_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V8: without a note on the disk nothing is sent."""

    def refused(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    outbox = written(tmp_path, _pairs(4))
    endpoint = FakeEndpoint()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refused)
        with pytest.raises(UnfinishedError, match="input/output error"):
            _send(outbox, endpoint)
    assert not endpoint.sent
    assert {*by_person(_send(reopened(outbox), endpoint)).values()} == {"accepted"}


# Stopped


def test_a_request_to_stop_is_kept_at_once(tmp_path: Path) -> None:
    """SPEC 9, V8: a command that is asked to stop begins no more requests; the next one goes on."""
    outbox = written(tmp_path, _pairs(50))

    def rule(*_: object) -> Answer:
        if len(endpoint.sent) == 7:
            interrupts.request(KeyboardInterrupt())
            threading.Event().wait(0.15)
        return OK

    endpoint = FakeEndpoint(rule)
    interrupts.begin()
    try:
        with pytest.raises(KeyboardInterrupt):
            _send(outbox, endpoint)
    finally:
        interrupts.begin()
    assert endpoint.is_stopped
    assert 7 <= len(endpoint.sent) < 50
    second = FakeEndpoint()
    outcomes = _send(reopened(outbox), second)
    assert {*by_person(outcomes).values()} == {"accepted"}
    assert len(endpoint.sent) + len(second.sent) == 50  # the one that was under way was answered, and noted


def test_pauses_end_when_the_command_is_asked_to_stop(tmp_path: Path) -> None:
    """SPEC 9: a signal ends a long pause."""
    outbox = written(tmp_path, _pairs(2))
    endpoint = FakeEndpoint(lambda *_: Answer("throttled", "429", retry_after=200.0))

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.2, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        send_outbox(outbox, endpoint, ONE)
    timer.join()
    assert {*by_person(settle(reopened(outbox))).values()} == {"unsent"}


def test_progress_is_told(tmp_path: Path) -> None:
    """SPEC 9: while messages are sent, their number, rate and the time that is left are told."""
    seen = []
    outbox = written(tmp_path, _pairs(6))

    def rule(*_: object) -> Answer:
        threading.Event().wait(0.06)
        return OK

    send_outbox(outbox, FakeEndpoint(rule), ONE, progress=seen.append)
    assert seen
    assert all(each.total == 12 and each.messages <= 12 for each in seen)
    middle = next(each for each in seen if 0 < each.messages < 12)
    assert middle.rate > 0
    assert middle.seconds_left is not None


def test_excerpts_are_shown_and_never_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """V12: what a receiver answers is shown where somebody asks for it, and is in no log and no file of the state."""
    shown = []
    outbox = written(tmp_path, _pairs(1))
    answer = Answer("refused", "422", look=lambda: "no such person")
    send_outbox(outbox, FakeEndpoint(lambda *_: answer), ONE, show=shown.append, clock=FakeClock())
    assert any("no such person" in line for line in shown)
    assert "no such person" not in caplog.text
    assert not any(b"no such person" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert told(settle(reopened(outbox)))
