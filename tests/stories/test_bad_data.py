"""Profile snapshots, events and feeds that are not what they must be (SPEC 10, D1-D5), tried through the real
command.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.refusals import (
    AT,
    EVALUATE,
    EXPORT,
    PEOPLE,
    RUN,
    TODAY,
    VALIDATE,
    WORKING,
    changed,
    failures,
    message,
    new_shop,
    one,
    refused,
    refused_by_each,
    told,
    used_shop,
)
from support.shop import Shop

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  # read as UTC (D3)
PART = f"data/profiles/{TODAY}/part-0.parquet"
Spoil = Callable[[Shop], object]
DAILY_FULL = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has evaluated and delivered; tests work on copies."""
    return used_shop(tmp_path_factory.mktemp("morning") / "shop").root


@pytest.fixture(params=["fresh", "used"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, morning: Path) -> Iterator[Shop]:
    """A workspace without a state, and one with."""
    if request.param == "used":
        shutil.copytree(morning, tmp_path / "shop")
    found = new_shop(tmp_path / "shop")
    yield found
    assert (found.root / "out").exists() == (request.param == "used")


def bytes_of(content: bytes) -> Spoil:
    """Today's snapshot is a file of these bytes."""

    def spoil(shop: Shop) -> None:
        (shop.root / PART).parent.mkdir(parents=True)
        (shop.root / PART).write_bytes(content)

    return spoil


def cut(length: int) -> Spoil:
    """Today's snapshot lost its end."""

    def spoil(shop: Shop) -> None:
        shop.profiles(TODAY, PEOPLE)
        (shop.root / PART).write_bytes((shop.root / PART).read_bytes()[:length])

    return spoil


# Unreadable, truncated or empty Parquet; a folder with none


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (bytes_of(b""), "the file is empty"),
        (bytes_of(b"profile_id,email\na,a@x.com\n"), "it does not start as a Parquet file does"),
        (bytes_of(b"PAR1"), "it is truncated"),
        (bytes_of(b"PAR1PAR1"), "it is truncated"),
        (bytes_of(b"PAR1" + b"\x00" * 50 + b"\x99\x00\x00\x00PAR1"), "it is truncated"),
        (bytes_of(b"PAR1" + b"\xff" * 50 + b"\x20\x00\x00\x00PAR1"), "its footer is damaged"),
        (cut(-1), "it is truncated"),
        (cut(-200), "it is truncated"),
        (cut(500), "it is truncated"),
        (
            lambda shop: ((shop.root / PART).parent.mkdir(), (shop.root / PART).symlink_to("gone.parquet")),
            "no such file",
        ),
    ],
    ids=[
        "empty",
        "text",
        "4 bytes",
        "8 bytes",
        "long footer",
        "nonsense footer",
        "last byte gone",
        "end gone",
        "half",
        "broken link",
    ],
)
def test_a_file_that_is_no_parquet_file_is_refused(shop: Shop, spoil: Spoil, reason: str) -> None:
    """SPEC 10: unreadable, truncated or empty Parquet is exit 2 and names the file and the reason."""
    spoil(shop)
    said = refused_by_each(shop, WORKING)
    assert said.startswith(f"error: {PART}: cannot be read as Parquet: {reason}")
    assert said.endswith("; write the file again")  # never: take it away, for then its people exit


