"""The state of messages looked after: checks, repairs, backups, rewinds, baselines, pruning, erasure (V2, V8, G8)."""

import copy
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.event_shop import DAYS, EMAIL, ID, KEY, EventShop, names, objects, somebody, statuses
from support.kills import Victim
from support.receiver import LOST, Receiver, Say

PEOPLE = tuple(f"p{number}" for number in range(6))


@pytest.fixture
def shop(tmp_path: Path, receiver: Receiver) -> EventShop:
    """A workspace whose receiver was told of two members."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    shop.send(DAYS[0], "a", "b")
    return shop


@pytest.fixture(scope="module")
def _killed(tmp_path_factory: pytest.TempPathFactory, the_receiver: Receiver) -> tuple[EventShop, list[str]]:
    """A workspace whose first run was killed: two profiles were told, and one perhaps. Not to be changed."""
    the_receiver.reset()
    shop = EventShop(tmp_path_factory.mktemp("killed"), the_receiver)
    shop.crm(["vips"], in_flight=1, aggregation={"best_effort": {"max_profiles": 1}})
    shop.people(*PEOPLE)
    shop.evaluate(f"{DAYS[0]}T02:00Z", "--no-exports")
    the_receiver.stand_still(2)
    victim = Victim(shop.root, "run", "--at", f"{DAYS[0]}T05:00Z", variables={})
    assert the_receiver.stands.wait(30)
    victim.kill()
    victim.ended(5)
    the_receiver.go_on()
    for _ in range(400):
        if all(each.answered for each in the_receiver.requests):
            break
        threading.Event().wait(0.01)
    return shop, names(the_receiver.requests)


@pytest.fixture
def killed(_killed: tuple[EventShop, list[str]], tmp_path: Path, receiver: Receiver) -> tuple[EventShop, list[str]]:
    """A copy of that workspace, and who was told, or perhaps told, last."""
    before, told = _killed
    shop = copy.copy(before)
    shop.root = tmp_path / "copy"
    shutil.copytree(before.root, shop.root)
    shop.receiver, shop._seen = receiver, 0  # noqa: SLF001  # as a new one has it
    return shop, told


def rows_of(shop: EventShop) -> Path:
    """The file of the delivered rows."""
    [found] = (shop.root / ".muster/baselines/crm/a").iterdir()
    return found


def outbox_of(shop: EventShop) -> Path:
    """The folder of the outbox."""
    [found] = (shop.root / ".muster/outbox/crm/a").iterdir()
    return found


def damaged(path: Path) -> None:
    """Some bytes of a file inverted."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


# Check and repair


@pytest.mark.parametrize(
    ("spoil", "problem"), [(Path.unlink, "is missing"), (damaged, "differs from what was written")]
)
def test_lost_rows_are_no_first_run(shop: EventShop, spoil: Callable[[Path], None], problem: str) -> None:
    """V2, SPEC 10: without its rows an activation sends nothing, until somebody resets its baseline."""
    spoil(rows_of(shop))
    assert shop.send(DAYS[1], "a", "b", "c", code=2) == []
    assert "muster baseline reset crm/a" in shop.last.err + json.dumps(shop.last.json)
    found = shop.muster("state", "check")
    assert found.code == 2
    assert problem in found.out
    assert f"--reset-baseline {KEY}" in found.out
    assert "tells all members anew, about 2 profiles; who has left" in found.out
    assert shop.muster("state", "repair").code == 2
    shop.ok("state", "repair", "--reset-baseline", KEY)
    shop.ok("state", "check")
    assert names(shop.again(f"{DAYS[1]}T06:00Z")) == ["a", "b", "c"]
    assert shop.done["first_export"]


def test_a_sound_outbox_is_sound(killed: tuple[EventShop, list[str]]) -> None:
    """V8: a run that was killed while it was sent leaves a state in order; its outbox is no leftover."""
    shop, _ = killed
    assert "left over" not in shop.ok("state", "check").out
    before = shop.tree(".muster/outbox")
    assert before
    shop.muster("evaluations", "list")
    assert shop.tree(".muster/outbox") == before


@pytest.mark.parametrize("file", ["texts", "answers.log"])
def test_an_outbox_that_still_says_whom_it_is_about(killed: tuple[EventShop, list[str]], file: str) -> None:
    """V8: nothing is sent of a damaged outbox; once it is dropped, everybody without a known answer is told again."""
    shop, told = killed
    damaged(outbox_of(shop) / file)
    assert shop.again(f"{DAYS[0]}T05:00Z", code=2) == []
    found = shop.muster("state", "check")
    assert found.code == 2
    assert f"{file}: " in found.out
    assert f"--drop-outbox {KEY}: sends nothing more of it: everybody whose message was not answered" in flat(found.out)
    shop.ok("state", "repair", "--drop-outbox", KEY)
    shop.ok("state", "check")
    again = names(shop.again(f"{DAYS[0]}T06:00Z"))
    assert set(again) >= {*PEOPLE} - {*told[:2]}
    assert set(again) <= {*PEOPLE}
    assert [run["status"] for run in shop.runs()] == ["failed", "succeeded"]
    assert not (shop.root / ".muster/outbox").exists()


