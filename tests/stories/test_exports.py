"""SPEC 5: what an export holds. Each docstring is the rule; the rows that must come out are written by hand."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support.refusals import changed, failures
from support.shop import SINCE, STATUS, Shop, identities, person

from muster.activation.files.csv_rows import FinishedText
from muster.activation.mapping.layout import Layout

output_frame = Layout.output_frame
of = FinishedText.of


def a_row_less(text: FinishedText, *arguments: Any) -> pl.DataFrame:
    """What the writer is given for CSV, but for its last rows."""
    return of(text, *arguments).head(1)


GONE = person("gone", vip=False)
DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
MANDATORY_EMAIL = {"source": "email", "mandatory": True}


def vips(root: Path, **content: Any) -> Shop:
    """A shop whose one audience are the profiles with `vip`; they go to `crm` each day at 05:00."""
    shop = Shop(root)
    shop.audience("all", where="vip")
    shop.crm(**content)
    return shop


def rejects(shop: Shop) -> list[tuple[str, str]]:
    """Profile id and reason of everybody that the newest run left out."""
    found = shop.ok("runs", "rejects", shop.runs()[-1]["run_id"], "--json").json
    return [(each["profile_id"], each["reason"]) for each in found]


# X1


def test_a_mistake_in_the_data_stops_its_activation_alone(tmp_path: Path) -> None:
    """X1, M4: a mapped column that the snapshot lacks fails that activation before anything is written; the others go
    on, exit 1.
    """
    shop = vips(tmp_path)
    shop.destination("bad", mapping=["profile_id", "emial"], activations=[DAILY])
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert (result.code, shop.sent("crm/all")) == (1, ["a,a@x.com,realized"])
    assert "'emial'" in result.err
    assert "did you mean 'email'?" in result.err
    assert not (tmp_path / "out/bad").exists()


def test_a_mistake_in_the_data_fails_the_only_run_that_was_tried(tmp_path: Path) -> None:
    """X1: exit 1, as a run was tried; exit 2 is for what was not even begun."""
    shop = vips(tmp_path, mapping=["profile_id", "emial"])
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 1
    assert [run["status"] for run in shop.runs()] == ["failed"]


def test_an_audience_that_fails_keeps_its_newest_evaluation_and_its_exports_wait(tmp_path: Path) -> None:
    """X1: an audience whose rule fails on the data, and those that refer to it, keep their newest evaluation; exports
    after it wait.
    """
    shop = vips(tmp_path, schedule="after_evaluation")
    shop.audience("all", where="CAST(joined AS INTEGER) > 2000")
    shop.audience("dependent", where="audience.all")
    shop.audience("fine", where="true")
    shop.profiles("2026-11-20", [person("a", joined="2001")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-21", [person("a", joined="2001"), person("b", joined="last year")])
    result = shop.muster("evaluate", "--at", "2026-11-21T02:00Z")
    assert result.code == 1
    assert "audiences/all.yml" in result.err
    sizes = {
        each["id"]: (each["evaluated_at"], each["realized"]) for each in shop.ok("audiences", "list", "--json").json
    }
    before, now = "2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z"
    assert sizes == {"all": (before, 1), "dependent": (before, 1), "fine": (now, 2)}
    assert [run["scheduled_time"] for run in shop.runs("crm/all")] == ["2026-11-20T02:00:00Z"]


def test_a_mistake_in_the_yaml_stops_every_command(tmp_path: Path) -> None:
    """X1: a mistake visible in the YAML alone is exit 2 for all of it, also for activations that have none."""
    shop = vips(tmp_path)
    shop.destination(
        "bad",
        mapping=["profile_id"],
        activations=[{"audience": "nobody", "export": "full", "schedule": {"at": "05:00"}}],
    )
    shop.profiles("2026-11-20", [person("a")])
    for command in (["evaluate"], ["run"], ["export", "crm/all"], ["plan"], ["validate"]):
        assert shop.muster(*command, "--at", "2026-11-20T05:00Z").code == 2
    assert not (tmp_path / "out").exists()


# X2


def test_a_full_export_holds_the_desired_set(tmp_path: Path) -> None:
    """X2: a full export holds every desired profile each time and never an exited one."""
    shop = vips(tmp_path, export="full")
    assert shop.day("2026-11-20", [person("a"), person("b")]) == ["a,a@x.com,realized", "b,b@x.com,realized"]
    assert shop.day("2026-11-21", [person("b"), person("c")]) == ["b,b@x.com,realized", "c,c@x.com,realized"]


def test_exclusions_come_in_order(tmp_path: Path) -> None:
    """X2: who is gone from the snapshot is missing, then who lacks a mandatory value, and only the rest are compared
    for duplicates.
    """
    shop = vips(tmp_path, mapping=["profile_id", "email", {"source": "name", "mandatory": True}], deduplicate=["email"])
    everybody = [
        person("a", "one@x.com", name=""),
        person("b", "one@x.com", name="Bob"),
        person("c", "one@x.com", name="Cid"),
    ]
    shop.profiles("2026-11-20", [*everybody, person("d", name="Dan")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-20T04", everybody)
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("crm/all") == ["b,one@x.com,Bob"]
    assert rejects(shop) == [("a", "mandatory:name"), ("c", "duplicate"), ("d", "profile_missing")]


def test_an_export_before_the_first_evaluation_fails_and_stays_due(tmp_path: Path) -> None:
    """X2: an audience that was not evaluated yet fails the run with that reason; its slot is delivered once it is."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert result.code == 1
    assert "audience 'all' was not evaluated" in result.err
    shop.evaluate("2026-11-20T05:30Z")
    shop.run("2026-11-20T06:00Z")
    (run,) = shop.runs()
    assert (run["status"], run["scheduled_time"], run["attempts"]) == ("succeeded", "2026-11-20T05:00:00Z", 2)


