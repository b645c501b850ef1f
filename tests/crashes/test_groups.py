"""Runs of one group take each step together: in the order of one run, without harm by a kill, a failure or a full disk,
and apart from runs that they could meet.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support import kills
from support.crash_checks import bare, check_manifests, check_same, check_whole, memory, twin_of
from support.crash_points import left_by_kills
from support.crash_shop import BEFORE, CONSTANT, SLOT, TIMED, three_days
from support.permissions import limited_to, run
from support.shop import Shop, person, quick_folder

from muster.activation.errors import MusterError
from muster.activation.export import carry_out

GUARDED = TIMED | {"id": "guarded", "guards": {"max_exited": 1}}
SECOND = {"audience": "gold", "id": "second", "export": "incremental", "schedule": {"at": "05:00"}, "manifest": False}
STOPPED = "error: crm/guarded: "  # by its guard: 5 of 6 leave


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory."""
    with quick_folder() as folder:
        yield folder


def of_four(place: Path) -> Shop:
    """On the morning of the second day: runs of two destinations, one that a guard stops, one that removes parts."""
    shop = three_days(place, TIMED, GUARDED, CONSTANT)
    shop.destination("shop", mapping=["profile_id"], max_rows_per_file=2, activations=[SECOND])
    shop.evaluate(BEFORE)
    shop.run(BEFORE)
    shop.evaluate(SLOT)
    return shop


def test_each_step_is_taken_by_all_runs_before_one_commit(place: Path) -> None:
    """F3: `running` with all hidden names; all parts written and synced, and their folders; `delivering`; all files
    visible, and their folders synced; `visible`; what is replaced removed, manifests; `succeeded`.
    """
    shop = three_days(place, TIMED, CONSTANT, TIMED | {"id": "other"})
    shop.evaluate(BEFORE)
    shop.run(BEFORE)
    shop.evaluate(SLOT)
    names = [each.name for each in kills.steps(shop.root, "run", "--at", SLOT) if not each.torn]
    commits = [number for number, name in enumerate(names) if name == "COMMIT"]
    [written, visible, done] = [
        [name for name in names[start:end] if " out/" in name]
        for start, end in zip(commits[-4:], commits[-3:], strict=False)
    ]
    assert not [name for name in names[: commits[-4]] if " out/" in name]
    parts = {name.removeprefix("open ") for name in written if name.startswith("open ")}
    assert len(parts) == 3 + 1 + 3
    assert {f"sync {part}" for part in parts} <= set(written)
    assert written[-2:] == ["sync out/crm", "sync out/crm/new"]
    assert {name.partition(" ")[2] for name in visible[:-2]} == parts
    assert visible[-2:] == ["sync out/crm", "sync out/crm/new"]
    assert len([name for name in done if "manifest" in name and name.startswith("os.rename")]) == 3
    assert [name for name in done if name.startswith("os.remove ")] == [
        f"os.remove out/crm/new/latest_{part}.json" for part in (2, 3)
    ]
    assert done[-1] == "sync out/crm"


def test_many_runs_are_few_commits(place: Path) -> None:
    """F3: seventeen runs are three groups, of four commits each."""
    shop = three_days(place, *(TIMED | {"id": f"a{number}"} for number in range(17)))
    shop.evaluate(BEFORE)
    before = len(
        [
            each
            for each in kills.steps(twin_of(shop, "idle").root, "run", "--at", "2026-11-20T04:00Z")
            if each.name == "COMMIT"
        ]
    )
    names = [each.name for each in kills.steps(shop.root, "run", "--at", BEFORE)]
    assert names.count("COMMIT") - before == 12
    assert {each["status"] for each in shop.runs()} == {"succeeded"}


@pytest.mark.parametrize("ordered", [True, False], ids=["one-writer", "two-writers"])
def test_a_kill_at_any_step_of_a_group_in_which_a_run_fails(place: Path, *, ordered: bool) -> None:
    """F1, F3, S5, S6, X1, X8, X11: whenever a group is killed, the next command leaves all as if nothing had happened:
    the run that its guard stops has failed, the others are delivered once, and no file is left.

    With two writers the steps of two runs are mixed, in another way each time: every fifth state is tried.
    """
    shop, command = of_four(place), ("run", "--at", SLOT)
    before, whole = shop.tree("out"), twin_of(shop, "whole")
    steps, states = left_by_kills(whole, place / "left", *command, exits=1, ordered=ordered)
    expected = memory(whole)
    assert [each["status"] for each in whole.runs() if each["scheduled_time"] == "2026-11-21T05:00:00Z"].count(
        "succeeded"
    ) == 3
    check_manifests_but(whole, "shop")
    for number, left in enumerate(states if ordered else states[::5]):
        victim = left.shop
        if ordered and number % 10 == 0:
            victim = twin_of(shop, "victim")
            kills.kill(victim.root, left.moments[0], *command)
            assert bare(victim) == bare(left.shop), left
        check_whole(victim, before, expected["visible"], left)
        result = victim.muster(*command)
        assert (result.code, STOPPED in result.err) == (1, True), left
        check_same(memory(victim), expected, left)
        left.remove()
        shutil.rmtree(victim.root, ignore_errors=True)
    assert len(steps) > 60


def check_manifests_but(shop: Shop, *without: str) -> None:
    """The manifests of a workspace are right, without destinations that have none."""
    twin = twin_of(shop, "looked-at")
    for name in without:
        shutil.rmtree(twin.root / "out" / name)
    check_manifests(twin)


