"""The semantics that are easy to get wrong: one story each, told through the real command, with the rows that must come
out.
"""

import json
import math
from functools import partial
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from support.shop import STATUS, Shop, identities, person

DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}


def vips(root: Path, **content: object) -> Shop:
    """A shop whose one audience are the profiles with `vip`."""
    shop = Shop(root)
    shop.audience("all", where="vip")
    shop.crm(**content)
    return shop


def test_each_activation_of_an_audience_has_its_own_baseline(tmp_path: Path) -> None:
    """X9: an incremental export every 3 hours and a weekly one of the same audience each go on from their own last
    delivery.
    """
    often = {"audience": "all", "export": "incremental", "schedule": {"every": "3h"}}
    weekly = {"audience": "all", "id": "weekly", "export": "incremental", "schedule": {"cron": "0 3 * * 1"}}
    shop = vips(tmp_path, activations=[often, weekly])
    assert shop.day("2026-11-16", [person("a"), person("b")]) == [
        "a,a@x.com,realized",
        "b,b@x.com,realized",
    ]  # a Monday
    assert shop.day("2026-11-17", [person("a"), person("b"), person("c")]) == ["c,c@x.com,realized"]
    assert shop.day("2026-11-18", [person("b"), person("c")]) == ["a,,exited"]
    assert shop.day("2026-11-23", [person("b"), person("c")]) == []
    assert shop.sent("crm/weekly", 0) == ["a,a@x.com,realized", "b,b@x.com,realized"]
    assert shop.sent("crm/weekly", 1) == ["a,,exited", "c,c@x.com,realized"]


def test_who_leaves_and_returns_between_two_exports_is_sent_again(tmp_path: Path) -> None:
    """X3b: a profile that left and came back between two exports is sent again; one that stayed is not."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.profiles("2026-11-20T06", [person("a", vip=False), person("b")])
    shop.evaluate("2026-11-20T06:00Z")
    assert shop.day("2026-11-21", [person("a"), person("b")]) == ["a,a@x.com,realized"]


def test_a_changed_attribute_alone_sends_nobody(tmp_path: Path) -> None:
    """X3: a change of attribute values alone never includes a profile."""
    shop = vips(tmp_path, mapping=["profile_id", "points", STATUS])
    assert shop.day("2026-11-20", [person("a", points=1)]) == ["a,1,realized"]
    assert shop.day("2026-11-21", [person("a", points=2)]) == []


def test_a_second_phone_number_sends_its_owner(tmp_path: Path) -> None:
    """X3c: a profile that got another identity is sent."""
    shop = vips(tmp_path)
    shop.day(
        "2026-11-20",
        [person("a", identity_map=identities(Phone=["1"])), person("b", identity_map=identities(Phone=["2"]))],
    )
    today = [person("a", identity_map=identities(Phone=["1", "3"])), person("b", identity_map=identities(Phone=["2"]))]
    assert shop.day("2026-11-21", today) == ["a,a@x.com,realized"]


def test_an_identity_map_in_another_order_sends_nobody(tmp_path: Path) -> None:
    """D1, X3c: the identity map is a set, so neither its order nor a repeated pair includes a profile."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a", identity_map=identities(Phone=["1", "2"]))])
    assert shop.day("2026-11-21", [person("a", identity_map=identities(Phone=["2", "1", "2"]))]) == []


def test_who_was_excluded_is_sent_when_the_reason_is_gone(tmp_path: Path) -> None:
    """X3a, M2: a profile left out for want of a mandatory e-mail is sent on the day it gets one."""
    shop = vips(tmp_path, mapping=["profile_id", {"source": "email", "mandatory": True}, STATUS])
    assert shop.day("2026-11-20", [person("a"), person("b") | {"email": None}]) == ["a,a@x.com,realized"]
    assert shop.day("2026-11-21", [person("a"), person("b") | {"email": None}]) == []
    assert shop.day("2026-11-22", [person("a"), person("b")]) == ["b,b@x.com,realized"]


