"""`muster state check`, `repair`, `backup`, `restore`, and a state that others can write (SPEC 10, F6)."""

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from support import kills
from support.refusals import ADHOC, DAILY, EVERY, FOLLOWING, PEOPLE, changed, new_shop, refused, told, used_shop
from support.shop import SINCE, Shop, identities, person, process
from support.state_damage import DAMAGE, WRITING, flip

from muster.activation.state.block_layout import read_layout
from muster.activation.state.ledger import evaluations_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.state_paths import RESTORING
from muster.activation.upkeep import backup_reader, check, repair_work, restore

LATER = "2026-11-21T06:00Z"


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has evaluated twice and delivered; tests work on copies."""
    shop = used_shop(tmp_path_factory.mktemp("morning") / "shop")
    shop.destination(
        "crm", mapping=["profile_id", {"source": "email", "mandatory": True}], activations=yaml_activations()
    )
    shop.run("2026-11-21T06:00Z")
    return shop.root


def yaml_activations() -> list[dict[str, object]]:
    """Those of the shop, so that a delivered set has a file of its own."""
    return [DAILY, FOLLOWING, ADHOC]


@pytest.fixture
def shop(tmp_path: Path, morning: Path) -> Shop:
    """A copy of it."""
    shutil.copytree(morning, tmp_path / "shop")
    shop = new_shop(tmp_path / "shop")
    shop.destination(
        "crm", mapping=["profile_id", {"source": "email", "mandatory": True}], activations=yaml_activations()
    )
    return shop


def one(shop: Shop, pattern: str) -> Path:
    """The newest state file of that name."""
    return max((shop.root / ".muster").glob(pattern))


def own_bytes(path: Path) -> dict[str, bytes]:
    """Each audience's own bytes in a block."""
    content = path.read_bytes()
    sections = read_layout(path).of_audiences
    return {name: b"".join(content[start:end] for start, end in found) for name, found in sections.items()}


def memberships_of(shop: Shop, audience: str) -> bytes:
    """The own bytes of an audience in the block of its newest evaluation."""
    with closing(Ledger.open(shop.root / ".muster/ledger.sqlite")) as ledger:
        stored = evaluations_table.newest(ledger, audience).stored
    return own_bytes(shop.root / ".muster" / stored.path)[audience]


def spoil_block(path: Path, audience: str | None) -> None:
    """Change a byte of an audience in a block, or else of the profile ids."""
    layout = read_layout(path)
    start = layout.groups[0][0][0] if audience is None else layout.of_audiences[audience][0][0]
    flip(start + 3)(path)


def newer_profiles(shop: Shop) -> None:
    """Profiles of a later day, which get numbers after those of before."""
    shop.profiles("2026-11-22", [{"profile_id": "z", "email": "z", "country": "US", "year": 1}])


def faults(shop: Shop) -> dict[str, dict[str, object]]:
    """What a check finds, by file; it changes nothing, and its exit code tells damage."""
    before = shop.tree()
    result = shop.muster("state", "check", "--json")
    assert changed(before, shop.tree()) == []
    assert result.json["damaged"] == any(each["damage"] for each in result.json["faults"])
    assert result.code == (2 if result.json["damaged"] else 0)
    return {each["file"]: each for each in result.json["faults"]}


def test_a_state_in_order(shop: Shop) -> None:
    """Exit 0, nothing to say, everything was read; a workspace without a state is in order too."""
    assert faults(shop) == {}
    files = list((shop.root / ".muster").rglob("*.parquet"))
    shape = shop.ok("state", "check", "--json").json
    assert (shape["files"], shape["bytes"]) == (len(files), sum(path.stat().st_size for path in files))
    shutil.rmtree(shop.root / ".muster")
    assert faults(shop) == {}
    assert not (shop.root / ".muster").exists()


def test_a_roster_that_nothing_refers_to_is_no_fault(shop: Shop) -> None:
    """A run may move the last baseline that needed a roster, which the next evaluation removes; another file of that
    name, or under another name, is left over.
    """
    roster = shop.root / f".muster/rosters/{hashlib.sha256(b'old').hexdigest()}.parquet"
    roster.touch(mode=0o600)
    roster.write_bytes(b"old")
    assert faults(shop) == {}
    roster.write_bytes(b"new")
    other = roster.with_name("x.parquet")
    other.touch(mode=0o600)
    found = {file: fault["problem"] for file, fault in faults(shop).items()}
    left_over = "left over (the ledger does not refer to it)"
    assert found == {path.relative_to(shop.root).as_posix(): left_over for path in (roster, other)}


