"""SPEC 8: when something runs, through the commands. Each docstring is the rule; the runs that must be recorded are
written by hand.
"""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.shop import Shop, person

DAILY = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
FOLLOWING = {"audience": "all", "export": "full", "schedule": "after_evaluation"}


def everyone(root: Path, *activations: dict[str, Any], **settings: Any) -> Shop:
    """A shop with one profile that sends ids of everybody, in full each day at 05:00 unless told otherwise; evaluated
    once.
    """
    shop = Shop(root, **settings)
    shop.audience("all", where="true")
    schedule(shop, *activations)
    shop.profiles("2026-11-01", [person("a")])
    return shop


def schedule(shop: Shop, *activations: dict[str, Any]) -> None:
    shop.crm(mapping=["profile_id"], activations=list(activations or [DAILY]))


def slots(shop: Shop, key: str = "crm/all") -> list[str]:
    """Every run of an activation: status, slot, and how many slots it settled beside."""
    return [
        f"{run['status']} {run['scheduled_time'][5:16]}"
        + (f" +{run['superseded_count']}" if run["status"] == "superseded" else "")
        for run in shop.runs(key)
    ]


def block(shop: Shop) -> Path:
    """Make the destination fail: a file stands where its folder should be."""
    return shop.write("out/crm", "in the way")


# S1, S2


@pytest.mark.parametrize(
    ("kind", "moments", "expected"),
    [
        ({"at": ["05:00", "17:00"]}, ["04:59:59", "05:00", "16:59", "17:00"], ["05:00", "17:00"]),
        ({"at": "17:00", "timezone": "Asia/Tokyo"}, ["07:59", "08:00", "17:00"], ["08:00"]),
        ({"every": "5h"}, ["00:00", "04:59", "05:00", "20:00", "23:00"], ["00:00", "05:00", "20:00"]),
        ({"cron": "*/30 9 * * 5"}, ["08:59", "09:00", "09:29", "09:30", "10:00"], ["09:00", "09:30"]),
        ("on_demand", ["00:00", "12:00"], []),
    ],
    ids=["at", "another zone", "every", "cron", "on demand"],
)
def test_each_slot_is_run_once_when_it_is_due(
    tmp_path: Path, kind: Any, moments: list[str], expected: list[str]
) -> None:
    """S1, S2: a slot is due from its time on, until it is finished; whatever the kind of schedule."""
    activation = {"audience": "all", "schedule": kind} | ({} if kind == "on_demand" else {"export": "full"})
    shop = everyone(tmp_path, activation)
    shop.evaluate("2026-11-19T00:00Z")
    shop.run("2026-11-20T00:00Z")
    for moment in moments:
        shop.run(f"2026-11-20T{moment}Z")
    assert [
        slot.removeprefix("succeeded 11-20T") for slot in slots(shop) if slot.startswith("succeeded 11-20T")
    ] == expected


def test_slots_count_from_the_midnight_of_the_day_on_which_an_activation_was_seen(tmp_path: Path) -> None:
    """S2: without `start` slots count from midnight, local, of the day on which a `run` or `evaluate` first saw the
    activation.
    """
    for first, expected in (("2026-11-20T13:00Z", ["succeeded 11-20T12:00"]), ("2026-11-20T15:00Z", [])):
        shop = everyone(
            tmp_path / first[11:13],
            DAILY | {"schedule": {"at": "21:00", "timezone": "Asia/Tokyo"}},
            timezone="Asia/Tokyo",
        )
        shop.evaluate(first)
        shop.run(first)
        assert slots(shop) == expected


def test_an_activation_has_no_slots_before_its_start_and_from_its_end_on(tmp_path: Path) -> None:
    """S1, S2: `start` is inclusive, `end` exclusive; both are local."""
    bounds = {"every": "6h", "start": "2026-11-18T06:00", "end": "2026-11-20T12:00"}
    shop = everyone(tmp_path, DAILY | {"schedule": bounds})
    shop.evaluate("2026-11-18T00:00Z")
    for moment in ("2026-11-18T05:59", "2026-11-18T06:00", "2026-11-20T06:00", "2026-11-20T12:00", "2026-11-25T00:00"):
        shop.run(f"{moment}Z")
    assert slots(shop) == ["succeeded 11-18T06:00", "superseded 11-20T00:00 +7", "succeeded 11-20T06:00"]


def test_slots_since_the_start_are_due_when_first_seen_later(tmp_path: Path) -> None:
    """S2: slots between `start` and the first command are missed ones: the newest is run, the others are superseded."""
    shop = everyone(tmp_path, DAILY | {"schedule": {"at": "05:00", "start": "2026-11-18"}})
    shop.evaluate("2026-11-20T06:00Z")
    shop.run("2026-11-20T06:00Z")
    assert slots(shop) == ["superseded 11-19T05:00 +2", "succeeded 11-20T05:00"]


