"""A kill at any step on the disk is harmless: whoever comes next finishes, repeats nothing, loses nothing, and leaves
nothing behind.
"""

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import kills as killing
from support.crash_checks import bare, check_manifests, check_same, check_whole, memory, twin_of
from support.crash_points import left_by_kills
from support.crash_shop import ASKED, BEFORE, CONSTANT, FOLLOWS, LATER, MAPPING, SLOT, TIMED, three_days
from support.kills import Moment
from support.shop import Shop, quick_folder


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory: thousands of syncs are made here."""
    with quick_folder() as folder:
        yield folder


def _survives(shop: Shop, *command: str) -> int:
    """A kill of a command at each of its steps; the same command again leaves all as if nothing had happened. The
    number of steps.

    One process copies what a kill before each of its steps would leave (support/crash_points.py); some processes are
    really killed, and must leave just that.
    """
    before = shop.tree("out") if (shop.root / "out").exists() else {}
    whole = twin_of(shop, "whole")
    steps, states = left_by_kills(whole, shop.root.parent / "left", *command)
    expected = memory(whole)
    check_manifests(whole)
    for number, left in enumerate(states):
        if command[0] == "export" and ".checked" in str(left):  # once all is done, asking again is another request
            continue
        victim = left.shop
        if number % 8 == 0:
            victim = twin_of(shop, "victim")
            killing.kill(victim.root, left.moments[0], *command)
            assert bare(victim) == bare(left.shop), left
        check_whole(victim, before, expected["visible"], left)
        victim.ok("-q", *command)
        check_same(memory(victim), expected, left)
        if number % 5 == 0:  # what is the same in all that matters goes on in the same way
            victim.ok("-q", "run", "--at", command[-1])
            check_same(memory(victim), expected, f"{left}, and one more run")
        left.remove()
        shutil.rmtree(victim.root, ignore_errors=True)
    return len(steps)


def test_a_kill_of_run_at_any_step(place: Path) -> None:
    """F1, F3, S6, X8: whenever `run` is killed, the next one leaves each file complete, named by one manifest and
    delivered once, its bytes those of an uninterrupted run, vanished parts of constant names gone, no temporary file,
    and the baseline right.
    """
    shop = three_days(place, TIMED, CONSTANT, evaluation={"at": "02:00"})
    shop.run(BEFORE)
    assert _survives(shop, "run", "--at", SLOT) > 60


def test_a_kill_of_the_very_first_run_at_any_step(place: Path) -> None:
    """F3, S6: the same where there is no state yet."""
    shop = three_days(place, TIMED, evaluation={"at": "02:00"})
    assert _survives(shop, "run", "--at", SLOT) > 40


def test_a_kill_of_evaluate_at_any_step(place: Path) -> None:
    """E6, S4, S6: an evaluation written but not committed is made again; one that is committed gets the exports that
    follow it.
    """
    shop = three_days(place, FOLLOWS)
    shop.evaluate(BEFORE)
    assert _survives(shop, "evaluate", "--at", SLOT) > 25


def test_a_kill_of_export_at_any_step(place: Path) -> None:
    """X7, S6: an on-demand request that was killed and is repeated is one request: its files appear once."""
    shop = three_days(place, ASKED)
    shop.evaluate(BEFORE)
    assert _survives(shop, "export", "crm/asked", "--at", SLOT) > 15


# A newer slot comes before the interrupted run was finished


def test_a_folder_is_synced_into_the_one_that_holds_it(place: Path) -> None:
    """F3: before anything is recorded of what lies in a new folder, the folder itself would survive a power cut."""
    shop = three_days(
        place, TIMED | {"file_name": "{activation}/{date}/{export}-{datetime}"}, evaluation={"at": "02:00"}
    )
    names = [moment.name for moment in killing.steps(shop.root, "run", "--at", SLOT)]
    made = [
        (number, name.removeprefix("os.mkdir ")) for number, name in enumerate(names) if name.startswith("os.mkdir ")
    ]
    assert {"out", "out/crm/timed/20261121", ".muster/memberships"} <= {name for _, name in made}
    for number, name in made:
        above = name.rpartition("/")[0] or str(shop.root)
        committed = names.index("COMMIT", number)
        assert f"sync {above}" in names[number:committed], name


NEW_WAYS = {
    "url": "out/moved",
    "mapping": ["profile_id", {"source": "email", "target": "mail"}],
    "max_rows_per_file": 100,
}


def _changed(shop: Shop, *activations: dict[str, Any]) -> None:
    """Another place, another mapping, other names, fewer parts."""
    renamed = [each | {"file_name": "{destination}-{date}-{activation}"} for each in activations]
    shop.destination("crm", **({"mapping": MAPPING} | NEW_WAYS), activations=renamed)


def _statuses(shop: Shop, slot: str) -> set[str]:
    """How the runs of a slot stand."""
    return {run["status"] for run in shop.runs() if run["scheduled_time"] == slot}


@pytest.mark.parametrize("activation", [TIMED, CONSTANT], ids=["timed", "constant"])
def test_an_interrupted_run_is_finished_before_a_newer_slot(place: Path, activation: dict[str, Any]) -> None:
    """S2, S6, X9: killed once it was delivering, a run is finished first, with its own names, bytes and url, though the
    config says other things now, and then the newer slot starts; killed before that, its slot is superseded, and the
    newer one goes out as if alone.
    """
    shop = three_days(place, activation)
    shop.evaluate(BEFORE)
    shop.run(BEFORE)
    shop.evaluate(SLOT)
    both = twin_of(shop, "both")
    _, states = left_by_kills(both, place / "left", "run", "--at", SLOT)
    only = twin_of(shop, "only")
    for whole in (both, only):
        _changed(whole, activation)
        whole.run(LATER)
    expected = {True: memory(both), False: memory(only)}
    assert expected[True]["visible"] != expected[False]["visible"]
    survived = {True: 0, False: 0}
    for left in states:
        victim = left.shop
        due = bool(_statuses(victim, "2026-11-21T05:00:00Z") & {"delivering", "succeeded"})
        _changed(victim, activation)
        victim.run(LATER)
        found = memory(victim)
        for part in ("visible", "baselines", "state"):  # the history knows of the run that was begun
            assert found[part] == expected[due][part], f"{part} after a kill at {left}"
        survived[due] += 1
        left.remove()
    assert min(survived.values()) > 3


def _delivering(shop: Shop, *command: str) -> Moment:
    """The moment right after a command has committed its run as delivering: before the first file appears."""
    trial = twin_of(shop, "trial")
    moments = killing.steps(trial.root, *command)
    shutil.rmtree(trial.root)
    return next(each for each in moments if each.name.startswith(("os.link", "os.rename")) and " out/" in each.name)


@pytest.mark.parametrize("command", [["run"], ["evaluate"], ["export", "crm/asked"]], ids=" ".join)
def test_every_command_that_writes_finishes_first(place: Path, command: list[str]) -> None:
    """S6: `run`, `evaluate` and `export` alike finish a run that is delivering; commands that read leave it
    and say so.
    """
    shop = three_days(place, TIMED, ASKED)
    shop.evaluate(SLOT)
    whole = twin_of(shop, "whole")
    whole.run(SLOT)
    killing.kill(shop.root, _delivering(shop, "run", "--at", SLOT), "run", "--at", SLOT)
    before = shop.tree()
    assert [each["action"] for each in shop.ok("plan", "--at", SLOT, "--json").json] == ["finish"]
    assert _statuses(shop, "2026-11-21T05:00:00Z") == {"delivering"}
    assert shop.tree() == before
    shop.ok(*command, "--at", SLOT)
    assert _statuses(shop, "2026-11-21T05:00:00Z") == {"succeeded"}
    finished = {
        name: content for name, content in shop.tree("out").items() if "asked" not in name and "manifest" not in name
    }
    assert finished == {name: content for name, content in whole.tree("out").items() if "manifest" not in name}
    assert whole.tree("out").items() <= shop.tree("out").items()


def _files_of(shop: Shop, activation: str) -> dict[str, bytes]:
    return {name: content for name, content in shop.tree("out").items() if activation in Path(name).name}


def test_nothing_new_starts_while_a_run_cannot_be_finished(place: Path) -> None:
    """S6: until an interrupted run is finished its activation starts nothing new, on demand neither; others go
    on (X1).
    """
    shop = three_days(place, TIMED, CONSTANT)
    shop.evaluate(SLOT)
    whole = twin_of(shop, "whole")
    for slot in (SLOT, LATER):
        whole.run(slot)
    killing.kill(shop.root, _delivering(shop, "run", "--at", SLOT), "run", "--at", SLOT)
    held, _of_its_group = [run for run in shop.runs() if run["status"] == "delivering"]
    place_of_it = shop.root / held["files"][0]["path"]
    place_of_it.mkdir()  # stands in the way
    assert shop.muster("run", "--at", LATER).code == 1
    assert shop.muster("export", f"crm/{held['activation']}", "--at", LATER).code == 1
    mine = [run for run in shop.runs() if run["activation"] == held["activation"]]
    assert [run["status"] for run in mine] == ["delivering"]
    assert mine[0]["error"]
    others = [run for run in shop.runs() if run["activation"] != held["activation"]]
    assert [run["status"] for run in others] == ["succeeded", "succeeded"]  # of its group, and the newer slot
    place_of_it.rmdir()
    shop.run(LATER)
    assert _files_of(shop, held["activation"]) == _files_of(whole, held["activation"])


@pytest.mark.parametrize("activation", [TIMED, CONSTANT], ids=["timed", "constant"])
def test_staged_files_that_are_gone_are_written_again(place: Path, activation: dict[str, Any]) -> None:
    """S5, S6: when somebody clears the hidden files of an interrupted run away, it starts afresh, and comes to the same
    files.
    """
    shop = three_days(place, activation)
    shop.evaluate(BEFORE)
    whole = twin_of(shop, "whole")
    whole.run(BEFORE)
    killing.kill(shop.root, _delivering(shop, "run", "--at", BEFORE), "run", "--at", BEFORE)
    hidden = sorted(path for path in (shop.root / "out").rglob(".*") if path.is_file())
    assert len(hidden) == 3
    hidden[-1].unlink()  # those before it appear, and are taken back
    shop.run(BEFORE)
    check_same(memory(shop), memory(whole), "the loss of a staged file")
    assert [run["attempts"] for run in shop.runs()] == [2]


@pytest.mark.parametrize("activation", [TIMED, CONSTANT], ids=["timed", "constant"])
def test_a_receiver_may_take_the_files_of_a_killed_run(place: Path, activation: dict[str, Any]) -> None:
    """F3, S6, X8: taken as soon as the manifest is there, files are delivered though muster was killed before it could
    record that: none comes again under another name, and the next comparison is with them.
    """
    shop = three_days(place, activation)
    shop.evaluate(BEFORE)
    whole = twin_of(shop, "whole")
    _, states = left_by_kills(whole, place / "left", "run", "--at", BEFORE)
    expected = [whole.tree("out")]
    whole.set(evaluation={"schedule": {"at": "05:30"}})
    whole.run(SLOT)
    expected.append(whole.tree("out"))
    kills = 0
    for left in states:
        victim = left.shop
        if any(Path(name).name.startswith("manifest-") for name in victim.tree("out")):
            kills += 1
            taken = victim.tree("out")
            assert taken == expected[0], left
            shutil.rmtree(victim.root / "out")
            victim.set(evaluation={"schedule": {"at": "05:30"}})
            victim.run(SLOT)
            assert taken | victim.tree("out") == taken | expected[1], left
        left.remove()
    assert kills > 2


def test_the_finishing_of_a_run_may_be_killed_too(place: Path) -> None:
    """S6: a second kill, at any step of the command that was finishing the first one's work, is as harmless."""
    shop = three_days(place, TIMED, CONSTANT, evaluation={"at": "02:00"})
    shop.run(BEFORE)
    unhurt = twin_of(shop, "unhurt")
    unhurt.run(SLOT)
    killing.kill(shop.root, _delivering(shop, "run", "--at", SLOT), "run", "--at", SLOT)
    assert _survives(shop, "run", "--at", SLOT) > 25
    shop.run(SLOT)
    check_same(memory(shop), memory(unhurt), "the first of two moments")


