"""P11: files after merges and splits of delivered people, with each kind of key; a test tells by hand who merged."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.shop import SINCE, STATUS, Shop, identities, person
from support.told_lineage import Told

KEYS: dict[str, dict[str, Any]] = {
    "identity": {"mapping": [{"source": "identity_map.Email", "target": "mail"}, "city"]},
    "identity-and-id": {"mapping": ["profile_id", {"source": "identity_map.Email", "target": "mail"}, "city"]},
    "deduplicated": {"mapping": ["email", "city"], "deduplicate": ["email"]},
    "deduplicated-and-id": {"mapping": ["profile_id", "email", "city"], "deduplicate": ["email"]},
    "id": {"mapping": ["profile_id", "email", "city"]},
    "hidden-id": {"mapping": [{"source": "profile_id", "transform": ["upper"]}, "city"]},
    "none": {"mapping": ["email", "city"]},
}
COUNTS = ("received", "realized", "exited", "identity_changed", "merged", "split")
FIRST, SECOND, THIRD = "2026-11-20", "2026-11-21", "2026-11-22"


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


BEFORE = [one("a", "a@x"), one("b", "b@x"), one("c", "c@x")]


def shop_of(root: Path, *keys: str, **content: Any) -> Shop:
    """A shop that sends its VIPs incrementally to a destination for each of these keys, all unless some are named.

    The files have the status and since when it holds.
    """
    shop = Shop(root)
    shop.audience("all", where="vip")
    for key in keys or KEYS:
        activation = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
        about = KEYS[key] | {"activations": [activation]} | content
        shop.destination(key, **(about | {"mapping": [*about["mapping"], STATUS, SINCE]}))
    return shop


def sent(shop: Shop, day: str, rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """What a day sent, by destination; of times the day and the hour."""
    shop.profiles(day, rows)
    shop.evaluate(f"{day}T02:00Z")
    shop.run(f"{day}T05:00Z")
    return {name: lines(shop, run) for name, run in newest(shop).items()}


def lines(shop: Shop, run: dict[str, Any]) -> list[str]:
    [file] = run["files"]
    texts = shop.lines(file["path"].removeprefix("out/"))
    return [text.replace("2026-11-", "").replace(":00:00Z", "") for text in texts]


def newest(shop: Shop) -> dict[str, dict[str, Any]]:
    """The newest run of each destination."""
    return {run["destination"]: run for run in shop.runs()}


def counts(shop: Shop) -> dict[str, tuple[int, ...]]:
    """Received, realized, exited, identity_changed, merged, split of each destination's newest run."""
    return {name: tuple(run[each] for each in COUNTS) for name, run in newest(shop).items()}


def rejects(shop: Shop, key: str) -> dict[str, str]:
    found = shop.ok("runs", "rejects", f"{key}/all", "--json").json
    assert len({each["profile_id"] for each in found}) == len(found)
    return {each["profile_id"]: each["reason"] for each in found}


def are_reconciled(shop: Shop, day: str) -> bool:
    """Whether receivers that were given every file hold exactly the delivered sets, where rows have a key."""
    known = [name for name in newest(shop) if name != "none"]
    found = [shop.ok("reconcile", f"{name}/all", "--at", f"{day}T06:00Z", "--json").json for name in known]
    return all(each["missing"] == each["extra"] == each["to_come"] == each["to_go"] == 0 for each in found)


