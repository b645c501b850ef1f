"""Columns that stand in the names of folders, as Hive, Spark and DuckDB write them (D2)."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.shop import STATUS, Shop, person

DAY = "2026-11-20"
AT = f"{DAY}T05:00Z"
BELOW = f"data/profiles/{DAY}"
TIME = datetime(2026, 11, 19, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace that sends everybody with the country and plan that stand in the folders' names."""
    made = Shop(tmp_path, evaluation={"schedule": {"at": "02:00"}})
    made.audience("all", where="true")
    made.crm(export="full", mapping=["profile_id", "country", "plan"])
    return made


def put(shop: Shop, folder: str, *ids: str, **more: Any) -> None:
    """A part with people in a folder."""
    shop.parquet(f"{folder}/part-0.parquet", [person(each) | more for each in ids])


def sent(shop: Shop, at: str = AT) -> list[str]:
    """The rows that are sent."""
    shop.run(at)
    return shop.sent("crm/all")


PARTS = {"country=US/plan=pro": "a", "country=DE/plan=__HIVE_DEFAULT_PARTITION__": "b", "country=a%20b%2Fc/plan=": "c"}
ROWS = ["a,US,pro", "b,DE,", "c,a b/c,"]


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        (BELOW, "data/profiles"),
        ("data/profiles", "data/profiles"),
        (BELOW, "data/profiles/*"),
        ("data/profiles", "data/profiles/*/*/*.parquet"),
        ("data/profiles", "data/profiles/country=*/**/*.parquet"),
        ("data/date=2026-11-20/profiles", "data/*/profiles/*/*/*"),
        ("data/env=live/profiles", "data/env=live/profiles"),
    ],
)
def test_folders_are_columns(shop: Shop, folder: str, path: str) -> None:
    """D2: below a snapshot, directly in the path, and in the matches of a glob: text, percent-decoded, with nulls."""
    for name, one in PARTS.items():
        put(shop, f"{folder}/{name}", one)
    shop.set(profiles={"path": path})
    assert sent(shop) == ROWS
    shop.audience("all", where="country = 'DE' AND plan IS NULL")
    shop.evaluate(f"{DAY}T06:00Z")
    assert [who for who, how in shop.memberships().items() if how.startswith("realized")] == ["b"]


def test_a_part_outside_such_a_folder_has_null(shop: Shop) -> None:
    """D2: parts beside the folders, or in folders with other columns, have no value."""
    put(shop, BELOW, "a")
    put(shop, f"{BELOW}/country=US", "b")
    put(shop, f"{BELOW}/plan=pro", "c")
    put(shop, f"{BELOW}/plan=x/more/country=DE", "d")
    assert sent(shop) == ["a,,", "b,US,", "c,,pro", "d,DE,x"]


def test_the_columns_of_the_files_count(shop: Shop) -> None:
    """D2: a file that has the column keeps its own; a part without it has the folder's."""
    put(shop, f"{BELOW}/country=US/plan=1", "a", country="from the file")
    put(shop, f"{BELOW}/country=DE/plan=2", "b")
    assert sent(shop) == ["a,from the file,1", "b,DE,2"]


def test_a_type_that_the_folder_does_not_have(shop: Shop) -> None:
    """D5: where one part has the column as a number and another in its folder, whoever uses it is told both."""
    put(shop, f"{BELOW}/country=US/plan=x", "a", plan=1)
    put(shop, f"{BELOW}/country=DE/plan=y", "b")
    said = shop.muster("run", "--at", AT).err
    assert "column 'plan' is " in said
    assert "country=DE/plan=y/part-0.parquet" in said


