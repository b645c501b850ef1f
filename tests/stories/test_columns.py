"""SPEC D1, D5, D6, D7, X1: columns of many files and many writers. Each docstring is the rule; what must come out is
written by hand.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.refusals import failures
from support.shop import FEED, STATUS, Result, Shop, at

DAY = "2026-11-20"
EVENING = at("2026-11-19T20:00Z")
BIG = 2**53 + 1  # which no 64-bit float is


def part(profile: str, value: Any, dtype: Any = None, column: str = "x") -> pl.DataFrame:
    """A part with one profile and one column."""
    return pl.DataFrame({"profile_id": [profile], column: pl.Series([value], dtype=dtype)})


def shop_of(
    root: Path, *parts: pl.DataFrame, where: str = "true", mapping: Sequence[Any] = ("profile_id", "x")
) -> Shop:
    """A shop with two audiences, `all` of everybody and `some` with a rule, and two activations of `all`, `crm/all`
    with a mapping and `plain/all` of ids.
    """
    shop = Shop(root)
    shop.audience("all", where="true")
    shop.audience("some", where=where)
    shop.crm(mapping=list(mapping))
    daily = [{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}]
    shop.destination("plain", mapping=["profile_id"], activations=daily)
    for number, frame in enumerate(parts):
        shop.profiles(DAY, frame, part=f"part-{number}")
    return shop


def night(shop: Shop, day: str = DAY) -> tuple[Result, Result]:
    """The evaluation and the run of a day."""
    return shop.muster("evaluate", "--at", f"{day}T02:00Z"), shop.muster("run", "--at", f"{day}T05:00Z")


# What is widened


DECIMALS = [part("a", Decimal("5.00"), pl.Decimal(3, 2)), part("b", Decimal("123456.78"), pl.Decimal(8, 2))]


@pytest.mark.parametrize(
    ("parts", "values"),
    [
        (DECIMALS, ["5.00", "123456.78"]),
        ([part("a", Decimal("1.5"), pl.Decimal(4, 1)), part("b", Decimal("0.25"), pl.Decimal(4, 2))], ["1.50", "0.25"]),
        ([part("a", 2**63 - 1), part("b", Decimal("0.5"), pl.Decimal(3, 1))], [f"{2**63 - 1}.0", "0.5"]),
        ([part("a", 2**53), part("b", 0.5)], [f"{2**53}.0", "0.5"]),
        ([part("a", 2**60), part("b", 0.5)], ["1.152921504606847e+18", "0.5"]),
        ([part("a", 0.5, pl.Float32), part("b", 0.1)], ["0.5", "0.1"]),
        (
            [
                part("a", datetime(1969, 12, 31, 23, 59, 59, 999_999), pl.Datetime("ns")),  # noqa: DTZ001  # naive is the case
                part("b", datetime(9999, 1, 1), pl.Datetime("ms")),  # noqa: DTZ001
            ],
            ["1969-12-31T23:59:59.999999Z", "9999-01-01T00:00:00Z"],
        ),
        ([part("a", [1]), part("b", [2.5]), part("c", [])], ["[1.0]", "[2.5]", "[]"]),
        ([part("a", [1, 2], pl.Array(pl.Int8, 2)), part("b", [3], pl.List(pl.Int64))], ["[1,2]", "[3]"]),
    ],
    ids=["precision", "scale", "integers", "floats", "large", "float widths", "units", "lists", "arrays"],
)
def test_types_of_parts_are_widened_without_loss(tmp_path: Path, parts: list[pl.DataFrame], values: list[str]) -> None:
    """D5: decimals by scale, then precision; integers into decimals; integers with floats that hold them; time units
    to microseconds; the same inside lists.
    """
    shop = shop_of(tmp_path, *parts)
    assert [each.code for each in night(shop)] == [0, 0]
    assert [line.split(",", 1)[1] for line in shop.sent("crm/all")] == values


@pytest.mark.parametrize(
    "dtype",
    [pl.Float64, pl.Int32, pl.Datetime, pl.Boolean, pl.List(pl.Int64), pl.Struct({"y": pl.Date}), pl.Null],
    ids=str,
)
def test_a_column_without_values_in_a_part_has_no_type(tmp_path: Path, dtype: Any) -> None:
    """D5: a part without a value in a column, whatever its type there, says nothing about the column."""
    shop = shop_of(tmp_path, part("a", None, dtype), part("b", "b@x.com"), where="x = 'b@x.com'")
    assert [each.code for each in night(shop)] == [0, 0]
    assert (shop.sent("crm/all"), list(shop.memberships("some"))) == (["a,", "b,b@x.com"], ["b"])


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Int64, pl.Date, pl.Boolean, pl.Binary, pl.Null], ids=str)
@pytest.mark.parametrize("steps", [["trim", "lower", "sha256"], ["date(%Y)"], ["default(none)"]], ids=str)
def test_transforms_take_a_column_without_a_value_in_any_part(tmp_path: Path, steps: list[str], dtype: Any) -> None:
    """D5: a day on which nobody has a value, whatever type pandas gives the column then, fails no transform."""
    shop = shop_of(tmp_path, part("a", None, dtype), where="x IS NULL")
    shop.crm(mapping=["profile_id", {"source": "x", "transform": steps}])
    assert [each.code for each in night(shop)] == [0, 0]
    assert shop.sent("crm/all") == ["a,none" if steps == ["default(none)"] else "a,"]


def test_an_integer_beside_a_float_without_values_stays_as_it_is(tmp_path: Path) -> None:
    """D5: the null of pandas, a column of floats without a value, costs no digit."""
    shop = shop_of(tmp_path, part("a", BIG), part("b", None, pl.Float64))
    night(shop)
    assert shop.sent("crm/all") == [f"a,{BIG}", "b,"]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.Date, pl.Binary], ids=str)
def test_a_part_without_rows_has_no_types(tmp_path: Path, dtype: Any) -> None:
    """D5: neither for ids nor for other columns, which it may lack."""
    empty = pl.DataFrame(schema={"profile_id": dtype, "x": dtype})
    shop = shop_of(tmp_path, part("a", "text"), empty, pl.DataFrame(schema={"other": dtype}))
    assert [each.code for each in night(shop)] == [0, 0]
    assert shop.sent("crm/all") == ["a,text"]


def test_leaves_without_values_have_no_type_either(tmp_path: Path) -> None:
    """D5: inside of structs, lists and maps as at the top."""
    one = {"tags": [], "n": 1, "m": None}
    other = {"tags": ["t"], "n": 0.5, "m": "text"}
    types = pl.Struct({"tags": pl.List(pl.Float64), "n": pl.Int64, "m": pl.Date})
    shop = shop_of(tmp_path, part("a", one, types), part("b", other), where="x.m = 'text' AND ARRAY_LENGTH(x.tags) = 1")
    assert [each.code for each in night(shop)] == [0, 0]
    assert list(shop.memberships("some")) == ["b"]
    assert shop.sent("crm/all")[0] == 'a,{"tags":[],"n":1.0,"m":null}'


# D5, X1: what is not


DISAGREEING = [
    ([part("a", "1"), part("b", 1)], ["text (String)", "a whole number (Int64)"]),
    ([part("a", True), part("b", 1)], ["a boolean", "a whole number"]),
    ([part("a", date(2026, 1, 1)), part("b", EVENING)], ["a date", "a timestamp with a zone"]),
    ([part("a", EVENING.replace(tzinfo=None)), part("b", EVENING)], ["without a zone", "with a zone"]),
    ([part("a", Decimal("0.5"), pl.Decimal(2, 1)), part("b", 0.5)], ["Decimal", "Float64"]),
    ([part("a", {"tier": 1}), part("b", {"tier": "1"})], ["'x.tier'", "text (String)", "a whole number (Int64)"]),
    ([part("a", [{"n": 1}]), part("b", [{"n": "1"}])], ["'x[].n'", "text (String)", "a whole number (Int64)"]),
    ([part("a", BIG), part("b", 0.5)], ["Int64", "Float64", "1 value has no exact counterpart"]),
    ([part("a", [BIG, 1]), part("b", [0.5])], ["'x[]'", "Int64", "Float64", "1 value has no exact counterpart"]),
    (
        [part("a", Decimal(10**37), pl.Decimal(38, 0)), part("b", Decimal("0.05"), pl.Decimal(3, 2))],
        ["precision=38, scale=0", "precision=3, scale=2", "no exact counterpart"],
    ),
]
DISAGREEING_IDS = [
    "text",
    "boolean",
    "date",
    "zone",
    "float",
    "field",
    "element",
    "digits",
    "digits inside",
    "decimals",
]


@pytest.mark.parametrize(("parts", "words"), DISAGREEING, ids=DISAGREEING_IDS)
def test_types_that_disagree_stop_only_their_users(tmp_path: Path, parts: list[pl.DataFrame], words: list[str]) -> None:
    """D5, X1: the audience and the activation that use the column fail, naming file, column and both types; the rest
    goes on; `validate` reports all.
    """
    shop = shop_of(tmp_path, *parts, where="x IS NOT NULL")
    validated = shop.muster("validate")
    evaluated, run = night(shop)
    assert (validated.code, evaluated.code, run.code, failures(shop)) == (2, 1, 1, ["some"])
    assert (list(shop.memberships()), shop.sent("plain/all")) == (["a", "b"], ["a", "b"])
    assert [run["activation"] for run in shop.runs("crm/all") if run["status"] == "failed"] == ["all"]
    files = [f"data/profiles/{DAY}/part-0.parquet", f"data/profiles/{DAY}/part-1.parquet"]
    for told in (validated.err, evaluated.err, run.err):
        assert all(word in told for word in ["'x", *files, *words])
    assert "audiences/some.yml:2: where" in validated.err
    assert "crm/all: destinations/crm.yml" in validated.err


def test_nobody_hears_of_a_column_that_nobody_uses(tmp_path: Path) -> None:
    """D5, D6: what cannot be used matters only to what uses it."""
    shop = shop_of(tmp_path, part("a", "1"), part("b", 1), mapping=["profile_id"])
    evaluated, run = night(shop)
    assert (evaluated.err, run.err) == ("", "")
    assert "part-" not in shop.ok("validate").err
    assert "'x' is a whole number (Int64) here but text (String)" in shop.ok("-v", "validate").err


@pytest.mark.parametrize(
    "column",
    [{"source": "x"}, {"source": "x.y", "target": "x"}, {"source": "x[0]"}, {"expression": "x + 1", "target": "t"}],
    ids=["source", "path", "element", "expression"],
)
def test_every_way_to_map_a_column_says_why_it_cannot_be_used(tmp_path: Path, column: dict[str, Any]) -> None:
    """D5, X1: sources, dotted paths, elements and expressions; a near name is still told of one that is wrong."""
    shop = shop_of(tmp_path, part("a", "1"), part("b", 1), mapping=["profile_id", column, {"source": "X1"}])
    told = shop.muster("validate").err
    assert "mapping[1]" in told
    assert "column 'x' is a whole number (Int64) here but text (String)" in told
    assert "'X1': the snapshot has no such column; did you mean 'x'?" in told


def test_a_key_that_cannot_be_used_removes_nobody(tmp_path: Path) -> None:
    """D5, X1, M3: an activation whose key has two types fails, and sends no exits."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id", STATUS], deduplicate=["x"])
    shop.day(DAY, pl.concat([part("a", 1), part("b", 2)]))
    shop.profiles("2026-11-21", part("a", "1"), part="part-0")
    shop.profiles("2026-11-21", part("c", 2), part="part-1")
    _, run = night(shop, "2026-11-21")
    assert run.code == 1
    assert "deduplicate: 'x': data/profiles/2026-11-21/part-1.parquet: column 'x'" in run.err
    assert shop.runs("crm/all")[-1]["status"] == "failed"


