"""``--json`` of `schedule`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json, audiences_of, time

if TYPE_CHECKING:
    from muster.runs import Fire, ScheduledActivation


def schedule(each: "ScheduledActivation") -> Json:
    """The JSON of one line of ``schedule list``."""
    activation = each.activation
    return {
        "destination": activation.destination,
        "activation": activation.id,
        **audiences_of(activation),
        "export": activation.mode,
        "schedule": each.schedule,
        "enabled": activation.enabled,
        "next": time(each.next),
    }


def fire(each: "Fire") -> Json:
    """The JSON of one line of ``schedule next``."""
    return {"destination": each.activation.destination, "activation": each.activation.id, "time": time(each.at)}