def test_two_delivered_people_merge_and_part_again(tmp_path: Path, told: Told) -> None:
    """A merge includes the survivor, whatever `changes` says, and each key sent under a merged id that nobody desired
    holds exits, with key and id alone, at the instant. They count as one person. When they part next day, who keeps the
    id is included, and the other one qualifies anew. `plan` counts all that, and `replay` makes the files again.
    """
    shop = shop_of(tmp_path, changes=["membership"])
    told.build(FIRST)
    sent(shop, FIRST, BEFORE)
    told.build(SECOND, [("b", "a", 2)])
    shop.profiles(SECOND, merged := [one("a", "a@x", "b@x"), one("c", "c@x")])
    shop.evaluate(f"{SECOND}T02:00Z")
    planned = [
        each for each in shop.ok("plan", "--at", f"{SECOND}T05:00Z", "--json").json if each["action"] == "export"
    ]
    assert sent(shop, SECOND, merged) == {
        "identity": ["a@x,Oslo,realized,20T02", "b@x,Oslo,realized,20T02"],
        "identity-and-id": ["a,a@x,Oslo,realized,20T02", "a,b@x,Oslo,realized,20T02"],
        "deduplicated": ["a@x,Oslo,realized,20T02", "b@x,,exited,21T05"],
        "deduplicated-and-id": ["a,a@x,Oslo,realized,20T02", "b,b@x,,exited,21T05"],
        "id": ["a,a@x,Oslo,realized,20T02", "b,,,exited,21T05"],
        "hidden-id": ["A,Oslo,realized,20T02", "B,,exited,21T05"],
        "none": ["a@x,Oslo,realized,20T02"],
    }
    assert counts(shop) == dict.fromkeys(KEYS, (1, 1, 0, 0, 1, 0))
    assert {each["destination"]: tuple(each[name] for name in COUNTS) for each in planned} == counts(shop)
    assert not rejects(shop, "id")
    assert shop.memberships() == dict.fromkeys("ac", "realized 2026-11-20T02:00:00Z")
    assert are_reconciled(shop, SECOND)
    for name in ("deduplicated-and-id", "hidden-id"):
        shop.ok("replay", f"{name}/all", "--to", str(tmp_path / "again" / name))

    told.build(THIRD, splits=[("a", "b", 3)])
    since = ("Oslo,realized,20T02", "Oslo,realized,22T02")
    both = [f"a,a@x,{since[0]}", f"b,b@x,{since[1]}"]
    without = [f"a@x,{since[0]}", f"b@x,{since[1]}"]
    assert sent(shop, THIRD, BEFORE) == {
        **dict.fromkeys(("identity", "deduplicated", "none"), without),
        **dict.fromkeys(("identity-and-id", "deduplicated-and-id", "id"), both),
        "hidden-id": [f"A,{since[0]}", f"B,{since[1]}"],
    }
    assert counts(shop) == dict.fromkeys(KEYS, (2, 2, 0, 0, 0, 1))
    assert are_reconciled(shop, THIRD)


@pytest.mark.parametrize("delivered", ["survivor", "absorbed"])
def test_a_delivered_person_merges_with_one_who_was_not(tmp_path: Path, told: Told, delivered: str) -> None:
    """A merge touches delivered ids whether it is the survivor who was delivered, or the id that became an alias; the
    survivor is a member since the earliest time, and exits under an old key that is nobody's any more.
    """
    shop = shop_of(tmp_path, "identity-and-id", "deduplicated-and-id", "id", "none", changes=["membership"])
    told.build(FIRST)
    is_survivor = delivered == "survivor"
    sent(shop, FIRST, [one("a", "a@x", vip=is_survivor), one("b", "b@x", vip=not is_survivor), one("c", "c@x")])
    told.build(SECOND, [("b", "a", 2)])
    included = "a,b@x,Oslo,realized,20T02"
    old_key = ["a,a@x,,exited,21T05"] if is_survivor else []
    assert sent(shop, SECOND, [one("a", "b@x"), one("c", "c@x")]) == {
        "identity-and-id": [*old_key, included],
        "deduplicated-and-id": [*old_key, included],
        "id": [included, *([] if is_survivor else ["b,,,exited,21T05"])],
        "none": ["b@x,Oslo,realized,20T02"],
    }
    assert set(counts(shop).values()) == {(1, 1, 0, 0, 0 if is_survivor else 1, 0)}
    assert are_reconciled(shop, SECOND)


