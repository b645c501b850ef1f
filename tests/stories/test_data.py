"""SPEC 3: what is read. Each docstring is the rule; what must come out is written by hand."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.refusals import failures
from support.shop import STATUS, TIMES, Shop, at, identities, person


def everyone(root: Path, **settings: Any) -> Shop:
    """A shop whose audience is everybody, sent to `crm` each day at 05:00."""
    shop = Shop(root, **settings)
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id", STATUS])
    return shop


def snapshot(shop: Shop, moment: str) -> str:
    """The snapshot that an evaluation at a moment used."""
    shop.evaluate(moment)
    return str(shop.ok("evaluations", "list", "--json").json[0]["snapshot"]).removeprefix("data/profiles/")


# D1


def test_a_change_of_the_ids_type_is_no_change_of_person(tmp_path: Path) -> None:
    """D1: ids are identified by their text, so `7` as a number yesterday and as text today is one person."""
    shop = everyone(tmp_path)
    assert shop.day("2026-11-20", [person(7), person(10)]) == ["7,realized", "10,realized"]
    assert shop.day("2026-11-21", [person("7"), person("10")]) == []
    assert shop.day("2026-11-22", [person(10), person(8)]) == ["7,exited", "8,realized"]


def test_leading_zeros_make_another_person(tmp_path: Path) -> None:
    """D1: `7` and `007` differ, in events and feeds alike; whole numbers there are their decimal text."""
    shop = Shop(tmp_path)
    shop.audience("fed", source="memberships")
    shop.audience("all", events={"n": {"measure": "count"}}, where="n > 0 OR audience.fed")
    shop.profiles("2026-11-20", [person("7"), person("007"), person("8"), person("008")])
    shop.events([{"profile_id": 7, "timestamp": at("2026-11-19T00:00Z")}])
    feed = {
        "audience_id": "fed",
        "profile_id": 8,
        "status": "realized",
        "last_qualification_time": at("2026-11-19T00:00Z"),
    }
    shop.parquet("data/memberships/feed.parquet", [feed])
    shop.set(memberships={"path": "data/memberships"})
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships()) == ["7", "8"]


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_an_exit_keeps_its_id_when_the_column_has_become_a_number(tmp_path: Path, form: str) -> None:
    """D1, X12: `007` and `abc` exit under their own ids although today's ids are numbers, among which 7 is somebody
    else.
    """
    shop = everyone(tmp_path)
    shop.crm(mapping=["profile_id", STATUS], format=form)
    shop.profiles("2026-11-20", [person("007"), person("abc"), person("8")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    shop.profiles("2026-11-21", [person(7), person(8)])
    shop.evaluate("2026-11-21T02:00Z")
    shop.run("2026-11-21T05:00Z")
    path = tmp_path / shop.runs("crm/all")[-1]["files"][0]["path"]
    read = {"csv": pl.read_csv, "json": pl.read_ndjson, "parquet": pl.read_parquet}[form]
    rows = read(path, **({"infer_schema": False} if form == "csv" else {})).rows()
    assert sorted((str(profile), status) for profile, status in rows) == [
        ("007", "exited"),
        ("7", "realized"),
        ("abc", "exited"),
    ]


def test_an_exit_keeps_its_id_when_the_column_has_become_narrower(tmp_path: Path) -> None:
    """D1, X12: an id too big for today's column type exits as it was."""
    shop = everyone(tmp_path)
    shop.day("2026-11-20", [person(300), person(2)])
    assert shop.day("2026-11-21", [person(2)], profile_id=pl.Int8) == ["300,exited"]


def test_the_id_goes_by_two_names(tmp_path: Path) -> None:
    """D1: mapping sources and expressions may call the id by its own name or `profile_id`."""
    shop = everyone(tmp_path, profiles={"path": "data/profiles", "id": "customer"})
    shop.audience("all", where="customer > 1 AND profile_id < 4")
    shop.crm(mapping=["profile_id", {"source": "customer", "target": "own"}])
    assert shop.day("2026-11-20", [{"customer": each} for each in (1, 2, 3, 4)]) == ["2,2", "3,3"]


