"""`muster redeliver`: a run's files are put back where the receiver lost them, these alone, whole or not at all,
whatever kills it.
"""

import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support import kills
from support.crash_points import left_by_kills
from support.crash_shop import ASKED, BEFORE, CONSTANT, LATER, SLOT, TIMED, ledger_of, three_days
from support.kills import Moment
from support.refusals import refused
from support.shop import Shop, person, quick_folder

from muster.activation.export import written_rows

KEPT = ("runs", "files", "baselines", "evaluations", "inputs", "sightings", "removals")


@pytest.fixture(scope="module")
def morning() -> Iterator[Path]:
    """A workspace after two days, in memory: a timed and a constant name, three parts and then two, and one request on
    demand.
    """
    with quick_folder() as folder:
        shop = three_days(folder, TIMED, CONSTANT, ASKED)
        for slot in (BEFORE, SLOT):
            shop.evaluate(slot)
            shop.run(slot)
        shop.ok("export", "crm/asked", "--at", SLOT)
        yield shop.root


@pytest.fixture
def shop(morning: Path) -> Iterator[Shop]:
    """A copy of it."""
    with quick_folder() as folder:
        shutil.copytree(morning, folder / "shop")
        twin = Shop.__new__(Shop)
        twin.root, twin.settings = folder / "shop", {}
        yield twin


def runs_of(shop: Shop, activation: str) -> list[dict[str, Any]]:
    """An activation's runs that succeeded, oldest first."""
    return [run for run in shop.runs(f"crm/{activation}") if run["status"] == "succeeded"]


def run_id(shop: Shop, activation: str, which: int = -1) -> str:
    """The id of one of them."""
    return str(runs_of(shop, activation)[which]["run_id"])


def places(shop: Shop, activation: str, which: int = -1) -> list[Path]:
    """Where a run's files and its manifest are, the manifest last."""
    run = runs_of(shop, activation)[which]
    return [
        *(shop.root / file["path"] for file in run["files"]),
        *(shop.root / "out/crm").glob(f"manifest-*{run['run_id']}.json"),
    ]


def known(shop: Shop) -> dict[str, Any]:
    """All that the ledger knows of runs, baselines and slots, times of attempts included."""
    return {table: rows for table, rows in ledger_of(shop).items() if table in KEPT}


RUNS = [("timed", 0), ("timed", 1), ("latest", 1), ("asked", 0)]


@pytest.mark.parametrize(("activation", "which"), RUNS)
def test_whatever_was_lost_is_put_back_and_nothing_else_is_touched(shop: Shop, activation: str, which: int) -> None:
    """Each subset of a run's files and its manifest: those come back as they were, the others are not touched, nobody
    else's change.
    """
    everything = shop.tree("out")
    before = known(shop)
    mine = places(shop, activation, which)
    assert len(mine) > 1
    for count in range(1, len(mine) + 1):
        for lost in combinations(mine, count):
            stay = {path: path.stat().st_ino for path in mine[:-1] if path not in lost}
            for path in lost:
                path.unlink()
            found = shop.ok("redeliver", run_id(shop, activation, which), "--json").json
            assert shop.tree("out") == everything
            assert {path: path.stat().st_ino for path in stay} == stay
            written = {shop.root / file["path"] for file in found["files"] if file["written"]}
            assert written == set(lost) - {mine[-1]}
            assert found["manifest_written"] is True
    assert known(shop) == before


def test_nothing_is_written_where_nothing_was_lost(shop: Shop) -> None:
    """A run that is all there stays untouched, the manifest too, and is none of the history's business."""
    inodes = {path: path.stat().st_ino for path in places(shop, "timed")}
    assert (
        "everything is at out/crm as it was delivered; nothing was written"
        in shop.ok("redeliver", run_id(shop, "timed")).out
    )
    assert {path: path.stat().st_ino for path in inodes} == inodes
    assert ledger_of(shop)["redeliveries"] == []


