"""When activations run next: schedules in words, fire times, a crontab (S1, S3)."""

import heapq
from dataclasses import dataclass
from datetime import datetime

from muster.activation.model.workspace import AnyActivation
from muster.runs.opening import OpenWorkspace, instant_of
from muster.runs.sessions import read_ledger
from muster.schedules.crontab import crontab_text
from muster.schedules.descriptions import describe
from muster.schedules.slots import next_slots


@dataclass(frozen=True)
class ScheduledActivation:
    """An activation, its schedule in words, and when it fires next; None when it does not, or is disabled."""

    activation: AnyActivation
    schedule: str
    next: datetime | None


@dataclass(frozen=True)
class Fire:
    """One instant at which an activation's schedule asks for an export."""

    at: datetime
    activation: AnyActivation


def list_schedules(workspace: OpenWorkspace, *, now: datetime) -> tuple[ScheduledActivation, ...]:
    """Each activation's schedule in words, and its next fire time after ``now``."""
    at = instant_of(now)
    _refuse_unreadable_state(workspace, at)
    return tuple(
        ScheduledActivation(
            each, describe(each.schedule), next(iter(next_slots(each.schedule, at, 1)), None) if each.enabled else None
        )
        for each in workspace.config.all_activations
    )


def next_fires(workspace: OpenWorkspace, number: int = 10, *, now: datetime) -> tuple[Fire, ...]:
    """The next fire times after ``now`` of all enabled activations together, soonest first."""
    at = instant_of(now)
    _refuse_unreadable_state(workspace, at)
    enabled = [each for each in workspace.config.all_activations if each.enabled]
    fires = (Fire(slot, each) for each in enabled for slot in next_slots(each.schedule, at, number))
    return tuple(heapq.nsmallest(number, fires, key=lambda fire: (fire.at, fire.activation.key)))


def crontab(workspace: OpenWorkspace, *, now: datetime) -> str:
    """A crontab that calls `muster run` whenever something can be due in the year after ``now``."""
    at = instant_of(now)
    _refuse_unreadable_state(workspace, at)
    schedules = [each.schedule for each in workspace.config.all_activations if each.enabled]
    if workspace.config.evaluation_schedule:
        schedules.append(workspace.config.evaluation_schedule)
    return crontab_text(schedules, str(workspace.root), at)


def _refuse_unreadable_state(workspace: OpenWorkspace, at: datetime) -> None:
    """Raise ``StateError`` for a state that no run could work with: a schedule would promise what does not come."""
    read_ledger(workspace, lambda _: None, at)
