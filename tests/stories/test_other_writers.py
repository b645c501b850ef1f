"""Profiles, events and feeds as Spark, DuckDB and PyArrow write them, through the command (D6)."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import footers
from support.shop import SINCE, STATUS, Shop, at, process

SPARK = {"use_deprecated_int96_timestamps": True, "store_schema": False}
TIME = pa.timestamp("us")
TODAY = "data/profiles/2026-11-20/part-0.parquet"
UUIDS = ["0192f0c1-2a3b-7c4d-8e5f-60718293a4b5", "fedcba98-7654-3210-0123-456789abcdef"]


def write(shop: Shop, name: str, columns: dict[str, Any], **options: Any) -> Path:
    """A file of the workspace, by PyArrow."""
    path = shop.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return path


def write_by_duckdb(shop: Shop, sql: str, name: str = TODAY) -> Path:
    """A file of the workspace with the result of a query, by DuckDB."""
    path = shop.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    return path


def times(*texts: str | None) -> list[datetime | None]:
    """Times without a zone."""
    return [datetime.fromisoformat(text) if text else None for text in texts]


def sent(shop: Shop, mapping: Sequence[Any], where: str = "true", **content: Any) -> list[str]:
    """What a day's run sends of these columns."""
    shop.audience("all", where=where)
    shop.crm(mapping=mapping, **content)
    return shop.day("2026-11-20")


def test_int96_profiles(tmp_path: Path) -> None:
    """D6: INT96 of the years 1 and 9999 in rules, in files, and inside lists of structs."""
    shop = Shop(tmp_path)
    bought = times("0001-01-01", "2026-01-01T10:00:00.000001", "9999-12-31T23:59:59.999999", None)
    visits = [[{"at": each, "page": "x"}] for each in bought]
    columns = {
        "profile_id": ["never", "old", "lasting", "unknown"],
        "bought": pa.array(bought, TIME),
        "visits": pa.array(visits, pa.list_(pa.struct({"at": TIME, "page": pa.string()}))),
    }
    write(shop, TODAY, columns, **SPARK)
    assert sent(
        shop, ["profile_id", "bought", "visits"], "bought < TIMESTAMP '2026-09-01' OR bought > DATE '9000-01-01'"
    ) == [
        'lasting,9999-12-31T23:59:59.999999Z,[{"at":"9999-12-31T23:59:59.999999Z","page":"x"}]',
        'never,0001-01-01T00:00:00Z,[{"at":"0001-01-01T00:00:00Z","page":"x"}]',
        'old,2026-01-01T10:00:00.000001Z,[{"at":"2026-01-01T10:00:00.000001Z","page":"x"}]',
    ]


def test_int96_events(tmp_path: Path) -> None:
    """D6, D3: events with INT96 timestamps, the oldest of the year 1; a later one than the evaluation is none yet."""
    shop = Shop(tmp_path)
    write(shop, TODAY, {"profile_id": ["a", "b", "c"]})
    columns = {
        "profile_id": ["a", "b", "b", "c"],
        "timestamp": pa.array(times("0001-01-01", "2026-11-19T01:00", "2026-11-20T01:59:59", "9999-12-31"), TIME),
    }
    write(shop, "data/events/events.parquet", columns, **SPARK)
    shop.set(events={"path": "data/events", "max_age": "1h"})
    shop.audience("all", events={"n": {"measure": "count"}, "last": {"measure": "max(timestamp)"}}, where="n > 0")
    shop.audience("recent", events={"n": {"measure": "count", "within": "2d"}}, where="n > 1")
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships()) == ["a", "b"]
    assert list(shop.memberships("recent")) == ["b"]


def test_int96_feeds(tmp_path: Path) -> None:
    """D6, D4: feeds with INT96 times; who is valid until the year 9999 is a member, who was until the year 1 is not."""
    shop = Shop(tmp_path)
    write(shop, TODAY, {"profile_id": ["a", "b", "c"]})
    columns = {
        "audience_id": ["fed"] * 3,
        "profile_id": ["a", "b", "c"],
        "status": ["realized"] * 3,
        "last_qualification_time": pa.array(times("2026-11-01T00:00", "0001-01-01", "2026-11-02T00:00"), TIME),
        "valid_until": pa.array(times("9999-12-31", "0001-01-02", None), TIME),
    }
    write(shop, "data/memberships/feed.parquet", columns, **SPARK)
    shop.set(memberships={"path": "data/memberships"})
    shop.audience("fed", source="memberships")
    shop.crm(audience="fed", mapping=["profile_id", STATUS, SINCE])
    assert shop.day("2026-11-20", key="crm/fed") == [
        "a,realized,2026-11-01T00:00:00Z",
        "c,realized,2026-11-02T00:00:00Z",
    ]


