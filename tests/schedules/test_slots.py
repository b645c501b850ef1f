"""The instants at which a schedule asks to run (S1, S3)."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muster.activation.instants import at_local, midnight
from muster.activation.model.workspace import Schedule
from muster.schedules.slots import LATEST, count, latest, next_slots, slots

BERLIN, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
APIA, SAO_PAULO, CAIRO = ZoneInfo("Pacific/Apia"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Africa/Cairo")
UTC_ZONE = ZoneInfo("UTC")
ZONES = sorted(available_timezones() - {"localtime"})
CRONS = [
    "*/15 * * * *",
    "30 2 * * *",
    "0 0 1 * *",
    "0 6 1 * 1",
    "15 1-3 * * 0",
    "0 */5 L * *",
    "45 23 * * 6#2",
    "* 2 * * *",
    "0 0 29 2 *",
]
DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(*times: str, tz: ZoneInfo = UTC_ZONE, start: str | None = None, end: str | None = None) -> Schedule:
    clock = tuple(sorted({time.fromisoformat(text) for text in times}))
    return Schedule("at", tz, times=clock, start=utc(start) if start else None, end=utc(end) if end else None)


def every(hours: int, tz: ZoneInfo = UTC_ZONE) -> Schedule:
    return Schedule("every", tz, hours=hours)


def cron(text: str, tz: ZoneInfo = UTC_ZONE) -> Schedule:
    return Schedule("cron", tz, cron=text)


def on(schedule: Schedule, day: str) -> list[str]:
    """The slots from the start of a local day to the start of the next, as text in UTC: day, hour, minute."""
    first = midnight(date.fromisoformat(day), schedule.zone)
    past = midnight(date.fromisoformat(day) + DAY, schedule.zone)
    return [f"{slot:%d %H:%M}" for slot in slots(schedule, first, past - timedelta(seconds=1))]


@pytest.mark.parametrize(
    ("schedule", "day", "expected"),
    [
        (at("05:00", "17:00", tz=BERLIN), "2026-11-21", ["21 04:00", "21 16:00"]),
        (every(5, BERLIN), "2026-11-21", ["20 23:00", "21 04:00", "21 09:00", "21 14:00", "21 19:00"]),
        (every(24, BERLIN), "2026-07-01", ["30 22:00"]),
        (cron("30 */6 * * *", BERLIN), "2026-07-01", ["30 22:30", "01 04:30", "01 10:30", "01 16:30"]),
        (cron("0 6 1 * *", BERLIN), "2026-07-02", []),
        (cron("0 6 * * mon-fri"), "2026-11-21", []),
        (cron("0 6 13 * FRI"), "2026-11-20", ["20 06:00"]),
    ],
)
def test_ordinary_days(schedule: Schedule, day: str, expected: list[str]) -> None:
    """S1: local times; every N hours starts again at midnight; cron has five fields, its days joined by OR as
    in cron.
    """
    assert on(schedule, day) == expected


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (at("01:30", "02:00", "02:30", "03:00", "03:30", tz=NEW_YORK), ["08 06:30", "08 07:00", "08 07:30"]),
        (every(6, NEW_YORK), ["08 05:00", "08 10:00", "08 16:00", "08 22:00"]),
        (
            every(2, NEW_YORK),
            [f"08 {hour:02}:00" for hour in (5, 7, 8, 10, 12, 14, 16, 18, 20, 22)] + ["09 00:00", "09 02:00"],
        ),
        (cron("*/30 1-3 * * *", NEW_YORK), ["08 06:00", "08 06:30", "08 07:00", "08 07:30"]),
        (cron("59 2 * * *", NEW_YORK), ["08 07:00"]),
    ],
)
def test_spring_in_new_york(schedule: Schedule, expected: list[str]) -> None:
    """S3: 2026-03-08, 02:00 to 03:00 do not exist: what is set there fires at 07:00Z, once, in every kind."""
    assert on(schedule, "2026-03-08") == expected


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (at("00:30", "01:00", "01:30", "02:30", tz=NEW_YORK), ["01 04:30", "01 05:00", "01 05:30", "01 07:30"]),
        (every(8, NEW_YORK), ["01 04:00", "01 13:00", "01 21:00"]),
        (
            every(1, NEW_YORK),
            ["01 04:00", "01 05:00"]
            + [f"01 {hour:02}:00" for hour in range(7, 24)]
            + [f"02 {hour:02}:00" for hour in range(5)],
        ),
        (cron("*/30 1-2 * * *", NEW_YORK), ["01 05:00", "01 05:30", "01 07:00", "01 07:30"]),
        (
            cron("30 * 1 11 *", NEW_YORK),
            ["01 04:30", "01 05:30"]
            + [f"01 {hour:02}:30" for hour in range(7, 24)]
            + [f"02 {hour:02}:30" for hour in range(5)],
        ),
    ],
)
def test_autumn_in_new_york(schedule: Schedule, expected: list[str]) -> None:
    """S3: 2026-11-01, 01:00 to 02:00 come twice: what is set there fires the first time only, in every kind."""
    assert on(schedule, "2026-11-01") == expected


@pytest.mark.parametrize(
    ("schedule", "day", "expected"),
    [
        (at("02:00", "02:59", "03:00", "03:30", tz=BERLIN), "2026-03-29", ["29 01:00", "29 01:30"]),
        (every(2, BERLIN), "2026-03-29", ["28 23:00", "29 01:00"] + [f"29 {hour:02}:00" for hour in range(2, 22, 2)]),
        (cron("15 2 * * *", BERLIN), "2026-03-29", ["29 01:00"]),
        (at("02:30", "03:00", tz=BERLIN), "2026-10-25", ["25 00:30", "25 02:00"]),
        (every(2, BERLIN), "2026-10-25", ["24 22:00", "25 00:00"] + [f"25 {hour:02}:00" for hour in range(3, 23, 2)]),
        (cron("0,30 2 * * *", BERLIN), "2026-10-25", ["25 00:00", "25 00:30"]),
    ],
)
def test_berlin(schedule: Schedule, day: str, expected: list[str]) -> None:
    """S3: 2026-03-29 skips 02:00 to 03:00 at 01:00Z; 2026-10-25 has it twice, from 00:00Z and from 01:00Z."""
    assert on(schedule, day) == expected


@pytest.mark.parametrize(
    ("schedule", "day", "expected"),
    [
        (
            at("01:59", "02:00", "02:15", "02:30", "02:45", tz=LORD_HOWE),
            "2026-10-04",
            ["03 15:29", "03 15:30", "03 15:45"],
        ),
        (
            every(1, LORD_HOWE),
            "2026-10-04",
            ["03 13:30", "03 14:30", "03 15:30"]
            + [f"03 {hour}:00" for hour in range(16, 24)]
            + [f"04 {hour:02}:00" for hour in range(13)],
        ),
        (cron("*/15 2 * * *", LORD_HOWE), "2026-10-04", ["03 15:30", "03 15:45"]),
        (at("01:30", "01:45", "02:00", tz=LORD_HOWE), "2026-04-05", ["04 14:30", "04 14:45", "04 15:30"]),
        (every(12, LORD_HOWE), "2026-04-05", ["04 13:00", "05 01:30"]),
        (cron("*/15 1 * * *", LORD_HOWE), "2026-04-05", ["04 14:00", "04 14:15", "04 14:30", "04 14:45"]),
    ],
)
def test_half_an_hour_on_lord_howe(schedule: Schedule, day: str, expected: list[str]) -> None:
    """S3: 2026-10-04 skips 02:00 to 02:30 at 15:30Z; 2026-04-05 has 01:30 to 02:00 twice, from 14:30Z and from
    15:00Z.
    """
    assert on(schedule, day) == expected


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (at("06:00", "18:00", tz=APIA), ["29 16:00", "30 04:00", "30 10:00", "30 16:00", "31 04:00"]),
        (every(12, APIA), ["29 10:00", "29 22:00", "30 10:00", "30 22:00"]),
        (cron("0 9 30 12 *", APIA), ["30 10:00"]),
        (cron("0 9 30,31 * *", APIA), ["30 10:00", "30 19:00"]),
    ],
)
def test_a_day_that_never_was_in_apia(schedule: Schedule, expected: list[str]) -> None:
    """S3: Samoa had no 2011-12-30: all that is set on it fires at 10:00Z, where the 31st begins."""
    found = slots(schedule, utc("2011-12-29T10:00"), utc("2011-12-31T09:59:59"))
    assert [f"{slot:%d %H:%M}" for slot in found] == expected


def test_asking_from_the_end_of_a_gap() -> None:
    """S3: a slot that a gap moved is found when the question starts at the instant it was moved to, forwards and
    backwards.
    """
    moved = utc("2011-12-30T10:00")
    assert list(slots(at("09:00", tz=APIA), moved, moved)) == [moved]
    assert latest(at("09:00", tz=APIA), moved, moved) == moved
    assert list(slots(cron("0 9 30 12 *", APIA), moved, moved)) == [moved]
    assert latest(cron("0 9 30 12 *", APIA), moved, moved) == moved


@pytest.mark.parametrize(
    ("tz", "day", "instant"),
    [(SAO_PAULO, "2018-11-04", "04 03:00"), (CAIRO, "2024-04-26", "25 22:00")],
    ids=["Sao Paulo", "Cairo"],
)
def test_midnight_gap(tz: ZoneInfo, day: str, instant: str) -> None:
    """S3: where the clock jumps over midnight, a day's first slot is at the first instant of that day, once."""
    for schedule in (at("00:00", "00:30", "01:00", tz=tz), every(24, tz), cron("0,59 0 * * *", tz)):
        assert on(schedule, day) == [instant]