def test_a_merge_without_the_status(tmp_path: Path, told: Told) -> None:
    """Without the status no exit is sent; the survivor is, and the delivered set moves on."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id", "email"])
    told.build(FIRST)
    shop.day(FIRST, BEFORE)
    told.build(SECOND, [("b", "a", 2)])
    assert shop.day(SECOND, [one("a", "a@x", "b@x"), one("c", "c@x")]) == ["a,a@x"]
    assert counts(shop)["crm"] == (1, 1, 0, 0, 1, 0)
    told.build(THIRD, [("b", "a", 2)])
    assert shop.day(THIRD, [one("a", "a@x", "b@x"), one("c", "c@x")]) == []
    assert counts(shop)["crm"] == (0, 0, 0, 0, 0, 0)


def test_a_merged_person_who_leaves(tmp_path: Path, told: Told) -> None:
    """X10: all that was sent under the merged ids exits, and one person is counted; without a key one row goes out.
    `preview` shows the person as one who leaves.
    """
    shop = shop_of(tmp_path, "identity-and-id", "deduplicated-and-id", "id", "none")
    told.build(FIRST)
    sent(shop, FIRST, [one("a", "a@x", vip=False), *BEFORE[1:], one("d", "d@x")])
    told.build(SECOND, [("b", "a", 2), ("d", "a", 2)])
    exits = ["b,b@x,,exited,21T05", "d,d@x,,exited,21T05"]
    shop.profiles(SECOND, left := [one("a", "a@x", "b@x", "d@x", vip=False), one("c", "c@x")])
    preview = shop.ok("preview", "all", "--at", f"{SECOND}T02:00Z", "--json").json
    assert [(row["profile_id"], row["status"]) for row in preview["rows"]] == [("a", "exited"), ("c", "realized")]
    assert sent(shop, SECOND, left) == {
        "identity-and-id": exits,
        "deduplicated-and-id": exits,
        "id": ["b,,,exited,21T05", "d,,,exited,21T05"],
        "none": ["a@x,Oslo,exited,21T02"],
    }
    assert set(counts(shop).values()) == {(1, 0, 1, 0, 2, 0)}
    assert shop.memberships()["a"] == "exited 2026-11-21T02:00:00Z"


@pytest.mark.parametrize(("survivor", "absorbed"), [("a", "b"), ("b", "a")])
def test_a_merged_person_who_leaves_keys_to_others(tmp_path: Path, told: Told, survivor: str, absorbed: str) -> None:
    """M3, X10: where desired profiles have all keys of a merged person, no exit is sent, and the person is excluded
    once, under the survivor's id, whichever of the ids is smaller.
    """
    shop = shop_of(tmp_path, "deduplicated-and-id", changes=["membership"])
    told.build(FIRST)
    sent(shop, FIRST, BEFORE)
    told.build(SECOND, [(absorbed, survivor, 2)])
    rows = sent(shop, SECOND, [one(survivor, "a@x", "b@x", vip=False), one("c", "a@x"), one("e", "b@x")])
    assert rows == {"deduplicated-and-id": ["e,b@x,Oslo,realized,21T02"]}
    assert counts(shop) == {"deduplicated-and-id": (2, 1, 0, 0, 1, 0)}
    assert rejects(shop, "deduplicated-and-id") == {survivor: "duplicate"}


def test_a_survivor_who_is_left_out(tmp_path: Path, told: Told) -> None:
    """X3d, X10: a survivor who was not delivered, and is left out for a reason, exits under the delivered id: that is
    one person, and no reject.
    """
    shop = shop_of(tmp_path, "id", mapping=["profile_id", {"source": "email", "mandatory": True}])
    told.build(FIRST)
    sent(shop, FIRST, [one("a", email=None), *BEFORE[1:]])
    assert rejects(shop, "id") == {"a": "mandatory:email"}
    told.build(SECOND, [("b", "a", 2)])
    assert sent(shop, SECOND, [one("a", email=None), one("c", "c@x")]) == {"id": ["b,b@x,exited,21T05"]}
    assert counts(shop) == {"id": (1, 0, 1, 0, 1, 0)}
    assert not rejects(shop, "id")


def test_a_survivor_whom_the_newest_snapshot_lacks(tmp_path: Path, told: Told) -> None:
    """X5, X10: a reason that needs no look at the profile is no reject either where a delivered id exits."""
    shop = shop_of(tmp_path, "id", mapping=["profile_id"])
    told.build(FIRST)
    sent(shop, FIRST, [one("a", "a@x", vip=False), *BEFORE[1:]])
    told.build(SECOND, [("b", "a", 2)])
    shop.profiles(SECOND, [one("a", "a@x"), one("c", "c@x")])
    shop.evaluate(f"{SECOND}T02:00Z")
    shop.profiles(f"{SECOND}T04", [one("c", "c@x")])
    shop.run(f"{SECOND}T05:00Z")
    assert lines(shop, newest(shop)["id"]) == ["b,exited,21T05"]
    assert counts(shop) == {"id": (1, 0, 1, 0, 1, 0)}
    assert not rejects(shop, "id")


def test_two_people_who_share_a_key_merge(tmp_path: Path, told: Told) -> None:
    """M3: the one who lost to the other was not delivered; as one person they have the key, and nobody exits."""
    shop = shop_of(tmp_path, "deduplicated-and-id")
    told.build(FIRST)
    assert sent(shop, FIRST, [one("b", "x@x"), one("c", "x@x")])["deduplicated-and-id"] == ["b,x@x,Oslo,realized,20T02"]
    told.build(SECOND, [("b", "c", 2)])
    assert sent(shop, SECOND, [one("c", "x@x")])["deduplicated-and-id"] == ["c,x@x,Oslo,realized,20T02"]
    assert counts(shop) == {"deduplicated-and-id": (1, 1, 0, 0, 1, 0)}
    assert are_reconciled(shop, SECOND)


@pytest.mark.parametrize("takes", [True, False], ids=["who stays", "who is no member"])
def test_a_key_that_goes_with_the_new_profile(tmp_path: Path, told: Told, *, takes: bool) -> None:
    """A split: the key last sent under the id exits, with that id, unless a desired profile holds it."""
    shop = shop_of(tmp_path, "deduplicated-and-id", changes=["membership"])
    told.build(FIRST)
    sent(shop, FIRST, [one("a", "b@x", "a@x"), one("c", "c@x")])
    told.build(SECOND, splits=[("a", "b", 2)])
    rows = sent(shop, SECOND, [one("a", "a@x"), one("b", "b@x", vip=takes), one("c", "c@x")])
    exits, joins = ["a,b@x,,exited,21T05"], ["b,b@x,Oslo,realized,21T02"]
    included = "a,a@x,Oslo,realized,20T02"
    assert rows["deduplicated-and-id"] == ([included, *joins] if takes else [*exits, included])
    assert counts(shop) == {"deduplicated-and-id": (1 + takes, 1 + takes, 0, 0, 0, 1)}
    assert are_reconciled(shop, SECOND)


def test_a_split_of_somebody_who_leaves(tmp_path: Path, told: Told) -> None:
    """A split of a delivered id: who keeps it and is not desired exits with key and id alone, at the instant; without a
    key the exit is that of anybody who leaves.
    """
    shop = shop_of(tmp_path, "deduplicated-and-id", "id", "none")
    told.build(FIRST)
    sent(shop, FIRST, [one("a", "a@x", "b@x"), one("c", "c@x")])
    told.build(SECOND, splits=[("a", "b", 2)])
    assert sent(shop, SECOND, [one("a", "a@x", vip=False), one("b", "b@x"), one("c", "c@x")]) == {
        "deduplicated-and-id": ["a,a@x,,exited,21T05", "b,b@x,Oslo,realized,21T02"],
        "id": ["a,,,exited,21T05", "b,b@x,Oslo,realized,21T02"],
        "none": ["a@x,Oslo,exited,21T02", "b@x,Oslo,realized,21T02"],
    }
    assert set(counts(shop).values()) == {(2, 1, 1, 0, 0, 1)}
    shop.ok("replay", "id/all", "--to", str(tmp_path / "again"))


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
    told.build(THIRD, [("b", "c", 2), ("a", "c", 3)], [("d", "e", 2), ("e", "f", 3), ("c", "g", 3)])
    assert sent(shop, THIRD, [one(each, f"{each}@x") for each in "cdefg"])["id"] == [
        "a,,,exited,22T05",
        "b,,,exited,22T05",
        "c,c@x,Oslo,realized,20T02",
        "d,d@x,Oslo,realized,20T02",
        "e,e@x,Oslo,realized,21T02",
        "f,f@x,Oslo,realized,22T02",
        "g,g@x,Oslo,realized,22T02",
    ]
    assert counts(shop) == {"id": (5, 5, 0, 0, 2, 2)}
    assert are_reconciled(shop, THIRD)


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
    assert newest(shop)["crm"]["merged"] == 3
    shop.run(f"{SECOND}T06:00Z", "--override-guards", "crm/all")
    assert (newest(shop)["crm"]["merged"], newest(shop)["crm"]["realized"]) == (3, 1)


def test_a_full_export_counts_merges_and_splits(tmp_path: Path, told: Told) -> None:
    """A full file has the desired set; the run and the manifest say how many delivered ids merged and split."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id"], export="full")
    told.build(FIRST)
    shop.day(FIRST, BEFORE)
    told.build(SECOND, [("b", "a", 2)], [("c", "d", 2)])
    assert shop.day(SECOND, [one("a", "a@x", "b@x"), one("c", "c@x"), one("d", "d@x")]) == ["a", "c", "d"]
    assert counts(shop)["crm"] == (3, 3, 0, 0, 1, 1)
    manifest = (tmp_path / f"out/crm/manifest-shop-crm-{newest(shop)['crm']['run_id']}.json").read_text()
    assert '"merged": 1,\n    "split": 1' in manifest


