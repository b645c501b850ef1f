"""What is owed at an instant (S2, S4, S5, S7, X7, X9)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.activation.model.workspace import Activation, Column, Schedule
from muster.schedules.due import Due, FirstSeen, History, due, evaluation_due, observe, open_window, schedule_digest
from muster.schedules.slots import count, slots

UTC_ZONE, BERLIN, KIRITIMATI = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Kiritimati")
NOTHING = History()


def utc(text: str) -> datetime:
    """``21T17:00`` is that time of November 2026; longer texts are whole."""
    return datetime.fromisoformat(text if "-" in text else f"2026-11-{text}").replace(tzinfo=UTC)


def at(*times: str, tz: ZoneInfo = UTC_ZONE, start: str = "", end: str = "") -> Schedule:
    clock = tuple(sorted(time.fromisoformat(text) for text in times))
    return Schedule("at", tz, times=clock, start=utc(start) if start else None, end=utc(end) if end else None)


def after_evaluation(start: str = "", end: str = "") -> Schedule:
    return Schedule("after_evaluation", UTC_ZONE, start=utc(start) if start else None, end=utc(end) if end else None)


TWICE = at("05:00", "17:00")
ON_DEMAND = Schedule("on_demand", UTC_ZONE)


def activation(schedule: Schedule, name: str = "a") -> Activation:
    return Activation(
        id=name,
        destination="crm",
        destination_name="CRM",
        audience="members",
        export="full",
        schedule=schedule,
        url="exports",
        format="csv",
        mapping=(Column("profile_id", "profile_id"),),
    )


def seen(schedule: Schedule, moment: str, before: FirstSeen | None = None) -> FirstSeen:
    """The sighting after a command at that moment."""
    return observe({"crm/a": before} if before else {}, [activation(schedule)], utc(moment))["crm/a"]


def owed(
    schedule: Schedule,
    moment: str,
    history: History = NOTHING,
    since: str = "20T00:00",
    evaluations: Sequence[str] = (),
) -> Due | None:
    sighting = FirstSeen("crm/a", utc(since), utc(since), schedule_digest(schedule), present=True)
    return due(schedule, sighting, history, utc(moment), [utc(text) for text in evaluations])


# What a command sees


def test_default_start() -> None:
    """S2: without `start` an activation's slots count from the midnight, in its zone, of the day on which it was first
    seen.
    """
    assert seen(TWICE, "21T18:30").since == utc("21T00:00")
    assert seen(at("05:00", tz=BERLIN), "21T18:30").since == utc("20T23:00")
    assert seen(at("05:00", tz=KIRITIMATI), "21T18:30").since == utc("21T10:00")


@pytest.mark.parametrize("start", ["01T00:00", "30T00:00"])
def test_own_start(start: str) -> None:
    """S2: with `start` they count from there, before or after the day of the first sight."""
    assert seen(at("05:00", start=start), "21T18:30").since == utc(start)


def test_unchanged() -> None:
    """S2: a command that sees what the one before saw changes nothing."""
    first = seen(TWICE, "21T18:30")
    assert seen(TWICE, "23T09:00", first) == first
    assert first == FirstSeen("crm/a", utc("21T18:30"), utc("21T00:00"), schedule_digest(TWICE), present=True)


def test_changed_schedule() -> None:
    """S2: a changed schedule has slots from the first command that sees it; the first sight stays what it was."""
    changed = seen(at("06:00"), "23T09:00", seen(TWICE, "21T18:30"))
    assert changed == FirstSeen("crm/a", utc("21T18:30"), utc("23T09:00"), schedule_digest(at("06:00")), present=True)


def test_absent_and_returned() -> None:
    """X9: an activation taken out of the config is remembered; back again, slots missed while absent are not due."""
    first = seen(TWICE, "21T18:30")
    absent = observe({"crm/a": first}, [], utc("22T09:00"))
    assert absent == {"crm/a": replace(first, present=False)}
    assert observe(absent, [], utc("23T09:00")) == absent
    returned = observe(absent, [activation(TWICE)], utc("24T09:00"))
    assert returned == {"crm/a": replace(first, since=utc("24T09:00"))}
    assert due(TWICE, returned["crm/a"], NOTHING, utc("24T09:00")) is None
    assert due(TWICE, returned["crm/a"], NOTHING, utc("24T17:00")) == Due(utc("24T17:00"))


def test_each_by_itself() -> None:
    """X1: a new activation changes nothing of what is known of the others."""
    first = observe({}, [activation(TWICE)], utc("21T18:30"))
    second = observe(first, [activation(TWICE), activation(TWICE, "b")], utc("23T09:00"))
    assert second["crm/a"] == first["crm/a"]
    assert second["crm/b"].first_seen == utc("23T09:00")
    assert list(second) == ["crm/a", "crm/b"]


SCHEDULES = [
    TWICE,
    at("05:00"),
    at("05:00", tz=BERLIN),
    at("05:00", start="01T00:00"),
    at("05:00", end="01T00:00"),
    Schedule("every", UTC_ZONE, hours=5),
    Schedule("cron", UTC_ZONE, cron="0 5 * * MON"),
    after_evaluation(),
    after_evaluation(start="01T00:00"),
    ON_DEMAND,
    Schedule("each_run", UTC_ZONE),
    Schedule("each_run", UTC_ZONE, start=utc("01T00:00")),
]


def test_digests_differ() -> None:
    """S2: schedules with different slots are different schedules."""
    assert len({schedule_digest(schedule) for schedule in SCHEDULES}) == len(SCHEDULES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (at("00:00", "12:00"), Schedule("every", UTC_ZONE, hours=12)),
        (at("05:00"), Schedule("cron", UTC_ZONE, cron="0 5 * * *")),
        (Schedule("cron", UTC_ZONE, cron="0 5 * * MON"), Schedule("cron", UTC_ZONE, cron=" 0  5 * *  mon")),
        (after_evaluation(), replace(after_evaluation(), zone=BERLIN)),
        (ON_DEMAND, replace(ON_DEMAND, start=utc("21T00:00"), zone=BERLIN)),
    ],
)
def test_digests_agree(one: Schedule, other: Schedule) -> None:
    """S2: another way to write the same slots is no changed schedule."""
    assert schedule_digest(one) == schedule_digest(other)


def test_digest_is_stable() -> None:
    """S2: the digest is stored, so it may not differ between versions: a new one would drop every missed slot."""
    digest = "21d0e3c16166f6fd8c7bcef6359f3e2b04ba3f6edbbac033ac8a89c081975d47"
    assert schedule_digest(at("05:00", tz=BERLIN, end="2026-12-01T00:00")) == digest


# Slots by the clock


def test_once_a_slot() -> None:
    """S2: a slot is due from its own second on, until it is finished; a second run in the same slot finds nothing."""
    assert owed(TWICE, "20T04:59:59") is None
    assert owed(TWICE, "20T05:00") == Due(utc("20T05:00"))
    assert owed(TWICE, "20T16:59:59") == Due(utc("20T05:00"))
    assert owed(TWICE, "20T05:00", History(utc("20T05:00"))) is None
    assert owed(TWICE, "20T16:59:59", History(utc("20T05:00"))) is None
    assert owed(TWICE, "20T17:00", History(utc("20T05:00"))) == Due(utc("20T17:00"))


def test_missed_slots() -> None:
    """S2: three missed slots are one run for the newest; the other two are superseded, with the newest of
    their times.
    """
    assert owed(TWICE, "21T09:00") == Due(utc("21T05:00"), superseded_count=2, superseded_slot=utc("20T17:00"))


def test_first_seen_in_the_evening() -> None:
    """S2: an activation added at 18:30 owes its own day's slots, not those of the days before."""
    assert due(TWICE, seen(TWICE, "21T18:30"), NOTHING, utc("21T18:30")) == Due(utc("21T17:00"), 1, utc("21T05:00"))