def test_dates_in_folders(shop: Shop) -> None:
    """D2: under `date=` a date makes a snapshot, below a snapshot it is a column; another name is never a date."""
    shop.crm(export="full", mapping=["profile_id", "dt"])
    put(shop, "data/profiles/date=2026-11-19", "x")
    put(shop, f"data/profiles/date={DAY}/dt=2026-01-01", "a")
    assert sent(shop) == ["a,2026-01-01"]
    shop.crm(export="full", mapping=["profile_id", "date"])
    assert "'date': the snapshot has no such column" in shop.muster("validate", "--at", AT).err
    shop.crm(export="full", mapping=["profile_id", "dt"])
    shutil.rmtree(shop.root / "data/profiles")
    put(shop, "data/profiles/dt=2026-11-20", "b")
    put(shop, "data/profiles/dt=2026-11-21", "c")
    assert sent(shop, "2026-11-21T05:00Z") == ["b,2026-11-20", "c,2026-11-21"]
    said = "data/profiles: dt=2026-11-20/, dt=2026-11-21/: read as one undated snapshot with a column 'dt'"
    assert said in shop.ok("validate", "--at", AT).err
    shop.set(profiles={"path": "data/profiles/*/*.parquet"})
    assert said.replace("profiles:", "profiles/*/*.parquet:") in shop.ok("validate", "--at", AT).err
    shop.set(profiles={"path": "data/profiles"})
    shop.crm(export="full", mapping=["profile_id", "date"])
    put(shop, "data/profiles/date=soon", "d")
    assert sent(shop, "2026-11-22T05:00Z") == ["b,", "c,", "d,soon"]


def test_dated_beside_folders_of_columns(shop: Shop) -> None:
    """D2: a folder with a column directly in the path is undated, and no neighbour of dated ones."""
    put(shop, BELOW, "a")
    (shop.root / "data/profiles/country=FR").mkdir()
    assert "warning: data/profiles: country=FR/ is not read: expected" in shop.muster("validate", "--at", AT).err
    put(shop, "data/profiles/country=US", "b")
    (shop.root / BELOW).rename(shop.root / "data/before")
    assert "not read" not in shop.muster("validate", "--at", AT).err  # beside others an empty one is normal
    (shop.root / "data/before").rename(shop.root / BELOW)
    refused = shop.muster("evaluate", "--at", AT)
    assert refused.code == 2
    said = f"holds dated snapshots ({DAY}) beside undated files (country=US/part-0.parquet)"
    assert said in refused.err


def test_an_id_in_the_folder(shop: Shop) -> None:
    """D1, D2: the profile id may stand there, too; two rows of one folder are then one id twice."""
    shop.set(profiles={"path": "data/profiles", "id": "person"})
    shop.crm(export="full", mapping=["profile_id", "email"])
    shop.parquet(f"{BELOW}/person=b%40x/0.parquet", [{"email": "b@x.com"}])
    shop.parquet(f"{BELOW}/person=a/0.parquet", [{"email": "a@x.com"}])
    assert sent(shop) == ["a,a@x.com", "b@x,b@x.com"]
    shop.parquet(f"{BELOW}/person=c/0.parquet", [{"email": "c@x.com"}] * 2)
    said = shop.muster("evaluate", "--at", f"{DAY}T06:00Z").err
    assert f"{BELOW}/person=c/0.parquet: 1 profile id occurs more than once in column 'person'" in said


def test_events_by_folder(shop: Shop) -> None:
    """D2, D3, E3: measures filter and count over such columns, in folders and globs."""
    put(shop, f"{BELOW}/country=US/plan=x", "a", "b")
    rows = [{"profile_id": "a", "timestamp": TIME}]
    shop.parquet("data/events/date=2026-11-19/type=view/0.parquet", rows)
    shop.parquet("data/events/date=2026-11-19/type=buy/0.parquet", [{"profile_id": "b", "timestamp": TIME}])
    views = {"measure": "count", "where": "type = 'view' AND date = '2026-11-19'"}
    shop.audience("all", events={"views": views, "types": {"measure": "count_distinct(type)"}}, where="views = types")
    for path in ("data/events", "data/events/*/*/*.parquet"):
        shop.set(events={"path": path})
        shop.evaluate(f"{DAY}T06:00Z", "--replace")
        assert list(shop.memberships()) == ["a"]


