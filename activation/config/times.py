"""Times, zones and intervals as YAML spells them (SPEC 2, 8: S1). Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from muster.activation import instants
from muster.activation.config.fields import field
from muster.activation.config.yaml_reader import Scalar
from muster.activation.errors import did_you_mean

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFSET = r"[Zz]|[+-][0-9]{2}:?[0-9]{2}"
_MOMENT = re.compile(rf"({_DATE.pattern})[Tt ]([0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]{{1,6}})?)?) ?({_OFFSET})?")
_HOURS = re.compile(r"([0-9]{1,2})h")
_CRON_FIELDS = "minute, hour, day of month, month, day of week"
_ANY_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 (cron's fields are local times)


def _duration(value: Scalar) -> timedelta:
    try:
        return instants.parse_duration(value.text)
    except ValueError as error:
        raise ValueError(str(error).replace(repr(value.text), value.shown)) from None


@cache
def _packaged_zones() -> frozenset[str]:
    """The zones that come with muster: known without looking into every file of the machine's own."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split()) - {"Factory"}


@cache
def _zones() -> frozenset[str]:
    # `localtime` is whatever the machine is set to, which no rule may read (E1); `Factory` means "not set yet".
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _zone(value: Scalar) -> ZoneInfo:
    if value.text not in _packaged_zones() and value.text not in _zones():
        raise ValueError(
            f"{value.shown} is not a time zone; expected an IANA name such as "
            f"Europe/Berlin{did_you_mean(value.text, _zones())}"
        )
    return instants.zone(value.text)


def _local_time(value: Scalar) -> time:
    match = _TIME.fullmatch(value.text)
    hour, minute, second = (int(part or 0) for part in match.groups()) if match else (24, 0, 0)
    try:
        return time(hour, minute, second)
    except ValueError:
        raise ValueError(
            f"{value.shown} is not a time of day; expected HH:MM or HH:MM:SS, from 00:00 to 23:59:59"
        ) from None


def _hours(value: Scalar) -> int:
    match = _HOURS.fullmatch(value.text)
    if not match or not 1 <= int(match[1]) <= 24:
        raise ValueError(f"{value.shown} is not an interval; expected whole hours from 1h to 24h, such as 3h")
    return int(match[1])


def _cron(value: Scalar) -> str:
    fields = value.text.split()
    if len(fields) != 5:
        count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        raise ValueError(f"{value.shown} has {count}; expected five: {_CRON_FIELDS}")
    if wrong := _wrong_in_cron(fields):
        raise ValueError(f"{value.shown} {wrong}")
    return " ".join(fields)


def _wrong_in_cron(fields: list[str]) -> str:
    """Why five fields are no schedule, or nothing."""
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


def _moment(value: Scalar) -> date | datetime:
    """A date, or a time that is naive (local in the schedule's zone) or carries an offset."""
    said = value.text.strip()
    try:
        moment = date.fromisoformat(said) if _DATE.fullmatch(said) else _timestamp(said)
    except ValueError:
        raise ValueError(
            f"{value.shown} is not a date or time; expected such as 2026-11-21 or 2026-11-21T17:00"
        ) from None
    if not 1970 <= moment.year < 9000:
        raise ValueError(f"{value.shown} is out of range; expected a year from 1970 to 8999")
    return moment


def _timestamp(said: str) -> datetime:
    match = _MOMENT.fullmatch(said)
    if not match:
        raise ValueError(said)
    return datetime.fromisoformat(f"{match[1]}T{match[2]}{(match[3] or '').upper()}")


def instant(moment: date | datetime, zone: ZoneInfo) -> datetime:
    """The instant of a date (its local midnight) or time, cut to whole seconds (S1, S3)."""
    if not isinstance(moment, datetime):
        return instants.midnight(moment, zone)
    whole = moment.replace(microsecond=0)
    return instants.at_local(whole, zone) if whole.tzinfo is None else whole.astimezone(UTC)


Duration = Annotated[timedelta | None, field(_duration)]
Zone = Annotated[ZoneInfo | None, field(_zone)]
LocalTime = Annotated[time | None, field(_local_time)]
Hours = Annotated[int | None, field(_hours)]
Cron = Annotated[str | None, field(_cron)]
Moment = Annotated[date | datetime | None, field(_moment)]
