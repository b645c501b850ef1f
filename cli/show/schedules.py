"""Text output of `schedule`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from muster.cli.show import terminal
from muster.runs import iso

if TYPE_CHECKING:
    from muster.runs import Fire, ScheduledActivation


def schedules(found: "Sequence[ScheduledActivation]") -> None:
    """Print the result of `schedule list`."""
    lines = [
        (each.activation.key, each.activation.export, each.schedule, iso(each.next) if each.next else _why(each))
        for each in found
    ]
    headings = ("activation", "export", "schedule", "next")
    terminal.rows(headings, lines, empty="no activations yet: add some to destinations/*.yml")


def _why(each: "ScheduledActivation") -> str | None:
    """Why an activation does not fire: it is disabled; None when its schedule is without a next time."""
    return None if each.activation.enabled else "disabled"


def fires(found: "Sequence[Fire]") -> None:
    """Print the result of `schedule next`."""
    lines = [(iso(each.at), each.activation.key) for each in found]
    empty = "no activation has a time of day, an interval or a cron expression ahead"
    terminal.rows(("time", "activation"), lines, empty=empty)