def test_a_duplicate_is_sent_when_the_winner_leaves_and_the_winners_exit_is_not(tmp_path: Path) -> None:
    """M3, X3a: the loser follows when the winner leaves; the winner's exit is not sent while its key belongs to a
    member.
    """
    shop = vips(tmp_path, deduplicate=["email"])
    assert shop.day("2026-11-20", [person("a", "one@x.com"), person("b", "one@x.com")]) == ["a,one@x.com,realized"]
    assert shop.day("2026-11-21", [person("a", "one@x.com", vip=False), person("b", "one@x.com")]) == [
        "b,one@x.com,realized"
    ]
    assert shop.runs("crm/all")[-1]["excluded_by"] == {"duplicate": 1}
    assert shop.day("2026-11-22", [person("a", "one@x.com", vip=False)]) == ["b,one@x.com,exited"]


def test_an_on_demand_file_changes_no_scheduled_one(tmp_path: Path) -> None:
    """X7: with an on-demand file between two scheduled ones or without it, the scheduled ones hold the same bytes."""

    def sent(shop: Shop, *, asked: bool) -> dict[str, bytes]:
        shop.day("2026-11-20", [person("a"), person("b")])
        shop.profiles("2026-11-20T06", [person("b"), person("c")])
        shop.evaluate("2026-11-20T06:00Z")
        if asked:
            shop.ok("export", "crm/all", "--at", "2026-11-20T07:00Z")
        shop.run("2026-11-21T05:00Z")
        return shop.tree("out")

    plain = sent(vips(tmp_path / "plain"), asked=False)
    asked = sent(vips(tmp_path / "asked"), asked=True)
    assert {name: asked[name] for name in plain} == plain
    assert [name for name in asked if name not in plain and name.endswith(".csv")] == [
        "out/crm/crm_all_20261120T070000Z_on_demand.csv"
    ]


def test_on_demand_has_the_evaluated_values_and_scheduled_the_newest(tmp_path: Path) -> None:
    """X5, X7: an on-demand file carries the values of the evaluated snapshot, a scheduled one those of the newest."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a", "old@x.com")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-20T04", [person("a", "new@x.com")])
    shop.ok("export", "crm/all", "--at", "2026-11-20T05:00Z")
    shop.run("2026-11-20T05:00Z")
    assert shop.lines("crm/crm_all_20261120T050000Z_on_demand.csv") == ["a,old@x.com,realized"]
    assert shop.lines("crm/crm_all_20261120T050000Z.csv") == ["a,new@x.com,realized"]


def test_adding_an_activation_changes_no_byte_of_another_ones_files(tmp_path: Path) -> None:
    """X1: an activation that is added takes nothing from another one and adds nothing to it."""

    def sent(shop: Shop, *more: dict[str, object]) -> dict[str, bytes]:
        shop.day("2026-11-20", [person("a"), person("b")])
        shop.crm(activations=[*more, DAILY])
        shop.day("2026-11-21", [person("b"), person("c")])
        return {
            name: content for name, content in shop.tree("out").items() if "more" not in name and "manifest" not in name
        }

    added = {"audience": "all", "id": "more", "export": "full", "schedule": {"at": "05:00"}}
    assert sent(vips(tmp_path / "two"), added) == sent(vips(tmp_path / "one"))


def test_a_failing_activation_changes_no_byte_of_another_ones_files(tmp_path: Path) -> None:
    """X1: an activation that fails is told of with exit 1, and the others deliver what they would have delivered."""
    for name in ("alone", "beside"):
        shop = vips(tmp_path / name)
        shop.profiles("2026-11-20", [person("a"), person("b")])
        shop.evaluate("2026-11-20T02:00Z")
    shop.destination("bad", mapping=["profile_id"], activations=[DAILY])
    shop.write("out/bad", "a file where the folder should be")
    assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 1
    alone = Shop(tmp_path / "alone")
    alone.run("2026-11-20T05:00Z")
    assert shop.tree("out/crm") == alone.tree("out/crm") != {}


def test_evaluating_twice_at_one_instant_is_evaluating_once(tmp_path: Path) -> None:
    """E6: the second evaluation at an instant changes no membership and sends no after-evaluation export again; it says
    so.
    """
    shop = vips(tmp_path, schedule="after_evaluation")
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    before = shop.tree("out", ".muster/memberships")
    assert "already evaluated at 2026-11-20T02:00:00Z: all" in shop.evaluate("2026-11-20T02:00Z").out
    assert shop.tree("out", ".muster/memberships") == before
    assert len(shop.runs()) == 1


def test_running_twice_in_one_slot_delivers_once(tmp_path: Path) -> None:
    """S6: a slot that succeeded is never delivered again."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a")])
    before = shop.tree("out")
    shop.run("2026-11-20T05:00Z")
    shop.run("2026-11-20T23:59Z")
    assert shop.tree("out") == before
    assert len(shop.runs()) == 1


