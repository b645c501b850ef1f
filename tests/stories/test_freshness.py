"""Freshness (D2): how old inputs are, which are too old, and entries beside the snapshots that nobody reads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import Shop, at, person

VIEWS = {"views": {"measure": "count"}}


def shop_of(folder: Path, *, max_age: str | None = "36h") -> Shop:
    """A workspace that exports everybody at 05:00 from the snapshot of 20 November."""
    shop = Shop(folder)
    limits = {"max_age": max_age} if max_age else {}
    shop.set(profiles={"path": "data/profiles", **limits}, evaluation={"schedule": {"at": "02:00"}})
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.audience("all", where="true")
    shop.crm()
    return shop


def happened(*times: str) -> pl.DataFrame:
    """Events of profile a at these times."""
    return pl.DataFrame({"profile_id": ["a"] * len(times), "timestamp": [at(each) for each in times]})


# Snapshots


def test_a_snapshot_of_exactly_the_age_is_accepted_and_an_older_one_refused(tmp_path: Path) -> None:
    """D2: a snapshot older than max_age is refused, exit 2, with its age and the limit; of just that age it is not."""
    shop = shop_of(tmp_path)
    assert shop.run("2026-11-21T12:00:00Z").code == 0
    shop.audience("more", where="true")
    refused = shop.muster("evaluate", "--at", "2026-11-21T12:00:01Z")
    assert refused.code == 2
    assert "data/profiles/2026-11-20" in refused.err
    assert "36 h 1 s old" in refused.err
    assert "profiles.max_age in muster.yml allows 36 h" in refused.err


def test_dates_are_local_times_of_the_workspace(tmp_path: Path) -> None:
    """D2: a date stands for that local time in the workspace's zone, also when its age is counted."""
    shop = shop_of(tmp_path, max_age="2h")
    shop.set(timezone="America/New_York")  # the date begins at 05:00 UTC
    assert shop.muster("evaluate", "--at", "2026-11-20T07:00:00Z").code == 0
    assert shop.muster("evaluate", "--at", "2026-11-20T07:00:01Z").code == 2


@pytest.mark.parametrize("command", ["run", "evaluate", "plan", "validate"])
def test_an_undated_snapshot_has_no_age(tmp_path: Path, command: str) -> None:
    """D2: max_age with an undated snapshot is an input error."""
    shop = Shop(tmp_path)
    shop.set(profiles={"path": "data/profiles", "max_age": "1d"}, evaluation={"schedule": {"at": "02:00"}})
    shop.parquet("data/profiles/all.parquet", [person("a")])
    shop.audience("all", where="true")
    shop.crm()
    refused = shop.muster(command, "--at", "2026-11-20T06:00Z")
    assert refused.code == 2
    assert "an undated profile snapshot has no age" in refused.err


def test_a_stale_snapshot_is_judged_only_when_something_is_due(tmp_path: Path) -> None:
    """D2: snapshots are judged by evaluations and exports, only when one is due."""
    shop = shop_of(tmp_path)
    shop.ok("run", "--at", "2026-11-21T06:00Z")
    shop.set(evaluation={"schedule": {"cron": "0 2 1 1 *"}})
    shop.crm(schedule={"at": "05:00", "end": "2026-11-22"})
    assert shop.muster("run", "--at", "2026-12-20T06:00Z").code == 0
    assert shop.muster("plan", "--at", "2026-12-20T06:00Z").code == 0


def test_a_request_on_demand_is_not_judged(tmp_path: Path) -> None:
    """D2, X7: an export on demand uses the evaluation's snapshot however old that is, and the run says how old."""
    shop = shop_of(tmp_path)
    shop.ok("run", "--at", "2026-11-21T06:00Z")
    shop.ok("export", "crm/all", "--at", "2026-12-20T00:00Z")
    newest = shop.runs()[-1]
    assert newest["trigger"] == "on_demand"
    assert newest["ages"] == {"profiles": 30 * 86400}


