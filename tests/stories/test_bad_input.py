"""Mistakes that need the data: expressions, casts, mappings (SPEC 10, X1), tried through the real command."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.refusals import (
    ADHOC,
    AT,
    DAILY,
    EVALUATE,
    EVERY,
    EXPORT,
    FOLLOWING,
    PLAN,
    RUN,
    TODAY,
    VALIDATE,
    changed,
    message,
    new_shop,
    one,
    refused,
    refused_by_each,
    told,
    used_shop,
)
from support.shop import Shop

EVENT = {"profile_id": "a", "timestamp": datetime(2026, 11, 20, 1), "type": "view", "amount": 5.0}  # noqa: DTZ001  # a naive column


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has evaluated and delivered; tests work on copies."""
    return used_shop(tmp_path_factory.mktemp("morning") / "shop").root


@pytest.fixture(params=["fresh", "used"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, morning: Path) -> Shop:
    """A workspace without a state, and one with."""
    if request.param == "used":
        shutil.copytree(morning, tmp_path / "shop")
    return new_shop(tmp_path / "shop")


# Expressions that no data can make right: config errors (X1)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("uper(country) = 'US'", "unknown function UPER; did you mean 'UPPER' or 'POWER'?"),
        ("audience.al", "unknown audience 'al'; did you mean 'all'?"),
        ("audience.big-spenders", "unknown audience 'big'"),
        ("country = ", "something is missing after '='"),
        ("(country = 'US'", "is never closed"),
        ("country = 'US", "never closed"),
        ("sum(year) > 3", "SUM is not allowed in a rule: it aggregates over rows"),
        ("audience.us", "audiences refer to each other in a circle: us -> us"),
    ],
)
def test_a_mistake_in_an_expression_stops_every_command(shop: Shop, where: str, expected: str) -> None:
    """SPEC 10, X1: what the YAML alone shows is exit 2 everywhere: file, line, key, the expression, the name, the
    nearest one.
    """
    shop.write(
        "audiences/us.yml",
        f"name: us\n\n\nwhere: {where!r}\n" if "'" not in where else f'name: us\n\n\nwhere: "{where}"\n',
    )
    said = refused_by_each(shop, EVERY)
    assert said.startswith(f"error: audiences/us.yml:4: where: {where.strip()}: ")
    assert expected in said


# Expressions that the data do not fit: only the audiences that need them (X1)

MISFITS = [
    ({"where": "contry = 'US'"}, "where: contry = 'US': unknown column 'contry'; did you mean 'country'?"),
    ({"where": "country.code = 'US'"}, "where: country.code = 'US': "),
    (
        {"where": "year = 'x'"},
        "where: year = 'x': year is a whole number (Int64) and 'x' is text; they cannot be compared",
    ),
    (
        {"where": "year + 1"},
        "where: year + 1: year + 1 is a whole number (Int64); a rule is true or false for each row",
    ),
    ({"where": "country"}, "where: country: country is text (String); a rule is true or false for each row"),
    (
        {"where": "CAST(country AS INT) > 3"},
        "where: CAST(country AS INT) > 3: at least 3 values of column country cannot be converted from text",
    ),
    ({"where": "DATE(email, '%Y') > CURRENT_DATE"}, "where: DATE(email, '%Y') > CURRENT_DATE: "),
    (
        {"where": "m > 1", "events": {"m": {"measure": "sum(amnt)"}}},
        "events.m: sum(amnt): unknown column 'amnt'; did you mean 'amount'?",
    ),
    (
        {"where": "m > 1", "events": {"m": {"measure": "sum(type)"}}},
        "events.m: sum(type): type is text (String); sum needs numbers",
    ),
    (
        {"where": "m > 1", "events": {"m": {"measure": "count", "where": "typ = 'view'"}}},
        "events.m: count where typ = 'view': unknown column 'typ'; did you mean 'type'?",
    ),
    (
        {"where": "m > 1", "events": {"m": {"measure": "count", "where": "CAST(type AS INT) = 1"}}},
        "events.m: count where CAST(type AS INT) = 1: a value of column type cannot be converted from text",
    ),
]


