"""Environment variables in the YAML: defaults, missing ones, `validate --offline` (SPEC 2, 10, S2, S5, X9)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.shop import STATUS, Shop, person

DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
AFTER = {"audience": "all", "id": "after", "export": "full", "schedule": "after_evaluation"}
ADHOC = {"audience": "all", "id": "adhoc", "schedule": "on_demand"}
NOT_SET = "destinations/crm.yml:2: url: the environment variable CRM_FOLDER is not set"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Two destinations, one with a url from a variable, after a first night with the variable."""
    shop = Shop(tmp_path / "shop", evaluation={"schedule": {"at": "02:00"}}, guards={"max_exited": 1000})
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.audience("all", where="vip")
    mapping = ["profile_id", STATUS]
    shop.destination("crm", url="out/${CRM_FOLDER}", mapping=mapping, activations=[DAILY, AFTER, ADHOC])
    shop.destination("files", mapping=mapping, activations=[DAILY])
    monkeypatch.setenv("CRM_FOLDER", "crm-files")
    shop.ok("run", "--at", "2026-11-20T06:00Z")
    monkeypatch.delenv("CRM_FOLDER")
    shop.profiles("2026-11-21", [person("a"), person("b", vip=False), person("c")])
    return shop


def statuses(shop: Shop) -> dict[str, str]:
    """The status of the newest run of each activation."""
    newest: dict[str, str] = {}
    for run in shop.ok("runs", "list", "--json").json:
        newest.setdefault(f"{run['destination']}/{run['activation']}", run["status"])
    return newest


def test_a_missing_variable_stops_the_exports_that_need_it_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2, S5: the runs of that destination fail with the variable's name and stay due, all others are done; once
    the variable is there, they are tried again, against the delivered set of before (X9).
    """
    result = shop.muster("run", "--at", "2026-11-21T06:00Z")
    assert result.code == 1
    assert result.err == f"error: crm/after, crm/all: {NOT_SET}\n"
    assert statuses(shop) == {"crm/all": "failed", "crm/after": "failed", "files/all": "succeeded"}
    failed = shop.runs("crm/all")[-1]
    assert (failed["status"], failed["error"], failed["files"]) == ("failed", NOT_SET, [])
    assert shop.muster("run", "--at", "2026-11-21T07:00Z").code == 1

    monkeypatch.setenv("CRM_FOLDER", "crm-files")
    shop.ok("run", "--at", "2026-11-21T08:00Z")
    done = shop.runs("crm/all")[-1]
    assert (done["run_id"], done["status"], done["attempts"]) == (failed["run_id"], "succeeded", 3)
    assert (done["first_export"], done["realized"], done["exited"]) == (False, 1, 1)
    assert statuses(shop) == {"crm/all": "succeeded", "crm/after": "succeeded", "files/all": "succeeded"}


def test_activations_of_a_missing_variable_count_as_present(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2, X9: slots that passed while the variable was missing stay due: they are one run, for the newest."""
    for day in ("2026-11-21", "2026-11-22", "2026-11-23"):
        shop.muster("run", "--at", f"{day}T04:00Z")
    monkeypatch.setenv("CRM_FOLDER", "crm-files")
    shop.ok("run", "--at", "2026-11-23T06:00Z")
    runs = shop.runs("crm/all")
    assert [run["scheduled_time"] for run in runs if run["status"] == "succeeded"][-1] == "2026-11-23T05:00:00Z"
    assert sum(run["superseded_count"] for run in runs if run["status"] == "superseded") == 2


def test_commands_that_need_no_place_go_on(shop: Shop) -> None:
    """SPEC 2: commands that look at the record, or at other things, know nothing of it."""
    for command in (
        *(("runs", "list"), ("runs", "show", shop.runs("crm/all")[-1]["run_id"]), ("audiences", "list")),
        *(("evaluations", "list"), ("baseline", "show"), ("baseline", "show", "crm/all"), ("schedule", "list")),
        *(("schedule", "next"), ("schedule", "crontab"), ("state", "check"), ("destinations", "list")),
        *(("evaluate", "--at", "2026-11-20T07:00Z", "--no-exports"), ("verify",)),
        ("state", "backup", str(shop.root.parent / "backup")),
        ("baseline", "reset", "crm/all"),
    ):
        result = shop.muster(*command)
        assert (result.code, result.err) == (0, ""), command
    [crm, files] = shop.ok("destinations", "list", "--json").json
    assert (crm["url"], crm["activations"], files["url"]) == ("out/${CRM_FOLDER}", 3, "out/files")


