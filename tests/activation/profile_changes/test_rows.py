"""Delivered rows: what answers, a changed mapping and waiting make of them (V2, V4, V7, V10)."""

from pathlib import Path

from support.tellings import Answers, Entry
from support.told_shop import LIST, PROFILE, ToldShop, customer

AT = "2026-11-{}T{:02}:00Z"


def answering(**outcomes: str) -> Answers:
    """Entries of these profiles are answered so; all others are accepted."""
    return lambda entry: outcomes.get(entry["profile_id"], "accepted")


def test_what_no_answer_settled_is_sent_again(tmp_path: Path) -> None:
    """V2: what may have been sent counts as sent beside what was, until an answer settles it: a profile that may have
    been told as realized exits until that is accepted, whatever the row says; one with nothing new is sent again.
    """
    shop = ToldShop(tmp_path, PROFILE)
    shop.day(20, customer("a"), customer("b"), customer("c"))
    shop.run(AT.format(20, 3), answering(a="uncertain", b="uncertain"))
    assert shop.rows()["a"]["maybe_status:0"] is True
    assert "status:0" not in shop.rows()["a"]
    shop.day(21, customer("a", vip=False, city="Rome"), customer("b"), customer("c", vip=False))
    told = shop.run(AT.format(21, 3), answering(a="uncertain", b="unsent", c="uncertain"))
    assert told.people["a"] == {"trigger": "membership", "vips": (False, "21.02"), "locals": (False, "21.02")}
    assert [*told.people] == ["a", "b", "c"]
    assert (told.counts.exported, told.rejects) == (2, {"b": "unsent"})
    again = shop.run(AT.format(21, 4))
    assert again.people == {
        "a": {"trigger": "membership", "vips": (False, "21.02"), "locals": (False, "21.02")},
        "b": {"trigger": "membership", "vips": (True, "20.02"), "locals": (True, "20.02")},
        "c": {"trigger": "membership", "vips": (False, "21.02"), "locals": (True, "20.02")},
    }
    assert [*shop.rows()] == ["b", "c"]
    assert not any(name.startswith("maybe") for row in shop.rows().values() for name in row)
    assert shop.run(AT.format(21, 5)).after is None


def test_dead_letters(tmp_path: Path) -> None:
    """V10: a refused profile keeps its old row, is offered again by as many runs as `dead_letter` says, and goes last;
    then only if it changes, or the request does, or somebody asks. An exit is never given up.
    """
    shop = ToldShop(tmp_path, PROFILE, dead_letter={"after": 2})
    shop.day(20, customer("a"), customer("b"))
    refused = answering(a="refused 422")
    first = shop.run(AT.format(20, 3), refused)
    assert (first.rejects, first.counts.by_trigger) == ({"a": "refused:422"}, {"membership": 1})
    assert shop.run(AT.format(20, 4), refused).changes.people["was_refused"].to_list() == [True]
    for hour in (5, 6):
        idle = shop.run(AT.format(20, hour), refused)
        assert (idle.people, idle.counts.received, idle.rejects) == ({}, 1, {"a": "refused:422"})
    shop.shop.profiles("2026-11-20T08", [customer("a", email="new@x"), customer("b")])
    assert [*shop.run(AT.format(20, 8), refused).people] == ["a"]
    assert shop.run(AT.format(20, 9), refused).people == {}
    shop.configure(headers={"X-Mode": "new"})
    assert [*shop.run(AT.format(20, 10)).people] == ["a"]
    assert "tries" not in shop.rows()["a"]
    shop.day(21, customer("a", vip=False, city="Rome"), customer("b"))
    for hour in range(3, 7):
        told = shop.run(AT.format(21, hour), refused)
        assert told.after is not None
        assert (told.after.refused_exits, shop.rows()["a"]["tries"]) == (1, hour - 2)