def test_midnight_that_comes_again() -> None:
    """S3: Sao Paulo, 2018-02-17: at 24:00 it is 23:00 again; 23:30 fires once, and the next day's midnight after it."""
    found = slots(at("00:00", "23:30", tz=SAO_PAULO), utc("2018-02-18T01:00"), utc("2018-02-18T04:00"))
    assert list(found) == [utc("2018-02-18T01:30"), utc("2018-02-18T03:00")]


def test_a_day_that_begins_twice() -> None:
    """S3: St. John's, 2006-10-29: at 00:01 it is 23:01 of the 28th again; the 29th's midnight fired before that, and
    only then.
    """
    midnights = at("00:00", tz=ZoneInfo("America/St_Johns"))
    again = utc("2006-10-29T02:45"), utc("2006-10-29T04:00")  # 23:15 and 00:30, the second time
    assert latest(midnights, utc("2006-10-29T00:00"), again[0]) == utc("2006-10-29T02:30")
    assert list(slots(midnights, utc("2006-10-29T00:00"), again[1])) == [utc("2006-10-29T02:30")]
    assert list(slots(midnights, *again)) == []


def test_both_ends_count() -> None:
    """S2: a slot at either end of the span asked for is in it; one a second outside is not."""
    schedule, first, last = every(6), utc("2026-11-21T06:00"), utc("2026-11-21T18:00")
    assert list(slots(schedule, first, last)) == [first, utc("2026-11-21T12:00"), last]
    assert list(slots(schedule, first + timedelta(seconds=1), last - timedelta(seconds=1))) == [utc("2026-11-21T12:00")]
    assert list(slots(schedule, last, first)) == []


