"""P11: files after merges and splits of delivered people, with each kind of key; a test tells by hand who merged."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.shop import STATUS, Result, Shop, identities, person
from support.told_lineage import Told

SINCE = {"source": "segment_membership.last_qualification_time", "target": "since", "transform": ["date:%d %H"]}
MAIL = {"source": "identity_map.Email", "target": "mail"}
KEYS: dict[str, dict[str, Any]] = {
    "identity": {"mapping": [MAIL, "city"]},
    "identity and id": {"mapping": ["profile_id", MAIL, "city"]},
    "deduplicated": {"mapping": ["email", "city"], "deduplicate": ["email"]},
    "deduplicated and id": {"mapping": ["profile_id", "email", "city"], "deduplicate": ["email"]},
    "id": {"mapping": ["profile_id", "email", "city"]},
    "hidden id": {"mapping": [{"source": "profile_id", "transform": ["upper"]}, "city"]},
    "none": {"mapping": ["email", "city"]},
}
COUNTS = ("received", "realized", "exited", "identity_changed", "merged", "split")


@pytest.fixture
def told() -> Iterator[Told]:
    """What became of ids, day by day."""
    builds = Told()
    with builds.known():
        yield builds


def one(profile_id: str, *mails: str, **more: Any) -> dict[str, Any]:
    """A profile with e-mail addresses, of which the first is the attribute, who lives in Oslo."""
    held = identities(Email=mails)
    return person(profile_id, mails[0] if mails else None, city="Oslo", identity_map=held) | more


def shop_of(root: Path, key: str, **content: Any) -> Shop:
    """A shop that sends its VIPs incrementally with this key, the status, and since when it holds: day and hour."""
    shop = Shop(root)
    shop.audience("all", where="vip")
    about = KEYS[key] | content
    shop.crm(**(about | {"mapping": [*about["mapping"], STATUS, {**SINCE, "transform": []}]}))
    return shop


def sent(shop: Shop, day: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    """What a day sent; a plan said so, and a receiver of all files so far holds exactly the delivered set."""
    shop.profiles(day, rows)
    shop.evaluate(f"{day}T02:00Z")
    [plan] = [each for each in shop.ok("plan", "--at", f"{day}T05:00Z", "--json").json if each["action"] == "export"]
    shop.run(f"{day}T05:00Z")
    assert [plan[name] for name in COUNTS] == [newest(shop)[name] for name in COUNTS]
    replayed = shop.ok("replay", newest(shop)["run_id"], "--to", str(shop.root / "again" / day))
    assert "not the bytes" not in replayed.err
    return [row.replace("2026-11-", "").replace(":00:00Z", "") for row in shop.sent("crm/all")]


def newest(shop: Shop) -> dict[str, Any]:
    return shop.runs("crm/all")[-1]


def counts(shop: Shop) -> tuple[int, ...]:
    """Received, realized, exited, identity_changed, merged, split of the newest run."""
    return tuple(newest(shop)[name] for name in COUNTS)


def rejects(shop: Shop) -> dict[str, str]:
    found = shop.ok("runs", "rejects", newest(shop)["run_id"], "--json").json
    assert len({each["profile_id"] for each in found}) == len(found)
    return {each["profile_id"]: each["reason"] for each in found}


def is_reconciled(shop: Shop, day: str) -> bool:
    """Whether a receiver that was given every file holds exactly the delivered set."""
    result: Result = shop.ok("reconcile", "crm/all", "--at", f"{day}T06:00Z", "--json")
    found = result.json
    return found["missing"] == found["extra"] == 0


FIRST, SECOND, THIRD = "2026-11-20", "2026-11-21", "2026-11-22"
BEFORE = [one("a", "a@x"), one("b", "b@x"), one("c", "c@x")]
AFTER = {
    "identity": ["a@x,Oslo,realized,20T02", "b@x,Oslo,realized,20T02"],
    "identity and id": ["a,a@x,Oslo,realized,20T02", "a,b@x,Oslo,realized,20T02"],
    "deduplicated": ["a@x,Oslo,realized,20T02", "b@x,,exited,21T05"],
    "deduplicated and id": ["a,a@x,Oslo,realized,20T02", "b,b@x,,exited,21T05"],
    "id": ["a,a@x,Oslo,realized,20T02", "b,,,exited,21T05"],
    "hidden id": ["A,Oslo,realized,20T02", "B,,exited,21T05"],
    "none": ["a@x,Oslo,realized,20T02"],
}


@pytest.mark.parametrize("key", KEYS)
def test_two_delivered_people_merge_and_part_again(tmp_path: Path, told: Told, key: str) -> None:
    """A merge includes the survivor, whatever `changes` says, and each key sent under a merged id that nobody desired
    holds exits, with key and id alone, at the instant. They count as one person. When they part next day, who keeps the
    id is included, and the other one qualifies anew.
    """
    shop = shop_of(tmp_path, key, changes=["membership"])
    told.build(FIRST)
    sent(shop, FIRST, BEFORE)
    told.build(SECOND, [("b", "a", 2)])
    assert sent(shop, SECOND, [one("a", "a@x", "b@x"), one("c", "c@x")]) == AFTER[key]
    assert counts(shop) == (1, 1, 0, 0, 1, 0)
    assert not rejects(shop)
    assert shop.memberships() == dict.fromkeys("ac", "realized 2026-11-20T02:00:00Z")
    if key != "none":
        assert is_reconciled(shop, SECOND)
    told.build(THIRD, splits=[("a", "b", 3)])
    parted = sent(shop, THIRD, BEFORE)
    ids = {"identity": "", "deduplicated": "", "none": "", "hidden id": "AB"}.get(key, "ab")
    mails = ["", ""] if key == "hidden id" else ["a@x,", "b@x,"]
    expected = [f"{ids[i] + ',' if ids else ''}{mails[i]}Oslo,realized,2{0 if i == 0 else 2}T02" for i in range(2)]
    assert parted == expected
    assert counts(shop) == (2, 2, 0, 0, 0, 1)
    if key != "none":
        assert is_reconciled(shop, THIRD)


@pytest.mark.parametrize("key", ["identity and id", "deduplicated and id", "id"])
@pytest.mark.parametrize("delivered", ["survivor", "absorbed"])
def test_a_delivered_person_merges_with_one_who_was_not(tmp_path: Path, told: Told, key: str, delivered: str) -> None:
    """A merge touches delivered ids whether it is the survivor who was delivered, or the id that became an alias; the
    survivor is a member since the earliest time, and has the survivor's old key no more.
    """
    shop = shop_of(tmp_path, key, changes=["membership"])
    told.build(FIRST)
    is_survivor = delivered == "survivor"
    sent(shop, FIRST, [one("a", "a@x", vip=is_survivor), one("b", "b@x", vip=not is_survivor), one("c", "c@x")])
    told.build(SECOND, [("b", "a", 2)])
    rows = sent(shop, SECOND, [one("a", "b@x"), one("c", "c@x")])
    exits = {
        ("id", "survivor"): [],
        ("id", "absorbed"): ["b,,,exited,21T05"],
        ("deduplicated and id", "survivor"): ["a,a@x,,exited,21T05"],
        ("identity and id", "survivor"): ["a,a@x,,exited,21T05"],
    }.get((key, delivered), [])
    assert sorted(rows) == sorted(["a,b@x,Oslo,realized,20T02", *exits])
    assert counts(shop) == (1, 1, 0, 0, 0 if is_survivor else 1, 0)
    assert is_reconciled(shop, SECOND)


def test_a_merge_without_the_status(tmp_path: Path, told: Told) -> None:
    """Without the status no exit is sent; the survivor is, and the delivered set moves on."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id", "email"])
    told.build(FIRST)
    shop.day(FIRST, BEFORE)
    told.build(SECOND, [("b", "a", 2)])
    assert shop.day(SECOND, [one("a", "a@x", "b@x"), one("c", "c@x")]) == ["a,a@x"]
    assert counts(shop) == (1, 1, 0, 0, 1, 0)
    told.build(THIRD, [("b", "a", 2)])
    assert shop.day(THIRD, [one("a", "a@x", "b@x"), one("c", "c@x")]) == []
    assert counts(shop) == (0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("key", ["identity and id", "deduplicated and id", "id", "none"])
def test_a_merged_person_who_leaves(tmp_path: Path, told: Told, key: str) -> None:
    """X10: all that was sent under the merged ids exits, and one person is counted; without a key one row goes out."""
    shop = shop_of(tmp_path, key)
    told.build(FIRST)
    sent(shop, FIRST, [one("a", "a@x", vip=False), *BEFORE[1:], one("d", "d@x")])
    told.build(SECOND, [("b", "a", 2), ("d", "a", 2)])
    rows = sent(shop, SECOND, [one("a", "a@x", "b@x", "d@x", vip=False), one("c", "c@x")])
    assert rows == {
        "id": ["b,,,exited,21T05", "d,,,exited,21T05"],
        "none": ["a@x,Oslo,exited,21T05"],
    }.get(key, ["b,b@x,,exited,21T05", "d,d@x,,exited,21T05"])
    assert counts(shop) == (1, 0, 1, 0, 2, 0)
    assert shop.memberships()["a"] == "exited 2026-11-21T02:00:00Z"


def test_a_merged_person_who_leaves_keys_to_others(tmp_path: Path, told: Told) -> None:
    """M3, X10: where desired profiles have all keys of a merged person, no exit is sent, and the person is excluded
    once, under the survivor's id.
    """
    shop = shop_of(tmp_path, "deduplicated and id", changes=["membership"])
    told.build(FIRST)
    sent(shop, FIRST, BEFORE)
    told.build(SECOND, [("b", "a", 2)])
    rows = sent(shop, SECOND, [one("a", "a@x", "b@x", vip=False), one("c", "a@x"), one("e", "b@x")])
    assert rows == ["e,b@x,Oslo,realized,21T02"]
    assert counts(shop) == (2, 1, 0, 0, 1, 0)
    assert rejects(shop) == {"a": "duplicate"}


def test_two_people_who_share_a_key_merge(tmp_path: Path, told: Told) -> None:
    """M3: the one who lost to the other was not delivered; as one person they have the key, and nobody exits."""
    shop = shop_of(tmp_path, "deduplicated and id")
    told.build(FIRST)
    assert sent(shop, FIRST, [one("b", "x@x"), one("c", "x@x")]) == ["b,x@x,Oslo,realized,20T02"]
    told.build(SECOND, [("b", "c", 2)])
    assert sent(shop, SECOND, [one("c", "x@x")]) == ["c,x@x,Oslo,realized,20T02"]
    assert counts(shop) == (1, 1, 0, 0, 1, 0)
    assert is_reconciled(shop, SECOND)


@pytest.mark.parametrize("takes", [True, False], ids=["who stays", "who is no member"])
def test_a_key_that_goes_with_the_new_profile(tmp_path: Path, told: Told, *, takes: bool) -> None:
    """A split: the key last sent under the id exits, with that id, unless a desired profile holds it."""
    shop = shop_of(tmp_path, "deduplicated and id", changes=["membership"])
    told.build(FIRST)
    sent(shop, FIRST, [one("a", "b@x", "a@x"), one("c", "c@x")])
    told.build(SECOND, splits=[("a", "b", 2)])
    rows = sent(shop, SECOND, [one("a", "a@x"), one("b", "b@x", vip=takes), one("c", "c@x")])
    other = "b,b@x,Oslo,realized,21T02" if takes else "a,b@x,,exited,21T05"
    assert sorted(rows) == sorted(["a,a@x,Oslo,realized,20T02", other])
    assert counts(shop) == (1 + takes, 1 + takes, 0, 0, 0, 1)
    assert is_reconciled(shop, SECOND)


def test_a_split_of_somebody_who_leaves(tmp_path: Path, told: Told) -> None:
    """A split of a delivered id: who keeps it and is not desired exits with key and id alone, at the instant."""
    shop = shop_of(tmp_path, "deduplicated and id")
    told.build(FIRST)
    sent(shop, FIRST, [one("a", "a@x", "b@x"), one("c", "c@x")])
    told.build(SECOND, splits=[("a", "b", 2)])
    rows = sent(shop, SECOND, [one("a", "a@x", vip=False), one("b", "b@x"), one("c", "c@x")])
    assert rows == ["a,a@x,,exited,21T05", "b,b@x,Oslo,realized,21T02"]
    assert counts(shop) == (2, 1, 1, 0, 0, 1)


def test_builds_between_two_exports(tmp_path: Path, told: Told) -> None:
    """A delivered set follows all builds since its own: chains of aliases, and who came out of somebody who came out of
    a delivered profile; who merged and parted in between is the same two people again.
    """
    shop = shop_of(tmp_path, "id", changes=["membership"])
    told.build(FIRST)
    sent(shop, FIRST, [*BEFORE, one("d", "d@x", "e@x", "f@x"), one("g", "g@x")])
    told.build(SECOND, [("b", "a", 2), ("g", "c", 2)], [("d", "e", 2)])
    shop.profiles(SECOND, [one("a", "a@x"), one("c", "c@x"), one("d", "d@x"), one("e", "e@x", "f@x")])
    shop.evaluate(f"{SECOND}T02:00Z")
    aliases, splits = [("b", "c", 2), ("a", "c", 3)], [("d", "e", 2), ("e", "f", 3), ("c", "g", 3)]
    told.build(THIRD, aliases, splits)
    rows = sent(shop, THIRD, [one("c", "c@x"), one("d", "d@x"), one("e", "e@x"), one("f", "f@x"), one("g", "g@x")])
    assert rows == [
        "a,,,exited,22T05",
        "b,,,exited,22T05",
        "c,c@x,Oslo,realized,20T02",
        "d,d@x,Oslo,realized,20T02",
        "e,e@x,Oslo,realized,21T02",
        "f,f@x,Oslo,realized,22T02",
        "g,g@x,Oslo,realized,22T02",
    ]
    assert counts(shop) == (5, 5, 0, 0, 2, 2)
    assert is_reconciled(shop, THIRD)


@pytest.mark.parametrize("export", ["incremental", "full"])
def test_guards_compare_ids_as_delivered(tmp_path: Path, told: Told, export: str) -> None:
    """X11: four people merged into one are a shrink of three, and three delivered ids that leave."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id", STATUS], export=export, guards={"max_shrink": "50%", "max_exited": 2})
    told.build(FIRST)
    shop.day(FIRST, [one(each, f"{each}@x") for each in "abcd"])
    told.build(SECOND, [(each, "a", 2) for each in "bcd"])
    shop.profiles(SECOND, [one("a", "a@x", "b@x")])
    shop.evaluate(f"{SECOND}T02:00Z")
    stopped = shop.muster("run", "--at", f"{SECOND}T05:00Z")
    assert stopped.code == 1
    assert "the delivered set would shrink from 4 to 1 profiles, by 75.0%" in stopped.err
    assert "guard max_exited: 3 delivered profiles would leave" in stopped.err
    assert newest(shop)["merged"] == 3
    shop.run(f"{SECOND}T06:00Z", "--override-guards", "crm/all")
    assert (newest(shop)["merged"], newest(shop)["realized"]) == (3, 1)


def test_a_full_export_counts_merges_and_splits(tmp_path: Path, told: Told) -> None:
    """A full file has the desired set; the run and the manifest say how many delivered ids merged and split."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id"], export="full")
    told.build(FIRST)
    shop.day(FIRST, BEFORE)
    told.build(SECOND, [("b", "a", 2)], [("c", "d", 2)])
    assert shop.day(SECOND, [one("a", "a@x", "b@x"), one("c", "c@x"), one("d", "d@x")]) == ["a", "c", "d"]
    assert counts(shop) == (3, 3, 0, 0, 1, 1)
    manifest = (tmp_path / f"out/crm/manifest-shop-crm-{newest(shop)['run_id']}.json").read_text()
    assert '"merged": 1,\n    "split": 1' in manifest