def test_an_export_without_an_evaluation_is_judged(tmp_path: Path) -> None:
    """D2: a scheduled export refuses a stale snapshot too; its slot stays due until a newer one is there."""
    shop = shop_of(tmp_path)
    shop.set(evaluation={})
    shop.ok("evaluate", "--at", "2026-11-20T02:00Z")
    assert shop.muster("run", "--at", "2026-11-23T06:00Z").code == 2
    assert not shop.runs()
    shop.profiles("2026-11-23", [person("a"), person("b")])
    shop.ok("run", "--at", "2026-11-23T06:00Z")
    assert shop.runs()[-1]["status"] == "succeeded"


def test_an_interrupted_run_is_finished_before_the_snapshot_is_judged(tmp_path: Path) -> None:
    """D2: after unfinished runs were finished."""
    shop = shop_of(tmp_path)
    shop.ok("run", "--at", "2026-11-20T06:00Z")
    [file] = (tmp_path / "out/crm").glob("*.csv")
    _deliver_again(shop, file)
    refused = shop.muster("run", "--at", "2026-11-25T06:00Z")
    assert refused.code != 0
    assert "old" in refused.err
    assert [run["status"] for run in shop.runs() if run["scheduled_time"] == "2026-11-20T05:00:00Z"] == ["succeeded"]


def _deliver_again(shop: Shop, file: Path) -> None:
    """Put the only run back into the state between its commit and its end, as a kill leaves it."""
    import sqlite3  # noqa: PLC0415

    [ledger] = (shop.root / ".muster").glob("*.sqlite*")
    with sqlite3.connect(ledger) as database:
        database.execute("UPDATE runs SET status = 'delivering' WHERE activation = 'all'")
    assert file.exists()


# Events and feeds


def test_stale_events_fail_the_audiences_that_use_them(tmp_path: Path) -> None:
    """D2, E9: events are as old as the newest not after the instant; the message has its time, age and limit."""
    shop = shop_of(tmp_path, max_age=None)
    shop.events(happened("2026-11-18T00:00Z", "2026-11-19T12:00Z", "2026-11-29T00:00Z"))
    shop.set(events={"path": "data/events", "max_age": "12h"})
    shop.audience("viewers", events=VIEWS, where="views > 0")
    assert shop.muster("evaluate", "--at", "2026-11-20T00:00:00Z").code == 0
    refused = shop.muster("evaluate", "--at", "2026-11-20T00:00:01Z")
    assert refused.code != 0
    assert "data/events: the newest event at or before 2026-11-20T00:00:01Z is of 2026-11-19T12:00:00Z" in refused.err
    assert "12 h 1 s old, and events.max_age in muster.yml allows 12 h" in refused.err


def test_events_that_are_all_later_are_not_fresh(tmp_path: Path) -> None:
    """D2: later events do not exist, so that with max_age none at or before the instant is as bad as a stale one."""
    shop = shop_of(tmp_path, max_age=None)
    shop.events(happened("2026-11-29T00:00Z"))
    shop.set(events={"path": "data/events", "max_age": "12h"})
    shop.audience("viewers", events=VIEWS, where="views > 0")
    refused = shop.muster("evaluate", "--at", "2026-11-20T00:00Z")
    assert refused.code != 0
    assert "no event has a time at or before 2026-11-20T00:00:00Z" in refused.err


def test_exports_do_not_judge_events(tmp_path: Path) -> None:
    """D2: events are judged by evaluations alone; a run's record has their age as of its evaluation."""
    shop = shop_of(tmp_path, max_age=None)
    shop.set(evaluation={})
    shop.events(happened("2026-11-19T12:00Z"))
    shop.set(events={"path": "data/events", "max_age": "1d"})
    shop.audience("viewers", events=VIEWS, where="views > 0")
    shop.crm(audience="viewers")
    shop.ok("evaluate", "--at", "2026-11-20T00:00Z")
    shop.ok("run", "--at", "2026-11-25T06:00Z")
    assert shop.runs()[-1]["ages"] == {"profiles": 5 * 86400 + 6 * 3600, "events": 12 * 3600}


