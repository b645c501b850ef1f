"""`muster run` killed while it sends messages: nobody is lost, and repeats have one key and the same bytes (V8).

Counted at a real receiver. The suite kills a dozen times here, `make soak` forty times as often.
"""

import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.crash_points import left_by_kills
from support.kills import Victim
from support.message_shop import FIRST, SECOND, crm, expected, held, keys, leftovers, message_shop, people
from support.random_histories import MORE
from support.receiver import LOST, Received, Receiver, Say
from support.shop import Shop, person

KILLS = 6 * min(MORE, 40)
AT = {FIRST: f"{FIRST}T02:00Z", SECOND: f"{SECOND}T02:00Z"}


def _whole(shop: Shop, receiver: Receiver, day: str) -> list[dict[str, Any]]:
    """The runs, once all is well: the receiver holds what it must, nothing is left, one key had one body."""
    assert held(receiver.requests) == expected(day)
    assert all(len(bodies) == 1 for bodies in keys(receiver.requests).values()), "one key with several bodies"
    assert leftovers(shop) == []
    runs = shop.runs("crm/a")
    assert runs[-1]["status"] == "succeeded"
    return runs


def _kill_at(shop: Shop, receiver: Receiver, after: int, *command: str) -> bool:
    """Run a command and kill it once so many requests were answered and a further one came; whether it was killed."""
    receiver.stand_still(after)
    victim = Victim(shop.root, *command, variables={})
    while victim.is_working and not receiver.stands.wait(0.005):
        pass
    was_killed = victim.ended(0 if receiver.stands.is_set() else None)
    receiver.go_on()
    return was_killed


@pytest.mark.parametrize("seed", range(1 if MORE == 1 else 2))
def test_kills_while_messages_are_sent(tmp_path: Path, receiver: Receiver, seed: int) -> None:
    """V2, V8: killed again and again, each command goes on: answered requests are not sent again, and whoever is sent
    again is counted.
    """
    chance = random.Random(seed)  # noqa: S311  # which moments, no secret
    kills = round_ = 0
    while kills < KILLS:
        round_ += 1
        receiver.reset()
        shop = message_shop(tmp_path / f"shop-{round_}", receiver)
        for day in (FIRST, SECOND):
            shop.profiles(day, people(day))
            before, kills_here = len(receiver.requests), 0
            while _kill_at(shop, receiver, chance.randrange(7), "run", "--at", AT[day]):
                kills_here += 1
            kills += kills_here
            run = _whole(shop, receiver, day)[-1]
            seen = Counter(request.key for request in receiver.requests[before:])
            twice = {each["id"] for request in receiver.requests if seen[request.key] > 1 for each in request.json}
            assert len(twice) <= run["resent"] <= kills_here * 8
            assert len(seen) == run["requests"]
    assert kills >= KILLS


def test_a_kill_at_every_step(tmp_path: Path, receiver: Receiver) -> None:
    """V8: killed before any step on the disk, of outbox, commits and clean-up, the next command ends the work."""
    shop = message_shop(tmp_path / "shop", receiver)
    shop.run(AT[FIRST])
    sent = list(receiver.requests)
    shop.profiles(SECOND, people(SECOND))
    _, states = left_by_kills(shop, tmp_path / "left", "run", "--at", AT[SECOND])
    assert len(states) > 20
    for left in states[:: 1 if MORE > 1 else 8]:
        receiver.reset()
        left.shop.ok("-q", "run", "--at", f"{SECOND}T02:01Z")
        receiver.requests[:0] = sent
        runs = _whole(left.shop, receiver, SECOND) if len(receiver.requests) > len(sent) else []
        assert runs or left.shop.runs("crm/a")[-1]["status"] == "succeeded", str(left)
        left.remove()


def test_lost_answers_are_settled_by_repeats(tmp_path: Path, receiver: Receiver) -> None:
    """V2, V8, V10: a request whose answer is lost is sent again under its key; nobody is told twice otherwise."""
    shop = message_shop(tmp_path / "shop", receiver)
    receiver.script = [LOST, Say(), LOST]
    shop.run(AT[FIRST])
    run = _whole(shop, receiver, FIRST)[-1]
    assert (len(receiver.requests), run["requests"], run["resent"]) == (14, 12, 0)


def _other_snapshot(shop: Shop, _: Receiver) -> None:
    shop.profiles(FIRST, people(FIRST), part="part-0")
    shop.parquet(f"data/profiles/{FIRST}/part-1.parquet", [people(FIRST)[0] | {"profile_id": "late"}])


def _other_mapping(shop: Shop, receiver: Receiver) -> None:
    crm(shop, receiver, mapping=[{"source": "profile_id", "target": "id"}])


def _other_policy(shop: Shop, _: Receiver) -> None:
    shop.write("policies/no-ads.yml", {"actions": ["onsite_advertising"], "deny": "RHD"})


CHANGES: list[Callable[[Shop, Receiver], None]] = [_other_snapshot, _other_mapping, _other_policy]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_a_change_after_a_kill_replaces_the_run(
    tmp_path: Path, receiver: Receiver, change: Callable[[Shop, Receiver], None]
) -> None:
    """V8: if the config, the policies or the snapshot changed, nothing of the outbox is sent: the run ends as failed
    (`replaced`), and a fresh comparison in the same command covers everybody.
    """
    shop = message_shop(tmp_path / "shop", receiver)
    assert _kill_at(shop, receiver, 3, "run", "--at", AT[FIRST])
    before = {request.key for request in receiver.requests}
    change(shop, receiver)
    result = shop.muster("run", "--at", AT[FIRST])
    assert "was interrupted and is not sent to its end" in result.err
    assert result.code == 0
    after = held(receiver.requests)
    assert {name: after[name] for name in expected(FIRST)} == expected(FIRST)
    assert not before & {request.key for request in receiver.requests[len(before) :]}
    assert leftovers(shop) == []
    assert shop.runs("crm/a")[-1]["status"] == "succeeded"