def test_a_run_sees_the_data_of_its_instant(tmp_path: Path) -> None:
    """S2: `at` is the instant of the command: a slot decides what its files are called, not which data it sees."""
    shop = everyone(tmp_path)
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-20T06", [person("b")])
    shop.evaluate("2026-11-20T06:00Z")
    shop.run("2026-11-20T07:00Z")
    assert shop.lines("crm/crm_all_20261120T050000Z.csv") == ["b"]
    assert shop.runs()[-1]["evaluated_at"] == "2026-11-20T06:00:00Z"


def test_a_changed_schedule_has_slots_from_the_first_run_that_sees_it(tmp_path: Path) -> None:
    """S2: slots that a new schedule would have had before are not due."""
    shop = everyone(tmp_path)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    schedule(shop, DAILY | {"schedule": {"at": ["05:00", "08:00", "12:00"]}})
    shop.run("2026-11-20T09:00Z")
    shop.run("2026-11-20T12:00Z")
    assert slots(shop) == ["succeeded 11-20T05:00", "succeeded 11-20T12:00"]


def test_another_spelling_of_a_schedule_is_no_change(tmp_path: Path) -> None:
    """S2: `at: 05:00` and the cron line that says the same have the same slots, so none is lost."""
    shop = everyone(tmp_path)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    schedule(shop, DAILY | {"schedule": {"cron": "0 5 * * *"}})
    shop.run("2026-11-21T09:00Z")
    assert slots(shop) == ["succeeded 11-20T05:00", "succeeded 11-21T05:00"]


def test_slots_of_the_days_of_absence_are_not_due(tmp_path: Path) -> None:
    """X9, S2: an activation that was absent at a `run` has its slots from its return on."""
    shop = everyone(tmp_path)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    schedule(shop, DAILY | {"id": "other"})
    shop.run("2026-11-21T05:00Z")
    schedule(shop)
    shop.run("2026-11-22T06:00Z")
    shop.run("2026-11-23T05:00Z")
    assert slots(shop) == ["succeeded 11-20T05:00", "succeeded 11-23T05:00"]


def test_slots_that_fall_on_one_instant_are_one(tmp_path: Path) -> None:
    """S3: local times that a clock change skips fire at the first instant after the gap, together."""
    shop = everyone(tmp_path, DAILY | {"schedule": {"at": ["02:10", "02:50"], "timezone": "Europe/Berlin"}})
    shop.profiles("2026-03-01", [person("a")])
    shop.evaluate("2026-03-28T12:00Z")
    shop.run("2026-03-28T12:00Z")
    shop.run("2026-03-29T00:59:59Z")
    shop.run("2026-03-29T01:00Z")
    shop.run("2026-03-29T02:00Z")
    assert slots(shop)[2:] == ["succeeded 03-29T01:00"]


# S4


def test_each_evaluation_is_a_slot_of_the_exports_that_follow_it(tmp_path: Path) -> None:
    """S4: the command that evaluated exports at once; the scheduled time is the evaluation's instant."""
    shop = everyone(tmp_path, FOLLOWING)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T03:00Z")
    shop.evaluate("2026-11-21T09:30Z")
    assert slots(shop) == ["succeeded 11-20T02:00", "succeeded 11-21T09:30"]
    assert {run["trigger"] for run in shop.runs()} == {"after_evaluation"}


def test_only_evaluations_of_its_own_audience_are_slots(tmp_path: Path) -> None:
    """S4: one slot per evaluation of its audience; an evaluation limited to others is none."""
    shop = everyone(tmp_path, FOLLOWING)
    shop.audience("other", where="true")
    shop.evaluate("2026-11-20T02:00Z", "--audience", "other")
    assert slots(shop) == []


@pytest.mark.parametrize("command", ["run", "evaluate"])
def test_without_exports_the_slots_stay_due(tmp_path: Path, command: str) -> None:
    """S4: `--no-exports` leaves the slots due: the next `run` delivers them, or the next `evaluate` at the same
    instant.
    """
    shop = everyone(tmp_path, FOLLOWING)
    shop.evaluate("2026-11-20T02:00Z", "--no-exports")
    assert slots(shop) == []
    shop.ok(command, "--at", "2026-11-20T02:00Z")
    assert slots(shop) == ["succeeded 11-20T02:00"]