@pytest.mark.parametrize("name", ["2026-11-21", "2026-11-21T05", "date=2026-11-21"])
def test_a_snapshot_folder_without_files_is_refused(shop: Shop, name: str) -> None:
    """SPEC 10: a folder with no Parquet file is exit 2, names the folder, and is no empty snapshot."""
    (shop.root / "data/profiles" / name).mkdir()
    (shop.root / "data/profiles" / name / "_SUCCESS").touch()
    said = refused_by_each(shop, WORKING)
    assert said.startswith(f"error: data/profiles/{name}: the snapshot folder holds no Parquet file; write its files")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "data/profils",
            "data/profils: there is no such file or folder (profiles.path in muster.yml); did you mean 'profiles'?",
        ),
        (
            "dta/profiles",
            "dta/profiles: there is no such file or folder (profiles.path in muster.yml); did you mean 'data'?",
        ),
        ("data/x-*.parquet", "data/x-*.parquet: matches no Parquet file (profiles.path in muster.yml)"),
        (
            "nothing",
            "nothing: holds no Parquet file and no dated folder such as 2026-11-20 (profiles.path in muster.yml)",
        ),
        (
            "ftp://host/profiles",
            (
                "muster.yml: profiles.path: nothing can be read from ftp://; expected a local path, or one with "
                "s3://, az://, gs://"
            ),
        ),
    ],
)
def test_a_path_that_holds_no_snapshot_is_refused(shop: Shop, path: str, expected: str) -> None:
    """SPEC 10: a path that leads nowhere names the key, and the nearest name where it breaks off."""
    shop.set(profiles={"path": path})
    (shop.root / "nothing").mkdir()
    assert refused_by_each(shop, WORKING) == f"error: {expected}"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda shop: shop.profiles("", PEOPLE),
            "data/profiles: holds dated snapshots (2026-11-20) beside undated files (part-0.parquet)",
        ),
        (
            lambda shop: shop.parquet("data/profiles/2026-11-20.parquet", PEOPLE),
            "two snapshots of one instant; expected one: write the files",
        ),
        (
            lambda shop: shop.profiles("2026-13-45", PEOPLE),
            "data/profiles/2026-13-45: the name is not a date, or date and hour; expected one such",
        ),
        (
            lambda shop: shop.profiles("2026-11-20T24", PEOPLE),
            "data/profiles/2026-11-20T24: the name is not a date, or date and hour",
        ),
        (
            lambda shop: (shop.root / "data/profiles/2026-11-21").symlink_to("/nowhere"),
            "2026-11-21: cannot be read as Parquet: no such file",
        ),
    ],
    ids=["undated beside dated", "one instant twice", "no date", "no hour", "broken link"],
)
def test_names_that_are_no_snapshots_are_refused(shop: Shop, spoil: Spoil, expected: str) -> None:
    """D2: what cannot be dated, or is ambiguous, is an input error and no reason to take an older snapshot."""
    spoil(shop)
    assert expected in refused_by_each(shop, WORKING)


def test_a_time_before_every_snapshot_is_refused(shop: Shop) -> None:
    """D2: no snapshot at or before the instant is exit 2 and names the earliest."""
    (shop.root / "data/profiles/2026-11-20").rename(shop.root / "data/profiles/2026-12-25T06")
    expected = (
        "no profile snapshot is dated at or before 2026-11-21T06:00:00Z; the earliest is 2026-12-25T06 "
        "(2026-12-25T06:00:00Z)"
    )
    assert refused_by_each(shop, WORKING) == f"error: data/profiles: {expected}"


# Profile ids


def ids(values: list[Any], dtype: Any = None) -> pl.DataFrame:
    """Today's profiles with these ids."""
    frame = pl.DataFrame({"profile_id": pl.Series(values, dtype=dtype, strict=False)})
    return frame.with_columns(email=pl.lit("e@x.com"), country=pl.lit("US"), year=pl.lit(1980))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None, "a"], "1 profile id is null in column 'profile_id'; every profile needs one"),
        ([None, 7, None], "2 profile ids are null in column 'profile_id'"),
        (
            ["a", "b", "a"],
            (
                "1 profile id occurs more than once in column 'profile_id'; expected one row a profile (-v shows "
                "the first three)"
            ),
        ),
        ([*range(9), *range(9)], "9 profile ids occur more than once in column 'profile_id'"),
        (
            [1.0, 2.0],
            (
                "the id column 'profile_id' is a number (Float64); expected text or whole numbers; if its numbers are "
                "whole, write them so: CAST(profile_id AS BIGINT) in the query that makes the file"
            ),
        ),
        ([True, False], "the id column 'profile_id' is a boolean (Boolean); expected text or whole numbers"),
        ([date(2026, 1, 1)], "the id column 'profile_id' is a date (Date); expected text or whole numbers"),
        ([Decimal("1.5")], "1 row has an id that is no whole number in column 'profile_id'"),
        ([b"a"], "the id column 'profile_id' is bytes (Binary); expected text or whole numbers"),
        ([["a"]], "the id column 'profile_id' is a list (List(String)); expected text or whole numbers"),
        ([None, None], "the id column 'profile_id' is null in every row (Null); expected text or whole numbers"),
    ],
    ids=[
        "null text",
        "null integers",
        "repeated text",
        "repeated integers",
        "float",
        "boolean",
        "date",
        "decimal",
        "bytes",
        "list",
        "all null",
    ],
)
def test_profile_ids_must_be_whole_and_unique(shop: Shop, values: list[Any], expected: str) -> None:
    """SPEC 10, D1: null, repeated or mistyped ids are exit 2: how many, and in which file."""
    shop.profiles(TODAY, ids(values))
    said = refused_by_each(shop, WORKING)
    assert said.startswith(f"error: {PART}: {expected}")
    assert "a, b" not in said
    assert len(said.splitlines()) == 1