def test_a_run_uses_the_newest_evaluation_at_or_before_its_instant(tmp_path: Path) -> None:
    """X2: an evaluation later than the instant does not count."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-20T06", [person("b")])
    shop.evaluate("2026-11-20T06:00Z")
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("crm/all") == ["a,a@x.com,realized"]


# X3


def test_a_lost_identity_sends_its_owner(tmp_path: Path) -> None:
    """X3c: a profile that lost an identity is sent, and counted as included for that alone."""
    shop = vips(tmp_path)
    shop.day(
        "2026-11-20",
        [person("a", identity_map=identities(Phone=["1", "2"])), person("b", identity_map=identities(Phone=["3"]))],
    )
    today = [person("a", identity_map=identities(Phone=["1"])), person("b", identity_map=identities(Phone=["3"]))]
    assert shop.day("2026-11-21", today) == ["a,a@x.com,realized"]
    assert shop.runs()[-1]["identity_changed"] == 1


def test_only_who_is_sent_for_identities_alone_is_counted_so(tmp_path: Path) -> None:
    """X10, X3c: who left and came back, or joined, is no `identity_changed`, whatever became of the identities."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a", identity_map=identities(Phone=["1"]))])
    shop.profiles("2026-11-20T06", [person("b", identity_map=identities(Phone=["2"]))])
    shop.evaluate("2026-11-20T06:00Z")
    today = [person("a", identity_map=identities(Phone=["3"])), person("b", identity_map=identities(Phone=["4"]))]
    assert shop.day("2026-11-21", today) == ["a,a@x.com,realized", "b,b@x.com,realized"]
    assert shop.runs()[-1]["identity_changed"] == 0


def test_identities_are_not_compared_while_the_column_is_absent(tmp_path: Path) -> None:
    """X3c: where the identity map is absent identities are not compared, and the old digest is kept for when it is
    back.
    """
    shop = vips(tmp_path)
    shop.day(
        "2026-11-20",
        [person("a", identity_map=identities(Phone=["1"])), person("b", identity_map=identities(Phone=["2"]))],
    )
    assert shop.day("2026-11-21", [person("a"), person("b")]) == []
    today = [person("a", identity_map=identities(Phone=["1"])), person("b", identity_map=identities(Phone=["9"]))]
    assert shop.day("2026-11-22", today) == ["b,b@x.com,realized"]


