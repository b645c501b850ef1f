"""SPEC 9: `runs list` and its filters, an activation in the place of a run's id, and what fits a terminal."""

from pathlib import Path

import pytest
from support.shop import Shop, person

FAILING = "guard max_exited: 2 delivered profiles would leave"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop with two activations of a scheduled audience and one after each evaluation; on the second day a guard
    fails one of them.
    """
    monkeypatch.delenv("COLUMNS", raising=False)
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm(
        activations=[
            {
                "audience": "all",
                "export": "incremental",
                "schedule": {"at": ["03:00", "05:00"]},
                "guards": {"max_exited": 1},
            },
            {"audience": "all", "id": "whole", "export": "full", "schedule": "after_evaluation"},
        ]
    )
    shop.profiles("2026-11-20", [person("a"), person("b"), {"profile_id": "c", "email": None}])
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    shop.profiles("2026-11-21", [person("c")])
    shop.evaluate("2026-11-21T02:00Z")
    assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1
    return shop


def listed(shop: Shop, *options: str) -> list[str]:
    """Activation, status and slot of each run that ``runs list --json`` lists."""
    runs = shop.ok("runs", "list", "--json", *options).json
    return [f"{run['activation']} {run['status']} {run['scheduled_time'][8:13]}" for run in runs]


def test_filters_narrow_the_list_down(shop: Shop) -> None:
    """`--activation`, `--status` and `--since` (slots from then on) hold together."""
    whole = listed(shop)
    assert listed(shop, "--activation", "crm/whole") == [run for run in whole if run.startswith("whole")]
    assert listed(shop, "--status", "failed") == ["all failed 21T05"]
    assert listed(shop, "--since", "2026-11-21T02:00Z") == [run for run in whole if " 21T" in run]
    assert listed(shop, "--since", "2026-11-21T02:00:01Z", "--activation", "crm/whole") == []
    assert listed(shop, "--status", "superseded", "--since", "2026-11-21") == ["all superseded 21T03"]


def test_filters_hold_for_people_too(shop: Shop) -> None:
    """In the table `--status superseded` shows what is else left out; an empty list says so."""
    assert "superseded" not in shop.ok("runs", "list").out
    assert shop.ok("runs", "list", "--status", "superseded").out.count("superseded") == 2
    assert shop.ok("runs", "list", "--status", "running").out == "no such run\n"


def test_since_is_local_time(shop: Shop) -> None:
    """`--since` is read as `--at` is."""
    shop.set(timezone="Asia/Tokyo")
    assert listed(shop, "--since", "2026-11-21T14:00") == ["all failed 21T05"]
    assert "is not a time" in shop.muster("runs", "list", "--since", "yesterday").err


def test_an_activation_of_before_may_be_asked_for(shop: Shop) -> None:
    """An activation that the config lost has its history; one that was never there is refused, with near names."""
    shop.crm(activations=[{"audience": "all", "export": "full", "schedule": "on_demand", "id": "now"}])
    assert len(listed(shop, "--activation", "crm/whole")) == 2
    assert listed(shop, "--activation", "crm/now") == []
    result = shop.muster("runs", "list", "--activation", "crm/hole")
    assert result.code == 2
    assert (
        result.err == "error: there is no activation 'crm/hole'; did you mean 'crm/whole' or 'crm/now' or 'crm/all'?\n"
    )


def test_an_unknown_status_is_refused(shop: Shop) -> None:
    """A status is one of the five."""
    result = shop.muster("runs", "list", "--status", "fail")
    assert result.code == 2
    assert "'succeeded', 'failed', 'superseded', 'delivering', 'running'" in result.err


def test_an_activation_means_its_newest_run(shop: Shop) -> None:
    """`runs show D/A` and `runs rejects D/A`: the newest run, failed or not."""
    assert shop.ok("runs", "show", "crm/all", "--json").json == shop.runs("crm/all")[-1] | {"governance": None}
    assert "max_exited" in shop.ok("runs", "show", "crm/all").out
    assert "is failed: it has left nobody out" in shop.ok("runs", "rejects", "crm/all").out
    assert shop.ok("runs", "rejects", "crm/whole", "--json").json == []


def test_what_was_delivered_is_the_last_delivery(shop: Shop) -> None:
    """`verify`, `replay` and `redeliver` of `D/A`: the last run that succeeded, not the failed one."""
    delivered = [run for run in shop.runs("crm/all") if run["status"] == "succeeded"][-1]["run_id"]
    assert [each["run_id"] for each in shop.ok("verify", "crm/all", "--json").json] == [delivered]
    assert shop.ok("replay", "crm/all", "--to", str(shop.root / "again"), "--json").json["run_id"] == delivered
    assert shop.ok("redeliver", "crm/all", "--json").json["run_id"] == delivered


def test_what_is_not_found_points_to_the_list(shop: Shop) -> None:
    """A run that is not there: where to look; an activation without a run; one that does not exist: near names."""
    shop.crm(activations=[{"audience": "all", "export": "full", "schedule": "on_demand", "id": "now"}])
    for named, said in (
        ("2025", "there is no run '2025'; see `muster runs list`"),
        ("crm/now", "crm/now has no run yet; see `muster runs list`"),
        ("crm/al", "there is no activation 'crm/al'; did you mean 'crm/all'"),
    ):
        result = shop.muster("runs", "show", named)
        assert result.code == 2
        assert f"error: {said}" in result.err
    assert "has no run that delivered yet" in shop.muster("verify", "crm/now").err


def test_a_list_with_failures_has_a_column_of_errors(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is whole in a pipe, cut on a wide terminal, and a cut line under the table of a narrow one."""
    piped = shop.ok("runs", "list").out
    assert piped.splitlines()[0].split()[-1] == "error"
    assert FAILING in piped
    assert "error" not in shop.ok("runs", "list", "--activation", "crm/whole").out
    for columns in (80, 100, 140):
        monkeypatch.setenv("COLUMNS", str(columns))
        out = shop.ok("runs", "list").out
        assert "guard max_exited" in out
        assert max(map(len, out.splitlines())) <= columns
    assert ("error" in out.splitlines()[0], "…" in out) == (True, True)


def test_triggers_are_seen_at_80_columns(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow terminal ids are cut to what tells them apart, and triggers are a word; both stay."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = shop.ok("runs", "list").out.splitlines()
    assert lines[0].split()[:3] == ["run", "activation", "trigger"]
    assert {"evaluation", "scheduled"} == {line.split()[2] for line in lines[1:] if not line.startswith("  ")}
    for line in lines[1:5]:
        shop.ok("runs", "show", line.split()[0])
    reported = shop.evaluate("2026-11-22T02:00Z").out
    assert " trigger " in reported
    assert "Z-" in lines[1].split()[0]
