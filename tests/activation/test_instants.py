"""Instants, local times and durations (E1, S3)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.activation.errors import InputError
from muster.activation.instants import at_local, is_skipped, iso, midnight, parse_duration, parse_instant, stamp, zone

NEW_YORK = ZoneInfo("America/New_York")
APIA = ZoneInfo("Pacific/Apia")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
KOLKATA = ZoneInfo("Asia/Kolkata")
ZONES = sorted(available_timezones() - {"localtime"})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-21T17:00:00Z", "2026-11-21T17:00:00"),
        ("2026-11-21T17:00:00+05:30", "2026-11-21T11:30:00"),
        ("2026-11-21T17:00", "2026-11-21T22:00:00"),
        ("2026-07-21 17:00", "2026-07-21T21:00:00"),
        ("2026-11-21", "2026-11-21T05:00:00"),
        ("20261121T170000", "2026-11-21T22:00:00"),
        (" 2026-11-21T17:00:00Z\n", "2026-11-21T17:00:00"),
    ],
)
def test_naive_is_workspace_time(text: str, instant: str) -> None:
    """E1: `--at` is ISO 8601; with an offset it is that instant, without one it is local time in the
    workspace's zone.
    """
    assert parse_instant(text, NEW_YORK) == utc(instant)


def test_instants_are_in_utc() -> None:
    """E1: whatever way it is written, an instant is held in UTC."""
    assert {parse_instant(text, NEW_YORK).tzinfo for text in ("2026-11-21T17:00", "2026-11-21T17:00+05:30")} == {UTC}


def test_first_of_two() -> None:
    """E1: a naive `--at` that the clock shows twice is the first of the two."""
    assert parse_instant("2026-11-01T01:30", NEW_YORK) == utc("2026-11-01T05:30:00")
    assert parse_instant("2026-04-05T01:45", LORD_HOWE) == utc("2026-04-04T14:45:00")


@pytest.mark.parametrize(
    ("text", "tz", "after"),
    [
        ("2026-03-08T02:30", NEW_YORK, "2026-03-08T07:00:00Z"),
        ("2026-03-08T02:00", NEW_YORK, "2026-03-08T07:00:00Z"),
        ("2026-10-04T02:29:59", LORD_HOWE, "2026-10-03T15:30:00Z"),
        ("2011-12-30", APIA, "2011-12-30T10:00:00Z"),
        ("2018-11-04", SAO_PAULO, "2018-11-04T03:00:00Z"),
    ],
)
def test_gap_is_refused(text: str, tz: ZoneInfo, after: str) -> None:
    """E1: a naive `--at` that a clock change skips is exit 2; the message names the zone and the first instant after
    the gap.
    """
    with pytest.raises(InputError, match="clocks jump over it") as refused:
        parse_instant(text, tz)
    assert refused.value.exit_code == 2
    assert text in str(refused.value)
    assert tz.key in str(refused.value)
    assert after in str(refused.value)


def test_gap_with_an_offset() -> None:
    """E1: with an offset nothing is skipped, and the ends of a gap are no part of it."""
    assert parse_instant("2026-03-08T02:30-05:00", NEW_YORK) == utc("2026-03-08T07:30:00")
    assert parse_instant("2026-03-08T01:59:59", NEW_YORK) == utc("2026-03-08T06:59:59")
    assert parse_instant("2026-03-08T03:00", NEW_YORK) == utc("2026-03-08T07:00:00")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T17:00:00.999999Z",
        "2026-11-21T17:00:00,5Z",
        "2026-11-21T12:00:00.7",
        "2026-11-21T17:00:02+00:00:01.400000",
    ],
)
def test_cut_to_seconds(text: str) -> None:
    """E1: an instant is cut, not rounded, to whole seconds."""
    assert parse_instant(text, NEW_YORK) == utc("2026-11-21T17:00:00")


@pytest.mark.parametrize(
    "text", ["", "now", "yesterday", "17:00", "2026-02-30", "2026-11-21T25:00", "21.11.2026", "1795280400"]
)
def test_not_a_time(text: str) -> None:
    """E1: what is not ISO 8601 is exit 2 and shown an example."""
    with pytest.raises(InputError, match=r"is not a time; expected ISO 8601 such as 2026-11-21T17:00"):
        parse_instant(text, NEW_YORK)


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00+02:00", "0001-01-01", "1899-12-31T12:00", "9999-12-31T23:59:59", "9999-12-31T23:59:59-01:00"],
)
def test_out_of_range(text: str) -> None:
    """E1: a time at the ends of the calendar is a message, not a traceback."""
    with pytest.raises(InputError, match="out of range"):
        parse_instant(text, NEW_YORK)


@pytest.mark.parametrize(
    ("text", "tz", "instant"),
    [
        ("2026-06-01T05:00", NEW_YORK, "2026-06-01T09:00:00"),
        ("2026-11-01T01:30", NEW_YORK, "2026-11-01T05:30:00"),
        ("2026-03-08T02:00", NEW_YORK, "2026-03-08T07:00:00"),
        ("2026-03-08T02:59:59", NEW_YORK, "2026-03-08T07:00:00"),
        ("2026-03-08T02:30:00.5", NEW_YORK, "2026-03-08T07:00:00"),
        ("2026-10-04T02:15", LORD_HOWE, "2026-10-03T15:30:00"),
        ("2011-12-30T00:00", APIA, "2011-12-30T10:00:00"),
        ("2011-12-30T23:59", APIA, "2011-12-30T10:00:00"),
        ("2018-11-04T00:30", SAO_PAULO, "2018-11-04T03:00:00"),
    ],
)
def test_local_time(text: str, tz: ZoneInfo, instant: str) -> None:
    """S3: a local time is the first of its instants, or the first instant after the gap that skips it."""
    assert at_local(local(text), tz) == utc(instant)


anywhere = st.tuples(st.sampled_from(ZONES).map(ZoneInfo), st.datetimes(local("1901-01-01"), local("2040-01-01")))
near_changes = st.builds(
    lambda change, minutes: (change[0], local(change[1]) + timedelta(minutes=minutes)),
    st.sampled_from(
        [
            (NEW_YORK, "2026-03-08T02:30"),
            (NEW_YORK, "2026-11-01T01:30"),
            (LORD_HOWE, "2026-10-04T02:15"),
            (APIA, "2011-12-30T12:00"),
        ]
    ),
    st.integers(-60, 60),
)


@given(anywhere | near_changes)
@settings(max_examples=100, deadline=None)
def test_first_instant_that_shows_it(place: tuple[ZoneInfo, datetime]) -> None:
    """S3: in every zone, a local time fires at the first instant at which the clock shows it or something later."""
    tz, wall = place[0], place[1].replace(microsecond=0)
    instant = at_local(wall, tz)

    def shown(moment: datetime) -> datetime:
        return moment.astimezone(tz).replace(tzinfo=None)

    assert shown(instant) >= wall
    assert shown(instant - timedelta(seconds=1)) < wall
    assert all(shown(instant - timedelta(minutes=15 * quarter)) < wall for quarter in range(1, 100))
    assert is_skipped(wall, tz) == (shown(instant) != wall)


def test_midnight() -> None:
    """S2: a local day starts at its midnight, or where the clock jumps over midnight at the first instant after."""
    assert midnight(date(2026, 11, 21), KOLKATA) == utc("2026-11-20T18:30:00")
    assert midnight(date(2018, 11, 4), SAO_PAULO) == utc("2018-11-04T03:00:00")
    assert midnight(date(2024, 4, 26), ZoneInfo("Africa/Cairo")) == utc("2024-04-25T22:00:00")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../UTC", "Europe", "localtime", "posixrules", "/etc/localtime"])
def test_unknown_zone(name: str) -> None:
    """E1: only IANA names are zones; the machine's own zone has no name."""
    with pytest.raises(KeyError):
        zone(name)


def test_known_zone() -> None:
    """S1: a zone is found by its IANA name."""
    assert zone("Europe/Berlin").key == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("2w", timedelta(days=14)),
        (" 1d ", timedelta(days=1)),
        ("73200d", timedelta(days=73200)),
    ],
)
def test_duration(text: str, span: timedelta) -> None:
    """E3: durations have units m, h, d, w of fixed length."""
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text", ["", "30", "d", "30 d", "1.5d", "-1d", "30s", "1M", "1y", "1d12h", "٣d", "73201d", "999999999w"]
)
def test_not_a_duration(text: str) -> None:
    """E3: anything else, and anything past 200 years, is refused by name."""
    with pytest.raises(ValueError, match=r"is not a duration|is too long"):
        parse_duration(text)


def test_shown() -> None:
    """F1, SPEC 9: instants are shown in UTC, with Z, in the long and in the file-name form."""
    moment = datetime.combine(date(2026, 11, 21), time(12), tzinfo=NEW_YORK)
    assert iso(moment) == "2026-11-21T17:00:00Z"
    assert stamp(moment) == "20261121T170000Z"