@pytest.mark.parametrize(
    ("measure", "fails"),
    [
        ({"measure": "count"}, False),
        ({"measure": "sum(x)"}, True),
        ({"measure": "count", "where": "x = 1"}, True),
    ],
    ids=["unused", "measured", "in a condition"],
)
def test_event_columns_are_no_different(tmp_path: Path, measure: dict[str, str], fails: bool) -> None:
    """D5, E9: a measure that uses a column with two types fails its audience; the other audiences go on."""
    shop = shop_of(tmp_path, part("a", 1))
    shop.audience("some", events={"n": measure}, where="n > 0")
    for number, value in enumerate((1, "1")):
        shop.events([{"profile_id": "a", "timestamp": EVENING, "x": value}], name=f"events-{number}")
    evaluated = shop.muster("evaluate", "--at", f"{DAY}T02:00Z")
    assert (evaluated.code, failures(shop)) == ((1, ["some"]) if fails else (0, []))
    assert ("audiences/some.yml" in evaluated.err and "'x' is text (String)" in evaluated.err) == fails


# D1, D6: ids


def test_whole_decimals_are_ids_as_integers_are(tmp_path: Path) -> None:
    """D1, D6, M6: NUMBER(38,0) and whole NUMERIC(38,9) are the integers that they say, in profiles, events and feeds;
    they sort as numbers, and yesterday's integers are the same people.
    """
    shop = Shop(tmp_path)
    shop.audience("fed", source="memberships")
    shop.audience("all", events={"n": {"measure": "count"}}, where="n > 0 OR audience.fed OR profile_id > 99999")
    shop.crm(mapping=["profile_id", STATUS])

    def ids(numbers: Sequence[int], scale: int) -> pl.Series:
        return pl.Series([Decimal(each) for each in numbers], dtype=pl.Decimal(38, scale))

    shop.profiles(DAY, pl.DataFrame({"profile_id": [9, 100, 7, 12345678901]}))
    shop.events(pl.DataFrame({"profile_id": ids([100], 9), "timestamp": [EVENING]}))
    feed = pl.DataFrame(
        {
            "audience_id": ["fed"],
            "profile_id": ids([9], 0),
            "status": ["realized"],
            "last_qualification_time": [EVENING],
            "valid_until": None,
        }
    )
    shop.parquet("data/memberships/feed.parquet", feed.cast({"valid_until": FEED["valid_until"]}))
    shop.set(memberships={"path": "data/memberships"})
    assert shop.day(DAY) == ["9,realized", "100,realized", "12345678901,realized"]
    assert shop.day("2026-11-21", pl.DataFrame({"profile_id": ids([12345678901, 100, 100000, 9], 0)})) == [
        "100000,realized"
    ]
    assert shop.day("2026-11-22", pl.DataFrame({"profile_id": ids([100, 100000, 9], 9)})) == ["12345678901,exited"]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([["a", "", ""]], "part-0.parquet: 2 profile ids are empty in column 'profile_id'"),
        ([["a"], ["b", ""]], "part-1.parquet: 1 profile id is empty in column 'profile_id'"),
        ([["a", "", None]], "part-0.parquet: 2 profile ids are null or empty"),
        ([[b"a"]], "is bytes (Binary); expected text or whole numbers; if it holds text, write it as text: "),
        ([[b"a"]], "CAST(profile_id AS VARCHAR)"),
        ([[Decimal("1.5"), Decimal(2)]], "part-0.parquet: 1 row has an id that is no whole number"),
        ([["a"], [1]], "part-1.parquet: column 'profile_id' is a whole number (Int64) here but text (String) in"),
    ],
)
def test_ids_that_are_none_are_refused(tmp_path: Path, parts: list[list[Any]], told: str) -> None:
    """D1, D6, SPEC 10: empty text, bytes, fractions and mixed types are no ids; the message says where and how many."""
    shop = shop_of(tmp_path, *(pl.DataFrame({"profile_id": ids}) for ids in parts), mapping=["profile_id"])
    evaluated = shop.muster("evaluate", "--at", f"{DAY}T02:00Z")
    assert evaluated.code == 2
    assert told in evaluated.err