def test_an_export_of_an_evaluation_before_the_merge(tmp_path: Path, told: Told) -> None:
    """A scheduled export takes today's view, and memberships follow its aliases; one on demand sends the evaluation's
    people by the ids of then. Files of before are made again as they were.
    """
    shop = shop_of(tmp_path, "id")
    told.build(FIRST)
    sent(shop, FIRST, [one("a", "a@x", vip=False), *BEFORE[1:]])
    told.build(SECOND, [("b", "a", 2)])
    shop.profiles(SECOND, [one("a", "a@x", "b@x"), one("c", "c@x")])
    shop.run(f"{SECOND}T05:00Z")
    assert lines(shop, newest(shop)["id"]) == ["a,a@x,Oslo,realized,20T02", "b,,,exited,21T05"]
    assert are_reconciled(shop, SECOND)
    shop.ok("export", "id/all", "--at", f"{SECOND}T06:00Z")
    assert counts(shop) == {"id": (2, 2, 0, 0, 0, 0)}
    assert [line[:5] for line in lines(shop, newest(shop)["id"])] == ["b,b@x", "c,c@x"]
    for run in shop.runs():
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
    shop.ok("replay", "crm/all", "--to", str(tmp_path / "again"))
    told.build(THIRD, [("b", "a", 2)])
    assert shop.day(THIRD, [one("a", "a@x", "b@x")]) == []


