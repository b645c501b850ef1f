"""Which activations a run exports: all that are due but for disabled ones, or those of `--only` (SPEC 2, 9, S1)."""

from pathlib import Path
from typing import Any

import pytest
from support.shop import Shop, person

DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
OTHER = DAILY | {"id": "other"}
FOLLOWING = {"audience": "all", "id": "follows", "export": "full", "schedule": "after_evaluation"}
ASKED = {"audience": "all", "id": "asked", "schedule": "on_demand"}


def shop_with(root: Path, *activations: dict[str, Any]) -> Shop:
    shop = Shop(root, evaluation={"schedule": {"at": "02:00"}})
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id"], activations=list(activations))
    shop.profiles("2026-11-01", [person("a")])
    return shop


def exported(shop: Shop, key: str) -> list[str]:
    return [f"{run['status']} {run['scheduled_time'][5:16]}" for run in shop.runs(key)]


# `enabled: false`


def test_a_disabled_activation_exports_nothing_and_misses_its_slots(tmp_path: Path) -> None:
    """SPEC 2: `enabled: false` keeps an activation, its baseline and history, and exports nothing; its slots count as
    in X9 for one that is absent: those of that time are not due later, and the next file holds what changed since.
    """
    shop = shop_with(tmp_path, DAILY, OTHER)
    shop.run("2026-11-01T05:00Z")
    shop.crm(mapping=["profile_id"], activations=[DAILY | {"enabled": False}, OTHER])
    shop.profiles("2026-11-02", [person("a"), person("b")])
    assert "crm/all" not in shop.run("2026-11-02T05:00Z").out
    shop.crm(mapping=["profile_id"], activations=[DAILY, OTHER])
    shop.run("2026-11-02T06:00Z")
    assert exported(shop, "crm/all") == ["succeeded 11-01T05:00"]
    assert shop.ok("baseline", "show", "crm/all", "--json").json["profiles"] == 1
    shop.run("2026-11-03T05:00Z")
    assert exported(shop, "crm/all") == ["succeeded 11-01T05:00", "succeeded 11-03T05:00"]
    assert shop.sent("crm/all") == ["b"]
    assert exported(shop, "crm/other") == [f"succeeded 11-0{day}T05:00" for day in (1, 2, 3)]


def test_a_disabled_activation_follows_no_evaluation(tmp_path: Path) -> None:
    """SPEC 2, S4: evaluations of the time in which an activation is disabled are no slots of it, then or later."""
    shop = shop_with(tmp_path, FOLLOWING)
    shop.run("2026-11-01T02:00Z")
    shop.crm(mapping=["profile_id"], activations=[FOLLOWING | {"enabled": False}])
    shop.run("2026-11-02T02:00Z")
    shop.set(retention={"evaluations": {"count": 1}})
    shop.ok("prune", "--at", "2026-11-02T03:00Z")
    shop.crm(mapping=["profile_id"], activations=[FOLLOWING])
    shop.run("2026-11-02T06:00Z")
    shop.run("2026-11-03T02:00Z")
    assert exported(shop, "crm/follows") == ["succeeded 11-01T02:00", "succeeded 11-03T02:00"]


def test_a_disabled_activation_cannot_be_exported_by_name(tmp_path: Path) -> None:
    """SPEC 2: `export` and `run --only` of a disabled activation exit 2, and say that it is disabled."""
    shop = shop_with(tmp_path, DAILY | {"enabled": False}, OTHER)
    shop.evaluate("2026-11-01T02:00Z")
    for arguments in (["export", "crm/all"], ["run", "--only", "crm/all"]):
        refused = shop.muster(*arguments, "--at", "2026-11-01T05:00Z")
        assert refused.code == 2
        assert "crm/all is disabled" in refused.err
    assert shop.runs() == []


def test_a_preview_says_that_an_activation_is_disabled(tmp_path: Path) -> None:
    """SPEC 2, 9: `preview` shows what it would send, and that it is disabled."""
    shop = shop_with(tmp_path, DAILY | {"enabled": False})
    out = shop.ok("preview", "crm/all", "--at", "2026-11-01T07:00Z").out
    assert "crm/all would send a first incremental export if it were not disabled" in out


