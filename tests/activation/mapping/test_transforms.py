"""M1, M2, X12: columns that are transformed, made by an expression, or joined; each docstring is the rule."""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support.shop import STATUS, Shop, identities, person

from muster.activation.export import recipe_record
from muster.activation.mapping import profile_values
from muster.activation.mapping.mapping_record import columns_of, mapping_record
from muster.activation.model.workspace import Column
from muster.activation.values import phones, transforms

SEEN = datetime(2026, 3, 1, 23, 30, 15, tzinfo=UTC)
TIME = {"source": "segment_membership.last_qualification_time", "target": "since", "transform": ["date(%Y%m%d)"]}
HASHED = ["trim", "lower", "sha256"]


def made(steps: Sequence[str], values: Sequence[Any], dtype: Any = None) -> list[Any]:
    """The values after these transforms, in the type that they are said to have."""
    frame = pl.DataFrame({"x": pl.Series(values, dtype=dtype)})
    expr, result = transforms.apply(steps, pl.col("x"), frame.schema["x"])
    found = frame.lazy().select(expr.alias("y")).collect(engine="streaming")["y"]
    assert found.dtype == result
    return found.to_list()


def sha(text: str) -> str:
    """What another library says of it."""
    return hashlib.sha256(text.encode()).hexdigest()


def shop_of(root: Path, **content: Any) -> Shop:
    """A shop whose one audience are the profiles with `vip`; they go to `crm` each day at 05:00."""
    shop = Shop(root)
    shop.audience("all", where="vip")
    shop.crm(**content)
    return shop


# What platforms publish, on these pages (of Google, what the page leads to: the tests of google-ads-data-manager-util;
# of LiveRamp, the
# form before hashing):
#
# - https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters
# - https://developers.google.com/data-manager/api/devguides/concepts/formatting
# - https://docs.liveramp.com/connect/en/hashing-identifiers.html
# - https://developer.x.com/en/docs/x-ads-api/audiences/overview/user-data
META_MAIL = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
META_PHONE = "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"
GOOGLE_MAIL = "509e933019bb285a134a9334b8bb679dff79d0ce023d529af4bd744d47b4fd8a"
GOOGLE_PHONE = "fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30"