@pytest.mark.parametrize("removes_first", [True, False])
def test_runs_that_meet_at_one_place_are_not_in_one_group(place: Path, *, removes_first: bool) -> None:
    """F1, X1: one run writes a name that another one's earlier run held, and that this one removes: the name is
    there in the end, as when the runs are carried out one after the other.
    """
    shop = three_days(place, CONSTANT)
    shop.evaluate(BEFORE)
    shop.run(BEFORE)
    assert "crm/new/latest_3.json" in shop.files()
    shop.evaluate(SLOT)
    renamed, heir = CONSTANT | {"file_name": "new/renamed"}, CONSTANT | {"id": "heir", "file_name": "new/latest"}
    mapping, order = ["profile_id"], [renamed, heir] if removes_first else [heir, renamed]
    shop.destination("crm", mapping=mapping, max_rows_per_file=1, activations=order)
    shop.run(SLOT)
    assert {name for name in shop.files() if "new/" in name} == {
        f"crm/new/{name}{part}.json" for name in ("renamed", "latest") for part in ("", "_2", "_3")
    }
    assert {each["status"] for each in shop.runs()} == {"succeeded"}


@pytest.mark.parametrize("step", ["begin", "commit_delivering", "finish"])
def test_a_commit_that_the_disk_refuses(place: Path, step: str) -> None:
    """SPEC 10, S5, S6: whichever commit of a group has no room, the command says so, nothing is recorded that is not
    so, and the next command delivers all of the group once.
    """
    shop = of_four(place)
    whole = twin_of(shop, "whole")
    whole.muster("run", "--at", SLOT)
    full = MusterError("ledger: database or disk is full")
    with mock.patch.object(carry_out, step, side_effect=full):
        result = shop.muster("run", "--at", SLOT)
    assert (result.code, "disk is full" in result.err) == (1, True)
    hidden = [path for path in (shop.root / "out").rglob(".*") if path.is_file()]
    assert bool(hidden) == (step == "finish")
    assert shop.muster("run", "--at", SLOT).code == 1
    found, expected = memory(shop), memory(whole)
    check_same(found, expected, step)


def test_a_disk_that_is_full_for_one_run_of_a_group(tmp_path: Path) -> None:
    """SPEC 10, X1, F3: a run whose file has no room says so and leaves nothing; the runs before and after it in its
    group are delivered, and the next command delivers the run.
    """
    shop = Shop(tmp_path / "shop")
    shop.profiles("2026-11-20", [{"profile_id": f"{number:04}"} for number in range(1000)])
    shop.audience("all", where="true")
    for name in ("a", "b", "c"):
        wide = [{"expression": f"'{'x' * 600}'", "target": "wide"}] if name == "b" else []
        daily = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
        shop.destination(name, mapping=["profile_id", *wide], max_rows_per_file=900, activations=[daily])
    shop.evaluate(BEFORE)
    result = run(shop.root, BEFORE, limited_to(400_000))
    assert result.code == 1
    assert [line for line in result.err.splitlines() if line.startswith("error: b/all: out/b: cannot be written: ")]
    assert {name.partition("/")[0] for name in shop.files()} == {"a", "c"}
    assert not list((shop.root / "out/b").iterdir())
    assert sorted((each["destination"], each["status"]) for each in shop.runs()) == [
        ("a", "succeeded"),
        ("b", "failed"),
        ("c", "succeeded"),
    ]
    shop.run(BEFORE)
    assert len([name for name in shop.files() if name.startswith("b/")]) == 2


def test_an_interrupt_stops_the_whole_group(place: Path) -> None:
    """S5, SPEC 9: interrupted while its files are written, no run of a group leaves a file: each has failed, and its
    slot is due.
    """
    shop = of_four(place)
    before = shop.tree("out")
    written = carry_out.write_files
    calls: list[Any] = []

    def second(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return written(*arguments)

    with mock.patch.object(carry_out, "write_files", second):
        assert shop.muster("run", "--at", SLOT).code == 130
    assert shop.tree("out") == before
    runs = [each for each in shop.runs() if each["scheduled_time"] == "2026-11-21T05:00:00Z"]
    errors = {each["activation"]: each["error"] for each in runs}
    assert {each["status"] for each in runs} == {"failed"}
    assert "guard" in errors.pop("guarded")
    assert set(errors.values()) == {"interrupted before its files were complete; the slot stays due"}
    assert len(errors) == 3
    assert json.dumps(errors)


@pytest.mark.parametrize("others", [0, 60])
def test_a_feed_that_names_somebody_new_changes_no_other_run(place: Path, others: int) -> None:
    """X1, X6, X8: a feed that is brought up to date names a profile without a number; the delivered set of a run that
    was compared before it, and is written after it, is its desired set, of few profiles among many and of most.
    """
    shop = Shop(place)
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.profiles("2026-11-20", [person(f"n{each}", vip=False) for each in range(others)], "part-1", email=pl.String)
    shop.audience("vips", where="vip")
    shop.audience("visitors", source="memberships")
    daily = {"export": "incremental", "schedule": {"at": "05:00"}}
    activations = [{"audience": each} | daily for each in ("vips", "visitors")]
    shop.destination("crm", mapping=["profile_id"], activations=activations)
    shop.feed([("visitors", "a", "realized", "2026-11-19T12:00Z")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-20T04", [person("a"), person("b", vip=False)])
    shop.feed([("visitors", "new", "realized", "2026-11-20T04:00Z")])
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("crm/vips") == ["a", "b"]
    assert shop.sent("crm/visitors") == []
    shop.profiles("2026-11-21", [person("a"), person("new")])
    shop.evaluate("2026-11-21T02:00Z")
    shop.run("2026-11-21T05:00Z")
    assert shop.sent("crm/vips") == ["new"]
    assert shop.sent("crm/visitors") == ["new"]