def test_identities_that_appear_with_the_column_send_nobody(tmp_path: Path) -> None:
    """X3c: a delivered set made without the column has no identities to compare with."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a")])
    assert shop.day("2026-11-21", [person("a", identity_map=identities(Phone=["1"]))]) == []
    assert shop.day("2026-11-22", [person("a", identity_map=identities(Phone=["2"]))]) == ["a,a@x.com,realized"]


def test_leavers_are_told_with_the_time_of_their_exit(tmp_path: Path) -> None:
    """X3d: who left the audience or the snapshot is `exited` at the time of the exit, not of the export."""
    shop = vips(tmp_path, mapping=["profile_id", STATUS, SINCE])
    shop.day("2026-11-20", [person("a"), person("b"), person("c")])
    today = [person("a", vip=False), person("c")]
    assert shop.day("2026-11-21", today) == ["a,exited,2026-11-21T02:00:00Z", "b,exited,2026-11-21T02:00:00Z"]


def test_who_is_excluded_now_exits_at_the_instant_of_the_export(tmp_path: Path) -> None:
    """X3d: a delivered member that is excluded now is `exited` at `at`, as it is still realized."""
    shop = vips(tmp_path, mapping=["profile_id", MANDATORY_EMAIL, STATUS, SINCE])
    shop.day("2026-11-20", [person("a"), person("b")])
    today = [person("a") | {"email": ""}, person("b")]
    assert shop.day("2026-11-21", today) == ["a,a@x.com,exited,2026-11-21T05:00:00Z"]


def test_leavers_are_told_only_if_the_status_is_mapped(tmp_path: Path) -> None:
    """X3d: without `segment_membership.status` nobody is told about leavers; they are no part of the counts either."""
    shop = vips(tmp_path, mapping=["profile_id"])
    shop.day("2026-11-20", [person("a"), person("b")])
    assert shop.day("2026-11-21", [person("b"), person("c")]) == ["c"]
    run = shop.runs()[-1]
    assert (run["received"], run["realized"], run["exited"]) == (1, 1, 0)


# X4, X5


def test_included_profiles_carry_the_newest_values_of_all_columns(tmp_path: Path) -> None:
    """X4: a profile sent for another phone number carries its new points and its unchanged name too."""
    shop = vips(tmp_path, mapping=["profile_id", "name", "points"])
    shop.day("2026-11-20", [person("a", name="Ann", points=1, identity_map=identities(Phone=["1"]))])
    today = [person("a", name="Ann", points=2, identity_map=identities(Phone=["2"]))]
    assert shop.day("2026-11-21", today) == ["a,Ann,2"]


def test_a_member_without_a_profile_is_excluded(tmp_path: Path) -> None:
    """X5: a realized member that is not in the newest snapshot at or before `at` is excluded as `profile_missing`."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-20T05", [person("a", "new@x.com")])
    shop.profiles("2026-11-20T06", [person("a", "later@x.com"), person("b")])
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("crm/all") == ["a,new@x.com,realized"]
    assert shop.runs()[-1]["excluded_by"] == {"profile_missing": 1}


# X6


def fed(root: Path, **audience: Any) -> Shop:
    """A shop whose audience `fed` comes from a feed; it goes to `crm` each day at 05:00."""
    shop = Shop(root)
    shop.audience("fed", source="memberships", **audience)
    shop.crm(audience="fed", mapping=["profile_id", STATUS, SINCE])
    return shop


def test_a_feed_audience_is_brought_up_to_date_when_its_export_starts(tmp_path: Path) -> None:
    """X6: rows between the evaluation and the export count for it; that is no evaluation."""
    shop = fed(tmp_path)
    shop.feed([("fed", "a", "realized", "2026-11-19T12:00Z")])
    shop.feed(
        [("fed", "b", "realized", "2026-11-20T04:00Z"), ("fed", "c", "realized", "2026-11-20T05:01Z")], name="later"
    )
    assert shop.day("2026-11-20", [person("a"), person("b"), person("c")], key="crm/fed") == [
        "a,realized,2026-11-19T12:00:00Z",
        "b,realized,2026-11-20T04:00:00Z",
    ]
    (evaluation,) = shop.ok("evaluations", "list", "--json").json
    assert evaluation["audiences"] == [{"id": "fed", "realized": 1, "entered": 1, "exited": 0}]
    assert shop.runs()[-1]["evaluated_at"] == "2026-11-20T02:00:00Z"


def test_feed_rows_after_an_evaluation_override_its_rule_until_the_next(tmp_path: Path) -> None:
    """X6: with a `where` beside the feed an evaluation takes the rule's result, later rows override it profile by
    profile.
    """
    shop = fed(tmp_path, where="vip")
    shop.feed([("fed", "b", "realized", "2026-11-20T01:00Z")])  # before the evaluation: the rule says otherwise
    people = [person("a"), person("b", vip=False), person("c", vip=False)]
    shop.feed(
        [("fed", "a", "exited", "2026-11-20T03:00Z"), ("fed", "c", "realized", "2026-11-20T04:00Z")], name="after"
    )
    assert shop.day("2026-11-20", people, key="crm/fed") == ["c,realized,2026-11-20T04:00:00Z"]
    assert shop.day("2026-11-21", people, key="crm/fed") == [
        "a,realized,2026-11-21T02:00:00Z",
        "c,exited,2026-11-21T02:00:00Z",
    ]