def test_a_failed_export_is_tried_again_with_its_evaluations_memberships(tmp_path: Path) -> None:
    """S4, X5: each later `run` tries again, with that evaluation's memberships, and the newest values by then."""
    shop = everyone(tmp_path, FOLLOWING)
    way = block(shop)
    assert shop.muster("evaluate", "--at", "2026-11-20T02:00Z").code == 1
    assert shop.muster("run", "--at", "2026-11-20T03:00Z").code == 1
    shop.profiles("2026-11-20T03", [person("a"), person("b")])
    shop.evaluate("2026-11-20T06:00Z", "--no-exports")
    way.unlink()
    shop.run("2026-11-20T04:00Z")
    (run,) = shop.runs()
    assert (run["status"], run["scheduled_time"], run["attempts"]) == ("succeeded", "2026-11-20T02:00:00Z", 3)
    assert shop.sent("crm/all") == ["a"]
    shop.run("2026-11-20T06:00Z")
    assert slots(shop) == ["succeeded 11-20T02:00", "succeeded 11-20T06:00"]
    assert shop.sent("crm/all") == ["a", "b"]


def test_a_newer_evaluation_supersedes_an_export_that_failed(tmp_path: Path) -> None:
    """S4: an evaluation not exported yet is superseded by a newer one of the audience, in one record."""
    shop = everyone(tmp_path, FOLLOWING)
    way = block(shop)
    assert shop.muster("evaluate", "--at", "2026-11-19T02:00Z").code == 1
    shop.evaluate("2026-11-20T02:00Z", "--no-exports")
    way.unlink()
    shop.evaluate("2026-11-21T02:00Z")
    assert slots(shop) == ["failed 11-19T02:00", "superseded 11-20T02:00 +2", "succeeded 11-21T02:00"]
    shop.run("2026-11-21T03:00Z")
    assert len(shop.runs()) == 3


def test_a_forgotten_evaluation_is_no_slot_any_more(tmp_path: Path) -> None:
    """S4, E6: once an evaluation is forgotten nothing tries to export it, although its export failed."""
    shop = everyone(tmp_path, FOLLOWING)
    way = block(shop)
    assert shop.muster("evaluate", "--at", "2026-11-20T02:00Z").code == 1
    way.unlink()
    shop.ok("evaluations", "forget", "--after", "2026-11-19T00:00Z")
    shop.run("2026-11-20T03:00Z")
    assert slots(shop) == ["failed 11-20T02:00"]


# S5


def test_a_failed_slot_is_tried_again_until_a_newer_one_replaces_it(tmp_path: Path) -> None:
    """S5, F3: a failed slot stays due and the next `run` tries it again as the same run; a newer slot supersedes it."""
    shop = everyone(tmp_path)
    shop.evaluate("2026-11-20T02:00Z")
    way = block(shop)
    for moment in ("2026-11-20T05:00Z", "2026-11-20T06:00Z"):
        assert shop.muster("run", "--at", moment).code == 1
    assert (slots(shop), shop.runs()[0]["attempts"]) == (["failed 11-20T05:00"], 2)
    assert "out/crm" in shop.runs()[0]["error"]
    way.unlink()
    shop.run("2026-11-21T05:00Z")
    shop.run("2026-11-21T06:00Z")
    assert slots(shop) == ["superseded 11-20T05:00 +1", "succeeded 11-21T05:00"]


def test_a_failed_slot_succeeds_later_under_its_own_name(tmp_path: Path) -> None:
    """S5: the retry continues the run: its name and its file's name are those of the slot."""
    shop = everyone(tmp_path)
    shop.evaluate("2026-11-20T02:00Z")
    way = block(shop)
    shop.muster("run", "--at", "2026-11-20T05:00Z")
    way.unlink()
    shop.run("2026-11-20T11:00Z")
    (run,) = shop.runs()
    assert (run["status"], run["attempts"], run["error"]) == ("succeeded", 2, None)
    assert shop.files() == ["crm/crm_all_20261120T050000Z.csv"]


# S6


def interrupted(shop: Shop) -> None:
    """A run of the slot of the 20th that is killed once its files are staged and it is committed as `delivering`."""
    shop.evaluate("2026-11-20T02:00Z")
    with mock.patch("muster.activation.export.carry_out.finish", side_effect=KeyboardInterrupt):
        assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 130
    assert slots(shop) == ["delivering 11-20T05:00"]


@pytest.mark.parametrize("command", [["run"], ["evaluate"], ["export", "crm/other"]], ids=["run", "evaluate", "export"])
def test_every_command_that_writes_finishes_what_was_interrupted(tmp_path: Path, command: list[str]) -> None:
    """S6: a `delivering` run is finished first: same names, same url, whatever the config says now."""
    shop = everyone(tmp_path)
    interrupted(shop)
    shop.destination(
        "crm",
        url="out/elsewhere",
        mapping=["profile_id"],
        activations=[{"audience": "all", "id": "other", "schedule": "on_demand"}],
    )
    shop.ok(*command, "--at", "2026-11-20T06:00Z")
    assert slots(shop) == ["succeeded 11-20T05:00"]
    assert shop.lines("crm/crm_all_20261120T050000Z.csv") == ["a"]


