"""Times as a person reads them: in the workspace's zone, whose name is shown once (SPEC 9). Programs get UTC.

In UTC, a time is as in JSON: ``2026-11-20T05:00:00Z``. In other zones it has no offset, as `--at` takes it; but one
that the clocks repeat has, as in ``2026-10-25T02:30:00+01:00``.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from muster.runs import iso

_TIMES = {
    *("scheduled_time", "started_at", "finished_at", "evaluated_at", "baseline_evaluated_at", "delivered_at"),
    *("at", "made_at", "slot", "next", "due", "failing_since", "failed_at"),
}  # keys of JSON whose values are times


def written(moment: datetime, zone: ZoneInfo) -> str:
    """A time in a table, under which ``footer`` names the zone."""
    if zone.key == "UTC":
        return iso(moment)
    local = moment.astimezone(zone)
    is_repeated = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
    return (local if is_repeated else local.replace(tzinfo=None)).isoformat(timespec="seconds")


def told(moment: datetime, zone: ZoneInfo) -> str:
    """A time in a sentence: ``2026-11-20T06:00:00 Europe/Berlin``."""
    return written(moment, zone) if zone.key == "UTC" else f"{written(moment, zone)} {zone.key}"


def footer(zone: ZoneInfo) -> str:
    """The line under a table that names the zone of its times; empty for UTC, which each time names."""
    return "" if zone.key == "UTC" else f"times in {zone.key}"


def localised(shape: Any, zone: ZoneInfo) -> Any:
    """A JSON shape with its times written for a person."""
    if isinstance(shape, dict):
        return {
            key: written(datetime.fromisoformat(value), zone)
            if key in _TIMES and isinstance(value, str)
            else localised(value, zone)
            for key, value in shape.items()
        }
    return [localised(each, zone) for each in shape] if isinstance(shape, list) else shape