@pytest.mark.parametrize(("content", "expected"), MISFITS, ids=[each[1][:40] for each in MISFITS])
def test_a_rule_that_does_not_fit_the_data_fails_alone(shop: Shop, content: dict[str, Any], expected: str) -> None:
    """SPEC 10, X1: an unknown column, a type, a failing cast fails that audience (exit 1); the other one is evaluated
    and delivered.
    """
    shop.events([EVENT])
    shop.audience("us", **content)
    newest = [run["run_id"] for run in shop.runs("crm/us")]
    result = shop.muster(*EVALUATE)
    assert result.code == 1
    assert told(result).startswith("error: audiences/us.yml:")
    assert expected in told(result)
    assert len(result.err.splitlines()) == 1
    sizes = {each["id"]: each["evaluated_at"] for each in shop.ok("audiences", "list", "--json").json}
    assert sizes["all"] == "2026-11-21T06:00:00Z"
    assert sizes["us"] == ("2026-11-20T02:00:00Z" if newest else None)
    assert [run["run_id"] for run in shop.runs("crm/us")] == newest, "its after-evaluation exports wait"


@pytest.mark.parametrize(("content", "expected"), MISFITS, ids=[each[1][:40] for each in MISFITS])
def test_validate_finds_a_rule_that_does_not_fit(shop: Shop, content: dict[str, Any], expected: str) -> None:
    """SPEC 10: `validate` says the same, exit 2, and writes nothing."""
    shop.events([EVENT])
    shop.audience("us", **content)
    said = refused(shop, *VALIDATE)
    assert expected in said
    assert said.startswith("error: audiences/us.yml:")


@pytest.mark.parametrize("where", ["contry = 'US'", "CAST(country AS INT) > 3"])
def test_mistakes_alone_are_refused(shop: Shop, where: str) -> None:
    """X1: when nothing else was done, exit 2 and nothing was written: neither an evaluation nor a state folder."""
    shop.audience("us", where=where)
    shop.audience("all", where="yeer > 0")
    said = refused(shop, *EVALUATE)
    assert [line.split(":")[1].strip() for line in said.splitlines()] == ["audiences/all.yml", "audiences/us.yml"]
    assert "did you mean 'year'?" in said


def test_an_audience_asked_for_alone_is_refused(shop: Shop) -> None:
    """X1, E7: `--audience` with a mistake is exit 2 and leaves everything as it was."""
    shop.audience("us", where="contry = 'US'")
    assert "audiences/us.yml:2" in refused(shop, *EVALUATE, "--audience", "us")


def test_what_refers_to_a_failed_audience_fails_with_that_reason(shop: Shop) -> None:
    """X1, E4: an audience that refers to a failed one fails too, in its own place; the rest go on."""
    shop.audience("us", where="contry = 'US'")
    shop.audience("young", where="audience.us AND year > 1982")
    result = shop.muster(*EVALUATE)
    assert result.code == 1
    lines = told(result).splitlines()
    assert (
        "error: audiences/young.yml:2: where: audience.us AND year > 1982: refers to 'us', which could not be evaluated"
        in lines
    )
    assert len(lines) == 2


def test_run_goes_on_without_the_audience_that_failed(shop: Shop) -> None:
    """X1: the scheduled evaluation of `run` fails one audience; the exports of the others are delivered, exit 1."""
    shop.audience("us", where="contry = 'US'")
    result = shop.muster(*RUN)
    assert result.code == 1
    assert (
        told(result)
        == "error: audiences/us.yml:2: where: contry = 'US': unknown column 'contry'; did you mean 'country'?"
    )
    newest = {f"{run['destination']}/{run['activation']}": run for run in shop.runs()}
    assert {newest[key]["status"] for key in ("crm/all", "files/all")} == {"succeeded"}
    assert newest["files/all"]["realized"] == 6


def test_plan_says_what_run_would_say(shop: Shop) -> None:
    """SPEC 9, X1: `plan` writes nothing and ends as `run` would: the same errors, the same exit code."""
    shop.audience("us", where="contry = 'US'")
    shop.destination("bad", mapping=["profile_id", "e_mail"], activations=[DAILY])
    before = shop.tree()
    planned = shop.muster(*PLAN)
    assert changed(before, shop.tree()) == []
    assert planned.code == 1
    assert told(planned) == told(shop.muster(*RUN))
    assert "bad/all" in planned.err


