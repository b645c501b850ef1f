"""SPEC 9: `muster status`, last night on one screen."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import Shop, at, invoke, person

from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import failures_table

MORNING = "2026-11-20T06:00Z"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop with an activation of each kind, before anything ran; output is as wide as it needs."""
    monkeypatch.delenv("COLUMNS", raising=False)
    shop = Shop(tmp_path, evaluation={"schedule": {"at": "02:00"}})
    shop.audience("all", where="true")
    shop.crm(
        activations=[
            {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}},
            {"audience": "all", "id": "evening", "export": "full", "schedule": {"at": "20:00"}},
            {"audience": "all", "id": "after", "export": "full", "schedule": "after_evaluation"},
            {"audience": "all", "id": "now", "schedule": "on_demand"},
        ]
    )
    shop.profiles("2026-11-20", [person("a")])
    return shop


def states(shop: Shop, moment: str = MORNING) -> dict[str, str]:
    """The state of each activation at an instant."""
    found = shop.ok("status", "--at", moment, "--json").json
    return {each["activation"]: each["state"] for each in found["activations"]}


def activation(shop: Shop, name: str = "all", moment: str = MORNING) -> dict[str, Any]:
    """What `status` says of an activation."""
    found = shop.ok("status", "--at", moment, "--json").json
    return next(each for each in found["activations"] if each["activation"] == name)


def test_before_the_first_run(shop: Shop) -> None:
    """A slot that no run has tried is late; what was not due yet waits; the evaluation is due."""
    assert states(shop) == {"all": "late", "evening": "waiting", "after": "waiting", "now": "on_demand"}
    assert activation(shop)["due"] == "2026-11-20T05:00:00Z"
    found = shop.ok("status", "--at", MORNING, "--json").json
    assert found["evaluation"]["evaluated_at"] is None
    assert found["evaluation"]["due"] == "2026-11-20T02:00:00Z"
    assert not found["sound"]


def test_after_a_good_night(shop: Shop) -> None:
    """What ran is done, with its run and what is due next; all is sound; the next evaluation is named."""
    shop.run("2026-11-20T05:00Z")
    assert states(shop) == {"all": "done", "evening": "waiting", "after": "done", "now": "on_demand"}
    found = shop.ok("status", "--at", MORNING, "--json").json
    assert found["sound"]
    assert {key: value for key, value in found["evaluation"].items() if key != "inputs"} == {
        "evaluated_at": "2026-11-20T05:00:00Z",
        "snapshot": "data/profiles/2026-11-20",
        "audiences": 1,
        "due": None,
        "next": "2026-11-21T02:00:00Z",
    }
    assert activation(shop)["next"] == "2026-11-21T05:00:00Z"
    assert activation(shop)["last_run"] == shop.runs("crm/all")[-1]
    out = shop.ok("status", "--at", MORNING).out
    assert out.startswith(f"shop at {MORNING[:-1]}:00Z: all that is due is done\n")
    assert "next evaluation Nov 21 02:00" in out


def test_a_failing_activation_says_since_when_and_why(shop: Shop) -> None:
    """Failing since the first slot that failed since the last success, also when newer slots have replaced it."""
    shop.run("2026-11-20T05:00Z")
    block = shop.root / "out/crm"
    block.rename(shop.root / "out/aside")
    block.write_text("in the way")
    for moment in ("2026-11-21T05:00Z", "2026-11-22T05:00Z"):
        assert shop.muster("run", "--at", moment).code == 1
    found = activation(shop, moment="2026-11-22T06:00Z")
    assert (found["state"], found["failing_since"], found["due"]) == (
        "failing",
        "2026-11-21T05:00:00Z",
        "2026-11-22T05:00:00Z",
    )
    assert "is a file" in found["error"]
    out = shop.ok("status", "--at", "2026-11-22T06:00Z").out
    expected = "crm/all since Nov 21 05:00, crm/evening since Nov 20 20:00 and crm/after since Nov 21 05:00"
    assert f"{expected}: out/crm: is a file" in out
    assert ": 3 failing" in out.splitlines()[0]
    block.unlink()
    (shop.root / "out/aside").rename(block)
    shop.run("2026-11-22T06:00Z")
    assert activation(shop, moment="2026-11-22T06:00Z")["failing_since"] is None