SPOILS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "is missing"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size - 1), "bytes, not the"),
    "bit-flipped": (flip(-30), "differs from what was written"),
    "empty": (lambda path: os.truncate(path, 0), "is empty"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is a folder, not a file"),
    "a link": (lambda path: path.rename(path.with_name("x")) and path.symlink_to("x"), "is a link, not a file"),
}
PLACES = {
    "memberships/*.parquet": ("every export of audience us", ["--reevaluate us", "--reevaluate all"]),
    "baselines/crm/all/*.parquet": ("export of crm/all", ["--reset-baseline crm/all"]),
}


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("place", PLACES)
def test_damage_is_named_with_what_it_affects_and_costs(shop: Shop, place: str, spoil: str) -> None:
    """Each kind of damage to each kind of file: what is wrong, what stops, and which repair costs what; repaired, all
    goes on.
    """
    path = one(shop, place)
    SPOILS[spoil][0](path)
    fault = faults(shop)[path.relative_to(shop.root).as_posix()]
    affects, options = PLACES[place]
    assert SPOILS[spoil][1] in fault["problem"] or (spoil == "bit-flipped" and "its footer or" in fault["problem"])
    assert any(affects in each for each in fault["affects"])
    assert {*options} <= {each["option"] for each in fault["repairs"]}
    assert all(each["cost"] for each in fault["repairs"])
    done = shop.muster("state", "repair", *(word for each in options for word in each.split()), "--tidy", "--json")
    assert done.code == 0, done.err
    assert not any(each["damage"] for each in faults(shop).values())
    shop.run("2026-11-22T06:00Z")


def test_swapped_files_are_told(shop: Shop) -> None:
    """Two files in each other's places: each is said to be the other."""
    first, second = one(shop, "baselines/crm/us/*.parquet"), one(shop, "baselines/crm/all/*.parquet")
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    found = faults(shop)
    assert f"it is .muster/{second.relative_to(shop.root / '.muster')}" in str(
        found[first.relative_to(shop.root).as_posix()]["problem"]
    )
    assert f"it is .muster/{first.relative_to(shop.root / '.muster')}" in str(
        found[second.relative_to(shop.root).as_posix()]["problem"]
    )


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_newer_ledger_is_named_and_not_repaired(shop: Shop, damage: str) -> None:
    """The ledger: what is wrong and that a backup is to be restored; `repair` refuses and changes nothing."""
    DAMAGE[damage][0](shop.root / ".muster/ledger.sqlite")
    fault = faults(shop)[".muster/ledger.sqlite"]
    assert fault["problem"]
    assert "state restore" in fault["repairs"][0]["cost"]
    assert refused(shop, "state", "repair", "--yes").startswith("error: .muster/ledger.sqlite: ")


@pytest.mark.parametrize("audiences", [("us",), ("us", "all")])
def test_memberships_are_made_again_with_the_same_bytes(shop: Shop, audiences: tuple[str, ...]) -> None:
    """`--reevaluate`: from the recorded inputs, although newer data is there; what was damaged is put aside."""
    path = one(shop, "memberships/*.parquet")
    content = own_bytes(path)
    newer_profiles(shop)
    spoil_block(path, None if len(audiences) > 1 else audiences[0])
    damaged = path.read_bytes()
    options = [word for name in audiences for word in ("--reevaluate", name)]
    done = shop.ok("state", "repair", *options, "--json").json
    assert [line.partition(": ")[2] for line in done["done"]] == ["the same bytes as before"] * len(audiences)
    assert {name: memberships_of(shop, name) for name in content} == content
    assert (shop.root / done["aside"] / path.relative_to(shop.root / ".muster")).read_bytes() == damaged
    assert not any(each["damage"] for each in faults(shop).values())
    shop.run("2026-11-22T06:00Z")