def test_a_mapping_that_changed_resends_nobody(tmp_path: Path) -> None:
    """V4: in the first run after it other values count as sent, mandatory ones that are made otherwise are sent; a
    warning counts both. What could not be sent then is still owed.
    """
    town = {"source": "city", "target": "town"}
    mail = {"source": "email", "target": "mail", "mandatory": True}
    shop = ToldShop(tmp_path, PROFILE, mapping=[mail, town])
    shop.day(20, customer("a", email="a@x"), customer("b", email="B@X"))
    shop.run(AT.format(20, 3))
    shop.shop.profiles("2026-11-20T04", [customer("a", email="a@x", city="Bergen"), customer("b", email="B@X")])
    shop.configure(mapping=[mail | {"transform": ["upper"]}, town | {"transform": ["lower"]}])
    told = shop.run(AT.format(20, 5), answering(a="unsent"))
    assert told.triggers == {"a": "attributes"}
    assert "values of 1 delivered profile count as sent; 1 sent anew" in told.warnings[0]
    assert (shop.run(AT.format(20, 6)).triggers, shop.run(AT.format(20, 7)).after) == ({"a": "attributes"}, None)
    shop.configure(mapping=[mail | {"transform": ["upper"]}, town], on_mapping_change="resend")
    assert [*shop.run(AT.format(20, 8), answering(b="unsent")).triggers] == ["a", "b"]
    assert [*shop.run(AT.format(20, 9)).triggers] == ["b"]


def test_changes_wait_for_others(tmp_path: Path) -> None:
    """V7: a change waits from when it was first seen, is forgotten when it is undone, and holds no exit back."""
    aggregation = {"configurable": {"max_profiles": 3, "max_age": "2h"}}
    shop = ToldShop(tmp_path, PROFILE, aggregation=aggregation)
    people = [customer(each) for each in "abcd"]
    shop.day(20, *people)
    first = shop.run(AT.format(20, 3))
    assert (first.rejects, first.counts.exported) == ({"d": "waiting"}, 3)
    assert shop.run(AT.format(20, 4)).entries == []
    assert [each["profile_id"] for each in shop.run(AT.format(20, 5)).entries] == ["d"]
    shop.day(21, customer("a", email="new@x"), *people[1:3], customer("d", vip=False, city="Rome"))
    told = shop.run(AT.format(21, 3))
    assert ([each["profile_id"] for each in told.entries], told.rejects) == (["d"], {"a": "waiting"})
    shop.day(22, *people[:3])
    shop.run(AT.format(22, 3))
    assert "pending_since" not in shop.rows()["a"]
    shop.day(23, customer("a", email="new@x"), *people[1:3])
    assert (shop.run(AT.format(23, 3)).entries, shop.rows()["a"]["pending_since"].day) == ([], 23)


def test_each_audience_moves_by_its_own_entries(tmp_path: Path) -> None:
    """V2, M5: where entries are about one audience and identity, an accepted one moves that; the rest is still due."""
    shop = ToldShop(tmp_path, LIST)
    shop.day(20, customer("a", "a1@x", "a2@x"))

    def answer(entry: Entry) -> str:
        if entry["audience"] == "v":
            return "accepted"
        return "refused 400" if entry["identifiers"] == ["a2@x"] else "uncertain"

    assert shop.run(AT.format(20, 3), answer).rejects == {"a": "refused:400"}
    row = shop.rows()["a"]
    assert (row["status:0"], row["held:0"], row["tries"]) == (True, ["a1@x", "a2@x"], 1)
    assert ("status:1" in row, row["maybe_status:1"], row["maybe_held:1"]) == (False, True, ["a1@x"])
    again = shop.run(AT.format(20, 4))
    assert [(each["audience"], each["identifiers"]) for each in again.entries] == [("l", ["a1@x"]), ("l", ["a2@x"])]
    assert {"held:0": ["a1@x", "a2@x"], "held:1": ["a1@x", "a2@x"]}.items() <= shop.rows()["a"].items()