def test_after_three_missed_slots_there_is_one_run(tmp_path: Path) -> None:
    """S2: of three due slots the newest is run, and the two others are one `superseded` record at the newest of their
    times.
    """
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a")])
    shop.profiles("2026-11-23", [person("a"), person("b")])
    shop.evaluate("2026-11-23T02:00Z")
    shop.run("2026-11-23T10:00Z")
    _, superseded, run = shop.runs()
    assert (superseded["status"], superseded["scheduled_time"], superseded["superseded_count"]) == (
        "superseded",
        "2026-11-22T05:00:00Z",
        2,
    )
    assert (run["status"], run["scheduled_time"]) == ("succeeded", "2026-11-23T05:00:00Z")
    assert shop.sent("crm/all") == ["b,b@x.com,realized"]


def test_after_a_reset_the_next_export_is_a_first_one(tmp_path: Path) -> None:
    """X3, X9: after `baseline reset` the next incremental export holds the desired set, and nobody as exited."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.ok("baseline", "reset", "crm/all")
    assert shop.day("2026-11-21", [person("b"), person("c")]) == ["b,b@x.com,realized", "c,c@x.com,realized"]
    assert [run["first_export"] for run in shop.runs()] == [True, True]


def test_after_the_url_changed_the_next_export_is_a_first_one(tmp_path: Path) -> None:
    """X9: another place holds nothing, so the first export there holds the desired set."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.crm(url="out/elsewhere")
    assert shop.day("2026-11-21", [person("b"), person("c")]) == ["b,b@x.com,realized", "c,c@x.com,realized"]
    assert shop.runs()[-1]["first_export"] is True