def test_what_cannot_be_made_again_is_refused(shop: Shop) -> None:
    """`--reevaluate` when an input or the rule changed: exit 2, says what, and the damaged file stays where it is."""
    path = one(shop, "memberships/*.parquet")
    path.write_bytes(b"oops")
    shop.audience("us", where="country = 'DE'")
    before = shop.tree()
    result = shop.muster("state", "repair", "--reevaluate", "us")
    assert (result.code, changed(before, shop.tree())) == (2, [])
    assert "its rule changed since" in told(result)
    shop.profiles("2026-11-20", [{"profile_id": "z", "email": "z", "country": "US", "year": 1}])
    result = shop.muster("state", "repair", "--reevaluate", "us")
    assert result.code == 2
    assert "changed or is missing" in told(result)
    assert path.read_bytes() == b"oops"
    assert "not possible" in json.dumps(faults(shop))


def test_an_evaluation_is_forgotten_when_told(shop: Shop) -> None:
    """`--forget`: the next evaluation goes on from the one before; the cost said so; other audiences of the block
    stay.
    """
    path = one(shop, "memberships/*.parquet")
    spoil_block(path, "us")
    fault = faults(shop)[path.relative_to(shop.root).as_posix()]
    assert "goes on from 2026-11-20T02:00:00Z" in next(
        each["cost"] for each in fault["repairs"] if each["option"] == "--forget us"
    )
    before = own_bytes(path)["all"]
    shop.ok("state", "repair", "--forget", "us", "--tidy")
    assert [name for name, each in faults(shop).items() if each["damage"]] == []
    assert not path.exists()
    assert own_bytes(one(shop, "memberships/*.parquet")) == {"all": before}
    shop.evaluate("2026-11-22T02:00Z")


def test_a_damaged_part_is_named_with_its_audience_alone(shop: Shop) -> None:
    """A byte of one audience: the check names it, and exports and evaluations of the others go on."""
    path = one(shop, "memberships/*.parquet")
    spoil_block(path, "us")
    found = faults(shop)
    assert list(found) == [path.relative_to(shop.root).as_posix()]
    (fault,) = found.values()
    assert fault["problem"] == "the memberships of audience 'us' differ from what was written"
    assert fault["affects"] == ["the next evaluation and every export of audience us"]
    assert [each["option"] for each in fault["repairs"]] == ["--reevaluate us", "--forget us"]
    result = shop.muster("run", "--at", "2026-11-22T06:00Z")
    assert result.code == 1
    assert "audience 'us' differ from what was written" in result.err
    assert "`muster state repair --reevaluate us`" in result.err
    assert {run["activation"]: run["status"] for run in shop.runs() if run["scheduled_time"] > "2026-11-22"} == {
        "all": "succeeded"
    }
    shop.ok("state", "repair", "--yes")
    assert shop.memberships("us")


def test_repair_does_what_it_is_told_and_nothing_else(shop: Shop) -> None:
    """Of two damages the one that is named is repaired; without options nothing is; one that is in order is refused."""
    baseline, memberships = one(shop, "baselines/crm/all/*.parquet"), one(shop, "memberships/*.parquet")
    baseline.write_bytes(b"x")
    memberships.write_bytes(b"x")
    before = shop.tree()
    assert shop.muster("state", "repair").code == 2
    assert changed(before, shop.tree()) == []
    refusal = shop.muster("state", "repair", "--reset-baseline", "crm/us")
    assert (refusal.code, "finds no damage that this repairs" in refusal.err) == (2, True)
    assert changed(before, shop.tree()) == []
    assert shop.muster("state", "repair", "--reset-baseline", "crm/all").code == 2  # the other damage is left
    assert memberships.read_bytes() == b"x"
    assert not baseline.exists()
    assert "crm/all" not in [
        f"{each['destination']}/{each['activation']}" for each in shop.ok("baseline", "show", "--json").json
    ]
    shop.ok("state", "repair", "--yes")
    assert set(faults(shop)) == {f".muster/{each.name}" for each in (shop.root / ".muster").glob("damaged-*")}