def test_an_export_of_an_evaluation_before_the_merge(tmp_path: Path, told: Told) -> None:
    """A scheduled export takes today's view, and memberships follow its aliases; one on demand sends the evaluation's
    people by the ids of then. Files of before are made again as they were.
    """
    shop = shop_of(tmp_path, "id")
    told.build(FIRST)
    shop.profiles(FIRST, [one("a", "a@x", vip=False), *BEFORE[1:]])
    shop.evaluate(f"{FIRST}T02:00Z")
    shop.run(f"{FIRST}T05:00Z")
    first = newest(shop)
    told.build(SECOND, [("b", "a", 2)])
    shop.profiles(SECOND, [one("a", "a@x", "b@x"), one("c", "c@x")])
    shop.run(f"{SECOND}T05:00Z")
    assert shop.lines(newest(shop)["files"][0]["path"].removeprefix("out/")) == [
        "a,a@x,Oslo,realized,2026-11-20T02:00:00Z",
        "b,,,exited,2026-11-21T05:00:00Z",
    ]
    assert is_reconciled(shop, SECOND)
    shop.ok("export", "crm/all", "--at", f"{SECOND}T06:00Z")
    on_demand = newest(shop)
    assert (on_demand["realized"], on_demand["merged"], on_demand["split"]) == (2, 0, 0)
    for run in (first, on_demand, shop.runs("crm/all")[1]):
        path = tmp_path / run["files"][0]["path"]
        delivered = path.read_bytes()
        path.unlink()
        shop.ok("redeliver", run["run_id"])
        assert path.read_bytes() == delivered