def test_a_part_without_the_id_column_is_told_as_that(tmp_path: Path) -> None:
    """D1: its rows would have no id; the message names the file, and one that has the column."""
    shop = shop_of(tmp_path, part("a", 1), pl.DataFrame({"PROFILE_ID": ["b"], "x": [1]}))
    told = shop.muster("evaluate", "--at", f"{DAY}T02:00Z").err
    assert f"data/profiles/{DAY}/part-1.parquet: there is no id column 'profile_id'" in told
    assert f"which other files have, such as data/profiles/{DAY}/part-0.parquet" in told
    assert "there is a column 'PROFILE_ID'" in told


def test_a_column_in_other_letters_in_some_parts_is_warned_of(tmp_path: Path) -> None:
    """D5: both names are columns, null where the other stands; nobody hears of it where one file has both."""
    shop = shop_of(tmp_path, part("a", 1), pl.DataFrame({"profile_id": ["b"], "X": [2]}))
    told = "upper and lower case are two columns, each null where the other stands: give it one name"
    files = f"data/profiles/{DAY}/part-0.parquet", f"data/profiles/{DAY}/part-1.parquet"
    said = shop.ok("evaluate", "--at", f"{DAY}T02:00Z", "--json").json["warnings"]
    assert said == [f"{files[0]}: column 'x' is 'X' in {files[1]}; {told}"]
    shop = shop_of(tmp_path / "both", part("a", 1), pl.DataFrame({"profile_id": ["b"], "X": [2], "x": [3]}))
    assert shop.ok("evaluate", "--at", f"{DAY}T02:00Z", "--json").json["warnings"] == []