def test_the_destination_may_be_gone_as_a_whole(shop: Shop) -> None:
    """Folders are made anew, with the modes of delivered files (F6)."""
    mine = places(shop, "latest")
    before = {path: path.read_bytes() for path in mine}
    shutil.rmtree(shop.root / "out")
    shop.ok("redeliver", run_id(shop, "latest"))
    assert {path: path.read_bytes() for path in mine} == before
    assert sorted(shop.tree("out")) == sorted(str(path.relative_to(shop.root)) for path in mine)
    assert {path.stat().st_mode & 0o777 for path in mine} == {0o600}


def test_what_was_put_back_is_noted(shop: Shop) -> None:
    """The ledger has a line for it, with the paths; what it says of the run stays."""
    path, *_ = places(shop, "timed")
    path.unlink()
    shop.ok("redeliver", run_id(shop, "timed"))
    [note] = ledger_of(shop)["redeliveries"]
    assert path.name in note
    assert run_id(shop, "timed") in note
    shown = shop.ok("runs", "show", run_id(shop, "timed")).out
    assert "files: 2" in shown.split("redelivered")[1].splitlines()[0]
    assert "redelivered" not in shop.ok("runs", "show", run_id(shop, "latest")).out


# Refusals


@pytest.mark.parametrize("which", [0, 1])
def test_only_the_newest_of_a_constant_name_can_be_put_back(shop: Shop, which: int) -> None:
    """F1: files of a later run must never give way to older ones, under whatever names."""
    if which:
        shop.evaluate(LATER)
        shop.destination("crm", mapping=["profile_id"], activations=[CONSTANT | {"file_name": "newer/{activation}"}])
        shop.run(LATER)
    old, new = run_id(shop, "latest", which), run_id(shop, "latest")
    if not which:
        old, new = run_id(shop, "latest", 0), run_id(shop, "latest", 1)
    assert refused(shop, "redeliver", old) == (
        f"error: run {new} has replaced the files of run {old} at out/crm: only the newest can be put there; "
        f"`muster replay {old}` writes its files to another folder"
    )


def test_names_that_another_activation_took_over(shop: Shop) -> None:
    """X1: what another activation has put there since belongs to that one."""
    old = run_id(shop, "latest")
    shop.destination("crm", mapping=["profile_id"], activations=[CONSTANT | {"id": "heir", "file_name": "new/latest"}])
    shop.evaluate(LATER)
    shop.run(LATER)
    assert f"run {run_id(shop, 'heir')} has replaced the files of run {old}" in refused(shop, "redeliver", old)


def test_a_foreign_file_under_a_timed_name_is_left_unless_forced(shop: Shop) -> None:
    """F1: it is named, exit 2, and stays with all that was to be put back; `--force` replaces it."""
    everything = shop.tree("out")
    first, second, *_ = places(shop, "timed", 0)
    first.unlink()
    second.write_text("somebody else's")
    run = run_id(shop, "timed", 0)
    said = refused(shop, "redeliver", run)
    assert said == f"error: out/crm: {second.name}: differs from what run {run} delivered; --force overwrites it"
    assert not first.exists()
    shop.ok("redeliver", run, "--force")
    assert shop.tree("out") == everything


def test_a_constant_name_takes_its_place_from_anybody(shop: Shop) -> None:
    """F1: under a constant name the newest run's file belongs there, whatever stands in its place."""
    everything = shop.tree("out")
    places(shop, "latest")[0].write_text("damaged")
    shop.ok("redeliver", run_id(shop, "latest"))
    assert shop.tree("out") == everything


def test_a_folder_in_the_way_is_refused(shop: Shop) -> None:
    """SPEC 10: a folder is never replaced, and says so."""
    path, *_ = places(shop, "latest")
    path.unlink()
    path.mkdir()
    assert "a folder has the name of the file; move it away" in refused(
        shop, "redeliver", run_id(shop, "latest"), code=1
    )