ANN = [("Email", "ann@x.com"), ("Phone", "1"), ("Phone", "2")]
SPELLINGS = {
    "list of structs": lambda: pl.Series([identities(Email=["ann@x.com"], Phone=["1", "2"])]),
    "in another order": lambda: pl.Series([identities(Phone=["2", "1"], Email=["ann@x.com"])]),
    "repeated": lambda: pl.Series([identities(Email=["ann@x.com"], Phone=["1", "2", "1"])]),
    "with nulls and blanks": lambda: pl.Series(
        [
            [
                *identities(Email=["ann@x.com", ""], Phone=["1", "2"]),
                {"namespace": None, "id": "9"},
                {"namespace": "", "id": "9"},
            ]
        ]
    ),
    "extra fields": lambda: pl.Series(
        [[each | {"primary": True} for each in identities(Email=["ann@x.com"], Phone=["1", "2"])]]
    ),
    "struct of lists": lambda: pl.Series([{"Email": ["ann@x.com"], "Phone": ["1", "2"], "Fax": [], "Post": None}]),
    "struct of lists of structs": lambda: pl.Series(
        [{"Email": [{"id": "ann@x.com"}], "Phone": [{"id": "2"}, {"id": None}, {"id": "1"}]}]
    ),
    "struct of lists of numbers": lambda: pl.Series([{"Email": ["ann@x.com"], "Phone": [1, 2]}]),
    "map to lists": lambda: as_map({"Email": ["ann@x.com"], "Phone": ["1", "2"], "Fax": [], "Post": None}),
    "map to lists of structs": lambda: as_map({"Email": [{"id": "ann@x.com"}], "Phone": [{"id": "1"}, {"id": "2"}]}),
}


def as_map(ids: dict[str, Any]) -> pl.Series:
    """One row of Polars' map type."""
    inner = pl.Struct({"id": pl.String}) if isinstance(ids["Email"][0], dict) else pl.String
    entries = [{"key": key, "value": value} for key, value in ids.items()]
    plain = pl.Series([entries], dtype=pl.List(pl.Struct({"key": pl.String, "value": pl.List(inner)})))
    return plain.cast(pl.Map(pl.String, pl.List(inner)))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_identity_map_is_a_set_in_every_spelling(tmp_path: Path, spelling: str) -> None:
    """D1, X3c: all spellings of one set of pairs are the same identities: nobody is sent again, and rules see the same
    ids.
    """
    shop = everyone(tmp_path)
    shop.audience("all", where="ARRAY_LENGTH(identity_map.Phone) = 2 AND identity_map.Email[1] = 'ann@x.com'")
    frame = pl.DataFrame({"profile_id": ["ann"], "identity_map": SPELLINGS["list of structs"]()})
    shop.day("2026-11-20", frame)
    frame = pl.DataFrame({"profile_id": ["ann"], "identity_map": SPELLINGS[spelling]()})
    assert shop.day("2026-11-21", frame) == []
    assert shop.memberships() == {"ann": "realized 2026-11-20T02:00:00Z"}


@pytest.mark.parametrize(
    "nothing", [pl.Series([None]), pl.Series([[]], dtype=pl.List(pl.Null))], ids=["nulls", "empty lists"]
)
def test_an_identity_map_without_a_type_is_empty(tmp_path: Path, nothing: pl.Series) -> None:
    """D1, D5, X3c: a column of nothing but nulls or empty lists is there and holds no identity, in rules and
    comparisons.
    """
    shop = everyone(tmp_path)
    shop.audience("all", where="ARRAY_LENGTH(identity_map.Phone) < 2")
    assert (
        shop.day("2026-11-20", [person("a", identity_map=identities(Phone=["1"])), person("b", identity_map=[])]) != []
    )
    frame = pl.DataFrame({"profile_id": ["a", "b"], "identity_map": nothing.extend(nothing)})
    assert shop.day("2026-11-21", frame) == ["a,realized"]


# D2