def test_what_lies_about_is_move_aside(shop: Shop) -> None:
    """Files that nothing names, strange ones, leftovers and wrong modes are notices; `--tidy` mends them and destroys
    nothing.
    """
    state = shop.root / ".muster"
    strays = ["memberships/us/stray.parquet", "stray", "rejects/stray.parquet"]
    (state / "memberships/us").mkdir(mode=0o700)
    for name in strays:
        (state / name).write_text(name)
    (state / "tmp/left").write_text("x")
    one(shop, "memberships/*.parquet").chmod(0o644)
    found = faults(shop)
    assert len(found) == 5
    assert not any(each["damage"] for each in found.values())
    aside = shop.root / shop.ok("state", "repair", "--tidy", "--json").json["aside"]
    assert [(aside / name).read_text() for name in strays] == strays
    assert set(faults(shop)) == {f".muster/{aside.name}"}


def test_a_lost_list_of_rejects_is_not_taken_for_nobody(shop: Shop) -> None:
    """X10: once the damaged list is put aside, `runs rejects` says that it was lost."""
    shop.profiles("2026-11-22", [{"profile_id": "z", "email": None, "country": "US", "year": 1}])
    shop.muster("run", "--at", "2026-11-22T06:00Z")
    path = one(shop, "rejects/*.parquet")
    path.write_bytes(b"x")
    assert faults(shop)[path.relative_to(shop.root).as_posix()]["damage"]
    shop.ok("state", "repair", "--tidy")
    assert "was lost" in refused(shop, "runs", "rejects", path.stem)


def test_a_damaged_roster_costs_time_or_a_baseline(shop: Shop) -> None:
    """A roster that a delivered set has its digests in is not put aside as if it were nothing; any other is, and all
    goes on.
    """
    path = one(shop, "rosters/*.parquet")
    path.write_bytes(b"x")
    fault = faults(shop)[path.relative_to(shop.root).as_posix()]
    shop.ok("state", "repair", "--yes")
    shop.run("2026-11-22T06:00Z")
    assert fault["repairs"]
    assert not any(each["damage"] for each in faults(shop).values())


def test_a_damaged_numbering_costs_time(shop: Shop) -> None:
    """A damaged numbering is named and put aside, or left: profiles are numbered anew, and nothing is sent twice."""
    path = one(shop, "numbering/*.parquet")
    path.write_bytes(b"x")
    fault = faults(shop)[path.relative_to(shop.root).as_posix()]
    assert fault["affects"] == ["the speed of the next evaluation alone"]
    shop.ok("state", "repair", "--tidy")
    assert not any(each["damage"] for each in faults(shop).values())
    shop.run("2026-11-22T06:00Z")
    newest = [run for run in shop.runs("crm/all") if run["status"] == "succeeded"][-1]
    assert (newest["scheduled_time"], newest["realized"]) == ("2026-11-22T05:00:00Z", 0)
    found = faults(shop)
    assert set(found) == {f".muster/{each.name}" for each in (shop.root / ".muster").glob("damaged-*")}


# Back-up