@pytest.mark.parametrize(("kind", "missing"), [("events", "timestamp"), ("events", "profile_id"), ("feed", "status")])
def test_a_part_of_events_or_feeds_without_its_columns_is_told_as_that(tmp_path: Path, kind: str, missing: str) -> None:
    """D3, D4: a part that lacks an id, a time or a status fails what uses events or feeds."""
    shop = shop_of(tmp_path, part("a", 1))
    if kind == "events":
        shop.audience("some", events={"n": {"measure": "count"}}, where="n > 0")
        row = {"profile_id": "a", "timestamp": EVENING}
        shop.events([row])
    else:
        shop.audience("some", source="memberships")
        shop.feed([("some", "a", "realized", EVENING)])
        row = {"audience_id": "some", "profile_id": "a", "status": "realized", "last_qualification_time": EVENING}
    folder = "events" if kind == "events" else "memberships"
    shop.parquet(f"data/{folder}/more.parquet", [{name: each for name, each in row.items() if name != missing}])
    evaluated = shop.muster("evaluate", "--at", f"{DAY}T02:00Z")
    assert (evaluated.code, failures(shop)) == (1, ["some"])
    assert f"data/{folder}/more.parquet: there is no column '{missing}'" in evaluated.err


def test_columns_in_other_letters_are_named(tmp_path: Path) -> None:
    """D1, D3: Snowflake's capitals are told with the setting that names them."""
    shop = shop_of(tmp_path, pl.DataFrame({"PROFILE_ID": ["a"], "x": [1]}))
    told = shop.muster("validate").err
    assert "there is no id column 'profile_id' (profiles.id in muster.yml); there is a column 'PROFILE_ID'" in told
    assert "write id: PROFILE_ID under profiles" in told
    shop.set(profiles={"path": "data/profiles", "id": "PROFILE_ID"})
    shop.audience("some", events={"n": {"measure": "count"}}, where="n > 0")
    shop.events([{"profile_id": "a", "TIMESTAMP": EVENING}])
    assert "write timestamp: TIMESTAMP under events" in shop.muster("validate").err