def test_slots_of_a_changed_schedule() -> None:
    """S2: the old schedule's missed slots and the new one's earlier slots are not due; one at that very instant is."""
    changed = seen(at("08:00", "09:00", "10:00"), "21T09:00", seen(TWICE, "20T00:00"))
    assert due(at("08:00", "09:00", "10:00"), changed, NOTHING, utc("21T09:00")) == Due(utc("21T09:00"))
    assert due(at("08:00", "10:00"), changed, NOTHING, utc("21T09:59")) is None
    assert due(at("08:00", "10:00"), changed, History(utc("20T05:00")), utc("21T09:59")) is None
    assert due(at("08:00", "10:00"), changed, History(utc("20T05:00")), utc("21T10:00")) == Due(utc("21T10:00"))


def test_start_and_end() -> None:
    """S2: a slot at `start` is due, one at `end` is not; a slot before `end` stays due after it."""
    bounded = at("05:00", "17:00", start="20T17:00", end="21T17:00")
    assert owed(bounded, "20T16:00", since="01T00:00") is None
    assert owed(bounded, "20T17:00", since="01T00:00") == Due(utc("20T17:00"))
    assert owed(bounded, "25T00:00", since="01T00:00") == Due(utc("21T05:00"), 1, utc("20T17:00"))
    assert owed(bounded, "25T00:00", History(utc("21T05:00")), since="01T00:00") is None


