"""Schedules that are too fine for the time in a file name, so that two runs would share a name (F1)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from muster.activation.errors import Problem
from muster.activation.instants import iso
from muster.activation.model.naming import time_resolution
from muster.activation.model.workspace import Activation, Schedule, Workspace
from muster.schedules.slots import LATEST, slots

# Long enough for every clock change and a leap day, wherever it begins; fixed, so that only the config decides.
_SPAN = timedelta(days=9 * 366)
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def problems(workspace: Workspace) -> list[Problem]:
    """A problem for each activation whose ``{date}`` two runs can share: the second could not write its files (F1)."""
    return [
        activation.location.problem(f"{activation.key}: {reason}")
        for activation in workspace.activations
        if time_resolution(activation.file_name) == "date" and (reason := _too_coarse(activation))
    ]


def _too_coarse(activation: Activation) -> str:
    """Why ``{date}`` in the file name is not enough; empty if it is enough."""
    template = f"file_name {activation.file_name!r} has only {{date}} to tell runs apart"
    if activation.schedule.kind == "after_evaluation":
        return f"{template}, and an audience can be evaluated twice on one UTC date; use {{datetime}}"
    if shared := _on_one_date(activation.schedule):
        first, second = shared
        return f"{template}, and two runs fall on one UTC date, {iso(first)} and {iso(second)}; use {{datetime}}"
    return ""


@lru_cache(maxsize=1024)
def _on_one_date(schedule: Schedule) -> tuple[datetime, datetime] | None:
    """The first two slots on one UTC date, if any: two a day, or one a day near midnight when the clock changes."""
    begin = min(schedule.start or _BEGIN, LATEST)
    pairs = pairwise(slots(schedule, begin, begin + _SPAN))
    return next(((first, second) for first, second in pairs if first.date() == second.date()), None)