def test_an_identity_map_in_other_letters_is_warned_of(tmp_path: Path) -> None:
    """D1: a snapshot without the identity map and with one in capitals has no identities, and says so."""
    row = {"profile_id": "a", "IDENTITY_MAP": [{"namespace": "Email", "id": "a@x.com"}]}
    shop = shop_of(tmp_path, pl.DataFrame([row]), mapping=["profile_id", "identity_map.Email"])
    evaluated, run = night(shop)
    assert evaluated.code == 0
    assert "there is no identity map 'identity_map', so no profile has an identity" in evaluated.err
    assert "write identity_map: IDENTITY_MAP under profiles" in run.err
    shop.set(profiles={"path": "data/profiles", "identity_map": "IDENTITY_MAP"})
    run = shop.run(f"{DAY}T06:00Z")
    assert (run.err, shop.sent("crm/all")) == ("", ["a,a@x.com"])


def test_an_identity_map_of_two_types_is_used_by_nobody(tmp_path: Path) -> None:
    """D5, X1, X3c: rules and mappings that ask for identities fail; others export, and compare no identities."""
    pairs = [{"namespace": "Email", "id": "a@x.com"}]
    parts = part("a", pairs, column="identity_map"), part("b", "{}", column="identity_map")
    shop = shop_of(
        tmp_path, *parts, where="identity_map.Email[1] = 'a@x.com'", mapping=["profile_id", "identity_map.Email"]
    )
    evaluated, run = night(shop)
    assert (evaluated.code, run.code, failures(shop), shop.sent("plain/all")) == (1, 1, ["some"], ["a", "b"])
    assert "column 'identity_map' is text (String) here but a list" in run.err


