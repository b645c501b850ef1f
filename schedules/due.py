"""What is owed at an instant, given what earlier commands saw and what was finished (S2, S4, S5, S7, X7, X9). Pure.

Two facts bound the slots of an activation from below: ``Sighting.since``, from when its schedule counts, and
``History.last_finished``, up to when its slots are settled. A failed slot is owed beside them until a newer one
replaces it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from muster.activation.instants import iso, midnight
from muster.activation.model.workspace import Activation, Schedule
from muster.schedules.slots import EARLIEST, latest, pattern, slots


@dataclass(frozen=True)
class Sighting:
    """What earlier commands saw of an activation: kept by the caller, moved on by ``observe``."""

    activation: str  # destination/activation
    first_seen: datetime
    since: datetime  # slots before it are not due
    schedule_digest: str
    present: bool  # in the config at the last look


@dataclass(frozen=True)
class History:
    """What the runs of an activation's schedule came to, on-demand requests left out."""

    last_finished: datetime | None = None  # the newest slot that succeeded or was superseded
    failed: datetime | None = None  # the newest slot after it whose run failed and is not finished


@dataclass(frozen=True)
class Due:
    """One run that is owed: for the newest due slot; the others are superseded by it (S2)."""

    slot: datetime
    superseded_count: int = 0
    superseded_slot: datetime | None = None  # the newest of them


@lru_cache(maxsize=4096)
def schedule_digest(schedule: Schedule) -> str:
    """A digest (sha256, hex) of what decides the slots and of nothing else: ``every: 12h`` and ``at: [00:00, 12:00]`` are one."""
    repeated = pattern(schedule)
    if repeated is not None:
        asks = [schedule.zone.key, repeated.days, [int(since.total_seconds()) for since in repeated.times]]
    else:
        asks = [schedule.kind]
    bounds = (
        [] if schedule.kind == "on_demand" else [moment and iso(moment) for moment in (schedule.start, schedule.end)]
    )
    return sha256(json.dumps([asks, bounds]).encode()).hexdigest()


def observe(sightings: Mapping[str, Sighting], activations: Sequence[Activation], at: datetime) -> dict[str, Sighting]:
    """The sightings after a command at ``at`` has looked at the config, by ``destination/activation`` (S2, X9)."""
    absent = {key: replace(sighting, present=False) for key, sighting in sightings.items()}
    return absent | {activation.key: _seen(sightings.get(activation.key), activation, at) for activation in activations}


def _seen(before: Sighting | None, activation: Activation, at: datetime) -> Sighting:
    """One activation, present now. New: from its start, or from this day's midnight. Changed or returned: from ``at``."""
    schedule = activation.schedule
    digest = schedule_digest(schedule)
    if before is None:
        since = schedule.start or midnight(at.astimezone(schedule.zone).date(), schedule.zone)
        return Sighting(activation.key, first_seen=at, since=since, schedule_digest=digest, present=True)
    if before.present and before.schedule_digest == digest:
        return before
    return replace(before, since=at, schedule_digest=digest, present=True)


def due(
    schedule: Schedule, sighting: Sighting, history: History, at: datetime, evaluations: Sequence[datetime] = ()
) -> Due | None:
    """The run that is owed at ``at``, or None (S2, S4, S5). ``evaluations``: the instants at which the audience was evaluated.

    A failed slot stays owed when the schedule has changed since, so ``since`` does not bound it; start and end always
    do.
    """
    if schedule.kind == "on_demand":
        return None
    owed = {
        *_asked(schedule, _unsettled(sighting, history), at, evaluations),
        *_failed(schedule, history, at, evaluations),
    }
    if not owed:
        return None
    newest = max(owed)
    return Due(newest, superseded_count=len(owed) - 1, superseded_slot=max(owed - {newest}, default=None))


def horizon(sighting: Sighting, history: History) -> datetime:
    """No slot before it can be owed."""
    first = _unsettled(sighting, history)
    return min(first, history.failed) if history.failed else first


def _unsettled(sighting: Sighting, history: History) -> datetime:
    """The first instant at which a slot would count."""
    if history.last_finished is None:
        return sighting.since
    return max(sighting.since, history.last_finished + timedelta.resolution)


def _asked(schedule: Schedule, first: datetime, at: datetime, evaluations: Sequence[datetime]) -> Iterator[datetime]:
    """The slots in ``[first, at]``: the clock's, or the audience's evaluations (S4)."""
    if schedule.kind != "after_evaluation":
        return iter(_slots_between(schedule, first, at))
    return (moment for moment in evaluations if first <= moment <= at and open_window(schedule, moment))


@lru_cache(maxsize=1024)
def _slots_between(schedule: Schedule, first: datetime, last: datetime) -> tuple[datetime, ...]:
    """The same for all activations that share a schedule and were run together."""
    return tuple(slots(schedule, first, last))


def _failed(schedule: Schedule, history: History, at: datetime, evaluations: Sequence[datetime]) -> list[datetime]:
    """The failed slot that is to be tried again (S5), if there is one; with its evaluation a slot is forgotten too (S4, E6)."""
    slot = history.failed
    if slot is None or slot > at or not open_window(schedule, slot):
        return []
    if schedule.kind == "after_evaluation" and slot not in evaluations:
        return []
    return [slot] if history.last_finished is None or slot > history.last_finished else []


def evaluation_due(schedule: Schedule | None, newest_evaluation: datetime | None, at: datetime) -> bool:
    """Whether the newest slot at or before ``at`` is later than the newest evaluation, if there is any (S7)."""
    if schedule is None:
        return False
    first = EARLIEST if newest_evaluation is None else newest_evaluation + timedelta.resolution
    return latest(schedule, first, at) is not None


def open_window(schedule: Schedule, at: datetime) -> bool:
    """Whether ``at`` lies between the schedule's start (inclusive) and end (exclusive) (S1, X7)."""
    return (schedule.start is None or schedule.start <= at) and (schedule.end is None or at < schedule.end)
