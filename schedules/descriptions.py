"""Schedules in plain words (SPEC 9)."""

from datetime import datetime

from cronsim import CronSim

from muster.activation.instants import midnight
from muster.activation.model.workspace import Schedule
from muster.activation.wording import listed
from muster.schedules.slots import EARLIEST


def describe(schedule: Schedule) -> str:
    """The schedule in words: ``every day at 05:00 and 17:00 (Europe/Berlin), from 2026-11-01``."""
    zone = f" ({schedule.zone.key})"
    window = _window(schedule)
    if schedule.kind == "on_demand":
        return "on demand only" + (window and f"{window}{zone}")
    if schedule.kind == "each_run":
        return "at each `muster run` or `muster evaluate`" + (window and f"{window}{zone}")
    if schedule.kind == "after_evaluation":
        return "after each evaluation of its audience" + (window and f"{window}{zone}")
    if schedule.kind == "cron":
        return f"cron {schedule.cron}{zone}: {_explain(schedule.cron)}{window}"
    return f"{_times(schedule)}{zone}{window}"


def _times(schedule: Schedule) -> str:
    if schedule.kind == "at":
        times = listed(at.isoformat("seconds" if at.second else "minutes") for at in schedule.times)
        return f"{_day(schedule.monthly)} at {times}"
    if schedule.hours == 24:
        return "every day at 00:00"
    return f"every {'hour' if schedule.hours == 1 else f'{schedule.hours} hours'} from midnight"


def _day(monthly: str) -> str:
    """The days of a schedule with local times: ``every day``, or one day of each month that has it."""
    if not monthly:
        return "every day"
    if monthly == "last":
        return "the last day of each month"
    suffix = "th" if monthly in {"11", "12", "13"} else {"1": "st", "2": "nd", "3": "rd"}.get(monthly[-1], "th")
    return f"the {monthly}{suffix} of each month"


def _explain(cron: str) -> str:
    """The cron expression in words, by CronSim; the words do not depend on the instant that CronSim gets."""
    words = CronSim(cron, EARLIEST).explain()
    return words[0].lower() + words[1:]


def _window(schedule: Schedule) -> str:
    """The schedule's start and end in its zone, as far as they are set: ``, from 2026-11-01 to 2026-12-01``."""
    start, end = (moment and _local(moment, schedule) for moment in (schedule.start, schedule.end))
    if start and end:
        return f", from {start} to {end}"
    if start:
        return f", from {start}"
    return f", until {end}" if end else ""


def _local(moment: datetime, schedule: Schedule) -> str:
    """The instant in the schedule's zone: the day if the instant is the day's midnight, else day and time."""
    local = moment.astimezone(schedule.zone)
    if moment == midnight(local.date(), schedule.zone):
        return f"{local:%Y-%m-%d}"
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")