def test_details_show_the_first_three_repeated_ids(shop: Shop) -> None:
    """SPEC 10: `-v` shows the first three repeated ids; without it a message holds no profile data."""
    shop.profiles(TODAY, ids([f"customer-{number}" for number in (4, 3, 2, 1, 4, 3, 2, 1)]))
    assert "customer" not in refused_by_each(shop, WORKING)
    for place in (("-v", "validate"), ("validate", "--verbose"), ("validate", "-vv")):
        result = shop.muster(*place, "--at", AT)
        assert result.code == 2
        assert "repeated ids: customer-1, customer-2, customer-3\n" in result.err
        assert "customer-4" not in result.err


def test_ids_repeated_across_files_name_the_files(shop: Shop) -> None:
    """SPEC 10: an id that is in two files names both, and a file without a share in it is not named."""
    shop.profiles(TODAY, ids(["a", "b"]))
    shop.profiles(TODAY, ids(["c", "b"]), part="part-1")
    shop.profiles(TODAY, ids(["d"]), part="part-2")
    said = refused_by_each(shop, WORKING)
    assert said.startswith(f"error: {PART}, data/profiles/{TODAY}/part-1.parquet: 1 profile id occurs more than once")
    assert "part-2" not in said


def test_many_files_are_counted_not_listed(shop: Shop) -> None:
    """SPEC 10: a message names the first three files and counts the others."""
    for number in range(6):
        shop.profiles(TODAY, ids([None, f"{number}"]), part=f"part-{number}")
    assert "part-2.parquet and 3 more: 6 profile ids are null" in refused(shop, *VALIDATE)


def test_the_part_that_differs_is_named(shop: Shop) -> None:
    """D5, SPEC 10: an id column that is text here and a number there names file, column and both types."""
    shop.profiles(TODAY, ids(["a"]))
    shop.profiles(TODAY, ids([7]), part="part-1")
    expected = (
        f"error: data/profiles/{TODAY}/part-1.parquet: column 'profile_id' is a whole number (Int64) "
        f"here but text (String) in {PART}; write the column with one type (profiles.id in muster.yml)"
    )
    assert refused_by_each(shop, WORKING) == expected


def test_the_part_with_float_ids_is_named(shop: Shop) -> None:
    """SPEC 10: of several parts the one with the mistyped id column is named."""
    shop.profiles(TODAY, ids([7]))
    shop.profiles(TODAY, ids([7.5]), part="part-1")
    assert refused_by_each(shop, WORKING).startswith(
        f"error: data/profiles/{TODAY}/part-1.parquet: the id column 'profile_id' is a number (Float64)"
    )


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"profileid": "a"},
            "there is no id column 'profile_id' (profiles.id in muster.yml); did you mean 'profileid'?",
        ),
        (
            {"profile_id": "a", "identity_map": "x"},
            "the identity map 'identity_map' is String; expected a list of structs with namespace and id",
        ),
        (
            {"profile_id": "a", "identity_map": [1]},
            "the identity map 'identity_map' is List(Int64); expected a list of structs",
        ),
    ],
)
def test_columns_that_profiles_need(shop: Shop, columns: dict[str, Any], expected: str) -> None:
    """SPEC 10, D1: a snapshot without its id column, or with another kind of identity map, is exit 2 and says what was
    expected.
    """
    shop.profiles(TODAY, [columns])
    assert refused_by_each(shop, WORKING).startswith(f"error: {PART}: {expected}")


def test_an_empty_snapshot_is_refused(shop: Shop) -> None:
    """X11: no rows is exit 2, and says how to go on if it is meant."""
    shop.profiles(TODAY, ids([], pl.String))
    expected = "the profile snapshot has no rows, so every member would leave; pass --allow-empty if that is meant"
    assert refused_by_each(shop, WORKING) == f"error: data/profiles/{TODAY}: {expected}"