def test_until_it_is_finished_its_activation_starts_nothing_new(tmp_path: Path) -> None:
    """S6: while a `delivering` run cannot be finished its activation waits, and the others go on; exit 1."""
    shop = everyone(tmp_path, DAILY, DAILY | {"id": "other", "schedule": {"at": "06:00"}})
    interrupted(shop)
    with mock.patch(
        "muster.activation.delivery.files._publish", side_effect=[OSError(13, "Permission denied"), *([None] * 9)]
    ):
        result = shop.muster("run", "--at", "2026-11-21T06:00Z")
    assert result.code == 1
    assert slots(shop) == ["delivering 11-20T05:00"]
    assert slots(shop, "crm/other") == ["superseded 11-20T06:00 +1", "succeeded 11-21T06:00"]
    shop.run("2026-11-21T07:00Z")
    assert slots(shop) == ["succeeded 11-20T05:00", "succeeded 11-21T05:00"]


def test_a_run_interrupted_before_its_files_were_complete_starts_afresh(tmp_path: Path) -> None:
    """S6, F3: what was staged is removed, and the slot is delivered by the next command with the data of its
    instant.
    """
    shop = everyone(tmp_path)
    shop.evaluate("2026-11-20T02:00Z")
    with (
        mock.patch("muster.activation.files.tally.Tally.content", side_effect=KeyboardInterrupt),
        mock.patch("muster.activation.export.carry_out.discard"),
    ):
        assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 130
    assert slots(shop) == ["running 11-20T05:00"]
    assert [path.name[0] for path in (tmp_path / "out/crm").iterdir()] == ["."]
    shop.run("2026-11-20T06:00Z")
    assert slots(shop) == ["succeeded 11-20T05:00"]
    assert not [path for path in (tmp_path / "out/crm").iterdir() if path.name.startswith(".")]


# S7


def nightly(root: Path) -> Shop:
    """A shop that evaluates each night at 02:00 and exports right after."""
    return everyone(root, FOLLOWING, evaluation={"schedule": {"at": "02:00"}})


def evaluated(shop: Shop) -> list[str]:
    return [each["evaluated_at"][5:16] for each in shop.ok("evaluations", "list", "--json").json]


def test_run_evaluates_when_that_is_due(tmp_path: Path) -> None:
    """S7: due when its newest slot at or before `at` is later than the newest evaluation; that evaluation's instant is
    `at`.
    """
    shop = nightly(tmp_path)
    shop.evaluate("2026-11-20T01:00Z", "--no-exports")
    for moment in ("2026-11-20T01:59", "2026-11-20T02:30", "2026-11-20T03:00", "2026-11-23T09:00"):
        shop.run(f"{moment}Z")
    assert evaluated(shop) == ["11-23T09:00", "11-20T02:30", "11-20T01:00"]
    assert slots(shop) == ["succeeded 11-20T01:00", "succeeded 11-20T02:30", "succeeded 11-23T09:00"]


def test_the_first_run_evaluates(tmp_path: Path) -> None:
    """S7: with a slot behind it and no evaluation, `run` evaluates before it exports."""
    shop = nightly(tmp_path)
    shop.run("2026-11-20T01:00Z")
    assert evaluated(shop) == ["11-20T01:00"]


def test_run_before_the_newest_evaluation_does_not_evaluate(tmp_path: Path) -> None:
    """S7: `run` at an instant before the newest evaluation of any audience evaluates nothing and still does what is
    due.
    """
    shop = nightly(tmp_path)
    schedule(shop, DAILY)
    shop.audience("other", where="true")
    shop.evaluate("2026-11-19T02:00Z")
    shop.evaluate("2026-11-21T02:00Z", "--audience", "other")
    shop.run("2026-11-20T05:00Z")
    assert evaluated(shop) == ["11-21T02:00", "11-19T02:00"]
    assert slots(shop)[-1] == "succeeded 11-20T05:00"


def test_an_evaluation_of_some_audiences_does_not_stand_for_the_nightly_one(tmp_path: Path) -> None:
    """S7, E7: an evaluation limited by `--audience` leaves the night's evaluation due for the others."""
    shop = nightly(tmp_path)
    shop.audience("other", where="true")
    shop.evaluate("2026-11-19T02:00Z")
    shop.evaluate("2026-11-20T02:10Z", "--audience", "other")
    shop.run("2026-11-20T02:30Z")
    assert evaluated(shop) == ["11-20T02:30", "11-20T02:10", "11-19T02:00"]


def test_without_a_schedule_run_never_evaluates(tmp_path: Path) -> None:
    """S7: `evaluation.schedule` is optional; without it evaluations are `muster evaluate` alone."""
    shop = everyone(tmp_path)
    shop.evaluate("2026-11-19T02:00Z")
    shop.run("2026-11-25T05:00Z")
    assert evaluated(shop) == ["11-19T02:00"]