def test_the_next_evaluation_goes_on_from_what_the_feed_left(tmp_path: Path) -> None:
    """X6, E5: a member that the feed confirmed keeps its time; one that the feed brought and the rule agrees on keeps
    the feed's.
    """
    shop = fed(tmp_path, where="vip")
    shop.feed([("fed", "a", "realized", "2026-11-20T03:00Z"), ("fed", "b", "realized", "2026-11-20T04:00Z")])
    shop.day("2026-11-20", [person("a"), person("b", vip=False)], key="crm/fed")
    assert shop.sent("crm/fed") == ["a,realized,2026-11-20T02:00:00Z", "b,realized,2026-11-20T04:00:00Z"]
    assert shop.day("2026-11-21", [person("a"), person("b")], key="crm/fed") == []


# X7


@pytest.mark.parametrize(
    ("moment", "key", "reason"),
    [
        ("2026-11-20T01:00Z", "crm/all", "was not evaluated at or before"),
        ("2026-11-19T23:59:59Z", "crm/all", "outside its schedule"),
        ("2026-11-30T00:00Z", "crm/all", "outside its schedule"),
        ("2026-11-20T06:00Z", "crm/al", "did you mean 'crm/all'?"),
    ],
    ids=["before the first evaluation", "before its start", "at its end", "unknown activation"],
)
def test_on_demand_is_refused(tmp_path: Path, moment: str, key: str, reason: str) -> None:
    """X7: refused before the first evaluation, outside start and end, for an activation that does not exist; nothing is
    written.
    """
    shop = vips(tmp_path, schedule={"at": "05:00", "start": "2026-11-20", "end": "2026-11-30"})
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    before = shop.tree()
    result = shop.muster("export", key, "--at", moment)
    assert result.code == 2
    assert reason in result.err
    assert shop.tree() == before


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_on_demand_is_refused_when_the_evaluated_snapshot_is_another_one(tmp_path: Path, change: str) -> None:
    """X7: when a file of the evaluated snapshot changed or is gone the message names it and `muster evaluate`."""
    shop = vips(tmp_path)
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    if change == "changed":
        shop.profiles("2026-11-20", [person("a"), person("b")])
    else:
        (tmp_path / "data/profiles/2026-11-20/part-0.parquet").rename(tmp_path / "data/part-0.parquet")
    result = shop.muster("export", "crm/all", "--at", "2026-11-20T06:00Z")
    assert result.code == 2
    assert (
        "data/profiles/2026-11-20/part-0.parquet: the snapshot file "
        + ("changed" if change == "changed" else "is missing")
        in result.err
    )
    assert "muster evaluate" in result.err
    assert shop.runs() == []


def test_on_demand_is_refused_whichever_activation_is_named_first(tmp_path: Path) -> None:
    """X7: of two audiences evaluated on two states of one snapshot, the one whose files changed is refused in any
    order.
    """
    shop = vips(tmp_path)
    shop.audience("new", where="true")
    shop.crm(activations=[DAILY, {"audience": "new", "schedule": "on_demand"}])
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z", "--audience", "all")
    shop.profiles("2026-11-20", [person("a", "new@x.com")])
    shop.evaluate("2026-11-20T03:00Z", "--audience", "new")
    for keys in (["crm/all", "crm/new"], ["crm/new", "crm/all"]):
        result = shop.muster("export", *keys, "--at", "2026-11-20T06:00Z")
        assert (result.code, "the snapshot file changed" in result.err) == (2, True)


def test_on_demand_of_a_feed_audience_uses_its_evaluation(tmp_path: Path) -> None:
    """X7: an on-demand file comes from the newest evaluation, feed audiences included: later rows are for scheduled
    exports.
    """
    shop = fed(tmp_path)
    shop.feed([("fed", "a", "realized", "2026-11-19T12:00Z"), ("fed", "b", "realized", "2026-11-20T04:00Z")])
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.evaluate("2026-11-20T02:00Z")
    shop.ok("export", "crm/fed", "--at", "2026-11-20T05:00Z")
    assert shop.lines("crm/crm_fed_20261120T050000Z_on_demand.csv") == ["a,realized,2026-11-19T12:00:00Z"]