@pytest.mark.parametrize(
    ("name", "instant"),
    [
        ("2026-11-20", "2026-11-20T05:00Z"),
        ("2026-11-20T06", "2026-11-20T11:00Z"),
        ("date=2026-11-20", "2026-11-20T05:00Z"),
        ("2026-11-20.parquet", "2026-11-20T05:00Z"),
        ("2026-11-20T06.parquet", "2026-11-20T11:00Z"),
        ("2026-11-01", "2026-11-01T04:00Z"),
        ("2026-11-01T06", "2026-11-01T11:00Z"),
    ],
)
def test_a_snapshot_is_dated_by_its_name(tmp_path: Path, name: str, instant: str) -> None:
    """D2: a date, or date and hour, of a folder or file stands for that local time in the workspace's zone (New York
    here).
    """
    shop = everyone(tmp_path, timezone="America/New_York")
    shop.profiles("2026-10-01", [person("a")])
    shop.parquet(
        f"data/profiles/{name}" if name.endswith(".parquet") else f"data/profiles/{name}/part.parquet", [person("b")]
    )
    just_before = (at(instant) - timedelta(seconds=1)).isoformat()
    assert [snapshot(shop, just_before), snapshot(shop, instant)] == ["2026-10-01", name]
    assert shop.memberships()["b"].startswith("realized")


def test_the_snapshot_is_the_newest_at_or_before_the_instant(tmp_path: Path) -> None:
    """D2: of several dated snapshots the newest one dated at or before the instant is used; before the first there is
    none.
    """
    shop = everyone(tmp_path)
    for name in ("2026-11-20", "2026-11-21", "2026-11-20T12"):
        shop.profiles(name, [person("a")])
    result = shop.muster("evaluate", "--at", "2026-11-19T23:59:59Z")
    assert result.code == 2
    assert "the earliest is 2026-11-20" in result.err
    moments = ("2026-11-20T11:59Z", "2026-11-20T12:00Z", "2026-11-20T23:59Z", "2026-11-22T00:00Z")
    assert [snapshot(shop, moment) for moment in moments] == [
        "2026-11-20",
        "2026-11-20T12",
        "2026-11-20T12",
        "2026-11-21",
    ]


@pytest.mark.parametrize("path", ["data/profiles", "data/profiles/customers.parquet", "data/profiles/*.parquet"])
def test_undated_files_are_one_snapshot_good_at_any_instant(tmp_path: Path, path: str) -> None:
    """D2: undated Parquet files directly inside, one file, or what a glob matches are one snapshot at any instant."""
    shop = everyone(tmp_path, profiles={"path": path})
    shop.parquet("data/profiles/customers.parquet", [person("a")])
    if "customers" not in path:
        shop.parquet("data/profiles/more.parquet", [person("b")])
    shop.evaluate("1999-01-01T00:00Z")
    assert list(shop.memberships()) == (["a"] if "customers" in path else ["a", "b"])


def test_a_glob_may_match_dated_files(tmp_path: Path) -> None:
    """D2: what a glob matches is dated by its own name or by the nearest dated folder above it; several parts are one
    snapshot.
    """
    shop = everyone(tmp_path, profiles={"path": "data/profiles/*/part-*.parquet"})
    shop.profiles("2026-11-20", [person("a")])
    shop.profiles("2026-11-20", [person("b")], part="part-1")
    shop.profiles("2026-11-21", [person("c")])
    shop.profiles("2026-11-21", [person("d")], part="_part-1")
    assert snapshot(shop, "2026-11-20T12:00Z") == "2026-11-20"
    assert list(shop.memberships()) == ["a", "b"]
    assert snapshot(shop, "2026-11-21T12:00Z") == "2026-11-21"
    assert [who for who, what in shop.memberships().items() if what.startswith("realized")] == ["c"]