def test_a_profile_column_called_audience_is_refused(shop: Shop) -> None:
    """E2: rules could not tell it from the audiences; exit 2 before anything is evaluated."""
    shop.profiles(TODAY, [one(audience="x")])
    for command in (VALIDATE, EVALUATE):
        assert "a column 'audience'" in refused(shop, *command)


# Events and feeds


def with_events(shop: Shop) -> Shop:
    """The audience `us` measures events."""
    shop.events([{"profile_id": "a", "timestamp": datetime(2026, 11, 20, 1), "amount": 5.0}])  # noqa: DTZ001  # a naive column
    shop.audience("us", where="views > 0", events={"views": {"measure": "count"}})
    return shop


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda shop: shop.set(events={"path": "data/evnts"}),
            "data/evnts: there is no such file or folder (events.path in muster.yml); did you",
        ),
        (
            lambda shop: (shop.root / "data/events/events.parquet").unlink(),
            "data/events: holds no Parquet file (events.path in muster.yml)",
        ),
        (
            lambda shop: (shop.root / "data/events/events.parquet").write_bytes(b""),
            "data/events/events.parquet: cannot be read as Parquet: the file is empty",
        ),
        (
            lambda shop: shop.events([{"profile_id": "a", "time": date(2026, 1, 1)}]),
            (
                "data/events/events.parquet: there is no column 'timestamp' (events.timestamp in muster.yml); did "
                "you mean 'time'?"
            ),
        ),
        (
            lambda shop: shop.events([{"profile_id": "a", "timestamp": "2026-01-01"}]),
            "data/events/events.parquet: column 'timestamp' is text (String); expected a timestamp",
        ),
        (
            lambda shop: shop.events([{"profile_id": 1.5, "timestamp": datetime(2026, 1, 1)}]),  # noqa: DTZ001
            "data/events/events.parquet: column 'profile_id' is a number (Float64); expected text or whole numbers",
        ),
    ],
    ids=["no folder", "no file", "empty file", "no timestamp", "text timestamp", "float id"],
)
def test_bad_events_are_refused(shop: Shop, spoil: Spoil, expected: str) -> None:
    """SPEC 10, D3, D5, E9: event files that cannot be read, or lack what events need, fail the audiences that measure
    them and no other (exit 1); file, column and key are named. `validate` is exit 2.
    """
    with_events(shop)
    spoil(shop)
    assert refused(shop, *VALIDATE).startswith(f"error: {expected}")
    fails_alone(shop, "us", expected)


def fails_alone(shop: Shop, audience: str, expected: str) -> None:
    """An evaluation fails one audience with a message and evaluates the others; alone, it is exit 2 (X1, E9)."""
    result = shop.muster(*EVALUATE, "--no-exports")
    assert result.code == 1
    assert told(result).startswith(f"error: audience '{audience}': {expected}")
    assert failures(shop) == [audience]
    evaluated = {each["id"]: each["evaluated_at"] for each in shop.ok("audiences", "list", "--json").json}
    assert [name for name, moment in evaluated.items() if moment == "2026-11-21T06:00:00Z"] == ["all"]
    assert message(shop.muster(*EVALUATE, "--audience", audience, "--no-exports"), 2).startswith(
        f"error: audience '{audience}': {expected}"
    )