def flat(text: str) -> str:
    """A text in one line."""
    return " ".join(text.split())


def test_an_outbox_that_says_it_no_more(killed: tuple[EventShop, list[str]]) -> None:
    """V8, SPEC 10: the run ends as failed, its files are kept aside without texts, and everybody is told anew."""
    shop, _ = killed
    damaged(outbox_of(shop) / "entries-1.parquet")
    assert shop.again(f"{DAYS[0]}T05:00Z", code=2) == []
    found = shop.muster("state", "check")
    assert "entries-1.parquet: " in found.out
    assert "the run ends as failed, without its answers" in flat(found.out)
    repaired = shop.ok("state", "repair", "--yes", "--json").json
    assert [each for each in repaired["done"] if "has failed; the next run compares anew" in each]
    aside = [name for name in shop.tree(".muster") if "/damaged-" in f"/{name}"]
    assert [name for name in aside if name.endswith("people.parquet")]
    assert not [name for name in aside if name.endswith("texts")]
    assert sorted(names(shop.again(f"{DAYS[0]}T06:00Z"))) == sorted(PEOPLE)
    assert [run["status"] for run in shop.runs()] == ["failed", "succeeded"]


def test_an_outbox_of_nobody_is_a_leftover(shop: EventShop) -> None:
    """V8: what a killed command wrote before its run was recorded is told, and the next command removes it."""
    left = shop.root / ".muster/outbox/crm/a/20261120T060000Z-0000000000.1"
    left.mkdir(parents=True)
    (left / "texts").write_text("[]")
    found = shop.ok("state", "check")
    assert "outbox/crm/a/20261120T060000Z-0000000000.1" in found.out
    assert "was left by a command that was killed" in flat(found.out)
    assert "muster/outbox" in str(left)
    shop.run(f"{DAYS[0]}T07:00Z")
    assert not (shop.root / ".muster/outbox").exists()


# Back up and restore


def test_a_restored_outbox_is_never_sent(killed: tuple[EventShop, list[str]], tmp_path: Path) -> None:
    """V8: a backup leaves the texts out; after a restore nothing of the outbox is sent, everybody without a known
    answer is uncertain and told anew, and no text stays in the state that was moved aside.
    """
    shop, told = killed
    backup = tmp_path / "backup"
    shop.ok("state", "backup", str(backup))
    kept = {path.name for path in (backup / "outbox").rglob("*") if path.is_file()}
    assert {"people.parquet", "answers.log"} <= kept
    assert "texts" not in kept
    [folder] = (backup / "outbox/crm/a").iterdir()
    shutil.copyfile(outbox_of(shop) / "texts", folder / "texts")  # by somebody's hand: it does not come back either
    keys = {each.key for each in shop.again(f"{DAYS[0]}T05:00Z")}
    assert keys, "after the backup the run went on"
    shop.ok("state", "restore", str(backup), "--force")
    shop.ok("state", "check")
    assert not [name for name in shop.tree(".muster") if name.endswith("texts")]
    again = shop.again(f"{DAYS[0]}T06:00Z")
    assert {each.key for each in again}.isdisjoint(keys)
    assert set(names(again)) >= {*PEOPLE} - {*told[:2]}
    errors = [run["error"] for run in shop.runs()]
    assert "its outbox comes from a backup" in str(errors[0])
    assert errors[1:] == [None]
    assert shop.again(f"{DAYS[0]}T07:00Z") == []


# Rewind