def test_memberships_by_audience(shop: Shop) -> None:
    """D2, D4: membership files in a folder for each audience and status."""
    put(shop, f"{BELOW}/country=US/plan=x", "a", "b")
    for who, status in (("a", "realized"), ("b", "exited")):
        rows = [{"profile_id": who, "last_qualification_time": TIME}]
        shop.parquet(f"data/memberships/audience_id=all/status={status}/0.parquet", rows)
    shop.set(memberships={"path": "data/memberships"})
    shop.audience("all", source="memberships")
    assert sent(shop) == ["a,US,x"]


def test_what_was_evaluated_is_exported_again(shop: Shop) -> None:
    """X7, E8: the columns of a recorded snapshot are recorded, whatever its path in the config means by now."""
    for name, one in PARTS.items():
        put(shop, f"{BELOW}/{name}", one)
    assert sent(shop) == ROWS
    shop.set(profiles={"path": f"{BELOW}/*/plan=pro"})
    for moment in ("06:00", "07:00"):
        shop.ok("export", "crm/all", "--at", f"{DAY}T{moment}Z")
        shop.set(profiles={"path": f"{BELOW}/country=US"})
    demanded = [run for run in shop.runs("crm/all") if run["trigger"] == "on_demand"]
    assert [shop.lines(run["files"][0]["path"].removeprefix("out/")) for run in demanded] == [ROWS, ROWS]
    first = shop.runs("crm/all")[0]
    shop.ok("replay", first["run_id"], "--to", str(shop.root / "again"))
    delivered = (shop.root / first["files"][0]["path"]).read_bytes()
    (shop.root / first["files"][0]["path"]).unlink()
    shop.ok("redeliver", first["run_id"])
    assert (shop.root / first["files"][0]["path"]).read_bytes() == delivered
    (shop.root / BELOW / "country=US").rename(shop.root / BELOW / "country=FR")
    refused = shop.muster("export", "crm/all", "--at", f"{DAY}T08:00Z")
    assert refused.code == 2
    assert f"{BELOW}/country=US/plan=pro/part-0.parquet: the snapshot file is missing" in refused.err


def test_an_evaluation_is_made_again(shop: Shop) -> None:
    """E8: `--reevaluate` reads snapshot, events and feeds with the folders' columns that were recorded."""
    put(shop, f"{BELOW}/country=US", "a", "b")
    put(shop, f"{BELOW}/country=DE", "c")
    for one, kind in (("a", "view"), ("b", "buy"), ("c", "view")):
        shop.parquet(f"data/events/type={kind}/{one}.parquet", [{"profile_id": one, "timestamp": TIME}])
    shop.set(events={"path": "data/events"})
    views = {"measure": "count", "where": "type = 'view'"}
    shop.audience("all", events={"views": views}, where="views = 1 AND country = 'US'")
    shop.evaluate(AT)
    assert list(shop.memberships()) == ["a"]
    (kept,) = (shop.root / ".muster/memberships").glob("*.parquet")
    kept.unlink()
    shop.parquet("data/events/type=view/new.parquet", [{"profile_id": "b", "timestamp": TIME}])
    shop.ok("state", "repair", "--reevaluate", "all")
    assert list(shop.memberships()) == ["a"]


def test_another_folder_is_another_value(shop: Shop) -> None:
    """X3e: a part that moved to another folder has changed the values of its people."""
    shop.crm(mapping=["profile_id", "country", STATUS], changes=["membership", "identity", "attributes"])
    put(shop, f"{BELOW}/country=US", "a")
    put(shop, f"{BELOW}/country=DE", "b")
    assert shop.day(DAY) == ["a,US,realized", "b,DE,realized"]
    put(shop, "data/profiles/2026-11-21/country=FR", "a")
    put(shop, "data/profiles/2026-11-21/country=DE", "b")
    assert shop.day("2026-11-21") == ["a,FR,realized"]


def test_an_unknown_column_has_the_names_of_folders(shop: Shop) -> None:
    """SPEC 10: a mistyped column is compared with the folders' names as with others."""
    put(shop, f"{BELOW}/country=US/plan=x", "a")
    shop.audience("all", where="contry = 'US'")
    assert "unknown column 'contry'; did you mean 'country'?" in shop.muster("validate", "--at", AT).err