def test_a_disabled_activation_is_listed_and_has_no_next_time(tmp_path: Path) -> None:
    """SPEC 9: `schedule list` shows a disabled activation as such; `next` and `crontab` leave it out; its baseline is
    not called one without an activation; `validate` neither checks nor counts it.
    """
    shop = shop_with(tmp_path, DAILY, OTHER | {"schedule": {"at": "06:30"}})
    shop.run("2026-11-01T05:00Z")
    shop.crm(
        mapping=["profile_id", "nothing"],
        activations=[DAILY | {"enabled": False}, OTHER | {"schedule": {"at": "06:30"}, "mapping": ["profile_id"]}],
    )
    listed = shop.ok("schedule", "list", "--at", "2026-11-01T07:00Z")
    assert "disabled" in next(line for line in listed.out.splitlines() if "crm/all" in line)
    lines = shop.ok("schedule", "list", "--json").json
    assert [(line["enabled"], line["next"] is None) for line in lines] == [(False, True), (True, False)]
    fires = shop.ok("schedule", "next", "--json", "--at", "2026-11-01T07:00Z").json
    assert {fire["activation"] for fire in fires} == {"other"}
    assert "\n0,30 * * * * muster" in shop.ok("schedule", "crontab", "--at", "2026-11-01T07:00Z").out
    assert "note:" not in shop.ok("plan", "--at", "2026-11-01T05:00Z").out
    assert "1 activation (1 more disabled)" in shop.ok("validate", "--at", "2026-11-01T07:00Z").out


# `run --only`


def test_only_limits_the_exports_of_a_run(tmp_path: Path) -> None:
    """SPEC 9: `run --only D/A` evaluates and finishes as ever, and exports those activations alone; the others stay
    due.
    """
    shop = shop_with(tmp_path, DAILY, OTHER, FOLLOWING)
    shop.run("2026-11-01T05:00Z", "--only", "crm/other")
    assert len(shop.ok("evaluations", "list", "--json").json) == 1
    assert [run["activation"] for run in shop.runs()] == ["other"]
    assert "nothing is due" in shop.run("2026-11-01T05:00Z", "--only", "crm/other").out
    shop.run("2026-11-01T06:00Z", "--only", "crm/all", "--only", "crm/follows")
    assert sorted(run["activation"] for run in shop.runs()) == ["all", "follows", "other"]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("crm/al", "there is no activation 'crm/al'; did you mean 'crm/all'"),
        ("crm/asked", "crm/asked is exported on demand only, which no run does: `muster export crm/asked` does"),
    ],
)
def test_only_takes_activations_that_a_run_can_export(tmp_path: Path, key: str, words: str) -> None:
    """SPEC 9, 10: an unknown or on-demand activation in `--only` exits 2, before anything is done."""
    shop = shop_with(tmp_path, DAILY, ASKED)
    refused = shop.muster("run", "--at", "2026-11-01T05:00Z", "--only", key)
    assert refused.code == 2
    assert words in refused.err
    assert shop.ok("evaluations", "list", "--json").json == []


# `monthly`


def test_a_monthly_activation_runs_on_its_day(tmp_path: Path) -> None:
    """S1: `monthly: last` beside `at` exports on the last day of each month, and `{date}` is fine enough for it."""
    monthly = {"audience": "all", "export": "full", "schedule": {"at": "05:00", "monthly": "last"}}
    shop = shop_with(tmp_path, monthly | {"file_name": "x_{date}"})
    for day in ("2026-11-29", "2026-11-30", "2026-12-01", "2026-12-31"):
        shop.run(f"{day}T05:00Z")
    assert exported(shop, "crm/all") == ["succeeded 11-30T05:00", "succeeded 12-31T05:00"]
    shop.crm(activations=[monthly | {"file_name": "x_{date}", "schedule": {"at": ["05:00", "06:00"], "monthly": 1}}])
    assert "two runs fall on one UTC date, 2026-01-01T05:00:00Z" in shop.muster("plan").err
