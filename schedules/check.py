"""Schedules that are too fine for the time in a file name, so that two runs would share a name (F1)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice

from muster.activation.errors import Problem
from muster.activation.instants import iso
from muster.activation.model.name_times import Said
from muster.activation.model.naming import is_constant, placeholders, said_of_time, time_texts
from muster.activation.model.workspace import Activation, Schedule, Workspace
from muster.schedules.slots import LATEST, slots

# Long enough for every clock change and a leap day, wherever it begins; fixed, so that only the config decides.
_SPAN = timedelta(days=9 * 366)
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_MOST = 9_000  # slots that are looked at: more than a year of an hourly schedule

_UTC_DATE, _LOCAL_DATE = Said(frozenset("Ymd"), frozenset()), Said(frozenset(), frozenset("Ymd"))


def problems(workspace: Workspace) -> list[Problem]:
    """A problem for each activation of which two runs can share a name: the second could not write its files (F1)."""
    return [
        activation.location.problem(f"{activation.key}: {reason}")
        for activation in workspace.activations
        if (reason := _too_coarse(activation))
    ]


def _too_coarse(activation: Activation) -> str:
    """Why the times in the file name are not enough; empty if they are, or if the name has none or the run's id."""
    template, schedule = activation.file_name, activation.schedule
    if is_constant(template) or "run_id" in placeholders(template):
        return ""
    said = said_of_time(template)
    times = " and ".join(f"{{{each}}}" for each in _times(template))
    start = f"file_name {template!r} has only {times} to tell runs apart"
    if schedule.kind == "after_evaluation":
        return "" if said.names_instants else f"{start}, and {_twice(said)}; use {{datetime}}"
    if schedule.kind == "on_demand" or _fits_all(said, schedule):
        return ""
    if shared := _with_one_name(schedule, template):
        first, second = shared
        return f"{start}, and two runs {_meeting(said)}, {iso(first)} and {iso(second)}; use {{datetime}}"
    return ""


def _times(template: str) -> Iterator[str]:
    return (each for each in sorted(placeholders(template)) if not said_of_time(f"{{{each}}}").nothing)


def _fits_all(said: Said, schedule: Schedule) -> bool:
    """Whether the time tells all slots apart: a local time has one slot, also where it occurs twice (S3)."""
    return said.tells("S") if any(each.second for each in schedule.times) else said.tells()


def _twice(said: Said) -> str:
    if said == _UTC_DATE:
        return "an audience can be evaluated twice on one UTC date"
    if said.tells("S"):
        return "a local time occurs twice when the clocks change"
    return "an audience can be evaluated twice within one of them"


def _meeting(said: Said) -> str:
    if said in (_UTC_DATE, _LOCAL_DATE):
        return f"fall on one {'UTC' if said == _UTC_DATE else 'local'} date"
    return "get one name"


@lru_cache(maxsize=1024)
def _with_one_name(schedule: Schedule, template: str) -> tuple[datetime, datetime] | None:
    """The first two slots with one name, if any: two a day, or one a day near midnight when the clock changes."""
    begin = min(schedule.start or _BEGIN, LATEST)
    said = said_of_time(template)
    asked = slots(schedule, begin, begin + _SPAN)
    first: dict[tuple[str, ...], datetime] = {}
    # A name without a year comes again after years; one with a date can come again only within days.
    for slot in islice(asked, _MOST) if said.names_dates else asked:
        text = time_texts(template, slot, schedule.zone)
        if text in first:
            return first[text], slot
        first[text] = slot
    return None
