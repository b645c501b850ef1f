"""What the commands do that look after the state: each takes what it works with and returns what happened as data."""

from datetime import datetime

from muster.activation.errors import RefusedError
from muster.runs.due import Asking, LedgerPast, sightings
from muster.schedules.due import horizon, open_window


def owed_evaluations(asking: Asking) -> dict[str, set[datetime]]:
    """Of each audience the evaluations that an after-evaluation export is still to be made of, or to be told superseded (S4)."""
    seen, past = sightings(asking), LedgerPast(asking)
    owed: dict[str, set[datetime]] = {}
    for each in asking.workspace.activations:
        if each.schedule.trigger == "after_evaluation":
            times = past.evaluations(each.audience, horizon(seen[each.key], past.history(each)))
            owed.setdefault(each.audience, set()).update(
                moment for moment in times if open_window(each.schedule, moment)
            )
    return owed


def check_retention(asking: Asking) -> None:
    """``RefusedError`` when the config does not say what may go."""
    retention = asking.workspace.retention
    if retention.evaluations is None and retention.runs is None:
        raise RefusedError(
            "muster.yml: has no `retention`, so nothing is pruned; expected such as "
            "`retention: {evaluations: {days: 30, count: 10}, runs: {days: 365}}`"
        )
