"""SPEC 4: who is in an audience, and since when. Each docstring is the rule; the memberships that must come out are
written by hand.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import polars as pl
import pytest
from support.shop import SINCE, STATUS, Result, Shop, at, person

DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}


def vips(root: Path, **settings: Any) -> Shop:
    """A shop whose one audience are the profiles with `vip`; no destination."""
    shop = Shop(root, **settings)
    shop.audience("all", where="vip")
    return shop


def evaluated(shop: Shop) -> list[str]:
    """The instants of all evaluations, newest first."""
    return [each["evaluated_at"] for each in shop.ok("evaluations", "list", "--json").json]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Set the machine's zone."""

    def change(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield change
    monkeypatch.undo()
    time.tzset()


# E1


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T02:00:00Z", "2026-11-20T02:00:00Z"),
        ("2026-11-20T03:30:00+02:00", "2026-11-20T01:30:00Z"),
        ("2026-11-20T03:00", "2026-11-20T02:00:00Z"),
        ("2026-11-20", "2026-11-19T23:00:00Z"),
        ("2026-11-20T02:00:00.999Z", "2026-11-20T02:00:00Z"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
    ],
    ids=["UTC", "with offset", "naive", "a day", "cut to seconds", "the first of two"],
)
def test_the_instant_is_given_as_iso_8601(tmp_path: Path, text: str, instant: str) -> None:
    """E1: `--at` is ISO 8601; naive is local time in the workspace's zone, the first of two at a clock change; cut to
    whole seconds.
    """
    shop = vips(tmp_path, timezone="Europe/Berlin")
    shop.profiles("2026-01-01", [person("a")])
    shop.evaluate(text)
    assert evaluated(shop) == [instant]


@pytest.mark.parametrize(
    "text", ["2026-03-29T02:30", "yesterday", "2026-02-30T00:00Z"], ids=["in a gap", "no time", "no such day"]
)
def test_an_instant_that_does_not_exist_is_refused(tmp_path: Path, text: str) -> None:
    """E1: a local time that the clocks jump over, and what is no time at all, are exit 2; nothing is written."""
    shop = vips(tmp_path, timezone="Europe/Berlin")
    shop.profiles("2026-01-01", [person("a")])
    before = shop.tree()
    assert shop.muster("evaluate", "--at", text).code == 2
    assert shop.tree() == before


def test_the_instant_is_now_unless_given(tmp_path: Path) -> None:
    """E1: without `--at` the instant is the machine's clock."""
    shop = vips(tmp_path)
    shop.profiles("2026-01-01", [person("a")])
    with mock.patch("muster.cli.process.clock.now", return_value=at("2026-11-20T02:00:07Z")):
        shop.ok("evaluate")
    assert evaluated(shop) == ["2026-11-20T02:00:07Z"]


def test_the_same_inputs_give_the_same_bytes_whatever_the_machines_clock_and_zone(tmp_path: Path, zone: Any) -> None:
    """E1: no rule reads the machine's clock or zone: files, manifests, memberships and baselines are the same bytes."""

    def work(root: Path, clock: list[str]) -> dict[str, bytes]:
        shop = vips(root, timezone="Europe/Berlin")
        shop.audience("recent", where="CAST(joined AS DATE) = CURRENT_DATE OR joined > now()")
        activations = [
            DAILY,
            DAILY | {"id": "parts", "export": "full", "file_name": "{activation}", "max_rows_per_file": 1},
            DAILY | {"audience": "recent"},
        ]
        shop.crm(activations=activations, mapping=["profile_id", "email", "joined", STATUS, SINCE])
        for day, now in zip((20, 21, 22), clock, strict=True):
            people = [person(each, joined=datetime(2026, 11, day, 12)) for each in "abc"[: day - 19 if day < 22 else 1]]  # noqa: DTZ001  # naive is the case
            with mock.patch("muster.cli.process.clock.now", return_value=at(now)):
                shop.day(f"2026-11-{day}", people)
        return shop.tree("out", ".muster/memberships", ".muster/baselines")

    zone("Pacific/Kiritimati")
    one = work(tmp_path / "one", ["2026-11-20T09:00Z", "2026-11-21T09:00Z", "2026-11-22T09:00Z"])
    zone("America/Los_Angeles")
    other = work(tmp_path / "other", ["2031-01-03T00:00Z", "2031-01-02T00:00Z", "2031-01-01T00:00Z"])
    assert one == other