@pytest.mark.parametrize("dtype", [pl.Decimal(38, 9), pl.Float64, pl.Float32, pl.String], ids=str)
@pytest.mark.parametrize("shape", ["pairs", "by namespace"])
def test_numbers_in_an_identity_map_are_identities_by_value(tmp_path: Path, dtype: Any, shape: str) -> None:
    """D1, D7, X3c, M5: 7 as an integer yesterday, and as a decimal, a float or text today, is one identity."""

    def identity(profile: str, of: Any) -> pl.DataFrame:
        id_ = "7" if of == pl.String else 7
        if shape == "pairs":
            pairs = pl.List(pl.Struct({"namespace": pl.String, "id": of}))
            return part(profile, [{"namespace": "Card", "id": id_}], pairs, column="identity_map")
        return part(profile, {"Card": [id_]}, pl.Struct({"Card": pl.List(of)}), column="identity_map")

    shop = shop_of(tmp_path, mapping=["profile_id", "identity_map.Card", STATUS])
    assert shop.day(DAY, identity("a", pl.Int64)) == ["a,7,realized"]
    assert shop.day("2026-11-21", identity("a", dtype)) == []
    assert shop.day("2026-11-22", identity("a", pl.Int64)) == []
    assert shop.day("2026-11-23", identity("b", dtype)) == ["b,7,realized"]  # no exit of 7, which b holds


# Names