def test_start_and_end() -> None:
    """S1: `start` is inclusive and `end` exclusive, in every question."""
    schedule = at("05:00", "17:00", start="2026-11-01T05:00", end="2026-11-02T17:00")
    expected = [utc("2026-11-01T05:00"), utc("2026-11-01T17:00"), utc("2026-11-02T05:00")]
    wide = utc("2026-01-01T00:00"), utc("2027-01-01T00:00")
    assert list(slots(schedule, *wide)) == expected
    assert count(schedule, *wide) == 3
    assert latest(schedule, *wide) == expected[-1]
    assert latest(schedule, wide[0], utc("2026-11-01T04:59:59")) is None
    assert next_slots(schedule, wide[0], 10) == expected
    assert next_slots(schedule, wide[1], 10) == []


@pytest.mark.parametrize("kind", ["after_evaluation", "on_demand"])
def test_kinds_without_a_clock(kind: str) -> None:
    """S1: `after_evaluation` and `on_demand` have no slots of their own."""
    schedule = Schedule(kind, BERLIN)  # type: ignore[arg-type]  # one of the two literals
    span = utc("2026-01-01T00:00"), utc("2027-01-01T00:00")
    assert list(slots(schedule, *span)) == []
    assert latest(schedule, *span) is None
    assert next_slots(schedule, span[0], 3) == []