def test_a_delivered_set_of_another_policy_has_other_ids(tmp_path: Path, told: Told) -> None:
    """When an activation's policy changes, all ids change, as `plan` says: nobody is merged, all exit and join."""
    shop = shop_of(tmp_path, "id")
    told.build(FIRST, policy="other")
    sent(shop, FIRST, BEFORE)
    told.build(SECOND, [("b", "x", 2)], [("a", "y", 2)])
    planned = shop.ok("plan", "--at", f"{SECOND}T05:00Z")
    assert "id/all: profiles were made by the merge policy 'other' at its last delivery" in planned.out
    rows = sent(shop, SECOND, [one("x", "a@x"), one("y", "b@x")])["id"]
    assert [row.partition(",")[0] for row in rows] == ["a", "b", "c", "x", "y"]
    assert counts(shop) == {"id": (5, 2, 3, 0, 0, 0)}


def test_a_merge_of_a_feed_audience(tmp_path: Path, told: Told) -> None:
    """X6: memberships that a feed moves between evaluations follow aliases before the feed's rows are applied."""
    shop = Shop(tmp_path)
    shop.audience("all", source="memberships", where="vip")
    shop.crm(mapping=["profile_id", STATUS])
    shop.feed([("all", "c", "exited", "2026-11-20T03:00Z")])
    told.build(FIRST)
    shop.day(FIRST, [one("a", "a@x", vip=False), *BEFORE[1:]])
    assert shop.sent("crm/all") == ["b,realized"]
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
    shop.day(FIRST, [one("a", "a@x", vip=False), *BEFORE[1:]])
    told.build(SECOND, [("b", "a", 2)])
    for day in (SECOND, "2026-11-24"):
        shop.profiles(day, [one("a", "a@x", "b@x", vip=False), one("c", "c@x")])
        shop.evaluate(f"{day}T02:00Z")
    assert shop.memberships() == {"a": "exited 2026-11-21T02:00:00Z", "c": "realized 2026-11-20T02:00:00Z"}