def test_on_demand_is_one_more_full_file(tmp_path: Path) -> None:
    """X7: the file of an incremental activation is full on demand, and neither its baseline nor its next slot moves."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a"), GONE])
    before = shop.ok("baseline", "show", "--json").json
    shop.ok("export", "crm/all", "--at", "2026-11-21T05:00Z")
    run = shop.runs()[-1]
    assert (run["trigger"], run["export"], run["first_export"], run["status"]) == (
        "on_demand",
        "full",
        False,
        "succeeded",
    )
    assert shop.lines("crm/crm_all_20261121T050000Z_on_demand.csv") == ["a,a@x.com,realized"]
    assert shop.ok("baseline", "show", "--json").json == before
    assert shop.day("2026-11-21") == []


# X8


def test_a_failed_run_moves_no_baseline(tmp_path: Path) -> None:
    """X8: the baseline moves only when a run succeeds: what a failed one would have told is told by the next."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.crm(guards={"max_exited": 0})
    shop.profiles("2026-11-21", [person("b"), person("c")])
    shop.evaluate("2026-11-21T02:00Z")
    assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1
    assert [each["profiles"] for each in shop.ok("baseline", "show", "--json").json] == [2]
    shop.crm()
    assert shop.day("2026-11-22", [person("b"), person("c")]) == ["a,,exited", "c,c@x.com,realized"]


def test_after_a_run_delivered_is_exactly_desired(tmp_path: Path) -> None:
    """X8: a full export's desired set is what the next incremental one compares with, also for those it did not hold
    before.
    """
    shop = vips(tmp_path, export="full")
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.day("2026-11-21", [person("b"), person("c")])
    shop.crm()
    assert shop.day("2026-11-22", [person("b"), person("d")]) == ["c,,exited", "d,d@x.com,realized"]


# X9


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": {"cron": "0 5 * * *"}},
        {"export": "full"},
        {"deduplicate": ["email"]},
        {"format": "json"},
        {"file_name": "{activation}"},
    ],
    ids=["schedule", "export", "deduplicate", "format", "file_name"],
)
def test_a_baseline_survives_changes_of_the_activation(tmp_path: Path, change: dict[str, Any]) -> None:
    """X9: a baseline survives changes of schedule, export mode, deduplication, format and file name, and their
    reversal.
    """
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a")])
    shop.crm(**change)
    shop.evaluate("2026-11-21T02:00Z")
    shop.run("2026-11-21T02:00Z")
    shop.run("2026-11-21T05:00Z")
    shop.crm()
    assert shop.day("2026-11-22", [person("a"), person("b")]) == ["b,b@x.com,realized"]
    assert [run["first_export"] for run in shop.runs("crm/all")] == [True, False, False]


def test_a_baseline_survives_a_change_of_audience(tmp_path: Path) -> None:
    """X9: an activation that sends another audience now tells who of the delivered profiles is not in that one."""
    shop = vips(tmp_path)
    shop.audience("gold", where="gold")
    shop.day("2026-11-20", [person("a", gold=False), person("b", gold=True)])
    shop.crm(activations=[{"audience": "gold", "id": "all", "export": "incremental", "schedule": {"at": "05:00"}}])
    assert shop.day("2026-11-21") == ["a,a@x.com,exited"]


def test_a_baseline_survives_removal_and_return(tmp_path: Path) -> None:
    """X9: an activation that returns goes on from its baseline; the slots missed while it was absent are not due."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.crm(activations=[])
    shop.run("2026-11-21T05:00Z")
    shop.crm()
    shop.profiles("2026-11-22", [person("b"), person("c")])
    shop.evaluate("2026-11-22T07:00Z")
    shop.run("2026-11-22T08:00Z")
    assert len(shop.runs()) == 1
    assert shop.day("2026-11-23", [person("b"), person("c")]) == ["a,,exited", "c,c@x.com,realized"]


@pytest.mark.parametrize(
    "spelling", ["./out/crm", "out//crm/", "out/x/../crm", "file://{root}/out/crm", "{root}/out/crm", "${{PLACE}}/crm"]
)
def test_a_url_spelled_otherwise_is_the_same_place(
    tmp_path: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X9: urls are compared expanded and normalised, inside the workspace relative to it."""
    monkeypatch.setenv("PLACE", "out")
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a")])
    shop.crm(url=spelling.format(root=tmp_path))
    assert shop.day("2026-11-21", [person("a")]) == []