def test_plan_shows_what_fails(shop: Shop) -> None:
    """SPEC 9: `plan` shows the failure that `run` would meet, and takes no url for a changed one (X9)."""
    plan = shop.muster("plan", "--at", "2026-11-21T06:00Z", "--json")
    errors = {
        f"{step['destination']}/{step['activation']}": step["error"] for step in plan.json if step["action"] == "export"
    }
    assert errors == {"crm/all": NOT_SET, "crm/after": NOT_SET, "files/all": None}
    assert "the new place holds nothing" not in shop.muster("plan", "--at", "2026-11-21T06:00Z").out


def test_an_export_on_demand_fails_alone(shop: Shop) -> None:
    """X7: the request fails, exit 1; another one beside it is carried out."""
    shop.destination("files", mapping=["profile_id"], activations=[DAILY, ADHOC])
    result = shop.muster("export", "crm/adhoc", "files/adhoc", "--at", "2026-11-20T08:00Z")
    assert (result.code, result.err) == (1, f"error: crm/adhoc: {NOT_SET}\n")
    assert statuses(shop)["files/adhoc"] == "succeeded"
    assert shop.muster("export", "crm/adhoc", "--at", "2026-11-20T08:00Z").code == 1


def test_validate_reports_it_and_offline_warns(shop: Shop) -> None:
    """SPEC 9, 10: `validate` exits 2 and names the variable once; `--offline` needs no secret: it warns, exit 0."""
    result = shop.muster("validate", "--at", "2026-11-21T06:00Z")
    assert (result.code, result.err) == (2, f"error: {NOT_SET}\n")
    result = shop.muster("validate", "--at", "2026-11-21T06:00Z", "--offline")
    assert (result.code, result.err) == (0, f"warning: {NOT_SET}\n")
    assert result.out.startswith("valid: 1 audience and 4 activations fit")


def test_offline_warns_of_it_beside_mistakes_too(shop: Shop) -> None:
    """SPEC 9: `--offline` only warns of a variable that exports alone need, also when the YAML has mistakes."""
    shop.destination("files", format="cvs", mapping=["profile_id"], activations=[DAILY])
    result = shop.muster("validate", "--offline", "--json")
    errors = [each["message"] for each in result.json["errors"]]
    assert (result.code, len(errors), "'cvs' is not allowed" in errors[0]) == (2, 1, True)
    assert result.json["warnings"] == [NOT_SET]