def test_an_instant_far_ahead_is_warned_of(tmp_path: Path) -> None:
    """E1: more than a day ahead of the machine's clock is warned of; the warning changes no result."""
    shop = vips(tmp_path)
    shop.profiles("2026-01-01", [person("a")])
    with mock.patch("muster.cli.process.clock.now", return_value=at("2026-11-20T02:00Z")):
        assert "ahead of this machine's clock" not in shop.evaluate("2026-11-21T02:00Z").err
        assert "ahead of this machine's clock" in shop.evaluate("2026-11-21T02:01Z").err
    assert evaluated(shop) == ["2026-11-21T02:01:00Z", "2026-11-21T02:00:00Z"]


# E3


def events(*rows: tuple[Any, str]) -> list[dict[str, Any]]:
    return [{"profile_id": profile, "timestamp": at(moment)} for profile, moment in rows]


def test_a_window_holds_both_its_ends(tmp_path: Path) -> None:
    """E3: `within: 1d` keeps events with `at - 1d <= timestamp <= at`."""
    shop = Shop(tmp_path)
    shop.audience("all", events={"n": {"measure": "count", "within": "1d"}}, where="n = 1")
    shop.profiles("2026-11-20", [person(each) for each in "abcd"])
    shop.events(
        events(
            ("a", "2026-11-19T01:59:59.999999Z"),
            ("b", "2026-11-19T02:00:00Z"),
            ("c", "2026-11-20T02:00:00Z"),
            ("d", "2026-11-20T02:00:01Z"),
        )
    )
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships()) == ["b", "c"]


def test_a_window_without_length_holds_the_instant(tmp_path: Path) -> None:
    """E3: ``within: 0d`` keeps the events of the instant itself; ``audiences show --json`` tells such a window from
    none.
    """
    shop = Shop(tmp_path)
    shop.profiles("2026-11-20", [person("a"), person("b")])
    times = {"a": at("2026-11-20T02:00Z"), "b": at("2026-11-20T01:59:59Z")}
    shop.events([{"profile_id": who, "timestamp": when} for who, when in times.items()])
    shop.audience("all", where="now_or_never > 0", events={"now_or_never": {"measure": "count", "within": "0d"}})
    shop.evaluate("2026-11-20T02:00Z")
    assert shop.memberships() == {"a": "realized 2026-11-20T02:00:00Z"}
    assert shop.ok("audiences", "show", "all", "--json").json["events"]["now_or_never"]["within_seconds"] == 0


def test_without_a_window_everything_up_to_the_instant_counts(tmp_path: Path) -> None:
    """E3: without `within` all events up to `at` count, however old."""
    shop = Shop(tmp_path)
    shop.audience("all", events={"n": {"measure": "count"}}, where="n = 2")
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.events(
        events(
            ("a", "1999-01-01T00:00Z"),
            ("a", "2026-11-20T02:00Z"),
            ("b", "2026-11-20T02:00Z"),
            ("b", "2026-11-20T02:00:01Z"),
        )
    )
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships()) == ["a"]


def test_no_events_are_0_or_null(tmp_path: Path) -> None:
    """E3: with no events counts and sums are 0, all other measures are null."""
    shop = Shop(tmp_path)
    measures = {
        "n": "count",
        "kinds": "count_distinct(amount)",
        "total": "sum(amount)",
        "least": "min(amount)",
        "newest": "last(amount)",
    }
    shop.audience(
        "all",
        events={name: {"measure": measure} for name, measure in measures.items()},
        where="n = 0 AND kinds = 0 AND total = 0 AND least IS NULL AND newest IS NULL",
    )
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.events([{"profile_id": "b", "timestamp": at("2026-11-20T01:00Z"), "amount": 0}])
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships()) == ["a"]


# E4


def test_audiences_refer_to_each_other_in_any_order(tmp_path: Path) -> None:
    """E4: a rule may refer to audiences that are defined after it, and to feed audiences."""
    shop = Shop(tmp_path)
    shop.audience("a-first", where='audience.last AND NOT audience."m-fed"')
    shop.audience("last", where="audience.zz OR vip")
    shop.audience("zz", where="profile_id = 'z'")
    shop.audience("m-fed", source="memberships")
    shop.feed([("m-fed", "b", "realized", "2026-11-19T00:00Z")])
    shop.profiles("2026-11-20", [person("a"), person("b"), person("c", vip=False), person("z", vip=False)])
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships("a-first")) == ["a", "z"]