def test_dated_and_undated_side_by_side_are_an_error(tmp_path: Path) -> None:
    """D2: an undated file beside a dated snapshot is an input error that names both."""
    shop = everyone(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    shop.parquet("data/profiles/customers.parquet", [person("b")])
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 2
    assert "2026-11-20" in result.err
    assert "customers.parquet" in result.err


@pytest.mark.parametrize("other", ["2026-11-20T00", "date=2026-11-20", "2026-11-20.parquet"])
def test_two_entries_for_one_instant_are_an_error(tmp_path: Path, other: str) -> None:
    """D2: two entries for one instant are an input error that names both."""
    shop = everyone(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    shop.parquet(
        f"data/profiles/{other}" if other.endswith(".parquet") else f"data/profiles/{other}/part.parquet", [person("b")]
    )
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert result.code == 2
    assert f"{other} " in result.err or f" {other}" in result.err


def test_hidden_names_are_not_looked_at(tmp_path: Path) -> None:
    """D2: what starts with `.` or `_` is being written: folders, files and parts alike, in every input."""
    shop = everyone(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    for name in ("_2026-11-21", ".2026-11-21", "2026-11-20/_temporary", "2026-11-20/.tmp"):
        shop.profiles(name, [person("b")])
    for name in ("_customers.parquet", ".customers.parquet", "2026-11-20/_part.parquet", "2026-11-20/.part.parquet"):
        shop.parquet(f"data/profiles/{name}", [person("b")])
    (tmp_path / "data/profiles/_SUCCESS").touch()
    (tmp_path / "data/profiles/2026-11-20/_SUCCESS").touch()
    assert snapshot(shop, "2026-11-22T02:00Z") == "2026-11-20"
    assert list(shop.memberships()) == ["a"]


# D3


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", None])
def test_event_times_are_zoned_or_naive_utc(tmp_path: Path, zone: str | None) -> None:
    """D3: a zoned timestamp is that instant, a naive one is UTC; what is later than the instant does not exist."""
    shop = everyone(tmp_path, timezone="America/New_York")
    shop.audience("all", events={"n": {"measure": "count"}}, where="n = 1")
    shop.profiles("2026-11-20", [person("a"), person("b")])
    rows = pl.DataFrame({"profile_id": ["a", "b"], "timestamp": [at("2026-11-20T12:00Z"), at("2026-11-20T12:00:01Z")]})
    in_zone = pl.col("timestamp").dt.convert_time_zone(zone) if zone else pl.col("timestamp").dt.replace_time_zone(None)
    shop.events(rows.with_columns(in_zone))
    shop.evaluate("2026-11-20T12:00Z")
    assert list(shop.memberships()) == ["a"]


def test_events_of_unknown_profiles_are_ignored(tmp_path: Path) -> None:
    """D3: events without a profile make no member."""
    shop = everyone(tmp_path)
    shop.audience("all", events={"n": {"measure": "count"}}, where="n > 0")
    shop.profiles("2026-11-20", [person("a")])
    shop.events([{"profile_id": each, "timestamp": at("2026-11-19T00:00Z")} for each in ("a", "nobody", None)])
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships()) == ["a"]


def test_event_columns_go_by_their_configured_names(tmp_path: Path) -> None:
    """D3: `events.profile_id` and `events.timestamp` name the columns."""
    shop = everyone(tmp_path)
    shop.audience("all", events={"n": {"measure": "count", "within": "1d"}}, where="n = 1")
    shop.profiles("2026-11-20", [person("a")])
    shop.events([{"who": "a", "happened": at("2026-11-19T12:00Z")}])
    shop.set(events={"path": "data/events", "profile_id": "who", "timestamp": "happened"})
    shop.evaluate("2026-11-20T02:00Z")
    assert list(shop.memberships()) == ["a"]


# D4: status, last_qualification_time, valid_until; evaluated on the 20th at 02:00

MORNING, NOON, EVENING, TODAY = "2026-11-19T06:00Z", "2026-11-19T12:00Z", "2026-11-19T18:00Z", "2026-11-20T02:00Z"
LATER = "2026-11-20T02:00:01Z"
FEED_CASES: dict[str, tuple[list[tuple[Any, ...]], str | None]] = {
    "realized": ([("realized", NOON)], "realized 2026-11-19T12:00:00Z"),
    "existing is realized": ([("existing", NOON)], "realized 2026-11-19T12:00:00Z"),
    "exited": ([("exited", NOON)], "exited 2026-11-19T12:00:00Z"),
    "at the instant": ([("realized", TODAY)], "realized 2026-11-20T02:00:00Z"),
    "later than the instant": ([("realized", LATER)], None),
    "later rows do not undo": ([("realized", NOON), ("exited", LATER)], "realized 2026-11-19T12:00:00Z"),
    "the newest counts, whatever the order": ([("exited", EVENING), ("realized", NOON)], "exited 2026-11-19T18:00:00Z"),
    "exited wins at equal times": ([("exited", NOON), ("realized", NOON)], "exited 2026-11-19T12:00:00Z"),
    "then the later valid_until": (
        [("realized", NOON, LATER), ("realized", NOON, EVENING)],
        "realized 2026-11-19T12:00:00Z",
    ),
    "and null is latest": ([("realized", NOON), ("realized", NOON, EVENING)], "realized 2026-11-19T12:00:00Z"),
    "expired from valid_until on": ([("realized", NOON, TODAY)], "exited 2026-11-20T02:00:00Z"),
    "not before it": ([("realized", NOON, LATER)], "realized 2026-11-19T12:00:00Z"),
    "expired at its own time": ([("realized", MORNING, EVENING)], "exited 2026-11-19T18:00:00Z"),
    "repeated": ([("realized", MORNING), ("existing", NOON), ("realized", EVENING)], "realized 2026-11-19T06:00:00Z"),
    "back after an exit": (
        [("realized", MORNING), ("exited", NOON), ("realized", EVENING)],
        "realized 2026-11-19T18:00:00Z",
    ),
    "back after an expiry": ([("realized", MORNING, NOON), ("realized", EVENING)], "realized 2026-11-19T18:00:00Z"),
    "prolonged in time": ([("realized", MORNING, EVENING), ("realized", NOON)], "realized 2026-11-19T06:00:00Z"),
    "prolonged at the last moment": (
        [("realized", MORNING, NOON), ("realized", NOON)],
        "realized 2026-11-19T12:00:00Z",
    ),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The memberships of all cases, each case a profile of its own."""
    shop = everyone(tmp_path_factory.mktemp("fed"))
    shop.audience("all", source="memberships")
    shop.profiles("2026-11-19", [person(case) for case in FEED_CASES])
    others = [("other", case, "exited", EVENING) for case in FEED_CASES]
    shop.feed([("all", case, *row) for case, (rows, _) in FEED_CASES.items() for row in rows] + others)
    shop.evaluate(TODAY)
    return shop.memberships()


@pytest.mark.parametrize("case", FEED_CASES)
def test_a_feed_decides_status_and_time(found: dict[str, str], case: str) -> None:
    """D4: the newest row up to the instant counts; a membership ends at `valid_until`; its time is that of the first
    realized row since.
    """
    assert found.get(case) == FEED_CASES[case][1]


def test_a_member_whose_rows_are_gone_is_exited(tmp_path: Path) -> None:
    """D4: no row: not a member; a member whose rows are gone is exited at the instant, once."""
    shop = everyone(tmp_path)
    shop.audience("all", source="memberships")
    shop.profiles("2026-11-19", [person("a"), person("b"), person("c")])
    shop.feed([("all", "a", "realized", MORNING), ("all", "b", "realized", MORNING)])
    shop.evaluate(TODAY)
    shop.feed([("all", "b", "realized", MORNING)])
    shop.evaluate("2026-11-21T02:00Z")
    shop.evaluate("2026-11-22T02:00Z")
    assert shop.memberships() == {"a": "exited 2026-11-21T02:00:00Z", "b": "realized 2026-11-19T06:00:00Z"}


@pytest.mark.parametrize(("status", "time"), [("active", MORNING), (None, MORNING), ("realized", None)])
def test_another_status_or_a_null_time_is_an_error(tmp_path: Path, status: str | None, time: str | None) -> None:
    """D4, E9: another status or a null time fails the audiences of the feed, names the file, and changes no
    memberships.
    """
    shop = everyone(tmp_path)
    shop.audience("zz", source="memberships")
    shop.profiles("2026-11-19", [person("a")])
    shop.feed([("zz", "a", "realized", MORNING)])
    shop.evaluate("2026-11-19T12:00Z")
    shop.feed([("zz", "b", status, time)], name="bad")
    before = shop.memberships("zz")
    result = shop.muster("evaluate", "--at", TODAY)
    assert (result.code, shop.memberships("zz"), failures(shop)) == (1, before, ["zz"])
    assert "data/memberships/" in result.err


# D5


def read_as(shop: Shop, *parts: pl.DataFrame, where: str) -> list[str]:
    """Members of a rule over a snapshot of several parts."""
    for number, part in enumerate(parts):
        shop.profiles("2026-11-20", part, part=f"part-{number}")
    shop.audience("all", where=where)
    shop.evaluate("2026-11-20T02:00Z")
    return list(shop.memberships())


def part(profile: str, value: Any, dtype: Any = None) -> pl.DataFrame:
    return pl.DataFrame({"profile_id": [profile], "x": pl.Series([value], dtype=dtype)})


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        (part("a", None), part("b", "text"), "x = 'text' OR x IS NULL"),
        (part("a", 100, pl.Int8), part("b", 2**40, pl.Int64), "x >= 100"),
        (part("a", 2**63, pl.UInt64), part("b", -1, pl.Int8), "x > 9000000000000000000 OR x = -1"),
        (part("a", 3, pl.Int32), part("b", 2.5, pl.Float32), "x > 2.4"),
        (
            part("a", at("2026-11-20T00:00Z"), pl.Datetime("ms", "UTC")),
            part("b", at("2026-11-20T00:00Z"), pl.Datetime("ns", "UTC")),
            "x = TIMESTAMP '2026-11-20 00:00:00'",
        ),
        (part("a", "gold", pl.Categorical()), part("b", "gold"), "x = 'gold'"),
        (part("a", {"tier": 1, "old": True}), part("b", {"tier": 1.5}), "x.tier >= 1 AND (x.old OR x.old IS NULL)"),
        (part("a", [1, 2], pl.List(pl.Int8)), part("b", [1.5, 2.0]), "x[2] = 2"),
    ],
    ids=[
        "null",
        "integers",
        "unsigned and signed",
        "integer and float",
        "time units",
        "categorical",
        "structs",
        "lists",
    ],
)
def test_types_of_parts_are_widened(tmp_path: Path, one: pl.DataFrame, other: pl.DataFrame, where: str) -> None:
    """D5: null to anything, integers among themselves, integers and floats, time units, categorical to text, also
    nested.
    """
    assert read_as(everyone(tmp_path), one, other, where=where) == ["a", "b"]


def test_parts_may_lie_in_folders_and_lack_columns(tmp_path: Path) -> None:
    """D5: many part files, other column orders, nested folders and missing columns are normal; a missing column is
    null.
    """
    shop = everyone(tmp_path)
    shop.crm(mapping=["profile_id", "email", "points"])
    shop.profiles("2026-11-20", [{"profile_id": "a", "email": "a@x.com", "points": 1}], part="region=eu/part-0")
    shop.profiles("2026-11-20", [{"points": 2, "profile_id": "b"}], part="region=us/part-0")
    shop.profiles("2026-11-20", [{"email": "c@x.com", "profile_id": "c"}], part="region=us/deep/part-0")
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("crm/all") == ["a,a@x.com,1", "b,,2", "c,c@x.com,"]


def test_parts_of_events_and_feeds_are_widened_too(tmp_path: Path) -> None:
    """D5: the same holds for event and membership files."""
    shop = everyone(tmp_path)
    shop.audience("fed", source="memberships")
    shop.audience("all", events={"total": {"measure": "sum(amount)"}}, where="total > 3 OR audience.fed")
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.events([{"profile_id": "a", "timestamp": at("2026-11-19T00:00Z"), "amount": 2}], name="one")
    shop.events(
        pl.DataFrame({"amount": [1.5], "timestamp": [at("2026-11-19T00:00Z")], "profile_id": ["a"]}), name="two"
    )
    shop.feed([("fed", "a", "exited", MORNING)])
    without = pl.DataFrame(
        {"status": ["realized"], "audience_id": ["fed"], "profile_id": ["b"], "last_qualification_time": [at(NOON)]}
    )
    shop.parquet("data/memberships/other.parquet", without.cast({"last_qualification_time": TIMES}))
    shop.evaluate(TODAY)
    assert list(shop.memberships()) == ["a", "b"]
