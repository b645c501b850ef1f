"""E9: an audience that no evaluation could decide holds its exports until a run has evaluated it again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.refusals import failures
from support.shop import STATUS, Result, Shop, person

DAILY = {"export": "incremental", "schedule": {"at": "05:00"}}
FOLLOWING = {"export": "full", "schedule": "after_evaluation"}
NIGHTLY = {"schedule": {"at": "02:00"}}


def consenting(tmp_path: Path, *, evaluation: Any = None, **activation: Any) -> Shop:
    """A shop that mails people who agreed; on the first day `a` and `b` were sent."""
    shop = Shop(tmp_path, evaluation=NIGHTLY if evaluation is None else evaluation)
    shop.audience("agreed", where="consent")
    shop.audience("all", where="true")
    shop.destination(
        "mail",
        mapping=["profile_id", STATUS],
        activations=[{"audience": "agreed", **DAILY, **activation}, {"audience": "all", **DAILY}],
    )
    people(shop, "2026-11-20", a=True, b=True)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    assert shop.sent("mail/agreed") == ["a,realized", "b,realized"]
    return shop


def people(shop: Shop, day: str, **consent: Any) -> None:
    """A snapshot in which people agreed, or did not."""
    shop.profiles(day, [person(name, consent=agreed) for name, agreed in consent.items()])


def run(shop: Shop, moment: str, code: int, *arguments: str) -> Result:
    """`muster run`, which must end with an exit code, as `muster plan` says before."""
    planned = shop.muster("plan", "--at", moment, *arguments)
    result = shop.muster("run", "--at", moment, *arguments)
    assert (planned.code, result.code) == (code, code), result.err
    assert planned.err.splitlines() == result.err.splitlines()
    return result


def newest(shop: Shop, key: str) -> dict[str, Any]:
    return shop.runs(key)[-1]


REASON = "audience 'agreed' could not be evaluated since 2026-11-21T02:00:00Z: audiences/agreed.yml:2: where: consent: "


@pytest.mark.parametrize("evaluation", [NIGHTLY, {}], ids=["scheduled", "by hand"])
def test_withdrawals_are_sent_once_the_data_is_mended(tmp_path: Path, evaluation: Any) -> None:
    """E9: consent comes as text one day. The audience fails, its export fails with that reason and stays due; after the
    data is mended, the next run evaluates the audience, and its export sends who withdrew.
    """
    shop = consenting(tmp_path, evaluation=evaluation)
    people(shop, "2026-11-21", a="no", b="yes")
    failed = shop.muster("evaluate" if not evaluation else "run", "--at", "2026-11-21T02:00Z")
    assert failed.code == 1
    assert failures(shop) == ["agreed"]
    result = run(shop, "2026-11-21T05:00Z", 1)
    assert f"error: mail/agreed: held: {REASON}" in result.err
    held = newest(shop, "mail/agreed")
    assert (held["status"], held["attempts"], held["files"], held["exported"]) == ("failed", 1, [], None)
    assert held["error"].startswith(f"held: {REASON}")
    assert newest(shop, "mail/all")["status"] == "succeeded"
    run(shop, "2026-11-21T06:00Z", 1)
    assert (newest(shop, "mail/agreed")["status"], newest(shop, "mail/agreed")["attempts"]) == ("failed", 2)
    people(shop, "2026-11-21", a=False, b=True)
    run(shop, "2026-11-21T07:00Z", 0)
    assert shop.sent("mail/agreed") == ["a,exited"]
    sent = newest(shop, "mail/agreed")
    assert (sent["scheduled_time"], sent["attempts"]) == ("2026-11-21T05:00:00Z", 3)
    assert sent["evaluated_at"] == "2026-11-21T07:00:00Z"
    assert failures(shop)
    assert shop.run("2026-11-21T08:00Z").out == "nothing is due at 2026-11-21T08:00:00Z\n"


def test_healthy_audiences_are_not_evaluated_again(tmp_path: Path) -> None:
    """E9: a run evaluates the failed audiences alone, at its own instant; those that they refer to stay as they are."""
    shop = consenting(tmp_path)
    shop.audience("vip", where="points > 5")
    shop.audience("agreed", where="consent AND audience.vip")
    shop.profiles("2026-11-21", [person("a", consent="x", points=9), person("b", consent="x", points=9)])
    assert shop.muster("run", "--at", "2026-11-21T02:00Z").code == 1
    shop.profiles("2026-11-21", [person("a", consent=True, points=0), person("b", consent=False, points=9)])
    shop.run("2026-11-21T03:00Z")
    assert shop.memberships("vip") == {"a": "realized 2026-11-21T02:00:00Z", "b": "realized 2026-11-21T02:00:00Z"}
    assert shop.memberships("agreed") == {
        "a": "realized 2026-11-20T02:00:00Z",
        "b": "exited 2026-11-21T03:00:00Z",
    }
    evaluated = {each["id"]: each["evaluated_at"][11:16] for each in shop.ok("audiences", "list", "--json").json}
    assert evaluated == {"agreed": "03:00", "all": "02:00", "vip": "02:00"}


def test_audiences_that_refer_to_a_failed_one_are_held_too(tmp_path: Path) -> None:
    """E9: they could not be decided either, and are evaluated with it."""
    shop = consenting(tmp_path)
    shop.audience("all", where="audience.agreed OR true")
    people(shop, "2026-11-21", a="no", b="yes")
    result = run(shop, "2026-11-21T05:00Z", 1)
    assert "error: mail/all: held: audience 'all' could not be evaluated since 2026-11-21T05:00:00Z: " in result.err
    assert "refers to 'agreed', which could not be evaluated" in newest(shop, "mail/all")["error"]
    people(shop, "2026-11-21", a=False, b=True)
    run(shop, "2026-11-21T06:00Z", 0)
    assert [newest(shop, key)["status"] for key in ("mail/agreed", "mail/all")] == ["succeeded"] * 2


def test_a_failed_audience_is_evaluated_again_at_the_same_instant(tmp_path: Path) -> None:
    """E9, E6: `run` twice with one `--at`: the second takes what was evaluated at that instant as it is."""
    shop = consenting(tmp_path)
    people(shop, "2026-11-21", a="no", b="yes")
    run(shop, "2026-11-21T05:00Z", 1)
    people(shop, "2026-11-21", a=False, b=True)
    run(shop, "2026-11-21T05:00Z", 0)
    assert shop.sent("mail/agreed") == ["a,exited"]
    assert failures(shop) == []


def test_a_run_before_the_newest_evaluation_does_not_evaluate(tmp_path: Path) -> None:
    """S7, E9: a failed audience waits for an instant that is not before an evaluation."""
    shop = consenting(tmp_path)
    people(shop, "2026-11-21", a="no", b="yes")
    run(shop, "2026-11-21T02:00Z", 1)
    people(shop, "2026-11-21", a=False, b=True)
    assert shop.run("2026-11-21T01:00Z").out == "nothing is due at 2026-11-21T01:00:00Z\n"
    assert failures(shop) == ["agreed"]


def test_an_activation_can_use_the_newest_evaluation(tmp_path: Path) -> None:
    """E9: `on_failed_evaluation: use_newest` sends what was last evaluated, and says so."""
    shop = consenting(tmp_path, on_failed_evaluation="use_newest", export="full")
    people(shop, "2026-11-21", a="no", b="yes")
    result = run(shop, "2026-11-21T05:00Z", 1)
    assert "mail/agreed: audience 'agreed' could not be evaluated since 2026-11-21T05:00:00Z: " in result.err
    assert "this export sends its evaluation of 2026-11-20T02:00:00Z" in result.err
    assert shop.sent("mail/agreed") == ["a,realized", "b,realized"]


def test_an_export_on_demand_goes_on_and_says_so(tmp_path: Path) -> None:
    """E9, X7: the newest evaluation, with a warning and exit 0."""
    shop = consenting(tmp_path)
    people(shop, "2026-11-21", a="no", b="yes")
    run(shop, "2026-11-21T02:00Z", 1)
    result = shop.ok("export", "mail/agreed", "--at", "2026-11-21T09:00Z")
    assert REASON in result.err
    assert "this export sends its evaluation of 2026-11-20T02:00:00Z" in result.err
    assert newest(shop, "mail/agreed")["exported"] == 2


# After an evaluation


def test_a_failed_evaluation_makes_no_slot_and_holds_older_ones(tmp_path: Path) -> None:
    """E9, S4: the slot of an older evaluation that is still due is held as well; the next one that succeeds makes a
    slot, which supersedes it.
    """
    shop = Shop(tmp_path)
    shop.audience("agreed", where="consent")
    shop.crm(audience="agreed", export="full", schedule="after_evaluation", mapping=["profile_id"])
    people(shop, "2026-11-20", a=True, b=True)
    shop.evaluate("2026-11-20T02:00Z", "--no-exports")
    people(shop, "2026-11-21", a="no", b="yes")
    assert shop.muster("evaluate", "--at", "2026-11-21T02:00Z").code == 1  # the older slot was tried
    [held] = shop.runs()
    assert (held["status"], held["scheduled_time"]) == ("failed", "2026-11-20T02:00:00Z")
    run(shop, "2026-11-21T03:00Z", 1)
    assert [each["attempts"] for each in shop.runs()] == [2]
    people(shop, "2026-11-21", a=False, b=True)
    run(shop, "2026-11-21T04:00Z", 0)
    assert [(each["scheduled_time"][8:16], each["status"]) for each in shop.runs()] == [
        ("20T02:00", "superseded"),
        ("21T04:00", "succeeded"),
    ]
    assert shop.sent("crm/agreed") == ["b"]


# Events and feeds


def with_events(shop: Shop) -> None:
    """Audience `agreed` measures events, `all` does not."""
    shop.events([{"profile_id": name, "timestamp": datetime(2026, 11, 19, tzinfo=UTC)} for name in "ab"], name="1")
    shop.audience("agreed", where="views > 0", events={"views": {"measure": "count", "within": "36h"}})


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flipped(path: Path) -> None:
    """Damage that the footer does not show."""
    content = bytearray(path.read_bytes())
    content[8:60] = bytes(255 - each for each in content[8:60])
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [truncated, flipped, Path.unlink], ids=["truncated", "flipped", "gone"])
def test_damaged_events_fail_the_audiences_that_measure_them(tmp_path: Path, damage: Any) -> None:
    """E9, SPEC 10: a damaged event file fails its audiences and holds their exports; the others go on. Once the file is
    mended, the run after sends what is owed, without a new slot.
    """
    shop = Shop(tmp_path, evaluation=NIGHTLY)
    with_events(shop)
    shop.audience("all", where="true")
    shop.destination(
        "mail",
        mapping=["profile_id", STATUS],
        activations=[{"audience": "agreed", **DAILY}, {"audience": "all", **DAILY}],
    )
    people(shop, "2026-11-20", a=True, b=True)
    run(shop, "2026-11-20T05:00Z", 0)
    file = shop.root / "data/events/1.parquet"
    whole = file.read_bytes()
    people(shop, "2026-11-21", a=True, b=True, c=True)
    damage(file)
    result = run(shop, "2026-11-21T05:00Z", 1)
    assert "error: audience 'agreed': data/events" in result.err
    assert newest(shop, "mail/agreed")["error"].startswith(
        "held: audience 'agreed' could not be evaluated since 2026-11-21T05:00:00Z: data/events"
    )
    assert shop.sent("mail/all") == ["c,realized"]
    file.write_bytes(whole)
    run(shop, "2026-11-21T06:00Z", 0)
    assert shop.sent("mail/agreed") == ["a,exited", "b,exited"]


def test_json_names_every_audience_that_a_damaged_file_fails(tmp_path: Path) -> None:
    """E9, SPEC 9: text names them in one line, `--json` has an error for each."""
    shop = Shop(tmp_path)
    with_events(shop)
    shop.audience("also", where="views > 1", events={"views": {"measure": "count"}})
    people(shop, "2026-11-20", a=True)
    truncated(shop.root / "data/events/1.parquet")
    said = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert said.err.startswith("error: audiences 'agreed' and 'also': data/events/1.parquet: cannot be read")
    told = shop.muster("evaluate", "--at", "2026-11-20T02:00Z", "--json").json
    assert [each["audience"] for each in told["errors"]] == ["agreed", "also"]


def test_damaged_events_alone_are_exit_2(tmp_path: Path) -> None:
    """X1, E9: nothing was evaluated and no run was tried."""
    shop = Shop(tmp_path)
    with_events(shop)
    people(shop, "2026-11-20", a=True)
    truncated(shop.root / "data/events/1.parquet")
    assert shop.muster("evaluate", "--at", "2026-11-20T02:00Z").code == 2
    assert failures(shop) == ["agreed"]


NO_EVENTS = pl.DataFrame(schema={"profile_id": pl.String, "timestamp": pl.Datetime("us", "UTC")})


def test_empty_events_fail_what_uses_them(tmp_path: Path) -> None:
    """X11, E9: event files without a row fail the audiences that measure them, unless they are allowed."""
    shop = Shop(tmp_path)
    with_events(shop)
    shop.audience("all", where="true")
    shop.crm(audience="agreed", mapping=["profile_id", STATUS])
    people(shop, "2026-11-20", a=True)
    run_day = ("2026-11-20T05:00Z", "2026-11-21T05:00Z")
    shop.evaluate("2026-11-20T02:00Z")
    shop.run(run_day[0])
    shop.events(NO_EVENTS, name="1")
    result = shop.muster("evaluate", "--at", "2026-11-21T02:00Z")
    assert result.code == 1
    assert "error: audience 'agreed': data/events: the event files have no rows" in result.err
    assert "--allow-empty-events" in result.err
    run(shop, run_day[1], 1)
    run(shop, run_day[1], 1, "--allow-empty", "--allow-empty-memberships")
    run(shop, run_day[1], 0, "--allow-empty-events")
    assert shop.sent("crm/agreed") == ["a,exited"]


def with_feed(tmp_path: Path) -> Shop:
    """Members of `fed` come from a feed, and are exported each day and after each evaluation."""
    shop = Shop(tmp_path)
    shop.audience("fed", source="memberships")
    shop.audience("all", where="true")
    shop.feed([("fed", "a", "realized", "2026-11-19T00:00Z"), ("fed", "b", "realized", "2026-11-19T00:00Z")])
    shop.crm(audience="fed", mapping=["profile_id", STATUS])
    people(shop, "2026-11-20", a=True, b=True)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    return shop


def test_empty_feeds_fail_what_uses_them(tmp_path: Path) -> None:
    """X11, E9: membership files without a row fail the audiences of the feed, unless they are allowed."""
    shop = with_feed(tmp_path)
    shop.feed([])
    result = shop.muster("evaluate", "--at", "2026-11-21T02:00Z")
    assert result.code == 1
    assert "error: audience 'fed': data/memberships: the membership files have no rows" in result.err
    run(shop, "2026-11-21T05:00Z", 1)
    assert newest(shop, "crm/fed")["error"].startswith("held: audience 'fed' could not be evaluated")
    run(shop, "2026-11-21T05:00Z", 0, "--allow-empty-memberships")
    assert shop.sent("crm/fed") == ["a,exited", "b,exited"]


def test_a_feed_that_is_damaged_when_an_export_begins_fails_the_run(tmp_path: Path) -> None:
    """X6, SPEC 10: no evaluation was tried, so the audience is not failed; the run is, and stays due."""
    shop = with_feed(tmp_path)
    file = shop.root / "data/memberships/feed.parquet"
    whole = file.read_bytes()
    truncated(file)
    run(shop, "2026-11-21T05:00Z", 1)
    assert "data/memberships/feed.parquet: cannot be read" in newest(shop, "crm/fed")["error"]
    assert failures(shop) == []
    file.write_bytes(whole)
    run(shop, "2026-11-21T06:00Z", 0)
    assert newest(shop, "crm/fed")["attempts"] == 2


def test_a_failed_feed_audience_can_be_sent_as_last_evaluated(tmp_path: Path) -> None:
    """E9, X6: `use_newest` sends the evaluation as it is when the feed cannot be read."""
    shop = with_feed(tmp_path)
    shop.crm(
        mapping=["profile_id", STATUS],
        activations=[{"audience": "fed", **DAILY, "export": "full", "on_failed_evaluation": "use_newest"}],
    )
    truncated(shop.root / "data/memberships/feed.parquet")
    assert shop.muster("evaluate", "--at", "2026-11-21T02:00Z").code == 1
    run(shop, "2026-11-21T05:00Z", 1)  # the audience is tried again, and fails again
    assert (newest(shop, "crm/fed")["status"], shop.sent("crm/fed")) == ("succeeded", ["a,realized", "b,realized"])


# Profiles


@pytest.mark.parametrize("command", ["run", "evaluate"])
def test_a_refused_snapshot_fails_all_audiences(tmp_path: Path, command: str) -> None:
    """E9: exit 2, no run is tried, the ledger keeps the failure and nothing else; the mended day is caught up with."""
    shop = consenting(tmp_path)
    people(shop, "2026-11-21", a=False, b=True)
    part = shop.root / "data/profiles/2026-11-21/part-0.parquet"
    whole = part.read_bytes()
    truncated(part)
    before = shop.runs()
    result = shop.muster(command, "--at", "2026-11-21T05:00Z")
    assert result.code == 2
    assert "data/profiles/2026-11-21/part-0.parquet: cannot be read" in result.err
    assert (failures(shop), shop.runs()) == (["agreed", "all"], before)
    part.write_bytes(whole)
    shop.set(evaluation={})  # the run evaluates because they failed
    run(shop, "2026-11-21T06:00Z", 0)
    assert shop.sent("mail/agreed") == ["a,exited"]


def test_a_snapshot_whose_damage_shows_late_fails_all_audiences(tmp_path: Path) -> None:
    """E9: damage in a column of one rule is damage of the snapshot."""
    shop = consenting(tmp_path)
    rows = pl.DataFrame([person(name, consent=name == "a", note=name * 400) for name in "abcdefgh"])
    shop.audience("noted", where="note LIKE 'a%'")
    part = shop.root / "data/profiles/2026-11-21/part-0.parquet"
    part.parent.mkdir()
    rows.write_parquet(part, compression="uncompressed")
    content = bytearray(part.read_bytes())
    first = content.index(b"a" * 50)
    content[first - 30 : first] = bytes(30)  # the header before the column's values
    part.write_bytes(bytes(content))
    result = run(shop, "2026-11-21T05:00Z", 2)
    assert "data/profiles/2026-11-21/part-0.parquet: cannot be read" in result.err
    assert failures(shop) == ["agreed", "all", "noted"]


@pytest.mark.parametrize("consent", [None, "yes"], ids=["no rows", "text"])
def test_slots_count_from_the_day_of_a_failed_evaluation(tmp_path: Path, consent: str | None) -> None:
    """S2, E9: a `run` whose evaluation fails has seen the activations all the same: once the data is mended, the slots
    of that day are due.
    """
    shop = Shop(tmp_path, evaluation=NIGHTLY)
    shop.audience("all", where="consent")
    shop.crm()
    shop.profiles("2026-11-20", [person("a", consent=consent)][: 0 if consent is None else 1], consent=pl.String)
    assert shop.muster("run", "--at", "2026-11-20T04:00Z").code == 2
    people(shop, "2026-11-20", a=True)
    run(shop, "2026-11-21T00:30Z", 0)
    assert [each["scheduled_time"] for each in shop.runs()] == ["2026-11-20T05:00:00Z"]
    assert shop.sent("crm/all") == ["a,a@x.com,realized"]


@pytest.mark.parametrize("evaluation", [NIGHTLY, {}], ids=["evaluated", "exported"])
def test_a_changed_schedule_has_slots_though_the_snapshot_is_refused(tmp_path: Path, evaluation: Any) -> None:
    """S2, D2: slots of a changed schedule count from the first `run` that sees it, also if that run is refused."""
    shop = Shop(tmp_path, evaluation=NIGHTLY, profiles={"path": "data/profiles", "max_age": "20h"})
    shop.audience("all", where="true")
    shop.crm()
    shop.profiles("2026-11-20", [person("a")])
    shop.run("2026-11-20T05:00Z")
    shop.crm(schedule={"at": ["05:30", "05:40"]})
    shop.set(evaluation=evaluation)
    for minute in (30, 50):
        assert shop.muster("run", "--at", f"2026-11-21T05:{minute}Z").code == 2
    shop.profiles("2026-11-21", [person("b")])
    shop.evaluate("2026-11-21T06:00Z")
    run(shop, "2026-11-21T06:00Z", 0)
    assert shop.runs()[-1]["scheduled_time"] == "2026-11-21T05:40:00Z"
    assert shop.sent("crm/all") == ["a,,exited", "b,b@x.com,realized"]


def test_a_failed_evaluation_of_a_mistyped_instant_is_forgotten_with_what_it_saw(tmp_path: Path) -> None:
    """E6, E9, S2: the message counts failed evaluations too, and no time of the mistyped one is left."""
    shop = Shop(tmp_path, evaluation=NIGHTLY, profiles={"path": "data/profiles", "max_age": "20h"})
    shop.audience("all", where="true")
    shop.audience("more", where="true")
    shop.crm()
    shop.profiles("2026-11-20", [person("a")])
    assert shop.muster("evaluate", "--at", "2062-11-20T02:00Z").code == 2
    forgotten = shop.ok("evaluations", "forget", "--after", "2026-11-20T02:00Z")
    assert (forgotten.out, forgotten.err) == ("the failed evaluations of 2 audiences forgotten\n", "")
    assert shop.run("2026-11-20T05:00Z").err == ""
    assert shop.sent("crm/all") == ["a,a@x.com,realized"]
    assert shop.ok("evaluations", "forget", "--after", "2026-11-20T05:00Z").out == (
        "there is no evaluation after that time\n"
    )


# By hand


def test_evaluating_one_audience_fails_no_other(tmp_path: Path) -> None:
    """E9, E7: `evaluate --audience` records the failure of what it evaluates."""
    shop = consenting(tmp_path)
    shop.audience("all", where="consent")
    people(shop, "2026-11-21", a="no", b="yes")
    assert shop.muster("evaluate", "--audience", "agreed", "--at", "2026-11-21T01:00Z").code == 2
    assert failures(shop) == ["agreed"]


def test_a_replacement_that_fails_can_be_repeated(tmp_path: Path) -> None:
    """E6, E9: `--replace` that fails leaves the evaluation; evaluating again at that instant replaces it."""
    shop = Shop(tmp_path)
    shop.audience("agreed", where="consent")
    people(shop, "2026-11-20", a=True)
    shop.evaluate("2026-11-20T02:00Z")
    people(shop, "2026-11-20", a="no")
    assert shop.muster("evaluate", "--replace", "--at", "2026-11-20T02:00Z").code == 2
    people(shop, "2026-11-20", a=False)
    shop.evaluate("2026-11-20T02:00Z")
    assert (shop.memberships("agreed"), failures(shop)) == ({}, [])


def test_a_failure_can_be_forgotten_and_stays_with_an_absent_audience(tmp_path: Path) -> None:
    """E6, E9: `evaluations forget` forgets failures too; an audience that is away keeps its failure."""
    shop = consenting(tmp_path, evaluation={})
    people(shop, "2026-11-21", a="no", b="yes")
    assert shop.muster("evaluate", "--at", "2026-11-21T02:00Z").code == 1
    content = (shop.root / "audiences/agreed.yml").read_text()
    destination = (shop.root / "destinations/mail.yml").read_text()
    (shop.root / "audiences/agreed.yml").unlink()
    shop.destination("mail", mapping=["profile_id", STATUS], activations=[{"audience": "all", **DAILY}])
    run(shop, "2026-11-21T03:00Z", 0)
    shop.write("audiences/agreed.yml", content)
    shop.write("destinations/mail.yml", destination)
    run(shop, "2026-11-21T03:30Z", 2)  # tried again: nothing was evaluated, no run was due
    shop.ok("evaluations", "forget", "--after", "2026-11-20T12:00Z")
    assert failures(shop) == []


def test_failures_are_listed(tmp_path: Path) -> None:
    """E9: `audiences list`, `audiences show` and `evaluations list` name a failed audience, since when and why."""
    shop = consenting(tmp_path)
    people(shop, "2026-11-21", a="no", b="yes")
    run(shop, "2026-11-21T02:00Z", 1)
    for command in (("audiences", "list"), ("evaluations", "list")):
        assert REASON in shop.ok(*command).out
    listed = {each["id"]: each for each in shop.ok("audiences", "list", "--json").json}
    assert listed["agreed"]["failed_at"] == "2026-11-21T02:00:00Z"
    assert listed["agreed"]["error"].startswith("audiences/agreed.yml:2: where: consent: ")
    assert (listed["all"]["failed_at"], listed["all"]["error"]) == (None, None)
    assert "could not be evaluated" not in shop.ok("audiences", "show", "all").out
    assert "audiences/agreed.yml:2: where: consent: " in shop.ok("audiences", "show", "agreed").out


def test_state_check_knows_failures(tmp_path: Path) -> None:
    """SPEC 10: a ledger with failures is sound; one with a foreign time in them is not."""
    shop = consenting(tmp_path)
    people(shop, "2026-11-21", a="no", b="yes")
    run(shop, "2026-11-21T02:00Z", 1)
    shop.ok("state", "check")
