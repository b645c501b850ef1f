"""A state folder that is damaged, newer, locked or no folder at all (SPEC 10), tried through the real command.

Whatever is wrong with it: exit 2, how to recover, never overwritten, and never taken for a first run.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from support.refusals import (
    ADHOC,
    AT,
    DAILY,
    EVALUATE,
    EVERY,
    EXPORT,
    LISTING,
    PLAN,
    RUN,
    TODAY,
    VALIDATE,
    WORKING,
    changed,
    failures,
    new_shop,
    refused,
    refused_by_each,
    told,
    used_shop,
)
from support.shop import Shop, process
from support.state_damage import DAMAGE, LEDGER, RECOVER, WRITING, Spoil, execute, flip

from muster.activation.state.block_layout import read_layout


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has evaluated and delivered; tests work on copies."""
    return used_shop(tmp_path_factory.mktemp("morning") / "shop").root


@pytest.fixture
def shop(tmp_path: Path, morning: Path) -> Shop:
    """A workspace with a state; its destinations are as they were at the end of the test."""
    shutil.copytree(morning, tmp_path / "shop")
    return new_shop(tmp_path / "shop")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_newer_ledger_is_refused(shop: Shop, damage: str) -> None:
    """SPEC 10: by every command, those that only read included, exit 2 with one message that says how to recover;
    nothing changes.
    """
    spoil, expected = DAMAGE[damage]
    spoil(shop.root / LEDGER)
    commands = (
        (*EVERY, *WRITING) if damage in {"zero bytes", "half", "newer"} else (VALIDATE, RUN, PLAN, ("runs", "list"))
    )
    said = refused_by_each(shop, commands)
    assert said.startswith(f"error: {LEDGER}: {expected}")
    assert len(said.splitlines()) == 1


def test_a_missing_ledger_is_no_first_run(shop: Shop) -> None:
    """SPEC 10: memberships and baselines without their ledger are damage, not a workspace that never ran."""
    (shop.root / LEDGER).unlink()
    said = refused_by_each(shop, (*EVERY, *WRITING))
    assert said == (
        "error: .muster: the ledger is missing, but its files remain (memberships, baselines): the state is damaged; "
        "restore ledger.sqlite from a backup, or move the state folder away to start anew: each next export "
        "then holds everybody"
    )


def test_values_that_muster_never_writes_are_damage(shop: Shop) -> None:
    """SPEC 10: a time or a record that cannot be understood is damage too, and no fault of muster's."""
    execute("UPDATE runs SET scheduled_time = 'nonsense'")(shop.root / LEDGER)
    for command in (("runs", "list"), ("runs", "show", "2026"), ("evaluations", "list"), PLAN):
        assert f"the ledger is damaged (it holds a value that muster does not write); {RECOVER}" in refused(
            shop, *command
        )


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda state: (shutil.rmtree(state), state.write_text("x")),
            ".muster: the state folder cannot be used: it is a file; see `state`",
        ),
        (
            lambda state: (shutil.rmtree(state), state.symlink_to("/nowhere")),
            ".muster: the state folder cannot be used: it is a link to a file or folder that does not exist",
        ),
    ],
    ids=["a file", "a broken link"],
)
def test_a_state_folder_that_is_none(shop: Shop, spoil: Spoil, expected: str) -> None:
    """SPEC 10: a file, or a link that leads nowhere, is no workspace without a state: a disk may be missing."""
    spoil(shop.root / ".muster")
    assert refused_by_each(shop, (*EVERY, *WRITING)).startswith(f"error: {expected}")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("/proc/nowhere/state", "state: the state folder cannot be created: "),
        ("muster.yml/state", "state: the state folder cannot be created: not a directory"),
    ],
)
def test_a_state_folder_that_cannot_be_made(tmp_path: Path, state: str, expected: str) -> None:
    """SPEC 10: a place where no state can be is exit 2, names the key of muster.yml, and leaves nothing behind."""
    shop = new_shop(tmp_path / "shop")
    shop.set(state=state)
    for command in (EVALUATE, RUN):
        said = refused(shop, *command)
        assert expected in said
        assert said.endswith("see `state` in muster.yml")


