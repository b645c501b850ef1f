"""The crontab that serves a workspace (SPEC 9)."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain

from muster.activation.errors import InputError
from muster.activation.instants import iso
from muster.activation.model.workspace import Schedule
from muster.schedules.slots import next_slots, slots

_YEAR = timedelta(days=366)
_EACH_RUN = range(0, 60, 5)  # minutes for activations that each run looks at (V1)
_CRONTAB = """\
# muster: {folder}
# Runs at each minute of the hour at which a schedule can ask for an export within a year from {since}.
# A run with nothing due does nothing; the next run tries a failed export again. Print this anew when schedules change.
{each_run}# The minutes are UTC minutes: they suit every machine whose zone is whole hours away from UTC.
# Cron's PATH is short: write out the path of muster if cron does not find it.
{minutes} * * * * muster -C {quoted} run -q --wait 600
"""
_OF_EACH_RUN = """\
# Each run sends messages, so it is called every five minutes; other minutes are as good. A run with nothing to send
# takes less than half a second, records nothing, and reads no data while the files of the inputs are the same.
"""
_NO_CRONTAB = """\
# muster: {folder}
# No schedule here follows the clock, so cron has nothing to do.
"""


def crontab_text(workspace_schedules: Sequence[Schedule], folder: str, now: datetime) -> str:
    """A crontab that runs muster, each hour, at every minute at which a slot of the coming year falls.

    Each hour, because cron reads hours in the machine's zone, which can differ from the schedules' zones and has clock
    changes; and so that failed exports are tried again soon (S5). ``folder`` is the absolute path of the workspace;
    ``InputError`` when cron cannot read it.
    """
    if not folder.isprintable():
        raise InputError(
            f"{folder!r} cannot be written in a crontab: its name has a line break or another character that "
            f"cannot be printed"
        )
    minutes = _minutes(workspace_schedules, now)
    if not minutes:
        return _NO_CRONTAB.format(folder=folder)
    each_run = _OF_EACH_RUN if _have_each_run(workspace_schedules) else ""
    return _CRONTAB.format(
        folder=folder, since=iso(now), each_run=each_run, minutes=_field(minutes), quoted=_quote(folder)
    )


def _have_each_run(schedules: Sequence[Schedule]) -> bool:
    """Whether each run has to look at activations (V1)."""
    return any(schedule.kind == "each_run" for schedule in schedules)


def _minutes(schedules: Sequence[Schedule], now: datetime) -> set[int]:
    """The minutes of the hour, in UTC, at which slots fall; a slot inside a minute counts for the next minute.

    With activations that each run looks at, every fifth minute is among them.
    """
    minutes: set[int] = set(_EACH_RUN if _have_each_run(schedules) else ())
    for slot in chain.from_iterable(_coming(schedule, now) for schedule in dict.fromkeys(schedules)):
        minutes.add((slot + timedelta(seconds=59)).minute)
        if len(minutes) == 60:
            break
    return minutes


def _coming(schedule: Schedule, now: datetime) -> Iterator[datetime]:
    """The slots of the coming year, and the next slot, which may come later."""
    return chain(slots(schedule, now, now + _YEAR), next_slots(schedule, now, 1))


def _field(minutes: set[int]) -> str:
    """The minute field of a crontab line: ``*``, ``*/5`` or ``0,30``."""
    ordered = sorted(minutes)
    if len(ordered) == 60:
        return "*"
    step = 60 // len(ordered)
    if len(ordered) > 4 and ordered == list(range(0, 60, step)):
        return f"*/{step}"
    return ",".join(str(minute) for minute in ordered)


def _quote(folder: str) -> str:
    r"""The folder as one shell word inside a crontab, where ``%`` is a line break unless ``\`` stands before it.

    The ``\%`` stands outside of quotes, because a backslash inside quotes would become part of the folder's name.
    """
    quoted = shlex.quote(folder)
    return quoted.replace("%", "'\\%'" if quoted.startswith("'") else "\\%")