@pytest.mark.parametrize(
    ("steps", "value", "published"),
    [
        (HASHED, "John_Smith@gmail.com", META_MAIL),
        (["e164(US)", "digits", "sha256"], "(650)555-1212", META_PHONE),
        (HASHED, "Mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
        (HASHED, "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
        (HASHED, "Valéry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
        (HASHED, "  ALEXZ@example.com   ", GOOGLE_MAIL),
        (["e164", "sha256"], "   +1-800-555-0100", GOOGLE_PHONE),
        (["e164(US)", "sha256"], "1-800-555-0100   ", GOOGLE_PHONE),
        (HASHED, "  GivenName  ", "128a07bfe2df877c52076e60d7774cf5baaa046c5a6c48daf30ff43ecca2f814"),
        (["trim", "lower"], "MyName@liveramp.com ", "myname@liveramp.com"),
        (["e164(US)"], "+44-113-496-0987", "+441134960987"),
        (["lower", "sha256"], "AdsAPI", "49e0be2aeccfb51a8dee4c945c8a70a9ac500cf6f5cb08112575f74db9b1470d"),
        (["md5"], "abc", "900150983cd24fb0d6963f7d28e17f72"),  # RFC 1321
        (["sha1"], "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),  # FIPS 180-2
        (["sha256"], "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_what_platforms_publish(steps: list[str], value: str, published: str) -> None:
    """Hashes are hex in lower case, of the UTF-8 text in the form that a platform asks for: as in its own examples."""
    assert made(steps, [value]) == [published]


@pytest.mark.parametrize("step", ["trim", "lower", "upper", "digits", "md5", "sha1", "sha256", "e164(US)"])
def test_nothing_is_made_of_nothing(step: str) -> None:
    """Null stays null, also where every value is; an empty text has no hash and is no number, and so is
    missing (M2).
    """
    assert made([step], [None, "", "x"])[0] is None
    assert made([step], ["", "x"])[0] in {None, ""}
    assert made([step], [None, None], pl.Null) == [None, None]


def test_numbers_that_are_none_are_null() -> None:
    """E164 gives null for what is no valid number, and for one without a country code unless a region is given."""
    values = ["(650) 555-1212", "+44 20 8366 1177", "12", "nobody", None]
    assert made(["e164(US)"], values) == ["+16505551212", "+442083661177", None, None, None]
    assert made(["e164"], values) == [None, "+442083661177", None, None, None]
    assert made(["e164(GB)"], ["020 8366 1177"]) == ["+442083661177"]


def test_equal_numbers_are_looked_at_once() -> None:
    """A number takes as long as hundreds of hashes, so that equal ones are one."""
    with mock.patch.object(phones, "_of_one", side_effect=lambda number, _: f"+{number}") as looked:
        found = pl.select(pl.lit(pl.Series(["1", "2", "1", None, "1"])).pipe(phones.e164, None)).to_series()
    assert (found.to_list(), looked.call_count) == (["+1", "+2", "+1", None, "+1"], 2)


def test_dates_are_written_in_a_form() -> None:
    """``date(format)`` takes dates and timestamps; those are in UTC, whatever their zone and unit."""
    assert made(["date(%d/%m/%Y)"], [date(2026, 3, 1), None]) == ["01/03/2026", None]
    for dtype in (pl.Datetime("ms"), pl.Datetime("ns", "Asia/Tokyo"), pl.Datetime("us", "UTC")):
        assert made(["date(%Y-%m-%d %H:%M:%S %z)"], [SEEN], dtype) == ["2026-03-01 23:30:15 +0000"]
    assert made(["date(%Y)", "default(never)"], [None, date(2026, 3, 1)]) == ["never", "2026"]


def test_defaults_fill_what_has_no_text() -> None:
    """``default(value)`` takes the place of null and the empty text, and of numbers that are none; the type stays."""
    assert made(["default(n/a)"], [None, "", "x"]) == ["n/a", "n/a", "x"]
    assert made(["default(7)"], [None, 1]) == [7, 1]
    assert made(["default(0.5)"], [float("nan"), None, 1.0]) == [0.5, 0.5, 1.0]
    assert made(["default(true)"], [None, False]) == [True, False]
    assert made(["default(2026-01-02)"], [None], pl.Date) == [date(2026, 1, 2)]


# Mistakes


INEXACT = [
    ("1.239", pl.Decimal(10, 2)),
    ("1e-400", pl.Float64),
    ("16777217", pl.Float32),
    ("0.10001", pl.Float16),
    ("1.0000000000000000001", pl.Float64),
]
NONE = [(text, pl.Float64) for text in ("nan", "inf", "-infinity", "1e400", "0e99999999999999999999")]


@pytest.mark.parametrize(
    ("text", "dtype"), [*INEXACT, *NONE, ("300", pl.Int8), ("1.5", pl.Int64), ("1000", pl.Decimal(4, 2))]
)
def test_a_default_is_written_as_it_stands(text: str, dtype: Any) -> None:
    """SPEC 10: a ``default`` that the column's type would change, or that has no text (M7), does not fit the column."""
    with pytest.raises(ValueError, match=r"default\(.*\) does not fit the column, which is a") as error:
        made([f"default({text})"], [None], dtype)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [
        *[(text, pl.Decimal(10, 2), Decimal("1.2")) for text in ("1.2", "1.200", " +1.20 ", "12e-1")],
        *[("0.1", dtype, pl.Series([0.1], dtype=dtype).item()) for dtype in (pl.Float16, pl.Float32, pl.Float64)],
        *[("1e300", pl.Float64, 1e300), ("-5", pl.Int8, -5), ("18446744073709551615", pl.UInt64, 2**64 - 1)],
    ],
)
def test_a_default_may_be_spelled_as_numbers_are(text: str, dtype: Any, value: object) -> None:
    """A ``default`` of the same value as the column's type holds fills in, however it is spelled."""
    assert made([f"default({text})"], [None], dtype) == [value]


def test_mistakes_in_a_mapping_stop_every_command(tmp_path: Path) -> None:
    """SPEC 10: what is wrong with a column is reported with its line, all of it at once, exit 2; the nearest names are
    given.
    """
    lines = {
        "{source: a, transform: [trim, lowr]}": "transform[1]: 'lowr' is not a transform; did you mean 'lower'?",
        "{source: b, transform: sha-256}": "transform: 'sha-256' is not a transform; did you mean 'sha256'",
        "{source: c, transform: [date(%B %d, of %Y)]}": (
            "a bracket is not closed; put a transform that holds a comma in quotes"
        ),
        "{source: d, transform: [date]}": "date needs an argument in brackets, such as date(%Y-%m-%d)",
        "{source: e, transform: [date(iso)]}": "'date(iso)': the format has no directive such as %Y in it",
        "{source: f, transform: [date(%Q)]}": "'date(%Q)': the format has an unknown directive",
        "{source: g, transform: [e164(UK)]}": (
            "'UK' is not a region; expected two letters such as US, or the column that holds them; did you mean 'GB'?"
        ),
        "{source: h, transform: [trim(x)]}": "trim takes no argument; write trim",
        "{source: i, transform: ['default(${SALT})']}": (
            "uses an environment variable; write the value itself, because runs record how"
        ),
        "{expression: 'CONCAT(i, ''${SALT}'')', target: j}": (
            "uses an environment variable; write the value itself, because runs record how"
        ),
        "{expression: 'UPPER(k)'}": "target: is required: the header for the values of the expression",
        "{expression: 'UPPER(l)', source: l}": "expression: cannot be combined with source; remove one of them",
        "{expression: 'COUNT(m)', target: m}": (
            "COUNT(m): COUNT is not allowed here: it aggregates over rows, and this expression sees one profile"
        ),
        "{expression: audience.all, target: n}": (
            "audience.all is not allowed in a mapped column, which sees the columns of one profile"
        ),
        "{expression: identity_map.Email, target: o}": "identity_map.Email is not allowed in a mapped column",
        "{expression: '1 +', target: p}": "1 +: something is missing after '+'",
        "{source: segment_membership.status, join: x}": (
            "join: needs a list, and 'segment_membership.status' is one value"
        ),
        "{source: r, transform: [hash_unless_hashed, lower]}": (
            "transform: hash_unless_hashed must be the last transform: values that are hashes already pass by all"
        ),
        "{source: s, transform: [hash_unless_hashed(md6)]}": ("'md6' is not a hash function; did you mean 'md5'"),
        "{source: identity_map.Phone, transform: [e164(country)]}": (
            "transform: e164(country) reads a column of the profile, which only a profile's attribute can; write e164"
        ),
        "{target: q}": "source: is required: the column to export; or write an expression",
    }
    shop = shop_of(tmp_path)
    mapping = "".join(f"  - {line}\n" for line in lines)
    shop.write(
        "destinations/bad.yml",
        (
            f"url: out/bad\nformat: csv\nmapping:\n{mapping}activations: "
            f"[{{audience: all, export: full, schedule: {{at: '05:00'}}}}]\n"
        ),
    )
    with mock.patch.dict("os.environ", {"SALT": "pepper"}):
        result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert result.code == 2
    assert "pepper" not in result.err
    for number, said in enumerate(lines.values()):
        assert any(
            f"bad.yml:{number + 4}: mapping[{number}]" in line and said in line for line in result.err.splitlines()
        ), said


def test_a_transform_that_does_not_fit_stops_its_activation_alone(tmp_path: Path) -> None:
    """X1, M4: column, transform and both types are named before anything is written; `validate` says so; the others go
    on.
    """
    shop = shop_of(tmp_path)
    mapping: list[Any] = [
        {"source": "age", "transform": ["lower"]},
        {"source": "tags", "transform": ["sha256"]},
        {"source": "email", "join": ","},
        {"source": "vip", "transform": ["default(maybe)"]},
        {"source": "email", "target": "day", "transform": ["trim", "date(%Y)"]},
        {"source": "born", "transform": ["date(%H)"]},
        {"expression": "emial || 'x'", "target": "o"},
        {"expression": "age || tags", "target": "p"},
    ]
    daily = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
    shop.destination("bad", mapping=mapping, activations=[daily])
    shop.profiles("2026-11-20", [person("a", age=4, tags=["x"], born=date(2000, 1, 1))])
    shop.evaluate("2026-11-20T02:00Z")
    for result in (shop.muster("validate", "--at", "2026-11-20"), shop.muster("run", "--at", "2026-11-20T05:00Z")):
        assert result.code > 0
        for said in (
            (
                "mapping[0]: 'age': lower needs text, and it is a whole number (Int64); an `expression` with "
                "CAST(... AS VARCHAR)"
            ),
            "mapping[1]: 'tags': sha256 needs text, and it is a list (List(String)); `join` turns a list into text",
            "mapping[2]: 'email': join needs a list, and it is text (String)",
            "mapping[3]: 'vip': default(maybe) does not fit the column, which is a boolean (Boolean)",
            "mapping[4]: 'email': date(%Y) needs a date or a timestamp, and it is text (String)",
            "mapping[5]: 'born': 'date(%H)': the format does not fit a date (Date)",
            "mapping[6]: emial || 'x': unknown column 'emial'; did you mean 'email'?",
            "mapping[7]: age || tags: tags is a list",
        ):
            assert said in result.err
    assert shop.files() == [shop.files("crm")[0]]


def test_an_expression_that_fails_on_a_value_is_named(tmp_path: Path) -> None:
    """X1: the expression and its place, how many values, never a value; the run fails, exit 1."""
    shop = shop_of(tmp_path, mapping=["profile_id", {"expression": "CAST(email AS INTEGER)", "target": "n"}])
    shop.profiles("2026-11-20", [person("a", email="secret")])
    shop.evaluate("2026-11-20T02:00Z")
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert result.code == 1
    assert (
        "crm.yml:6: mapping[1]: CAST(email AS INTEGER): a value of column email cannot be converted from text (str)"
        in result.err
    )
    assert "TRY_CAST gives null instead" in result.err
    assert "secret" not in result.err
    assert shop.files() == []


MEMORY = {
    "usual": {},
    "kept for all": {"profile_values._FEW": 0, "profile_values._LARGE": 0.0},
    "read for each file": {"profile_values.Budget.admits": lambda *_, **__: False},
    "passing by": {"profile_values._FEW": 0, "profile_values.Budget.admits": lambda *_, **__: False},
    "joined": {
        "profile_values._FEW": 0,
        "profile_values.Budget.admits": lambda *_, **__: False,
        "profile_values.ProfileValues._are_beside": lambda *_: False,
    },
}


@pytest.mark.parametrize("members", [2, 5])
@pytest.mark.parametrize("memory", MEMORY.values(), ids=MEMORY.keys())
def test_an_expression_is_made_of_those_who_are_sent_alone(
    tmp_path: Path, memory: dict[str, Any], members: int
) -> None:
    """X1: a value of somebody else fails no export, whatever else runs, however many are members, whatever the memory
    and retries are.
    """
    shop = Shop(tmp_path)
    people = [person(f"{number}", vip=number < members, n="12" if number < members else "oops") for number in range(6)]
    shop.profiles("2026-11-20", people)
    shop.audience("vips", where="vip")
    shop.audience("all", where="true")
    number = {"expression": "CAST(n AS INTEGER)", "target": "n"}
    kinds = {
        "one": {},
        "two": {},
        "hashed": {"mapping": ["profile_id", "email", {**number, "mandatory": True}], "format": "json"},
    }
    for name, content in kinds.items():
        activations = [
            {"audience": audience, "export": "full", "schedule": {"at": "05:00"}} for audience in ("vips", "all")
        ]
        shop.destination(name, **({"mapping": ["profile_id", "email", number], "activations": activations} | content))
    with contextlib.ExitStack() as stack:
        for name, value in memory.items():
            stack.enter_context(mock.patch(f"muster.activation.mapping.{name}", value))
        shop.evaluate("2026-11-20T02:00Z")
        results = [shop.muster("run", "--at", f"2026-11-20T05:{minute}0Z") for minute in range(2)]
    assert [result.code for result in results] == [1, 1]
    ended = {f"{run['destination']}/{run['activation']}": (run["status"], run["attempts"]) for run in shop.runs()}
    good, bad = ("succeeded", 1), ("failed", 2)
    assert ended == {
        f"{name}/{audience}": good if audience == "vips" else bad for name in kinds for audience in ("vips", "all")
    }
    assert (
        shop.sent("one/vips") == shop.sent("two/vips") == [f"{number},{number}@x.com,12" for number in range(members)]
    )


# Files

NESTED: list[Any] = [
    "profile_id",
    {"source": "tags", "join": "|"},
    {"source": "tags", "join": "|", "transform": ["default(none)", "upper"], "target": "loud"},
    "tags[0]",
    "tags[-1]",
    "tags[7]",
    "home.orders[-1].total",
    {"source": "days", "join": " "},
]


def people() -> list[dict[str, Any]]:
    """Three profiles with lists."""
    orders = [{"total": 1.5}, {"total": 2.0}]
    return [
        person("a", tags=["x", None, "y z"], home={"orders": orders}, days=[date(2026, 1, 2)], seen=SEEN),
        person("b", tags=[], home={"orders": []}, days=[], seen=SEEN),
        person("c", tags=None, home=None, days=None, seen=SEEN),
    ]


def test_lists_are_joined_and_indexed(tmp_path: Path) -> None:
    """``join`` makes text of a list, nulls in it left out; ``[0]`` and ``[-1]`` take one element, also inside a path;
    beyond it is null.
    """
    shop = shop_of(tmp_path, mapping=NESTED)
    assert shop.day("2026-11-20", people()) == [
        "a,x|y z,X|Y Z,x,y z,,2.0,2026-01-02",
        "b,,NONE,,,,,",
        "c,,NONE,,,,,",
    ]
    header = ["profile_id", "tags", "loud", "tags_0", "tags_-1", "tags_7", "home_orders_-1_total", "days"]
    assert list(shop.rows(shop.files()[0])[0]) == header


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_whole_lists_stay_in_json_and_parquet(tmp_path: Path, form: str) -> None:
    """Lists and structs that nothing is done to are lists and structs; what was transformed or joined is what it was
    made.
    """
    mapping = [
        "tags",
        "home",
        {"source": "tags", "join": "|", "target": "text"},
        {"source": "seen", "transform": "date(%Y)"},
        TIME,
    ]
    shop = shop_of(tmp_path, mapping=mapping, format=form)
    shop.profiles("2026-11-20", people())
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    file = shop.root / "out" / shop.files()[0]
    rows = (
        pl.read_parquet(file).to_dicts()
        if form == "parquet"
        else [json.loads(line) for line in file.read_text().splitlines()]
    )
    assert rows[0] == {
        "tags": ["x", None, "y z"],
        "home": {"orders": [{"total": 1.5}, {"total": 2.0}]},
        "text": "x|y z",
        "seen": "2026",
        "since": "20261120",
    }
    assert [row["text"] for row in rows] == ["x|y z", "", None]


def test_an_expression_sees_what_a_rule_sees(tmp_path: Path) -> None:
    """E2: timestamps are local, ``now()`` is the instant of the evaluation; a timestamp that comes of it is an instant
    again (M7).
    """
    mapping: list[Any] = [
        {"expression": "CONCAT(profile_id, ' ', UPPER(email))", "target": "who"},
        {"expression": "STRFTIME(seen, '%d %H:%M')", "target": "local"},
        {"expression": "seen", "target": "seen_at"},
        {"expression": "seen + INTERVAL '1 day'", "target": "next", "transform": ["date(%Y-%m-%dT%H:%M)"]},
        {"expression": "now()", "target": "now"},
        {"expression": "CURRENT_DATE", "target": "today"},
        {"expression": "home.orders", "target": "orders"},
        {"expression": "'x'", "target": "fixed"},
        {"expression": "NULLIF(email, 'b@x.com')", "target": "some", "mandatory": True},
    ]
    shop = shop_of(tmp_path, mapping=mapping)
    shop.set(timezone="Asia/Tokyo")
    shop.profiles("2026-11-20", people()[:2])
    shop.evaluate("2026-11-19T22:00Z")
    shop.run("2026-11-19T23:00Z")
    (row,) = shop.rows(shop.files()[0])
    assert row == {
        "who": "a A@X.COM",
        "local": "02 08:30",
        "seen_at": "2026-03-01T23:30:15Z",
        "next": "2026-03-02T23:30",
        "now": "2026-11-19T22:00:00Z",
        "today": "2026-11-20",
        "orders": '[{"total":1.5},{"total":2.0}]',
        "fixed": "x",
        "some": "a@x.com",
    }
    run = shop.runs()[-1]
    assert run["excluded_by"] == {"mandatory:some": 1}
    shop.set(timezone="UTC")
    assert "the bytes that were delivered" in shop.ok("replay", run["run_id"], "--to", str(tmp_path / "again")).out


CLOCKS = [
    ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30:00Z"),
    ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z"),
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45:00Z"),
    ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z"),
    ("Pacific/Apia", "2011-12-30T00:00", "2011-12-30T10:00:00Z"),
    ("Pacific/Apia", "2011-12-30T23:30", "2011-12-31T09:30:00Z"),
]


@pytest.mark.parametrize(("zone", "local", "instant"), CLOCKS, ids=[f"{zone} {local}" for zone, local, _ in CLOCKS])
def test_a_local_time_becomes_an_instant(tmp_path: Path, zone: str, local: str, instant: str) -> None:
    """M7, E1: of two the first; in a gap, however long, as if the clock had not been moved. A `source` keeps the
    instant.
    """
    again = datetime.fromisoformat(instant) + timedelta(hours=1)
    shop = Shop(tmp_path, timezone=zone)
    shop.audience("all", where="true")
    made = {"expression": f"TIMESTAMP '{local.replace('T', ' ')}:00'", "target": "made"}
    shop.crm(export="full", schedule="after_evaluation", mapping=["profile_id", made, "seen"])
    shop.profiles("2026-11-20", [person("a", seen=again)])
    shop.evaluate("2026-11-20T12:00Z")
    assert shop.sent("crm/all") == [f"a,{instant},{again:%Y-%m-%dT%H:%M:%SZ}"]


NARROW = {"byte": pl.Int8, "count": pl.UInt32, "cents": pl.Int32}


def test_whole_numbers_do_not_wrap_around(tmp_path: Path) -> None:
    """E2, E3: rules, measures and mapped expressions compute with 64 bits, however columns are stored; a mapped column
    stays (M7).
    """
    shop = Shop(tmp_path)
    shop.profiles(
        "2026-11-20",
        pl.DataFrame(
            {"profile_id": ["a"], "byte": [100], "count": [1], "cents": [2_000_000_000], "p": [{"n": 100}]},
            schema_overrides={**NARROW, "p": pl.Struct({"n": pl.Int8})},
        ),
    )
    shop.events([{"profile_id": "a", "timestamp": SEEN, "points": 100}], points=pl.Int8)
    rules = {
        "small": "byte + 50 > 100",
        "few": "count - 2 < 0",
        "rich": "cents * 2 > 1000 AND p.n * 2 = 200 AND -count = -1",
    }
    for name, where in rules.items():
        shop.audience(name, where=where)
    measures = {
        name: {"measure": f"{name}(points)", "where": "points + 100 > 100"}
        for name in ("min", "max", "first", "last", "sum", "avg")
    }
    shop.audience("all", where=" AND ".join(f'"{name}" + 100 = 200' for name in measures), events=measures)
    made = {"b": "byte + 50", "c": "count - 2", "d": "cents * 2", "e": "-count", "f": "p.n + 100"}
    mapping = [*NARROW, *({"expression": text, "target": name} for name, text in made.items())]
    shop.crm(export="full", format="parquet", mapping=mapping)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    assert [list(shop.memberships(name)) for name in (*rules, "all")] == [["a"]] * 4
    found = pl.read_parquet(tmp_path / "out" / shop.files()[0])
    assert found.rows() == [(100, 1, 2_000_000_000, 150, -1, 4_000_000_000, -1, 200)]
    assert found.schema == pl.Schema(NARROW | dict.fromkeys(made, pl.Int64))


def test_mandatory_looks_at_what_is_written(tmp_path: Path) -> None:
    """M2: a phone that is no phone excludes its profile, and so does an e-mail of which nothing is left."""
    mapping = [
        "profile_id",
        {"source": "phone", "transform": ["e164(US)"], "mandatory": True},
        {"source": "email", "transform": HASHED, "mandatory": True},
    ]
    shop = shop_of(tmp_path, mapping=mapping)
    rows = [person("a", phone="650 555 1212"), person("b", phone="-"), person("c", phone="650 555 1212", email="  ")]
    assert shop.day("2026-11-20", rows) == [f"a,+16505551212,{sha('a@x.com')}"]
    assert shop.runs()[-1]["excluded_by"] == {"mandatory:email": 1, "mandatory:phone": 1}


def test_what_several_files_hold_is_made_once(tmp_path: Path) -> None:
    """A value is made once a run, for the comparison and for every file, where there is room to keep it."""
    shop = shop_of(tmp_path)
    mapping = ["profile_id", {"source": "phone", "transform": ["e164(US)"], "mandatory": True}, "email"]
    two = [
        {"audience": "all", "id": each, "export": "incremental", "schedule": {"at": "05:00"}} for each in ("one", "two")
    ]
    shop.destination("crm", mapping=mapping, activations=two)
    shop.profiles("2026-11-20", [person(each, phone=f"650 555 121{place}") for place, each in enumerate("abc")])
    shop.evaluate("2026-11-20T02:00Z")
    asked: list[str] = []

    def of_all(numbers: pl.Series, **_: Any) -> pl.Series:
        asked.extend(numbers)
        return numbers.str.replace_all(" ", "").str.replace("^", "+1")

    with mock.patch.multiple(profile_values, _FEW=0, _LARGE=0.0), mock.patch.object(phones, "_of_all", of_all):
        shop.run("2026-11-20T05:00Z")
    assert (
        shop.sent("crm/one")
        == shop.sent("crm/two")
        == [f"{each},+1650555121{place},{each}@x.com" for place, each in enumerate("abc")]
    )
    assert sorted(asked) == ["650 555 1210", "650 555 1211", "650 555 1212"]


# What the receiver holds (X12, M3, M5)


def mail(*steps: str, **more: Any) -> dict[str, Any]:
    """A mandatory e-mail column with these transforms."""
    return {"source": "email", "mandatory": True} | ({"transform": list(steps)} if steps else {}) | more


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        (mail("lower", "sha256"), mail("md5"), sha("a@x.com")),
        (mail(), mail("sha256"), "A@x.com"),
        (mail("lower"), mail(), "a@x.com"),
        (mail("lower"), {"expression": "UPPER(email)", "target": "email", "mandatory": True}, "a@x.com"),
        ({"source": "born", "target": "email", "mandatory": True}, mail("lower"), "1"),
        ({"source": "profile_id", "target": "email"}, mail("lower"), "a"),
        ({"source": "born", "target": "email"}, mail("lower"), ""),
        (mail(target="old"), [mail(target="new"), mail("sha256")], "A@x.com,"),
    ],
)
def test_an_exit_carries_what_was_sent(tmp_path: Path, before: Any, after: Any, sent: str) -> None:
    """X12: an exited row has the value as it was sent under the column's target, by the source and transforms of then;
    what is unknown is null.
    """
    shop = shop_of(tmp_path, mapping=["profile_id", before, STATUS])
    shop.day("2026-11-20", [person("a", email="A@x.com", born="1"), person("b", born="1")])
    shop.crm(mapping=["profile_id", *(after if isinstance(after, list) else [after]), STATUS])
    rows = [person("a", email="A@x.com", vip=False, born="1"), person("b", born="1")]
    assert shop.day("2026-11-21", rows) == [f"a,{sent},exited"]
    changed = shop.runs()[-1]["run_id"]
    shop.crm(mapping=["profile_id"])
    assert "the bytes that were delivered" in shop.ok("replay", changed, "--to", str(tmp_path / "again")).out


def test_two_columns_of_one_source_are_kept_apart(tmp_path: Path) -> None:
    """X12: each of them carries its own last sent value, though the source has another one by now."""
    mapping = ["profile_id", mail("md5", target="one"), mail("sha256", target="two"), mail(target="three"), STATUS]
    shop = shop_of(tmp_path, mapping=mapping)
    shop.day("2026-11-20", [person("a"), person("b")])
    old = [hashlib.md5(b"a@x.com").hexdigest(), sha("a@x.com"), "a@x.com"]  # noqa: S324  # what receivers ask for
    assert shop.day("2026-11-21", [person("a", email="new", vip=False), person("b", email="new")]) == [
        ",".join(["a", *old, "exited"])
    ]
    assert "0\n" in shop.ok("reconcile", "crm/all", "--at", "2026-11-21T06:00Z").out


def test_what_was_never_sent_is_not_told_by_an_exit(tmp_path: Path) -> None:
    """M3, X12: an e-mail that only told duplicates apart does not go out in clear when a hash of it is mapped later."""
    shop = shop_of(tmp_path, mapping=["profile_id", STATUS], deduplicate=["email"])
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.crm(mapping=["profile_id", mail("sha256"), STATUS], deduplicate=["email"])
    assert shop.day("2026-11-21", [person("b")]) == ["a,,exited"]


def test_duplicates_are_told_by_what_is_written(tmp_path: Path) -> None:
    """M3: keys and ties are the values as they are written; an exit is withheld where a desired profile's key is
    written the same way.
    """
    mapping = [
        {"source": "rank", "transform": ["sha256"]},
        "profile_id",
        {"source": "email", "transform": HASHED},
        STATUS,
    ]
    shop = shop_of(tmp_path, mapping=mapping, deduplicate=["email"])
    rows = [
        *(person("a", email="ann@x.com", rank="2"), person("b", email="ann@x.com", rank="1")),
        *(person("c", email="ANN@x.com", rank="3"), person("d", email="dan@x.com", rank="4")),
    ]
    assert min("123", key=sha) == "3"
    assert [row.split(",")[1] for row in shop.day("2026-11-20", rows)] == ["c", "d"]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 2}
    left = [{**row, "vip": row["profile_id"] == "a"} for row in rows if row["profile_id"] != "b"]
    assert [row.split(",")[1:] for row in shop.day("2026-11-21", left)] == [
        ["a", sha("ann@x.com"), "realized"],
        ["d", sha("dan@x.com"), "exited"],
    ]
    assert shop.runs()[-1]["excluded_by"] == {"duplicate": 1}


def test_identities_are_known_as_they_are_and_written_as_asked(tmp_path: Path) -> None:
    """M5, M2: one row for each identity of which something is left; several columns may write one namespace; X3c goes
    by the raw ids.
    """
    mapping = [
        {"source": "identity_map.Phone", "target": "phone", "transform": ["e164(US)"]},
        {"source": "identity_map.Phone", "target": "hash", "transform": ["e164(US)", "digits", "sha256"]},
        *("profile_id", STATUS),
    ]
    shop = shop_of(tmp_path, mapping=mapping)
    ann, number = sha("16505551212"), sha("442083661177")
    rows = [
        person("a", identity_map=identities(Phone=["650-555-1212", "+44 20 8366 1177"])),
        person("b", identity_map=identities(Phone=["nothing"])),
    ]
    assert shop.day("2026-11-20", rows) == [f"+442083661177,{number},a,realized", f"+16505551212,{ann},a,realized"]
    assert shop.runs()[-1]["excluded_by"] == {"mandatory:phone": 1}
    rows = [person("a", identity_map=identities(Phone=["+1 650 555 1212"])), rows[1]]
    assert shop.day("2026-11-21", rows) == [f"+442083661177,{number},a,exited", f"+16505551212,{ann},a,realized"]
    assert "extra at the receiver    0" in shop.ok("reconcile", "crm/all", "--at", "2026-11-21T06:00Z").out


@pytest.mark.parametrize("now", [[], ["md5"]])
def test_an_identity_leaves_as_it_came(tmp_path: Path, now: list[str]) -> None:
    """X12, M5: an identity and a profile id that exit are written by the transforms by which they were sent; whoever
    stays is sent anew under the identity of today.
    """

    def mapped(steps: list[str]) -> list[Any]:
        columns = [{"source": "identity_map.Email", "target": "mail"}, {"source": "profile_id", "target": "who"}]
        return [*(column | {"transform": steps} if steps else column for column in columns), STATUS]

    shop = shop_of(tmp_path, mapping=mapped(["upper", "sha256"]))
    everybody = [person(each, identity_map=identities(Email=[f"{each}@x.com"])) for each in "abc"]
    shop.day("2026-11-20", everybody)
    shop.crm(mapping=mapped(now))
    shop.day("2026-11-21", [everybody[0], everybody[1] | {"vip": False}])
    gone = {each: f"{sha(f'{each.upper()}@X.COM')},{sha(each.upper())},exited" for each in "abc"}
    today = ",".join(hashlib.md5(each.encode()).hexdigest() if now else each for each in ("a@x.com", "a"))  # noqa: S324
    assert shop.sent("crm/all") == [gone["a"], f"{today},realized", gone["b"], gone["c"]]
    replayed = shop.ok("replay", shop.runs()[-1]["run_id"], "--to", str(tmp_path / "again"))
    assert "the bytes that were delivered" in replayed.out
    assert shop.day("2026-11-22", [everybody[0] | {"vip": False}]) == [f"{today},exited"]


def test_a_receiver_of_hashes_is_replayed(tmp_path: Path) -> None:
    """X2: `reconcile` follows a receiver that knows profile ids, keys and statuses as they are written; `verify` reads
    its files.
    """
    status = STATUS | {"transform": ["upper"]}
    shop = shop_of(
        tmp_path,
        mapping=[{"source": "profile_id", "transform": ["sha256"]}, mail(*HASHED), status],
        deduplicate=["email"],
    )
    shop.day("2026-11-20", [person(each) for each in "abc"])
    assert shop.day("2026-11-21", [person("a"), person("c", vip=False), person("d")]) == [
        f"{sha('b')},{sha('b@x.com')},EXITED",
        f"{sha('c')},{sha('c@x.com')},EXITED",
        f"{sha('d')},{sha('d@x.com')},REALIZED",
    ]
    found = shop.ok("reconcile", "crm/all", "--at", "2026-11-21T06:00Z", "--json").json
    assert [found[name] for name in ("receiver", "delivered", "missing", "extra", "to_come", "to_go")] == [
        2,
        2,
        0,
        0,
        0,
        0,
    ]
    assert "intact" in shop.ok("verify").out


# The record


def test_a_recipe_keeps_what_makes_a_column() -> None:
    """E1: a mapping comes back as it was; one without the new keys is recorded as ever, and one of an older muster can
    be read.
    """
    mapping = (
        Column("email", "mail", mandatory=True, transform=("trim", "date(%Y)")),
        Column("", "x", expression="1", join="|"),
        Column("id", "id"),
    )
    assert columns_of(json.loads(json.dumps(mapping_record(mapping)))) == mapping
    assert mapping_record(mapping[2:]) == [{"source": "id", "target": "id", "mandatory": False}]


def test_numbering_plans_are_named_with_what_made_the_bytes() -> None:
    """Where telephone numbers are written, the version of their library is recorded, and nowhere else."""
    assert recipe_record.versions_for([Column("a", "a", transform=("trim", "e164(US)"))]).keys() == {
        "muster",
        "polars",
        "phonenumbers",
    }
    assert recipe_record.versions_for([Column("a", "a", transform=("trim",))]) == recipe_record.versions()