NAMES = ["__id", "__row", "__value:x", "status", "key", "len", "a.b", " "]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_column(tmp_path: Path, name: str) -> None:
    """D1, D3: names that begin with `__`, or that muster uses itself, are columns like others: in rules, measures,
    mappings, expressions and keys.
    """
    shop = shop_of(tmp_path, mapping=["profile_id"])
    quoted = f'"{name}"'
    shop.audience(
        "all", events={"n": {"measure": "count", "where": f"{quoted} = 'e'"}}, where=f"n = 1 AND {quoted} > 'u'"
    )
    source = [{"source": name, "target": "t"}] if name.strip() else []
    shop.crm(
        mapping=["profile_id", *source, {"expression": f"UPPER({quoted})", "target": "upper"}, STATUS],
        deduplicate=[name] if source else [],
    )
    shop.events([{"profile_id": each, "timestamp": EVENING, name: "e"} for each in "abc"])
    first = ["a", "b", "c"], ["v", "w", "u"]
    assert shop.day(DAY, pl.DataFrame({"profile_id": first[0], name: first[1]})) == [
        f"{profile},{f'{value},' if source else ''}{value.upper()},realized"
        for profile, value in (("a", "v"), ("b", "w"))
    ]
    left = shop.day("2026-11-21", pl.DataFrame({"profile_id": ["a", "b"], name: ["v", "a"]}))
    assert left == [f"b,{'w,' if source else ''}A,exited"]


def test_muster_s_own_names_are_refused_to_their_users_alone(tmp_path: Path) -> None:
    """D6: a column whose name muster needs is told by name where it is used, and read by nobody."""
    shop = shop_of(tmp_path, part("a", "v", column="muster:id"), where="\"muster:id\" = 'v'", mapping=["muster:id"])
    evaluated, run = night(shop)
    assert (evaluated.code, run.code, shop.sent("plain/all")) == (1, 1, ["a"])
    told = "part-0.parquet: column 'muster:id' cannot be used: names that begin with 'muster:' are reserved"
    assert told in evaluated.err
    assert run.err.count(told) == 2


def test_bytes_are_told_with_the_cast_that_makes_them_text(tmp_path: Path) -> None:
    """D6: text that was stored as bare bytes is not compared as text by itself; mapped it is base64 (M7)."""
    shop = shop_of(tmp_path, part("a", b"abc"), where="x = 'abc'")
    evaluated, _ = night(shop)
    assert "CAST(x AS VARCHAR) reads them" in evaluated.err
    shop.audience("some", where="CAST(x AS VARCHAR) = 'abc'")
    shop.run(f"{DAY}T06:00Z")
    assert (list(shop.memberships("some")), shop.sent("crm/all")) == (["a"], ["a,YWJj"])


@pytest.mark.parametrize(
    "identities",
    [
        pl.Series([[{"namespace": "Card", "id": b"7"}]]),
        pl.Series([[{"namespace": b"Card", "id": "7"}]]),
        pl.Series([{"Card": [b"7"]}]),
        pl.Series([{"Card": [{"id": b"7"}]}]),
    ],
    ids=lambda each: str(each.dtype),
)
def test_bytes_in_an_identity_map_are_told_with_the_cast(tmp_path: Path, identities: pl.Series) -> None:
    """D1, D6: bytes are no ids in an identity map either, in whatever shape it is."""
    shop = shop_of(tmp_path, pl.DataFrame({"profile_id": ["a"], "identity_map": identities}))
    evaluated = shop.muster("evaluate", "--at", f"{DAY}T02:00Z")
    assert evaluated.code == 2
    assert "part-0.parquet: the identity map 'identity_map' has bytes for " in evaluated.err
    assert "expected text or numbers; if it holds text, write it as text: CAST(" in evaluated.err


def test_bytes_beside_text_are_told_with_the_cast(tmp_path: Path) -> None:
    """D5, D6: parts of bytes and of text do not go together; the message has the cast that the writer needs."""
    shop = shop_of(tmp_path, part("a", "abc"), part("b", b"abc"))
    _, run = night(shop)
    assert "'x' is bytes (Binary) here but text (String) in" in run.err
    assert "write the bytes as text: CAST(x AS VARCHAR) in the query that makes the file" in run.err


# D7: types that changed