def test_times_with_seconds() -> None:
    """S1: a local time may name a second."""
    assert next_slots(at("05:00:30", tz=BERLIN), utc("2026-11-21T04:00"), 1) == [utc("2026-11-21T04:00:30")]


def test_next_is_later() -> None:
    """SPEC 9, `schedule next`: the slot of this very instant is not a next one; the one a moment later is."""
    assert next_slots(every(6), utc("2026-11-21T06:00"), 2) == [utc("2026-11-21T12:00"), utc("2026-11-21T18:00")]
    assert next_slots(every(6), utc("2026-11-21T05:59:59"), 1) == [utc("2026-11-21T06:00")]


def test_rare_crons() -> None:
    """S1: a leap day's next slots are found, also over 2100, which has none; so is its last."""
    leap = cron("0 6 29 2 *", BERLIN)
    assert [slot.year for slot in next_slots(leap, utc("2026-11-21T00:00"), 3)] == [2028, 2032, 2036]
    assert next_slots(leap, utc("2096-03-01T00:00"), 1) == [utc("2104-02-29T05:00")]
    assert latest(leap, utc("1900-01-01T00:00"), utc("2026-11-21T00:00")) == utc("2024-02-29T05:00")


def test_a_cron_that_never_fires() -> None:
    """S1: a cron whose days never meet (a fifth Monday on the 1st, 9th, 17th or 25th) has no slots, and the search for
    one ends.
    """
    never = cron("0 0 */8 * MON#5")
    assert next_slots(never, utc("2026-11-21T00:00"), 1) == []
    assert latest(never, utc("1900-01-01T00:00"), utc("2026-11-21T00:00")) is None


def test_lazy() -> None:
    """S1: the first slots of seven thousand years are had without the others."""
    assert list(islice(slots(every(1), utc("2026-01-01T00:00"), LATEST), 2)) == [
        utc("2026-01-01T00:00"),
        utc("2026-01-01T01:00"),
    ]


def test_ten_years_of_hours() -> None:
    """S3: hourly in New York is 24 slots a day, and 23 on the day in spring that has 23 hours; the doubled hour adds
    none.
    """
    first, past = midnight(date(2026, 1, 1), NEW_YORK), midnight(date(2036, 1, 1), NEW_YORK)
    assert count(every(1, NEW_YORK), first, past - timedelta(seconds=1)) == 24 * 3652 - 10


zones = st.sampled_from(ZONES).map(ZoneInfo) | st.sampled_from([NEW_YORK, BERLIN, LORD_HOWE, APIA, SAO_PAULO, CAIRO])
clocks = st.sets(st.times().map(lambda moment: moment.replace(second=0, microsecond=0)), min_size=1, max_size=4)
clock_schedules = st.one_of(
    st.builds(lambda tz, times: Schedule("at", tz, times=tuple(sorted(times))), zones, clocks),
    st.builds(lambda tz, hours: every(hours, tz), zones, st.integers(1, 24)),
    st.builds(lambda tz, text: cron(text, tz), zones, st.sampled_from(CRONS)),
)
instants = st.datetimes(datetime.fromisoformat("1905-01-01"), datetime.fromisoformat("2040-01-01")).map(
    lambda moment: moment.replace(tzinfo=UTC, microsecond=0)
)
CHANGES = [
    "2026-03-08T07:00",
    "2026-11-01T06:00",
    "2026-03-29T01:00",
    "2026-10-25T01:00",
    "2026-10-03T15:30",
    "2026-04-04T15:00",
    "2011-12-30T10:00",
    "2018-11-04T03:00",
    "2018-02-18T02:00",
    "2024-04-25T22:00",
]
near_changes = st.builds(
    lambda change, seconds: utc(change) + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-2 * 86400, 2 * 86400),
)
spans = st.builds(
    lambda first, seconds: (first, first + timedelta(seconds=seconds)),
    instants | near_changes,
    st.integers(0, 4 * 86400),
)