def test_after_a_column_was_added_the_next_export_is_no_first_one(tmp_path: Path) -> None:
    """X9: the baseline survives a change of the mapping; the new column comes with those who are sent anyway."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a", name="Ann")])
    shop.crm(mapping=["profile_id", "email", STATUS, "name"])
    assert shop.day("2026-11-21", [person("a", name="Ann"), person("b", name="Bob")]) == ["b,b@x.com,realized,Bob"]
    assert shop.runs()[-1]["first_export"] is False


def test_a_member_whose_mandatory_value_vanished_exits_with_the_value_last_sent(tmp_path: Path) -> None:
    """X12, X3d: a member whose e-mail became null is exited at the receiver with the e-mail that it knows."""
    shop = vips(tmp_path, mapping=[{"source": "email", "mandatory": True}, "points", STATUS])
    shop.day("2026-11-20", [person("a", points=1)])
    assert shop.day("2026-11-21", [person("a", points=2) | {"email": None}, person("b", points=3)]) == [
        "a@x.com,2,exited",
        "b@x.com,3,realized",
    ]


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_an_exit_has_its_key_as_it_was_sent_whatever_type_the_column_has_now(form: str, tmp_path: Path) -> None:
    """X12, M3: `007` and `A9`, sent as text, leave as that though the column is a number now; 7, who stays, is nobody
    else's key. The column is a number again once all who are held by it spell so; and a replay has the same bytes.
    """
    shop = vips(
        tmp_path / "shop",
        mapping=["profile_id", {"source": "phone", "mandatory": True}, STATUS],
        deduplicate=["phone"],
        format=form,
        activations=[DAILY],
    )
    read = {"csv": partial(pl.read_csv, infer_schema=False), "json": pl.read_ndjson, "parquet": pl.read_parquet}[form]

    def day(number: int, *people: tuple[str, object]) -> list[tuple[object, ...]]:
        rows = [{"profile_id": name, "phone": phone, "vip": True} for name, phone in people]
        shop.profiles(f"2026-11-{number}", rows)
        shop.evaluate(f"2026-11-{number}T02:00Z")
        shop.run(f"2026-11-{number}T05:00Z")
        run = next(run for run in shop.runs() if run["scheduled_time"].startswith(f"2026-11-{number}"))
        [file] = [shop.root / file["path"] for file in run["files"]]
        shop.ok("replay", run["run_id"], "--to", str(tmp_path / f"again-{number}"))
        assert (tmp_path / f"again-{number}" / file.name).read_bytes() == file.read_bytes()
        return list(read(file).iter_rows())

    day(20, ("a", "007"), ("b", "7"), ("c", "A9"), ("e", "8"))
    assert day(21, ("a", 70), ("b", 7), ("c", 71), ("d", 9), ("e", 8)) == [("d", "9", "realized")]
    assert day(22, ("b", 7), ("d", 9), ("e", 8)) == [("a", "007", "exited"), ("c", "A9", "exited")]
    number = str if form == "csv" else int
    assert day(23, ("b", 7), ("d", 9), ("f", 11)) == [("e", number(8), "exited"), ("f", number(11), "realized")]


def test_one_source_may_be_two_keys(tmp_path: Path) -> None:
    """X12: a source that is mandatory under two names, and its hash under two, have their values as they were sent,
    each.
    """
    twice = [{"source": "phone", "target": name, "mandatory": True} for name in ("x", "y")]
    hashed = [{"source": "email", "target": name, "mandatory": True, "transform": ["md5"]} for name in ("h", "i")]
    shop = vips(tmp_path, mapping=["profile_id", *twice, *hashed, STATUS])
    [sent] = shop.day("2026-11-20", [person("a", phone="007")])
    assert sent.startswith("a,007,007,")
    assert shop.day("2026-11-21", [person("a", phone=7)]) == []
    assert shop.day("2026-11-22", [person("b", phone=8)])[0] == sent.replace("realized", "exited")


def test_a_wider_list_is_still_a_list(tmp_path: Path) -> None:
    """X12: numbers of more bits and a further field hold what was sent, inside of lists and structs too; text that is
    none does not.
    """
    shop = vips(tmp_path, mapping=["profile_id", {"source": "tags", "mandatory": True}, STATUS], format="json")

    def day(number: int, names: str, tags: pl.Series) -> list[object]:
        shop.profiles(
            f"2026-11-{number}", pl.DataFrame({"profile_id": list(names), "tags": tags, "vip": [True] * len(names)})
        )
        shop.evaluate(f"2026-11-{number}T02:00Z")
        shop.run(f"2026-11-{number}T05:00Z")
        run = next(run for run in shop.runs() if run["scheduled_time"].startswith(f"2026-11-{number}"))
        return [json.loads(line)["tags"] for line in (shop.root / run["files"][0]["path"]).read_text().splitlines()]

    assert day(20, "ab", pl.Series([["007"], ["5"]])) == [["007"], ["5"]]
    assert day(21, "abc", pl.Series([[7], [5], [6]], dtype=pl.List(pl.Int32))) == ["[6]"]
    assert day(22, "c", pl.Series([[6]], dtype=pl.List(pl.Int32))) == ['["007"]', '["5"]']
    assert day(23, "cd", pl.Series([[6], [2**40]], dtype=pl.List(pl.Int64))) == [[2**40]]
    assert day(24, "d", pl.Series([[2**40]], dtype=pl.List(pl.Int64))) == [[6]]


def test_a_made_key_that_gets_another_name_is_the_one_that_was_sent(tmp_path: Path) -> None:
    """X9, X12: a hash whose column is renamed, and whose address changes later, leaves as the hash that was sent."""
    hashed = {"source": "email", "target": "h", "mandatory": True, "transform": ["sha256"]}
    shop = vips(tmp_path, mapping=["profile_id", hashed, STATUS])
    [sent] = shop.day("2026-11-20", [person("a", "old@x.com")])
    shop.crm(mapping=["profile_id", hashed | {"target": "email_sha256"}, STATUS])
    assert shop.day("2026-11-21", [person("a", "new@x.com")]) == []
    assert shop.day("2026-11-22", [person("b")])[0] == sent.replace("realized", "exited")


def test_what_is_no_number_is_no_value(tmp_path: Path) -> None:
    """M2, M3, M7: NaN and infinities, null in the file, are missing in a mandatory column, and equal to
    nobody's key.
    """
    shop = vips(tmp_path, mapping=["profile_id", "points"], deduplicate=["points"])
    rows = [
        person(name, points=points)
        for name, points in zip("abcde", [1.5, math.nan, math.nan, math.inf, math.inf], strict=True)
    ]
    assert shop.day("2026-11-20", rows) == ["a,1.5", "b,", "c,", "d,", "e,"]
    shop.crm(mapping=["profile_id", {"source": "points", "mandatory": True}], file_name="{run_id}")
    shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    [run] = [run for run in shop.runs() if run["trigger"] == "on_demand"]
    assert run["excluded_by"] == {"mandatory:points": 4}


def test_a_deleted_member_exits_with_the_key_last_sent(tmp_path: Path) -> None:
    """X12: a member whose profile was deleted is exited with its key and id; other columns are null."""
    shop = vips(tmp_path, mapping=["profile_id", "email", "points", STATUS], deduplicate=["email"])
    shop.day("2026-11-20", [person("a", points=1), person("b", points=2)])
    assert shop.day("2026-11-21", [person("b", points=2)]) == ["a,a@x.com,,exited"]


def test_an_interrupted_run_is_finished_with_its_own_bytes_before_a_newer_slot(tmp_path: Path) -> None:
    """S6: a run killed after its files became visible is finished first: same names, same bytes, then the slot missed
    since.
    """
    shop = vips(tmp_path, manifest=True)
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    with mock.patch("muster.activation.delivery.protocol.commit", side_effect=KeyboardInterrupt):
        assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 130
    before = shop.tree("out")
    assert [run["status"] for run in shop.runs()] == ["delivering"]
    shop.crm(mapping=["profile_id", STATUS])
    assert shop.day("2026-11-21", [person("a"), person("b")]) == ["b,realized"]
    assert [(run["status"], run["scheduled_time"]) for run in shop.runs()] == [
        ("succeeded", "2026-11-20T05:00:00Z"),
        ("succeeded", "2026-11-21T05:00:00Z"),
    ]
    assert {name: content for name, content in shop.tree("out").items() if name in before} == before


def test_a_feed_that_repeats_its_members_sends_nobody_again(tmp_path: Path) -> None:
    """D4: rows that repeat a membership every day change nothing."""
    shop = vips(tmp_path, audience="feed")
    shop.audience("feed", source="memberships")
    shop.feed([("feed", "a", "realized", "2026-11-19T00:00Z")])
    assert shop.day("2026-11-20", [person("a")], key="crm/feed") == ["a,a@x.com,realized"]
    shop.feed(
        [("feed", "a", "existing", "2026-11-20T12:00Z"), ("feed", "a", "realized", "2026-11-21T01:00Z")], name="next"
    )
    assert shop.day("2026-11-21", key="crm/feed") == []


def test_evaluating_one_audience_alone_leaves_the_exports_of_others_unchanged(tmp_path: Path) -> None:
    """E7: `--audience` leaves the other audiences with their newest evaluation, so their exports hold the same
    bytes.
    """

    def sent(shop: Shop, *, alone: bool) -> dict[str, bytes]:
        shop.audience("other", where="true")
        shop.day("2026-11-20", [person("a")])
        shop.profiles("2026-11-21", [person("a", vip=False), person("b")])
        if alone:
            shop.evaluate("2026-11-21T02:00Z", "--audience", "other")
        shop.run("2026-11-21T05:00Z")
        return shop.tree("out")

    alone, plain = sent(vips(tmp_path / "alone"), alone=True), sent(vips(tmp_path / "plain"), alone=False)
    assert alone == plain