def test_a_message_holds_no_profile_data(shop: Shop) -> None:
    """X1, SPEC 9: a cast that fails says how many values, never which."""
    shop.profiles(TODAY, [one(country="the-secret-value")])
    shop.audience("us", where="CAST(country AS INT) > 3")
    for options in ((), ("-v",), ("-vv",), ("-vv", "--log-format", "json")):
        result = shop.muster(*options, *VALIDATE)
        assert result.code == 2
        assert "country" in result.err
        assert "secret" not in result.err + result.out


# Mappings


def test_a_missing_column_fails_its_activations_alone(shop: Shop) -> None:
    """M4, X1: a mapping source that the snapshot lacks fails the runs that need it, with its place and the nearest
    names.
    """
    shop.profiles(TODAY, [{"profile_id": "a", "e_mail": "a@x.com", "country": "US"}])
    expected = "destinations/crm.yml:6: mapping[1]: 'email': the snapshot has no such column; did you mean 'e_mail'?"
    assert refused(shop, *VALIDATE) == f"error: crm/all, crm/us, crm/adhoc: {expected}"
    before = shop.tree("out/crm")
    result = shop.muster(*RUN)
    assert result.code == 1
    assert f"error: crm/us, crm/all: {expected}" in result.err.splitlines()
    assert changed(before, shop.tree("out/crm")) == []
    assert shop.runs("files/all")[-1]["status"] == "succeeded"


def test_missing_columns_alone_fail_the_run_that_was_tried(shop: Shop) -> None:
    """X1: when the only due run lacks a column, a run was tried: exit 1, and the destination is as it was."""
    shop.set(evaluation={})
    shop.evaluate("2026-11-21T01:00Z", "--no-exports")
    (shop.root / "destinations/files.yml").unlink()
    shop.destination(
        "crm", mapping=["profile_id", "e_mail", "person.name"], activations=[{**DAILY, "id": "new"}, ADHOC]
    )
    before = shop.tree("out")
    for command in (RUN, EXPORT):
        result = shop.muster(*command)
        assert result.code == 1
        assert "mapping[1]: 'e_mail': the snapshot has no such column; did you mean 'email'?" in told(result)
        assert "mapping[2]: 'person.name': the snapshot has no such column" in told(result)
    assert shop.tree("out") == before


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("name.frst", "'name' has no field 'frst'; did you mean 'first'?"),
        ("name[0]", "'name' is"),
        ("tags.first", "'tags' is a list (List(String)) and has no field 'first'"),
        ("identity_map.Email", "the snapshot data/profiles/2026-11-21 has no identity map 'identity_map'"),
    ],
)
def test_a_path_into_a_column_that_does_not_exist(shop: Shop, source: str, expected: str) -> None:
    """M4: a dotted path names the part that fails and the nearest field."""
    shop.profiles(TODAY, [one(name={"first": "Ann"}, tags=["x"])])
    shop.destination("crm", mapping=["profile_id", source], activations=[DAILY, FOLLOWING, ADHOC])
    assert f"crm/all, crm/us, crm/adhoc: destinations/crm.yml:6: mapping[1]: '{source}': {expected}" in refused(
        shop, *VALIDATE
    )


def test_a_nested_column_is_no_key(shop: Shop) -> None:
    """M3: `deduplicate` compares single values; a list is refused by name, before anything is written."""
    shop.profiles(TODAY, [one(tags=["x"])])
    shop.destination("crm", mapping=["profile_id"], deduplicate=["tags"], activations=[DAILY, FOLLOWING, ADHOC])
    assert "destinations/crm.yml: deduplicate: 'tags' is List(String); only single values can be compared" in refused(
        shop, *VALIDATE
    )


def test_an_audience_that_was_never_evaluated(tmp_path: Path) -> None:
    """X2, X7: its scheduled run fails with that reason (exit 1), an export on demand is refused (exit 2); both say what
    to do.
    """
    shop = new_shop(tmp_path / "shop")
    shop.set(evaluation={})
    before = shop.tree()
    said = message(shop.muster(*EXPORT), 2)
    assert said == (
        "error: crm/adhoc: audience 'us' was not evaluated at or before 2026-11-21T06:00:00Z; "
        "run `muster evaluate` first"
    )
    assert changed(before, shop.tree()) == []
    result = shop.muster("run", "--at", AT)
    assert result.code == 1
    reason = "audience 'all' was not evaluated at or before 2026-11-21T06:00:00Z; run `muster evaluate`"
    assert f"error: crm/all, files/all: {reason}" in told(result)
    assert not (shop.root / "out").exists()