def by_definition(schedule: Schedule, first: datetime, last: datetime) -> list[datetime]:
    """S3 word for word, without a thought for speed: each local time of each near day, mapped alone, as a set."""
    days = [first.astimezone(schedule.zone).date() + DAY * index for index in range(-2, (last - first).days + 4)]
    times = schedule.times or tuple(time(hour) for hour in range(0, 24, schedule.hours))
    found = {at_local(datetime.combine(day, moment), schedule.zone) for day in days for moment in times}
    return sorted(slot for slot in found if first <= slot <= last)


@given(clock_schedules.filter(lambda schedule: schedule.kind != "cron"), spans)
@example(at("09:00", tz=APIA), (utc("2011-12-30T10:00"), utc("2011-12-30T10:00")))
@settings(max_examples=200, deadline=None)
def test_slots_are_as_defined(schedule: Schedule, span: tuple[datetime, datetime]) -> None:
    """S3: in every zone, on every day, the slots are the set of instants of the local times."""
    assert list(slots(schedule, *span)) == by_definition(schedule, *span)


@given(zones, clocks, spans)
@settings(max_examples=100, deadline=None)
def test_kinds_agree(tz: ZoneInfo, times: set[time], span: tuple[datetime, datetime]) -> None:
    """S3: `at` and a cron that says the same have the same slots, through every clock change."""
    moment = min(times)
    assert list(slots(cron(f"{moment.minute} {moment.hour} * * *", tz), *span)) == list(
        slots(Schedule("at", tz, times=(moment,)), *span)
    )
    assert list(slots(cron("0 */6 1-31 * *", tz), *span)) == list(slots(every(6, tz), *span))


@given(clock_schedules, spans, st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_spans_join(schedule: Schedule, span: tuple[datetime, datetime], share: float) -> None:
    """S2: asking in two steps gives each slot once: [a, c] is [a, b] and (b, c]; all ascend."""
    first, last = span
    between = (first + (last - first) * share).replace(microsecond=0)
    whole = list(slots(schedule, first, last))
    assert whole == [*slots(schedule, first, between), *slots(schedule, between + timedelta(seconds=1), last)]
    assert all(one < other for one, other in pairwise(whole))


@given(clock_schedules, spans)
@settings(max_examples=200, deadline=None)
def test_questions_agree(schedule: Schedule, span: tuple[datetime, datetime]) -> None:
    """S1: the newest slot, the number of slots and the next slots are those of the list."""
    first, last = span
    whole = list(slots(schedule, first, last))
    assert latest(schedule, first, last) == (whole[-1] if whole else None)
    assert count(schedule, first, last) == len(whole)
    assert next_slots(schedule, first - timedelta(seconds=1), len(whole)) == whole


@given(clock_schedules.filter(lambda schedule: schedule.kind != "cron"), st.dates(date(1905, 1, 1), date(2040, 1, 1)))
@settings(max_examples=200, deadline=None)
def test_a_day_has_its_number(schedule: Schedule, day: date) -> None:
    """S1: a local day on which the clock does not change has as many slots as the schedule has times."""
    first, past = midnight(day, schedule.zone), midnight(day + DAY, schedule.zone)
    found = count(schedule, first, past - timedelta(seconds=1))
    expected = len(schedule.times) or len(range(0, 24, schedule.hours))
    if first.astimezone(schedule.zone).utcoffset() == past.astimezone(schedule.zone).utcoffset():
        assert found == expected
    else:
        assert found <= expected


@pytest.mark.parametrize(
    ("monthly", "days"),
    [
        ("1", ["2027-01-01", "2027-02-01", "2027-03-01", "2027-04-01"]),
        ("29", ["2027-01-29", "2027-03-29", "2027-04-29"]),
        ("31", ["2027-01-31", "2027-03-31"]),
        ("last", ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
    ],
)
def test_a_monthly_schedule_skips_months_without_its_day(monthly: str, days: list[str]) -> None:
    """S1: `monthly` beside `at` is that day of each month, a month without it skipped; `last` is every month's last."""
    schedule = Schedule("at", ZoneInfo("UTC"), times=(time(5),), monthly=monthly)
    span = utc("2027-01-01"), utc("2027-05-01")
    assert [f"{slot:%Y-%m-%dT%H:%M}" for slot in slots(schedule, *span)] == [f"{day}T05:00" for day in days]
    assert latest(schedule, *span) == list(slots(schedule, *span))[-1]
