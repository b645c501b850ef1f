"""The slots of a schedule: the instants at which it asks to run (S1, S3), computed lazily.

Every kind of schedule that follows the clock is one pattern: matching local days, and local times on each of them. Days
and times are expanded as the wall clock shows them and then mapped to instants one by one, so that a skipped or
repeated local time has one meaning for ``at``, ``every`` and ``cron``. A later local time is never an earlier instant:
so duplicates are adjacent, and a search may stop at the first instant past its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

from muster.activation.instants import at_local
from muster.activation.model.workspace import Schedule

# Slots lie between these instants; `datetime` itself ends a little further out.
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)

_DAY = timedelta(days=1)
_EVERY_DAY = "* * *"


@dataclass(frozen=True)
class Pattern:
    """Matching local days, as the last three fields of cron, and local times on each day, ascending since 00:00."""

    days: str
    times: tuple[timedelta, ...]


@lru_cache(maxsize=4096)
def pattern(schedule: Schedule) -> Pattern | None:
    """The pattern that a schedule repeats; None for kinds that do not follow the clock (S1)."""
    if schedule.kind == "at":
        times = tuple(timedelta(hours=at.hour, minutes=at.minute, seconds=at.second) for at in schedule.times)
        return Pattern(_days_of(schedule.monthly), times)
    if schedule.kind == "every":
        return Pattern(_EVERY_DAY, tuple(timedelta(hours=hour) for hour in range(0, 24, schedule.hours)))
    if schedule.kind == "cron":
        minute, hour, *days = schedule.cron.upper().split()
        return Pattern(" ".join(days), _cron_times(minute, hour))
    return None


def _days_of(monthly: str) -> str:
    """The last three fields of cron for one day of each month, which months without it skip; empty is every day."""
    if not monthly:
        return _EVERY_DAY
    return f"{'L' if monthly == 'last' else monthly} * *"


def slots(schedule: Schedule, first: datetime, last: datetime) -> Iterator[datetime]:
    """The slots in ``[first, last]`` within the schedule's start and end: in UTC, ascending, each once (S3)."""
    low, high = _bounds(schedule, first, last)
    repeated = pattern(schedule)
    if low > high or repeated is None:
        return
    previous = None
    # One day early: a gap may swallow a whole day, whose slots then fall on the instant after it.
    for day in _days(repeated.days, low.astimezone(schedule.zone).date() - _DAY):
        for instant in _instants(day, repeated.times, schedule.zone):
            if instant > high:
                return
            if instant >= low and instant != previous:
                yield instant
            previous = instant


def latest(schedule: Schedule, first: datetime, last: datetime) -> datetime | None:
    """The newest slot in ``[first, last]``, if any."""
    low, high = _bounds(schedule, first, last)
    repeated = pattern(schedule)
    if low > high or repeated is None:
        return None
    # One day late: after a clock was set back over midnight, the day before it is written again.
    for day in _days(repeated.days, high.astimezone(schedule.zone).date() + _DAY, backwards=True):
        for instant in reversed(_instants(day, repeated.times, schedule.zone)):
            if instant < low:
                return None
            if instant <= high:
                return instant
    return None


def count(schedule: Schedule, first: datetime, last: datetime) -> int:
    """The number of slots in ``[first, last]``."""
    return sum(1 for _ in slots(schedule, first, last))


def next_slots(schedule: Schedule, after: datetime, n: int) -> list[datetime]:
    """The first ``n`` slots later than ``after``; fewer if the schedule ends, or a cron has no slot for 50 years."""
    return list(islice(slots(schedule, after + timedelta.resolution, LATEST), n))


def _bounds(schedule: Schedule, first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """The part of ``[first, last]`` within the schedule's start (inclusive) and end (exclusive)."""
    low = max(first, EARLIEST, schedule.start or EARLIEST)
    return low, min(last, LATEST, (schedule.end or LATEST) - timedelta.resolution)


def _days(fields: str, start: date, *, backwards: bool = False) -> Iterator[date]:
    """The matching days from ``start`` on, inclusive, forwards or backwards."""
    if fields == _EVERY_DAY:
        step = -1 if backwards else 1
        days = range(start.toordinal(), 0 if backwards else date.max.toordinal() + 1, step)
        return map(date.fromordinal, days)
    midnight = datetime.combine(start, time())
    # CronSim does not return the instant that it starts from.
    begin = midnight + _DAY if backwards else midnight - timedelta(seconds=1)
    return (moment.date() for moment in CronSim(f"0 0 {fields}", begin, reverse=backwards))


def _cron_times(minute: str, hour: str) -> tuple[timedelta, ...]:
    """The times of day that the first two fields of a cron expression ask for."""
    midnight = datetime.combine(date(2001, 1, 1), time())  # any day will do: only times count
    moments = CronSim(f"{minute} {hour} {_EVERY_DAY}", midnight - timedelta(seconds=1))
    return tuple(moment - midnight for moment in takewhile(lambda moment: moment < midnight + _DAY, moments))


def _instants(day: date, times: tuple[timedelta, ...], zone: ZoneInfo) -> list[datetime]:
    """The instants of one day's local times, ascending; local times inside a gap give one instant several times.

    A day that begins and ends with one offset has no clock change: no zone has had two within three days since 1900.
    """
    midnight = datetime.combine(day, time())
    offset = midnight.replace(tzinfo=zone).utcoffset()
    if offset is not None and offset == (midnight + _DAY).replace(tzinfo=zone).utcoffset():
        start = midnight.replace(tzinfo=UTC) - offset
        return [start + since for since in times]
    return [at_local(midnight + since, zone) for since in times]