def test_a_cycle_of_audiences_is_named(tmp_path: Path) -> None:
    """E4: audiences that refer to each other in a ring are a config error that names the ring."""
    shop = Shop(tmp_path)
    for name, other in (("one", "two"), ("two", "three"), ("three", "one")):
        shop.audience(name, where=f"audience.{other}")
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 2
    assert all(name in result.err for name in ("one", "two", "three"))


# E5


def test_memberships_move_with_their_times(tmp_path: Path) -> None:
    """E5: qualifies: realized at `at`; still does: unchanged; no longer or gone: exited at `at`; then unchanged until
    it is back.
    """
    shop = vips(tmp_path)
    states = {20: True, 21: True, 22: False, 23: False, 24: True, 25: None}
    seen = []
    for day, vip in states.items():
        shop.profiles(
            f"2026-11-{day}", [person("other", vip=False), *([person("a", vip=vip)] if vip is not None else [])]
        )
        shop.evaluate(f"2026-11-{day}T02:00Z")
        seen.append(shop.memberships()["a"])
    assert seen == [
        "realized 2026-11-20T02:00:00Z",
        "realized 2026-11-20T02:00:00Z",
        "exited 2026-11-22T02:00:00Z",
        "exited 2026-11-22T02:00:00Z",
        "realized 2026-11-24T02:00:00Z",
        "exited 2026-11-25T02:00:00Z",
    ]


def test_who_never_qualified_has_no_membership(tmp_path: Path) -> None:
    """E5: exited is who was realized; null is not a match."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a"), person("b", vip=False), person("c", vip=None)])
    shop.evaluate("2026-11-20T02:00Z")
    assert shop.memberships() == {"a": "realized 2026-11-20T02:00:00Z"}


def test_exited_memberships_are_kept_for_a_while(tmp_path: Path) -> None:
    """E5: exited memberships are kept `keep_exited`."""
    shop = vips(tmp_path, evaluation={"keep_exited": "2d"})
    for day, vip in ((20, True), (21, False), (23, False)):
        shop.profiles(f"2026-11-{day}", [person("a", vip=vip)])
        shop.evaluate(f"2026-11-{day}T02:00Z")
    assert shop.memberships() == {"a": "exited 2026-11-21T02:00:00Z"}
    shop.evaluate("2026-11-23T02:00:01Z")
    assert shop.memberships() == {}


@pytest.mark.parametrize("absent", [False, True], ids=["present", "absent for a while"])
def test_exited_memberships_are_kept_while_a_delivered_set_holds_the_profile(tmp_path: Path, absent: bool) -> None:
    """E5, X9: an exit that an activation has still to tell is kept past `keep_exited`, also while the activation is
    absent.
    """
    shop = vips(tmp_path, evaluation={"keep_exited": "1d"})
    monthly = [DAILY | {"schedule": {"cron": "0 5 20 * *"}}]
    shop.crm(mapping=["profile_id", STATUS, SINCE], activations=monthly)
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.crm(mapping=["profile_id", STATUS, SINCE], activations=[] if absent else monthly)
    shop.profiles("2026-11-21", [person("a", vip=False), person("b")])
    for day in ("21", "25", "30"):
        shop.evaluate(f"2026-11-{day}T02:00Z")
    shop.crm(mapping=["profile_id", STATUS, SINCE], activations=monthly)
    shop.run("2026-12-01T00:00Z")
    assert shop.day("2026-12-20") == ["a,exited,2026-11-21T02:00:00Z"]
    assert "a" in shop.memberships()
    shop.evaluate("2026-12-21T02:00Z")
    assert "a" not in shop.memberships()


def test_an_audience_that_returns_goes_on_from_its_last_memberships(tmp_path: Path) -> None:
    """E5: an audience taken out of the config keeps its memberships; evaluated again, they go on from there."""
    shop = vips(tmp_path)
    shop.audience("other", where="true")
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.evaluate("2026-11-20T02:00Z")
    (tmp_path / "audiences/all.yml").rename(tmp_path / "all.yml")
    shop.evaluate("2026-11-21T02:00Z")
    (tmp_path / "all.yml").rename(tmp_path / "audiences/all.yml")
    shop.profiles("2026-11-22", [person("a"), person("c")])
    shop.evaluate("2026-11-22T02:00Z")
    assert shop.memberships() == {
        "a": "realized 2026-11-20T02:00:00Z",
        "b": "exited 2026-11-22T02:00:00Z",
        "c": "realized 2026-11-22T02:00:00Z",
    }


# E6


def test_an_evaluation_before_the_newest_is_refused(tmp_path: Path) -> None:
    """E6: evaluating before an audience's newest evaluation is exit 2, says which, and changes nothing."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    before = shop.tree()
    result = shop.muster("evaluate", "--at", "2026-11-20T01:59:59Z")
    assert (result.code, shop.tree()) == (2, before)
    assert "its latest evaluation is 2026-11-20T02:00:00Z" in result.err


