"""Instants, local times and durations (E1, S1, S3).

An instant is a ``datetime`` in UTC, cut to whole seconds. A local time is a naive ``datetime`` and a zone. Only this
module decides about local times that the clock of a zone skips or repeats.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from muster.activation.errors import InputError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SHORT_UNITS = (("h", 3600), ("min", 60), ("s", 1))
_LOOKS_RIGHT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?")
_DURATION = re.compile(r"([0-9]{1,9})([mhdw])")
_MACHINE_ZONES = {
    "localtime",
    "posixrules",
}  # on some machines, beside the IANA zones; each machine has another zone there (E1)


@cache
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; ``KeyError`` when there is none."""
    if name in _MACHINE_ZONES:
        raise KeyError(name)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise KeyError(name) from error


def is_skipped(local: datetime, tz: ZoneInfo) -> bool:
    """Whether the clock of ``tz`` jumps over this naive local time."""
    return local.replace(tzinfo=tz).astimezone(UTC).astimezone(tz).replace(tzinfo=None) != local


def at_local(local: datetime, tz: ZoneInfo) -> datetime:
    """The instant of a naive local time (S3): the first of two; of a skipped time, the first instant after the gap."""
    first = local.replace(tzinfo=tz, fold=0)
    if not is_skipped(local, tz):
        return first.astimezone(UTC)
    # In a gap fold=0 uses the offset before it and fold=1 the one after: the gap's end lies between the two instants.
    low = local.replace(tzinfo=tz, fold=1).astimezone(UTC)
    high = first.astimezone(UTC)
    before = low.astimezone(tz).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        low, high = (middle, high) if middle.astimezone(tz).utcoffset() == before else (low, middle)
    return high.replace(microsecond=0)


def midnight(day: date, tz: ZoneInfo) -> datetime:
    """The instant at which a local day starts."""
    return at_local(datetime.combine(day, time()), tz)


def parse_instant(text: str, tz: ZoneInfo) -> datetime:
    """The instant that ``--at`` names (E1), in ISO 8601, cut to whole seconds; a naive time is local time in ``tz``.

    Of a repeated local time the first instant counts; ``InputError`` for a skipped one, and for years out of range.
    """
    try:
        written = datetime.fromisoformat(text.strip())
        instant = (written.astimezone(UTC) if written.tzinfo else at_local(written, tz)).replace(microsecond=0)
        year = instant.astimezone(tz).year
    except ValueError:
        reason = " (there is no such day or hour)" if _LOOKS_RIGHT.fullmatch(text.strip()) else ""
        raise InputError(
            f"{text!r} is not a time; expected ISO 8601 such as 2026-11-21T17:00 or 2026-11-21T17:00:00Z{reason}"
        ) from None
    except OverflowError:
        year = 0
    if year < 1900:
        raise InputError(f"{text!r} is out of range; expected a year from 1900 to 9999")
    if written.tzinfo is None and is_skipped(written, tz):
        raise InputError(
            f"{text!r} does not exist in {tz.key}: the clocks jump over it; the first instant after it is "
            f"{iso(instant)}"
        )
    return instant


def parse_duration(text: str) -> timedelta:
    """A duration such as ``30d``, in units ``m h d w`` of fixed lengths; ``ValueError`` for other text."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a duration; expected a number and one of m, h, d, w, such as 30d")
    seconds = int(match[1]) * UNITS[match[2]]
    if seconds > 200 * 366 * 86400:
        raise ValueError(f"{text!r} is too long; expected at most 200 years")
    return timedelta(seconds=seconds)


def spelled(length: timedelta) -> str:
    """A length of time such as ``26 h 5 min``, in hours, minutes and seconds; from four days on in days and hours."""
    seconds = int(length.total_seconds())
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)) if seconds >= 4 * 86400 else _SHORT_UNITS
    parts = []
    for unit, each in units:
        count, seconds = divmod(seconds, each)
        parts += [f"{count:,} {unit}"] if count else []
    return " ".join(parts) or "0 s"


def rounded(length: timedelta) -> str:
    """A length of time in its largest unit, such as ``26 h`` or ``5 d``, cut off."""
    return " ".join(spelled(length).split()[:2])


def iso(instant: datetime) -> str:
    """The instant as ``2026-11-21T17:00:00Z``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp(instant: datetime) -> str:
    """The instant as ``20261121T170000Z``, for file names."""
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