def test_a_stale_feed_is_judged_by_evaluations_and_scheduled_exports(tmp_path: Path) -> None:
    """D2, X6: feeds are judged by evaluations and by exports that bring them up to date, not on demand."""
    shop = shop_of(tmp_path, max_age=None)
    shop.set(evaluation={})
    shop.feed([("fed", "a", "realized", "2026-11-20T01:00Z"), ("fed", "b", "realized", "2026-12-20T01:00Z")])
    shop.set(memberships={"path": "data/memberships", "max_age": "6h"})
    shop.audience("fed", source="memberships")
    shop.crm(audience="fed")
    shop.ok("evaluate", "--at", "2026-11-20T02:00Z")
    shop.ok("run", "--at", "2026-11-20T05:00Z")
    assert shop.runs()[-1]["ages"] == {"profiles": 5 * 3600, "memberships": 4 * 3600}
    failed = shop.muster("run", "--at", "2026-11-21T05:00Z")
    assert failed.code == 1
    assert "the newest membership row at or before 2026-11-21T05:00:00Z is of 2026-11-20T01:00:00Z" in failed.err
    assert "28 h old, and memberships.max_age in muster.yml allows 6 h" in failed.err
    shop.ok("export", "crm/fed", "--at", "2026-11-21T06:00Z")
    assert shop.runs()[-1]["ages"] == {"profiles": 30 * 3600, "memberships": 3600}


# What is shown


def test_plan_validate_and_evaluations_show_ages(tmp_path: Path) -> None:
    """D2: ages are in plan, validate and the evaluation's record; validate notes what is stale and stays valid."""
    shop = shop_of(tmp_path)
    shop.events(happened("2026-11-19T22:30Z"))
    shop.audience("viewers", events=VIEWS, where="views > 0")
    plan = shop.muster("plan", "--at", "2026-11-21T02:00Z")
    assert "profiles: data/profiles/2026-11-20, 26 h old" in plan.out
    assert "events: data/events, newest 2026-11-19T22:30:00Z, 27 h old" in plan.out
    steps = shop.muster("plan", "--at", "2026-11-21T05:00Z", "--json").json
    assert [step["ages"] for step in steps] == [
        {"profiles": 29 * 3600, "events": 30 * 3600 + 1800},
        {"profiles": 29 * 3600},
    ]
    valid = shop.muster("validate", "--at", "2026-11-22T02:00Z")
    assert valid.code == 0
    assert "profiles: data/profiles/2026-11-20, 50 h old" in valid.out
    assert "50 h old, and profiles.max_age in muster.yml allows 36 h" in valid.out + valid.err
    shop.ok("evaluate", "--at", "2026-11-21T02:00Z")
    [listed] = shop.muster("evaluations", "list", "--json").json
    assert listed["snapshot"] == "data/profiles/2026-11-20"
    assert listed["ages"] == {"profiles": 26 * 3600, "events": 27 * 3600 + 1800}
    assert "(26 h old)" in " ".join(shop.muster("evaluations", "list").out.split())


@pytest.mark.parametrize("source", ["profiles", "events", "memberships"])
@pytest.mark.parametrize("value", ["36", "1y", "-1h", "soon"])
def test_max_age_is_a_duration(tmp_path: Path, source: str, value: str) -> None:
    """2: max_age has the units m, h, d, w, as other durations."""
    shop = shop_of(tmp_path)
    shop.set(**{source: {"path": "data/x", "max_age": value}})
    refused = shop.muster("validate")
    assert refused.code == 2
    assert f"{source}.max_age" in refused.err


# Newest times from footers and rows


@pytest.mark.parametrize("written", ["footer", "no statistics", "int96", "milliseconds", "naive", "nulls"])
def test_the_newest_time_is_that_of_the_rows(tmp_path: Path, written: str) -> None:
    """D2: whatever footers say or leave out, the newest time not after the instant is that of the rows."""
    shop = shop_of(tmp_path, max_age=None)
    events = happened("2026-11-18T00:00Z", "2026-11-19T12:00Z", "2026-11-29T00:00Z")
    options: dict[str, Any] = {"row_group_size": 1}
    if written == "no statistics":
        options |= {"statistics": False}
    if written == "int96":
        options |= {"use_pyarrow": True, "pyarrow_options": {"use_deprecated_int96_timestamps": True}}
    if written == "milliseconds":
        events = events.cast({"timestamp": pl.Datetime("ms", "UTC")})
    if written == "naive":
        events = events.with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    if written == "nulls":
        events = pl.concat([events, events.with_columns(timestamp=pl.lit(None, dtype=events["timestamp"].dtype))])
        options |= {"row_group_size": 2}
    (tmp_path / "data/events").mkdir()
    events.write_parquet(tmp_path / "data/events/e.parquet", **options)
    shop.set(events={"path": "data/events", "max_age": "12h"})
    shop.audience("viewers", events=VIEWS, where="views > 0")
    assert shop.muster("evaluate", "--at", "2026-11-20T00:00:00Z").code == 0
    assert shop.muster("evaluations", "list", "--json").json[0]["ages"]["events"] == 12 * 3600
    assert shop.muster("evaluate", "--at", "2026-11-20T00:00:01Z").code != 0