def test_evaluations_are_ordered_per_audience(tmp_path: Path) -> None:
    """E6: an audience may be evaluated before the newest evaluation of another one."""
    shop = vips(tmp_path)
    shop.audience("other", where="true")
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T04:00Z", "--audience", "other")
    shop.evaluate("2026-11-20T02:00Z", "--audience", "all")
    assert shop.memberships() == {"a": "realized 2026-11-20T02:00:00Z"}


def again(shop: Shop, *arguments: str) -> Result:
    return shop.evaluate("2026-11-20T02:00Z", *arguments)


def test_evaluating_again_at_the_newest_instant_adds_the_audiences_that_it_lacks(tmp_path: Path) -> None:
    """E6: only audiences that the evaluation lacks are evaluated, and the command says which it has."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a"), person("b", vip=False)])
    again(shop)
    shop.audience("new", where="NOT audience.all")
    shop.audience("all", where="false")
    result = again(shop)
    assert "already evaluated at 2026-11-20T02:00:00Z: all" in result.out
    assert shop.memberships() == {"a": "realized 2026-11-20T02:00:00Z"}
    assert shop.memberships("new") == {"b": "realized 2026-11-20T02:00:00Z"}


def test_evaluating_again_says_what_changed_since(tmp_path: Path) -> None:
    """E6: it says which snapshot or rule changed since, and neither is taken."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    again(shop)
    assert "changed since" not in again(shop).out
    shop.audience("all", where="true")
    assert "the rule changed since: all" in again(shop).out
    shop.audience("all", where="vip")
    shop.profiles("2026-11-20T01", [person("a"), person("b")])
    assert "the snapshot changed since: it is data/profiles/2026-11-20T01 now" in again(shop).out
    assert list(shop.memberships()) == ["a"]


def test_replace_evaluates_again_what_no_run_has_used(tmp_path: Path) -> None:
    """E6: `--replace` evaluates again at the newest instant, from the memberships before it."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-19", [person("a")])
    shop.evaluate("2026-11-19T02:00Z")
    shop.profiles("2026-11-20", [person("b")])
    again(shop)
    shop.profiles("2026-11-20", [person("a"), person("c")])
    again(shop, "--replace")
    assert shop.memberships() == {"a": "realized 2026-11-19T02:00:00Z", "c": "realized 2026-11-20T02:00:00Z"}
    assert evaluated(shop) == ["2026-11-20T02:00:00Z", "2026-11-19T02:00:00Z"]


def test_replace_reads_the_feed_again_for_audiences_that_refer_to_it(tmp_path: Path) -> None:
    """E6, E4: a rule that refers to a feed audience sees the feed as it is now, as that audience itself does."""
    shop = Shop(tmp_path)
    shop.audience("fed", source="memberships")
    shop.audience("all", where="audience.fed")
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.feed([("fed", "a", "realized", "2026-11-19T00:00Z")])
    again(shop)
    shop.feed([("fed", "b", "realized", "2026-11-19T00:00Z")])
    again(shop, "--replace")
    assert shop.memberships() == {"b": "realized 2026-11-20T02:00:00Z"}


def test_replace_is_refused_once_a_run_has_used_the_evaluation(tmp_path: Path) -> None:
    """E6: what a run has delivered stays as it was; exit 2 names the run."""
    shop = vips(tmp_path)
    shop.crm()
    shop.day("2026-11-20", [person("a")])
    before = shop.tree()
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z", "--replace")
    assert (result.code, shop.tree()) == (2, before)
    assert shop.runs()[0]["run_id"] in result.err


def test_forget_is_the_way_out_after_a_mistyped_instant(tmp_path: Path) -> None:
    """E6: `evaluations forget --after T` takes out the evaluations after it, and the next one goes on from those
    before.
    """
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.evaluate("2062-11-21T02:00Z")
    assert shop.muster("evaluate", "--at", "2026-11-21T02:00Z").code == 2
    shop.ok("evaluations", "forget", "--after", "2026-11-20T02:00Z")
    assert evaluated(shop) == ["2026-11-20T02:00:00Z"]
    shop.evaluate("2026-11-21T02:00Z")
    assert shop.memberships() == {"a": "realized 2026-11-20T02:00:00Z"}


def test_forget_spares_what_a_run_has_used(tmp_path: Path) -> None:
    """E6: an evaluation that a run has used is not forgotten: exit 2, and nothing changes."""
    shop = vips(tmp_path)
    shop.crm()
    shop.day("2026-11-20", [person("a")])
    shop.evaluate("2026-11-21T02:00Z")
    before = shop.tree()
    assert shop.muster("evaluations", "forget", "--after", "2026-11-19T00:00Z").code == 2
    assert shop.tree() == before


# E7


def test_an_evaluation_can_be_limited_to_some_audiences(tmp_path: Path) -> None:
    """E7: `--audience` evaluates those named and those that they refer to; the others keep their newest evaluation."""
    shop = vips(tmp_path)
    shop.audience("derived", where="audience.all")
    shop.audience("other", where="true")
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.evaluate("2026-11-21T02:00Z", "--audience", "derived")
    times = {each["id"]: each["evaluated_at"] for each in shop.ok("audiences", "list", "--json").json}
    assert times == {"all": "2026-11-21T02:00:00Z", "derived": "2026-11-21T02:00:00Z", "other": "2026-11-20T02:00:00Z"}


def test_an_unknown_audience_is_refused_by_name(tmp_path: Path) -> None:
    """E7, SPEC 10: an audience that does not exist is exit 2 with the nearest name."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    result = shop.muster("evaluate", "--audience", "al", "--at", "2026-11-20T02:00Z")
    assert result.code == 2
    assert "did you mean 'all'?" in result.err