def test_a_workspace_that_moves_keeps_its_baselines(tmp_path: Path) -> None:
    """X9: a url inside the workspace is relative to it, so the whole folder may move."""
    vips(tmp_path / "old", url=f"{tmp_path}/old/out/crm").day("2026-11-20", [person("a")])
    (tmp_path / "old").rename(tmp_path / "new")
    shop = Shop(tmp_path / "new")
    shop.crm(url=f"{tmp_path}/new/out/crm")
    assert shop.day("2026-11-21") == []


def test_plan_says_that_a_changed_url_starts_anew_and_which_baselines_are_left_over(tmp_path: Path) -> None:
    """X9: `plan` tells of a baseline of another place, and names baselines left without an activation."""
    second = {"audience": "all", "id": "second", "export": "full", "schedule": {"at": "05:00"}}
    shop = vips(tmp_path, activations=[DAILY, second])
    shop.day("2026-11-20", [person("a")])
    shop.crm(url="out/elsewhere")
    notes = " ".join(shop.ok("plan", "--at", "2026-11-21T05:00Z").out.split())
    assert "note: crm/all: the url changed from out/crm" in notes
    assert "note: the baseline of crm/second has no activation" in notes


def test_a_baseline_moves_to_another_name(tmp_path: Path) -> None:
    """X9: `baseline move OLD NEW` lets a renamed activation go on where it was, and leaves the old name without one."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a")])
    shop.crm(activations=[DAILY | {"id": "renamed"}])
    shop.ok("baseline", "move", "crm/all", "crm/renamed")
    assert shop.day("2026-11-21", [person("a"), person("b")], key="crm/renamed") == ["b,b@x.com,realized"]
    assert [each["activation"] for each in shop.ok("baseline", "show", "--json").json] == ["renamed"]


def test_a_baseline_moves_only_to_an_activation_that_has_none(tmp_path: Path) -> None:
    """X9: an unknown name, a baseline that is not there and one that would be lost are refused."""
    shop = vips(tmp_path, activations=[DAILY, DAILY | {"id": "other"}])
    shop.day("2026-11-20", [person("a")])
    before = shop.ok("baseline", "show", "--json").json
    for old, new in (("crm/all", "crm/nobody"), ("crm/nobody", "crm/all"), ("crm/all", "crm/other")):
        assert shop.muster("baseline", "move", old, new).code == 2
    assert shop.ok("baseline", "show", "--json").json == before


# X10


def test_counts_balance_and_rejects_name_everybody_left_out(tmp_path: Path) -> None:
    """X10: every profile considered is exported or excluded and counted once; `runs rejects` lists each
    excluded one.
    """
    shop = vips(tmp_path, mapping=["profile_id", MANDATORY_EMAIL, STATUS], deduplicate=["email"])
    day1 = [person("a", identity_map=identities(Phone=["1"])), *(person(each, identity_map=[]) for each in "bcd")]
    shop.day("2026-11-20", day1)
    day2 = [
        person("a", identity_map=identities(Phone=["2"])),  # another number
        person("b", identity_map=[]),  # stays as it was: not considered
        person("c", identity_map=[]) | {"email": None},  # excluded now: exits
        person("d", "b@x.com", vip=False, identity_map=[]),  # leaves
        person("e", "b@x.com", identity_map=[]),  # a duplicate of b, who is older
        person("f", identity_map=[]) | {"email": ""},  # joins without an e-mail
        person("g", identity_map=[]),  # joins
        person("h", vip=False, identity_map=[]),  # was never a member
    ]
    shop.day("2026-11-21", day2)
    run = shop.runs()[-1]
    # e joined later than b, so e has the newer time and stays; b is the duplicate, and its exit's key is e's
    assert shop.sent("crm/all") == [
        "a,a@x.com,realized",
        "c,c@x.com,exited",
        "d,d@x.com,exited",
        "e,b@x.com,realized",
        "g,g@x.com,realized",
    ]
    assert (run["received"], run["exported"], run["excluded"]) == (7, 5, 2)
    assert (run["realized"], run["exited"], run["identity_changed"]) == (3, 2, 1)
    assert run["excluded_by"] == {"duplicate": 1, "mandatory:email": 1}
    assert rejects(shop) == [("b", "duplicate"), ("f", "mandatory:email")]


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_files_with_another_number_of_rows_than_was_counted_fail_the_run(tmp_path: Path, form: str) -> None:
    """X10: the finished files are read again; a row too few or too many fails the run, and nothing is delivered."""
    shop = vips(tmp_path, format=form)
    shop.profiles("2026-11-20", [person("a"), person("b")])
    shop.evaluate("2026-11-20T02:00Z")
    with (
        mock.patch(
            "muster.activation.mapping.layout.Layout.output_frame", lambda *arguments: output_frame(*arguments).head(1)
        ),
        mock.patch("muster.activation.files.csv_rows.FinishedText.of", a_row_less),
    ):
        result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert (result.code, shop.files()) == (1, [])
    assert "2 rows were counted but the file holds 1" in result.err
    assert shop.ok("baseline", "show", "--json").json == []


# X11


def guarded(root: Path, **content: Any) -> Shop:
    """A shop that delivered ten profiles, and now has seven of them and two new ones."""
    shop = vips(root, **content)
    shop.day("2026-11-20", [person(each) for each in "abcdefghij"])
    shop.profiles("2026-11-21", [person(each) for each in "abcdefgxy"])
    shop.evaluate("2026-11-21T02:00Z")
    return shop


@pytest.mark.parametrize(
    ("guards", "mapping", "code"),
    [
        ({"max_exited": 3}, ["profile_id", STATUS], 0),
        ({"max_exited": 2}, ["profile_id", STATUS], 1),
        ({"max_exited": 2}, ["profile_id"], 1),
        ({"max_shrink": "10%"}, ["profile_id"], 0),
        ({"max_shrink": "9%"}, ["profile_id"], 1),
        ({"max_shrink": "9%"}, ["profile_id", STATUS], 1),
    ],
    ids=["3 exits of 3", "3 of 2", "3 of 2, not told", "10% of 10%", "10% of 9%", "10% of 9%, told"],
)
def test_guards_stop_a_mass_removal(tmp_path: Path, guards: dict[str, Any], mapping: list[Any], code: int) -> None:
    """X11: `max_exited` is against the delivered profiles not desired any more (3), `max_shrink` against (10 - 9) / 10,
    mapped or not.
    """
    shop = guarded(tmp_path, mapping=mapping)
    shop.crm(mapping=mapping, guards=guards)
    before = shop.tree("out")
    result = shop.muster("run", "--at", "2026-11-21T05:00Z")
    assert result.code == code
    assert (shop.tree("out") == before) == bool(code)
    assert next(iter(guards)) in result.err or code == 0


@pytest.mark.parametrize(
    ("limit", "told"), [("9%", "by 10.0%; at most 9% is allowed"), ("9.975%", "by 10.0000%; at most 9.975% is allowed")]
)
def test_a_guard_says_the_limit_as_it_is_written(tmp_path: Path, limit: str, told: str) -> None:
    """X11, SPEC 10: the message has the number that stands in the config, and the other one more closely."""
    shop = guarded(tmp_path)
    shop.crm(guards={"max_shrink": limit})
    assert told in shop.muster("run", "--at", "2026-11-21T05:00Z").err


def test_a_guard_can_be_overridden_for_one_run(tmp_path: Path) -> None:
    """X11: `--override-guards D/A` lets this command's run of that activation through, and is recorded in the run."""
    other = DAILY | {"id": "other"}
    shop = guarded(tmp_path, activations=[DAILY, other])
    shop.crm(activations=[DAILY, other], guards={"max_exited": 0})
    assert shop.muster("run", "--at", "2026-11-21T05:00Z", "--override-guards", "crm/all").code == 1
    assert [run["status"] for run in shop.runs("crm/all")] == ["succeeded", "succeeded"]
    assert [run["status"] for run in shop.runs("crm/other")] == ["succeeded", "failed"]
    with closing(sqlite3.connect(tmp_path / ".muster/ledger.sqlite")) as ledger, ledger:
        recorded = dict(
            ledger.execute("SELECT activation, guards_overridden FROM runs WHERE scheduled_time LIKE '2026-11-21%'")
        )
    assert recorded == {"all": 1, "other": 0}
    shop.profiles("2026-11-22", [person("z")])
    shop.evaluate("2026-11-22T02:00Z")
    assert shop.muster("run", "--at", "2026-11-22T05:00Z").code == 1