def test_rows_are_read_for_an_age_only_where_it_is_limited(tmp_path: Path) -> None:
    """D2: without max_age, events' age is known where footers say it, and not recorded elsewhere."""
    shop = shop_of(tmp_path, max_age=None)
    (tmp_path / "data/events").mkdir()
    happened("2026-11-19T12:00Z").write_parquet(tmp_path / "data/events/e.parquet", statistics=False)
    shop.set(events={"path": "data/events"})
    shop.audience("viewers", events=VIEWS, where="views > 0")
    shop.ok("evaluate", "--at", "2026-11-20T00:00Z")
    assert "events" not in shop.muster("evaluations", "list", "--json").json[0]["ages"]


# Entries that are not read


def test_entries_that_are_neither_dated_nor_parquet_are_named(tmp_path: Path) -> None:
    """D2: any entry beside the snapshots that is not dated is named in a warning with what was expected."""
    shop = shop_of(tmp_path, max_age=None)
    shop.parquet("data/profiles/27-11-2026/part-0.parquet", [person("a")])
    (tmp_path / "data/profiles/part-1.txt").write_text("x")
    for silent in ("_SUCCESS", ".hidden", "2026-11-20.crc", "x.md5", "y.SHA256"):
        (tmp_path / "data/profiles" / silent).write_text("x")
    warned = shop.ok("evaluate", "--at", "2026-11-20T02:00Z").err
    assert "27-11-2026/, part-1.txt are not read" in warned
    assert "2026-11-20T06" in warned
    assert not any(name in warned for name in ("_SUCCESS", ".hidden", "crc", "md5", "SHA256"))
    shop.ok("run", "--at", "2026-11-20T06:00Z")


def test_entries_beside_undated_files_are_named_too(tmp_path: Path) -> None:
    """D2: also beside undated Parquet files; files alone that are read give no warning."""
    shop = Shop(tmp_path)
    shop.parquet("data/profiles/part-0.parquet", [person("a")])
    shop.audience("all", where="true")
    assert not shop.ok("evaluate", "--at", "2026-11-20T02:00Z").err
    (tmp_path / "data/profiles/old").mkdir()
    assert "old/ is not read" in shop.ok("evaluate", "--at", "2026-11-20T03:00Z").err


def test_lengths_of_time_are_spelled() -> None:
    """D2: ages are told in hours, minutes and seconds, from four days on in days."""
    from muster.activation.instants import rounded, spelled  # noqa: PLC0415

    found = [spelled(timedelta(seconds=each)) for each in (0, 59, 3600, 129_601, 345_600, 350_000)]
    assert found == ["0 s", "59 s", "1 h", "36 h 1 s", "4 d", "4 d 1 h 13 min 20 s"]
    assert rounded(datetime(2026, 11, 21, 2, 30, tzinfo=UTC) - datetime(2026, 11, 20, tzinfo=UTC)) == "26 h"


def test_inputs_that_may_be_empty_have_no_age(tmp_path: Path) -> None:
    """X11, D2: files without a row have no newest time: where they are allowed, `max_age` does not refuse them."""
    shop = shop_of(tmp_path, max_age=None)
    shop.feed([])
    shop.set(memberships={"path": "data/memberships", "max_age": "6h"})
    shop.audience("fed", source="memberships")
    refused = shop.muster("evaluate", "--at", "2026-11-20T02:00Z", "--audience", "fed")
    assert refused.code == 2
    assert "--allow-empty-memberships" in refused.err
    allowed = ("--audience", "fed", "--allow-empty-memberships")
    assert shop.evaluate("2026-11-20T03:00Z", *allowed).code == 0