def types_told(shop: Shop, day: str, value: Any, dtype: Any) -> list[str]:
    """The warnings of a day's run."""
    shop.profiles(day, part("a", value, dtype))
    shop.evaluate(f"{day}T02:00Z")
    told: list[str] = shop.ok("run", "--at", f"{day}T05:00Z", "--json").json["warnings"]
    return told


def test_a_changed_type_is_warned_of_once(tmp_path: Path) -> None:
    """D7: the first run after a change of a mapped column's type names the column, both types and the last delivery,
    as do `plan` and `validate` before; the next night is silent.
    """
    shop = shop_of(tmp_path)
    assert types_told(shop, "2026-11-20", 7, pl.Int64) == []
    last = shop.runs("crm/all")[-1]["run_id"]
    shop.profiles("2026-11-21", part("a", 7.0))
    before = [shop.ok(name, "--at", "2026-11-21T05:00Z").err for name in ("plan", "validate")]
    [told] = types_told(shop, "2026-11-21", 7.0, pl.Float64)
    assert all(told in each for each in before)
    assert told.startswith("crm/all: column 'x' is a number (Float64) in data/profiles/2026-11-21, and was a whole ")
    assert told.partition("a whole number (Int64) at the last delivery, ")[2].startswith(last)
    assert types_told(shop, "2026-11-22", 8.0, pl.Float64) == []


def test_a_column_without_values_has_no_type_to_warn_of(tmp_path: Path) -> None:
    """D7, D5: a day without a value says nothing of the type, and does not hide a change."""
    shop = shop_of(tmp_path)
    types = [(7, pl.Int64), (None, pl.Float64), (7, pl.Int64), (None, pl.Null), ("7", pl.String)]
    told = [types_told(shop, f"2026-11-{20 + day}", *each) for day, each in enumerate(types)]
    assert [len(each) for each in told] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("form", "warned"), [("csv", [0, 0, 1, 1]), ("parquet", [0, 1, 1, 1])])
def test_a_precision_that_does_not_show_is_no_change(tmp_path: Path, form: str, warned: list[int]) -> None:
    """D7: in CSV and JSON the precision of decimals does not show, in Parquet it does."""
    shop = shop_of(tmp_path)
    shop.crm(mapping=["profile_id", "x"], format=form)
    types = [pl.Decimal(4, 1), pl.Decimal(9, 1), pl.Int64, pl.Int8]
    values = [Decimal(7), Decimal(7), 7, 7]
    told = [types_told(shop, f"2026-11-{20 + day}", *each) for day, each in enumerate(zip(values, types, strict=True))]
    assert [len(each) for each in told] == warned


def test_a_new_activation_and_an_old_state_know_no_types(tmp_path: Path) -> None:
    """D7: a first delivery is compared with nothing; nor is one after a run whose types were not recorded."""
    shop = shop_of(tmp_path)
    types_told(shop, "2026-11-20", 7, pl.Int64)
    daily = [{"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}]
    shop.destination("later", mapping=["x"], activations=daily)
    told = types_told(shop, "2026-11-21", "7", pl.String)
    assert [each.partition(":")[0] for each in told] == ["crm/all"]


def test_ids_of_another_type_are_the_same_people(tmp_path: Path) -> None:
    """D1, D7: 7 as an integer, a decimal and text is one person, whose id column is warned of as any other."""
    shop = shop_of(tmp_path, mapping=["profile_id", STATUS])

    def people(dtype: Any) -> pl.DataFrame:
        return pl.DataFrame({"profile_id": pl.Series([7, 10]).cast(dtype)})

    assert shop.day(DAY, people(pl.Int64)) == ["7,realized", "10,realized"]
    assert shop.day("2026-11-21", people(pl.Decimal(38, 0))) == []
    assert shop.day("2026-11-22", people(pl.Decimal(38, 9))) == []
    assert shop.day("2026-11-23", people(pl.String)) == []
