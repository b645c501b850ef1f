"""Several commands at once on one workspace: one works, the others are turned away or wait; each slot is delivered
once.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from filelock import FileLock
from support import kills
from support.random_histories import MORE
from support.shop import Shop, process, quick_folder

from muster.activation.model.history import StoredFile
from muster.activation.state.files import State

MAPPING = ["profile_id", {"source": "segment_membership.status", "target": "status"}]
HOURLY = {"audience": "gold", "id": "hourly", "export": "incremental", "schedule": {"every": "1h"}}
FOLLOWS = {
    "audience": "gold",
    "id": "follows",
    "export": "full",
    "schedule": "after_evaluation",
    "file_name": "{activation}",
}
CROWD, BIG_CROWD = 4, 20


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory."""
    with quick_folder() as folder:
        yield folder


def _shop(place: Path, *activations: dict[str, Any]) -> Shop:
    shop = Shop(place / "shop", evaluation={"schedule": {"every": "2h"}})
    for day, gold in (("20", "abcdef"), ("21", "abx")):
        shop.profiles(f"2026-11-{day}", [{"profile_id": each, "gold": each in gold} for each in "abcdefx"])
    shop.audience("gold", where="gold")
    shop.destination("crm", mapping=MAPPING, activations=list(activations) or [HOURLY, FOLLOWS])
    return shop


def _slots(hours: int) -> list[str]:
    return [f"2026-11-{day}T{hour:02}:00Z" for day in (20, 21) for hour in range(22 - hours, 22)]


def _alone(place: Path, slots: list[str]) -> dict[str, bytes]:
    """What the same slots come to when nobody else is there."""
    shop = _shop(place / "alone")
    for slot in slots:
        shop.run(slot)
    return shop.tree("out")