def test_int96_outside_of_the_years(tmp_path: Path) -> None:
    """D6, X1: a time in no year from 1 to 9999 fails what uses its column, and is told by file and column."""
    shop = Shop(tmp_path, evaluation={"schedule": {"at": "02:00"}})
    path = write(shop, TODAY, {"profile_id": ["a"], "bought": pa.array(times("2026-01-01"), TIME)}, **SPARK)
    julian = 2440588 + (at("2026-01-01T00:00Z") - at("1970-01-01T00:00Z")).days
    content = path.read_bytes()
    path.write_bytes(content.replace(julian.to_bytes(4, "little"), (1 << 23).to_bytes(4, "little")))
    shop.audience("all", where="true")
    shop.audience("buyers", where="bought IS NOT NULL")
    daily = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
    shop.destination("crm", mapping=["profile_id", "bought"], activations=[daily])
    shop.destination("mail", mapping=["profile_id"], activations=[daily])
    failed = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert failed.code == 1
    told = f"{TODAY}: column 'bought' holds an INT96 timestamp outside the years 1 to 9999, which cannot be read"
    assert failed.err.count(told) == 2  # the audience, and the export
    assert shop.sent("mail/all") == ["a"]


def test_uuids_are_ids(tmp_path: Path) -> None:
    """D6, D1: a UUID as profile id is its text, in profiles, events and feeds, and in rules."""
    shop = Shop(tmp_path)
    rows = ", ".join(f"('{each}'::uuid)" for each in UUIDS)
    write_by_duckdb(shop, f"SELECT * FROM (VALUES {rows}) t(profile_id)")
    write_by_duckdb(
        shop,
        f"SELECT '{UUIDS[0]}'::uuid profile_id, TIMESTAMPTZ '2026-11-19 00:00:00+00' AS timestamp",
        "data/events/events.parquet",
    )
    write_by_duckdb(
        shop,
        f"""SELECT 'fed' audience_id, '{UUIDS[1]}'::uuid profile_id, 'realized' status,
        TIMESTAMPTZ '2026-11-19 00:00:00+00' last_qualification_time""",
        "data/memberships/feed.parquet",
    )
    shop.set(events={"path": "data/events"}, memberships={"path": "data/memberships"})
    shop.audience("fed", source="memberships")
    where = f"n = 1 OR (audience.fed AND profile_id = '{UUIDS[1]}')"
    shop.audience("all", events={"n": {"measure": "count"}}, where=where)
    shop.crm(mapping=["profile_id", STATUS])
    assert shop.day("2026-11-20") == [f"{each},realized" for each in UUIDS]
    write_by_duckdb(shop, f"SELECT '{UUIDS[0]}' profile_id", "data/profiles/2026-11-21/part-0.parquet")
    shop.audience("all", where="true")
    assert shop.day("2026-11-21") == [f"{UUIDS[1]},exited"]  # a change of type is no change of person


def test_json_and_uuids_are_text(tmp_path: Path) -> None:
    """D6, M7: JSON is its own text and a UUID 36 characters, in files of text and inside structs; parts of text go with
    them.
    """
    shop = Shop(tmp_path)
    write_by_duckdb(
        shop,
        f"""SELECT 'a' profile_id, '{{"plan": "pro"}}'::json traits, {{'id': '{UUIDS[0]}'::uuid}} device,
        ['{UUIDS[1]}'::uuid] devices""",
    )
    write_by_duckdb(
        shop,
        f"SELECT 'b' profile_id, 'none' traits, {{'id': '{UUIDS[1]}'}} device, ['x'] devices",
        "data/profiles/2026-11-20/part-1.parquet",
    )
    where = f"traits LIKE '%pro%' OR device.id = '{UUIDS[1]}'"
    assert sent(shop, ["profile_id", "traits", "device.id", "devices"], where) == [
        f'a,{{"plan": "pro"}},{UUIDS[0]},["{UUIDS[1]}"]',
        f'b,none,{UUIDS[1]},["x"]',
    ]


@pytest.mark.parametrize("zone", ["+05:30", "-03:30", "Z"])
def test_fixed_offsets_are_instants(tmp_path: Path, zone: str) -> None:
    """D6: a time with a fixed offset is an instant, in files, in rules, in events and in feeds."""
    shop = Shop(tmp_path)
    moment = pa.array([at("2026-11-19T10:00Z")], pa.timestamp("us", zone))
    write(shop, TODAY, {"profile_id": ["a"], "t": moment})
    write(shop, "data/events/events.parquet", {"profile_id": ["a"], "timestamp": moment})
    feed = {"audience_id": ["fed"], "profile_id": ["a"], "status": ["realized"], "last_qualification_time": moment}
    write(shop, "data/memberships/feed.parquet", feed)
    shop.set(events={"path": "data/events", "max_age": "24h"}, memberships={"path": "data/memberships"})
    shop.audience("fed", source="memberships")
    rule = "t = TIMESTAMP '2026-11-19 10:00:00' AND last = t AND audience.fed"
    shop.audience("all", events={"last": {"measure": "max(timestamp)"}}, where=rule)
    shop.crm(mapping=["profile_id", "t"])
    assert shop.day("2026-11-20") == ["a,2026-11-19T10:00:00Z"]


