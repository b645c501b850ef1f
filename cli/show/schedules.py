"""Text output of `schedule`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from muster.cli.show import terminal, times

if TYPE_CHECKING:
    from muster.runs import Fire, ScheduledActivation


def schedules(found: "Sequence[ScheduledActivation]", zone: ZoneInfo) -> None:
    """Print the result of `schedule list`."""
    lines = [(each.activation.key, each.activation.mode, each.schedule, _next(each, zone)) for each in found]
    headings = ("activation", "export", "schedule", "next")
    terminal.rows(headings, lines, empty="no activations yet: add some to destinations/*.yml", zone=zone)


def _next(each: "ScheduledActivation", zone: ZoneInfo) -> str | None:
    """When an activation fires next, or that it is disabled; None when its schedule has no next time."""
    if not each.activation.enabled:
        return "disabled"
    return times.written(each.next, zone) if each.next else None


def fires(found: "Sequence[Fire]", zone: ZoneInfo) -> None:
    """Print the result of `schedule next`."""
    lines = [(times.written(each.at, zone), each.activation.key) for each in found]
    empty = "no activation has a time of day, an interval or a cron expression ahead: see `muster schedule list`"
    terminal.rows(("time", "activation"), lines, empty=empty, zone=zone)
