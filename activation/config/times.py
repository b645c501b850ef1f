"""Parsers of durations, zones, local times, intervals, cron expressions and dates (SPEC 2, 8: S1)."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from muster.activation import instants
from muster.activation.config.yaml_reader import Scalar
from muster.activation.errors import did_you_mean

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFSET = r"[Zz]|[+-][0-9]{2}:?[0-9]{2}"
_MOMENT = re.compile(rf"({_DATE.pattern})[Tt ]([0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]{{1,6}})?)?) ?({_OFFSET})?")
_HOURS = re.compile(r"([0-9]{1,2})h")
_MONTH_DAY = re.compile(r"0?[1-9]|[12][0-9]|3[01]|last")
_CRON_FIELDS = "minute, hour, day of month, month, day of week"
_ANY_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 (cron's fields are local times)


def duration(value: Scalar) -> timedelta:
    """A duration such as ``30d`` or ``12h``."""
    try:
        return instants.parse_duration(value.text)
    except ValueError as error:
        raise ValueError(str(error).replace(repr(value.text), value.shown)) from None


@cache
def _packaged_zones() -> frozenset[str]:
    """The zones of the tzdata package, which are listed in one file; the machine's zones are a file each."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split()) - {"Factory"}


@cache
def _zones() -> frozenset[str]:
    # `localtime` is the machine's own setting, which no rule may read (E1); `Factory` means "not set yet".
    return frozenset(available_timezones() - {"localtime", "Factory"})


def zone(value: Scalar) -> ZoneInfo:
    """An IANA time zone."""
    if value.text not in _packaged_zones() and value.text not in _zones():
        raise ValueError(
            f"{value.shown} is not a time zone; expected an IANA name such as "
            f"Europe/Berlin{did_you_mean(value.text, _zones())}"
        )
    return instants.zone(value.text)


def local_time(value: Scalar) -> time:
    """A time of day, ``HH:MM`` or ``HH:MM:SS``."""
    match = _TIME.fullmatch(value.text)
    hour, minute, second = (int(part or 0) for part in match.groups()) if match else (24, 0, 0)
    try:
        return time(hour, minute, second)
    except ValueError:
        raise ValueError(
            f"{value.shown} is not a time of day; expected HH:MM or HH:MM:SS, from 00:00 to 23:59:59"
        ) from None


def hours(value: Scalar) -> int:
    """An interval of whole hours, from ``1h`` to ``24h`` (S1)."""
    match = _HOURS.fullmatch(value.text)
    if not match or not 1 <= int(match[1]) <= 24:
        raise ValueError(f"{value.shown} is not an interval; expected whole hours from 1h to 24h, such as 3h")
    return int(match[1])


def month_day(value: Scalar) -> str:
    """A day of each month, ``1`` to ``31`` or ``last`` (S1)."""
    if not _MONTH_DAY.fullmatch(value.text):
        raise ValueError(f"{value.shown} is not a day of the month; expected 1 to 31, or last")
    return value.text.lstrip("0")


def cron(value: Scalar) -> str:
    """A cron expression of five fields that fires at some time (S1)."""
    fields = value.text.split()
    if len(fields) != 5:
        count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        raise ValueError(f"{value.shown} has {count}; expected five: {_CRON_FIELDS}")
    if wrong := _wrong_in_cron(fields):
        raise ValueError(f"{value.shown} {wrong}")
    return " ".join(fields)


def _wrong_in_cron(fields: list[str]) -> str:
    """The mistake in five cron fields; empty when they are a schedule."""
    try:
        next(CronSim(" ".join(fields), _ANY_DAY))
    except StopIteration:
        return "never fires: there is no such day"
    except CronSimError as error:
        part = str(error).removeprefix("Bad ").replace("-", " ")
        # CronSim refuses the 30th of February as it refuses the 32nd; with any month the former is right.
        if part == "day of month" and fields[3] != "*" and not _wrong_in_cron([*fields[:3], "*", fields[4]]):
            return "never fires: there is no such day"
        return f"is not a cron expression: its {part} is wrong; expected five fields: {_CRON_FIELDS}"
    return ""


def moment(value: Scalar) -> date | datetime:
    """A date, or a time that is naive (local in the schedule's zone) or carries an offset."""
    text = value.text.strip()
    try:
        found = date.fromisoformat(text) if _DATE.fullmatch(text) else _timestamp(text)
    except ValueError:
        raise ValueError(
            f"{value.shown} is not a date or time; expected one such as 2026-11-21 or 2026-11-21T17:00"
        ) from None
    if not 1970 <= found.year < 9000:
        raise ValueError(f"{value.shown} is out of range; expected a year from 1970 to 8999")
    return found


def _timestamp(text: str) -> datetime:
    match = _MOMENT.fullmatch(text)
    if not match:
        raise ValueError(text)
    return datetime.fromisoformat(f"{match[1]}T{match[2]}{(match[3] or '').upper()}")


def instant(date_or_time: date | datetime, zone: ZoneInfo) -> datetime:
    """The instant of a date (its local midnight) or time, cut to whole seconds (S1, S3)."""
    if not isinstance(date_or_time, datetime):
        return instants.midnight(date_or_time, zone)
    whole = date_or_time.replace(microsecond=0)
    return instants.at_local(whole, zone) if whole.tzinfo is None else whole.astimezone(UTC)