def test_columns_that_nobody_uses_and_nobody_can_read(tmp_path: Path) -> None:
    """D6: intervals, variants, decimals of 50 digits, repeated names and 4,000 levels of nesting stop nothing else. The
    command is a process of its own: a library that follows 4,000 levels ends it.
    """
    shop = Shop(tmp_path, evaluation={"schedule": {"at": "02:00"}})
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id"])
    folder = "data/profiles/2026-11-20"
    write_by_duckdb(shop, "SELECT 'a' profile_id, INTERVAL 3 DAYS i, 1::VARIANT v", f"{folder}/0.parquet")
    table = pa.Table.from_arrays([pa.array(["b"]), pa.array([1]), pa.array([2])], names=["profile_id", "x", "x"])
    (shop.root / folder).mkdir(exist_ok=True)
    pq.write_table(table, shop.root / folder / "1.parquet")
    deep = write(shop, f"{folder}/2.parquet", {"profile_id": ["c"], "deep": [1]})
    footers.nest(deep, 2, 4000)
    done = process("-C", str(tmp_path), "run", "--at", "2026-11-20T05:00Z")
    assert (done.code, done.err) == (0, "")
    assert shop.sent("crm/all") == ["a", "b", "c"]


def test_parts_without_rows_or_columns(tmp_path: Path) -> None:
    """D5: parts without rows, row groups or columns are parts like any other, and add nobody."""
    shop = Shop(tmp_path)
    write(shop, TODAY, {"profile_id": ["a"], "email": ["a@x.com"]})
    write(shop, "data/profiles/2026-11-20/part-1.parquet", {})
    write_by_duckdb(shop, "SELECT 'b' profile_id, INTERVAL 1 DAY i LIMIT 0", "data/profiles/2026-11-20/part-2.parquet")
    assert sent(shop, ["profile_id", "email"]) == ["a,a@x.com"]


def test_what_uses_a_column_that_cannot_be_read(tmp_path: Path) -> None:
    """D6, X1: a rule, a measure, a mapping, a key and an id that use such a column are told its name, its type and what
    to write instead, each at its own place; all else goes on.
    """
    shop = Shop(tmp_path, evaluation={"schedule": {"at": "02:00"}})
    write_by_duckdb(shop, "SELECT 'a' profile_id, INTERVAL 3 DAYS stay, 1::VARIANT extra, 'a@x.com' email")
    columns = "'a' profile_id, INTERVAL 1 HOUR took, TIMESTAMP '2026-11-19' AS timestamp"
    write_by_duckdb(shop, f"SELECT {columns}", "data/events/events.parquet")
    shop.set(events={"path": "data/events"})
    shop.audience("all", events={"n": {"measure": "count"}}, where="n = 1")
    shop.audience("ruled", where="stay IS NOT NULL")
    shop.audience("measured", events={"most": {"measure": "max(took)"}}, where="most IS NOT NULL")
    daily = {"activations": [{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}]}
    shop.destination("mail", mapping=["profile_id", "email"], **daily)
    shop.destination("mapped", mapping=["profile_id", "extra.a"], **daily)
    shop.destination("keyed", mapping=["profile_id"], deduplicate=["stay"], **daily)
    interval = "it is an interval, which cannot be read; write it as text, or as a number of seconds or days"
    variant = "it is a variant, which cannot be read; write it as text (JSON), or as a column of one type"
    places = [
        ("audiences/measured.yml:3: events.most: max(took)", "data/events/events.parquet: column 'took'", interval),
        ("audiences/ruled.yml:2: where: stay IS NOT NULL", f"{TODAY}: column 'stay'", interval),
        ("keyed/all: destinations/keyed.yml: deduplicate: 'stay'", f"{TODAY}: column 'stay'", interval),
        ("mapped/all: destinations/mapped.yml:6: mapping[1]: 'extra.a'", f"{TODAY}: column 'extra'", variant),
    ]
    told = [f"error: {place}: {column} cannot be used: {reason}" for place, column, reason in places]
    checked = shop.muster("validate")
    assert (checked.code, checked.err.splitlines()) == (2, told)
    done = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert (done.code, done.err.splitlines()) == (1, told)
    assert shop.sent("mail/all") == ["a,a@x.com"]
    shop.set(profiles={"path": "data/profiles", "id": "stay"})
    refused = shop.muster("validate")
    reason = f"error: {TODAY}: column 'stay' cannot be used: {interval} (profiles.id in muster.yml)\n"
    assert (refused.code, refused.err) == (2, reason)