def test_start_long_before() -> None:
    """S2: `start` counts even before the first sight: the newest slot runs, all the others are superseded."""
    early = at("05:00", start="01T00:00")
    assert due(early, seen(early, "21T18:30"), NOTHING, utc("21T18:30")) == Due(utc("21T05:00"), 20, utc("20T05:00"))


def test_never_by_itself() -> None:
    """S1: an on-demand activation is never due, whatever happened before."""
    assert owed(ON_DEMAND, "21T09:00", History(failed=utc("20T05:00")), evaluations=["20T02:00"]) is None


# Slots that failed


def test_failed_is_tried_again() -> None:
    """S5: a failed slot stays due, also long after."""
    history = History(utc("20T05:00"), failed=utc("20T17:00"))
    assert owed(TWICE, "20T17:10", history) == Due(utc("20T17:00"))
    assert owed(TWICE, "21T04:59:59", history) == Due(utc("20T17:00"))


def test_failed_is_replaced() -> None:
    """S5: a newer slot replaces the failed one, which is superseded, counted once."""
    history = History(utc("20T05:00"), failed=utc("20T17:00"))
    assert owed(TWICE, "21T05:00", history) == Due(utc("21T05:00"), 1, utc("20T17:00"))
    assert owed(TWICE, "21T17:00", history) == Due(utc("21T17:00"), 2, utc("21T05:00"))


def test_failed_outlives_a_change() -> None:
    """S5: it stays due when the schedule has changed since, until a slot of the new one replaces it."""
    history = History(failed=utc("20T17:00"))
    assert owed(at("06:00"), "21T05:59", history, since="20T18:00") == Due(utc("20T17:00"))
    assert owed(at("06:00"), "21T06:00", history, since="20T18:00") == Due(utc("21T06:00"), 1, utc("20T17:00"))


def test_failed_and_finished_since() -> None:
    """S6: what is finished is not delivered again: a failure at or before the last finished slot is over."""
    assert owed(TWICE, "20T18:00", History(utc("20T17:00"), failed=utc("20T17:00"))) is None
    assert owed(TWICE, "20T18:00", History(utc("20T17:00"), failed=utc("20T05:00"))) is None


def test_failed_later_than_asked() -> None:
    """S2: at an instant before the failed slot it is not due: no slot after `at` is."""
    assert owed(TWICE, "20T16:00", History(utc("20T05:00"), failed=utc("20T17:00"))) is None