def test_guards_watch_full_exports_too(tmp_path: Path) -> None:
    """X11: guards are checked for every run that has a delivered set, full ones included; a first export has none."""
    shop = vips(tmp_path, export="full", guards={"max_shrink": "0%", "max_exited": 0})
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.profiles("2026-11-21", [person("a")])
    shop.evaluate("2026-11-21T02:00Z")
    assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1


@pytest.mark.parametrize("command", ["evaluate", "run", "export", "plan", "preview"])
def test_an_empty_snapshot_is_refused(tmp_path: Path, command: str) -> None:
    """X11, E9: a profile snapshot without rows is exit 2 for every command that evaluates or exports, and nothing
    changes but the ledger's note that the evaluation failed.
    """
    shop = vips(tmp_path)
    shop.set(evaluation={"schedule": {"at": "02:00"}})
    shop.profiles("2026-11-20", [person("a")])
    shop.profiles("2026-11-21", pl.DataFrame([person("a")]).clear())
    shop.evaluate("2026-11-21T02:00Z", "--allow-empty")
    before = shop.tree()
    result = shop.muster(
        command, *(["crm/all"] if command in {"export", "preview"} else []), "--at", "2026-11-22T05:00Z"
    )
    assert (result.code, changed(before, shop.tree())) == (2, [])
    assert failures(shop) == (["all"] if command in {"evaluate", "run"} else [])
    assert "--allow-empty" in result.err