def test_offline_asks_no_destination_and_checks_all_else(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 9: with `--offline` no folder is looked at; columns and types are checked against the data all the same."""
    monkeypatch.setenv("CRM_FOLDER", "x")
    (shop.root / "out/x").write_text("a file where the folder should be")
    assert shop.muster("validate", "--at", "2026-11-21T06:00Z").code == 2
    assert shop.ok("validate", "--at", "2026-11-21T06:00Z", "--offline")
    shop.destination("files", mapping=["profile_id", "emial"], activations=[DAILY])
    result = shop.muster("validate", "--at", "2026-11-21T06:00Z", "--offline")
    assert (result.code, "emial" in result.err) == (2, True)


def test_the_check_of_a_destination_names_the_variable(shop: Shop) -> None:
    """SPEC 9: `destinations check` fails for that destination, and checks the others."""
    result = shop.muster("destinations", "check", "--json")
    assert result.code == 1
    found = {each["id"]: each["result"] for each in result.json}
    assert found == {"crm": "failed", "files": "ok"}
    assert NOT_SET in result.out


CONNECTION = {"url": "sftp://ann@files.example/in", "connection": {"password_env": "CRM_FOLDER"}}


@pytest.mark.parametrize(
    "place",
    [
        CONNECTION,
        {"url": "s3://bucket/in", "connection": {"endpoint": "${CRM_FOLDER}"}},
        {"url": "sftp://${CRM_FOLDER}@files.example/in"},
        {"encryption": {"pgp": {"public_keys": ["keys/${CRM_FOLDER}.asc"]}}},
    ],
    ids=["password", "endpoint", "user", "key"],
)
def test_every_part_of_a_place_counts(shop: Shop, place: dict[str, Any]) -> None:
    """SPEC 2: url, connection and encryption: nothing is written, as nobody knows for whom."""
    shop.destination("crm", **({"mapping": ["profile_id"], "activations": [DAILY]} | place))
    before = shop.tree()
    result = shop.muster("run", "--at", "2026-11-21T06:00Z")
    assert result.code == 1
    assert "environment variable CRM_FOLDER is not set" in result.err
    assert statuses(shop)["files/all"] == "succeeded"
    assert statuses(shop)["crm/all"] == "failed"
    assert not [name for name in shop.tree() if name.startswith("out/crm") and name not in before]
    assert shop.muster("validate", "--offline", "--at", "2026-11-21T06:00Z").code == 0


def test_the_encryption_of_one_activation_stops_that_one(shop: Shop) -> None:
    """SPEC 2: an activation's own `encryption` is needed by its exports alone."""
    encryption = {"pgp": {"public_keys": ["keys/${CRM_FOLDER}.asc"]}}
    shop.destination(
        "crm", mapping=["profile_id"], activations=[DAILY, {**DAILY, "id": "locked", "encryption": encryption}]
    )
    assert shop.muster("run", "--at", "2026-11-21T06:00Z").code == 1
    shop.muster("run", "--at", "2026-11-22T06:00Z")
    assert statuses(shop)["crm/all"] == "succeeded"
    assert statuses(shop)["crm/locked"] == "failed"


ELSEWHERE: dict[str, Callable[[Shop], object]] = {
    "muster.yml": lambda shop: shop.set(profiles={"path": "data/${NOWHERE}"}),
    "an input's connection": lambda shop: shop.set(
        profiles={
            "path": "s3://b/p",
            "connection": {"access_key_id_env": "NOWHERE", "secret_access_key_env": "NOWHERE"},
        }
    ),
    "a rule": lambda shop: shop.audience("all", where="vip = ${NOWHERE}"),
    "a file name": lambda shop: shop.destination(
        "files", file_name="${NOWHERE}", mapping=["profile_id"], activations=[DAILY]
    ),
    "a schedule": lambda shop: shop.destination(
        "files", mapping=["profile_id"], activations=[{**DAILY, "schedule": {"at": "${NOWHERE}"}}]
    ),
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_elsewhere_a_missing_variable_stops_every_command(shop: Shop, where: str) -> None:
    """SPEC 2, 10: exit 2, its name only."""
    ELSEWHERE[where](shop)
    for command in (("run",), ("runs", "list"), ("validate", "--offline"), ("schedule", "next")):
        result = shop.muster(*command)
        assert result.code == 2, command
        assert "environment variable NOWHERE is not set" in result.err


def test_urls_that_are_not_known_collide_with_none(shop: Shop) -> None:
    """F1: names are compared once the urls are known: two endpoints that are missing are no two equal ones."""
    for name in ("one", "two"):
        shop.destination(
            name,
            url="s3://bucket/in",
            connection={"endpoint": f"${{{name.upper()}_ENDPOINT}}"},
            file_name="{activation}",
            mapping=["profile_id"],
            activations=[DAILY],
        )
    shop.ok("validate", "--offline", "--at", "2026-11-21T06:00Z")


def test_a_run_that_was_interrupted_is_finished_where_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: a run that is `delivering` to a folder is finished though the variable of its url is missing now."""
    monkeypatch.setenv("CRM_FOLDER", "crm-files")
    monkeypatch.setattr(
        "muster.activation.export.carry_out.finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    assert shop.muster("run", "--at", "2026-11-21T06:00Z").code == 130
    monkeypatch.undo()
    monkeypatch.delenv("CRM_FOLDER", raising=False)
    stuck = [run for run in shop.runs() if run["status"] == "delivering"]
    assert stuck
    shop.muster("run", "--at", "2026-11-21T06:01Z")
    [done] = [run for run in shop.runs() if run["run_id"] == stuck[0]["run_id"]]
    assert done["status"] == "succeeded"


def test_local_times_and_patterns_in_file_names(tmp_path: Path) -> None:
    """F1: local times are in the schedule's zone, patterns say what is written of a time."""
    shop = Shop(tmp_path / "shop", timezone="Europe/Berlin")
    shop.profiles("2026-11-20", [person("a")])
    shop.audience("all", where="true")
    tokyo = {"audience": "all", "export": "full", "schedule": {"at": "05:00", "timezone": "Asia/Tokyo"}}
    names = {
        "one": "{local_date}",
        "two": "x_{local_datetime}",
        "three": "{date:%Y}/{datetime:%m%d-%H%M}",
        "four": "{local_datetime:%y.%j %H%M%z}",
    }
    shop.destination(
        "crm",
        mapping=["profile_id"],
        manifest=False,
        activations=[{**tokyo, "id": name, "file_name": template} for name, template in names.items()],
    )
    shop.ok("evaluate", "--at", "2026-11-20T12:00Z")
    shop.ok("run", "--at", "2026-11-20T21:00Z")
    assert sorted(name.removeprefix("crm/") for name in shop.files("crm")) == [
        "2026/1120-2000.csv",
        "20261121.csv",
        "26.325_0500+0900.csv",
        "x_20261121T050000+0900.csv",
    ]
    shop.destination("crm", mapping=["profile_id"], file_name="%SEGMENT_NAME%_{date}", activations=[tokyo])
    refused = shop.muster("validate")
    assert refused.code == 2
    assert "'%SEGMENT_NAME%' is a placeholder of another program; write {audience_name}" in refused.err