def test_repair_of_everything_resets_what_cannot_be_made_again(tmp_path: Path) -> None:
    """SPEC 10: without the numbering a delivered set that is a damaged block cannot be proven: `--yes` resets it."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id", SINCE])
    shop.day("2026-11-20", [person(each, identity_map=identities(Email=[each])) for each in "ac"])
    shop.day("2026-11-21", [person(each, identity_map=identities(Email=[each])) for each in "abc"])
    one(shop, "numbering/*").unlink()
    spoil_block(one(shop, "memberships/20261121*.parquet"), None)
    assert "reset the baseline" in shop.muster("state", "repair", "--reevaluate", "all").err
    done = shop.ok("state", "repair", "--yes").out
    assert "crm/all: its delivered set is forgotten" in done
    assert "the evaluation of all at 2026-11-21T02:00:00Z is made again: the same counts as before" in done
    shop.ok("state", "check")
    assert len(shop.day("2026-11-22", [person(each, identity_map=identities(Email=[each])) for each in "abc"])) == 3


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_a_backup_is_restored_as_it_was(shop: Shop, tmp_path: Path, name: str) -> None:
    """The state goes on from the backup; what was there is put aside; the deliveries since are named."""
    shop.ok("state", "backup", str(tmp_path / name))
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    then = {key: value for key, value in shop.tree(".muster").items() if key.endswith(".parquet")}
    runs = shop.runs()
    shop.run("2026-11-22T06:00Z")
    newer = shop.tree(".muster")
    said = refused(shop, "state", "restore", str(tmp_path / name))
    assert "--force" in said
    shape = shop.ok("state", "restore", str(tmp_path / name), "--force", "--json").json
    assert shop.runs() == runs
    aside = f".muster/{Path(shape['aside']).name}"
    assert {
        key: value for key, value in shop.tree(".muster").items() if key.endswith(".parquet") and aside not in key
    } == then
    assert (shop.root / aside / "ledger.sqlite").read_bytes() == newer[".muster/ledger.sqlite"]
    assert {each["slot"] for each in shape["again"]} == {"2026-11-22T05:00:00Z", "2026-11-22T06:00:00Z"}
    assert set(faults(shop)) == {aside}
    shutil.rmtree(shop.root / ".muster")
    shop.ok("state", "restore", str(tmp_path / name))
    assert shop.runs() == runs
    assert faults(shop) == {}


@pytest.mark.parametrize("which", ["manifest.json", "ledger.sqlite", "memberships"])
@pytest.mark.parametrize("spoil", ["missing", "truncated", "bit-flipped", "empty"])
def test_a_damaged_backup_is_not_restored(shop: Shop, tmp_path: Path, which: str, spoil: str) -> None:
    """It is checked as a whole first: exit 2, and the state is as it was."""
    shop.ok("state", "backup", str(tmp_path / "copy"))
    path = tmp_path / "copy" / which
    path = path if path.is_file() else next(path.rglob("*.parquet"))
    SPOILS[spoil][0](path)
    refused(shop, "state", "restore", str(tmp_path / "copy"), "--force")


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/outside", "memberships/../../outside", "config.checked", "lock", "tmp/x"]
)
def test_a_backup_leads_nowhere_else(shop: Shop, tmp_path: Path, name: str) -> None:
    """A tar file that holds another name, or a link, is refused as a whole."""
    shop.ok("state", "backup", str(tmp_path / "copy.tar"))
    with tarfile.open(tmp_path / "copy.tar", "a") as archive:
        archive.add(__file__, name)
    assert "does not write" in refused(shop, "state", "restore", str(tmp_path / "copy.tar"), "--force")
    assert not backup_reader.is_name_of_state_file(name)


def test_a_backup_of_another_workspace_or_in_a_place_that_is_taken(shop: Shop, tmp_path: Path) -> None:
    """Refused: another workspace's backup, a place that is taken or in the state, a damaged state, no state."""
    shop.ok("state", "backup", str(tmp_path / "copy"))
    assert "already exists" in refused(shop, "state", "backup", str(tmp_path / "copy"))
    assert "inside the state" in refused(shop, "state", "backup", str(shop.root / ".muster/copy"))
    spoil_block(one(shop, "memberships/*.parquet"), "us")
    assert "see `muster state check`" in refused(shop, "state", "backup", str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
    shop.set(workspace="another")
    assert "is a backup of workspace 'shop'" in refused(shop, "state", "restore", str(tmp_path / "copy"), "--force")
    shutil.rmtree(shop.root / ".muster")
    assert "there is no state yet" in refused(shop, "state", "backup", str(tmp_path / "third"))


@pytest.mark.parametrize("step", range(1, 5))
def test_a_killed_restore_is_never_taken_for_a_first_run(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Stopped before any of its moves, the state is as it was or refused by every command; restored again, all is
    there.
    """
    shop.ok("state", "backup", str(tmp_path / "copy"))
    runs, moves, move = shop.runs(), [], restore._move  # noqa: SLF001  # where it may be killed

    def stop(source: Path, target: Path, names: list[str]) -> None:
        for name in names:
            moves.append(name)
            if len(moves) == step * 3:
                raise KeyboardInterrupt
            move(source, target, [name])

    with monkeypatch.context() as killed:
        killed.setattr(restore, "_move", stop)
        assert shop.muster("state", "restore", str(tmp_path / "copy"), "--force").code == 130
    assert (shop.root / ".muster" / RESTORING).exists()
    for command in (*EVERY[1:3], WRITING[0], ("runs", "list")):
        assert "a restore of the state was interrupted" in refused(shop, *command)
    assert shop.muster("state", "check").code == 2
    shop.ok("state", "restore", str(tmp_path / "copy"), "--force")
    assert shop.runs() == runs
    assert not any(each["damage"] for each in faults(shop).values())


# Who may write it


@pytest.mark.parametrize("name", ["", "ledger.sqlite", "memberships", "config.checked"])
@pytest.mark.parametrize(
    ("mode", "who"), [(0o020, "its group"), (0o002, "everybody"), (0o022, "its group and everybody")]
)
def test_a_state_that_others_can_write_is_refused(shop: Shop, name: str, mode: int, who: str) -> None:
    """F6: by every command, with one message and exit 2, unless it is insisted on or `file_mode` lets them."""
    path = shop.root / ".muster" / name
    shop.run(LATER)
    path.chmod(path.stat().st_mode | mode)
    for command in (("runs", "list"), ("run",), ("state", "check"), ("prune",), ("validate",)):
        assert f"the state is not secure: {who} can write to it" in refused(shop, *command)
    shop.ok("runs", "list", "--allow-insecure-state")
    shop.set(file_mode="0660" if mode == 0o020 else "0662" if mode == 0o022 else "0602")
    shop.ok("runs", "list")


def test_somebody_elses_state_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """F6: a state of another user who is not root is refused; root's is not; one shared on purpose is not."""
    owner = (shop.root / ".muster").stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    if owner == 0:
        shop.ok("runs", "list")
        for path in ((shop.root / ".muster"), *(shop.root / ".muster").rglob("*")):
            os.chown(path, 12345, -1)
    assert "it belongs to another user" in refused(shop, "runs", "list")
    shop.ok("runs", "list", "--allow-insecure-state")
    shop.set(file_mode="0660")
    shop.ok("runs", "list")


def test_everything_is_its_owners_alone(tmp_path: Path) -> None:
    """F6: whatever the umask lets through, state, backups, what was put aside and what is delivered have
    `file_mode`.
    """
    before = os.umask(0)
    try:
        shop = used_shop(tmp_path / "shop")
        shop.set(retention={"runs": {"count": 1}, "evaluations": {"count": 1}})
        one(shop, "memberships/*.parquet").unlink()
        (shop.root / ".muster/stray").write_text("x")
        shop.muster("prune")
        shop.ok("state", "repair", "--yes")
        shop.ok("state", "backup", str(tmp_path / "copy"))
        shop.ok("state", "restore", str(tmp_path / "copy"), "--force")
        shop.run(LATER)
        done = process("-C", str(shop.root), "-v", "run", "--at", "2026-11-22T06:00Z")
        assert done.code == 0
    finally:
        os.umask(before)
    places = [shop.root / ".muster", tmp_path / "copy"]
    modes = {
        path: path.stat().st_mode & 0o777
        for place in places
        for path in (place, *place.rglob("*"))
        if path.name != "stray"
    }
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_a_kill_in_a_repair_leaves_damage_that_can_be_repaired(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is destroyed, and nothing is taken for whole: what was put aside is missing, and is repaired as
    before.
    """
    path = one(shop, "baselines/crm/all/*.parquet")
    path.write_bytes(b"x")
    move_aside = repair_work.RepairWork.move_aside  # where it may be killed

    def stop(work: Any, file: str) -> None:
        move_aside(work, file)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr("muster.activation.upkeep.repair_work.RepairWork.move_aside", stop)
        assert shop.muster("state", "repair", "--reset-baseline", "crm/all").code == 130
    assert faults(shop)[path.relative_to(shop.root).as_posix()]["problem"] == "is missing"
    shop.ok("state", "repair", "--reset-baseline", "crm/all")


@pytest.mark.parametrize("step", ["put_aside", "drop_unnamed"])
@pytest.mark.parametrize("option", ["--reevaluate", "--forget"])
def test_a_kill_in_a_repair_of_a_block_is_harmless(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, option: str, step: str
) -> None:
    """Killed before the ledger changed, the damage is as it was; killed after, the audience is as it is to be."""
    path = one(shop, "memberships/*.parquet")
    spoil_block(path, "us")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(repair_work.RepairWork, step, stop)  # where it may be killed
        assert shop.muster("state", "repair", option, "us").code == 130
    left = [name for name, each in faults(shop).items() if each["damage"]]
    assert left == ([path.relative_to(shop.root).as_posix()] if step == "put_aside" else [])
    if left:
        shop.ok("state", "repair", option, "us")
    shop.run("2026-11-22T06:00Z")
    assert not any(each["damage"] for each in faults(shop).values())


@pytest.mark.parametrize("where", ["ledger.sqlite-journal", "tmp/again/x.parquet"])
def test_what_comes_and_goes_is_no_fault(shop: Shop, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """9: readers need no lock: a file, or a folder, that a command at work takes away after it was listed is passed
    over.
    """
    passing, form = shop.root / ".muster" / where, check._file_type_and_mode  # noqa: SLF001  # where it is looked at

    def late(path: Path) -> int | None:
        passing.unlink(missing_ok=True)
        if passing.parent.name == "again":
            shutil.rmtree(passing.parent, ignore_errors=True)
        return form(path)

    passing.parent.mkdir(exist_ok=True)
    passing.touch(mode=0o600)
    monkeypatch.setattr("muster.activation.upkeep.check._file_type_and_mode", late)
    result = shop.muster("state", "check")
    assert (result.code, result.err, passing.exists()) == (0, "", False)


def test_a_count_beside_a_run_passes_over_what_is_gone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """9: `prune --dry-run` takes no lock, and counts no file that was taken away since it was listed."""
    shop.set(retention={"runs": {"count": 1}})
    monkeypatch.setattr("muster.activation.state.leftovers.unnamed_files", lambda *_: ["decisions/gone.parquet"])
    assert shop.ok("prune", "--dry-run", "--json").json["files"] == 0


def test_a_repair_where_no_state_can_be(shop: Shop) -> None:
    """SPEC 10: a file where the state's folder belongs is named, and stays."""
    shutil.rmtree(shop.root / ".muster")
    shop.write(".muster", "x")
    assert "the state folder cannot be used: it is a file" in refused(shop, "state", "repair", "--tidy")


def test_a_repair_leaves_the_ledger_to_who_works_with_it(shop: Shop) -> None:
    """S6: without the lock nothing is touched; with it the whole ledger is looked at."""
    mark = shop.root / ".muster/ledger.checked"
    before = mark.stat().st_mtime_ns
    with FileLock(shop.root / ".muster/lock"):
        assert shop.muster("state", "repair", "--tidy").code == 3
    assert mark.stat().st_mtime_ns == before
    shop.ok("state", "repair", "--tidy")
    assert mark.stat().st_mtime_ns > before


def test_a_backup_beside_a_run_is_of_one_moment(shop: Shop, tmp_path: Path) -> None:
    """Backup is consistent while others write: a copy made beside `run` is whole, and goes on to the same deliveries as
    the shop.
    """
    for day in (22, 23, 24):
        shop.profiles(
            f"2026-11-{day}",
            [{**PEOPLE[0], "profile_id": name, "email": f"{name}@x.com"} for name in "abcdefgh"[day - 22 :]],
        )
    slots = [f"2026-11-{day}T06:00Z" for day in (22, 23, 24)]
    copies = [[tmp_path / f"copy-{slot[8:10]}-{number}.tar" for number in range(3)] for slot in slots]
    for slot, beside in zip(slots, copies, strict=True):
        results = kills.together(
            shop.root, [("run", "--at", slot), *(("state", "backup", str(copy)) for copy in beside)]
        )
        assert [result.code for result in results] == [0, 0, 0, 0], [result.err for result in results]
    shop.run("2026-11-25T06:00Z")
    statuses = {who: status.split()[0] for who, status in shop.memberships("all").items()}
    for copy in (copy for beside in copies for copy in beside):
        shutil.copytree(shop.root, tmp_path / copy.stem)
        other = Shop(tmp_path / copy.stem, **shop.settings)
        other.ok("state", "restore", str(copy), "--force")
        shutil.rmtree(other.root / "out")
        assert not any(each["damage"] for each in faults(other).values())
        other.run("2026-11-25T06:00Z")
        assert {who: status.split()[0] for who, status in other.memberships("all").items()} == statuses
        shutil.rmtree(other.root)