def test_a_rewind_resends_nobody(tmp_path: Path, receiver: Receiver) -> None:
    """S8: rows, runs and looks that are later than T become ones of T, or go; nobody is told anew for that."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"])
    shop.send(DAYS[0], "a", "b")
    shop.send(DAYS[2], "a", "c")
    assert shop.again(f"{DAYS[2]}T06:00Z") == []
    done = shop.ok("state", "rewind", "--to", f"{DAYS[1]}T00:00Z", "--json").json
    assert (done["delivered_sets"], done["delivered_profiles"]) == (1, 1), "c came later than that"
    assert "sound" not in shop.muster("status", "--at", f"{DAYS[1]}T05:00Z").err
    shop.ok("state", "check")
    [row] = shop.ok("baseline", "show", "--json").json
    assert (row["profiles"], row["delivered_at"]) == (2, f"{DAYS[1]}T00:00:00Z")
    assert shop.send(DAYS[1], "a", "c") == []
    assert sorted(names(shop.send(DAYS[3], "a", "c", "d"))) == ["d"]


# Baselines


def test_baselines_of_messages(shop: EventShop) -> None:
    """X8, X9, V2: what was told last is shown, forgotten, or handed to an activation of another name."""
    [row] = shop.ok("baseline", "show", "--json").json
    assert row == {
        "destination": "crm",
        "activation": "a",
        "profiles": 2,
        "evaluated_at": f"{DAYS[0]}T02:00:00Z",
        "delivered_at": f"{DAYS[0]}T05:00:00Z",
    }
    shop.crm(activations=[{"id": "b", "audiences": ["vips"]}])
    shop.ok("baseline", "move", KEY, "crm/b")
    assert names(shop.send(DAYS[1], "a", "b", "c")) == ["c"]
    shop.ok("baseline", "reset", "crm/b")
    assert names(shop.again(f"{DAYS[1]}T06:00Z")) == ["a", "b", "c"]
    refused = shop.muster("baseline", "reset", "crm/bb")
    assert refused.code == 2
    assert "'crm/bb' has no baseline" in refused.err
    assert "did you mean 'crm/b'" in refused.err


def test_a_key_that_had_another_kind(tmp_path: Path, receiver: Receiver) -> None:
    """X9: a destination that wrote files once has both; the present kind's is shown, and a reset forgets both."""
    shop = EventShop(tmp_path, receiver)
    daily = {"audience": "vips", "id": "a", "export": "incremental", "schedule": {"at": "05:00"}}
    shop.destination("crm", mapping=["profile_id"], activations=[daily])
    shop.people("a", "b")
    shop.evaluate(f"{DAYS[0]}T02:00Z", "--no-exports")
    shop.run(f"{DAYS[0]}T05:00Z")
    shop.crm(["vips"])
    assert names(shop.send(DAYS[1], "a", "b", "c")) == ["a", "b", "c"]
    assert shop.ok("baseline", "show", KEY, "--json").json["profiles"] == 3
    shop.ok("baseline", "reset", KEY)
    assert shop.ok("baseline", "show", "--json").json == []
    assert names(shop.again(f"{DAYS[1]}T06:00Z")) == ["a", "b", "c"]


def test_a_baseline_stays_with_its_kind(shop: EventShop) -> None:
    """X9: what messages told is no delivered set of files, and the other way round."""
    shop.destination(
        "lake", mapping=["profile_id"], activations=[{"audience": "vips", "id": "a", "schedule": "on_demand"}]
    )
    refused = shop.muster("baseline", "move", KEY, "lake/a")
    assert refused.code == 2
    assert "lake/a writes files, and what crm/a delivered is of one that sends messages" in refused.err


def test_nothing_moves_while_a_run_is_sent(killed: tuple[EventShop, list[str]]) -> None:
    """V8: rows that a run is about to move are neither reset nor rewound, and nobody is forgotten meanwhile."""
    shop, _ = killed
    for command in (
        ("baseline", "reset", KEY),
        ("state", "rewind", "--to", f"{DAYS[0]}T04:00Z"),
        ("profiles", "forget", "p1"),
    ):
        refused = shop.muster(*command)
        assert refused.code == 2, refused
    assert outbox_of(shop).is_dir()


def test_removal_and_return(shop: EventShop) -> None:
    """X9, V4: an activation that was away goes on from its rows; at another place it begins anew."""
    shop.crm(activations=[{"id": "a", "audiences": ["vips"], "enabled": False}])
    assert shop.send(DAYS[1], "a", "c") == []
    shop.crm(["vips"])
    told = objects(shop.send(DAYS[2], "a", "c"))
    assert {name: statuses(each)["vips"] for name, each in told.items()} == {"b": "exited", "c": "realized"}
    shop.crm(["vips"], url=shop.receiver.url("/others"))
    assert names(shop.send(DAYS[3], "a", "c")) == ["a", "c"]


# Evaluations and history