@pytest.mark.parametrize("name", ["tmp", "lock"])
def test_what_stands_in_the_way_inside_the_state(shop: Shop, name: str) -> None:
    """SPEC 10: a file where a folder of the state belongs, or the reverse, is named; it is nobody's first run."""
    place = shop.root / ".muster" / name
    if name == "tmp":
        shutil.rmtree(place)
        place.write_text("x")
    else:
        place.unlink(missing_ok=True)
        place.mkdir()
    for command in WRITING:
        assert refused(shop, *command).startswith(f"error: .muster/{name}: ")
    for command in LISTING:
        shop.ok(*command)


# Files that the ledger names


def stored(shop: Shop, pattern: str) -> Path:
    """The only state file of that name."""
    return next((shop.root / ".muster").glob(pattern))


TAMPERING: dict[str, tuple[Spoil, str]] = {
    "missing": (lambda path: path.unlink(), "the file is missing"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size - 1), "the file differs from what was written"),
    "modified": (flip(40), "the file differs from what was written"),
    "empty": (lambda path: os.truncate(path, 0), "the file differs from what was written"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "the file "),
}


@pytest.mark.parametrize("tampering", TAMPERING)
def test_a_damaged_baseline_fails_its_activation_alone(shop: Shop, tampering: str) -> None:
    """SPEC 10, X1: its run fails and says how to recover, the others are delivered; it is never taken for a first
    export.
    """
    spoil, problem = TAMPERING[tampering]
    path = stored(shop, "baselines/crm/all/*.parquet")
    name = path.relative_to(shop.root)
    spoil(path)
    damaged, before = shop.tree(".muster/baselines/crm/all"), shop.tree("out/crm")
    result = shop.muster(*RUN)
    assert result.code == 1
    expected = f"{name}: {problem}"
    remedy = (
        "restore the file from a backup, or run `muster baseline reset crm/all`: its next export then holds everybody"
    )
    errors = [line for line in told(result).splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert expected in errors[0]
    assert errors[0].endswith(f"the state is damaged; {remedy}")
    assert shop.tree(".muster/baselines/crm/all") == damaged
    assert [name for name in changed(before, shop.tree("out/crm")) if "crm_all" in name] == []
    assert shop.runs("crm/us")[-1]["status"] == "succeeded"
    assert shop.runs("crm/all")[-1]["status"] == "failed"


def test_a_damaged_baseline_alone_is_exit_2_and_can_be_reset(shop: Shop) -> None:
    """SPEC 10: when nothing else is due, exit 2; what the message says to do helps."""
    shop.set(evaluation={})
    (shop.root / "destinations/files.yml").unlink()
    stored(shop, "baselines/crm/all/*.parquet").unlink()
    before = shop.tree("out")
    result = shop.muster(*RUN)
    assert result.code == 2
    assert "`muster baseline reset crm/all`" in told(result)
    assert shop.tree("out") == before
    shop.ok("baseline", "reset", "crm/all")
    shop.run(AT)
    assert shop.runs("crm/all")[-1]["first_export"]


SHARED = "its footer or its profile ids differ from what was written, and all its audiences depend on these"


@pytest.mark.parametrize("tampering", TAMPERING)
def test_damaged_memberships_are_refused(shop: Shop, tampering: str) -> None:
    """SPEC 10: an evaluation that goes on from damaged memberships is exit 2 and changes nothing: nobody
    enters anew.
    """
    spoil, problem = TAMPERING[tampering]
    path = stored(shop, "memberships/*.parquet")
    spoil(path)
    problem = SHARED if problem == "the file differs from what was written" else problem
    for command in (EVALUATE, (*EVALUATE, "--audience", "us")):
        said = refused(shop, *command)
        assert f"error: audience 'us': {path.relative_to(shop.root)}: {problem}" in said
        assert "restore the file from a backup, or run `muster state repair --reevaluate us`" in said


def test_a_damaged_part_of_a_block_holds_up_its_audience_alone(shop: Shop) -> None:
    """SPEC 10, E9: the others are evaluated and delivered; the audience, and one that refers to it, are failed."""
    shop.audience("abroad", where="NOT audience.us")
    path = stored(shop, "memberships/*.parquet")
    flip(read_layout(path).of_audiences["us"][0][0] + 1)(path)
    result = shop.muster(*RUN)
    assert result.code == 1
    assert "the memberships of audience 'us' differ from what was written" in result.err
    assert failures(shop) == ["abroad", "us"]
    assert {run["activation"] for run in shop.runs() if run["scheduled_time"] > TODAY} == {"all"}
    assert {run["status"] for run in shop.runs() if run["scheduled_time"] > TODAY} == {"succeeded"}
    said = refused(shop, *EVALUATE[:2], "2026-11-21T07:00Z", "--audience", "abroad")
    assert "the memberships of audience 'us' differ from what was written" in said
    shop.ok("state", "repair", "--reevaluate", "us")
    shop.evaluate("2026-11-21T08:00Z")
    assert [each["error"] for each in shop.ok("audiences", "list", "--json").json] == [None] * 3


def test_damaged_memberships_fail_an_export_on_demand(shop: Shop) -> None:
    """SPEC 10: what would be sent is not what was evaluated: exit 2, nothing is delivered."""
    for place, problem in (("us", "the memberships of audience 'us' differ from what was written"), (None, SHARED)):
        path = stored(shop, "memberships/*.parquet")
        flip(read_layout(path).of_audiences[place][0][0] + 1 if place else -30)(path)
        before = shop.tree("out")
        result = shop.muster(*EXPORT)
        assert result.code == 2
        assert f"{problem}: the state is damaged" in told(result)
        assert shop.tree("out") == before


def test_a_rejects_file_that_is_gone(tmp_path: Path) -> None:
    """SPEC 10: `runs rejects` of a run whose list is gone is exit 2 and names the file."""
    shop = new_shop(tmp_path / "shop")
    shop.destination(
        "crm", mapping=[{"source": "country", "target": "land"}], deduplicate=["country"], activations=[DAILY, ADHOC]
    )
    shop.run("2026-11-20T06:00Z")
    run = shop.runs("crm/all")[-1]
    assert run["excluded"] == 4
    stored(shop, "rejects/*.parquet").unlink()
    assert refused(shop, "runs", "rejects", run["run_id"]).startswith(
        f"error: .muster/rejects/{run['run_id']}.parquet: the file is missing"
    )


# The lock


@pytest.fixture
def held(shop: Shop) -> Iterator[FileLock]:
    """Another muster works in the workspace."""
    lock = FileLock(shop.root / ".muster/lock", thread_local=False)  # another thread may let it go
    lock.acquire()
    yield lock
    lock.release(force=True)


@pytest.mark.usefixtures("held")
def test_a_locked_workspace_is_exit_3(shop: Shop) -> None:
    """SPEC 9: commands that write end with 3 and say how to wait; readers see the last committed state."""
    said = {command: refused(shop, *command, code=3) for command in WRITING}
    assert set(said.values()) == {
        "error: another muster is working in this workspace; try again later, or pass --wait SECONDS"
    }
    for command in (VALIDATE, PLAN, *LISTING):
        shop.ok(*command)


def test_wait_waits(shop: Shop, held: FileLock) -> None:
    """SPEC 9: `--wait SECONDS` goes on once the other one is done."""
    timer = threading.Timer(0.5, held.release)
    timer.start()
    shop.ok("--wait", "60", *RUN)
    timer.join()


def test_the_lock_of_a_process_that_is_gone_is_free(shop: Shop) -> None:
    """SPEC 9: a killed command holds nothing: the lock file that it left is no obstacle."""
    script = f"import os, filelock; filelock.FileLock({str(shop.root / '.muster/lock')!r}).acquire(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    shop.run(AT)


def test_the_same_through_a_process(shop: Shop) -> None:
    """SPEC 10: a real process says it on stderr, once, and ends with 2."""
    os.truncate(shop.root / LEDGER, 0)
    before = shop.tree()
    result = process("-C", str(shop.root), *RUN)
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: {LEDGER}: the ledger is empty: the state is damaged; {RECOVER}\n"
    assert shop.tree() == before


def test_every_working_command_is_tried(shop: Shop) -> None:
    """The list of commands above is whole: each of them works on a state that is in order."""
    for command in (*WORKING, EXPORT, *LISTING):
        shop.ok(*command)