def test_a_new_evaluation_after_a_kill_replaces_the_run(tmp_path: Path, receiver: Receiver) -> None:
    """V8: the next day's evaluation replaces a run that was killed; who left meanwhile is told so if they were sent."""
    shop = message_shop(tmp_path / "shop", receiver)
    assert _kill_at(shop, receiver, 3, "run", "--at", AT[FIRST])
    shop.profiles(SECOND, people(SECOND))
    shop.muster("run", "--at", AT[SECOND])
    realized = {
        name: {each for each, status in audiences.items() if status == "realized"}
        for name, audiences in held(receiver.requests).items()
    }
    wanted = {
        name: {each for each, status in audiences.items() if status == "realized"}
        for name, audiences in expected(SECOND).items()
    }
    assert {name: each for name, each in realized.items() if each} == {
        name: each for name, each in wanted.items() if each
    }
    assert leftovers(shop) == []


def test_two_commands_at_once(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 9: while one command sends, another one waits for nothing and exits 3; the first ends its work."""
    shop = message_shop(tmp_path / "shop", receiver)
    receiver.stand_still(2)
    victim = Victim(shop.root, "run", "--at", AT[FIRST], variables={})
    assert receiver.stands.wait(30)
    assert shop.muster("run", "--at", AT[FIRST]).code == 3
    receiver.go_on()
    assert not victim.ended()
    assert len(receiver.requests) == 12
    _whole(shop, receiver, FIRST)


def test_a_command_that_is_asked_to_stop(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 9, V8: SIGTERM ends a command that waits for an answer: 143, the run goes on with the next one."""
    shop = message_shop(tmp_path / "shop", receiver)
    receiver.stand_still(2)
    victim = Victim(shop.root, "run", "--at", AT[FIRST], variables={})
    assert receiver.stands.wait(30)
    assert victim.stop() == 143
    assert shop.runs("crm/a")[-1]["status"] == "delivering"
    receiver.go_on()
    shop.run(AT[FIRST])
    _whole(shop, receiver, FIRST)


def test_an_outbox_that_a_killed_command_left_is_removed(tmp_path: Path, receiver: Receiver) -> None:
    """V8, V12: an outbox that no unfinished run names is removed by the next command that writes."""
    shop = message_shop(tmp_path / "shop", receiver)
    shop.run(AT[FIRST])
    folder = shop.root / ".muster/outbox/crm/a/another.1"
    folder.mkdir(parents=True)
    (folder / "texts").write_text("somebody")
    shop.run(AT[FIRST])
    assert not (shop.root / ".muster/outbox").exists()
    shutil.rmtree(shop.root)


# Full disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB for the state, where the machine lets the tests have one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(disk: Path, room: int) -> None:
    """Fill the disk but for some bytes, in whole pages."""
    status = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - room)))


def _many(count: int) -> list[dict[str, Any]]:
    return [person(f"p{number}", f"p{number}@{'x' * 200}.com", gold=False) for number in range(count)]


def test_an_outbox_that_does_not_fit(tmp_path: Path, receiver: Receiver, disk: Path) -> None:
    """V8, SPEC 10: a disk without room for the outbox: the run fails, nothing is sent or left; later it goes out."""
    shop = message_shop(tmp_path / "shop", receiver)
    shop.set(state=str(disk / "state"))
    shop.profiles(FIRST, _many(3000))
    shop.evaluate(AT[FIRST], "--no-exports")
    _fill(disk, 600_000)
    result = shop.muster("run", "--at", AT[FIRST])
    assert result.code == 1
    assert "state/outbox/crm/a/" in result.err
    assert "no space left on device" in result.err
    assert receiver.requests == []
    assert not (disk / "state/outbox").exists() or not [*(disk / "state/outbox").rglob("*.parquet")]
    assert shop.runs("crm/a")[-1]["status"] == "failed"
    (disk / "filler").unlink()
    shop.run(AT[FIRST])
    assert len(held(receiver.requests)) == 3000


def test_a_log_that_cannot_grow(tmp_path: Path, receiver: Receiver, disk: Path) -> None:
    """V8: a disk that is full while messages are sent: no more is sent than was noted, the run stays `delivering`, and
    the next command goes on: nobody is lost.
    """
    shop = message_shop(tmp_path / "shop", receiver)
    shop.set(state=str(disk / "state"))
    shop.profiles(FIRST, _many(120))

    def rule(request: Received) -> None:
        if request.number == 5:
            _fill(disk, 0)

    receiver.rule = rule
    result = shop.muster("run", "--at", AT[FIRST])
    assert result.code == 1
    assert "answers.log: answers cannot be noted: no space left on device; the next command goes on" in result.err
    assert shop.runs("crm/a")[-1]["status"] == "delivering"
    assert 5 < len(receiver.requests) < 60
    (disk / "filler").unlink()
    shop.run(AT[FIRST])
    assert len(held(receiver.requests)) == 120
    assert all(len(bodies) == 1 for bodies in keys(receiver.requests).values())
    assert shop.runs("crm/a")[-1]["status"] == "succeeded"
    assert len(receiver.requests) <= 60 + 4