def with_feed(shop: Shop, *rows: tuple[Any, ...]) -> Shop:
    """The audience `us` is evaluated elsewhere."""
    shop.feed(rows or [("us", "a", "realized", "2026-11-20T01:00Z")])
    shop.write("audiences/us.yml", {"name": "us", "source": "memberships"})
    return shop


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda shop: shop.set(memberships={"path": "data/members"}),
            "data/members: there is no such file or folder (memberships.path in muster.yml)",
        ),
        (
            lambda shop: (shop.root / "data/memberships/feed.parquet").write_bytes(b"PAR1"),
            "data/memberships/feed.parquet: cannot be read as Parquet",
        ),
        (
            lambda shop: shop.feed([("us", "a", "member", "2026-11-20T01:00Z")]),
            "1 row with another status ('member'); expected realized, existing or exited",
        ),
        (
            lambda shop: shop.feed([("us", "a", None, "2026-11-20T01:00Z")]),
            "1 row with another status (null); expected realized",
        ),
        (
            lambda shop: shop.feed([("us", "a", "realized", None)] * 2),
            "2 rows with a null last_qualification_time; every row needs",
        ),
        (
            lambda shop: shop.feed([("us", None, "realized", "2026-11-20T01:00Z")]),
            "1 row with a null or empty audience_id or profile_id",
        ),
        (
            lambda shop: shop.parquet(
                "data/memberships/feed.parquet", [{"audience_id": "us", "profile_id": "a", "state": "realized"}]
            ),
            "data/memberships/feed.parquet: there is no column 'status'; did you mean 'state'?",
        ),
        (
            lambda shop: shop.parquet(
                "data/memberships/feed.parquet",
                [
                    {
                        "audience_id": "us",
                        "profile_id": "a",
                        "status": "realized",
                        "last_qualification_time": "yesterday",
                    }
                ],
            ),
            "data/memberships/feed.parquet: column 'last_qualification_time' is text (String); expected a timestamp",
        ),
    ],
    ids=["no folder", "truncated", "status", "null status", "null time", "null id", "no column", "text time"],
)
def test_bad_feeds_are_refused(shop: Shop, spoil: Spoil, expected: str) -> None:
    """SPEC 10, D4, E9: a feed with another status, a null time or a missing column fails its audiences and no other
    (exit 1), and says what was expected. `validate` is exit 2.
    """
    with_feed(shop)
    spoil(shop)
    said = refused(shop, *VALIDATE)
    assert expected in said
    fails_alone(shop, "us", said.removeprefix("error: "))


def test_validate_reports_all_of_it(shop: Shop) -> None:
    """X1: `validate` looks at everything that can be looked at: events, the feed, rules and mappings in one go."""
    with_events(shop)
    (shop.root / "data/events/events.parquet").write_bytes(b"")
    shop.feed([("fed", "a", "member", "2026-11-20T01:00Z")])
    shop.write("audiences/fed.yml", {"name": "fed", "source": "memberships"})
    shop.audience("german", where="contry = 'DE'")
    shop.audience("dependent", where="audience.us AND nonsense")
    shop.destination("bad", mapping=["profile_id", "e_mail"], activations=[DAILY_FULL])
    lines = refused(shop, *VALIDATE).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "data/events/events.parquet",
        "data/memberships/feed.parquet",
        "audiences/german.yml:2",
        "bad/all",
    ]


# A run that meets it later


def test_a_run_that_meets_an_unreadable_file_fails_alone(tmp_path: Path, morning: Path) -> None:
    """SPEC 10, X1: a feed that is unreadable when an export starts fails that run with exit 1; the others are
    delivered.
    """
    shutil.copytree(morning, tmp_path / "shop")
    shop = with_feed(new_shop(tmp_path / "shop"))
    shop.destination("crm", mapping=["profile_id"], activations=[{**DAILY_FULL, "audience": "us"}])
    shop.evaluate("2026-11-21T02:00Z")
    (shop.root / "data/memberships/feed.parquet").write_bytes(b"PAR1")
    before = shop.tree("out/crm")
    result = shop.muster(*RUN)
    assert result.code == 1
    assert told(result).startswith(
        "error: crm/us: data/memberships/feed.parquet: cannot be read as Parquet: it is truncated"
    )
    assert changed(before, shop.tree("out/crm")) == []
    assert [run["status"] for run in shop.runs("files/all")] == ["succeeded", "succeeded"]
    assert shop.runs("crm/us")[-1]["status"] == "failed"


def test_an_export_on_demand_names_the_changed_snapshot(tmp_path: Path, morning: Path) -> None:
    """X7: the evaluated snapshot's file is damaged or gone: exit 2, the file, and `muster evaluate`."""
    for number, spoil in enumerate((lambda part: part.write_bytes(b""), lambda part: part.unlink())):
        shutil.copytree(morning, tmp_path / f"{number}")
        shop = new_shop(tmp_path / f"{number}")
        spoil(shop.root / "data/profiles/2026-11-20/part-0.parquet")
        said = refused(shop, *EXPORT)
        assert said.startswith("error: data/profiles/2026-11-20/part-0.parquet: ")
        assert "run `muster evaluate` and export again" in said