def test_failed_outside_the_window() -> None:
    """S2: a failed slot that a new `start` or `end` leaves outside is not due: nothing runs for a time outside the
    window.
    """
    history = History(failed=utc("20T17:00"))
    assert owed(at("05:00", end="20T17:00"), "20T18:00", history, since="20T18:00") is None
    assert owed(at("05:00", start="22T00:00"), "20T18:00", history, since="20T18:00") is None
    assert owed(at("05:00", end="20T18:00"), "20T19:00", history, since="20T18:00") == Due(utc("20T17:00"))


# Slots by evaluation


def test_after_each_evaluation() -> None:
    """S4: each evaluation of the audience is a slot at its instant, due once."""
    assert owed(after_evaluation(), "20T02:00", evaluations=["20T02:00"]) == Due(utc("20T02:00"))
    assert owed(after_evaluation(), "20T09:00", History(utc("20T02:00")), evaluations=["20T02:00"]) is None
    assert owed(after_evaluation(), "20T09:00") is None


def test_a_newer_evaluation_supersedes() -> None:
    """S4: of several evaluations not exported yet the newest is, in whatever order they are given; the others are
    superseded.
    """
    found = owed(after_evaluation(), "22T09:00", evaluations=["22T02:00", "20T02:00", "21T02:00"])
    assert found == Due(utc("22T02:00"), 2, utc("21T02:00"))
    assert owed(after_evaluation(), "21T01:00", evaluations=["22T02:00", "20T02:00"]) == Due(utc("20T02:00"))


def test_a_failed_one_after_evaluation() -> None:
    """S4, S5: a failed one is tried again until a newer evaluation supersedes it; it is counted once."""
    history = History(utc("20T02:00"), failed=utc("21T02:00"))
    evaluations = ["20T02:00", "21T02:00"]
    assert owed(after_evaluation(), "21T09:00", history, evaluations=evaluations) == Due(utc("21T02:00"))
    superseding = owed(after_evaluation(), "22T02:00", history, evaluations=[*evaluations, "22T02:00"])
    assert superseding == Due(utc("22T02:00"), 1, utc("21T02:00"))


def test_evaluations_outside() -> None:
    """S2: evaluations before the activation counts, before `start` or from `end` on give no slot."""
    evaluations = ["19T02:00", "20T02:00", "21T02:00", "22T02:00"]
    assert owed(after_evaluation(), "20T01:00", evaluations=evaluations) is None
    bounded = after_evaluation(start="20T02:00", end="21T02:00")
    assert owed(bounded, "23T00:00", since="01T00:00", evaluations=evaluations) == Due(utc("20T02:00"))
    assert owed(bounded, "23T00:00", History(utc("20T02:00")), since="01T00:00", evaluations=evaluations) is None


# Slots of each command


EACH_RUN = Schedule("each_run", UTC_ZONE)


def test_each_command_has_a_slot() -> None:
    """V1: the slot is the command's own instant, due when later than the last finished one; nothing was missed."""
    assert owed(EACH_RUN, "21T09:00") == Due(utc("21T09:00"))
    assert owed(EACH_RUN, "21T09:05", History(utc("21T09:00"))) == Due(utc("21T09:05"))
    assert owed(EACH_RUN, "21T09:00", History(utc("21T09:00"))) is None
    assert owed(EACH_RUN, "21T08:59", History(utc("21T09:00"))) is None


def test_a_failed_one_of_a_command() -> None:
    """V1, S5: a second command at that instant tries it again; a later one takes its place, and supersedes nothing."""
    history = History(utc("21T08:00"), failed=utc("21T09:00"))
    assert owed(EACH_RUN, "21T09:00", history) == Due(utc("21T09:00"))
    assert owed(EACH_RUN, "21T09:05", history) == Due(utc("21T09:05"))


def test_commands_outside_the_window() -> None:
    """S1, V1: commands before `start`, or from `end` on, have no slot."""
    bounded = replace(EACH_RUN, start=utc("21T00:00"), end=utc("22T00:00"))
    found = [owed(bounded, moment) for moment in ("20T23:59:59", "21T00:00", "21T23:59:59", "22T00:00")]
    assert [bool(each) for each in found] == [False, True, True, False]