def test_inputs_that_are_gone(shop: Shop) -> None:
    """SPEC 10: named, exit 2, nothing written; a run that is all there needs none of them."""
    path, *_ = places(shop, "timed", 0)
    shutil.rmtree(shop.root / "data")
    assert "nothing was written" in shop.ok("redeliver", run_id(shop, "timed", 0)).out
    manifest = places(shop, "timed", 0)[-1]
    manifest.unlink()
    shop.ok("redeliver", run_id(shop, "timed", 0))
    assert manifest.exists()
    path.unlink()
    assert "the snapshot file is missing" in refused(shop, "redeliver", run_id(shop, "timed", 0))


def test_other_bytes_never_appear(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not have the ledger's checksum is not put there, nor is anything beside it: exit 1, and no hidden file
    is left.
    """
    first, second, *_ = places(shop, "timed", 0)
    first.unlink()
    second.unlink()
    read = written_rows.read
    monkeypatch.setattr(written_rows, "read", lambda *parts: read(*parts).reverse())
    before = shop.tree("out")
    result = shop.muster("redeliver", run_id(shop, "timed", 0))
    assert result.code == 1
    assert "made again, it does not have the bytes that were delivered, so nothing was put there" in result.err
    assert shop.tree("out") == before


def test_a_run_that_is_being_delivered_is_finished_by_run(shop: Shop) -> None:
    """S6: what was interrupted is `muster run`'s to finish."""
    shop.evaluate(LATER)
    kills.kill(shop.root, step(shop, "os.link", "run", "--at", LATER), "run", "--at", LATER)
    held, _of_its_group = [run["run_id"] for run in shop.runs() if run["status"] == "delivering"]
    said = shop.muster("redeliver", held)
    assert (said.code, "was interrupted while it was delivered; `muster run` finishes it" in said.err) == (2, True)


def test_it_goes_to_the_place_of_then(shop: Shop) -> None:
    """S6: the run's own url, whatever the destination's is now."""
    everything = shop.tree("out")
    path, *_ = places(shop, "timed")
    path.unlink()
    shop.destination("crm", url="moved", mapping=["profile_id"], activations=[TIMED])
    assert "out/crm/" in shop.ok("redeliver", run_id(shop, "timed")).out
    assert shop.tree("out") == everything
    assert not (shop.root / "moved").exists()


def test_the_next_increment_is_as_if_nothing_had_happened(shop: Shop) -> None:
    """X8, S2: neither baseline nor slots move."""
    unhurt = _copied(shop, "unhurt")
    for path in places(shop, "timed", 0):
        path.unlink()
    shop.ok("redeliver", run_id(shop, "timed", 0))
    for each in (shop, unhurt):
        each.evaluate(LATER)
        each.run(LATER)
    assert shop.tree("out") == unhurt.tree("out")
    assert known(shop) == known(unhurt)


def test_ids_that_the_snapshot_lost(tmp_path: Path) -> None:
    """X12: exits of people who are gone come back with the keys that were sent."""
    shop = Shop(tmp_path / "shop")
    shop.audience("all", where="true")
    shop.crm(
        mapping=[
            "profile_id",
            {"source": "email", "mandatory": True},
            {"source": "segment_membership.status", "target": "status"},
        ]
    )
    shop.day("2026-11-20", [person("a"), person("b")])
    assert shop.day("2026-11-21", [person("a")]) == ["b,b@x.com,exited"]
    [path] = [shop.root / file["path"] for file in shop.runs("crm/all")[-1]["files"]]
    content = path.read_bytes()
    path.unlink()
    shop.ok("redeliver", shop.runs("crm/all")[-1]["run_id"])
    assert path.read_bytes() == content
    assert pl.read_csv(path)["status"].to_list() == ["exited"]


# Kills


def _copied(shop: Shop, name: str) -> Shop:
    twin = Shop.__new__(Shop)
    twin.root, twin.settings = shop.root.parent / name, {}
    shutil.copytree(shop.root, twin.root)
    return twin


def step(shop: Shop, name: str, *command: str) -> Moment:
    """The first moment of that kind at the destination, as a copy comes to it."""
    trial = _copied(shop, "trial")
    moments = kills.steps(trial.root, *command)
    shutil.rmtree(trial.root)
    return next(each for each in moments if each.name.startswith(name) and " out/" in each.name)


def hidden(shop: Shop) -> list[Path]:
    """Temporary files at the destination."""
    return sorted(path for path in (shop.root / "out").rglob(".*") if path.is_file())


def check_whole(shop: Shop, everything: dict[str, bytes], why: object) -> None:
    """What a reader sees is complete, file by file."""
    for name, content in shop.tree("out").items():
        assert Path(name).name.startswith(".") or content == everything[name], (
            f"{name} is partial after a kill at {why}"
        )


@pytest.mark.parametrize(
    ("activation", "which", "manifest_lost"),
    [("timed", 0, True), ("latest", 1, False)],
    ids=["timed, and the manifest", "constant"],
)
def test_a_kill_at_any_step(shop: Shop, activation: str, which: int, manifest_lost: bool) -> None:
    """F3: nothing partial is ever visible, and a lost manifest is not back before all that it names is; the same
    command again finishes, another one clears up; the run's record, baselines and slots are those of before.
    """
    everything, run, before = shop.tree("out"), run_id(shop, activation, which), known(shop)
    *files, manifest = places(shop, activation, which)
    for path in files if not manifest_lost else [*files, manifest]:
        path.unlink()
    moments, states = left_by_kills(_copied(shop, "whole"), shop.root.parent / "left", "redeliver", run)
    assert len(moments) > 15
    for left in states:
        victim, moment = left.shop, left.moments
        check_whole(victim, everything, moment)
        twin = {path: victim.root / path.relative_to(shop.root) for path in (*files, manifest)}
        if manifest_lost and twin[manifest].exists():
            assert all(path.exists() for path in twin.values()), moment
        cleared = _copied(victim, "cleared")
        cleared.ok("-q", "run", "--at", SLOT)
        assert hidden(cleared) == [], moment
        check_whole(cleared, everything, moment)
        assert known(cleared) == before, moment
        assert cleared.ok("-q", "redeliver", run)
        victim.ok("-q", "redeliver", run)
        for each in (victim, cleared):
            assert each.tree("out") == everything, moment
            assert known(each) == before, moment
            assert not [note for note in ledger_of(each)["redeliveries"] if "'paths': None" in note], moment
            assert list((each.root / ".muster/tmp").iterdir()) == [], moment
            shutil.rmtree(each.root)


def test_nothing_due_clears_up_too(shop: Shop) -> None:
    """S6: a `run` that finds nothing to do removes what a killed redelivery left, and only that."""
    run = run_id(shop, "timed", 0)
    path, *_ = places(shop, "timed", 0)
    path.unlink()
    foreign = path.with_name(".somebody.tmp")
    foreign.write_text("not ours")
    kills.kill(shop.root, step(shop, "os.link", "redeliver", run), "redeliver", run)
    assert len(hidden(shop)) == 2
    shop.run(SLOT)
    assert hidden(shop) == [foreign]


def test_a_place_that_refuses_keeps_the_note_open(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files that cannot be removed are remembered, and hold up nobody."""
    run = run_id(shop, "timed", 0)
    path, *_ = places(shop, "timed", 0)
    path.unlink()
    kills.kill(shop.root, step(shop, "os.link", "redeliver", run), "redeliver", run)
    unlink = Path.unlink

    def refusing(place: Path, **options: Any) -> None:
        if place.name.startswith(f".{run}"):
            raise PermissionError(13, "Permission denied", str(place))
        unlink(place, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refusing)
        shop.evaluate(LATER)
        shop.run(LATER)
    assert len(hidden(shop)) == 1
    assert runs_of(shop, "timed")[-1]["scheduled_time"] == "2026-11-22T05:00:00Z"
    shop.run(LATER)
    assert hidden(shop) == []
