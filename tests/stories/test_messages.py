"""Messages as a newcomer reads them: what is wrong, and what to write here instead (SPEC 10)."""

import re
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from support.shop import STATUS, Shop, identities, invoke, person

from muster.activation.rules.order import ANY_INSTANT
from muster.activation.sql import spellings
from muster.activation.sql.binding import type_of
from muster.activation.sql.parse import parse
from muster.activation.values.known_columns import Columns
from muster.activation.wording import counted

AT = "2026-11-20T05:00Z"
ANN = person(
    "a",
    tier="gold",
    tags=["x", "y"],
    loyalty={"tier": "g", "points": 1},
    born=date(2000, 1, 1),
    seen=datetime.fromisoformat("2026-11-01"),
    identity_map=identities(Email=["a@x.com"]),
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace with one person who has a column of each kind, and an audience of everybody; evaluated at 02:00."""
    shop = Shop(tmp_path, evaluation={"schedule": {"at": "02:00"}})
    shop.profiles("2026-11-20", [ANN])
    shop.audience("all", where=True)
    return shop


def told(shop: Shop) -> str:
    """The one error of `validate` about a mistake."""
    result = shop.muster("validate", "--at", AT)
    assert (result.code, result.out) == (2, "")
    [line] = [line for line in result.err.splitlines() if not line.startswith("warning: ")]
    return line


# Spellings in rules and expressions

SPELLINGS = [
    ("tier = gold", "unknown column 'gold'; if it is text, write it in single quotes: 'gold'"),
    ("gold = tier", "if it is text, write it in single quotes: 'gold'"),
    ("tier IN (gold, 'x')", "if it is text, write it in single quotes: 'gold'"),
    ("LOWER(tier) <> gold", "if it is text, write it in single quotes: 'gold'"),
    ("tier = `gold`", "if it is text, write it in single quotes: 'gold'"),
    ("tier = \u201cgold\u201d", "text is written in straight single quotes: 'gold'"),
    ("tier LIKE gold", "LIKE needs one in quotes: 'A%'"),
    ("loyalty['tier'] = 'g'", "a field is written with a dot: loyalty.tier"),
    ("loyalty[\"tier\"] = 'g'", "a field is written with a dot: loyalty.tier"),
    ("loyalty->'tier' = 'g'", "a field is written with a dot: loyalty.tier"),
    ("loyalty->>'tier' = 'g'", "a field is written with a dot: loyalty.tier"),
    ("loyalty:tier = 'g'", "a field is written with a dot, as in person.name"),
    ("'x' in tags", "for a list in a column write 'x' = ANY(tags)"),
    ("tier NOT IN tags", "write NOT tier = ANY(tags)"),
    ("tier IN ['gold']", "IN needs its values in round brackets"),
    ("tags contains 'x'", "write 'x' = ANY(tags) for a list, tags LIKE '%x%' for text"),
    ("contains(tags, 'x')", "unknown function CONTAINS; here it is written 'x' = ANY(tags) for a list"),
    ("tags @> 'x'", "a list is searched with 'x' = ANY(tags)"),
    ("unnest(tags) = 'x'", "searches a list with 'x' = ANY(tags)"),
    ("born > current_date - 30", "a span of time is written with INTERVAL: CURRENT_DATE - INTERVAL '30 days'"),
    ("born > current_date() - 30", "CURRENT_DATE() - INTERVAL '30 days'"),
    ("seen > now() - 30", "a span of time is written with INTERVAL: NOW() - INTERVAL '30 days'"),
    ("seen > now() - 30 days", "NOW() - INTERVAL '30 days'"),
    ("seen > now() - '2 hours'", "NOW() - INTERVAL '2 hours'"),
    ("seen > now() - 30d", "a span of time is written INTERVAL '30 days'"),
    ("seen + 7 days > now()", "seen + INTERVAL '7 days'"),
    ("born + 30 > current_date", "write a span of time as INTERVAL '30 days'"),
    ("DATE '2026-01-01' - 30 < born", "write one as INTERVAL '30 days'"),
    ("seen > now() - INTERVAL '30'", "length and unit in quotes: INTERVAL '30 days'"),
    ("seen > now() - INTERVAL 'P30D'", "length and unit in quotes: INTERVAL '30 days'"),
    ("dateadd(day, -30, current_date) < born", "here it is written seen + INTERVAL '30 days'"),
    ("datediff(day, seen, now()) < 30", "here it is written NOW() - seen < INTERVAL '30 days'"),
    ("sysdate > born", "here it is written CURRENT_DATE"),
    ("len(tier) > 1", "here it is written LENGTH(name)"),
    ("identityMap.Email = 'a'", "the ids in a namespace are written identity_map.Email"),
    ("segmentMembership.status = 'realized'", "a mapping has `source: segment_membership.status`"),
    ("tags[0] = 'x'", "in SQL the first is [1], the last is [-1] (in a mapping's source the first is [0])"),
]


@pytest.mark.parametrize(("rule", "expected"), SPELLINGS)
def test_a_rule_in_another_dialect_gets_the_spelling_that_works(shop: Shop, rule: str, expected: str) -> None:
    """E2, SPEC 10: one message, with what to write."""
    shop.audience("all", where=rule)
    assert expected in told(shop)


@pytest.mark.parametrize(
    ("key", "expression", "expected"),
    [
        ("events", "type = view", "if it is text, write it in single quotes: 'view'"),
        ("events", "timestamp > now() - 30", "NOW() - INTERVAL '30 days'"),
        ("events", "data['x'] = 1", "data.x"),
        ("mapping", "CASE WHEN tier = gold THEN 1 ELSE 0 END", "write it in single quotes: 'gold'"),
        ("mapping", "current_date - 30", "CURRENT_DATE - INTERVAL '30 days'"),
        ("mapping", "tags[0]", "in a mapping's source the first is [0]"),
        ("mapping", "segmentMembership.status", "`source: segment_membership.status`"),
        ("mapping", "identity_map.Email", "map identity_map.<namespace> as a `source`"),
    ],
)
def test_measures_and_mapped_expressions_get_it_too(shop: Shop, key: str, expression: str, expected: str) -> None:
    """E3, M1: the hints are those of rules."""
    if key == "events":
        shop.events([{"profile_id": "a", "timestamp": datetime.fromisoformat("2026-11-01"), "type": "view"}])
        shop.audience("all", where="n > 0", events={"n": {"measure": "count", "where": expression}})
    else:
        shop.crm(mapping=["profile_id", {"expression": expression, "target": "x"}])
    assert expected in told(shop)


def test_what_the_hints_say_works() -> None:
    """Each spelling that a hint proposes for a function of another dialect is one that muster accepts."""
    columns = {
        **dict.fromkeys(("name", "email", "day"), pl.String()),
        "seen": pl.Datetime("us"),
        "tags": pl.List(pl.String),
        "points": pl.Int64(),
        "vip": pl.Boolean(),
        "person": pl.Struct({"name": pl.String}),
    }
    for function, hint in spellings.FUNCTIONS.items():
        for text in re.split(r" for a list, | for text$|, for a list |, or CASE.*$|, which is the first$", hint):
            if text and text != "audience.<id>":
                assert type_of(parse(text, ANY_INSTANT, ZoneInfo("UTC")), Columns(columns)), (function, text)


def test_a_search_in_the_other_spelling_of_position_stays_allowed(shop: Shop) -> None:
    """E2: `POSITION('x' IN tier)` and arrows in brackets are spellings that work."""
    shop.audience("all", where="POSITION('g' IN tier) = 1 AND (loyalty -> 'tier') = 'g'")
    shop.ok("validate", "--at", AT)


# Sources


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("segmentMembership.status", "segment_membership.status"),
        ("segmentMembership.ups.1f2e.status", "segment_membership.status"),
        ("segmentMembership.lastQualificationTime", "segment_membership.last_qualification_time"),
        ("identityMap.Email", "identity_map.Email"),
        ("identityMap.Email[0].id", "identity_map.Email"),
        ("loyalty['tier']", "loyalty.tier"),
    ],
)
def test_a_source_of_adobes_schemas_names_ours(shop: Shop, source: str, meant: str) -> None:
    """M1, M4, M5: in a mapping, and in `deduplicate`."""
    shop.crm(mapping=["profile_id", {"source": source, "target": "x"}])
    assert f"the snapshot has no such column; did you mean '{meant}'?" in told(shop)
    shop.crm(mapping=["profile_id"], deduplicate=[source])
    line = told(shop)
    assert f"did you mean '{meant}'?" in line
    assert "destinations/crm.yml" in line


def test_an_identity_namespace_is_no_deduplication_key(shop: Shop) -> None:
    """M5: it is the key by itself."""
    shop.crm(mapping=["profile_id"], deduplicate=["identity_map.Email"])
    assert "a mapped identity namespace is the key by itself" in told(shop)


def test_the_two_ways_of_counting_elements_are_told_apart(shop: Shop) -> None:
    """M1, E2: `tags[0]` of a source and `tags[1]` of SQL are both the first; `validate` says so where both are used."""
    shop.crm(mapping=[{"source": "tags[0]", "target": "a"}, {"expression": "tags[1]", "target": "b"}])
    result = shop.ok("validate", "--at", AT)
    assert "counted from 0 in a mapping's source (destinations/crm.yml:5) and from 1 in SQL" in result.err
    shop.run(AT)
    assert shop.lines("crm/crm_all_20261120T050000Z.csv") == ["x,x"]
    shop.crm(mapping=[{"source": "tags[0]", "target": "a"}, {"expression": "tags[-1]", "target": "b"}])
    assert "counted from" not in shop.ok("validate", "--at", AT).err


# Nothing happens, or in the wrong place


@pytest.mark.parametrize("schedule", ["after_evaluation", {"at": "05:00"}])
def test_an_evaluation_that_never_comes_is_named(shop: Shop, schedule: object) -> None:
    """S4, S7: exports that wait for an evaluation, and no schedule for one: validate, plan and run say so."""
    shop.set(evaluation={"keep_exited": "30d"})
    shop.crm(schedule=schedule)
    for command in ("validate", "plan", "run"):
        result = shop.muster(command, "--at", "2026-11-20T04:00Z")
        assert "nothing was evaluated yet, and muster.yml has no evaluation.schedule" in result.out + result.err
        assert 'evaluation: {schedule: {at: "02:00"}}' in result.out + result.err
    shop.evaluate("2026-11-20T04:00Z", "--no-exports")
    assert "evaluation.schedule" not in shop.muster("plan", "--at", "2026-11-20T06:00Z").out
    late = shop.muster("plan", "--at", "2026-12-20T06:00Z").out
    assert "the newest evaluation is of 2026-11-20T04:00:00Z" in late


def test_on_demand_alone_waits_for_nothing(shop: Shop) -> None:
    """X7: a workspace without schedules is left alone."""
    shop.set(evaluation={"keep_exited": "30d"})
    shop.crm(schedule="on_demand")
    assert shop.ok("run", "--at", AT).out == "nothing is due at 2026-11-20T05:00:00Z\n"
    assert shop.ok("validate", "--at", AT).err == ""


def test_a_path_one_level_too_high_lists_what_is_below(shop: Shop) -> None:
    """D2: the folders that hold what was looked for."""
    shop.parquet("data/events/e.parquet", [{"profile_id": "a"}])
    shop.set(profiles={"path": "data"})
    line = told(shop)
    assert "data: holds no Parquet file and no dated folder such as 2026-11-20" in line
    assert "below it are data/events (1 Parquet file), data/profiles (1 dated snapshot)" in line
    assert "did you mean data/profiles?" in line


def test_the_folders_below_are_named_once(shop: Shop) -> None:
    """SPEC 10: what the error lists needs no warning beside it; a folder dated in another way still has one."""
    shop.parquet("data/events/e.parquet", [{"profile_id": "a"}])
    shop.set(profiles={"path": "data"})
    assert "warning" not in shop.muster("validate", "--at", AT).err
    shop.set(profiles={"path": "data/other"})
    shop.parquet("data/other/20-11-2026/p.parquet", [{"profile_id": "a"}])
    found = shop.muster("validate", "--at", AT).err
    assert "warning: data/other: 20-11-2026/ is not read: expected a name with a date" in found
    assert found.count("are ignored") == 1


def test_text_without_quotes_that_is_an_audience_too(shop: Shop) -> None:
    """SPEC 10: `tier = gold` beside an audience `gold` may mean either, so both spellings are told."""
    shop.audience("gold", where="true")
    shop.audience("all", where="tier = gold")
    expected = "unknown column 'gold'; the audience is written audience.gold, text 'gold' in single quotes"
    assert expected in told(shop)


def test_a_target_is_no_key_of_deduplicate(shop: Shop) -> None:
    """M3, SPEC 10: `deduplicate` names sources; for a target of the mapping the message has its source."""
    shop.crm(mapping=["profile_id", {"source": "loyalty.tier", "target": "level"}], deduplicate=["level"])
    expected = "deduplicate: 'level' is a target of the mapping; write its source 'loyalty.tier'"
    assert f"destinations/crm.yml: {expected}" in told(shop)


def test_a_workspace_nearby_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2, 10: above the folder of -C, or right below where one is."""
    result = invoke("-C", str(shop.root / "data"), "runs", "list")
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith(f"data: holds no muster.yml, so it is no workspace; did you mean -C {shop.root}?\n")
    (shop.root / "mine").mkdir()
    shop.root.joinpath("muster.yml").rename(shop.root / "mine/muster.yml")
    monkeypatch.chdir(shop.root)
    result = invoke("runs", "list")
    assert "there is no workspace here: no muster.yml in " in result.err
    assert result.err.endswith("did you mean -C mine?\n")


# Once, in plain words


@pytest.mark.parametrize(
    ("settings", "destination", "expected"),
    [
        ({"retention": {"runs": {"dayz": 3}}}, {}, "retention.runs.dayz: unknown key; did you mean 'days'?"),
        ({"retention": {"runs": {"x": 3}}}, {}, "retention.runs.x: unknown key; known are 'count', 'days'"),
        ({}, {"csv": {"quote": ";;"}}, "csv.quote: ';;' is not one ASCII character"),
        ({}, {"mapping": ["profile_id", "emial"]}, "crm/a0, crm/a1, crm/a2: destinations/crm.yml"),
        ({}, {"deduplicate": ["emial"]}, "crm/a0, crm/a1, crm/a2: destinations/crm.yml"),
        ({}, {"file_name": "{activation}{dat}"}, "unknown placeholder {dat}"),
    ],
)
def test_each_mistake_is_told_once(
    shop: Shop, settings: dict[str, object], destination: dict[str, object], expected: str
) -> None:
    """SPEC 10: one fault in what three activations inherit is one message."""
    shop.set(**settings)
    three = [
        {"audience": "all", "id": f"a{n}", "export": "full", "schedule": {"at": "05:00"}, "file_name": f"a{n}_{{date}}"}
        for n in range(3)
    ]
    if "file_name" in destination:
        three = [{key: value for key, value in each.items() if key != "file_name"} for each in three]
    shop.crm(activations=three, **destination)
    assert expected in told(shop)


def test_one_fault_that_stops_several_exports_is_told_once(shop: Shop) -> None:
    """SPEC 10: with the activations that it stops, by run and by plan."""
    shop.crm(
        mapping=["profile_id", "emial"],
        file_name="{activation}_{date}",
        activations=[
            {"audience": "all", "id": f"a{n}", "export": "full", "schedule": {"at": "05:00"}} for n in range(12)
        ],
    )
    for command in ("plan", "run"):
        result = shop.muster(command, "--at", AT)
        assert result.code == 1
        assert result.err.count("emial") == 1
        assert "crm/a9 and 2 more: destinations/crm.yml:6: mapping[1]" in result.err


def test_text_is_never_turned_into_emoji(shop: Shop) -> None:
    """SPEC 9: names and reasons are shown as they are, in tables and in errors."""
    shop.audience("all", where=True, name="Fans :smile: [bold]x[/bold]")
    shop.profiles("2026-11-20", [person("b") | {"email": None}], part="part-1")
    mapping = ["profile_id", {"source": "email", "target": "email", "mandatory": True}, STATUS]
    shop.crm(mapping=mapping)
    assert "Fans :smile: [bold]x[/bold]" in shop.ok("audiences", "list").out
    shop.evaluate("2026-11-20T02:00Z")
    assert "1 mandatory:email" in shop.ok("plan", "--at", AT).out
    shop.run(AT)
    assert shop.ok("runs", "rejects", "2026").out.splitlines()[1].split() == ["b", "mandatory:email"]
    shop.crm(mapping=["profile_id", ":smile:"])
    assert "':smile:'" in shop.muster("validate", "--at", AT).err


def test_the_counts_of_an_increment_are_explained(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """X10: `plan` and `runs show` say what received and excluded count, where somebody was left out; of the columns of
    `plan` those that a narrow terminal shows.
    """
    monkeypatch.delenv("COLUMNS", raising=False)
    shop.profiles("2026-11-20", [person("b") | {"email": None}], part="part-1")
    shop.crm(mapping=["profile_id", {"source": "email", "target": "email", "mandatory": True}, STATUS])
    shop.day("2026-11-20")
    said = "received counts who joined, changed or left since the last delivery"
    first = shop.runs()[0]["run_id"]
    assert said not in shop.ok("runs", "show", first).out
    shop.evaluate("2026-11-21T02:00Z")
    assert said in shop.ok("plan", "--at", "2026-11-21T05:00Z").out
    with monkeypatch.context() as narrow:
        narrow.setenv("COLUMNS", "80")
        assert "\nnote: excluded counts who is left out now: " in shop.ok("plan", "--at", "2026-11-21T05:00Z").out
    shop.run("2026-11-21T05:00Z")
    run = shop.runs()[-1]
    assert (run["received"], run["excluded"], run["exported"]) == (1, 1, 0)
    assert said in shop.ok("runs", "show", run["run_id"]).out


def test_a_sound_state_is_silent(shop: Shop) -> None:
    """SPEC 9: `state check` prints nothing when nothing is wrong; -v says what was read, --json is as ever."""
    shop.crm()
    shop.day("2026-11-20")
    assert shop.ok("state", "check").out == ""
    assert "in order; read the ledger and 3 files" in shop.ok("-v", "state", "check").out
    assert shop.ok("state", "check", "--json").json["faults"] == []


def test_a_missing_ledger_has_one_prefix(shop: Shop) -> None:
    """SPEC 10: the place is named once."""
    shop.crm()
    shop.day("2026-11-20")
    (shop.root / ".muster/ledger.sqlite").unlink()
    result = shop.muster("state", "check")
    assert result.code == 2
    assert result.out.startswith("damage: .muster: the ledger is missing")


def test_one_is_one(shop: Shop) -> None:
    """Counts have nouns that fit them."""
    assert [counted(number, "row") for number in (0, 1, 2, 1234)] == ["0 rows", "1 row", "2 rows", "1,234 rows"]
    assert counted(2, "entry", "entries") == "2 entries"
    shop.crm()
    assert (
        "valid: 1 audience and 1 activation fit data/profiles/2026-11-20 (1 profile)"
        in shop.ok("validate", "--at", AT).out
    )