def test_a_request_does_not_hide_a_failing_slot(shop: Shop) -> None:
    """An on-demand export that succeeds after a failed slot leaves the activation failing, with the slot's error."""
    shop.run("2026-11-20T05:00Z")
    shop.crm(
        guards={"max_exited": 0},
        activations=[{"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}],
    )
    shop.profiles("2026-11-21", [person("b")])
    assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1
    shop.ok("export", "crm/all", "--at", "2026-11-21T05:30Z")
    found = activation(shop, moment="2026-11-21T06:00Z")
    assert (found["state"], found["last_run"]["trigger"]) == ("failing", "on_demand")
    assert "max_exited" in found["error"]


def test_a_disabled_activation_waits_for_nothing(shop: Shop) -> None:
    """2, 9: what is not enabled has no next export, after no evaluation either."""
    activations = [{"audience": "all", "export": "full", "schedule": "after_evaluation", "enabled": False}]
    shop.crm(activations=activations)
    (line,) = [line for line in shop.ok("status", "--at", MORNING).out.splitlines() if line.startswith("crm/all")]
    assert line.split() == ["crm/all", "disabled", "-", "-", "-", "-"]


def test_a_failed_audience_is_named(shop: Shop) -> None:
    """E9: an audience that its newest evaluation could not decide."""
    shop.audience("wrong", where="no_such_column = 1")
    shop.evaluate("2026-11-20T01:00Z", "--audience", "all")
    with StateFolder(shop.root / ".muster", 0o600).writing(0) as ledger, ledger.transaction():
        failures_table.put(ledger, {"wrong": "no_such_column", "gone": "not of the config"}, at("2026-11-20T02:00Z"))
    (failed,) = shop.ok("status", "--at", MORNING, "--json").json["failed_audiences"]
    assert (failed["audience"], failed["failing_since"]) == ("wrong", "2026-11-20T02:00:00Z")
    assert "no_such_column" in failed["error"]
    assert "audience wrong since Nov 20 02:00: " in shop.ok("status", "--at", MORNING).out


def test_a_reason_that_several_have_is_told_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 9, 10: one line for one reason, whole as long as the screen has room, in the workspace's zone."""
    monkeypatch.setenv("COLUMNS", "80")
    shop.set(timezone="Asia/Tokyo")
    shop.audience("other", where=True)
    shop.parquet("data/profiles/2026-11-20/part-0.parquet", pl.DataFrame({"profile_id": []}, {"profile_id": pl.String}))
    assert shop.muster("evaluate", "--at", "2026-11-20T02:00Z").code == 2
    out = shop.ok("status", "--at", MORNING).out
    why = "  audience all since Nov 20 11:00 and audience other since Nov 20 11:00:\n    data/profiles/2026-11-20: "
    assert why in out
    assert all(len(line) <= 80 for line in out.splitlines()[1:])
    assert " ".join(out.split()).count("so every member would leave; pass --allow-empty if that is meant") == 1
    for table in ("audiences", "evaluations"):
        said = shop.ok(table, "list").out
        assert "audiences 'all' and 'other' could not be evaluated since 2026-11-20T11:00:00 Asia/Tokyo: " in said
        assert said.count("no rows") == 1


def test_what_holds_an_export_is_told_once(shop: Shop) -> None:
    """SPEC 9, E9: an activation whose audience failed refers to it, and the reason stands there."""
    shop.run("2026-11-20T05:00Z")
    shop.audience("all", where="no_such_column = 1")
    assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1
    out = shop.ok("status", "--at", "2026-11-21T06:00Z").out
    assert "crm/all since Nov 21 05:00" in out
    assert ": held, as audience all failed\n" in out
    assert out.count("no_such_column") == len(["the rule", "the name"])


def test_a_state_ahead_of_the_time_is_not_sound(shop: Shop) -> None:
    """S8: after a run with a wrong clock nothing is due for long; `status` says so for its own instant."""
    shop.run("2026-11-20T05:00Z")
    assert not shop.ok("status", "--at", MORNING, "--json").json["state_ahead"]
    shop.run("2027-11-20T05:00Z")
    found = shop.ok("status", "--at", MORNING, "--json")
    assert (found.json["state_ahead"], found.json["sound"]) == (True, False)
    assert f"the state is ahead of {MORNING[:-1]}:00Z" in found.err
    assert shop.ok("status", "--at", MORNING).out.splitlines()[0].endswith(": state ahead of this time")
    assert shop.muster("status", "--at", MORNING, "--exit-code").code == 1


def test_the_exit_code_is_asked_for(shop: Shop) -> None:
    """`status` exits with 0 whatever it shows; with `--exit-code` with 1 unless all is sound."""
    assert shop.muster("status", "--at", MORNING).code == 0
    assert shop.muster("status", "--at", MORNING, "--exit-code").code == 1
    shop.run("2026-11-20T05:00Z")
    assert shop.muster("status", "--at", MORNING, "--exit-code").code == 0
    assert shop.muster("status", "--at", "2026-11-21T04:00Z", "--exit-code").code == 1  # the evaluation is late


def test_status_writes_nothing_and_reads_no_data(shop: Shop) -> None:
    """Nothing in the workspace changes, and damaged data is no matter."""
    shop.run("2026-11-20T05:00Z")
    shop.write("data/profiles/2026-11-20/part-0.parquet", "damaged")
    before = shop.tree()
    shop.ok("status", "--at", MORNING)
    assert shop.tree() == before


def test_the_sample_fits_one_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 lines of 80 columns hold the sample workspace, with everything late."""
    monkeypatch.setenv("COLUMNS", "80")
    assert invoke("init", str(tmp_path / "shop")).code == 0
    lines = invoke("-C", str(tmp_path / "shop"), "status", "--at", "2026-11-27T18:00Z").out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_many_activations_still_fit(shop: Shop) -> None:
    """What needs somebody comes before what is in order; `--all` and `--json` have everything."""
    morning = [
        {"audience": "all", "id": f"a{number:02}", "export": "full", "schedule": "on_demand"} for number in range(40)
    ]
    late = {"audience": "all", "id": "z", "export": "full", "schedule": {"at": "05:00"}}
    shop.crm(activations=[*morning, late])
    out = shop.ok("status", "--at", MORNING).out
    assert "crm/z " in out
    assert "and 29 more; --all lists them" in out
    assert "more" not in shop.ok("status", "--at", MORNING, "--all").out
    assert len(states(shop)) == 41


def test_times_are_those_of_the_workspace(shop: Shop) -> None:
    """Local times, and the zone once."""
    shop.set(timezone="Asia/Tokyo")
    out = shop.ok("status", "--at", "2026-11-20T06:00").out
    assert out.startswith("shop at 2026-11-20T06:00:00 Asia/Tokyo: 1 late, evaluation late\n")
    assert "crm/all is due since Nov 20 05:00" in out
    assert out.endswith("times in Asia/Tokyo\n")