def test_the_slots_of_an_activation_count_from_a_killed_command_on(place: Path) -> None:
    """S2, S4, S6: an evaluation is owed its exports also when the command that made it was killed at once, late in the
    evening.
    """
    shop = three_days(place, FOLLOWS)
    command = ("evaluate", "--at", "2026-11-20T23:30Z")
    moments = killing.steps(twin_of(shop, "whole").root, *command)
    written = next(number for number, each in enumerate(moments) if each.name.startswith("sync .muster/memberships"))
    committed = next(number for number, each in enumerate(moments) if number > written and each.name == "COMMIT")
    killing.kill(shop.root, moments[committed + 1], *command)
    assert [each["realized"] for each in shop.ok("audiences", "list", "--json").json] == [6]
    shop.run("2026-11-21T00:30Z")
    assert [(run["scheduled_time"], run["status"]) for run in shop.runs()] == [("2026-11-20T23:30:00Z", "succeeded")]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_signals_at_random(place: Path, how: signal.Signals) -> None:
    """F3, S6, exit 143: real signals at random moments of some days: each slot delivered once, all bytes as without
    signals.
    """
    chance = random.Random(20261121)  # noqa: S311  # which moments, no secret
    shop = three_days(place, TIMED, CONSTANT, FOLLOWS, evaluation={"every": "12h"})
    whole = twin_of(shop, "whole")
    for slot in [f"2026-11-{day}T{hour}:00Z" for day in range(20, 23) for hour in ("01", "13")]:
        before = shop.tree("out") if (shop.root / "out").exists() else {}
        steps = killing.steps(whole.root, "run", "--at", slot)
        after = whole.tree("out")
        # At a step that the command comes to, however fast the machine is (what is raised while SQLite reports a commit
        # would be lost there); then a little after one, which may fall into native code, or come too late.
        number = chance.choice([each.number for each in steps[: len(steps) // 2] if each.name != "COMMIT"])
        assert killing.signal_at(shop.root, number, how, "run", "--at", slot), steps[number - 1]
        check_whole(shop, before, after, slot)
        for _ in range(2):
            number, delay = chance.randint(1, len(steps)), chance.uniform(0.001, 0.05)
            killing.signal_at(shop.root, number, how, "run", "--at", slot, delay=delay)
            check_whole(shop, before, after, slot)
        killing.steps(shop.root, "run", "--at", slot)
        found, expected = memory(shop), memory(whole)
        _spare_rosters(found, expected)
        check_same(found, expected, slot)
    for each in (shop, whole):
        each.run("2026-11-23T01:00Z")
    check_same(memory(shop), memory(whole), "all of them")
    check_manifests(shop)


def _spare_rosters(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """A roster that nothing refers to any more, and that a kill left, is removed by the next evaluation, not before."""
    for name in found["state"].keys() - expected["state"].keys():
        if name.startswith(".muster/rosters/"):
            del found["state"][name]


def test_a_kill_of_a_rewind_at_any_step(place: Path) -> None:
    """S8: whenever `state rewind` is killed, the state is whole, as it was or rewound; the same command again leaves
    all as if nothing had happened.
    """
    shop = three_days(place, TIMED, FOLLOWS, evaluation={"at": "02:00"})
    shop.run(BEFORE)
    shop.run("2062-01-01T05:00Z")
    whole = twin_of(shop, "whole")
    command = ["state", "rewind", "--to", SLOT]
    steps, states = left_by_kills(whole, place / "left", *command)
    expected = memory(whole)
    assert len(steps) > 20
    for left in states:
        victim = left.shop
        faults = victim.ok("state", "check", "--json").json["faults"]
        assert {Path(fault["file"]).parent.name for fault in faults} <= {"tmp"}, left
        victim.ok("-q", *command)
        check_same(memory(victim), expected, left)
        left.remove()


def test_a_rewind_waits_for_an_unfinished_run(place: Path) -> None:
    """S8: `state rewind` is refused while a run is unfinished, changes nothing, and goes through once `run` finished
    it.
    """
    shop = three_days(place, TIMED, evaluation={"at": "02:00"})
    wrong = ["run", "--at", "2062-01-01T05:00Z"]
    shop.run(BEFORE)
    killing.kill(shop.root, _delivering(shop, *wrong), *wrong)
    [open_one] = [run for run in shop.runs() if run["status"] == "delivering"]
    before = shop.tree()
    refused = shop.muster("state", "rewind", "--to", SLOT)
    assert refused.code == 2
    assert refused.err == (
        f"error: run {open_one['run_id']} of crm/timed is not finished: `muster run` finishes it first\n"
    )
    assert {name: content for name, content in shop.tree().items() if "ledger.checked" not in name} == {
        name: content for name, content in before.items() if "ledger.checked" not in name
    }
    shop.run(SLOT)
    assert shop.ok("state", "rewind", "--to", SLOT, "--json").json["runs"] >= 1


def test_a_kill_of_a_prune_that_writes_a_block_anew(place: Path) -> None:
    """E8, S6: whenever `prune` is killed, each part of a block that is left is whole; the same command again leaves
    all as if nothing had happened.
    """
    shop = three_days(place, TIMED, evaluation={"at": "02:00"})
    shop.audience("everyone", where="true")
    once = {"audience": "everyone", "export": "full", "schedule": {"at": "05:00"}}
    files = {"mapping": ["profile_id"], "activations": [once]}
    shop.destination("files", **files)
    shop.run(BEFORE)
    (shop.root / "destinations/files.yml").unlink()  # what was delivered keeps its part of the first block
    shop.run(SLOT)
    shop.run(LATER)
    shop.set(retention={"evaluations": {"count": 1}})
    before = [path.name for path in sorted((shop.root / ".muster/memberships").iterdir())]
    whole = twin_of(shop, "whole")
    steps, states = left_by_kills(whole, place / "left", "prune", "--at", LATER)
    expected = memory(whole)
    after = [path.name for path in sorted((whole.root / ".muster/memberships").iterdir())]
    assert after == [before[0].replace(".parquet", "-2.parquet"), *before[1:]]
    assert len(steps) > 8
    for left in states:
        faults = left.shop.ok("state", "check", "--json").json["faults"]
        assert not any(fault["damage"] for fault in faults), left
        left.shop.ok("-q", "prune", "--at", LATER)
        check_same(memory(left.shop), expected, left)
        left.remove()
    moment = next(each for each in steps if each.name.startswith("os.rename"))
    killing.kill(shop.root, moment, "prune", "--at", LATER)
    shop.run(LATER)  # the next command that writes finishes it too
    assert [path.name for path in sorted((shop.root / ".muster/memberships").iterdir())] == after