def test_a_look_at_a_forgotten_evaluation_is_forgotten(tmp_path: Path, receiver: Receiver) -> None:
    """E6, V1: an evaluation that was used by a run stays; one that only a look saw goes, and is looked at anew."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"], activation={"schedule": "after_evaluation"})
    shop.send(DAYS[0], "a")
    refused = shop.muster("evaluations", "forget", "--after", f"{DAYS[0]}T01:00Z")
    assert refused.code == 2
    assert "was used by run" in refused.err
    assert shop.send(DAYS[1], "a") == []
    shop.ok("evaluations", "forget", "--after", f"{DAYS[0]}T03:00Z")
    assert names(shop.send(DAYS[1], "a", "b")) == ["b"]


def test_prune_keeps_what_messages_need(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 10: runs that moved rows last stay, with the evaluations that they used, and those of kept evaluations."""
    shop = EventShop(tmp_path, receiver, retention={"runs": {"count": 1}, "evaluations": {"count": 1}})
    shop.crm(["vips"])
    away = {"payload": "profile", "mapping": [ID], "url": receiver.url("/away")}
    shop.raw("away", **away, activations=[{"id": "a", "audiences": ["all", "vips"]}])
    shop.send(DAYS[0], "a", "n0")
    shop.raw("away", **away, activations=[{"id": "a", "audiences": ["all", "vips"], "enabled": False}])
    for number, day in enumerate(DAYS[1:5], start=1):
        shop.send(day, "a", f"n{number}")
    assert len(shop.runs()) == 6
    shop.ok("prune", "--at", f"{DAYS[4]}T06:00Z")
    kept = {(run["destination"], run["scheduled_time"][:10]) for run in shop.runs()}
    assert kept - {("crm", DAYS[0])} == {("away", DAYS[0]), ("crm", DAYS[3]), ("crm", DAYS[4])}
    assert {each["evaluated_at"][:10] for each in shop.ok("evaluations", "list", "--json").json} == {
        DAYS[0],
        *DAYS[3:5],
    }
    shop.ok("state", "check")
    shop.raw("away", **away, activations=[{"id": "a", "audiences": ["all", "vips"]}])
    assert names([each for each in shop.send(DAYS[5], "a", "n4") if each.path == "/away"]) == ["n0", "n4"]


# Forgotten


def test_a_row_without_an_exit_to_tell_goes_at_once(shop: EventShop) -> None:
    """G8: where no message goes any more, the row goes at once, and the command names the receiver."""
    shop.crm(activations=[{"id": "a", "audiences": ["vips"], "enabled": False}])
    told = shop.ok("profiles", "forget", "a", "--json").json
    assert [(each["activation"], each["told_by"]) for each in told["receivers"]] == [(KEY, "hand")]
    [row] = shop.ok("baseline", "show", "--json").json
    assert row["profiles"] == 1
    assert holding(shop, b"a@mail") == []
    shop.ok("state", "check")
    shop.crm(["vips"])
    assert shop.send(DAYS[1], "a", "b") == []


def test_a_row_keeps_what_its_exit_needs(tmp_path: Path, receiver: Receiver) -> None:
    """G8, V3: until the exit was taken the row has what was last sent in key columns and identities; then it goes."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips"], mapping=[ID, EMAIL | {"mandatory": True}, {"source": "city", "target": "city"}])
    shop.send(DAYS[0], somebody("one-to-go", city="Bergen"), somebody("b", city="Oslo"))
    run = shop.done["run_id"]
    assert f"messages that told of them: {receiver.url('/people')}: 1 profile, run {run} of {KEY}" in flat(
        shop.ok("profiles", "forget", "one-to-go").out
    )
    told = shop.ok("profiles", "forget", "one-to-go", "--json").json
    assert [(each["activation"], each["told_by"]) for each in told["receivers"]] == [(KEY, "exit")]
    assert holding(shop, b"Bergen") == []
    receiver.default = LOST
    shop.send(DAYS[1], somebody("one-to-go", city="Bergen"), somebody("b", city="Oslo"), code=1)
    assert holding(shop, b"one-to-go")
    receiver.default = Say(200)
    [exit_] = objects(shop.again(f"{DAYS[1]}T06:00Z")).values()
    assert exit_ == {
        "id": "one-to-go",
        "contact": {"email": "one-to-go@mail"},
        "segmentMembership": exit_["segmentMembership"],
        "identityMap": {"Email": [{"id": "one-to-go@x.com"}]},
    }
    assert statuses(exit_) == {"vips": "exited"}
    shop.run(f"{DAYS[1]}T07:00Z")
    assert holding(shop, b"one-to-go") == []
    shop.ok("state", "check")


def holding(shop: EventShop, text: bytes) -> list[str]:
    """The files of the state in whose bytes a text stands, or in whose columns, as Parquet may compress them."""
    import polars as pl  # noqa: PLC0415  # this question alone

    found = []
    for name, content in shop.tree(".muster").items():
        path = shop.root / ".muster" / name if not name.startswith(".muster") else shop.root / name
        if text in content or (name.endswith(".parquet") and text.decode() in str(pl.read_parquet(path).rows())):
            found.append(name)
    return found
