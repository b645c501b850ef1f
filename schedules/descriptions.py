"""A schedule in plain words, and the crontab that serves a workspace (SPEC 9). Pure."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain

from cronsim import CronSim

from muster.activation.errors import InputError
from muster.activation.instants import iso, midnight
from muster.activation.model.workspace import Schedule
from muster.schedules.slots import EARLIEST, next_slots, slots

_YEAR = timedelta(days=366)
_CRONTAB = """\
# muster: {folder}
# It runs at every minute past the hour at which some schedule can ask for an export in the year from {since}. That is often:
# a run with nothing due does nothing, and a failed export is tried again by the next one. Make it anew when schedules change.
# The minutes are those of UTC: they suit any machine whose zone is whole hours away from it.
# Cron's PATH is short: write out where muster is if cron does not find it.
{minutes} * * * * muster -C {quoted} run -q --wait 600
"""
_NO_CRONTAB = """\
# muster: {folder}
# No schedule here asks for a run by the clock: there is nothing for cron to do.
"""


def describe(schedule: Schedule) -> str:
    """The schedule as one would say it: ``every day at 05:00 and 17:00 (Europe/Berlin), from 2026-11-01``."""
    zone = f" ({schedule.zone.key})"
    window = _window(schedule)
    if schedule.kind == "on_demand":
        return "on demand only" + (window and f"{window}{zone}")
    if schedule.kind == "after_evaluation":
        return "after each evaluation of its audience" + (window and f"{window}{zone}")
    if schedule.kind == "cron":
        return f"cron {schedule.cron}{zone}: {_explain(schedule.cron)}{window}"
    return f"{_times(schedule)}{zone}{window}"


def _times(schedule: Schedule) -> str:
    if schedule.kind == "at":
        return f"every day at {_listed(at.isoformat('seconds' if at.second else 'minutes') for at in schedule.times)}"
    if schedule.hours == 24:
        return "every day at 00:00"
    return f"every {'hour' if schedule.hours == 1 else f'{schedule.hours} hours'} from midnight"


def _listed(words: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *others, final = words
    return f"{', '.join(others)} and {final}" if others else final


def _explain(cron: str) -> str:
    """CronSim's reading, which does not depend on the moment it is given."""
    words = CronSim(cron, EARLIEST).explain()
    return words[0].lower() + words[1:]


def _window(schedule: Schedule) -> str:
    """``, from 2026-11-01 to 2026-12-01`` in the schedule's zone, with the parts that are set."""
    start, end = (moment and _local(moment, schedule) for moment in (schedule.start, schedule.end))
    if start and end:
        return f", from {start} to {end}"
    if start:
        return f", from {start}"
    return f", until {end}" if end else ""


def _local(moment: datetime, schedule: Schedule) -> str:
    """A day, when the moment is where it begins; otherwise day and time."""
    local = moment.astimezone(schedule.zone)
    if moment == midnight(local.date(), schedule.zone):
        return f"{local:%Y-%m-%d}"
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")


def crontab(workspace_schedules: Sequence[Schedule], folder: str, now: datetime) -> str:
    """Crontab text that runs muster at every minute of the hour at which a slot of the coming year falls, each hour.

    Each hour, for cron reads hours in the machine's zone, which is nobody's business here, and clocks change; and so
    that what failed is tried again soon (S5). ``folder`` is the workspace's, absolute.
    """
    if not folder.isprintable():
        raise InputError(
            f"{folder!r} cannot be written in a crontab: its name holds a line break or something else that "
            f"cannot be printed"
        )
    minutes = _minutes(workspace_schedules, now)
    if not minutes:
        return _NO_CRONTAB.format(folder=folder)
    return _CRONTAB.format(folder=folder, since=iso(now), minutes=_field(minutes), quoted=_quote(folder))


def _minutes(schedules: Sequence[Schedule], now: datetime) -> set[int]:
    """The minutes of the hour in UTC at which slots fall; a slot within a minute is served at the next one."""
    minutes: set[int] = set()
    for slot in chain.from_iterable(_coming(schedule, now) for schedule in dict.fromkeys(schedules)):
        minutes.add((slot + timedelta(seconds=59)).minute)
        if len(minutes) == 60:
            break
    return minutes


def _coming(schedule: Schedule, now: datetime) -> Iterator[datetime]:
    """The slots of the coming year, or the next one if it comes later."""
    return chain(slots(schedule, now, now + _YEAR), next_slots(schedule, now, 1))


def _field(minutes: set[int]) -> str:
    """Cron's minute field: ``*``, ``*/5`` or ``0,30``."""
    ordered = sorted(minutes)
    if len(ordered) == 60:
        return "*"
    step = 60 // len(ordered)
    if len(ordered) > 4 and ordered == list(range(0, 60, step)):
        return f"*/{step}"
    return ",".join(str(minute) for minute in ordered)


def _quote(folder: str) -> str:
    r"""The folder as one word of the shell inside a crontab, where ``%`` is a line break unless ``\`` stands before it.

    Inside quotes the ``\%`` is set between them, so that a backslash of the folder's own cannot take its place.
    """
    quoted = shlex.quote(folder)
    return quoted.replace("%", "'\\%'" if quoted.startswith("'") else "\\%")