# The evaluation's own schedule


@pytest.mark.parametrize(
    ("newest", "moment", "expected"),
    [
        ("20T02:00", "20T02:00", False),
        ("20T02:00", "21T01:59:59", False),
        ("20T02:00", "21T02:00", True),
        ("20T02:00", "25T00:00", True),
        ("20T01:59:59", "20T02:00", True),
        ("20T14:00", "20T15:00", False),
        ("22T00:00", "21T09:00", False),
        (None, "20T00:00", True),
    ],
)
def test_evaluation_due(newest: str | None, moment: str, expected: bool) -> None:
    """S7: due when the newest slot at or before `at` is later than the newest evaluation; never at an instant before
    that.
    """
    assert evaluation_due(at("02:00"), utc(newest) if newest else None, utc(moment)) is expected


def test_evaluation_of_rare_crons() -> None:
    """S7: the newest slot is found however long ago it was."""
    leap = Schedule("cron", UTC_ZONE, cron="0 2 29 2 *")
    assert evaluation_due(leap, utc("2024-02-28T00:00"), utc("20T00:00"))
    assert not evaluation_due(leap, utc("2024-02-29T02:00"), utc("20T00:00"))
    assert evaluation_due(leap, None, utc("20T00:00"))


def test_evaluation_within_its_window() -> None:
    """S1, S7: no slot, no evaluation: before the first slot from `start` on, and without a schedule."""
    assert not evaluation_due(at("02:00", start="20T03:00"), None, utc("21T01:00"))
    assert evaluation_due(at("02:00", start="20T03:00"), None, utc("21T02:00"))
    assert not evaluation_due(at("02:00", end="20T02:00"), utc("19T02:00"), utc("25T00:00"))
    assert evaluation_due(at("02:00", end="20T02:00"), utc("19T01:00"), utc("25T00:00"))
    assert not evaluation_due(None, None, utc("21T01:00"))


def test_open_window() -> None:
    """X7: inside start (inclusive) and end (exclusive); without them always."""
    bounded = Schedule("on_demand", UTC_ZONE, start=utc("20T00:00"), end=utc("21T00:00"))
    found = [open_window(bounded, utc(moment)) for moment in ("19T23:59:59", "20T00:00", "20T23:59:59", "21T00:00")]
    assert found == [False, True, True, False]
    assert open_window(ON_DEMAND, utc("20T00:00"))


moments = st.integers(0, 20 * 24 * 60).map(lambda minutes: utc("01T00:00") + timedelta(minutes=minutes))


@given(
    st.lists(st.tuples(moments, st.booleans()), min_size=1, max_size=30),
    st.sampled_from([TWICE, Schedule("every", BERLIN, hours=3)]),
)
@settings(deadline=None)
def test_every_slot_is_settled_once(commands: list[tuple[datetime, bool]], schedule: Schedule) -> None:
    """S6: over any commands, some failing, each slot is delivered or superseded once, and none is left out or delivered
    twice.
    """
    history, settled = NOTHING, 0
    sighting = FirstSeen("crm/a", utc("01T00:00"), utc("01T00:00"), schedule_digest(schedule), present=True)
    for moment, succeeds in sorted(commands):
        if found := due(schedule, sighting, history, moment):
            settled += found.superseded_count + succeeds
            finished = found.slot if succeeds else found.superseded_slot or history.last_finished
            history = History(finished, failed=None if succeeds else found.slot)
    unsettled = due(schedule, sighting, history, utc("21T00:00"))
    total = count(schedule, utc("01T00:00"), utc("21T00:00"))
    assert settled + (unsettled.superseded_count + 1 if unsettled else 0) == total
    assert unsettled is None or unsettled.slot == max(slots(schedule, utc("01T00:00"), utc("21T00:00")))