def test_a_set_of_members_who_follow_aliases_is_a_file_of_its_own(tmp_path: Path, told: Told) -> None:
    """X8: an evaluation's file names ids of before, also where it holds as many people: it is neither the delivered set
    of a later export, nor what that export decided.
    """
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id", STATUS])
    told.build(FIRST)
    shop.profiles(FIRST, [one("a", "a@x", vip=False), one("b", "b@x")])
    shop.evaluate(f"{FIRST}T02:00Z")
    told.build(SECOND, [("b", "a", 2)])
    shop.profiles(SECOND, [one("a", "a@x", "b@x")])
    shop.run(f"{SECOND}T05:00Z")
    assert shop.sent("crm/all") == ["a,realized"]
    shop.ok("replay", newest(shop)["run_id"], "--to", str(tmp_path / "again"))
    told.build(THIRD, [("b", "a", 2)])
    assert shop.day(THIRD, [one("a", "a@x", "b@x")]) == []


def test_a_delivered_set_of_another_policy_has_other_ids(tmp_path: Path, told: Told) -> None:
    """When an activation's policy changes, all ids change: nobody is merged, everybody exits and joins; `plan` says so
    of a set made by `profiles.path` as well.
    """
    shop = shop_of(tmp_path, "id")
    told.build(FIRST, policy="other")
    sent(shop, FIRST, BEFORE)
    told.build(SECOND, [("b", "x", 2)], [("a", "y", 2)])
    planned = shop.ok("plan", "--at", f"{SECOND}T05:00Z")
    assert "crm/all: profiles were made by the merge policy 'other' at its last delivery" in planned.out
    rows = sent(shop, SECOND, [one("x", "a@x"), one("y", "b@x")])
    assert [row.partition(",")[0] for row in rows] == ["a", "b", "c", "x", "y"]
    assert counts(shop) == (5, 2, 3, 0, 0, 0)