# E8


def test_memberships_are_readable_by_any_parquet_tool(tmp_path: Path) -> None:
    """E8: DuckDB and Polars read who is in an audience with one line each."""
    shop = vips(tmp_path)
    for day, people in ((20, "ab"), (21, "bc")):
        shop.profiles(f"2026-11-{day}", [person(each) for each in people])
        shop.evaluate(f"2026-11-{day}T02:00Z")
    file, time = f"{tmp_path}/.muster/memberships/20261121T020000Z.parquet", "last_qualification_time:all"
    assert duckdb.sql(f"""SELECT profile_id FROM '{file}' WHERE "realized:all" ORDER BY ALL""").fetchall() == [
        ("b",),
        ("c",),
    ]
    assert pl.read_parquet(file).select("profile_id", "realized:all", time).rows() == [
        ("a", False, at("2026-11-21T02:00Z")),
        ("b", True, at("2026-11-20T02:00Z")),
        ("c", True, at("2026-11-21T02:00Z")),
    ]


def test_an_evaluation_records_the_files_it_used(tmp_path: Path) -> None:
    """E8: snapshot, event and feed files with name, size and a checksum of their footers, for the audiences that used
    them.
    """
    shop = vips(tmp_path)
    shop.audience("busy", events={"n": {"measure": "count"}}, where="n > 0")
    shop.audience("fed", source="memberships")
    shop.profiles("2026-11-20", [person("a")])
    shop.profiles("2026-11-20", [person("b")], part="part-1")
    shop.events(events(("a", "2026-11-19T00:00Z")))
    shop.feed([("fed", "a", "realized", "2026-11-19T00:00Z")])
    shop.evaluate("2026-11-20T02:00Z")
    with closing(sqlite3.connect(tmp_path / ".muster/ledger.sqlite")) as ledger, ledger:
        query = "SELECT audience, content FROM evaluations JOIN inputs ON digest = inputs"
        used = {audience: json.loads(content) for audience, content in ledger.execute(query)}
    snapshot = used["all"]["snapshot"]["files"]
    assert [each["name"] for each in snapshot] == [
        "data/profiles/2026-11-20/part-0.parquet",
        "data/profiles/2026-11-20/part-1.parquet",
    ]
    assert [each["size"] for each in snapshot] == [(tmp_path / each["name"]).stat().st_size for each in snapshot]
    assert len({each["footer"] for each in snapshot}) == 2
    names = {
        audience: [each["name"] for each in (*inputs["events"], *inputs["memberships"])]
        for audience, inputs in used.items()
    }
    assert names == {"all": [], "busy": ["data/events/events.parquet"], "fed": ["data/memberships/feed.parquet"]}
