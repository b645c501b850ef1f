"""SPEC 9: people see times in the workspace's zone, with its name; programs see UTC."""

from pathlib import Path

import pytest
from support.shop import Shop, person

BERLIN = "times in Europe/Berlin"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop in Berlin, evaluated at 02:00 there and exported at 05:00."""
    monkeypatch.delenv("COLUMNS", raising=False)
    shop = Shop(tmp_path, timezone="Europe/Berlin", evaluation={"schedule": {"at": "02:00"}})
    shop.audience("all", where="true")
    shop.crm()
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00")
    shop.run("2026-11-20T05:00")
    return shop


@pytest.mark.parametrize(
    ("command", "time"),
    [
        (["runs", "list"], "2026-11-20T05:00:00"),
        (["runs", "show", "20261120T040000Z"], "2026-11-20T05:00:00"),
        (["audiences", "list"], "2026-11-20T02:00:00"),
        (["audiences", "show", "all"], "2026-11-20T02:00:00"),
        (["evaluations", "list"], "2026-11-20T02:00:00"),
        (["baseline", "show"], "2026-11-20T02:00:00"),
        (["schedule", "list", "--at", "2026-11-20T06:00"], "2026-11-21T05:00:00"),
        (["schedule", "next", "--at", "2026-11-20T06:00"], "2026-11-21T05:00:00"),
        (["plan", "--at", "2026-11-21T05:00"], "2026-11-21T05:00:00"),
        (["verify"], "2026-11-20T05:00:00"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_tables_show_local_times_and_name_the_zone_once(shop: Shop, command: list[str], time: str) -> None:
    """A table's times are local times of the workspace, without offset; its last line names the zone; no UTC."""
    out = shop.ok(*command).out
    assert time in out
    assert out.count(BERLIN) == 1
    assert "00Z" not in out.replace("20261120T040000Z", "").replace("20261121T040000Z", "")  # names of runs and files


@pytest.mark.parametrize(
    "command",
    [["runs", "list"], ["audiences", "list"], ["evaluations", "list"], ["schedule", "next", "--at", "2026-11-20"]],
    ids=" ".join,
)
def test_json_is_in_utc(shop: Shop, command: list[str]) -> None:
    """``--json`` has UTC, whatever the workspace's zone."""
    out = shop.ok(*command, "--json").out
    assert "Europe/Berlin" not in out
    assert "00Z" in out


def test_sentences_name_the_zone(shop: Shop) -> None:
    """Outside of tables the zone stands beside the time."""
    assert "nothing is due at 2026-11-20T05:00:00 Europe/Berlin" in shop.run("2026-11-20T05:00").out
    assert "Evaluated at 2026-11-21T02:00:00 Europe/Berlin on" in shop.evaluate("2026-11-21T02:00").out
    assert "evaluate at 2026-11-22T05:00:00 Europe/Berlin on" in shop.ok("plan", "--at", "2026-11-22T05:00").out


def test_the_sentence_about_a_failed_audience_names_the_zone(shop: Shop) -> None:
    """E9: below the tables of audiences and evaluations, as elsewhere outside of tables."""
    shop.audience("wrong", where="no_such_column = 1")
    assert shop.muster("run", "--at", "2026-11-21T05:00").code == 1
    for name in ("audiences", "evaluations"):
        assert "'wrong' could not be evaluated since 2026-11-21T05:00:00 Europe/Berlin: " in shop.ok(name, "list").out


def test_a_repeated_time_has_its_offset(shop: Shop) -> None:
    """02:30 comes twice as summer time ends: each has its offset, so that ``--at`` takes it back as it is."""
    for moment in ("2027-10-31T02:30:00+02:00", "2027-10-31T02:30:00+01:00"):
        shop.evaluate(moment)
        assert f"  {moment}  " in shop.ok("audiences", "list").out
    assert "2027-10-31T02:30:00 " not in shop.ok("evaluations", "list").out


def test_a_shown_time_is_a_time_of_the_command_line(shop: Shop) -> None:
    """What a table shows can be given to ``--at`` and ``--after`` as it is."""
    shop.evaluate("2026-11-21T02:00:00")
    first = shop.ok("evaluations", "list").out.splitlines()[-2].split()[0]
    assert shop.ok("evaluations", "forget", "--after", first).out == "1 evaluation of an audience forgotten\n"
    assert len(shop.ok("evaluations", "list", "--json").json) == 1


def test_utc_is_named_by_each_time(tmp_path: Path) -> None:
    """In a workspace in UTC, times are as in JSON, with ``Z``."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00")
    out = shop.ok("audiences", "list").out
    assert "2026-11-20T02:00:00Z" in out
    assert "times in" not in out