def test_a_merge_of_a_feed_audience(tmp_path: Path, told: Told) -> None:
    """X6: memberships that a feed moves between evaluations follow aliases before the feed's rows are applied."""
    shop = Shop(tmp_path)
    shop.audience("all", source="memberships", where="vip")
    shop.crm(mapping=["profile_id", STATUS])
    shop.feed([("all", "c", "exited", "2026-11-20T03:00Z")])
    told.build(FIRST)
    shop.day(FIRST, BEFORE)
    assert shop.sent("crm/all") == ["a,realized", "b,realized"]
    told.build(SECOND, [("b", "a", 2)])
    shop.profiles(SECOND, [one("a", "a@x", "b@x"), one("c", "c@x")])
    shop.run(f"{SECOND}T05:00Z")
    assert shop.sent("crm/all") == ["a,realized", "b,exited"]
    told.build(THIRD, [("b", "a", 2)])
    assert shop.day(THIRD, [one("a", "a@x", "b@x"), one("c", "c@x")]) == ["c,realized"]
    assert shop.memberships() == {"a": "realized 2026-11-20T02:00:00Z", "c": "realized 2026-11-22T02:00:00Z"}


def test_an_exit_that_a_delivered_alias_keeps(tmp_path: Path, told: Told) -> None:
    """E5: the exited membership of a survivor is kept as long as a delivered set holds a merged id."""
    shop = Shop(tmp_path, evaluation={"keep_exited": "1d"})
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id", STATUS])
    told.build(FIRST)
    shop.day(FIRST, BEFORE)
    told.build(SECOND, [("b", "a", 2)])
    for day in (SECOND, THIRD, "2026-11-23", "2026-11-24"):
        shop.profiles(day, [one("a", "a@x", "b@x", vip=False), one("c", "c@x")])
        shop.evaluate(f"{day}T02:00Z")
    assert shop.memberships() == {"a": "exited 2026-11-21T02:00:00Z", "c": "realized 2026-11-20T02:00:00Z"}