def _check_once(shop: Shop, slots: list[str]) -> None:
    """S6: one success a slot, at the first attempt; and one an evaluation."""
    runs = [run for run in shop.runs() if run["status"] != "superseded"]  # the first day's hours before the first run
    assert {run["status"] for run in runs} == {"succeeded"}
    assert {run["attempts"] for run in runs} == {1}
    assert [run["activation"] for run in runs].count("hourly") == len(slots)
    evaluated = [run["evaluated_at"] for run in runs if run["activation"] == "follows"]
    assert len(evaluated) == len(set(evaluated)) == len({(slot[:10], int(slot[11:13]) // 2) for slot in slots})


def test_runs_that_overlap_are_turned_away(place: Path) -> None:
    """S6, exit 3: of several `run` at once one works, the others are told so or find nothing due; each slot is
    delivered once.
    """
    shop, slots = _shop(place), _slots(2 if MORE == 1 else 4)
    for slot in slots:
        results = kills.together(shop.root, [("run", "--at", slot)] * CROWD)
        assert {result.code for result in results} <= {0, 3}, [result.err for result in results]
        assert [result.code for result in results].count(0) >= 1
        assert all("--wait" in result.err for result in results if result.code == 3)
    _check_once(shop, slots)
    assert shop.tree("out") == _alone(place, slots)


def test_runs_that_wait_find_nothing_due(place: Path) -> None:
    """S6, `--wait`: who waits gets the workspace next and finds the slot delivered."""
    shop, slots = _shop(place), _slots(2 if MORE == 1 else 4)
    for slot in slots:
        results = kills.together(shop.root, [("--wait", "600", "run", "--at", slot)] * CROWD)
        assert [result.code for result in results] == [0] * CROWD, [result.err for result in results]
    _check_once(shop, slots)
    assert shop.tree("out") == _alone(place, slots)


def test_a_crowd_again_and_again(place: Path) -> None:
    """S6: twenty `run` at once for each slot, half of which wait: the waiting ones end well, the others do the work or
    exit 3.
    """
    shop, slots = _shop(place), _slots(2 if MORE == 1 else 6)
    commands = [("run",), ("--wait", "900", "run")] * (BIG_CROWD // 2)
    for slot in slots:
        results = kills.together(shop.root, [(*command, "--at", slot) for command in commands])
        assert {result.code for result in results[0::2]} <= {0, 3}, [result.err for result in results]
        assert [result.code for result in results[1::2]] == [0] * (BIG_CROWD // 2), [result.err for result in results]
    _check_once(shop, slots)
    assert shop.tree("out") == _alone(place, slots)


def test_a_refused_first_command_does_not_trip_the_others(place: Path) -> None:
    """SPEC 10, E9: where no command has succeeded yet, several that are refused at once are all refused, and leave a
    ledger that notes the failure alone.
    """
    shop = _shop(place, HOURLY)
    for file in (shop.root / "data").rglob("*.parquet"):
        file.write_bytes(b"not Parquet")
    for _ in range(3):
        results = kills.together(shop.root, [("--wait", "600", "run", "--at", "2026-11-21T02:00Z")] * CROWD)
        assert [result.code for result in results] == [2] * CROWD, [result.err for result in results]
        assert all("not Parquet" in result.err or "parquet" in result.err for result in results), [
            result.err for result in results
        ]
    assert not list((shop.root / ".muster").rglob("*.parquet"))
    assert shop.runs() == shop.ok("evaluations", "list", "--json").json == []
    assert shop.ok("state", "check").out == ""


def test_the_lock_says_who_may_work(place: Path) -> None:
    """SPEC 9: exit 3 while another process holds the workspace, at once without `--wait`; commands that read are let
    in.
    """
    shop = _shop(place)
    shop.run("2026-11-20T20:00Z")
    with FileLock(shop.root / ".muster/lock"):
        for command in (
            ["run"],
            ["evaluate"],
            ["export", "crm/hourly"],
            ["baseline", "reset", "crm/hourly"],
            ["--wait", "0.2", "run"],
        ):
            result = process("-C", str(shop.root), *command) if command == ["run"] else shop.muster(*command)
            assert result.code == 3, result.err
            assert result.err.count("\n") == 1
            assert "another muster" in result.err
        for command in (
            ["runs", "list"],
            ["plan", "--at", "2026-11-20T21:00Z"],
            ["validate", "--at", "2026-11-20T21:00Z"],
        ):
            shop.ok(*command)


def test_waiting_ends_when_the_other_does(place: Path) -> None:
    """SPEC 9: `--wait SECONDS` goes on as soon as the workspace is free."""
    shop = _shop(place)
    shop.run("2026-11-20T20:00Z")
    lock = FileLock(shop.root / ".muster/lock", thread_local=False)
    lock.acquire()
    timer = threading.Timer(0.4, lock.release)
    timer.start()
    shop.ok("--wait", "600", "run", "--at", "2026-11-20T21:00Z")
    timer.join()
    assert shop.runs("crm/hourly")[-1]["scheduled_time"] == "2026-11-20T21:00:00Z"


def test_a_killed_holder_leaves_no_lock(place: Path) -> None:
    """S6: the lock goes with the process that held it."""
    shop = _shop(place, HOURLY)
    moments = kills.steps(_shop(place / "trial", HOURLY).root, "run", "--at", "2026-11-20T20:00Z")
    kills.kill(shop.root, moments[len(moments) // 2], "run", "--at", "2026-11-20T20:00Z")
    shop.run("2026-11-20T20:00Z")
    assert [run["status"] for run in shop.runs()] == ["superseded", "succeeded"]


# Commands that read, beside one that writes


@pytest.fixture
def shop(place: Path) -> Shop:
    """A shop that has delivered once; the delivered set is a file of its own, which the next run replaces."""
    shop = _shop(place, HOURLY)
    shop.destination("crm", mapping=[*MAPPING, {"source": "gold", "mandatory": True}], activations=[HOURLY])
    shop.run("2026-11-20T20:00Z")
    return shop


@contextmanager
def _runs_before_reads(shop: Shop, slots: list[str]) -> Iterator[None]:
    """Before a command reads a delivered set, another muster delivers the next of the slots: what is about to be read
    is replaced.
    """
    check, busy = State._check, []  # noqa: SLF001  # before any file is read, whatever of it is asked for

    def late(state: State, stored: StoredFile, *arguments: Any) -> Any:
        if slots and not busy and stored.file.startswith("baselines/"):
            busy.append(True)
            [other] = kills.together(shop.root, [("-q", "run", "--at", slots.pop(0))])
            assert other.code == 0
            busy.clear()
        return check(state, stored, *arguments)

    with mock.patch.object(State, "_check", late):
        yield


def test_a_plan_beside_runs_is_of_one_moment(shop: Shop) -> None:
    """S6: what a run replaces while `plan` reads is no damage: `plan` looks again, and tells what is so after
    the run.
    """
    with _runs_before_reads(shop, ["2026-11-21T00:00Z"]):
        planned = shop.ok("plan", "--at", "2026-11-21T01:00Z", "--json")
    assert planned.json == shop.ok("plan", "--at", "2026-11-21T01:00Z", "--json").json
    assert planned.err == ""


def test_a_plan_that_never_sees_one_moment_says_so(shop: Shop) -> None:
    """S6, SPEC 10: if that happens again and again, one message says to come back; nothing is called damaged."""
    with _runs_before_reads(shop, [f"2026-11-21T{hour:02}:00Z" for hour in range(20)]):
        result = shop.muster("plan", "--at", "2026-11-21T21:00Z")
    assert result.code == 2
    assert result.err == "error: .muster: another muster changed the state while it was read; run the command again\n"


def test_damage_is_damage_though_others_may_work(shop: Shop) -> None:
    """X1: a state file that is gone for good is named as before."""
    for file in (shop.root / ".muster/baselines").rglob("*.parquet"):
        file.unlink()
    result = shop.muster("plan", "--at", "2026-11-21T01:00Z")
    assert result.code == 1
    assert "is missing: the state is damaged" in result.err