def test_an_empty_snapshot_can_be_meant(tmp_path: Path) -> None:
    """X11: with `--allow-empty` every member leaves."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a")])
    shop.profiles("2026-11-21", pl.DataFrame([person("a")]).clear())
    shop.evaluate("2026-11-21T02:00Z", "--allow-empty")
    shop.run("2026-11-21T05:00Z", "--allow-empty")
    assert shop.sent("crm/all") == ["a,,exited"]


# X12


def test_an_exit_carries_the_key_last_sent_and_the_newest_other_values(tmp_path: Path) -> None:
    """X12: key columns of an exit hold what was last sent; a value that changed without being sent is unknown to the
    receiver.
    """
    shop = vips(tmp_path, mapping=["profile_id", "email", "points", STATUS], deduplicate=["email"])
    shop.day("2026-11-20", [person("a", "first@x.com", points=1)])
    assert shop.day("2026-11-21", [person("a", "second@x.com", points=2)]) == []
    assert shop.day("2026-11-22", [person("a", "third@x.com", points=3, vip=False)]) == ["a,first@x.com,3,exited"]


def test_a_value_sent_again_is_the_one_last_sent(tmp_path: Path) -> None:
    """X12: a profile that was sent again for another reason exits with the key sent then."""
    shop = vips(tmp_path, deduplicate=["email"])
    shop.day("2026-11-20", [person("a", "first@x.com", identity_map=identities(Phone=["1"]))])
    shop.day("2026-11-21", [person("a", "second@x.com", identity_map=identities(Phone=["2"]))])
    assert shop.day("2026-11-22", [person("a", "third@x.com", vip=False)]) == ["a,second@x.com,exited"]


def test_mandatory_never_excludes_an_exit(tmp_path: Path) -> None:
    """X12: M2 never excludes an exit, whatever the mandatory columns hold now; unmapped keys count as well."""
    shop = vips(tmp_path, mapping=["profile_id", MANDATORY_EMAIL, {"source": "name", "mandatory": True}, STATUS])
    shop.day("2026-11-20", [person("a", name="Ann"), person("b", name="Bob")])
    assert shop.day("2026-11-21", [person("a", name="", vip=False), person("b", name="Bob")]) == [
        "a,a@x.com,Ann,exited"
    ]


def test_an_exit_of_the_manifest_is_counted(tmp_path: Path) -> None:
    """X10, F4: the manifest's counts are those of the run."""
    shop = vips(tmp_path)
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.day("2026-11-21", [person("b"), person("c")])
    (path,) = (tmp_path / "out/crm").glob("manifest-*20261121*.json")
    assert json.loads(path.read_text())["counts"] == {
        "received": 2,
        "exported": 2,
        "excluded": 0,
        "realized": 1,
        "exited": 1,
        "identityChanged": 0,
        "excludedBy": {},
    }
